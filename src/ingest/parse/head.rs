//! Who, what and when: the operation, the object, the ids and the commit of a change.

use serde_json::{Map, Value};

use super::envelope::HEADER;
use super::{Found, RawRecord, flat};
use crate::codec::error::{Error, Result, reason};
use crate::codec::json;
use crate::ingest::change::ChangeType;
use crate::ingest::id;
use crate::ingest::schema::entity_name;
use crate::ingest::values;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Head {
    pub(super) entity: String,
    /// As it was written, with where; it is judged once the object is known to be wanted.
    pub(super) operation: Option<String>,
    pub(super) operation_field: &'static str,
    /// Salesforce's own name of a change type, which has no synonyms.
    pub(super) is_change_type: bool,
    pub(super) record_ids: Vec<String>,
    pub(super) changed: Option<Vec<String>>,
    pub(super) nulled: Option<Vec<String>>,
    pub(super) diff: Vec<String>,
    pub(super) transaction_key: Option<String>,
    pub(super) sequence_number: Option<i64>,
    pub(super) commit_timestamp_ms: Option<i64>,
    pub(super) commit_number: Option<i64>,
    pub(super) commit_user: Option<String>,
    /// The record came without a header of Salesforce's.
    pub(super) is_flat: bool,
}

impl Head {
    pub(super) fn change_type(&self) -> Result<ChangeType> {
        let Some(operation) = &self.operation else {
            if self.entity.ends_with("__e") {
                return Ok(ChangeType::Snapshot);
            }
            let detail = "what was done is not said (tried: ChangeEventHeader.changeType, Kafka \
                          headers, _EventType, op, operation)";
            return Err(Error::new(reason::FIELD_MISSING, self.operation_field, detail));
        };
        let kind = match self.is_change_type {
            true => ChangeType::named(operation).filter(|kind| *kind != ChangeType::Snapshot),
            false => ChangeType::of_operation(operation),
        };
        let unknown = || {
            let detail = "is no change type that has a meaning here";
            Error::new(reason::ENUM_UNKNOWN, self.operation_field, detail)
        };
        kind.ok_or_else(unknown)
    }
}

/// Finds the head: in the event's own header, else in Kafka headers, else in the record's fields.
pub(super) fn of(found: &mut Found, record: &RawRecord) -> Result<Head> {
    let mut head = match found.body.remove(HEADER) {
        Some(Value::Object(header)) => of_header(&header),
        _ => flat::head(found, record)?,
    };
    if head.entity.is_empty() {
        head.entity = entity(found, record, &head);
    }
    if head.entity.is_empty() {
        let detail = "nothing says of which object this is (tried: ChangeEventHeader, Kafka headers \
                      (source.*, sf.*, operation and sobject, CamelSalesforce*), _EventType and \
                      _ObjectType, Debezium's op, the schema's name, the channel, the id's prefix)";
        return Err(Error::new(reason::SHAPE_UNKNOWN, "value", detail));
    }
    if head.record_ids.is_empty() {
        head.record_ids = ids_beside(found, record);
    }
    Ok(head)
}

/// `ChangeEventHeader` itself, complete or not.
fn of_header(header: &Map<String, Value>) -> Head {
    let text = |name: &str| header.get(name).and_then(values::text);
    let number = |name: &str| header.get(name).and_then(values::whole);
    Head {
        entity: text("entityName").map(|name| entity_name(&name)).unwrap_or_default(),
        operation: text("changeType"),
        operation_field: "ChangeEventHeader.changeType",
        is_change_type: true,
        record_ids: header.get("recordIds").map(texts).unwrap_or_default(),
        changed: header.get("changedFields").filter(|it| !it.is_null()).map(texts),
        nulled: header.get("nulledFields").filter(|it| !it.is_null()).map(texts),
        diff: header.get("diffFields").map(texts).unwrap_or_default(),
        transaction_key: text("transactionKey"),
        sequence_number: number("sequenceNumber"),
        commit_timestamp_ms: header.get("commitTimestamp").and_then(values::instant),
        commit_number: number("commitNumber"),
        commit_user: text("commitUser"),
        is_flat: false,
    }
}

/// A list of texts: as a list, as JSON in a text, or with commas.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(values::text).collect(),
        Value::String(text) if text.trim_start().starts_with('[') => {
            json::parse(text.as_bytes()).map(|inner| texts(&inner)).unwrap_or_else(|_| {
                let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
                split(inner)
            })
        }
        Value::String(text) => split(text),
        _ => Vec::new(),
    }
}

fn split(text: &str) -> Vec<String> {
    let parts = text.split([',', ';']).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What else may name the object.
fn entity(found: &Found, record: &RawRecord, head: &Head) -> String {
    let of_type = found.body.get("_ObjectType").and_then(values::text);
    let of_channel = ["channel", "topic", "subject"].iter().find_map(|name| {
        let channel = found.around.get(*name).and_then(values::text)?;
        let is_channel = channel.starts_with("/data/") || channel.starts_with("/event/");
        is_channel.then_some(channel)
    });
    let of_writer = || Some(found.writer.as_ref()?.name.clone());
    let named = of_type.or(of_channel).or_else(of_writer).map(|name| entity_name(&name));
    let of_id = || {
        let ids = match head.record_ids.is_empty() {
            true => ids_beside(found, record),
            false => head.record_ids.clone(),
        };
        ids.first().and_then(|id| id::entity_of(id)).map(str::to_owned)
    };
    named.filter(|name| name != "ChangeEvents").or_else(of_id).unwrap_or_default()
}

/// The id in the record's fields, around it, or in the key.
fn ids_beside(found: &Found, record: &RawRecord) -> Vec<String> {
    let body = |name: &&str| found.body.get(*name).and_then(values::text);
    let inside = ["Id", "id", "ID", "recordId", "record_id"].iter().find_map(body);
    let around = || {
        let lists = ["recordIds", "record_ids", "recordId", "record_id"];
        let list = lists.iter().find_map(|name| found.around.get(*name)).map(texts);
        list.filter(|ids| !ids.is_empty())
    };
    let key = || record.key.as_deref().and_then(id_of_key);
    match inside {
        Some(id) => vec![id],
        None => around().or_else(|| key().map(|id| vec![id])).unwrap_or_default(),
    }
}

/// The id in a key: as bare text, or as JSON with `Id`, with or without Connect's envelope.
pub(super) fn id_of_key(key: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(key).ok()?.trim();
    if id::extend(text).is_ok() {
        return Some(text.to_owned());
    }
    let mut value = json::parse(text.as_bytes()).ok()?;
    for _ in 0..3 {
        match value {
            Value::String(text) => return Some(text),
            Value::Object(mut map) => {
                let names = ["Id", "id", "ID", "recordId", "record_id"];
                if let Some(id) =
                    names.iter().find_map(|name| map.get(*name)).and_then(values::text)
                {
                    return Some(id);
                }
                value = map.remove("payload")?;
            }
            _ => return None,
        }
    }
    None
}
