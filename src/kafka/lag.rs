//! Ends and committed offsets of the topics in, asked beside the workers by a client of its own.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::config::Settings;
use crate::domain::input::Topic;
use crate::engine::ports::{Failure, Result};

use super::context::Quiet;
use super::error;
use super::layout::Layout;
use super::offsets::QUERY;
use super::settings;

/// A client that never joins the group and only asks.
pub struct LagReader {
    consumer: BaseConsumer<Quiet>,
    layout: Layout,
}

/// One partition: the last stable offset, and the next one that is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub topic: Topic,
    pub shard: i32,
    pub end: i64,
    pub committed: i64,
}

impl LagReader {
    pub fn connect(settings: &Settings, layout: Layout) -> Result<LagReader> {
        let config: ClientConfig = settings::lag_consumer(settings);
        let consumer = config
            .create_with_context(Quiet)
            .map_err(|error| Failure::Fatal(error::creating(&error).to_string()))?;
        Ok(LagReader { consumer, layout })
    }

    /// How these shards stand; parts of which nothing has been committed yet are left out.
    pub fn look(&self, shards: &[i32]) -> Result<Vec<Standing>> {
        let mut list = TopicPartitionList::new();
        for name in self.layout.subscribed() {
            shards.iter().for_each(|shard| _ = list.add_partition(name, *shard));
        }
        if list.count() == 0 {
            return Ok(Vec::new());
        }
        let failed = |error| error::query("lag", &error);
        let committed = self.consumer.committed_offsets(list.clone(), QUERY).map_err(failed)?;
        list.set_all_offsets(Offset::End).map_err(failed)?;
        let ends = self.consumer.offsets_for_times(list, QUERY).map_err(failed)?;
        let mut standings = Vec::new();
        for element in committed.elements() {
            let (name, shard) = (element.topic(), element.partition());
            let end = ends.find_partition(name, shard).map(|end| end.offset());
            let (Offset::Offset(committed), Some(Offset::Offset(end))) = (element.offset(), end)
            else {
                continue;
            };
            let Some(part) = self.layout.part(name, shard) else { continue };
            standings.push(Standing { topic: part.topic, shard, end, committed });
        }
        Ok(standings)
    }
}
