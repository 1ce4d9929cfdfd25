//! One topic-partition as a queue of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::domain::time::Timestamp;
use crate::engine::ports::{Event, Failure, Part, Record, Result};

use super::context::{Context, Waker};
use super::error::{self, Heard};

/// A sweep takes at most so many records from a queue, so that none waits behind a long one.
const SWEEP: usize = 500;

/// One topic-partition, from its first assignment to the end of the process.
pub(super) struct Lane {
    pub part: Part,
    queue: PartitionQueue<Context>,
    /// Set by the callback: there is something to take.
    ready: Arc<AtomicBool>,
    pub assigned: bool,
    pub paused: bool,
    /// Next offset to deliver.
    pub position: i64,
    /// The last stable offset that is still to be reached.
    pub target: Option<i64>,
}

impl Lane {
    pub(super) fn new(part: Part, mut queue: PartitionQueue<Context>, waker: &Arc<Waker>) -> Lane {
        // A callback is not called for what is there already: the first sweep looks in any case.
        let ready = Arc::new(AtomicBool::new(true));
        let (set, wake) = (Arc::clone(&ready), Arc::clone(waker));
        queue.set_nonempty_callback(move || {
            set.store(true, Ordering::Release);
            wake.wake();
        });
        Lane { part, queue, ready, assigned: false, paused: false, position: 0, target: None }
    }

    /// The next sweep looks into it.
    pub(super) fn look(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether there may be something; asking clears it.
    pub(super) fn take_ready(&self) -> bool {
        self.ready.swap(false, Ordering::AcqRel)
    }

    /// Takes what is there, at most a sweep's worth. True: deliveries may be behind.
    pub(super) fn sweep(&mut self, out: &mut Vec<Event>) -> Result<bool> {
        for _ in 0..SWEEP {
            match self.queue.poll(Duration::ZERO) {
                None => return Ok(false),
                Some(Ok(message)) => {
                    let next = message.offset() + 1;
                    out.push(Event::Record(copied(self.part, &message)));
                    self.position = next;
                    if self.target.is_some_and(|target| next >= target) {
                        self.target = None;
                        out.push(Event::Reached(self.part));
                    }
                }
                Some(Err(error)) => match error::heard(&error) {
                    Heard::End => {
                        self.target = None;
                        out.push(Event::Reached(self.part));
                    }
                    Heard::Unsure(why) => {
                        tracing::warn!(part = ?self.part, why, "a partition has trouble");
                        return Ok(true);
                    }
                    Heard::Fatal(why) => {
                        let Part { topic, shard } = self.part;
                        return Err(Failure::Fatal(format!("{} {shard}: {why}", topic.name())));
                    }
                },
            }
        }
        self.look();
        Ok(false)
    }
}

/// The one place where a message of the client becomes a record of ours.
fn copied(part: Part, message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let of = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
        };
        headers.iter().map(of).collect()
    });
    Record {
        part,
        offset: message.offset(),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
