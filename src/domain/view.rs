//! Questions to the state that decide nothing: how the reps stand, and whether an input would be refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::availability::absent;
use super::company;
use super::draft::Draft;
use super::entity::{Entity, Kind, LeadEntity, Phase};
use super::fact::{Fact, Rejection};
use super::ids::{DomainId, LeadId, QueueId, RepId, TerritoryId};
use super::input::{Envelope, Input, Origin};
use super::lead_fields::LeadFields;
use super::policy::Objective;
use super::published::Reason;
use super::router::{self, Task};
use super::state::{Domain, State};
use super::time::Timestamp;
use super::timer::{TimerKey, TimerKind};
use super::win_rate::{self, Filter, Known, Standing, Status, Table};

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

/// A lead that nobody has and that should not wait for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingView {
    pub domain: DomainId,
    pub lead_id: LeadId,
    pub outcome: &'static str,
    pub queue_id: Option<QueueId>,
    pub reason: Reason,
    /// Since when it has been there.
    pub since_at: Timestamp,
    /// When it is tried again if nothing unblocks it before.
    pub retry_at: Option<Timestamp>,
}

/// A territory in force that has no active rep: its leads wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnstaffedView {
    pub domain: DomainId,
    pub territory_id: TerritoryId,
    pub name: String,
    /// Members it has, all of them inactive, deleted or unknown.
    pub members: usize,
}

impl LeadEntity {
    /// Whether it is an exception: nobody has it, and an event, a person or the record itself is awaited.
    /// Locks and opt-outs are meant.
    pub fn is_exception(&self) -> bool {
        let Some(placement) = &self.placement else { return false };
        match self.phase {
            Phase::Queued => true,
            Phase::Parked => !matches!(placement.reason, Reason::DoNotRoute | Reason::Locked),
            _ => false,
        }
    }
}

impl State {
    /// The leads that wait, the longest first, by domain.
    pub fn waiting(&self) -> Vec<WaitingView> {
        self.domains().flat_map(waiting_of).collect()
    }

    /// The company that a lead of a domain is from, as an experiment by account sees it; None = the lead
    /// is a company of its own.
    pub fn company_of(&self, domain: &DomainId, lead: &LeadFields) -> Option<String> {
        let empty = || Cow::Owned(Domain::new(domain.clone()));
        let domain = self.domain(domain).map_or_else(empty, Cow::Borrowed);
        company::of(&Draft::new(&domain, &question(&domain, lead.created_at)), lead)
    }

    /// The territories in force without an active rep, by domain and id.
    pub fn unstaffed(&self) -> Vec<UnstaffedView> {
        self.domains().flat_map(unstaffed_of).collect()
    }

    /// The next slice of a sweep of this domain, with its time.
    pub fn next_slice(&self, domain: &DomainId) -> Option<(TimerKey, Timestamp)> {
        let sweeps = self.domain(domain)?.table(Kind::Sweep).iter();
        let due = sweeps.filter_map(|(id, entity)| match entity {
            Entity::Sweep(sweep) => {
                Some((TimerKey::of(TimerKind::Sweep, domain, id), sweep.next_at))
            }
            _ => None,
        });
        due.min_by(|(a, x), (b, y)| x.cmp(y).then_with(|| a.cmp(b)))
    }

    /// Every rep that has not been deleted, by domain and id.
    pub fn reps(&self, now: Timestamp) -> Vec<RepView> {
        self.domains().flat_map(|domain| reps_of(domain, now)).collect()
    }

    /// The names of reps by id, where they have one; of the same id in two domains, the last domain's.
    pub fn rep_names(&self) -> BTreeMap<String, String> {
        let reps = self.domains().flat_map(|domain| domain.table(Kind::Rep).iter());
        let named = reps.filter_map(|(id, entity)| match entity {
            Entity::Rep(rep) => Some((id.to_string(), rep.definition.as_ref()?.name.clone()?)),
            _ => None,
        });
        named.collect()
    }

