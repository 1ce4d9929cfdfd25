//! One worker on the embedded log: first starts, restores and what they refuse, and the record clock.

mod brief;
mod clocks;
mod learned;
mod outage;
mod replay;
mod start;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lead_router::codec::{Encoder, Format};
use lead_router::domain::time::{Span, Timestamp};
use lead_router::embedded::{Cluster, EmbeddedLog, Options};
use lead_router::engine::ports::{Clock, Failure, Log};
use lead_router::engine::report::{BatchReport, Observer, ShardEvent};
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::{Settings, Worker};
use serde_json::{Value, json};

/// 2026-01-05T09:00:00Z.
const T0: i64 = 1_767_603_600_000;

#[derive(Clone)]
struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&mut self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Remembers what happened to shards.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<ShardEvent>>>);

impl Observer for Notes {
    fn batch(&mut self, _report: BatchReport) {}

    fn shard(&mut self, event: ShardEvent) {
        self.0.borrow_mut().push(event);
    }
}

/// A log, a clock, and a worker that can be replaced.
struct Bench {
    cluster: Cluster,
    now: Arc<AtomicI64>,
    settings: Settings,
    notes: Notes,
}

type TestWorker = Worker<EmbeddedLog, TestClock, Notes>;

impl Bench {
    fn new(partitions: i32) -> Bench {
        let now = Arc::new(AtomicI64::new(T0));
        let clock = now.clone();
        let options = Options { partitions, waits: false, ..Options::default() };
        let cluster = Cluster::new(options, move || Timestamp(clock.load(Ordering::Relaxed)));
        let settings = Settings { partitions, linger: Span::ZERO, ..Settings::default() };
        Bench { cluster, now, settings, notes: Notes::default() }
    }

    fn worker(&self) -> TestWorker {
        self.worker_on(self.log())
    }

    fn log(&self) -> EmbeddedLog {
        EmbeddedLog::new(&self.cluster, "worker")
    }

    fn worker_on<L: Log>(&self, log: L) -> Worker<L, TestClock, Notes> {
        let wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
        Worker::new(log, TestClock(self.now.clone()), self.notes.clone(), wire, self.settings)
    }

    fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// Rounds until everything is done, or the worker refuses.
    fn run<L: Log>(&self, worker: &mut Worker<L, TestClock, Notes>) -> Result<(), Failure> {
        for _ in 0..20 {
            worker.turn()?;
            self.pass(1);
        }
        Ok(())
    }

    fn publish(&self, topic: &str, value: &Value, at: i64) {
        let value = value.to_string();
        self.cluster.produce(topic, b"acme", value.as_bytes(), Timestamp(at));
    }

    fn rep(&self, id: &str, at: i64) {
        let value = json!({ "event_id": format!("r-{id}"), "rep_id": id, "active": true });
        self.publish("rep-changed", &value, at);
    }

    fn territory(&self, members: &[&str], at: i64) {
        let members: Vec<Value> = members.iter().map(|id| json!({ "rep_id": id })).collect();
        let value = json!({ "event_id": format!("t-{at}"), "territory_id": "all", "name": "All",
            "members": members });
        self.publish("territory-changed", &value, at);
    }

    fn lead(&self, id: &str, at: i64) {
        let value = json!({ "event_id": format!("l-{id}"), "lead_id": id, "created_at": at });
        self.publish("lead-created", &value, at);
    }

    /// The values of a topic out, over all partitions.
    fn values(&self, topic: &str) -> Vec<Value> {
        let partitions = 0..self.settings.partitions;
        let records = partitions.flat_map(|p| self.cluster.read(topic, p, 0, usize::MAX));
        let value = |bytes: Option<Vec<u8>>| serde_json::from_slice(&bytes.expect("a value"));
        records.map(|record| value(record.value).expect("JSON")).collect()
    }

    fn assigned(&self) -> Vec<(String, Value)> {
        let text = |value: &Value| value["lead_id"].as_str().unwrap_or_default().to_owned();
        let values = self.values("lead-assigned").into_iter();
        values.map(|value| (text(&value), value["rep_id"].clone())).collect()
    }
}
