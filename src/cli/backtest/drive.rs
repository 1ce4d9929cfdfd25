//! Drives a backtest: one thread reads, one replays the recorded policy, one the policy that is tried.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::lines::Lines;
use crate::engine::filter::PolicyFile;
use crate::evaluate::ledger::Ledger;
use crate::evaluate::replay::{Heard, Live, Tried};
use crate::evaluate::report::{Read, Report, report};

/// Lines that go from thread to thread at once.
const BATCH: usize = 512;
/// Batches that may wait for a slower thread.
const WAITING: usize = 16;

/// What a backtest is made of.
pub struct Plan {
    /// The policy that is tried.
    pub policy: PolicyFile,
    /// The policy file that the recording was made with, if it was.
    pub recorded: Option<PolicyFile>,
    /// No decisions are recorded: who had a lead is told by its owner and its deals.
    pub is_history: bool,
    /// Keep the chances of each lead, for a check against a known truth.
    pub keeps_odds: bool,
}

/// Where what is heard comes from.
pub trait Source: Send {
    /// The next thing; None = the end.
    fn next(&mut self) -> io::Result<Option<Heard>>;
    /// What was read, when all is.
    fn read(&self) -> Read;
}

/// JSON lines.
pub struct JsonLines<R> {
    input: R,
    lines: Lines,
    text: Vec<u8>,
    progress: Box<dyn FnMut(u64, u64) + Send>,
    bytes: u64,
}

impl<R: BufRead> JsonLines<R> {
    /// `progress` hears the lines and bytes read so far, every now and then.
    pub fn new(input: R, progress: impl FnMut(u64, u64) + Send + 'static) -> JsonLines<R> {
        let (lines, text) = (Lines::default(), Vec::new());
        JsonLines { input, lines, text, progress: Box::new(progress), bytes: 0 }
    }
}

impl<R: BufRead + Send> Source for JsonLines<R> {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        self.text.clear();
        let bytes = self.input.read_until(b'\n', &mut self.text)?;
        if bytes == 0 {
            return Ok(None);
        }
        self.bytes += bytes as u64;
        if self.lines.read.is_multiple_of(1_024) {
            (self.progress)(self.lines.read, self.bytes);
        }
        Ok(Some(self.lines.line(&self.text)))
    }

    fn read(&self) -> Read {
        let Lines { read, unusable, faults, .. } = &self.lines;
        Read { lines: *read, unusable: *unusable, faults: faults.clone(), ..Read::default() }
    }
}

/// Runs it to the end of the source.
pub fn run(plan: Plan, mut source: impl Source) -> io::Result<(Report, Tried)> {
    let Plan { policy, recorded, is_history, keeps_odds } = plan;
    let (to_live, from_source) = sync_channel::<Vec<Heard>>(WAITING);
    let (to_tried, from_live) = sync_channel::<Vec<Heard>>(WAITING);
    let mut tried = Tried::new(policy, is_history);
    tried.ledger = Ledger::new(recorded.as_ref());
    let mut live = (!is_history).then(|| Live::new(recorded));
    tried.ledger.keeps_odds = keeps_odds;
    thread::scope(|scope| {
        let replaying = scope.spawn(|| {
            pass(from_source, to_tried, |heard| match &mut live {
                Some(live) => live.take(heard),
                None => heard,
            });
        });
        let trying = scope.spawn(|| {
            for batch in from_live {
                batch.into_iter().for_each(|heard| tried.take(heard));
            }
        });
        let done = feed(&mut source, to_live);
        // A panic in a thread is one here.
        for thread in [replaying, trying] {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        done
    })?;
    if let Some(live) = &mut live {
        // To give back the memory of a million leads takes a while; the report does not wait for it.
        let engine = live.finish();
        thread::spawn(move || drop(engine));
    }
    let found = report(live, &mut tried, source.read());
    Ok((found, tried))
}

fn feed(source: &mut impl Source, to: SyncSender<Vec<Heard>>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(heard) = source.next()? {
        if matches!(heard, Heard::Nothing) {
            continue;
        }
        batch.push(heard);
        // Nobody takes it any more where a thread panicked; that is told when it is joined.
        if batch.len() == BATCH && to.send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    let _ = to.send(batch);
    Ok(())
}

fn pass(
    from: Receiver<Vec<Heard>>,
    to: SyncSender<Vec<Heard>>,
    mut each: impl FnMut(Heard) -> Heard,
) {
    for batch in from {
        if to.send(batch.into_iter().map(&mut each).collect()).is_err() {
            return;
        }
    }
}
