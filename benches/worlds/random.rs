//! Draws that repeat on every machine: SplitMix64, and what is made of it.

/// A stream of draws.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The stream of a seed; `what` keeps streams of one world apart.
    pub(crate) fn new(seed: u64, what: u64) -> Draws {
        let mut draws = Draws(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_mul(0xd6e8_feb8_6659_fd93),
        );
        draws.next();
        draws
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }

    /// A level of a dimension: the first are the most frequent.
    pub(crate) fn level(&mut self, levels: usize) -> usize {
        let weight = |level: usize| 1.0 / libm::pow(1.0 + level as f64, 0.7);
        let mut at = self.unit() * (0..levels).map(weight).sum::<f64>();
        (0..levels)
            .find(|level| {
                at -= weight(*level);
                at < 0.0
            })
            .unwrap_or(levels - 1)
    }
}
