//! One batch: inputs in their order until a limit, what they say sent as it is decided, images at the end,
//! and the ending of it in memory.

use std::time::Duration;

use super::guard::Guard;
use super::merge::{Flow, Merge, Next, Order};
use super::ports::{Clock, Failure, Log, Outgoing, Part, Record, Result};
use super::report::{BatchReport, Ending, Observer, ShardEvent};
use super::shard::Said;
use super::transaction::{Phase, Step, Transaction};
use super::worker::{Planted, Worker};
use crate::codec::error::{Error, reason};
use crate::domain::fact::Fact;
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};
use crate::domain::timer::TimerKind;

/// Inputs of one shard before the next shard has its turn, and before news is looked for: a hot lead that has
/// come meanwhile goes in this batch.
const SLICE: usize = 32;
/// What a brief batch decides at most: leads that come meanwhile wait for its end.
const BRIEF: Duration = Duration::from_millis(3);
/// What any batch decides at most while hot leads come: one that comes waits for the batch before its own,
/// too. With less, a list would go mostly in round trips.
const HOT: Duration = Duration::from_millis(4);
/// So long after a hot lead the next one is reckoned with.
const HOT_FOR: Span = Span::from_secs(1);
/// So many timers in one batch are a storm: a batch of them is brief, too.
const STORM: usize = 64;

