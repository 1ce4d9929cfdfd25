//! Walks over many leads, in slices: no input does unbounded work.
//!
//! A reason to walk starts a sweep, of which the first slice is taken at once, or joins the one that runs; what
//! is left waits for the sweep's timer. A reason that joins takes a slice only when that timer is late, so that
//! many reasons in a row are little more work than one. Re-routes draw on a bucket of tokens and wait when it
//! is empty.

use std::sync::Arc;

use super::assign;
use super::availability;
use super::draft::{Draft, SweepId};
use super::entity::{Kind, LeadEntity, Phase, SweepEntity, SweepKind, TerritoryMove};
use super::fact::Counter;
use super::ids::{LeadId, RepId, TerritoryId};
use super::input::EffectiveChange;
use super::lead_events;
use super::published::{Cause, Stage};
use super::router::Task;
use super::sla;
use super::territory::{Condition, LeadView, MAX_DEPTH, matching};
use super::time::{Span, Timestamp};

/// Leads that one slice looks at.
const SLICE: usize = 256;
/// Changed territories that a sweep tells apart; with more, every lead is looked at for all of them.
const MAX_CHANGES: usize = 10_000;
/// A timer this late may wait behind a long list of leads.
const LATE: Span = Span::from_millis(20);
/// Re-routes at once before the rate limit holds.
const REROUTE_BURST: i64 = 50;
/// Tries of waiting leads, a domain and second.
const RETRIES_PER_SEC: i64 = 1_000;

/// A reason to walk.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub(super) kind: SweepKind,
    pub(super) cause: Cause,
    pub(super) changes: Vec<TerritoryMove>,
    pub(super) reps: Vec<RepId>,
    /// The first slice waits for the sweep's timer.
    pub(super) deferred: bool,
}

impl Reason {
    pub(super) fn new(kind: SweepKind, cause: Cause) -> Reason {
        Reason { kind, cause, changes: Vec::new(), reps: Vec::new(), deferred: false }
    }
}

pub(super) fn retry(cause: Cause) -> Reason {
    Reason::new(SweepKind::Waiting, cause)
}

fn id_of(kind: SweepKind) -> SweepId {
    SweepId(kind.name().into())
}

/// Starts a sweep, or joins the one that runs.
pub(super) fn start(draft: &mut Draft<'_>, reason: Reason) {
    if reason.kind == SweepKind::Waiting && draft.index().waiting.is_empty() {
        return;
    }
    let id = id_of(reason.kind);
    let known = draft.sweep(&id).cloned();
    let is_late = known.as_ref().is_none_or(|sweep| sweep.next_at + LATE <= draft.now());
    let sweep = match known {
        Some(mut running) => {
            running.again = true;
            running.cause = reason.cause;
            for change in reason.changes {
                join(Arc::make_mut(&mut running.changes), change);
            }
            if running.reps.is_empty() || reason.reps.is_empty() {
                running.reps = Arc::default();
            } else {
                let reps = Arc::make_mut(&mut running.reps);
                reps.extend(reason.reps);
                reps.sort();
                reps.dedup();
            }
            running
        }
        None => SweepEntity {
            kind: reason.kind,
            cause: reason.cause,
            cursor: None,
            changes: Arc::new(reason.changes),
            again: false,
            next_at: draft.now(),
            reps: Arc::new(reason.reps),
        },
    };
    if is_late && !reason.deferred {
        draft.tasks.push(Task::Slice { kind: sweep.kind });
    }
    draft.set_sweep(&id, sweep);
}

/// Adds a change to those of a running sweep. What happened to one territory twice is done once: the
/// wider circle of leads, the earlier date.
fn join(changes: &mut Vec<TerritoryMove>, change: TerritoryMove) {
    match changes.binary_search_by(|one| one.territory_id.cmp(&change.territory_id)) {
        Ok(at) => {
            if let Some(one) = changes.get_mut(at) {
                one.effective_change = one.effective_change.max(change.effective_change);
                one.dated_at = one.dated_at.into_iter().chain(change.dated_at).min();
            }
        }
        Err(at) => changes.insert(at, change),
    }
    if changes.len() > MAX_CHANGES {
        for mut change in std::mem::take(changes) {
            change.territory_id = None;
            join(changes, change);
        }
    }
}

