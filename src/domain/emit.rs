//! Turns a verdict into a lead-assigned and into what the lead now is.

use std::sync::Arc;

use super::asked::Asked;
use super::assign::Verdict;
use super::availability;
use super::draft::Draft;
use super::entity::{Ending, LeadEntity, Phase, Placement};
use super::fact::{Counter, Fact};
use super::hash;
use super::ids::{EventId, LeadId};
use super::input::SegmentFields;
use super::owner;
use super::published::{
    Candidate, Cause, Ineligible, LeadAssigned, Outcome, Reason, SlaDue, Stage,
};
use super::sla;
use super::sweep;
use super::territory::{LeadView, matching};

/// Candidates listed in the event; the others are counted by reason.
const LISTED: usize = 100;

/// Decides a lead anew and publishes the answer, unless it ends where the lead is already.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    lead_id: &LeadId,
    mut lead: LeadEntity,
    verdict: Verdict,
    cause: Cause,
) {
    if is_there(&lead, &verdict) && !cause.leaves_its_rep() {
        lead.retry_at = verdict.retry_at;
        lead.hold_until_at = verdict.hold_until_at;
        if let Some(placement) = &mut lead.placement {
            placement.final_queue = verdict.final_queue;
            if verdict.territory_id.is_some() {
                placement.territory_id = verdict.territory_id;
            }
        }
        return draft.set_lead(lead_id, lead);
    }
    publish(draft, lead_id, lead, verdict, cause);
}

/// Whether the answer is where the lead is: outcome, rep or queue, and reason.
fn is_there(lead: &LeadEntity, verdict: &Verdict) -> bool {
    let Some(placement) = &lead.placement else { return false };
    match verdict.outcome {
        Outcome::Assigned => {
            lead.phase == Phase::Assigned
                && placement.rep_id == verdict.rep_id
                && placement.reason == verdict.reason
        }
        Outcome::Queued => {
            lead.phase == Phase::Queued
                && placement.queue_id == verdict.queue_id
                && placement.reason == verdict.reason
        }
        Outcome::Parked => lead.phase == Phase::Parked && placement.reason == verdict.reason,
        Outcome::Released => lead.phase == Phase::Released,
    }
}

/// Publishes a verdict: the event, the lead as it now is, the loads, the ladder, the stick.
pub(super) fn publish(
    draft: &mut Draft<'_>,
    lead_id: &LeadId,
    mut lead: LeadEntity,
    verdict: Verdict,
    cause: Cause,
) {
    let class = priority_class(draft, &lead);
    if let Some((rep, _)) = lead.open_owner() {
        sweep::freed(draft, &rep.clone());
    }
    let former_owner_id = lead.crm_owner.clone();
    lead.assignment_no += 1;
    take_place(&mut lead, &verdict, cause, &class, draft.now());
    if let Some(rep_id) = &verdict.rep_id {
        lead.segment = Arc::new(SegmentFields::of(&lead.fields));
        lead.ladder = Some(sla::arm(draft, &lead, rep_id, &class));
        availability::given(draft, rep_id, verdict.territory_id.as_ref());
        let rep = draft.rep(rep_id).and_then(|rep| rep.definition.as_ref());
        let relaxed = cause != Cause::Manual && availability::is_relaxed(draft, &lead);
        if relaxed && rep.is_some_and(|rep| !Asked::of(&lead).lacking(rep).is_empty()) {
            draft.count(Counter::Relaxed);
        }
        if cause != Cause::Manual {
            lead.unconfirmed.push(rep_id.clone());
        }
        lead.crm_owner = Some(rep_id.clone());
        owner::stick(draft, lead_id, &lead, rep_id);
    }
    if let Some(rail) = verdict.railed {
        draft.count(rail);
    }
    let event = event(draft, lead_id, &lead, verdict, cause, class, former_owner_id);
    draft.say(Fact::Assigned(Box::new(event)));
    draft.set_lead(lead_id, lead);
}

fn take_place(
    lead: &mut LeadEntity,
    verdict: &Verdict,
    cause: Cause,
    class: &str,
    now: super::time::Timestamp,
) {
    lead.phase = match (verdict.outcome, verdict.reason) {
        (Outcome::Assigned, _) => Phase::Assigned,
        (Outcome::Queued, _) => Phase::Queued,
        (Outcome::Parked, _) => Phase::Parked,
        (Outcome::Released, Reason::Deleted) => Phase::Ended(Ending::Deleted),
        (Outcome::Released, Reason::Merged) => Phase::Ended(Ending::Merged),
        (Outcome::Released, _) => Phase::Released,
    };
    lead.left_its_rep &= lead.phase != Phase::Assigned && cause != Cause::Manual;
    lead.ladder = None;
    lead.touched_at = None;
    lead.accepted_at = None;
    lead.held_since = None;
    lead.holds = Vec::new();
    lead.retry_at = verdict.retry_at;
    lead.hold_until_at = verdict.hold_until_at;
    let arm = lead.placement.as_ref().and_then(|placement| placement.arm);
    lead.placement = Some(Placement {
        rep_id: verdict.rep_id.clone(),
        queue_id: verdict.queue_id.clone(),
        stage: verdict.stage,
        method: verdict.method,
        reason: verdict.reason,
        cause,
        territory_id: verdict.territory_id.clone(),
        arm: verdict.arm.or(arm),
        propensity: verdict.propensity,
        class: class.to_owned(),
        decided_at: now,
        final_queue: verdict.final_queue,
    });
}

