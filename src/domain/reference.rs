//! Reference data: territories, reps, accounts and the policy, with what a change of theirs sets going.

use std::collections::BTreeSet;

use super::account::Account;
use super::availability;
use super::draft::Draft;
use super::entity::{
    LoadEntity, PendingPolicy, PendingTerritory, PolicyEntity, PolicyVersion, RepEntity, Seen,
    SweepKind, TerritoryMove,
};
use super::fact::Counter;
use super::ids::{RepId, TerritoryId};
use super::input::{
    AccountChange, CapWindow, EffectiveChange, PolicyChange, RepChange, RepDef, TerritoryChange,
};
use super::published::Cause;
use super::router::Task;
use super::sweep::{Reason, retry};
use super::territory::TerritoryDef;
use super::time::{Span, Timestamp};

/// SHA-256 of nothing: the built-in policy has no text.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Parents looked at; a longer chain counts as a cycle.
const MAX_DEPTH: usize = 64;

pub(super) fn territory_changed(draft: &mut Draft<'_>, event: &TerritoryChange) {
    let id = &event.territory_id;
    let mut entity = draft.territory(id).cloned().unwrap_or_default();
    if !entity.seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    let now = draft.now();
    let parent = event.definition.as_ref().and_then(|definition| definition.parent_id.as_ref());
    if parent.is_some_and(|parent| makes_cycle(draft, id, parent)) {
        return draft.reject("territory.cycle", "parent_id");
    }
    let ends = event.definition.as_ref().and_then(|definition| definition.valid_to_at);
    if ends.is_some_and(|ends| ends <= event.valid_from_at.unwrap_or(Timestamp(i64::MIN))) {
        return draft.reject("territory.range", "valid_to_at");
    }
    let dated_at = event.valid_from_at.filter(|from| *from < now);
    if let Some(valid_from_at) = event.valid_from_at.filter(|from| *from > now) {
        entity.pending.retain(|pending| pending.valid_from_at != valid_from_at);
        entity.pending.push(PendingTerritory {
            valid_from_at,
            definition: event.definition.clone(),
            effective_change: event.effective_change,
        });
        entity.pending.sort_by_key(|pending| pending.valid_from_at);
        return draft.set_territory(id, entity);
    }
    let definition = event.definition.clone().filter(|_| ends.is_none_or(|ends| ends > now));
    if definition.is_none() && event.definition.is_none() {
        entity.pending.clear();
    }
    let changed = entity.current != definition;
    entity.current = definition;
    entity.effective_change = event.effective_change;
    draft.set_territory(id, entity);
    if changed {
        territory_moved(draft, id, event.effective_change, dated_at);
    }
}

/// Whether `parent` has `id` among its ancestors, by any definition in force now or later. It does not go by
/// the timers that make a definition begin or end.
fn makes_cycle(draft: &Draft<'_>, id: &TerritoryId, parent: &TerritoryId) -> bool {
    let mut seen: BTreeSet<TerritoryId> = BTreeSet::new();
    let mut level = vec![parent.clone()];
    for _ in 0..MAX_DEPTH {
        let mut above = Vec::new();
        for at in level {
            if at == *id {
                return true;
            }
            let Some(entity) = draft.territory(&at).filter(|_| seen.insert(at.clone())) else {
                continue;
            };
            let all = entity.lasting(draft.now());
            above.extend(all.filter_map(|definition| definition.parent_id.clone()));
        }
        if above.is_empty() {
            return false;
        }
        level = above;
    }
    true
}

/// A decision at an instant goes by what holds at that instant, although the timers of that instant
/// come after it: whatever begins or ends now does so first, and the leads that follow wait for the
/// timer of their sweep. True = something did.
pub(super) fn begin_or_end(draft: &mut Draft<'_>) -> bool {
    let now = draft.now();
    let due: Vec<TerritoryId> = {
        let borders = draft.index().validity.iter().take_while(|(at, _)| *at <= now);
        borders.map(|(_, id)| id.clone()).collect()
    };
    let pending = draft.policy_entity().and_then(|policy| policy.pending.first());
    let policy = pending.is_some_and(|pending| pending.valid_from_at <= now);
    if policy {
        policy_validity(draft);
    }
    for id in &due {
        territory_validity(draft, id);
    }
    for task in &mut draft.tasks {
        if let Task::Sweep(reason) = task {
            reason.deferred = true;
        }
    }
    policy || !due.is_empty()
}

