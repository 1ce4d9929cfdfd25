//! The one place with the branches: what an input, or a further decision that follows from one, means.

use super::deals;
use super::draft::{Decision, Draft};
use super::entity::{Ending, Kind, Phase, SweepKind};
use super::fact::Counter;
use super::ids::{LeadId, RepId, TerritoryId};
use super::input::{Envelope, Input, Topic};
use super::lead_events;
use super::published::Cause;
use super::reference;
use super::sla;
use super::state::Domain;
use super::sweep;
use super::time::Timestamp;
use super::timer::{TimerKey, TimerKind};

/// Entities that one firing of the expiry timer lets go: few, for a decision looks through what it has written.
const EXPIRY_SLICE: usize = 32;

/// One decision. An input is the first; it may ask for others, each taken on the state that the ones
/// before it left.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// The envelope's input, after its lead has been brought up to date.
    Input,
    Act,
    Sweep(sweep::Reason),
    Slice {
        kind: SweepKind,
    },
    Reroute {
        lead: LeadId,
        cause: Cause,
    },
    Retry {
        lead: LeadId,
        cause: Cause,
    },
    Recompute {
        lead: LeadId,
    },
    /// Take it from its rep and decide again.
    Reassign {
        lead: LeadId,
        cause: Cause,
    },
}

/// Decides one task on the domain as it is. Reads; whatever changes is in the facts.
pub(super) fn decide(domain: &Domain, envelope: &Envelope, task: Task) -> Decision {
    let mut draft = Draft::new(domain, envelope);
    match task {
        Task::Input => first(&mut draft),
        Task::Act => act(&mut draft),
        Task::Sweep(reason) => sweep::start(&mut draft, reason),
        Task::Slice { kind } => sweep::slice(&mut draft, kind),
        Task::Reroute { lead, cause } => sweep::reroute(&mut draft, &lead, cause),
        Task::Retry { lead, cause } => sweep::try_again(&mut draft, &lead, cause),
        Task::Recompute { lead } => sweep::recompute(&mut draft, &lead),
        Task::Reassign { lead, cause } => lead_events::reassign(&mut draft, &lead, cause),
    }
    draft.finish()
}

fn first(draft: &mut Draft<'_>) {
    if draft.policy_entity().is_none() {
        draft.set_policy(reference::built_in_policy());
    }
    if !matches!(draft.envelope.input, Input::Timer { .. }) && reference::begin_or_end(draft) {
        // Once more, on the facts that hold now.
        return draft.tasks.push(Task::Input);
    }
    if let Some(lead) = subject(&draft.envelope.input) {
        sweep::catch_up(draft, &lead);
    }
    draft.tasks.push(Task::Act);
}

/// The lead that an input is about.
fn subject(input: &Input) -> Option<LeadId> {
    match input {
        Input::LeadCreated(event) => Some(event.lead_id.clone()),
        Input::LeadUpdated(event) => Some(event.lead_id.clone()),
        Input::LeadActivity(event) => Some(event.lead_id.clone()),
        Input::Timer { key, .. } => {
            let of_lead = [TimerKind::Lock, TimerKind::Hold, TimerKind::Sla, TimerKind::Retry];
            of_lead.contains(&key.kind).then(|| LeadId::from(&key.id))
        }
        _ => None,
    }
}

fn act(draft: &mut Draft<'_>) {
    match &draft.envelope.input {
        Input::LeadCreated(event) => lead_events::created(draft, event),
        Input::LeadUpdated(event) => lead_events::updated(draft, event),
        Input::LeadActivity(event) => lead_events::activity(draft, event),
        Input::OpportunityClosed(event) => deals::closed(draft, event),
        Input::TerritoryChanged(event) => reference::territory_changed(draft, event),
        Input::RepChanged(event) => reference::rep_changed(draft, event),
        Input::AccountChanged(event) => reference::account_changed(draft, event),
        Input::PolicyChanged(event) => reference::policy_changed(draft, event),
        Input::Timer { key, .. } => timer(draft, key),
    }
}

fn timer(draft: &mut Draft<'_>, key: &TimerKey) {
    let lead = LeadId::from(&key.id);
    match key.kind {
        TimerKind::Validity if key.id.is_empty() => reference::policy_validity(draft),
        TimerKind::Validity => {
            reference::territory_validity(draft, &TerritoryId::from(&key.id));
        }
        TimerKind::Absence => reference::rep_absence(draft, &RepId::from(&key.id)),
        TimerKind::Lock => {
            if let Some(lead_entity) = draft.lead(&lead).cloned() {
                lead_events::unlock(draft, &lead, lead_entity, Cause::Retry);
            }
        }
        TimerKind::Hold => hold_over(draft, &lead),
        TimerKind::Sla => sla::fire(draft, &lead, key.assignment_no, key.step),
        TimerKind::Retry => {
            let waiting = draft.lead(&lead).cloned();
            if let Some(held) = waiting.clone().filter(|lead| lead.phase == Phase::Assigned) {
                sweep::transition_over(draft, &lead, held);
            } else if let Some(mut waiting) = waiting {
                waiting.retry_at = None;
                draft.set_lead(&lead, waiting);
                sweep::try_again(draft, &lead, Cause::Retry);
            }
        }
        TimerKind::Sweep => {
            let kind = SweepKind::ALL.into_iter().find(|kind| kind.name() == &*key.id);
            if let Some(kind) = kind {
                sweep::slice(draft, kind);
            }
        }
        TimerKind::Expiry => expire(draft),
    }
}

/// A hold for enrichment is over: the lead goes with what is known.
fn hold_over(draft: &mut Draft<'_>, id: &LeadId) {
    let Some(mut lead) = draft.lead(id).cloned() else { return };
    lead.hold_until_at = None;
    lead.hold_done = true;
    match lead.phase {
        Phase::Parked => lead_events::decide(draft, id, lead, Cause::Retry),
        _ => draft.set_lead(id, lead),
    }
}

/// What has been silent, or kept, for long enough leaves memory.
fn expire(draft: &mut Draft<'_>) {
    let now: Timestamp = draft.now();
    for (kind, id) in draft.index().expired(now, EXPIRY_SLICE) {
        let lead_id = LeadId::from(&id);
        let silent = draft.lead(&lead_id).filter(|_| kind == Kind::Lead).cloned();
        match silent.filter(|lead| !matches!(lead.phase, Phase::Ended(_))) {
            Some(mut lead) => {
                draft.count(Counter::Ended);
                lead.last_event_at = now;
                lead_events::end(draft, &lead_id, lead, Ending::Silent);
            }
            None => {
                draft.count(Counter::Expired);
                draft.write(kind, id, None);
            }
        }
    }
}

/// The name that a timer has in place of a topic.
pub const TIMER_TOPIC: &str = "timer";

impl super::input::Origin {
    /// The topic's name, or `timer`.
    pub fn topic_name(&self) -> &'static str {
        self.topic.map_or(TIMER_TOPIC, Topic::name)
    }
}
