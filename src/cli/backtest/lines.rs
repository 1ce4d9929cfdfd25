//! The lines of a recording: what went into `pipe`, what came out of it, or both in one file.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::error::Error;
use crate::codec::json;
use crate::domain::ids::DomainId;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;
use crate::engine::filter::Event;
use crate::evaluate::replay::{Heard, Written};
use crate::evaluate::unusable::Fault;

/// Reads lines, one after the other.
#[derive(Debug, Default)]
pub struct Lines {
    pub read: u64,
    time: Timestamp,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tick: Option<&'a RawValue>,
    #[serde(default)]
    jump: bool,
}

impl Lines {
    /// What a line says.
    pub fn line(&mut self, text: &[u8]) -> Heard {
        self.read += 1;
        let text = text.trim_ascii();
        if text.is_empty() {
            return Heard::Nothing;
        }
        let line = self.read;
        self.understand(text).unwrap_or_else(|why| Heard::Unusable(Box::new(Fault { line, why })))
    }

    fn understand(&mut self, text: &[u8]) -> Result<Heard, String> {
        let no_json = || "is no JSON object".to_owned();
        let text = std::str::from_utf8(text).map_err(|_| no_json())?;
        if json::is_assigned(text) {
            return Ok(Heard::Written(Written { line: self.read, text: text.into() }));
        }
        if let Some(fact) = json::read_assigned(text) {
            return Ok(Heard::Assigned(Box::new(fact)));
        }
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|_| no_json())?;
        if let Some(tick) = envelope.tick {
            let at = self.moment(Some(tick), "tick")?;
            return Ok(Heard::Tick { at, jump: envelope.jump });
        }
        // An answer of the filter's: an acknowledgement, a digest.
        let Some(topic) = envelope.topic else { return Ok(Heard::Nothing) };
        let value = envelope.value.map_or("null", RawValue::get).as_bytes();
        let told = |error: Error| error.to_string();
        match &*topic {
            "lead-assigned" => {
                let value = json::parse(value).map_err(told)?;
                Ok(Heard::Assigned(Box::new(json::decode_assigned(&value).map_err(told)?)))
            }
            "sla-breached" => {
                let value = json::parse(value).map_err(told)?;
                Ok(Heard::Breached(Box::new(json::decode_breached(&value).map_err(told)?)))
            }
            "lead-router.dead-letter" => Ok(Heard::Nothing),
            name => {
                let topic = json::topic(name).map_err(told)?;
                let key: Option<String> =
                    envelope.key.and_then(|key| serde_json::from_str(key.get()).ok());
                let key = key.ok_or("has no key: the key is the routing domain")?;
                let domain = DomainId::parse(&key).map_err(|why| format!("key: {why}"))?;
                let at = self.moment(envelope.timestamp, "timestamp")?;
                self.event(topic, domain, at, value)
            }
        }
    }

    fn event(
        &mut self,
        topic: Topic,
        domain: DomainId,
        at: Timestamp,
        value: &[u8],
    ) -> Result<Heard, String> {
        let told = |error: Error| error.to_string();
        let value = json::parse(value).map_err(told)?;
        let now = self.time.max(at);
        let input = json::decode_event(topic, &value, now, true).map_err(told)?;
        self.time = now;
        let offset = self.read as i64;
        Ok(Heard::Event(Box::new(Event { topic, domain, at, offset, input })))
    }

    fn moment(&self, text: Option<&RawValue>, name: &str) -> Result<Timestamp, String> {
        let value = text.and_then(|text| serde_json::from_str(text.get()).ok());
        let millis = value.as_ref().and_then(json::millis).and_then(|ms| i64::try_from(ms).ok());
        let at = millis.map(Timestamp);
        at.filter(|at| (Timestamp::MIN..=Timestamp::MAX).contains(at)).ok_or_else(|| {
            format!("{name}: must be milliseconds or an RFC 3339 time from 2000 to 2100")
        })
    }
}
