//! Time from a record in to a record that a reader of committed data can see: through the router, and through
//! a plain consume → produce beside it, in the same run.
//!
//! The two paths take turns, a second each, at the same rate, so that both see the same machine. Each record's
//! key is its number; the clock is this process's own, at both ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::Settings;

use super::error::{self, Trouble};
use super::settings;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Load {
    /// Records a second, on each path.
    pub rate: u32,
    /// Turns of a second that count, on each path.
    pub turns: u32,
    /// Turns before, that do not.
    pub warmup: u32,
}

/// A path: where records go in, and where they come out.
#[derive(Clone, Debug)]
pub struct Path {
    pub input: String,
    pub output: String,
    /// What is written for a number: key and value.
    pub record: fn(u64) -> (String, String),
    /// Committed records only.
    pub committed: bool,
}

/// Latencies of one path, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The value below which this share of the times lies.
    pub fn quantile(&self, share: f64) -> Duration {
        let at = (self.0.len() as f64 * share) as usize;
        self.0.get(at.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// When each record was sent, and how long it took to come out.
#[derive(Default)]
struct Clock {
    sent: Vec<Instant>,
    took: Vec<Option<Duration>>,
}

type Shared = Arc<Mutex<Clock>>;

fn producer(
    settings: &Settings,
) -> Result<ThreadedProducer<rdkafka::producer::DefaultProducerContext>, Trouble> {
    let mut config: ClientConfig = settings::admin(settings);
    config.set("partitioner", "murmur2_random").set("linger.ms", "0").set("acks", "all");
    config.create().map_err(|error| error::creating(&error))
}

/// A reader of all partitions of a topic, from their ends.
fn reader(settings: &Settings, topic: &str, committed: bool) -> Result<BaseConsumer, Trouble> {
    let mut config = settings::admin(settings);
    let level = if committed { "read_committed" } else { "read_uncommitted" };
    config.set("group.id", "lead-router-bench").set("isolation.level", level);
    config.set("enable.auto.commit", "false").set("fetch.queue.backoff.ms", "5");
    let consumer: BaseConsumer = config.create().map_err(|error| error::creating(&error))?;
    let temporary = |error| Trouble::Temporary(format!("{topic}: {error}"));
    let metadata =
        consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).map_err(temporary)?;
    let mut parts = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        parts.add_partition_offset(topic, partition.id(), Offset::End).map_err(temporary)?;
    }
    consumer.assign(&parts).map_err(temporary)?;
    // The ends are looked up at the first poll: what is sent before would be missed.
    let until = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < until {
        drop(consumer.poll(Duration::from_millis(50)));
    }
    Ok(consumer)
}

/// Sends one record and waits until it comes out: whether the path works at all. `runs` fails when there is
/// nothing left to wait for.
pub fn probe(
    settings: &Settings,
    path: &Path,
    patience: Duration,
    mut runs: impl FnMut() -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let (producer, reader) = (producer(settings)?, reader(settings, &path.output, path.committed)?);
    let until = Instant::now() + patience;
    send(&producer, path, u64::MAX)?;
    while Instant::now() < until {
        if reader.poll(Duration::from_millis(100)).is_some_and(|message| message.is_ok()) {
            return Ok(());
        }
        runs()?;
    }
    Err(Trouble::Temporary(format!("nothing came out of {} in {patience:?}", path.output)))
}

fn send(
    producer: &ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    path: &Path,
    number: u64,
) -> Result<(), Trouble> {
    let (key, value) = (path.record)(number);
    let record = BaseRecord::to(&path.input).key(&key).payload(&value);
    producer
        .send(record)
        .map_err(|(error, _)| Trouble::Temporary(format!("{}: {error}", path.input)))
}

/// Writes records (topic, key, value) and waits until the broker has them.
pub fn write(
    settings: &Settings,
    records: impl Iterator<Item = (String, String, String)>,
) -> Result<(), Trouble> {
    let producer = producer(settings)?;
    for (topic, key, value) in records {
        let sent = producer.send(BaseRecord::to(&topic).key(&key).payload(&value));
        sent.map_err(|(error, _)| Trouble::Temporary(format!("{topic}: {error}")))?;
    }
    let flushed = producer.flush(Duration::from_secs(30));
    flushed.map_err(|error| Trouble::Temporary(format!("flush: {error}")))
}

