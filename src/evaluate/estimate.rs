//! What another policy would have won, from leads that a recorded policy gave out.
//!
//! *Trial*: a lead of which is known who had it and with what chance. *Weight*: the chance of that rep
//! under the policy to be judged, over the chance recorded. Two estimators go side by side:
//!
//! - self-normalised inverse propensity (Swaminathan and Joachims 2015): the weighted mean of what
//!   happened; it trusts the recorded chances alone;
//! - doubly robust (Dudík, Langford and Li 2011): what the model expects, put right by the weighted mean
//!   of what it got wrong; right if either the chances or the model are, and steadier. The model has only
//!   seen deals that closed before the lead was decided.
//!
//! Each lead's influence on an estimate is known, so its variance is, and that of a difference too: the
//! new policy and the recorded one are compared on the same leads. Leads of the two arms were given out
//! with different chances; each arm estimates on its own, and counts by what it can tell (Agarwal,
//! Basu, Schnabel and Joachims 2017).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::cohort::{Cohort, Course};
use super::stats::{Interval, effective, student_95};
use crate::domain::published::Arm;

/// A lead, who had it, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    pub course: Course,
    /// The arm of the recorded decision; None = no experiment ran.
    pub arm: Option<Arm>,
    /// Arms are compared among leads of one number: those for which they were drawn alike.
    pub stratum: u64,
    /// The chance of the rep who had it: recorded, and under the policy to be judged.
    pub logged: f64,
    pub target: f64,
    /// Σ target² / logged over the reps: how far the two policies are apart here.
    pub cost: f64,
    /// How much of the target's chance is on reps who could have had the lead.
    pub overlap: f64,
    /// What the model expects of the rep who had it, and under the policy to be judged.
    pub modelled: f64,
    pub expected: f64,
    /// What it brought: 1 or 0 of a win, or an amount. Of an open deal it is not looked at.
    pub reward: f64,
    /// Leads of one company go together.
    pub cluster: u64,
}

/// What comes out, each with its 95 % interval.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Estimates {
    /// The recorded policy: what happened.
    pub recorded: Interval,
    pub doubly_robust: Interval,
    pub self_normalised: Interval,
    /// New policy less recorded one.
    pub lift: Interval,
    pub lift_self_normalised: Interval,
    /// Leads that the estimates rest on, and how many of equal weight would say as much.
    pub closed: usize,
    pub effective: f64,
    /// The largest share of the whole weight that one lead has.
    pub heaviest: f64,
    /// Share of the leads that had time to close of which the log can tell.
    pub comparable: f64,
    /// Leads of an arm that was left out for want of overlap.
    pub arms_left_out: usize,
    /// The intervals allow for chances that are wrong by this factor; 1 = they are recorded.
    pub gamma: f64,
}

/// Below this share of the target's chance on reps who could have had it, a lead tells nothing.
const OVERLAP_MIN: f64 = 0.999;
/// An arm with a smaller share of comparable leads is left out where the other one tells enough.
const COMPARABLE_MIN: f64 = 0.95;
/// Without one company, this share of the weight is left at least.
const SHARE_LEFT_MIN: f64 = 0.1;
/// Enough: this share of what the arm to be left out would tell.
const ENOUGH: f64 = 0.2;

/// The leads of a comparison.
struct Arms {
    used: Vec<usize>,
    /// Share of each lead's arm in the estimate, over its share in the leads; 0 = only what happened to it
    /// counts, for its arm cannot tell of the new policy.
    scale: Vec<f64>,
    left_out: usize,
}

/// Judges the new policy by the trials that have had time to close. None = none of them tells anything.
pub fn estimate(trials: &[Trial], cohort: &Cohort, gamma: f64) -> Option<Estimates> {
    estimate_against(trials, cohort, gamma, None)
}

