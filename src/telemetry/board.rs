//! The board: what the live page shows, kept from what the engine reports after each commit. It is
//! a view for people; nothing is decided from it, and it holds neither names nor addresses of
//! leads.
//!
//! It keeps the last decisions, the deadlines that are running, and a row for each rep.

mod rows;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use shown::{Deadline, Entry, Rep, Shown, Totals};

use super::telling::{Names, tell};
use crate::domain::entity::{Entity, EntityKey};
use crate::domain::fact::{Counter, Fact};
use crate::domain::ids::{DomainId, LeadId};
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::SlaAction;
use crate::domain::published::{LeadAssigned, Outcome};
use crate::domain::state::Change;
use crate::domain::time::Timestamp;
use crate::engine::report::{BatchReport, Ending, ShardEvent};
use rows::Rows;

/// Entries kept of what happened.
const ENTRIES: usize = 60;
/// Among so many last entries, breaches of one kind become one.
const WAVE: usize = 3;
/// Latencies from which the percentiles are made.
const LATENCIES: usize = 2_048;

type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Shared by the workers, which write, and the endpoint, which reads.
pub struct Board {
    inner: Mutex<Inner>,
    clock: Clock,
    /// Virtual seconds in a real one.
    speed: f64,
    title: String,
}

#[derive(Default)]
struct Inner {
    names: Names,
    totals: Totals,
    entries: VecDeque<Entry>,
    seq: u64,
    latencies: VecDeque<f64>,
    rows: Rows,
    /// Running deadlines, the next first.
    deadlines: BTreeMap<(Timestamp, DomainId, LeadId), Deadline>,
    /// Which shard serves a domain.
    shard_of: BTreeMap<DomainId, i32>,
    /// Shards that were just assigned: what is known of them is replaced by what they load.
    fresh: BTreeSet<i32>,
}

