//! Good form, bad sense: reference data, reps and deals, 49 to 51.

use lead_router::domain::input::Topic;
use serde_json::{Value, json};

use super::Fate::{self, Dead, Taken};
use super::{Table, t0};

const DAY: i64 = 86_400_000;

pub(super) fn add(table: &mut Table) {
    territories(table);
    reps(table);
    deals(table);
    policies(table);
}

fn territory(table: &mut Table, what: &str, id: &str, more: Value, fate: Fate) {
    let mut value = json!({"event_id": format!("{id} {what}"), "territory_id": id, "name": id});
    merge(&mut value, more);
    table.add(49, what, Topic::TerritoryChanged, value.to_string(), fate);
}

fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

/// One rule of one condition.
fn when(field: &str, op: &str, values: Value) -> Value {
    let condition = json!({"field": field, "op": op, "values": values});
    json!({"rules": [{"all": [condition]}]})
}

fn territories(table: &mut Table) {
    territory(
        table,
        "its own parent",
        "self",
        json!({"parent_id": "self"}),
        Dead("territory.cycle"),
    );
    territory(table, "a child", "loop-a", json!({"parent_id": "loop-b"}), Taken);
    territory(table, "a ring", "loop-b", json!({"parent_id": "loop-a"}), Dead("territory.cycle"));
    territory(table, "equal in every way", "twin-1", when("country", "IN", json!(["DE"])), Taken);
    territory(table, "equal in every way", "twin-2", when("country", "IN", json!(["DE"])), Taken);
    territory(table, "without reps", "empty", when("country", "IN", json!(["ZZ"])), Taken);
    let field = when("shoe_size", "IN", json!(["44"]));
    territory(table, "a field that is none", "shoes", field, Dead("territory.field"));
    let regex = when("postal_code", "REGEX", json!(["(a+)+$"]));
    territory(table, "an operation that is none", "regex", regex, Dead("json.enum"));
    let range = when("employees", "BETWEEN", json!([10, 1]));
    territory(table, "bounds the wrong way round", "range", range, Dead("territory.range"));
    let later = json!({"valid_from_at": t0() + DAY, "valid_to_at": t0()});
    territory(table, "ends before it begins", "late", later, Dead("territory.range"));
    let rules = vec!["{\"all\":[]}"; 300_000].join(",");
    let many =
        format!("{{\"event_id\":\"m\",\"territory_id\":\"m\",\"name\":\"m\",\"rules\":[{rules}]}}");
    table.add(49, "300,000 rules", Topic::TerritoryChanged, many, Dead("json.syntax"));
    let weight = json!({"members": [{"rep_id": "ann", "weight": -1}]});
    territory(table, "a negative weight", "weight", weight, Dead("value.range"));
    let unknown = json!({"members": [{"rep_id": "nobody"}], "rules": [{"all": [
        {"field": "country", "op": "IN", "values": ["YY"]}]}]});
    territory(table, "a member that nobody knows", "ghost", unknown, Taken);
    let text = "{\"event_id\":\"w\",\"territory_id\":\"w\",\"name\":\"w\",\
                \"members\":[{\"rep_id\":\"ann\",\"weight\":NaN}]}";
    table.add(49, "a weight that is no number", Topic::TerritoryChanged, text, Dead("json.syntax"));
}

