//! What happens to a lead: it comes, it changes, somebody acts on it.

use std::sync::Arc;

use super::assign::{self, Verdict};
use super::crm_owner;
use super::draft::Draft;
use super::emit;
use super::entity::{Ending, LeadEntity, Phase, Seen};
use super::fact::Counter;
use super::ids::{EventId, LeadId, RepId};
use super::input::{ActivityKind, LeadActivity, LeadCreated, LeadUpdated, UpdateKind};
use super::lead_fields::{LeadChanges, LeadFields};
use super::owner;
use super::policy::OnLeadChange;
use super::published::{Cause, Reason, Stage};
use super::router::Task;
use super::sla;
use super::sweep;
use super::time::Timestamp;

impl LeadEntity {
    fn new(fields: Arc<LeadFields>, fast: bool, now: Timestamp) -> LeadEntity {
        LeadEntity {
            lead_created_at: fields.created_at,
            arrived_at: now,
            crm_owner: fields.owner_id.clone(),
            fields,
            fast,
            seen: Seen::default(),
            phase: Phase::New,
            assignment_no: 0,
            placement: None,
            ladder: None,
            touched_at: None,
            accepted_at: None,
            held_since: None,
            holds: Vec::new(),
            former_owners: Vec::new(),
            hops: 0,
            left_its_rep: false,
            unconfirmed: Vec::new(),
            locked: false,
            locked_until_at: None,
            hold_until_at: None,
            hold_done: false,
            fetch_needed: false,
            retry_at: None,
            last_reroute_at: None,
            last_event_at: now,
            opportunity_id: None,
            segment: Arc::default(),
        }
    }

    pub(super) fn rep_id(&self) -> Option<&RepId> {
        self.placement.as_ref()?.rep_id.as_ref()
    }

    /// What the CRM says of its owner, unless a write of ours is still on its way there.
    fn owned_by(&mut self, owner: Option<&RepId>) {
        if self.unconfirmed.is_empty() && owner.is_some() {
            self.crm_owner = owner.cloned();
        }
    }

    /// Its fields say how long it is locked: until then, or no more.
    fn lock_until(&mut self, until: Option<Timestamp>, now: Timestamp) {
        self.locked_until_at = until.filter(|until| *until > now);
        self.locked = self.locked_until_at.is_some();
    }

    /// Ends it: out of rotation and timers; what is about the person is forgotten.
    fn end(&mut self, how: Ending) {
        self.phase = Phase::Ended(how);
        self.ladder = None;
        self.retry_at = None;
        self.hold_until_at = None;
        self.forget();
    }

    fn forget(&mut self) {
        let fields = Arc::make_mut(&mut self.fields);
        fields.email = None;
        fields.phone = None;
        fields.company = None;
        fields.website = None;
        fields.city = None;
    }
}

impl Seen {
    /// Notes an event; false = it was here before.
    pub(super) fn note(&mut self, event: &EventId) -> bool {
        let id = super::hash::sip64(super::hash::FIXED, event.as_str().as_bytes());
        if self.0.contains(&id) {
            return false;
        }
        if self.0.len() >= 16 {
            self.0.remove(0);
        }
        self.0.push(id);
        true
    }
}

pub(super) fn created(draft: &mut Draft<'_>, event: &LeadCreated) {
    let now = draft.now();
    let id = &event.lead_id;
    let Some(mut lead) = draft.lead(id).cloned() else {
        let mut lead = LeadEntity::new(event.fields.clone(), event.fast, now);
        lead.seen.note(&event.event_id);
        lead.lock_until(event.fields.locked_until_at, now);
        return decide(draft, id, lead, Cause::Created);
    };
    if !lead.seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    lead.last_event_at = now;
    lead.fast |= event.fast;
    let opted_out = !lead.fields.do_not_route && event.fields.do_not_route;
    // The same as before says nothing new: a person may have unlocked it since.
    if lead.fields.locked_until_at != event.fields.locked_until_at {
        lead.lock_until(event.fields.locked_until_at, now);
    }
    lead.fields = event.fields.clone();
    lead.fetch_needed = false;
    lead.owned_by(event.fields.owner_id.as_ref());
    match lead.phase {
        Phase::Ended(Ending::Converted | Ending::Merged) => {
            draft.count(Counter::EndedLead);
            lead.forget();
            draft.set_lead(id, lead);
        }
        Phase::Ended(_) => reopen(draft, id, lead),
        _ => fields_changed(draft, id, lead, opted_out),
    }
}

