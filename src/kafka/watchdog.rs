//! A call of librdkafka that hangs cannot be cancelled; so a watchdog ends the process, and whoever
//! supervises it starts it again. The next start aborts what was open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Exit code of a trouble that a restart may mend (EX_TEMPFAIL).
const TEMPORARY: i32 = 75;

type Watched = Arc<Mutex<Option<(&'static str, Instant)>>>;

/// Watches the calls of one worker, one at a time.
pub(super) struct Watchdog {
    current: Watched,
    stop: Arc<AtomicBool>,
}

impl Watchdog {
    pub(super) fn start(worker: usize) -> std::io::Result<Watchdog> {
        let current: Watched = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (watched, stopped) = (Arc::clone(&current), Arc::clone(&stop));
        thread::Builder::new().name(format!("watchdog-{worker}")).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(250));
                let over = *watched.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((call, _)) = over.filter(|(_, deadline)| Instant::now() > *deadline) {
                    tracing::error!(worker, call, "a call hangs and cannot be cancelled; exiting");
                    std::process::exit(TEMPORARY);
                }
            }
        })?;
        Ok(Watchdog { current, stop })
    }

    /// Until the guard is dropped, the call may take twice its own time-out.
    pub(super) fn guard(&self, call: &'static str, timeout: Duration) -> Guard {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some((call, Instant::now() + timeout * 2));
        Guard(Arc::clone(&self.current))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Calls the watch off when dropped.
pub(super) struct Guard(Watched);

impl Drop for Guard {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
