//! A pool of which nobody may take the lead: what the policy has it do, instead of the catch-all queue.
//!
//! `cover`: who stands in for the member whose turn it would be takes it. `assign_anyway`: a member who is
//! away, or outside the calendar, and back soon. `hold`: the lead is parked until a member next can. Whichever
//! member a lead is taken for, the turn is theirs. Somebody who left, lacks a skill, or had the lead before
//! is never waited for.

use super::asked::Asked;
use super::assign::Verdict;
use super::availability::{self, gate};
use super::choice::members_once;
use super::draft::Draft;
use super::entity::LeadEntity;
use super::ids::{RepId, TerritoryId};
use super::policy::WhenUnavailable;
use super::published::{Ineligible, Method, Outcome, Reason, Stage};
use super::rotation::Entrant;
use super::territory::Member;

/// A member who could not take the lead now, but at another time.
struct Absent {
    rep_id: RepId,
    weight: u64,
    /// Who could take it instead.
    cover: Option<RepId>,
    /// Only by the clock, and back within the span that the policy states.
    back_soon: bool,
}

/// The verdict of a closed pool, unless the policy sends the lead on. `queued` is what it would be then.
pub(super) fn verdict(
    draft: &mut Draft<'_>,
    lead: &LeadEntity,
    pool_id: &TerritoryId,
    members: &[Member],
    stage: Stage,
    queued: &Verdict,
) -> Option<Verdict> {
    let choices = draft.policy.availability.pool.clone();
    if choices.iter().all(|choice| *choice == WhenUnavailable::NextStage) {
        return None;
    }
    let members = members_once(members).into_iter();
    let asked = Asked::of(lead);
    let absent: Vec<Absent> =
        members.filter_map(|(rep, weight)| absent(draft, &asked, pool_id, rep, weight)).collect();
    for choice in choices {
        let found = match choice {
            WhenUnavailable::NextStage => return None,
            WhenUnavailable::Hold => {
                let waits = queued.retry_at.is_some() && !absent.is_empty();
                return waits.then(|| Verdict {
                    outcome: Outcome::Parked,
                    queue_id: None,
                    stage,
                    reason: Reason::Held,
                    ..queued.clone()
                });
            }
            WhenUnavailable::Cover => {
                let covered: Vec<&Absent> =
                    absent.iter().filter(|one| one.cover.is_some()).collect();
                turn(draft, pool_id, &covered).and_then(|one| one.cover.clone())
            }
            WhenUnavailable::AssignAnyway => {
                let back_soon: Vec<&Absent> = absent.iter().filter(|one| one.back_soon).collect();
                turn(draft, pool_id, &back_soon).map(|one| one.rep_id.clone())
            }
        };
        if let Some(rep_id) = found {
            return Some(Verdict {
                outcome: Outcome::Assigned,
                rep_id: Some(rep_id),
                queue_id: None,
                stage,
                method: Method::RoundRobin,
                reason: Reason::Rotation,
                retry_at: None,
                ..queued.clone()
            });
        }
    }
    None
}

fn absent(
    draft: &Draft<'_>,
    asked: &Asked<'_>,
    pool_id: &TerritoryId,
    rep_id: &RepId,
    weight: u32,
) -> Option<Absent> {
    let entity = draft.rep(rep_id)?;
    let rep = entity.definition.as_ref()?;
    let weight = u64::from(weight) * u64::from(rep.weight);
    let state = gate(draft, rep_id, Some(entity), asked, Some(pool_id));
    let by_clock = |one: &Ineligible| matches!(one, Ineligible::Away | Ineligible::OutsideCalendar);
    let for_now =
        |one: &Ineligible| by_clock(one) || matches!(one, Ineligible::Paused | Ineligible::Capped);
    if weight == 0 || !state.unsuited.is_empty() || !state.absent.iter().all(for_now) {
        return None;
    }
    let within = draft.policy.availability.assign_anyway_within;
    let back_at = availability::next_chance(draft, rep_id, Some(pool_id));
    let soon = back_at.is_some_and(|at| at.since(draft.now()) < within);
    let stands_in =
        |cover: &&RepId| gate(draft, cover, draft.rep(cover), asked, Some(pool_id)).is_open();
    Some(Absent {
        rep_id: rep_id.clone(),
        weight,
        cover: rep.cover_id.as_ref().filter(stands_in).cloned(),
        back_soon: state.absent.iter().all(by_clock) && soon,
    })
}

/// Whose turn it is among these; it is taken.
fn turn<'a>(
    draft: &mut Draft<'_>,
    pool_id: &TerritoryId,
    absent: &[&'a Absent],
) -> Option<&'a Absent> {
    let entrants = absent.iter().map(|one| Entrant {
        rep_id: &one.rep_id,
        weight: one.weight,
        present: false,
    });
    let mut pool = draft.pool(pool_id).cloned().unwrap_or_default();
    let places = pool.enter(&entrants.collect::<Vec<_>>());
    let next = pool.next(places.into_iter().flatten())?.clone();
    pool.advance(&next);
    draft.set_pool(pool_id, pool);
    absent.iter().find(|one| one.rep_id == next).copied()
}
