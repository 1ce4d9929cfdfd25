//! A record of a topic in, from its bytes to an input.

use super::direct;
use super::error::{Error, Result, reason};
use super::frame::{self, Headers, own_datum, read_value};
use super::json;
use super::murmur2::partition_of;
use super::schema::Record;
use super::schema_ids::SchemaIds;
use crate::domain::ids::DomainId;
use crate::domain::input::{Input, Topic};
use crate::domain::time::Timestamp;

/// A record as the log has it.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    pub topic: Topic,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    pub timestamp: Timestamp,
    pub partition: i32,
    /// Partitions of the topic; `None` where there are none (a filter).
    pub partition_count: Option<i32>,
}

/// Reads records. Cheap to clone: the table of schemas is shared.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    pub ids: SchemaIds,
    /// Refuse JSON fields that are not known.
    pub strict: bool,
}

impl Decoder {
    /// Whether a record cannot be read yet: its schema is still to be fetched.
    pub fn waits(&self, value: Option<&[u8]>, headers: Headers<'_>) -> bool {
        value.is_some_and(|value| frame::waits(value, headers, &self.ids))
    }

    /// The routing domain and the input of a record, or why it is poison.
    pub fn decode_record(&self, record: &RawRecord<'_>) -> Result<(DomainId, Input)> {
        let domain = read_key(record)?;
        if !(Timestamp::MIN..=Timestamp::MAX).contains(&record.timestamp) {
            let why = "a record is published from 2000 to 2100";
            return Err(Error::new(reason::TIMESTAMP_RANGE, "timestamp", why));
        }
        let Some(bytes) = record.value else {
            let why = "an entity ends by `deleted`, not by a null";
            return Err(Error::new(reason::VALUE_NULL, "value", why));
        };
        if matches!(record.topic, Topic::LeadCreated | Topic::LeadCreatedFast)
            && let Some(datum) = own_datum(Record::Lead, bytes, record.headers, &self.ids)
        {
            let fast = record.topic == Topic::LeadCreatedFast;
            if let Some(lead) = direct::lead(datum, record.timestamp, fast) {
                return Ok((domain, Input::LeadCreated(Box::new(lead))));
            }
        }
        if record.topic == Topic::AccountChanged
            && let Some(datum) = own_datum(Record::Account, bytes, record.headers, &self.ids)
            && let Some(change) = direct::account(datum, record.timestamp)
        {
            return Ok((domain, Input::AccountChanged(Box::new(change))));
        }
        let value = read_value(Record::of(record.topic), bytes, record.headers, &self.ids)?;
        let input = json::decode_event(record.topic, &value, record.timestamp, self.strict)?;
        Ok((domain, input))
    }
}

/// The key is the routing domain, and the record lies where the key belongs.
fn read_key(record: &RawRecord<'_>) -> Result<DomainId> {
    let text = record.key.and_then(|key| std::str::from_utf8(key).ok());
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        let why = "must be the routing domain, as UTF-8 text";
        return Err(Error::new(reason::KEY_MISSING, "key", why));
    };
    let domain = DomainId::parse(text)
        .map_err(|why| Error::new(reason::ID_INVALID, "key", why.to_string()))?;
    if let Some(count) = record.partition_count {
        let expected = partition_of(text.as_bytes(), count);
        if expected != record.partition {
            let detail = format!(
                "this key belongs to partition {expected} of {count}, not {}; let the producer use \
                 Java's default partitioner (librdkafka: partitioner=murmur2_random)",
                record.partition
            );
            return Err(Error::new(reason::KEY_PARTITION, "key", detail));
        }
    }
    Ok(domain)
}
