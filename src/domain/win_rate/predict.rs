//! P(win) of a lead with each rep, with its uncertainty; and whether that carries a choice.

use super::Block;
use super::features::{AGE_BUCKETS, AGE_FIRST, ALL, GROUP_ALL, age_from_days, tenure_feature};
use super::logistic::{clamp, expected, logit, sigmoid};
use super::rep::{PACE_COUNT, RepBlock, View};
use super::segment::Segment;
use super::shared::{MODELS, SharedBlock, prior_variance, start_variances};
use crate::domain::time::{Span, Timestamp};

/// 90 % of a normal distribution lies within so many standard deviations.
const DEVIATIONS_90: f64 = 1.644_853_626_951_472_2;
/// Probabilities are kept off 0 and 1.
const EDGE: f64 = 1e-6;
/// A candidate's evidence counts from this share of what could be known on.
const MOVED_MIN: f64 = 0.05;
/// Reps are taken to differ from this log Bayes factor on.
const FACTOR_MIN: f64 = 1.0;

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
    weights: [f64; MODELS],
    /// The ages at which deals close, as they weigh in the logit, and what the average over them
    /// adds to it beyond that.
    ages: Vec<(u32, f64)>,
    bend: f64,
}

impl<'a> Query<'a> {
    /// For a lead of this segment, with the domain's shared block.
    pub fn new(shared: Option<&'a Block>, segment: &Segment) -> Query<'a> {
        let shared = shared.and_then(Block::shared);
        let mut query = Query {
            shared,
            levels: vec![(ALL, GROUP_ALL as u8)],
            unseen: [0.0; 2],
            weights: shared.map_or([1.0 / MODELS as f64; MODELS], SharedBlock::weights),
            ages: Vec::new(),
            bend: 0.0,
        };
        let variances = shared.map_or_else(start_variances, |shared| shared.head.variances);
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
                    query.unseen[0] += prior_variance(group);
                    query.unseen[1] += variances[group.min(variances.len() - 1)];
                }
            }
        }
        if let Some(shared) = shared {
            query.average_ages(shared);
        }
        query
    }

    /// A lead's deal will close at some age; which, nobody knows, so the chance is averaged over the
    /// ages seen. Late closes have had less time to be seen and count for more.
    fn average_ages(&mut self, shared: &SharedBlock) {
        let day = Span::from_days(1).0 as f64;
        let seen_days = shared.head.last_at.since(shared.head.first_at).0 as f64 / day;
        let effects = &shared.now.belief.mean;
        let base: f64 = self.levels.iter().map(|(number, _)| effects[*number as usize]).sum();
        let base = clamp(base);
        let mut shares = [0.0; AGE_BUCKETS];
        for (bucket, share) in shares.iter_mut().enumerate() {
            let open = 1.0 - age_from_days(bucket) as f64 / seen_days.max(1.0);
            *share = shared.head.ages[bucket] / open.max(0.2);
        }
        let total: f64 = shares.iter().sum();
        if total <= 0.0 {
            return;
        }
        let (mut chance, mut slope) = (0.0, 0.0);
        for (bucket, share) in shares.iter_mut().enumerate() {
            let p = sigmoid(base + effects[AGE_FIRST as usize + bucket]);
            chance += *share / total * p;
            *share *= p * (1.0 - p) / total;
            slope += *share;
        }
        let mut linear = 0.0;
        for (bucket, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let number = AGE_FIRST + bucket as u32;
            linear += share / slope * effects[number as usize];
            self.ages.push((number, share / slope));
        }
        self.bend = logit(chance) - base - linear;
    }

    /// P(win) with a rep (`None`: nothing is known of the rep) of this time in the job.
    pub fn estimate(&self, rep: Option<&Block>, tenure: Option<Span>) -> Estimate {
        let rep = rep.and_then(Block::rep);
        let Some(shared) = self.shared else {
            return self.ignorant();
        };
        let unknown = View {
            design: self.levels.iter().map(|(number, _)| (*number, 1.0)).collect(),
            ..View::default()
        };
        let mut moments = [(0.0, 0.0); MODELS];
        let mut moved = 0.0;
        let differ: f64 = self.weights[1..].iter().sum();
        moments[0] = self.moments(shared, &unknown, tenure);
        for pace in 0..PACE_COUNT {
            let view = self.view(shared, rep, pace, &unknown);
            moments[pace + 1] = self.moments(shared, &view, tenure);
            let share = self.weights[pace + 1] / differ.max(f64::MIN_POSITIVE);
            moved += share * (1.0 - view.variance / view.prior);
        }
        let deals = rep.map_or(0, |rep| rep.deals);
        self.mix(&moments, deals, moved)
    }

    fn view(
        &self,
        shared: &SharedBlock,
        rep: Option<&RepBlock>,
        pace: usize,
        unknown: &View,
    ) -> View {
        let mut view = match rep {
            Some(rep) => rep.now.view(pace, &self.levels),
            None => {
                let variance = |level: &(u32, u8)| shared.head.variances[usize::from(level.1)];
                let prior = self.levels.iter().map(variance).sum();
                View { variance: prior, prior, ..unknown.clone() }
            }
        };
        view.variance += self.unseen[1];
        view.prior += self.unseen[1];
        view
    }

    /// Mean and variance of the logit as a view of the rep sees it.
    fn moments(&self, shared: &SharedBlock, view: &View, tenure: Option<Span>) -> (f64, f64) {
        let belief = &shared.now.belief;
        let (mut mean, mut variance) = (view.offset + self.bend, view.variance + self.unseen[0]);
        let tenure = [(tenure_feature(tenure), 1.0)];
        let all = || view.design.iter().chain(&self.ages).chain(&tenure);
        for (number, factor) in all() {
            mean += belief.mean[*number as usize] * factor;
            for (other, weight) in all() {
                variance += belief.covariance(*number as usize, *other as usize) * factor * weight;
            }
        }
        (mean, variance.max(0.0))
    }

    fn mix(&self, moments: &[(f64, f64); MODELS], deals: u64, moved: f64) -> Estimate {
        let (mut chance, mut mean, mut second) = (0.0, 0.0, 0.0);
        for ((centre, variance), weight) in moments.iter().zip(&self.weights) {
            let centre = clamp(*centre);
            chance += weight * expected(centre, *variance);
            mean += weight * centre;
            second += weight * (variance + centre * centre);
        }
        let deviation = (second - mean * mean).max(0.0).sqrt();
        let mean_chance = chance.clamp(EDGE, 1.0 - EDGE);
        let low = sigmoid(mean - DEVIATIONS_90 * deviation).max(EDGE);
        let high = sigmoid(mean + DEVIATIONS_90 * deviation).min(1.0 - EDGE);
        Estimate {
            mean: mean_chance,
            low: low.min(mean_chance),
            high: high.max(mean_chance),
            deals,
            moved: moved.clamp(0.0, 1.0),
            deviation: deviation * mean_chance * (1.0 - mean_chance),
        }
    }

    /// Before the first deal of the domain: one in five, or anything near.
    fn ignorant(&self) -> Estimate {
        let empty = SharedBlock::new(Timestamp::default());
        let moments = [(empty.now.belief.mean[ALL as usize], 1.0 + self.unseen[0]); MODELS];
        self.mix(&moments, 0, 0.0)
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
    let factor = shared.and_then(Block::shared).map_or(0.0, |shared| shared.head.factor);
    let moved = candidates.iter().map(|estimate| estimate.moved).fold(0.0, f64::max);
    Evidence { thin: moved < MOVED_MIN || factor < FACTOR_MIN, moved, factor }
}
