//! The consuming side of a worker: a member of the group with one split queue a topic-partition.
//!
//! A queue is split once, before its first assignment, and kept for the life of the process: a second
//! handle would take the wake-ups of the first away. Pausing means not to empty a queue: librdkafka stops
//! fetching when it is full, and nothing is fetched twice. After an error deliveries may be behind: that is
//! said at once, so that no timer overtakes a record, and again when the brokers answer, since only then
//! can it be established anew where the ends are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::config::Settings;
use crate::engine::ports::{AssignedShard, Event, Failure, Part, Result};

use super::HANGING;
use super::context::{Context, Notes, Rebalance, Waker};
use super::error::{self, Heard, Trouble};
use super::lane::Lane;
use super::layout::Layout;
use super::offsets::QUERY;
use super::settings;

/// After trouble the brokers are asked this often whether they answer.
const RETRY: Duration = Duration::from_secs(1);
/// The longest sleep: a lost wake-up costs no more than this.
const PARK: Duration = Duration::from_millis(100);

pub(super) struct Source {
    consumer: Arc<BaseConsumer<Context>>,
    notes: Arc<Notes>,
    waker: Arc<Waker>,
    layout: Layout,
    lanes: Vec<Lane>,
    shards: BTreeSet<i32>,
    /// An assignment that could not be carried out yet.
    waiting: Option<Vec<(String, i32)>>,
    pending: Vec<Event>,
    swept_at: Instant,
    /// The brokers had trouble and have not answered since; when they were last asked.
    unanswered: Option<Instant>,
}

impl Source {
    pub(super) fn connect(
        settings: &Settings,
        worker: usize,
        layout: Layout,
    ) -> std::result::Result<Source, Trouble> {
        let notes = Arc::new(Notes::default());
        let context = Context { notes: Arc::clone(&notes) };
        let config = settings::group_consumer(settings, worker);
        let mut consumer: BaseConsumer<Context> =
            config.create_with_context(context).map_err(|error| error::creating(&error))?;
        let waker = Waker::new();
        let wake = Arc::clone(&waker);
        consumer.set_nonempty_callback(move || wake.wake());
        let names: Vec<&str> = layout.subscribed().collect();
        consumer.subscribe(&names).map_err(|error| error::creating(&error))?;
        Ok(Source {
            consumer: Arc::new(consumer),
            notes,
            waker,
            layout,
            lanes: Vec::new(),
            shards: BTreeSet::new(),
            waiting: None,
            pending: Vec::new(),
            swept_at: Instant::now(),
            unanswered: None,
        })
    }

