//! What a relay does when a transaction did not commit, or nobody knows whether it did.

use std::collections::BTreeSet;

use super::{IN, Relay, Stage};
use crate::engine::ports::{Clock, Failure, Log, Part, Result};
use crate::engine::transaction::{Phase, Step};

impl<L: Log, C: Clock, S: Stage> Relay<L, C, S> {
    pub(super) fn recover(&mut self, done: Result<()>) -> Result<()> {
        let done = match done {
            Err(Failure::Abort(_)) => self.abort(),
            done => done,
        };
        done.or_else(|failure| self.transaction.lost_by(self.clock.now(), failure))
    }

    fn abort(&mut self) -> Result<()> {
        self.transaction.abort(&mut self.log)?;
        self.undo();
        self.rewind()
    }

    /// Memory as it was before the batch; what waits is dropped, it will come again.
    pub(super) fn undo(&mut self) {
        self.stage.undo();
        for seat in self.seats.values_mut() {
            (seat.next, seat.touched) = (seat.committed, false);
            (seat.arrived, seat.paused) = (seat.committed, false);
            seat.guard.undo();
            seat.queue.clear();
        }
    }

    pub(super) fn rewind(&mut self) -> Result<()> {
        let to: Vec<(Part, i64)> = self
            .seats
            .iter()
            .map(|(shard, seat)| (Part { topic: IN, shard: *shard }, seat.committed))
            .collect();
        for (part, _) in &to {
            self.sought.insert(part.shard);
            self.log.resume(*part)?;
        }
        self.log.seek(&to)
    }

    /// After an unknown outcome: a new producer, and every shard from what committed.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.transaction.phase() == Phase::Lost {
            match self.log.recreate() {
                Ok(()) => {}
                Err(Failure::Fatal(why)) => return Err(Failure::Fatal(why)),
                // The brokers are away. That is one doubt, however often they are asked.
                Err(Failure::Abort(_) | Failure::Unknown(_)) => return Ok(()),
            }
            self.transaction.step(Step::Recreate);
            self.stage.undo();
            let shards: BTreeSet<i32> = self.seats.keys().copied().collect();
            for shard in shards {
                let start = self.seats.get(&shard).map_or(0, |seat| seat.committed);
                self.vacate(shard);
                self.waiting.insert(shard, start);
            }
            self.transaction.step(Step::Settle);
        }
        Ok(())
    }
}