impl Board {
    pub fn new(
        title: &str,
        speed: f64,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Board {
        let inner = Mutex::new(Inner::default());
        Board { inner, clock: Box::new(clock), speed, title: title.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A page that shows half a batch is better than no page.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a transaction did; one that did not commit did nothing.
    pub fn batch(&self, report: &BatchReport) {
        if matches!(report.ending, Ending::Committed | Ending::UnknownCommitted) {
            self.lock().batch(report);
        }
    }

    /// How long a lead waited for its decision to be committed, in real time.
    pub fn latency(&self, took: Duration) {
        let mut inner = self.lock();
        inner.latencies.push_back(took.as_secs_f64() * 1_000.0);
        if inner.latencies.len() > LATENCIES {
            inner.latencies.pop_front();
        }
    }

    /// Something that a person should know, said in a sentence.
    pub fn note(&self, text: &str) {
        let now = (self.clock)();
        self.lock().push(Entry {
            kind: "note",
            at: now.0,
            text: text.to_owned(),
            ..Entry::default()
        });
    }

    pub fn shard(&self, event: &ShardEvent) {
        let mut inner = self.lock();
        match event {
            ShardEvent::Assigned(shard) => {
                inner.fresh.insert(*shard);
            }
            ShardEvent::Reused(shard) => {
                inner.fresh.remove(shard);
            }
            ShardEvent::Restored { shard, .. } => inner.clear_if_fresh(*shard),
            ShardEvent::Revoked(_) | ShardEvent::Lost(_) | ShardEvent::Stopped { .. } => {}
        }
    }

    pub fn loaded(&self, shard: i32, key: &EntityKey, entity: &Entity) {
        let mut inner = self.lock();
        inner.clear_if_fresh(shard);
        inner.shard_of.insert(key.domain.clone(), shard);
        inner.changed(key, None, Some(entity));
    }

    /// The names, for whoever tells decisions elsewhere.
    pub fn with_names<T>(&self, act: impl FnOnce(&Names) -> T) -> T {
        act(&self.lock().names)
    }

    /// What the page shows now.
    pub fn shown(&self) -> Shown {
        let now = (self.clock)();
        self.lock().shown(&self.title, self.speed, now)
    }
}

impl Inner {
    /// A shard that is loaded anew replaces what was known of its domains.
    fn clear_if_fresh(&mut self, shard: i32) {
        if !self.fresh.remove(&shard) {
            return;
        }
        let gone: Vec<DomainId> = self
            .shard_of
            .iter()
            .filter(|(_, of)| **of == shard)
            .map(|(domain, _)| domain.clone())
            .collect();
        for domain in gone {
            self.rows.forget(&domain);
            self.names.forget(&domain);
            self.deadlines.retain(|(_, of, _), _| *of != domain);
            self.shard_of.remove(&domain);
        }
    }

    fn batch(&mut self, report: &BatchReport) {
        for (shard, changes) in &report.changes {
            for Change { key, before, after } in changes {
                self.shard_of.entry(key.domain.clone()).or_insert(*shard);
                self.changed(key, before.as_ref(), after.as_ref());
            }
        }
        for fact in &report.facts {
            self.count(fact);
        }
        self.totals.dead_letters += report.poison.len() as u64;
        self.tell(report);
    }

    fn count(&mut self, fact: &Fact) {
        let totals = &mut self.totals;
        match fact {
            Fact::Assigned(assigned) => {
                totals.decisions += 1;
                totals.leads += u64::from(assigned.assignment_no == 1);
                match assigned.outcome {
                    Outcome::Assigned => totals.assigned += 1,
                    Outcome::Queued => totals.queued += 1,
                    Outcome::Parked => totals.parked += 1,
                    Outcome::Released => totals.released += 1,
                }
            }
            Fact::Breached(breach) => match breach.action {
                SlaAction::Remind => totals.reminded += 1,
                SlaAction::Escalate => totals.escalated += 1,
                SlaAction::Reassign => totals.reassigned += 1,
            },
            Fact::Rejected(_) => totals.dead_letters += 1,
            Fact::Counted(Counter::Moved) => totals.moved += 1,
            Fact::Counted(_) | Fact::Set(..) => {}
        }
    }

    /// Turns the last facts into entries; of a big batch only those that will be seen.
    fn tell(&mut self, report: &BatchReport) {
        let told = |fact: &&Fact| matches!(fact, Fact::Assigned(_) | Fact::Breached(_));
        let last: Vec<&Fact> = report.facts.iter().rev().filter(told).take(ENTRIES).collect();
        let wanted: BTreeSet<&str> = last.iter().filter_map(|fact| lead_of(fact)).collect();
        let mut about: HashMap<&str, String> = HashMap::new();
        for change in report.changes.iter().flat_map(|(_, changes)| changes) {
            if let Some(Entity::Lead(lead)) = &change.after
                && let Some(id) = wanted.get(&*change.key.id)
            {
                about.insert(id, words(&lead.fields));
            }
        }
        for fact in last.into_iter().rev() {
            let what = |id: &LeadId| about.get(id.as_str()).cloned().unwrap_or_default();
            match fact {
                Fact::Assigned(assigned) => {
                    let entry = self.decision(assigned, what(&assigned.lead_id));
                    self.rows.look_at(assigned);
                    self.push(entry);
                }
                Fact::Breached(breach) => {
                    let entry = Entry {
                        kind: "breach",
                        at: breach.fired_at.0,
                        lead: breach.lead_id.as_str().to_owned(),
                        what: what(&breach.lead_id),
                        text: action(breach.action).to_owned(),
                        rep: self.names.rep(&breach.domain, &breach.rep_id),
                        ..Entry::default()
                    };
                    self.push(entry);
                }
                Fact::Rejected(_) | Fact::Counted(_) | Fact::Set(..) => {}
            }
        }
    }

    fn decision(&self, assigned: &LeadAssigned, what: String) -> Entry {
        Entry {
            kind: "decision",
            at: assigned.decided_at.0,
            lead: assigned.lead_id.as_str().to_owned(),
            what,
            outcome: super::labels::outcome(assigned.outcome),
            method: super::labels::method(assigned.method),
            hot: assigned.priority_class != "standard",
            told: Some(tell(&self.names, assigned)),
            ..Entry::default()
        }
    }

    fn push(&mut self, mut entry: Entry) {
        self.seq += 1;
        (entry.id, entry.seq) = (self.seq, self.seq);
        // A wave of breaches is one entry that grows: the decisions between them stay in sight.
        let grows = |last: &&Entry| last.kind == "breach" && last.text == entry.text;
        if entry.kind == "breach"
            && let Some(at) = self.entries.iter().take(WAVE).position(|last| grows(&last))
            && let Some(last) = self.entries.remove(at)
        {
            (entry.id, entry.more) = (last.id, last.more + 1);
            self.entries.insert(at, entry);
            return;
        }
        self.entries.push_front(entry);
        self.entries.truncate(ENTRIES);
    }

    /// Rows, names and deadlines follow one entity.
    fn changed(&mut self, key: &EntityKey, before: Option<&Entity>, after: Option<&Entity>) {
        self.rows.changed(key, before, after);
        match (before, after) {
            (_, Some(Entity::Rep(rep))) => {
                let definition = rep.definition.as_ref();
                if let Some(name) = definition.and_then(|rep| rep.name.as_ref()) {
                    let id = crate::domain::ids::RepId::new(&key.id);
                    self.names.set_rep(&key.domain, &id, name);
                }
            }
            (_, Some(Entity::Territory(territory))) => {
                if let Some(current) = &territory.current {
                    let id = crate::domain::ids::TerritoryId::new(&key.id);
                    self.names.set_territory(&key.domain, &id, &current.name);
                }
            }
            (before, after) => {
                if let Some(Entity::Lead(lead)) = before
                    && let Some(step) = lead.next_step()
                {
                    let lead = LeadId::new(&key.id);
                    self.deadlines.remove(&(step.due_at, key.domain.clone(), lead));
                }
                if let Some(Entity::Lead(lead)) = after
                    && let Some(deadline) = deadline(&self.names, key, lead)
                {
                    let due_at = Timestamp(deadline.due_at);
                    let lead = LeadId::new(&key.id);
                    self.deadlines.insert((due_at, key.domain.clone(), lead), deadline);
                }
            }
        }
    }
}

fn deadline(
    names: &Names,
    key: &EntityKey,
    lead: &crate::domain::entity::LeadEntity,
) -> Option<Deadline> {
    let step = lead.next_step()?;
    let ladder = lead.ladder.as_ref()?;
    let rep = lead.placement.as_ref()?.rep_id.as_ref()?;
    Some(Deadline {
        lead: key.id.to_string(),
        what: words(&lead.fields),
        rep: names.rep(&key.domain, rep),
        action: action(step.action),
        class: ladder.class.clone(),
        armed_at: ladder.armed_at.0,
        due_at: step.due_at.0,
    })
}

fn lead_of(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Assigned(assigned) => Some(assigned.lead_id.as_str()),
        Fact::Breached(breach) => Some(breach.lead_id.as_str()),
        Fact::Rejected(_) | Fact::Counted(_) | Fact::Set(..) => None,
    }
}

fn action(action: SlaAction) -> &'static str {
    super::labels::sla_action(action)
}

/// A lead in a few words, none of which says who it is.
pub fn words(fields: &LeadFields) -> String {
    let place = [&fields.city, &fields.state, &fields.country].into_iter().flatten().next();
    let size = fields.employees.map(|employees| format!("{employees} people"));
    let parts = [fields.industry.as_ref(), size.as_ref(), place, fields.product.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}