    pub(super) fn consumer(&self) -> &BaseConsumer<Context> {
        &self.consumer
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn poll(&mut self, wait: Duration, out: &mut Vec<Event>) -> Result<()> {
        let deadline = Instant::now() + wait;
        loop {
            self.waker.clear();
            self.serve()?;
            out.append(&mut self.pending);
            self.sweep(out)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !out.is_empty() || left.is_zero() {
                return Ok(());
            }
            self.waker.park(left.min(PARK));
        }
    }

    /// Serves the group: callbacks, rebalances, errors. Must be called within max.poll.interval.
    pub(super) fn serve(&mut self) -> Result<()> {
        self.drain_main()?;
        for change in self.notes.take_rebalances() {
            match change {
                Rebalance::Assign(parts) => self.waiting = Some(parts),
                Rebalance::Revoke(_) => self.revoke(),
            }
        }
        if let Some(parts) = self.waiting.take() {
            match self.assign(&parts) {
                Err(Failure::Abort(why)) => {
                    // Offsets are unstable until a transaction that wrote some has ended.
                    let mend = format_args!("if it goes on, {HANGING}");
                    tracing::warn!(why, %mend, "an assignment waits");
                    self.waiting = Some(parts);
                }
                other => other?,
            }
        }
        let mut unsure = false;
        for heard in self.notes.take_heard() {
            match heard {
                Heard::End => {}
                Heard::Unsure(why) => {
                    tracing::warn!(why, "the brokers have trouble");
                    unsure = true;
                }
                Heard::Fatal(why) => return Err(Failure::Fatal(why)),
            }
        }
        if unsure {
            self.unsure();
        }
        self.ask_again();
        Ok(())
    }

    /// Polls until there is nothing more: one poll serves one event and does not say if it did.
    fn drain_main(&mut self) -> Result<()> {
        loop {
            let before = self.notes.served();
            match self.consumer.poll(Duration::ZERO) {
                None if self.notes.served() == before => return Ok(()),
                // Errors that name a partition came through the context as well.
                None | Some(Err(_)) => {}
                // Cannot be: every part is split before it is assigned.
                Some(Ok(message)) => {
                    let text = format!("a record of {} came unsplit", message.topic());
                    return Err(Failure::Fatal(text));
                }
            }
        }
    }

    fn revoke(&mut self) {
        self.waiting = None;
        let shards: Vec<i32> = std::mem::take(&mut self.shards).into_iter().collect();
        tracing::debug!(?shards, "revoked");
        for lane in &mut self.lanes {
            lane.assigned = false;
        }
        if !shards.is_empty() {
            self.pending.push(Event::Revoked(shards));
        }
    }

    /// Deliveries may be behind.
    fn unsure(&mut self) {
        if self.unanswered.is_none() {
            self.unanswered = Some(Instant::now());
            self.pending.push(Event::Unsure);
        }
    }

    /// After trouble, asks the brokers once a second; the answer is the moment to look for the ends.
    fn ask_again(&mut self) {
        let Some(asked) = self.unanswered else { return };
        if asked.elapsed() < RETRY {
            return;
        }
        let mut named: Vec<(String, i32)> = self
            .lanes
            .iter()
            .filter(|lane| lane.assigned)
            .filter_map(|lane| {
                Some((self.layout.name(lane.part.topic)?.to_owned(), lane.part.shard))
            })
            .collect();
        if named.is_empty() {
            // Nothing is ours; whether the brokers are there is to be known all the same.
            named.extend(self.layout.subscribed().next().map(|name| (name.to_owned(), 0)));
        }
        self.unanswered = match self.ends(&named, RETRY) {
            Ok(_) => {
                tracing::info!("the brokers answer again");
                self.pending.push(Event::Unsure);
                None
            }
            Err(_) => Some(Instant::now()),
        };
    }

    fn assign(&mut self, parts: &[(String, i32)]) -> Result<()> {
        let shards = self.layout.shards_of(parts).map_err(Failure::Fatal)?;
        self.layout.unchanged(self.consumer.client(), QUERY)?;
        for (name, partition) in parts {
            self.split(name, *partition)?;
        }
        let starts = self.starts(parts)?;
        let ends = self.ends(parts, QUERY)?;
        let mut list = TopicPartitionList::with_capacity(parts.len());
        for ((name, shard), start) in parts.iter().zip(&starts) {
            list.add_partition_offset(name, *shard, Offset::Offset(*start))
                .map_err(|error| error::query("assign", &error))?;
        }
        self.consumer.assign(&list).map_err(|error| error::query("assign", &error))?;
        drop(list);
        self.note_assigned(&shards, parts, &starts, &ends);
        Ok(())
    }

    /// Tells the worker, and from where each part counts as caught up.
    fn note_assigned(
        &mut self,
        shards: &BTreeSet<i32>,
        parts: &[(String, i32)],
        starts: &[i64],
        ends: &[i64],
    ) {
        let blank = |shard: &i32| AssignedShard { shard: *shard, start: [0; 9], end: [0; 9] };
        let mut told: Vec<AssignedShard> = shards.iter().map(blank).collect();
        let mut reached = Vec::new();
        for (((name, shard), start), end) in parts.iter().zip(starts).zip(ends) {
            let Some(part) = self.layout.part(name, *shard) else { continue };
            let at = part.topic.index();
            if let Some(assigned) = told.iter_mut().find(|assigned| assigned.shard == *shard)
                && let (Some(first), Some(last)) =
                    (assigned.start.get_mut(at), assigned.end.get_mut(at))
            {
                (*first, *last) = (*start, *end);
            }
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.part == part) else { continue };
            lane.assigned = true;
            lane.paused = false;
            lane.look();
            lane.position = *start;
            lane.target = Some(*end).filter(|end| start < end);
            if lane.target.is_none() {
                reached.push(Event::Reached(part));
            }
        }
        for shard in shards {
            for topic in self.layout.absent() {
                reached.push(Event::Reached(Part { topic, shard: *shard }));
            }
        }
        tracing::debug!(?shards, "assigned");
        self.shards.clone_from(shards);
        if !told.is_empty() {
            self.pending.push(Event::Assigned(told));
        }
        self.pending.append(&mut reached);
    }

