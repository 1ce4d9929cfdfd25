//! Between the engine and the codec: records in, records out, images and the shard's own image.

use std::collections::HashMap;

use super::ports::{OutTopic, Outgoing, Record};
use super::shard::{DIGEST, Mark};
use crate::codec::dead_letter::{self, Source};
use crate::codec::encode::{Encoder, Format};
use crate::codec::error::Error;
use crate::codec::image::{self, Assembler, ImageError, SHARD_KEY, ShardImage};
use crate::codec::record::{Decoder, RawRecord};
use crate::domain::entity::Entity;
use crate::domain::fact::Fact;
use crate::domain::hash;
use crate::domain::ids::DomainId;
use crate::domain::input::{Input, Topic};
use crate::domain::state::{Change, State};
use crate::domain::time::Timestamp;

/// How records are read and written.
#[derive(Clone, Debug)]
pub struct Wire {
    pub decoder: Decoder,
    pub encoder: Encoder,
    /// The names of the topics in, for dead letters.
    pub names: [String; 9],
    /// A dead letter larger than this is written without its value.
    pub max_bytes: usize,
}

impl Default for Wire {
    /// Avro single objects, the default names.
    fn default() -> Wire {
        Wire {
            decoder: Decoder::default(),
            encoder: Encoder::new(Format::SingleObject),
            names: Topic::ALL.map(|topic| topic.name().to_owned()),
            max_bytes: 1_000_000,
        }
    }
}

/// A shard as its state partition has it.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) state: State,
    /// Where it stands, and the partition count that it was written under.
    pub(super) mark: Option<(Mark, i32)>,
    pub(super) images: u64,
    /// The sum of the hashes of all images.
    pub(super) digest: u128,
}

/// Puts the images of a state partition together, read from its beginning to its end. Accounts, of which
/// there are millions, are put in place as they come; the rest waits until all has been read, because an
/// image in parts is whole only then.
#[derive(Debug, Default)]
pub(super) struct ImageReader {
    state: State,
    newest: HashMap<Vec<u8>, Vec<u8>>,
}

impl ImageReader {
    pub(super) fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        if let Some(account) = image::account_key(key) {
            match value.and_then(|value| image::account(&account, value)) {
                Some(entity) => {
                    self.newest.remove(key);
                    return self.state.load(account, entity);
                }
                // In parts, unreadable or gone: a later record may say more.
                None => self.state.unload(account),
            }
        }
        match value {
            Some(value) => self.newest.insert(key.to_vec(), value.to_vec()),
            None => self.newest.remove(key),
        };
    }

    pub(super) fn finish(self) -> Result<Stored, ImageError> {
        let ImageReader { mut state, newest } = self;
        let accounts = state.each().flat_map(|(key, entity)| image::records(&key, entity));
        let (mut images, mut digest) = (0, 0_u128);
        for (key, value) in accounts {
            images += 1;
            digest = digest.wrapping_add(hash_of(&key, &value));
        }
        let mut mark = None;
        let mut entities = Assembler::default();
        let mut newest: Vec<_> = newest.into_iter().collect();
        newest.sort();
        for (key, value) in newest {
            images += 1;
            if key == SHARD_KEY {
                let image = ShardImage::decode(&value)?;
                let ShardImage { next, time, batch, digest, partitions, .. } = image;
                mark = Some((Mark { next, time, batch, digest }, partitions));
            } else {
                entities.add(&key, &value)?;
                digest = digest.wrapping_add(hash_of(&key, &value));
            }
        }
        for (key, entity) in entities.finish()? {
            state.load(key, entity);
        }
        Ok(Stored { state, mark, images, digest })
    }
}

/// What an image adds to the digest.
pub(super) fn hash_of(key: &[u8], value: &[u8]) -> u128 {
    hash::sip128_parts(DIGEST, &[key, value])
}

/// The digest of a state from scratch.
pub fn digest_of(state: &State) -> u128 {
    let images = state.each().flat_map(|(key, entity)| image::records(&key, entity));
    images.fold(0, |sum, (key, value)| sum.wrapping_add(hash_of(&key, &value)))
}

