//! What a value is, by its first bytes or by a header: whatever we write, we read all of them.

use serde_json::Value;

use super::avro;
use super::error::{Error, Result, reason};
use super::json;
use super::schema::Record;
use super::schema_ids::{SchemaIds, SchemaRef};

/// A record's headers, as the log has them.
pub type Headers<'a> = &'a [(String, Option<Vec<u8>>)];

/// Newer clients of a registry name the schema here, and then frame nothing.
const VALUE_SCHEMA: &str = "__value_schema_id";

/// A value, taken out of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `C3 01`, the fingerprint (little end first), an Avro datum.
    SingleObject { fingerprint: u64, body: &'a [u8] },
    /// An Avro datum whose schema a registry knows: `00` and its id, or `01` and its GUID (big end first),
    /// before the datum or in a header.
    Registered { schema: SchemaRef, body: &'a [u8] },
    /// JSON text: an object, or for the parser to say what it is instead.
    Json(&'a [u8]),
}

impl<'a> Frame<'a> {
    /// A header that names the schema counts, and the value is then the datum, whatever it begins with.
    pub fn of(value: &'a [u8], headers: Headers<'_>) -> Result<Frame<'a>> {
        let named = headers.iter().rev().find(|(name, _)| name == VALUE_SCHEMA);
        if let Some((_, said)) = named {
            let (schema, _) = registered(said.as_deref().unwrap_or_default())
                .filter(|(_, rest)| rest.is_empty())
                .ok_or_else(|| {
                    let detail = "is neither 00 and a schema id nor 01 and a schema GUID";
                    Error::new(reason::FRAME_MAGIC, format!("headers.{VALUE_SCHEMA}"), detail)
                })?;
            return Ok(Frame::Registered { schema, body: value });
        }
        let short = || Error::new(reason::FRAME_TOO_SHORT, "value", "ends within its header");
        match value {
            [] | [0xc3] => Err(short()),
            // No frame begins so; a mark of byte order is for the parser to refuse.
            [b'{' | b'[' | b'"' | b' ' | b'\t' | b'\r' | b'\n' | b'n', ..]
            | [0xef, 0xbb, ..]
            | [0xff, 0xfe, ..]
            | [0xfe, 0xff, ..] => Ok(Frame::Json(value)),
            [0 | 1, ..] => {
                let (schema, body) = registered(value).ok_or_else(short)?;
                Ok(Frame::Registered { schema, body })
            }
            [0xc3, 1, rest @ ..] => {
                let (fingerprint, body) = rest.split_first_chunk::<8>().ok_or_else(short)?;
                let fingerprint = u64::from_le_bytes(*fingerprint);
                Ok(Frame::SingleObject { fingerprint, body })
            }
            _ => Err(Error::new(
                reason::FRAME_MAGIC,
                "value",
                "is neither Avro (C3 01, or 00 and a schema id, or 01 and a GUID) nor a JSON object",
            )),
        }
    }
}

/// The name of a registered schema, and what follows it.
fn registered(bytes: &[u8]) -> Option<(SchemaRef, &[u8])> {
    match bytes {
        [0, rest @ ..] => {
            let (id, rest) = rest.split_first_chunk::<4>()?;
            Some((SchemaRef::Id(u32::from_be_bytes(*id)), rest))
        }
        [1, rest @ ..] => {
            let (guid, rest) = rest.split_first_chunk::<16>()?;
            Some((SchemaRef::Guid(*guid), rest))
        }
        _ => None,
    }
}

/// Whether a value cannot be read yet, because the registry has still to say what its schema is.
pub fn waits(value: &[u8], headers: Headers<'_>, ids: &SchemaIds) -> bool {
    match Frame::of(value, headers) {
        Ok(Frame::Registered { schema, .. }) => ids.waits(schema),
        _ => false,
    }
}

/// Reads a value of a record, however it is framed, as JSON.
pub fn read_value(
    record: Record,
    value: &[u8],
    headers: Headers<'_>,
    ids: &SchemaIds,
) -> Result<Value> {
    match Frame::of(value, headers)? {
        Frame::Json(text) => json::parse(text),
        Frame::Registered { schema, body } => {
            let writer = ids.get(schema)?;
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
pub(super) fn own_datum<'v>(
    record: Record,
    value: &'v [u8],
    headers: Headers<'_>,
    ids: &SchemaIds,
) -> Option<&'v [u8]> {
    match Frame::of(value, headers).ok()? {
        Frame::SingleObject { fingerprint, body } => {
            (fingerprint == record.embedded().fingerprint).then_some(body)
        }
        Frame::Registered { schema, body } => {
            let writer = ids.get(schema).ok()?;
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
