//! Producers by transactional id, and the ends of their transactions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Inner, Stored};
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};
use crate::engine::ports::{Failure, Result};

/// What a producer shows to prove that it is the newest with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) epoch: u32,
}

/// An offset to commit with a transaction: topic, shard, next offset, metadata.
pub(super) type Offset = (Topic, i32, i64, String);

#[derive(Debug)]
struct Open {
    number: u64,
    since: Timestamp,
    touched: BTreeSet<(String, i32)>,
    offsets: Vec<Offset>,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u32,
    open: Option<Open>,
}

/// A marker that is still to be written.
#[derive(Debug)]
struct Marker {
    producer: String,
    number: u64,
    commit: bool,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Partition(String, i32),
    Offsets(Vec<Offset>),
}

#[derive(Debug, Default)]
pub(super) struct Producers {
    by_id: BTreeMap<String, Producer>,
    numbers: u64,
    markers: VecDeque<Marker>,
}

impl Producers {
    /// The ids whose transaction has been open for too long.
    pub(super) fn overdue(&self, now: Timestamp, most: Span) -> Vec<String> {
        let overdue = |producer: &Producer| {
            producer.open.as_ref().is_some_and(|open| now.since(open.since) > most)
        };
        let ids = self.by_id.iter().filter(|(_, producer)| overdue(producer));
        ids.map(|(id, _)| id.clone()).collect()
    }

    /// Whether a transaction that is open, or whose markers are missing, holds offsets of this shard.
    pub(super) fn holds_offsets(&self, shard: i32) -> bool {
        let of_shard = |offsets: &[Offset]| offsets.iter().any(|(_, other, ..)| *other == shard);
        let open = self.by_id.values().filter_map(|producer| producer.open.as_ref());
        let marker = |marker: &Marker| match &marker.place {
            Place::Offsets(offsets) => of_shard(offsets),
            Place::Partition(..) => false,
        };
        open.into_iter().any(|open| of_shard(&open.offsets)) || self.markers.iter().any(marker)
    }

    fn open(&mut self, token: &Token) -> Result<&mut Option<Open>> {
        match self.by_id.get_mut(&token.id) {
            Some(producer) if producer.epoch == token.epoch => Ok(&mut producer.open),
            _ => Err(Failure::Unknown("the producer is fenced".to_owned())),
        }
    }
}

impl Inner {
    /// Makes a producer the newest with its id: the former is fenced, and its transaction aborted.
    pub(super) fn init_producer(&mut self, id: &str) -> Token {
        self.fence(id);
        self.settle_of(id);
        let epoch = self.producers.by_id.get(id).map_or(0, |producer| producer.epoch);
        Token { id: id.to_owned(), epoch }
    }

    /// Aborts what is open and lets no earlier producer with this id do anything more.
    pub(super) fn fence(&mut self, id: &str) {
        let producer = self.producers.by_id.entry(id.to_owned()).or_default();
        producer.epoch += 1;
        let token = Token { id: id.to_owned(), epoch: producer.epoch };
        if producer.open.is_some() {
            // It is open and the token is the newest, so this cannot fail.
            let _ = self.end_transaction(&token, false);
        }
    }

    pub(super) fn begin(&mut self, token: &Token, now: Timestamp) -> Result<()> {
        self.settle_of(&token.id);
        self.producers.numbers += 1;
        let number = self.producers.numbers;
        let open = self.producers.open(token)?;
        if open.is_some() {
            return Err(Failure::Fatal("a transaction is open already".to_owned()));
        }
        *open = Some(Open { number, since: now, touched: BTreeSet::new(), offsets: Vec::new() });
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        token: &Token,
        topic: &str,
        partition: i32,
        record: Stored,
    ) -> Result<()> {
        let Some(open) = self.producers.open(token)? else {
            return Err(Failure::Fatal("no transaction is open".to_owned()));
        };
        let number = open.number;
        open.touched.insert((topic.to_owned(), partition));
        let partition = self.partition(topic, partition);
        let missing = || Failure::Fatal("no such partition".to_owned());
        partition.ok_or_else(missing)?.append(record, Some(number));
        Ok(())
    }

    pub(super) fn add_offsets(&mut self, token: &Token, offsets: Vec<Offset>) -> Result<()> {
        let Some(open) = self.producers.open(token)? else {
            return Err(Failure::Fatal("no transaction is open".to_owned()));
        };
        open.offsets.extend(offsets);
        Ok(())
    }

    /// Commits or aborts; the decision is taken here, the markers may come later.
    pub(super) fn end_transaction(&mut self, token: &Token, commit: bool) -> Result<()> {
        let Some(open) = self.producers.open(token)?.take() else {
            return Err(Failure::Unknown("no transaction is open".to_owned()));
        };
        let marker =
            |place| Marker { producer: token.id.clone(), number: open.number, commit, place };
        for (topic, partition) in open.touched {
            self.producers.markers.push_back(marker(Place::Partition(topic, partition)));
        }
        if !open.offsets.is_empty() {
            self.producers.markers.push_front(marker(Place::Offsets(open.offsets)));
        }
        if !self.options.late_markers {
            self.settle(usize::MAX);
        }
        Ok(())
    }

    /// Writes markers that are still to come, oldest first.
    pub(super) fn settle(&mut self, most: usize) -> usize {
        let count = self.producers.markers.len().min(most);
        for _ in 0..count {
            if let Some(marker) = self.producers.markers.pop_front() {
                self.write(marker);
            }
        }
        count
    }

    /// Writes the markers of one producer's transactions.
    fn settle_of(&mut self, id: &str) {
        let markers = std::mem::take(&mut self.producers.markers);
        let (own, others) = markers.into_iter().partition(|marker| marker.producer == id);
        self.producers.markers = others;
        for marker in VecDeque::<Marker>::into_iter(own) {
            self.write(marker);
        }
    }

    fn write(&mut self, marker: Marker) {
        match marker.place {
            Place::Partition(topic, number) => {
                let at = Timestamp(0);
                if let Some(partition) = self.partition(&topic, number) {
                    partition.mark(marker.number, marker.commit, at);
                }
            }
            Place::Offsets(offsets) => {
                for (topic, shard, offset, metadata) in
                    offsets.into_iter().filter(|_| marker.commit)
                {
                    self.group.offsets.insert((topic, shard), (offset, metadata));
                }
            }
        }
    }
}
