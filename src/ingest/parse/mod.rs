//! A bridged record, whatever its shape, to what it says: one [`Change`].
//!
//! *Frame*: how the bytes are wrapped (JSON, a schema's id and Avro). *Envelope*: objects around the record
//! (`data`, `payload`, Connect's `schema` and `payload`, Debezium's `before` and `after`). *Head*: the
//! operation, the object, the ids and the commit, wherever the bridge puts them. *Fields*: which of the
//! record's fields changed, were cleared, or only came along.

mod envelope;
mod fields;
mod flat;
mod frame;
mod head;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::head::Head;
use super::change::{Change, ChangeType};
use super::id;
use super::mapping::Mapping;
use super::schema::{Schemas, Writer};
use crate::codec::error::{Error, Result, reason};
use crate::domain::time::Timestamp;

/// A record of a bridged topic, as the log has it.
#[derive(Clone, Debug, Default)]
pub struct RawRecord {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// What was found around and in a value.
#[derive(Debug, Default)]
struct Found {
    /// The object that holds the record's fields.
    body: Map<String, Value>,
    /// What the envelopes around it said: texts and numbers by name.
    around: Map<String, Value>,
    /// The schema that it was written with.
    writer: Option<Arc<Writer>>,
    /// Every field is there, so a null says nothing by itself.
    is_dense: bool,
    /// The record before, where the bridge has it.
    before: Option<Map<String, Value>>,
}

/// Reads records. The tables are shared by all; nothing is remembered from one record to the next.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    pub schemas: Schemas,
    pub mapping: Arc<Mapping>,
}

impl Parser {
    /// What a record says, or why nobody can tell.
    pub fn parse(&self, record: &RawRecord) -> Result<Change> {
        let Some(value) = &record.value else { return self.tombstone(record) };
        let framed = frame::read(value, &record.headers, &self.schemas)?;
        let mut found = envelope::open(framed, &self.schemas)?;
        let head = head::of(&mut found, record)?;
        self.change(found, head, record)
    }

    fn change(&self, found: Found, head: Head, record: &RawRecord) -> Result<Change> {
        let wanted = self.mapping.object(&head.entity);
        let mut change = Change::new(head.entity.clone(), ChangeType::Snapshot);
        change.offset = record.offset;
        change.recorded_at_ms = record.timestamp;
        change.transaction_key = head.transaction_key.clone();
        change.sequence_number = head.sequence_number;
        change.commit_timestamp_ms = head.commit_timestamp_ms;
        change.commit_number = head.commit_number;
        change.commit_user = head.commit_user.clone();
        change.change_type = head.change_type()?;
        change.record_ids = match wanted {
            Some(object) if object.id_field.is_some() => Vec::new(),
            Some(_) => record_ids(&head, change.change_type)?,
            None => head.record_ids.iter().filter_map(|id| id::extend(id).ok()).collect(),
        };
        if wanted.is_some() {
            check_time(&change)?;
        }
        fields::fill(&mut change, &head, found, &self.schemas)?;
        if let Some(field) = wanted.and_then(|object| object.id_field.as_deref()) {
            change.record_ids = vec![own_id(&change, field)?];
        }
        Ok(change)
    }

    /// A null value deletes the record that its key names.
    fn tombstone(&self, record: &RawRecord) -> Result<Change> {
        let named = record.key.as_deref().and_then(head::id_of_key);
        let Some(id) = named else {
            let detail = "a null value, and the key names no record (tried: the id as text, JSON with \
                          Id, the record_ids header)";
            return Err(Error::new(reason::KEY_MISSING, "key", detail));
        };
        let id = id::extend(&id)
            .map_err(|fault| Error::new(reason::ID_INVALID, "key", fault.to_string()))?;
        let named = flat::entity_of_headers(&record.headers);
        let entity = named.or_else(|| id::entity_of(&id).map(str::to_owned));
        let entity = entity.or_else(|| self.mapping.object_of_topic(&record.topic));
        let Some(entity) = entity else {
            let detail = "a null value, and nothing says of which object (tried: Kafka headers, the \
                          id's prefix, the topic's name)";
            return Err(Error::new(reason::SHAPE_UNKNOWN, "key", detail));
        };
        let mut change = Change::new(entity, ChangeType::Delete);
        change.record_ids = vec![id];
        change.offset = record.offset;
        change.recorded_at_ms = record.timestamp;
        check_time(&change)?;
        Ok(change)
    }
}

/// The ids of a wanted object, of 18 characters; none where the whole object is meant.
fn record_ids(head: &Head, kind: ChangeType) -> Result<Vec<String>> {
    let field = "ChangeEventHeader.recordIds";
    let whole = |id: &String| id.ends_with('*') || id == "000000000000000AAA";
    if kind == ChangeType::GapOverflow
        || (!head.record_ids.is_empty() && head.record_ids.iter().all(|id| id.ends_with('*')))
    {
        let named = head.record_ids.iter().filter(|id| !whole(id));
        return Ok(named.filter_map(|id| id::extend(id).ok()).collect());
    }
    if head.record_ids.is_empty() {
        let detail = "no record is named (tried: the header, Kafka headers, Id, the key)";
        return Err(Error::new(reason::FIELD_MISSING, field, detail));
    }
    let mut ids: Vec<String> = Vec::with_capacity(head.record_ids.len());
    for text in &head.record_ids {
        let id = id::extend(text)
            .map_err(|fault| Error::new(reason::ID_INVALID, field, fault.to_string()))?;
        let prefix = id::prefix_of(&head.entity).filter(|_| head.entity != "Territory2");
        if prefix.is_some_and(|prefix| !id.starts_with(prefix)) {
            let detail = "an id of another object, by its first three characters";
            return Err(Error::new(reason::ID_INVALID, field, detail));
        }
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The id of an object that has none of its own: a platform event names what it is about.
fn own_id(change: &Change, field: &str) -> Result<String> {
    let value = change.set.get(field).or_else(|| change.carried.get(field));
    let text = value.and_then(super::values::text).filter(|text| text.len() <= 255);
    let missing =
        || Error::new(reason::FIELD_MISSING, field, "the mapping's id_field has no value");
    text.map(|text| id::extend(&text).unwrap_or(text)).ok_or_else(missing)
}

fn check_time(change: &Change) -> Result<()> {
    let range = Timestamp::MIN.0..=Timestamp::MAX.0;
    if range.contains(&change.at()) {
        return Ok(());
    }
    let field = match change.commit_timestamp_ms {
        Some(_) => "ChangeEventHeader.commitTimestamp",
        None => "timestamp",
    };
    Err(Error::new(reason::TIMESTAMP_RANGE, field, "must be milliseconds from 2000 to 2100"))
}
