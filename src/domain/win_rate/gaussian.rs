//! A normal belief over a list of effects: means, and covariances packed by rows (lower triangle).
//!
//! It is kept in `N` versions side by side (the paces of forgetting), so that one walk serves them all.
//! Every loop has a fixed order: the same updates give the same bits on every machine.

/// Variances stay above this, whatever rounding does to a long chain of updates.
const VARIANCE_MIN: f64 = 1e-9;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gaussian<const N: usize> {
    pub(super) mean: Vec<[f64; N]>,
    /// Row by row: (0,0), (1,0), (1,1), (2,0), …
    pub(super) cov: Vec<[f64; N]>,
}

/// How far a combination of effects is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) variance: f64,
    /// Its variance before anything was observed.
    pub(super) prior: f64,
    /// By how much its variance grows in a day, of what was once known.
    pub(super) drift: f64,
}

impl Spread {
    /// How much of one observation among many is left after so many days, 0–1: the more is known, the
    /// faster what was known becomes a matter of the past. With u = 1 / variance, forgetting is
    /// du/dt = −drift (u² − u / prior), of which this is the derivative, at the u of now.
    pub(super) fn left(&self, days: f64) -> f64 {
        if days <= 0.0 || self.variance <= 0.0 || self.prior <= 0.0 {
            return 1.0;
        }
        let rate = self.drift * (2.0 / self.variance - 1.0 / self.prior).max(1.0 / self.prior);
        libm::exp(-rate * days)
    }

    /// What its variance would be, as a share of what it is, had nothing changed in so many days of learning
    /// at one rate. Of a random walk that is known through such learning, the variance is
    /// drift · days · coth(y) / y, and had it stood still drift · days / y² (Kalman and Bucy 1961, from a
    /// wide prior): so y · tanh(y) = drift · days / variance. What is not learned has not changed.
    pub(super) fn unchanged(&self, days: f64) -> f64 {
        let grown = self.drift * days / self.variance;
        if !(grown > f64::EPSILON && grown.is_finite()) || self.prior <= 0.0 {
            return 1.0;
        }
        let tanh = |y: f64| 1.0 - 2.0 / (libm::exp(2.0 * y) + 1.0);
        let mut y = if grown < 1.0 { (grown + grown * grown / 3.0).sqrt() } else { grown };
        // Newton's steps: from there, two are enough.
        for _ in 0..2 {
            let t = tanh(y);
            y -= (y * t - grown) / (t + y * (1.0 - t * t));
        }
        let learned = 1.0 - (self.variance / self.prior).min(1.0);
        1.0 - learned * (1.0 - tanh(y) / y)
    }

    /// A precision that may be negative, but never takes back more than is known.
    pub(super) fn bounded(&self, precision: f64) -> f64 {
        if self.variance <= 0.0 || self.prior <= 0.0 {
            return precision.max(0.0);
        }
        precision.max(-(1.0 / self.variance - 1.0 / self.prior).max(0.0))
    }
}

fn row(i: usize) -> usize {
    i * (i + 1) / 2
}

/// `out` += factor · value, version by version.
fn add<const N: usize>(out: &mut [f64; N], factor: &[f64; N], value: &[f64; N]) {
    for version in 0..N {
        out[version] += factor[version] * value[version];
    }
}

/// Σ values · factors, in four sums side by side: one would wait for itself.
fn dot<const N: usize>(values: &[[f64; N]], factors: &[[f64; N]]) -> [f64; N] {
    let mut sums = [[0.0; N]; 4];
    let (fours, rest) = values.as_chunks::<4>();
    let (factor_fours, factor_rest) = factors[..values.len()].as_chunks::<4>();
    for (values, factors) in fours.iter().zip(factor_fours) {
        for (sum, (value, factor)) in sums.iter_mut().zip(values.iter().zip(factors)) {
            add(sum, factor, value);
        }
    }
    for (value, factor) in rest.iter().zip(factor_rest) {
        add(&mut sums[0], factor, value);
    }
    let [a, b, c, d] = sums;
    std::array::from_fn(|version| (a[version] + b[version]) + (c[version] + d[version]))
}

impl<const N: usize> Gaussian<N> {
    pub(super) fn len(&self) -> usize {
        self.mean.len()
    }

    /// One more effect, independent of the others.
    pub(super) fn push(&mut self, mean: f64, variance: f64) {
        self.cov.resize(self.cov.len() + self.mean.len(), [0.0; N]);
        self.cov.push([variance; N]);
        self.mean.push([mean; N]);
    }

