//! Closed deals: what they teach, and what a later event for the same deal takes back.

use super::draft::Draft;
use super::entity::{DealEntity, LeadEntity, Seen};
use super::fact::{Counter, DealArm, DealTaken};
use super::input::{DealOutcome, OpportunityClosed, SegmentFields};
use super::published::Method;
use super::win_rate::{self, Block, Observation, Segment};

pub(super) fn closed(draft: &mut Draft<'_>, event: &OpportunityClosed) {
    let id = &event.opportunity_id;
    let before = draft.deal(id).cloned();
    let mut seen = before.as_ref().map(|deal| deal.seen.clone()).unwrap_or_else(Seen::default);
    if !seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    count(draft, event, before.as_ref());
    if let Some(deal) = before
        && let Some(observation) = &deal.observation
    {
        change(draft, &deal.rep_id, |shared, own| win_rate::unlearn(shared, own, observation));
    }
    let observation = (event.outcome != DealOutcome::Reopened).then(|| learn(draft, event));
    let deal = DealEntity {
        outcome: event.outcome,
        rep_id: event.rep_id.clone(),
        closed_at: event.closed_at,
        seen,
        observation,
        last_event_at: draft.now(),
    };
    draft.set_deal(id, deal);
}

/// Says what was taken in; a correction that leaves the outcome as it was is no other deal.
fn count(draft: &mut Draft<'_>, event: &OpportunityClosed, before: Option<&DealEntity>) {
    if before.is_some_and(|before| before.outcome == event.outcome) {
        return;
    }
    let lead = event.lead_id.as_ref().and_then(|lead| draft.lead(lead));
    let placed = lead.map(|lead| lead.placement.as_ref().and_then(|placement| placement.arm));
    let is_first = before.is_none() && event.outcome != DealOutcome::Reopened;
    let deal = DealTaken {
        outcome: event.outcome,
        arm: placed.map_or(DealArm::NoLead, DealArm::from),
        stated: lead.filter(|_| is_first).and_then(|lead| stated(draft, event, lead)),
    };
    draft.count(Counter::Deal(deal));
    if draft.rep(&event.rep_id).is_none() {
        draft.count(Counter::UnknownRep);
    }
}

/// P(win) of a lead as it was given, if its deal is that of the rep who was chosen by it.
fn stated(draft: &Draft<'_>, event: &OpportunityClosed, lead: &LeadEntity) -> Option<f64> {
    let placed = lead.placement.as_ref().filter(|placed| placed.method == Method::WinRate)?;
    let rep_id = placed.rep_id.as_ref().filter(|rep_id| **rep_id == event.rep_id)?;
    let shared = draft.learned(&win_rate::shared_id())?;
    let hired_at = draft.rep(rep_id)?.definition.as_ref().and_then(|rep| rep.hired_at);
    let tenure = hired_at.map(|hired_at| placed.decided_at.since(hired_at));
    let segment = win_rate::segment(&draft.policy.segment, &*lead.segment);
    Some(win_rate::predict(Some(shared), draft.learned(rep_id), &segment, tenure).mean)
}

fn change<T>(
    draft: &mut Draft<'_>,
    rep_id: &super::ids::RepId,
    with: impl Fn(&mut Block, &mut Block) -> T,
) -> T {
    let shared_id = win_rate::shared_id();
    let mut shared = draft.learned(&shared_id).cloned().unwrap_or_default();
    let mut own = draft.learned(rep_id).cloned().unwrap_or_default();
    let result = with(&mut shared, &mut own);
    // Broken, it would spoil every later decision and be written as if it were right.
    assert!(shared.is_sound() && own.is_sound(), "learned numbers are finite");
    draft.set_learned(&shared_id, shared);
    draft.set_learned(rep_id, own);
    result
}

fn learn(draft: &mut Draft<'_>, event: &OpportunityClosed) -> Observation {
    let said = event.lead_id.as_ref().and_then(|lead| draft.lead(lead));
    let fields = fill(&event.segment, said.map(|lead| &*lead.segment));
    // When the rep began with it: the chance goes by the time in the job then, not at the close.
    let given_at = said.and_then(|lead| lead.placement.as_ref()).map(|placed| placed.decided_at);
    let opened_at = event.opened_at.or(given_at);
    let rep = draft.rep(&event.rep_id).and_then(|rep| rep.definition.as_ref());
    let hired_at = rep.and_then(|rep| rep.hired_at);
    let segment: Segment = win_rate::segment(&draft.policy.segment, &fields);
    let began_at = opened_at.unwrap_or(event.closed_at);
    change(draft, &event.rep_id, |shared, own| {
        let deal = win_rate::Deal {
            segment: &segment,
            won: event.outcome == DealOutcome::Won,
            closed_at: event.closed_at,
            age: opened_at.map(|opened_at| event.closed_at.since(opened_at)),
            tenure: hired_at.map(|hired_at| began_at.since(hired_at)),
        };
        let mut observation = win_rate::learn(shared, own, &deal);
        if let Some(amount) = event.amount {
            let currency = event.currency.as_deref();
            win_rate::learn_amount(shared, own, &mut observation, amount, currency);
        }
        observation
    })
}

/// The deal's own words first; what the lead said when it was assigned fills what is missing.
fn fill(deal: &SegmentFields, lead: Option<&SegmentFields>) -> SegmentFields {
    let Some(lead) = lead else { return deal.clone() };
    let mut attributes = lead.attributes.clone();
    attributes.extend(deal.attributes.clone());
    SegmentFields {
        country: deal.country.clone().or_else(|| lead.country.clone()),
        state: deal.state.clone().or_else(|| lead.state.clone()),
        postal_code: deal.postal_code.clone().or_else(|| lead.postal_code.clone()),
        industry: deal.industry.clone().or_else(|| lead.industry.clone()),
        employees: deal.employees.or(lead.employees),
        annual_revenue: deal.annual_revenue.or(lead.annual_revenue),
        product: deal.product.clone().or_else(|| lead.product.clone()),
        source: deal.source.clone().or_else(|| lead.source.clone()),
        attributes,
    }
}
