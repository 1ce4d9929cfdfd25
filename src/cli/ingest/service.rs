//! Ingest as a service: a worker for each bridged topic, and workers for the pictures.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::cli::formats::Formats;
use crate::cli::run::JOINING;
use crate::codec::SchemaRef;
use crate::codec::encode::Encoder;
use crate::config::{self, Settings};
use crate::domain::time::Span;
use crate::engine::ports::Failure;
use crate::engine::relay::{self, Relay, Stage};
use crate::engine::report::Wait;
use crate::ingest::Parser;
use crate::intake::{Counts, Fetch, Fetched, Parsing, Picturing};
use crate::kafka::topics::{self, Layout};
use crate::kafka::{KafkaLog, Trouble};
use crate::registry::{self, Client, Unavailable};
use crate::runtime::clock::{self, WallClock};
use crate::runtime::run::{self as service, Ended, Exit, Seat, Served};
use crate::telemetry::http::{self, Endpoint, Health};
use crate::telemetry::logging;
use crate::telemetry::metrics::Metric;
use crate::telemetry::registry::Metrics;

/// What every worker is made of.
struct Shared {
    settings: Settings,
    parser: Parser,
    formats: Formats,
    metrics: Arc<Metrics>,
    /// Partitions of our own topics.
    layout: Layout,
    /// Bridged topics: name, domain, partitions.
    bridged: Vec<(String, String, i32)>,
    /// Partitions that stopped, by worker.
    stopped: Vec<AtomicUsize>,
}

pub(super) fn main(settings: Settings) -> Exit {
    let format = match settings.log.format {
        config::LogFormat::Auto => logging::Format::Auto,
        config::LogFormat::Text => logging::Format::Text,
        config::LogFormat::Json => logging::Format::Json,
    };
    logging::init(format, &settings.log.level);
    match prepared(settings) {
        Ok((shared, served)) => start(Arc::new(shared), served),
        Err(exit) => exit,
    }
}

fn told(why: &str) -> Exit {
    eprintln!("lead-router: {why}");
    Exit::Config
}

fn prepared(settings: Settings) -> Result<(Shared, Served), Exit> {
    if settings.ingest.topics.is_empty() {
        return Err(told("ingest.topics names no topic to read"));
    }
    let parser =
        super::parser(settings.ingest.mapping.as_deref(), settings.ingest.schemas.as_deref())?;
    let listener = http::bind(settings.http.listen).map_err(|error| {
        told(&format!("failed to listen on http.listen = {}: {error}", settings.http.listen))
    })?;
    let metrics = Metrics::new().map_err(|error| {
        eprintln!("lead-router: failed to make metrics: {error}");
        Exit::Bug
    })?;
    let layout = crate::cli::run::checked_topics(&settings)?;
    let mut bridged = Vec::new();
    for (topic, domain) in &settings.ingest.topics {
        let partitions = topics::partitions(&settings, topic)
            .map_err(|trouble| crate::cli::topics::told(&trouble))?;
        bridged.push((topic.clone(), domain.clone(), partitions));
    }
    let metrics = Arc::new(metrics);
    let formats = Formats::new(&settings, registry::subjects_in(&settings.topics), &metrics);
    let formats = formats.map_err(|why| told(&why))?;
    let health = Arc::new(Health::default());
    let endpoint = Endpoint { metrics: Arc::clone(&metrics), health };
    let served = Served { listener, endpoint, more: axum::Router::new() };
    let workers = settings.workers + bridged.len();
    let stopped = (0..workers).map(|_| AtomicUsize::new(0)).collect();
    Ok((Shared { settings, parser, formats, metrics, layout, bridged, stopped }, served))
}

fn start(shared: Arc<Shared>, served: Served) -> Exit {
    let pictures = shared.settings.workers;
    let workers = pictures + shared.bridged.len();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pictures,
        bridged = shared.bridged.len(),
        "ingest starts"
    );
    let health = Arc::clone(&served.endpoint.health);
    let ready = crate::cli::run::Readiness::new(workers, health);
    service::run(workers, served, move |seat| {
        let set = |waits_for| ready.set(seat.worker, waits_for);
        set(Some(Wait::Registry));
        let Some(format) = shared.formats.wait(&seat)? else { return Ok(()) };
        set(Some(Wait::Group));
        match seat.worker.checked_sub(pictures).and_then(|at| shared.bridged.get(at)) {
            Some((topic, domain, partitions)) => {
                parsing(&shared, topic, domain, *partitions, &seat, &set)
            }
            None => picturing(&shared, Encoder::new(format), &seat, &set),
        }
    })
}

/// The first stage, of one bridged topic.
fn parsing(
    shared: &Shared,
    topic: &str,
    domain: &str,
    partitions: i32,
    seat: &Seat,
    ready: &dyn Fn(Option<Wait>),
) -> Result<(), Ended> {
    let mut settings = shared.settings.clone();
    settings.group = settings.parsing_group(topic);
    let layout = one_topic(topic, partitions);
    let fetch = shared.formats.registry().map(|client| fetch(client, log));
    let stage = Parsing::new(shared.parser.clone(), topic.to_owned(), domain.to_owned(), fetch);
    let told = |stage: &mut Parsing| tell(shared, "parse", stage.take_counts());
    work(shared, Job { settings, layout, worker: 0 }, stage, seat, ready, &told)
}

