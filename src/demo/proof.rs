//! The demonstration's own log, read back and checked.

use crate::codec::SchemaIds;
use crate::domain::input::Topic;
use crate::domain::time::Span;
use crate::embedded::{Cluster, Stored, out_name};
use crate::engine::ports::OutTopic;
use crate::verify::read::{Images, Raw, Reader};
use crate::verify::{Checker, Options, Report};

/// Checks everything that is in the log. `skew`: how far apart writing and reading may be, in the
/// log's time.
pub fn check(cluster: &Cluster, skew: Span) -> Report {
    let mut checker = Checker::new(Options { skew, ..Options::default() });
    let reader = Reader::new(
        SchemaIds::default(),
        cluster.partitions(),
        Topic::ALL.map(|topic| topic.name().to_owned()),
    );
    for shard in 0..cluster.partitions() {
        for topic in Topic::ALL {
            for stored in cluster.read(topic.name(), shard, 0, usize::MAX) {
                checker.record(reader.input(topic, &raw(topic.name(), shard, &stored)));
            }
        }
        for topic in [OutTopic::LeadAssigned, OutTopic::SlaBreached, OutTopic::DeadLetter] {
            let name = out_name(topic);
            for stored in cluster.read(name, shard, 0, usize::MAX) {
                checker.record(reader.output(topic, &raw(name, shard, &stored)));
            }
        }
        let name = out_name(OutTopic::State);
        let mut images = Images::default();
        for stored in cluster.read(name, shard, 0, usize::MAX) {
            images.add(&raw(name, shard, &stored));
        }
        let read = images.finish(shard, &mut checker);
        assert_eq!(read, Ok(()), "this very program wrote the images");
        let offsets = cluster.group_offsets(shard);
        checker.committed(shard, offsets.map(|committed| committed.map(|(offset, _)| offset)));
    }
    checker.finish()
}

fn raw<'a>(topic: &'a str, partition: i32, stored: &'a Stored) -> Raw<'a> {
    Raw {
        topic,
        partition,
        offset: stored.offset,
        timestamp: stored.timestamp,
        key: stored.key.as_deref(),
        value: stored.value.as_deref(),
        headers: &stored.headers,
    }
}
