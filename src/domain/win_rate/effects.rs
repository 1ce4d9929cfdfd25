//! The effects that a domain's reps have in common: what is believed of them, and how much the levels of a
//! dimension differ.

use super::features::{ALL, FEATURES_MAX, Features, GROUP_ALL, GROUP_TENURE, GROUPS_MAX};
use super::gaussian::{Gaussian, Spread};
use super::refit::fixed_point;
use crate::domain::time::{Span, Timestamp};

/// What is believed before the first deal: one in five is won.
const BASE_LOGIT: f64 = -1.386_294_361_119_890_6;
/// Variances of the shared effects before any deal: all, tenure, any dimension.
const VARIANCES: [f64; 3] = [1.0, 0.1, 0.06];
/// Time constants of the shared effects, in days: all, the others.
const SHARED_DAYS: [f64; 2] = [10_000.0, 4000.0];
const STEP: Span = Span::from_days(1);

/// One observation as the shared effects see it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SharedUpdate {
    pub(super) at: Timestamp,
    /// Features known then.
    pub(super) dimension: usize,
    /// What is left when the rep's own effects are integrated out; and all of it, as if reps were alike.
    pub(super) belief: Term,
    pub(super) alike: Term,
}

/// A normal observation of a combination of shared effects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) design: Vec<(u32, f64)>,
    pub(super) precision: f64,
    pub(super) response: f64,
}

/// The shared effects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effects {
    pub(super) at: Timestamp,
    /// Variances by group that the beliefs were computed under.
    pub(super) variances: [f64; GROUPS_MAX],
    /// Around which the reps' own effects are.
    pub(super) belief: Gaussian<1>,
    /// As if reps were alike: a model of its own. With the effects above, which count each rep as one of
    /// many, it would fail at a rep who has most of the leads, and reps would seem to differ.
    pub(super) alike: Gaussian<1>,
}

impl Effects {
    pub(super) fn new(features: &Features, at: Timestamp) -> Effects {
        let variances = start_variances();
        let (belief, alike) = (Gaussian::default(), Gaussian::default());
        let mut effects = Effects { at, variances, belief, alike };
        effects.prepare(features, features.len(), at);
        effects
    }

    /// Gives every known feature an effect and brings the effects to the time of an observation.
    pub(super) fn prepare(&mut self, features: &Features, dimension: usize, at: Timestamp) {
        while self.belief.len() < dimension.min(features.len()) {
            let number = self.belief.len() as u32;
            let mean = if number == ALL { BASE_LOGIT } else { 0.0 };
            let variance = self.variances[features.group(number)];
            self.belief.push(mean, variance);
            self.alike.push(mean, variance);
        }
        let elapsed = at.since(self.at);
        if elapsed >= STEP {
            self.forget(features, elapsed);
            self.at = at;
        }
    }

    fn forget(&mut self, features: &Features, elapsed: Span) {
        let days = elapsed.days();
        let kept = SHARED_DAYS.map(|constant| libm::exp(-days / constant));
        let (mut keep, mut prior) = ([[0.0]; FEATURES_MAX], [0.0; FEATURES_MAX]);
        for number in 0..self.belief.len() {
            let group = features.group(number as u32);
            keep[number] = [kept[usize::from(group != GROUP_ALL)]];
            prior[number] = self.variances[group];
        }
        let known = self.belief.len();
        for belief in [&mut self.belief, &mut self.alike] {
            // The base rate has no value that it returns to.
            for number in (0..known).filter(|number| *number as u32 != ALL) {
                belief.mean[number][0] *= keep[number][0];
            }
            belief.relax(&keep[..known], &prior[..known]);
        }
    }

    /// The mean of one effect.
    pub(super) fn effect(&self, feature: u32) -> f64 {
        self.belief.mean[feature as usize][0]
    }

    /// Takes in one observation; the same in life and at restore.
    pub(super) fn apply(&mut self, features: &Features, update: &SharedUpdate) {
        self.prepare(features, update.dimension, update.at);
        let days = self.at.since(update.at).days();
        let [belief, alike] =
            [&update.belief, &update.alike].map(|term| self.prior(features, term));
        update.belief.apply(&mut self.belief, belief, days);
        update.alike.apply(&mut self.alike, alike, days);
    }

