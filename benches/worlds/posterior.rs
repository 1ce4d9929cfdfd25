//! Logistic models that are fitted anew to all deals: the nightly regression of a data team, and the best
//! that could be known, the posterior under the true variances.

use crate::random::Draws;
use crate::run::{Router, Shown, best};
use crate::world::{DAY, Deal, Lead, World, places, sigmoid, width};

/// What is fitted.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Groups of the segment in use: the first so many.
    groups: usize,
    /// By group: variance between reps; of the effects that all share.
    between: [f64; 8],
    common: [f64; 8],
    /// Time in the job and age at close have effects.
    times: bool,
    /// Days between two fits.
    every: i64,
    /// Deals lose weight with this time constant, in days; 0 = never.
    forget_days: f64,
}

impl Model {
    /// The regression: one ridge for all, fitted every night.
    pub(crate) fn regression() -> Model {
        Model {
            groups: 7,
            between: [0.1; 8],
            common: [0.1; 8],
            times: false,
            every: 1,
            forget_days: 0.0,
        }
    }

    /// What a statistician would do who knows how much reps differ.
    pub(crate) fn told(world: &World) -> Model {
        Model {
            groups: 8,
            between: world.variances.map(|variance| variance.max(1e-6)),
            common: [1.0, 0.12, 0.06, 0.04, 0.02, 0.04, 0.06, 0.01],
            times: true,
            every: 7,
            forget_days: world.regime.drift_days,
        }
    }
}

/// Upper bounds of buckets, in days.
const TENURE: [i64; 6] = [30, 60, 90, 150, 240, 365];
const AGE: [i64; 8] = [7, 14, 21, 30, 45, 60, 90, 150];

/// One deal: the features that are on. The last two, if any, are not the rep's own.
struct Row {
    on: Vec<usize>,
    rep: usize,
    won: bool,
    closed_at: i64,
}

pub(crate) struct Fitted {
    model: Model,
    hired_at: Vec<i64>,
    first: [usize; 9],
    rows: Vec<Row>,
    /// Shared effects, and by rep the own ones with their covariance.
    shared: Vec<f64>,
    own: Vec<Vec<f64>>,
    covariance: Vec<Matrix>,
    fitted_at: i64,
    draws: Draws,
}

type Matrix = Vec<Vec<f64>>;

impl Fitted {
    pub(crate) fn new(world: &World, seed: u64, model: Model) -> Fitted {
        let mut first = [0; 9];
        for group in 0..8 {
            first[group + 1] = first[group] + if group < model.groups { width(group) } else { 0 };
        }
        let own = first[8];
        let reps = world.reps.len();
        let shared = own + if model.times { TENURE.len() + AGE.len() + 2 } else { 0 };
        Fitted {
            hired_at: world.reps.iter().map(|rep| rep.hired_at).collect(),
            first,
            rows: Vec::new(),
            shared: vec![0.0; shared],
            own: vec![vec![0.0; own]; reps],
            covariance: (0..reps).map(|_| diagonal(&prior(&model.between, &first))).collect(),
            fitted_at: 0,
            draws: Draws::new(seed, 23),
            model,
        }
    }

    fn levels(&self, lead: &Lead) -> Vec<usize> {
        let places = places(&lead.levels);
        (0..self.model.groups).map(|group| self.first[group] + places[group]).collect()
    }

    fn tenure(&self, rep: usize, at: i64) -> usize {
        let days = (at - self.hired_at[rep]) / DAY;
        self.first[8] + TENURE.iter().filter(|bound| days >= **bound).count()
    }

