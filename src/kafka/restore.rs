//! Reads a shard's state partition to its true end.
//!
//! The end is the high watermark, not the last stable offset: a transaction may have committed (the
//! group's offsets say so) while its marker is still on the way to this partition, and a reader who stops
//! at the last stable offset would miss what it wrote. So: take the high watermark from a client that
//! sees uncommitted records, wait until everything below it is decided, then read to the end. The group
//! is polled meanwhile, or it would put us out.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::config::Settings;
use crate::engine::ports::{Failure, Result};

use super::HANGING;
use super::context::Quiet;
use super::error::{self, Heard};
use super::settings;
use super::source::Source;

const QUERY: Duration = Duration::from_secs(5);
/// How often the group is polled.
const SERVE: Duration = Duration::from_millis(100);
/// An open transaction is waited for so long. The brokers end one after at most 15 minutes unless they
/// are set otherwise; one that outlives that hangs, and only a person can end it.
const PATIENCE: Duration = Duration::from_secs(16 * 60);

/// The high watermark of a partition now.
pub(super) fn high_watermark(
    settings: &Settings,
    worker: usize,
    topic: &str,
    shard: i32,
) -> Result<(i64, i64)> {
    let reader: BaseConsumer<Quiet> = settings::uncommitted_reader(settings, worker)
        .create_with_context(Quiet)
        .map_err(|error| Failure::Fatal(error::creating(&error).to_string()))?;
    reader
        .fetch_watermarks(topic, shard, QUERY)
        .map_err(|error| error::query("high watermark of the state", &error))
}

/// One restore: the group's consumer goes on, a second one reads.
pub(super) struct Restore<'a> {
    pub settings: &'a Settings,
    pub worker: usize,
    pub source: &'a mut Source,
    pub shard: i32,
    /// True when the process is to end.
    pub stop: &'a dyn Fn() -> bool,
    pub served_at: Instant,
}

impl Restore<'_> {
    /// Hands every record over, in order; returns the end.
    pub(super) fn run(
        &mut self,
        topic: &str,
        each: &mut dyn FnMut(&[u8], Option<&[u8]>),
    ) -> Result<i64> {
        let (low, high) = high_watermark(self.settings, self.worker, topic, self.shard)?;
        if low == high {
            return Ok(high);
        }
        let reader: BaseConsumer<Quiet> = settings::restore_consumer(self.settings, self.worker)
            .create_with_context(Quiet)
            .map_err(|error| Failure::Fatal(error::creating(&error).to_string()))?;
        self.wait_until_stable(&reader, topic, high)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, self.shard, Offset::Beginning)
            .and_then(|()| reader.assign(&list))
            .map_err(|error| error::query("restore", &error))?;
        // A list that is alive keeps the consumer from closing.
        drop(list);
        self.read(&reader, topic, each)?;
        Ok(high)
    }

    fn wait_until_stable(
        &mut self,
        reader: &BaseConsumer<Quiet>,
        topic: &str,
        high: i64,
    ) -> Result<()> {
        let began = Instant::now();
        let mut told = began;
        loop {
            let (_, stable) = reader
                .fetch_watermarks(topic, self.shard, QUERY)
                .map_err(|error| error::query("stable end of the state", &error))?;
            if stable >= high {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(Failure::Fatal(format!("{topic} {}: {HANGING}", self.shard)));
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                tracing::warn!(shard = self.shard, stable, high, "waiting for an open transaction");
            }
            self.serve()?;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn read(
        &mut self,
        reader: &BaseConsumer<Quiet>,
        topic: &str,
        each: &mut dyn FnMut(&[u8], Option<&[u8]>),
    ) -> Result<()> {
        loop {
            if self.served_at.elapsed() >= SERVE {
                self.serve()?;
            }
            match reader.poll(Duration::from_millis(50)) {
                None => {}
                Some(Ok(message)) => {
                    if let Some(key) = message.key() {
                        each(key, message.payload());
                    }
                }
                Some(Err(error)) => match error::heard(&error) {
                    Heard::End => return Ok(()),
                    Heard::Unsure(why) => tracing::warn!(shard = self.shard, why, "restoring"),
                    Heard::Fatal(why) => {
                        return Err(Failure::Fatal(format!("restore of {topic}: {why}")));
                    }
                },
            }
        }
    }

    fn serve(&mut self) -> Result<()> {
        self.served_at = Instant::now();
        self.source.serve()?;
        if (self.stop)() {
            return Err(Failure::Abort("stopping".to_owned()));
        }
        if !self.source.owns(&[self.shard]) {
            return Err(Failure::Abort(format!("shard {} is no longer ours", self.shard)));
        }
        Ok(())
    }
}
