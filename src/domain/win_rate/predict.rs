//! P(win) of a lead with each rep, with its uncertainty; and whether that carries a choice.

use std::cell::OnceCell;

use super::Block;
use super::effects;
use super::features::{
    ALL, GROUP_ALL, GROUP_TENURE, GROUPS_MAX, TENURE_BUCKETS, TENURE_FIRST, tenure_feature,
};
use super::gaussian::Gaussian;
use super::logistic::{clamp, expected, sigmoid};
use super::rep::{PACE_COUNT, Paces, plus};
use super::segment::Segment;
use super::shared::{MODELS, SharedBlock, start_variances};
use crate::domain::time::{Span, Timestamp};

/// 90 % of a normal distribution lies within so many standard deviations.
const DEVIATIONS_90: f64 = 1.644_853_626_951_472_2;
/// Probabilities are kept off 0 and 1.
const EDGE: f64 = 1e-6;
/// `all`, a level a dimension, the pair: no lead has more, for groups are numbered.
const LEVELS_MAX: usize = GROUPS_MAX;
/// Fewer reps are taken for so many.
const REPS_MIN: f64 = 5.0;
/// A candidate's evidence counts from this share of what could be known on.
pub(super) const MOVED_MIN: f64 = 0.02;
/// Reps are taken to differ from this log Bayes factor on.
pub(super) const FACTOR_MIN: f64 = -3.0;

/// P(win) of one lead with one rep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    /// The 90 % interval.
    pub low: f64,
    pub high: f64,
    /// Closed deals of the rep that stand behind it.
    pub deals: u64,
    /// How far these have moved the belief about the rep in this segment, 0–1: the share of the
    /// variance between reps that is gone.
    pub moved: f64,
    /// The standard deviation of P(win).
    pub deviation: f64,
    /// The part of it that is about this rep alone.
    pub own_deviation: f64,
}

/// Whether the data carry a choice among candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Too little: plain rotation, and the decision says so.
    pub thin: bool,
    /// The most that any candidate's deals have moved the belief.
    pub moved: f64,
    /// The log Bayes factor of "reps differ" against "they do not".
    pub factor: f64,
}

/// A lead made ready to be asked about with one rep after the other.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    shared: Option<&'a SharedBlock>,
    /// The levels that deals have shown, with their groups.
    levels: Vec<(u32, u8)>,
    /// Variance of the levels that none has: what they share, and between reps.
    unseen: [f64; 2],
    /// Variance of what all reps have in common that no closed deal can tell; it is in the interval only.
    unsettled: f64,
    /// By how much the interval widens the reps' own part, for few reps tell how much reps differ.
    few: f64,
    weights: [f64; MODELS],
    belief: Common,
    /// The same if reps are alike.
    alike: Common,
    times: [OnceCell<Times>; TENURE_BUCKETS],
}

/// The belief about the shared effects that matter to one lead.
#[derive(Clone, Debug, Default)]
struct Common {
    /// Sum of the levels' effects.
    levels: f64,
    /// Level by level: covariances, row by row of `width`.
    covariance: Vec<f64>,
    width: usize,
}

/// What the time in the job adds; worked out for the first rep of whom it is asked.
#[derive(Clone, Debug)]
struct Times {
    belief: Added,
    /// Mean and variance of the logit if reps are alike.
    alike: (f64, f64),
    /// What the interval takes of the variance of what reps have in common.
    unchanged: f64,
}

/// What one more effect adds to the sum of the levels'.
#[derive(Clone, Copy, Debug)]
struct Added {
    mean: f64,
    variance: f64,
    /// With each level.
    covariance: [f64; LEVELS_MAX],
}