/// The first class of the policy whose conditions all hold, else `standard`.
fn priority_class(draft: &Draft<'_>, lead: &LeadEntity) -> String {
    let view = LeadView::new(&lead.fields);
    let holds = |class: &&super::policy::PriorityClass| {
        class.when.iter().all(|condition| matching::matches(condition, &view))
    };
    let found = draft.policy.priority.iter().find(holds);
    found.map_or_else(|| "standard".to_owned(), |class| class.class.clone())
}

fn event(
    draft: &mut Draft<'_>,
    lead_id: &LeadId,
    lead: &LeadEntity,
    verdict: Verdict,
    cause: Cause,
    priority_class: String,
    former_owner_id: Option<super::ids::RepId>,
) -> LeadAssigned {
    let mut domain = draft.domain_entity();
    domain.domain_seq += 1;
    let domain_seq = domain.domain_seq;
    draft.set_domain(domain);
    let id = &draft.envelope.domain;
    let key = format!("{id}\0{lead_id}\0{}\0{}", lead.lead_created_at.0, lead.assignment_no);
    let policy = draft.policy_entity().map(|policy| &policy.current);
    let steps = lead.ladder.iter().flat_map(|ladder| &ladder.steps);
    let due =
        |s: &super::entity::LadderStep| SlaDue { step: s.step, action: s.action, due_at: s.due_at };
    let chosen = verdict.rep_id.as_ref();
    let own = |candidate: &&Candidate| Some(&candidate.rep_id) == chosen;
    let win_probability = verdict.candidates.iter().find(own).and_then(|one| one.win_probability);
    LeadAssigned {
        event_id: EventId::new(&hash::uuid(format!("event\0{key}").as_bytes())),
        decision_id: hash::uuid(key.as_bytes()),
        lead_id: lead_id.clone(),
        domain: id.clone(),
        domain_seq,
        assignment_no: lead.assignment_no,
        outcome: verdict.outcome,
        former_owner_id,
        stage: verdict.stage,
        method: verdict.method,
        reason: verdict.reason,
        cause,
        territory_id: verdict.territory_id.clone(),
        ambiguous_with: verdict.ambiguous_with,
        win_probability: win_probability
            .or_else(|| chosen.and_then(|rep| super::choice::estimate_of(draft, rep, lead))),
        arm: verdict.arm,
        propensity: verdict.propensity,
        candidates_total: verdict.candidates.len() as u32,
        excluded: excluded(&verdict.candidates),
        candidates: listed(verdict.candidates, chosen),
        rep_id: verdict.rep_id,
        queue_id: verdict.queue_id,
        priority_class,
        sla: steps.map(due).collect(),
        lead_created_at: lead.lead_created_at,
        decided_at: draft.now(),
        policy_sha256: policy.map_or_else(String::new, |policy| policy.sha256.clone()),
        policy_version: policy
            .map_or_else(|| "default".to_owned(), |policy| policy.version.clone()),
        caused_by: draft.envelope.origin.clone(),
        positions: draft.envelope.positions,
    }
}

/// How many candidates each reason kept out.
fn excluded(candidates: &[Candidate]) -> Vec<(Ineligible, u32)> {
    let count = |reason: &Ineligible| {
        let with = candidates.iter().filter(|one| one.reasons.contains(reason)).count();
        (*reason, with as u32)
    };
    Ineligible::ALL.iter().map(count).filter(|(_, count)| *count > 0).collect()
}

/// The chosen, the best eligible, then others: at most 100, with a stated order. They come in the order of their
/// ids, which decides between equals.
fn listed(candidates: Vec<Candidate>, chosen: Option<&super::ids::RepId>) -> Vec<Candidate> {
    let merit = |one: &Candidate| one.score.or(one.win_probability.map(|p| p.mean));
    let rank =
        |one: &Candidate| (Some(&one.rep_id) != chosen, !one.eligible, merit(one).unwrap_or(0.0));
    let ranks: Vec<(bool, bool, f64)> = candidates.iter().map(rank).collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_unstable_by(|a, b| {
        let ((a_last, a_out, a_merit), (b_last, b_out, b_merit)) = (ranks[*a], ranks[*b]);
        (a_last, a_out).cmp(&(b_last, b_out)).then(b_merit.total_cmp(&a_merit)).then(a.cmp(b))
    });
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    order.iter().take(LISTED).filter_map(|at| candidates[*at].take()).collect()
}

/// A lead's verdict when a person has chosen: nothing is written back.
pub(super) fn manual(
    rep_id: super::ids::RepId,
    territory: Option<super::ids::TerritoryId>,
) -> Verdict {
    let owner = Verdict::owner(rep_id, Stage::Locked, Reason::Manual);
    Verdict { method: super::published::Method::None, territory_id: territory, ..owner }
}