fn territory_moved(
    draft: &mut Draft<'_>,
    id: &TerritoryId,
    effective_change: EffectiveChange,
    dated_at: Option<Timestamp>,
) {
    let cause = Cause::TerritoryChanged;
    draft.tasks.push(Task::Sweep(retry(cause)));
    if effective_change != EffectiveChange::NewOnly || dated_at.is_some() {
        let moved = TerritoryMove { territory_id: Some(id.clone()), effective_change, dated_at };
        let reason = Reason { changes: vec![moved], ..Reason::new(SweepKind::Territories, cause) };
        draft.tasks.push(Task::Sweep(reason));
    }
}

/// A pending definition begins, or the current one ends.
pub(super) fn territory_validity(draft: &mut Draft<'_>, id: &TerritoryId) {
    let now = draft.now();
    let Some(mut entity) = draft.territory(id).cloned() else { return };
    let mut change = EffectiveChange::NewOnly;
    let over = |definition: &std::sync::Arc<TerritoryDef>| {
        definition.valid_to_at.is_some_and(|to| to <= now)
    };
    if entity.current.as_ref().is_some_and(over) {
        entity.current = None;
        change = entity.effective_change;
    }
    while entity.pending.first().is_some_and(|pending| pending.valid_from_at <= now) {
        let pending = entity.pending.remove(0);
        change = change.max(pending.effective_change);
        entity.effective_change = pending.effective_change;
        entity.current = pending.definition.filter(|definition| !over(definition));
    }
    draft.set_territory(id, entity);
    territory_moved(draft, id, change, None);
}

pub(super) fn rep_changed(draft: &mut Draft<'_>, event: &RepChange) {
    let id = &event.rep_id;
    let before = draft.rep(id).cloned();
    let mut seen = before.as_ref().map(|rep| rep.seen.clone()).unwrap_or_default();
    if !seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    let absences_done_at = draft.now();
    let definition = event.definition.clone();
    let is_active = |rep: &Option<RepDef>| rep.as_ref().is_some_and(|rep| rep.active);
    let left_before = before.as_ref().and_then(|rep| rep.left_at);
    let paused_until_at = before.as_ref().and_then(|rep| rep.paused_until_at);
    let old = before.and_then(|rep| rep.definition);
    let leaves = is_active(&old) && !is_active(&definition);
    let left_at = if leaves { Some(draft.now()) } else { left_before };
    seed_hours(draft, id, old.as_ref(), definition.as_ref());
    if let (Some(old), Some(new)) = (&old, &definition)
        && old.time_zone != new.time_zone
    {
        availability::zone_changed(draft, id, old, new);
    }
    let entity = RepEntity {
        definition: definition.clone(),
        absences_done_at,
        left_at,
        paused_until_at,
        seen,
    };
    draft.set_rep(id, entity);
    let cause = Cause::RepChanged;
    let reason = |kind| Reason { reps: vec![id.clone()], ..Reason::new(kind, cause) };
    let has_leads = draft.index().open(id) > 0;
    if has_leads && !is_active(&definition) {
        draft.tasks.push(Task::Sweep(reason(SweepKind::Departures)));
    }
    let clock =
        |rep: &Option<RepDef>| rep.as_ref().map(|rep| (rep.away.clone(), rep.calendar_id.clone()));
    if has_leads && clock(&old) != clock(&definition) {
        draft.tasks.push(Task::Sweep(reason(SweepKind::Ladders)));
    }
    if definition.as_ref().is_some_and(|rep| rep.active && !rep.paused) {
        draft.tasks.push(Task::Sweep(retry(cause)));
    }
}

