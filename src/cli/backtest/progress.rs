//! How far a long run is, on standard error: one line that changes on a terminal, else a line now and then.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use super::drive::Source;
use crate::evaluate::replay::Heard;
use crate::evaluate::report::Read;

/// The clock is looked at after so many.
const EVERY: u64 = 1_024;

/// What has been done of something that takes long.
pub(in crate::cli) struct Progress {
    /// What is counted, in the plural.
    what: &'static str,
    done: u64,
    started: Instant,
    told: Instant,
    terminal: bool,
}

impl Progress {
    pub(in crate::cli) fn new(what: &'static str) -> Progress {
        let now = Instant::now();
        Progress { what, done: 0, started: now, told: now, terminal: io::stderr().is_terminal() }
    }

    /// One more is done. `share`: how much of all that is, 0–1, where that is known.
    pub(in crate::cli) fn one(&mut self, share: impl FnOnce() -> Option<f64>) {
        self.done += 1;
        let every = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
        if !self.done.is_multiple_of(EVERY) || self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let rate = self.done as f64 / self.started.elapsed().as_secs_f64();
        let share = share().map(|share| format!("{:.0} %, ", share * 100.0)).unwrap_or_default();
        let text = format!("{share}{} {}, {rate:.0} a second", self.done, self.what);
        if self.terminal {
            eprint!("\r\x1b[K{text}");
        } else {
            eprintln!("{text}");
        }
    }

    /// The line on the terminal goes, before something else is written.
    pub(in crate::cli) fn clear() {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

/// How much of a list is done, 0–1, of which so many are left.
pub(super) fn share(left: usize, all: usize) -> f64 {
    1.0 - left as f64 / all.max(1) as f64
}

/// A source that tells how far it has been heard.
pub(in crate::cli) struct Watched<S> {
    source: S,
    progress: Progress,
}

impl<S: Source> Watched<S> {
    pub(in crate::cli) fn new(source: S, what: &'static str) -> Watched<S> {
        Watched { source, progress: Progress::new(what) }
    }
}

impl<S: Source> Source for Watched<S> {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        self.progress.one(|| self.source.share());
        self.source.next()
    }

    fn share(&self) -> Option<f64> {
        self.source.share()
    }

    fn read(&self) -> Read {
        self.source.read()
    }
}
