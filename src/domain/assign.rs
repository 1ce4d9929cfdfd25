//! The decision chain: where a lead goes, and why. Ordered stages; the first that does not pass decides;
//! the last always does, so no lead ends nowhere.

use super::availability;
use super::choice;
use super::draft::Draft;
use super::entity::{LeadEntity, Phase};
use super::fact::Counter;
use super::ids::{AccountId, LeadId, QueueId, RepId, TerritoryId};
use super::owner;
use super::published::{Arm, Candidate, Cause, Ineligible, Method, Outcome, Reason, Stage};
use super::sla;
use super::stand_in;
use super::territory::{Condition, LeadView, Op, matching};
use super::time::{Span, Timestamp};

/// Where the chain ended.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) rep_id: Option<RepId>,
    pub(super) queue_id: Option<QueueId>,
    pub(super) stage: Stage,
    pub(super) method: Method,
    pub(super) reason: Reason,
    pub(super) territory_id: Option<TerritoryId>,
    pub(super) ambiguous_with: Vec<TerritoryId>,
    pub(super) arm: Option<Arm>,
    pub(super) propensity: Option<f64>,
    pub(super) candidates: Vec<Candidate>,
    /// The guard rail that passed over the best score.
    pub(super) railed: Option<Counter>,
    /// For a waiting lead: when time alone may change the answer.
    pub(super) retry_at: Option<Timestamp>,
    pub(super) hold_until_at: Option<Timestamp>,
    /// QUEUED for good: only a person, or a change to the lead, takes it out.
    pub(super) final_queue: bool,
}

impl Verdict {
    fn bare(outcome: Outcome, stage: Stage, reason: Reason) -> Verdict {
        Verdict {
            outcome,
            rep_id: None,
            queue_id: None,
            stage,
            method: Method::None,
            reason,
            territory_id: None,
            ambiguous_with: Vec::new(),
            arm: None,
            propensity: None,
            candidates: Vec::new(),
            railed: None,
            retry_at: None,
            hold_until_at: None,
            final_queue: false,
        }
    }

    pub(super) fn park(stage: Stage, reason: Reason) -> Verdict {
        Verdict::bare(Outcome::Parked, stage, reason)
    }

    pub(super) fn release(stage: Stage, reason: Reason) -> Verdict {
        Verdict::bare(Outcome::Released, stage, reason)
    }

    pub(super) fn queue(queue_id: QueueId, reason: Reason) -> Verdict {
        let bare = Verdict::bare(Outcome::Queued, Stage::CatchAll, reason);
        Verdict { queue_id: Some(queue_id), ..bare }
    }

    /// To a rep who owns it already in some way: nothing was chosen.
    pub(super) fn owner(rep_id: RepId, stage: Stage, reason: Reason) -> Verdict {
        let bare = Verdict::bare(Outcome::Assigned, stage, reason);
        Verdict { rep_id: Some(rep_id), method: Method::Owner, propensity: Some(1.0), ..bare }
    }
}

/// Runs the chain for a lead as it is now. May write the pool's rotation.
pub(super) fn chain(
    draft: &mut Draft<'_>,
    lead_id: &LeadId,
    lead: &LeadEntity,
    cause: Cause,
) -> Verdict {
    let leaves_its_rep = cause.leaves_its_rep();
    if lead.fields.do_not_route {
        return Verdict::park(Stage::DoNotRoute, Reason::DoNotRoute);
    }
    if lead.locked && !leaves_its_rep {
        return Verdict::park(Stage::Locked, Reason::Locked);
    }
    if let Some(verdict) = intake(draft, lead) {
        return verdict;
    }
    let mut owner_at = None;
    let owned = owner::sticky(draft, lead_id, lead, &mut owner_at)
        .or_else(|| owner::account(draft, lead, &mut owner_at));
    if let Some(verdict) = owned {
        return verdict;
    }
    let mut verdict = territory(draft, lead_id, lead);
    if verdict.outcome != Outcome::Assigned {
        // An owner who was passed over may be the first who can take it.
        verdict.retry_at = verdict.retry_at.into_iter().chain(owner_at).min();
    }
    if lead.left_its_rep && verdict.outcome == Outcome::Queued {
        // Nobody is left: the manager of the last owner decides, and the lead is tried again.
        let last = lead.former_owners.last();
        let queue_id = Some(sla::last_resort(draft, last));
        return Verdict { queue_id, reason: Reason::NoRepAvailable, ..verdict };
    }
    verdict
}

