//! `lead-router run`: the service.
//!
//! Before a worker starts, everything that can be looked at is: the configuration, the address to listen
//! on, the topics. A fault is told with what mends it, and the process ends with 78.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::codec::SchemaIds;
use crate::codec::encode::{Encoder, Format};
use crate::codec::record::Decoder;
use crate::config::{self, Batch, ClockMode, Settings};
use crate::domain::input::Topic;
use crate::domain::time::Span;
use crate::engine::merge::Order;
use crate::engine::ports::Failure;
use crate::engine::report::Wait;
use crate::engine::wire::Wire;
use crate::engine::worker::{self, Worker};
use crate::kafka::topics::{self, Layout};
use crate::kafka::{KafkaLog, Trouble};
use crate::registry::{Resolver, subjects_out};
use crate::runtime::clock::WallClock;
use crate::runtime::lag;
use crate::runtime::routes;
use crate::runtime::run::{self as service, Ended, Exit, Seat, Served};
use crate::runtime::view::{Feed, View};
use crate::telemetry::http::{self, Endpoint, Health};
use crate::telemetry::lag::Lag;
use crate::telemetry::logging;
use crate::telemetry::record::Recorder;
use crate::telemetry::registry::Metrics;

use super::formats::Formats;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration (TOML); without it the defaults and the environment hold.
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG")]
    config: Option<PathBuf>,
    /// Prints what holds and where each value came from, secrets left out, and ends.
    #[arg(long)]
    print_config: bool,
}

pub(super) fn main(args: &Args) -> Exit {
    let loaded = match config::load(args.config.as_deref(), std::env::vars()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Config;
        }
    };
    if args.print_config {
        print!("{}", loaded.printed);
        return Exit::Clean;
    }
    let settings = Arc::new(loaded.settings);
    let format = match settings.log.format {
        config::LogFormat::Auto => logging::Format::Auto,
        config::LogFormat::Text => logging::Format::Text,
        config::LogFormat::Json => logging::Format::Json,
    };
    logging::init(format, &settings.log.level);
    match prepared(&settings) {
        Ok((layout, served, shared)) => start(settings, layout, served, shared),
        Err(exit) => exit,
    }
}

/// What all workers share.
#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    lag: Arc<Lag>,
    view: Arc<View>,
    ready: Arc<Readiness>,
    formats: Arc<Formats>,
    ids: SchemaIds,
    /// Ends with the process.
    _resolver: Arc<Option<Resolver>>,
}

fn prepared(settings: &Settings) -> Result<(Layout, Served, Shared), Exit> {
    let listener = http::bind(settings.http.listen).map_err(|error| {
        eprintln!(
            "lead-router: failed to listen on http.listen = {}: {error}",
            settings.http.listen
        );
        Exit::Config
    })?;
    let metrics = Metrics::new().map_err(|error| {
        eprintln!("lead-router: failed to make metrics: {error}");
        Exit::Bug
    })?;
    let layout = checked_topics(settings)?;
    let metrics = Arc::new(metrics);
    let formats = Formats::new(settings, subjects_out(&settings.topics), &metrics);
    let formats = formats.map_err(|why| {
        eprintln!("lead-router: {why}");
        Exit::Config
    })?;
    let ids = SchemaIds::default();
    let resolver = formats.resolve(&ids).map_err(|error| {
        eprintln!("lead-router: failed to start a thread: {error}");
        Exit::Temporary
    })?;
    let health = Arc::new(Health::default());
    let view = Arc::new(View::default());
    let served = Served {
        listener,
        endpoint: Endpoint { metrics: Arc::clone(&metrics), health: Arc::clone(&health) },
        more: routes::router(Arc::clone(&view)),
    };
    let ready = Arc::new(Readiness::new(settings.workers, health));
    let lag = Arc::new(Lag::new(Arc::clone(&metrics)));
    let (formats, _resolver) = (Arc::new(formats), Arc::new(resolver));
    Ok((layout, served, Shared { metrics, lag, view, ready, formats, ids, _resolver }))
}

/// Faults end the start; advice is logged.
pub(super) fn checked_topics(settings: &Settings) -> Result<Layout, Exit> {
    let report = topics::inspect(settings).map_err(|trouble| super::topics::told(&trouble))?;
    for finding in report.findings.iter().filter(|finding| !finding.is_fault()) {
        tracing::warn!(topic = finding.topic, mend = finding.mend, "{}", finding.text);
    }
    let faults: Vec<String> = report.faults().map(ToString::to_string).collect();
    if faults.is_empty() {
        return Ok(report.layout);
    }
    eprintln!("{}", faults.join("\n"));
    if !report.missing.is_empty() {
        eprintln!("lead-router: `lead-router topics apply` makes the missing topics");
    }
    Err(Exit::Config)
}