impl<L: Log, C: Clock, O: Observer> Worker<L, C, O> {
    /// Takes a slice of inputs of each shard, unless the batch is full before.
    pub(super) fn work(&mut self, now: Timestamp) -> Result<()> {
        (self.busy, self.more) = (false, false);
        self.report.now = self.report.now.max(now);
        let shards: Vec<i32> = self.seats.keys().copied().collect();
        if shards.is_empty() {
            return Ok(());
        }
        self.rotation = (self.rotation + 1) % shards.len();
        for shard in shards.iter().cycle().skip(self.rotation).take(shards.len()) {
            self.more |= self.slice(*shard, now)? == SLICE;
            if self.is_full() {
                self.busy = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_full(&mut self) -> bool {
        let Transaction { records, bytes, brief, opened_at, .. } = self.transaction;
        let (settings, decided_in) = (&self.settings, self.report.decided_in);
        self.transaction.phase() == Phase::Open
            && (records >= settings.most_records
                || bytes >= settings.most_bytes
                || brief && decided_in >= BRIEF
                || opened_at < self.hot_until && decided_in >= HOT
                || self.clock.now() >= opened_at + settings.work)
    }

    /// Some inputs of one shard; how many.
    fn slice(&mut self, shard: i32, now: Timestamp) -> Result<usize> {
        for taken in 0..SLICE {
            let Some(seat) = self.seats.get_mut(&shard).filter(|seat| !seat.stopped) else {
                return Ok(taken);
            };
            let now = if self.settings.order == Order::Wall { seat.shard.at(now) } else { now };
            let due = match self.settings.order {
                Order::Wall => seat.shard.look(now),
                Order::Record => seat.shard.next_deadline(),
            };
            let (next, guard) = (seat.merge.next(now, due), seat.guard);
            match next {
                Next::Nothing => return Ok(taken),
                // Nothing overtakes a record that the registry has still to explain.
                Next::Record(topic) if self.is_waiting(shard, topic) => return Ok(taken),
                Next::Timer if self.is_oldest_waiting(shard) => return Ok(taken),
                Next::Doubt => self.ask_ends(shard, now, Merge::doubt)?,
                Next::Recheck => self.ask_ends(shard, now, Merge::recheck)?,
                Next::Timer if self.is_next_refused(shard) => {
                    let head = self.seats.get(&shard).and_then(|seat| seat.merge.oldest_head());
                    let Some(topic) = head.map(|head| head.part.topic) else { return Ok(taken) };
                    self.feed(shard, topic, now)?;
                }
                Next::Timer => self.fire(shard, now, due.unwrap_or(now))?,
                Next::Record(topic) => {
                    if !topic.is_reference() && guard {
                        self.check_start(shard, now)?;
                        continue;
                    }
                    self.feed(shard, topic, now)?;
                }
            }
            // One slice of a sweep is as much work as hundreds of leads.
            if self.is_full() {
                return Ok(taken + 1);
            }
        }
        Ok(SLICE)
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        if self.transaction.phase() == Phase::Closed {
            let (now, started) = (self.clock.now(), self.clock.monotonic());
            self.log.begin()?;
            self.transaction.open(now, started);
        }
        Ok(())
    }

    /// Begins, if nothing is open, and takes a shard into the batch. Its mark as it stands goes first: so
    /// the log has the state's partition in the transaction by the time the images come, and the commit
    /// need not wait for that. The batch's own mark follows it.
    fn enter(&mut self, shard: i32) -> Result<()> {
        self.begin()?;
        let Some(seat) = self.seats.get(&shard) else { return Ok(()) };
        if seat.shard.touched() || seat.first {
            return Ok(());
        }
        let now = seat.shard.committed().time.max(self.report.now);
        let partitions = self.settings.partitions;
        let mark = self.wire.mark(shard, seat.shard.committed(), partitions, now);
        self.log.send(mark)
    }

    /// Whether the head of a lane cannot be read before the registry has answered.
    fn is_waiting(&self, shard: i32, topic: Topic) -> bool {
        let head = self.seats.get(&shard).and_then(|seat| seat.merge.head(topic));
        head.is_some_and(|head| self.wire.waits(head))
    }

    /// By record clock, the same of the record that would move time beyond a timer.
    fn is_oldest_waiting(&self, shard: i32) -> bool {
        let head = match self.settings.order {
            Order::Wall => None,
            Order::Record => self.seats.get(&shard).and_then(|seat| seat.merge.oldest_head()),
        };
        head.is_some_and(|head| self.wire.waits(head))
    }

    /// By record clock: whether the record that would move time beyond a timer is refused. Then it goes
    /// first, because a dead letter moves no time.
    fn is_next_refused(&mut self, shard: i32) -> bool {
        let Some(seat) = self.seats.get_mut(&shard) else { return false };
        if self.settings.order == Order::Wall {
            return false;
        }
        let Some(head) = seat.merge.oldest_head() else { return false };
        let place = (head.part, head.offset);
        if seat.sound == Some(place) {
            return false;
        }
        let refused = match self.wire.decode(head, self.settings.partitions) {
            Err(_) => true,
            Ok((domain, input)) => {
                seat.shard.rejection(head, &domain, &input, head.timestamp).is_some()
            }
        };
        seat.sound = (!refused).then_some(place);
        refused
    }

    fn fire(&mut self, shard: i32, now: Timestamp, due_at: Timestamp) -> Result<()> {
        self.enter(shard)?;
        let now = if self.settings.order == Order::Wall { now } else { due_at };
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        let started = self.clock.monotonic();
        let Some(fired) = seat.shard.fire(now) else { return Ok(()) };
        seat.merge.fired();
        // A timer has no record that could be set aside.
        let panicked = |_| Failure::Fatal("deciding a timer panicked".to_owned());
        let (fired, said) = fired.map_err(panicked)?;
        self.report.decided_in += self.clock.monotonic().saturating_sub(started);
        self.report.fired.push(fired);
        self.transaction.brief |=
            fired.kind == TimerKind::Sweep || self.report.fired.len() >= STORM;
        self.transaction.records += 1;
        self.publish(said, None)
    }

    fn feed(&mut self, shard: i32, topic: Topic, now: Timestamp) -> Result<()> {
        self.enter(shard)?;
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        let Some((record, flow)) = seat.merge.take(topic) else { return Ok(()) };
        if flow == Some(Flow::Resume) {
            self.resumes.insert(record.part);
        }
        let now = if self.settings.order == Order::Wall { now } else { record.timestamp };
        let now = seat.shard.at(now);
        seat.shard.pass(&record);
        if self.settings.planted == Some(Planted::OffsetOff) {
            seat.shard.skip_to(topic.index(), record.offset + 2);
        }
        self.report.consumed[topic.index()] += 1;
        self.transaction.records += 1;
        if topic == Topic::LeadCreatedFast {
            self.hot_until = self.transaction.opened_at + HOT_FOR;
        }
        self.transaction.bytes += record.bytes();
        let started = self.clock.monotonic();
        let decoded = if self.panicked.contains(&(record.part, record.offset)) {
            Err(Error::new(reason::PROCESSOR_PANIC, "value", "deciding it panicked"))
        } else {
            self.wire.decode(&record, self.settings.partitions)
        };
        let (domain, input) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return self.set_aside(&record, &error, now),
        };
        let said = seat.shard.feed(&record, domain, input, now);
        self.report.decided_in += self.clock.monotonic().saturating_sub(started);
        match said {
            Ok(said) => {
                let bad = said.facts.iter().any(|fact| matches!(fact, Fact::Rejected(_)));
                self.note(record.part, bad);
                self.publish(said, Some(&record))
            }
            Err(_) => {
                self.panicked.insert((record.part, record.offset));
                Err(Failure::Abort("deciding a record panicked".to_owned()))
            }
        }
    }

    /// Remembers what became of a record, for judging its part.
    fn note(&mut self, part: Part, bad: bool) {
        if let Some(seat) = self.seats.get_mut(&part.shard) {
            seat.guards[part.topic.index()].note(bad);
        }
    }

    /// A poison record goes to the dead letters.
    fn set_aside(&mut self, record: &Record, error: &Error, now: Timestamp) -> Result<()> {
        self.report.poison.push((record.part.topic, error.reason));
        self.note(record.part, true);
        let letter = self.wire.dead_letter(record, error, now);
        self.send(letter)
    }

    /// Sends what a decision said, as it is decided.
    fn publish(&mut self, said: Said, record: Option<&Record>) -> Result<()> {
        self.report.armed += said.moved.armed;
        self.report.cancelled += said.moved.cancelled;
        for fact in said.facts {
            if let (Fact::Rejected(rejection), Some(record)) = (&fact, record) {
                let error = Error::new(rejection.reason, rejection.field.clone(), "refused");
                let letter = self.wire.dead_letter(record, &error, said.now);
                self.send(letter)?;
            } else if let Some(outgoing) = self.wire.published(&fact, said.now) {
                // What we decided always fits our own schema; a fault here is one of ours.
                self.send(outgoing.map_err(|error| Failure::Fatal(error.to_string()))?)?;
            }
            self.report.facts.push(fact);
        }
        Ok(())
    }

    fn send(&mut self, outgoing: Outgoing) -> Result<()> {
        self.transaction.bytes += outgoing.value.as_ref().map_or(0, Vec::len);
        self.log.send(outgoing)
    }

    /// The images of what the batch touched, the offsets, and the commit.
    pub(super) fn write_and_commit(&mut self) -> Result<()> {
        let touched = self.touched();
        let mut offsets = Vec::new();
        for shard in &touched {
            self.write_images(*shard)?;
            offsets.extend(self.offsets(*shard));
        }
        if !self.log.owns(&touched) {
            return Err(Failure::Abort("a shard of the batch is not ours any more".to_owned()));
        }
        if offsets.is_empty() {
            // A transaction without offsets would not be fenced.
            return Err(Failure::Abort("nothing to commit".to_owned()));
        }
        self.log.send_offsets(&offsets)?;
        self.transaction.step(Step::SendOffsets);
        self.log.commit()?;
        self.transaction.step(Step::Commit);
        self.keep(&touched);
        self.tell(Ending::Committed);
        Ok(())
    }

    fn write_images(&mut self, shard: i32) -> Result<()> {
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        let changes = seat.shard.changes();
        let now = seat.shard.mark().time.max(self.report.now);
        let (images, digest) = self.wire.images(shard, &changes, seat.shard.mark().digest, now);
        seat.shard.seal(digest);
        let mark = self.wire.mark(shard, seat.shard.mark(), self.settings.partitions, now);
        for image in images.into_iter().chain([mark]) {
            self.log.send(image)?;
        }
        self.report.changes.push((shard, changes));
        Ok(())
    }

    /// The offsets to commit for a shard: never none, `lead-created` always; all inputs once.
    fn offsets(&self, shard: i32) -> Vec<(Part, i64, String)> {
        let Some(seat) = self.seats.get(&shard) else { return Vec::new() };
        let (mark, before) = (seat.shard.mark(), seat.shard.committed());
        let metadata = mark.metadata();
        let named = Topic::ALL.into_iter().filter(|topic| {
            let moved = mark.next[topic.index()] != before.next[topic.index()];
            seat.first || moved || *topic == Topic::LeadCreated
        });
        let offset = |topic: Topic| {
            let next = mark.next[topic.index()];
            let next = if next < 0 { seat.start[topic.index()] } else { next };
            (Part { topic, shard }, next, metadata.clone())
        };
        named.map(offset).collect()
    }

    /// The shards that the batch has something of.
    pub(super) fn touched(&self) -> Vec<i32> {
        let touched = self.seats.iter().filter(|(_, seat)| seat.shard.touched());
        touched.map(|(shard, _)| *shard).collect()
    }

    /// The batch stands.
    pub(super) fn keep(&mut self, shards: &[i32]) {
        for shard in shards {
            if let Some(seat) = self.seats.get_mut(shard) {
                seat.shard.commit();
                seat.metadata = seat.shard.mark().metadata();
                seat.first = false;
                for (topic, guard) in Topic::ALL.into_iter().zip(&mut seat.guards) {
                    if let Some(why) = guard.keep().filter(|_| !seat.stopped) {
                        seat.stopped = true;
                        self.observer.shard(ShardEvent::Stopped { shard: *shard, topic, why });
                    }
                }
            }
        }
        self.panicked.clear();
    }

    /// The batch never was: memory as before it, and the inputs again, but of shards that are `gone`.
    pub(super) fn undo(&mut self, ending: Ending, gone: &[i32]) {
        for shard in self.touched() {
            self.undo_shard(shard, gone.contains(&shard));
        }
        self.tell(ending);
    }

    pub(super) fn undo_shard(&mut self, shard: i32, gone: bool) {
        let Some(seat) = self.seats.get_mut(&shard) else { return };
        let read = seat.shard.mark().next;
        match self.settings.planted {
            Some(Planted::NoRollback) => seat.shard.forget_to_rollback(),
            _ => seat.shard.rollback(),
        }
        seat.guards.iter_mut().for_each(Guard::undo);
        let back = seat.shard.mark().next;
        if gone {
            return;
        }
        let mut to = Vec::new();
        for topic in
            Topic::ALL.into_iter().filter(|topic| read[topic.index()] != back[topic.index()])
        {
            let part = Part { topic, shard };
            let next = back[topic.index()];
            let offset = if next < 0 { seat.start[topic.index()] } else { next };
            to.push((part, offset));
            self.resumes.extend(seat.merge.rewind(topic, offset).map(|_| part));
        }
        self.drop_events(&to);
        if self.log.seek(&to).is_err() {
            // A gap would be worse than a restore.
            self.vacate(shard);
        }
    }

    /// Tells the observer how the batch ended.
    pub(super) fn tell(&mut self, ending: Ending) {
        let mut report = std::mem::take(&mut self.report);
        let nothing = report.consumed == [0; 9] && report.fired.is_empty();
        if nothing && !self.transaction.recreated {
            return;
        }
        if !matches!(ending, Ending::Committed | Ending::UnknownCommitted) {
            report = BatchReport { now: report.now, ..BatchReport::default() };
        }
        report.ending = ending;
        report.recreated = std::mem::take(&mut self.transaction.recreated);
        let took = self.clock.monotonic().saturating_sub(self.transaction.started);
        report.transaction_took = took.min(Duration::from_secs(3_600));
        self.observer.batch(report);
    }
}
