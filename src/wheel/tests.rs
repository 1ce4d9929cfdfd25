//! Each line of the contract, then the model: the wheel against an ordered map.

mod model;

use super::{FAR_BITS, RING, TimerId, WINDOW, Wheel};
use crate::domain::time::Timestamp;

const START: i64 = 1_790_000_000_123;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Distances on both sides of everything that the wheel treats apart.
const DISTANCES: [i64; 14] = [
    1,
    2,
    99,
    WINDOW - 1,
    WINDOW,
    2 * WINDOW + 7,
    HOUR,
    DAY,
    (RING - 1) * WINDOW,
    RING * WINDOW,
    (RING + 1) * WINDOW,
    4 * DAY + 3,
    90 * DAY,
    40 * 365 * DAY,
];

fn wheel() -> Wheel<u32> {
    Wheel::new(Timestamp(START))
}

fn at(distance: i64) -> Timestamp {
    Timestamp(START + distance)
}

fn advance(wheel: &mut Wheel<u32>, to: Timestamp) -> Vec<(Timestamp, u32)> {
    let mut due = Vec::new();
    wheel.advance(to, &mut due);
    due
}

#[test]
fn fires_at_its_millisecond_and_never_early() {
    for distance in DISTANCES {
        let mut wheel = wheel();
        wheel.insert(at(distance), 7);
        assert_eq!(advance(&mut wheel, at(distance - 1)), []);
        assert_eq!(advance(&mut wheel, at(distance)), [(at(distance), 7)]);
        assert_eq!(advance(&mut wheel, at(distance + DAY)), []);
        assert!(wheel.is_empty());
    }
}

#[test]
fn gives_out_by_deadline_then_key_whatever_the_order_of_insertion() {
    let mut wheel = wheel();
    for distance in DISTANCES.into_iter().rev() {
        for key in [3, 1, 2] {
            wheel.insert(at(distance), key);
        }
    }
    let expected: Vec<_> = DISTANCES.iter().flat_map(|&d| [1, 2, 3].map(|k| (at(d), k))).collect();
    assert_eq!(advance(&mut wheel, at(50 * 365 * DAY)), expected);
}

#[test]
fn a_late_deadline_is_due_at_the_next_advance_before_all_others() {
    let mut wheel = wheel();
    advance(&mut wheel, at(10));
    wheel.insert(at(11), 1);
    wheel.insert(at(10), 2);
    wheel.insert(at(-DAY), 4);
    wheel.insert(at(-DAY), 3);
    assert_eq!(wheel.next_deadline(), Some(at(-DAY)));
    assert_eq!(advance(&mut wheel, at(10)), [(at(-DAY), 3), (at(-DAY), 4), (at(10), 2)]);
    assert_eq!(advance(&mut wheel, at(11)), [(at(11), 1)]);
}

#[test]
fn one_advance_over_an_hour_is_3_600_000_single_steps() {
    let (mut jumping, mut stepping) = (wheel(), wheel());
    for i in 0..5_000_u32 {
        let distance = i64::from(i.wrapping_mul(2_654_435_761) % 4_000_000);
        jumping.insert(at(distance), i);
        stepping.insert(at(distance), i);
    }
    let jumped = advance(&mut jumping, at(HOUR));
    let mut stepped = Vec::new();
    for step in 1..=HOUR {
        stepping.advance(at(step), &mut stepped);
    }
    assert!(jumped.len() > 4_000);
    assert_eq!(jumped, stepped);
    assert_eq!(jumping.next_deadline(), stepping.next_deadline());
}

#[test]
fn going_back_does_nothing() {
    let mut wheel = wheel();
    wheel.insert(at(100), 1);
    advance(&mut wheel, at(50));
    wheel.insert(at(20), 2);
    assert_eq!(advance(&mut wheel, at(49)), []);
    assert_eq!(wheel.now(), at(50));
    assert_eq!(wheel.len(), 2);
    assert_eq!(advance(&mut wheel, at(100)), [(at(20), 2), (at(100), 1)]);
}

#[test]
fn cancel_stops_a_timer_once() {
    for distance in DISTANCES.into_iter().chain([0, -5]) {
        let mut wheel = wheel();
        let id = wheel.insert(at(distance), 1);
        assert!(wheel.cancel(id));
        assert!(!wheel.cancel(id));
        assert_eq!((wheel.len(), wheel.next_deadline()), (0, None));
        assert_eq!(advance(&mut wheel, at(distance + DAY)), []);
    }
}