    /// Newton steps, the reps' own effects eliminated block by block.
    fn fit(&mut self, now: i64) {
        let (own, all) = (self.first[8], self.shared.len());
        let mut common = prior(&self.model.common, &self.first);
        common.resize(all, 0.3);
        let between = prior(&self.model.between, &self.first);
        for _ in 0..2 {
            let mut h = diagonal(&common.iter().map(|variance| 1.0 / variance).collect::<Vec<_>>());
            let mut g: Vec<f64> = (0..all)
                .map(|i| (if i == 0 { -1.4 } else { 0.0 } - self.shared[i]) / common[i])
                .collect();
            let mut blocks: Vec<(Matrix, Matrix, Vec<f64>)> = (0..self.own.len())
                .map(|rep| {
                    let inverse: Vec<f64> = between.iter().map(|variance| 1.0 / variance).collect();
                    let pull = self.own[rep].iter().zip(&inverse).map(|(b, v)| -b * v).collect();
                    (diagonal(&inverse), vec![vec![0.0; all]; own], pull)
                })
                .collect();
            for row in &self.rows {
                let (block, cross, pull) = &mut blocks[row.rep];
                let mut logit: f64 = row.on.iter().map(|i| self.shared[*i]).sum();
                logit +=
                    row.on.iter().filter(|i| **i < own).map(|i| self.own[row.rep][*i]).sum::<f64>();
                let fresh = match self.model.forget_days {
                    days if days > 0.0 => {
                        libm::exp(-((now - row.closed_at) as f64) / DAY as f64 / days)
                    }
                    _ => 1.0,
                };
                let p = sigmoid(logit);
                let (weight, error) =
                    (fresh * p * (1.0 - p), fresh * (f64::from(u8::from(row.won)) - p));
                for i in &row.on {
                    g[*i] += error;
                    row.on.iter().for_each(|j| h[*i][*j] += weight);
                    if *i < own {
                        pull[*i] += error;
                        row.on.iter().for_each(|j| cross[*i][*j] += weight);
                        row.on.iter().filter(|j| **j < own).for_each(|j| block[*i][*j] += weight);
                    }
                }
            }
            let mut solved = Vec::new();
            for (block, cross, pull) in blocks {
                let inverse = inverse(block);
                let gain = multiply(&inverse, &cross);
                for (i, row) in cross.iter().enumerate() {
                    for (j, value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                        for (target, factor) in h[j].iter_mut().zip(&gain[i]) {
                            *target -= value * factor;
                        }
                    }
                }
                let step: Vec<f64> = inverse.iter().map(|row| dot(row, &pull)).collect();
                for (i, row) in cross.iter().enumerate() {
                    g.iter_mut().zip(row).for_each(|(g, value)| *g -= value * step[i]);
                }
                solved.push((inverse, gain, step));
            }
            let outer = inverse(h);
            let move_shared: Vec<f64> = outer.iter().map(|row| dot(row, &g)).collect();
            self.shared.iter_mut().zip(&move_shared).for_each(|(value, step)| *value += step);
            self.covariance.clear();
            for (rep, (inverse, gain, step)) in solved.into_iter().enumerate() {
                for (i, value) in self.own[rep].iter_mut().enumerate() {
                    *value += step[i] - dot(&gain[i], &move_shared);
                }
                self.covariance.push(inverse);
            }
        }
    }
}

impl Router for Fitted {
    fn choose(&mut self, lead: &Lead, open: &[bool], _: &mut Vec<Option<Shown>>) -> usize {
        if lead.at >= self.fitted_at + self.model.every * DAY && !self.rows.is_empty() {
            self.fitted_at = lead.at;
            self.fit(lead.at);
        }
        let on = self.levels(lead);
        let base: f64 = on.iter().map(|i| self.shared[*i]).sum();
        let score = |rep: usize| {
            let mut mean = base + on.iter().map(|i| self.own[rep][*i]).sum::<f64>();
            if !self.model.times {
                return mean;
            }
            mean += self.shared[self.tenure(rep, lead.at)];
            let covariance = &self.covariance[rep];
            let variance: f64 = on.iter().flat_map(|i| on.iter().map(|j| covariance[*i][*j])).sum();
            mean / (1.0 + 0.346 * variance).sqrt()
        };
        let scores: Vec<f64> = (0..open.len()).map(score).collect();
        best(open, &mut self.draws, |rep| scores[rep])
    }

    fn learn(&mut self, deal: &Deal, _: i64) {
        let mut on = self.levels(&deal.lead);
        if self.model.times {
            on.push(self.tenure(deal.rep, deal.opened_at));
            let days = (deal.closed_at - deal.opened_at) / DAY;
            let age = AGE.iter().filter(|bound| days >= **bound).count();
            on.push(self.first[8] + TENURE.len() + 1 + age);
        }
        self.rows.push(Row { on, rep: deal.rep, won: deal.won, closed_at: deal.closed_at });
    }
}

fn prior(by_group: &[f64; 8], first: &[usize; 9]) -> Vec<f64> {
    (0..8).flat_map(|group| vec![by_group[group]; first[group + 1] - first[group]]).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn diagonal(values: &[f64]) -> Matrix {
    let row = |i: usize| (0..values.len()).map(|j| if i == j { values[i] } else { 0.0 }).collect();
    (0..values.len()).map(row).collect()
}

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    let row = |a: &Vec<f64>| {
        let mut sum = vec![0.0; b[0].len()];
        for (factor, row) in a.iter().zip(b) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
        }
        sum
    };
    a.iter().map(row).collect()
}

/// Gauss-Jordan; the matrix is positive definite, so no pivoting.
fn inverse(mut a: Matrix) -> Matrix {
    let size = a.len();
    for k in 0..size {
        let pivot = 1.0 / a[k][k];
        let mut row = std::mem::take(&mut a[k]);
        row.iter_mut().for_each(|value| *value *= pivot);
        row[k] = pivot;
        for other in a.iter_mut().filter(|other| !other.is_empty()) {
            let factor = other[k];
            if factor != 0.0 {
                other[k] = 0.0;
                other.iter_mut().zip(&row).for_each(|(value, own)| *value -= factor * own);
            }
        }
        a[k] = row;
    }
    a
}
