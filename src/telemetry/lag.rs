//! How far the topics in are ahead of what has been committed, by partition that this process serves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::metrics::Metric;
use super::registry::Metrics;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;

/// Ends that are remembered of a partition: enough for hours of looking every few seconds.
const REMEMBERED: usize = 4_096;

/// The lag of a process, shown in its metrics.
pub struct Lag {
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    shards: BTreeSet<i32>,
    /// Since when the log has been so long, oldest first, of what is not committed yet.
    ends: BTreeMap<(Topic, i32), VecDeque<(i64, Timestamp)>>,
}

impl Lag {
    pub fn new(metrics: Arc<Metrics>) -> Lag {
        Lag { metrics, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn shards(&self) -> Vec<i32> {
        self.inner().shards.iter().copied().collect()
    }

    pub fn assigned(&self, shard: i32) {
        self.inner().shards.insert(shard);
    }

    /// A shard that went is another process's to show.
    pub fn revoked(&self, shard: i32) {
        let mut inner = self.inner();
        inner.shards.remove(&shard);
        inner.ends.retain(|(_, other), _| *other != shard);
        let partition = shard.to_string();
        for topic in Topic::ALL {
            self.metrics.forget(Metric::LagRecords, &[topic.name(), &partition]);
            self.metrics.forget(Metric::LagSeconds, &[topic.name(), &partition]);
        }
    }

    /// The log's last stable offset and the committed one, as they are now.
    pub fn seen(&self, topic: Topic, shard: i32, end: i64, committed: i64, now: Timestamp) {
        let mut inner = self.inner();
        if !inner.shards.contains(&shard) {
            return;
        }
        let ends = inner.ends.entry((topic, shard)).or_default();
        if ends.back().is_none_or(|(last, _)| *last < end) {
            ends.push_back((end, now));
        }
        // An end that has been committed says nothing more; too many, and the middle ones are the least.
        while ends.front().is_some_and(|(end, _)| *end <= committed) {
            ends.pop_front();
        }
        if ends.len() > REMEMBERED {
            ends.remove(1);
        }
        let waits = ends.front().map_or(0, |(_, since)| now.since(*since).0.max(0));
        let labels = [topic.name(), &shard.to_string()];
        self.metrics.set(Metric::LagRecords, &labels, (end - committed).max(0) as f64);
        self.metrics.set(Metric::LagSeconds, &labels, waits as f64 / 1_000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_is_not_committed_and_for_how_long() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let lag = Lag::new(metrics.clone());
        let shown = |metric| metrics.value(metric, &["lead-created", "3"]).unwrap();
        let see = |end, committed, at| {
            lag.seen(Topic::LeadCreated, 3, end, committed, Timestamp(at));
            (shown(Metric::LagRecords), shown(Metric::LagSeconds))
        };
        assert_eq!(see(10, 0, 0), (0.0, 0.0), "not ours");
        lag.assigned(3);
        assert_eq!(see(10, 4, 1_000), (6.0, 0.0));
        assert_eq!(see(12, 4, 6_000), (8.0, 5.0), "the oldest has waited since it was seen");
        assert_eq!(see(12, 11, 9_000), (1.0, 3.0), "what came later has waited less");
        assert_eq!(see(12, 12, 10_000), (0.0, 0.0));
        assert_eq!(see(13, 12, 20_000), (1.0, 0.0));
        lag.revoked(3);
        assert!(!metrics.text().unwrap().contains("topic=\"lead-created\",partition=\"3\""));
        assert!(lag.shards().is_empty());
    }
}
