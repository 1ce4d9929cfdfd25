//! What a value is, by its first bytes: whatever we write, we read all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::avro;
use super::error::{Error, Result, reason};
use super::json;
use super::schema::{Record, Writer};

/// A value, taken out of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `C3 01`, the fingerprint (little end first), an Avro datum.
    SingleObject { fingerprint: u64, body: &'a [u8] },
    /// `00`, the registry's id of the schema (big end first), an Avro datum.
    Confluent { id: u32, body: &'a [u8] },
    /// A JSON object.
    Json(&'a [u8]),
}

impl<'a> Frame<'a> {
    pub fn of(value: &'a [u8]) -> Result<Frame<'a>> {
        let short = || Error::new(reason::FRAME_TOO_SHORT, "value", "ends within its header");
        match value {
            [] => Err(short()),
            [b'{', ..] => Ok(Frame::Json(value)),
            [0, rest @ ..] => {
                let (id, body) = rest.split_first_chunk::<4>().ok_or_else(short)?;
                Ok(Frame::Confluent { id: u32::from_be_bytes(*id), body })
            }
            [0xc3] => Err(short()),
            [0xc3, 1, rest @ ..] => {
                let (fingerprint, body) = rest.split_first_chunk::<8>().ok_or_else(short)?;
                let fingerprint = u64::from_le_bytes(*fingerprint);
                Ok(Frame::SingleObject { fingerprint, body })
            }
            [1, ..] => Err(Error::new(
                reason::FRAME_GUID_UNSUPPORTED,
                "value",
                "is framed with a schema GUID: let the producer frame with schema ids",
            )),
            _ => Err(Error::new(
                reason::FRAME_MAGIC,
                "value",
                "is neither Avro (C3 01, or 00 and a schema id) nor a JSON object",
            )),
        }
    }
}

/// The schemas that a registry knows by id, as far as they were fetched. Ids never change their meaning,
/// so nothing is ever forgotten.
#[derive(Clone, Debug, Default)]
pub struct SchemaIds {
    known: Arc<RwLock<BTreeMap<u32, Result<Arc<Writer>>>>>,
}

impl SchemaIds {
    /// Keeps what the registry said an id is: a schema text, which may turn out to be unfit.
    pub fn insert(&self, id: u32, schema: &str) -> Result<Record> {
        let writer = Writer::parse(schema).map(Arc::new);
        let record = writer.as_ref().map(|writer| writer.record).map_err(Clone::clone);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(id, writer);
        record
    }

    /// Whether an id need not be fetched.
    pub fn contains(&self, id: u32) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    fn get(&self, id: u32) -> Result<Arc<Writer>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || {
            let detail = format!("the registry's schema {id} is not known");
            Err(Error::new(reason::SCHEMA_UNKNOWN, "value", detail))
        };
        known.get(&id).cloned().unwrap_or_else(unknown)
    }
}

/// Reads a value of a record, however it is framed, as JSON.
pub fn read_value(record: Record, value: &[u8], ids: &SchemaIds) -> Result<Value> {
    match Frame::of(value)? {
        Frame::Json(text) => json::parse(text),
        Frame::Confluent { id, body } => {
            let writer = ids.get(id)?;
            expect(record, writer.record)?;
            avro::read(&writer.plan, body)
        }
        Frame::SingleObject { fingerprint, body } => {
            let Some(embedded) = Record::by_fingerprint(fingerprint) else {
                let detail = format!("no released schema has the fingerprint {fingerprint:016x}");
                return Err(Error::new(reason::SCHEMA_UNKNOWN, "value", detail));
            };
            expect(record, embedded.record)?;
            avro::read(embedded.plan(), body)
        }
    }
}

/// The bytes of a datum of exactly our own schema, if the value is one.
pub(super) fn own_datum<'v>(record: Record, value: &'v [u8], ids: &SchemaIds) -> Option<&'v [u8]> {
    match Frame::of(value).ok()? {
        Frame::SingleObject { fingerprint, body } => {
            (fingerprint == record.embedded().fingerprint).then_some(body)
        }
        Frame::Confluent { id, body } => {
            let writer = ids.get(id).ok()?;
            (writer.record == record && writer.is_ours).then_some(body)
        }
        Frame::Json(_) => None,
    }
}

fn expect(wanted: Record, found: Record) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    let detail = format!("expected the record {}, found {}", wanted.name(), found.name());
    Err(Error::new(reason::SCHEMA_UNEXPECTED_NAME, "value", detail))
}
