//! Firing order, cancelling what is ready, undoing a batch.

use proptest::prelude::*;

use super::*;
use crate::domain::ids::DomainId;
use crate::domain::timer::TimerKind;

fn key(kind: TimerKind, id: &str) -> TimerKey {
    TimerKey::of(kind, &DomainId::new("acme"), id)
}

fn arm(key: &TimerKey, due_at: i64) -> TimerMove {
    TimerMove { key: key.clone(), due_at: Some(Timestamp(due_at)) }
}

fn timers() -> Timers {
    Timers::new(Some(Timestamp(0)))
}

fn fire_all(timers: &mut Timers, now: i64) -> Vec<(i64, TimerKind, String)> {
    let mut fired = Vec::new();
    while let Some((due_at, key)) = timers.fire(Timestamp(now)) {
        fired.push((due_at.0, key.kind, key.id.to_string()));
    }
    fired
}

#[test]
fn at_one_instant_the_kind_goes_before_the_id_whatever_was_armed_first() {
    let (sla, lock) = (key(TimerKind::Sla, "a"), key(TimerKind::Lock, "z"));
    let expected = [(5, TimerKind::Lock, "z".to_owned()), (5, TimerKind::Sla, "a".to_owned())];
    for moves in [[arm(&sla, 5), arm(&lock, 5)], [arm(&lock, 5), arm(&sla, 5)]] {
        let mut timers = timers();
        timers.apply(moves.to_vec());
        assert_eq!(fire_all(&mut timers, 10), expected);
    }
}

#[test]
fn what_the_wheel_has_handed_out_can_still_be_cancelled_and_moved() {
    let mut timers = timers();
    let (a, b) = (key(TimerKind::Sla, "a"), key(TimerKind::Sla, "b"));
    timers.apply(vec![arm(&a, 5), arm(&b, 6)]);
    assert_eq!(timers.first_due(Timestamp(10)).map(|(due_at, _)| due_at.0), Some(5));
    timers.apply(vec![TimerMove { key: a, due_at: None }, arm(&b, 4)]);
    assert_eq!(timers.next_deadline(), Some(Timestamp(4)));
    assert_eq!(fire_all(&mut timers, 10).len(), 1);
    assert!(timers.is_empty());
}

#[test]
fn a_deadline_that_was_handed_out_too_early_for_a_time_that_was_undone_waits() {
    let mut timers = timers();
    let a = key(TimerKind::Sla, "a");
    timers.apply(vec![arm(&a, 50)]);
    timers.commit();
    assert!(timers.fire(Timestamp(60)).is_some());
    timers.rollback();
    assert!(timers.fire(Timestamp(40)).is_none());
    assert!(timers.fire(Timestamp(50)).is_some());
}

#[test]
fn arming_and_cancelling_are_counted_once() {
    let mut timers = timers();
    let a = key(TimerKind::Sla, "a");
    let cancel = TimerMove { key: a.clone(), due_at: None };
    assert_eq!(timers.apply(vec![arm(&a, 5), arm(&a, 5)]), Moved { armed: 1, cancelled: 0 });
    assert_eq!(timers.apply(vec![arm(&a, 6)]), Moved { armed: 1, cancelled: 1 });
    assert_eq!(timers.apply(vec![cancel.clone(), cancel]), Moved { armed: 0, cancelled: 1 });
}

#[test]
fn a_timer_that_is_late_and_moved_over_and_over_fires_once_and_takes_no_memory() {
    let mut timers = timers();
    let (a, b) = (key(TimerKind::Sla, "a"), key(TimerKind::Sla, "b"));
    assert!(timers.fire(Timestamp(1_000)).is_none());
    timers.apply(vec![arm(&b, 7)]);
    for turn in 0..100_000 {
        timers.apply(vec![arm(&a, turn % 5)]);
        timers.commit();
    }
    assert!(timers.ready.len() < 3 * GONE, "{} in the heap", timers.ready.len());
    let fired = fire_all(&mut timers, 1_000);
    assert_eq!(fired.iter().map(|one| one.0).collect::<Vec<_>>(), [4, 7]);
    assert!(timers.is_empty());
}

#[test]
fn what_fell_due_in_an_outage_is_handed_out_little_by_little_and_in_order() {
    let mut timers = timers();
    let names: Vec<String> = (0..20_000).map(|n| format!("{:05}", n * 7_919 % 20_000)).collect();
    let moves = names.iter().zip(1..).map(|(name, at)| arm(&key(TimerKind::Sla, name), at * 10));
    timers.apply(moves.collect());
    let mut fired = Vec::new();
    while let Some((due_at, _)) = timers.fire(Timestamp(86_400_000)) {
        fired.push(due_at.0);
        assert!(timers.ready.len() <= 30, "{} at once", timers.ready.len());
    }
    assert_eq!(fired, (1..=20_000).map(|at| at * 10).collect::<Vec<_>>());
}

#[test]
fn thousands_due_at_one_instant_are_put_in_order_a_portion_a_look() {
    let mut timers = timers();
    let name = |n: usize| key(TimerKind::Sla, &format!("{:05}", n * 7_919 % 10_000));
    timers.apply((0..10_000).map(|n| arm(&name(n), 50)).collect());
    let mut looks = 0;
    while timers.look(Timestamp(60)).is_none() {
        assert!(timers.is_ordering() && timers.ready.len() <= (looks + 1) * PORTION + 1);
        if looks == 5 {
            // Meanwhile one is cancelled, one waits for later, and one that is late comes to it.
            let cancel = |n| TimerMove { key: name(n), due_at: None };
            timers.apply(vec![cancel(1), cancel(9_998), arm(&name(2), 500), arm(&name(3), 40)]);
        }
        looks += 1;
    }
    assert_eq!(looks, 10_000 / PORTION);
    let fired = fire_all(&mut timers, 60);
    assert_eq!((fired.len(), fired[0].0), (9_997, 40));
    assert!(fired.is_sorted());
    assert_eq!(fire_all(&mut timers, 500).len(), 1);
}

proptest! {
    /// Whatever a batch does, undoing it gives the timers that it began with.
    #[test]
    fn rollback_is_the_way_back(
        before in prop::collection::vec((0..8_u8, 0..200_000_i64), 0..20),
        batch in prop::collection::vec((0..8_u8, prop::option::of(0..200_000_i64), 0..200_000_i64), 0..30),
    ) {
        let name = |id: u8| key(TimerKind::Sla, &id.to_string());
        let mut timers = timers();
        timers.apply(before.iter().map(|(id, due)| arm(&name(*id), *due)).collect());
        timers.commit();
        let stood = timers.all();
        for (id, due_at, now) in batch {
            timers.apply(vec![TimerMove { key: name(id), due_at: due_at.map(Timestamp) }]);
            timers.fire(Timestamp(now));
        }
        timers.rollback();
        prop_assert_eq!(timers.all(), stood.clone());
        let fired = fire_all(&mut timers, 300_000);
        prop_assert_eq!(fired.len(), stood.len());
        prop_assert!(fired.is_sorted());
    }
}
