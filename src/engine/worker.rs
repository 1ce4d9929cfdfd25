//! The loop of one worker over the shards that it was given: poll, order, decide, one transaction.
//!
//! *Seat*: a shard in work. *Turn*: one round of the loop; `now` is read once in it. *Batch*: what one
//! transaction holds, of all shards together; it opens with the first input and stays open for a few
//! milliseconds, longer when there is more to do.
//!
//! What a failure asks for is in its name (`ports::Failure`): abort, undo and rewind; or make the producer
//! anew and ask the committed offsets what became of the batch; or stop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::merge::{Flow, Merge, Order};
use super::ports::{AssignedShard, Clock, Event, Failure, Log, Part, Result};
use super::report::{BatchReport, Ending, Observer, ShardEvent};
use super::shard::Shard;
use super::transaction::{Phase, Step, Transaction};
use super::wire::Wire;
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};

/// How soon a restore that the log could not serve is tried again.
const AGAIN: Span = Span::from_millis(10);

/// Where a first start begins on topics that hold old leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLeads {
    Earliest,
    Latest,
    At(Timestamp),
}

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub order: Order,
    /// Of every topic in, fixed for life.
    pub partitions: i32,
    /// How long a transaction stays open when it is quiet.
    pub linger: Span,
    /// How long it may grow while there is more to do.
    pub work: Span,
    pub most_records: usize,
    pub most_bytes: usize,
    /// `None` = refuse a first start on leads that are older than a day.
    pub start_leads: Option<StartLeads>,
    /// The longest wait for news.
    pub idle: Span,
    /// A bug planted on purpose: the simulation shows that its checker would find it.
    #[doc(hidden)]
    pub planted: Option<Planted>,
}

/// Bugs for checking the checker.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The committed offset is one too far.
    OffsetOff,
    /// Memory keeps what an aborted batch did to it.
    NoRollback,
    /// A restore arms no timers.
    NoTimers,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            order: Order::Wall,
            partitions: 1,
            linger: Span::from_millis(5),
            work: Span::from_millis(20),
            most_records: 10_000,
            most_bytes: 8 << 20,
            start_leads: None,
            idle: Span::from_millis(100),
            planted: None,
        }
    }
}

/// A shard in work.
pub(super) struct Seat {
    pub(super) shard: Shard,
    pub(super) merge: Merge,
    /// Where delivery of each topic began.
    pub(super) start: [i64; 9],
    /// What the group's offsets carry for this shard: the last batch that they know of.
    pub(super) metadata: String,
    /// Offsets of all inputs are still to be committed once.
    pub(super) first: bool,
    /// The first lead has not been looked at: is it too old for a first start?
    pub(super) guard: bool,
}

/// A shard that was taken from us, in case it comes back.
struct Parked {
    shard: Shard,
    metadata: String,
    state_end: i64,
}

/// One worker: its log, its clock, and the shards that it has.
pub struct Worker<L, C, O> {
    pub(super) log: L,
    pub(super) clock: C,
    pub(super) observer: O,
    pub(super) wire: Wire,
    pub(super) settings: Settings,
    pub(super) seats: BTreeMap<i32, Seat>,
    /// Given to us, and not restored yet.
    pub(super) waiting: BTreeSet<i32>,
    parked: BTreeMap<i32, Parked>,
    /// Polled and not taken in yet.
    pub(super) events: VecDeque<Event>,
    pub(super) transaction: Transaction,
    pub(super) report: BatchReport,
    /// Records on which deciding panicked.
    pub(super) panicked: BTreeSet<(Part, i64)>,
    /// The last round ended at a limit: there is more to do.
    pub(super) busy: bool,
    /// Which shard is served first.
    pub(super) rotation: usize,
}

impl<L: Log, C: Clock, O: Observer> Worker<L, C, O> {
    pub fn new(log: L, clock: C, observer: O, wire: Wire, settings: Settings) -> Worker<L, C, O> {
        Worker {
            log,
            clock,
            observer,
            wire,
            settings,
            seats: BTreeMap::new(),
            waiting: BTreeSet::new(),
            parked: BTreeMap::new(),
            events: VecDeque::new(),
            transaction: Transaction::default(),
            report: BatchReport::default(),
            panicked: BTreeSet::new(),
            busy: false,
            rotation: 0,
        }
    }

