//! The first stage: a bridged record to one change, re-keyed to its routing domain. It remembers nothing.

use super::{Counts, caused_by, letter};
use crate::codec::error::{Error, reason};
use crate::domain::time::Timestamp;
use crate::engine::ports::{OutTopic, Outgoing, Record, Result};
use crate::engine::relay::{Stage, Taken};
use crate::ingest::{Parser, RawRecord};

/// What asking for a schema brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Its text.
    Schema(String),
    /// Whoever was asked knows no such schema.
    Absent,
    /// Nobody answers: the record waits.
    NotNow,
}

/// Asks for a schema by the id that a record names.
pub type Fetch = Box<dyn FnMut(u32) -> Fetched + Send>;

/// The stage of one bridged topic.
pub struct Parsing {
    parser: Parser,
    topic: String,
    domain: String,
    fetch: Option<Fetch>,
    /// Ids that nobody knew, with when they may be asked for again.
    absent: std::collections::BTreeMap<u32, Timestamp>,
    open: Counts,
    done: Counts,
}

/// How long an unknown id stays unknown.
const ABSENT_MS: i64 = 30_000;

impl Parsing {
    pub fn new(parser: Parser, topic: String, domain: String, fetch: Option<Fetch>) -> Parsing {
        Parsing {
            parser,
            topic,
            domain,
            fetch,
            absent: std::collections::BTreeMap::new(),
            open: Counts::default(),
            done: Counts::default(),
        }
    }

    /// What the batches that committed did since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.done)
    }

    /// Makes sure that a schema which the value names is at hand; false = not now.
    fn has_schema(&mut self, value: Option<&[u8]>, now: Timestamp) -> bool {
        let Some([0, a, b, c, d, rest @ ..]) = value else { return true };
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        let name = id.to_string();
        let is_json = matches!(rest.trim_ascii_start(), [b'{', ..]);
        if is_json || self.parser.schemas.contains(&name) {
            return true;
        }
        if self.absent.get(&id).is_some_and(|until| now < *until) {
            return true;
        }
        let Some(fetch) = &mut self.fetch else { return true };
        match fetch(id) {
            // An unfit one is kept as its fault.
            Fetched::Schema(text) => drop(self.parser.schemas.insert(&name, &text)),
            Fetched::Absent => {
                let until = Timestamp(now.0 + ABSENT_MS);
                self.absent.insert(id, until);
            }
            Fetched::NotNow => return false,
        }
        true
    }

    fn parsed(&mut self, record: &Record) -> std::result::Result<Vec<Outgoing>, Error> {
        let raw = RawRecord {
            topic: self.topic.clone(),
            partition: record.part.shard,
            offset: record.offset,
            timestamp: record.timestamp.0,
            headers: record.headers.clone(),
            key: record.key.clone(),
            value: record.value.clone(),
        };
        let change = self.parser.parse(&raw)?;
        let at = change.at();
        self.open.latest_commit_ms = self.open.latest_commit_ms.max(at);
        if self.parser.mapping.object(&change.entity).is_none() {
            self.open.note("ignored", "object_not_wanted");
            return Ok(Vec::new());
        }
        self.open.note("mapped", "");
        Ok(vec![Outgoing {
            topic: OutTopic::Raw,
            partition: None,
            key: Some(self.domain.clone().into_bytes()),
            value: Some(change.encode()),
            headers: caused_by(record, &self.topic),
            timestamp: Timestamp(at),
        }])
    }
}

impl Stage for Parsing {
    fn has_state(&self) -> bool {
        false
    }

    fn open(&mut self, _shard: i32) {}

    fn load(&mut self, _shard: i32, _key: &[u8], _value: Option<&[u8]>) -> Result<()> {
        Ok(())
    }

    fn take(&mut self, record: &Record, now: Timestamp) -> Result<Taken> {
        if !self.has_schema(record.value.as_deref(), now) {
            return Ok(Taken::Wait);
        }
        // Our own fault must not stop the topic: the record is set aside with that reason.
        let parsed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.parsed(record)));
        let parsed = parsed.unwrap_or_else(|_| {
            Err(Error::new(reason::PROCESSOR_PANIC, "value", "reading it panicked"))
        });
        Ok(Taken::Done(match parsed {
            Ok(outgoing) => outgoing,
            Err(error) => {
                self.open.note("dead_letter", error.reason);
                vec![letter(record, &self.topic, &error, now)]
            }
        }))
    }

    fn images(&mut self, _shard: i32, _now: Timestamp) -> Vec<Outgoing> {
        Vec::new()
    }

    fn keep(&mut self) {
        self.done.merge(std::mem::take(&mut self.open));
    }

    fn undo(&mut self) {
        self.open = Counts::default();
    }

    fn close(&mut self, _shard: i32) {}
}
