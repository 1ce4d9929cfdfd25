//! The brokers go away in the middle of a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lead_router::engine::report::Wait;

use super::{Bench, T0};
use crate::relay::{AWAY, FINE, Rough};

#[test]
fn a_worker_is_not_ready_while_nobody_knows_what_became_of_its_transaction() {
    let bench = Bench::new(1);
    bench.rep("ann", T0);
    bench.territory(&["ann"], T0);
    let weather = Arc::new(AtomicI64::new(FINE));
    let mut worker = bench.worker_on(Rough::new(bench.log(), 1, &weather));
    bench.run(&mut worker).expect("started");
    assert_eq!(worker.waits_for(false), None);
    weather.store(AWAY, Ordering::Relaxed);
    bench.lead("L1", T0);
    bench.run(&mut worker).expect("it waits");
    assert_eq!((worker.waits_for(false), bench.assigned().len()), (Some(Wait::Brokers), 0));
    weather.store(FINE, Ordering::Relaxed);
    bench.run(&mut worker).expect("it goes on");
    assert_eq!((worker.waits_for(false), bench.assigned().len()), (None, 1));
}
