//! The clock of this machine: the one place that reads it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;
use crate::engine::ports::Clock;

/// The time on the wall.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What the workers and the tools read the time from.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    started: Instant,
}

impl WallClock {
    pub fn new() -> WallClock {
        WallClock { started: Instant::now() }
    }
}

impl Default for WallClock {
    fn default() -> WallClock {
        WallClock::new()
    }
}

impl Clock for WallClock {
    fn now(&mut self) -> Timestamp {
        now()
    }

    fn monotonic(&mut self) -> Duration {
        self.started.elapsed()
    }
}
