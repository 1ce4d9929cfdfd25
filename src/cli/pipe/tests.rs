//! The contract of the filter: lockstep, virtual time, dead letters, questions.

use super::*;

const T0: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

fn event(topic: &str, at: i64, value: Value) -> String {
    json!({ "topic": topic, "key": "acme", "timestamp": at, "value": value }).to_string()
}

fn rep(id: &str, at: i64) -> String {
    event(
        "rep-changed",
        at,
        json!({ "event_id": format!("r-{id}"), "rep_id": id, "active": true,
        "manager_id": "boss" }),
    )
}

fn world(at: i64) -> Vec<String> {
    let territory = json!({ "event_id": "t-1", "territory_id": "all", "name": "All",
        "members": [{ "rep_id": "ann" }, { "rep_id": "bob" }] });
    vec![rep("ann", at), rep("bob", at), event("territory-changed", at, territory)]
}

fn lead(id: &str, at: i64) -> String {
    let value = json!({ "event_id": format!("l-{id}"), "lead_id": id, "created_at": at });
    event("lead-created", at, value)
}

fn tick(at: i64) -> String {
    json!({ "tick": at }).to_string()
}

/// What the lines cause, without acknowledgements.
fn run(lines: &[String]) -> Vec<Value> {
    let mut output = Vec::new();
    pipe(lines.join("\n").as_bytes(), &mut output, None).expect("memory does not fail");
    let answers = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let answers = answers.map(|line| serde_json::from_slice(line).expect("an answer is JSON"));
    answers.filter(|answer: &Value| answer.get("ack").is_none()).collect()
}

fn topics(answers: &[Value]) -> Vec<&str> {
    answers.iter().filter_map(|answer| answer["topic"].as_str()).collect()
}

fn with(mut lines: Vec<String>, more: &[String]) -> Vec<String> {
    lines.extend_from_slice(more);
    lines
}

