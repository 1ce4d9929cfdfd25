//! One method in one world: leads in, reps out, deals fed back when they close; and what came of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::random::Draws;
use crate::world::{DAY, Deal, Lead, START, World};

/// P(win) as a method shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Somebody who gives leads to reps.
pub(crate) trait Router {
    /// A rep comes or leaves.
    fn staffed(&mut self, _rep: usize, _active: bool, _at: i64) {}

    /// Chooses among the reps that are open; `shown` gets what is said of each rep's chance.
    fn choose(&mut self, lead: &Lead, open: &[bool], shown: &mut Vec<Option<Shown>>) -> usize;

    fn learn(&mut self, deal: &Deal, at: i64);
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Expected wins of the whole run, and of its second half.
    pub(crate) wins: [f64; 2],
    pub(crate) leads: [usize; 2],
    /// Of the chosen in the second half: (shown, true).
    pub(crate) calibration: Vec<(f64, f64)>,
    /// Of all candidates in the second half: shown, and with the truth in the interval.
    pub(crate) intervals: [u64; 2],
    pub(crate) chosen_intervals: [u64; 2],
    /// Busiest rep in fair shares, and reps with less than half of theirs.
    pub(crate) busiest: f64,
    pub(crate) starved: usize,
}

impl Outcome {
    /// Expected calibration error: ten bins of equal count.
    pub(crate) fn calibration_error(&self) -> Option<f64> {
        calibration_error(&self.calibration)
    }
}

pub(crate) fn calibration_error(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut pairs = pairs.to_vec();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = pairs.len().div_ceil(10).max(1);
    let gap =
        |bin: &[(f64, f64)]| bin.iter().map(|(shown, truth)| shown - truth).sum::<f64>().abs();
    (!pairs.is_empty()).then(|| pairs.chunks(size).map(gap).sum::<f64>() / pairs.len() as f64)
}

/// Which reps may take a lead: there, and under the week's cap.
pub(crate) struct Week {
    cap: Option<u32>,
    number: i64,
    given: Vec<u32>,
}

impl Week {
    pub(crate) fn new(world: &World) -> Week {
        Week { cap: world.cap, number: 0, given: vec![0; world.reps.len()] }
    }

    pub(crate) fn open(&mut self, world: &World, at: i64) -> Vec<bool> {
        let number = (at - START) / (7 * DAY);
        if number != self.number {
            self.number = number;
            self.given.fill(0);
        }
        let is_open = |rep: usize| {
            world.is_active(rep, at) && self.cap.is_none_or(|cap| self.given[rep] < cap)
        };
        (0..self.given.len()).map(is_open).collect()
    }

    pub(crate) fn give(&mut self, rep: usize) {
        self.given[rep] += 1;
    }
}

/// Runs a method through a world.
pub(crate) fn run(world: &World, router: &mut dyn Router) -> Outcome {
    let count = world.reps.len();
    let mut staff: Vec<(i64, usize, bool)> = Vec::new();
    for (rep, one) in world.reps.iter().enumerate() {
        staff.push((one.from_at.max(START), rep, true));
        staff.push((one.to_at, rep, false));
    }
    staff.sort();
    let mut staff = staff.into_iter().peekable();
    let mut pending: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    let mut deals: Vec<Deal> = Vec::new();
    let mut outcome = Outcome::default();
    let (mut fair, mut given) = (vec![0.0; count], vec![0.0; count]);
    let (mut week, mut shown) = (Week::new(world), Vec::new());
    let half = START + (world.end() - START) / 2;
    while let Some((at, rep, active)) = staff.next_if(|(at, ..)| *at <= START) {
        router.staffed(rep, active, at);
    }
    world.history.iter().for_each(|deal| router.learn(deal, START));
    for (number, lead) in world.leads.iter().enumerate() {
        while let Some(Reverse((at, deal))) =
            pending.peek().copied().filter(|due| due.0.0 <= lead.at)
        {
            pending.pop();
            router.learn(&deals[deal], at);
        }
        while let Some((at, rep, active)) = staff.next_if(|(at, ..)| *at <= lead.at) {
            router.staffed(rep, active, at);
        }
        let open = week.open(world, lead.at);
        let able = open.iter().filter(|open| **open).count();
        if able == 0 {
            continue;
        }
        shown.clear();
        let rep = router.choose(lead, &open, &mut shown);
        assert!(open[rep], "a lead went to rep {rep}, who takes none");
        week.give(rep);
        let chance = world.chances[number][rep];
        let deal = world.close(lead, rep, chance);
        pending.push(Reverse((deal.closed_at, deals.len())));
        deals.push(deal);
        (0..count).filter(|rep| open[*rep]).for_each(|rep| fair[rep] += 1.0 / able as f64);
        given[rep] += 1.0;
        outcome.wins[0] += chance;
        outcome.leads[0] += 1;
        if lead.at >= half {
            outcome.wins[1] += chance;
            outcome.leads[1] += 1;
            note(&mut outcome, &shown, &world.chances[number], rep);
        }
    }
    let loads = || (0..count).filter(|rep| fair[*rep] > 10.0).map(|rep| given[rep] / fair[rep]);
    outcome.busiest = loads().fold(0.0, f64::max);
    outcome.starved = loads().filter(|load| *load < 0.5).count();
    outcome
}

