//! What `verify` reads for the two stages of ingest, where the configuration has them.

use std::collections::BTreeMap;

use crate::codec::frame;
use crate::codec::schema;
use crate::config::Settings;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Failure, OutTopic, Part, Record};
use crate::engine::relay::{self, Stage, Taken};
use crate::ingest::Parser;
use crate::intake::{Parsing, read_image};
use crate::kafka::reader::{Reader, Row};
use crate::kafka::{Trouble, topics};
use crate::verify::{Lost, Owed, Place, Report, Stages};

use super::lookup::Lookup;

/// The stages that are checked, and how bridged records are read.
pub(super) struct Ingest<'a> {
    settings: &'a Settings,
    stages: Stages,
    parser: Parser,
    partitions: i32,
}

impl<'a> Ingest<'a> {
    /// None where no topic is bridged. Offsets and images are read here: what the topics out hold after that
    /// includes what these rest on.
    pub(super) fn begin(
        settings: &'a Settings,
        partitions: i32,
        whole: bool,
    ) -> Result<Option<Ingest<'a>>, Trouble> {
        let ingest = &settings.ingest;
        if ingest.topics.is_empty() {
            return Ok(None);
        }
        let parser = super::ingest::parser(ingest.mapping.as_deref(), ingest.schemas.as_deref());
        let unread = |_| Trouble::Config("the mapping of ingest cannot be used".to_owned());
        let parser = parser.map_err(unread)?;
        let raw = settings.topics.raw.clone();
        let mut stages = Stages::new(parser.mapping.clone(), raw.clone(), whole);
        for (topic, _) in &ingest.topics {
            let reader = of_group(settings, settings.parsing_group(topic))?;
            for partition in 0..topics::partitions(settings, topic)? {
                stages.committed(topic, partition, reader.next(topic, partition)?);
            }
        }
        let reader = of_group(settings, settings.picturing_group())?;
        let images = &settings.topics.ingest_state;
        for shard in 0..partitions {
            stages.committed(&raw, shard, reader.next(&raw, shard)?);
            let mut newest = BTreeMap::new();
            reader.each(images, shard, |row| drop(newest.insert(row.key, row.value)))?;
            for (key, value) in newest {
                let image = read_image(&key.unwrap_or_default(), value.as_deref());
                let (key, picture) = image.map_err(unreadable)?;
                if let Some(picture) = picture {
                    stages.image(key, picture);
                }
            }
        }
        Ok(Some(Ingest { settings, stages, parser, partitions }))
    }

    /// A record of a canonical topic.
    pub(super) fn input(&mut self, topic: Topic, row: &Row, schemas: &Lookup) {
        let Some(value) = &row.value else { return };
        let ids = schemas.ids();
        let value = frame::read_value(schema::Record::of(topic), value, &row.headers, &ids).ok();
        let id = value.as_ref().and_then(|value| value.get("event_id")?.as_str());
        self.stages.event(topic, id.unwrap_or_default(), &row.headers);
    }

    pub(super) fn output(&mut self, topic: OutTopic, row: &Row) {
        if topic == OutTopic::DeadLetter {
            self.stages.letter(&row.headers);
        }
    }

    pub(super) fn lost(&mut self, lost: Lost) {
        self.stages.lost(lost);
    }

    /// The changes and the bridged records, when all outcomes are known.
    pub(super) fn finish(mut self, client: &Reader, schemas: &Lookup) -> Result<Report, Trouble> {
        let raw = &self.settings.topics.raw;
        for shard in 0..self.partitions {
            super::verify::progress(&format!("{raw} {shard} of {}", self.partitions));
            client.each(raw, shard, |row| {
                let place = Place { topic: raw.clone(), partition: shard, offset: row.offset };
                let (key, value) = (row.key.as_deref(), row.value.as_deref());
                self.stages.change(&place, row.timestamp, key, value, &row.headers);
            })?;
        }
        for (topic, domain) in &self.settings.ingest.topics {
            let mut stage = self.parsing(topic, domain, schemas);
            for partition in 0..topics::partitions(self.settings, topic)? {
                super::verify::progress(&format!("{topic} {partition}"));
                client.each(topic, partition, |row| {
                    let (offset, timestamp) = (row.offset, row.timestamp);
                    let place = Place { topic: topic.clone(), partition, offset };
                    let owed = || owed(&mut stage, partition, row, schemas);
                    self.stages.bridged(&place, timestamp, owed);
                })?;
                schemas.answered()?;
            }
        }
        Ok(self.stages.finish())
    }

    fn parsing(&self, topic: &str, domain: &str, schemas: &Lookup) -> Parsing {
        let (topic, domain) = (topic.to_owned(), domain.to_owned());
        Parsing::new(self.parser.clone(), topic, domain, schemas.fetch())
    }
}

/// What the first stage would make of a record; of one that came when the registry was given up, nothing.
fn owed(stage: &mut Parsing, partition: i32, row: Row, schemas: &Lookup) -> Owed {
    let record = Record {
        part: Part { topic: relay::IN, shard: partition },
        offset: row.offset,
        timestamp: row.timestamp,
        key: row.key,
        value: row.value,
        headers: row.headers,
    };
    let mut owed = Owed::Nothing;
    schemas.until(|| {
        owed = match stage.take(&record, Timestamp(0)) {
            Ok(Taken::Wait) => return false,
            Ok(Taken::Done(made)) => match made.first().map(|it| it.topic) {
                None => Owed::Nothing,
                Some(OutTopic::DeadLetter) => Owed::Letter,
                Some(_) => Owed::Change,
            },
            Err(_) => Owed::Letter,
        };
        true
    });
    owed
}

fn of_group(settings: &Settings, group: String) -> Result<Reader, Trouble> {
    let mut settings = settings.clone();
    settings.group = group;
    Reader::connect(&settings)
}

fn unreadable(failure: Failure) -> Trouble {
    Trouble::Config(failure.to_string())
}
