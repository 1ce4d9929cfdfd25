//! The timers that an entity's image implies. They are never stored: a restore derives the same ones.

use super::entity::{Entity, EntityKey, LeadEntity, Phase, RepEntity, TerritoryEntity};
use super::time::Timestamp;
use super::timer::{TimerKey, TimerKind};

/// A timer of an entity, and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    kind: TimerKind,
    assignment_no: u32,
    step: u32,
    pub(super) at: Timestamp,
}

impl Due {
    fn new(kind: TimerKind, at: Timestamp) -> Due {
        Due { kind, assignment_no: 0, step: 0, at }
    }

    pub(super) fn is_same_timer(&self, other: &Due) -> bool {
        *self == Due { at: self.at, ..*other }
    }

    /// The entity's id is shared, not copied.
    pub(super) fn key(&self, entity: &EntityKey) -> TimerKey {
        let EntityKey { domain, id, .. } = entity;
        let Due { kind, assignment_no, step, .. } = *self;
        TimerKey { kind, domain: domain.clone(), id: id.clone(), assignment_no, step }
    }
}

/// At most one timer a kind, by key.
pub(super) fn timers_of(entity: &Entity) -> Vec<Due> {
    let one = |kind, at: Option<Timestamp>| at.map(|at| Due::new(kind, at)).into_iter().collect();
    match entity {
        Entity::Lead(lead) => lead_timers(lead),
        Entity::Territory(territory) => one(TimerKind::Validity, next_validity(territory)),
        Entity::Policy(policy) => {
            // Its id is one that no territory can have: ids are never blank.
            one(TimerKind::Validity, policy.pending.first().map(|pending| pending.valid_from_at))
        }
        Entity::Rep(rep) => one(TimerKind::Absence, next_absence(rep)),
        Entity::Sweep(sweep) => one(TimerKind::Sweep, Some(sweep.next_at)),
        _ => Vec::new(),
    }
}

fn lead_timers(lead: &LeadEntity) -> Vec<Due> {
    if let Phase::Ended(_) = lead.phase {
        return Vec::new();
    }
    let lock = lead.locked_until_at.filter(|_| lead.locked);
    let sla = lead.next_step().map(|step| {
        let not_before = lead.ladder.as_ref().and_then(|ladder| ladder.deferred_until_at);
        let at = not_before.map_or(step.due_at, |at| at.max(step.due_at));
        let (assignment_no, step) = (lead.assignment_no, step.step);
        Due { assignment_no, step, ..Due::new(TimerKind::Sla, at) }
    });
    let one = |kind, at: Option<Timestamp>| at.map(|at| Due::new(kind, at));
    let all = [
        one(TimerKind::Lock, lock),
        one(TimerKind::Hold, lead.hold_until_at),
        sla,
        one(TimerKind::Retry, lead.retry_at),
    ];
    all.into_iter().flatten().collect()
}

/// When the next pending definition begins or the current one ends.
pub(super) fn next_validity(territory: &TerritoryEntity) -> Option<Timestamp> {
    let begins = territory.pending.first().map(|pending| pending.valid_from_at);
    let ends = territory.current.as_ref().and_then(|current| current.valid_to_at);
    begins.into_iter().chain(ends).min()
}

/// The first border of an absence that has not been acted on.
pub(super) fn next_absence(rep: &RepEntity) -> Option<Timestamp> {
    let away = &rep.definition.as_ref()?.away;
    let borders = away.iter().flat_map(|absence| [absence.from_at, absence.to_at]);
    borders.filter(|border| *border > rep.absences_done_at).min()
}
