//! The read side: where each lead is and how each rep stands, for people and tools that ask. Fed after
//! each commit, read by HTTP; no decision ever looks here. Ids only, nothing about who a lead is.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use serde_json::Value;

use super::sla_table::{Question, SlaTable};
use crate::domain::entity::{Entity, EntityKey, Kind, LeadEntity, Phase, RepEntity};
use crate::domain::fact::Fact;
use crate::domain::ids::{DomainId, RepId};
use crate::domain::policy::Objective;
use crate::domain::time::Timestamp;
use crate::domain::win_rate::{Block, Observation};
use crate::engine::report::{BatchReport, Observer, ShardEvent};

type Key = (DomainId, Arc<str>);

#[derive(Clone, Debug)]
struct Seen<T> {
    shard: i32,
    is: T,
}

/// What is known of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadView {
    pub phase: &'static str,
    pub assignment_no: u32,
    pub rep_id: Option<String>,
    pub queue_id: Option<String>,
    pub territory_id: Option<String>,
    pub reason: Option<&'static str>,
    pub decided_at_ms: Option<i64>,
    pub next_due_at_ms: Option<i64>,
    pub touched_at_ms: Option<i64>,
}

/// What is known of a rep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepView {
    pub name: Option<String>,
    pub active: bool,
    pub paused: bool,
    pub weight: u32,
    pub hired_at: Option<Timestamp>,
}

/// Parts of a map that may hold millions. A part doubles by itself, and the worker waits for it: with the usual few,
/// all of which double about the same time, that was tens of milliseconds each at 60,000 leads.
const PARTS: usize = 4_096;

/// All workers write to it, anybody may read.
#[derive(Debug)]
pub struct View {
    leads: DashMap<Key, Seen<LeadView>>,
    reps: DashMap<Key, Seen<RepView>>,
    /// The members of each territory in force.
    members: DashMap<Key, Seen<Vec<RepId>>>,
    /// Leads moved by changes of reference data since this process began: domain, cause, from, to.
    moves: DashMap<(DomainId, &'static str, String, String), u64>,
    sla: SlaTable,
    /// What was learned, and the deals that it was learned from, for the table of win rates.
    learned: DashMap<Key, Seen<Arc<Block>>>,
    deals: DashMap<Key, Seen<Arc<(RepId, Observation)>>>,
    /// What each domain's policy makes the most of; each domain that is known has one.
    objectives: DashMap<DomainId, Seen<Objective>>,
    /// Shards that were taken away: what is held of them is old, and good again if they are reused.
    away: DashMap<i32, ()>,
}

impl Default for View {
    fn default() -> View {
        View {
            leads: DashMap::with_shard_amount(PARTS),
            reps: DashMap::default(),
            members: DashMap::default(),
            moves: DashMap::default(),
            sla: SlaTable::default(),
            learned: DashMap::default(),
            deals: DashMap::with_shard_amount(PARTS),
            objectives: DashMap::default(),
            away: DashMap::default(),
        }
    }
}

impl View {
    /// Whether an event of the domain has come and its shard is ours: the first one stores a policy.
    pub fn knows(&self, domain: &str) -> bool {
        let seen = self.objectives.get(&DomainId::new(domain)).map(|seen| seen.value().shard);
        seen.is_some_and(|shard| !self.away.contains_key(&shard))
    }

    pub fn lead(&self, domain: &str, id: &str) -> Option<LeadView> {
        let key = (DomainId::new(domain), Arc::from(id));
        let seen = self.leads.get(&key)?.value().clone();
        (!self.away.contains_key(&seen.shard)).then_some(seen.is)
    }

    /// The reps of a domain, by id.
    pub fn reps(&self, domain: &str) -> Vec<(String, RepView)> {
        let of_domain: Vec<(String, Seen<RepView>)> = self
            .reps
            .iter()
            .filter(|entry| entry.key().0.as_str() == domain)
            .map(|entry| (entry.key().1.to_string(), entry.value().clone()))
            .collect();
        let mut reps: Vec<(String, RepView)> = of_domain
            .into_iter()
            .filter(|(_, seen)| !self.away.contains_key(&seen.shard))
            .map(|(id, seen)| (id, seen.is))
            .collect();
        reps.sort_by(|a, b| a.0.cmp(&b.0));
        reps
    }

    /// The territories of a domain that have no active rep, by id, with how many members they have.
    pub fn unstaffed(&self, domain: &str) -> Vec<(String, usize)> {
        let reps: BTreeMap<String, RepView> = self.reps(domain).into_iter().collect();
        let active = |rep: &RepId| reps.get(rep.as_str()).is_some_and(|rep| rep.active);
        let mut found: Vec<(String, usize)> = self
            .members
            .iter()
            .filter(|entry| entry.key().0.as_str() == domain)
            .filter(|entry| !entry.value().is.iter().any(active))
            .filter(|entry| !self.away.contains_key(&entry.value().shard))
            .map(|entry| (entry.key().1.to_string(), entry.value().is.len()))
            .collect();
        found.sort();
        found
    }