impl<'a> Query<'a> {
    /// For a lead of this segment, with the domain's shared block.
    pub fn new(shared: Option<&'a Block>, segment: &Segment) -> Query<'a> {
        let shared = shared.and_then(Block::shared);
        let mut query = Query {
            shared,
            levels: Vec::with_capacity(1 + segment.levels.len()),
            unseen: [0.0; 2],
            unsettled: 0.0,
            few: 1.0,
            weights: shared.map_or([1.0 / MODELS as f64; MODELS], SharedBlock::weights),
            belief: Common::default(),
            alike: Common::default(),
            times: Default::default(),
        };
        query.levels.push((ALL, GROUP_ALL as u8));
        let variances = shared.map_or_else(start_variances, |shared| shared.head.variances);
        let common = shared.map_or_else(effects::start_variances, |shared| shared.now.variances);
        for level in &segment.levels {
            match shared.and_then(|shared| shared.features.find(level)) {
                Some(number) => {
                    let group = shared.map_or(GROUP_ALL, |shared| shared.features.group(number));
                    if !query.levels.contains(&(number, group as u8)) {
                        query.levels.push((number, group as u8));
                    }
                }
                None => {
                    let group = shared.and_then(|shared| shared.features.group_for(level));
                    let group = group.unwrap_or(variances.len() - 1);
                    query.unseen[0] += common[group];
                    query.unseen[1] += variances[group.min(variances.len() - 1)];
                }
            }
        }
        if let Some(shared) = shared {
            query.unsettled = shared.unsettled();
            query.belief = Common::new(&shared.now.belief, &query.levels);
            query.alike = Common::new(&shared.now.alike, &query.levels);
            query.few = few(shared.head.fit.reps);
        }
        query
    }

    /// What is left of the variance of what reps have in common without the allowance for change. The
    /// allowance stays as far as the deals show change: by how far the fast pace outweighs the slow one.
    fn unchanged(&self, shared: &SharedBlock, variance: f64) -> f64 {
        let [_, slow, fast] = self.weights;
        let change = ((fast - slow) / (fast + slow).max(f64::MIN_POSITIVE)).max(0.0);
        let levels = self.levels.iter().map(|(_, group)| usize::from(*group));
        let spread = shared.now.spread(levels.chain([GROUP_TENURE]), variance);
        change + (1.0 - change) * spread.unchanged(shared.seen_days())
    }

    /// P(win) with a rep (`None`: nothing is known of the rep) of this time in the job.
    pub fn estimate(&self, rep: Option<&Block>, tenure: Option<Span>) -> Estimate {
        self.estimate_at(rep, tenure_feature(tenure))
    }

    /// The same, with the number of the time in the job.
    pub(super) fn estimate_at(&self, rep: Option<&Block>, tenure: u32) -> Estimate {
        let rep = rep.and_then(Block::rep);
        let Some(shared) = self.shared else {
            return self.ignorant();
        };
        let Times { belief: added, alike, unchanged } = self.times(shared, tenure);
        let differ: f64 = self.weights[1..].iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let mut moments = [(alike.0, alike.1 + self.unseen[0]); MODELS];
        let Some(rep) = rep else {
            let prior = self.prior(&shared.head.variances);
            let (mean, variance) = self.belief.in_full(added);
            moments[1..].fill((mean, variance + self.unseen[0] + prior));
            return self.mix(&moments, 0, [0.0, prior], *unchanged);
        };
        let prior = self.prior(&rep.now.variances);
        let look = rep.now.look(&self.levels, &shared.now.belief.mean);
        let in_common = self.belief.variance(added, &look.factors);
        let (mut moved, mut own) = (0.0, 0.0);
        for pace in 0..PACE_COUNT {
            let variance = look.variance[pace] + self.unseen[1];
            let common = in_common[pace] + self.unseen[0];
            let mean = look.mean[pace] + added.mean;
            moments[pace + 1] = (mean, (common + variance).max(0.0));
            let share = self.weights[pace + 1] / differ;
            moved += share * (1.0 - variance / prior);
            own += share * variance;
        }
        self.mix(&moments, rep.deals, [moved, own], *unchanged)
    }

    fn times(&self, shared: &SharedBlock, number: u32) -> &Times {
        self.times[(number - TENURE_FIRST) as usize].get_or_init(|| {
            let belief = Added::new(&shared.now.belief, &self.levels, number);
            let alike = Added::new(&shared.now.alike, &self.levels, number);
            let alike = self.alike.in_full(&alike);
            let share = self.weights[0];
            let variance = share * alike.1 + (1.0 - share) * self.belief.in_full(&belief).1;
            Times { belief, alike, unchanged: self.unchanged(shared, variance) }
        })
    }

    /// Variance between reps of the logit of this lead.
    fn prior(&self, variances: &[f64; GROUPS_MAX]) -> f64 {
        let levels = self.levels.iter().map(|(_, group)| variances[usize::from(*group)]);
        levels.sum::<f64>() + self.unseen[1]
    }

    fn mix(
        &self,
        moments: &[(f64, f64); MODELS],
        deals: u64,
        [moved, own]: [f64; 2],
        unchanged: f64,
    ) -> Estimate {
        let (mut chance, mut mean, mut second) = (0.0, 0.0, 0.0);
        for ((centre, variance), weight) in moments.iter().zip(&self.weights) {
            let centre = clamp(*centre);
            chance += weight * expected(centre, *variance);
            mean += weight * centre;
            second += weight * (variance + centre * centre);
        }
        let variance = (second - mean * mean).max(0.0);
        let own_part = (own * (1.0 - self.weights[0])).min(variance);
        let shown = unchanged * (variance - own_part) + self.few * own_part + self.unsettled;
        let deviation = variance.sqrt();
        let mean_chance = chance.clamp(EDGE, 1.0 - EDGE);
        let around = DEVIATIONS_90 * shown.sqrt();
        let low = sigmoid(mean - around).max(EDGE);
        let high = sigmoid(mean + around).min(1.0 - EDGE);
        Estimate {
            mean: mean_chance,
            low: low.min(mean_chance),
            high: high.max(mean_chance),
            deals,
            moved: moved.clamp(0.0, 1.0),
            deviation: deviation * mean_chance * (1.0 - mean_chance),
            own_deviation: own.max(0.0).sqrt() * mean_chance * (1.0 - mean_chance),
        }
    }

    /// Before the first deal of the domain: one in five, or anything near.
    fn ignorant(&self) -> Estimate {
        let empty = SharedBlock::new(Timestamp::default());
        let moments = [(empty.now.effect(ALL), 1.0 + self.unseen[0]); MODELS];
        self.mix(&moments, 0, [0.0, self.unseen[1]], 1.0)
    }
}

/// How much wider their own part is for how few reps tell how much reps differ: 1 over a variance that
/// so many tell is too large by this, on average (Morris 1983).
fn few(reps: f64) -> f64 {
    let reps = reps.max(REPS_MIN);
    (reps - 1.0) / (reps - 3.0)
}

fn numbers(levels: &[(u32, u8)]) -> impl Iterator<Item = u32> {
    levels.iter().take(LEVELS_MAX).map(|(number, _)| *number)
}

impl Added {
    fn new(effects: &Gaussian<1>, levels: &[(u32, u8)], number: u32) -> Added {
        let with = |other: u32| effects.covariance(other as usize, number as usize)[0];
        let mut covariance = [0.0; LEVELS_MAX];
        let levels = covariance.iter_mut().zip(numbers(levels));
        levels.for_each(|(covariance, level)| *covariance = with(level));
        Added { mean: effects.mean[number as usize][0], variance: with(number), covariance }
    }
}

impl Common {
    fn new(effects: &Gaussian<1>, levels: &[(u32, u8)]) -> Common {
        let mut covariance = Vec::with_capacity(levels.len() * levels.len());
        for a in numbers(levels) {
            let between = |b: u32| effects.covariance(a as usize, b as usize)[0];
            covariance.extend(numbers(levels).map(between));
        }
        let sum = numbers(levels).map(|number| effects.mean[number as usize][0]).sum();
        Common { levels: sum, covariance, width: numbers(levels).count() }
    }

