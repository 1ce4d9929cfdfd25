//! What plain rotation would have gone by: the weights of reps and members, as they were at a time.

use std::collections::HashMap;

use super::ledger::number;
use super::odds::{Numbered, Odds};
use crate::domain::input::Input;
use crate::domain::published::LeadAssigned;
use crate::domain::time::Timestamp;
use crate::engine::filter::Event;

/// The weights of reps and members, with the times from which they held.
#[derive(Debug, Default)]
pub(super) struct Weights {
    reps: HashMap<(u64, u64), Vec<(Timestamp, u64)>>,
    members: HashMap<(u64, u64, u64), Vec<(Timestamp, u64)>>,
}

impl Weights {
    pub(super) fn hear(&mut self, event: &Event) {
        let domain = number(event.domain.as_str());
        match &event.input {
            Input::RepChanged(change) => {
                let weight = change.definition.as_ref().map_or(1, |rep| u64::from(rep.weight));
                let key = (domain, number(change.rep_id.as_str()));
                self.reps.entry(key).or_default().push((event.at, weight));
            }
            Input::TerritoryChanged(change) => {
                let territory = number(change.territory_id.as_str());
                for member in change.definition.iter().flat_map(|definition| &definition.members) {
                    let key = (domain, territory, number(member.rep_id.as_str()));
                    let weights = self.members.entry(key).or_default();
                    weights.push((event.at, u64::from(member.weight)));
                }
            }
            _ => {}
        }
    }

    /// The chances under rotation of those whom a decision chose from (None = it was no choice by win rate),
    /// and whether all their weights are known.
    pub(super) fn rotation(
        &self,
        fact: &LeadAssigned,
        candidates: &Numbered<'_>,
    ) -> (Option<Odds>, bool) {
        let domain = number(fact.domain.as_str());
        let territory = fact.territory_id.as_ref().map_or(0, |id| number(id.as_str()));
        let then = |weights: Option<&Vec<(Timestamp, u64)>>| {
            let held = weights?.iter().rfind(|(from, _)| *from <= fact.decided_at);
            held.map(|(_, weight)| *weight)
        };
        let own = |rep: u64| then(self.reps.get(&(domain, rep)));
        let mut scored = candidates.iter().filter(|(_, one)| one.score.is_some());
        let known = scored.all(|(rep, _)| own(*rep).is_some());
        let odds = Odds::rotation(fact, candidates, |rep, _| {
            let member = then(self.members.get(&(domain, territory, rep)));
            member.unwrap_or(1) * own(rep).unwrap_or(1)
        });
        (odds, known)
    }
}
