//! I8: what is committed, what the state says was read, and what has an outcome end at one record.

use super::checker::Checker;
use super::{Findings, Invariant, Place};
use crate::domain::input::Topic;

pub(super) fn check(checker: &Checker, findings: &mut Findings) {
    for (shard, (place, next)) in &checker.shards {
        let Some(committed) = checker.committed.get(shard) else { continue };
        for topic in Topic::ALL {
            findings.checked(Invariant::I8);
            let image = next[topic.index()].max(0);
            let Some(offset) = committed[topic.index()] else { continue };
            if offset != image {
                let text = format!(
                    "shard {shard}: the group has committed {offset} of {}, the state says {image}",
                    topic.name()
                );
                findings.broken(Invariant::I8, place, text);
            }
        }
    }
    for shard in checker.committed.keys().filter(|shard| !checker.shards.contains_key(shard)) {
        let offsets = &checker.committed[shard];
        if offsets.iter().any(|offset| offset.is_some_and(|offset| offset > 0)) {
            let topic = checker.options.state.clone();
            let place = Place { topic, partition: *shard, offset: 0 };
            let text = format!("shard {shard} has committed offsets and no image");
            findings.broken(Invariant::I8, &place, text);
        }
    }
    nothing_above(checker, findings);
}

fn nothing_above(checker: &Checker, findings: &mut Findings) {
    for ((_, lead), file) in &checker.leads {
        for (place, assigned) in &file.assigned {
            let cause = &assigned.caused_by;
            let Some(topic) = cause.topic else { continue };
            let Some(committed) = checker.committed.get(&cause.partition) else { continue };
            findings.checked(Invariant::I8);
            let next = committed[topic.index()].unwrap_or(0);
            if cause.offset >= next {
                let text = format!(
                    "lead {lead} was decided by {}/{}@{}, which is not committed (next is {next})",
                    topic.name(),
                    cause.partition,
                    cause.offset
                );
                findings.broken(Invariant::I8, place, text);
            }
        }
    }
}