    /// The belief over some of the effects, whatever the others are.
    pub(super) fn only(&self, kept: &[usize]) -> Gaussian<N> {
        let row = |at: usize| kept[..=at].iter().map(move |j| (kept[at], *j));
        let pairs = (0..kept.len()).flat_map(row);
        Gaussian {
            mean: kept.iter().map(|i| self.mean[*i]).collect(),
            cov: pairs.map(|(i, j)| self.covariance(i, j)).collect(),
        }
    }

    pub(super) fn variance(&self, i: usize) -> [f64; N] {
        self.cov[row(i) + i]
    }

    pub(super) fn covariance(&self, i: usize, j: usize) -> [f64; N] {
        if i >= j { self.cov[row(i) + j] } else { self.cov[row(j) + i] }
    }

    /// Adds `factor` times the column `j` of the covariance to `out`.
    pub(super) fn add_column(&self, j: usize, factor: f64, out: &mut [[f64; N]]) {
        let (start, factor) = (row(j), [factor; N]);
        let (before, rest) = out.split_at_mut(j);
        for (sum, value) in before.iter_mut().zip(&self.cov[start..start + j]) {
            add(sum, &factor, value);
        }
        let mut at = start + j;
        for (i, sum) in (j..self.len()).zip(rest) {
            add(sum, &factor, &self.cov[at]);
            at += i + 1;
        }
    }

    /// Covariances of every effect with a combination of them.
    pub(super) fn column(&self, factors: &[[f64; N]]) -> Vec<[f64; N]> {
        let mut column = vec![[0.0; N]; self.len()];
        for (i, own) in factors.iter().enumerate() {
            let values = &self.cov[row(i)..=row(i) + i];
            column[i] = dot(values, factors);
            if own.iter().any(|factor| *factor != 0.0) {
                for (sum, value) in column[..i].iter_mut().zip(values) {
                    add(sum, own, value);
                }
            }
        }
        column
    }

    /// Variance of a combination of the effects.
    pub(super) fn variance_of(&self, factors: &[[f64; N]]) -> [f64; N] {
        // Σ over i of f_i (2 Σ over j < i of C_ij f_j + C_ii f_i), the inner sums of all i side by side.
        let mut below = vec![[0.0; N]; self.len()];
        let mut sum = [0.0; N];
        for (i, own) in factors.iter().enumerate() {
            if own.iter().all(|factor| *factor == 0.0) {
                continue;
            }
            let start = row(i);
            for (sum, value) in below[..i].iter_mut().zip(&self.cov[start..start + i]) {
                add(sum, own, value);
            }
            let square = std::array::from_fn(|version| own[version] * own[version]);
            add(&mut sum, &square, &self.cov[start + i]);
        }
        let twice = dot(&below, factors);
        std::array::from_fn(|version| sum[version] + 2.0 * twice[version])
    }

    /// Conditions on a normal observation of a linear combination whose covariance with the effects
    /// is `column`: the means move by `shift`, the covariances shrink by `gain`, times the column.
    pub(super) fn absorb(&mut self, column: &[[f64; N]], gain: [f64; N], shift: [f64; N]) {
        for (mean, c) in self.mean.iter_mut().zip(column) {
            add(mean, &shift, c);
        }
        let mut start = 0;
        for (i, c) in column.iter().enumerate() {
            let factor: [f64; N] = std::array::from_fn(|version| -gain[version] * c[version]);
            for (value, other) in self.cov[start..=start + i].iter_mut().zip(column) {
                add(value, &factor, other);
            }
            start += i + 1;
            self.floor(start - 1);
        }
    }

    /// As if the prior of one effect, which is around `centre`, had been `new` in place of `old`. The effect
    /// is never less known than its prior has it.
    pub(super) fn reprior(&mut self, i: usize, centre: f64, old: f64, new: f64) {
        let precision = 1.0 / new - 1.0 / old;
        if precision == 0.0 {
            return;
        }
        let mut column = vec![[0.0; N]; self.len()];
        self.add_column(i, 1.0, &mut column);
        let gain = column[i].map(|own| (1.0 - 1.0 / (1.0 + precision * own).max(own / new)) / own);
        let mean = self.mean[i];
        let shift = std::array::from_fn(|version| -gain[version] * (mean[version] - centre));
        self.absorb(&column, gain, shift);
    }

