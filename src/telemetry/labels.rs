//! The values that labels may take: closed lists, made from the enums that the code itself uses, so
//! that a new outcome or reason shows up in the metrics without anybody thinking of it.

use crate::codec::error::reason;
use crate::domain::entity::Kind;
use crate::domain::fact::{Counter, DealArm};
use crate::domain::input::Topic;
use crate::domain::policy::SlaAction;
use crate::domain::published::{Cause, Method, Outcome, Reason};
use crate::domain::sla_state::SlaState;
use crate::domain::timer::TimerKind;

/// The values of one label.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// These and no others; all exist from the start.
    Closed(fn() -> Vec<&'static str>),
    /// Bounded by what is said; a combination appears when it is first used.
    Bounded(&'static str),
    /// Bounded too; these exist from the start.
    Seeded(&'static [&'static str], &'static str),
}

impl Values {
    pub fn describe(&self) -> String {
        match self {
            Values::Closed(list) => list().join(", "),
            Values::Bounded(what) | Values::Seeded(_, what) => (*what).to_owned(),
        }
    }

    /// The values that exist from the start.
    pub fn known(&self) -> Vec<&'static str> {
        match self {
            Values::Closed(list) => list(),
            Values::Bounded(_) => Vec::new(),
            Values::Seeded(seeds, _) => seeds.to_vec(),
        }
    }
}

pub const TOPIC: Values = Values::Closed(|| Topic::ALL.map(Topic::name).to_vec());
pub const STAGE: Values = Values::Closed(|| vec!["parse", "picture"]);
pub const INGEST_OUTCOME: Values =
    Values::Closed(|| vec!["mapped", "ignored", "stale", "dead_letter"]);
pub const WORKER: Values = Values::Bounded("the workers of this process");
pub const TOPIC_OPEN: Values = Values::Bounded("the topics in");
pub const PARTITION: Values = Values::Bounded("the partitions that this process serves");
pub const VERSION: Values = Values::Bounded("the version of the binary");
pub const CLASS: Values = Values::Seeded(
    &["standard"],
    "`standard`, the first 8 other priority classes seen, then `other`",
);
pub const GIVEN: Values = Values::Closed(|| vec!["at_once", "waited"]);
pub const OUTCOME: Values = Values::Closed(|| Outcome::ALL.iter().map(|o| outcome(*o)).collect());
pub const LEAD_OUTCOME: Values = Values::Closed(|| {
    let mut values: Vec<&str> = Outcome::ALL.iter().map(|o| outcome(*o)).collect();
    values.extend(["unchanged", "dead_letter"]);
    values
});
pub const CAUSE: Values = Values::Closed(|| Cause::ALL.iter().map(|c| cause(*c)).collect());
pub const METHOD: Values = Values::Closed(|| Method::ALL.iter().map(|m| method(*m)).collect());
pub const ASSIGNED_REASON: Values = Values::Closed(|| reasons(|reason| reason <= Reason::Manual));
pub const UNROUTED_REASON: Values = Values::Closed(|| reasons(|reason| reason > Reason::Manual));
pub const REGISTRY: Values = Values::Closed(|| vec!["found", "absent", "unfit", "unavailable"]);
pub const TRANSACTION: Values =
    Values::Closed(|| vec!["committed", "aborted", "unknown_committed", "unknown_aborted"]);
pub const TIMER: Values = Values::Closed(|| TIMER_KINDS.map(timer).to_vec());
pub const SLA_ACTION: Values = Values::Closed(|| vec!["remind", "escalate", "reassign"]);
pub const SLA_STATE: Values = Values::Closed(|| SlaState::ALL.map(SlaState::name).to_vec());
pub const SLA_RESULT: Values = Values::Closed(|| vec!["met", "missed"]);
pub const EFFECT: Values = Values::Closed(|| Counter::ALL.iter().map(|c| c.name()).collect());
pub const DEAL: Values = Values::Closed(|| vec!["won", "lost", "reopened"]);
pub const DEAL_ARM: Values = Values::Closed(|| DealArm::ALL.map(DealArm::name).to_vec());
pub const DEAL_ENDING: Values = Values::Closed(|| vec!["won", "lost"]);
pub const STATE_KIND: Values = Values::Closed(|| Kind::ALL.map(Kind::name).to_vec());
pub const PHASE: Values = Values::Closed(|| vec!["assigned", "queued", "parked", "released"]);
pub const REBALANCE: Values = Values::Closed(|| vec!["assigned", "revoked", "reused"]);
pub const INVARIANT: Values = Values::Closed(|| {
    vec!["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12"]
});
pub const DEAD_LETTER: Values = Values::Closed(|| {
    let mut values = reason::ALL.to_vec();
    values.push("other");
    values
});

/// The label value of a reason, `other` for one that is not in the list.
pub fn dead_letter(text: &str) -> &'static str {
    reason::ALL.iter().copied().find(|known| *known == text).unwrap_or("other")
}

const TIMER_KINDS: [TimerKind; 8] = [
    TimerKind::Validity,
    TimerKind::Absence,
    TimerKind::Lock,
    TimerKind::Hold,
    TimerKind::Sla,
    TimerKind::Retry,
    TimerKind::Sweep,
    TimerKind::Expiry,
];

fn reasons(keep: fn(Reason) -> bool) -> Vec<&'static str> {
    Reason::ALL.iter().filter(|reason| keep(**reason)).map(|reason| reason.name()).collect()
}

pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Assigned => "assigned",
        Outcome::Queued => "queued",
        Outcome::Parked => "parked",
        Outcome::Released => "released",
    }
}

pub fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Created => "created",
        Cause::Updated => "updated",
        Cause::TerritoryChanged => "territory_changed",
        Cause::RepChanged => "rep_changed",
        Cause::PolicyChanged => "policy_changed",
        Cause::Sla => "sla",
        Cause::Declined => "declined",
        Cause::Manual => "manual",
        Cause::Retry => "retry",
    }
}

pub fn method(method: Method) -> &'static str {
    match method {
        Method::Owner => "owner",
        Method::WinRate => "win_rate",
        Method::RoundRobin => "round_robin",
        Method::Control => "control",
        Method::None => "none",
    }
}

pub fn timer(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Validity => "validity",
        TimerKind::Absence => "absence",
        TimerKind::Lock => "lock",
        TimerKind::Hold => "hold",
        TimerKind::Sla => "sla",
        TimerKind::Retry => "retry",
        TimerKind::Sweep => "sweep",
        TimerKind::Expiry => "expiry",
    }
}

pub fn sla_action(action: SlaAction) -> &'static str {
    match action {
        SlaAction::Remind => "remind",
        SlaAction::Escalate => "escalate",
        SlaAction::Reassign => "reassign",
    }
}
