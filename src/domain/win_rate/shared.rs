//! What a domain's reps have in common: the shared effects, the dictionary, the variances between
//! reps, and the record of how well each model predicted.

use std::sync::Arc;

use super::amount::Amounts;
use super::features::{
    AGE_BUCKETS, ALL, FEATURES_MAX, Features, GROUP_AGE, GROUP_ALL, GROUP_TENURE, GROUPS_MAX,
    age_from_days,
};
use super::gaussian::Gaussian;
use super::image::{Part, shared_base};
use super::rep::{Fit, PACE_COUNT, PENDING_MAX, bounded};
use crate::domain::time::{Span, Timestamp};

/// The models that are mixed: reps do not differ, then one for each pace of forgetting.
pub(super) const MODELS: usize = 1 + PACE_COUNT;

/// What is believed before the first deal: one in five is won.
const BASE_LOGIT: f64 = -1.386_294_361_119_890_6;
/// Variances of the shared effects: all, tenure, age, any dimension.
const SHARED_VARIANCES: [f64; 4] = [1.0, 0.1, 0.5, 0.15];
/// Starting variances of a rep's own effects: all, any dimension, the pair.
const REP_ALL: f64 = 0.05;
const REP_LEVEL: f64 = 0.015;
/// The starting values count as so many effects in the re-fit.
const PSEUDO_EFFECTS: f64 = 4.0;
/// And as so many in the fit of their common scale.
const PSEUDO_SCALE: f64 = 8.0;
/// Deals between two re-fits.
const REFIT_DEALS: u64 = 50;
/// Time constants of the shared effects, in days: all, the others.
const SHARED_DAYS: [f64; 2] = [10_000.0, 4000.0];
/// What is left of a model's record after each deal: which pace is right, or whether reps differ, some 2,000 deals
/// tell, hardly 500.
const RECORD_KEEP: f64 = 0.9995;
/// So many deals of an age are taken to have been won and lost as all, before any is seen.
const PSEUDO_AGES: f64 = 20.0;
/// The ages that can be seen to an end are scaled up no further than this.
const OPEN_MIN: f64 = 0.2;
/// No age at close says more than this.
const LATE_MAX: f64 = 4.0;
/// What is left of the evidence that reps differ: predictions made before the variances were fitted are
/// forgotten with it. Not sooner: how far modest differences speak for themselves grows with the deals that
/// are remembered.
const FACTOR_KEEP: f64 = 0.9997;
const STEP: Span = Span::from_days(1);
const DAY_MS: f64 = 86_400_000.0;

/// One observation as the shared effects see it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SharedUpdate {
    pub(super) at: Timestamp,
    /// Features known then.
    pub(super) dimension: usize,
    pub(super) design: Vec<(u32, f64)>,
    pub(super) precision: f64,
    pub(super) response: f64,
}

/// The shared effects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effects {
    pub(super) at: Timestamp,
    pub(super) belief: Gaussian<1>,
}

/// The shared block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SharedBlock {
    pub(super) features: Arc<Features>,
    pub(super) base: Arc<Part>,
    pub(super) pending: Vec<SharedUpdate>,
    pub(super) now: Arc<Effects>,
    /// Small, and written every time; so is what amounts taught.
    pub(super) head: Head,
    pub(super) amounts: Arc<Amounts>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) deals: u64,
    /// Since the last re-fit.
    pub(super) fresh: u64,
    /// The earliest opening and the latest close seen.
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    /// By group: how much reps differ.
    pub(super) variances: [f64; GROUPS_MAX],
    /// Sum over the reps.
    pub(super) fit: Fit,
    /// Discounted logarithm of what each model gave to the outcomes, the best = 0.
    pub(super) record: [f64; MODELS],
    /// Log Bayes factor of "reps differ" against "they do not".
    pub(super) factor: f64,
    /// Deals by age at close: the lost, and the won.
    pub(super) ages: [[f64; AGE_BUCKETS]; 2],
}

impl Head {
    pub(super) fn is_sound(&self) -> bool {
        let lists = self.record.iter().chain(self.ages.as_flattened()).chain([&self.factor]);
        let positive = |variance: &f64| variance.is_finite() && *variance > 0.0;
        lists.into_iter().all(|number| number.is_finite())
            && self.variances.iter().all(positive)
            && self.fit.is_sound()
    }
}

impl Effects {
    /// Gives every known feature an effect and brings the effects to the time of an observation.
    pub(super) fn prepare(&mut self, features: &Features, dimension: usize, at: Timestamp) {
        while self.belief.len() < dimension.min(features.len()) {
            let number = self.belief.len() as u32;
            let mean = if number == ALL { BASE_LOGIT } else { 0.0 };
            self.belief.push(mean, prior_variance(features.group(number)));
        }
        let elapsed = at.since(self.at);
        if elapsed >= STEP {
            self.forget(features, elapsed);
            self.at = at;
        }
    }