/// The second stage.
fn picturing(
    shared: &Shared,
    encoder: Encoder,
    seat: &Seat,
    ready: &dyn Fn(Option<Wait>),
) -> Result<(), Ended> {
    let mut settings = shared.settings.clone();
    settings.group = settings.picturing_group();
    settings.topics.state = settings.topics.ingest_state.clone();
    let layout = one_topic(&settings.topics.raw, shared.layout.partitions());
    let stage =
        Picturing::new(Arc::clone(&shared.parser.mapping), encoder, settings.topics.raw.clone());
    let label = seat.worker.to_string();
    let told = |stage: &mut Picturing| {
        shared.metrics.set(Metric::IngestPictures, &[&label], stage.pictures() as f64);
        tell(shared, "picture", stage.take_counts());
    };
    let job = Job { settings, layout, worker: seat.worker };
    work(shared, job, stage, seat, ready, &told)
}

fn one_topic(name: &str, partitions: i32) -> Layout {
    let mut names: [Option<String>; 9] = Default::default();
    if let Some(slot) = names.get_mut(relay::IN.index()) {
        *slot = Some(name.to_owned());
    }
    Layout::new(names, partitions)
}

/// What a worker reads, in which group, and its number there.
struct Job {
    settings: Settings,
    layout: Layout,
    worker: usize,
}

/// One worker, on its own thread, from joining its group to leaving it.
fn work<S: Stage>(
    shared: &Shared,
    job: Job,
    stage: S,
    seat: &Seat,
    ready: &dyn Fn(Option<Wait>),
    tell: &dyn Fn(&mut S),
) -> Result<(), Ended> {
    let Job { settings, layout, worker } = job;
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let topic = layout.name(relay::IN).unwrap_or_default().to_owned();
    let pace = relay::Settings {
        topic: topic.clone(),
        linger: Span::from_millis(settings.batch.linger_ms),
        work: Span::from_millis(settings.batch.max_work_ms),
        most_records: size(settings.batch.max_records),
        most_bytes: size(settings.batch.max_bytes),
        idle: Span::from_millis(100),
        stop_after: settings.dead_letters_stop_after,
        skip_lost: settings.skip_lost,
    };
    let log = KafkaLog::connect(Arc::new(settings), worker, layout, seat.stop.flag())
        .map_err(|trouble| ended(&trouble))?;
    let mut relay = Relay::new(log, WallClock::new(), stage, pace);
    let began = Instant::now();
    while !seat.stop.is_raised() {
        relay.turn().map_err(failed)?;
        seat.pulse.tick();
        tell(relay.stage_mut());
        for (shard, why) in relay.take_stops() {
            tracing::error!(
                topic,
                shard,
                why,
                "partition stopped: its producer is broken; see LeadRouterPartitionStopped"
            );
        }
        stopped(shared, seat.worker, relay.stopped());
        ready(relay.waits_for(began.elapsed() < JOINING));
    }
    let stopped = relay.stop().map_err(failed);
    tell(relay.stage_mut());
    stopped
}

/// Partitions of all workers that have stopped.
fn stopped(shared: &Shared, worker: usize, count: usize) {
    let Some(own) = shared.stopped.get(worker) else { return };
    if own.swap(count, Ordering::Relaxed) != count {
        let all: usize = shared.stopped.iter().map(|it| it.load(Ordering::Relaxed)).sum();
        shared.metrics.set(Metric::ShardsStopped, &[], all as f64);
    }
}

/// Schemas that are not in the folder are the registry's to know.
pub(in crate::cli) fn fetch(
    client: Arc<Client>,
    mut tell: impl FnMut(Result<(), &Unavailable>) + Send + 'static,
) -> Fetch {
    Box::new(move |id| {
        let answer = client.schema(SchemaRef::Id(id));
        tell(answer.as_ref().map(|_| ()));
        match answer {
            Ok(registry::Fetched::Avro(text)) => Fetched::Schema(text),
            Ok(registry::Fetched::Unfit(_) | registry::Fetched::Absent) => Fetched::Absent,
            Err(_) => Fetched::NotNow,
        }
    })
}

fn log(answer: Result<(), &Unavailable>) {
    if let Err(why) = answer {
        tracing::warn!(%why, "the schema registry is out of reach; records wait");
    }
}

/// What committed, to metrics and to the file of what must be read again.
fn tell(shared: &Shared, stage: &str, counts: Counts) {
    for ((outcome, reason), count) in &counts.outcomes {
        shared.metrics.add(Metric::IngestRecords, &[stage, outcome], *count);
        if *outcome == "dead_letter" {
            shared.metrics.add(
                Metric::DeadLetters,
                &[crate::telemetry::labels::dead_letter(reason)],
                *count,
            );
        }
    }
    shared.metrics.add(Metric::IngestEvents, &[], counts.events);
    shared.metrics.add(Metric::IngestReread, &[], counts.reread.len() as u64);
    if counts.latest_commit_ms > 0 {
        let behind = (clock::now().0 - counts.latest_commit_ms).max(0) as f64 / 1_000.0;
        shared.metrics.set(Metric::IngestLag, &[stage], behind);
    }
    let Some(path) = shared.settings.ingest.reread.as_ref().filter(|_| !counts.reread.is_empty())
    else {
        return;
    };
    let text: String = counts.reread.iter().map(|line| format!("{line}\n")).collect();
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        tracing::error!(%error, path = %path.display(), "failed to note what must be read again");
    }
}

fn ended(trouble: &Trouble) -> Ended {
    let exit = match trouble {
        Trouble::Config(_) => Exit::Config,
        Trouble::Temporary(_) => Exit::Temporary,
    };
    Ended { exit, why: trouble.to_string() }
}

fn failed(failure: Failure) -> Ended {
    match failure {
        Failure::Fatal(why) => Ended { exit: Exit::Config, why },
        Failure::Abort(why) | Failure::Unknown(why) => Ended { exit: Exit::Temporary, why },
    }
}
