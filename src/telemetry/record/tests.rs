//! The recorder beside the core: what a leader asks, answered from what the core does.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::codec;
use crate::domain::ids::DomainId;
use crate::domain::input::{Envelope, Input, Origin};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::timer::TimerKey;

/// 2026-01-05T18:00:00Z, a Monday.
const EVENING: Timestamp = Timestamp(1_767_636_000_000);

/// A company of two reps, each input a batch of its own.
struct World {
    state: State,
    metrics: Arc<Metrics>,
    recorder: Recorder,
    timers: BTreeMap<TimerKey, Timestamp>,
    now: Timestamp,
    events: u32,
}

impl World {
    fn new(policy: &str) -> World {
        let metrics = Arc::new(Metrics::new().unwrap());
        let recorder = Recorder::new(metrics.clone(), Arc::new(Lag::new(metrics.clone())));
        let (state, timers) = (State::default(), BTreeMap::new());
        let mut world = World { state, metrics, recorder, timers, now: EVENING, events: 0 };
        let sha256 = codec::json::sha256_hex(policy.as_bytes());
        let policy = json!({ "version": "1", "text": policy, "sha256": sha256 });
        world.take(Topic::PolicyChanged, policy);
        for rep in ["ann", "bob"] {
            world.take(Topic::RepChanged, json!({ "rep_id": rep, "active": true }));
        }
        let members = json!([{ "rep_id": "ann" }, { "rep_id": "bob" }]);
        let all = json!({ "territory_id": "all", "name": "All", "members": members });
        world.take(Topic::TerritoryChanged, all);
        world
    }

    fn take(&mut self, topic: Topic, mut value: Value) {
        self.events += 1;
        value["event_id"] = Value::from(format!("e{}", self.events));
        let input = codec::json::decode_event(topic, &value, self.now, true).unwrap();
        self.decide(input);
    }

    fn lead(&mut self, id: &str) {
        self.take(Topic::LeadCreated, json!({ "lead_id": id, "created_at": self.now.0 }));
    }

    fn touch(&mut self, id: &str) {
        let touch = json!({ "lead_id": id, "kind": "CALL", "occurred_at": self.now.0 });
        self.take(Topic::LeadActivity, touch);
    }

    fn pause(&mut self, rep: &str, paused: bool) {
        let value = json!({ "rep_id": rep, "active": true, "paused": paused });
        self.take(Topic::RepChanged, value);
    }

    fn decide(&mut self, input: Input) {
        let envelope = Envelope {
            domain: DomainId::new("acme"),
            now: self.now,
            origin: Origin { topic: None, partition: 0, offset: -1 },
            positions: [-1; 9],
            input,
        };
        let facts = self.state.step(&envelope);
        let changes = vec![(0, self.state.commit())];
        self.recorder.batch(BatchReport { facts, changes, ..BatchReport::default() });
        for change in self.state.take_timer_moves() {
            match change.due_at {
                Some(due_at) => self.timers.insert(change.key, due_at),
                None => self.timers.remove(&change.key),
            };
        }
    }

    fn advance(&mut self, by: Span) {
        let until = self.now + by;
        let due = |timers: &BTreeMap<TimerKey, Timestamp>| {
            let due = timers.iter().filter(|(_, due_at)| **due_at <= until);
            due.min_by_key(|(key, due_at)| (**due_at, *key)).map(|(key, at)| (key.clone(), *at))
        };
        while let Some((key, due_at)) = due(&self.timers) {
            self.now = self.now.max(due_at);
            self.timers.remove(&key);
            self.decide(Input::Timer { key, due_at });
        }
        self.now = until;
    }

    /// How many values a histogram has seen, and their sum.
    fn seen(&self, metric: Metric, labels: &[&str]) -> (u64, f64) {
        let histogram = self.metrics.histogram(metric, labels).unwrap();
        (histogram.get_sample_count(), histogram.get_sample_sum())
    }
}

const ROTATION: &str = "[choice]\nmethod = \"round_robin\"\n[sticky]\nwindow_secs = 0\n";

#[test]
fn a_lead_that_waited_for_the_night_is_none_that_we_were_slow_with() {
    let mut world = World::new(ROTATION);
    world.lead("day");
    world.pause("ann", true);
    world.pause("bob", true);
    world.lead("night");
    world.advance(Span::from_secs(14 * 3_600));
    world.pause("ann", false);
    // The sweep that tries the leads that wait.
    world.advance(Span::from_secs(1));
    let seen = |given: &str| world.seen(Metric::LeadToAssignment, &[given, "standard"]);
    assert_eq!(seen("at_once"), (1, 0.0));
    let (count, sum) = seen("waited");
    assert!(count == 1 && (50_400.0..50_401.0).contains(&sum), "{count} {sum}");
    let text = world.metrics.text().unwrap();
    let within = |bound: &str| {
        let line =
            "leadrouter_lead_to_assignment_seconds_bucket{class=\"standard\",given=\"waited\"";
        text.contains(&format!("{line},le=\"{bound}\"}} 1\n"))
    };
    assert!(within("57600") && !within("28800"), "its bucket is neither too low nor the last");
}

