//! Each line of the contract, then the model: the wheel against an ordered map.

mod model;

use super::{RING, WINDOW, Wheel};
use crate::domain::time::Timestamp;

const START: i64 = 1_790_000_000_123;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Distances on both sides of everything that the wheel treats apart.
const DISTANCES: [i64; 16] = [
    1,
    2,
    99,
    256,
    WINDOW - 1,
    WINDOW,
    2 * WINDOW + 7,
    HOUR,
    DAY,
    4 * DAY + 3,
    (RING - 1) * WINDOW,
    RING * WINDOW,
    (RING + 1) * WINDOW,
    2 * RING * WINDOW + 1,
    90 * DAY,
    40 * 365 * DAY,
];

fn wheel() -> Wheel {
    Wheel::new(Timestamp(START))
}

fn at(distance: i64) -> Timestamp {
    Timestamp(START + distance)
}

fn advance(wheel: &mut Wheel, to: Timestamp) -> Vec<(Timestamp, u32)> {
    let mut due = Vec::new();
    wheel.advance(to, &mut due);
    due
}

#[test]
fn fires_at_its_millisecond_and_never_early() {
    for distance in DISTANCES {
        let mut wheel = wheel();
        assert!(!wheel.arm(7, at(distance)));
        assert_eq!(advance(&mut wheel, at(distance - 1)), []);
        assert_eq!(advance(&mut wheel, at(distance)), [(at(distance), 7)]);
        assert_eq!(advance(&mut wheel, at(distance + DAY)), []);
        assert!(wheel.is_empty());
    }
}

#[test]
fn gives_out_by_deadline_then_number_whatever_the_order_of_arming() {
    let mut wheel = wheel();
    let mut expected = Vec::new();
    for (place, distance) in DISTANCES.into_iter().enumerate().rev() {
        for number in [3, 1, 2].map(|number| (16 * number + place) as u32) {
            wheel.arm(number, at(distance));
            expected.push((at(distance), number));
        }
    }
    expected.sort_unstable();
    assert_eq!(advance(&mut wheel, at(50 * 365 * DAY)), expected);
}

#[test]
fn a_late_deadline_is_due_at_the_next_advance_before_all_others() {
    let mut wheel = wheel();
    advance(&mut wheel, at(10));
    wheel.arm(1, at(11));
    wheel.arm(2, at(10));
    wheel.arm(4, at(-DAY));
    wheel.arm(3, at(-DAY));
    assert_eq!(wheel.next_deadline(), Some(at(-DAY)));
    assert_eq!(advance(&mut wheel, at(10)), [(at(-DAY), 3), (at(-DAY), 4), (at(10), 2)]);
    assert_eq!(advance(&mut wheel, at(11)), [(at(11), 1)]);
}

