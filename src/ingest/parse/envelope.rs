//! From a value to the object that holds the record's fields, through whatever is around it.

use serde_json::{Map, Value};

use super::Found;
use super::frame::{self, Framed};
use crate::codec::error::{Error, Result, reason};
use crate::codec::json;
use crate::ingest::schema::Schemas;

/// Objects in objects in objects: no bridge wraps deeper.
const MAX_DEPTH: usize = 8;

/// Names of the objects that bridges put around a record, the likelier first.
const AROUND: [&str; 11] = [
    "payload", "data", "detail", "sobject", "after", "event", "message", "value", "record", "body",
    "fields",
];

/// The header's place in a change event.
pub(super) const HEADER: &str = "ChangeEventHeader";

pub(super) fn open(framed: Framed, schemas: &Schemas) -> Result<Found> {
    let mut found = Found { writer: framed.writer, ..Found::default() };
    let mut value = framed.value;
    for _ in 0..MAX_DEPTH {
        let (plain, tagged) = untagged(value, 0);
        found.is_dense |= tagged;
        let map = match plain {
            Value::Object(map) => map,
            Value::String(text) => {
                value = text_inside(&text, None, &mut found, schemas)?;
                continue;
            }
            _ => {
                let detail = "a record is an object; found another kind of value";
                return Err(Error::new(reason::JSON_TYPE, "value", detail));
            }
        };
        match step(map, &mut found, schemas)? {
            Step::There(body) => {
                found.body = body;
                return Ok(found);
            }
            Step::Into(inner) => value = inner,
        }
    }
    Err(Error::new(reason::SHAPE_UNKNOWN, "value", "is wrapped deeper than any bridge does"))
}

enum Step {
    There(Map<String, Value>),
    Into(Value),
}

fn step(mut map: Map<String, Value>, found: &mut Found, schemas: &Schemas) -> Result<Step> {
    if map.get(HEADER).is_some_and(Value::is_object) {
        return Ok(Step::There(map));
    }
    if let Some(whole) = unflattened(&map) {
        return Ok(Step::There(whole));
    }
    let is_debezium = map.get("op").is_some_and(Value::is_string)
        && (map.contains_key("after") || map.contains_key("before"));
    if is_debezium {
        return Ok(Step::There(debezium(map, found)));
    }
    for name in AROUND {
        let fits = match map.get(name) {
            Some(Value::Object(inner)) => !inner.is_empty() && (name != "event" || wraps(inner)),
            Some(Value::String(text)) => name != "event" && is_packed(text),
            _ => false,
        };
        if !fits {
            continue;
        }
        let inner = map.remove(name).unwrap_or_default();
        if name == "payload" && map.get("schema").is_some_and(Value::is_object) {
            // Connect's JSON with its schema: a struct has all fields, null or not.
            found.is_dense = true;
        }
        remember(&map, found);
        return Ok(Step::Into(match inner {
            Value::String(text) => {
                let id = ["schemaId", "schema_id", "schema"];
                let id = id.iter().find_map(|name| map.get(*name).and_then(Value::as_str));
                text_inside(&text, id, found, schemas)?
            }
            inner => inner,
        }));
    }
    Ok(Step::There(map))
}

/// An `event` is an envelope if it holds something; in a notification it only has the replay id.
fn wraps(inner: &Map<String, Value>) -> bool {
    ["payload", HEADER, "data"].iter().any(|name| inner.contains_key(*name))
}

/// Text that is JSON, or bytes as base64; not a word.
fn is_packed(text: &str) -> bool {
    text.trim_start().starts_with('{') || (text.len() >= 24 && frame::from_base64(text).is_some())
}

