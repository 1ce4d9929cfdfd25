//! JSON: 34.

use serde_json::{Value, json};

use super::Fate::{Dead, Taken};
use super::{Table, t0};

/// A lead with one field set, or taken out with null.
fn lead(name: &str, value: Value) -> String {
    let mut lead = json!({"event_id": name, "lead_id": name, "created_at": t0()});
    lead[name] = value;
    lead.to_string()
}

/// A lead with one more field, as text.
fn raw(field: &str) -> String {
    format!("{{\"event_id\":\"raw\",\"lead_id\":\"raw\",\"created_at\":{},{field}}}", t0())
}

pub(super) fn add(table: &mut Table) {
    let whole = raw("\"company\":\"Acme\"");
    let nested = format!("\"x\":{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("a name twice", raw("\"event_id\":\"again\"").into()),
        ("a name twice, deep inside", raw("\"x\":[{\"y\":1,\"y\":2}]").into()),
        ("a trailing comma", whole.replace("\"Acme\"}", "\"Acme\",}").into()),
        ("a byte order mark", [b"\xef\xbb\xbf", whole.as_bytes()].concat()),
        ("UTF-16, little end first", utf16(&whole, u16::to_le_bytes, true)),
        ("UTF-16, big end first", utf16(&whole, u16::to_be_bytes, true)),
        ("UTF-16 without a mark", utf16(&whole, u16::to_le_bytes, false)),
        ("NaN", raw("\"score\":NaN").into()),
        ("1e400", raw("\"score\":1e400").into()),
        ("10,000 lists in each other", raw(&nested).into()),
        ("a lone surrogate", raw("\"company\":\"\\ud800\"").into()),
        ("bytes that are no UTF-8", [&whole.as_bytes()[..12], b"\xff\xfe\"}"].concat()),
        ("two documents", [whole.as_bytes(), whole.as_bytes()].concat()),
        ("a document cut short", whole.as_bytes()[..whole.len() - 1].to_vec()),
        ("a comment", raw("/* x */\"x\":1").into()),
        ("a line break in a text", raw("\"company\":\"a\nb\"").into()),
        ("half a million values", raw(&format!("\"x\":[0{}]", ",0".repeat(500_000))).into()),
    ];
    for (what, value) in broken {
        table.lead(34, what, value, Dead("json.syntax"));
    }
    let huge = raw(&format!("\"company\":\"{}\"", "x".repeat(20 << 20)));
    let wrong = [
        ("a text of 20 MB", huge, "value.range"),
        ("a count of 2^63", lead("employees", json!(1_u64 << 63)), "value.range"),
        ("a time of 2^63", lead("created_at", json!(1_u64 << 63)), "timestamp_range"),
        (
            "a time of -0",
            raw("\"x\":0").replace(",\"x\":0", "").replace(&t0().to_string(), "-0"),
            "timestamp_range",
        ),
        ("a number as text", lead("employees", json!("5")), "json.type"),
        ("half a person", lead("employees", json!(0.5)), "json.type"),
        ("text as a number", lead("company", json!(5)), "json.type"),
        ("an id as a number", lead("lead_id", json!(5)), "json.type"),
        ("null for what must be there", lead("lead_id", Value::Null), "field.missing"),
        ("an empty object", "{}".to_owned(), "field.missing"),
        ("a list for an object", "[]".to_owned(), "json.type"),
        ("a text for an object", "\"lead\"".to_owned(), "json.type"),
        ("a time without a zone", lead("created_at", json!("2026-01-05T09:00:00")), "json.type"),
        ("a country of three letters", lead("country", json!("DEU")), "value.range"),
        ("an amount with a third place", lead("annual_revenue", json!("1.005")), "amount_range"),
    ];
    for (what, value, reason) in wrong {
        table.lead(34, what, value, Dead(reason));
    }
    table.lead(34, "a score of -0", raw("\"score\":-0.0").replace("raw", "minus zero"), Taken);
    table.lead(34, "a pair of surrogates", lead("company", json!("\u{1F600}")), Taken);
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}
