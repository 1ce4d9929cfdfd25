//! One line of the filter's input: an event, a tick, a question.

use serde_json::{Map, Value};

use crate::codec::error::{Error, Result, reason};
use crate::codec::json;
use crate::domain::ids::DomainId;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;

/// What a line says, as far as it can be understood.
#[derive(Debug)]
pub(super) enum Line {
    Blank,
    Event(Event),
    /// Time moves to here; with a jump nothing fires on the way.
    Tick {
        at: Timestamp,
        jump: bool,
    },
    Digest,
    Reps,
    /// Leads that nobody has, and since when.
    Waiting,
    Unstaffed,
    /// How many leads changes of reference data have moved, from whom to whom.
    Moves,
    /// Who wins what, by rep and part of the segment.
    Rates,
    /// What a change of reference data would move.
    DryRun(Event),
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) topic: Topic,
    pub(super) domain: DomainId,
    pub(super) at: Timestamp,
    pub(super) value: Value,
}

/// A line that nothing can be made of, with what is known of it for the dead letter.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) error: Error,
    pub(super) key: Value,
    pub(super) at: Option<Timestamp>,
    /// The line's value, or its text.
    pub(super) value: Value,
}

pub(super) fn read(text: &[u8]) -> std::result::Result<Line, Box<Broken>> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    let whole = || Value::from(String::from_utf8_lossy(text));
    let broken = |error| Box::new(Broken { error, key: Value::Null, at: None, value: whole() });
    match json::parse(text) {
        Ok(Value::Object(fields)) => understand(fields).map_err(|fault| {
            let (error, fields) = *fault;
            Box::new(Broken {
                error,
                key: fields.get("key").cloned().unwrap_or_default(),
                at: fields.get("timestamp").and_then(|at| instant("timestamp", at).ok()),
                value: fields.get("value").cloned().unwrap_or_else(whole),
            })
        }),
        Ok(_) => Err(broken(Error::new(reason::JSON_TYPE, "line", "must be an object"))),
        Err(error) => Err(broken(Error { field: "line".to_owned(), ..error })),
    }
}

type Fault = Box<(Error, Map<String, Value>)>;

fn understand(mut fields: Map<String, Value>) -> std::result::Result<Line, Fault> {
    let line = if fields.contains_key("tick") {
        tick(&fields)
    } else if fields.contains_key("state") {
        question(&fields)
    } else if let Some(inner) = fields.get_mut("dry_run").map(Value::take) {
        only(&fields, &["dry_run"]).and_then(|()| dry_run(inner))
    } else {
        match envelope(&fields) {
            Ok((topic, domain, at)) => {
                let value = fields.remove("value").unwrap_or_default();
                Ok(Line::Event(Event { topic, domain, at, value }))
            }
            Err(error) => Err(error),
        }
    };
    line.map_err(|error| Box::new((error, fields)))
}

fn only(fields: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Error::new(reason::JSON_UNKNOWN_FIELD, name, "no field has this name")),
        None => Ok(()),
    }
}

fn tick(fields: &Map<String, Value>) -> Result<Line> {
    only(fields, &["tick", "jump"])?;
    let at = instant("tick", fields.get("tick").unwrap_or(&Value::Null))?;
    let jump = match fields.get("jump") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(jump)) => *jump,
        Some(_) => return Err(Error::new(reason::JSON_TYPE, "jump", "must be true or false")),
    };
    Ok(Line::Tick { at, jump })
}

fn question(fields: &Map<String, Value>) -> Result<Line> {
    only(fields, &["state"])?;
    match fields.get("state").and_then(Value::as_str) {
        Some("digest") => Ok(Line::Digest),
        Some("reps") => Ok(Line::Reps),
        Some("waiting") => Ok(Line::Waiting),
        Some("unstaffed") => Ok(Line::Unstaffed),
        Some("moves") => Ok(Line::Moves),
        Some("rates") => Ok(Line::Rates),
        Some(_) => {
            let known = "must be `digest`, `reps`, `rates`, `waiting`, `unstaffed` or `moves`";
            Err(Error::new(reason::JSON_ENUM, "state", known))
        }
        None => Err(Error::new(reason::JSON_TYPE, "state", "must be text")),
    }
}

fn dry_run(inner: Value) -> Result<Line> {
    let Value::Object(mut fields) = inner else {
        return Err(Error::new(reason::JSON_TYPE, "dry_run", "must be an object"));
    };
    let (topic, domain, at) = envelope(&fields)?;
    if !topic.is_reference() {
        return Err(Error::new(reason::JSON_ENUM, "topic", "must be one of reference data"));
    }
    let value = fields.remove("value").unwrap_or_default();
    Ok(Line::DryRun(Event { topic, domain, at, value }))
}

fn envelope(fields: &Map<String, Value>) -> Result<(Topic, DomainId, Timestamp)> {
    only(fields, &["topic", "key", "timestamp", "value"])?;
    let missing = |name: &str| Error::new(reason::FIELD_MISSING, name, "is missing");
    let text = |name: &str| Error::new(reason::JSON_TYPE, name, "must be text");
    let topic = match fields.get("topic") {
        None | Some(Value::Null) => return Err(missing("topic")),
        Some(Value::String(name)) => json::topic(name)?,
        Some(_) => return Err(text("topic")),
    };
    let domain = match fields.get("key") {
        None | Some(Value::Null) => {
            return Err(Error::new(reason::KEY_MISSING, "key", "the key is the routing domain"));
        }
        Some(Value::String(key)) => DomainId::parse(key)
            .map_err(|fault| Error::new(reason::ID_INVALID, "key", fault.to_string()))?,
        Some(_) => return Err(text("key")),
    };
    let at = match fields.get("timestamp") {
        None | Some(Value::Null) => return Err(missing("timestamp")),
        Some(at) => instant("timestamp", at)?,
    };
    Ok((topic, domain, at))
}

fn instant(name: &str, value: &Value) -> Result<Timestamp> {
    let Some(millis) = json::millis(value) else {
        let wanted = "must be milliseconds or an RFC 3339 time";
        return Err(Error::new(reason::JSON_TYPE, name, wanted));
    };
    let at = i64::try_from(millis).ok().map(Timestamp);
    at.filter(|at| (Timestamp::MIN..=Timestamp::MAX).contains(at)).ok_or_else(|| {
        let (low, high) = (Timestamp::MIN, Timestamp::MAX);
        Error::new(reason::TIMESTAMP_RANGE, name, format!("must be from {low} to {high}"))
    })
}