    fn forget(&mut self, features: &Features, elapsed: Span) {
        let days = elapsed.0 as f64 / DAY_MS;
        let kept = SHARED_DAYS.map(|constant| libm::exp(-days / constant));
        let (mut keep, mut prior) = ([[0.0]; FEATURES_MAX], [0.0; FEATURES_MAX]);
        for number in 0..self.belief.len() {
            let group = features.group(number as u32);
            keep[number] = [kept[usize::from(group != GROUP_ALL)]];
            prior[number] = prior_variance(group);
            // The base rate has no value that it returns to.
            if number as u32 != ALL {
                self.belief.mean[number][0] *= keep[number][0];
            }
        }
        let known = self.belief.len();
        self.belief.relax(&keep[..known], &prior[..known]);
    }

    /// A combination of the effects, by feature.
    pub(super) fn factors(&self, design: &[(u32, f64)]) -> Vec<[f64; 1]> {
        let mut factors = vec![[0.0]; self.belief.len()];
        design.iter().for_each(|(feature, factor)| factors[*feature as usize][0] += factor);
        factors
    }

    /// The mean of one effect.
    pub(super) fn effect(&self, feature: u32) -> f64 {
        self.belief.mean[feature as usize][0]
    }

    pub(super) fn mean(&self, design: &[(u32, f64)]) -> f64 {
        design.iter().map(|(feature, factor)| self.effect(*feature) * factor).sum()
    }

    /// Takes in one observation; the same in life and at restore.
    pub(super) fn apply(&mut self, features: &Features, update: &SharedUpdate) {
        self.prepare(features, update.dimension, update.at);
        let column = self.belief.column(&self.factors(&update.design));
        let with = |(feature, factor): &(u32, f64)| column[*feature as usize][0] * factor;
        let variance: f64 = update.design.iter().map(with).sum();
        let precision = bounded(update.precision, variance);
        let gain = precision / (1.0 + precision * variance);
        let shift = gain * (update.response - self.mean(&update.design));
        self.belief.absorb(&column, [gain], [shift]);
    }
}

/// The variance of a shared effect before any deal.
pub(super) fn prior_variance(group: usize) -> f64 {
    match group {
        GROUP_ALL => SHARED_VARIANCES[0],
        GROUP_TENURE => SHARED_VARIANCES[1],
        GROUP_AGE => SHARED_VARIANCES[2],
        _ => SHARED_VARIANCES[3],
    }
}

/// The variance of a rep's own effect before any re-fit.
pub(super) fn start_variances() -> [f64; GROUPS_MAX] {
    let mut variances = [REP_LEVEL; GROUPS_MAX];
    variances[GROUP_ALL] = REP_ALL;
    variances
}

impl SharedBlock {
    pub(super) fn new(at: Timestamp) -> SharedBlock {
        let features = Features::new();
        let mut effects = Effects { at, belief: Gaussian::default() };
        effects.prepare(&features, features.len(), at);
        SharedBlock {
            base: Arc::new(shared_base(&features, &effects)),
            features: Arc::new(features),
            pending: Vec::new(),
            now: Arc::new(effects),
            head: Head {
                deals: 0,
                fresh: 0,
                first_at: at,
                last_at: at,
                variances: start_variances(),
                fit: Fit::default(),
                record: [0.0; MODELS],
                factor: 0.0,
                ages: [[0.0; AGE_BUCKETS]; 2],
            },
            amounts: Arc::default(),
        }
    }

    /// The block as it was written: the updates re-applied in order.
    pub(super) fn restored(
        base: Arc<Part>,
        features: Features,
        mut now: Effects,
        pending: Vec<SharedUpdate>,
        head: Head,
    ) -> SharedBlock {
        pending.iter().for_each(|update| now.apply(&features, update));
        let features = Arc::new(features);
        let amounts = Arc::default();
        SharedBlock { features, base, pending, now: Arc::new(now), head, amounts }
    }

    /// Heap and own size, the dictionary apart.
    pub(super) fn bytes(&self) -> usize {
        let belief = (self.now.belief.mean.capacity() + self.now.belief.cov.capacity()) * 8;
        let update = |update: &SharedUpdate| update.design.capacity() * size_of::<(u32, f64)>();
        size_of::<SharedBlock>()
            + belief
            + self.pending.capacity() * size_of::<SharedUpdate>()
            + self.pending.iter().map(update).sum::<usize>()
            + self.base.bytes()
            + self.amounts.bytes()
    }

    pub(super) fn apply(&mut self, update: SharedUpdate) {
        Arc::make_mut(&mut self.now).apply(&self.features, &update);
        self.pending.push(update);
        if self.pending.len() >= PENDING_MAX {
            self.base = Arc::new(shared_base(&self.features, &self.now));
            self.pending.clear();
        }
    }

