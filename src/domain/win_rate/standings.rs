//! What people want to see: of each rep in each part of the segment the deals, the plain rate, what the
//! model makes of it, and what follows for the choice.

use std::collections::BTreeMap;

use super::features::{ALL, is_tenure, tenure_feature};
use super::predict::{Estimate, Evidence, Query, evidence};
use super::segment::Segment;
use super::worth::{Prospect, Worth};
use super::{Block, Observation};
use crate::domain::ids::RepId;
use crate::domain::policy::Objective;

/// The leads that a level's figures are about: as many of its deals, evenly spaced in time.
const LEADS: usize = 64;

/// A rep in one part of the segment: `industry=software`, or `all`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub rep_id: RepId,
    /// As the rep's own event has it.
    pub rep_name: Option<String>,
    pub level: String,
    pub deals: u64,
    pub won: u64,
    /// P(win) of this rep, as the router would say it now, with its 90 % interval: the mean over leads like
    /// those whose deals have closed at this level, whoever had them; the same leads for every rep.
    pub estimate: Estimate,
    /// The same of a rep of the same time in the job of whom no deal is known: what the estimate is
    /// drawn towards.
    pub team: Estimate,
    /// What a won deal of these leads is expected to bring, in usual amounts.
    pub worth: f64,
    /// Place among the reps at this level, by what the choice makes the most of; 1 = the first.
    pub place: usize,
    /// Whether the data tell the reps apart here; else leads go round.
    pub evidence: Evidence,
}

/// What is known of a rep: what was learned, and the name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    pub block: Option<&'a Block>,
    pub name: Option<&'a str>,
}

/// What the deals of a rep at a level come to.
#[derive(Clone, Copy, Default)]
struct Count {
    deals: u64,
    won: u64,
}

/// A level: what the deals of each rep come to, and the deals themselves.
#[derive(Default)]
struct Level<'a> {
    counts: BTreeMap<&'a RepId, Count>,
    deals: Vec<&'a Observation>,
}

/// A lead of a level, made ready to be asked about.
struct Lead<'a> {
    query: Query<'a>,
    prospect: Prospect<'a>,
}

impl Standing {
    /// What the deals say, with nothing else known.
    pub fn rate(&self) -> f64 {
        self.won as f64 / self.deals.max(1) as f64
    }

    /// The level as people read it.
    pub fn segment(&self) -> String {
        level_label(&self.level)
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

/// A level as people read it: a value that is not known is said to be so.
pub fn level_label(level: &str) -> String {
    level.strip_suffix('=').map_or(level.to_owned(), |dimension| format!("{dimension} not known"))
}

/// All reps at all levels at which they have a deal, by level and place. `deals`: who closed each, and
/// what was learned from it; `known`: what is known of a rep; `objective`: what the choice goes by.
pub fn standings<'a>(
    shared: &'a Block,
    deals: impl Iterator<Item = (&'a RepId, &'a Observation)>,
    known: impl Fn(&RepId) -> Known<'a>,
    objective: Objective,
) -> Vec<Standing> {
    let Some(names) = shared.shared().map(|shared| shared.features.names()) else {
        return Vec::new();
    };
    let mut levels: BTreeMap<u32, Level<'_>> = BTreeMap::new();
    let mut latest: BTreeMap<&RepId, &Observation> = BTreeMap::new();
    for (rep, deal) in deals {
        for number in deal.features.iter().filter(|number| !is_tenure(**number)) {
            let level = levels.entry(*number).or_default();
            let count = level.counts.entry(rep).or_default();
            count.deals += 1;
            count.won += u64::from(deal.won);
            level.deals.push(deal);
        }
        let last = latest.entry(rep).or_insert(deal);
        if last.closed_at < deal.closed_at {
            *last = deal;
        }
    }
    let tenure = |rep: &RepId| {
        let mut numbers = latest.get(rep).into_iter().flat_map(|deal| &deal.features);
        numbers.find(|number| is_tenure(**number)).copied().unwrap_or(tenure_feature(None))
    };
    let lead = |deal: &Observation| {
        let levels = deal.features.iter().filter(|number| **number != ALL && !is_tenure(**number));
        let levels = levels.filter_map(|number| names.get(*number as usize).cloned()).collect();
        let segment = Segment { levels };
        let query = Query::new(Some(shared), &segment);
        Lead { query, prospect: Prospect::new(Some(shared), &segment) }
    };
    let mut all: Vec<(u32, Standing)> = Vec::new();
    for (number, mut level) in levels {
        let Some(name) = names.get(number as usize) else { continue };
        let leads: Vec<Lead<'_>> = sample(&mut level.deals).map(lead).collect();
        let looked = level.counts.keys().map(|rep| look(&leads, known(rep), tenure(rep))).collect();
        let at_level = rank(shared, name, &level.counts, looked, objective);
        all.extend(at_level.into_iter().map(|standing| (number, standing)));
    }
    let order = |(number, it): &(u32, Standing)| (*number != ALL, it.level.clone(), it.place);
    all.sort_by_cached_key(order);
    all.into_iter().map(|(_, standing)| standing).collect()
}

/// So many deals, evenly spaced in time.
fn sample<'a>(deals: &mut [&'a Observation]) -> impl Iterator<Item = &'a Observation> {
    deals.sort_by(|a, b| (a.closed_at, &a.features).cmp(&(b.closed_at, &b.features)));
    let leads = deals.len().min(LEADS);
    (0..leads).filter_map(move |at| deals.get(at * deals.len() / leads).copied())
}

