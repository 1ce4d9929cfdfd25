//! Waits and lateness, as what they are worth: percentiles.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long each new lead waited for its decision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    pub(crate) fn add(&mut self, wait: Duration) {
        self.0.push(wait);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn at(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (share * sorted.len() as f64) as usize;
        sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    pub(crate) fn print(&self, when: &str) {
        println!(
            "  new leads {when}: {} decided, waited p50 {:?}, p99 {:?}, at most {:?}",
            self.count(),
            self.at(0.5),
            self.at(0.99),
            self.at(1.0)
        );
    }
}

/// How late steps fired, in milliseconds.
#[derive(Clone, Default)]
pub(crate) struct Lateness(Vec<i64>);

impl fmt::Debug for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Lateness {
    pub(crate) fn add(&mut self, late_ms: i64) {
        self.0.push(late_ms);
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let at = (share * sorted.len() as f64) as usize;
            sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        write!(f, "p50 {} ms, p99 {} ms, at most {} ms", at(0.5), at(0.99), at(1.0))
    }
}

pub(crate) fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2}", a.as_secs_f64() / b.as_secs_f64().max(1e-9))
}

/// Processor time that this thread has used.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Bytes of memory that the process has in use (resident).
pub(crate) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("pages");
    pages * rustix::param::page_size() as u64
}