fn start(settings: Arc<Settings>, layout: Layout, served: Served, shared: Shared) -> Exit {
    let workers = settings.workers;
    let shards = usize::try_from(layout.partitions()).unwrap_or(0);
    if workers > shards {
        tracing::warn!(workers, shards, "more workers than partitions: some will be idle");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), workers, shards, "starting");
    let watched = lag::watch(Arc::clone(&settings), layout.clone(), Arc::clone(&shared.lag));
    if let Err(error) = watched {
        tracing::warn!(%error, "failed to start a thread: lag is not shown");
    }
    service::run(workers, served, move |seat| work(&settings, layout.clone(), &shared, &seat))
}

/// One worker, on its own thread, from joining the group to leaving it.
fn work(
    settings: &Arc<Settings>,
    layout: Layout,
    shared: &Shared,
    seat: &Seat,
) -> Result<(), Ended> {
    shared.ready.set(seat.worker, Some(Wait::Registry));
    let Some(format) = shared.formats.wait(seat)? else { return Ok(()) };
    shared.ready.set(seat.worker, Some(Wait::Group));
    let engine = engine_settings(settings, &layout);
    let log = KafkaLog::connect(Arc::clone(settings), seat.worker, layout, seat.stop.flag())
        .map_err(|trouble| ended(&trouble))?;
    let recorder = Recorder::new(Arc::clone(&shared.metrics), Arc::clone(&shared.lag));
    let observer = Feed { view: Arc::clone(&shared.view), next: recorder };
    let mut worker =
        Worker::new(log, WallClock::new(), observer, wire(settings, format, &shared.ids), engine);
    let began = Instant::now();
    while !seat.stop.is_raised() {
        worker.turn().map_err(failed)?;
        seat.pulse.tick();
        shared.ready.set(seat.worker, worker.waits_for(began.elapsed() < JOINING));
    }
    worker.stop().map_err(failed)
}

/// A worker without shards may still be joining; after this it stands by.
pub(super) const JOINING: Duration = Duration::from_secs(15);

/// How values are written, and what the topics are called in dead letters.
fn wire(settings: &Settings, format: Format, ids: &SchemaIds) -> Wire {
    Wire {
        decoder: Decoder { ids: ids.clone(), strict: false },
        encoder: Encoder::new(format),
        names: Topic::ALL.map(|topic| settings.topics.input(topic).to_owned()),
        ..Wire::default()
    }
}

fn engine_settings(settings: &Settings, layout: &Layout) -> worker::Settings {
    let Batch { linger_ms, max_records, max_bytes, max_work_ms } = settings.batch;
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    worker::Settings {
        order: match settings.clock {
            ClockMode::Wall => Order::Wall,
            ClockMode::Record => Order::Record,
        },
        partitions: layout.partitions(),
        linger: Span::from_millis(linger_ms),
        work: Span::from_millis(max_work_ms),
        most_records: size(max_records),
        most_bytes: size(max_bytes),
        skip_lost: settings.skip_lost,
        dead_letters_stop_after: settings.dead_letters_stop_after,
        start_leads: settings.start_leads.map(|start| match start {
            config::StartLeads::Earliest => worker::StartLeads::Earliest,
            config::StartLeads::Latest => worker::StartLeads::Latest,
            config::StartLeads::At(time) => worker::StartLeads::At(time),
        }),
        ..worker::Settings::default()
    }
}

fn ended(trouble: &Trouble) -> Ended {
    let exit = match trouble {
        Trouble::Config(_) => Exit::Config,
        Trouble::Temporary(_) => Exit::Temporary,
    };
    Ended { exit, why: trouble.to_string() }
}

/// What the engine gives up on. Only the fatal is for a person; the rest may go by itself.
fn failed(failure: Failure) -> Ended {
    match failure {
        Failure::Fatal(why) => Ended { exit: Exit::Config, why },
        Failure::Abort(why) | Failure::Unknown(why) => Ended { exit: Exit::Temporary, why },
    }
}

/// The process is ready when all its workers are.
pub(super) struct Readiness {
    health: Arc<Health>,
    workers: Mutex<Vec<Option<Wait>>>,
}

impl Readiness {
    pub(super) fn new(workers: usize, health: Arc<Health>) -> Readiness {
        Readiness { health, workers: Mutex::new(vec![Some(Wait::Group); workers]) }
    }

    pub(super) fn set(&self, worker: usize, waits_for: Option<Wait>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = workers.get_mut(worker) else { return };
        if *known == waits_for {
            return;
        }
        *known = waits_for;
        let first = workers.iter().enumerate().find_map(|(at, wait)| Some((at, (*wait)?)));
        let text = first.map(|(worker, wait)| format!("worker {worker}: {}", wait.text()));
        self.health.set_waiting_for(text.as_deref());
    }
}
