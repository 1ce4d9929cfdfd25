//! What a won deal brings: how a lead's amount with a rep compares with what is usual.
//!
//! The model: log amount = what is usual in its currency + Σ effects of the deal's levels + the rep's own
//! effect + noise; effects are normal around zero. Amounts of two currencies are never compared: each has a
//! usual amount of its own, and all else is a ratio.
//!
//! Given the effects g of all levels, what is believed of a rep's own effect is linear in them: (S − X·g) / W,
//! where W, S and X are the sums over the rep's deals of the precisions, of the amounts, and of the levels. So
//! a rep keeps these, follows every later change of g by itself, and shares no guilt for the segment that it
//! works in; g learns from a deal what is left when the rep's own effect is integrated out, the levels
//! compared within the rep. The effects g are kept as if independent, each as the data alone (`Told`), and
//! learn one after the other what the others leave of a deal. Taken back in the opposite order directly
//! after, all is as before up to rounding.

mod image;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::features::{ALL, FEATURES_MAX};
use super::{Block, Kind, Observation};
use crate::domain::lead_fields::Cents;
use crate::domain::time::{Span, Timestamp};

/// Currencies of a domain; amounts in further ones teach nothing.
const CURRENCIES_MAX: usize = 16;
/// The first amounts in a currency only say what is usual there, by their median.
const FIRST: usize = 5;
/// Variance of the effect of a level before any deal.
const LEVEL: f64 = 0.15;
/// Bounds of the variance between reps, which is what knowing the rep takes off the noise.
const BETWEEN: [f64; 2] = [0.005, 0.5];
/// Variance of what is left of an amount, before any deal: with the rep known, and without.
const NOISE: [f64; 2] = [0.5, 0.6];
const NOISE_BOUNDS: [f64; 2] = [0.01, 4.0];
/// The starting noise counts as so many deals, and no deal for less than one in so many.
const NOISE_DEALS: [f64; 2] = [10.0, 500.0];
/// An amount further from what was expected than so many standard deviations counts as one at this distance.
const FAR: f64 = 3.0;
/// Deals fade with this time constant, in days.
const FADE_DAYS: f64 = 1000.0;
/// What is left of the evidence that reps differ after each deal.
const FACTOR_KEEP: f64 = 0.999;
/// No effect on the logarithm is larger.
const EFFECT_MOST: f64 = 8.0;
/// The keys of currencies stand behind those of levels, which are their numbers.
const CURRENCY: u32 = FEATURES_MAX as u32;
/// Levels that a rep's deals are summed by; further ones are as if the rep had none of them.
const OWN_LEVELS_MAX: usize = 128;
/// Less than this is nothing.
const TOLD_MIN: f64 = 1e-6;
const STEP: Span = Span::from_days(1);

/// What data say of one effect: the sum of the observations, each by its precision, and of the precisions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) sum: f64,
    pub(super) weight: f64,
}

/// What is usual in a currency.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Usual {
    /// Its three letters as a number; 0 = none stated.
    pub(super) currency: u32,
    /// The first log amounts, until there are enough.
    pub(super) first: Vec<f64>,
    /// Their median; 0 until then.
    pub(super) centre: f64,
    /// How far the usual is from it.
    pub(super) told: Told,
}

/// What all reps of a domain have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Amounts {
    /// Faded up to here.
    pub(super) at: Timestamp,
    /// With the rep known, and without.
    pub(super) noise: [f64; 2],
    /// Won deals that the noise was seen in.
    pub(super) seen: f64,
    /// Log Bayes factor of "reps differ in amounts" against "they do not".
    pub(super) factor: f64,
    pub(super) usual: Vec<Usual>,
    /// By feature.
    pub(super) levels: Vec<Told>,
}

/// A rep's deals, each by its precision.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Own {
    /// Faded up to here.
    pub(super) at: Timestamp,
    pub(super) weight: f64,
    /// Of the log amounts, from what is usual.
    pub(super) sum: f64,
    /// By the key of a level or a currency, in the order in which they came.
    pub(super) levels: Vec<(u32, f64)>,
}

/// What the amount of a deal taught.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AmountTaught {
    pub currency: u32,
    /// The logarithm, from what was usual at first, no further away than it was taken for.
    pub log: f64,
    /// The noise that it was taken with; 0 = it was one of the first, and only says what is usual.
    pub noise: f64,
}

impl Told {
    /// Mean and variance of an effect that is drawn around zero with this variance.
    pub(super) fn belief(&self, prior: f64) -> (f64, f64) {
        let variance = 1.0 / (1.0 / prior + self.weight);
        (self.sum * variance, variance)
    }