#[test]
fn an_id_that_has_fired_is_refused() {
    for distance in DISTANCES {
        let mut wheel = wheel();
        let id = wheel.insert(at(distance), 1);
        advance(&mut wheel, at(distance));
        assert!(!wheel.cancel(id));
    }
}

#[test]
fn a_stale_id_never_stops_the_next_timer_in_its_place() {
    // Another timer keeps the chunk in use, so that its places wear out one after the other.
    for (keep, rounds) in [(false, 2_000), (true, 18_000)] {
        let mut wheel = wheel();
        let kept = keep.then(|| wheel.insert(at(HOUR), 0));
        let mut stale: Vec<TimerId> = Vec::new();
        for _ in 0..rounds {
            let id = wheel.insert(at(HOUR), 1);
            assert!(!stale.contains(&id));
            if stale.len() < 600 {
                stale.push(id);
            }
            assert!(stale.iter().filter(|&&old| old != id).all(|&old| !wheel.homes.holds(old)));
            assert!(wheel.cancel(id));
        }
        assert_eq!(wheel.len(), usize::from(keep));
        assert!(kept.is_none_or(|id| wheel.cancel(id)));
    }
}

#[test]
fn the_next_deadline_is_exact_at_any_distance() {
    let mut wheel = wheel();
    let ids = DISTANCES.map(|distance| wheel.insert(at(distance), 1));
    for (id, distance) in ids.into_iter().zip(DISTANCES) {
        assert_eq!(wheel.next_deadline(), Some(at(distance)));
        assert!(wheel.cancel(id));
    }
    assert_eq!(wheel.next_deadline(), None);
    for distance in DISTANCES {
        wheel.insert(at(distance), 1);
    }
    for distance in DISTANCES {
        assert_eq!(wheel.next_deadline(), Some(at(distance)));
        advance(&mut wheel, at(distance));
    }
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn the_next_window_is_staged_in_equal_slices() {
    let mut wheel = Wheel::new(Timestamp(0));
    for key in 0..64_000_u32 {
        wheel.insert(Timestamp(2 * WINDOW + i64::from(key)), key);
        wheel.insert(Timestamp((RING + 100) * WINDOW + i64::from(key)), key);
    }
    let mut due = Vec::new();
    wheel.advance(Timestamp(WINDOW), &mut due);
    let home = super::homes::of_window(2);
    for step in 1..100 {
        wheel.advance(Timestamp(WINDOW + step * WINDOW / 100), &mut due);
        let waiting = i64::from(wheel.homes.count(home));
        assert!((waiting - (1_000 - 10 * step)).abs() <= 10, "{waiting} wait after step {step}");
    }
    let far = (RING + 100) >> super::FAR_WINDOW_BITS;
    let start = (far - 1) << FAR_BITS;
    wheel.advance(Timestamp(start), &mut due);
    for step in 1..=63 {
        wheel.advance(Timestamp(start + step * WINDOW), &mut due);
        let waiting = wheel.dealing.map_or(0, |home| i64::from(wheel.homes.count(home)));
        assert!((waiting - (1_000 - 1_000 * step / 63)).abs() <= 63, "{waiting} after {step}");
    }
    assert_eq!(due.len(), 64_000);
}

#[test]
fn memory_is_reused() {
    let mut wheel = wheel();
    let mut ids: Vec<_> = (0..50_000).map(|i| wheel.insert(at(i64::from(i) * 999), i)).collect();
    let mut due = Vec::new();
    let first = wheel.bytes();
    for round in 1..=40_i64 {
        for i in 0..50_000_u32 {
            wheel.cancel(ids[i as usize]);
            ids[i as usize] = wheel.insert(at(round * 777 + i64::from(i) * 997), i);
        }
        wheel.advance(at(round * 777), &mut due);
    }
    assert!(wheel.bytes() < first * 2, "{} bytes, at first {first}", wheel.bytes());
}

#[test]
fn an_id_fits_eight_bytes_even_if_there_may_be_none() {
    assert_eq!(size_of::<Option<TimerId>>(), 8);
}
