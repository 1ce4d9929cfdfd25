//! The embedded log as the demonstration's worker sees it: waits are of virtual time, and it can be
//! made to die inside a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::clock::VirtualClock;
use crate::domain::time::{Span, Timestamp};
use crate::embedded::EmbeddedLog;
use crate::engine::ports::{Committed, Event, Failure, Log, Outgoing, Part, Result};

/// The wish that the worker dies, and how far it came.
#[derive(Clone, Debug, Default)]
pub struct Crash {
    armed: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

impl Crash {
    /// The next transaction does not reach its commit.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    pub fn disarm(&self) {
        self.armed.store(false, Ordering::Release);
    }

    /// Records sent in the transaction that died.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }
}

/// What a process that was killed says, if it could.
pub const KILLED: &str = "killed inside a transaction";

/// The wrapper.
pub struct StageLog {
    log: EmbeddedLog,
    clock: VirtualClock,
    crash: Crash,
}

impl StageLog {
    /// A client of the log; what an earlier one of the same name left open is aborted.
    pub fn new(mut log: EmbeddedLog, clock: VirtualClock, crash: Crash) -> Result<StageLog> {
        log.recreate()?;
        Ok(StageLog { log, clock, crash })
    }

    pub fn member(&self) -> &str {
        self.log.member()
    }
}

impl Log for StageLog {
    fn poll(&mut self, wait: Span, out: &mut Vec<Event>) -> Result<()> {
        let wait = if wait <= Span::ZERO { wait } else { self.clock.real(wait) };
        self.log.poll(wait, out)
    }

    fn pause(&mut self, part: Part) -> Result<()> {
        self.log.pause(part)
    }

    fn resume(&mut self, part: Part) -> Result<()> {
        self.log.resume(part)
    }

    fn seek(&mut self, to: &[(Part, i64)]) -> Result<()> {
        self.log.seek(to)
    }

    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>> {
        self.log.ends(parts)
    }

    fn offsets_at(&mut self, parts: &[Part], time: Timestamp) -> Result<Vec<i64>> {
        self.log.offsets_at(parts, time)
    }

    fn committed(&mut self, shard: i32) -> Result<Committed> {
        self.log.committed(shard)
    }

    fn restore(&mut self, shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64> {
        self.log.restore(shard, each)
    }

    fn state_end(&mut self, shard: i32) -> Result<i64> {
        self.log.state_end(shard)
    }

    fn owns(&mut self, shards: &[i32]) -> bool {
        self.log.owns(shards)
    }

    fn begin(&mut self) -> Result<()> {
        self.crash.sent.store(0, Ordering::Release);
        self.log.begin()
    }

    fn send(&mut self, record: Outgoing) -> Result<()> {
        self.crash.sent.fetch_add(1, Ordering::AcqRel);
        self.log.send(record)
    }

    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()> {
        self.log.send_offsets(offsets)
    }

    fn commit(&mut self) -> Result<()> {
        if self.crash.armed.swap(false, Ordering::AcqRel) {
            return Err(Failure::Fatal(KILLED.to_owned()));
        }
        self.log.commit()
    }

    fn abort(&mut self) -> Result<()> {
        self.log.abort()
    }

    fn recreate(&mut self) -> Result<()> {
        self.log.recreate()
    }

    fn leave(&mut self) -> Result<()> {
        self.log.leave()
    }
}
