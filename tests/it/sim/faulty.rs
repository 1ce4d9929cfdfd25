//! A log in which every call is a labelled step: before it, after it, or instead of its answer, something
//! may go wrong.

use std::rc::Rc;

use lead_router::domain::time::{Span, Timestamp};
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::ports::{Committed, Event, Failure, Log, Outgoing, Part, Result};

use super::world::World;

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies before the call has an effect.
    CrashBefore,
    /// It dies after.
    CrashAfter,
    /// The call took effect, and nobody hears of it.
    ReplyLost,
    /// The call never arrived, and nobody knows.
    RequestLost,
    /// The call is refused, and may be tried again.
    Abort,
    /// The process sleeps before the call, for long, while the world goes on.
    Sleep,
    /// Somebody has initialised a producer of the same name before the call.
    Fence,
    /// The group shares out its partitions anew before the call.
    Rebalance,
    /// The group has put this member out before the call.
    Kick,
}

impl Fault {
    pub(super) const ALL: [Fault; 9] = [
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::ReplyLost,
        Fault::RequestLost,
        Fault::Abort,
        Fault::Sleep,
        Fault::Fence,
        Fault::Rebalance,
        Fault::Kick,
    ];

    /// Whether this can happen at a step: only the end of a call to a transaction may stay unknown.
    pub(super) fn is_possible_at(self, label: &str) -> bool {
        match self {
            Fault::ReplyLost | Fault::RequestLost => TRANSACTION.contains(&label),
            Fault::Abort => REFUSED.contains(&label),
            _ => true,
        }
    }
}

/// Every step of the loop that the log sees.
pub(super) const LABELS: [&str; 17] = [
    "poll",
    "pause",
    "resume",
    "seek",
    "ends",
    "offsets_at",
    "committed",
    "restore",
    "state_end",
    "owns",
    "begin",
    "send",
    "send_offsets",
    "commit",
    "abort",
    "recreate",
    "leave",
];
/// Steps whose outcome may stay unknown, or that may be refused: those of a transaction.
const TRANSACTION: [&str; 6] = ["begin", "send", "send_offsets", "commit", "abort", "recreate"];
/// Steps that may be refused, to be tried again.
const REFUSED: [&str; 10] = [
    "begin",
    "send",
    "send_offsets",
    "commit",
    "poll",
    "seek",
    "committed",
    "restore",
    "pause",
    "resume",
];

pub(super) struct Faulty {
    log: EmbeddedLog,
    world: Rc<World>,
    /// Which worker this is.
    slot: usize,
    dead: bool,
}

impl Faulty {
    pub(super) fn new(log: EmbeddedLog, world: Rc<World>, slot: usize) -> Faulty {
        Faulty { log, world, slot, dead: false }
    }

    pub(super) fn member(&self) -> &str {
        self.log.member()
    }

    fn step<T>(
        &mut self,
        label: &'static str,
        act: impl FnOnce(&mut EmbeddedLog) -> Result<T>,
    ) -> Result<T> {
        if self.dead {
            return Err(Failure::Fatal("crashed".to_owned()));
        }
        let fault = self.world.draw(self.slot, label);
        match fault {
            Some(Fault::CrashBefore) => {
                self.dead = true;
                return Err(Failure::Fatal("crashed".to_owned()));
            }
            Some(Fault::Abort) => return Err(Failure::Abort("refused".to_owned())),
            Some(Fault::RequestLost) => return Err(Failure::Unknown("no answer".to_owned())),
            Some(Fault::Sleep) => World::sleep(&self.world, self.slot),
            Some(Fault::Fence) => {
                EmbeddedLog::new(&self.world.cluster, &World::name(self.slot)).recreate()?;
            }
            Some(Fault::Rebalance) => self.world.cluster.rebalance(),
            Some(Fault::Kick) => self.world.cluster.kick(self.log.member()),
            _ => {}
        }
        let answer = act(&mut self.log);
        match fault {
            Some(Fault::CrashAfter) => {
                self.dead = true;
                Err(Failure::Fatal("crashed".to_owned()))
            }
            Some(Fault::ReplyLost) => Err(Failure::Unknown("no answer".to_owned())),
            _ => answer,
        }
    }
}

impl Log for Faulty {
    fn poll(&mut self, wait: Span, out: &mut Vec<Event>) -> Result<()> {
        self.step("poll", |log| log.poll(wait, out))
    }

    fn pause(&mut self, part: Part) -> Result<()> {
        self.step("pause", |log| log.pause(part))
    }

    fn resume(&mut self, part: Part) -> Result<()> {
        self.step("resume", |log| log.resume(part))
    }

    fn seek(&mut self, to: &[(Part, i64)]) -> Result<()> {
        self.step("seek", |log| log.seek(to))
    }

    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>> {
        self.step("ends", |log| log.ends(parts))
    }

    fn offsets_at(&mut self, parts: &[Part], time: Timestamp) -> Result<Vec<i64>> {
        self.step("offsets_at", |log| log.offsets_at(parts, time))
    }

    fn committed(&mut self, shard: i32) -> Result<Committed> {
        self.step("committed", |log| log.committed(shard))
    }

    fn restore(&mut self, shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64> {
        self.step("restore", |log| log.restore(shard, each))
    }

    fn state_end(&mut self, shard: i32) -> Result<i64> {
        self.step("state_end", |log| log.state_end(shard))
    }

    fn owns(&mut self, shards: &[i32]) -> bool {
        self.step("owns", |log| Ok(log.owns(shards))).unwrap_or(false)
    }

    fn begin(&mut self) -> Result<()> {
        self.step("begin", EmbeddedLog::begin)
    }

    fn send(&mut self, record: Outgoing) -> Result<()> {
        self.step("send", |log| log.send(record))
    }

    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()> {
        assert!(!offsets.is_empty(), "an empty list of offsets is never sent");
        self.step("send_offsets", |log| log.send_offsets(offsets))
    }

    fn commit(&mut self) -> Result<()> {
        self.step("commit", EmbeddedLog::commit)
    }

    fn abort(&mut self) -> Result<()> {
        self.step("abort", EmbeddedLog::abort)
    }

    fn recreate(&mut self) -> Result<()> {
        self.step("recreate", EmbeddedLog::recreate)
    }

    fn leave(&mut self) -> Result<()> {
        self.step("leave", EmbeddedLog::leave)
    }
}
