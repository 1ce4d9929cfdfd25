//! Questions about offsets: committed ones, ends, and those by time.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::domain::input::Topic;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Committed, Failure, Part, Result};

use super::error;
use super::source::Source;

/// Queries answer within this, or are tried again.
pub(super) const QUERY: Duration = Duration::from_secs(5);

impl Source {
    /// Where delivery begins: the committed offset, or the first that is there if it is none or gone.
    pub(super) fn starts(&self, parts: &[(String, i32)]) -> Result<Vec<i64>> {
        let committed = self
            .consumer()
            .committed_offsets(list_of(parts), QUERY)
            .map_err(|error| error::query("committed offsets", &error))?;
        let found = in_order(parts, &committed, "committed offsets")?;
        drop(committed);
        let first = self.offsets(parts, Offset::Beginning, QUERY)?;
        Ok(found.into_iter().zip(first).map(|(offset, first)| offset.max(first)).collect())
    }

    /// The last stable offsets.
    pub(super) fn ends(&self, parts: &[(String, i32)], within: Duration) -> Result<Vec<i64>> {
        self.offsets(parts, Offset::End, within)
    }

    /// The last stable offsets for `End`, the first for `Beginning`, else by time; −1 where no record is
    /// so late.
    fn offsets(&self, parts: &[(String, i32)], at: Offset, within: Duration) -> Result<Vec<i64>> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = list_of(parts);
        list.set_all_offsets(at).map_err(|error| error::query("offsets", &error))?;
        let found = self
            .consumer()
            .offsets_for_times(list, within)
            .map_err(|error| error::query("offsets", &error))?;
        in_order(parts, &found, "offsets")
    }

    /// `time` = None: the last stable offsets; 0: where the log begins, whether that record has been compacted
    /// away or not; else the first at or after it, the end if there is none.
    pub(super) fn offsets_at(&self, parts: &[Part], time: Option<Timestamp>) -> Result<Vec<i64>> {
        let named: Vec<(String, i32)> = parts
            .iter()
            .filter_map(|part| Some((self.layout().name(part.topic)?.to_owned(), part.shard)))
            .collect();
        if named.is_empty() {
            return Ok(vec![0; parts.len()]);
        }
        let ends = self.ends(&named, QUERY)?;
        let found = match time {
            None => ends,
            Some(time) if time.0 <= 0 => self.offsets(&named, Offset::Beginning, QUERY)?,
            Some(time) => {
                let by_time = self.offsets(&named, Offset::Offset(time.0.max(0)), QUERY)?;
                by_time
                    .into_iter()
                    .zip(ends)
                    .map(|(at, end)| if at < 0 { end } else { at })
                    .collect()
            }
        };
        let mut found = found.into_iter();
        Ok(parts
            .iter()
            .map(|part| self.layout().name(part.topic).and_then(|_| found.next()).unwrap_or(0))
            .collect())
    }

    pub(super) fn committed(&self, shard: i32) -> Result<Committed> {
        let parts: Vec<(String, i32)> =
            self.layout().subscribed().map(|name| (name.to_owned(), shard)).collect();
        let answer = self
            .consumer()
            .committed_offsets(list_of(&parts), QUERY)
            .map_err(|error| error::query("committed offsets", &error))?;
        let mut committed = Committed::default();
        for element in answer.elements() {
            element.error().map_err(|error| error::query("committed offsets", &error))?;
            let Some(part) = self.layout().part(element.topic(), shard) else { continue };
            if let (Offset::Offset(offset), Some(slot)) =
                (element.offset(), committed.offsets.get_mut(part.topic.index()))
            {
                *slot = Some(offset);
            }
            if part.topic == Topic::LeadCreated {
                committed.metadata = metadata_of(&element)?;
            }
        }
        // A topic that does not exist has been read to its end.
        if committed.offsets.iter().any(Option::is_some) {
            for topic in self.layout().absent() {
                if let Some(slot) = committed.offsets.get_mut(topic.index()) {
                    *slot = Some(0);
                }
            }
        }
        Ok(committed)
    }
}

fn list_of(parts: &[(String, i32)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(parts.len());
    for (name, shard) in parts {
        list.add_partition(name, *shard);
    }
    list
}

/// The offsets of an answer in the order of the question, −1 where there is none.
fn in_order(parts: &[(String, i32)], answer: &TopicPartitionList, call: &str) -> Result<Vec<i64>> {
    parts
        .iter()
        .map(|(name, shard)| {
            let Some(element) = answer.find_partition(name, *shard) else { return Ok(-1) };
            element.error().map_err(|error| error::query(call, &error))?;
            Ok(match element.offset() {
                Offset::Offset(offset) => offset,
                _ => -1,
            })
        })
        .collect()
}

/// The wrapper panics on metadata that are not UTF-8; ours are, so others come from a stranger.
fn metadata_of(element: &TopicPartitionListElem<'_>) -> Result<String> {
    let read = std::panic::AssertUnwindSafe(|| element.metadata().to_owned());
    std::panic::catch_unwind(read).map_err(|_| {
        Failure::Fatal(
            "somebody else commits offsets for this group: metadata unreadable".to_owned(),
        )
    })
}
