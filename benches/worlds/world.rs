//! A world with known truth: reps, leads, and the chance of each lead with each rep.
//!
//! What happens is drawn once a lead, so that every method meets the same luck: a lead is won by whom its
//! chance is above the lead's own draw, after an age that depends on the outcome.

use crate::random::Draws;
use crate::regimes::Regime;

pub(crate) const DAY: i64 = 86_400_000;
/// 2024-01-01, a Monday.
pub(crate) const START: i64 = 1_704_067_200_000;
/// Levels of industry, employees, state, annual_revenue, product, source.
pub(crate) const LEVELS: [usize; 6] = [8, 3, 10, 3, 4, 5];
pub(crate) const PAIR: usize = LEVELS[0] * LEVELS[1];
/// By group (all, the six dimensions, the pair): share of the variance between reps.
pub(crate) const SHARES: [f64; 8] = [0.30, 0.20, 0.10, 0.10, 0.05, 0.10, 0.05, 0.10];
/// By group: deviation of the effects that all reps share.
const COMMON: [f64; 8] = [0.0, 0.35, 0.25, 0.2, 0.15, 0.2, 0.25, 0.1];

#[derive(Clone, Debug)]
pub(crate) struct Rep {
    pub(crate) hired_at: i64,
    pub(crate) from_at: i64,
    pub(crate) to_at: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Lead {
    pub(crate) id: usize,
    pub(crate) at: i64,
    pub(crate) levels: [usize; 6],
    luck: f64,
    wait: f64,
}

/// A closed deal as a method gets to know it.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) lead: Lead,
    pub(crate) rep: usize,
    pub(crate) won: bool,
    pub(crate) opened_at: i64,
    pub(crate) closed_at: i64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) regime: Regime,
    pub(crate) reps: Vec<Rep>,
    pub(crate) leads: Vec<Lead>,
    /// By lead, by rep.
    pub(crate) chances: Vec<Vec<f64>>,
    /// Deals of the year before.
    pub(crate) history: Vec<Deal>,
    /// By group: the variance between reps.
    pub(crate) variances: [f64; 8],
    /// Leads a week that a rep takes.
    pub(crate) cap: Option<u32>,
}

/// The number of the level in each group: all, the dimensions, the pair.
pub(crate) fn places(levels: &[usize; 6]) -> [usize; 8] {
    let [industry, size, state, revenue, product, source] = *levels;
    [0, industry, size, state, revenue, product, source, industry * LEVELS[1] + size]
}

