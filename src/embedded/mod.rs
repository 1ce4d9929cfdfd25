//! An in-process log with the semantics of Kafka that exactly-once rests on: partitions, transactions
//! that open, commit, abort and are fenced by epoch, readers that see committed records only, groups with
//! generations, offsets that commit with the transaction.
//!
//! It is for the demonstration, for tests and for replay; it keeps everything in memory. What Kafka does
//! not check it does not check either: an empty list of offsets is accepted from anybody, and so are
//! offsets of a partition that another member owns. So the rules that protect us are really needed here.
//!
//! *Marker*: the control record that ends a transaction in a partition; it takes an offset. *Last stable
//! offset*: up to here no transaction is open.

mod client;
mod group;
mod partition;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use client::EmbeddedLog;
pub use partition::Stored;

use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};
use crate::engine::partition::partition_of;
use crate::engine::ports::OutTopic;
use group::Group;
use partition::Partition;
use transaction::Producers;

/// What a log is made with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Of every topic.
    pub partitions: i32,
    /// A member that has not polled for so long is out of the group.
    pub session: Span,
    /// A transaction that is open for so long is aborted, and its producer fenced.
    pub transaction: Span,
    /// Whether `poll` waits in real time; not where time is virtual.
    pub waits: bool,
    /// Whether the markers of a transaction's end come later, by `settle`, as they do across brokers.
    pub late_markers: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            partitions: 4,
            session: Span::from_secs(6),
            transaction: Span::from_secs(15),
            waits: true,
            late_markers: false,
        }
    }
}

type Now = dyn Fn() -> Timestamp + Send + Sync;

/// The log itself; clones share it.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
    news: Condvar,
    now: Box<Now>,
    options: Options,
}

struct Inner {
    options: Options,
    topics: BTreeMap<String, Vec<Partition>>,
    producers: Producers,
    group: Group,
}

/// The name of a topic out.
pub fn out_name(topic: OutTopic) -> &'static str {
    match topic {
        OutTopic::LeadAssigned => "lead-assigned",
        OutTopic::SlaBreached => "sla-breached",
        OutTopic::DeadLetter => "lead-router.dead-letter",
        OutTopic::State => "lead-router.state",
        OutTopic::In(topic) => topic.name(),
        OutTopic::Raw => "lead-router.raw",
    }
}

const OUT_TOPICS: [OutTopic; 4] =
    [OutTopic::LeadAssigned, OutTopic::SlaBreached, OutTopic::DeadLetter, OutTopic::State];

impl Cluster {
    /// A log with all topics, empty. `now` is its clock.
    pub fn new(options: Options, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Cluster {
        let names = Topic::ALL.map(Topic::name).into_iter().chain(OUT_TOPICS.map(out_name));
        let empty = || (0..options.partitions).map(|_| Partition::default()).collect();
        let inner = Inner {
            options,
            topics: names.map(|name| (name.to_owned(), empty())).collect(),
            producers: Producers::default(),
            group: Group::default(),
        };
        let (inner, news) = (Mutex::new(inner), Condvar::new());
        Cluster { shared: Arc::new(Shared { inner, news, now: Box::new(now), options }) }
    }

    pub fn partitions(&self) -> i32 {
        self.shared.options.partitions
    }

    /// Appends a record outside any transaction, in the partition of its key; its offset there.
    pub fn produce(&self, topic: &str, key: &[u8], value: &[u8], at: Timestamp) -> (i32, i64) {
        let partition = partition_of(key, self.partitions());
        let offset = self.produce_to(topic, partition, Some(key), Some(value), at);
        (partition, offset)
    }

    /// Appends a record, possibly without key or value, in a partition by number.
    pub fn produce_to(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        at: Timestamp,
    ) -> i64 {
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        let headers = Vec::new();
        self.append(topic, partition, Stored { offset: 0, timestamp: at, key, value, headers })
    }

    /// Appends a record as it is, but for its offset, which is the next one.
    pub fn append(&self, topic: &str, partition: i32, record: Stored) -> i64 {
        let offset = self.with(|inner, _| {
            inner.partition(topic, partition).map_or(-1, |partition| partition.append(record, None))
        });
        self.shared.news.notify_all();
        offset
    }

    /// The committed records of a partition from an offset on, at most `most`.
    pub fn read(&self, topic: &str, partition: i32, from: i64, most: usize) -> Vec<Stored> {
        self.with(|inner, _| {
            let partition = inner.partition(topic, partition);
            partition.map_or_else(Vec::new, |partition| partition.committed(from, most).0)
        })
    }

    /// The last stable offset of a partition.
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        self.with(|inner, _| inner.partition(topic, partition).map_or(0, |p| p.stable_end()))
    }

    /// The offsets that the group has committed for a shard, with their metadata.
    pub fn group_offsets(&self, shard: i32) -> [Option<(i64, String)>; 9] {
        self.with(|inner, _| {
            Topic::ALL.map(|topic| inner.group.offsets.get(&(topic, shard)).cloned())
        })
    }

    /// Forgets the group's offsets, as a broker does after some idle days.
    pub fn expire_offsets(&self) {
        self.with(|inner, _| inner.group.offsets.clear());
    }

    /// Keeps the newest committed record of each key of a topic.
    pub fn drop_before(&self, topic: &str, partition: i32, offset: i64) {
        self.with(|inner, _| {
            if let Some(partition) = inner.partition(topic, partition) {
                partition.drop_before(offset);
            }
        });
    }

    pub fn compact(&self, topic: &str) {
        self.with(|inner, _| {
            inner.topics.get_mut(topic).into_iter().flatten().for_each(Partition::compact);
        });
    }

    /// Writes up to `most` of the markers that are still to come; how many there were.
    pub fn settle(&self, most: usize) -> usize {
        self.with(|inner, _| inner.settle(most))
    }

    /// Takes a member out of the group, as the coordinator does with one that fell silent.
    pub fn kick(&self, member: &str) {
        self.with(|inner, _| inner.group.remove(member));
    }

    /// Makes the whole group share out its partitions anew.
    pub fn rebalance(&self) {
        self.with(|inner, _| inner.group.prepare());
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let now = (self.shared.now)();
        let mut inner = self.lock();
        inner.expire(now);
        act(&mut inner, now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked left no half-done change here: each is made in one call.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn partition(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.get_mut(usize::try_from(partition).ok()?)
    }

    /// What time alone brings about: silent members go, open transactions end.
    fn expire(&mut self, now: Timestamp) {
        self.group.expire(now, self.options.session);
        for id in self.producers.overdue(now, self.options.transaction) {
            self.fence(&id);
        }
    }
}
