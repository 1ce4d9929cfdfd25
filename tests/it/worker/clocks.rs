//! Clocks that are wrong: that step back, jump ahead, or differ from one process to the next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lead_router::codec::{Encoder, Format};
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::Worker;
use serde_json::{Value, json};

use super::{Bench, T0, TestClock, TestWorker};

/// Clocks are wrong by at most this much, either way.
const SKEW: i64 = 30_000;

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn skew(&mut self) -> i64 {
        self.below(2 * SKEW as u64 + 1) as i64 - SKEW
    }
}

/// A worker whose clock is wrong by what it is set to.
struct Process {
    clock: Arc<AtomicI64>,
    worker: TestWorker,
}

impl Process {
    fn start(bench: &Bench, name: &str) -> Process {
        let clock = Arc::new(AtomicI64::new(bench.now.load(Ordering::Relaxed)));
        let log = EmbeddedLog::new(&bench.cluster, name);
        let wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
        let test_clock = TestClock(Arc::clone(&clock));
        let worker = Worker::new(log, test_clock, bench.notes.clone(), wire, bench.settings);
        Process { clock, worker }
    }

    fn turn(&mut self, bench: &Bench, skew: i64) {
        let now = bench.now.load(Ordering::Relaxed);
        for _ in 0..3 {
            self.clock.store(now + skew, Ordering::Relaxed);
            self.worker.turn().expect("a wrong clock stops nobody");
        }
    }
}

/// Every breach once, and the true time at which it came.
#[derive(Default)]
struct Breaches {
    read: i64,
    steps: BTreeSet<(String, i64, i64)>,
}

impl Breaches {
    fn check(&mut self, bench: &Bench, skew: i64) {
        let now = bench.now.load(Ordering::Relaxed);
        for record in bench.cluster.read("sla-breached", 0, self.read, usize::MAX) {
            self.read = record.offset + 1;
            let value = record.value.expect("a value");
            let breach: Value = serde_json::from_slice(&value).expect("JSON");
            let number = |field: &str| breach[field].as_i64().expect("a number");
            let lead = breach["lead_id"].as_str().expect("an id").to_owned();
            let step = (lead, number("assignment_no"), number("step"));
            assert!(self.steps.insert(step.clone()), "{step:?} twice");
            let early = number("due_at") - now;
            assert!(early <= skew, "{step:?} is early by {early} ms");
            assert!(
                number("fired_at") >= number("due_at") && number("late_by_ms") >= 0,
                "{breach}"
            );
        }
    }
}

fn bench() -> Bench {
    let mut bench = Bench::new(1);
    bench.settings.linger = lead_router::domain::time::Span::ZERO;
    for rep in ["ann", "bob", "cid", "dan"] {
        bench.rep(rep, T0);
    }
    bench.territory(&["ann", "bob", "cid", "dan"], T0);
    bench
}

/// Leads come, some are answered, time goes on, and all that is due has fired in the end.
fn live(seed: u64, processes: usize) {
    let mut random = Random(seed);
    let bench = bench();
    let mut breaches = Breaches::default();
    let mut number = 0;
    let mut at_work = Process::start(&bench, "p0");
    for turn in 0..300 {
        let now = bench.now.load(Ordering::Relaxed);
        if random.below(4) == 0 {
            number += 1;
            bench.lead(&format!("L{number}"), now);
        }
        if number > 0 && random.below(8) == 0 {
            let lead = format!("L{}", 1 + random.below(number));
            let value = json!({ "event_id": format!("a{turn}"), "lead_id": lead, "kind": "CALL",
                "occurred_at": now });
            bench.publish("lead-activity", &value, now);
        }
        if processes > 1 && random.below(20) == 0 {
            // The other takes over, with a clock of its own.
            at_work.worker.stop().expect("in good order");
            at_work = Process::start(&bench, &format!("p{turn}"));
        }
        // The clock steps back and jumps ahead as it likes.
        let skew = random.skew();
        at_work.turn(&bench, skew);
        breaches.check(&bench, SKEW);
        bench.pass(random.below(20_000) as i64);
    }
    bench.pass(3_600_000);
    at_work.turn(&bench, 0);
    for _ in 0..50 {
        bench.pass(600_000);
        at_work.turn(&bench, 0);
        breaches.check(&bench, SKEW);
    }
    let assigned = bench.values("lead-assigned");
    let times: Vec<_> = assigned.iter().map(|one| one["decided_at"].as_i64()).collect();
    assert!(times.is_sorted(), "no decision is earlier than one before it");
    assert!(breaches.steps.len() > 100, "{} steps", breaches.steps.len());
}

#[test]
fn a_clock_that_steps_back_and_jumps_ahead_fires_nothing_early_and_nothing_twice() {
    for seed in 1..=3 {
        live(seed, 1);
    }
}

#[test]
fn processes_whose_clocks_differ_fire_nothing_twice_and_early_by_their_skew_at_most() {
    for seed in 1..=3 {
        live(seed, 2);
    }
}

#[test]
fn a_jump_of_an_hour_back_holds_what_is_ahead_and_unfires_nothing() {
    let bench = bench();
    let mut breaches = Breaches::default();
    let mut process = Process::start(&bench, "p");
    bench.lead("L1", T0);
    process.turn(&bench, 0);
    bench.pass(160_000);
    process.turn(&bench, 0);
    breaches.check(&bench, 0);
    assert_eq!(breaches.steps.len(), 1, "the reminder");
    // An hour back: nothing fires, and a new lead is not decided in the past.
    process.turn(&bench, -3_600_000);
    bench.lead("L2", T0 + 160_000);
    process.turn(&bench, -3_600_000);
    breaches.check(&bench, 0);
    assert_eq!(breaches.steps.len(), 1);
    let last = bench.values("lead-assigned").pop().expect("L2");
    assert_eq!(
        (last["lead_id"].as_str(), last["decided_at"].as_i64()),
        (Some("L2"), Some(T0 + 160_000))
    );
    // Two hours ahead: everything is late, and says by how much.
    process.turn(&bench, 7_200_000);
    process.turn(&bench, 7_200_000);
    let late = bench.values("sla-breached");
    assert!(late.len() > 2);
    assert!(late[1]["late_by_ms"].as_i64() > Some(6_000_000), "{}", late[1]);
}
