//! The oracle of the tests: looks at every territory for every lead. Slow and plain; the index must answer
//! the same.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::matching::{LeadView, rule_matches};
use super::{MAX_AMBIGUOUS, MAX_DEPTH, TerritoryDef};
use crate::domain::ids::{AccountId, TerritoryId};

/// The definitions in force; who is in force when is the caller's affair.
#[derive(Default)]
pub(super) struct Scan {
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
    /// Puts a definition in force, in place of the territory's former one; `None` ends it.
    pub(super) fn put(&mut self, id: &TerritoryId, definition: Option<Arc<TerritoryDef>>) {
        match definition {
            Some(definition) => self.territories.insert(id.clone(), definition),
            None => self.territories.remove(id),
        };
    }

    /// The winner first, then those as deep, and with rules if it has some.
    pub(super) fn contenders(
        &self,
        lead: &LeadView,
        accounts: &[AccountId],
        named: bool,
    ) -> Vec<&TerritoryId> {
        let mut all: Vec<(Rank, &TerritoryId)> = self.candidates(lead, accounts, named).collect();
        all.sort_unstable();
        if let Some((best, _)) = all.first().copied() {
            all.retain(|(rank, _)| (rank.0, rank.1) == (best.0, best.1));
        }
        all.truncate(1 + MAX_AMBIGUOUS);
        all.into_iter().map(|(_, id)| id).collect()
    }

    fn candidates<'s>(
        &'s self,
        lead: &LeadView,
        accounts: &[AccountId],
        named: bool,
    ) -> impl Iterator<Item = (Rank, &'s TerritoryId)> {
        self.territories.iter().filter_map(move |(id, definition)| {
            let standing = self.standing(definition, lead, accounts)?;
            let asked = if named { standing.listed } else { standing.taken };
            let rank = (Reverse(standing.depth), definition.rules.is_empty(), definition.priority);
            asked.then_some((rank, id))
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
fn takes(definition: &TerritoryDef, lead: &LeadView) -> bool {
    definition.rules.iter().any(|rule| rule_matches(rule, lead))
        || (definition.rules.is_empty() && definition.named_accounts.is_empty())
}
