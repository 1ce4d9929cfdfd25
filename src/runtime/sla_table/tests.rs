//! The table beside a plain count over all leads, through a life of theirs.

use super::*;
use crate::codec;
use crate::domain::entity::{Entity, Kind};
use crate::domain::input::{Envelope, Input, Origin, Topic};
use crate::domain::state::State;
use crate::domain::time::{Span, Timestamp};
use crate::domain::timer::TimerKey;
use crate::engine::report::{BatchReport, Observer};
use crate::telemetry::lag::Lag;
use crate::telemetry::metrics::Metric;
use crate::telemetry::record::Recorder;
use crate::telemetry::registry::Metrics;

const T0: Timestamp = Timestamp(1_767_603_600_000);
const POLICY: &str = r#"
[choice]
method = "round_robin"
[[priority]]
class = "hot"
when = [{ field = "rating", op = "IN", values = ["Hot"] }]
[sla.hot]
target_secs = 60
"#;

/// A small company, and the table fed from it as a worker does after each commit.
struct World {
    state: State,
    table: SlaTable,
    metrics: Arc<Metrics>,
    recorder: Recorder,
    timers: BTreeMap<TimerKey, Timestamp>,
    now: Timestamp,
    events: u64,
}

impl World {
    fn new() -> World {
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let mut world = World {
            state: State::default(),
            table: SlaTable::default(),
            recorder: Recorder::new(Arc::clone(&metrics), Arc::new(Lag::new(Arc::clone(&metrics)))),
            metrics,
            timers: BTreeMap::new(),
            now: T0,
            events: 0,
        };
        let sha256 = codec::json::sha256_hex(POLICY.as_bytes());
        let policy = json!({ "version": "1", "text": POLICY, "sha256": sha256 });
        world.take(Topic::PolicyChanged, policy);
        for rep in ["ann", "bob", "cid"] {
            world.take(Topic::RepChanged, json!({ "rep_id": rep, "active": true }));
        }
        let members = json!([{ "rep_id": "ann" }, { "rep_id": "bob" }, { "rep_id": "cid" }]);
        let all = json!({ "territory_id": "all", "name": "All", "members": members });
        world.take(Topic::TerritoryChanged, all);
        world
    }

