//! The wheel against an ordered map, under any operations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{DAY, HOUR, START, WINDOW};
use crate::domain::time::Timestamp;
use crate::wheel::{RING, Wheel};

#[derive(Clone, Debug)]
enum Step {
    Arm { number: u32, distance: i64 },
    Cancel { number: u32 },
    Advance { by: i64 },
    Next,
}

/// The wheel and its oracle: the timers by deadline and number, and the deadline of each number.
struct Pair {
    wheel: Wheel,
    order: BTreeSet<(Timestamp, u32)>,
    deadlines: BTreeMap<u32, Timestamp>,
    due: Vec<(Timestamp, u32)>,
}

impl Pair {
    fn new() -> Pair {
        let wheel = Wheel::new(Timestamp(START));
        Pair { wheel, order: BTreeSet::new(), deadlines: BTreeMap::new(), due: Vec::new() }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Arm { number, distance } => {
                let deadline = Timestamp(self.wheel.now().0 + distance);
                assert_eq!(self.wheel.arm(number, deadline), self.forget(number));
                self.order.insert((deadline, number));
                self.deadlines.insert(number, deadline);
            }
            Step::Cancel { number } => {
                assert_eq!(self.wheel.cancel(number), self.forget(number));
            }
            Step::Advance { by } => self.advance(by),
            Step::Next => {
                let first = self.order.first().map(|(deadline, _)| *deadline);
                let quiet = self.wheel.quiet_until();
                assert_eq!(quiet.is_some(), first.is_some());
                assert!(quiet <= first, "{quiet:?} is not quiet: {first:?}");
                assert_eq!(self.wheel.next_deadline(), first);
                assert_eq!(self.wheel.quiet_until(), first, "what is known is used");
            }
        }
        assert_eq!(self.wheel.len(), self.order.len());
    }

    fn forget(&mut self, number: u32) -> bool {
        let known = self.deadlines.remove(&number);
        known.is_some_and(|deadline| self.order.remove(&(deadline, number)))
    }

    fn advance(&mut self, by: i64) {
        let now = self.wheel.now();
        let to = Timestamp(now.0 + by);
        self.due.clear();
        self.wheel.advance(to, &mut self.due);
        let mut expected = Vec::new();
        while by >= 0 && self.order.first().is_some_and(|first| first.0 <= to) {
            let Some((deadline, number)) = self.order.pop_first() else { break };
            self.deadlines.remove(&number);
            expected.push((deadline, number));
        }
        assert_eq!(self.due, expected);
        assert_eq!(self.wheel.now(), now.max(to));
    }
}

fn distance() -> impl Strategy<Value = i64> {
    prop_oneof![
        -2_000_i64..50,
        0..2 * WINDOW,
        0..HOUR,
        0..4 * DAY,
        0..200 * DAY,
        (-300_i64..300).prop_map(|d| RING * WINDOW + d),
        (-3_i64..3).prop_map(|d| WINDOW + d),
        0..70 * 365 * DAY,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let number = || prop_oneof![0..20_u32, 0..300_u32, any::<u32>().prop_map(|n| n % (1 << 20))];
    prop_oneof![
        6 => (distance(), number()).prop_map(|(distance, number)| Step::Arm { number, distance }),
        3 => number().prop_map(|number| Step::Cancel { number }),
        2 => distance().prop_map(|by| Step::Advance { by }),
        1 => (0..200_i64).prop_map(|by| Step::Advance { by }),
        2 => Just(Step::Next),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_steps_do_what_the_model_does(steps in prop::collection::vec(step(), 1..300)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
        pair.advance(100 * 365 * DAY);
        prop_assert!(pair.wheel.is_empty());
    }
}

/// SplitMix64: a stream of numbers that is the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, `end`.
    fn below(&mut self, end: i64) -> i64 {
        (self.next() % end.unsigned_abs()) as i64
    }

    /// Any order of magnitude up to `end`.
    fn spread(&mut self, end: i64) -> i64 {
        let bits = 1 + self.below(i64::from(end.ilog2() + 1));
        self.below(1 << bits).min(end)
    }
}

/// A long life of tens of thousands of timers: entries go stale, are swept, and come back.
fn live(seed: u64, steps: u64) {
    let mut numbers = Numbers(seed);
    let mut pair = Pair::new();
    let (mut armed, mut advanced) = (0_u64, 0_u64);
    for _ in 0..steps {
        let most = if numbers.below(8) == 0 { 64 } else { 40_000 };
        let number = numbers.below(most) as u32;
        let step = match numbers.below(100) {
            0..60 => {
                armed += 1;
                // Some jitter between two windows, so that one of them has a number twice.
                let far = 40 * WINDOW * (1 + numbers.below(2)) + numbers.below(50);
                let near = numbers.spread(100 * DAY) - numbers.spread(100);
                Step::Arm { number, distance: if number < 4_000 { far } else { near } }
            }
            60..88 => Step::Cancel { number },
            88..97 => Step::Advance { by: numbers.spread(20_000) },
            97 => Step::Advance { by: numbers.spread(3 * HOUR) },
            _ => Step::Next,
        };
        advanced += u64::from(matches!(step, Step::Advance { .. }));
        pair.take(&step);
    }
    assert!(pair.order.len() > 1_000 && armed > steps / 2 && advanced > steps / 20);
    pair.advance(200 * DAY);
    assert!(pair.wheel.is_empty());
}

#[test]
fn a_long_life_does_what_the_model_does() {
    // Millions of operations where they take a few seconds.
    let steps = if cfg!(debug_assertions) { 100_000 } else { 2_000_000 };
    for seed in 1..=3 {
        live(seed, steps);
    }
}

/// The same life taken in jumps and in steps of a millisecond to ten: what fires is the same.
#[test]
fn any_jump_gives_what_its_steps_give() {
    let mut numbers = Numbers(7);
    let (mut jumping, mut stepping) = (Wheel::new(Timestamp(START)), Wheel::new(Timestamp(START)));
    let (mut jumped, mut stepped) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        for _ in 0..500 {
            let number = numbers.below(5_000) as u32;
            let deadline = Timestamp(jumping.now().0 + numbers.spread(2 * HOUR));
            let cancels = numbers.below(4) == 0;
            for wheel in [&mut jumping, &mut stepping] {
                if cancels {
                    wheel.cancel(number);
                } else {
                    wheel.arm(number, deadline);
                }
            }
        }
        let to = jumping.now().0 + 1 + numbers.spread(4 * WINDOW);
        jumping.advance(Timestamp(to), &mut jumped);
        while stepping.now().0 < to {
            let step = stepping.now().0 + 1 + numbers.below(10);
            stepping.advance(Timestamp(step.min(to)), &mut stepped);
        }
    }
    assert!(jumped.len() > 10_000);
    assert!(jumped == stepped);
}
