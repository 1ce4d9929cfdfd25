//! `ports::Log` on Kafka: the source and the sink of one worker together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::{Offset, TopicPartitionList};

use crate::config::Settings;
use crate::domain::time::{Span, Timestamp};
use crate::engine::ports::{Committed, Event, Failure, Log, OutTopic, Outgoing, Part, Result};

use super::error::{self, Trouble};
use super::restore::{Restore, high_watermark};
use super::sink::Sink;
use super::source::Source;
use super::topics::Layout;
use super::watchdog::Watchdog;

/// Closing a consumer can hang when brokers are away; it is not waited for longer.
const CLOSING: Duration = Duration::from_secs(4);
/// So much of a transaction waits here at most before it goes to the producer.
const HELD: usize = 256 << 10;

/// The log of one worker. Made on the worker's own thread, which the callbacks wake.
pub struct KafkaLog {
    settings: Arc<Settings>,
    worker: usize,
    /// None = left the group: over for good.
    joined: Option<Joined>,
    stop: Arc<AtomicBool>,
}

struct Joined {
    source: Source,
    sink: Sink,
    held: Held,
}

/// What the open transaction has still to send. The first record of a partition goes to the producer at once,
/// so that the broker has the partition in the transaction early; those that follow go together. One by one they
/// would wait behind the request of the one before, and while any wait so librdkafka's thread turns in circles:
/// then a late answer of the broker took a core from all who were to bring it.
#[derive(Default)]
struct Held {
    begun: BTreeSet<(OutTopic, Option<i32>)>,
    records: Vec<Outgoing>,
    bytes: usize,
}

impl Held {
    /// Takes a record; what is to be sent now.
    fn take(&mut self, record: Outgoing) -> Vec<Outgoing> {
        if self.begun.insert((record.topic, record.partition)) {
            return vec![record];
        }
        self.bytes += record.bytes();
        self.records.push(record);
        if self.bytes < HELD { Vec::new() } else { self.all() }
    }

    /// All that waits.
    fn all(&mut self) -> Vec<Outgoing> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

impl Joined {
    fn send(&mut self, settings: &Settings, records: &[Outgoing]) -> Result<()> {
        let topics = &settings.topics;
        records.iter().try_for_each(|record| {
            let name = match record.topic {
                OutTopic::LeadAssigned => &topics.lead_assigned,
                OutTopic::SlaBreached => &topics.sla_breached,
                OutTopic::DeadLetter => &topics.dead_letter,
                OutTopic::State => &topics.state,
                OutTopic::In(topic) => topics.input(topic),
                OutTopic::Raw => &topics.raw,
            };
            noted(self.sink.send(name, record))
        })
    }
}

impl KafkaLog {
    /// Joins the group and makes the producer. `stop` ends a restore that is under way.
    pub fn connect(
        settings: Arc<Settings>,
        worker: usize,
        layout: Layout,
        stop: Arc<AtomicBool>,
    ) -> std::result::Result<KafkaLog, Trouble> {
        let watchdog = Watchdog::start(worker)
            .map_err(|error| Trouble::Temporary(format!("failed to start a thread: {error}")))?;
        let mut sink = Sink::new(&settings, worker, watchdog);
        // First the producer: it fences what a predecessor left, before offsets are read.
        sink.recreate(&mut || Ok(())).map_err(|failure| match failure {
            Failure::Fatal(why) => Trouble::Config(why),
            Failure::Abort(why) | Failure::Unknown(why) => Trouble::Temporary(why),
        })?;
        let source = Source::connect(&settings, worker, layout)?;
        let joined = Some(Joined { source, sink, held: Held::default() });
        Ok(KafkaLog { settings, worker, joined, stop })
    }

    fn source(&mut self) -> Result<&mut Source> {
        self.joined.as_mut().map(|joined| &mut joined.source).ok_or_else(left)
    }

    fn sink(&mut self) -> Result<&mut Sink> {
        self.joined.as_mut().map(|joined| &mut joined.sink).ok_or_else(left)
    }
}

fn left() -> Failure {
    Failure::Fatal("the worker has left the group".to_owned())
}

/// Says why a transaction goes wrong: the worker acts on the kind of failure only.
fn noted<T>(result: Result<T>) -> Result<T> {
    match &result {
        Err(Failure::Abort(why)) => tracing::warn!(why, "the transaction is aborted"),
        Err(Failure::Unknown(why)) => tracing::warn!(why, "the outcome is unknown"),
        _ => {}
    }
    result
}

impl Log for KafkaLog {
    fn poll(&mut self, wait: Span, out: &mut Vec<Event>) -> Result<()> {
        let wait = Duration::from_millis(u64::try_from(wait.0).unwrap_or(0));
        self.source()?.poll(wait, out)
    }

    fn pause(&mut self, part: Part) -> Result<()> {
        self.source()?.pause(part, true);
        Ok(())
    }

    fn resume(&mut self, part: Part) -> Result<()> {
        self.source()?.pause(part, false);
        Ok(())
    }