#[test]
fn deals_count_by_outcome_and_arm_and_what_was_expected_of_them_adds_up() {
    let mut world =
        World::new("[choice]\ncontrol_share = 0\nfloor = 0\n[sticky]\nwindow_secs = 0\n");
    let close = |world: &mut World, id: &str, rep: &str, lead: Option<&str>, won: bool| {
        let outcome = if won { "WON" } else { "LOST" };
        let mut deal = json!({ "opportunity_id": id, "rep_id": rep, "outcome": outcome });
        deal["closed_at"] = Value::from(world.now.0);
        if let Some(lead) = lead {
            deal["lead_id"] = Value::from(lead);
        }
        world.take(Topic::OpportunityClosed, deal);
    };
    for number in 0..100 {
        close(&mut world, &format!("a{number}"), "ann", None, number % 5 != 0);
        close(&mut world, &format!("b{number}"), "bob", None, number % 5 == 0);
    }
    for number in 0..10 {
        let lead = format!("L{number}");
        world.lead(&lead);
        close(&mut world, &format!("d{number}"), "ann", Some(&lead), number != 0);
    }
    close(&mut world, "d99", "005A", None, true);
    let deals = |labels: &[&str]| world.metrics.value(Metric::Deals, labels).unwrap();
    assert_eq!((deals(&["won", "no_lead"]), deals(&["lost", "no_lead"])), (101.0, 100.0));
    assert_eq!(deals(&["won", "treatment"]) + deals(&["lost", "treatment"]), 10.0);
    assert_eq!(world.metrics.value(Metric::Effects, &["unknown_rep"]), Some(1.0));
    let ((won, expected), (lost, feared)) =
        (world.seen(Metric::StatedChance, &["won"]), world.seen(Metric::StatedChance, &["lost"]));
    assert!(won + lost > 5, "{won} and {lost} leads that ann was chosen for");
    let mean = (expected + feared) / (won + lost) as f64;
    assert!((0.6..0.95).contains(&mean), "ann wins four in five: {mean}");
}

#[test]
fn speed_to_lead_runs_from_creation_to_the_first_touch_of_all() {
    let mut world = World::new(ROTATION);
    world.pause("ann", true);
    world.pause("bob", true);
    world.lead("L1");
    world.advance(Span::from_secs(3_600));
    world.pause("ann", false);
    world.advance(Span::from_secs(100));
    world.touch("L1");
    let speed = |world: &World| world.seen(Metric::SpeedToLead, &["standard"]);
    let human = |world: &World| world.seen(Metric::FirstTouch, &["standard"]);
    assert_eq!((speed(&world), human(&world).0), ((1, 3_700.0), 1));
    assert!((99.0..=100.0).contains(&human(&world).1));
    // The next who has it answers later; for who asked it was answered.
    let update = json!({ "lead_id": "L1", "kind": "OWNER", "changed_at": world.now.0, "new_owner_id": "bob" });
    world.take(Topic::LeadUpdated, update);
    world.advance(Span::from_secs(50));
    world.touch("L1");
    world.touch("L1");
    assert_eq!((speed(&world), human(&world).0), ((1, 3_700.0), 2));
}

#[test]
fn a_deadline_is_met_or_missed_once() {
    // 300 s: a reminder at 150, escalation at 300, reassignment at 450.
    let mut world = World::new(ROTATION);
    let results = |world: &World| {
        ["met", "missed"]
            .map(|it| world.metrics.value(Metric::SlaDeadlines, &[it, "standard"]).unwrap())
    };
    world.lead("L1");
    world.advance(Span::from_secs(200));
    world.touch("L1");
    world.touch("L1");
    assert_eq!(results(&world), [1.0, 0.0], "reminded and answered");
    world.lead("L2");
    world.advance(Span::from_secs(310));
    assert_eq!(results(&world), [1.0, 1.0], "escalated");
    world.touch("L2");
    assert_eq!(results(&world), [1.0, 1.0], "answered late");
    world.lead("L3");
    world.advance(Span::from_secs(460));
    assert_eq!(results(&world), [1.0, 2.0], "escalated and reassigned is one");
    world.touch("L3");
    assert_eq!(results(&world), [2.0, 2.0], "the next rep has a ladder of their own");
    world.lead("L4");
    world.take(
        Topic::LeadUpdated,
        json!({ "lead_id": "L4", "kind": "CONVERTED", "changed_at": world.now.0 }),
    );
    world.advance(Span::from_secs(1_000));
    assert_eq!(results(&world), [2.0, 2.0], "neither");
}
