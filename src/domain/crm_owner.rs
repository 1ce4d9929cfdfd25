//! An `OWNER` event: the echo of our own write, or a person's choice, which wins.

use super::assign::Verdict;
use super::draft::Draft;
use super::emit;
use super::entity::{LeadEntity, Phase};
use super::fact::Counter;
use super::ids::{LeadId, QueueId, RepId};
use super::input::LeadUpdated;
use super::lead_events::fields_changed;
use super::lead_fields::LeadChanges;
use super::published::{Cause, Reason, Stage};

impl LeadEntity {
    /// Whether this is the echo of a write of ours; it confirms that assignment and those before.
    pub(super) fn is_echo(&mut self, owner: &RepId) -> bool {
        let own = self.unconfirmed.iter().rposition(|rep| rep == owner);
        if let Some(at) = own {
            self.unconfirmed.drain(..=at);
        }
        own.is_some()
    }

    /// Somebody else's write: what of ours is on its way there will be refused.
    pub(super) fn has_in_crm(&mut self, owner: &RepId) {
        self.unconfirmed.clear();
        self.crm_owner = Some(owner.clone());
    }
}

/// Who has it was changed in the CRM, by us or by a person; other fields may have changed with it.
pub(super) fn changed(
    draft: &mut Draft<'_>,
    id: &LeadId,
    mut lead: LeadEntity,
    event: &LeadUpdated,
    opted_out: bool,
) {
    let closed = lead.is_closed_status(&draft.policy);
    let no_change = no_change(&mut lead, event);
    match (no_change, &event.new_owner_id) {
        (Some(counter), _) => draft.count(counter),
        (None, Some(owner)) if closed => lead.has_in_crm(owner),
        (None, Some(owner)) => {
            by_hand(draft, id, lead, owner);
            let Some(placed) = draft.lead(id).cloned() else { return };
            lead = placed;
        }
        (None, None) => {}
    }
    let says = |changes: &LeadChanges| *changes != LeadChanges::default();
    let says_more = event.changes.as_deref().is_some_and(says) || !event.cleared.is_empty();
    // A person's choice stands, whatever the fields are now; but not against an opt-out, or an end.
    if says_more && (no_change.is_some() || opted_out || closed) {
        fields_changed(draft, id, lead, opted_out);
    } else {
        draft.set_lead(id, lead);
    }
}

/// What an `OWNER` event is if nobody chose anew.
fn no_change(lead: &mut LeadEntity, event: &LeadUpdated) -> Option<Counter> {
    let Some(owner) = &event.new_owner_id else { return Some(Counter::NoChange) };
    if lead.is_echo(owner) {
        return Some(Counter::OwnEcho);
    }
    let queue = lead.placement.as_ref().and_then(|placement| placement.queue_id.as_ref());
    let same = match lead.phase {
        Phase::Assigned => lead.rep_id() == Some(owner),
        Phase::Queued => queue.is_some_and(|queue| queue.as_str() == owner.as_str()),
        _ => false,
    };
    if same {
        lead.crm_owner = Some(owner.clone());
    }
    same.then_some(Counter::SameOwner)
}

/// A person gave it to a rep, or to a queue.
fn by_hand(draft: &mut Draft<'_>, id: &LeadId, mut lead: LeadEntity, owner: &RepId) {
    lead.unconfirmed.clear();
    let known = draft.rep(owner).is_some_and(|rep| rep.definition.is_some());
    if !known {
        let queue = QueueId::new(owner.as_str());
        let verdict = Verdict {
            stage: Stage::Locked,
            final_queue: true,
            ..Verdict::queue(queue, Reason::ManualQueue)
        };
        emit::settle(draft, id, lead, verdict, Cause::Manual);
        if let Some(mut lead) = draft.lead(id).cloned() {
            lead.crm_owner = Some(owner.clone());
            draft.set_lead(id, lead);
        }
        return;
    }
    let territory = lead.placement.as_ref().and_then(|placement| placement.territory_id.clone());
    if draft.policy.rotation.count_manual
        && let Some(territory) = &territory
        && let Some(mut pool) = draft.pool(territory).cloned()
    {
        pool.advance(owner);
        draft.set_pool(territory, pool);
    }
    emit::publish(draft, id, lead, emit::manual(owner.clone(), territory), Cause::Manual);
}
