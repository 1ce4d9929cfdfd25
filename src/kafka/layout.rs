//! Which topics there are and how they hang together: partition i of all topics in is shard i.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};

use crate::domain::input::Topic;
use crate::engine::ports::{Failure, Part, Result};

use super::error;

const FIXED: &str = "the number is fixed for life, because keys would hash to other partitions than their \
    history; what to do is in deploy/RUNBOOK.md, section \"Another number of partitions\"";

/// The topics in, as they were found at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In the order of `Topic::ALL`; `None` = it does not exist, which only `lead-created-fast` may.
    names: [Option<String>; 9],
    partitions: i32,
}

impl Layout {
    pub fn new(names: [Option<String>; 9], partitions: i32) -> Layout {
        Layout { names, partitions }
    }

    /// How many shards there are.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    pub fn name(&self, topic: Topic) -> Option<&str> {
        self.names.get(topic.index()).and_then(Option::as_deref)
    }

    pub(super) fn subscribed(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(String::as_str)
    }

    /// Topics that do not exist.
    pub(super) fn absent(&self) -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(|topic| self.name(*topic).is_none())
    }

    pub(super) fn part(&self, name: &str, shard: i32) -> Option<Part> {
        let topic = Topic::ALL.into_iter().find(|topic| self.name(*topic) == Some(name))?;
        Some(Part { topic, shard })
    }

    /// The shards of an assignment, if it has each of them as a whole; else what is wrong with it.
    pub(super) fn shards_of(
        &self,
        parts: &[(String, i32)],
    ) -> std::result::Result<BTreeSet<i32>, String> {
        if let Some(grown) = self.grown(parts) {
            return Err(grown);
        }
        let shards: BTreeSet<i32> = parts.iter().map(|(_, shard)| *shard).collect();
        for shard in &shards {
            for name in self.subscribed() {
                if !parts.iter().any(|(part, of)| part == name && of == shard) {
                    return Err(format!(
                        "partition {shard} of {name} was not assigned together with partition {shard} \
                         of the other topics in: leads would be routed without their territories. \
                         Either the topics have different numbers of partitions (see `lead-router \
                         topics plan`), or another member of the group reads other topics (stop all \
                         processes, then start them with one configuration)"
                    ));
                }
            }
        }
        Ok(shards)
    }

    /// The topics that have got more partitions than all topics in had at the start, as far as this assignment shows.
    fn grown(&self, parts: &[(String, i32)]) -> Option<String> {
        let mut most = BTreeMap::new();
        for (name, shard) in parts.iter().filter(|(_, shard)| *shard >= self.partitions) {
            let count = most.entry(name).or_insert(0);
            *count = (shard + 1).max(*count);
        }
        let told: Vec<String> =
            most.iter().map(|(name, count)| format!("{name} has {count} partitions now")).collect();
        let before = self.partitions;
        (!told.is_empty()).then(|| {
            format!("{}, all topics in had {before} at the start: {FIXED}", told.join(", "))
        })
    }

    /// Fails when partitions were added: keys would hash to other shards than their history.
    pub(super) fn unchanged<C: ClientContext>(
        &self,
        client: &Client<C>,
        timeout: Duration,
    ) -> Result<()> {
        for name in self.subscribed() {
            let metadata = client
                .fetch_metadata(Some(name), timeout)
                .map_err(|error| error::query("metadata", &error))?;
            let found = metadata.topics().iter().find(|topic| topic.name() == name);
            let count = found.map_or(0, |topic| topic.partitions().len());
            if i32::try_from(count) == Ok(self.partitions) || count == 0 {
                continue;
            }
            return Err(Failure::Fatal(format!(
                "{name} has {count} partitions now, all topics in had {} at the start: {FIXED}",
                self.partitions
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut names = Topic::ALL.map(|topic| Some(topic.name().to_owned()));
        names[Topic::LeadCreatedFast.index()] = None;
        Layout::new(names, 2)
    }

    fn whole(shard: i32) -> Vec<(String, i32)> {
        layout().subscribed().map(|name| (name.to_owned(), shard)).collect()
    }

    #[test]
    fn a_shard_is_partition_i_of_every_topic() {
        let both: Vec<_> = whole(0).into_iter().chain(whole(1)).collect();
        assert_eq!(layout().shards_of(&both), Ok(BTreeSet::from([0, 1])));
        assert_eq!(layout().shards_of(&[]), Ok(BTreeSet::new()));
    }

    #[test]
    fn a_torn_shard_is_named() {
        let mut torn: Vec<_> = whole(0).into_iter().chain(whole(1)).collect();
        torn.retain(|(name, shard)| (name.as_str(), *shard) != ("rep-changed", 1));
        let told = layout().shards_of(&torn).expect_err("torn");
        assert!(told.starts_with("partition 1 of rep-changed was not assigned"), "{told}");
    }

    #[test]
    fn a_topic_that_has_grown_is_named_and_no_other() {
        let mut grown: Vec<_> = whole(0).into_iter().chain(whole(1)).collect();
        grown.push(("lead-created".to_owned(), 3));
        grown.push(("lead-created".to_owned(), 2));
        let told = layout().shards_of(&grown).expect_err("grown");
        let start =
            "lead-created has 4 partitions now, all topics in had 2 at the start: the number is";
        assert!(told.starts_with(start), "{told}");
        assert!(told.contains("deploy/RUNBOOK.md"), "{told}");
        let runbook = include_str!("../../deploy/RUNBOOK.md");
        assert!(runbook.contains("\n## Another number of partitions\n"));
    }

    #[test]
    fn a_topic_that_does_not_exist_is_no_part() {
        assert_eq!(layout().absent().collect::<Vec<_>>(), [Topic::LeadCreatedFast]);
        assert_eq!(layout().part("lead-created-fast", 0), None);
        let part = Part { topic: Topic::PolicyChanged, shard: 1 };
        assert_eq!(layout().part("policy-changed", 1), Some(part));
    }
}