/// A rep's first HOUR cap counts what the rep was given in the hour before it.
fn seed_hours(draft: &mut Draft<'_>, id: &RepId, old: Option<&RepDef>, new: Option<&RepDef>) {
    let by_hour = |rep: Option<&RepDef>| {
        rep.is_some_and(|rep| rep.caps.iter().any(|cap| cap.window == CapWindow::Hour))
    };
    if by_hour(old) || !by_hour(new) {
        return;
    }
    let since = draft.now() - Span::from_secs(3_600);
    let mut load: LoadEntity = draft.load(id).cloned().unwrap_or_default();
    let placements = draft.index().leads_of(id, None).filter_map(|lead| {
        let placement = draft.lead(&lead)?.placement.as_ref()?;
        (placement.decided_at > since)
            .then(|| (placement.decided_at, placement.territory_id.clone()))
    });
    load.hour = placements.collect();
    load.hour.sort();
    draft.set_load(id, load);
}

/// An absence began or ended.
pub(super) fn rep_absence(draft: &mut Draft<'_>, id: &RepId) {
    let Some(mut rep) = draft.rep(id).cloned() else { return };
    rep.absences_done_at = draft.now();
    draft.set_rep(id, rep);
    draft.tasks.push(Task::Sweep(retry(Cause::Retry)));
}

pub(super) fn account_changed(draft: &mut Draft<'_>, event: &AccountChange) {
    let id = &event.account_id;
    let mut seen = draft.account(id).map(Account::seen).unwrap_or_default();
    if !seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    draft.set_account(id, Account::pack(id, event.definition.as_ref(), &seen));
    draft.tasks.push(Task::Sweep(retry(Cause::Retry)));
}

/// The policy that a domain starts with.
pub(super) fn built_in_policy() -> PolicyEntity {
    let current = PolicyVersion {
        version: "default".to_owned(),
        sha256: EMPTY_SHA256.to_owned(),
        text: String::new(),
        policy: super::draft::BUILT_IN.clone(),
    };
    PolicyEntity { current, pending: Vec::new(), seen: Seen::default() }
}

pub(super) fn policy_changed(draft: &mut Draft<'_>, event: &PolicyChange) {
    let mut entity = draft.policy_entity().cloned().unwrap_or_else(built_in_policy);
    if !entity.seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    let version = PolicyVersion {
        version: event.version.clone(),
        sha256: event.sha256.clone(),
        text: event.text.clone(),
        policy: event.policy.clone().into(),
    };
    if let Some(valid_from_at) = event.valid_from_at.filter(|from| *from > draft.now()) {
        entity.pending.retain(|pending| pending.valid_from_at != valid_from_at);
        entity.pending.push(PendingPolicy { valid_from_at, version });
        entity.pending.sort_by_key(|pending| pending.valid_from_at);
        return draft.set_policy(entity);
    }
    in_force(draft, entity, version);
}

/// A policy that was published ahead begins.
pub(super) fn policy_validity(draft: &mut Draft<'_>) {
    let Some(mut entity) = draft.policy_entity().cloned() else { return };
    while entity.pending.first().is_some_and(|pending| pending.valid_from_at <= draft.now()) {
        let pending = entity.pending.remove(0);
        in_force(draft, entity.clone(), pending.version);
        entity = draft.policy_entity().cloned().unwrap_or(entity);
    }
}

fn in_force(draft: &mut Draft<'_>, mut entity: PolicyEntity, version: PolicyVersion) {
    let (old, new) = (&entity.current.policy, &version.policy);
    let ladders = new.sla.recompute_open && old.sla.classes != new.sla.classes;
    let clocks = old.calendars != new.calendars || ladders;
    entity.current = version;
    draft.set_policy(entity);
    let cause = Cause::PolicyChanged;
    if clocks {
        draft.tasks.push(Task::Sweep(Reason::new(SweepKind::Ladders, cause)));
    }
    draft.tasks.push(Task::Sweep(retry(cause)));
}
