//! What a domain's reps have in common: the shared effects, the dictionary, the variances between
//! reps, and the record of how well each model predicted.

use std::sync::Arc;

use super::amount::Amounts;
use super::effects::{Effects, SharedUpdate};
use super::features::{AGE_BUCKETS, Features, GROUP_ALL, GROUPS_MAX, age_from_days, age_to_days};
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
/// Ages at close that are known.
const AGES: usize = AGE_BUCKETS - 1;
/// An outcome is taken by its age if this share of its information is left so, by the window under that one.
const LEFT_FULL: f64 = 0.7;
const LEFT_MIN: f64 = 0.3;
/// How far the base rate may be off before any deal had the time to be won, on the logit; and after how many
/// times the usual age at close a third of that is left.
const UNSETTLED: f64 = 1.5;
const SETTLED_AGES: f64 = 4.0;
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

    /// What is to be taken off an outcome before it teaches, on the logit, for losses are seen before
    /// wins. `age`: the bucket of the age at close; `window_days`: how long ago the rep's first deal was
    /// opened, so that none can have closed at a greater age.
    ///
    /// By the age: how much more often won deals close at this age than lost ones. With this it does not
    /// matter how many leads the rep had when. Where the age alone all but tells the outcome, an outcome
    /// would teach nothing so; there, by the window: how much of the won and of the lost deals it can
    /// have seen to an end. Between, some of each.
    pub(super) fn late(&self, age: usize, window_days: f64) -> f64 {
        if age >= AGES {
            return 0.0;
        }
        let (lost, won, share) = self.closings();
        let by_age = libm::log(won[age] / lost[age]).clamp(-LATE_MAX, LATE_MAX);
        let part = |age: usize| {
            let (from, to) = (age_from_days(age) as f64, age_to_days(age) as f64);
            ((window_days - from) / (to - from)).clamp(0.0, 1.0)
        };
        let seen = |all: &[f64; AGES]| {
            let seen: f64 = all.iter().enumerate().map(|(age, own)| own * part(age)).sum();
            seen.max(libm::exp(-LATE_MAX))
        };
        let by_window = libm::log(seen(&won) / seen(&lost)).clamp(-LATE_MAX, LATE_MAX);
        // What is left of an outcome's information when its age is known.
        let left =
            |age: usize| won[age] * lost[age] / (share * won[age] + (1.0 - share) * lost[age]);
        let left: f64 = (0..AGES).map(left).sum();
        let trust = ((left - LEFT_MIN) / (LEFT_FULL - LEFT_MIN)).clamp(0.0, 1.0);
        trust * by_age + (1.0 - trust) * by_window
    }

    /// By age at close: the share of the lost and of the won deals; and the share of won ones. Ages that few
    /// deals can have had the time for are scaled up.
    fn closings(&self) -> ([f64; AGES], [f64; AGES], f64) {
        let seen_days = self.seen_days();
        let open = |age: usize| {
            (1.0 - age_from_days(age) as f64 / seen_days.max(1.0)).clamp(OPEN_MIN, 1.0)
        };
        let scaled = |ages: &[f64; AGE_BUCKETS]| -> [f64; AGES] {
            std::array::from_fn(|age| ages[age] / open(age))
        };
        let [own_lost, own_won] = self.head.ages.each_ref().map(scaled);
        let [lost, won]: [f64; 2] = [own_lost, own_won].map(|own| own.iter().sum());
        let usual: [f64; AGES] = std::array::from_fn(|age| {
            (own_lost[age] + own_won[age] + 0.5) / (lost + won + 0.5 * AGES as f64)
        });
        let shares = |own: [f64; AGES], all: f64| -> [f64; AGES] {
            std::array::from_fn(|age| (own[age] + PSEUDO_AGES * usual[age]) / (all + PSEUDO_AGES))
        };
        (shares(own_lost, lost), shares(own_won, won), (won + 1.0) / (lost + won + 2.0))
    }

    /// From the first opening to the last close.
    pub(super) fn seen_days(&self) -> f64 {
        self.head.last_at.since(self.head.first_at).days()
    }

    /// Variance of what all reps have in common that no closed deal can tell: while the record is short
    /// for how long deals take, wins may be to come.
    pub(super) fn unsettled(&self) -> f64 {
        let counts = self.head.ages.iter().flat_map(|ages| ages[..AGES].iter().enumerate());
        let (mut deals, mut days) = (0.0, 0.0);
        for (age, count) in counts {
            deals += count;
            days += count * (age_from_days(age) + age_to_days(age)) as f64 / 2.0;
        }
        let usual = if deals > 0.0 { days / deals } else { return 0.0 };
        let deviation = UNSETTLED * libm::exp(-self.seen_days().max(0.0) / (SETTLED_AGES * usual));
        deviation * deviation
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