fn text_inside(
    text: &str,
    schema: Option<&str>,
    found: &mut Found,
    schemas: &Schemas,
) -> Result<Value> {
    if text.trim_start().starts_with(['{', '[', '"']) {
        return json::parse(text.as_bytes());
    }
    let unfit = || {
        let detail = "is a text that is neither JSON nor bytes in base64";
        Error::new(reason::SHAPE_UNKNOWN, "value", detail)
    };
    let bytes = frame::from_base64(text).ok_or_else(unfit)?;
    let framed = match schema {
        Some(id) => frame::named(&bytes, id, schemas)?,
        None => frame::read(&bytes, &[], schemas)?,
    };
    found.writer = framed.writer.or(found.writer.take());
    Ok(framed.value)
}

/// Keeps what an envelope says in plain words: a channel, an operation, a schema's id.
fn remember(map: &Map<String, Value>, found: &mut Found) {
    for (name, value) in map {
        let plain = value.is_string() || value.is_number();
        if plain || matches!(name.as_str(), "recordIds" | "record_ids" | "event" | "source") {
            match (name.as_str(), value) {
                ("event" | "source", Value::Object(inner)) => {
                    for (inner_name, inner) in inner.iter().filter(|(_, it)| !it.is_object()) {
                        found.around.insert(format!("{name}.{inner_name}"), inner.clone());
                    }
                }
                _ => {
                    found.around.insert(name.clone(), value.clone());
                }
            }
        }
    }
}

/// Debezium: the row before and the row after, all columns of both.
fn debezium(mut map: Map<String, Value>, found: &mut Found) -> Map<String, Value> {
    let mut row = |name: &str| match map.remove(name) {
        Some(Value::Object(row)) => Some(row),
        _ => None,
    };
    let (before, after) = (row("before"), row("after"));
    found.is_dense = true;
    remember(&map, found);
    match after {
        Some(after) => {
            found.before = before;
            after
        }
        None => before.unwrap_or_default(),
    }
}

/// A header whose names were flattened by a transform (`ChangeEventHeader.changeType`), put together again.
fn unflattened(map: &Map<String, Value>) -> Option<Map<String, Value>> {
    let name_in = |name: &str| {
        let rest = name.strip_prefix(HEADER)?;
        let rest = rest.strip_prefix(['.', '_', '-', '/'])?;
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    let mut header = Map::new();
    let mut body = Map::new();
    for (name, value) in map {
        match name_in(name) {
            Some(inner) => header.insert(inner, value.clone()),
            None => body.insert(name.clone(), value.clone()),
        };
    }
    if header.is_empty() {
        return None;
    }
    body.insert(HEADER.to_owned(), Value::Object(header));
    Some(body)
}

/// Takes Avro's JSON tags of unions away (`{"string": "x"}`), and MongoDB's of numbers and dates.
fn untagged(value: Value, depth: usize) -> (Value, bool) {
    if depth > 32 {
        return (value, false);
    }
    match value {
        Value::Object(map) => {
            if let Some(inner) = only_branch(&map) {
                let (inner, _) = untagged(inner.clone(), depth + 1);
                return (inner, true);
            }
            let mut any = false;
            let untag = |(name, value)| {
                let (value, tagged) = untagged(value, depth + 1);
                any |= tagged;
                (name, value)
            };
            let map: Map<String, Value> = map.into_iter().map(untag).collect();
            (Value::Object(map), any)
        }
        Value::Array(items) => {
            let items = items.into_iter().map(|item| untagged(item, depth + 1).0).collect();
            (Value::Array(items), false)
        }
        value => (value, false),
    }
}

fn only_branch(map: &Map<String, Value>) -> Option<&Value> {
    let mut entries = map.iter();
    let (name, value) = entries.next().filter(|_| map.len() == 1)?;
    let fits = match name.as_str() {
        "string" | "bytes" => value.is_string(),
        "int" | "long" | "float" | "double" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "map" => value.is_object(),
        "$date" | "$numberLong" | "$numberInt" | "$numberDouble" | "$oid" | "$numberDecimal" => {
            true
        }
        name => name.starts_with("com.sforce.") || name.starts_with("io.confluent."),
    };
    fits.then_some(value)
}