/// The same against what happened in one arm alone, where one is named.
pub fn estimate_against(
    trials: &[Trial],
    cohort: &Cohort,
    gamma: f64,
    baseline: Option<Arm>,
) -> Option<Estimates> {
    let mature: Vec<usize> = indexes(trials, |trial| cohort.has(&trial.course));
    let arms = arms_by_stratum(trials, &mature);
    let used: Vec<&Trial> = arms.used.iter().filter_map(|at| trials.get(*at)).collect();
    let stands: Vec<f64> = used.iter().map(|trial| cohort.weight(&trial.course)).collect();
    let closed = stands.iter().filter(|weight| **weight > 0.0).count();
    if closed < 2 {
        return None;
    }
    let mut places: FxHashMap<u64, usize> = FxHashMap::default();
    let place = |trial: &&Trial| {
        let next = places.len();
        *places.entry(trial.cluster).or_insert(next)
    };
    let clusters = used.iter().map(place).collect();
    let sample = Sample { trials: used, stands, scale: arms.scale, clusters };
    let recorded = sample.recorded(baseline);
    let robust = sample.doubly_robust();
    let weighted = sample.self_normalised();
    let weights: Vec<f64> = sample.weights().collect();
    let effective = effective(weights.iter().copied());
    let total: f64 = weights.iter().sum();
    let clusters = |weights: &[f64]| self::effective(sample.by_cluster(weights).into_iter());
    let spread = Spread { sample: &sample, gamma, freedom: clusters(&weights) - 1.0 };
    let plain = Spread { gamma: 1.0, freedom: clusters(&sample.stands) - 1.0, ..spread };
    Some(Estimates {
        recorded: plain.of(&recorded, None),
        doubly_robust: spread.of(&robust, None),
        self_normalised: spread.of(&weighted, None),
        lift: spread.of(&robust, Some(&recorded)),
        lift_self_normalised: spread.of(&weighted, Some(&recorded)),
        closed,
        effective,
        heaviest: weights.iter().copied().fold(0.0, f64::max) / total.max(f64::MIN_POSITIVE),
        comparable: sample.trials.len() as f64 / mature.len().max(1) as f64,
        arms_left_out: arms.left_out,
        gamma,
    })
}

fn indexes(trials: &[Trial], keep: impl Fn(&Trial) -> bool) -> Vec<usize> {
    trials.iter().enumerate().filter(|(_, trial)| keep(trial)).map(|(at, _)| at).collect()
}

/// The leads of a comparison, stratum by stratum: each counts with as many leads as it has.
fn arms_by_stratum(trials: &[Trial], mature: &[usize]) -> Arms {
    let mut strata: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    mature.iter().for_each(|at| strata.entry(trials[*at].stratum).or_default().push(*at));
    let mut all = Arms { used: Vec::new(), scale: Vec::new(), left_out: 0 };
    for own in strata.values().filter_map(|own| arms(trials, own)) {
        all.used.extend(own.used);
        all.scale.extend(own.scale);
        all.left_out += own.left_out;
    }
    all
}

/// Which arms tell, and how much each counts: by the leads that it has, over how far apart its chances
/// are from the target's. The outcomes have no say in it.
fn arms(trials: &[Trial], mature: &[usize]) -> Option<Arms> {
    struct Told {
        arm: Option<Arm>,
        used: Vec<usize>,
        share: f64,
        tells: f64,
    }
    let mut told = Vec::new();
    for arm in [None, Some(Arm::Treatment), Some(Arm::Control)] {
        let own = mature.iter().copied().filter(|at| trials[*at].arm == arm);
        let own: Vec<usize> = own.collect();
        let tells = |at: &usize| trials[*at].overlap >= OVERLAP_MIN && trials[*at].logged > 0.0;
        let used: Vec<usize> = own.iter().copied().filter(tells).collect();
        if used.is_empty() {
            continue;
        }
        let cost: f64 = used.iter().map(|at| trials[*at].cost).sum();
        let share = used.len() as f64 / own.len() as f64;
        let n = used.len() as f64;
        told.push(Told { arm, tells: n * n / cost.max(f64::MIN_POSITIVE), share, used });
    }
    let most = told.iter().map(|arm| arm.tells).fold(0.0, f64::max);
    let whole = |arm: &Told| arm.share >= COMPARABLE_MIN;
    // Leads are in an arm by chance: one that is left out is of the same kind as the others, so what
    // happened in it still counts for the recorded policy.
    let mut silent: Vec<usize> = Vec::new();
    if told.iter().any(|arm| whole(arm) && arm.tells >= ENOUGH * most) {
        let out = |at: &usize| told.iter().any(|arm| !whole(arm) && arm.arm == trials[*at].arm);
        silent = mature.iter().copied().filter(out).collect();
        told.retain(whole);
    }
    let tells: f64 = told.iter().map(|arm| arm.tells).sum();
    let leads = told.iter().map(|arm| arm.used.len()).sum::<usize>() + silent.len();
    let left_out = silent.len();
    let mut scaled: Vec<(usize, f64)> = silent.into_iter().map(|at| (at, 0.0)).collect();
    for arm in &told {
        let scale = (arm.tells / tells) * leads as f64 / arm.used.len() as f64;
        scaled.extend(arm.used.iter().map(|at| (*at, scale)));
    }
    scaled.sort_by_key(|(at, _)| *at);
    let (used, scale) = scaled.into_iter().unzip();
    (tells > 0.0).then_some(Arms { used, scale, left_out })
}

/// A mean and what each lead does to it.
struct Estimate {
    mean: f64,
    influence: Vec<f64>,
    /// Per lead: its share in the mean and what it says there, for the allowance on the chances.
    said: Vec<(f64, f64)>,
    base: f64,
    /// Variance of what the leads say, all alike; 0 = no chances stand behind the mean.
    noise: f64,
}

