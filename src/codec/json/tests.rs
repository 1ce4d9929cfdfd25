//! Each reason by an example that has it; reading what was written gives the same again.

use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp(1_767_225_600_000);
const DAY: i64 = 86_400_000;

fn decode(topic: Topic, value: &Value) -> Result<Input> {
    decode_event(topic, value, NOW, true)
}

/// The reason and the field of the fault in a value that is good but for these entries.
fn fault(topic: Topic, changed: Value) -> (&'static str, String) {
    let mut value = minimal(topic);
    let (Value::Object(map), Value::Object(changed)) = (&mut value, changed) else {
        panic!("objects");
    };
    for (name, value) in changed {
        if value == json!("ABSENT") {
            map.remove(&name);
        } else {
            map.insert(name, value);
        }
    }
    match decode(topic, &value) {
        Err(fault) => (fault.reason, fault.field),
        Ok(input) => panic!("was read: {input:?}"),
    }
}

fn minimal(topic: Topic) -> Value {
    match topic {
        Topic::LeadCreated | Topic::LeadCreatedFast => {
            json!({"event_id": "e", "lead_id": "l", "created_at": NOW.0})
        }
        Topic::LeadUpdated => {
            json!({"event_id": "e", "lead_id": "l", "changed_at": NOW.0, "kind": "FIELDS"})
        }
        Topic::LeadActivity => {
            json!({"event_id": "e", "lead_id": "l", "occurred_at": NOW.0, "kind": "CALL"})
        }
        Topic::OpportunityClosed => json!({
            "event_id": "e", "opportunity_id": "o", "outcome": "WON", "rep_id": "r",
            "closed_at": NOW.0,
        }),
        Topic::TerritoryChanged => json!({"event_id": "e", "territory_id": "t", "name": "North"}),
        Topic::RepChanged => json!({"event_id": "e", "rep_id": "r", "active": true}),
        Topic::AccountChanged => {
            json!({"event_id": "e", "account_id": "a", "name": "Acme", "kind": "CUSTOMER"})
        }
        Topic::PolicyChanged => json!({
            "event_id": "e", "version": "1", "text": "",
            "sha256": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        }),
    }
}

#[test]
fn minimal_events_are_read_and_written_back() {
    for topic in Topic::ALL {
        let first = decode(topic, &minimal(topic)).expect("minimal");
        let (written_to, written) = encode_event(&first).expect("an event");
        assert_eq!(written_to, topic);
        let second = decode(topic, &written).expect("what was written");
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
        assert_eq!(encode_event(&second), Some((topic, written)));
    }
}

#[test]
fn faults_of_form() {
    use Topic::{LeadActivity, LeadCreated, LeadUpdated};
    let expected = |reason: &'static str, field: &str| (reason, field.to_owned());
    for topic in Topic::ALL {
        assert_eq!(fault(topic, json!({"nick": 1})), expected("json.unknown_field", "nick"));
        assert_eq!(fault(topic, json!({"event_id": 5})), expected("json.type", "event_id"));
        for absent in [json!(null), json!("ABSENT")] {
            let missing = fault(topic, json!({"event_id": absent}));
            assert_eq!(missing, expected("field.missing", "event_id"));
        }
        for id in ["", "  ", "a\u{0}b", &"x".repeat(256)] {
            assert_eq!(fault(topic, json!({"event_id": id})), expected("id.invalid", "event_id"));
        }
        let null = decode(topic, &Value::Null).expect_err("null");
        assert_eq!((null.reason, null.field), expected("value.null", "value"));
        let list = decode(topic, &json!([])).expect_err("a list");
        assert_eq!((list.reason, list.field), expected("json.type", "value"));
    }
    let deep = fault(LeadUpdated, json!({"changes": {"nick": 1}}));
    assert_eq!(deep, expected("json.unknown_field", "changes.nick"));
    let cleared = fault(LeadUpdated, json!({"cleared": ["phone", "nick"]}));
    assert_eq!(cleared, expected("json.unknown_field", "cleared[1]"));
    assert_eq!(fault(LeadActivity, json!({"kind": "call"})), expected("json.enum", "kind"));
    assert_eq!(fault(LeadActivity, json!({"kind": "UNKNOWN"})), expected("enum.unknown", "kind"));
    assert_eq!(
        fault(LeadUpdated, json!({"kind": "OWNER"})),
        expected("field.missing", "new_owner_id")
    );
    let attribute = fault(LeadCreated, json!({"attributes": {"tier": 1}}));
    assert_eq!(attribute, expected("json.type", "attributes.tier"));
    let skill = fault(LeadCreated, json!({"required_skills": ["a", 1]}));
    assert_eq!(skill, expected("json.type", "required_skills[1]"));
    assert_eq!(topic("nobody").expect_err("unknown").reason, "topic.unknown");
}