    /// Takes in an observation of this precision, or takes it back. However often something is taken back
    /// that was not there, the mean stays within bounds.
    fn take(&mut self, observed: f64, precision: f64) {
        self.weight += precision;
        self.sum += precision * observed.clamp(-EFFECT_MOST, EFFECT_MOST);
        let bound = EFFECT_MOST * self.weight.max(0.0);
        self.sum = self.sum.clamp(-bound, bound);
        // No more can be taken back than there is; and what rounding leaves of it is nothing.
        if self.weight <= TOLD_MIN {
            *self = Told::default();
        }
    }

    fn fade(&mut self, keep: f64) {
        self.sum *= keep;
        self.weight *= keep;
    }

    fn is_sound(&self) -> bool {
        self.sum.is_finite() && self.weight.is_finite() && self.weight >= 0.0
    }
}

/// What is left after a time.
fn keep(elapsed: Span) -> f64 {
    libm::exp(-elapsed.max(Span::ZERO).days() / FADE_DAYS)
}

impl Own {
    fn prepare(&mut self, at: Timestamp) {
        let elapsed = at.since(self.at);
        if elapsed >= STEP {
            let keep = keep(elapsed);
            (self.weight, self.sum) = (self.weight * keep, self.sum * keep);
            self.levels.iter_mut().for_each(|(_, weight)| *weight *= keep);
            self.at = at;
        }
    }

    /// Takes in a deal, or takes it back (a negative precision).
    fn take(&mut self, keys: &[u32], log: f64, precision: f64) {
        self.weight += precision;
        if self.weight <= TOLD_MIN {
            (self.weight, self.sum, self.levels) = (0.0, 0.0, Vec::new());
            return;
        }
        self.sum += precision * log;
        let bound = EFFECT_MOST * self.weight;
        self.sum = self.sum.clamp(-bound, bound);
        let has_room = precision > 0.0 && self.levels.len() + keys.len() <= OWN_LEVELS_MAX;
        for key in keys {
            match self.levels.iter_mut().find(|(own, _)| own == key) {
                Some((_, weight)) => *weight = (*weight + precision).clamp(0.0, self.weight),
                None if has_room => self.levels.push((*key, precision)),
                None => {}
            }
        }
    }

    /// Mean and variance of the rep's own effect, by what reps have in common.
    pub(super) fn belief(&self, amounts: &Amounts) -> (f64, f64) {
        let variance = 1.0 / (1.0 / amounts.between() + self.weight);
        let levels = self.levels.iter().map(|(key, weight)| amounts.effect(*key).0 * weight);
        ((self.sum - levels.sum::<f64>()) * variance, variance)
    }

    pub(super) fn bytes(&self) -> usize {
        self.levels.capacity() * size_of::<(u32, f64)>()
    }

    pub(super) fn is_sound(&self) -> bool {
        let levels = self.levels.iter().map(|(_, weight)| *weight);
        self.sum.is_finite() && levels.chain([self.weight]).all(|it| it.is_finite() && it >= 0.0)
    }
}

impl Default for Amounts {
    fn default() -> Amounts {
        Amounts {
            at: Timestamp(0),
            noise: NOISE,
            seen: 0.0,
            factor: 0.0,
            usual: Vec::new(),
            levels: Vec::new(),
        }
    }
}

impl Amounts {
    /// Variance between reps.
    pub(super) fn between(&self) -> f64 {
        (self.noise[1] - self.noise[0]).clamp(BETWEEN[0], BETWEEN[1])
    }

    pub(super) fn is_sound(&self) -> bool {
        let firsts = self.usual.iter().flat_map(|usual| &usual.first);
        let single = self.noise.iter().chain([&self.seen, &self.factor]);
        let told = self.levels.iter().chain(self.usual.iter().map(|usual| &usual.told));
        single.chain(firsts).all(|number| number.is_finite())
            && self.noise.iter().all(|noise| *noise > 0.0)
            && told.into_iter().all(Told::is_sound)
    }

    pub(super) fn bytes(&self) -> usize {
        let usual = self.usual.iter().map(|usual| size_of::<Usual>() + usual.first.capacity() * 8);
        size_of::<Amounts>() + self.levels.capacity() * size_of::<Told>() + usual.sum::<usize>()
    }

    fn prepare(&mut self, at: Timestamp) {
        let elapsed = at.since(self.at);
        if elapsed < STEP {
            return;
        }
        let keep = keep(elapsed);
        self.levels.iter_mut().for_each(|told| told.fade(keep));
        self.usual.iter_mut().for_each(|usual| usual.told.fade(keep));
        self.at = at;
    }