/// The digest after some changes.
pub fn digest_after(digest: u128, changes: &[Change]) -> u128 {
    changes.iter().fold(digest, |digest, change| written(change, digest, |_, _| {}))
}

/// What a change writes and takes away, with the digest after it. A part that stays as it is is not
/// written again.
fn written(change: &Change, digest: u128, mut write: impl FnMut(Vec<u8>, Option<Vec<u8>>)) -> u128 {
    let records = |entity: &Option<Entity>| -> Vec<(Vec<u8>, Vec<u8>)> {
        entity.iter().flat_map(|entity| image::records(&change.key, entity)).collect()
    };
    let (before, after) = (records(&change.before), records(&change.after));
    let mut digest = digest;
    for record in before.iter().filter(|record| !after.contains(record)) {
        digest = digest.wrapping_sub(hash_of(&record.0, &record.1));
    }
    for (key, _) in before.iter().filter(|(key, _)| !after.iter().any(|(other, _)| other == key)) {
        write(key.clone(), None);
    }
    for record in after {
        if !before.contains(&record) {
            digest = digest.wrapping_add(hash_of(&record.0, &record.1));
            write(record.0, Some(record.1));
        }
    }
    digest
}

impl Wire {
    pub(super) fn decode(
        &self,
        record: &Record,
        partitions: i32,
    ) -> Result<(DomainId, Input), Error> {
        self.decoder.decode_record(&RawRecord {
            topic: record.part.topic,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
            timestamp: record.timestamp,
            partition: record.part.shard,
            partition_count: Some(partitions),
        })
    }

    /// Whether a record cannot be read yet: its schema is still to be fetched.
    pub(super) fn waits(&self, record: &Record) -> bool {
        self.decoder.waits(record.value.as_deref(), &record.headers)
    }

    /// The record of a published fact; `None` = the fact is not published.
    pub(super) fn published(&self, fact: &Fact, now: Timestamp) -> Option<Result<Outgoing, Error>> {
        let (topic, key, value) = match fact {
            Fact::Assigned(fact) => {
                (OutTopic::LeadAssigned, &fact.lead_id, self.encoder.assigned(fact))
            }
            Fact::Breached(fact) => {
                (OutTopic::SlaBreached, &fact.lead_id, self.encoder.breached(fact))
            }
            _ => return None,
        };
        Some(value.map(|value| Outgoing {
            topic,
            partition: None,
            key: Some(key.as_str().as_bytes().to_vec()),
            value: Some(value),
            headers: Vec::new(),
            timestamp: now,
        }))
    }

    pub(super) fn dead_letter(&self, record: &Record, error: &Error, now: Timestamp) -> Outgoing {
        let topic = &self.names[record.part.topic.index()];
        let source = Source {
            topic,
            partition: record.part.shard,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        };
        let letter = dead_letter::build(&source, error, self.max_bytes);
        Outgoing {
            topic: OutTopic::DeadLetter,
            partition: None,
            key: letter.key,
            value: letter.value,
            headers: letter.headers,
            timestamp: now,
        }
    }

    /// The images of what a batch touched, and the digest after it.
    pub(super) fn images(
        &self,
        shard: i32,
        changes: &[Change],
        digest: u128,
        now: Timestamp,
    ) -> (Vec<Outgoing>, u128) {
        let mut out = Vec::new();
        let digest = changes.iter().fold(digest, |digest, change| {
            written(change, digest, |key, value| out.push(state_record(shard, key, value, now)))
        });
        (out, digest)
    }

    pub(super) fn mark(
        &self,
        shard: i32,
        mark: &Mark,
        partitions: i32,
        now: Timestamp,
    ) -> Outgoing {
        let Mark { next, time, batch, digest } = *mark;
        let (zone_data, unicode_data) = ShardImage::data_versions();
        let image =
            ShardImage { batch, next, time, partitions, digest, zone_data, unicode_data }.encode();
        state_record(shard, SHARD_KEY.to_vec(), Some(image), now)
    }
}

fn state_record(
    shard: i32,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: Timestamp,
) -> Outgoing {
    Outgoing {
        topic: OutTopic::State,
        partition: Some(shard),
        key: Some(key),
        value,
        headers: Vec::new(),
        timestamp,
    }
}

#[cfg(test)]
mod tests;