#[test]
fn one_advance_over_an_hour_is_3_600_000_single_steps() {
    let (mut jumping, mut stepping) = (wheel(), wheel());
    for i in 0..5_000_u32 {
        let distance = i64::from(i.wrapping_mul(2_654_435_761) % 4_000_000);
        jumping.arm(i, at(distance));
        stepping.arm(i, at(distance));
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
    wheel.arm(1, at(100));
    advance(&mut wheel, at(50));
    wheel.arm(2, at(20));
    assert_eq!(advance(&mut wheel, at(49)), []);
    assert_eq!(wheel.now(), at(50));
    assert_eq!(wheel.len(), 2);
    assert_eq!(advance(&mut wheel, at(100)), [(at(20), 2), (at(100), 1)]);
}

#[test]
fn cancel_stops_a_timer_once() {
    for distance in DISTANCES.into_iter().chain([0, -5]) {
        let mut wheel = wheel();
        wheel.arm(1, at(distance));
        assert!(wheel.cancel(1));
        assert!(!wheel.cancel(1));
        assert_eq!((wheel.len(), wheel.next_deadline()), (0, None));
        assert_eq!(advance(&mut wheel, at(distance + DAY)), []);
    }
    assert!(!wheel().cancel(u32::MAX));
}

#[test]
fn arming_again_moves_the_timer() {
    for from in DISTANCES.into_iter().chain([0, -5]) {
        for to in DISTANCES.into_iter().chain([0, -5]) {
            let mut wheel = wheel();
            wheel.arm(9, at(from));
            assert!(wheel.arm(9, at(to)));
            assert_eq!((wheel.len(), wheel.next_deadline()), (1, Some(at(to))));
            assert_eq!(advance(&mut wheel, at(41 * 365 * DAY)), [(at(to), 9)]);
            assert!(wheel.is_empty());
        }
    }
}

#[test]
fn a_deadline_that_looks_like_one_that_is_over_is_not_taken_for_it() {
    // The words of the table hold 30 bits of a deadline.
    let turn = RING * WINDOW;
    let mut wheel = wheel();
    wheel.arm(1, at(5 * WINDOW));
    assert_eq!(wheel.next_deadline(), Some(at(5 * WINDOW)));
    assert_eq!(advance(&mut wheel, at(6 * WINDOW)).len(), 1);
    wheel.arm(1, at(5 * WINDOW + turn));
    assert_eq!(wheel.next_deadline(), Some(at(5 * WINDOW + turn)));
    assert_eq!(advance(&mut wheel, at(5 * WINDOW + turn - 1)), []);
    assert_eq!(advance(&mut wheel, at(5 * WINDOW + turn)).len(), 1);
}

#[test]
fn the_quiet_time_ends_with_the_next_deadline_or_its_window() {
    for distance in DISTANCES.into_iter().chain([-5]) {
        let mut wheel = wheel();
        wheel.arm(1, at(distance));
        wheel.arm(2, at(distance + 1));
        wheel.cancel(1);
        let quiet = wheel.quiet_until().unwrap();
        let next = at(distance + 1);
        assert!(quiet <= next && quiet > at(distance + 1 - 2 * WINDOW), "{quiet} {next}");
        // Who waits for it again and again gets there soon.
        let mut waits = 0;
        while let Some(quiet) = wheel.quiet_until() {
            let to = wheel.now().max(quiet);
            waits += u32::from(advance(&mut wheel, to).is_empty());
        }
        assert!(waits <= 2, "{waits} waits");
        assert_eq!((wheel.now().max(next), wheel.quiet_until()), (wheel.now(), None));
    }
}

#[test]
fn mass_expiry_is_prepared_little_by_little() {
    let mut wheel = wheel();
    let count = 64_000;
    for number in 0..count {
        wheel.arm(number, Timestamp((START >> 16 << 16) + 2 * WINDOW + i64::from(number)));
    }
    let mut due = Vec::new();
    let begin = (START >> 16 << 16) + WINDOW;
    wheel.advance(Timestamp(begin), &mut due);
    let home = super::home((START >> 16) + 2);
    for step in 1..100 {
        wheel.advance(Timestamp(begin + step * WINDOW / 100), &mut due);
        let waiting = wheel.homes.chunks(home) as i64;
        assert!((waiting - (2_000 - 20 * step)).abs() <= 20, "{waiting} wait after step {step}");
    }
    assert!(due.is_empty());
    wheel.advance(Timestamp(begin + 2 * WINDOW), &mut due);
    assert_eq!(due.len(), count as usize);
}

#[test]
fn memory_is_bounded_by_the_timers_whatever_is_cancelled_and_moved() {
    let mut wheel = wheel();
    for number in 0..50_000 {
        wheel.arm(number, at(i64::from(number) * 999));
    }
    let mut due = Vec::new();
    let first = wheel.bytes();
    for round in 1..=40_i64 {
        for number in 0..50_000 {
            wheel.cancel(number);
            wheel.arm(number, at(round * 777 + i64::from(number) * 997));
        }
        wheel.advance(at(round * 777), &mut due);
    }
    assert!(wheel.bytes() < first * 2, "{} bytes, at first {first}", wheel.bytes());
    assert!(wheel.homes.entries < 150_000, "{} entries", wheel.homes.entries);
}

#[test]
fn one_timer_moved_for_ever_takes_no_memory() {
    // To and fro between two windows, two slots, two instants of this slot, and beyond the ring.
    let far = RING * WINDOW;
    for (a, b) in [(HOUR, 2 * HOUR), (1_000, 2_000), (1, 2), (far, 2 * far), (HOUR, far), (0, 1)] {
        let mut wheel = wheel();
        for turn in 0..200_000 {
            wheel.arm(1, at(if turn % 2 == 0 { a } else { b }));
        }
        assert!(wheel.homes.entries <= 40_000, "{} entries", wheel.homes.entries);
        assert!(wheel.bytes() < 1 << 20, "{} bytes", wheel.bytes());
        assert_eq!(advance(&mut wheel, at(3 * far)), [(at(b), 1)]);
    }
}