    /// What is believed of a level's effect, or of a currency's.
    fn effect(&self, key: u32) -> (f64, f64) {
        let told = match key.checked_sub(CURRENCY) {
            Some(currency) => self.usual.get(currency as usize).map(|usual| &usual.told),
            None => self.levels.get(key as usize),
        };
        told.map_or((0.0, LEVEL), |told| told.belief(LEVEL))
    }

    fn told(&mut self, key: u32) -> Option<&mut Told> {
        match key.checked_sub(CURRENCY) {
            Some(currency) => self.usual.get_mut(currency as usize).map(|usual| &mut usual.told),
            None => self.levels.get_mut(key as usize),
        }
    }

    fn usual_at(&mut self, currency: u32) -> Option<usize> {
        let known = self.usual.iter().position(|usual| usual.currency == currency);
        if known.is_none() && self.usual.len() < CURRENCIES_MAX {
            let told = Told::default();
            self.usual.push(Usual { currency, first: Vec::new(), centre: 0.0, told });
            return Some(self.usual.len() - 1);
        }
        known
    }

    /// What reps have in common about a lead of these levels: the mean of the logarithm.
    pub(super) fn of_levels(&self, levels: impl Iterator<Item = u32>) -> f64 {
        levels.filter(|number| *number != ALL).map(|number| self.effect(number).0).sum()
    }
}

impl Usual {
    fn is_known(&self) -> bool {
        self.centre != 0.0
    }

    /// Takes one of the first amounts; after the last of them what is usual is their median.
    fn begin(&mut self, log: f64) {
        self.first.push(log);
        if self.first.len() == FIRST {
            self.first.sort_by(f64::total_cmp);
            // Zero says that it is not known yet.
            let median = self.first[FIRST / 2];
            self.centre = if median == 0.0 { TOLD_MIN } else { median };
            self.first = Vec::new();
        }
    }
}

/// What an amount says of the effects when the rep's own is integrated out.
struct Sight {
    /// By key.
    design: Vec<(u32, f64)>,
    offset: f64,
    /// Variance of the rep's own effect, given the others.
    own: f64,
}

impl Sight {
    fn new(own: &Own, between: f64, keys: &[u32]) -> Sight {
        let variance = 1.0 / (1.0 / between + own.weight);
        let pulled = own.levels.iter().map(|(key, weight)| (*key, -weight * variance));
        let mut design: Vec<(u32, f64)> = pulled.collect();
        for key in keys {
            match design.iter_mut().find(|(known, _)| known == key) {
                Some((_, factor)) => *factor += 1.0,
                None => design.push((*key, 1.0)),
            }
        }
        design.retain(|(_, factor)| factor.abs() > TOLD_MIN);
        Sight { design, offset: own.sum * variance, own: variance }
    }

    /// What is expected, and how far that is in doubt.
    fn expected(&self, amounts: &Amounts) -> (f64, f64) {
        let start = (self.offset, self.own);
        self.design.iter().fold(start, |sum, (key, factor)| {
            let (mean, variance) = amounts.effect(*key);
            (sum.0 + factor * mean, sum.1 + factor * factor * variance)
        })
    }

    /// One effect after the other learns what the others leave of an amount, or gives it back.
    fn learn(&self, amounts: &mut Amounts, log: f64, noise: f64, forth: bool) {
        let (mut expected, mut doubt) = self.expected(amounts);
        let count = self.design.len();
        for step in 0..count {
            let (key, factor) = self.design[if forth { step } else { count - 1 - step }];
            let square = factor * factor;
            let (mean, variance) = amounts.effect(key);
            let left = (log - expected) / factor + mean;
            let precision = square / (noise + (doubt - square * variance).max(0.0));
            if let Some(told) = amounts.told(key) {
                told.take(left, if forth { precision } else { -precision });
            }
            let (new, less) = amounts.effect(key);
            expected += factor * (new - mean);
            doubt += square * (less - variance);
        }
    }
}

impl Amounts {
    /// How well an amount was foretold with the rep known and without: what remains, and which of the two was
    /// better. Comes back no further away than it counts for.
    fn note(&mut self, sight: &Sight, keys: &[u32], log: f64) -> f64 {
        let [with, without] = self.noise;
        let (known, doubt) = sight.expected(self);
        let far = FAR * (with + doubt).sqrt();
        let log = log.clamp(known - far, known + far);
        let plain = keys.iter().map(|key| self.effect(*key));
        let (unknown, open) = plain.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let looks = [(log - known, with, doubt), (log - unknown, without, open)];
        let mut chances = [0.0; 2];
        let share = 1.0 / (self.seen + NOISE_DEALS[0] + 1.0).min(NOISE_DEALS[1]);
        for (which, (error, noise, doubt)) in looks.into_iter().enumerate() {
            let far = error * error / (noise + doubt);
            chances[which] = -0.5 * (libm::log(noise + doubt) + far);
            let noise = noise + share * (far.min(FAR * FAR) * noise - noise);
            self.noise[which] = noise.clamp(NOISE_BOUNDS[0], NOISE_BOUNDS[1]);
        }
        self.seen += 1.0;
        self.factor = self.factor * FACTOR_KEEP + chances[0] - chances[1];
        log
    }
}

