//! What one transaction did, in plain data: the worker hands one over after each, and the edge makes
//! metrics, logs and the read side of it. Nothing here decides anything.

use std::time::Duration;

use crate::domain::entity::{Entity, EntityKey};
use crate::domain::fact::Fact;
use crate::domain::input::Topic;
use crate::domain::state::Change;
use crate::domain::time::{Span, Timestamp};
use crate::domain::timer::TimerKind;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    #[default]
    Committed,
    /// Aborted, undone and to be taken again.
    Aborted,
    /// Nobody knew; the committed offsets said that it had committed.
    UnknownCommitted,
    /// Nobody knew; the committed offsets said that it had not.
    UnknownAborted,
}

/// A timer that fired, and how late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    pub kind: TimerKind,
    pub late: Span,
}

/// What a worker did since its last report. Unless the transaction committed, `facts`, `changes` and the
/// counts of what was consumed are empty: nothing happened.
#[derive(Clone, Debug, Default)]
pub struct BatchReport {
    pub ending: Ending,
    /// The time of the batch.
    pub now: Timestamp,
    /// Records taken, by topic in (order of `Topic::ALL`).
    pub consumed: [u64; 9],
    /// Facts to publish, reject and count, in the order of decision.
    pub facts: Vec<Fact>,
    /// Records that no input could be made of, with the reason (those of `Fact::Rejected` come besides).
    pub poison: Vec<(Topic, &'static str)>,
    /// What the batch touched, by shard: the read side is fed from it.
    pub changes: Vec<(i32, Vec<Change>)>,
    pub armed: u64,
    pub cancelled: u64,
    pub fired: Vec<Fired>,
    /// Decide and apply, all inputs of the batch together.
    pub decided_in: Duration,
    /// From `begin` to the answer to `commit`.
    pub transaction_took: Duration,
    /// The producer had to be made anew.
    pub recreated: bool,
}

/// What happened to a shard.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardEvent {
    Assigned(i32),
    Revoked(i32),
    /// State was rebuilt from images: how many, how long it took, and whether the digest was equal.
    Restored {
        shard: i32,
        images: u64,
        took: Duration,
        digest: u128,
    },
    /// Records were gone before they were read, and the shard goes on without them.
    Lost(LostRecords),
    /// Memory was kept over a revocation, because nobody else wrote meanwhile.
    Reused(i32),
    /// Too many of its records of a topic are dead letters: nothing of it is taken until the process starts
    /// anew.
    Stopped {
        shard: i32,
        topic: Topic,
        why: String,
    },
}

/// Offsets of which the records are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecords {
    /// As it is configured.
    pub topic: String,
    pub shard: i32,
    pub from: i64,
    /// The oldest that is left.
    pub to: i64,
}

impl LostRecords {
    /// Why nothing goes on by itself.
    pub fn refused(&self) -> String {
        let LostRecords { topic, shard, from, to } = self;
        format!(
            "{topic} {shard}: the records from offset {from} to {} are gone before they were read (retention has \
             passed them, or somebody deleted them), and what was in them is lost. To go on with the oldest \
             that is left, start once with start.lost_records = \"skip\" \
             (LEAD_ROUTER__START__LOST_RECORDS=skip)",
            to - 1
        )
    }
}

/// Why a worker is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Whoever drives the workers waits for the schemas that they write by.
    Registry,
    /// The brokers do not answer, or what became of a transaction is not known yet.
    Brokers,
    Group,
    Restore,
    CatchUp,
    Stopped,
}

impl Wait {
    /// What keeps shards from being in work at all: the brokers are `away`, some are `waiting` to be restored, or
    /// we were given `none` yet.
    pub(super) fn for_shards(away: bool, waiting: bool, none: bool) -> Option<Wait> {
        let waits = [(away, Wait::Brokers), (waiting, Wait::Restore), (none, Wait::Group)];
        waits.into_iter().find_map(|(holds, wait)| holds.then_some(wait))
    }

    pub fn text(self) -> &'static str {
        match self {
            Wait::Registry => "waiting for the schema registry",
            Wait::Brokers => "waiting for the brokers",
            Wait::Group => "waiting for the group",
            Wait::Restore => "restoring",
            Wait::CatchUp => "catching up",
            Wait::Stopped => "a partition has stopped, see LeadRouterPartitionStopped",
        }
    }
}

/// Where a worker's telemetry goes: called on the worker's thread, so it must be quick.
pub trait Observer {
    fn batch(&mut self, report: BatchReport);
    fn shard(&mut self, event: ShardEvent);
    /// One entity put in place by a restore; a shard's `Restored` follows when all are there.
    fn loaded(&mut self, _shard: i32, _key: &EntityKey, _entity: &Entity) {}
}

/// Looks away: tests and tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn batch(&mut self, _report: BatchReport) {}
    fn shard(&mut self, _event: ShardEvent) {}
}
