//! Timer wheels from crates.io.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hierarchical_hash_wheel_timer::IdOnlyTimerEntry;
use hierarchical_hash_wheel_timer::wheels::Skip;
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;
use nexus_timer::{TimerHandle, Wheel};

use super::{Due, Peer, put, take};

/// hierarchical_hash_wheel_timer, its cancellable wheel of four levels.
pub(crate) struct QuadWheel {
    wheel: QuadWheelWithOverflow<IdOnlyTimerEntry<u32>>,
    now: i64,
}

impl Peer for QuadWheel {
    fn new(now: i64) -> QuadWheel {
        QuadWheel { wheel: QuadWheelWithOverflow::new(), now }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let delay = Duration::from_millis((deadline - self.now).unsigned_abs());
        let entry = Rc::new(IdOnlyTimerEntry::new(number, delay));
        self.wheel.insert_ref(entry).expect("ahead");
    }

    fn cancel(&mut self, number: u32) {
        self.wheel.cancel(&number).expect("armed");
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        while self.now < now {
            let ahead = (now - self.now) as u32;
            match self.wheel.can_skip() {
                Skip::Empty => self.now = now,
                Skip::Millis(quiet) => {
                    let quiet = quiet.min(ahead);
                    self.wheel.skip(quiet);
                    self.now += i64::from(quiet);
                }
                Skip::None => {
                    self.now += 1;
                    let first = due.len();
                    due.extend(self.wheel.tick().iter().map(|entry| (self.now, entry.id)));
                    due[first..].sort_unstable();
                }
            }
        }
    }
}

/// nexus-timer with its defaults. It hands out values only, so the value carries the deadline.
pub(crate) struct Nexus {
    wheel: Wheel<u64>,
    handles: Vec<Option<TimerHandle<u64>>>,
    start: Instant,
    start_ms: i64,
    fired: Vec<u64>,
}

impl Nexus {
    fn instant(&self, at: i64) -> Instant {
        self.start + Duration::from_millis((at - self.start_ms).unsigned_abs())
    }
}

impl Peer for Nexus {
    fn new(now: i64) -> Nexus {
        let start = Instant::now();
        let wheel = Wheel::unbounded(4096, start);
        Nexus { wheel, handles: Vec::new(), start, start_ms: now, fired: Vec::new() }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let since = (deadline - self.start_ms).unsigned_abs();
        let handle = self.wheel.schedule(self.instant(deadline), since << 32 | u64::from(number));
        put(&mut self.handles, number, handle);
    }

    fn cancel(&mut self, number: u32) {
        self.wheel.cancel(take(&mut self.handles, number)).expect("armed");
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        self.wheel.poll_and_rebalance(self.instant(now), &mut self.fired);
        self.fired.sort_unstable();
        for value in self.fired.drain(..) {
            let number = value as u32;
            self.wheel.free(take(&mut self.handles, number));
            due.push((self.start_ms + (value >> 32) as i64, number));
        }
    }
}
