//! Reads whole topics, committed records only, outside the group: for the checker.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::config::Settings;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;

use super::context::Quiet;
use super::error::{self, Heard, Trouble};
use super::settings;

const QUERY: Duration = Duration::from_secs(10);
/// A partition that says nothing for so long, not even that it is at its end.
const SILENCE: Duration = Duration::from_secs(30);

/// A record of a partition, as it lies there.
#[derive(Clone, Debug)]
pub struct Row {
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A client that only reads.
pub struct Reader {
    consumer: BaseConsumer<Quiet>,
    group: String,
}

impl Reader {
    pub fn connect(settings: &Settings) -> Result<Reader, Trouble> {
        let config = settings::restore_consumer(settings, 0);
        let consumer =
            config.create_with_context(Quiet).map_err(|error| error::creating(&error))?;
        Ok(Reader { consumer, group: settings.group.clone() })
    }

    /// Next offset of each topic in that the group has committed for a shard; None = never.
    pub fn committed(&self, settings: &Settings, shard: i32) -> Result<[Option<i64>; 9], Trouble> {
        let names = Topic::ALL.map(|topic| settings.topics.input(topic).to_owned());
        let mut asked = TopicPartitionList::new();
        for name in names.iter().filter(|name| !name.is_empty()) {
            asked.add_partition(name, shard);
        }
        let answer = self.committed_of(asked)?;
        Ok(std::array::from_fn(|at| {
            let name = names.get(at)?;
            match answer.find_partition(name, shard)?.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        }))
    }

    fn committed_of(&self, asked: TopicPartitionList) -> Result<TopicPartitionList, Trouble> {
        let answer = self.consumer.committed_offsets(asked, QUERY);
        answer.map_err(|error| error::asking_group(&self.group, &error))
    }

    /// The next offset of one partition that the group has committed; None = never.
    pub fn next(&self, topic: &str, partition: i32) -> Result<Option<i64>, Trouble> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let answer = self.committed_of(asked)?;
        let found = answer.find_partition(topic, partition).map(|found| found.offset());
        Ok(match found {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }

    /// The first offset of a partition that retention and purges have left.
    pub fn first(&self, topic: &str, partition: i32) -> Result<i64, Trouble> {
        let marks = self.consumer.fetch_watermarks(topic, partition, QUERY);
        let (first, _) = marks.map_err(|error| error::inspecting(topic, &error))?;
        Ok(first)
    }

    /// Hands over every committed record of a partition up to its end now, in order.
    pub fn each(&self, topic: &str, partition: i32, take: impl FnMut(Row)) -> Result<(), Trouble> {
        self.from(topic, partition, Offset::Beginning, take)
    }

    /// The same, from the first record on that was published at this time or later.
    pub fn since(
        &self,
        topic: &str,
        partition: i32,
        time: Timestamp,
        take: impl FnMut(Row),
    ) -> Result<(), Trouble> {
        let broken = |error| error::inspecting(topic, &error);
        let mut at = TopicPartitionList::new();
        at.add_partition_offset(topic, partition, Offset::Offset(time.0)).map_err(broken)?;
        let answer = self.consumer.offsets_for_times(at, QUERY).map_err(broken)?;
        match answer.find_partition(topic, partition).map(|found| found.offset()) {
            Some(offset @ Offset::Offset(_)) => self.from(topic, partition, offset, take),
            _ => Ok(()),
        }
    }

    fn from(
        &self,
        topic: &str,
        partition: i32,
        start: Offset,
        mut take: impl FnMut(Row),
    ) -> Result<(), Trouble> {
        let broken = |error| error::inspecting(topic, &error);
        let mut at = TopicPartitionList::new();
        at.add_partition_offset(topic, partition, start).map_err(broken)?;
        self.consumer.assign(&at).map_err(broken)?;
        let mut heard = Instant::now();
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                None if heard.elapsed() > SILENCE => {
                    let text = format!("{topic}/{partition} does not answer");
                    return Err(Trouble::Temporary(text));
                }
                None => {}
                Some(Ok(message)) => {
                    heard = Instant::now();
                    take(row(&message));
                }
                Some(Err(error)) => match error::heard(&error) {
                    Heard::End => return Ok(()),
                    Heard::Unsure(why) => tracing::debug!(topic, partition, why, "reading"),
                    Heard::Fatal(why) => return Err(Trouble::Config(format!("{topic}: {why}"))),
                },
            }
        }
    }
}

fn row(message: &impl Message) -> Row {
    let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let mut headers = Vec::new();
    if let Some(all) = message.headers() {
        headers.extend(all.iter().map(|header| (header.key.to_owned(), bytes(header.value))));
    }
    Row {
        offset: message.offset(),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        key: bytes(message.key()),
        value: bytes(message.payload()),
        headers,
    }
}