/// A currency by its three letters; whatever else stands there counts as not stated.
fn code(currency: Option<&str>) -> u32 {
    let letters = currency.unwrap_or_default().trim().as_bytes();
    let known = letters.len() == 3 && letters.iter().all(u8::is_ascii_alphabetic);
    let number = |sum: u32, letter: &u8| sum << 8 | u32::from(letter.to_ascii_uppercase());
    if known { letters.iter().fold(0, number) } else { 0 }
}

/// Learns from the amount of a won deal, after `learn`. One that is not above zero teaches nothing.
pub fn learn_amount(
    shared: &mut Block,
    rep: &mut Block,
    observation: &mut Observation,
    amount: Cents,
    currency: Option<&str>,
) {
    let (Kind::Shared(shared), Kind::Rep(rep)) = (&mut shared.kind, &mut rep.kind) else {
        return;
    };
    if !observation.won || amount <= 0 {
        return;
    }
    let (log, currency) = (libm::log(amount as f64 / 100.0), code(currency));
    let known = shared.features.len();
    let amounts = Arc::make_mut(&mut shared.amounts);
    amounts.prepare(observation.closed_at);
    rep.amount.prepare(observation.closed_at);
    let Some(at) = amounts.usual_at(currency) else { return };
    let noise = amounts.noise[0];
    let usual = &mut amounts.usual[at];
    if !usual.is_known() {
        usual.begin(log);
        observation.amount = Some(AmountTaught { currency, log, noise: 0.0 });
        return;
    }
    amounts.levels.resize(known.min(FEATURES_MAX), Told::default());
    let (keys, centre) = (keys(observation, at), amounts.usual[at].centre);
    let [fade, own_fade] = fades(amounts, &rep.amount, observation);
    let sight = Sight::new(&rep.amount, amounts.between(), &keys);
    let log = amounts.note(&sight, &keys, log - centre);
    // As much as reps differ now, so that it can be taken back as it was taken in.
    let sight = Sight::new(&rep.amount, amounts.between(), &keys);
    sight.learn(amounts, log, noise / fade, true);
    rep.amount.take(&keys, log, own_fade / noise);
    observation.amount = Some(AmountTaught { currency, log, noise });
}

/// Takes back what was learned from the amount of a deal. How well amounts were foretold stays: they were.
pub(super) fn unlearn_amount(shared: &mut Block, rep: &mut Block, observation: &Observation) {
    let (Kind::Shared(shared), Kind::Rep(rep)) = (&mut shared.kind, &mut rep.kind) else {
        return;
    };
    let Some(taught) = observation.amount else { return };
    let amounts = Arc::make_mut(&mut shared.amounts);
    let is_its = |usual: &Usual| usual.currency == taught.currency;
    let Some(at) = amounts.usual.iter().position(is_its) else { return };
    let usual = &mut amounts.usual[at];
    if taught.noise <= 0.0 {
        if let Some(at) = usual.first.iter().position(|log| *log == taught.log) {
            usual.first.remove(at);
        }
        return;
    }
    let keys = keys(observation, at);
    let [fade, own_fade] = fades(amounts, &rep.amount, observation);
    rep.amount.take(&keys, taught.log, -own_fade / taught.noise);
    let sight = Sight::new(&rep.amount, amounts.between(), &keys);
    sight.learn(amounts, taught.log, taught.noise / fade, false);
}

/// An older deal counts for as much as is left of its time: with all, and with the rep.
fn fades(amounts: &Amounts, own: &Own, observation: &Observation) -> [f64; 2] {
    [amounts.at, own.at].map(|at| keep(at.since(observation.closed_at)))
}

/// The keys of what a deal is about: its levels, that is what stands between `all` and the tenure, and its
/// currency.
fn keys(observation: &Observation, usual: usize) -> Vec<u32> {
    let end = observation.features.len().saturating_sub(1);
    let levels = observation.features.get(1..end).unwrap_or_default();
    levels.iter().copied().chain([CURRENCY + usual as u32]).collect()
}