/// The fields of an open lead changed: what waits is decided anew, what is assigned stays, unless it has
/// opted out just now.
pub(super) fn fields_changed(
    draft: &mut Draft<'_>,
    id: &LeadId,
    lead: LeadEntity,
    opted_out: bool,
) {
    if lead.is_closed_status(&draft.policy) {
        draft.count(Counter::Ended);
        return end(draft, id, lead, Ending::Closed);
    }
    match lead.phase {
        Phase::Queued | Phase::Parked => decide(draft, id, lead, Cause::Updated),
        Phase::Released if !lead.fields.do_not_route => decide(draft, id, lead, Cause::Updated),
        Phase::Assigned => {
            let follow = match draft.policy.reroute.on_lead_change {
                OnLeadChange::None => false,
                OnLeadChange::Untouched => lead.touched_at.is_none(),
                OnLeadChange::All => true,
            };
            if opted_out {
                let release = Verdict::release(Stage::DoNotRoute, Reason::DoNotRoute);
                return emit::publish(draft, id, lead, release, Cause::Updated);
            }
            if lead.retry_at.is_some() && sweep::ends_hold(draft, &lead) {
                return sweep::transition_over(draft, id, lead);
            }
            draft.set_lead(id, lead);
            if follow {
                draft.tasks.push(Task::Reroute { lead: id.clone(), cause: Cause::Updated });
            }
        }
        _ => draft.set_lead(id, lead),
    }
}

fn reopen(draft: &mut Draft<'_>, id: &LeadId, mut lead: LeadEntity) {
    if lead.is_closed_status(&draft.policy) {
        draft.count(Counter::EndedLead);
        lead.end(Ending::Closed);
        return draft.set_lead(id, lead);
    }
    lead.phase = Phase::New;
    lead.former_owners.clear();
    lead.hops = 0;
    lead.left_its_rep = false;
    lead.hold_done = false;
    if lead.locked_until_at.is_some_and(|until| until <= draft.now()) {
        // It ran out while the lead had ended.
        lead.lock_until(None, draft.now());
    }
    decide(draft, id, lead, Cause::Updated);
}

pub(super) fn decide(draft: &mut Draft<'_>, id: &LeadId, lead: LeadEntity, cause: Cause) {
    let verdict = assign::chain(draft, id, &lead, cause);
    emit::settle(draft, id, lead, verdict, cause);
}

pub(super) fn updated(draft: &mut Draft<'_>, event: &LeadUpdated) {
    let now = draft.now();
    let id = &event.lead_id;
    let Some(mut lead) = draft.lead(id).cloned() else {
        if !event.fetch_needed {
            return draft.count(Counter::UnknownLead);
        }
        let fields = LeadFields { created_at: event.changed_at, ..LeadFields::default() };
        let mut lead = LeadEntity::new(Arc::new(fields), false, now);
        lead.seen.note(&event.event_id);
        lead.fetch_needed = true;
        return decide(draft, id, lead, Cause::Updated);
    };
    if !lead.seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    lead.last_event_at = now;
    if let Some(opportunity) = &event.opportunity_id {
        lead.opportunity_id = Some(opportunity.clone());
    }
    let opted_in = !lead.fields.do_not_route;
    take_changes(&mut lead, event, now);
    let opted_out = opted_in && lead.fields.do_not_route;
    if let Some(account) = &event.account_id {
        Arc::make_mut(&mut lead.fields).account_id = Some(account.clone());
    }
    if event.fetch_needed {
        // Our picture is stale: a waiting lead waits for the record, an assigned one goes on.
        lead.fetch_needed = lead.phase != Phase::Assigned;
    }
    if let Phase::Ended(how) = lead.phase {
        return ended_lead(draft, id, lead, how, event);
    }
    match event.kind {
        UpdateKind::Fields | UpdateKind::Status | UpdateKind::Undeleted => {
            fields_changed(draft, id, lead, opted_out);
        }
        UpdateKind::Owner => crm_owner::changed(draft, id, lead, event, opted_out),
        UpdateKind::Converted => finish(draft, id, lead, Ending::Converted),
        UpdateKind::Deleted => finish(draft, id, lead, Ending::Deleted),
        UpdateKind::Merged => finish(draft, id, lead, Ending::Merged),
        UpdateKind::Locked => {
            lead.locked = true;
            lead.locked_until_at = event.locked_until_at;
            lead.retry_at = None;
            draft.set_lead(id, lead);
        }
        UpdateKind::Unlocked => unlock(draft, id, lead, Cause::Updated),
        UpdateKind::DoNotRoute => {
            let unset = event.changes.as_ref().and_then(|changes| changes.do_not_route);
            Arc::make_mut(&mut lead.fields).do_not_route = unset != Some(false);
            do_not_route(draft, id, lead);
        }
    }
}

