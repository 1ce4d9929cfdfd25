//! What the timers of open leads cost above the wheel: memory, and time.

use std::sync::Arc;
use std::time::Duration;

use lead_router::domain::ids::DomainId;
use lead_router::domain::time::Timestamp;
use lead_router::domain::timer::{TimerKey, TimerKind, TimerMove};
use lead_router::engine::timers::Timers;

use crate::measure::{resident_bytes, thread_time};

const START: i64 = 1_790_000_000_000;
const DAY: i64 = 86_400_000;
/// Timers of a batch.
const BATCH: usize = 256;

pub(crate) fn run(count: usize) {
    println!("timers: {count} open leads with one timer each, ids of 18 characters");
    let domain = DomainId::new("acme");
    let ids: Vec<Arc<str>> = (0..count).map(|n| format!("00Q{n:015}").into()).collect();
    let mut timers = Timers::new(Some(Timestamp(START)));
    let key = |at: usize| TimerKey {
        kind: TimerKind::Sla,
        domain: domain.clone(),
        id: ids[at].clone(),
        assignment_no: 1,
        step: 1,
    };
    // No order, and the same in each run.
    let due = |at: usize, turn: i64| {
        let mixed = (at as i64).wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(turn * 7_919);
        Timestamp(START + 1 + mixed.rem_euclid(3 * DAY))
    };
    let before = resident_bytes();
    batches("arm", count, |at| timers_apply(&mut timers, key(at), Some(due(at, 0))));
    let bytes = resident_bytes().saturating_sub(before) as f64 / count as f64;
    println!("  {bytes:.1} bytes a timer, the wheel included, the id (the entity's own) not");
    let any = |at: usize| at.wrapping_mul(48_271) % count;
    batches("move", count, |at| timers_apply(&mut timers, key(any(at)), Some(due(any(at), 1))));
    let now = Timestamp(START + DAY);
    let (mut fired, begun) = (0_u64, thread_time());
    while timers.fire(now).is_some() {
        fired += 1;
        if fired.is_multiple_of(BATCH as u64) {
            timers.commit();
        }
    }
    let took = (thread_time() - begun).as_nanos() as f64 / fired as f64;
    println!("  fire, those of a day at one look: {took:.0} ns each");
    batches("cancel", count, |at| timers_apply(&mut timers, key(at), None));
    assert!(timers.is_empty() && fired > 0);
}

fn timers_apply(timers: &mut Timers, key: TimerKey, due_at: Option<Timestamp>) {
    timers.apply(vec![TimerMove { key, due_at }]);
    timers.commit();
}

/// All of them, in batches: what one costs, and the worst batch.
fn batches(what: &str, count: usize, mut work: impl FnMut(usize)) {
    let (mut all, mut worst) = (Duration::ZERO, Duration::ZERO);
    for first in (0..count).step_by(BATCH) {
        let begun = thread_time();
        (first..count.min(first + BATCH)).for_each(&mut work);
        let took = thread_time() - begun;
        all += took;
        worst = worst.max(took);
    }
    let each = all.as_nanos() as f64 / count as f64;
    println!("  {what}: {each:.0} ns each, the worst {BATCH} {worst:?}");
}
