//! One shard: the state of its domains, their timers, and where it stands in each input. Single writer.
//!
//! It takes one input at a time and says the facts that are to be published. A batch is everything since
//! the last `commit`: it is written (`seal`), and then either stands (`commit`) or never was (`rollback`).
//! What decides is in `State`; what is here beside it (next offsets, batch number, time) is in the shard's
//! image, so that a restored shard is exactly the shard that committed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ports::Record;
use super::report::Fired;
use super::timers::{Moved, Timers};
use crate::domain::fact::{Fact, Rejection};
use crate::domain::hash;
use crate::domain::ids::DomainId;
use crate::domain::input::{Envelope, Input, Origin, Topic};
use crate::domain::state::{Change, State};
use crate::domain::time::Timestamp;

/// The key of the hashes that a shard's digest is the sum of: fixed for life.
pub(super) const DIGEST: hash::Key = hash::Key(0x6c65_6164_2d72_6f75, 0x7465_722d_7368_6172);

/// What one input came to.
#[derive(Debug, Default)]
pub struct Said {
    /// The time of the decision.
    pub now: Timestamp,
    /// To publish, reject and count, in order.
    pub facts: Vec<Fact>,
    pub moved: Moved,
}

/// Our own fault: deciding panicked. The batch must be undone, and the record set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Where a shard stands besides its entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Next offset of each topic in; −1 = nothing read yet.
    pub next: [i64; 9],
    /// The latest time of a decision: time never goes back.
    pub time: Timestamp,
    /// The number of the last batch that committed; 0 = none.
    pub batch: u64,
    /// The sum of the hashes of all images, modulo 2^128.
    pub digest: u128,
}

impl Default for Mark {
    fn default() -> Mark {
        Mark { next: [-1; 9], time: Timestamp(i64::MIN), batch: 0, digest: 0 }
    }
}

impl Mark {
    /// Whether nothing but reference data has been read so far.
    pub fn is_before_leads(&self) -> bool {
        Topic::ALL.into_iter().all(|topic| topic.is_reference() || self.next[topic.index()] < 0)
    }

    /// What goes with the committed offsets: the batch number, and a hash of where the shard stands, because
    /// a zombie may have given the same number to another batch.
    pub fn metadata(&self) -> String {
        let mut bytes = self.digest.to_le_bytes().to_vec();
        bytes.extend(self.time.0.to_le_bytes());
        bytes.extend(self.next.iter().flat_map(|next| next.to_le_bytes()));
        format!("{} {:032x}", self.batch, hash::sip128(DIGEST, &bytes))
    }
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    pub id: i32,
    state: State,
    timers: Timers,
    /// As of now, within the batch.
    mark: Mark,
    /// As the batch found it.
    before: Mark,
    /// Something happened in this batch.
    touched: bool,
}

impl Shard {
    /// An empty shard that has read nothing.
    pub fn new(id: i32) -> Shard {
        Shard::restored(id, State::default(), Mark::default())
    }

    /// A shard of which the entities were loaded and the mark was read from its image.
    pub fn restored(id: i32, mut state: State, mark: Mark) -> Shard {
        let mut timers = Timers::new(Some(mark.time).filter(|time| time.0 > i64::MIN));
        timers.apply(state.take_timer_moves());
        timers.commit();
        Shard { id, state, timers, mark, before: mark, touched: false }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Where it stands, within the batch.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Where it stood when the batch began.
    pub fn committed(&self) -> &Mark {
        &self.before
    }

    /// Whether there is anything to commit.
    pub fn touched(&self) -> bool {
        self.touched
    }

    /// The earliest deadline, due or not.
    pub fn next_deadline(&mut self) -> Option<Timestamp> {
        self.timers.next_deadline()
    }

    /// An instant after `now` before which nothing is due.
    pub fn quiet_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.timers.quiet_until(now)
    }

    /// The time of a decision at the edge's `now`.
    pub fn at(&self, now: Timestamp) -> Timestamp {
        now.max(self.mark.time)
    }

    /// The record has been read, whatever comes of it.
    pub fn pass(&mut self, record: &Record) {
        self.touched = true;
        self.mark.next[record.part.topic.index()] = record.offset + 1;
    }

    /// Reading goes on at an offset that is not the next one: what lies between is left out for good.
    pub fn skip_to(&mut self, topic: usize, offset: i64) {
        self.touched = true;
        self.mark.next[topic] = offset;
    }