    fn seek(&mut self, to: &[(Part, i64)]) -> Result<()> {
        self.source()?.seek(to)
    }

    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>> {
        self.source()?.offsets_at(parts, None)
    }

    fn offsets_at(&mut self, parts: &[Part], time: Timestamp) -> Result<Vec<i64>> {
        self.source()?.offsets_at(parts, Some(time))
    }

    fn committed(&mut self, shard: i32) -> Result<Committed> {
        let source = self.source()?;
        // Asked over and over while an outcome is unknown, in which nothing is polled.
        source.serve()?;
        source.committed(shard)
    }

    fn restore(&mut self, shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64> {
        let stop = Arc::clone(&self.stop);
        Restore {
            settings: &self.settings,
            worker: self.worker,
            source: &mut self.joined.as_mut().ok_or_else(left)?.source,
            shard,
            stop: &move || stop.load(Ordering::Relaxed),
            served_at: Instant::now(),
        }
        .run(&self.settings.topics.state, each)
    }

    fn state_end(&mut self, shard: i32) -> Result<i64> {
        let topic = &self.settings.topics.state;
        high_watermark(&self.settings, self.worker, topic, shard).map(|(_, high)| high)
    }

    fn is_reachable(&self) -> bool {
        self.joined.as_ref().is_none_or(|joined| joined.source.is_reachable())
    }

    fn owns(&mut self, shards: &[i32]) -> bool {
        self.source().is_ok_and(|source| source.owns(shards))
    }

    fn begin(&mut self) -> Result<()> {
        let joined = self.joined.as_mut().ok_or_else(left)?;
        joined.held = Held::default();
        noted(joined.sink.begin())
    }

    fn send(&mut self, record: Outgoing) -> Result<()> {
        let joined = self.joined.as_mut().ok_or_else(left)?;
        let now = joined.held.take(record);
        joined.send(&self.settings, &now)
    }

    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()> {
        let joined = self.joined.as_mut().ok_or_else(left)?;
        let rest = joined.held.all();
        joined.send(&self.settings, &rest)?;
        let Joined { source, sink, .. } = joined;
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        let mut shards = Vec::new();
        for (part, offset, metadata) in offsets {
            let Some(name) = source.layout().name(part.topic) else { continue };
            let mut element = list.add_partition(name, part.shard);
            element
                .set_offset(Offset::Offset(*offset))
                .map_err(|error| error::transactional("offsets", &error))?;
            element.set_metadata(metadata);
            shards.push(part.shard);
        }
        // librdkafka answers an empty list with success and asks no broker: no fence, so no commit.
        if shards.is_empty() {
            return Err(Failure::Fatal(
                "a transaction without offsets would not be fenced".to_owned(),
            ));
        }
        let membership = noted(source.membership(&shards))?;
        noted(sink.send_offsets(&list, &membership))
    }

    fn commit(&mut self) -> Result<()> {
        noted(self.sink()?.commit())
    }

    fn abort(&mut self) -> Result<()> {
        noted(self.sink()?.abort())
    }

    fn recreate(&mut self) -> Result<()> {
        let joined = self.joined.as_mut().ok_or_else(left)?;
        let Joined { source, sink, .. } = joined;
        noted(sink.recreate(&mut || source.serve()))
    }

    /// A static member keeps its place until its session ends. This is the end of this log.
    fn leave(&mut self) -> Result<()> {
        let Some(Joined { source, sink, .. }) = self.joined.take() else { return Ok(()) };
        sink.close();
        if !source.close(CLOSING) {
            tracing::warn!("the consumer did not close in time; it ends with the process");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: OutTopic, partition: i32, value: usize) -> Outgoing {
        Outgoing {
            topic,
            partition: Some(partition),
            key: Some(b"key".to_vec()),
            value: Some(vec![0; value]),
            headers: Vec::new(),
            timestamp: Timestamp(0),
        }
    }

    #[test]
    fn only_the_first_record_of_a_partition_goes_at_once() {
        let mut held = Held::default();
        for (topic, partition) in
            [(OutTopic::State, 0), (OutTopic::LeadAssigned, 0), (OutTopic::State, 1)]
        {
            let first = record(topic, partition, 1);
            assert_eq!(held.take(first.clone()), [first]);
        }
        let rest =
            [(OutTopic::State, 1, 2), (OutTopic::LeadAssigned, 0, 3), (OutTopic::State, 0, 4)]
                .map(|(topic, partition, value)| record(topic, partition, value));
        for one in rest.clone() {
            assert_eq!(held.take(one), []);
        }
        assert_eq!(held.all(), rest, "in their order");
        assert_eq!(held.all(), []);
    }

    #[test]
    fn a_long_transaction_does_not_wait_for_its_end() {
        let mut held = Held::default();
        let sent: usize =
            (0..1_000).map(|_| held.take(record(OutTopic::State, 0, 997)).len()).sum();
        assert!(sent > 700 && held.bytes < HELD, "{sent} of 1,000 sent");
        assert_eq!(sent + held.all().len(), 1_000);
    }
}
