//! The two stages of ingest as stages of a relay: what is read, written, remembered and counted.
//!
//! ```text
//!  bridged topics ──► Parsing ──► lead-router.raw ──► Picturing ──► lead-created, lead-updated, …
//!  (keyed anyhow)     (no state)  (key = domain)       (pictures in lead-router.ingest-state)
//! ```

mod parsing;
mod picturing;

use std::collections::BTreeMap;

pub use parsing::{Fetch, Fetched, Parsing};
pub use picturing::{Picturing, read_image};

use crate::codec::dead_letter::{self, Source};
use crate::codec::error::Error;
use crate::codec::letter::Place;
use crate::domain::time::Timestamp;
use crate::engine::ports::{OutTopic, Outgoing, Record};
use crate::ingest::CAUSE;

/// A dead letter larger than this is written without its value.
const MAX_BYTES: usize = 1_000_000;

/// What happened in the batches that committed, until it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By outcome and reason; the reason of what was mapped is empty.
    pub outcomes: BTreeMap<(&'static str, &'static str), u64>,
    pub events: u64,
    /// Records to read again, in words: `domain entity id`.
    pub reread: Vec<String>,
    /// The latest commit that was seen, in milliseconds.
    pub latest_commit_ms: i64,
}

impl Counts {
    fn note(&mut self, outcome: &'static str, reason: &'static str) {
        *self.outcomes.entry((outcome, reason)).or_default() += 1;
    }

    fn merge(&mut self, other: Counts) {
        for (key, count) in other.outcomes {
            *self.outcomes.entry(key).or_default() += count;
        }
        self.events += other.events;
        self.reread.extend(other.reread);
        self.latest_commit_ms = self.latest_commit_ms.max(other.latest_commit_ms);
    }
}

/// What is written of a record names it, so that nobody must guess what came of what.
fn caused_by(record: &Record, topic: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let (topic, partition) = (topic.to_owned(), record.part.shard);
    let place = Place { topic, partition, offset: record.offset };
    vec![(CAUSE.to_owned(), Some(place.to_string().into_bytes()))]
}

fn letter(record: &Record, topic: &str, error: &Error, now: Timestamp) -> Outgoing {
    let source = Source {
        topic,
        partition: record.part.shard,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &record.headers,
    };
    let letter = dead_letter::build(&source, error, MAX_BYTES);
    Outgoing {
        topic: OutTopic::DeadLetter,
        partition: None,
        key: letter.key,
        value: letter.value,
        headers: letter.headers,
        timestamp: now,
    }
}
