//! How long a batch gets: a list of leads goes in few long ones, and a hot lead does not wait for such.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use lead_router::codec::{Encoder, Format};
use lead_router::domain::time::Timestamp;
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::ports::Clock;
use lead_router::engine::report::{BatchReport, Observer, ShardEvent};
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::Worker;
use serde_json::json;

use super::{Bench, T0};

/// Each look at it takes 100 µs: so each decision does.
#[derive(Default)]
struct Ticking(u64);

impl Clock for Ticking {
    fn now(&mut self) -> Timestamp {
        Timestamp(T0)
    }

    fn monotonic(&mut self) -> Duration {
        self.0 += 100;
        Duration::from_micros(self.0)
    }
}

/// How many records each batch took.
#[derive(Clone, Default)]
struct Sizes(Rc<RefCell<Vec<u64>>>);

impl Observer for Sizes {
    fn batch(&mut self, report: BatchReport) {
        self.0.borrow_mut().push(report.consumed.iter().sum());
    }

    fn shard(&mut self, _event: ShardEvent) {}
}

/// The sizes of the batches that take a list of 500 leads, and one more lead that comes on `topic`.
fn batches(topic: &str) -> Vec<u64> {
    let bench = Bench::new(1);
    bench.rep("ann", T0);
    bench.territory(&["ann"], T0);
    let (log, sizes) = (EmbeddedLog::new(&bench.cluster, "worker"), Sizes::default());
    let wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
    let mut worker = Worker::new(log, Ticking::default(), sizes.clone(), wire, bench.settings);
    (0..10).for_each(|_| worker.turn().expect("a turn"));
    sizes.0.borrow_mut().clear();
    (0..500).for_each(|number| bench.lead(&format!("list-{number}"), T0));
    let lead = json!({ "event_id": "l-more", "lead_id": "more", "created_at": T0 });
    bench.publish(topic, &lead, T0);
    (0..50).for_each(|_| worker.turn().expect("a turn"));
    assert_eq!(bench.assigned().len(), 501);
    sizes.0.take()
}

#[test]
fn a_list_of_leads_goes_in_long_batches_and_one_with_a_hot_lead_is_short() {
    let (long, brief) = (batches("lead-created"), batches("lead-created-fast"));
    assert!(long[0] >= 500, "{long:?}");
    // The hot lead overtakes the list: it is in the first batch, which ends after 3 ms of deciding.
    assert!(brief[0] <= 30, "{brief:?}");
    assert_eq!(brief.iter().sum::<u64>(), 501);
}