    fn take(&mut self, topic: Topic, mut value: Value) {
        self.events += 1;
        value["event_id"] = Value::from(format!("e{}", self.events));
        let input = codec::json::decode_event(topic, &value, self.now, true).expect("an event");
        self.decide(input);
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
        let changes = self.state.commit();
        let changed = vec![(0, changes.clone())];
        self.recorder.batch(BatchReport { facts, changes: changed, ..BatchReport::default() });
        for change in changes {
            if change.key.kind == Kind::Lead {
                self.table.put(0, &change.key.domain, &change.key.id, lead(change.after.as_ref()));
            }
        }
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

    fn ask(&self, rep: Option<&str>, class: Option<&str>) -> Value {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let question = Question { rep: own(rep), class: own(class), limit: 1_000 };
        self.table.ask("acme", &question, self.now.0, |_| false).expect("a domain")
    }

    /// The same from all leads.
    fn count(&self, rep: Option<&str>, class: Option<&str>) -> [u64; 4] {
        let mut counts = [0; 4];
        for (_, entity) in self.state.entities() {
            let Some(row) = lead(Some(&entity)).and_then(row) else { continue };
            let asked = rep.is_none_or(|rep| *row.group.0 == *rep)
                && class.is_none_or(|class| *row.group.1 == *class);
            counts[row.state as usize] += u64::from(asked);
        }
        counts
    }
}

fn lead(entity: Option<&Entity>) -> Option<&LeadEntity> {
    match entity {
        Some(Entity::Lead(lead)) => Some(lead),
        _ => None,
    }
}

#[test]
fn the_table_says_what_a_count_over_all_leads_says() {
    let mut world = World::new();
    for number in 0..400_u64 {
        let id = format!("L{}", number % 150);
        let rating = if number % 3 == 0 { "Hot" } else { "Warm" };
        match number % 7 {
            0..4 => {
                let value = json!({ "lead_id": id, "created_at": world.now.0, "rating": rating });
                world.take(Topic::LeadCreated, value);
            }
            kind => {
                let kind = ["CALL", "ON_HOLD", "DECLINED"][(kind - 4) as usize];
                let value = json!({ "lead_id": id, "kind": kind, "occurred_at": world.now.0 });
                world.take(Topic::LeadActivity, value);
            }
        }
        world.advance(Span::from_secs(1 + (number as i64 * 7) % 13));
        for (rep, class) in [(None, None), (Some("ann"), None), (Some("bob"), Some("hot"))] {
            let (said, counted) = (world.ask(rep, class), world.count(rep, class));
            let states = ["on_time", "reminded", "escalated", "on_hold"];
            assert_eq!(states.map(|state| said[state].as_u64().unwrap()), counted, "{said}");
            assert_eq!(said["ladders"].as_u64(), Some(counted.iter().sum()));
            assert_eq!(said["overdue"], 0, "each step has fired at its time");
            let due: Vec<i64> = times(&said["due_next"], "due_at");
            assert!(due.is_sorted() && due.iter().all(|at| *at > world.now.0), "{due:?}");
            let waiting = said["unanswered"].as_array().unwrap();
            assert_eq!(waiting.len() as u64, counted[SlaState::Escalated as usize]);
            assert!(times(&said["unanswered"], "assigned_at").is_sorted());
        }
    }
    for class in ["standard", "hot"] {
        let counted = world.count(None, Some(class));
        for (state, count) in SlaState::ALL.into_iter().zip(counted) {
            let shown = world.metrics.value(Metric::SlaLadders, &[state.name(), class]);
            assert_eq!(shown, Some(count as f64), "{} {class}", state.name());
        }
    }
    let text = world.metrics.text().expect("text");
    let count = |name: &str| {
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}_count{{")));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let entities = world.state.entities();
    let leads = entities.iter().filter(|(_, entity)| lead(Some(entity)).is_some()).count();
    assert!(leads > 100, "{leads} leads");
    let reached = count("leadrouter_lead_to_assignment_seconds");
    assert_eq!(reached, leads as u64, "each lead first reaches a rep once");
    assert!(count("leadrouter_assignment_to_first_touch_seconds") > 20);
    let most: u64 = world.count(None, None).iter().sum();
    assert!(most > 30, "{most} ladders");
    let by_rep = world.ask(None, None)["by_rep"].as_array().unwrap().clone();
    let sum = |state: &str| by_rep.iter().map(|one| one[state].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("escalated"), world.count(None, None)[SlaState::Escalated as usize]);
}

fn times(rows: &Value, field: &str) -> Vec<i64> {
    rows.as_array().unwrap().iter().filter_map(|row| row[field].as_i64()).collect()
}

#[test]
fn what_should_have_fired_is_overdue_and_what_is_away_is_not_told() {
    let mut world = World::new();
    world.take(Topic::LeadCreated, json!({ "lead_id": "L1", "created_at": world.now.0 }));
    let question = Question { limit: 10, ..Question::default() };
    let later = world.now.0 + 200_000;
    let said = world.table.ask("acme", &question, later, |_| false).unwrap();
    assert_eq!((said["overdue"].as_u64(), said["on_time"].as_u64()), (Some(1), Some(1)));
    assert_eq!(said["due_next"][0]["action"], "REMIND");
    assert!(world.table.ask("acme", &question, later, |shard| shard == 0).is_none());
    assert!(world.table.ask("other", &question, later, |_| false).is_none());
    world.table.forget(0);
    assert!(world.table.ask("acme", &question, later, |_| false).is_none());
}