/// Walks on by a slice. What its leads need is done by tasks of their own, right after it.
pub(super) fn slice(draft: &mut Draft<'_>, kind: SweepKind) {
    let id = id_of(kind);
    let Some(mut sweep) = draft.sweep(&id).cloned() else { return };
    let batch = upcoming(draft, &sweep);
    let is_last = batch.len() < SLICE;
    for at in batch {
        let lead = at.1.clone();
        match kind {
            SweepKind::Waiting => draft.tasks.push(Task::Retry { lead, cause: sweep.cause }),
            SweepKind::Ladders => draft.tasks.push(Task::Recompute { lead }),
            SweepKind::Territories | SweepKind::Departures => {
                let moves = wants_move(draft, &lead, &sweep);
                if moves && let Err(next_at) = take_token(draft) {
                    sweep.next_at = next_at;
                    return draft.set_sweep(&id, sweep);
                }
                count_difference(draft, &lead, &sweep);
                if moves {
                    draft.tasks.push(Task::Reroute { lead, cause: sweep.cause });
                }
            }
        }
        sweep.cursor = Some(at);
    }
    if is_last && !sweep.again {
        return draft.write(Kind::Sweep, id.text(), None);
    }
    if is_last {
        sweep.again = false;
        sweep.cursor = None;
    }
    let pause = match kind {
        SweepKind::Waiting => Span::from_millis(SLICE as i64 * 1_000 / RETRIES_PER_SEC),
        _ => Span::ZERO,
    };
    sweep.next_at = draft.now() + pause;
    draft.set_sweep(&id, sweep);
}

/// The next leads of the walk, in its stated order.
fn upcoming(draft: &Draft<'_>, sweep: &SweepEntity) -> Vec<(Timestamp, LeadId)> {
    use std::ops::Bound::{Excluded, Unbounded};
    if sweep.kind == SweepKind::Waiting {
        let from = sweep.cursor.clone().map_or(Unbounded, Excluded);
        return draft.index().waiting.range((from, Unbounded)).take(SLICE).cloned().collect();
    }
    if !sweep.reps.is_empty() {
        let after = sweep.cursor.as_ref().map(|(_, id)| id);
        let next = |rep| draft.index().leads_of(rep, after).take(SLICE);
        let mut leads: Vec<LeadId> = sweep.reps.iter().flat_map(next).collect();
        leads.sort();
        leads.truncate(SLICE);
        return leads.into_iter().map(|id| (Timestamp(0), id)).collect();
    }
    let after = sweep.cursor.as_ref().map(|(_, id)| id.as_str());
    let leads = draft.stored().table(Kind::Lead).after(after).take(SLICE);
    leads.map(|id| (Timestamp(0), LeadId::from(id))).collect()
}

/// Where a lead that a territory placed stands now.
struct Standing {
    change: TerritoryMove,
    won: Option<TerritoryId>,
    /// The owner is no member of the territory that wins it.
    misplaced: bool,
}

/// `None` = no territory placed it, or nothing changed for it.
fn standing(draft: &Draft<'_>, lead: &LeadEntity, sweep: &SweepEntity) -> Option<Standing> {
    let placement = lead.placement.as_ref()?;
    if !matches!(placement.stage, Stage::Territory | Stage::NamedAccount) {
        return None;
    }
    let won = assign::winner(draft, lead).map(|won| won.territory_id);
    let change = change_for(draft, placement.territory_id.as_ref(), won.as_ref(), sweep)?;
    let misplaced = !is_member(draft, lead, won.as_ref());
    Some(Standing { change, won, misplaced })
}

/// Counts a decision that a change dated back would have made otherwise.
fn count_difference(draft: &mut Draft<'_>, id: &LeadId, sweep: &SweepEntity) {
    if sweep.changes.iter().all(|change| change.dated_at.is_none()) {
        return;
    }
    let Some(lead) = draft.lead(id).cloned() else { return };
    let Some(Standing { change, won, misplaced }) = standing(draft, &lead, sweep) else { return };
    let Some(placement) = &lead.placement else { return };
    let otherwise = misplaced || won != placement.territory_id;
    if otherwise && change.dated_at.is_some_and(|dated_at| placement.decided_at >= dated_at) {
        let mut domain = draft.domain_entity();
        domain.would_differ += 1;
        draft.set_domain(domain);
        draft.count(Counter::WouldDiffer);
    }
}

