//! What people want to see: of each rep in each part of the segment the deals, the plain rate, what the
//! model makes of it, and what follows for the choice.

use std::collections::BTreeMap;

use super::predict::{Estimate, Evidence, Query, evidence};
use super::segment::Segment;
use super::worth::{Prospect, Worth};
use super::{Block, Observation};
use crate::domain::ids::RepId;
use crate::domain::policy::Objective;

/// What effects begin with that are of the deal and not of the lead.
const TENURE: &str = "tenure=";
/// The level that every deal has.
const ALL: &str = "all";

/// A rep in one part of the segment: `industry=software`, or `all`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub rep_id: RepId,
    pub level: String,
    pub deals: u64,
    pub won: u64,
    /// P(win) of a lead of which only this is known, with its 90 % interval.
    pub estimate: Estimate,
    /// The same of a rep of whom nothing is known: what the estimate is drawn towards.
    pub team: Estimate,
    /// What a won deal of only this level is expected to bring, in usual amounts.
    pub worth: f64,
    /// Place among the reps at this level, by what the choice makes the most of; 1 = the first.
    pub place: usize,
    /// Whether the data tell the reps apart here; else leads go round.
    pub evidence: Evidence,
}

/// A level and a rep, with the deals and those won.
type Count<'r> = ((u32, &'r RepId), (u64, u64));

impl Standing {
    /// What the deals say, with nothing else known.
    pub fn rate(&self) -> f64 {
        self.won as f64 / self.deals.max(1) as f64
    }

    /// What follows for the choice here, before load and caps.
    pub fn router(&self) -> &'static str {
        match (self.evidence.thin, self.place) {
            (true, _) => "goes round: too little to tell",
            (false, 1) => "first choice",
            (false, 2 | 3) => "among the first",
            (false, _) => "after others",
        }
    }
}

/// All reps at all levels at which they have a deal, by level and place. `deals`: who closed each, and
/// what was learned from it; `own`: the rep's block; `objective`: what the choice goes by.
pub fn standings<'a>(
    shared: &Block,
    deals: impl Iterator<Item = (&'a RepId, &'a Observation)>,
    own: impl Fn(&RepId) -> Option<&'a Block>,
    objective: Objective,
) -> Vec<Standing> {
    let Some(names) = shared.shared().map(|shared| shared.features.names()) else {
        return Vec::new();
    };
    let mut counts: BTreeMap<(u32, &RepId), (u64, u64)> = BTreeMap::new();
    for (rep, observation) in deals {
        for number in &observation.features {
            let name = names.get(*number as usize).map_or("", String::as_str);
            if name.is_empty() || name.starts_with(TENURE) {
                continue;
            }
            let (deals, won) = counts.entry((*number, rep)).or_default();
            *deals += 1;
            *won += u64::from(observation.won);
        }
    }
    let counts: Vec<Count<'_>> = counts.into_iter().collect();
    let levels = counts.chunk_by(|a, b| a.0.0 == b.0.0);
    let mut all: Vec<Standing> = levels
        .flat_map(|level| {
            let name = level.first().and_then(|((number, _), _)| names.get(*number as usize));
            at_level(shared, name.map_or(ALL, String::as_str), level, &own, objective)
        })
        .collect();
    let is_part = |standing: &Standing| standing.level != ALL;
    all.sort_by(|a, b| (is_part(a), &a.level, a.place).cmp(&(is_part(b), &b.level, b.place)));
    all
}

fn at_level<'a>(
    shared: &Block,
    level: &str,
    counts: &[Count<'_>],
    own: &impl Fn(&RepId) -> Option<&'a Block>,
    objective: Objective,
) -> Vec<Standing> {
    let levels = if level == ALL { Vec::new() } else { vec![level.to_owned()] };
    let segment = Segment { levels };
    let query = Query::new(Some(shared), &segment);
    let team = query.estimate(None, None);
    let prospect = Prospect::new(Some(shared), &segment);
    let looked: Vec<(Estimate, Worth)> = counts
        .iter()
        .map(|((_, rep), _)| (query.estimate(own(rep), None), prospect.worth(own(rep))))
        .collect();
    let estimates: Vec<Estimate> = looked.iter().map(|(estimate, _)| *estimate).collect();
    let evidence = evidence(Some(shared), &estimates);
    let by_amount = objective == Objective::ExpectedAmount;
    let worths = looked.iter().map(|(_, worth)| worth);
    let evidence = if by_amount { evidence.or_by_amount(Some(shared), worths) } else { evidence };
    let merit = |(estimate, worth): &(Estimate, Worth)| {
        estimate.mean * if by_amount { worth.expected } else { 1.0 }
    };
    let place =
        |one: &(Estimate, Worth)| 1 + looked.iter().filter(|it| merit(it) > merit(one)).count();
    let standing = |(((_, rep), (deals, won)), one): (&Count<'_>, &(Estimate, Worth))| Standing {
        rep_id: (*rep).clone(),
        level: level.to_owned(),
        deals: *deals,
        won: *won,
        estimate: one.0,
        team,
        worth: one.1.expected,
        place: place(one),
        evidence,
    };
    counts.iter().zip(&looked).map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Deal, learn};
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn each_rep_stands_where_it_has_deals() {
        let (ann, bob) = (RepId::new("ann"), RepId::new("bob"));
        let mut shared = Block::default();
        let mut blocks = [Block::default(), Block::default()];
        let mut observations = Vec::new();
        for number in 0..200_usize {
            let rep = number % 2;
            let industry = if number % 4 < 2 { "retail" } else { "software" };
            let segment = Segment { levels: vec![format!("industry={industry}")] };
            let deal = Deal {
                segment: &segment,
                won: rep == 0 && number % 4 == 0,
                closed_at: Timestamp(1_700_000_000_000 + number as i64 * 3_600_000),
                age: None,
                tenure: None,
            };
            let observation = learn(&mut shared, &mut blocks[rep], &deal);
            observations.push((if rep == 0 { &ann } else { &bob }, observation));
        }
        let own = |rep: &RepId| Some(if *rep == ann { &blocks[0] } else { &blocks[1] });
        let deals = observations.iter().map(|(rep, observation)| (*rep, observation));
        let all = standings(&shared, deals, own, Objective::WinProbability);
        let shown: Vec<(&str, &str, u64, u64, usize)> = all
            .iter()
            .map(|it| (it.level.as_str(), it.rep_id.as_str(), it.deals, it.won, it.place))
            .collect();
        let expected = [
            ("all", "ann", 100, 50, 1),
            ("all", "bob", 100, 0, 2),
            ("industry=retail", "ann", 50, 50, 1),
            ("industry=retail", "bob", 50, 0, 2),
            ("industry=software", "ann", 50, 0, 1),
            ("industry=software", "bob", 50, 0, 2),
        ];
        assert_eq!(shown, expected);
        let (first, second) = (&all[2], &all[3]);
        assert!(first.estimate.mean < 1.0 && first.estimate.mean > first.team.mean);
        assert!(second.estimate.mean > 0.0 && second.estimate.mean < second.team.mean);
        assert!(!first.evidence.thin);
    }

    #[test]
    fn without_deals_there_is_nothing_to_see() {
        let none =
            standings(&Block::default(), std::iter::empty(), |_| None, Objective::WinProbability);
        assert!(none.is_empty());
    }
}
