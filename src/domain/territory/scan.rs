//! The reference: looks at every territory for every lead. Slow and plain; the index must answer the same.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::matching::{LeadView, rule_matches};
use super::{MAX_AMBIGUOUS, MAX_DEPTH, Match, TerritoryDef};
use crate::domain::ids::{AccountId, TerritoryId};

/// The definitions in force; who is in force when is the caller's affair.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    territories: BTreeMap<TerritoryId, Arc<TerritoryDef>>,
}

/// How a territory matches a lead.
#[derive(Clone, Copy)]
struct Standing {
    depth: u32,
    /// The territory or an ancestor lists the lead.
    listed: bool,
    /// The territory and all ancestors take it.
    taken: bool,
}

/// What decides between matching territories, best first; the id comes last.
type Rank = (Reverse<u32>, bool, i32);

impl Scan {
    pub fn new() -> Scan {
        Scan::default()
    }

    /// Puts a definition in force, in place of the territory's former one.
    pub fn insert(&mut self, id: &TerritoryId, definition: Arc<TerritoryDef>) {
        self.territories.insert(id.clone(), definition);
    }

    pub fn remove(&mut self, id: &TerritoryId) {
        self.territories.remove(id);
    }

    /// The territory that the lead belongs to: of those where it is listed (`named`, stage
    /// NAMED_ACCOUNT), or of those that take it (stage TERRITORY). `accounts` are the lead's account
    /// and its ancestors.
    pub fn winner(
        &self,
        lead: &LeadView,
        accounts: &[AccountId],
        named: bool,
    ) -> Option<Match<'_>> {
        let (_, territory_id, depth) =
            self.candidates(lead, accounts, named).min_by_key(|(rank, id, _)| (*rank, *id))?;
        Some(Match { territory_id, depth, by_named_account: named })
    }

    /// The other territories that could have won but for priority and id: as deep as the winner, and
    /// with rules if it has some. In the order of preference, at most `MAX_AMBIGUOUS`.
    pub fn ambiguous_with(
        &self,
        winner: &Match,
        lead: &LeadView,
        accounts: &[AccountId],
    ) -> Vec<&TerritoryId> {
        let Some(definition) = self.territories.get(winner.territory_id) else { return Vec::new() };
        let mut others: Vec<(Rank, &TerritoryId)> = self
            .candidates(lead, accounts, winner.by_named_account)
            .filter(|(rank, id, depth)| {
                *depth == winner.depth
                    && rank.1 == definition.rules.is_empty()
                    && *id != winner.territory_id
            })
            .map(|(rank, id, _)| (rank, id))
            .collect();
        others.sort_unstable();
        others.truncate(MAX_AMBIGUOUS);
        others.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether making `parent` the parent of `id` would close a circle, or lie too deep.
    pub fn parent_would_cycle(&self, id: &TerritoryId, parent: &TerritoryId) -> bool {
        let mut current = Some(parent);
        for _ in 1..MAX_DEPTH {
            match current {
                None => return false,
                Some(ancestor) if ancestor == id => return true,
                Some(ancestor) => current = self.parent(ancestor),
            }
        }
        current.is_some()
    }

    fn parent(&self, id: &TerritoryId) -> Option<&TerritoryId> {
        self.territories.get(id)?.parent_id.as_ref()
    }

    fn candidates<'s>(
        &'s self,
        lead: &LeadView,
        accounts: &[AccountId],
        named: bool,
    ) -> impl Iterator<Item = (Rank, &'s TerritoryId, u32)> {
        self.territories.iter().filter_map(move |(id, definition)| {
            let standing = self.standing(definition, lead, accounts)?;
            let asked = if named { standing.listed } else { standing.taken };
            let rank = (Reverse(standing.depth), definition.rules.is_empty(), definition.priority);
            asked.then_some((rank, id, standing.depth))
        })
    }

    /// `None` = the territory does not match.
    fn standing(
        &self,
        definition: &TerritoryDef,
        lead: &LeadView,
        accounts: &[AccountId],
    ) -> Option<Standing> {
        let mut standing = Standing { depth: 0, listed: false, taken: true };
        let mut definition = definition;
        loop {
            let listed = definition.named_accounts.iter().any(|named| accounts.contains(named));
            let taken = takes(definition, lead);
            if !(listed || taken) || standing.depth == MAX_DEPTH {
                return None;
            }
            standing.depth += 1;
            standing.listed |= listed;
            standing.taken &= taken;
            match &definition.parent_id {
                None => return Some(standing),
                Some(parent) => definition = self.territories.get(parent)?,
            }
        }
    }
}

/// Whether the territory takes the lead by a rule, or by having nothing to say.
pub(super) fn takes(definition: &TerritoryDef, lead: &LeadView) -> bool {
    definition.rules.iter().any(|rule| rule_matches(rule, lead))
        || (definition.rules.is_empty() && definition.named_accounts.is_empty())
}