/// Whether a territory change, or the departure of its rep, moves this lead.
fn wants_move(draft: &mut Draft<'_>, id: &LeadId, sweep: &SweepEntity) -> bool {
    let Some(lead) = draft.lead(id).cloned() else { return false };
    let gone = owner_gone(draft, &lead);
    if sweep.kind == SweepKind::Departures {
        return may_move(&lead) && gone && lead.touched_at.is_none();
    }
    let Some(Standing { change, misplaced, .. }) = standing(draft, &lead, sweep) else {
        return false;
    };
    if !may_move(&lead) || !(gone || misplaced) {
        return false;
    }
    let follows = match change.effective_change {
        EffectiveChange::NewOnly => false,
        EffectiveChange::UntouchedOpen => lead.touched_at.is_none(),
        EffectiveChange::AllOpen => true,
    };
    let gap = draft.policy.reroute.min_gap;
    let rested = lead.last_reroute_at.is_none_or(|last| draft.now().since(last) >= gap);
    if !follows || !(rested || gone) {
        return false;
    }
    gone || !stays_for_now(draft, id, lead)
}

/// Whether the outgoing owner keeps the lead: for good, or until the hold of the transition ends.
fn stays_for_now(draft: &mut Draft<'_>, id: &LeadId, mut lead: LeadEntity) -> bool {
    let policy = &draft.policy.transition;
    let view = LeadView::new(&lead.fields);
    let all = |conditions: &[Condition]| {
        conditions.iter().all(|condition| matching::matches(condition, &view))
    };
    if !policy.exempt.is_empty() && all(&policy.exempt) {
        return true;
    }
    if policy.hold == Span::ZERO || !all(&policy.hold_when) || ends_hold(draft, &lead) {
        return false;
    }
    if lead.retry_at.is_none() {
        lead.retry_at = Some(draft.now() + policy.hold);
        draft.set_lead(id, lead);
    }
    true
}

/// Whether the lead's status ends a hold.
pub(super) fn ends_hold(draft: &Draft<'_>, lead: &LeadEntity) -> bool {
    let ends = &draft.policy.transition.until_statuses;
    lead.fields.status.as_ref().is_some_and(|status| ends.contains(status))
}

/// The hold of a transition is over: the lead follows its territory, at the rate of re-routes.
pub(super) fn transition_over(draft: &mut Draft<'_>, id: &LeadId, mut lead: LeadEntity) {
    lead.retry_at = take_token(draft).err();
    if lead.retry_at.is_none() {
        let cause = Cause::TerritoryChanged;
        draft.tasks.push(Task::Reroute { lead: id.clone(), cause });
    }
    draft.set_lead(id, lead);
}

/// Locks and what a person has chosen stand.
fn may_move(lead: &LeadEntity) -> bool {
    let manual = lead.placement.as_ref().is_some_and(|placed| placed.cause == Cause::Manual);
    lead.phase == Phase::Assigned && !lead.locked && !manual
}

fn owner_gone(draft: &Draft<'_>, lead: &LeadEntity) -> bool {
    let rep = lead.rep_id().and_then(|rep| draft.rep(rep)?.definition.as_ref());
    !rep.is_some_and(|rep| rep.active)
}

/// Whether the owner is not an active member of the territory that now wins the lead.
fn is_misplaced(draft: &Draft<'_>, lead: &LeadEntity) -> bool {
    let won = assign::winner(draft, lead).map(|won| won.territory_id);
    owner_gone(draft, lead) || !is_member(draft, lead, won.as_ref())
}

fn is_member(draft: &Draft<'_>, lead: &LeadEntity, won: Option<&TerritoryId>) -> bool {
    let definition = won.and_then(|won| draft.territory(won)?.current.as_ref());
    let members = definition.map_or(&[][..], |definition| &definition.members);
    lead.rep_id().is_some_and(|rep| members.iter().any(|member| member.rep_id == *rep))
}

/// What changed for a lead that was placed by one territory and is won by another, or the same: the
/// changes of these two and of what lies above them, taken together.
fn change_for(
    draft: &Draft<'_>,
    placed: Option<&TerritoryId>,
    won: Option<&TerritoryId>,
    sweep: &SweepEntity,
) -> Option<TerritoryMove> {
    let all = sweep.changes.first().filter(|change| change.territory_id.is_none());
    let of = |id: &TerritoryId| {
        let at = |change: &TerritoryMove| change.territory_id.as_ref().cmp(&Some(id));
        sweep.changes.get(sweep.changes.binary_search_by(at).ok()?)
    };
    let mut found: Option<TerritoryMove> = all.cloned();
    for start in [placed, won] {
        let mut next = start.cloned();
        for _ in 0..MAX_DEPTH {
            let Some(id) = next else { break };
            if let Some(change) = of(&id) {
                let both = found.get_or_insert_with(|| change.clone());
                both.effective_change = both.effective_change.max(change.effective_change);
                both.dated_at = both.dated_at.into_iter().chain(change.dated_at).min();
            }
            let current = draft.territory(&id).and_then(|territory| territory.current.as_ref());
            next = current.and_then(|definition| definition.parent_id.clone());
        }
    }
    found
}