#[test]
fn each_line_is_answered_and_acknowledged_even_if_blank_or_broken() {
    let mut output = Vec::new();
    let input = format!("{}\n\nnonsense\n{}", rep("ann", T0), tick(T0));
    pipe(input.as_bytes(), &mut output, None).unwrap();
    let text = String::from_utf8(output).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], r#"{"ack":1}"#);
    assert_eq!(lines[1], r#"{"ack":2}"#);
    assert!(lines[2].contains("json.syntax") && lines[2].contains(r#""value":"nonsense""#));
    assert_eq!(lines[3..], [r#"{"ack":3}"#, r#"{"ack":4}"#]);
}

#[test]
fn a_lead_goes_to_a_rep_and_says_where_it_stood() {
    let said = run(&with(world(T0), &[lead("L1", T0 + 5)]));
    assert_eq!(topics(&said), ["lead-assigned"]);
    let value = &said[0]["value"];
    assert_eq!((&said[0]["key"], &said[0]["timestamp"]), (&json!("L1"), &json!(T0 + 5)));
    assert_eq!(value["outcome"], "ASSIGNED");
    assert_eq!(value["decided_at"], T0 + 5);
    let caused = json!({ "topic": "lead-created", "partition": 0, "offset": 4 });
    assert_eq!(value["caused_by"], caused);
    assert_eq!(value["positions"], json!([5, -1, -1, -1, -1, 4, 3, -1, -1]));
}

#[test]
fn timers_fire_at_their_deadline_however_often_ticks_come() {
    let lines = with(world(T0), &[lead("L1", T0)]);
    let at_once = run(&with(lines.clone(), &[tick(T0 + 3_600_000)]));
    let steps: Vec<String> = (1..=3_600).map(|second| tick(T0 + second * 1_000)).collect();
    assert_eq!(at_once, run(&with(lines, &steps)));
    let breaches: Vec<&Value> =
        at_once.iter().filter(|answer| answer["topic"] == "sla-breached").collect();
    assert_eq!(breaches[0]["value"]["due_at"], T0 + 150_000);
    assert!(breaches.iter().all(|breach| breach["value"]["late_by_ms"] == 0));
}

#[test]
fn a_record_at_the_deadline_goes_first_and_a_later_line_lets_the_timer_fire() {
    let touch = |at: i64| {
        let value = json!({ "event_id": "a", "lead_id": "L1", "kind": "CALL", "occurred_at": at });
        event("lead-activity", at, value)
    };
    let lines = with(world(T0), &[lead("L1", T0)]);
    let due = T0 + 150_000;
    let in_time = run(&with(lines.clone(), &[touch(due), tick(due + 1)]));
    assert_eq!(topics(&in_time), ["lead-assigned"]);
    let late = run(&with(lines.clone(), &[touch(due + 1)]));
    assert_eq!(topics(&late), ["lead-assigned", "sla-breached"]);
    assert_eq!(topics(&run(&with(lines, &[tick(due)]))), ["lead-assigned", "sla-breached"]);
}

#[test]
fn a_jump_fires_late_at_its_own_time() {
    let at = T0 + 200_000;
    let jump = json!({ "tick": at, "jump": true }).to_string();
    let said = run(&with(world(T0), &[lead("L1", T0), jump]));
    assert_eq!(topics(&said), ["lead-assigned", "sla-breached"]);
    assert_eq!(
        (&said[1]["timestamp"], &said[1]["value"]["late_by_ms"]),
        (&json!(at), &json!(50_000))
    );
}

#[test]
fn a_storm_after_a_jump_is_let_through_at_the_policy_rate() {
    let leads: Vec<String> = (0..2_500).map(|n| lead(&format!("L{n}"), T0)).collect();
    let jump = T0 + 220_000;
    let jump_line = json!({ "tick": jump, "jump": true }).to_string();
    let until = |at: i64| with(with(world(T0), &leads), &[jump_line.clone(), tick(at)]);
    let breaches =
        |said: Vec<Value>| said.iter().filter(|answer| answer["topic"] == "sla-breached").count();
    assert_eq!(breaches(run(&until(jump))), 1_000);
    assert_eq!(breaches(run(&until(jump + 1_000))), 2_000);
    assert_eq!(breaches(run(&until(jump + 1_600))), 2_500);
}

#[test]
fn time_never_goes_back() {
    let said = run(&with(world(T0), &[tick(T0 + 1_000), lead("L1", T0), tick(T0)]));
    assert_eq!(said[0]["value"]["decided_at"], T0 + 1_000);
}

#[test]
fn broken_lines_are_dead_letters_with_a_reason_and_a_field() {
    let cases = [
        ("[]", "json.type", "line"),
        (r#"{"topic":"x","key":"a","timestamp":1,"value":{}}"#, "topic.unknown", "topic"),
        (r#"{"key":"a","timestamp":1,"value":{}}"#, "field.missing", "topic"),
        (r#"{"topic":"rep-changed","timestamp":1767225600000,"value":{}}"#, "key.missing", "key"),
        (r#"{"topic":"rep-changed","key":" ","timestamp":1767225600000}"#, "id.invalid", "key"),
        (r#"{"topic":"rep-changed","key":"a","timestamp":5}"#, "timestamp_range", "timestamp"),
        (r#"{"topic":"rep-changed","key":"a","timestamp":"x"}"#, "json.type", "timestamp"),
        (r#"{"topic":"rep-changed","key":"a","timestamp":1767225600000}"#, "value.null", "value"),
        (
            r#"{"topic":"rep-changed","key":"a","timestamp":1767225600000,"value":{},"x":1}"#,
            "json.unknown_field",
            "x",
        ),
        (r#"{"tick":"2026-01-01T00:00:00Z","leap":true}"#, "json.unknown_field", "leap"),
        (r#"{"tick":"3026-01-01T00:00:00Z"}"#, "timestamp_range", "tick"),
        (r#"{"state":"money"}"#, "json.enum", "state"),
    ];
    for (line, reason, field) in cases {
        let said = run(&[line.to_owned()]);
        let headers = &said[0]["headers"];
        assert_eq!(said[0]["topic"], "lead-router.dead-letter", "{line}");
        assert_eq!(
            (&headers["dlq.reason"], &headers["dlq.field"]),
            (&json!(reason), &json!(field)),
            "{line}"
        );
    }
}

#[test]
fn a_dead_letter_keeps_the_value_and_moves_no_time() {
    let cycle = event(
        "territory-changed",
        T0 + 400_000,
        json!({ "event_id": "t-2",
        "territory_id": "all", "name": "All", "parent_id": "all" }),
    );
    let unknown = event("rep-changed", T0 + 400_000, json!({ "rep_id": "x", "colour": 1 }));
    let said = run(&with(world(T0), &[lead("L1", T0), cycle, unknown, lead("L2", T0 + 10)]));
    let dead = "lead-router.dead-letter";
    assert_eq!(topics(&said), ["lead-assigned", dead, dead, "lead-assigned"], "no timer fired");
    assert_eq!(said[1]["headers"]["dlq.reason"], "territory.cycle");
    assert_eq!(
        said[2]["headers"],
        json!({ "dlq.reason": "json.unknown_field",
        "dlq.field": "colour" })
    );
    assert_eq!(said[2]["value"], json!({ "rep_id": "x", "colour": 1 }));
    assert_eq!(
        (&said[2]["key"], &said[3]["value"]["decided_at"]),
        (&json!("acme"), &json!(T0 + 10))
    );
}

#[test]
fn a_dead_letter_has_the_numbers_as_they_were_written() {
    let value = r#"{"lead_id":"B", "created_at":12345678901234567890123, "annual_revenue":12345678901234567.890}"#;
    let event =
        format!(r#"{{"topic":"lead-created","key":"acme","timestamp":{T0},"value":{value}}}"#);
    let elsewhere = format!(r#"{{"topic":"nowhere","key":1.10,"timestamp":{T0},"value":{value}}}"#);
    let asked = format!(r#"{{"dry_run":{event}}}"#);
    for (line, key) in [(&event, r#""acme""#), (&elsewhere, "1.10"), (&asked, r#""acme""#)] {
        let mut output = Vec::new();
        pipe(line.as_bytes(), &mut output, None).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains(value), "{output}");
        assert!(output.contains(&format!(r#""key":{key},"#)), "{output}");
    }
}

#[test]
fn questions_are_answered() {
    let ask = |what: &str| json!({ "state": what }).to_string();
    let said = run(&with(
        world(T0),
        &[
            lead("L1", T0),
            ask("reps"),
            ask("digest"),
            tick(T0 + 1),
            ask("digest"),
            lead("L2", T0 + 2),
            ask("digest"),
        ],
    ));
    assert_eq!(said[1]["rep_id"], "ann");
    assert_eq!(said[1]["domain"], "acme");
    assert_eq!(said[1]["eligible"], true);
    let given: i64 = said[1..3].iter().filter_map(|rep| rep["assigned"].as_i64()).sum();
    let open: i64 = said[1..3].iter().filter_map(|rep| rep["open"].as_i64()).sum();
    assert_eq!((given, open), (1, 1));
    assert_eq!(said[3], said[4]);
    assert_ne!(said[4], said[6]);
}

#[test]
fn who_wins_what_is_answered() {
    let deal = |number: i64, rep: &str, outcome: &str| {
        json!({ "topic": "opportunity-closed", "key": "acme", "timestamp": T0 + number, "value": {
            "event_id": format!("d{number}"), "opportunity_id": format!("o{number}"),
            "outcome": outcome, "rep_id": rep, "industry": "retail", "closed_at": T0 + number } })
        .to_string()
    };
    let deals = [deal(1, "ann", "WON"), deal(2, "ann", "LOST"), deal(3, "bob", "LOST")];
    let ask = json!({ "state": "rates" }).to_string();
    let said = run(&with(world(T0), &[&deals[..], &[ask]].concat()));
    let rows: Vec<(&str, &str, &str, u64, u64)> = said
        .iter()
        .filter(|row| row.get("segment").is_some())
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            let count = |name: &str| row[name].as_u64().unwrap();
            (text("domain"), text("segment"), text("rep_id"), count("deals"), count("won"))
        })
        .filter(|row| row.1 == "all" || row.1 == "industry=retail")
        .collect();
    let expected = [
        ("acme", "all", "ann", 2, 1),
        ("acme", "all", "bob", 1, 0),
        ("acme", "industry=retail", "ann", 2, 1),
        ("acme", "industry=retail", "bob", 1, 0),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn who_may_be_chosen_is_ranked_among_those_of_its_territories() {
    let deal = |number: i64, rep: &str| {
        json!({ "topic": "opportunity-closed", "key": "acme", "timestamp": T0 + number, "value": {
            "event_id": format!("d{number}"), "opportunity_id": format!("o{number}"),
            "outcome": "LOST", "rep_id": rep, "closed_at": T0 + number } })
        .to_string()
    };
    let rep = |rep: &str, active: bool, deleted: bool| {
        json!({ "topic": "rep-changed", "key": "acme", "timestamp": T0, "value": {
            "event_id": format!("r-{rep}-{active}"), "rep_id": rep, "active": active, "deleted": deleted } })
        .to_string()
    };
    let all = json!({ "topic": "territory-changed", "key": "acme", "timestamp": T0, "value": {
        "event_id": "t-all", "territory_id": "all", "name": "All",
        "members": [{ "rep_id": "ann" }, { "rep_id": "bob" }, { "rep_id": "cid" }] } });
    let mut lines = vec![rep("ann", true, false), rep("bob", true, false), all.to_string()];
    lines.extend([rep("cid", false, false), rep("dan", true, true), rep("eve", true, false)]);
    let reps = ["ann", "bob", "cid", "dan", "eve", "fay"];
    lines.extend((1..).zip(reps).map(|(number, rep)| deal(number, rep)));
    lines.push(json!({ "state": "rates" }).to_string());
    let said = run(&lines);
    let of_all = said.iter().filter(|row| row["segment"] == "all");
    let ranked: std::collections::BTreeMap<&str, (Option<u64>, &str)> = of_all
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("rep_id"), (row["of"].as_u64(), text("router")))
        })
        .collect();
    let thin = "goes round: too little to tell";
    let expected = [
        ("ann", (Some(2), thin)),
        ("bob", (Some(2), thin)),
        ("cid", (None, "inactive")),
        ("dan", (None, "gone, or not known")),
        ("eve", (Some(3), thin)),
        ("fay", (None, "gone, or not known")),
    ];
    assert_eq!(ranked, expected.into());
}

#[test]
fn the_digest_does_not_depend_on_when_it_was_asked_for_first() {
    let ask = json!({ "state": "digest" }).to_string();
    let late = run(&with(world(T0), &[lead("L1", T0), ask.clone()]));
    let early = run(&with(vec![ask.clone()], &with(world(T0), &[lead("L1", T0), ask])));
    assert_eq!(late.last(), early.last());
}

#[test]
fn a_policy_file_holds_for_every_domain_from_the_start() {
    let file = PolicyFile::parse("[catch_all]\nqueue = \"elsewhere\"\n").unwrap();
    let mut filter = Pipe::new(Some(file));
    let mut out = Vec::new();
    filter.line(lead("L1", T0).as_bytes(), &mut out);
    assert_eq!(out[0]["value"]["queue_id"], "elsewhere");
    assert_eq!(out[0]["value"]["policy_version"], "file");
    assert!(PolicyFile::parse("[catch_all]\nqueue = \"\"\ncolour = 1\n").is_err());
}
