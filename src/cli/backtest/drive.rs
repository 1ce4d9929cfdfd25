//! Drives a backtest: one thread reads, one replays the recorded policy, one the policy that is tried, and one writes
//! down what comes of it.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::lines::Lines;
use crate::engine::filter::PolicyFile;
use crate::evaluate::agreement::Agreement;
use crate::evaluate::book::{Book, Entry};
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
    /// How much of it has been heard, 0–1; None = nobody knows how much there is.
    fn share(&self) -> Option<f64>;
    /// What was read, when all is.
    fn read(&self) -> Read;
}

/// JSON lines.
pub struct JsonLines<R> {
    input: R,
    lines: Lines,
    text: Vec<u8>,
    bytes: u64,
    size: Option<u64>,
}

impl<R: BufRead> JsonLines<R> {
    /// `size`: how many bytes there are, where that is known.
    pub fn new(input: R, size: Option<u64>) -> JsonLines<R> {
        JsonLines { input, lines: Lines::default(), text: Vec::new(), bytes: 0, size }
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
        Ok(Some(self.lines.line(&self.text)))
    }

    fn share(&self) -> Option<f64> {
        self.size.map(|size| self.bytes as f64 / size as f64)
    }

    fn read(&self) -> Read {
        Read { lines: self.lines.read, ..Read::default() }
    }
}

/// What a backtest came to, and what it rests on.
pub struct Done {
    pub report: Report,
    pub tried: Tried,
    pub ledger: Ledger,
}

/// Runs it to the end of the source.
pub fn run(plan: Plan, mut source: impl Source) -> io::Result<Done> {
    let Plan { policy, recorded, is_history, keeps_odds } = plan;
    let (to_live, from_source) = sync_channel::<Vec<Heard>>(WAITING);
    let (to_tried, from_live) = sync_channel::<Vec<Heard>>(WAITING);
    let (to_book, from_tried) = sync_channel::<Vec<Entry>>(WAITING);
    let mut tried = Tried::new(policy, is_history);
    let mut ledger = Ledger::new(recorded.as_ref());
    ledger.keeps_odds = keeps_odds;
    let agreement = (!is_history).then(|| Agreement::new(recorded.is_some()));
    let mut book = Book::new(ledger, agreement, &tried.policy);
    let mut live = (!is_history).then(|| Live::new(recorded));
    thread::scope(|scope| {
        let replaying = scope.spawn(|| {
            pass(from_source, to_tried, |heard, out| match &mut live {
                Some(live) => live.take(heard, out),
                None => out.push(heard),
            });
        });
        let trying = scope.spawn(|| {
            pass(from_live, to_book, |heard, out| tried.take(heard, out));
        });
        let booking = scope.spawn(|| {
            from_tried.into_iter().flatten().for_each(|entry| book.enter(entry));
        });
        let done = feed(&mut source, to_live);
        // A panic in a thread is one here.
        for thread in [replaying, trying, booking] {
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
    let steps = live.map(|live| live.steps).unwrap_or_default();
    let mut read = source.read();
    let (agreement, mut ledger) = book.close(&mut read);
    let report = report(agreement, steps, &tried, &mut ledger, read);
    Ok(Done { report, tried, ledger })
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

/// Hands on what `each` makes of what comes, until nothing comes or nobody takes it.
fn pass<A, B>(
    from: Receiver<Vec<A>>,
    to: SyncSender<Vec<B>>,
    mut each: impl FnMut(A, &mut Vec<B>),
) {
    for batch in from {
        let mut out = Vec::with_capacity(batch.len());
        batch.into_iter().for_each(|one| each(one, &mut out));
        if to.send(out).is_err() {
            return;
        }
    }
}
