//! What is derived from the entities of a domain, kept in step by every `put`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entity::{Entity, EntityKey, Kind, LeadEntity, Phase};
use super::ids::{DomainId, LeadId, RepId, TerritoryId};
use super::policy::Policy;
use super::published::Reason;
use super::table::IdSet;
use super::territory::{Territories, TerritoryDef};
use super::time::{Span, Timestamp};
use super::timer::{TimerKey, TimerKind};
use super::timers_of::next_validity;

const DAY_MS: i64 = 86_400_000;
/// A lead without an event ends after this.
pub(super) const SILENT: Span = Span::from_days(90);
/// An ended lead is remembered (without personal data) for this long.
pub(super) const ENDED_KEPT: Span = Span::from_days(365);
/// A deal can be corrected for this long.
pub(super) const DEAL_KEPT: Span = Span::from_days(400);

#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Assigned leads by their rep.
    open_by_rep: BTreeMap<RepId, IdSet>,
    /// How many of them came from which pool.
    open_by_pool: BTreeMap<(RepId, TerritoryId), u32>,
    /// Leads that an event may unblock, oldest first.
    pub(super) waiting: BTreeSet<(Timestamp, LeadId)>,
    pub(super) territories: Territories,
    /// When the next border of a territory's validity comes, by time.
    pub(super) validity: BTreeSet<(Timestamp, TerritoryId)>,
    /// Territories by a member of theirs.
    pub(super) memberships: BTreeMap<RepId, BTreeSet<TerritoryId>>,
    /// What leaves memory, by the day after which it does.
    expiry: BTreeMap<(i64, Kind), IdSet>,
}

impl Index {
    pub fn open(&self, rep: &RepId) -> usize {
        self.open_by_rep.get(rep).map_or(0, IdSet::len)
    }

    pub fn open_in_pool(&self, rep: &RepId, pool: &TerritoryId) -> u32 {
        self.open_by_pool.get(&(rep.clone(), pool.clone())).copied().unwrap_or(0)
    }

    /// The assigned leads of a rep after one of them, or all; by id.
    pub(super) fn leads_of(
        &self,
        rep: &RepId,
        after: Option<&LeadId>,
    ) -> impl Iterator<Item = LeadId> {
        let after = after.map(LeadId::as_str);
        let leads = self.open_by_rep.get(rep).into_iter().flat_map(move |ids| ids.after(after));
        leads.map(LeadId::from)
    }

    pub(super) fn expiry_timer(domain: &DomainId) -> TimerKey {
        TimerKey::of(TimerKind::Expiry, domain, "")
    }

