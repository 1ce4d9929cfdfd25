//! What people want to see: of each rep in each part of the segment the deals, the plain rate, what the
//! model makes of it, and what follows for the choice.

mod circles;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use circles::Circles;

use super::features::{ALL, is_tenure, tenure_feature};
use super::predict::{Estimate, Evidence, Query, evidence};
use super::segment::Segment;
use super::worth::{Prospect, Worth};
use super::{Block, Observation};
use crate::domain::ids::RepId;
use crate::domain::policy::Objective;
use crate::domain::time::Timestamp;

/// The leads that a level's figures are about: as many of its deals, evenly spaced in time.
const LEADS: usize = 64;

/// What the table is made of.
pub struct Table<'a> {
    pub shared: &'a Block,
    /// The closed deals that are kept, 400 days from their last event: who closed each, and what was learned
    /// from it.
    pub deals: Vec<(&'a RepId, &'a Observation)>,
    pub reps: BTreeMap<RepId, Known<'a>>,
    /// The members of each territory in force.
    pub territories: Vec<Vec<RepId>>,
    /// What the choice goes by.
    pub objective: Objective,
}

/// What is known of a rep: what was learned, and what the rep's own event says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    pub block: Option<&'a Block>,
    pub name: Option<&'a str>,
    pub hired_at: Option<Timestamp>,
    pub status: Status,
}

/// Whether a rep is one to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    Active,
    Inactive,
    /// Deleted, or known from deals only.
    #[default]
    Gone,
}

/// The rows that are asked for; None = all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub rep_id: Option<RepId>,
    /// As `Standing::level`.
    pub level: Option<String>,
}

/// A rep in one part of the segment: `industry=software`, or `all`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub rep_id: RepId,
    /// As the rep's own event has it.
    pub rep_name: Option<String>,
    pub status: Status,
    pub level: String,
    /// Deals of the last 400 days, and how many of them were won. What older ones taught is in the estimate.
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
    /// None = not one to choose.
    pub place: Option<Place>,
    /// Whether the data tell the reps among whom this one is ranked apart here; else leads go round.
    pub evidence: Evidence,
}

/// A place at a level by what the choice makes the most of, among the active reps with whom the rep shares
/// a territory; among all active ones if it is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// 1 = the first.
    pub at: usize,
    /// How many are ranked, this rep included.
    pub of: usize,
}

/// What the deals of a rep at a level come to.
#[derive(Clone, Copy, Default)]
struct Count {
    deals: u64,
    won: u64,
}

/// A level: what the deals of each rep come to, and the deals themselves, by time.
#[derive(Default)]
struct Level<'a> {
    counts: BTreeMap<usize, Count>,
    deals: Vec<&'a Observation>,
}

/// A rep of whom something is learned.
struct Rep<'a> {
    id: &'a RepId,
    known: Known<'a>,
    /// The number of the time in the job.
    tenure: u32,
}

/// The leads of a level, made ready to be asked about.
struct Leads<'a> {
    queries: Vec<Query<'a>>,
    /// One of them, and what a won deal brings in the mean of all, with a rep of whom nothing is known.
    prospect: Prospect<'a>,
    usual: f64,
    /// By time in the job: a rep of whom nothing is known.
    unknown: BTreeMap<u32, Estimate>,
}

/// What is expected of a rep at a level.
#[derive(Clone, Copy)]
struct Looked {
    estimate: Estimate,
    team: Estimate,
    worth: Worth,
    /// What the choice makes the most of.
    merit: f64,
}

/// Those among whom a rep is ranked, at a level.
struct Ranks {
    /// Ascending.
    merits: Vec<f64>,
    evidence: Evidence,
}

impl Standing {
    /// What the deals say, with nothing else known; 0 without deals.
    pub fn rate(&self) -> f64 {
        self.won as f64 / self.deals.max(1) as f64
    }

    /// The level as people read it.
    pub fn segment(&self) -> String {
        level_label(&self.level)
    }

    /// What follows for the choice here, before load and caps.
    pub fn router(&self) -> &'static str {
        match (self.status, self.place) {
            (Status::Inactive, _) => "inactive",
            (Status::Gone, _) | (_, None) => "gone, or not known",
            (_, Some(Place { of: 1, .. })) => "only choice",
            _ if self.evidence.thin => "goes round: too little to tell",
            (_, Some(Place { at: 1, .. })) => "first choice",
            (_, Some(Place { at: 2, .. })) => "second choice",
            (_, Some(Place { at: 3, .. })) => "third choice",
            _ => "later choice",
        }
    }
}