    /// What the age at close says of an outcome: the logarithm of how much more often won deals close at
    /// this age than lost ones. Won deals close late, so the losses are seen first; with this a deal
    /// teaches the chance of a lead whose deal has yet to close.
    pub(super) fn late(&self, age: usize) -> f64 {
        let seen_days = self.head.last_at.since(self.head.first_at).0 as f64 / DAY_MS;
        // Of the deals that close at an age, so many have had the time to.
        let open = |age: usize| {
            (1.0 - age_from_days(age) as f64 / seen_days.max(1.0)).clamp(OPEN_MIN, 1.0)
        };
        let known = AGE_BUCKETS - 1;
        if age >= known {
            return 0.0;
        }
        let sum = |ages: &[f64; AGE_BUCKETS]| (0..known).map(|age| ages[age] / open(age)).sum();
        let [lost, won]: [f64; 2] = self.head.ages.each_ref().map(sum);
        let [own_lost, own_won] = self.head.ages.each_ref().map(|ages| ages[age] / open(age));
        let usual = (own_lost + own_won + 0.5) / (lost + won + 0.5 * known as f64);
        let share = |own: f64, all: f64| (own + PSEUDO_AGES * usual) / (all + PSEUDO_AGES);
        libm::log(share(own_won, won) / share(own_lost, lost)).clamp(-LATE_MAX, LATE_MAX)
    }

    /// The share of each model in the mixture.
    pub(super) fn weights(&self) -> [f64; MODELS] {
        let mut weights = self.head.record.map(libm::exp);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        weights
    }

    /// Notes how well each model predicted an outcome: logarithms of the chance that each gave it.
    pub(super) fn note(&mut self, chances: &[f64; MODELS]) {
        let weights = self.weights();
        let differ: f64 = weights[1..].iter().sum();
        let mixed: f64 = (1..MODELS).map(|k| weights[k] / differ * libm::exp(chances[k])).sum();
        let head = &mut self.head;
        head.factor = head.factor * FACTOR_KEEP + libm::log(mixed) - chances[0];
        for (record, chance) in head.record.iter_mut().zip(chances) {
            *record = *record * RECORD_KEEP + chance;
        }
        let best = head.record.iter().copied().fold(f64::MIN, f64::max);
        // The floor keeps every model able to come back.
        head.record.iter_mut().for_each(|record| *record = (*record - best).max(-20.0));
    }

    /// How much reps differ, in units of the starting variances: the mean of what is possible, for the
    /// likeliest may be nothing where a little difference cannot be told from none.
    pub(super) fn difference(&self) -> f64 {
        let Fit { scale, reps, shift, .. } = &self.head.fit;
        // The shared effects are learned from the same deals: one rep in all tells nothing of differences.
        let others = if *reps > 1.0 { 1.0 - 1.0 / reps } else { 1.0 };
        let times = self.head.variances[GROUP_ALL] / REP_ALL;
        let common = shift * shift / reps.max(1.0) / self.head.variances[GROUP_ALL] / times;
        let known = (others * scale.weight).max(0.0) + PSEUDO_SCALE;
        let seen = scale.power - common - others * scale.noise;
        positive_mean((seen + PSEUDO_SCALE) / known, (2.0 / known).sqrt())
    }

    /// Re-fits the variances between reps to what has been seen (MacKay's fixed point), now and then.
    pub(super) fn refit(&mut self) {
        self.head.fresh += 1;
        if self.head.fresh < REFIT_DEALS {
            return;
        }
        self.head.fresh = 0;
        let start = start_variances();
        let fit = &self.head.fit;
        let mut strength = fit.strength.map(|strength| strength.max(0.0));
        let mut power = fit.power.map(|power| power.max(0.0));
        if fit.reps > 1.0 {
            let common = fit.shift * fit.shift / fit.reps;
            power[GROUP_ALL] = (power[GROUP_ALL] - common).max(0.0);
            strength[GROUP_ALL] *= 1.0 - 1.0 / fit.reps;
        }
        // How much reps differ in all, in units of the start, is known long before the groups are.
        let units: f64 = power.iter().zip(&start).map(|(power, start)| power / start).sum();
        let scale = (units + PSEUDO_SCALE) / (strength.iter().sum::<f64>() + PSEUDO_SCALE);
        for (group, variance) in self.head.variances.iter_mut().enumerate() {
            let power = power[group] + PSEUDO_EFFECTS * scale * start[group];
            let strength = strength[group] + PSEUDO_EFFECTS;
            *variance = (power / strength).clamp(1e-4, 1.0);
        }
    }
}

/// The mean of a normal distribution of which only the part above zero is possible.
fn positive_mean(mean: f64, deviation: f64) -> f64 {
    // Beyond eight deviations the quotient below is of two numbers next to nothing.
    let z = (mean / deviation).max(-8.0);
    let density = libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt();
    let above = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
    deviation * (z + density / above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_what_is_possible() {
        // A half-normal distribution; next to no truncation; and next to nothing left.
        let half = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
        assert!((positive_mean(0.0, 2.0) - half).abs() < 1e-12);
        assert!((positive_mean(5.0, 0.5) - 5.0).abs() < 1e-9);
        for mean in [-1e6, -20.0, -4.0, -1.0] {
            let found = positive_mean(mean, 1.0);
            assert!(found > 0.0 && found < 1.0, "{mean} {found}");
        }
    }
}