    /// Variance of a term's combination before any deal, and by how much it grows in a day.
    fn prior(&self, features: &Features, term: &Term) -> (f64, f64) {
        let of = |(number, factor): &(u32, f64)| {
            let group = features.group(*number);
            let variance = factor * factor * self.variances[group];
            (variance, drift(group, variance))
        };
        term.design.iter().map(of).fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d))
    }

    /// How far a sum of effects is known that has this variance now, by the groups of the effects.
    pub(super) fn spread(&self, groups: impl Iterator<Item = usize>, variance: f64) -> Spread {
        let mut spread = Spread { variance, prior: 0.0, drift: 0.0 };
        for group in groups {
            spread.prior += self.variances[group];
            spread.drift += drift(group, self.variances[group]);
        }
        spread
    }

    /// How much the levels of each dimension differ, as the belief has it; what is no dimension stays.
    pub(super) fn fitted(&self, features: &Features) -> [f64; GROUPS_MAX] {
        let (mut power, mut strength) = ([0.0; GROUPS_MAX], [0.0; GROUPS_MAX]);
        for number in 0..self.belief.len() {
            let group = features.group(number as u32);
            if group > GROUP_TENURE {
                let mean = self.belief.mean[number][0];
                let known = 1.0 - self.belief.variance(number)[0] / self.variances[group];
                power[group] += mean * mean;
                strength[group] += known.clamp(0.0, 1.0);
            }
        }
        let mut variances = fixed_point(&power, &strength, &start_variances());
        variances[..=GROUP_TENURE].copy_from_slice(&self.variances[..=GROUP_TENURE]);
        variances
    }

    /// Other variances by group: as if the belief had begun under them.
    pub(super) fn reprior(&mut self, features: &Features, variances: &[f64; GROUPS_MAX]) {
        for number in 0..self.belief.len() {
            let group = features.group(number as u32);
            let (old, new) = (self.variances[group], variances[group]);
            self.belief.reprior(number, 0.0, old, new);
            self.alike.reprior(number, 0.0, old, new);
        }
        self.variances = *variances;
    }
}

impl Term {
    /// `prior` and `drift` are those of the combination; `days`: how long ago it was observed. An older
    /// observation counts, and is taken back, for as much as would be left of it had it come in its time.
    fn apply(&self, belief: &mut Gaussian<1>, (prior, drift): (f64, f64), days: f64) {
        let column = belief.column(&factors(belief, &self.design));
        let with = |(feature, factor): &(u32, f64)| column[*feature as usize][0] * factor;
        let variance: f64 = self.design.iter().map(with).sum();
        let spread = Spread { variance, prior, drift };
        let precision = spread.bounded(self.precision * spread.left(days));
        let gain = precision / (1.0 + precision * variance);
        let shift = gain * (self.response - mean(belief, &self.design));
        belief.absorb(&column, [gain], [shift]);
    }
}

/// By how much the variance of an effect grows in a day, of what was once known.
fn drift(group: usize, variance: f64) -> f64 {
    2.0 * variance / SHARED_DAYS[usize::from(group != GROUP_ALL)]
}

/// Mean and variance of a combination of the effects.
pub(super) fn moments(belief: &Gaussian<1>, design: &[(u32, f64)]) -> (f64, f64) {
    (mean(belief, design), belief.variance_of(&factors(belief, design))[0])
}

fn mean(belief: &Gaussian<1>, design: &[(u32, f64)]) -> f64 {
    design.iter().map(|(feature, factor)| belief.mean[*feature as usize][0] * factor).sum()
}

/// A combination of the effects, by feature.
fn factors(belief: &Gaussian<1>, design: &[(u32, f64)]) -> Vec<[f64; 1]> {
    let mut factors = vec![[0.0]; belief.len()];
    design.iter().for_each(|(feature, factor)| factors[*feature as usize][0] += factor);
    factors
}

/// Variances of the shared effects by group, before any deal.
pub(super) fn start_variances() -> [f64; GROUPS_MAX] {
    std::array::from_fn(|group| VARIANCES[group.min(VARIANCES.len() - 1)])
}
