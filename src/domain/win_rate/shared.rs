//! What a domain's reps have in common: the shared effects, the dictionary, the variances between
//! reps, and the record of how well each model predicted.

use std::sync::Arc;

use super::amount::Amounts;
use super::effects::{Effects, SharedUpdate};
use super::features::{AGE_BUCKETS, Features, GROUP_ALL, GROUPS_MAX, age_from_days};
use super::gaussian::Gaussian;
use super::image::{Part, shared_base};
use super::refit::{differ, fixed_point};
use super::rep::{Fit, PACE_COUNT, PENDING_MAX};
use crate::domain::time::Timestamp;

/// The models that are mixed: reps do not differ, then one for each pace of forgetting.
pub(super) const MODELS: usize = 1 + PACE_COUNT;

/// Starting variances of a rep's own effects: all, any dimension, the pair.
const REP_ALL: f64 = 0.05;
const REP_LEVEL: f64 = 0.015;
/// Deals between two re-fits.
const REFIT_DEALS: u64 = 50;
/// What is left of a model's record after each deal: which pace is right, or whether reps differ, some 5,000 deals
/// tell, hardly 500.
const RECORD_KEEP: f64 = 0.9998;
/// So many deals of an age are taken to have been won and lost as all, before any is seen.
const PSEUDO_AGES: f64 = 20.0;
/// The ages that can be seen to an end are scaled up no further than this.
const OPEN_MIN: f64 = 0.2;
/// No age at close says more than this.
const LATE_MAX: f64 = 4.0;
/// What is left of the evidence that reps differ, after each deal: how far modest differences speak for
/// themselves grows with the deals that are remembered.
const FACTOR_KEEP: f64 = 0.9999;

/// The shared block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SharedBlock {
    pub(super) features: Arc<Features>,
    pub(super) base: Arc<Part>,
    pub(super) pending: Vec<Arc<SharedUpdate>>,
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

/// The variance of a rep's own effect before any re-fit.
pub(super) fn start_variances() -> [f64; GROUPS_MAX] {
    let mut variances = [REP_LEVEL; GROUPS_MAX];
    variances[GROUP_ALL] = REP_ALL;
    variances
}

impl SharedBlock {
    pub(super) fn new(at: Timestamp) -> SharedBlock {
        let features = Features::new();
        let effects = Effects::new(&features, at);
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
        pending: Vec<Arc<SharedUpdate>>,
        head: Head,
    ) -> SharedBlock {
        pending.iter().for_each(|update| now.apply(&features, update));
        let features = Arc::new(features);
        let amounts = Arc::default();
        SharedBlock { features, base, pending, now: Arc::new(now), head, amounts }
    }

    /// Heap and own size, the dictionary apart.
    pub(super) fn bytes(&self) -> usize {
        let Effects { belief, alike, .. } = &*self.now;
        let numbers = |belief: &Gaussian<1>| (belief.mean.capacity() + belief.cov.capacity()) * 8;
        let update = |update: &Arc<SharedUpdate>| {
            let terms = update.belief.design.capacity() + update.alike.design.capacity();
            size_of::<SharedUpdate>() + terms * size_of::<(u32, f64)>()
        };
        size_of::<SharedBlock>()
            + numbers(belief)
            + numbers(alike)
            + self.pending.capacity() * size_of::<Arc<SharedUpdate>>()
            + self.pending.iter().map(update).sum::<usize>()
            + self.base.bytes()
            + self.amounts.bytes()
    }

    pub(super) fn apply(&mut self, update: SharedUpdate) {
        Arc::make_mut(&mut self.now).apply(&self.features, &update);
        self.pending.push(Arc::new(update));
        if self.pending.len() >= PENDING_MAX {
            self.rebase();
        }
    }

    fn rebase(&mut self) {
        self.base = Arc::new(shared_base(&self.features, &self.now));
        self.pending.clear();
    }

    /// What the age at close says of an outcome: the logarithm of how much more often won deals close at
    /// this age than lost ones. Won deals close late, so the losses are seen first; with this a deal
    /// teaches the chance of a lead whose deal has yet to close.
    pub(super) fn late(&self, age: usize) -> f64 {
        let seen_days = self.head.last_at.since(self.head.first_at).days();
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

    /// Re-fits the variances, between reps and between levels, to what has been seen, now and then.
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
        self.head.variances = fixed_point(&power, &strength, &start);
        let levels = self.now.fitted(&self.features);
        if differ(&levels, &self.now.variances) {
            Arc::make_mut(&mut self.now).reprior(&self.features, &levels);
            self.rebase();
        }
    }
}