fn note(outcome: &mut Outcome, shown: &[Option<Shown>], truth: &[f64], chosen: usize) {
    for (rep, one) in shown.iter().enumerate() {
        let Some(one) = one else { continue };
        let holds = u64::from((one.low..=one.high).contains(&truth[rep]));
        outcome.intervals = [outcome.intervals[0] + 1, outcome.intervals[1] + holds];
        if rep == chosen {
            outcome.calibration.push((one.mean, truth[rep]));
            let [count, held] = outcome.chosen_intervals;
            outcome.chosen_intervals = [count + 1, held + holds];
        }
    }
}

/// The bounds of all methods: expected wins of plain rotation and of the clairvoyant, in the whole and in
/// the second half. Under caps the clairvoyant knows the week's leads and shares them out at best.
pub(crate) fn bounds(world: &World) -> [[f64; 2]; 2] {
    let half = START + (world.end() - START) / 2;
    let mut bounds = [[0.0; 2]; 2];
    let mut weeks: Vec<Vec<usize>> = Vec::new();
    for (number, lead) in world.leads.iter().enumerate() {
        let active: Vec<usize> =
            (0..world.reps.len()).filter(|rep| world.is_active(*rep, lead.at)).collect();
        let chances = || active.iter().map(|rep| world.chances[number][*rep]);
        let mean = chances().sum::<f64>() / active.len().max(1) as f64;
        let late = lead.at >= half;
        let mut add = |which: usize, value: f64| {
            bounds[which][0] += value;
            bounds[which][1] += if late { value } else { 0.0 };
        };
        add(0, mean);
        if world.cap.is_none() {
            add(1, chances().fold(0.0, f64::max));
        }
        let week = ((lead.at - START) / (7 * DAY)) as usize;
        weeks.resize(weeks.len().max(week + 1), Vec::new());
        weeks[week].push(number);
    }
    if let Some(cap) = world.cap {
        for week in weeks {
            for (number, chance) in auction(world, &week, cap as usize) {
                bounds[1][0] += chance;
                bounds[1][1] += if world.leads[number].at >= half { chance } else { 0.0 };
            }
        }
    }
    bounds
}

/// Leads bid for places with reps (Bertsekas): within 0.0005 a lead of the best allotment.
fn auction(world: &World, week: &[usize], cap: usize) -> Vec<(usize, f64)> {
    let reps = world.reps.len();
    let week = &week[..week.len().min(reps * cap)];
    let mut places: Vec<Vec<(f64, usize)>> = vec![vec![(0.0, usize::MAX); cap]; reps];
    let mut waiting: Vec<usize> = week.to_vec();
    while let Some(number) = waiting.pop() {
        let mut offers: Vec<(f64, usize)> = Vec::new();
        for (rep, own) in places.iter().enumerate() {
            for place in own {
                offers.push((world.chances[number][rep] - place.0, rep));
            }
        }
        offers.sort_by(|a, b| b.0.total_cmp(&a.0));
        let rep = offers[0].1;
        let second = offers.get(1).map_or(0.0, |offer| offer.0);
        let own = &mut places[rep];
        let cheapest = (0..cap).min_by(|a, b| own[*a].0.total_cmp(&own[*b].0)).unwrap_or(0);
        if own[cheapest].1 != usize::MAX {
            waiting.push(own[cheapest].1);
        }
        own[cheapest] = (own[cheapest].0 + offers[0].0 - second + 0.0005, number);
    }
    let taken = places
        .iter()
        .enumerate()
        .flat_map(|(rep, own)| own.iter().map(move |place| (rep, place.1)));
    taken
        .filter(|(_, number)| *number != usize::MAX)
        .map(|(rep, number)| (number, world.chances[number][rep]))
        .collect()
}

/// Plain rotation as a method, for its load.
pub(crate) struct Rotation {
    pub(crate) next: usize,
}

impl Router for Rotation {
    fn choose(&mut self, _: &Lead, open: &[bool], _: &mut Vec<Option<Shown>>) -> usize {
        loop {
            self.next = (self.next + 1) % open.len();
            if open[self.next] {
                return self.next;
            }
        }
    }

    fn learn(&mut self, _: &Deal, _: i64) {}
}

/// The first of the best among the open; equal ones by a draw, so that none is favoured by its number.
pub(crate) fn best(open: &[bool], draws: &mut Draws, score: impl Fn(usize) -> f64) -> usize {
    let mut top = (f64::MIN, 0.0, 0);
    for rep in (0..open.len()).filter(|rep| open[*rep]) {
        let (score, tie) = (score(rep), draws.unit());
        if score > top.0 || score == top.0 && tie > top.1 {
            top = (score, tie, rep);
        }
    }
    top.2
}
