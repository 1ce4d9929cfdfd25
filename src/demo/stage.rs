//! The stage: the embedded log, the real worker on a thread of its own, and what is seen of it.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::VirtualClock;
use super::company::{DOMAIN, Message};
use super::log::{Crash, StageLog};
use crate::domain::entity::{Entity, EntityKey};
use crate::domain::fact::Fact;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;
use crate::embedded::{Cluster, EmbeddedLog, Options};
use crate::engine::report::{BatchReport, Observer, ShardEvent};
use crate::engine::wire::Wire;
use crate::engine::worker::{Settings, Worker};
use crate::runtime::clock::WallClock;
use crate::runtime::shutdown::Stop;
use crate::telemetry::board::Board;
use crate::telemetry::http::{Health, Pulse};
use crate::telemetry::lag::Lag;
use crate::telemetry::record::Recorder;
use crate::telemetry::registry::Metrics;

/// How long a transaction stays open when it is quiet, and how long the worker waits for news.
const LINGER: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(20);

/// What the worker's thread tells.
pub enum News {
    /// A transaction ended, with how long each new lead had waited for it.
    Batch(BatchReport, Vec<Waited>),
    Shard(ShardEvent),
    /// The thread ended: why, and the digest of the last batch that committed.
    Ended {
        why: Option<String>,
        digest: Option<u128>,
        member: String,
    },
}

/// How long a new lead had waited in the log for its decision.
#[derive(Clone, Debug)]
pub struct Waited {
    pub lead: String,
    pub took: Duration,
    /// It came by itself, not with a list.
    pub alone: bool,
}

/// When each lead was put into the log, until it is decided.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<HashMap<String, (Duration, bool)>>>);

impl Waiting {
    fn start(&self, lead: &str, at: Duration, alone: bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(lead.to_owned(), (at, alone));
    }

    fn end(&self, lead: &str, at: Duration) -> Option<Waited> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, alone) = waiting.remove(lead)?;
        Some(Waited { lead: lead.to_owned(), took: at.saturating_sub(since), alone })
    }
}

/// Everything that runs.
pub struct Stage {
    pub cluster: Cluster,
    pub clock: VirtualClock,
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    lag: Arc<Lag>,
    pub news: Receiver<News>,
    pub crash: Crash,
    sender: Sender<News>,
    waiting: Waiting,
    pulse: Pulse,
    worker: Option<(JoinHandle<()>, Stop)>,
}

impl Stage {
    pub fn new(clock: VirtualClock, metrics: Arc<Metrics>, title: &str) -> Stage {
        let real = WallClock::new();
        let options = Options { partitions: 1, ..Options::default() };
        let cluster = Cluster::new(options, move || {
            let mut real = real;
            crate::engine::ports::Clock::now(&mut real)
        });
        let health = Arc::new(Health::default());
        let (sender, news) = channel();
        Stage {
            cluster,
            clock,
            board: Arc::new(Board::new(title, clock.speed, move || clock.time())),
            lag: Arc::new(Lag::new(metrics.clone())),
            metrics,
            pulse: health.pulse(),
            health,
            news,
            crash: Crash::default(),
            sender,
            waiting: Waiting::default(),
            worker: None,
        }
    }

    /// Writes an event, as of `at`.
    pub fn produce(&self, message: &Message, at: Timestamp) {
        self.write(message, at, true);
    }

    /// Writes events that come all at once.
    pub fn produce_list(&self, messages: &[Message], at: Timestamp) {
        messages.iter().for_each(|message| self.write(message, at, false));
    }

    fn write(&self, message: &Message, at: Timestamp, alone: bool) {
        if let Some(lead) = message.lead_id() {
            self.waiting.start(lead, self.clock.elapsed(), alone);
        }
        let value = message.value.to_string();
        self.cluster.produce(message.topic.name(), DOMAIN.as_bytes(), value.as_bytes(), at);
    }

