//! One line of the filter's input: an event, a tick, a question.

use serde_json::{Map, Value};

use super::answer::Broken;
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

pub(super) fn read(text: &[u8]) -> std::result::Result<Line, Box<Broken>> {
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    match json::parse(text) {
        Ok(Value::Object(fields)) => {
            understand(fields).map_err(|error| Box::new(Broken::event(error, text, moment(text))))
        }
        Ok(_) => {
            let error = Error::new(reason::JSON_TYPE, "line", "must be an object");
            Err(Box::new(Broken::line(error, text)))
        }
        Err(error) => {
            let error = Error { field: "line".to_owned(), ..error };
            Err(Box::new(Broken::line(error, text)))
        }
    }
}

fn understand(mut fields: Map<String, Value>) -> Result<Line> {
    if fields.contains_key("tick") {
        tick(&fields)
    } else if fields.contains_key("state") {
        question(&fields)
    } else if let Some(inner) = fields.get_mut("dry_run").map(Value::take) {
        only(&fields, &["dry_run"]).and_then(|()| dry_run(inner))
    } else {
        event(fields).map(Line::Event)
    }
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
    let Value::Object(fields) = inner else {
        return Err(Error::new(reason::JSON_TYPE, "dry_run", "must be an object"));
    };
    let event = event(fields)?;
    if !event.topic.is_reference() {
        return Err(Error::new(reason::JSON_ENUM, "topic", "must be one of reference data"));
    }
    Ok(Line::DryRun(event))
}

fn event(mut fields: Map<String, Value>) -> Result<Event> {
    let (topic, domain, at) = envelope(&fields)?;
    let value = fields.remove("value").unwrap_or_default();
    Ok(Event { topic, domain, at, value })
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

/// When a line is from of which nothing else is understood.
fn moment(text: &[u8]) -> Option<Timestamp> {
    instant("timestamp", json::parse(text).ok()?.get("timestamp")?).ok()
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
