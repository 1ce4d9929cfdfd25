//! The logistic curve under a normal belief: what to expect, and what one outcome teaches.

use libm::{exp, log};

/// Linear predictors are kept within these bounds: beyond, a probability is 0 or 1 for all purposes.
pub(super) const LOGIT_MAX: f64 = 8.0;

/// 0.346 is (16 √3 / 15 π)⁻²: the logistic curve as a probit.
const PROBIT: f64 = 0.346;

/// Half-way points of the integral, in standard deviations, and e^(−t²/2) at 0, 0.5, 1, …, 6.
/// With this step the trapezoid rule is exact to about 1e-12 for a normal density.
const STEP: f64 = 0.5;
const DENSITY: [f64; 13] = [
    1.0,
    0.882_496_902_584_595_5,
    0.606_530_659_712_633_4,
    0.324_652_467_358_349_74,
    0.135_335_283_236_612_7,
    0.043_936_933_623_407_42,
    0.011_108_996_538_242_306,
    0.002_187_491_118_182_890_3,
    0.000_335_462_627_902_511_85,
    4.006_529_739_295_107e-5,
    3.726_653_172_078_671e-6,
    2.699578503363014e-07,
    1.522997974471263e-08,
];

pub(super) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + exp(-logit))
}

pub(super) fn clamp(logit: f64) -> f64 {
    logit.clamp(-LOGIT_MAX, LOGIT_MAX)
}

/// The expected probability when the logit is N(mean, variance).
pub(super) fn expected(mean: f64, variance: f64) -> f64 {
    sigmoid(mean / (1.0 + PROBIT * variance).sqrt())
}

/// An outcome as the normal observation of the logit that has the same effect on the belief.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Site {
    pub(super) precision: f64,
    pub(super) response: f64,
}

/// Matches mean and variance of the belief N(mean, variance) after the outcome.
///
/// The moments are integrated, not taken at the mode: with a few deals a rep the belief is wide, and
/// the mode of a skewed belief would bias all effects towards the more frequent outcome.
pub(super) fn site(mean: f64, variance: f64, won: bool) -> Site {
    let mean = clamp(mean);
    let variance = variance.clamp(1e-6, 100.0);
    let deviation = variance.sqrt();
    let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
    for node in -12_i32..=12 {
        let t = f64::from(node) * STEP;
        let p = sigmoid(mean + deviation * t);
        let mass = DENSITY[node.unsigned_abs() as usize] * if won { p } else { 1.0 - p };
        total += mass;
        first += mass * t;
        second += mass * t * t;
    }
    let shift = first / total;
    let shrunk = (second / total - shift * shift).clamp(1e-6, 1.0);
    // In units of the prior deviation: precision of the posterior = 1 + precision of the site.
    let precision = ((1.0 / shrunk - 1.0) / variance).clamp(1e-4, 0.3);
    let response = mean + shift * deviation * (1.0 + 1.0 / (precision * variance));
    Site { precision, response }
}

/// The logarithm of the probability of the outcome.
pub(super) fn log_chance(mean: f64, variance: f64, won: bool) -> f64 {
    let p = expected(clamp(mean), variance);
    log(if won { p } else { 1.0 - p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_moves_the_belief_as_the_outcome_does() {
        // A numerical posterior on a fine grid is the oracle.
        for (mean, variance) in [(-1.4, 0.3), (0.0, 1.0), (-3.0, 0.05), (2.0, 0.5)] {
            for won in [true, false] {
                let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
                for step in -4000..=4000 {
                    let t = f64::from(step) * 0.002;
                    let p = sigmoid(mean + t * f64::sqrt(variance));
                    let mass = exp(-t * t / 2.0) * if won { p } else { 1.0 - p };
                    total += mass;
                    first += mass * t;
                    second += mass * t * t;
                }
                let post_mean = mean + f64::sqrt(variance) * first / total;
                let post_variance = variance * (second / total - (first / total).powi(2));
                let site = site(mean, variance, won);
                let precision = 1.0 / variance + site.precision;
                let got = (mean / variance + site.precision * site.response) / precision;
                assert!((got - post_mean).abs() < 1e-6, "{got} {post_mean}");
                assert!((1.0 / precision - post_variance).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn absurd_beliefs_give_finite_sites() {
        for mean in [-1e9, -8.0, 0.0, 1e9] {
            for variance in [0.0, 1e-12, 1.0, 1e9] {
                for won in [true, false] {
                    let site = site(mean, variance, won);
                    assert!(site.precision > 0.0 && site.response.is_finite());
                    assert!(log_chance(mean, variance, won).is_finite());
                }
            }
        }
    }
}
