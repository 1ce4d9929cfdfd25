//! Letters as people and programs read them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Found;
use crate::codec::letter::Place;
use crate::domain::time::Timestamp;

/// One line a letter, then how many there are by reason.
pub(super) fn table(letters: &[&Found], put_back: &BTreeSet<Place>) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for Found { letter, row } in letters {
        *reasons.entry(&letter.reason).or_default() += 1;
        let back = if put_back.contains(&letter.place) { "  put back" } else { "" };
        println!(
            "{}  {}  {} in {}{back}",
            row.timestamp, letter.place, letter.reason, letter.field
        );
    }
    for (reason, count) in reasons {
        println!("{count:>8}  {reason}");
    }
    println!("{:>8}  letters", letters.len());
}

pub(super) fn lines(letters: &[&Found], put_back: &BTreeSet<Place>) {
    for Found { letter, row } in letters {
        let line = json!({
            "place": letter.place.to_string(),
            "topic": letter.place.topic,
            "partition": letter.place.partition,
            "offset": letter.place.offset,
            "written_at": row.timestamp.to_string(),
            "published_at": Timestamp(letter.published_at).to_string(),
            "reason": letter.reason,
            "field": letter.field,
            "attempts": letter.attempts,
            "put_back": put_back.contains(&letter.place),
        });
        println!("{line}");
    }
}

/// One letter; its value only on request.
pub(super) fn whole(found: &Found, put_back: bool, payload: bool) {
    let Found { letter, row } = found;
    let mut headers = Map::new();
    for (name, value) in &row.headers {
        headers.insert(name.clone(), value.as_deref().map_or(Value::Null, text));
    }
    let mut shown = json!({
        "place": letter.place.to_string(),
        "written_at": row.timestamp.to_string(),
        "published_at": Timestamp(letter.published_at).to_string(),
        "reason": letter.reason,
        "field": letter.field,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "put_back": put_back,
        "key": row.key.as_deref().map_or(Value::Null, text),
        "value_bytes": row.value.as_ref().map(Vec::len),
        "headers": headers,
    });
    if payload {
        shown["value"] = row.value.as_deref().map_or(Value::Null, text);
    }
    println!("{shown:#}");
}

/// Text as text, other bytes as hex.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex })
        }
    }
}
