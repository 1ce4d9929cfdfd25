//! One structure through one life: filled, thinned, churned, left to fire.

use std::time::{Duration, Instant};

use crate::load::Numbers;
use crate::measure::{resident_bytes, took};
use crate::peers::{Due, Peer};

pub(crate) const START: i64 = 1_790_000_000_000;
/// A tick of virtual time, in milliseconds.
const TICK: i64 = 100;
/// Timers that are armed in a burst.
const BURST: u32 = 256;
/// Timers cancelled and armed anew between two ticks.
const AGAIN_A_TICK: u32 = 1_000;
/// Ticks whose processor time is read at once.
const TICKS_A_READING: u32 = 8;

/// What one life came to, in the order of `COLUMNS`.
pub(crate) type Figures = [f64; 7];
pub(crate) const COLUMNS: [&str; 7] =
    ["insert", "cancel", "again", "fire", "bytes", "burst", "pause"];

pub(crate) fn live<P: Peer>(count: u32, seed: u64) -> Figures {
    let mut numbers = Numbers(seed);
    let order = numbers.shuffled(count);
    let mut due = Due::with_capacity(1 << 16);
    let before = resident_bytes();
    let mut peer = P::new(START);
    let (insert, burst) = fill(&mut peer, count, &mut numbers);
    let bytes = resident_bytes().saturating_sub(before) as f64 / f64::from(count);

    let half = &order[..count as usize / 2];
    let cancelling = took(|| half.iter().for_each(|&number| peer.cancel(number)));
    for &number in half {
        peer.arm(number, START + numbers.delay());
    }
    let again = count / 4 / AGAIN_A_TICK * AGAIN_A_TICK;
    let clock = peer.clock_tick();
    let (now, churning) = churn(&mut peer, again, count, &mut numbers, &mut due);
    let churning = churning.saturating_sub(clock * (again / AGAIN_A_TICK));
    let (firing, pause) = fire_all(&mut peer, count, now, clock, &mut due);
    [
        nanos(insert, count),
        nanos(cancelling, count / 2),
        nanos(churning, again),
        nanos(firing, count),
        bytes,
        burst.as_secs_f64(),
        pause.as_secs_f64(),
    ]
}

/// Arms all, in bursts: the whole, and the worst of the bursts.
fn fill<P: Peer>(peer: &mut P, count: u32, numbers: &mut Numbers) -> (Duration, Duration) {
    let reading = reading_takes();
    let (mut all, mut worst) = (Duration::ZERO, Duration::ZERO);
    let mut deadlines = [0; BURST as usize];
    for first in (0..count).step_by(BURST as usize) {
        deadlines.fill_with(|| START + numbers.delay());
        let numbers = first..count.min(first + BURST);
        let took = took(|| numbers.zip(deadlines).for_each(|(number, at)| peer.arm(number, at)));
        all += took.saturating_sub(reading);
        worst = worst.max(took);
    }
    (all, worst)
}

/// Cancels one and arms it anew, over and over, while time goes on and as many are armed as before: where
/// time is then, and what it took.
fn churn<P: Peer>(
    peer: &mut P,
    times: u32,
    count: u32,
    numbers: &mut Numbers,
    due: &mut Due,
) -> (i64, Duration) {
    let (mut now, mut all) = (START, Duration::ZERO);
    let mut moves = Vec::with_capacity(AGAIN_A_TICK as usize);
    for _ in 0..times / AGAIN_A_TICK {
        now += TICK;
        moves.clear();
        moves.extend((0..AGAIN_A_TICK).map(|_| (numbers.below(count), now + numbers.delay())));
        all += took(|| {
            peer.advance(now, due);
            for (_, number) in due.drain(..) {
                peer.arm(number, now + numbers.delay());
            }
            for &(number, deadline) in &moves {
                peer.cancel(number);
                peer.arm(number, deadline);
            }
        });
    }
    (now, all)
}

/// Ticks until nothing is left: the whole, and the worst tick. A tick's length is what the wall says, but
/// not more than the processor time of the few ticks that it lies among: neighbours do not count.
fn fire_all<P: Peer>(
    peer: &mut P,
    count: u32,
    start: i64,
    clock: Duration,
    due: &mut Due,
) -> (Duration, Duration) {
    let clock = clock + empty_tick_takes();
    let (mut all, mut worst) = (Duration::ZERO, Duration::ZERO);
    let (mut left, mut ticks) = (count as usize, 0_u32);
    let (mut now, mut check) = (start, 0_u64);
    while left > 0 {
        let (reading, longest) = ticks_take(|| {
            now += TICK;
            peer.advance(now, due);
            left -= due.len();
            for (deadline, number) in due.drain(..) {
                check = check.wrapping_add(deadline as u64 ^ u64::from(number));
            }
        });
        all += reading;
        worst = worst.max(longest.min(reading));
        ticks += TICKS_A_READING;
    }
    assert!(check != 0 || count == 0, "what fired is looked at");
    (all.saturating_sub(clock * ticks), worst)
}

/// A few ticks: their processor time, and the longest of them on the wall.
fn ticks_take(mut tick: impl FnMut()) -> (Duration, Duration) {
    let mut longest = Duration::ZERO;
    let reading = took(|| {
        let mut begin = Instant::now();
        for _ in 0..TICKS_A_READING {
            tick();
            let end = Instant::now();
            longest = longest.max(end - begin);
            begin = end;
        }
    });
    (reading, longest)
}

/// What measuring adds to a tick.
fn empty_tick_takes() -> Duration {
    let readings = (0..10_000).map(|_| ticks_take(|| ()).0).sum::<Duration>();
    readings / 10_000 / TICKS_A_READING
}

/// What measuring adds to a piece of work.
fn reading_takes() -> Duration {
    (0..10_000).map(|_| took(|| ())).sum::<Duration>() / 10_000
}

fn nanos(time: Duration, count: u32) -> f64 {
    time.as_nanos() as f64 / f64::from(count.max(1))
}
