//! Starts the workers, serves HTTP beside them, and ends the process in good order.
//!
//! ```text
//! main thread: tokio (signals, HTTP) ── stop flag ──► worker-0, worker-1, … (plain threads)
//!                     ▲                                    │
//!                     └────────── how each ended ──────────┘
//! ```
//!
//! A signal raises the flag; each worker commits or aborts what is open, leaves the group and returns. A
//! second signal, or ten seconds, ends the process as it is: the next start aborts what stayed open. A
//! worker that ends by itself takes the process down: a supervisor starts it anew, whole.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use tokio::sync::mpsc;

use crate::telemetry::http::{self, Endpoint, Pulse};

use super::refusal;
use super::shutdown::{Signals, Stop};

/// From the signal to the end of the process.
const BUDGET: Duration = Duration::from_secs(10);

/// Exit codes, as of sysexits: what a supervisor or a person should make of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Clean,
    /// Ended before everything was in order.
    Hard,
    /// The command line was wrong.
    Usage,
    /// A fault of ours.
    Bug,
    /// A restart may mend it.
    Temporary,
    /// Something must be set or made differently first.
    Config,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Hard => 1,
            Exit::Usage => 64,
            Exit::Bug => 70,
            Exit::Temporary => 75,
            Exit::Config => 78,
        }
    }
}

/// Why a worker ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub exit: Exit,
    pub why: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What a worker's thread is given.
#[derive(Clone, Debug)]
pub struct Seat {
    pub worker: usize,
    pub stop: Stop,
    pub pulse: Pulse,
}

/// What is served beside the workers.
pub struct Served {
    pub listener: TcpListener,
    pub endpoint: Endpoint,
    /// Routes besides metrics and probes.
    pub more: Router,
}

/// Runs `workers` threads of `body` until a signal or until one of them ends.
pub fn run<B>(workers: usize, served: Served, body: B) -> Exit
where
    B: Fn(Seat) -> Result<(), Ended> + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("edge")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return Exit::Temporary;
        }
    };
    let exit = runtime.block_on(supervise(workers, served, Arc::new(body)));
    // Threads that did not end in time must not keep the process.
    runtime.shutdown_background();
    exit
}

async fn supervise<B>(workers: usize, served: Served, body: Arc<B>) -> Exit
where
    B: Fn(Seat) -> Result<(), Ended> + Send + Sync + 'static,
{
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "failed to listen for signals");
            return Exit::Temporary;
        }
    };
    let stop = Stop::default();
    let health = Arc::clone(&served.endpoint.health);
    let (ended, mut ends) = mpsc::channel(workers.max(1));
    for worker in 0..workers {
        let seat = Seat { worker, stop: stop.clone(), pulse: health.pulse() };
        if let Err(error) = start(seat, Arc::clone(&body), ended.clone()) {
            tracing::error!(%error, worker, "failed to start a worker");
            return Exit::Temporary;
        }
    }
    drop(ended);
    let router = refusal::explained(served.endpoint.router(served.more));
    tokio::spawn(async move {
        if let Err(error) = http::serve(served.listener, router, std::future::pending()).await {
            tracing::error!(%error, "HTTP ended");
        }
    });

    let mut exit = Exit::Clean;
    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "draining"),
        end = ends.recv() => exit = by_itself(end),
    }
    health.set_waiting_for(Some("draining"));
    stop.raise();
    let rest = async {
        while let Some((worker, end)) = ends.recv().await {
            match end {
                Ok(()) => tracing::info!(worker, "worker ended"),
                Err(ended) => {
                    tracing::error!(worker, why = %ended, "worker failed to end in order");
                    if exit == Exit::Clean {
                        exit = ended.exit;
                    }
                }
            }
        }
        exit
    };
    tokio::select! {
        exit = rest => exit,
        name = signals.next() => {
            tracing::warn!(signal = name, "second signal, not waiting");
            Exit::Hard
        }
        () = tokio::time::sleep(BUDGET) => {
            tracing::error!("the workers did not end in time");
            Exit::Hard
        }
    }
}

type End = (usize, Result<(), Ended>);

/// A worker ended though nobody asked.
fn by_itself(end: Option<End>) -> Exit {
    match end {
        Some((worker, Err(ended))) => {
            tracing::error!(worker, why = %ended, "worker ended; the process follows");
            ended.exit
        }
        Some((worker, Ok(()))) => {
            tracing::error!(worker, "worker ended without a reason; the process follows");
            Exit::Bug
        }
        None => Exit::Bug,
    }
}

fn start<B>(seat: Seat, body: Arc<B>, ended: mpsc::Sender<End>) -> io::Result<()>
where
    B: Fn(Seat) -> Result<(), Ended> + Send + Sync + 'static,
{
    let worker = seat.worker;
    thread::Builder::new().name(format!("worker-{worker}")).spawn(move || {
        // A panic is our fault; it has been printed. The process ends, the supervisor starts it anew.
        let run = std::panic::AssertUnwindSafe(|| body(seat));
        let end = std::panic::catch_unwind(run)
            .unwrap_or_else(|_| Err(Ended { exit: Exit::Bug, why: "panicked".to_owned() }));
        let _ = ended.blocking_send((worker, end));
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::registry::Metrics;

    fn served() -> Served {
        Served {
            listener: http::bind("127.0.0.1:0".parse().expect("address")).expect("bound"),
            endpoint: Endpoint {
                metrics: Arc::new(Metrics::new().expect("metrics")),
                health: Arc::default(),
            },
            more: Router::new(),
        }
    }

    #[test]
    fn one_worker_that_ends_takes_the_others_along_in_good_order() {
        let exit = run(3, served(), |seat: Seat| {
            if seat.worker == 1 {
                return Err(Ended { exit: Exit::Config, why: "no topic".to_owned() });
            }
            while !seat.stop.is_raised() {
                thread::yield_now();
            }
            Ok(())
        });
        assert_eq!(exit, Exit::Config);
    }

    #[test]
    fn a_panic_is_a_bug() {
        let exit = run(1, served(), |_| panic!("on purpose"));
        assert_eq!(exit.code(), 70);
    }
}
