//! Questions to the state that decide nothing: how the reps stand, and whether an input would be refused.

use super::availability::absent;
use super::draft::Draft;
use super::entity::{Entity, Kind};
use super::fact::{Fact, Rejection};
use super::ids::{DomainId, RepId};
use super::input::{Envelope, Input, Origin};
use super::router::{self, Task};
use super::state::{Domain, State};
use super::time::Timestamp;
use super::timer::{TimerKey, TimerKind};

/// How a rep stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepView {
    pub domain: DomainId,
    pub rep_id: RepId,
    /// Leads given, ever.
    pub assigned: u64,
    /// Leads that the rep has and that have not ended.
    pub open: usize,
    /// Could take a lead now, whatever it asks for.
    pub eligible: bool,
}

impl State {
    /// Every rep that has not been deleted, by domain and id.
    pub fn reps(&self, now: Timestamp) -> Vec<RepView> {
        self.domains().flat_map(|domain| reps_of(domain, now)).collect()
    }

    /// Why an input would be rejected, without deciding it: a rejected input must not move time, so one
    /// has to know before the timers ahead of it fire.
    pub fn rejection(&self, envelope: &Envelope) -> Option<Rejection> {
        if !matches!(envelope.input, Input::TerritoryChanged(_)) {
            return None;
        }
        let unknown = || Domain::new(envelope.domain.clone());
        let empty;
        let domain = match self.domain(&envelope.domain) {
            Some(domain) => domain,
            None => {
                empty = unknown();
                &empty
            }
        };
        let decision = router::decide(domain, envelope, Task::Act);
        decision.facts.into_iter().find_map(|fact| match fact {
            Fact::Rejected(rejection) => Some(rejection),
            _ => None,
        })
    }
}

fn reps_of(domain: &Domain, now: Timestamp) -> Vec<RepView> {
    // The gate asks a decision in the making; this one decides nothing and is dropped.
    let envelope = Envelope {
        domain: domain.id.clone(),
        now,
        origin: Origin { topic: None, partition: 0, offset: -1 },
        positions: [-1; 9],
        input: Input::Timer { key: TimerKey::of(TimerKind::Validity, &domain.id, ""), due_at: now },
    };
    let draft = Draft::new(domain, &envelope);
    let view = |(id, entity): (&std::sync::Arc<str>, &Entity)| {
        let Entity::Rep(rep) = entity else { return None };
        let definition = rep.definition.as_ref()?;
        let rep_id = RepId::from(id);
        Some(RepView {
            domain: domain.id.clone(),
            assigned: draft.load(&rep_id).map_or(0, |load| load.assigned),
            open: domain.index.open(&rep_id),
            eligible: absent(&draft, &rep_id, definition, None, None).is_empty(),
            rep_id,
        })
    };
    domain.table(Kind::Rep).iter().filter_map(view).collect()
}
