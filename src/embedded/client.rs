//! The log as one worker sees it: a member of the group and a producer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use super::group::{Membership, Standing};
use super::transaction::Token;
use super::{Cluster, Inner, Stored, out_name};
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};
use crate::engine::partition::partition_of;
use crate::engine::ports::{
    AssignedShard, Committed, Event, Failure, Log, OutTopic, Outgoing, Part, Record, Result,
};

/// Records that one poll delivers of one part.
const POLL_RECORDS: usize = 500;

/// Where delivery of a part stands.
#[derive(Debug, Default)]
struct Cursor {
    next: i64,
    paused: bool,
    /// That the end was reached has been said, and nothing has come since.
    told: bool,
}

/// One client: to drop it is to crash, to `leave` it is to go.
pub struct EmbeddedLog {
    cluster: Cluster,
    client: String,
    membership: Membership,
    assigned: BTreeSet<i32>,
    cursors: BTreeMap<Part, Cursor>,
    token: Option<Token>,
}

impl EmbeddedLog {
    /// `client` names the process; its transactional id is made of it, so a newer client of the same
    /// name fences this one.
    pub fn new(cluster: &Cluster, client: &str) -> EmbeddedLog {
        EmbeddedLog {
            cluster: cluster.clone(),
            client: client.to_owned(),
            membership: Membership::default(),
            assigned: BTreeSet::new(),
            cursors: BTreeMap::new(),
            token: None,
        }
    }

    /// The member id, for `Cluster::kick`.
    pub fn member(&self) -> &str {
        &self.membership.member
    }

    fn token(&self) -> Result<&Token> {
        self.token.as_ref().ok_or_else(|| Failure::Unknown("no producer".to_owned()))
    }

    /// Group news and records, if there are any.
    fn sweep(&mut self, inner: &mut Inner, now: Timestamp, out: &mut Vec<Event>) {
        if inner.group.standing(&self.membership.member) == Standing::Unknown {
            self.revoke(out);
            let member = inner.group.join(&self.client, now);
            self.membership = Membership { member, generation: 0 };
        }
        inner.group.beat(&self.membership.member, now);
        if inner.group.standing(&self.membership.member) == Standing::Joining {
            self.revoke(out);
            inner.group.rejoin(&self.membership.member, inner.options.partitions);
        }
        let standing = inner.group.standing(&self.membership.member);
        if let Standing::Stable(generation, share) = standing
            && generation != self.membership.generation
        {
            self.revoke(out);
            if share.iter().any(|shard| inner.producers.holds_offsets(*shard)) {
                return;
            }
            self.membership.generation = generation;
            self.assign(inner, &share, out);
        }
        self.deliver(inner, out);
    }

    fn revoke(&mut self, out: &mut Vec<Event>) {
        let shards: Vec<i32> = std::mem::take(&mut self.assigned).into_iter().collect();
        self.cursors.clear();
        if !shards.is_empty() {
            out.push(Event::Revoked(shards));
        }
    }

    fn assign(&mut self, inner: &mut Inner, share: &[i32], out: &mut Vec<Event>) {
        let mut shards = Vec::new();
        for &shard in share {
            let (mut start, mut end) = ([0; 9], [0; 9]);
            for topic in Topic::ALL {
                let partition = inner.partition(topic.name(), shard);
                let (first, stable) = partition.map_or((0, 0), |p| (p.first(), p.stable_end()));
                end[topic.index()] = stable;
                let committed = inner.group.offsets.get(&(topic, shard)).map(|(offset, _)| *offset);
                let next = committed.unwrap_or(0).max(first);
                start[topic.index()] = next;
                let cursor = Cursor { next, ..Cursor::default() };
                self.cursors.insert(Part { topic, shard }, cursor);
            }
            shards.push(AssignedShard { shard, start, end });
            self.assigned.insert(shard);
        }
        if !shards.is_empty() {
            out.push(Event::Assigned(shards));
        }
    }

    fn deliver(&mut self, inner: &mut Inner, out: &mut Vec<Event>) {
        for (part, cursor) in self.cursors.iter_mut().filter(|(_, cursor)| !cursor.paused) {
            let Some(partition) = inner.partition(part.topic.name(), part.shard) else { continue };
            let (records, next) = partition.committed(cursor.next, POLL_RECORDS);
            cursor.told &= records.is_empty();
            cursor.next = next;
            out.extend(records.into_iter().map(|stored| Event::Record(record(*part, stored))));
            if !cursor.told && next >= partition.stable_end() {
                cursor.told = true;
                out.push(Event::Reached(*part));
            }
        }
    }

    fn cursor(&mut self, part: Part) -> Result<&mut Cursor> {
        let missing = || Failure::Abort("the part is not assigned".to_owned());
        self.cursors.get_mut(&part).ok_or_else(missing)
    }
}

fn record(part: Part, stored: Stored) -> Record {
    let Stored { offset, timestamp, key, value, headers } = stored;
    Record { part, offset, timestamp, key, value, headers }
}

