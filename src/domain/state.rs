//! The tables of one shard, the only place that changes them, and the journal that undoes a batch.

use super::entity::{Entity, EntityKey};
use super::fact::Fact;
use super::input::Envelope;
use super::timer::TimerMove;

/// All that one shard knows.
#[derive(Clone, Debug, Default)]
pub struct State {}

/// An entity that the batch touched: as it was, and as it is now (`None` = it does not exist).
#[derive(Clone, Debug)]
pub struct Change {
    pub key: EntityKey,
    pub before: Option<Entity>,
    pub after: Option<Entity>,
}

impl State {
    /// Decides one input and applies its facts; the facts to publish, reject and count come back in
    /// order (`Set` facts are consumed).
    pub fn step(&mut self, _envelope: &Envelope) -> Vec<Fact> {
        Vec::new()
    }

    /// The timers to arm and cancel since the last call, in order; the last word on a key counts.
    pub fn take_timer_moves(&mut self) -> Vec<TimerMove> {
        Vec::new()
    }

    /// What the batch touched, by key; the journal is empty afterwards: the batch can no longer be undone.
    pub fn commit(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// What `commit` would return, without ending the batch: for writing images before the commit.
    pub fn changes(&self) -> Vec<Change> {
        Vec::new()
    }

    /// Everything as it was before the batch, timers included (as moves to take).
    pub fn rollback(&mut self) {}

    /// Puts an image in place at restore: no journal, no facts; indexes and timers are derived.
    pub fn load(&mut self, _key: EntityKey, _entity: Entity) {}

    /// Every entity, by key: for digests from scratch and for the checker.
    pub fn entities(&self) -> Vec<(EntityKey, Entity)> {
        Vec::new()
    }
}