/// Consume → produce without transactions, until told to stop: the least that any processor does.
pub fn pass_through(
    settings: &Settings,
    path: &Path,
    stop: Arc<AtomicBool>,
) -> Result<thread::JoinHandle<()>, Trouble> {
    let (producer, consumer) = (producer(settings)?, reader(settings, &path.input, false)?);
    let output = path.output.clone();
    Ok(thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
            let (key, value) =
                (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            let record = BaseRecord::to(&output).key(key).payload(value);
            if producer.send(record).is_err() {
                return;
            }
        }
    }))
}

/// Runs the load over the paths by turns; the times of each path that counted. `runs` fails when there is
/// nothing left to measure.
pub fn run(
    settings: &Settings,
    paths: &[Path],
    load: &Load,
    mut runs: impl FnMut() -> Result<(), Trouble>,
) -> Result<Vec<Times>, Trouble> {
    let producer = producer(settings)?;
    let stop = Arc::new(AtomicBool::new(false));
    let clocks: Vec<Shared> = paths.iter().map(|_| Shared::default()).collect();
    let mut listeners = Vec::new();
    for (path, clock) in paths.iter().zip(&clocks) {
        let reader = reader(settings, &path.output, path.committed)?;
        let (clock, stop) = (clock.clone(), stop.clone());
        listeners.push(thread::spawn(move || listen(&reader, &clock, &stop)));
    }
    let each = load.rate as u64;
    for turn in 0..load.warmup + load.turns {
        for (path, clock) in paths.iter().zip(&clocks) {
            let began = Instant::now();
            for number in 0..each {
                let due = began + Duration::from_secs(1) * number as u32 / load.rate;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let number = u64::from(turn) * each + number;
                if let Ok(mut clock) = clock.lock() {
                    clock.sent.push(Instant::now());
                    clock.took.push(None);
                }
                send(&producer, path, number)?;
            }
            let left = Duration::from_secs(1).saturating_sub(began.elapsed());
            thread::sleep(left);
            runs()?;
        }
    }
    let flushed = producer.flush(Duration::from_secs(10));
    flushed.map_err(|error| Trouble::Temporary(format!("flush: {error}")))?;
    thread::sleep(Duration::from_secs(2));
    stop.store(true, Ordering::Relaxed);
    for listener in listeners {
        if listener.join().is_err() {
            return Err(Trouble::Temporary("a reader ended early".to_owned()));
        }
    }
    let skipped = (each * u64::from(load.warmup)) as usize;
    clocks.iter().zip(paths).map(|(clock, path)| times(clock, path, skipped)).collect()
}

fn listen(reader: &BaseConsumer, clock: &Shared, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Some(Ok(message)) = reader.poll(Duration::from_millis(50)) else { continue };
        let now = Instant::now();
        let key = std::str::from_utf8(message.key().unwrap_or_default()).unwrap_or_default();
        let number = key.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        let (Some(number), Ok(mut clock)) = (number, clock.lock()) else { continue };
        let Some(sent) = clock.sent.get(number).copied() else { continue };
        if let Some(slot) = clock.took.get_mut(number) {
            slot.get_or_insert(now - sent);
        }
    }
}

fn times(clock: &Shared, path: &Path, skipped: usize) -> Result<Times, Trouble> {
    let clock = clock.lock().map_err(|_| Trouble::Temporary("a reader panicked".to_owned()))?;
    let counted = clock.took.get(skipped..).unwrap_or_default();
    let lost = counted.iter().filter(|took| took.is_none()).count();
    if lost > 0 {
        let all = counted.len();
        return Err(Trouble::Temporary(format!(
            "{lost} of {all} records never reached {}",
            path.output
        )));
    }
    let mut took: Vec<Duration> = counted.iter().flatten().copied().collect();
    took.sort();
    Ok(Times(took))
}
