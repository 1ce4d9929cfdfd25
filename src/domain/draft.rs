//! One decision in the making: the domain as it is, under what this decision has already written.

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use super::account::Account;
use super::account_match::{AccountMatch, Accounts};
use super::entity::{
    DealEntity, DomainEntity, Entity, EntityKey, Kind, LeadEntity, LoadEntity, PolicyEntity,
    PoolEntity, RepEntity, StickyEntity, SweepEntity, TerritoryEntity,
};
use super::fact::{Counter, Fact, Rejection};
use super::ids::{AccountId, LeadId, OpportunityId, RepId, TerritoryId};
use super::index::Index;
use super::input::Envelope;
use super::policy::Policy;
use super::router::Task;
use super::state::Domain;
use super::time::Timestamp;
use super::win_rate::Block;

/// The built-in policy, for a domain that has none yet.
pub(super) static BUILT_IN: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::default()));

/// Entities that a decision commonly writes: the lead, its domain, pool, loads and stick.
const WRITES: usize = 8;

pub(super) struct Draft<'a> {
    domain: &'a Domain,
    pub(super) envelope: &'a Envelope,
    writes: Vec<(Kind, Arc<str>, Option<Entity>)>,
    said: Vec<Fact>,
    pub(super) tasks: Vec<Task>,
    /// The policy in force: what the domain has, else the built-in default.
    pub(super) policy: Arc<Policy>,
    /// The account last looked for, by a hash of the words that it was looked for with: a decision
    /// asks more than once.
    pub(super) matched: Cell<Option<(u128, AccountMatch)>>,
}

/// What a decision comes to.
pub(super) struct Decision {
    pub(super) facts: Vec<Fact>,
    /// Further decisions, to be taken next and in this order.
    pub(super) tasks: Vec<Task>,
}

macro_rules! tables {
    ($($get:ident $set:ident $variant:ident $entity:ty, $id:ty;)*) => {$(
        pub(super) fn $get(&self, id: &$id) -> Option<&$entity> {
            match self.get(Kind::$variant, id.as_str())? {
                Entity::$variant(entity) => Some(entity),
                _ => None,
            }
        }

        pub(super) fn $set(&mut self, id: &$id, entity: $entity) {
            self.write(Kind::$variant, id.text(), Some(Entity::$variant(Arc::new(entity))));
        }
    )*};
}

impl<'a> Draft<'a> {
    pub(super) fn new(domain: &'a Domain, envelope: &'a Envelope) -> Draft<'a> {
        let policy = match domain.get(Kind::Policy, "") {
            Some(Entity::Policy(version)) => &version.current.policy,
            _ => &BUILT_IN,
        };
        Draft {
            domain,
            envelope,
            writes: Vec::with_capacity(WRITES),
            said: Vec::new(),
            tasks: Vec::new(),
            policy: policy.clone(),
            matched: Cell::new(None),
        }
    }

    tables! {
        territory set_territory Territory TerritoryEntity, TerritoryId;
        rep set_rep Rep RepEntity, RepId;
        lead set_lead Lead LeadEntity, LeadId;
        pool set_pool Pool PoolEntity, TerritoryId;
        load set_load Load LoadEntity, RepId;
        deal set_deal Deal DealEntity, OpportunityId;
        learned set_learned Learned Block, RepId;
        sticky set_sticky Sticky StickyEntity, StickyKey;
        sweep set_sweep Sweep SweepEntity, SweepId;
    }

    pub(super) fn account(&self, id: &AccountId) -> Option<&Account> {
        match self.get(Kind::Account, id.as_str())? {
            Entity::Account(account) => Some(account),
            _ => None,
        }
    }

    pub(super) fn set_account(&mut self, id: &AccountId, account: Account) {
        self.write(Kind::Account, id.text(), Some(Entity::Account(account)));
    }

    /// The accounts to search among: as they were before this decision.
    pub(super) fn accounts(&self) -> &'a Accounts {
        self.domain.accounts()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.envelope.now
    }

    pub(super) fn index(&self) -> &'a Index {
        &self.domain.index
    }

    pub(super) fn stored(&self) -> &'a Domain {
        self.domain
    }

    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<&Entity> {
        let written = self.writes.iter().rev().find(|(k, i, _)| *k == kind && **i == *id);
        match written {
            Some((_, _, entity)) => entity.as_ref(),
            None => self.domain.get(kind, id),
        }
    }

    pub(super) fn write(&mut self, kind: Kind, id: Arc<str>, entity: Option<Entity>) {
        match self.writes.iter_mut().find(|(k, i, _)| *k == kind && *i == id) {
            Some(slot) => slot.2 = entity,
            None => self.writes.push((kind, id, entity)),
        }
    }

    pub(super) fn policy_entity(&self) -> Option<&PolicyEntity> {
        match self.get(Kind::Policy, "")? {
            Entity::Policy(policy) => Some(policy),
            _ => None,
        }
    }

    pub(super) fn set_policy(&mut self, entity: PolicyEntity) {
        self.policy = entity.current.policy.clone();
        self.write(Kind::Policy, "".into(), Some(Entity::Policy(Arc::new(entity))));
    }

    pub(super) fn domain_entity(&self) -> DomainEntity {
        match self.get(Kind::Domain, "") {
            Some(Entity::Domain(entity)) => (**entity).clone(),
            _ => DomainEntity::default(),
        }
    }

    pub(super) fn set_domain(&mut self, entity: DomainEntity) {
        self.write(Kind::Domain, "".into(), Some(Entity::Domain(Arc::new(entity))));
    }

    pub(super) fn say(&mut self, fact: Fact) {
        self.said.push(fact);
    }

    pub(super) fn count(&mut self, counter: Counter) {
        self.said.push(Fact::Counted(counter));
    }

    pub(super) fn reject(&mut self, reason: &'static str, field: &str) {
        self.said.push(Fact::Rejected(Rejection { reason, field: field.to_owned() }));
    }

    pub(super) fn finish(self) -> Decision {
        let domain = &self.domain.id;
        let set =
            |(kind, id, entity)| Fact::Set(EntityKey { domain: domain.clone(), kind, id }, entity);
        let mut facts = Vec::with_capacity(self.writes.len() + self.said.len());
        facts.extend(self.writes.into_iter().map(set));
        facts.extend(self.said);
        Decision { facts, tasks: self.tasks }
    }
}

/// The key of a sticky entity: a keyed hash, never the e-mail itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StickyKey(pub(super) Arc<str>);

impl StickyKey {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn text(&self) -> Arc<str> {
        self.0.clone()
    }
}

/// The id of a sweep: one a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SweepId(pub(super) Arc<str>);

impl SweepId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn text(&self) -> Arc<str> {
        self.0.clone()
    }
}
