//! The load: delays as open leads have them, and numbers that are the same in each run.

/// SplitMix64.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u32
    }

    /// 40 % one minute to an hour, 30 % one to eight hours, 20 % eight to twenty-four, 10 % one to three
    /// days, to the millisecond.
    pub(crate) fn delay(&mut self) -> i64 {
        const MINUTE: u32 = 60_000;
        const HOUR: u32 = 60 * MINUTE;
        let (from, to) = match self.below(10) {
            0..4 => (MINUTE, HOUR),
            4..7 => (HOUR, 8 * HOUR),
            7..9 => (8 * HOUR, 24 * HOUR),
            _ => (24 * HOUR, 72 * HOUR),
        };
        i64::from(from + self.below(to - from))
    }

    /// 0 to `count`, without it, in any order.
    pub(crate) fn shuffled(&mut self, count: u32) -> Vec<u32> {
        let mut all: Vec<u32> = (0..count).collect();
        for last in (1..count).rev() {
            all.swap(last as usize, self.below(last + 1) as usize);
        }
        all
    }
}
