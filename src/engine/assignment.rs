//! Shards come and go: the group's news, and the seats that shards work on.

use super::guard::Guard;
use super::merge::{Merge, Order};
use super::ports::{AssignedShard, Clock, Log, Part, Result};
use super::report::{Ending, Observer, ShardEvent};
use super::shard::Shard;
use super::worker::Worker;
use crate::domain::time::{Span, Timestamp};

/// How long the memory of a shard that went is kept in case it comes back.
const PARKED: Span = Span::from_secs(600);

/// A shard in work.
pub(super) struct Seat {
    pub(super) shard: Shard,
    pub(super) merge: Merge,
    /// Where delivery of each topic began.
    pub(super) start: [i64; 9],
    /// What the group's offsets carry for this shard: the last batch that they know of.
    pub(super) metadata: String,
    /// Offsets of all inputs are still to be committed once.
    pub(super) first: bool,
    /// The first lead has not been looked at: is it too old for a first start?
    pub(super) guard: bool,
    /// What becomes of the records of each topic in.
    pub(super) guards: [Guard; 9],
    /// Too many of them are dead letters: nothing of this shard is taken any more.
    pub(super) stopped: bool,
    /// By record clock: a head that is known to be no dead letter.
    pub(super) sound: Option<(Part, i64)>,
}

/// A shard that was taken from us, in case it comes back.
pub(super) struct Parked {
    shard: Shard,
    metadata: String,
    state_end: i64,
    parked_at: Timestamp,
}

impl<L: Log, C: Clock, O: Observer> Worker<L, C, O> {
    pub(super) fn assigned(&mut self, assigned: AssignedShard, now: Timestamp) -> Result<()> {
        let shard = assigned.shard;
        self.observer.shard(ShardEvent::Assigned(shard));
        if let Some(parked) = self.parked.remove(&shard)
            && self.is_unchanged(&parked, &assigned)?
        {
            self.seat(parked.shard, parked.metadata, assigned.start, assigned.end, now);
            self.observer.shard(ShardEvent::Reused(shard));
            return Ok(());
        }
        self.restore(shard, Some(&assigned), now)
    }

    /// A shard is ready for work.
    pub(super) fn seat(
        &mut self,
        shard: Shard,
        metadata: String,
        start: [i64; 9],
        end: [i64; 9],
        now: Timestamp,
    ) {
        let order = self.settings.order;
        let first_start = shard.mark().is_before_leads();
        let merge = Merge::new(order, first_start, start, end, now);
        let guard = first_start && order == Order::Wall;
        let id = shard.id;
        self.waiting.remove(&id);
        let limit = self.settings.dead_letters_stop_after;
        let seat = Seat {
            shard,
            merge,
            start,
            metadata,
            first: true,
            guard,
            guards: std::array::from_fn(|_| Guard::new(limit)),
            stopped: false,
            sound: None,
        };
        self.seats.insert(id, seat);
    }

    /// Whether nobody wrote for a shard since it was parked.
    fn is_unchanged(&mut self, parked: &Parked, assigned: &AssignedShard) -> Result<bool> {
        let next = parked.shard.mark().next;
        let stands =
            next.iter().zip(assigned.start).all(|(next, start)| *next < 0 || *next == start);
        let answers = (self.log.committed(assigned.shard), self.log.state_end(assigned.shard));
        let (Ok(committed), Ok(state_end)) = answers else { return Ok(false) };
        Ok(stands && committed.metadata == parked.metadata && state_end == parked.state_end)
    }

    /// Shards went: what is open is aborted and undone, and what went is kept in case it comes back.
    pub(super) fn revoked(&mut self, shards: &[i32]) -> Result<()> {
        // No commit is under way while the log is polled, so the batch has surely not committed.
        let ended = self.transaction.abort(&mut self.log);
        self.undo(Ending::Aborted, shards);
        let parked_at = self.clock.now();
        self.parked.retain(|_, parked| parked_at.since(parked.parked_at) < PARKED);
        for shard in shards {
            self.waiting.remove(shard);
            self.resumes.retain(|part| part.shard != *shard);
            self.observer.shard(ShardEvent::Revoked(*shard));
            let Some(seat) = self.seats.remove(shard) else { continue };
            let Ok(state_end) = self.log.state_end(*shard) else { continue };
            let Seat { shard: kept, metadata, .. } = seat;
            self.parked.insert(*shard, Parked { shard: kept, metadata, state_end, parked_at });
        }
        ended
    }
}