impl Log for EmbeddedLog {
    fn poll(&mut self, wait: Span, out: &mut Vec<Event>) -> Result<()> {
        let cluster = self.cluster.clone();
        let shared = &*cluster.shared;
        let before = out.len();
        let mut inner = cluster.lock();
        let now = (shared.now)();
        inner.expire(now);
        self.sweep(&mut inner, now, out);
        if out.len() > before || !shared.options.waits || wait <= Span::ZERO {
            return Ok(());
        }
        let wait = Duration::from_millis(wait.0.unsigned_abs());
        // Woken early or in vain: the next poll looks again.
        let woken = shared.news.wait_timeout(inner, wait);
        let (mut inner, _) = woken.unwrap_or_else(PoisonError::into_inner);
        self.sweep(&mut inner, (shared.now)(), out);
        Ok(())
    }

    fn pause(&mut self, part: Part) -> Result<()> {
        self.cursor(part)?.paused = true;
        Ok(())
    }

    fn resume(&mut self, part: Part) -> Result<()> {
        let cursor = self.cursor(part)?;
        cursor.paused = false;
        cursor.told = false;
        Ok(())
    }

    fn seek(&mut self, to: &[(Part, i64)]) -> Result<()> {
        for (part, offset) in to {
            let cursor = self.cursor(*part)?;
            cursor.next = *offset;
            cursor.told = false;
        }
        Ok(())
    }

    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>> {
        let end = |part: &Part| self.cluster.end(part.topic.name(), part.shard);
        Ok(parts.iter().map(end).collect())
    }

    fn offsets_at(&mut self, parts: &[Part], time: Timestamp) -> Result<Vec<i64>> {
        Ok(self.cluster.with(|inner, _| {
            let mut at = |part: &Part| {
                let partition = inner.partition(part.topic.name(), part.shard);
                partition.map_or(0, |partition| partition.offset_at(time))
            };
            parts.iter().map(&mut at).collect()
        }))
    }

    fn committed(&mut self, shard: i32) -> Result<Committed> {
        self.cluster.with(|inner, _| {
            if inner.producers.holds_offsets(shard) {
                return Err(Failure::Abort("a transaction holds the offsets".to_owned()));
            }
            let of = |topic| inner.group.offsets.get(&(topic, shard));
            let metadata = of(Topic::LeadCreated).map(|(_, metadata)| metadata.clone());
            let offsets = Topic::ALL.map(|topic| of(topic).map(|(offset, _)| *offset));
            Ok(Committed { offsets, metadata: metadata.unwrap_or_default() })
        })
    }

    fn restore(&mut self, shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64> {
        let (records, end) = self.cluster.with(|inner, now| {
            inner.group.beat(&self.membership.member, now);
            let partition = inner.partition(out_name(OutTopic::State), shard);
            let Some(partition) = partition else { return (Vec::new(), None) };
            let stable = partition.stable_end() == partition.end();
            (partition.committed(0, usize::MAX).0, stable.then_some(partition.end()))
        });
        let Some(end) = end else {
            return Err(Failure::Abort("a transaction is open in the state".to_owned()));
        };
        for record in &records {
            each(record.key.as_deref().unwrap_or_default(), record.value.as_deref());
        }
        Ok(end)
    }

    fn state_end(&mut self, shard: i32) -> Result<i64> {
        let end = |inner: &mut Inner, _| {
            inner.partition(out_name(OutTopic::State), shard).map_or(0, |partition| partition.end())
        };
        Ok(self.cluster.with(end))
    }

    fn owns(&mut self, shards: &[i32]) -> bool {
        let member = !self.membership.member.is_empty();
        member && shards.iter().all(|shard| self.assigned.contains(shard))
    }

    fn begin(&mut self) -> Result<()> {
        if self.token.is_none() {
            self.recreate()?;
        }
        let token = self.token()?;
        self.cluster.with(|inner, now| inner.begin(token, now))
    }

    fn send(&mut self, record: Outgoing) -> Result<()> {
        let partitions = self.cluster.partitions();
        let by_key = |key: &Option<Vec<u8>>| match key {
            Some(key) => partition_of(key, partitions),
            None => 0,
        };
        let partition = record.partition.unwrap_or_else(|| by_key(&record.key));
        let topic = out_name(record.topic);
        let Outgoing { timestamp, key, value, headers, .. } = record;
        let stored = Stored { offset: 0, timestamp, key, value, headers };
        let token = self.token()?;
        self.cluster.with(|inner, _| inner.append(token, topic, partition, stored))
    }

    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()> {
        let token = self.token()?;
        self.cluster.with(|inner, _| {
            if offsets.is_empty() {
                return Ok(());
            }
            inner.group.admit(&self.membership)?;
            let offset = |(part, offset, metadata): &(Part, i64, String)| {
                (part.topic, part.shard, *offset, metadata.clone())
            };
            inner.add_offsets(token, offsets.iter().map(offset).collect())
        })
    }

    fn commit(&mut self) -> Result<()> {
        let token = self.token()?;
        self.cluster.with(|inner, _| inner.end_transaction(token, true))?;
        self.cluster.shared.news.notify_all();
        Ok(())
    }

    fn abort(&mut self) -> Result<()> {
        let token = self.token()?;
        self.cluster.with(|inner, _| inner.end_transaction(token, false))?;
        self.cluster.shared.news.notify_all();
        Ok(())
    }

    fn recreate(&mut self) -> Result<()> {
        self.token = None;
        self.token = Some(self.cluster.with(|inner, _| inner.init_producer(&self.client)));
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.cluster.with(|inner, _| inner.group.remove(&self.membership.member));
        self.assigned.clear();
        self.cursors.clear();
        self.membership = Membership::default();
        self.cluster.shared.news.notify_all();
        Ok(())
    }
}