    fn split(&mut self, name: &str, shard: i32) -> Result<()> {
        let Some(part) = self.layout.part(name, shard) else {
            return Err(Failure::Fatal(format!("assigned a topic that is not ours: {name}")));
        };
        if self.lanes.iter().any(|lane| lane.part == part) {
            return Ok(());
        }
        let queue = self
            .consumer
            .split_partition_queue(name, shard)
            .ok_or_else(|| Failure::Fatal(format!("no queue for {name} {shard}")))?;
        self.lanes.push(Lane::new(part, queue, &self.waker));
        // In the order of shard, then topic: sweeps are the same in every run.
        self.lanes.sort_by_key(|lane| (lane.part.shard, lane.part.topic));
        Ok(())
    }

    fn sweep(&mut self, out: &mut Vec<Event>) -> Result<()> {
        // Flags may be missed; a queue that is looked at now and then cannot be forgotten.
        let all = self.swept_at.elapsed() >= PARK;
        if all {
            self.swept_at = Instant::now();
        }
        let mut unsure = false;
        for lane in self.lanes.iter_mut().filter(|lane| lane.assigned && !lane.paused) {
            if lane.take_ready() || all {
                unsure |= lane.sweep(out)?;
            }
        }
        if unsure {
            self.unsure();
            out.append(&mut self.pending);
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, part: Part, paused: bool) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.part == part) {
            lane.paused = paused;
            if !paused {
                lane.look();
                self.waker.wake();
            }
        }
    }

    pub(super) fn seek(&mut self, to: &[(Part, i64)]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(to.len());
        for (part, offset) in to {
            let Some(name) = self.layout.name(part.topic) else { continue };
            list.add_partition_offset(name, part.shard, Offset::Offset(*offset))
                .map_err(|error| error::query("seek", &error))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        self.sought(list)?;
        for (part, offset) in to {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.part == *part) {
                lane.position = *offset;
                lane.look();
            }
        }
        self.waker.wake();
        Ok(())
    }

    /// An assignment is carried out by another thread; until it is, a seek answers "not started".
    fn sought(&self, list: TopicPartitionList) -> Result<()> {
        let deadline = Instant::now() + QUERY;
        loop {
            let answer = self.consumer.seek_partitions(list.clone(), QUERY);
            let failed = match answer {
                Ok(answered) => answered.elements().iter().find_map(|one| one.error().err()),
                Err(error) => Some(error),
            };
            match failed {
                None => return Ok(()),
                Some(error) if error::is_not_started(&error) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Some(error) => return Err(error::query("seek", &error)),
            }
        }
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.unanswered.is_none()
    }

    pub(super) fn owns(&self, shards: &[i32]) -> bool {
        !self.consumer.assignment_lost() && shards.iter().all(|shard| self.shards.contains(shard))
    }

    /// What fences us: member and generation, as they are now. The broker takes metadata without a
    /// member id for a client outside any group and fences nothing; the wrapper does not show the id. A
    /// member loses it only after its assignment was lost or a revocation was queued, on the thread that
    /// also answers this question: so who asks first and then sees neither, had one.
    pub(super) fn membership(&mut self, shards: &[i32]) -> Result<ConsumerGroupMetadata> {
        let metadata = self.consumer.group_metadata();
        self.serve()?;
        match metadata {
            Some(metadata) if self.owns(shards) => Ok(metadata),
            _ => Err(Failure::Abort("these shards are no longer ours".to_owned())),
        }
    }

    /// Leaves nothing behind that closing would wait for. The consumer closes on a thread of its own.
    pub(super) fn close(self, most: Duration) -> bool {
        self.notes.closing();
        let Source { consumer, lanes, .. } = self;
        drop(lanes);
        let (done, closed) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("closing".to_owned()).spawn(move || {
            drop(consumer);
            let _ = done.send(());
        });
        thread.is_ok() && closed.recv_timeout(most).is_ok()
    }
}
