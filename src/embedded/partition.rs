//! One partition: records and markers by offset, with gaps where compaction was.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::time::Timestamp;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Debug)]
struct Entry {
    record: Stored,
    transaction: Option<u64>,
    /// It ends its transaction and is no record.
    marker: bool,
}

#[derive(Debug, Default)]
pub(super) struct Partition {
    entries: Vec<Entry>,
    /// The first offset that is left, and the next.
    first: i64,
    end: i64,
    /// First offset of each open transaction.
    open: BTreeMap<u64, i64>,
    aborted: BTreeSet<u64>,
}

impl Partition {
    /// The next offset, whether stable or not: the high watermark.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// What is older than an offset goes, as when retention passes it.
    pub(super) fn drop_before(&mut self, offset: i64) {
        self.first = self.first.max(offset.min(self.stable_end()));
        self.entries.retain(|entry| entry.record.offset >= self.first);
    }

    pub(super) fn stable_end(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.end)
    }

    pub(super) fn append(&mut self, mut record: Stored, transaction: Option<u64>) -> i64 {
        let offset = self.end;
        self.end += 1;
        record.offset = offset;
        if let Some(transaction) = transaction {
            self.open.entry(transaction).or_insert(offset);
        }
        self.entries.push(Entry { record, transaction, marker: false });
        offset
    }

    /// The marker that ends a transaction here.
    pub(super) fn mark(&mut self, transaction: u64, commit: bool, now: Timestamp) {
        let record =
            Stored { offset: 0, timestamp: now, key: None, value: None, headers: Vec::new() };
        self.append(record, None);
        if let Some(last) = self.entries.last_mut() {
            last.marker = true;
        }
        if self.open.remove(&transaction).is_some() && !commit {
            self.aborted.insert(transaction);
        }
    }

    /// Committed records from an offset on, and the offset where the reader stands then.
    pub(super) fn committed(&self, from: i64, most: usize) -> (Vec<Stored>, i64) {
        let stable = self.stable_end();
        let first = self.entries.partition_point(|entry| entry.record.offset < from);
        let mut records = Vec::new();
        for entry in self.entries.get(first..).unwrap_or_default() {
            if entry.record.offset >= stable {
                break;
            }
            if records.len() == most {
                return (records, entry.record.offset);
            }
            if self.is_visible(entry) {
                records.push(entry.record.clone());
            }
        }
        (records, stable.max(from))
    }

    /// The first offset whose record is at least so young; from time 0 on, where the partition begins.
    pub(super) fn offset_at(&self, time: Timestamp) -> i64 {
        if time.0 <= 0 {
            return self.first;
        }
        let young = |entry: &&Entry| !entry.marker && entry.record.timestamp >= time;
        self.entries.iter().find(young).map_or(self.end, |entry| entry.record.offset)
    }

    /// Below the last stable offset, keeps the newest record of each key; markers and what was aborted go.
    pub(super) fn compact(&mut self) {
        let stable = self.stable_end();
        let mut newest: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.record.offset < stable) {
            if let (Some(key), true) = (&entry.record.key, self.is_visible(entry)) {
                newest.insert(key.clone(), entry.record.offset);
            }
        }
        let aborted = std::mem::take(&mut self.aborted);
        self.entries.retain(|entry| {
            let key = entry.record.key.as_ref();
            let is_newest = key.is_some_and(|key| newest.get(key) == Some(&entry.record.offset));
            let gone = entry.transaction.is_some_and(|transaction| aborted.contains(&transaction));
            entry.record.offset >= stable || (is_newest && !gone && !entry.marker)
        });
        // An aborted transaction's records may lie beyond the last stable offset still.
        self.aborted = aborted;
    }

    fn is_visible(&self, entry: &Entry) -> bool {
        let aborted = entry.transaction.is_some_and(|number| self.aborted.contains(&number));
        !entry.marker && !aborted
    }
}