    /// One round. Only what must stop the process comes back as an error.
    pub fn turn(&mut self) -> Result<()> {
        let done = self.round();
        self.recover(done)
    }

    /// The shards in work.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.seats.values().map(|seat| &seat.shard)
    }

    /// Whether all shards that we were given are restored and have caught up.
    pub fn is_ready(&self) -> bool {
        self.waiting.is_empty() && self.seats.values().all(|seat| seat.merge.caught_up())
    }

    pub fn log_mut(&mut self) -> &mut L {
        &mut self.log
    }

    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Ends in good order: commits what is open, and leaves the group.
    pub fn stop(&mut self) -> Result<()> {
        if self.transaction.phase() == Phase::Open {
            let done = self.write_and_commit();
            self.recover(done)?;
        }
        self.log.leave()
    }

    fn round(&mut self) -> Result<()> {
        self.resolve_if_lost()?;
        if self.transaction.phase() != Phase::Closed && self.transaction.phase() != Phase::Open {
            // The committed offsets do not say yet what became of the batch: nothing is taken until then.
            return Ok(());
        }
        let wait = self.wait();
        let mut polled = Vec::new();
        let answer = self.log.poll(wait, &mut polled);
        self.events.extend(polled);
        answer?;
        let now = self.clock.now();
        self.take_in(now)?;
        self.restore_waiting(now)?;
        self.work(now)?;
        if self.is_batch_over() { self.write_and_commit() } else { Ok(()) }
    }

    fn recover(&mut self, done: Result<()>) -> Result<()> {
        let failure = match done {
            Err(Failure::Abort(_)) => match self.abort() {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            },
            Err(failure) => failure,
            Ok(()) => return Ok(()),
        };
        match failure {
            Failure::Fatal(why) => Err(Failure::Fatal(why)),
            // Next round: a new producer, then the committed offsets.
            Failure::Abort(why) | Failure::Unknown(why) => {
                let now = self.clock.now();
                self.transaction.lose(now, &why)
            }
        }
    }

    /// How long the log may wait for news.
    fn wait(&mut self) -> Span {
        if self.busy || !self.events.is_empty() {
            return Span::ZERO;
        }
        if !self.waiting.is_empty() {
            return AGAIN;
        }
        let now = self.clock.now();
        if self.transaction.phase() == Phase::Open {
            let over = self.transaction.opened_at + self.settings.linger;
            return over.since(now).max(Span::ZERO).min(self.settings.linger);
        }
        let ahead = |due: Timestamp| (due > now).then(|| due.since(now));
        let deadlines = self.seats.values_mut().filter_map(|seat| seat.shard.next_deadline());
        let next = deadlines.filter_map(ahead).min();
        next.unwrap_or(self.settings.idle).min(self.settings.idle)
    }

    fn is_batch_over(&mut self) -> bool {
        if self.transaction.phase() != Phase::Open {
            return false;
        }
        let open_for = self.clock.now().since(self.transaction.opened_at);
        // A clock that went back must not keep a transaction open.
        self.busy || open_for >= self.settings.linger || open_for < Span::ZERO
    }

    /// What the log said: the group's news, and records into their lanes.
    fn take_in(&mut self, now: Timestamp) -> Result<()> {
        while let Some(event) = self.events.pop_front() {
            match event {
                Event::Record(record) => {
                    let part = record.part;
                    let Some(seat) = self.seats.get_mut(&part.shard) else { continue };
                    if seat.merge.push(record) == Some(Flow::Pause) {
                        self.log.pause(part)?;
                    }
                }
                Event::Reached(part) => {
                    if let Some(seat) = self.seats.get_mut(&part.shard) {
                        seat.merge.reached(part.topic);
                    }
                }
                Event::Assigned(shards) => {
                    for assigned in shards {
                        self.assigned(assigned, now)?;
                    }
                }
                Event::Revoked(shards) => self.revoked(&shards)?,
                Event::Unsure => {
                    let shards: Vec<i32> = self.seats.keys().copied().collect();
                    shards.into_iter().try_for_each(|shard| self.doubt(shard, now))?;
                }
            }
        }
        Ok(())
    }

    /// Being caught up is established anew for a shard.
    pub(super) fn doubt(&mut self, shard: i32, now: Timestamp) -> Result<()> {
        let end = self.ends(shard)?;
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        seat.merge.doubt(end, now);
        // The end is only told after a seek where nothing more comes.
        let open = Topic::ALL.into_iter().filter(|topic| seat.merge.awaits_end(*topic));
        let position = seat.merge.positions();
        let to: Vec<_> =
            open.map(|topic| (Part { topic, shard }, position[topic.index()])).collect();
        self.drop_events(&to);
        self.log.seek(&to)
    }

    pub(super) fn ends(&mut self, shard: i32) -> Result<[i64; 9]> {
        let ends = self.log.ends(&Topic::ALL.map(|topic| Part { topic, shard }))?;
        let wrong = || Failure::Fatal("the log did not name an end for each part".to_owned());
        ends.try_into().map_err(|_| wrong())
    }

    /// What was polled of these parts before a seek is stale: it will come again.
    pub(super) fn drop_events(&mut self, parts: &[(Part, i64)]) {
        let stale = |part: Part| parts.iter().any(|(other, _)| *other == part);
        self.events.retain(|event| match event {
            Event::Record(record) => !stale(record.part),
            Event::Reached(part) => !stale(*part),
            _ => true,
        });
    }

    fn assigned(&mut self, assigned: AssignedShard, now: Timestamp) -> Result<()> {
        let shard = assigned.shard;
        self.observer.shard(ShardEvent::Assigned(shard));
        if let Some(parked) = self.parked.remove(&shard)
            && self.is_unchanged(&parked, &assigned)?
        {
            self.seat(parked.shard, parked.metadata, assigned.start, assigned.end, now);
            self.observer.shard(ShardEvent::Reused(shard));
            return Ok(());
        }
        self.waiting.insert(shard);
        self.restore(shard, Some(&assigned), now)
    }

    /// A shard is ready for work.
    pub(super) fn seat(
        &mut self,
        shard: Shard,
        metadata: String,
        start: [i64; 9],
        end: [i64; 9],
        now: Timestamp,
    ) {
        let order = self.settings.order;
        let first_start = shard.mark().is_before_leads();
        let merge = Merge::new(order, first_start, start, end, now);
        let guard = first_start && order == Order::Wall;
        let id = shard.id;
        self.seats.insert(id, Seat { shard, merge, start, metadata, first: true, guard });
    }

    /// Whether nobody wrote for a shard since it was parked.
    fn is_unchanged(&mut self, parked: &Parked, assigned: &AssignedShard) -> Result<bool> {
        let next = parked.shard.mark().next;
        let stands =
            next.iter().zip(assigned.start).all(|(next, start)| *next < 0 || *next == start);
        let answers = (self.log.committed(assigned.shard), self.log.state_end(assigned.shard));
        let (Ok(committed), Ok(state_end)) = answers else { return Ok(false) };
        Ok(stands && committed.metadata == parked.metadata && state_end == parked.state_end)
    }

    /// Shards went: what is open is aborted and undone, and what went is kept in case it comes back.
    fn revoked(&mut self, shards: &[i32]) -> Result<()> {
        // No commit is under way while the log is polled, so the batch has surely not committed.
        let ended = self.end_by_abort();
        self.undo(Ending::Aborted, shards);
        for shard in shards {
            self.waiting.remove(shard);
            self.observer.shard(ShardEvent::Revoked(*shard));
            let Some(seat) = self.seats.remove(shard) else { continue };
            let Ok(state_end) = self.log.state_end(*shard) else { continue };
            let parked = Parked { shard: seat.shard, metadata: seat.metadata, state_end };
            self.parked.insert(*shard, parked);
        }
        ended
    }

    /// Aborts the batch: in the log, in memory, in the inputs.
    fn abort(&mut self) -> Result<()> {
        self.end_by_abort()?;
        self.undo(Ending::Aborted, &[]);
        Ok(())
    }

    /// Ends an open transaction by aborting it. That this fails leaves only a new producer.
    fn end_by_abort(&mut self) -> Result<()> {
        if !matches!(self.transaction.phase(), Phase::Open | Phase::Sealed) {
            return Ok(());
        }
        match self.log.abort() {
            Ok(()) => self.transaction.step(Step::Abort),
            Err(Failure::Abort(why)) => return Err(Failure::Unknown(why)),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}
