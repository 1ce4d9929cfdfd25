//! Intervals of textbook kind: the normal and Student's quantiles, Wilson's interval of a share, and
//! Newcombe's of a difference of two shares.

/// 97.5 % of a standard normal lies below it.
pub const Z_95: f64 = 1.959_963_984_540_054;
/// 80 % of a standard normal lies below it: the power of a test.
pub const Z_POWER_80: f64 = 0.841_621_233_572_914_2;

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Interval {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(&self, truth: f64) -> bool {
        self.low <= truth && truth <= self.high
    }

    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// The same, no further than these bounds.
    pub fn within(self, low: f64, high: f64) -> Interval {
        let clamp = |value: f64| value.clamp(low, high);
        Interval { low: clamp(self.low), high: clamp(self.high), ..self }
    }
}

/// The 97.5 % quantile of Student's t, by the expansion of Cornish and Fisher; under 3 degrees of freedom,
/// where it is of no use, between those of the table for 1, 2 and 3 (the logarithm goes by 1 / freedom, nearly).
pub fn student_95(freedom: f64) -> f64 {
    const TABLE: [f64; 3] = [12.706_204_736, 4.302_652_730, 3.182_446_305];
    let between = |from: usize, v: f64| {
        let (one, other) = (1.0 / (from as f64 + 1.0), 1.0 / (from as f64 + 2.0));
        let share = (1.0 / v - other) / (one - other);
        TABLE[from].powf(share) * TABLE[from + 1].powf(1.0 - share)
    };
    let v = match freedom {
        ..1.0 => return TABLE[0],
        ..2.0 => return between(0, freedom),
        ..3.0 => return between(1, freedom),
        _ => freedom,
    };
    let z = Z_95;
    let z2 = z * z;
    let first = z * (z2 + 1.0) / 4.0;
    let second = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let third = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    z + (first + (second + third / v) / v) / v
}

/// Wilson's 95 % interval of a share (Wilson 1927); `n` may be an effective number.
pub fn wilson(share: f64, n: f64) -> Interval {
    if n <= 0.0 {
        return Interval { estimate: share, low: 0.0, high: 1.0 };
    }
    let z2 = Z_95 * Z_95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let spread = share * (1.0 - share) / n + z2 / (4.0 * n * n);
    let half = Z_95 * spread.max(0.0).sqrt() / (1.0 + z2 / n);
    Interval { estimate: share, low: centre - half, high: centre + half }.within(0.0, 1.0)
}

/// The 95 % interval of `one − other` (Newcombe 1998, method 10: from the two intervals of Wilson).
pub fn newcombe(one: &Interval, other: &Interval) -> Interval {
    let square = |value: f64| value * value;
    let estimate = one.estimate - other.estimate;
    let below = square(one.estimate - one.low) + square(other.high - other.estimate);
    let above = square(one.high - one.estimate) + square(other.estimate - other.low);
    Interval { estimate, low: estimate - below.sqrt(), high: estimate + above.sqrt() }
}

/// Closed leads that the smaller arm needs so that a difference is found with 80 % power at the 5 %
/// level, with `ratio` closed leads in the other arm for each of it.
pub fn needed(share: f64, other: f64, ratio: f64, difference: f64) -> Option<u64> {
    if difference == 0.0 || !difference.is_finite() || ratio <= 0.0 {
        return None;
    }
    let z = Z_95 + Z_POWER_80;
    let variance = share * (1.0 - share) + other * (1.0 - other) / ratio;
    let needed = (z * z * variance / (difference * difference)).ceil();
    (needed < 1e15).then_some(needed as u64)
}

/// The chance of a number of successes as far from what is expected, both ways, if each comes with this chance
/// (the exact binomial test: twice the smaller tail).
pub fn binomial_test(successes: u64, of: u64, chance: f64) -> f64 {
    let (k, n) = (successes as f64, of as f64);
    let choose = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    let here = libm::exp(choose + k * libm::log(chance) + (n - k) * libm::log(1.0 - chance));
    let odds = chance / (1.0 - chance);
    let (mut above, mut term, mut at) = (here, here, k);
    while at < n && term > here * 1e-9 {
        term *= (n - at) / (at + 1.0) * odds;
        above += term;
        at += 1.0;
    }
    let (mut below, mut term, mut at) = (here, here, k);
    while at > 0.0 && term > here * 1e-9 {
        term *= at / (n - at + 1.0) / odds;
        below += term;
        at -= 1.0;
    }
    // The tail towards the middle may have been cut; the other is the smaller.
    (2.0 * above.min(below)).min(1.0)
}

/// Kish's effective sample size: how many leads of equal weight say as much.
pub fn effective(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found} is not {expected}");
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        near(student_95(10.0), 2.2281);
        near(student_95(30.0), 2.0423);
        near(student_95(1e9), Z_95);
        near(student_95(2.0), 4.3027);
        near(student_95(-1.0), 12.7062);
        assert!((3.5..3.65).contains(&student_95(2.5)));
        assert!((student_95(3.0) - student_95(2.999)).abs() < 0.03);
        assert!((student_95(5.0) - 2.5706).abs() < 0.01);
    }

    /// The examples of Newcombe's papers: 81 of 263, and 56 of 70 against 48 of 80.
    #[test]
    fn intervals_are_those_of_the_papers() {
        let one = wilson(81.0 / 263.0, 263.0);
        near(one.low, 0.2553);
        near(one.high, 0.3662);
        let difference = newcombe(&wilson(56.0 / 70.0, 70.0), &wilson(48.0 / 80.0, 80.0));
        near(difference.estimate, 0.2);
        near(difference.low, 0.0524);
        near(difference.high, 0.3339);
        assert_eq!(wilson(0.0, 0.0), Interval { estimate: 0.0, low: 0.0, high: 1.0 });
        assert_eq!(wilson(1.0, 5.0).high, 1.0);
    }

    #[test]
    fn the_sample_needed_is_that_of_the_rule_of_thumb() {
        let even = needed(0.192, 0.192, 1.0, 0.02).unwrap();
        assert!((6_000..6_400).contains(&even), "{even}");
        let gap = needed(0.192, 0.337, 1.0, 0.145).unwrap();
        assert!((120..160).contains(&gap), "{gap}");
        assert!(needed(0.192, 0.192, 19.0, 0.02).unwrap() < even);
        assert_eq!(needed(0.2, 0.2, 1.0, 0.0), None);
    }

    #[test]
    fn the_exact_test_is_that_of_the_tables() {
        near(binomial_test(2, 20, 0.5), 0.0004);
        near(binomial_test(5, 20, 0.5), 0.0414);
        near(binomial_test(10, 20, 0.5), 1.0);
        // One in a hundred of twenty: 1 - 0.99^20 and its double.
        near(binomial_test(1, 20, 0.01), 2.0 * 0.1821);
        near(binomial_test(0, 20, 0.01), 1.0);
        assert!(binomial_test(52_000, 1_000_000, 0.05) < 1e-15);
        assert!((0.9..=1.0).contains(&binomial_test(50_001, 1_000_000, 0.05)));
    }

    #[test]
    fn equal_weights_count_in_full() {
        near(effective([2.0; 10].into_iter()), 10.0);
        near(effective([1.0, 0.0, 0.0].into_iter()), 1.0);
        near(effective(std::iter::empty()), 0.0);
    }
}
