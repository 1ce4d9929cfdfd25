//! A normal belief over a list of effects: means, and covariances packed by rows (lower triangle).
//!
//! Every loop has a fixed order: the same updates give the same bits on every machine.

/// Variances stay above this, whatever rounding does to a long chain of updates.
const VARIANCE_MIN: f64 = 1e-9;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gaussian {
    pub(super) mean: Vec<f64>,
    /// Row by row: (0,0), (1,0), (1,1), (2,0), …
    pub(super) cov: Vec<f64>,
}

fn row(i: usize) -> usize {
    i * (i + 1) / 2
}

impl Gaussian {
    pub(super) fn len(&self) -> usize {
        self.mean.len()
    }

    /// One more effect, independent of the others.
    pub(super) fn push(&mut self, mean: f64, variance: f64) {
        self.cov.resize(self.cov.len() + self.mean.len(), 0.0);
        self.cov.push(variance);
        self.mean.push(mean);
    }

    pub(super) fn variance(&self, i: usize) -> f64 {
        self.cov[row(i) + i]
    }

    pub(super) fn covariance(&self, i: usize, j: usize) -> f64 {
        if i >= j { self.cov[row(i) + j] } else { self.cov[row(j) + i] }
    }

    /// Adds `factor` times the column `j` of the covariance to `out`.
    pub(super) fn add_column(&self, j: usize, factor: f64, out: &mut [f64]) {
        let start = row(j);
        for (sum, value) in out.iter_mut().zip(&self.cov[start..start + j]) {
            *sum += factor * value;
        }
        let mut at = start + j;
        for (i, sum) in out.iter_mut().enumerate().take(self.len()).skip(j) {
            *sum += factor * self.cov[at];
            at += i + 1;
        }
    }

    /// Conditions on a normal observation of a linear combination whose covariance with the effects
    /// is `column`: the means move by `shift`, the covariances shrink by `gain`, times the column.
    pub(super) fn absorb(&mut self, column: &[f64], gain: f64, shift: f64) {
        for (mean, c) in self.mean.iter_mut().zip(column) {
            *mean += shift * c;
        }
        let mut start = 0;
        for (i, c) in column.iter().enumerate() {
            let factor = gain * c;
            for (value, other) in self.cov[start..=start + i].iter_mut().zip(column) {
                *value -= factor * other;
            }
            start += i + 1;
            self.cov[start - 1] = self.cov[start - 1].max(VARIANCE_MIN);
        }
    }

    /// Covariances forget: each is multiplied by the factors of its two effects, and each variance
    /// grows back towards its prior.
    pub(super) fn relax(&mut self, keep: &[f64], prior: &[f64]) {
        let mut start = 0;
        for i in 0..self.len() {
            let factor = keep[i];
            for (value, other) in self.cov[start..=start + i].iter_mut().zip(keep) {
                *value *= factor * other;
            }
            start += i + 1;
            self.cov[start - 1] += (1.0 - factor * factor) * prior[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_as_the_textbook_says() {
        let mut belief = Gaussian::default();
        for (mean, variance) in [(1.0, 2.0), (0.0, 1.0), (-1.0, 0.5)] {
            belief.push(mean, variance);
        }
        // Observe x = (1, 0, 1) with precision 4 and response 2.
        let mut column = vec![0.0; 3];
        belief.add_column(0, 1.0, &mut column);
        belief.add_column(2, 1.0, &mut column);
        assert_eq!(column, [2.0, 0.0, 0.5]);
        let spread = 0.25 + 2.5;
        belief.absorb(&column, 1.0 / spread, 2.0 / spread);
        assert!((belief.mean[0] - (1.0 + 2.0 * 2.0 / spread)).abs() < 1e-12);
        assert!((belief.variance(0) - (2.0 - 4.0 / spread)).abs() < 1e-12);
        assert!((belief.covariance(0, 2) - (-1.0 / spread)).abs() < 1e-12);
        assert_eq!(belief.covariance(0, 2), belief.covariance(2, 0));
        belief.relax(&[0.0; 3], &[2.0, 1.0, 0.5]);
        assert_eq!([belief.variance(0), belief.variance(1), belief.variance(2)], [2.0, 1.0, 0.5]);
        assert_eq!(belief.covariance(0, 2), 0.0);
    }
}