/// Takes a re-route token, or says when the next one comes.
fn take_token(draft: &mut Draft<'_>) -> Result<(), Timestamp> {
    let now = draft.now();
    let rate = i64::from(draft.policy.reroute.per_sec.max(1));
    let mut domain = draft.domain_entity();
    let refilled = now.since(domain.reroute_at).0.max(0).saturating_mul(rate);
    let full = REROUTE_BURST * 1_000;
    let tokens = domain.reroute_tokens.saturating_add(refilled).min(full);
    if tokens < 1_000 {
        return Err(now + Span::from_millis((1_000 - tokens + rate - 1) / rate));
    }
    domain.reroute_tokens = tokens - 1_000;
    domain.reroute_at = now;
    draft.set_domain(domain);
    Ok(())
}

/// Decides an assigned lead anew because what placed it has changed.
pub(super) fn reroute(draft: &mut Draft<'_>, id: &LeadId, cause: Cause) {
    let Some(mut lead) = draft.lead(id).cloned() else { return };
    if !may_move(&lead) || !is_misplaced(draft, &lead) {
        return;
    }
    let (before, rerouted_at) = (lead.assignment_no, lead.last_reroute_at);
    lead.last_reroute_at = Some(draft.now());
    lead_events::decide(draft, id, lead, cause);
    let Some(mut lead) = draft.lead(id).cloned() else { return };
    if lead.assignment_no == before {
        // It stays where it is: that was no move.
        lead.last_reroute_at = rerouted_at;
        draft.set_lead(id, lead);
    } else {
        draft.count(Counter::Moved);
        let mut domain = draft.domain_entity();
        domain.moved += 1;
        draft.set_domain(domain);
    }
}

/// Tries a waiting lead again.
pub(super) fn try_again(draft: &mut Draft<'_>, id: &LeadId, cause: Cause) {
    let Some(lead) = draft.lead(id).cloned() else { return };
    if lead.is_waiting() {
        lead_events::decide(draft, id, lead, cause);
    }
}

/// Computes the deadlines of a lead anew.
pub(super) fn recompute(draft: &mut Draft<'_>, id: &LeadId) {
    let Some(lead) = draft.lead(id).filter(|lead| lead.phase == Phase::Assigned) else { return };
    if let Some(ladder) = sla::recompute(draft, lead) {
        let lead = LeadEntity { ladder: Some(ladder), ..lead.clone() };
        draft.set_lead(id, lead);
    }
}

/// Before anything else is decided about a lead that an unfinished sweep has not reached: what the sweep
/// would do with it.
pub(super) fn catch_up(draft: &mut Draft<'_>, id: &LeadId) {
    for kind in [SweepKind::Ladders, SweepKind::Departures, SweepKind::Territories] {
        let Some(sweep) = draft.sweep(&id_of(kind)).cloned() else { continue };
        let ahead = sweep.cursor.as_ref().is_none_or(|(_, cursor)| id > cursor);
        let owner = draft.lead(id).and_then(|lead| lead.rep_id().cloned());
        let concerned = sweep.reps.is_empty() || owner.is_some_and(|rep| sweep.reps.contains(&rep));
        if !(ahead || sweep.again) || !concerned {
            continue;
        }
        match kind {
            SweepKind::Ladders => draft.tasks.push(Task::Recompute { lead: id.clone() }),
            _ if wants_move(draft, id, &sweep) => {
                draft.tasks.push(Task::Reroute { lead: id.clone(), cause: sweep.cause });
            }
            _ => {}
        }
    }
}

/// A place in the open cap of a rep became free: waiting leads may have it.
pub(super) fn freed(draft: &mut Draft<'_>, rep_id: &RepId) {
    let rep = draft.rep(rep_id).and_then(|rep| rep.definition.as_ref());
    if rep.is_some_and(availability::has_open_cap) {
        draft.tasks.push(Task::Sweep(retry(Cause::Retry)));
    }
}