/// A level as people read it: a value that is not known is said to be so.
pub fn level_label(level: &str) -> String {
    level.strip_suffix('=').map_or(level.to_owned(), |dimension| format!("{dimension} not known"))
}

/// The reps of whom something is learned, at `all` and at every level at which a deal is kept: by level, those
/// who may be chosen first, by what the choice makes the most of.
pub fn standings(table: &Table<'_>, filter: &Filter) -> Vec<Standing> {
    let Some(names) = table.shared.shared().map(|shared| shared.features.names()) else {
        return Vec::new();
    };
    let mut deals = table.deals.clone();
    deals.sort_by(|(_, a), (_, b)| (a.closed_at, &a.features).cmp(&(b.closed_at, &b.features)));
    let reps = reps(table, &deals);
    let numbers: BTreeMap<&RepId, usize> =
        reps.iter().enumerate().map(|(number, rep)| (rep.id, number)).collect();
    let wanted = |level: u32| {
        let name = names.get(level as usize);
        name.is_some_and(|name| filter.level.as_ref().is_none_or(|wanted| wanted == name))
    };
    let levels = levels(&deals, &numbers, wanted);
    let active: Vec<bool> = reps.iter().map(|rep| rep.known.status == Status::Active).collect();
    let number = |rep: &RepId| numbers.get(rep).copied();
    let pools = table.territories.iter().map(|members| members.iter().filter_map(number));
    let circles = Circles::new(&active, pools);
    let rows: Vec<usize> = match &filter.rep_id {
        None => (0..reps.len()).collect(),
        Some(rep) => number(rep).into_iter().collect(),
    };
    let named = |number: u32| names.get(number as usize).map_or("", String::as_str);
    let mut by_name: Vec<(u32, Level<'_>)> = levels.into_iter().collect();
    by_name.sort_by_key(|(number, _)| (*number != ALL, named(*number)));
    let of_level = |(number, level): &(u32, Level<'_>)| {
        let mut leads = Leads::new(table.shared, names, &level.deals);
        rank(table, named(*number), &reps, &rows, &circles, &level.counts, &mut leads)
    };
    by_name.iter().flat_map(of_level).collect()
}

/// The reps of whom something is learned, by id; `deals` by time.
fn reps<'t>(table: &'t Table<'_>, deals: &[(&'t RepId, &'t Observation)]) -> Vec<Rep<'t>> {
    let latest: BTreeMap<&RepId, &Observation> = deals.iter().copied().collect();
    let now = deals.last().map(|(_, deal)| deal.closed_at);
    let tenure = |id: &RepId, known: &Known<'_>| {
        let mut numbers = latest.get(id).into_iter().flat_map(|deal| &deal.features);
        let of_deal = numbers.find(|number| is_tenure(**number)).copied();
        let since_hired = || Some(now?.since(known.hired_at?));
        of_deal.unwrap_or_else(|| tenure_feature(since_hired()))
    };
    let taught =
        |known: &Known<'_>| known.block.and_then(Block::rep).is_some_and(|it| it.deals > 0);
    let mut all: BTreeMap<&RepId, Known<'_>> =
        latest.keys().map(|id| (*id, Known::default())).collect();
    all.extend(
        table
            .reps
            .iter()
            .filter(|(id, known)| taught(known) || latest.contains_key(id))
            .map(|(id, known)| (id, *known)),
    );
    all.into_iter().map(|(id, known)| Rep { id, known, tenure: tenure(id, &known) }).collect()
}

/// The levels that are wanted of these deals, and `all` even if there is none.
fn levels<'t>(
    deals: &[(&'t RepId, &'t Observation)],
    numbers: &BTreeMap<&RepId, usize>,
    wanted: impl Fn(u32) -> bool,
) -> BTreeMap<u32, Level<'t>> {
    let mut levels: BTreeMap<u32, Level<'_>> = BTreeMap::new();
    if wanted(ALL) {
        levels.entry(ALL).or_default();
    }
    for (rep, deal) in deals {
        let Some(rep) = numbers.get(rep) else { continue };
        for number in deal.features.iter().filter(|it| !is_tenure(**it) && wanted(**it)) {
            let level = levels.entry(*number).or_default();
            let count = level.counts.entry(*rep).or_default();
            count.deals += 1;
            count.won += u64::from(deal.won);
            level.deals.push(deal);
        }
    }
    levels
}