    /// Mean and variance of the sum of the shared effects, all levels in full.
    fn in_full(&self, added: &Added) -> (f64, f64) {
        let [variance, ..] = self.variance(added, &[[1.0; PACE_COUNT]; LEVELS_MAX]);
        (self.levels + added.mean, variance)
    }

    /// Variance of the sum of the shared effects, each level counting by its factor: what a rep's own
    /// deals have shown of a level is no longer in doubt with the shared effect. (That they also show
    /// something of the other levels is left out; it is little.)
    fn variance(&self, added: &Added, factors: &[Paces; LEVELS_MAX]) -> Paces {
        let mut sum = [added.variance; PACE_COUNT];
        let rows = self.covariance.chunks(self.width.max(1));
        for (own, (factor, with)) in rows.zip(factors.iter().zip(&added.covariance)) {
            let mut levels = [0.0; PACE_COUNT];
            for (value, other) in own.iter().zip(factors) {
                plus(&mut levels, &other.map(|other| value * other));
            }
            for (pace, sum) in sum.iter_mut().enumerate() {
                *sum += factor[pace] * (levels[pace] + 2.0 * with);
            }
        }
        sum.map(|sum| sum.max(0.0))
    }
}

/// P(win) of one lead with one rep; for many reps make one `Query`.
pub fn predict(
    shared: Option<&Block>,
    rep: Option<&Block>,
    segment: &Segment,
    tenure: Option<Span>,
) -> Estimate {
    Query::new(shared, segment).estimate(rep, tenure)
}

/// Whether the data carry a choice among these candidates.
pub fn evidence(shared: Option<&Block>, candidates: &[Estimate]) -> Evidence {
    let shared = shared.and_then(Block::shared);
    let factor = shared.map_or(0.0, |shared| shared.head.factor);
    let moved = candidates.iter().map(|estimate| estimate.moved).fold(0.0, f64::max);
    Evidence { thin: moved < MOVED_MIN || factor < FACTOR_MIN, moved, factor }
}