/// How many levels a group has.
pub(crate) fn width(group: usize) -> usize {
    match group {
        0 => 1,
        7 => PAIR,
        _ => LEVELS[group - 1],
    }
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// Effects by group and level.
type Effects = Vec<Vec<f64>>;

fn effects(draws: &mut Draws, deviations: &[f64; 8]) -> Effects {
    let group = |group: usize, draws: &mut Draws| {
        (0..width(group)).map(|_| deviations[group] * draws.normal()).collect()
    };
    (0..8).map(|number| group(number, draws)).collect()
}

fn sum(effects: &Effects, places: &[usize; 8]) -> f64 {
    places.iter().zip(effects).map(|(place, group)| group[*place]).sum()
}

/// What the logit of a lead with a rep is made of, before scaling.
struct Parts {
    /// By lead: shared by all reps, hidden part included.
    common: Vec<f64>,
    /// By lead, by rep: ramp, and deviation in units of the scale.
    ramp: Vec<Vec<f64>>,
    own: Vec<Vec<f64>>,
}

impl World {
    pub(crate) fn new(regime: &Regime, seed: u64) -> World {
        let reps = reps(regime, &mut Draws::new(seed, 1));
        let mut leads = past(regime, seed);
        let back = leads.len();
        leads.extend(stream(seed, (START, regime.years), regime.leads_a_year, 3));
        let parts = parts(regime, seed, &reps, &leads);
        let (base, scale) = calibrate(regime, &reps, &leads[back..], &parts, back);
        let chance = |at: usize| -> Vec<f64> {
            let one = |rep: usize| {
                let logit =
                    base + parts.common[at] + parts.ramp[at][rep] + scale * parts.own[at][rep];
                sigmoid(logit)
            };
            (0..reps.len()).map(one).collect()
        };
        let mut chances: Vec<Vec<f64>> = (0..leads.len()).map(chance).collect();
        let variances = SHARES.map(|share| share * scale * scale);
        let fair = regime.leads_a_year as f64 / 52.18 / regime.reps as f64;
        let cap = (regime.cap > 0.0).then_some((regime.cap * fair + 0.5) as u32);
        let mut world = World {
            regime: regime.clone(),
            reps,
            leads: Vec::new(),
            chances: Vec::new(),
            history: Vec::new(),
            variances,
            cap,
        };
        if back > 0 {
            world.history = history(&world, &leads[..back], &chances[..back], &parts, seed);
        }
        world.leads = leads.split_off(back);
        world.chances = chances.split_off(back);
        world
    }

    pub(crate) fn is_active(&self, rep: usize, at: i64) -> bool {
        is_active(&self.reps[rep], at)
    }

    /// What becomes of a lead with a rep who wins it with this chance.
    pub(crate) fn close(&self, lead: &Lead, rep: usize, chance: f64) -> Deal {
        let won = lead.luck < chance;
        let mean = if won { self.regime.days_won } else { self.regime.days_lost };
        let opened_at = lead.at + DAY / 4;
        let closed_at = opened_at + DAY + (lead.wait * mean * DAY as f64) as i64;
        Deal { lead: lead.clone(), rep, won, opened_at, closed_at }
    }

    pub(crate) fn end(&self) -> i64 {
        START + (self.regime.years * 365.0) as i64 * DAY
    }
}

fn is_active(rep: &Rep, at: i64) -> bool {
    (rep.from_at..rep.to_at).contains(&at)
}

fn reps(regime: &Regime, draws: &mut Draws) -> Vec<Rep> {
    let run = regime.years * 365.0;
    let one = |number: usize| {
        let part = (number as f64 + 0.5) / regime.reps as f64;
        let late = part > 1.0 - regime.hired;
        let leaves = part < regime.leaving;
        let hired = if late { draws.unit() * 0.8 * run } else { -400.0 - 1_500.0 * draws.unit() };
        let left = if leaves { (0.2 + 0.7 * draws.unit()) * run } else { 1e5 };
        let time = |days: f64| START + (days * DAY as f64) as i64;
        let from_at = if late { time(hired) } else { i64::MIN };
        Rep { hired_at: time(hired), from_at, to_at: time(left) }
    };
    (0..regime.reps).map(one).collect()
}

fn past(regime: &Regime, seed: u64) -> Vec<Lead> {
    if regime.history == 0 {
        return Vec::new();
    }
    stream(seed, (START - 365 * DAY, 1.0), regime.history, 4)
}

fn stream(seed: u64, (from, years): (i64, f64), a_year: usize, what: u64) -> Vec<Lead> {
    let mut draws = Draws::new(seed, what);
    let gap = 365.0 / a_year as f64;
    let (mut day, mut leads) = (0.0, Vec::new());
    loop {
        day += gap * draws.exponential();
        if day >= years * 365.0 {
            return leads;
        }
        let levels = LEVELS.map(|levels| draws.level(levels));
        let (luck, wait) = (draws.unit(), (draws.exponential() + draws.exponential()) / 2.0);
        let id = (what as usize) * 1_000_000 + leads.len();
        leads.push(Lead { id, at: from + (day * DAY as f64) as i64, levels, luck, wait });
    }
}

fn parts(regime: &Regime, seed: u64, reps: &[Rep], leads: &[Lead]) -> Parts {
    let mut draws = Draws::new(seed, 5);
    let common = effects(&mut draws, &COMMON);
    let deviations = SHARES.map(f64::sqrt);
    let mut own: Vec<Effects> = reps.iter().map(|_| effects(&mut draws, &deviations)).collect();
    let odd = Odd::new(&mut draws, reps.len());
    let mut parts = Parts { common: Vec::new(), ramp: Vec::new(), own: Vec::new() };
    let mut month = leads.first().map_or(0, |lead| lead.at / (30 * DAY));
    for lead in leads {
        while regime.drift_days > 0.0 && month < lead.at / (30 * DAY) {
            own.iter_mut()
                .for_each(|own| drift(own, &deviations, 30.0 / regime.drift_days, &mut draws));
            month += 1;
        }
        let places = places(&lead.levels);
        parts.common.push(sum(&common, &places) + regime.hidden * draws.normal());
        let ramp = |rep: &Rep| {
            let days = (lead.at - rep.hired_at).max(0) as f64 / DAY as f64;
            -regime.ramp * libm::exp(-days / regime.ramp_days)
        };
        parts.ramp.push(reps.iter().map(ramp).collect());
        let one = |(rep, own): (usize, &Effects)| {
            if regime.misspecified {
                odd.value(rep, &lead.levels, sum(own, &places))
            } else {
                sum(own, &places)
            }
        };
        parts.own.push(own.iter().enumerate().map(one).collect());
    }
    parts
}

fn drift(own: &mut Effects, deviations: &[f64; 8], step: f64, draws: &mut Draws) {
    let keep = libm::exp(-step);
    for (group, deviation) in own.iter_mut().zip(deviations) {
        for value in group {
            *value = keep * *value + (1.0 - keep * keep).sqrt() * deviation * draws.normal();
        }
    }
}

/// A truth that no sum of effects tells: tastes for products of fields, and a few reps far off.
struct Odd {
    taste: Vec<Vec<f64>>,
    lead: [Vec<Vec<f64>>; 2],
    tail: Vec<f64>,
}

impl Odd {
    fn new(draws: &mut Draws, reps: usize) -> Odd {
        let list =
            |draws: &mut Draws, n: usize| -> Vec<f64> { (0..n).map(|_| draws.normal()).collect() };
        let taste = (0..reps).map(|_| list(draws, 3)).collect();
        let lead =
            [LEVELS[2], LEVELS[4]].map(|levels| (0..levels).map(|_| list(draws, 3)).collect());
        let tail = (0..reps).map(|_| draws.normal() / (0.3 + draws.unit()).sqrt()).collect();
        Odd { taste, lead, tail }
    }

    fn value(&self, rep: usize, levels: &[usize; 6], plain: f64) -> f64 {
        let [state, product] = [&self.lead[0][levels[2]], &self.lead[1][levels[4]]];
        let taste: f64 = (0..3).map(|k| self.taste[rep][k] * state[k] * product[k]).sum();
        0.6 * plain + 0.3 * taste / 1.7 + 0.5 * self.tail[rep]
    }
}

/// Base and scale with which rotation and the clairvoyant win what the regime says.
fn calibrate(
    regime: &Regime,
    reps: &[Rep],
    leads: &[Lead],
    parts: &Parts,
    skip: usize,
) -> (f64, f64) {
    let rates = |base: f64, scale: f64| {
        let (mut rotation, mut best) = (0.0, 0.0);
        for (at, lead) in leads.iter().enumerate() {
            let at = at + skip;
            let (mut sum, mut count, mut top) = (0.0, 0.0, 0.0_f64);
            for rep in (0..reps.len()).filter(|rep| is_active(&reps[*rep], lead.at)) {
                let p = sigmoid(
                    base + parts.common[at] + parts.ramp[at][rep] + scale * parts.own[at][rep],
                );
                sum += p;
                count += 1.0;
                top = top.max(p);
            }
            rotation += sum / f64::max(count, 1.0);
            best += top;
        }
        (rotation / leads.len() as f64, best / leads.len() as f64)
    };
    let (mut base, mut scale) =
        (-1.5, if regime.clairvoyant > regime.rotation { 0.4 } else { 0.0 });
    for _ in 0..12 {
        let (rotation, best) = rates(base, scale);
        base += (regime.rotation - rotation) / (0.192 * 0.808);
        if scale > 0.0 {
            scale *= ((regime.clairvoyant - regime.rotation) / (best - rotation).max(1e-3))
                .clamp(0.5, 2.0);
        }
    }
    (base, scale)
}

/// The year before: the better a rep, the harder the leads that were handed over.
fn history(
    world: &World,
    leads: &[Lead],
    chances: &[Vec<f64>],
    parts: &Parts,
    seed: u64,
) -> Vec<Deal> {
    let mut draws = Draws::new(seed, 6);
    let count = world.reps.len();
    let mean = |rep: usize| chances.iter().map(|own| own[rep]).sum::<f64>();
    let mut ranked: Vec<usize> = (0..count).collect();
    ranked.sort_by(|a, b| mean(*b).total_cmp(&mean(*a)));
    let mut sorted = parts.common[..leads.len()].to_vec();
    sorted.sort_by(f64::total_cmp);
    let give = |at: usize, lead: &Lead, draws: &mut Draws| {
        let rank =
            sorted.partition_point(|other| *other < parts.common[at]) as f64 / leads.len() as f64;
        let place = (rank + 0.25 * draws.normal()).clamp(0.0, 0.999);
        let rep = ranked[(place * count as f64) as usize];
        world.close(lead, rep, chances[at][rep])
    };
    let mut deals: Vec<Deal> =
        leads.iter().enumerate().map(|(at, lead)| give(at, lead, &mut draws)).collect();
    deals.retain(|deal| deal.closed_at < START);
    deals.sort_by_key(|deal| deal.closed_at);
    deals
}