    /// Covariances forget: each is multiplied by the factors of its two effects, and each variance
    /// grows back towards its prior.
    pub(super) fn relax(&mut self, keep: &[[f64; N]], prior: &[f64]) {
        let mut start = 0;
        for i in 0..self.len() {
            let factor = keep[i];
            for (value, other) in self.cov[start..=start + i].iter_mut().zip(keep) {
                for version in 0..N {
                    value[version] *= factor[version] * other[version];
                }
            }
            start += i + 1;
            let variance = &mut self.cov[start - 1];
            for version in 0..N {
                variance[version] += (1.0 - factor[version] * factor[version]) * prior[i];
            }
        }
    }

    /// Means are finite, and variances finite and above nothing.
    pub(super) fn is_sound(&self) -> bool {
        let sound = |variance: &f64| variance.is_finite() && *variance > 0.0;
        self.mean.as_flattened().iter().all(|mean| mean.is_finite())
            && (0..self.len()).all(|i| self.variance(i).iter().all(sound))
    }

    fn floor(&mut self, at: usize) {
        self.cov[at].iter_mut().for_each(|variance| *variance = variance.max(VARIANCE_MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_as_the_textbook_says() {
        let mut belief = Gaussian::<1>::default();
        for (mean, variance) in [(1.0, 2.0), (0.0, 1.0), (-1.0, 0.5)] {
            belief.push(mean, variance);
        }
        // Observe x = (1, 0, 1) with precision 4 and response 2.
        let mut column = vec![[0.0]; 3];
        belief.add_column(0, 1.0, &mut column);
        belief.add_column(2, 1.0, &mut column);
        assert_eq!(column, [[2.0], [0.0], [0.5]]);
        let spread = 0.25 + 2.5;
        belief.absorb(&column, [1.0 / spread], [2.0 / spread]);
        assert!((belief.mean[0][0] - (1.0 + 2.0 * 2.0 / spread)).abs() < 1e-12);
        assert!((belief.variance(0)[0] - (2.0 - 4.0 / spread)).abs() < 1e-12);
        assert!((belief.covariance(0, 2)[0] - (-1.0 / spread)).abs() < 1e-12);
        assert_eq!(belief.covariance(0, 2), belief.covariance(2, 0));
        belief.relax(&[[0.0]; 3], &[2.0, 1.0, 0.5]);
        let variances = [0, 1, 2].map(|i| belief.variance(i)[0]);
        assert_eq!(variances, [2.0, 1.0, 0.5]);
        assert_eq!(belief.covariance(0, 2), [0.0]);
    }

    #[test]
    fn what_change_adds_is_known_again() {
        for (days, rate, drift) in [(700, 0.3, 5e-5), (3000, 0.1, 1e-5), (300, 0.05, 5e-5)] {
            let (mut variance, prior) = (1.0_f64, 1.0_f64);
            for _ in 0..days {
                variance = 1.0 / (1.0 / variance + rate) + drift;
            }
            let still = 1.0 / (1.0 / prior + rate * f64::from(days));
            let found = Spread { variance, prior, drift }.unchanged(f64::from(days));
            let share = still / variance;
            assert!(share < 0.97 && (found / share - 1.0).abs() < 0.1, "{found} {share}");
        }
        for (variance, drift) in [(1.0, 1e-3), (0.0, 0.0), (0.5, 0.0), (0.0, 1.0), (f64::NAN, 1.0)]
        {
            assert_eq!(Spread { variance, prior: 1.0, drift }.unchanged(700.0), 1.0);
        }
        assert!(Spread { variance: 1e-9, prior: 1.0, drift: 1.0 }.unchanged(1e6) >= 0.0);
    }

    #[test]
    fn another_prior_is_as_if_it_had_been_there_first() {
        let seen = |variance: f64| {
            let mut belief = Gaussian::<1>::default();
            belief.push(0.0, variance);
            belief.push(0.0, 1.0);
            for (factors, response) in [([[1.0], [1.0]], 2.0), ([[1.0], [-0.5]], 0.3)] {
                let column = belief.column(&factors);
                let spread = 0.5 + belief.variance_of(&factors)[0];
                let mean: f64 = factors.iter().zip(&belief.mean).map(|(f, m)| f[0] * m[0]).sum();
                belief.absorb(&column, [1.0 / spread], [(response - mean) / spread]);
            }
            belief
        };
        for (from, to) in [(2.0_f64, 0.1_f64), (0.1, 2.0)] {
            let (mut belief, other) = (seen(from), seen(to));
            belief.reprior(0, 0.0, from, to);
            let numbers = |belief: &Gaussian<1>| [belief.mean.clone(), belief.cov.clone()].concat();
            for (one, other) in numbers(&belief).iter().zip(numbers(&other)) {
                assert!((one[0] - other[0]).abs() < 1e-12, "{one:?} {other:?}");
            }
        }
    }
}
