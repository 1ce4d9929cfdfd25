//! With what chance each rep could have had a lead.

use super::ledger::Seen;
use crate::domain::hash;
use crate::domain::ids::RepId;
use crate::domain::published::{Candidate, LeadAssigned, Method};

/// A rep, as a number that takes no room: the hash of its id.
pub fn rep_number(rep: &RepId) -> u64 {
    hash::sip64(hash::FIXED, rep.as_str().as_bytes())
}

/// The chances of the reps for one lead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Odds {
    /// By rep number.
    listed: Vec<(u64, f64)>,
    /// The chance of each rep who is not listed (an event names at most a hundred candidates).
    other: f64,
}

/// The candidates that a decision names, by rep number.
pub type Numbered<'f> = Vec<(u64, &'f Candidate)>;

/// Puts the candidates of a decision in the order of the reps' numbers.
pub fn numbered(fact: &LeadAssigned) -> Numbered<'_> {
    let candidates = fact.candidates.iter();
    let mut numbered: Numbered<'_> = candidates.map(|one| (rep_number(&one.rep_id), one)).collect();
    numbered.sort_unstable_by_key(|(rep, _)| *rep);
    numbered
}

impl Odds {
    pub fn new(mut listed: Vec<(u64, f64)>) -> Odds {
        listed.retain(|(_, chance)| *chance > 0.0);
        listed.sort_by_key(|(rep, _)| *rep);
        Odds { listed, other: 0.0 }
    }

    /// As a decision states them, within its arm. None = the lead went to no rep.
    pub fn stated(fact: &LeadAssigned, candidates: &Numbered<'_>) -> Option<Odds> {
        let rep = fact.rep_id.as_ref()?;
        let chance = fact.propensity?;
        let stated = |(rep, one): &(u64, &Candidate)| Some((*rep, one.propensity?));
        let mut listed: Vec<(u64, f64)> = candidates.iter().filter_map(stated).collect();
        if listed.is_empty() {
            listed.push((rep_number(rep), chance));
        }
        let mut odds = Odds::new(listed);
        let unlisted = (fact.candidates_total as usize).saturating_sub(fact.candidates.len());
        if unlisted > 0 {
            odds.other = (1.0 - odds.sum()).max(0.0) / unlisted as f64;
        }
        Some(odds)
    }

    /// Of plain rotation among the candidates that a decision by win rate chose from, by their weights.
    /// None = it was made in another way, and by rotation would have been the same.
    pub fn rotation(
        fact: &LeadAssigned,
        candidates: &Numbered<'_>,
        weight: impl Fn(u64, &RepId) -> u64,
    ) -> Option<Odds> {
        if fact.method != Method::WinRate {
            return None;
        }
        let chosen_from = candidates.iter().filter(|(_, one)| one.score.is_some());
        let weigh = |(rep, one): &(u64, &Candidate)| (*rep, weight(*rep, &one.rep_id) as f64);
        let mut listed: Vec<(u64, f64)> = chosen_from.map(weigh).collect();
        let total: f64 = listed.iter().map(|(_, weight)| weight).sum();
        listed.iter_mut().for_each(|(_, weight)| *weight /= total);
        (total > 0.0).then(|| Odds::new(listed))
    }

    /// A draw between two policies: the second with chance `share`.
    pub fn mixed(&self, other: &Odds, share: f64) -> Odds {
        let mut listed: Vec<(u64, f64)> =
            self.listed.iter().map(|(rep, chance)| (*rep, chance * (1.0 - share))).collect();
        for (rep, chance) in &other.listed {
            match self.listed.binary_search_by_key(rep, |(one, _)| *one) {
                Ok(at) => listed[at].1 += chance * share,
                Err(_) => listed.push((*rep, chance * share)),
            }
        }
        let unlisted = self.other * (1.0 - share) + other.other * share;
        Odds { other: unlisted, ..Odds::new(listed) }
    }

    pub fn chance(&self, rep: u64) -> f64 {
        match self.listed.binary_search_by_key(&rep, |(one, _)| *one) {
            Ok(at) => self.listed[at].1,
            Err(_) => self.other,
        }
    }

    fn sum(&self) -> f64 {
        self.listed.iter().map(|(_, chance)| chance).sum()
    }

    /// P(win) of the candidates, who come by rep number, weighted by their chances.
    pub fn expect(&self, candidates: &[Seen]) -> Option<f64> {
        let of = |(rep, chance): &(u64, f64)| {
            let mean = Seen::find(candidates, *rep)?.mean?;
            Some((*chance, chance * mean))
        };
        let (weight, sum) =
            self.listed.iter().filter_map(of).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        (weight > 0.0).then(|| sum / weight)
    }

    /// How much of this policy's chance is on reps whom the other could have chosen, and Σ own² / other
    /// over these.
    pub fn against(&self, logged: &Odds) -> (f64, f64) {
        let (mut overlap, mut cost) = (0.0, 0.0);
        for (rep, chance) in &self.listed {
            let other = logged.chance(*rep);
            if other > 0.0 {
                overlap += chance;
                cost += chance * chance / other;
            }
        }
        (overlap + (1.0 - self.sum()).max(0.0), cost)
    }

    pub fn listed(&self) -> &[(u64, f64)] {
        &self.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_policies_are_compared_where_they_overlap() {
        let logged = Odds::new(vec![(1, 0.5), (2, 0.5), (3, 0.0)]);
        let target = Odds::new(vec![(2, 0.9), (3, 0.1)]);
        let (overlap, cost) = target.against(&logged);
        assert!((overlap - 0.9).abs() < 1e-12 && (cost - 1.62).abs() < 1e-12);
        let seen = |(rep, mean)| Seen { rep, eligible: true, mean };
        let known = [(2, Some(0.2)), (3, Some(0.4)), (4, None), (9, Some(1.0))].map(seen);
        assert_eq!(target.expect(&known), Some(0.9 * 0.2 + 0.1 * 0.4));
        assert_eq!(target.expect(&[]), None);
    }

    #[test]
    fn a_mixture_has_the_chances_of_both() {
        let best = Odds::new(vec![(1, 0.97), (2, 0.03)]);
        let even = Odds::new(vec![(1, 0.25), (2, 0.25), (3, 0.25), (4, 0.25)]);
        let mixed = best.mixed(&even, 0.2);
        assert!((mixed.chance(1) - (0.8 * 0.97 + 0.05)).abs() < 1e-12);
        assert!((mixed.chance(4) - 0.05).abs() < 1e-12);
        assert_eq!(mixed.chance(5), 0.0);
    }
}
