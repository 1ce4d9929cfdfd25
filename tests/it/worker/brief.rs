//! How long a batch gets: a list of leads goes in few long ones, but in short ones while hot leads come; nor do
//! new leads wait for a storm of timers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use lead_router::codec::{Encoder, Format};
use lead_router::domain::input::Topic;
use lead_router::domain::time::Timestamp;
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::ports::Clock;
use lead_router::engine::report::{BatchReport, Observer, ShardEvent};
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::Worker;
use serde_json::json;

use super::{Bench, T0};

/// Each look at it takes 100 µs: so each decision does.
struct Ticking {
    now: Rc<Cell<i64>>,
    micros: u64,
}

impl Clock for Ticking {
    fn now(&mut self) -> Timestamp {
        Timestamp(self.now.get())
    }

    fn monotonic(&mut self) -> Duration {
        self.micros += 100;
        Duration::from_micros(self.micros)
    }
}

/// How many records and timers each batch took; and how many hot leads.
#[derive(Clone, Default)]
struct Sizes(Rc<RefCell<Vec<u64>>>, Rc<RefCell<Vec<u64>>>);

impl Observer for Sizes {
    fn batch(&mut self, report: BatchReport) {
        let records: u64 = report.consumed.iter().sum();
        self.0.borrow_mut().push(records + report.fired.len() as u64);
        self.1.borrow_mut().push(report.consumed[Topic::LeadCreatedFast.index()]);
    }

    fn shard(&mut self, _event: ShardEvent) {}
}

/// A worker with a rep for all leads, the clock it goes by, and what it took.
struct Watched {
    bench: Bench,
    worker: Worker<EmbeddedLog, Ticking, Sizes>,
    now: Rc<Cell<i64>>,
    sizes: Sizes,
}

impl Watched {
    fn new() -> Watched {
        let bench = Bench::new(1);
        bench.rep("ann", T0);
        bench.territory(&["ann"], T0);
        let (log, sizes) = (EmbeddedLog::new(&bench.cluster, "worker"), Sizes::default());
        let now = Rc::new(Cell::new(T0));
        let clock = Ticking { now: Rc::clone(&now), micros: 0 };
        let wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
        let worker = Worker::new(log, clock, sizes.clone(), wire, bench.settings);
        let mut watched = Watched { bench, worker, now, sizes };
        watched.batches(10);
        watched
    }

    /// The sizes of the batches of so many turns.
    fn batches(&mut self, turns: usize) -> Vec<u64> {
        self.sizes.0.take();
        (0..turns).for_each(|_| self.worker.turn().expect("a turn"));
        self.sizes.0.take()
    }

    fn hot(&self) {
        let lead = json!({ "event_id": "l-hot", "lead_id": "hot", "created_at": T0 });
        self.bench.publish("lead-created-fast", &lead, T0);
    }

    /// A list of 500 leads.
    fn list(&self, name: &str) {
        (0..500).for_each(|number| self.bench.lead(&format!("{name}-{number}"), T0));
    }
}

#[test]
fn a_list_of_leads_goes_in_long_batches_and_in_short_ones_while_hot_leads_come() {
    let mut watched = Watched::new();
    watched.list("before");
    assert_eq!(watched.batches(50), [500]);
    watched.list("beside");
    watched.hot();
    let sizes = watched.batches(50);
    assert_eq!(sizes.iter().sum::<u64>(), 501);
    // Its own batch and those that the next one would wait for: 6 ms of deciding each.
    assert!(sizes.iter().all(|size| *size <= 60), "{sizes:?}");
    watched.now.set(T0 + 1_000);
    watched.list("after");
    assert_eq!(watched.batches(50), [500]);
    assert_eq!(watched.bench.assigned().len(), 1_501);
}

#[test]
fn a_hot_lead_that_comes_while_a_list_is_decided_goes_in_the_same_batch() {
    let mut watched = Watched::new();
    watched.list("list");
    assert!(watched.batches(2).is_empty(), "a batch is open");
    watched.hot();
    watched.sizes.1.take();
    watched.batches(50);
    assert_eq!(watched.sizes.1.take()[0], 1, "in the first batch that ended");
}

#[test]
fn a_storm_of_timers_goes_in_short_batches_from_the_first_on() {
    let mut watched = Watched::new();
    watched.list("list");
    watched.batches(50);
    // Half of the target time is over: all are to be reminded of at once.
    watched.now.set(T0 + 150_000);
    let sizes = watched.batches(200);
    assert_eq!(sizes.iter().sum::<u64>(), 500, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 64), "{sizes:?}");
}
