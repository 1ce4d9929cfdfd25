//! `lead-router demo`: a company, its leads and its router in one process, with nothing to install.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::demo::clock::VirtualClock;
use crate::demo::show::{Options, Show};
use crate::demo::stage::Stage;
use crate::domain::time::Timestamp;
use crate::runtime::refusal::explained;
use crate::runtime::run::Exit;
use crate::runtime::shutdown::{Signals, Stop};
use crate::telemetry::http::{self, Endpoint};
use crate::telemetry::logging;
use crate::telemetry::page;
use crate::telemetry::registry::Metrics;

/// Where the page is unless it is said otherwise.
const LISTEN: &str = "127.0.0.1:9464";
/// Ports after the usual one that are tried when it is taken.
const PORTS: u16 = 20;
/// Tuesday, 15 September 2026, 15:30 UTC: offices are open from San Francisco to Stockholm.
const START: Timestamp = Timestamp(1_789_486_200_000);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Seconds of the company's time in a second of yours.
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    speed: f64,
    /// Another number makes another company.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Ends by itself after so long: 30s, 2m, 1h [default: when you stop it].
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Duration>,
    /// Address of the live page and the metrics [default: 127.0.0.1:9464, or a port after it].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) fn main(args: &Args) -> Exit {
    // Sixty times faster than life, a timer is seconds late at once: that is no news here.
    logging::init(logging::Format::Auto, "error");
    let listener = match listen(args.listen) {
        Ok(listener) => listener,
        Err(why) => {
            eprintln!("lead-router: {why}");
            return Exit::Config;
        }
    };
    match show(args, listener) {
        Ok(true) => Exit::Clean,
        Ok(false) => Exit::Hard,
        Err(error) => {
            eprintln!("lead-router: failed to run the demonstration: {error}");
            Exit::Temporary
        }
    }
}

fn show(args: &Args, listener: TcpListener) -> io::Result<bool> {
    let metrics = Arc::new(Metrics::new().map_err(io::Error::other)?);
    let clock = VirtualClock::new(START, args.speed);
    let stage = Stage::new(clock, metrics.clone(), "Fernhill Instruments · demonstration");
    let address = listener.local_addr()?.to_string();
    let endpoint = Endpoint { metrics, health: stage.health.clone() };
    let router = explained(endpoint.router(page::routes(stage.board.clone())));
    let stop = Stop::default();
    serve(listener, router, stop.clone())?;
    let program = std::env::args().next().unwrap_or_else(|| "lead-router".to_owned());
    let options = Options { seed: args.seed, length: args.length, program };
    Show::new(stage, options).run(Some(&address), &stop)
}

/// Serves the page on a thread of its own, and listens for signals: the first one ends the
/// demonstration in good order, the second at once.
fn serve(listener: TcpListener, router: axum::Router, stop: Stop) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("edge".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let signals = async {
                let Ok(mut signals) = Signals::listen() else {
                    return std::future::pending().await;
                };
                signals.next().await;
                stop.raise();
                signals.next().await;
                std::process::exit(i32::from(Exit::Hard.code()));
            };
            let served = http::serve(listener, router, std::future::pending());
            let (served, ()) = tokio::join!(served, signals);
            if let Err(error) = served {
                tracing::error!(%error, "the page");
            }
        });
    })?;
    Ok(())
}

/// The address that was asked for, or the usual one, or the next that is free.
fn listen(asked: Option<SocketAddr>) -> Result<TcpListener, String> {
    if let Some(address) = asked {
        return http::bind(address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("{address} is taken by another process: choose another with --listen")
            }
            _ => format!("failed to listen on {address}: {error}"),
        });
    }
    let usual: SocketAddr = LISTEN.parse().map_err(|error| format!("{LISTEN}: {error}"))?;
    let mut last = String::new();
    for port in usual.port()..=usual.port() + PORTS {
        let address = SocketAddr::new(usual.ip(), port);
        match http::bind(address) {
            Ok(listener) => {
                if port != usual.port() {
                    eprintln!("lead-router: port {} is taken, using {port}", usual.port());
                }
                return Ok(listener);
            }
            Err(error) => last = format!("failed to listen on {address}: {error}"),
        }
    }
    Err(format!("{last}; choose an address with --listen"))
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=3_600.0).contains(&speed) { Ok(speed) } else { Err("from 0.1 to 3600".to_owned()) }
}

/// A number with a unit; without one, seconds.
fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("“{text}” is no length of time: say 30s, 2m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(wrong()),
    };
    let secs = number * unit;
    // A week is more than anybody looks at.
    if (0.0..=604_800.0).contains(&secs) { Ok(Duration::from_secs_f64(secs)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        assert_eq!(length("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(length("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(length("45"), Ok(Duration::from_secs(45)));
        assert!(length("soon").is_err() && length("-3s").is_err() && length("NaN").is_err());
    }

    #[test]
    fn a_port_that_is_taken_is_said_clearly() {
        let taken = http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = taken.local_addr().unwrap();
        let why = listen(Some(address)).unwrap_err();
        assert!(why.contains("taken") && why.contains("--listen"), "{why}");
    }
}
