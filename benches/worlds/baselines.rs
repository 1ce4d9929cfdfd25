//! The usual ways to use win rates, as baselines: raw rates, shrunk rates, LinUCB.

use crate::random::Draws;
use crate::run::{Router, Shown, best};
use crate::world::{Deal, Lead, World, places, width};

/// Won and closed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    won: f64,
    closed: f64,
}

impl Tally {
    fn note(&mut self, won: bool) {
        self.won += f64::from(u8::from(won));
        self.closed += 1.0;
    }

    /// The rate, drawn to `mean` as by `weight` closed deals.
    fn rate(&self, mean: f64, weight: f64) -> f64 {
        (self.won + weight * mean) / (self.closed + weight).max(f64::MIN_POSITIVE)
    }
}

/// Won over closed, per rep or per rep and industry; who has none counts as the average.
pub(crate) struct Raw {
    cells: Vec<Vec<Tally>>,
    all: Tally,
    by_industry: bool,
    draws: Draws,
}

impl Raw {
    pub(crate) fn new(world: &World, seed: u64, by_industry: bool) -> Raw {
        let cells = vec![vec![Tally::default(); width(1)]; world.reps.len()];
        Raw { cells, all: Tally::default(), by_industry, draws: Draws::new(seed, 20) }
    }

    fn place(&self, lead: &Lead) -> usize {
        if self.by_industry { lead.levels[0] } else { 0 }
    }
}

impl Router for Raw {
    fn choose(&mut self, lead: &Lead, open: &[bool], _: &mut Vec<Option<Shown>>) -> usize {
        let (place, mean) = (self.place(lead), self.all.rate(0.2, 1.0));
        let cells = &self.cells;
        best(open, &mut self.draws, |rep| cells[rep][place].rate(mean, 1e-9))
    }

    fn learn(&mut self, deal: &Deal, _: i64) {
        let place = self.place(&deal.lead);
        self.cells[deal.rep][place].note(deal.won);
        self.all.note(deal.won);
    }
}

/// Beta-binomial shrinkage: the rep's rate drawn to the average, and in each dimension the rate of the
/// level drawn to the rep's own; the deviations add up.
pub(crate) struct Shrunk {
    cells: Vec<Vec<Vec<Tally>>>,
    all: Vec<Vec<Tally>>,
    draws: Draws,
}

/// Deals that a prior rate counts for: between reps, within one.
const BETWEEN: f64 = 40.0;
const WITHIN: f64 = 80.0;

impl Shrunk {
    pub(crate) fn new(world: &World, seed: u64) -> Shrunk {
        let empty: Vec<Vec<Tally>> =
            (0..7).map(|group| vec![Tally::default(); width(group)]).collect();
        Shrunk {
            cells: vec![empty.clone(); world.reps.len()],
            all: empty,
            draws: Draws::new(seed, 21),
        }
    }
}

impl Router for Shrunk {
    fn choose(&mut self, lead: &Lead, open: &[bool], _: &mut Vec<Option<Shown>>) -> usize {
        let places = places(&lead.levels);
        let mean = self.all[0][0].rate(0.2, 1.0);
        let (cells, all) = (&self.cells, &self.all);
        best(open, &mut self.draws, |rep| {
            let own = cells[rep][0][0].rate(mean, BETWEEN);
            let deviation = |group: usize| {
                // What is usual at this level, moved by how this rep does in general.
                let usual = all[group][places[group]].rate(mean, WITHIN) + own - mean;
                cells[rep][group][places[group]].rate(usual, WITHIN) - usual
            };
            own + (1..7).map(deviation).sum::<f64>()
        })
    }

    fn learn(&mut self, deal: &Deal, _: i64) {
        for (group, place) in places(&deal.lead.levels).into_iter().enumerate().take(7) {
            self.cells[deal.rep][group][place].note(deal.won);
            self.all[group][place].note(deal.won);
        }
    }
}

/// One ridge regression a rep, with a bonus for what is not known (Li et al. 2010).
pub(crate) struct LinUcb {
    arms: Vec<Arm>,
    draws: Draws,
}

struct Arm {
    inverse: Vec<Vec<f64>>,
    response: Vec<f64>,
    weights: Vec<f64>,
}

const BONUS: f64 = 0.2;
const RIDGE: f64 = 5.0;

fn indicators(lead: &Lead) -> Vec<usize> {
    let places = places(&lead.levels);
    let mut first = 0;
    (0..7)
        .map(|group| {
            first += width(group);
            first - width(group) + places[group]
        })
        .collect()
}

impl LinUcb {
    pub(crate) fn new(world: &World, seed: u64) -> LinUcb {
        let size: usize = (0..7).map(width).sum();
        let arm = |_| {
            let row = |i: usize| (0..size).map(|j| f64::from(u8::from(i == j)) / RIDGE).collect();
            let inverse = (0..size).map(row).collect();
            Arm { inverse, response: vec![0.0; size], weights: vec![0.0; size] }
        };
        LinUcb { arms: (0..world.reps.len()).map(arm).collect(), draws: Draws::new(seed, 22) }
    }
}

impl Router for LinUcb {
    fn choose(&mut self, lead: &Lead, open: &[bool], _: &mut Vec<Option<Shown>>) -> usize {
        let on = indicators(lead);
        let arms = &self.arms;
        best(open, &mut self.draws, |rep| {
            let arm = &arms[rep];
            let mean: f64 = on.iter().map(|i| arm.weights[*i]).sum();
            let variance: f64 =
                on.iter().flat_map(|i| on.iter().map(|j| arm.inverse[*i][*j])).sum();
            mean + BONUS * variance.max(0.0).sqrt()
        })
    }

    fn learn(&mut self, deal: &Deal, _: i64) {
        let on = indicators(&deal.lead);
        let arm = &mut self.arms[deal.rep];
        let size = arm.response.len();
        let column: Vec<f64> =
            (0..size).map(|i| on.iter().map(|j| arm.inverse[i][*j]).sum()).collect();
        let gain = 1.0 / (1.0 + on.iter().map(|i| column[*i]).sum::<f64>());
        for i in 0..size {
            for j in 0..size {
                arm.inverse[i][j] -= gain * column[i] * column[j];
            }
        }
        if deal.won {
            on.iter().for_each(|i| arm.response[*i] += 1.0);
        }
        for i in 0..size {
            arm.weights[i] = (0..size).map(|j| arm.inverse[i][j] * arm.response[j]).sum();
        }
    }
}
