//! The timers that an entity's image implies. They are never stored: a restore derives the same ones.

use super::entity::{Entity, EntityKey, LeadEntity, Phase, RepEntity, TerritoryEntity};
use super::time::Timestamp;
use super::timer::{TimerKey, TimerKind};

/// At most one timer a kind, by key.
pub(super) fn timers_of(key: &EntityKey, entity: &Entity) -> Vec<(TimerKey, Timestamp)> {
    let timer = |kind, due_at| (of(kind, key), due_at);
    match entity {
        Entity::Lead(lead) => lead_timers(key, lead),
        Entity::Territory(territory) => {
            next_validity(territory).map(|at| timer(TimerKind::Validity, at)).into_iter().collect()
        }
        Entity::Policy(policy) => {
            let begins = policy.pending.first().map(|pending| pending.valid_from_at);
            // An id that no territory can have: ids are never blank.
            begins.map(|at| timer(TimerKind::Validity, at)).into_iter().collect()
        }
        Entity::Rep(rep) => {
            next_absence(rep).map(|at| timer(TimerKind::Absence, at)).into_iter().collect()
        }
        Entity::Sweep(sweep) => vec![timer(TimerKind::Sweep, sweep.next_at)],
        _ => Vec::new(),
    }
}

/// The entity's id is shared, not copied.
fn of(kind: TimerKind, key: &EntityKey) -> TimerKey {
    let EntityKey { domain, id, .. } = key;
    TimerKey { kind, domain: domain.clone(), id: id.clone(), assignment_no: 0, step: 0 }
}

fn lead_timers(key: &EntityKey, lead: &LeadEntity) -> Vec<(TimerKey, Timestamp)> {
    let timer = |kind| of(kind, key);
    let mut timers = Vec::new();
    if let Phase::Ended(_) = lead.phase {
        return timers;
    }
    if let (true, Some(until)) = (lead.locked, lead.locked_until_at) {
        timers.push((timer(TimerKind::Lock), until));
    }
    if let Some(until) = lead.hold_until_at {
        timers.push((timer(TimerKind::Hold), until));
    }
    if let Some(step) = lead.next_step() {
        let mut sla = timer(TimerKind::Sla);
        sla.assignment_no = lead.assignment_no;
        sla.step = step.step;
        let not_before = lead.ladder.as_ref().and_then(|ladder| ladder.deferred_until_at);
        timers.push((sla, not_before.map_or(step.due_at, |at| at.max(step.due_at))));
    }
    if let Some(at) = lead.retry_at {
        timers.push((timer(TimerKind::Retry), at));
    }
    timers
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
