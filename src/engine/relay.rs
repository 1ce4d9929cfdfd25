//! A loop for one topic in: each record through a stage, exactly once.
//!
//! *Stage*: what is done with a record, and what is remembered of it by shard. *Seat*: a shard in work.
//! Like the router's worker it keeps memory and log together: a batch commits with its offsets and images,
//! or the stage undoes it. After an unknown outcome nothing is inferred: the shards are restored from
//! what committed, as after a crash.

mod recovery;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::guard::Guard;
use super::ports::{
    AssignedShard, Clock, Event, Failure, Log, OutTopic, Outgoing, Part, Record, Result,
};
use super::report::{LostRecords, Wait};
use super::transaction::{Phase, Step, Transaction};
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};

/// The log has places for all topics in; a relay's one topic is at the first, which also carries the
/// metadata of the committed offsets.
pub const IN: Topic = Topic::LeadCreated;

/// So many records of a shard wait before its part is paused, and delivered again at half of it.
const FULL: usize = 4_000;
/// How soon what could not be done is tried again.
const AGAIN: Span = Span::from_millis(50);

/// What became of a record.
#[derive(Debug)]
pub enum Taken {
    /// Done: this is to be written.
    Done(Vec<Outgoing>),
    /// Something that it needs is out of reach; it is taken again, and nothing after it before.
    Wait,
}

/// What a relay does with records. Nothing here blocks for long or writes.
pub trait Stage {
    /// Whether there are images to restore from.
    fn has_state(&self) -> bool;
    /// A shard begins, with nothing known of it.
    fn open(&mut self, shard: i32);
    /// An image of the shard, the latest of its key last.
    fn load(&mut self, shard: i32, key: &[u8], value: Option<&[u8]>) -> Result<()>;
    /// A record of an open shard.
    fn take(&mut self, record: &Record, now: Timestamp) -> Result<Taken>;
    /// The images of what the batch changed of a shard.
    fn images(&mut self, shard: i32, now: Timestamp) -> Vec<Outgoing>;
    /// The batch has committed.
    fn keep(&mut self);
    /// The batch never was.
    fn undo(&mut self);
    /// A shard is no longer ours, or is restored anew.
    fn close(&mut self, shard: i32);
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// What the topic in is called.
    pub topic: String,
    /// How long a transaction stays open when it is quiet, and while there is more to do.
    pub linger: Span,
    pub work: Span,
    pub most_records: usize,
    pub most_bytes: usize,
    pub idle: Span,
    /// Stops a shard when so many records in a row, or more than half of the last so many, are dead letters; 0 = never.
    pub stop_after: usize,
    /// Where records were lost before they were read, go on with the oldest that is left; else refuse.
    pub skip_lost: bool,
}

#[derive(Debug, Default)]
struct Seat {
    queue: VecDeque<Record>,
    /// The offset after the last record that arrived.
    arrived: i64,
    /// The next offset to take, within the batch, and when it began.
    next: i64,
    committed: i64,
    batch: u64,
    paused: bool,
    touched: bool,
    guard: Guard,
    /// Too much of it is bad: nothing more is taken.
    stopped: bool,
}

/// The relay of one log.
pub struct Relay<L, C, S> {
    log: L,
    clock: C,
    stage: S,
    settings: Settings,
    seats: BTreeMap<i32, Seat>,
    /// Given to us and not restored, with where they begin if nothing was committed.
    waiting: BTreeMap<i32, i64>,
    /// Sought since the last poll: what was polled of these shards before will come again.
    sought: BTreeSet<i32>,
    transaction: Transaction,
    busy: bool,
    /// A record could not be taken yet.
    held: bool,
    /// Shards that stopped since it was asked, each with why.
    stops: Vec<(i32, String)>,
}

impl<L: Log, C: Clock, S: Stage> Relay<L, C, S> {
    pub fn new(log: L, clock: C, stage: S, settings: Settings) -> Relay<L, C, S> {
        Relay {
            log,
            clock,
            stage,
            settings,
            seats: BTreeMap::new(),
            waiting: BTreeMap::new(),
            sought: BTreeSet::new(),
            transaction: Transaction::default(),
            busy: false,
            held: false,
            stops: Vec::new(),
        }
    }

    pub fn stage_mut(&mut self) -> &mut S {
        &mut self.stage
    }

    pub fn log_mut(&mut self) -> &mut L {
        &mut self.log
    }

    /// What is waited for until every shard that we were given is in work. `joining`: that there are none yet may
    /// change soon.
    pub fn waits_for(&self, joining: bool) -> Option<Wait> {
        let away = self.transaction.is_in_doubt() || !self.log.is_reachable();
        let none = self.seats.is_empty() && joining;
        Wait::for_shards(away, !self.waiting.is_empty(), none)
            .or_else(|| (self.stopped() > 0).then_some(Wait::Stopped))
    }