fn reps(table: &mut Table) {
    let rep = |table: &mut Table, group, what: &str, id: &str, more: Value, fate| {
        let mut value = json!({"event_id": format!("{id} {what}"), "rep_id": id, "active": true});
        merge(&mut value, more);
        table.add(group, what, Topic::RepChanged, value.to_string(), fate);
    };
    let cap = |limit: Value| json!({"caps": [{"window": "DAY", "limit": limit}]});
    rep(table, 49, "without caps", "bob", json!({}), Taken);
    rep(table, 49, "a cap of 0", "cap-0", cap(json!(0)), Taken);
    rep(table, 49, "a negative cap", "cap-1", cap(json!(-1)), Dead("value.range"));
    rep(table, 49, "the largest cap", "cap-max", cap(json!(u64::MAX)), Dead("value.range"));
    let zone = json!({"time_zone": "Mars/Base"});
    rep(table, 49, "an unknown zone", "mars", zone, Dead("time_zone.unknown"));
    let away = json!({"away": [{"from_at": t0(), "to_at": t0()}]});
    rep(table, 49, "away for no time", "away", away, Dead("value.range"));
    let away = json!({"active": true, "away": [{"from_at": t0() - DAY, "to_at": t0() + DAY}]});
    rep(table, 49, "all reps away", "bob", away, Taken);
    rep(table, 50, "gone, with leads and timers", "carl", json!({"deleted": true}), Taken);
    rep(table, 50, "an id used again", "carl", json!({"name": "Carl II"}), Taken);
    rep(table, 50, "the same id in capitals", "CARL", json!({}), Taken);
    rep(table, 50, "his own manager", "carl", json!({"manager_id": "carl"}), Taken);
    rep(table, 50, "covers for himself", "carl", json!({"cover_id": "carl"}), Taken);
    let gone = json!({"event_id": "gone", "territory_id": "twin-1", "name": "", "deleted": true});
    let gone = gone.to_string();
    table.add(50, "a territory gone, with leads", Topic::TerritoryChanged, gone, Taken);
}

fn deals(table: &mut Table) {
    let deal = |table: &mut Table, what: &str, event: &str, id: &str, more: Value, fate| {
        let mut value = json!({"event_id": event, "opportunity_id": id, "outcome": "WON",
            "rep_id": "bob", "closed_at": t0() - DAY});
        merge(&mut value, more);
        table.add(51, what, Topic::OpportunityClosed, value.to_string(), fate);
    };
    for n in 0..3 {
        let id = format!("win-{n}");
        deal(table, "more wins than leads", &id, &id, json!({"lead_id": "nobody"}), Taken);
    }
    deal(table, "a rep without a trial", "trial", "trial", json!({"rep_id": "dora"}), Taken);
    let future = json!({"closed_at": t0() + 30 * DAY});
    deal(table, "closed next month", "future", "future", future, Dead("timestamp_range"));
    let ancient = json!({"closed_at": 0});
    deal(table, "closed in 1970", "ancient", "ancient", ancient, Dead("timestamp_range"));
    deal(table, "the same event again", "win-0", "win-0", json!({"lead_id": "nobody"}), Taken);
    let late = json!({"outcome": "LOST", "closed_at": t0() - 399 * DAY});
    deal(table, "a late correction", "win-1 again", "win-1", late, Taken);
    deal(table, "reopened", "win-2 again", "win-2", json!({"outcome": "REOPENED"}), Taken);
    deal(
        table,
        "an outcome that is none",
        "draw",
        "draw",
        json!({"outcome": "DRAW"}),
        Dead("json.enum"),
    );
    let outcome = json!({"outcome": "UNKNOWN"});
    deal(table, "an outcome of tomorrow", "unknown", "unknown", outcome, Dead("enum.unknown"));
    deal(table, "a negative amount", "owed", "owed", json!({"amount": -1}), Dead("amount_range"));
}

fn policies(table: &mut Table) {
    let hash = lead_router::codec::json::sha256_hex;
    let policy = |table: &mut Table, what: &str, text: &str, sha256: String, fate| {
        let value = json!({"event_id": what, "version": "x", "text": text, "sha256": sha256});
        table.add(49, what, Topic::PolicyChanged, value.to_string(), fate);
    };
    let unknown = "[catch_all]\nqueue = \"q\"\ncolour = \"red\"\n";
    policy(
        table,
        "a policy with an unknown key",
        unknown,
        hash(unknown.as_bytes()),
        Dead("policy.invalid"),
    );
    let broken = "[catch_all\n";
    policy(
        table,
        "a policy that is no TOML",
        broken,
        hash(broken.as_bytes()),
        Dead("policy.invalid"),
    );
    let deep = format!("x = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    policy(table, "a policy of 10,000 lists", &deep, hash(deep.as_bytes()), Dead("policy.invalid"));
    policy(table, "a policy of another hash", unknown, hash(b"x"), Dead("policy.sha256"));
}