/// What keeps a lead from being routed at all for now.
fn intake(draft: &Draft<'_>, lead: &LeadEntity) -> Option<Verdict> {
    let policy = &draft.policy;
    if lead.fetch_needed {
        return Some(Verdict::park(Stage::Intake, Reason::FetchNeeded));
    }
    let before_routing = |reason: Reason| {
        use Reason::{DoNotRoute, Enrichment, FetchNeeded, Locked, TooOld};
        matches!(reason, TooOld | FetchNeeded | Enrichment | DoNotRoute | Locked)
    };
    let undecided =
        lead.placement.as_ref().is_none_or(|placement| before_routing(placement.reason));
    if undecided && lead.arrived_at.since(lead.fields.created_at) > policy.intake.max_age {
        let queue = Verdict::queue(policy.catch_all.clone(), Reason::TooOld);
        return Some(Verdict { final_queue: true, ..queue });
    }
    let view = LeadView::new(&lead.fields);
    let known = |field: &super::territory::Field| {
        matching::matches(&Condition { field: field.clone(), op: Op::Exists }, &view)
    };
    let fresh = matches!(lead.phase, Phase::New | Phase::Parked);
    let waits = fresh && policy.hold.at_most > Span::ZERO && !lead.hold_done;
    if waits && !policy.hold.fields.iter().all(known) {
        let until = lead.hold_until_at.unwrap_or(draft.now() + policy.hold.at_most);
        if draft.now() < until {
            let park = Verdict::park(Stage::Intake, Reason::Enrichment);
            return Some(Verdict { hold_until_at: Some(until), ..park });
        }
    }
    None
}

/// The territory that owns the lead: one that names its account, else one whose rules match.
pub(super) fn winner(draft: &Draft<'_>, lead: &LeadEntity) -> Option<Winner> {
    let view = LeadView::new(&lead.fields);
    let accounts = owner::account_chain(draft, lead);
    let question = draft.index().territories.ask(&view);
    let found = |named: bool, stage: Stage| {
        let mut all = question.contenders(&accounts, named).into_iter().cloned();
        Some(Winner { stage, territory_id: all.next()?, ambiguous_with: all.collect() })
    };
    let listed = if accounts.is_empty() { None } else { found(true, Stage::NamedAccount) };
    listed.or_else(|| found(false, Stage::Territory))
}

/// Whether a territory names one of these accounts.
pub(super) fn is_named(draft: &Draft<'_>, lead: &LeadEntity, accounts: &[AccountId]) -> bool {
    let view = LeadView::new(&lead.fields);
    draft.index().territories.winner(&view, accounts, true).is_some()
}

/// The territory that a lead belongs to, and those that only priority or id kept from it.
pub(super) struct Winner {
    pub(super) stage: Stage,
    pub(super) territory_id: TerritoryId,
    pub(super) ambiguous_with: Vec<TerritoryId>,
}

fn territory(draft: &mut Draft<'_>, lead_id: &LeadId, lead: &LeadEntity) -> Verdict {
    let Some(won) = winner(draft, lead) else {
        return Verdict::queue(draft.policy.catch_all.clone(), Reason::NoTerritory);
    };
    let id = won.territory_id;
    let definition = draft.territory(&id).and_then(|territory| territory.current.clone());
    let members = definition.as_ref().map_or(&[][..], |definition| &definition.members);
    let choice = choice::choose(draft, lead_id, lead, &id, members);
    let assigned = choice.rep_id.is_some();
    let verdict = Verdict {
        rep_id: choice.rep_id,
        method: choice.method,
        territory_id: Some(id.clone()),
        ambiguous_with: won.ambiguous_with,
        arm: choice.arm,
        propensity: choice.propensity,
        candidates: choice.candidates,
        railed: choice.railed,
        ..Verdict::bare(Outcome::Assigned, won.stage, choice.reason)
    };
    if assigned {
        return verdict;
    }
    let chance = |member: &super::territory::Member| {
        availability::next_chance(draft, &member.rep_id, Some(&id))
    };
    let relax = draft.policy.skills.relax_after;
    let relaxed_at =
        Some(lead.lead_created_at + relax).filter(|at| relax > Span::ZERO && *at > draft.now());
    let stage = verdict.stage;
    let queued = Verdict {
        outcome: Outcome::Queued,
        queue_id: Some(draft.policy.catch_all.clone()),
        stage: Stage::CatchAll,
        reason: why_nobody(&verdict.candidates),
        retry_at: members.iter().filter_map(chance).chain(relaxed_at).min(),
        arm: None,
        propensity: None,
        ..verdict
    };
    stand_in::verdict(draft, lead, &id, members, stage, &queued).unwrap_or(queued)
}

/// Whether the lead asks for what none of those who are still there has.
fn nobody_has_the_skills(candidates: &[Candidate]) -> bool {
    let gone = [
        Ineligible::Inactive,
        Ineligible::Unknown,
        Ineligible::WeightZero,
        Ineligible::FormerOwner,
    ];
    let mut there = candidates
        .iter()
        .filter(|candidate| !candidate.reasons.iter().any(|one| gone.contains(one)))
        .peekable();
    let lacks = |one: &Ineligible| matches!(one, Ineligible::Skill | Ineligible::Language);
    there.peek().is_some() && there.all(|candidate| candidate.reasons.iter().any(lacks))
}

/// Of an empty choice: what would have to change for the rep who is nearest to taking the lead.
fn why_nobody(candidates: &[Candidate]) -> Reason {
    let only = |allowed: &'static [Ineligible]| {
        move |candidate: &Candidate| candidate.reasons.iter().all(|one| allowed.contains(one))
    };
    if candidates.is_empty() {
        Reason::NoMember
    } else if candidates.iter().any(only(&[Ineligible::Capped])) {
        Reason::Capped
    } else if nobody_has_the_skills(candidates) {
        Reason::NoSkillMatch
    } else {
        Reason::NoRepAvailable
    }
}
