//! The second stage: changes into pictures, pictures into canonical events; a machine for each shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Counts, caused_by, letter};
use crate::codec::encode::Encoder;
use crate::codec::error::{Error, reason};
use crate::codec::schema;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Failure, OutTopic, Outgoing, Record, Result};
use crate::engine::relay::{Stage, Taken};
use crate::ingest::picture::{Key, Picture};
use crate::ingest::{Change, Machine, Mapping, Outcome};

/// The stage of `lead-router.raw`.
pub struct Picturing {
    mapping: Arc<Mapping>,
    encoder: Encoder,
    topic: String,
    machines: BTreeMap<i32, Machine>,
    open: Counts,
    done: Counts,
}

impl Picturing {
    pub fn new(mapping: Arc<Mapping>, encoder: Encoder, topic: String) -> Picturing {
        Picturing {
            mapping,
            encoder,
            topic,
            machines: BTreeMap::new(),
            open: Counts::default(),
            done: Counts::default(),
        }
    }

    /// What the batches that committed did since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.done)
    }

    /// Pictures in memory.
    pub fn pictures(&self) -> usize {
        self.machines.values().map(|machine| machine.store.len()).sum()
    }

    fn events(&mut self, record: &Record) -> std::result::Result<Vec<Outgoing>, Error> {
        let domain = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let missing = || Error::new(reason::KEY_MISSING, "key", "must be the routing domain");
        let domain = domain.ok_or_else(missing)?.to_owned();
        let change = Change::decode(record.value.as_deref().unwrap_or_default())?;
        let machine = self.machines.entry(record.part.shard).or_default();
        let done = machine.apply(&domain, &change)?;
        self.open.latest_commit_ms = self.open.latest_commit_ms.max(change.at());
        match done.outcome {
            Outcome::Mapped => self.open.note("mapped", ""),
            Outcome::Ignored(reason) => self.open.note("ignored", reason),
            Outcome::Stale(reason) => self.open.note("stale", reason),
        }
        for key in done.reread {
            self.open.reread.push(format!("{} {} {}", key.domain, key.entity, key.id));
        }
        self.open.events += done.events.len() as u64;
        let outgoing = |event: crate::ingest::machine::Event| {
            let value = self.encoder.value(schema::Record::of(event.topic), &event.value)?;
            Ok(Outgoing {
                topic: OutTopic::In(event.topic),
                partition: None,
                key: Some(domain.clone().into_bytes()),
                value: Some(value),
                headers: caused_by(record, &self.topic),
                timestamp: event.at,
            })
        };
        done.events.into_iter().map(outgoing).collect()
    }
}

impl Stage for Picturing {
    fn has_state(&self) -> bool {
        true
    }

    fn open(&mut self, shard: i32) {
        self.machines.insert(shard, Machine::new(self.mapping.clone()));
    }

    fn load(&mut self, shard: i32, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (key, picture) = read_image(key, value)?;
        let machine = self.machines.entry(shard).or_default();
        machine.store.load(key, picture);
        Ok(())
    }

    fn take(&mut self, record: &Record, now: Timestamp) -> Result<Taken> {
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.events(record)));
        let made = made.unwrap_or_else(|_| {
            if let Some(machine) = self.machines.get_mut(&record.part.shard) {
                machine.store.undo_step();
            }
            Err(Error::new(reason::PROCESSOR_PANIC, "value", "mapping it panicked"))
        });
        Ok(Taken::Done(match made {
            Ok(outgoing) => outgoing,
            Err(error) => {
                self.open.note("dead_letter", error.reason);
                vec![letter(record, &self.topic, &error, now)]
            }
        }))
    }

    fn images(&mut self, shard: i32, now: Timestamp) -> Vec<Outgoing> {
        let Some(machine) = self.machines.get(&shard) else { return Vec::new() };
        let image = |(key, picture): (&Key, &Picture)| Outgoing {
            topic: OutTopic::State,
            partition: Some(shard),
            key: Some(write_key(key)),
            value: Some(picture.encode()),
            headers: Vec::new(),
            timestamp: now,
        };
        machine.store.changes().map(image).collect()
    }

    fn keep(&mut self) {
        self.machines.values_mut().for_each(|machine| machine.store.commit());
        self.done.merge(std::mem::take(&mut self.open));
    }

    fn undo(&mut self) {
        self.machines.values_mut().for_each(|machine| machine.store.rollback());
        self.open = Counts::default();
    }

    fn close(&mut self, shard: i32) {
        self.machines.remove(&shard);
    }
}

fn write_key(key: &Key) -> Vec<u8> {
    json!([key.domain, key.entity, key.id]).to_string().into_bytes()
}

/// A record of `lead-router.ingest-state`; a null value takes the picture away.
pub fn read_image(key: &[u8], value: Option<&[u8]>) -> Result<(Key, Option<Picture>)> {
    let unreadable = || {
        let why = "an image in the ingest state cannot be read: another version wrote it, or another \
                   program";
        Failure::Fatal(why.to_owned())
    };
    let parts: Value = serde_json::from_slice(key).map_err(|_| unreadable())?;
    let part = |at: usize| parts.get(at).and_then(Value::as_str).ok_or_else(unreadable);
    let key = Key::new(part(0)?, part(1)?, part(2)?);
    let picture = match value {
        Some(value) => Some(Picture::decode(value).ok_or_else(unreadable)?),
        None => None,
    };
    Ok((key, picture))
}