/// The fields that an update states or clears.
fn take_changes(lead: &mut LeadEntity, event: &LeadUpdated, now: Timestamp) {
    if event.changes.is_none() && event.cleared.is_empty() {
        return;
    }
    let none = LeadChanges::default();
    let changes = event.changes.as_deref().unwrap_or(&none);
    Arc::make_mut(&mut lead.fields).merge(changes, &event.cleared);
    lead.owned_by(changes.owner_id.as_ref());
    let clears_lock = event.cleared.iter().any(|name| name == "locked_until_at");
    if clears_lock || changes.locked_until_at.is_some() {
        lead.lock_until(changes.locked_until_at, now);
    }
}

/// A lock ended: a lead that waited behind it is routed, an assigned one keeps its owner.
pub(super) fn unlock(draft: &mut Draft<'_>, id: &LeadId, mut lead: LeadEntity, cause: Cause) {
    lead.lock_until(None, draft.now());
    let stays = lead.placement.as_ref().is_some_and(|placement| placement.final_queue);
    match lead.phase {
        Phase::Queued | Phase::Parked if !stays => decide(draft, id, lead, cause),
        _ => draft.set_lead(id, lead),
    }
}

fn do_not_route(draft: &mut Draft<'_>, id: &LeadId, lead: LeadEntity) {
    match (lead.fields.do_not_route, lead.phase) {
        (true, Phase::Assigned) => {
            let release = Verdict::release(Stage::DoNotRoute, Reason::DoNotRoute);
            emit::publish(draft, id, lead, release, Cause::Updated);
        }
        (true, Phase::Released) | (false, Phase::Assigned) => draft.set_lead(id, lead),
        _ => decide(draft, id, lead, Cause::Updated),
    }
}

/// An event for a lead that has ended: some bring it back.
fn ended_lead(
    draft: &mut Draft<'_>,
    id: &LeadId,
    mut lead: LeadEntity,
    how: Ending,
    event: &LeadUpdated,
) {
    if let Some(owner) = &event.new_owner_id
        && !lead.is_echo(owner)
    {
        lead.has_in_crm(owner);
    }
    let status = event.changes.as_ref().and_then(|changes| changes.status.as_ref());
    let alive = status.is_some() && !lead.is_closed_status(&draft.policy);
    let back = !matches!(how, Ending::Converted | Ending::Merged)
        && (event.kind == UpdateKind::Undeleted || alive);
    if back {
        return reopen(draft, id, lead);
    }
    let how = match event.kind {
        UpdateKind::Converted => Ending::Converted,
        UpdateKind::Merged => Ending::Merged,
        UpdateKind::Deleted => Ending::Deleted,
        _ => how,
    };
    draft.count(Counter::EndedLead);
    lead.end(how);
    draft.set_lead(id, lead);
}

fn finish(draft: &mut Draft<'_>, id: &LeadId, lead: LeadEntity, how: Ending) {
    draft.count(Counter::Ended);
    let released = match how {
        Ending::Deleted => Some(Reason::Deleted),
        Ending::Merged => Some(Reason::Merged),
        _ => None,
    };
    match released.filter(|_| lead.phase == Phase::Assigned) {
        Some(reason) => {
            let release = Verdict::release(Stage::Ended, reason);
            emit::publish(draft, id, lead, release, Cause::Updated);
            if let Some(lead) = draft.lead(id).cloned() {
                end(draft, id, lead, how);
            }
        }
        None => end(draft, id, lead, how),
    }
}

