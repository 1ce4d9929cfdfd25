//! The tables of one shard, the only place that changes them, and the journal that undoes a batch.
//!
//! Every change is the replacement of one entity (`put`). Around that single door hang the journal (the
//! entity as the batch found it), the indexes and the timers, so that undo and restore need no code of
//! their own: they put entities too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::account_match::Accounts;
use super::entity::{Entity, EntityKey, Kind};
use super::fact::Fact;
use super::ids::DomainId;
use super::index::Index;
use super::input::{Envelope, Input};
use super::router::{self, Task};
use super::table::Table;
use super::timer::{TimerKind, TimerMove};
use super::timers_of::timers_of;

/// The entities of one routing domain, by kind and id, with what is derived from them.
#[derive(Clone, Debug)]
pub struct Domain {
    pub id: DomainId,
    /// By kind; accounts, of which there are millions, lie apart.
    tables: [Table; Kind::ALL.len()],
    accounts: Accounts,
    pub index: Index,
}

/// All that one shard knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    domains: BTreeMap<DomainId, Domain>,
    journal: BTreeMap<EntityKey, Option<Entity>>,
    moves: Vec<TimerMove>,
}

/// An entity that the batch touched: as it was, and as it is now (`None` = it does not exist).
#[derive(Clone, Debug)]
pub struct Change {
    pub key: EntityKey,
    pub before: Option<Entity>,
    pub after: Option<Entity>,
}

impl Domain {
    pub(super) fn new(id: DomainId) -> Domain {
        Domain {
            id,
            tables: Default::default(),
            accounts: Accounts::default(),
            index: Index::default(),
        }
    }

    pub fn get(&self, kind: Kind, id: &str) -> Option<&Entity> {
        match kind {
            Kind::Account => self.accounts.get(id),
            _ => self.table(kind).get(id),
        }
    }

    /// All entities of a kind, by id; not of accounts.
    pub fn table(&self, kind: Kind) -> &Table {
        &self.tables[kind as usize]
    }

    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.tables.iter().all(Table::is_empty)
    }

    fn replace(&mut self, key: &EntityKey, after: Option<Entity>) -> Option<Entity> {
        if key.kind == Kind::Account {
            return self.accounts.replace(&key.id, after);
        }
        let table = &mut self.tables[key.kind as usize];
        match after {
            Some(entity) => table.insert(key.id.clone(), entity),
            None => table.remove(&key.id),
        }
    }
}

impl State {
    /// Decides one input and applies its facts; the facts to publish, reject and count come back in
    /// order (`Set` facts are consumed). A decision that concerns several leads is taken lead by lead,
    /// each on the state that the one before left.
    pub fn step(&mut self, envelope: &Envelope) -> Vec<Fact> {
        let mut said = Vec::new();
        let mut tasks = VecDeque::from([Task::Input]);
        let domain = envelope.domain.clone();
        self.domains.entry(domain.clone()).or_insert_with(|| Domain::new(domain.clone()));
        while let Some(task) = tasks.pop_front() {
            let Some(known) = self.domains.get(&domain) else { break };
            let decision = router::decide(known, envelope, task);
            for (at, task) in decision.tasks.into_iter().enumerate() {
                tasks.insert(at, task);
            }
            for fact in decision.facts {
                self.apply(fact, &mut said);
            }
        }
        if let Input::Timer { key, .. } = &envelope.input
            && key.kind == TimerKind::Expiry
            && let Some(domain) = self.domains.get(&domain)
        {
            // One firing lets go of a slice; the day may not be done.
            let due_at = domain.index.next_expiry();
            self.moves.push(TimerMove { key: key.clone(), due_at });
        }
        if let Input::Timer { key, due_at } = &envelope.input
            && key.kind == TimerKind::Sweep
            && let Some(domain) = self.domains.get(&domain)
            && let Some(Entity::Sweep(sweep)) = domain.get(Kind::Sweep, &key.id)
            && sweep.next_at == *due_at
        {
            // The next slice is due at the instant of this one: no change, and yet the timer is gone.
            self.moves.push(TimerMove { key: key.clone(), due_at: Some(*due_at) });
        }
        said
    }

    /// The only way in which a fact changes the state.
    fn apply(&mut self, fact: Fact, said: &mut Vec<Fact>) {
        match fact {
            Fact::Set(key, entity) => self.put(key, entity, true),
            other => said.push(other),
        }
    }

