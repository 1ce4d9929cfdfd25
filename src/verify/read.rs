//! From the bytes of a log to what the checker looks at; the same for Kafka and for the log in
//! memory.

use std::collections::BTreeMap;

use super::{Checker, Item, Place, Record};
use crate::codec::SchemaIds;
use crate::codec::frame::read_value;
use crate::codec::image::{Assembler, ImageError, SHARD_KEY, ShardImage};
use crate::codec::json;
use crate::codec::record::{Decoder, RawRecord};
use crate::codec::schema;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;
use crate::engine::ports::OutTopic;

/// A record as the log has it.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The topic's name in the log, for whoever looks for the record.
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(String, Option<Vec<u8>>)],
}

impl Raw<'_> {
    fn place(&self) -> Place {
        Place { topic: self.topic.to_owned(), partition: self.partition, offset: self.offset }
    }
}

/// Reads records for a checker.
#[derive(Clone, Debug)]
pub struct Reader {
    decoder: Decoder,
    partition_count: i32,
    names: [String; 9],
}

impl Reader {
    /// `ids`: the schemas of a registry, as far as they are known; `names`: what the topics in are called.
    pub fn new(ids: SchemaIds, partition_count: i32, names: [String; 9]) -> Reader {
        Reader { decoder: Decoder { ids, strict: false }, partition_count, names }
    }

    /// A record of a topic in.
    pub fn input(&self, topic: Topic, raw: &Raw<'_>) -> Record {
        let record = RawRecord {
            topic,
            key: raw.key,
            value: raw.value,
            headers: raw.headers,
            timestamp: raw.timestamp,
            partition: raw.partition,
            partition_count: Some(self.partition_count),
        };
        let item = match self.decoder.decode_record(&record) {
            Ok((domain, input)) => {
                Item::Input { topic, domain, timestamp: raw.timestamp, input: Box::new(input) }
            }
            Err(_) => Item::Unreadable { topic, timestamp: raw.timestamp },
        };
        Record { place: raw.place(), item }
    }

    /// A record of a topic out, other than the state.
    pub fn output(&self, topic: OutTopic, raw: &Raw<'_>) -> Record {
        let item = match topic {
            OutTopic::LeadAssigned => {
                let value = self.value(schema::Record::LeadAssigned, raw);
                let fact = value.and_then(|value| json::decode_assigned(&value).ok());
                fact.map(|fact| Item::Assigned(Box::new(fact)))
            }
            OutTopic::SlaBreached => {
                let value = self.value(schema::Record::SlaBreached, raw);
                let fact = value.and_then(|value| json::decode_breached(&value).ok());
                fact.map(|fact| Item::Breached(Box::new(fact)))
            }
            OutTopic::DeadLetter => self.dead_letter(raw),
            OutTopic::State | OutTopic::In(_) | OutTopic::Raw => None,
        };
        let item = item.unwrap_or(Item::Garbled { image: false });
        Record { place: raw.place(), item }
    }

    fn value(&self, record: schema::Record, raw: &Raw<'_>) -> Option<serde_json::Value> {
        read_value(record, raw.value?, raw.headers, &self.decoder.ids).ok()
    }

    /// Where the record lay; a record that was put back and refused again names its last place last.
    fn dead_letter(&self, raw: &Raw<'_>) -> Option<Item> {
        let header = |name: &str| {
            let found = raw.headers.iter().rev().find(|(key, _)| key == name);
            found.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
        };
        let name = header("dlq.topic")?;
        let ours = Topic::ALL.into_iter().zip(&self.names).find(|(_, known)| *known == name);
        let Some((topic, _)) = ours else { return Some(Item::Foreign) };
        Some(Item::DeadLetter {
            topic,
            partition: header("dlq.partition")?.parse().ok()?,
            offset: header("dlq.offset")?.parse().ok()?,
        })
    }
}

/// One partition of the state: the newest image of each key.
#[derive(Debug, Default)]
pub struct Images {
    newest: BTreeMap<Vec<u8>, (Place, Option<Vec<u8>>)>,
}

impl Images {
    /// Takes the records in the order of their offsets.
    pub fn add(&mut self, raw: &Raw<'_>) {
        let key = raw.key.unwrap_or_default().to_vec();
        self.newest.insert(key, (raw.place(), raw.value.map(<[u8]>::to_vec)));
    }

    /// Hands them to the checker, each with its place. Images of another version prove nothing: they fail.
    pub fn finish(self, shard: i32, checker: &mut Checker) -> Result<(), ImageError> {
        let mut assembler = Assembler::default();
        let garbled = || Item::Garbled { image: true };
        for (key, (place, value)) in &self.newest {
            let Some(value) = value else { continue };
            let read = if key == SHARD_KEY {
                let image = ShardImage::decode(value);
                image.map(|image| Some(Item::Shard { shard, next: image.next }))
            } else {
                assembler.add(key, value).map(|()| None)
            };
            let item = match read {
                Err(error @ ImageError::Version(_)) => return Err(error),
                Err(_) => Some(garbled()),
                Ok(item) => item,
            };
            if let Some(item) = item {
                checker.record(Record { place: place.clone(), item });
            }
        }
        let Ok(entities) = assembler.finish() else {
            if let Some((place, _)) = self.newest.into_values().last() {
                checker.record(Record { place, item: garbled() });
            }
            return Ok(());
        };
        for (key, entity) in entities {
            let id = format!("{}\0{}\0{}", key.domain, key.kind.name(), key.id);
            if let Some((place, _)) = self.newest.get(id.as_bytes()) {
                let item = Item::Image { key, entity: Some(Box::new(entity)) };
                checker.record(Record { place: place.clone(), item });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::image::VERSION;
    use crate::verify::Options;

    #[test]
    fn images_of_another_version_are_no_broken_promise() {
        let other = [VERSION - 1, 0];
        for key in [SHARD_KEY, b"acme\0lead\0L1"] {
            let mut images = Images::default();
            images.add(&Raw {
                topic: "state",
                partition: 0,
                offset: 0,
                timestamp: Timestamp(0),
                key: Some(key),
                value: Some(&other),
                headers: &[],
            });
            let mut checker = Checker::new(Options::default());
            let read = images.finish(0, &mut checker);
            assert_eq!(read, Err(ImageError::Version(VERSION - 1)));
            assert!(checker.finish().passed());
        }
    }
}
