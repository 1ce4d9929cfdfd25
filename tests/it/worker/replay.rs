//! By record clock a worker does what the filter does.

use lead_router::cli::pipe::Pipe;
use lead_router::domain::time::Timestamp;
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::merge::Order;
use lead_router::engine::restore::read_shard;
use lead_router::engine::wire::digest_of;
use serde_json::{Value, json};

use super::{Bench, T0};

/// A morning: leads, touches, declines, a territory that is refused, a record that nobody can read.
fn morning() -> Vec<(&'static str, i64, Value)> {
    let mut events = Vec::new();
    for rep in ["ann", "bob", "cid"] {
        let value = json!({ "event_id": rep, "rep_id": rep, "active": true, "manager_id": "eve" });
        events.push(("rep-changed", T0, value));
    }
    let members = json!([{ "rep_id": "ann" }, { "rep_id": "bob" }, { "rep_id": "cid" }]);
    let all = json!({ "event_id": "t", "territory_id": "all", "name": "All", "members": members });
    events.push(("territory-changed", T0, all));
    for number in 0..40_i64 {
        let at = T0 + 1_000 + number * 47_000;
        let lead = json!({ "event_id": format!("l{number}"), "lead_id": format!("L{number}"),
            "created_at": at });
        events.push(("lead-created", at, lead));
        let kind = ["CALL", "DECLINED", "ACCEPTED", "EMAIL"][number as usize % 4];
        let touch = json!({ "event_id": format!("a{number}"), "lead_id": format!("L{}", number / 2),
            "kind": kind, "occurred_at": at + 100 });
        events.push(("lead-activity", at + 100, touch));
        if number % 9 == 0 {
            let cycle = json!({ "event_id": format!("c{number}"), "territory_id": "all",
                "name": "All", "parent_id": "all" });
            events.push(("territory-changed", at + 40_000, cycle));
            events.push(("rep-changed", at + 45_000, json!({ "rep_id": " " })));
        }
    }
    events
}

/// What a decision says, without its place in the log.
fn decisions(values: Vec<Value>) -> Vec<Value> {
    let strip = |mut value: Value| {
        if let Some(fields) = value.as_object_mut() {
            fields.remove("positions");
            fields.remove("caused_by");
        }
        value
    };
    let mut stripped: Vec<Value> = values.into_iter().map(strip).collect();
    stripped.sort_by_key(|value| (value["domain"].to_string(), value["domain_seq"].as_u64()));
    stripped
}

/// A line of the filter's input: topic, key, timestamp, value.
type Line = (String, String, i64, Value);

/// What is played: the morning, or the recording that `LEAD_ROUTER_RECORDING` names (lines for `pipe`).
fn recording() -> Vec<Line> {
    let Ok(path) = std::env::var("LEAD_ROUTER_RECORDING") else {
        let of = |(topic, at, value): (&str, i64, Value)| {
            (topic.to_owned(), "acme".to_owned(), at, value)
        };
        return morning().into_iter().map(of).collect();
    };
    let text = std::fs::read_to_string(path).expect("the recording");
    let line = |line: &str| -> Line {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        (
            text("topic"),
            text("key"),
            line["timestamp"].as_i64().expect("a time"),
            line["value"].clone(),
        )
    };
    text.lines().map(line).collect()
}

/// What the log in memory said goes to the file that `LEAD_ROUTER_DECISIONS` names, for a third to compare.
fn write_down(bench: &Bench) {
    let Ok(path) = std::env::var("LEAD_ROUTER_DECISIONS") else { return };
    let mut text = String::new();
    for topic in ["lead-assigned", "sla-breached"] {
        for value in bench.values(topic) {
            text += &format!("{}\n", json!({ "topic": topic, "value": value }));
        }
    }
    std::fs::write(path, text).expect("written");
}

#[test]
fn the_record_clock_is_that_of_the_filter() {
    let recording = recording();
    let mut filter = Pipe::new(None);
    let mut said = Vec::new();
    for (topic, key, at, value) in &recording {
        let line = json!({ "topic": topic, "key": key, "timestamp": at, "value": value });
        filter.line(line.to_string().as_bytes(), &mut said);
    }
    let of = |topic: &str| -> Vec<Value> {
        let said = said.iter().filter(|answer| answer["topic"] == topic);
        said.map(|answer| answer["value"].clone()).collect()
    };

    let mut bench = Bench::new(8);
    bench.settings.order = Order::Record;
    for (topic, key, at, value) in &recording {
        let value = value.to_string();
        bench.cluster.produce(topic, key.as_bytes(), value.as_bytes(), Timestamp(*at));
    }
    // Long after, and it makes no difference.
    bench.pass(86_400_000 * 30);
    let mut worker = bench.worker();
    // A turn takes a slice of each shard, so a long recording takes many.
    for _ in 0..=recording.len() / 20 {
        bench.run(&mut worker).unwrap();
    }

    let assigned = decisions(bench.values("lead-assigned"));
    assert!(assigned.len() > 40);
    assert_eq!(assigned, decisions(of("lead-assigned")));
    let mut breached = bench.values("sla-breached");
    assert!(!breached.is_empty());
    breached.sort_by_key(Value::to_string);
    let mut expected = of("sla-breached");
    expected.sort_by_key(Value::to_string);
    assert_eq!(breached, expected);
    for shard in worker.shards() {
        let mut log = EmbeddedLog::new(&bench.cluster, "reader");
        let restored = read_shard(&mut log, shard.id).expect("restored");
        assert_eq!(restored.mark(), shard.mark(), "digest and offsets are those before");
        assert_eq!(digest_of(restored.state()), shard.mark().digest);
    }
    write_down(&bench);
}