    /// The leads of a domain that nobody has, the longest waiting first.
    pub fn waiting(&self, domain: &str) -> Vec<(String, LeadView)> {
        let waits = |view: &LeadView| {
            let meant = matches!(view.reason, Some("do_not_route" | "locked"));
            view.phase == "queued" || view.phase == "parked" && !meant
        };
        let mut found: Vec<(String, LeadView)> = self
            .leads
            .iter()
            .filter(|entry| entry.key().0.as_str() == domain && waits(&entry.value().is))
            .filter(|entry| !self.away.contains_key(&entry.value().shard))
            .map(|entry| (entry.key().1.to_string(), entry.value().is.clone()))
            .collect();
        found.sort_by(|a, b| (a.1.decided_at_ms, &a.0).cmp(&(b.1.decided_at_ms, &b.0)));
        found
    }

    /// How many leads changes of reference data moved, by cause, from whom and to whom.
    pub fn moves(&self, domain: &str) -> Vec<(&'static str, String, String, u64)> {
        let mut found: Vec<(&'static str, String, String, u64)> = self
            .moves
            .iter()
            .filter(|entry| entry.key().0.as_str() == domain)
            .map(|entry| {
                let (_, cause, from, to) = entry.key().clone();
                (cause, from, to, *entry.value())
            })
            .collect();
        found.sort();
        found
    }

    /// The table of SLA state.
    pub fn sla(&self, domain: &str, question: &Question, now: i64) -> Value {
        let away = |shard| self.away.contains_key(&shard);
        let answer = self.sla.ask(domain, question, now, away);
        answer.unwrap_or_else(|| SlaTable::without_ladders(domain, question, now))
    }

    fn note_move(&self, fact: &Fact) {
        let Fact::Assigned(assigned) = fact else { return };
        if let Some((from, to)) = assigned.moved() {
            let key = (assigned.domain.clone(), assigned.cause.name(), from, to);
            *self.moves.entry(key).or_default() += 1;
        }
    }

    /// The learned blocks of a domain, by rep.
    pub(super) fn learned(&self, domain: &str) -> BTreeMap<RepId, Arc<Block>> {
        let own = self.learned.iter().filter(|entry| entry.key().0.as_str() == domain);
        let here = own.filter(|entry| !self.away.contains_key(&entry.value().shard));
        here.map(|entry| (RepId::new(&entry.key().1), entry.value().is.clone())).collect()
    }

    /// The closed deals of a domain, as they were learned from.
    pub(super) fn deals(&self, domain: &str) -> Vec<Arc<(RepId, Observation)>> {
        let own = self.deals.iter().filter(|entry| entry.key().0.as_str() == domain);
        let here = own.filter(|entry| !self.away.contains_key(&entry.value().shard));
        here.map(|entry| entry.value().is.clone()).collect()
    }

    /// The members of each territory of a domain that is in force.
    pub(super) fn territories(&self, domain: &str) -> Vec<Vec<RepId>> {
        let own = self.members.iter().filter(|entry| entry.key().0.as_str() == domain);
        let here = own.filter(|entry| !self.away.contains_key(&entry.value().shard));
        here.map(|entry| entry.value().is.clone()).collect()
    }

    /// What a domain's policy makes the most of.
    pub(super) fn objective(&self, domain: &str) -> Objective {
        let seen = self.objectives.get(&DomainId::new(domain)).map(|entry| entry.value().clone());
        let here = seen.filter(|seen| !self.away.contains_key(&seen.shard));
        here.map_or(Objective::WinProbability, |seen| seen.is)
    }

    fn put(&self, shard: i32, key: &EntityKey, entity: Option<&Entity>) {
        let place = (key.domain.clone(), Arc::clone(&key.id));
        if key.kind == Kind::Lead {
            let lead = match entity {
                Some(Entity::Lead(lead)) => Some(lead.as_ref()),
                _ => None,
            };
            self.sla.put(shard, &key.domain, &key.id, lead);
        }
        match (key.kind, entity) {
            (Kind::Lead, Some(Entity::Lead(lead))) => {
                self.leads.insert(place, Seen { shard, is: lead_view(lead) });
            }
            (Kind::Lead, _) => {
                self.leads.remove(&place);
            }
            (Kind::Rep, Some(Entity::Rep(rep))) => match rep_view(rep) {
                Some(is) => {
                    self.reps.insert(place, Seen { shard, is });
                }
                None => {
                    self.reps.remove(&place);
                }
            },
            (Kind::Rep, _) => {
                self.reps.remove(&place);
            }
            (Kind::Territory, entity) => match entity.and_then(members_of) {
                Some(is) => {
                    self.members.insert(place, Seen { shard, is });
                }
                None => {
                    self.members.remove(&place);
                }
            },
            (Kind::Learned, Some(Entity::Learned(block))) => {
                self.learned.insert(place, Seen { shard, is: Arc::clone(block) });
            }
            (Kind::Learned, _) => {
                self.learned.remove(&place);
            }
            (Kind::Deal, Some(Entity::Deal(deal))) => match &deal.observation {
                Some(it) => {
                    let is = Arc::new((deal.rep_id.clone(), it.clone()));
                    self.deals.insert(place, Seen { shard, is });
                }
                None => {
                    self.deals.remove(&place);
                }
            },
            (Kind::Deal, _) => {
                self.deals.remove(&place);
            }
            (Kind::Policy, Some(Entity::Policy(policy))) => {
                let is = policy.current.policy.choice.objective;
                self.objectives.insert(place.0, Seen { shard, is });
            }
            _ => {}
        }
    }

    /// What comes now is all there is of this shard.
    fn renew(&self, shard: i32) {
        if self.away.remove(&shard).is_none() {
            return;
        }
        self.leads.retain(|_, seen| seen.shard != shard);
        self.reps.retain(|_, seen| seen.shard != shard);
        self.members.retain(|_, seen| seen.shard != shard);
        self.sla.forget(shard);
        self.learned.retain(|_, seen| seen.shard != shard);
        self.deals.retain(|_, seen| seen.shard != shard);
        self.objectives.retain(|_, seen| seen.shard != shard);
    }
}

fn lead_view(lead: &LeadEntity) -> LeadView {
    let placement = lead.placement.as_ref();
    let ladder = lead.ladder.as_ref().filter(|ladder| !ladder.stopped);
    LeadView {
        phase: match lead.phase {
            Phase::New => "new",
            Phase::Assigned => "assigned",
            Phase::Queued => "queued",
            Phase::Parked => "parked",
            Phase::Released => "released",
            Phase::Ended(_) => "ended",
        },
        assignment_no: lead.assignment_no,
        rep_id: placement.and_then(|it| it.rep_id.as_ref()).map(ToString::to_string),
        queue_id: placement.and_then(|it| it.queue_id.as_ref()).map(ToString::to_string),
        territory_id: placement.and_then(|it| it.territory_id.as_ref()).map(ToString::to_string),
        reason: placement.map(|it| it.reason.name()),
        decided_at_ms: placement.map(|it| it.decided_at.0),
        next_due_at_ms: ladder
            .and_then(|ladder| ladder.steps.iter().find(|step| step.fired_at.is_none()))
            .map(|step| step.due_at.0),
        touched_at_ms: lead.touched_at.map(|at| at.0),
    }
}

/// The members of a territory, if it is in force.
fn members_of(entity: &Entity) -> Option<Vec<RepId>> {
    let Entity::Territory(territory) = entity else { return None };
    let members = &territory.current.as_ref()?.members;
    Some(members.iter().map(|member| member.rep_id.clone()).collect())
}

fn rep_view(rep: &RepEntity) -> Option<RepView> {
    let definition = rep.definition.as_ref()?;
    Some(RepView {
        name: definition.name.clone(),
        active: definition.active,
        paused: definition.paused,
        weight: definition.weight,
        hired_at: definition.hired_at,
    })
}

/// Feeds the view, and hands everything on.
pub struct Feed<O> {
    pub view: Arc<View>,
    pub next: O,
}

impl<O: Observer> Observer for Feed<O> {
    fn batch(&mut self, report: BatchReport) {
        for (shard, changes) in &report.changes {
            for change in changes {
                self.view.put(*shard, &change.key, change.after.as_ref());
            }
        }
        for fact in &report.facts {
            self.view.note_move(fact);
        }
        self.next.batch(report);
    }

    fn shard(&mut self, event: ShardEvent) {
        match event {
            ShardEvent::Revoked(shard) => {
                self.view.away.insert(shard, ());
            }
            ShardEvent::Reused(shard) => {
                self.view.away.remove(&shard);
            }
            ShardEvent::Restored { shard, .. } => self.view.renew(shard),
            ShardEvent::Assigned(_) | ShardEvent::Lost(_) | ShardEvent::Stopped { .. } => {}
        }
        self.next.shard(event);
    }

    fn loaded(&mut self, shard: i32, key: &EntityKey, entity: &Entity) {
        self.view.renew(shard);
        self.view.put(shard, key, Some(entity));
        self.next.loaded(shard, key, entity);
    }
}
