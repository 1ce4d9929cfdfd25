//! Events to bytes, in the form that the settings choose.

use std::collections::BTreeMap;

use serde_json::Value;

use super::avro;
use super::direct;
use super::error::{Error, Result, reason};
use super::json;
use super::schema::Record;
use crate::domain::input::Input;
use crate::domain::published::{LeadAssigned, SlaBreached};

/// How values are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Avro single-object encoding: needs no registry.
    SingleObject,
    /// Confluent framing, with the registry's id of each record that is written.
    Confluent(BTreeMap<Record, u32>),
    Json,
}

/// Writes events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    pub format: Format,
}

impl Encoder {
    pub fn new(format: Format) -> Encoder {
        Encoder { format }
    }

    pub fn assigned(&self, fact: &LeadAssigned) -> Result<Vec<u8>> {
        if self.format != Format::Json {
            let mut out = self.head(Record::LeadAssigned)?;
            if direct::assigned(fact, &mut out).is_some() {
                return Ok(out);
            }
        }
        self.value(Record::LeadAssigned, &json::encode_assigned(fact))
    }

    pub fn breached(&self, fact: &SlaBreached) -> Result<Vec<u8>> {
        self.value(Record::SlaBreached, &json::encode_breached(fact))
    }

    /// An event in, for producers: the demonstration, ingest, tests.
    pub fn event(&self, input: &Input) -> Result<Vec<u8>> {
        let Some((topic, value)) = json::encode_event(input) else {
            return Err(Error::new(reason::TOPIC_UNKNOWN, "topic", "a timer is no event"));
        };
        self.value(Record::of(topic), &value)
    }

    /// A value in JSON form as bytes of its record.
    pub fn value(&self, record: Record, value: &Value) -> Result<Vec<u8>> {
        if self.format == Format::Json {
            return Ok(value.to_string().into_bytes());
        }
        let mut out = self.head(record)?;
        avro::write(record.embedded().plan(), value, &mut out)?;
        Ok(out)
    }

    /// What stands before the data.
    fn head(&self, record: Record) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(1_024);
        match &self.format {
            Format::Json => {}
            Format::SingleObject => {
                out.extend_from_slice(&[0xc3, 1]);
                out.extend_from_slice(&record.embedded().fingerprint.to_le_bytes());
            }
            Format::Confluent(ids) => {
                let Some(id) = ids.get(&record) else {
                    let detail = format!("no registry id for {}", record.name());
                    return Err(Error::new(reason::SCHEMA_UNKNOWN, "schema", detail));
                };
                out.push(0);
                out.extend_from_slice(&id.to_be_bytes());
            }
        }
        Ok(out)
    }
}