    /// How many shards are ours and have stopped.
    pub fn stopped(&self) -> usize {
        self.seats.values().filter(|seat| seat.stopped).count()
    }

    /// Shards that stopped since the last call, each with why.
    pub fn take_stops(&mut self) -> Vec<(i32, String)> {
        std::mem::take(&mut self.stops)
    }

    /// The shards in work.
    pub fn shards(&self) -> impl Iterator<Item = i32> {
        self.seats.keys().copied()
    }

    /// One round. Only what must stop the process comes back as an error.
    pub fn turn(&mut self) -> Result<()> {
        let done = self.round();
        self.recover(done)
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
        self.settle()?;
        if self.transaction.is_in_doubt() {
            return Ok(());
        }
        let mut events = Vec::new();
        let wait = self.wait();
        self.sought.clear();
        let polled = self.log.poll(wait, &mut events);
        let taken_in = self.take_in(events);
        polled?;
        taken_in?;
        self.restore_waiting()?;
        self.work()?;
        let open_for = self.clock.now().since(self.transaction.opened_at);
        let over = self.busy || self.held || open_for >= self.settings.linger || open_for.0 < 0;
        if self.transaction.phase() == Phase::Open && over {
            return self.write_and_commit();
        }
        Ok(())
    }

    fn wait(&mut self) -> Span {
        if self.busy {
            return Span::ZERO;
        }
        if self.held || !self.waiting.is_empty() {
            return AGAIN;
        }
        match self.transaction.phase() {
            Phase::Open => self.settings.linger,
            _ => self.settings.idle,
        }
    }

