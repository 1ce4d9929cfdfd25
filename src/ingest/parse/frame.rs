//! What a value is, by its first bytes and its headers; a wrong guess is never applied.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::codec::avro;
use crate::codec::error::{Error, Result, reason};
use crate::codec::json;
use crate::ingest::bitmap;
use crate::ingest::schema::{Schemas, Writer, entity_name};

type Header = (String, Option<Vec<u8>>);

/// A value out of its frame, with the schema that it was written with.
#[derive(Debug)]
pub(super) struct Framed {
    pub(super) value: Value,
    pub(super) writer: Option<Arc<Writer>>,
}

/// Kafka headers that name the schema of an unframed body.
const SCHEMA_HEADERS: [&str; 6] = [
    "__value_schema_id",
    "schema_id",
    "schemaid",
    "camelheader.camelsalesforcechangeeventschema",
    "salesforce.schema.id",
    "sf.schema.id",
];

pub(super) fn read(value: &[u8], headers: &[Header], schemas: &Schemas) -> Result<Framed> {
    let short = || Error::new(reason::FRAME_TOO_SHORT, "value", "ends within its header");
    let start = value.trim_ascii_start();
    if matches!(start, [b'{' | b'[' | b'"', ..]) {
        return Ok(Framed { value: json::parse(value)?, writer: None });
    }
    match value {
        [] => Err(short()),
        [0, rest @ ..] => {
            let (id, body) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            if matches!(body.trim_ascii_start(), [b'{', ..]) {
                return Ok(Framed { value: json::parse(body)?, writer: None });
            }
            datum(body, schemas.get(&u32::from_be_bytes(*id).to_string())?)
        }
        [0xc3] => Err(short()),
        [0xc3, 1, rest @ ..] => {
            let (fingerprint, body) = rest.split_first_chunk::<8>().ok_or_else(short)?;
            let fingerprint = u64::from_le_bytes(*fingerprint);
            let unknown = || {
                let detail = "no schema at hand has the fingerprint that the value names";
                Error::new(reason::SCHEMA_UNKNOWN, "value", detail)
            };
            datum(body, schemas.by_fingerprint(fingerprint).ok_or_else(unknown)?)
        }
        [1, rest @ ..] => {
            let known = rest.split_first_chunk::<16>();
            let known = known.map(|(id, body)| (guid(id), body));
            match known.filter(|(id, _)| schemas.contains(id)) {
                Some((id, body)) => datum(body, schemas.get(&id)?),
                None => {
                    let detail = "is framed with a schema GUID that is not known: let the producer \
                                  frame with schema ids";
                    Err(Error::new(reason::FRAME_GUID_UNSUPPORTED, "value", detail))
                }
            }
        }
        _ => bare(value, headers, schemas),
    }
}

/// Avro without a frame: by the schema that a header names, else by the one schema that fits.
fn bare(body: &[u8], headers: &[Header], schemas: &Schemas) -> Result<Framed> {
    if let Some(id) = header_schema(headers) {
        return datum(body, schemas.get(&id)?);
    }
    guess(body, schemas)
}

/// A body whose schema is named beside it.
pub(super) fn named(body: &[u8], id: &str, schemas: &Schemas) -> Result<Framed> {
    match schemas.contains(id) {
        true => datum(body, schemas.get(id)?),
        false => guess(body, schemas),
    }
}

/// The schema that reads the body to its last byte as an event of its own object, and whose positions name
/// what is there. Versions that say the same are as good as one; others are one too many.
fn guess(body: &[u8], schemas: &Schemas) -> Result<Framed> {
    let reads = |writer: &Arc<Writer>| {
        let value = avro::read(&writer.plan, body).ok()?;
        let said = value.pointer("/ChangeEventHeader/entityName")?.as_str()?;
        let names = Some(said).filter(|it| *it == entity_name(&writer.name));
        let names = names.and_then(|_| named_fields(&value, writer))?;
        Some((Framed { value, writer: Some(writer.clone()) }, names))
    };
    let mut fitting: Vec<_> = schemas.writers().filter_map(reads).collect();
    let Some((first, names)) = fitting.pop() else {
        let detail = "tried: JSON, Confluent framing (00 and a schema id, 01 and a GUID), Avro single \
                      object (C3 01), a schema id in a header, bare Avro by every schema at hand";
        return Err(Error::new(reason::FRAME_MAGIC, "value", detail));
    };
    if fitting.iter().any(|(other, others)| other.value != first.value || *others != names) {
        let detail = "is Avro without a frame, and more than one schema at hand reads it";
        return Err(Error::new(reason::SHAPE_UNKNOWN, "value", detail));
    }
    Ok(first)
}

/// What the bitmaps name, if the fields that an update carries are among it.
fn named_fields(value: &Value, writer: &Writer) -> Option<[Vec<String>; 3]> {
    let list = |name: &str| -> Option<Vec<String>> {
        let items = value.pointer(&format!("/ChangeEventHeader/{name}")).and_then(Value::as_array);
        let items = items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        bitmap::names(&items.collect::<Vec<String>>(), &writer.table, name).ok()
    };
    let [changed, nulled, diff] =
        [list("changedFields")?, list("nulledFields")?, list("diffFields")?];
    let tops: Vec<&str> = changed.iter().filter_map(|name| name.split('.').next()).collect();
    let mut fields = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let agrees = changed.is_empty()
        || fields.all(|name| name == "ChangeEventHeader" || tops.contains(&name));
    agrees.then_some([changed, nulled, diff])
}

fn datum(body: &[u8], writer: Arc<Writer>) -> Result<Framed> {
    let value = avro::read(&writer.plan, body)?;
    Ok(Framed { value, writer: Some(writer) })
}

/// The id as text: in digits, or as the bytes of a frame.
fn header_schema(headers: &[Header]) -> Option<String> {
    let named = |(name, _): &&Header| SCHEMA_HEADERS.contains(&&*name.to_ascii_lowercase());
    let value = headers.iter().find(named)?.1.as_deref()?;
    match value {
        [0, id @ ..] if id.len() == 4 => {
            let id = <[u8; 4]>::try_from(id).ok()?;
            Some(u32::from_be_bytes(id).to_string())
        }
        [1, id @ ..] if id.len() == 16 => Some(guid(&<[u8; 16]>::try_from(id).ok()?)),
        text => Some(std::str::from_utf8(text).ok()?.trim().to_owned()),
    }
}

fn guid(bytes: &[u8; 16]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().concat();
    [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join("-")
}

/// Bytes that came as text inside JSON.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))).ok()
}
