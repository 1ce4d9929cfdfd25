//! Both stages of ingest as a filter: raw bridged records as JSON lines, canonical events as `pipe` reads
//! them. Each line is answered by what was understood of it (`--explain`), its events, and its outcome.

use std::io::{self, BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::codec::error::{Error, Result, reason};
use crate::codec::json as codec;
use crate::ingest::machine::{Machine, Outcome};
use crate::ingest::{Parser, RawRecord};

/// The filter.
#[derive(Debug)]
pub struct IngestPipe {
    parser: Parser,
    machine: Machine,
    domain: String,
    explain: bool,
    lines: i64,
}

/// Reads lines until the end of the input; only a broken input or output ends it earlier.
pub fn pipe(
    mut input: impl BufRead,
    mut output: impl Write,
    mut filter: IngestPipe,
) -> io::Result<()> {
    let mut text = Vec::new();
    let mut answers = Vec::new();
    while input.read_until(b'\n', &mut text)? > 0 {
        filter.line(&text, &mut answers);
        for answer in answers.drain(..) {
            serde_json::to_writer(&mut output, &answer)?;
            output.write_all(b"\n")?;
        }
        output.flush()?;
        text.clear();
    }
    Ok(())
}

impl IngestPipe {
    pub fn new(parser: Parser, domain: String, explain: bool) -> IngestPipe {
        let machine = Machine::new(parser.mapping.clone());
        IngestPipe { parser, machine, domain, explain, lines: 0 }
    }

    /// Takes one line; what it caused and the acknowledgement go to `out`.
    pub fn line(&mut self, text: &[u8], out: &mut Vec<Value>) {
        self.lines += 1;
        let text = text.trim_ascii();
        if text.is_empty() {
            return self.acknowledge("ignored", Some("blank"), out);
        }
        let fields = match codec::parse(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => {
                let error = Error::new(reason::JSON_TYPE, "line", "must be an object");
                return self.dead_letter(&error, &broken(text), out);
            }
            Err(error) => {
                let error = Error { field: "line".to_owned(), ..error };
                return self.dead_letter(&error, &broken(text), out);
            }
        };
        if let Err(error) = self.record(&fields, out) {
            self.dead_letter(&error, &fields, out);
        }
    }

    fn record(&mut self, fields: &Map<String, Value>, out: &mut Vec<Value>) -> Result<()> {
        let record = read(fields)?;
        let change = self.parser.parse(&record)?;
        if self.explain {
            out.push(json!({ "change": change.explain() }));
        }
        let done = self.machine.apply(&self.domain, &change)?;
        self.machine.store.commit();
        for event in done.events {
            out.push(json!({
                "topic": event.topic.name(),
                "key": self.domain,
                "timestamp": event.at.0,
                "value": event.value,
            }));
        }
        match done.outcome {
            Outcome::Mapped => self.acknowledge("mapped", None, out),
            Outcome::Ignored(reason) => self.acknowledge("ignored", Some(reason), out),
            Outcome::Stale(reason) => self.acknowledge("stale", Some(reason), out),
        }
        Ok(())
    }

    fn acknowledge(&self, outcome: &str, reason: Option<&str>, out: &mut Vec<Value>) {
        out.push(json!({ "ack": self.lines, "outcome": outcome, "reason": reason }));
    }

    fn dead_letter(&self, error: &Error, fields: &Map<String, Value>, out: &mut Vec<Value>) {
        let either = |json: &str, bytes: &str| {
            let value = fields.get(json).or_else(|| fields.get(bytes));
            value.cloned().unwrap_or_default()
        };
        out.push(json!({
            "topic": "lead-router.dead-letter",
            "key": either("key_json", "key_base64"),
            "timestamp": fields.get("timestamp").cloned().unwrap_or_default(),
            "headers": {
                "dlq.reason": error.reason,
                "dlq.field": error.field,
                "dlq.detail": error.detail,
            },
            "value": either("value_json", "value_base64"),
        }));
        self.acknowledge("dead_letter", Some(error.reason), out);
    }
}

/// A line that is no object: its text is all there is.
fn broken(text: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    let text = String::from_utf8_lossy(text).into_owned();
    fields.insert("value_json".to_owned(), Value::from(text));
    fields
}

const KNOWN: [&str; 11] = [
    "topic",
    "partition",
    "offset",
    "timestamp",
    "headers",
    "key_json",
    "key_base64",
    "key_null",
    "value_json",
    "value_base64",
    "value_null",
];

/// The record that a line describes.
fn read(fields: &Map<String, Value>) -> Result<RawRecord> {
    if let Some(name) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Error::new(reason::JSON_UNKNOWN_FIELD, name, "no field has this name"));
    }
    let number = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => {
            let number = value.as_i64();
            number.ok_or_else(|| Error::new(reason::JSON_TYPE, name, "must be a whole number"))
        }
    };
    let topic = match fields.get("topic") {
        Some(Value::String(topic)) => topic.clone(),
        None | Some(Value::Null) => String::new(),
        Some(_) => return Err(Error::new(reason::JSON_TYPE, "topic", "must be a text")),
    };
    let timestamp = match fields.get("timestamp") {
        Some(value) => crate::ingest::values::instant(value).unwrap_or(0),
        None => 0,
    };
    let value = bytes(fields, "value")?;
    let named = ["value_json", "value_base64", "value_null"];
    if !named.iter().any(|name| fields.contains_key(*name)) {
        let detail = "a line has value_json, value_base64 or value_null";
        return Err(Error::new(reason::FIELD_MISSING, "value_json", detail));
    }
    Ok(RawRecord {
        topic,
        partition: i32::try_from(number("partition")?).unwrap_or(0),
        offset: number("offset")?,
        timestamp,
        headers: headers(fields.get("headers"))?,
        key: bytes(fields, "key")?,
        value,
    })
}

/// The bytes of a key or a value, as JSON or in base64; none for a null.
fn bytes(fields: &Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>> {
    let (json, packed) = (format!("{name}_json"), format!("{name}_base64"));
    if let Some(value) = fields.get(&packed).filter(|value| !value.is_null()) {
        let bytes = value.as_str().and_then(|text| STANDARD.decode(text.trim()).ok());
        let unfit = || Error::new(reason::JSON_TYPE, packed.as_str(), "must be bytes in base64");
        return bytes.map(Some).ok_or_else(unfit);
    }
    match fields.get(&json) {
        None | Some(Value::Null) => Ok(None),
        // A key is text as it is; a value that is a text is JSON.
        Some(Value::String(text)) if name == "key" => Ok(Some(text.clone().into_bytes())),
        Some(value) => Ok(Some(value.to_string().into_bytes())),
    }
}

fn headers(value: Option<&Value>) -> Result<Vec<(String, Option<Vec<u8>>)>> {
    let unfit = || Error::new(reason::JSON_TYPE, "headers", "must be a list of [name, text]");
    let pairs = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(pairs)) => pairs,
        Some(_) => return Err(unfit()),
    };
    let pair = |pair: &Value| {
        let name = pair.get(0)?.as_str()?.to_owned();
        match pair.get(1)? {
            Value::String(text) => Some((name, Some(text.clone().into_bytes()))),
            Value::Null => Some((name, None)),
            other => Some((name, Some(other.to_string().into_bytes()))),
        }
    };
    pairs.iter().map(|it| pair(it).ok_or_else(unfit)).collect()
}