#[test]
fn faults_of_range() {
    use Topic::{LeadCreated, OpportunityClosed, RepChanged};
    let range = |value: Value| fault(LeadCreated, value).0;
    for employees in [json!(-1), json!(2_147_483_648_i64), json!(1e300)] {
        assert_eq!(range(json!({"employees": employees})), "value.range");
    }
    for employees in [json!(1.5), json!("5"), json!(true)] {
        assert_eq!(range(json!({"employees": employees})), "json.type");
    }
    for amount in [json!(-1), json!("0.005"), json!("12345678901234567"), json!(1e20)] {
        assert_eq!(range(json!({"annual_revenue": amount})), "amount_range");
    }
    for country in ["", "D", "DEU", "D1", "Ä"] {
        assert_eq!(range(json!({"country": country})), "value.range");
    }
    let times =
        [json!(0), json!(NOW.0 / 1_000), json!(NOW.0 * 1_000), json!(NOW.0 + DAY + 1), json!(1e30)];
    for time in times {
        assert_eq!(range(json!({"created_at": time})), "timestamp_range");
    }
    assert_eq!(range(json!({"created_at": "today"})), "json.type");
    assert_eq!(range(json!({"locked_until_at": "2100-01-02T00:00:00Z"})), "timestamp_range");
    assert_eq!(fault(OpportunityClosed, json!({"closed_at": -1})).0, "timestamp_range");
    for weight in [-1, 10_001] {
        assert_eq!(fault(RepChanged, json!({"weight": weight})).0, "value.range");
    }
    assert_eq!(fault(RepChanged, json!({"time_zone": "Mars/Base"})).0, "time_zone.unknown");
    let away = json!({"away": [{"from_at": NOW.0, "to_at": NOW.0}]});
    assert_eq!(fault(RepChanged, away), ("value.range", "away[0].to_at".to_owned()));
    let cap = json!({"caps": [{"window": "DAY", "limit": -1}]});
    assert_eq!(fault(RepChanged, cap), ("value.range", "caps[0].limit".to_owned()));
    let cap = json!({"caps": [{"window": "YEAR", "limit": 1}]});
    assert_eq!(fault(RepChanged, cap), ("json.enum", "caps[0].window".to_owned()));
}

#[test]
fn faults_of_territories() {
    let one =
        |condition: Value| fault(Topic::TerritoryChanged, json!({"rules": [{"all": [condition]}]}));
    let at = |part: &str| format!("rules[0].all[0].{part}");
    let field = json!({"field": "shoe", "op": "EXISTS"});
    assert_eq!(one(field), ("territory.field", at("field")));
    let values = json!({"field": "postal_code", "op": "BETWEEN", "values": ["1"]});
    assert_eq!(one(values), ("territory.range", at("values")));
    let op = json!({"field": "employees", "op": "PREFIX", "values": ["1"]});
    assert_eq!(one(op), ("territory.range", at("op")));
    let op = json!({"field": "state", "op": "LIKE", "values": ["1"]});
    assert_eq!(one(op), ("json.enum", at("op")));
    let number = json!({"field": "postal_code", "op": "IN", "values": [1067]});
    assert_eq!(one(number), ("json.type", at("values")));
    let own = fault(Topic::TerritoryChanged, json!({"parent_id": "t"}));
    assert_eq!(own, ("territory.cycle", "parent_id".to_owned()));
    let valid = json!({"valid_from_at": NOW.0, "valid_to_at": NOW.0});
    assert_eq!(fault(Topic::TerritoryChanged, valid).0, "territory.range");
}

#[test]
fn faults_of_policies() {
    let wrong = fault(Topic::PolicyChanged, json!({"text": "x"}));
    assert_eq!(wrong, ("policy.sha256", "sha256".to_owned()));
    let text = "[choice]\nfloor = 2";
    let sha256 = sha256_hex(text.as_bytes());
    let bad = fault(Topic::PolicyChanged, json!({"text": text, "sha256": sha256}));
    assert_eq!(bad, ("policy.invalid", "text".to_owned()));
}

#[test]
fn a_newer_writer_is_understood_where_a_filter_is_strict() {
    let mut value = minimal(Topic::LeadUpdated);
    value["nick"] = json!(1);
    value["cleared"] = json!(["nick"]);
    assert!(decode_event(Topic::LeadUpdated, &value, NOW, true).is_err());
    assert!(decode_event(Topic::LeadUpdated, &value, NOW, false).is_ok());
}

#[test]
fn what_ends_needs_no_more_than_its_id() {
    for topic in [Topic::TerritoryChanged, Topic::RepChanged, Topic::AccountChanged] {
        let mut value = minimal(topic);
        value["deleted"] = json!(true);
        for name in ["name", "active", "kind"] {
            value.as_object_mut().expect("an object").remove(name);
        }
        let input = decode(topic, &value).expect("an end");
        let (_, written) = encode_event(&input).expect("an event");
        assert!(decode(topic, &written).is_ok());
    }
}

#[test]
fn faults_never_quote_the_payload() {
    let value =
        json!({"event_id": "e", "lead_id": "l", "created_at": NOW.0, "email": ["jo@x.org"]});
    let fault = decode(Topic::LeadCreated, &value).expect_err("a list");
    assert!(!fault.to_string().contains("jo@"));
}

#[test]
fn country_is_upper_case_and_zero_has_no_sign() {
    let mut value = minimal(Topic::LeadCreated);
    value["country"] = json!("de");
    value["score"] = json!(-0.0);
    let Ok(Input::LeadCreated(lead)) = decode(Topic::LeadCreated, &value) else { panic!() };
    assert_eq!(lead.fields.country.as_deref(), Some("DE"));
    assert!(lead.fields.score.is_some_and(f64::is_sign_positive));
}
