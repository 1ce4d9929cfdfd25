//! The demonstration's time: the wall clock's pace, times a factor.

use std::time::Duration;

use crate::domain::time::{Span, Timestamp};
use crate::engine::ports::Clock;
use crate::runtime::clock::WallClock;

/// Begins at `start` and runs `speed` times as fast as real time; clones tell the same.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    wall: WallClock,
    start: Timestamp,
    pub speed: f64,
}

impl VirtualClock {
    pub fn new(start: Timestamp, speed: f64) -> VirtualClock {
        VirtualClock { wall: WallClock::new(), start, speed }
    }

    /// Real time since the beginning.
    pub fn elapsed(&self) -> Duration {
        let mut wall = self.wall;
        wall.monotonic()
    }

    /// The virtual time now.
    pub fn time(&self) -> Timestamp {
        let ms = self.elapsed().as_secs_f64() * 1_000.0 * self.speed;
        self.start + Span::from_millis(ms as i64)
    }

    /// A real length of time in virtual time.
    pub fn span(&self, real: Duration) -> Span {
        Span::from_millis((real.as_secs_f64() * 1_000.0 * self.speed).ceil() as i64)
    }

    /// A virtual length of time in real milliseconds, never none.
    pub fn real(&self, span: Span) -> Span {
        Span::from_millis(((span.0 as f64 / self.speed).floor() as i64).max(1))
    }
}

impl Clock for VirtualClock {
    fn now(&mut self) -> Timestamp {
        self.time()
    }

    fn monotonic(&mut self) -> Duration {
        self.elapsed()
    }
}
