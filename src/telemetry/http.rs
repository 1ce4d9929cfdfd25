//! The HTTP endpoint: `/metrics`, `/livez`, `/readyz`, and whatever router the caller adds (the
//! live page).
//!
//! It only reads. Liveness is that the decision loop ticked lately, not that Kafka answers: a
//! broker's outage must not restart every process.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};

use super::metrics::Metric;
use super::registry::Metrics;

/// A loop that has not ticked for so long is stuck.
const TICK_MAX: Duration = Duration::from_secs(30);

/// What the probes answer from; the loop writes, the endpoint reads.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Milliseconds after `started` of the last tick of each worker that was registered.
    ticks: Mutex<Vec<Arc<AtomicU64>>>,
    /// Why it is not ready; None = ready.
    waiting_for: Mutex<Option<String>>,
}

/// One worker's heartbeat.
#[derive(Clone, Debug)]
pub struct Pulse {
    started: Instant,
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// Called once a turn of the loop.
    pub fn tick(&self) {
        self.last.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

impl Default for Health {
    fn default() -> Health {
        Health {
            started: Instant::now(),
            ticks: Mutex::default(),
            waiting_for: Mutex::new(Some("starting".to_owned())),
        }
    }
}

impl Health {
    /// A new worker's heartbeat: from now on it must tick.
    pub fn pulse(&self) -> Pulse {
        let pulse = Pulse { started: self.started, last: Arc::default() };
        pulse.tick();
        self.ticks.lock().unwrap_or_else(PoisonError::into_inner).push(pulse.last.clone());
        pulse
    }

    /// None = ready; else what is waited for: `restoring shard 3`, `draining`.
    pub fn set_waiting_for(&self, what: Option<&str>) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = what.map(str::to_owned);
    }

    pub fn waiting_for(&self) -> Option<String> {
        self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago the slowest worker ticked.
    pub fn quiet_for(&self) -> Duration {
        let now = self.started.elapsed();
        let ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = ticks.iter().map(|tick| tick.load(Ordering::Relaxed)).min();
        oldest.map_or(Duration::ZERO, |ms| now.saturating_sub(Duration::from_millis(ms)))
    }

    pub fn is_live(&self) -> bool {
        self.quiet_for() < TICK_MAX
    }
}

/// What the endpoint shows.
#[derive(Clone)]
pub struct Endpoint {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
}

impl Endpoint {
    /// The routes of every role; `more` holds those of this one (the page, the read side).
    pub fn router(self, more: Router) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .with_state(self)
            .merge(more)
    }
}

async fn metrics(State(endpoint): State<Endpoint>) -> Response {
    let health = &endpoint.health;
    let ready = if health.waiting_for().is_none() { 1.0 } else { 0.0 };
    endpoint.metrics.set(Metric::Ready, &[], ready);
    endpoint.metrics.set(Metric::LoopQuiet, &[], health.quiet_for().as_secs_f64());
    match endpoint.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn livez(State(endpoint): State<Endpoint>) -> Response {
    let quiet = endpoint.health.quiet_for().as_secs();
    if endpoint.health.is_live() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let text = format!("the decision loop has not ticked for {quiet} s\n");
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn readyz(State(endpoint): State<Endpoint>) -> Response {
    match endpoint.health.waiting_for() {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")).into_response(),
    }
}

/// Takes an address before anything else starts, so that a busy port is known at once.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until `stop` is done. To be run in the process's tokio runtime.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// One request over a real socket; the answer's head and body.
    fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_probes_say_what_is_waited_for_and_the_metrics_are_text() {
        let endpoint =
            Endpoint { metrics: Arc::new(Metrics::new().unwrap()), health: Arc::default() };
        let health = endpoint.health.clone();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(bind(address).is_err(), "a busy port is an error");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let more = Router::new().route("/", get(|| async { "page" }));
        let server = runtime.spawn(serve(listener, endpoint.router(more), async {
            stopped.await.ok();
        }));

        assert!(ask(address, "/readyz").contains("503"));
        assert!(ask(address, "/readyz").ends_with("starting\n"));
        health.set_waiting_for(None);
        assert!(ask(address, "/readyz").ends_with("ok\n"));
        assert!(ask(address, "/livez").ends_with("ok\n"));
        assert!(ask(address, "/").ends_with("page"));
        let metrics = ask(address, "/metrics");
        assert!(metrics.contains("text/plain; version=0.0.4"));
        assert!(metrics.contains("leadrouter_ready 1"));
        assert!(metrics.contains("leadrouter_leads_total{outcome=\"assigned\"} 0"));
        stop.send(()).unwrap();
        runtime.block_on(server).unwrap().unwrap();
    }

    #[test]
    fn a_loop_that_stands_still_is_not_live() {
        let health = Health::default();
        assert!(health.is_live(), "before there is a worker there is nothing to be stuck");
        let pulse = Pulse { started: health.started, last: Arc::default() };
        health.ticks.lock().unwrap().push(pulse.last.clone());
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let health = Health { started: long_ago, ..health };
        assert!(!health.is_live());
        health.pulse();
        assert!(!health.is_live(), "the slowest worker counts");
    }
}