struct Sample<'a> {
    trials: Vec<&'a Trial>,
    stands: Vec<f64>,
    scale: Vec<f64>,
    /// Of each trial, its cluster: they are numbered as they come.
    clusters: Vec<usize>,
}

impl Sample<'_> {
    fn each(&self) -> impl Iterator<Item = (&Trial, f64, f64)> {
        let both = self.stands.iter().copied().zip(self.scale.iter().copied());
        self.trials.iter().zip(both).map(|(trial, (stands, scale))| (*trial, stands, scale))
    }

    /// The sums of a value of each lead over those that go together.
    fn by_cluster(&self, values: &[f64]) -> Vec<f64> {
        let count = self.clusters.iter().max().map_or(0, |last| last + 1);
        let mut sums = vec![0.0; count];
        for (cluster, value) in self.clusters.iter().zip(values) {
            sums[*cluster] += value;
        }
        sums
    }

    /// What each company does to an estimate: how far it would move without it (the jackknife; a company with
    /// much of the weight has drawn the estimate to itself, and would seem to do little).
    fn influences(&self, of: &Estimate) -> Vec<f64> {
        let weights =
            self.by_cluster(&of.said.iter().map(|(weight, _)| *weight).collect::<Vec<_>>());
        let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let sums = self.by_cluster(&of.influence).into_iter().zip(weights);
        sums.map(|(sum, weight)| sum / (1.0 - weight / total).max(SHARE_LEFT_MIN)).collect()
    }

    /// The weight of each lead's outcome.
    fn weights(&self) -> impl Iterator<Item = f64> {
        self.each().map(|(trial, stands, scale)| match stands * scale {
            0.0 => 0.0,
            counts => counts * trial.target / trial.logged,
        })
    }

    /// The weighted mean of a value, with each lead's influence on it.
    fn mean(&self, weights: &[f64], value: impl Fn(&Trial) -> f64) -> Estimate {
        let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let pairs = self.trials.iter().zip(weights);
        let said: Vec<(f64, f64)> = pairs.map(|(trial, weight)| (*weight, value(trial))).collect();
        let mean = said.iter().map(|(weight, value)| weight * value).sum::<f64>() / total;
        let n = self.trials.len() as f64;
        let influence = said.iter().map(|(weight, value)| weight * (value - mean) / total * n);
        let noise = self.noise(&said);
        Estimate { mean, influence: influence.collect(), said, base: 0.0, noise }
    }

    /// The variance of what the leads say, whatever their weights.
    fn noise(&self, said: &[(f64, f64)]) -> f64 {
        let all: f64 = self.stands.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let pairs = || self.stands.iter().zip(said).map(|(stands, (_, value))| (stands, value));
        let mean = pairs().map(|(stands, value)| stands * value).sum::<f64>() / all;
        pairs().map(|(stands, value)| stands * (value - mean) * (value - mean)).sum::<f64>() / all
    }

    fn recorded(&self, arm: Option<Arm>) -> Estimate {
        let counts = |trial: &Trial| arm.is_none() || trial.arm == arm;
        // The leads of the arm stand for all of their stratum.
        let mut leads: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for trial in &self.trials {
            let (all, own) = leads.entry(trial.stratum).or_default();
            *all += 1.0;
            *own += f64::from(u8::from(counts(trial)));
        }
        let each = self.trials.iter().zip(&self.stands);
        let stands = each.map(|(trial, stands)| match leads.get(&trial.stratum) {
            Some((all, own)) if counts(trial) => stands * all / own,
            _ => 0.0,
        });
        let mean = self.mean(&stands.collect::<Vec<f64>>(), |trial| trial.reward);
        Estimate { noise: 0.0, ..mean }
    }

    fn self_normalised(&self) -> Estimate {
        let weights: Vec<f64> = self.weights().collect();
        self.mean(&weights, |trial| trial.reward)
    }

    fn doubly_robust(&self) -> Estimate {
        let model = self.mean(&self.stands, |trial| trial.expected);
        let weights: Vec<f64> = self.weights().collect();
        let wrong = self.mean(&weights, |trial| trial.reward - trial.modelled);
        let both = model.influence.iter().zip(&wrong.influence);
        Estimate {
            mean: model.mean + wrong.mean,
            influence: both.map(|(model, wrong)| model + wrong).collect(),
            said: wrong.said,
            base: model.mean,
            noise: wrong.noise,
        }
    }
}

/// From influences to an interval.
#[derive(Clone, Copy)]
struct Spread<'a> {
    sample: &'a Sample<'a>,
    gamma: f64,
    freedom: f64,
}

