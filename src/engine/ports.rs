//! What a worker needs from the world: a log with transactions, and a clock. Plain blocking calls; Kafka
//! and the embedded log implement them. Failures are named for what the caller must do.

use thiserror::Error;

use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};

/// Why a call did not succeed, by what the worker must do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// Abort the transaction, undo memory, rewind the source, take the batch again.
    #[error("abort: {0}")]
    Abort(String),
    /// Nobody knows what became of the transaction: a new producer, then ask the committed offsets.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Stop: only a person or another process can mend it.
    #[error("fatal: {0}")]
    Fatal(String),
}

pub type Result<T> = std::result::Result<T, Failure>;

/// A partition of a topic in. Partition i of all topics in is shard i.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    pub topic: Topic,
    pub shard: i32,
}

/// A record as the log has it, copied out of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub part: Part,
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// What it weighs in a buffer.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + size(value));
        size(&self.key) + size(&self.value) + headers.sum::<usize>()
    }
}

fn size(bytes: &Option<Vec<u8>>) -> usize {
    bytes.as_ref().map_or(0, Vec::len)
}

/// The topics out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutTopic {
    LeadAssigned,
    SlaBreached,
    DeadLetter,
    State,
    /// A canonical event, as ingest writes it.
    In(Topic),
    /// A change between the two stages of ingest.
    Raw,
}

/// A record to send within the open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub topic: OutTopic,
    /// None = by the murmur2 hash of the key.
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: Timestamp,
}

impl Outgoing {
    /// Of its key and its value.
    pub fn bytes(&self) -> usize {
        size(&self.key) + size(&self.value)
    }
}

/// What the source has to say, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Record(Record),
    /// These shards are ours now; their parts deliver, unpaused, from `start`.
    Assigned(Vec<AssignedShard>),
    /// These shards are no longer ours (revoked or lost): abort what is open, undo, park.
    Revoked(Vec<i32>),
    /// Everything up to the last stable offset of this part has been delivered. Said again whenever that is
    /// so after an assignment, a seek or a resume, and after records.
    Reached(Part),
    /// Deliveries may be behind (broker error): being caught up must be established anew.
    Unsure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedShard {
    pub shard: i32,
    /// Where delivery begins, by topic (order of `Topic::ALL`): the committed offset, else the first there is.
    pub start: [i64; 9],
    /// The last stable offset of each topic, seen at assignment.
    pub end: [i64; 9],
}

/// What the group has committed for a shard, read stable (waits for pending transactions).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Next offset of each topic in; None = never committed.
    pub offsets: [Option<i64>; 9],
    /// The metadata at the offset of `lead-created`: the shard's batch number.
    pub metadata: String,
}

/// The log as one worker sees it: its own consumer and its own transactional producers.
pub trait Log {
    /// Waits at most `wait` for something to say. Never blocks longer; may return nothing.
    fn poll(&mut self, wait: Span, out: &mut Vec<Event>) -> Result<()>;
    /// Stops and resumes delivery of a part (at most 2,000 records or 8 MB wait in memory).
    fn pause(&mut self, part: Part) -> Result<()>;
    fn resume(&mut self, part: Part) -> Result<()>;
    /// Delivers again from these offsets; what was buffered inside the client is dropped.
    fn seek(&mut self, to: &[(Part, i64)]) -> Result<()>;
    /// The last stable offsets now.
    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>>;
    /// The first offset of each part whose record has at least this timestamp; its end if none has. From
    /// time 0 on: where the part begins, though its first records may have been compacted away.
    fn offsets_at(&mut self, parts: &[Part], time: Timestamp) -> Result<Vec<i64>>;

    /// The committed offsets of our group for a shard. `Abort` = not now (unstable): try again.
    fn committed(&mut self, shard: i32) -> Result<Committed>;
    /// Reads the state partition of a shard to its true end (its high watermark, once it is stable),
    /// while the group stays polled. Returns the end offset. `Abort` = not now (unstable): try again.
    fn restore(&mut self, shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64>;
    /// The end of a shard's state partition now.
    fn state_end(&mut self, shard: i32) -> Result<i64>;

    /// Whether we are a member of the group and all of these shards are assigned to us.
    fn owns(&mut self, shards: &[i32]) -> bool;
    fn begin(&mut self) -> Result<()>;
    fn send(&mut self, record: Outgoing) -> Result<()>;
    /// Next offset of each part, with the metadata for it. Never called with an empty list.
    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()>;
    /// Waits until nothing is in flight, then commits.
    fn commit(&mut self) -> Result<()>;
    fn abort(&mut self) -> Result<()>;
    /// Drops the producer, makes one with the same transactional id and initialises it: fences the old.
    fn recreate(&mut self) -> Result<()>;

    /// Whether the log answers, as far as is known.
    fn is_reachable(&self) -> bool {
        true
    }

    /// Leaves the group; nothing is delivered until the next `poll`, which would join again.
    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The edge's clock. What a worker decides in one turn goes by one reading of it.
pub trait Clock {
    fn now(&mut self) -> Timestamp;

    /// Time that only moves forward, for measuring how long something took; never for deciding.
    fn monotonic(&mut self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}