    /// Decides what a record means; `pass` it first. A record that is rejected moves no time.
    pub fn feed(
        &mut self,
        record: &Record,
        domain: DomainId,
        input: Input,
        now: Timestamp,
    ) -> Result<Said, Panicked> {
        self.step(domain, origin(record), input, now)
    }

    /// Why a record would be rejected, without deciding it.
    pub fn rejection(
        &self,
        record: &Record,
        domain: &DomainId,
        input: &Input,
        now: Timestamp,
    ) -> Option<Rejection> {
        if !matches!(input, Input::TerritoryChanged(_)) {
            return None;
        }
        self.state.rejection(&Envelope {
            domain: domain.clone(),
            now: self.at(now),
            origin: origin(record),
            positions: self.mark.next,
            input: input.clone(),
        })
    }

    /// What an input would cause, with all the leads that would follow it as fast as they may: the
    /// sweeps that it starts are walked to their end, and nothing of it stands. Only between batches.
    pub fn dry_run(
        &mut self,
        record: &Record,
        domain: DomainId,
        input: Input,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Panicked> {
        let origin = origin(record);
        let mut facts = self.step(domain.clone(), origin.clone(), input, now)?.facts;
        while let Some((key, due_at)) = self.state.next_slice(&domain) {
            let input = Input::Timer { key, due_at };
            facts.extend(self.step(domain.clone(), origin.clone(), input, due_at)?.facts);
        }
        self.rollback();
        Ok(facts)
    }

    /// The deadline of the timer that fires first, if one is due at `now`.
    pub fn first_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.timers.first_due(now).map(|(due_at, _)| due_at)
    }

    /// The same, unless thousands fell due at once: see `Timers::look`.
    pub fn look(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.timers.look(now)
    }

    /// Whether another `look` is needed.
    pub fn is_ordering(&self) -> bool {
        self.timers.is_ordering()
    }

    /// Fires the first timer that is due at `now`.
    pub fn fire(&mut self, now: Timestamp) -> Option<Result<(Fired, Said), Panicked>> {
        let (due_at, key) = self.timers.fire(now)?;
        self.touched = true;
        let fired = Fired { kind: key.kind, late: self.at(now).since(due_at) };
        let origin = Origin { topic: None, partition: self.id, offset: -1 };
        let domain = key.domain.clone();
        let said = self.step(domain, origin, Input::Timer { key, due_at }, now);
        Some(said.map(|said| (fired, said)))
    }

    fn step(
        &mut self,
        domain: DomainId,
        origin: Origin,
        input: Input,
        now: Timestamp,
    ) -> Result<Said, Panicked> {
        let now = self.at(now);
        let envelope = Envelope { domain, now, origin, positions: self.mark.next, input };
        // Undoing the batch puts back whatever a panic left half done.
        let facts = catch_unwind(AssertUnwindSafe(|| self.state.step(&envelope)));
        let facts = facts.map_err(|_| Panicked)?;
        let moved = self.timers.apply(self.state.take_timer_moves());
        if !facts.iter().any(|fact| matches!(fact, Fact::Rejected(_))) {
            self.mark.time = now;
        }
        Ok(Said { now, facts, moved })
    }

    /// Time moves although nothing happens.
    pub fn pass_time(&mut self, now: Timestamp) {
        self.mark.time = self.at(now);
    }

    /// What the batch touched, for its images.
    pub fn changes(&self) -> Vec<Change> {
        self.state.changes()
    }

    /// The batch as it will be once it has committed: its number and digest.
    pub fn seal(&mut self, digest: u128) {
        self.mark.batch = self.before.batch + 1;
        self.mark.digest = digest;
    }

    /// The batch stands.
    pub fn commit(&mut self) {
        self.state.keep();
        self.timers.commit();
        self.before = self.mark;
        self.touched = false;
    }

    /// A bug planted on purpose: memory keeps what an aborted batch did to it.
    pub(super) fn forget_to_rollback(&mut self) {
        self.state.keep();
        self.timers.commit();
        self.mark = self.before;
        self.touched = false;
    }

    /// The batch never was.
    pub fn rollback(&mut self) {
        self.state.rollback();
        // The timers keep a journal of their own: one that fired without a change comes back too.
        self.state.take_timer_moves();
        self.timers.rollback();
        self.mark = self.before;
        self.touched = false;
    }
}

fn origin(record: &Record) -> Origin {
    let Record { part, offset, .. } = record;
    Origin { topic: Some(part.topic), partition: part.shard, offset: *offset }
}
