//! Between the engine and the codec: records in, records out, images and the shard's own image.

use std::fmt;

use super::ports::{OutTopic, Outgoing, Record};
use super::shard::{DIGEST, Mark};
use crate::codec::error::{Error, reason};
use crate::codec::json;
use crate::domain::entity::{Entity, EntityKey};
use crate::domain::fact::Fact;
use crate::domain::hash;
use crate::domain::ids::DomainId;
use crate::domain::input::Input;
use crate::domain::state::{Change, State};
use crate::domain::time::Timestamp;

/// How records are read and written.
#[derive(Clone, Debug, Default)]
pub struct Wire {}

/// What an image in the state topic is.
#[derive(Debug)]
pub(super) enum Stored {
    Mark((Mark, i32)),
    Image,
}

/// Why an image cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts images together to a state.
#[derive(Debug, Default)]
pub(super) struct ImageReader {
    state: State,
}

impl ImageReader {
    pub(super) fn read(
        &mut self,
        _shard: i32,
        _key: &[u8],
        _value: &[u8],
    ) -> Result<Stored, Unreadable> {
        Err(Unreadable("not yet".to_owned()))
    }

    pub(super) fn finish(self) -> Result<State, Unreadable> {
        Ok(self.state)
    }
}

/// What an image adds to the digest.
pub(super) fn hash_of(key: &[u8], value: &[u8]) -> u128 {
    hash::sip128_parts(DIGEST, &[key, value])
}

fn records(key: &EntityKey, entity: &Entity) -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![(format!("{key:?}").into_bytes(), format!("{entity:?}").into_bytes())]
}

/// The digest of a state from scratch.
pub fn digest_of(entities: &[(EntityKey, Entity)]) -> u128 {
    let images = entities.iter().flat_map(|(key, entity)| records(key, entity));
    images.fold(0, |sum, (key, value)| sum.wrapping_add(hash_of(&key, &value)))
}

/// The digest after some changes.
pub fn digest_after(digest: u128, changes: &[Change]) -> u128 {
    changes.iter().fold(digest, |sum, change| {
        let sum_of = |entity: &Option<Entity>| {
            let records = entity.iter().flat_map(|entity| records(&change.key, entity));
            records.fold(0_u128, |sum, (key, value)| sum.wrapping_add(hash_of(&key, &value)))
        };
        sum.wrapping_sub(sum_of(&change.before)).wrapping_add(sum_of(&change.after))
    })
}

impl Wire {
    pub(super) fn decode(
        &self,
        record: &Record,
        now: Timestamp,
    ) -> Result<(DomainId, Input), Error> {
        let key = record.key.as_deref().ok_or_else(|| {
            Error::new(reason::KEY_MISSING, "key", "the key is the routing domain")
        })?;
        let key = std::str::from_utf8(key).ok().and_then(|key| DomainId::parse(key).ok());
        let domain = key.ok_or_else(|| Error::new(reason::ID_INVALID, "key", "is no id"))?;
        let value = json::parse(record.value.as_deref().unwrap_or(b"null"))?;
        Ok((domain, json::decode_event(record.part.topic, &value, now, false)?))
    }

    pub(super) fn published(&self, fact: &Fact, now: Timestamp) -> Option<Outgoing> {
        let (topic, key, value) = match fact {
            Fact::Assigned(fact) => {
                (OutTopic::LeadAssigned, &fact.lead_id, json::encode_assigned(fact))
            }
            Fact::Breached(fact) => {
                (OutTopic::SlaBreached, &fact.lead_id, json::encode_breached(fact))
            }
            _ => return None,
        };
        Some(Outgoing {
            topic,
            partition: None,
            key: Some(key.as_str().as_bytes().to_vec()),
            value: Some(value.to_string().into_bytes()),
            headers: Vec::new(),
            timestamp: now,
        })
    }

    pub(super) fn dead_letter(&self, record: &Record, error: &Error, now: Timestamp) -> Outgoing {
        let mut headers = record.headers.clone();
        headers.push(("dlq.reason".to_owned(), Some(error.reason.as_bytes().to_vec())));
        Outgoing {
            topic: OutTopic::DeadLetter,
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers,
            timestamp: now,
        }
    }

    pub(super) fn images(
        &self,
        _shard: i32,
        changes: &[Change],
        digest: u128,
        _now: Timestamp,
    ) -> (Vec<Outgoing>, u128) {
        (Vec::new(), digest_after(digest, changes))
    }

    pub(super) fn mark(
        &self,
        shard: i32,
        _mark: &Mark,
        _partitions: i32,
        now: Timestamp,
    ) -> Outgoing {
        Outgoing {
            topic: OutTopic::State,
            partition: Some(shard),
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: now,
        }
    }
}
