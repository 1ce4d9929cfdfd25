//! What librdkafka calls back, turned into notes that the worker reads after each poll.
//!
//! The rebalance callback runs inside poll, on the worker's thread. A revocation is carried out at once
//! (closing waits for that); an assignment is only noted, because the start offsets must be asked first
//! and that can fail: the group waits until the worker has assigned.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::error::{self, Heard, Turn};

/// A change of what is ours: names of topics and partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rebalance {
    Assign(Vec<(String, i32)>),
    Revoke(Vec<(String, i32)>),
}

/// What the callbacks noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Counts every event served: a poll that moved it may have more behind it.
    served: AtomicU64,
    closing: AtomicBool,
    rebalances: Mutex<Vec<Rebalance>>,
    heard: Mutex<Vec<Heard>>,
}

impl Notes {
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(super) fn closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_rebalances(&self) -> Vec<Rebalance> {
        std::mem::take(&mut *self.rebalances.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, heard: Heard) {
        let mut all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        // Errors come by the hundred while a broker is away; one of each is enough.
        if !all.contains(&heard) {
            all.push(heard);
        }
    }
}

/// The consumer's context.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub notes: Arc<Notes>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.notes.served.fetch_add(1, Ordering::Relaxed);
        forward(level, facility, text);
    }

    fn stats_raw(&self, _statistics: &[u8]) {
        self.notes.served.fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.notes.served.fetch_add(1, Ordering::Relaxed);
        match error::heard(&error) {
            // Every end of a partition comes here too, without saying which: the queues say it.
            Heard::End => {}
            Heard::Unsure(text) => self.notes.note(Heard::Unsure(format!("{text}: {reason}"))),
            Heard::Fatal(text) => self.notes.note(Heard::Fatal(format!("{text}: {reason}"))),
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.notes.served.fetch_add(1, Ordering::Relaxed);
        let parts: Vec<(String, i32)> = list
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let noted = match error::turn(code) {
            Turn::Assign if !self.notes.closing.load(Ordering::Relaxed) => Rebalance::Assign(parts),
            Turn::Assign => {
                unassign(consumer);
                return;
            }
            Turn::Revoke => {
                unassign(consumer);
                Rebalance::Revoke(parts)
            }
            Turn::Other(text) => {
                unassign(consumer);
                self.notes.note(Heard::Unsure(format!("rebalance: {text}")));
                return;
            }
        };
        self.notes.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
    }
}

/// The context of a client that only asks: its lines go where ours go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // Connections of a client that is being closed: a login that is cut short looks like a refused one.
        let closing = text.contains("in state DOWN");
        forward(if closing { RDKafkaLogLevel::Debug } else { level }, facility, text);
    }

    /// What fails is answered to the question.
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ConsumerContext for Quiet {}

fn unassign(consumer: &BaseConsumer<Context>) {
    if let Err(error) = consumer.unassign() {
        tracing::warn!(%error, "failed to give partitions back");
    }
}

/// librdkafka's lines go where ours go.
pub(super) fn forward(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{text}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

/// Wakes the worker when a queue is no longer empty. The callbacks run on librdkafka's threads: they set
/// flags and unpark, nothing else.
#[derive(Debug)]
pub(super) struct Waker {
    raised: AtomicBool,
    thread: Thread,
}

impl Waker {
    /// For the current thread.
    pub(super) fn new() -> Arc<Waker> {
        Arc::new(Waker { raised: AtomicBool::new(false), thread: thread::current() })
    }

    pub(super) fn wake(&self) {
        self.raised.store(true, Ordering::Release);
        self.thread.unpark();
    }

    pub(super) fn clear(&self) {
        self.raised.store(false, Ordering::Release);
    }

    /// Waits until woken, at most so long; at once if a wake-up came since `clear`.
    pub(super) fn park(&self, most: std::time::Duration) {
        if !self.raised.load(Ordering::Acquire) {
            thread::park_timeout(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn who_is_put_out_by_a_namesake_is_told_which_key_to_set() {
        let context = Context { notes: Arc::default() };
        context.error(KafkaError::Global(Code::FencedInstanceId), "same group.instance.id");
        let heard = context.notes.take_heard();
        let [Heard::Fatal(why)] = heard.as_slice() else { panic!("{heard:?}") };
        assert!(
            why.contains("the same `instance`") && why.contains("LEAD_ROUTER__INSTANCE"),
            "{why}"
        );
    }

    #[test]
    fn the_end_of_a_partition_is_no_news() {
        let context = Context { notes: Arc::default() };
        context.error(KafkaError::Global(Code::PartitionEOF), "no more messages");
        assert_eq!(context.notes.take_heard(), []);
    }
}
