//! Walks over many leads, in slices: no input does unbounded work.
//!
//! A reason to walk starts a sweep or joins the one that runs. The first slice is taken at once; what is
//! left waits for the sweep's timer. Re-routes draw on a bucket of tokens and wait when it is empty.

use super::assign;
use super::availability;
use super::draft::{Draft, SweepId};
use super::entity::{Kind, LeadEntity, Phase, SweepEntity, SweepKind};
use super::fact::Counter;
use super::ids::{LeadId, RepId};
use super::input::EffectiveChange;
use super::lead_events;
use super::published::{Cause, Stage};
use super::router::Task;
use super::sla;
use super::time::{Span, Timestamp};

/// Leads that one slice looks at.
const SLICE: usize = 256;
/// Re-routes at once before the rate limit holds.
const REROUTE_BURST: i64 = 50;
/// Tries of waiting leads, a domain and second.
const RETRIES_PER_SEC: i64 = 1_000;

/// A reason to walk.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub(super) kind: SweepKind,
    pub(super) cause: Cause,
    pub(super) effective_change: EffectiveChange,
    pub(super) dated_at: Option<Timestamp>,
    pub(super) reps: Vec<RepId>,
    /// The first slice waits for the sweep's timer.
    pub(super) deferred: bool,
}

impl Reason {
    pub(super) fn new(kind: SweepKind, cause: Cause) -> Reason {
        let effective_change = EffectiveChange::NewOnly;
        Reason { kind, cause, effective_change, dated_at: None, reps: Vec::new(), deferred: false }
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
    let sweep = match draft.sweep(&id).cloned() {
        Some(mut running) => {
            running.again = true;
            running.cause = reason.cause;
            running.effective_change = running.effective_change.max(reason.effective_change);
            running.dated_at = running.dated_at.or(reason.dated_at);
            if running.reps.is_empty() || reason.reps.is_empty() {
                running.reps.clear();
            } else {
                running.reps.extend(reason.reps.clone());
                running.reps.sort();
                running.reps.dedup();
            }
            running
        }
        None => SweepEntity {
            kind: reason.kind,
            cause: reason.cause,
            cursor: None,
            effective_change: reason.effective_change,
            dated_at: reason.dated_at,
            again: false,
            next_at: draft.now(),
            reps: reason.reps,
        },
    };
    if sweep.next_at <= draft.now() && !reason.deferred {
        draft.tasks.push(Task::Slice { kind: sweep.kind });
    }
    draft.set_sweep(&id, sweep);
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
                if wants_move(draft, &lead, &sweep) {
                    if let Err(next_at) = take_token(draft) {
                        sweep.next_at = next_at;
                        return draft.set_sweep(&id, sweep);
                    }
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
    let after = |id: &LeadId| sweep.cursor.as_ref().is_none_or(|(_, cursor)| id > cursor);
    if !sweep.reps.is_empty() {
        let of_reps = sweep.reps.iter().flat_map(|rep| draft.index().leads_of(rep));
        let mut leads: Vec<LeadId> = of_reps.filter(|id| after(id)).cloned().collect();
        leads.sort();
        leads.truncate(SLICE);
        return leads.into_iter().map(|id| (Timestamp(0), id)).collect();
    }
    let from = sweep.cursor.as_ref().map_or(Unbounded, |(_, id)| Excluded(id.text()));
    let leads = draft.stored().table(Kind::Lead).range((from, Unbounded));
    leads.take(SLICE).map(|(id, _)| (Timestamp(0), LeadId::from(id))).collect()
}

/// Whether a territory change, or the departure of its rep, moves this lead.
fn wants_move(draft: &mut Draft<'_>, id: &LeadId, sweep: &SweepEntity) -> bool {
    let Some(lead) = draft.lead(id).cloned() else { return false };
    let open = lead.phase == Phase::Assigned && !lead.locked;
    let Some(placement) = lead.placement.as_ref().filter(|_| open) else { return false };
    if placement.cause == Cause::Manual {
        return false;
    }
    let gone = owner_gone(draft, &lead);
    if sweep.kind == SweepKind::Departures {
        return gone && lead.touched_at.is_none();
    }
    let routed = matches!(placement.stage, Stage::Territory | Stage::NamedAccount);
    if !routed || !is_misplaced(draft, &lead) {
        return false;
    }
    if sweep.dated_at.is_some_and(|dated_at| placement.decided_at >= dated_at) {
        let mut domain = draft.domain_entity();
        domain.would_differ += 1;
        draft.set_domain(domain);
        draft.count(Counter::WouldDiffer);
    }
    let follows = match sweep.effective_change {
        EffectiveChange::NewOnly => false,
        EffectiveChange::UntouchedOpen => lead.touched_at.is_none(),
        EffectiveChange::AllOpen => true,
    };
    let gap = draft.policy.reroute.min_gap;
    let rested = lead.last_reroute_at.is_none_or(|last| draft.now().since(last) >= gap);
    follows && (rested || gone)
}

fn owner_gone(draft: &Draft<'_>, lead: &LeadEntity) -> bool {
    let rep = lead.rep_id().and_then(|rep| draft.rep(rep)?.definition.as_ref());
    !rep.is_some_and(|rep| rep.active)
}

/// Whether the owner is not an active member of the territory that now wins the lead.
fn is_misplaced(draft: &Draft<'_>, lead: &LeadEntity) -> bool {
    let Some(won) = assign::winner(draft, lead) else { return true };
    let definition = draft.territory(&won.territory_id).and_then(|t| t.current.as_ref());
    let members = definition.map_or(&[][..], |definition| &definition.members);
    let is_member = |rep: &RepId| members.iter().any(|member| member.rep_id == *rep);
    owner_gone(draft, lead) || !lead.rep_id().is_some_and(is_member)
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
    let manual = lead.placement.as_ref().is_some_and(|placed| placed.cause == Cause::Manual);
    if lead.phase != Phase::Assigned || lead.locked || manual || !is_misplaced(draft, &lead) {
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
    let Some(mut lead) = draft.lead(id).cloned() else { return };
    if lead.phase == Phase::Assigned && sla::recompute(draft, &mut lead) {
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
