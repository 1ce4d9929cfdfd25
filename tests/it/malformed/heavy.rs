//! Lines that are valid and as large as they may be: each costs about what reading it does. With work that
//! grows by the square of a list or a text, one of them would take minutes.

use std::time::{Duration, Instant};

use lead_router::cli::pipe::Pipe;
use serde_json::{Value, json};

use super::T0;

/// What one takes here, and then some: the machine may be busy.
const LONG: Duration = Duration::from_secs(5);

fn event(topic: &str, value: Value) -> String {
    json!({ "topic": topic, "key": "acme", "timestamp": T0, "value": value }).to_string()
}

fn rep(id: &str, more: Value) -> String {
    let mut rep = json!({ "event_id": id, "rep_id": id, "active": true });
    rep.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    event("rep-changed", rep)
}

fn lead(more: Value) -> String {
    let mut lead = json!({ "event_id": "l", "lead_id": "L1", "created_at": T0 });
    lead.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    event("lead-created", lead)
}

fn account(more: Value) -> String {
    let mut account = json!({ "event_id": "a", "account_id": "A", "name": "Acme",
        "kind": "CUSTOMER", "owner_id": "ann", "phone": "123456789012" });
    account
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().cloned().unwrap_or_default());
    event("account-changed", account)
}

/// `s0`, `s1`, …
fn skills(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("s{number}")).collect()
}

/// A territory by one condition on cities, and a lead of the last city that it lists.
fn cities(op: &str) -> Vec<String> {
    let values: Vec<String> = (0..100_000).map(|number| format!("c{number}")).collect();
    let rules = json!([{ "all": [{ "field": "city", "op": op, "values": values }] }]);
    let west = json!({ "event_id": "w", "territory_id": "west", "name": "West", "rules": rules,
        "members": [{ "rep_id": "ann" }] });
    vec![event("territory-changed", west), lead(json!({ "city": "c99999" }))]
}

/// What each is, and its lines; the last is a lead.
fn cases() -> Vec<(&'static str, Vec<String>)> {
    let plain = || rep("ann", json!({}));
    let many: Vec<String> =
        (0..100).map(|n| rep(&format!("r{n}"), json!({ "skills": skills(20) }))).collect();
    let absence = |n: i64| json!({ "from_at": T0 + n * 1_000, "to_at": T0 + (n + 1) * 1_000 });
    let absences: Vec<Value> = (0..20_000).map(absence).collect();
    let word = "a".repeat(200_000);
    let words = |end: &str| (0..60_000).map(|n| format!("w{n}{end} ")).collect::<String>();
    let called = |name: &str| account(json!({ "name": name }));
    let from = |company: &str| lead(json!({ "company": company, "phone": "123456789012" }));
    vec![
        ("a rule of many values", cities("IN")),
        ("a rule of many prefixes", cities("PREFIX")),
        (
            "skills that are required",
            vec![
                rep("ann", json!({ "skills": skills(100_000) })),
                lead(json!({ "required_skills": skills(100_000) })),
            ],
        ),
        (
            "skills that are preferred",
            [many, vec![lead(json!({ "preferred_skills": skills(100_000) }))]].concat(),
        ),
        ("absences that touch", vec![rep("ann", json!({ "away": absences })), lead(json!({}))]),
        ("one long word", vec![plain(), called(&word), from(&format!("{word}b"))]),
        ("many words", vec![plain(), called(&words("x")), from(&words("y"))]),
        (
            "a domain of many parts",
            vec![
                plain(),
                called("Acme"),
                lead(json!({ "email": format!("eva@{}com", "a.".repeat(200_000)) })),
            ],
        ),
    ]
}

#[test]
fn no_line_takes_longer_than_reading_it() {
    for (what, lines) in cases() {
        let mut pipe = Pipe::new(None);
        let mut answers = Vec::new();
        let members: Vec<Value> = ["ann".to_owned()]
            .into_iter()
            .chain((0..100).map(|n| format!("r{n}")))
            .map(|rep| json!({ "rep_id": rep }))
            .collect();
        let all = json!({ "event_id": "t", "territory_id": "all", "name": "All",
            "members": members });
        pipe.line(event("territory-changed", all).as_bytes(), &mut answers);
        let mut longest = Duration::ZERO;
        for line in lines {
            answers.clear();
            let start = Instant::now();
            pipe.line(line.as_bytes(), &mut answers);
            longest = longest.max(start.elapsed());
            assert!(longest < LONG, "{what}: {longest:?}");
        }
        println!("{what}: {longest:?}");
        assert_eq!(answers[0]["topic"], "lead-assigned", "{what}: {}", answers[0]);
    }
}