    /// Who wins what in a domain: each rep in each part of the segment.
    pub fn standings(&self, domain: &DomainId) -> Vec<Standing> {
        let Some(domain) = self.domain(domain) else { return Vec::new() };
        let learned = |id: &str| match domain.get(Kind::Learned, id) {
            Some(Entity::Learned(block)) => Some(&**block),
            _ => None,
        };
        let Some(shared) = learned(win_rate::shared_id().as_str()) else { return Vec::new() };
        let deals = domain.table(Kind::Deal).values().filter_map(|entity| match entity {
            Entity::Deal(deal) => Some((&deal.rep_id, deal.observation.as_ref()?)),
            _ => None,
        });
        let objective = match domain.get(Kind::Policy, "") {
            Some(Entity::Policy(policy)) => policy.current.policy.choice.objective,
            _ => Objective::WinProbability,
        };
        let table = Table {
            shared,
            deals: deals.collect(),
            reps: reps_learned(domain),
            territories: members_of(domain),
            objective,
        };
        win_rate::standings(&table, &Filter::default())
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

/// The reps of a domain, and those of whom only deals are known.
fn reps_learned(domain: &Domain) -> BTreeMap<RepId, Known<'_>> {
    let mut known: BTreeMap<RepId, Known<'_>> = BTreeMap::new();
    for (id, entity) in domain.table(Kind::Rep).iter() {
        let Entity::Rep(rep) = entity else { continue };
        let Some(rep) = &rep.definition else { continue };
        let status = if rep.active { Status::Active } else { Status::Inactive };
        let name = rep.name.as_deref();
        known.insert(RepId::from(id), Known { block: None, name, hired_at: rep.hired_at, status });
    }
    for (id, entity) in domain.table(Kind::Learned).iter() {
        if let Entity::Learned(block) = entity {
            known.entry(RepId::from(id)).or_default().block = Some(block);
        }
    }
    known
}

/// The members of each territory in force.
fn members_of(domain: &Domain) -> Vec<Vec<RepId>> {
    let members = |entity: &Entity| {
        let Entity::Territory(territory) = entity else { return None };
        let members = &territory.current.as_ref()?.members;
        Some(members.iter().map(|member| member.rep_id.clone()).collect())
    };
    domain.table(Kind::Territory).values().filter_map(members).collect()
}

fn unstaffed_of(domain: &Domain) -> Vec<UnstaffedView> {
    let active = |rep: &RepId| match domain.get(Kind::Rep, rep.as_str()) {
        Some(Entity::Rep(rep)) => rep.definition.as_ref().is_some_and(|rep| rep.active),
        _ => false,
    };
    let view = |(id, entity): (&std::sync::Arc<str>, &Entity)| {
        let Entity::Territory(territory) = entity else { return None };
        let definition = territory.current.as_ref()?;
        let staffed = definition.members.iter().any(|member| active(&member.rep_id));
        (!staffed).then(|| UnstaffedView {
            domain: domain.id.clone(),
            territory_id: TerritoryId::from(id),
            name: definition.name.clone(),
            members: definition.members.len(),
        })
    };
    domain.table(Kind::Territory).iter().filter_map(view).collect()
}

fn waiting_of(domain: &Domain) -> Vec<WaitingView> {
    let view = |(id, entity): (&std::sync::Arc<str>, &Entity)| {
        let Entity::Lead(lead) = entity else { return None };
        let placement = lead.placement.as_ref().filter(|_| lead.is_exception())?;
        Some(WaitingView {
            domain: domain.id.clone(),
            lead_id: LeadId::from(id),
            outcome: if lead.phase == Phase::Queued { "QUEUED" } else { "PARKED" },
            queue_id: placement.queue_id.clone(),
            reason: placement.reason,
            since_at: placement.decided_at,
            retry_at: lead.retry_at.or(lead.hold_until_at),
        })
    };
    let mut waiting: Vec<WaitingView> = domain.table(Kind::Lead).iter().filter_map(view).collect();
    waiting.sort_by(|a, b| a.since_at.cmp(&b.since_at).then_with(|| a.lead_id.cmp(&b.lead_id)));
    waiting
}

/// The gate and the matching ask a decision in the making; this one decides nothing and is dropped.
fn question(domain: &Domain, now: Timestamp) -> Envelope {
    Envelope {
        domain: domain.id.clone(),
        now,
        origin: Origin { topic: None, partition: 0, offset: -1 },
        positions: [-1; 9],
        input: Input::Timer { key: TimerKey::of(TimerKind::Validity, &domain.id, ""), due_at: now },
    }
}

fn reps_of(domain: &Domain, now: Timestamp) -> Vec<RepView> {
    let envelope = question(domain, now);
    let draft = Draft::new(domain, &envelope);
    let view = |(id, entity): (&std::sync::Arc<str>, &Entity)| {
        let Entity::Rep(rep) = entity else { return None };
        rep.definition.as_ref()?;
        let rep_id = RepId::from(id);
        Some(RepView {
            domain: domain.id.clone(),
            assigned: draft.load(&rep_id).map_or(0, |load| load.assigned),
            open: domain.index.open(&rep_id),
            eligible: absent(&draft, &rep_id, rep, None, None).is_empty(),
            rep_id,
        })
    };
    domain.table(Kind::Rep).iter().filter_map(view).collect()
}