/// A rep at a level.
struct Looked {
    rep_name: Option<String>,
    estimate: Estimate,
    team: Estimate,
    worth: Worth,
}

/// Asks about a rep with each of the leads.
fn look(leads: &[Lead<'_>], known: Known<'_>, tenure: u32) -> Looked {
    let own = known.block;
    let estimates = |own| leads.iter().map(move |lead| lead.query.estimate_at(own, tenure));
    let worths = || leads.iter().map(|lead| lead.prospect.worth(own));
    let mean = |of: fn(&Worth) -> f64| {
        worths().map(|worth| of(&worth)).sum::<f64>() / leads.len().max(1) as f64
    };
    Looked {
        rep_name: known.name.map(str::to_owned),
        estimate: mean_of(estimates(own)),
        team: mean_of(estimates(None)),
        worth: Worth { expected: mean(|worth| worth.expected), moved: mean(|worth| worth.moved) },
    }
}

/// The mean of each figure. What is not known of the rep is much the same for all leads of a level, so the
/// intervals do not become narrower by it.
fn mean_of(estimates: impl Iterator<Item = Estimate>) -> Estimate {
    let all: Vec<Estimate> = estimates.collect();
    let mean = |of: fn(&Estimate) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
    Estimate {
        mean: mean(|it| it.mean),
        low: mean(|it| it.low),
        high: mean(|it| it.high),
        deals: all.first().map_or(0, |it| it.deals),
        moved: mean(|it| it.moved),
        deviation: mean(|it| it.deviation),
        own_deviation: mean(|it| it.own_deviation),
    }
}

fn rank(
    shared: &Block,
    level: &str,
    counts: &BTreeMap<&RepId, Count>,
    looked: Vec<Looked>,
    objective: Objective,
) -> Vec<Standing> {
    let estimates: Vec<Estimate> = looked.iter().map(|one| one.estimate).collect();
    let evidence = evidence(Some(shared), &estimates);
    let by_amount = objective == Objective::ExpectedAmount;
    let worths = looked.iter().map(|one| &one.worth);
    let evidence = if by_amount { evidence.or_by_amount(Some(shared), worths) } else { evidence };
    let merit = |one: &Looked| one.estimate.mean * if by_amount { one.worth.expected } else { 1.0 };
    let place = |one: &Looked| 1 + looked.iter().filter(|it| merit(it) > merit(one)).count();
    let standing = |((rep, count), one): ((&&RepId, &Count), &Looked)| Standing {
        rep_id: (*rep).clone(),
        rep_name: one.rep_name.clone(),
        level: level.to_owned(),
        deals: count.deals,
        won: count.won,
        estimate: one.estimate,
        team: one.team,
        worth: one.worth.expected,
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
        let known = |rep: &RepId| match *rep == ann {
            true => Known { block: Some(&blocks[0]), name: Some("Ann Lee") },
            false => Known { block: Some(&blocks[1]), name: None },
        };
        let deals = observations.iter().map(|(rep, observation)| (*rep, observation));
        let all = standings(&shared, deals, known, Objective::WinProbability);
        assert_eq!((all[0].rep_name.as_deref(), &all[1].rep_name), (Some("Ann Lee"), &None));
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
        let known = |_: &RepId| Known::default();
        let none =
            standings(&Block::default(), std::iter::empty(), known, Objective::WinProbability);
        assert!(none.is_empty());
    }
}
