//! Where the worker's transaction stands, and which step may follow which.
//!
//! ```text
//!             begin            send_offsets            commit
//!   Closed ──────────► Open ─────────────────► Sealed ─────────► Closed
//!     ▲                 │ abort                  │ abort
//!     ├─────────────────┴────────────────────────┘
//!     │                 any step whose outcome is unknown
//!     └── Asking ◄── Lost ◄── (Closed, Open, Sealed)
//!     settled   recreated
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::ports::{Failure, Log, Result};
use crate::domain::time::{Span, Timestamp};

/// Unknown outcomes within `PATIENCE` after which the process gives up.
const MOST_DOUBTS: usize = 5;
const PATIENCE: Span = Span::from_secs(600);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// None is open.
    #[default]
    Closed,
    /// Records go into it.
    Open,
    /// The offsets are in: only its end may follow.
    Sealed,
    /// Nobody knows what became of it: the producer must be made anew.
    Lost,
    /// The producer is new: the committed offsets say what became of it.
    Asking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Begin,
    SendOffsets,
    Commit,
    Abort,
    Lose,
    Recreate,
    Settle,
}

impl Phase {
    /// The phase after a step, if the step is legal.
    pub fn after(self, step: Step) -> Option<Phase> {
        match (self, step) {
            (Phase::Closed, Step::Begin) => Some(Phase::Open),
            (Phase::Open, Step::SendOffsets) => Some(Phase::Sealed),
            (Phase::Sealed, Step::Commit) => Some(Phase::Closed),
            (Phase::Open | Phase::Sealed, Step::Abort) => Some(Phase::Closed),
            (_, Step::Lose) => Some(Phase::Lost),
            (Phase::Lost, Step::Recreate) => Some(Phase::Asking),
            (Phase::Asking, Step::Settle) => Some(Phase::Closed),
            _ => None,
        }
    }
}

/// The transaction of one worker.
#[derive(Debug, Default)]
pub struct Transaction {
    phase: Phase,
    pub opened_at: Timestamp,
    pub started: Duration,
    pub records: usize,
    pub bytes: usize,
    pub recreated: bool,
    /// It holds something that many more of stand behind, as a slice of a sweep or a timer of a storm: new
    /// leads are not to wait for a long batch.
    pub brief: bool,
    doubts: VecDeque<Timestamp>,
}

impl Transaction {
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Nobody knows yet what became of it: nothing is taken until then.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.phase, Phase::Lost | Phase::Asking)
    }

    /// Takes a step; an illegal one is our own fault.
    pub fn step(&mut self, step: Step) {
        let Some(next) = self.phase.after(step) else {
            panic!("a transaction that is {:?} cannot take the step {step:?}", self.phase);
        };
        self.phase = next;
    }

    pub fn open(&mut self, now: Timestamp, started: Duration) {
        self.step(Step::Begin);
        (self.opened_at, self.started) = (now, started);
        (self.records, self.bytes) = (0, 0);
        (self.recreated, self.brief) = (false, false);
    }

    /// Aborts what is open in the log. That this fails leaves only a new producer.
    pub(super) fn abort(&mut self, log: &mut impl Log) -> Result<()> {
        if !matches!(self.phase, Phase::Open | Phase::Sealed) {
            return Ok(());
        }
        log.abort().map_err(|failure| match failure {
            Failure::Abort(why) => Failure::Unknown(why),
            failure => failure,
        })?;
        self.step(Step::Abort);
        Ok(())
    }

    /// What could not be aborted is lost: in the next round a new producer, then the committed offsets.
    /// Only what must stop the process comes back.
    pub(super) fn lost_by(&mut self, now: Timestamp, failure: Failure) -> Result<()> {
        match failure {
            Failure::Fatal(why) => Err(Failure::Fatal(why)),
            Failure::Abort(why) | Failure::Unknown(why) => self.lose(now, &why),
        }
    }

    /// The outcome of the last call is unknown. Too often in a short time, and somebody must look.
    pub fn lose(&mut self, now: Timestamp, why: &str) -> Result<()> {
        self.step(Step::Lose);
        self.doubts.push_back(now);
        while self.doubts.front().is_some_and(|first| now.since(*first) > PATIENCE) {
            self.doubts.pop_front();
        }
        if self.doubts.len() < MOST_DOUBTS {
            return Ok(());
        }
        let count = self.doubts.len();
        Err(Failure::Fatal(format!("{count} unknown outcomes within ten minutes, the last: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_drawn_steps_are_legal() {
        let steps = [
            Step::Begin,
            Step::SendOffsets,
            Step::Commit,
            Step::Abort,
            Step::Recreate,
            Step::Settle,
        ];
        let legal = |phase: Phase| steps.into_iter().filter(|s| phase.after(*s).is_some()).count();
        assert_eq!(legal(Phase::Closed), 1);
        assert_eq!(legal(Phase::Open), 2);
        assert_eq!(legal(Phase::Sealed), 2);
        assert_eq!((legal(Phase::Lost), legal(Phase::Asking)), (1, 1));
        assert_eq!(Phase::Open.after(Step::Commit), None, "not without offsets");
    }

    #[test]
    fn five_unknown_outcomes_in_ten_minutes_are_given_up() {
        let mut transaction = Transaction::default();
        for minute in [0, 1, 2, 3] {
            assert!(transaction.lose(Timestamp(minute * 60_000), "x").is_ok());
        }
        assert!(transaction.lose(Timestamp(11 * 60_000), "x").is_ok());
        assert!(matches!(transaction.lose(Timestamp(11 * 60_000), "x"), Err(Failure::Fatal(_))));
    }
}
