//! The loop of one worker over the shards that it was given: poll, order, decide, one transaction.
//!
//! *Seat*: a shard in work. *Turn*: one round of the loop; `now` is read once in it. *Batch*: what one
//! transaction holds, of all shards together; it opens with the first input and stays open for a few
//! milliseconds, longer when there is more to do.
//!
//! What a failure asks for is in its name (`ports::Failure`): abort, undo and rewind; or make the producer
//! anew and ask the committed offsets what became of the batch; or stop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::assignment::{Parked, Seat};
use super::merge::{Flow, Merge, Order};
use super::ports::{Clock, Event, Failure, Log, Part, Result};
use super::report::{BatchReport, Ending, Observer, Wait};
use super::shard::Shard;
use super::transaction::{Phase, Transaction};
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
    /// Where records were lost before they were read, go on with the oldest that is left; else refuse.
    pub skip_lost: bool,
    /// A partition stops after so many dead letters in a row; 0 = never.
    pub dead_letters_stop_after: usize,
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
            skip_lost: false,
            dead_letters_stop_after: 10_000,
            idle: Span::from_millis(100),
            planted: None,
        }
    }
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
    pub(super) parked: BTreeMap<i32, Parked>,
    /// Polled and not taken in yet.
    pub(super) events: VecDeque<Event>,
    /// Parts that are to deliver again.
    pub(super) resumes: BTreeSet<Part>,
    pub(super) transaction: Transaction,
    pub(super) report: BatchReport,
    /// Records on which deciding panicked.
    pub(super) panicked: BTreeSet<(Part, i64)>,
    /// The last round ended at a limit: the batch is over, and there is more to do.
    pub(super) busy: bool,
    /// The last round took a whole slice of a shard: there may be more to do.
    pub(super) more: bool,
    /// Which shard is served first.
    pub(super) rotation: usize,
    /// Until then hot leads are reckoned with.
    pub(super) hot_until: Timestamp,
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
            resumes: BTreeSet::new(),
            transaction: Transaction::default(),
            report: BatchReport::default(),
            panicked: BTreeSet::new(),
            busy: false,
            more: false,
            rotation: 0,
            hot_until: Timestamp(i64::MIN),
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

    /// What is waited for until all shards that we were given are restored, have caught up and have not stopped.
    /// `joining`: that there are none yet may change soon.
    pub fn waits_for(&self, joining: bool) -> Option<Wait> {
        let away = self.transaction.is_in_doubt() || !self.log.is_reachable();
        let none = self.seats.is_empty() && joining;
        Wait::for_shards(away, !self.waiting.is_empty(), none).or_else(|| {
            if self.seats.values().any(|seat| seat.stopped) {
                return Some(Wait::Stopped);
            }
            let behind = |seat: &Seat| !seat.merge.caught_up();
            self.seats.values().any(behind).then_some(Wait::CatchUp)
        })
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
        if self.transaction.is_in_doubt() {
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
        self.resume()?;
        if self.is_batch_over() { self.write_and_commit() } else { Ok(()) }
    }

    fn recover(&mut self, done: Result<()>) -> Result<()> {
        let done = match done {
            Err(Failure::Abort(_)) => self.abort(),
            done => done,
        };
        done.or_else(|failure| self.transaction.lost_by(self.clock.now(), failure))
    }

    /// How long the log may wait for news.
    fn wait(&mut self) -> Span {
        if self.busy || self.more || !self.events.is_empty() {
            return Span::ZERO;
        }
        if !self.waiting.is_empty() {
            return AGAIN;
        }
        let now = self.clock.now();
        let ahead = |due: Timestamp| (due > now).then(|| due.since(now));
        let deadlines = self.seats.values_mut().filter_map(|seat| seat.shard.quiet_until(now));
        let next = deadlines.filter_map(ahead).min();
        if self.seats.values().any(|seat| seat.shard.is_ordering()) {
            return Span::ZERO;
        }
        if self.transaction.phase() == Phase::Open {
            let over = self.transaction.opened_at + self.settings.linger;
            return over.since(now).max(Span::ZERO).min(self.settings.linger);
        }
        next.unwrap_or(self.settings.idle).min(self.settings.idle)
    }

    fn is_batch_over(&mut self) -> bool {
        if self.transaction.phase() != Phase::Open {
            return false;
        }
        let open_for = self.clock.now().since(self.transaction.opened_at);
        // A clock that went back must not keep a transaction open.
        self.busy || !self.more && open_for >= self.settings.linger || open_for < Span::ZERO
    }

    /// What the log said: the group's news, and records into their lanes.
    fn take_in(&mut self, now: Timestamp) -> Result<()> {
        while let Some(event) = self.events.pop_front() {
            match event {
                Event::Record(record) => {
                    let part = record.part;
                    let Some(seat) = self.seats.get_mut(&part.shard) else { continue };
                    if seat.merge.push(record) == Some(Flow::Pause) {
                        self.resumes.remove(&part);
                        self.pause(part)?;
                    }
                }
                Event::Reached(part) => {
                    if let Some(seat) = self.seats.get_mut(&part.shard) {
                        seat.merge.reached(part.topic);
                    }
                }
                Event::Assigned(shards) => {
                    // All of them wait first: a failure with one must not make us forget another.
                    self.waiting.extend(shards.iter().map(|assigned| assigned.shard));
                    shards.into_iter().try_for_each(|assigned| self.assigned(assigned, now))?;
                }
                Event::Revoked(shards) => self.revoked(&shards)?,
                Event::Unsure => {
                    let shards: Vec<i32> = self.seats.keys().copied().collect();
                    let doubt = |shard| self.ask_ends(shard, now, Merge::doubt);
                    shards.into_iter().try_for_each(doubt)?;
                }
            }
        }
        Ok(())
    }

    fn pause(&mut self, part: Part) -> Result<()> {
        match self.log.pause(part) {
            // It is not ours any more, and the group will say so; a lane that is too full does no harm.
            Err(Failure::Abort(_)) => Ok(()),
            done => done,
        }
    }

    /// Lets the parts deliver again whose lanes have room.
    fn resume(&mut self) -> Result<()> {
        for part in self.resumes.clone() {
            match self.log.resume(part) {
                Ok(()) => self.resumes.remove(&part),
                // Tried again next round: a part that stays paused would never be heard of.
                Err(Failure::Abort(_)) => continue,
                Err(failure) => return Err(failure),
            };
        }
        Ok(())
    }

    /// Asks the log for the ends of a shard anew, for the merge to go by: as a `Merge::doubt` of all that it
    /// knows, or a `Merge::recheck` of what is to arrive before late timers.
    pub(super) fn ask_ends(
        &mut self,
        shard: i32,
        now: Timestamp,
        tell: fn(&mut Merge, [i64; 9], Timestamp),
    ) -> Result<()> {
        let end = self.ends(shard)?;
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        tell(&mut seat.merge, end, now);
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

    /// Aborts the batch: in the log, in memory, in the inputs.
    fn abort(&mut self) -> Result<()> {
        self.transaction.abort(&mut self.log)?;
        self.undo(Ending::Aborted, &[]);
        Ok(())
    }
}