    /// Puts an entity in place of what was there; indexes, timers and the journal follow.
    fn put(&mut self, key: EntityKey, after: Option<Entity>, journal: bool) {
        let domain = self
            .domains
            .entry(key.domain.clone())
            .or_insert_with(|| Domain::new(key.domain.clone()));
        let expiry_before = domain.index.next_expiry();
        let wanted = after.as_ref().map(timers_of).unwrap_or_default();
        // An account has no timers and is in no index; the others are shared, so a copy costs nothing.
        let new = after.as_ref().filter(|_| key.kind != Kind::Account).cloned();
        let before = domain.replace(&key, after);
        if journal {
            self.journal.entry(key.clone()).or_insert_with(|| before.clone());
        }
        let old = before.as_ref().filter(|_| key.kind != Kind::Account);
        let armed = old.map(timers_of).unwrap_or_default();
        for gone in armed.iter().filter(|old| !wanted.iter().any(|new| new.is_same_timer(old))) {
            self.moves.push(TimerMove { key: gone.key(&key), due_at: None });
        }
        for due in wanted.iter().filter(|new| !armed.contains(new)) {
            self.moves.push(TimerMove { key: due.key(&key), due_at: Some(due.at) });
        }
        domain.index.change(&key, old, new.as_ref());
        let expiry = domain.index.next_expiry();
        if expiry != expiry_before {
            self.moves.push(TimerMove { key: Index::expiry_timer(&key.domain), due_at: expiry });
        }
    }

    /// The timers to arm and cancel since the last call, in order; the last word on a key counts.
    pub fn take_timer_moves(&mut self) -> Vec<TimerMove> {
        std::mem::take(&mut self.moves)
    }

    /// What the batch touched, by key, without ending it: for writing images before the commit.
    pub fn changes(&self) -> Vec<Change> {
        let change = |(key, before): (&EntityKey, &Option<Entity>)| Change {
            key: key.clone(),
            before: before.clone(),
            after: self.get(key).cloned(),
        };
        self.journal.iter().map(change).filter(|change| change.before != change.after).collect()
    }

    /// What the batch touched, by key; it can no longer be undone afterwards.
    pub fn commit(&mut self) -> Vec<Change> {
        let changes = self.changes();
        self.journal.clear();
        changes
    }

    /// The batch stands, and nobody asks what it touched.
    pub fn keep(&mut self) {
        self.journal.clear();
    }

    /// Everything as it was before the batch, timers included (as moves to take).
    pub fn rollback(&mut self) {
        for (key, before) in std::mem::take(&mut self.journal) {
            self.put(key, before, false);
        }
        self.domains.retain(|_, domain| !domain.is_empty());
    }

    /// Puts an image in place at restore: no journal, no facts; indexes and timers are derived.
    pub fn load(&mut self, key: EntityKey, entity: Entity) {
        self.put(key, Some(entity), false);
    }

    /// Takes back what was loaded.
    pub fn unload(&mut self, key: EntityKey) {
        self.put(key, None, false);
    }

    pub fn get(&self, key: &EntityKey) -> Option<&Entity> {
        self.domains.get(&key.domain)?.get(key.kind, &key.id)
    }

    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.domains.values()
    }

    pub fn domain(&self, id: &DomainId) -> Option<&Domain> {
        self.domains.get(id)
    }

    /// Every entity, accounts last of each domain and in no order that means anything.
    pub fn each(&self) -> impl Iterator<Item = (EntityKey, &Entity)> {
        self.domains.values().flat_map(|domain| {
            let key =
                |kind, id: &Arc<str>| EntityKey { domain: domain.id.clone(), kind, id: id.clone() };
            let tables = Kind::ALL.into_iter().flat_map(move |kind| {
                domain.table(kind).iter().map(move |(id, entity)| (key(kind, id), entity))
            });
            let account = |(id, entity)| (EntityKey::new(&domain.id, Kind::Account, id), entity);
            tables.chain(domain.accounts.iter().map(account))
        })
    }

    /// Every entity, by key: for tests and the checker.
    pub fn entities(&self) -> Vec<(EntityKey, Entity)> {
        let mut all: Vec<_> = self.each().map(|(key, entity)| (key, entity.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}