impl<'a> Leads<'a> {
    /// So many of the deals, evenly spaced in time; without deals a lead of which nothing is known.
    fn new(shared: &'a Block, names: &[String], deals: &[&Observation]) -> Leads<'a> {
        let segment = |deal: &Observation| {
            let levels = deal.features.iter().filter(|it| **it != ALL && !is_tenure(**it));
            let levels = levels.filter_map(|number| names.get(*number as usize).cloned());
            Segment { levels: levels.collect() }
        };
        let count = deals.len().min(LEADS);
        let sample = (0..count).filter_map(|at| deals.get(at * deals.len() / count));
        let mut segments: Vec<Segment> = sample.map(|deal| segment(deal)).collect();
        if segments.is_empty() {
            segments.push(Segment::default());
        }
        let prospect = |segment: &Segment| Prospect::new(Some(shared), segment);
        let usual = segments.iter().map(|it| prospect(it).worth(None).expected).sum::<f64>();
        Leads {
            queries: segments.iter().map(|it| Query::new(Some(shared), it)).collect(),
            prospect: prospect(&segments[0]),
            usual: usual / segments.len() as f64,
            unknown: BTreeMap::new(),
        }
    }

    /// Asks about a rep with each of the leads.
    fn look(&mut self, rep: &Rep<'_>, objective: Objective) -> Looked {
        let (queries, own) = (&self.queries, rep.known.block);
        let asked = |block| queries.iter().map(move |it| it.estimate_at(block, rep.tenure));
        let estimate = mean_of(asked(own));
        let unknown = self.unknown.entry(rep.tenure).or_insert_with(|| mean_of(asked(None)));
        // A rep's part of the amount is the same for every lead.
        let worth = self.prospect.worth(own);
        let part = worth.expected / self.prospect.worth(None).expected;
        let worth = Worth { expected: self.usual * part, ..worth };
        let by_amount = objective == Objective::ExpectedAmount;
        let merit = estimate.mean * if by_amount { worth.expected } else { 1.0 };
        Looked { estimate, team: *unknown, worth, merit }
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

/// The rows of a level.
fn rank(
    table: &Table<'_>,
    level: &str,
    reps: &[Rep<'_>],
    rows: &[usize],
    circles: &Circles,
    counts: &BTreeMap<usize, Count>,
    leads: &mut Leads<'_>,
) -> Vec<Standing> {
    let mut looked: BTreeMap<usize, Looked> = BTreeMap::new();
    let mut ranks: BTreeMap<usize, Ranks> = BTreeMap::new();
    let mut all: Vec<(Option<f64>, Standing)> = Vec::new();
    for number in rows {
        let rep = &reps[*number];
        let mut look = |number: usize| {
            let one = looked.entry(number);
            *one.or_insert_with(|| leads.look(&reps[number], table.objective))
        };
        let one = look(*number);
        let circle = circles.of(*number);
        let ranks = circle.map(|circle| {
            let among = || Ranks::new(table, circles.members(circle).map(&mut look).collect());
            &*ranks.entry(circle).or_insert_with(among)
        });
        let count = counts.get(number).copied().unwrap_or_default();
        let standing = Standing {
            rep_id: rep.id.clone(),
            rep_name: rep.known.name.map(str::to_owned),
            status: rep.known.status,
            level: level.to_owned(),
            deals: count.deals,
            won: count.won,
            estimate: one.estimate,
            team: one.team,
            worth: one.worth.expected,
            place: ranks.map(|ranks| ranks.place(one.merit)),
            evidence: match ranks {
                Some(ranks) => ranks.evidence,
                None => evidence(Some(table.shared), &[one.estimate]),
            },
        };
        all.push((standing.place.map(|_| one.merit), standing));
    }
    // Who has no place comes last.
    let merit = |merit: Option<f64>| merit.unwrap_or(f64::NEG_INFINITY);
    all.sort_by(|a, b| merit(b.0).total_cmp(&merit(a.0)));
    all.into_iter().map(|(_, standing)| standing).collect()
}

impl Ranks {
    fn new(table: &Table<'_>, looked: Vec<Looked>) -> Ranks {
        let shared = Some(table.shared);
        let estimates: Vec<Estimate> = looked.iter().map(|one| one.estimate).collect();
        let mut evidence = evidence(shared, &estimates);
        if table.objective == Objective::ExpectedAmount {
            evidence = evidence.or_by_amount(shared, looked.iter().map(|one| &one.worth));
        }
        let mut merits: Vec<f64> = looked.iter().map(|one| one.merit).collect();
        merits.sort_by(f64::total_cmp);
        Ranks { merits, evidence }
    }

    fn place(&self, merit: f64) -> Place {
        let not_better = self.merits.partition_point(|other| *other <= merit);
        Place { at: 1 + self.merits.len() - not_better, of: self.merits.len() }
    }
}