    /// Starts the worker, as a supervisor would after a crash.
    pub fn start(&mut self) -> std::io::Result<()> {
        let observer = Watch {
            recorder: Recorder::new(self.metrics.clone(), self.lag.clone()),
            lag: self.lag.clone(),
            cluster: self.cluster.clone(),
            board: self.board.clone(),
            waiting: self.waiting.clone(),
            clock: self.clock,
            sender: self.sender.clone(),
        };
        let stop = Stop::default();
        let run = Run {
            cluster: self.cluster.clone(),
            clock: self.clock,
            crash: self.crash.clone(),
            pulse: self.pulse.clone(),
            stop: stop.clone(),
            sender: self.sender.clone(),
        };
        let thread = thread::Builder::new().name("worker-0".to_owned());
        let handle = thread.spawn(move || run.run(observer))?;
        self.worker = Some((handle, stop));
        Ok(())
    }

    /// Lets the worker end in good order; its last news are in the channel.
    pub fn stop(&mut self) {
        if let Some((handle, stop)) = self.worker.take() {
            stop.raise();
            // A panic of the worker has been printed, and `Ended` will be missing.
            drop(handle.join());
        }
    }

    /// Whether everything that was written has been taken in and committed.
    pub fn is_caught_up(&self) -> bool {
        let offsets = self.cluster.group_offsets(0);
        Topic::ALL.iter().zip(offsets).all(|(topic, committed)| {
            let next = committed.map_or(0, |(offset, _)| offset);
            self.cluster.end(topic.name(), 0) <= next
        })
    }
}

/// What the worker's thread is given.
struct Run {
    cluster: Cluster,
    clock: VirtualClock,
    crash: Crash,
    pulse: Pulse,
    stop: Stop,
    sender: Sender<News>,
}

impl Run {
    fn run(self, observer: Watch) {
        let log = EmbeddedLog::new(&self.cluster, "demo");
        let log = match StageLog::new(log, self.clock, self.crash.clone()) {
            Ok(log) => log,
            Err(failure) => return self.end(Some(failure.to_string()), None, String::new()),
        };
        let settings = Settings {
            linger: self.clock.span(LINGER),
            work: self.clock.span(4 * LINGER),
            idle: self.clock.span(IDLE),
            ..Settings::default()
        };
        let mut worker = Worker::new(log, self.clock, observer, Wire::default(), settings);
        let why = loop {
            if self.stop.is_raised() {
                break worker.stop().err();
            }
            if let Err(failure) = worker.turn() {
                break Some(failure);
            }
            self.pulse.tick();
        };
        let digest = worker.shards().next().map(|shard| shard.committed().digest);
        let member = worker.log_mut().member().to_owned();
        self.end(why.map(|failure| failure.to_string()), digest, member);
    }

    fn end(&self, why: Option<String>, digest: Option<u128>, member: String) {
        // Nobody listens any more: the process is about to end.
        drop(self.sender.send(News::Ended { why, digest, member }));
    }
}

/// Takes down what the worker reports, on its thread.
struct Watch {
    recorder: Recorder,
    lag: Arc<Lag>,
    cluster: Cluster,
    board: Arc<Board>,
    waiting: Waiting,
    clock: VirtualClock,
    sender: Sender<News>,
}

impl Watch {
    fn lag(&self, now: Timestamp) {
        for (topic, committed) in Topic::ALL.into_iter().zip(self.cluster.group_offsets(0)) {
            let Some((committed, _)) = committed else { continue };
            self.lag.seen(topic, 0, self.cluster.end(topic.name(), 0), committed, now);
        }
    }
}

impl Observer for Watch {
    fn batch(&mut self, report: BatchReport) {
        let at = self.clock.elapsed();
        self.recorder.record(&report);
        self.lag(report.now);
        self.board.batch(&report);
        let decided = report.facts.iter().filter_map(|fact| match fact {
            Fact::Assigned(assigned) => Some(assigned.lead_id.as_str()),
            _ => None,
        });
        let waited: Vec<Waited> = decided.filter_map(|lead| self.waiting.end(lead, at)).collect();
        for one in waited.iter().filter(|one| one.alone) {
            self.board.latency(one.took);
        }
        drop(self.sender.send(News::Batch(report, waited)));
    }

    fn shard(&mut self, event: ShardEvent) {
        self.recorder.shard(event.clone());
        self.board.shard(&event);
        drop(self.sender.send(News::Shard(event)));
    }

    fn loaded(&mut self, shard: i32, key: &EntityKey, entity: &Entity) {
        self.recorder.loaded(shard, key, entity);
        self.board.loaded(shard, key, entity);
    }
}
