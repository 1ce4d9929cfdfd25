//! The wheel against an ordered map, under any operations.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{DAY, HOUR, START, WINDOW};
use crate::domain::time::Timestamp;
use crate::wheel::{FAR_BITS, RING, TimerId, Wheel};

#[derive(Clone, Debug)]
enum Step {
    Insert { distance: i64, key: u32 },
    Cancel { pick: usize },
    Advance { by: i64 },
    Next,
}

/// The oracle: the timers by deadline and number.
#[derive(Default)]
struct Model {
    timers: BTreeMap<(Timestamp, u64), u32>,
    armed: u64,
}

/// Both, and every id that was ever given with its entry in the oracle.
struct Pair {
    wheel: Wheel<u32>,
    model: Model,
    ids: Vec<(TimerId, Timestamp, u64)>,
    due: Vec<(Timestamp, u32)>,
}

impl Pair {
    fn new() -> Pair {
        let wheel = Wheel::new(Timestamp(START));
        Pair { wheel, model: Model::default(), ids: Vec::new(), due: Vec::new() }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Insert { distance, key } => {
                let deadline = Timestamp(self.wheel.now().0 + distance);
                let id = self.wheel.insert(deadline, key);
                self.model.armed += 1;
                self.model.timers.insert((deadline, self.model.armed), key);
                self.ids.push((id, deadline, self.model.armed));
            }
            Step::Cancel { pick } if !self.ids.is_empty() => {
                // Mostly recent ids; those of timers that are gone stay in the choice for a while.
                let (id, deadline, number) = self.ids[pick % self.ids.len()];
                let expected = self.model.timers.remove(&(deadline, number)).is_some();
                assert_eq!(self.wheel.cancel(id), expected);
            }
            Step::Cancel { .. } => {}
            Step::Advance { by } => self.advance(by),
            Step::Next => {
                let first = self.model.timers.first_key_value().map(|((deadline, _), _)| *deadline);
                assert_eq!(self.wheel.next_deadline(), first);
            }
        }
        assert_eq!(self.wheel.len(), self.model.timers.len());
    }

    fn advance(&mut self, by: i64) {
        let now = self.wheel.now();
        let to = Timestamp(now.0 + by);
        self.due.clear();
        self.wheel.advance(to, &mut self.due);
        let mut expected = Vec::new();
        while by >= 0
            && let Some(first) = self.model.timers.first_entry()
            && first.key().0 <= to
        {
            expected.push((first.key().0, *first.get()));
            first.remove();
        }
        expected.sort_unstable();
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
        (-3_i64..3).prop_map(|d| (1 << FAR_BITS) + d),
        0..70 * 365 * DAY,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (distance(), 0..20_u32).prop_map(|(distance, key)| Step::Insert { distance, key }),
        3 => any::<usize>().prop_map(|pick| Step::Cancel { pick }),
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

/// A long life: tens of thousands of timers are armed at a time, chunks fill, wear and come back.
fn live(seed: u64, steps: u64) {
    let mut numbers = Numbers(seed);
    let mut pair = Pair::new();
    for _ in 0..steps {
        let step = match numbers.below(100) {
            0..50 => {
                let distance = numbers.spread(100 * DAY) - numbers.spread(100);
                Step::Insert { distance, key: numbers.next() as u32 }
            }
            50..88 => Step::Cancel { pick: numbers.next() as usize },
            88..97 => Step::Advance { by: numbers.spread(20_000) },
            97 => Step::Advance { by: numbers.spread(3 * HOUR) },
            _ => Step::Next,
        };
        pair.take(&step);
        if pair.ids.len() > 60_000 {
            // The older half is forgotten, in one move.
            pair.ids.drain(..30_000);
        }
    }
    assert!(pair.model.timers.len() > 1_000);
    pair.advance(200 * DAY);
    assert!(pair.wheel.is_empty());
}

#[test]
fn a_long_life_does_what_the_model_does() {
    // Millions of operations where they take a few seconds.
    let steps = if cfg!(debug_assertions) { 60_000 } else { 2_000_000 };
    for seed in 1..=3 {
        live(seed, steps);
    }
}