    /// When the first day with something to expire is over.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiry.keys().next().map(|(day, _)| Timestamp((day + 1) * DAY_MS))
    }

    /// At most `limit` entities whose day is over, by kind and id.
    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<(Kind, Arc<str>)> {
        let days = self.expiry.range(..(day_of(now), Kind::ALL[0]));
        let ids = days.flat_map(|((_, kind), ids)| ids.after(None).map(|id| (*kind, id.clone())));
        ids.take(limit).collect()
    }

    pub(super) fn change(&mut self, key: &EntityKey, old: Option<&Entity>, new: Option<&Entity>) {
        if let (Some(Entity::Lead(old)), Some(Entity::Lead(new))) = (old, new)
            && places(old) == places(new)
        {
            return;
        }
        if let Some(old) = old {
            self.expiry_change(key, old, false);
        }
        if key.kind == Kind::Territory {
            let id = TerritoryId::from(&key.id);
            self.territory(&id, in_force(old), in_force(new));
            if let Some(at) = border(old) {
                self.validity.remove(&(at, id.clone()));
            }
            if let Some(at) = border(new) {
                self.validity.insert((at, id));
            }
        }
        if let Some(Entity::Lead(old)) = old {
            self.lead(&key.id, old, false);
        }
        if let Some(Entity::Lead(new)) = new {
            self.lead(&key.id, new, true);
        }
        if let Some(new) = new {
            self.expiry_change(key, new, true);
        }
    }

    fn territory(
        &mut self,
        id: &TerritoryId,
        old: Option<&Arc<TerritoryDef>>,
        new: Option<&Arc<TerritoryDef>>,
    ) {
        if old == new {
            return;
        }
        self.territories.replace(id, new.cloned());
        for member in old.iter().flat_map(|old| &old.members) {
            if let Some(ids) = self.memberships.get_mut(&member.rep_id) {
                ids.remove(id);
                if ids.is_empty() {
                    self.memberships.remove(&member.rep_id);
                }
            }
        }
        for member in new.iter().flat_map(|new| &new.members) {
            self.memberships.entry(member.rep_id.clone()).or_default().insert(id.clone());
        }
    }

    fn lead(&mut self, id: &Arc<str>, lead: &LeadEntity, add: bool) {
        if let Some((rep, pool)) = lead.open_owner() {
            let leads = self.open_by_rep.entry(rep.clone()).or_default();
            if add {
                leads.insert(id)
            } else {
                leads.remove(id)
            };
            if leads.is_empty() {
                self.open_by_rep.remove(rep);
            }
            if let Some(pool) = pool {
                let key = (rep.clone(), pool.clone());
                let count = self.open_by_pool.entry(key.clone()).or_default();
                *count = if add { *count + 1 } else { count.saturating_sub(1) };
                if *count == 0 {
                    self.open_by_pool.remove(&key);
                }
            }
        }
        if lead.is_waiting() {
            let key = (lead.lead_created_at, LeadId::from(id));
            if add {
                self.waiting.insert(key)
            } else {
                self.waiting.remove(&key)
            };
        }
    }

    fn expiry_change(&mut self, key: &EntityKey, entity: &Entity, add: bool) {
        let at = match entity {
            Entity::Lead(lead) => expires_at(lead),
            Entity::Deal(deal) => deal.last_event_at + DEAL_KEPT,
            Entity::Sticky(sticky) => sticky.expires_at,
            _ => return,
        };
        let day = (day_of(at), key.kind);
        if add {
            self.expiry.entry(day).or_default().insert(&key.id);
        } else if let Some(ids) = self.expiry.get_mut(&day) {
            ids.remove(&key.id);
            if ids.is_empty() {
                self.expiry.remove(&day);
            }
        }
    }
}

fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}

fn expires_at(lead: &LeadEntity) -> Timestamp {
    match lead.phase {
        Phase::Ended(_) => lead.last_event_at + ENDED_KEPT,
        _ => lead.last_event_at + SILENT,
    }
}

/// All that an index knows of a lead: where it stands in each.
fn places(lead: &LeadEntity) -> impl PartialEq {
    let waits_since = lead.is_waiting().then_some(lead.lead_created_at);
    (lead.open_owner(), waits_since, day_of(expires_at(lead)))
}

fn in_force(entity: Option<&Entity>) -> Option<&Arc<TerritoryDef>> {
    match entity {
        Some(Entity::Territory(territory)) => territory.current.as_ref(),
        _ => None,
    }
}

/// The next border of a territory's validity.
fn border(entity: Option<&Entity>) -> Option<Timestamp> {
    match entity {
        Some(Entity::Territory(territory)) => next_validity(territory),
        _ => None,
    }
}

impl LeadEntity {
    /// The rep whose open leads this one counts among, and the pool that it came from.
    pub fn open_owner(&self) -> Option<(&RepId, Option<&TerritoryId>)> {
        let placement = self.placement.as_ref().filter(|_| self.phase == Phase::Assigned)?;
        Some((placement.rep_id.as_ref()?, placement.territory_id.as_ref()))
    }

    /// Whether an event that unblocks may give it to a rep.
    pub fn is_waiting(&self) -> bool {
        let Some(placement) = self.placement.as_ref().filter(|_| !self.locked) else {
            return false;
        };
        match self.phase {
            Phase::Queued => !placement.final_queue,
            Phase::Parked => matches!(placement.reason, Reason::Review | Reason::Held),
            _ => false,
        }
    }

    /// The step of the ladder that fires next.
    pub fn next_step(&self) -> Option<&super::entity::LadderStep> {
        let ladder = self.ladder.as_ref().filter(|ladder| !ladder.stopped)?;
        if self.phase != Phase::Assigned || self.held_since.is_some() {
            return None;
        }
        ladder.steps.iter().find(|step| step.fired_at.is_none())
    }

    pub fn is_closed_status(&self, policy: &Policy) -> bool {
        let closed = |status: &String| policy.closed_statuses.iter().any(|one| one == status);
        self.fields.status.as_ref().is_some_and(closed)
    }
}