impl Spread<'_> {
    fn of(&self, one: &Estimate, less: Option<&Estimate>) -> Interval {
        let n = self.sample.trials.len() as f64;
        // Leads of one company may go the same way: their influences are added before they are squared.
        let own = self.sample.influences(one);
        let squares: f64 = match less.map(|less| self.sample.influences(less)) {
            None => own.iter().map(|sum| sum * sum).sum(),
            Some(other) => own.iter().zip(&other).map(|(a, b)| (a - b) * (a - b)).sum(),
        };
        // Few leads with large weights may all have gone the same way by luck, and would show no spread.
        let variance = (squares / (n * n)).max(self.by_design(one, less));
        let half = student_95(self.freedom) * variance.sqrt();
        let estimate = one.mean - less.map_or(0.0, |less| less.mean);
        let (below, above) = if self.gamma > 1.0 { self.allowance(one) } else { (0.0, 0.0) };
        Interval { estimate, low: estimate - half - below, high: estimate + half + above }
    }

    /// The variance that the chances make, whoever was drawn: each lead counts with the expected square of its
    /// weight, and with the noise of all.
    fn by_design(&self, one: &Estimate, less: Option<&Estimate>) -> f64 {
        let total = |it: &Estimate| {
            it.said.iter().map(|(weight, _)| weight).sum::<f64>().max(f64::MIN_POSITIVE)
        };
        let (own, others) = (total(one), less.map_or(1.0, total));
        let each = self.sample.each().enumerate().map(|(i, (trial, stands, scale))| {
            let weight = stands * scale / own;
            let other = less.map_or(0.0, |less| less.said[i].0 / others);
            let square = if weight > 0.0 { weight * weight * trial.cost } else { 0.0 };
            (square - 2.0 * weight * other + other * other).max(0.0)
        });
        one.noise * each.sum::<f64>()
    }

    /// How far the mean moves if each weight may be wrong by a factor of up to gamma, either way (the
    /// marginal sensitivity model of Tan 2006, in the form of Zhao, Small and Bhattacharya 2019).
    fn allowance(&self, one: &Estimate) -> (f64, f64) {
        let mut said = one.said.clone();
        said.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mean = |low: f64, high: f64| {
            // The best split: weights of the values below it times `low`, of those above times `high`.
            let total: (f64, f64) = said
                .iter()
                .fold((0.0, 0.0), |sum, (w, v)| (sum.0 + high * w * v, sum.1 + high * w));
            let mut best = total.0 / total.1.max(f64::MIN_POSITIVE);
            let (mut value, mut weight) = total;
            for (w, v) in &said {
                value += (low - high) * w * v;
                weight += (low - high) * w;
                let found = value / weight.max(f64::MIN_POSITIVE);
                best = if high > low { best.max(found) } else { best.min(found) };
            }
            one.base + best
        };
        let low = mean(self.gamma, 1.0 / self.gamma);
        let high = mean(1.0 / self.gamma, self.gamma);
        ((one.mean - low).max(0.0), (high - one.mean).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash;
    use crate::domain::time::Timestamp;

    fn draw(number: u64, lead: u64, what: u8) -> f64 {
        let mut bytes = [number.to_le_bytes(), lead.to_le_bytes()].concat();
        bytes.push(what);
        hash::unit(hash::sip64(hash::FIXED, &bytes))
    }

    /// 300 leads of which the new policy gives 60 to a rep who had one in forty of them.
    fn record(number: u64) -> Vec<Trial> {
        let lead = |lead: u64| {
            let moved = lead.is_multiple_of(5);
            let rare = draw(number, lead, 1) < 0.025;
            let (logged, target) = match (moved, rare) {
                (true, true) => (0.025, 1.0),
                (true, false) => (0.975, 0.0),
                (false, _) => (1.0, 1.0),
            };
            Trial {
                course: Course { decided_at: Timestamp(0), closed_at: Some(Timestamp(1)) },
                arm: None,
                stratum: 0,
                logged,
                target,
                cost: if moved { 40.0 } else { 1.0 },
                overlap: 1.0,
                modelled: 0.2,
                expected: 0.2,
                reward: f64::from(u8::from(draw(number, lead, 2) < 0.2)),
                cluster: lead,
            }
        };
        (0..300).map(lead).collect()
    }

    #[test]
    fn intervals_hold_where_a_few_leads_have_large_weights() {
        let held = (0..400).filter(|number| {
            let trials = record(*number);
            let courses: Vec<Course> = trials.iter().map(|trial| trial.course).collect();
            let cohort = Cohort::of(&courses, Timestamp(2));
            let found = estimate(&trials, &cohort, 1.0).expect("leads that tell");
            // Every rep wins alike.
            found.lift.low <= 0.0 && 0.0 <= found.lift.high
        });
        let held = held.count();
        assert!((372..=400).contains(&held), "{held} of 400");
    }
}
