//! One line of the filter's output. A dead letter holds what the line said as it was written: a number may have
//! more digits than a reader of numbers keeps.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::codec::error::Error;
use crate::domain::time::Timestamp;

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Said(Value),
    Refused(Letter),
}

impl From<Answer> for Value {
    fn from(answer: Answer) -> Value {
        match answer {
            Answer::Said(said) => said,
            Answer::Refused(letter) => serde_json::to_value(letter).unwrap_or_default(),
        }
    }
}

/// A dead letter.
#[derive(Debug, Serialize)]
pub(super) struct Letter {
    topic: &'static str,
    key: Box<RawValue>,
    timestamp: Option<i64>,
    headers: BTreeMap<&'static str, String>,
    value: Box<RawValue>,
}

impl Letter {
    pub(super) fn new(broken: Broken, at: Option<Timestamp>) -> Letter {
        let Broken { error, key, value, .. } = broken;
        Letter {
            topic: "lead-router.dead-letter",
            key,
            timestamp: at.map(|at| at.0),
            headers: BTreeMap::from([
                ("dlq.reason", error.reason.to_owned()),
                ("dlq.field", error.field),
            ]),
            value,
        }
    }
}

/// A line that nothing can be made of, with what is known of it for the dead letter.
#[derive(Debug)]
pub(super) struct Broken {
    error: Error,
    key: Box<RawValue>,
    pub(super) at: Option<Timestamp>,
    /// The line's value, or its text.
    value: Box<RawValue>,
}

impl Broken {
    /// A line that is an object.
    pub(super) fn event(error: Error, line: &[u8], at: Option<Timestamp>) -> Broken {
        let key = written(line, "key").unwrap_or_else(|| raw(&Value::Null));
        let value = written(line, "value").unwrap_or_else(|| text(line));
        Broken { error, key, at, value }
    }

    /// A line that is none.
    pub(super) fn line(error: Error, line: &[u8]) -> Broken {
        Broken { error, key: raw(&Value::Null), at: None, value: text(line) }
    }

    /// No line: time did it.
    pub(super) fn timer(error: Error) -> Broken {
        Broken { error, key: raw(&Value::Null), at: None, value: raw(&Value::Null) }
    }
}

/// A member of an event, as the line has it.
fn written(line: &[u8], name: &str) -> Option<Box<RawValue>> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(line).ok()?;
    match fields.get(name) {
        Some(found) => Some((*found).to_owned()),
        None => written(fields.get("dry_run")?.get().as_bytes(), name),
    }
}

fn text(line: &[u8]) -> Box<RawValue> {
    raw(&Value::from(String::from_utf8_lossy(line)))
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_default()
}