/// Ends a lead without a word; the place in its rep's open cap is free.
pub(super) fn end(draft: &mut Draft<'_>, id: &LeadId, mut lead: LeadEntity, how: Ending) {
    if let Some((rep, _)) = lead.open_owner() {
        sweep::freed(draft, &rep.clone());
    }
    lead.end(how);
    draft.set_lead(id, lead);
}

pub(super) fn activity(draft: &mut Draft<'_>, event: &LeadActivity) {
    let id = &event.lead_id;
    let Some(mut lead) = draft.lead(id).cloned() else {
        return draft.count(Counter::UnknownLead);
    };
    if !lead.seen.note(&event.event_id) {
        return draft.count(Counter::Repeat);
    }
    lead.last_event_at = draft.now();
    let decided_at = lead.placement.as_ref().map(|placement| placement.decided_at);
    let timely = decided_at.is_some_and(|decided_at| event.occurred_at >= decided_at);
    // What nobody in particular did before the lead was given to its owner, an owner before did.
    let answers = matches!(event.kind, ActivityKind::Accepted | ActivityKind::Declined);
    let by_owner = match &event.rep_id {
        None => timely || !answers,
        Some(_) => event.rep_id.as_ref() == lead.rep_id(),
    };
    if lead.phase != Phase::Assigned || !by_owner {
        draft.count(Counter::NoChange);
        return draft.set_lead(id, lead);
    }
    match event.kind {
        ActivityKind::Call
        | ActivityKind::Email
        | ActivityKind::Meeting
        | ActivityKind::OtherTouch => touched(draft, id, lead, event.occurred_at, timely),
        ActivityKind::Accepted => {
            draft.count(Counter::Accepted);
            lead.accepted_at = lead.accepted_at.or(Some(event.occurred_at));
            if let Some(ladder) = &mut lead.ladder {
                ladder.stopped = true;
            }
            draft.set_lead(id, lead);
        }
        ActivityKind::Declined => {
            draft.set_lead(id, lead);
            draft.tasks.push(Task::Reassign { lead: id.clone(), cause: Cause::Declined });
        }
        ActivityKind::OnHold => {
            lead.held_since = lead.held_since.or(Some(draft.now()));
            draft.set_lead(id, lead);
        }
        ActivityKind::Resumed => {
            if let Some(since) = lead.held_since.take() {
                lead.holds.push((since, draft.now()));
                if let Some(ladder) = sla::recompute(draft, &lead) {
                    lead.ladder = Some(ladder);
                }
            }
            draft.set_lead(id, lead);
        }
    }
}

fn touched(
    draft: &mut Draft<'_>,
    id: &LeadId,
    mut lead: LeadEntity,
    occurred_at: Timestamp,
    timely: bool,
) {
    if !timely {
        draft.count(Counter::NoChange);
        return draft.set_lead(id, lead);
    }
    if lead.touched_at.is_none() {
        draft.count(Counter::FirstTouch);
        lead.touched_at = Some(occurred_at);
    }
    if let Some(ladder) = &mut lead.ladder {
        ladder.stopped = true;
    }
    if let Some(rep_id) = lead.rep_id().cloned() {
        owner::stick(draft, id, &lead, &rep_id);
    }
    draft.set_lead(id, lead);
}

/// SLA reassignment and decline: the rep is out, and the chain decides again, until the hops are used up.
pub(super) fn reassign(draft: &mut Draft<'_>, id: &LeadId, cause: Cause) {
    let Some(mut lead) = draft.lead(id).cloned() else { return };
    let Some(rep_id) = lead.rep_id().cloned() else { return };
    if !lead.former_owners.contains(&rep_id) {
        lead.former_owners.push(rep_id.clone());
    }
    lead.left_its_rep = true;
    if cause == Cause::Sla {
        sla::pause(draft, &rep_id);
        if lead.hops >= draft.policy.sla.max_hops {
            let queue = Verdict::queue(sla::last_resort(draft, Some(&rep_id)), Reason::MaxHops);
            let verdict = Verdict { final_queue: true, ..queue };
            return emit::publish(draft, id, lead, verdict, cause);
        }
        lead.hops += 1;
    }
    decide(draft, id, lead, cause);
}