    fn take_in(&mut self, events: Vec<Event>) -> Result<()> {
        let mut events = VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            let done = self.take_event(event);
            if done.is_err() {
                // The group's news is not told twice; records come again.
                for event in events {
                    self.note_group(event);
                }
                return done;
            }
        }
        Ok(())
    }

    /// What must not be missed though the round ends here.
    fn note_group(&mut self, event: Event) {
        match event {
            Event::Assigned(shards) => self.note_assigned(&shards),
            Event::Revoked(shards) => {
                for shard in shards {
                    self.waiting.remove(&shard);
                    self.vacate(shard);
                }
            }
            _ => {}
        }
    }

    fn note_assigned(&mut self, shards: &[AssignedShard]) {
        for assigned in shards {
            let start = assigned.start.get(IN.index()).copied().unwrap_or(0);
            self.waiting.insert(assigned.shard, start);
        }
    }

    fn take_event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Record(record) => {
                let part = record.part;
                if part.topic != IN {
                    return Ok(());
                }
                let Some(seat) = self.seats.get_mut(&part.shard) else { return Ok(()) };
                if record.offset < seat.arrived || self.sought.contains(&part.shard) {
                    return Ok(());
                }
                seat.arrived = record.offset + 1;
                seat.queue.push_back(record);
                if seat.queue.len() >= FULL && !seat.paused {
                    seat.paused = true;
                    self.log.pause(part)?;
                }
            }
            Event::Assigned(shards) => {
                self.note_assigned(&shards);
                self.restore_waiting()?;
            }
            Event::Revoked(shards) => {
                let ended = self.transaction.abort(&mut self.log);
                self.undo();
                for shard in &shards {
                    self.waiting.remove(shard);
                    self.vacate(*shard);
                }
                ended?;
                self.rewind()?;
            }
            Event::Reached(_) | Event::Unsure => {}
        }
        Ok(())
    }

    fn vacate(&mut self, shard: i32) {
        if self.seats.remove(&shard).is_some() {
            self.stage.close(shard);
        }
    }

    fn restore_waiting(&mut self) -> Result<()> {
        for (shard, start) in self.waiting.clone() {
            match self.restore(shard, start) {
                // Not stable yet: tried again next round.
                Err(Failure::Abort(_)) => self.stage.close(shard),
                done => done?,
            }
        }
        Ok(())
    }

    fn restore(&mut self, shard: i32, start: i64) -> Result<()> {
        let committed = self.log.committed(shard)?;
        self.stage.open(shard);
        if self.stage.has_state() {
            let Relay { log, stage, .. } = self;
            let mut loaded = Ok(());
            log.restore(shard, &mut |key, value| {
                if loaded.is_ok() {
                    loaded = stage.load(shard, key, value);
                }
            })?;
            loaded?;
        }
        let offset = committed.offsets.get(IN.index()).copied().flatten();
        if let Some(from) = offset.filter(|offset| *offset < start && !self.settings.skip_lost) {
            let topic = self.settings.topic.clone();
            return Err(Failure::Fatal(LostRecords { topic, shard, from, to: start }.refused()));
        }
        let from = offset.map_or(start, |offset| offset.max(start));
        let batch = committed.metadata.split(' ').next().and_then(|it| it.parse().ok());
        // What came while it waited was not kept.
        self.log.seek(&[(Part { topic: IN, shard }, from)])?;
        self.sought.insert(shard);
        self.log.resume(Part { topic: IN, shard })?;
        let seat = Seat {
            arrived: from,
            next: from,
            committed: from,
            batch: batch.unwrap_or(0),
            guard: Guard::new(self.settings.stop_after),
            ..Seat::default()
        };
        self.seats.insert(shard, seat);
        self.waiting.remove(&shard);
        Ok(())
    }

    /// Takes records until none waits or the batch is as large as it may be.
    fn work(&mut self) -> Result<()> {
        (self.busy, self.held) = (false, false);
        let began = self.clock.now();
        let shards: Vec<i32> = self.seats.keys().copied().collect();
        for shard in shards {
            while self.has_head(shard) {
                if self.is_full(began) {
                    self.busy = true;
                    return Ok(());
                }
                let Some(record) = self.head(shard) else { break };
                if !self.take(shard, &record)? {
                    self.held = true;
                    break;
                }
            }
        }
        Ok(())
    }

    fn has_head(&self, shard: i32) -> bool {
        self.seats.get(&shard).is_some_and(|seat| !seat.stopped && !seat.queue.is_empty())
    }

    fn head(&mut self, shard: i32) -> Option<Record> {
        self.seats.get_mut(&shard)?.queue.pop_front()
    }

    fn is_full(&mut self, began: Timestamp) -> bool {
        let Settings { most_records, most_bytes, work, .. } = self.settings;
        let taken = self.transaction.records;
        let long = taken.is_multiple_of(64) && self.clock.now().since(began) >= work;
        self.transaction.phase() == Phase::Open
            && (taken >= most_records
                || self.transaction.bytes >= most_bytes
                || (taken > 0 && long))
    }

    fn take(&mut self, shard: i32, record: &Record) -> Result<bool> {
        let now = self.clock.now();
        let outgoing = match self.stage.take(record, now)? {
            Taken::Done(outgoing) => outgoing,
            Taken::Wait => {
                if let Some(seat) = self.seats.get_mut(&shard) {
                    seat.queue.push_front(record.clone());
                }
                return Ok(false);
            }
        };
        if self.transaction.phase() == Phase::Closed {
            self.log.begin()?;
            self.transaction.open(now, self.clock.monotonic());
        }
        let bad = outgoing.iter().any(|it| it.topic == OutTopic::DeadLetter);
        for outgoing in outgoing {
            self.send(outgoing)?;
        }
        self.transaction.records += 1;
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(true) };
        seat.guard.note(bad);
        seat.next = record.offset + 1;
        seat.touched = true;
        if seat.paused && seat.queue.len() <= FULL / 2 {
            seat.paused = false;
            self.log.resume(record.part)?;
        }
        Ok(true)
    }

    fn send(&mut self, outgoing: Outgoing) -> Result<()> {
        self.transaction.bytes += outgoing.bytes();
        self.log.send(outgoing)
    }

    fn write_and_commit(&mut self) -> Result<()> {
        let now = self.clock.now();
        let touched: Vec<i32> = self.touched();
        if !self.log.owns(&touched) {
            return Err(Failure::Abort("these shards are no longer ours".to_owned()));
        }
        let mut offsets = Vec::with_capacity(touched.len());
        for shard in &touched {
            for image in self.stage.images(*shard, now) {
                self.send(image)?;
            }
            let Some(seat) = self.seats.get(shard) else { continue };
            let metadata = format!("{} {}", seat.batch + 1, seat.next);
            offsets.push((Part { topic: IN, shard: *shard }, seat.next, metadata));
        }
        self.log.send_offsets(&offsets)?;
        self.transaction.step(Step::SendOffsets);
        self.log.commit()?;
        self.transaction.step(Step::Commit);
        self.stage.keep();
        for shard in touched {
            let Some(seat) = self.seats.get_mut(&shard) else { continue };
            (seat.committed, seat.touched) = (seat.next, false);
            seat.batch += 1;
            if let Some(why) = seat.guard.keep().filter(|_| !seat.stopped) {
                seat.stopped = true;
                self.stops.push((shard, why));
            }
        }
        Ok(())
    }

    fn touched(&self) -> Vec<i32> {
        self.seats.iter().filter(|(_, seat)| seat.touched).map(|(shard, _)| *shard).collect()
    }
}
