//! What can fall due, and the order in which it does at one instant.

use super::ids::{DomainId, LeadId, RepId, TerritoryId};
use super::time::Timestamp;

/// A timer by what it is about. Timers at the same instant fire in the order of this type: kind
/// first, then domain, id, assignment and step. It is derived from an entity's image and never
/// stored, so a restore arms the very same timers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    pub kind: TimerKind,
    pub domain: DomainId,
    /// The id of the entity.
    pub id: std::sync::Arc<str>,
    pub assignment_no: u32,
    pub step: u32,
}

/// In firing order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// A territory, or a policy, begins or ends to be valid.
    Validity,
    /// A rep's absence begins or ends.
    Absence,
    /// A lock ends.
    Lock,
    /// A hold for enrichment or for an owner ends.
    Hold,
    /// The next step of a lead's SLA ladder.
    Sla,
    /// A waiting lead is tried again.
    Retry,
    /// A slice of a sweep.
    Sweep,
    /// A lead, a deal or a key leaves memory.
    Expiry,
}

/// A timer to arm (`Some`) or to cancel (`None`): what `State` tells the engine after each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerMove {
    pub key: TimerKey,
    pub due_at: Option<Timestamp>,
}

impl TimerKey {
    pub fn of_lead(kind: TimerKind, domain: &DomainId, lead: &LeadId) -> TimerKey {
        TimerKey::of(kind, domain, lead.as_str())
    }

    pub fn of_rep(domain: &DomainId, rep: &RepId) -> TimerKey {
        TimerKey::of(TimerKind::Absence, domain, rep.as_str())
    }

    pub fn of_territory(domain: &DomainId, territory: &TerritoryId) -> TimerKey {
        TimerKey::of(TimerKind::Validity, domain, territory.as_str())
    }

    pub fn of(kind: TimerKind, domain: &DomainId, id: &str) -> TimerKey {
        TimerKey { kind, domain: domain.clone(), id: id.into(), assignment_no: 0, step: 0 }
    }
}
