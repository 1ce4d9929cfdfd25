//! Which of a shard's inputs goes next.
//!
//! *Lane*: what has arrived of one topic and waits. *Head*: the first of a lane. *Caught up*: all records below
//! the last stable offset that was asked for are taken; while some have not arrived, an empty lane holds the
//! merge, because an older record may still be on its way.
//!
//! First start: the reference lanes alone, until they are caught up. Catching up: the oldest head goes first,
//! ties by reference topics, then by the order of `Topic`. Caught up: arrival order, only that a hot lead
//! overtakes leads that wait (every tenth turn is theirs). A due timer is one more head: it goes when no
//! unread record is as old as its deadline; of many in a row, new leads have every other turn. A timer found
//! late asks the log for its ends anew: a process that slept is catching up again; one that was awake, and
//! has only more to read than it can, keeps its order, so that an import never becomes hot leads' backlog.
//! With `Order::Record` the oldest head goes first throughout, and time moves through the heads alone.

use std::collections::VecDeque;

use super::ports::Record;
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};

/// At most this many records, or bytes, wait in a lane; then its part is paused.
const FULL_RECORDS: usize = 2_000;
const FULL_BYTES: usize = 8 << 20;
/// Hot leads that go in a row while another lead waits.
const FAST_IN_A_ROW: u32 = 9;
/// A timer found this late: what has been read may say nothing. So long without a look is a sleep.
const LATE: Span = Span::from_secs(2);

/// What the order of inputs goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The wall clock moves time; live.
    #[default]
    Wall,
    /// The records' timestamps move time; comparison and replay.
    Record,
}

/// What goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Record(Topic),
    Timer,
    /// A timer is due, and was found late after a sleep: being caught up must be established anew first.
    Doubt,
    /// A timer is due, and was found late by a process that was awake: what has been written must arrive first.
    Recheck,
    /// Nothing that may go now.
    Nothing,
}

/// What to tell the log after a lane filled or emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Pause,
    Resume,
}

#[derive(Debug)]
struct Waiting {
    record: Record,
    arrival: u64,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// Arrival and timestamp of those that no younger one in the lane undercuts: the first is the oldest.
    oldest: VecDeque<(u64, Timestamp)>,
    newest: Timestamp,
    /// The next offset to arrive; what lies below is an echo of a rewind.
    position: i64,
    /// All records below this offset must have arrived; `None` = they have.
    until: Option<i64>,
    /// Records below this offset go by timestamp: they had been written when the end was asked for.
    backlog_end: i64,
    paused: bool,
    /// It was full since its end was last seen: the log may hold more records that are old.
    behind: bool,
}

/// The inputs of one shard that have arrived and wait.
#[derive(Debug)]
pub struct Merge {
    order: Order,
    lanes: [Lane; 9],
    /// Only reference topics for now.
    references_first: bool,
    arrivals: u64,
    fast_in_a_row: u32,
    /// A timer went last.
    after_timer: bool,
    /// When the ends that make the lanes caught up were asked for.
    asked_at: Timestamp,
    /// When it was last asked what goes next.
    looked_at: Timestamp,
    /// Nobody asked for long, and being caught up was not established since.
    slept: bool,
}

impl Merge {
    /// Delivery begins at `start`, and `end` is the last stable offset as it was at `asked_at`.
    pub fn new(
        order: Order,
        first_start: bool,
        start: [i64; 9],
        end: [i64; 9],
        asked_at: Timestamp,
    ) -> Merge {
        let references_first = first_start && order == Order::Wall;
        let mut merge = Merge {
            order,
            lanes: Default::default(),
            references_first,
            arrivals: 0,
            fast_in_a_row: 0,
            after_timer: false,
            asked_at,
            looked_at: asked_at,
            slept: false,
        };
        for (lane, start) in merge.lanes.iter_mut().zip(start) {
            lane.position = start.max(0);
        }
        merge.doubt(end, asked_at);
        merge
    }

    /// Being caught up is to be established anew: up to `end`, asked for at `asked_at`.
    pub fn doubt(&mut self, end: [i64; 9], asked_at: Timestamp) {
        self.recheck(end, asked_at);
        self.slept = false;
        for (lane, end) in self.lanes.iter_mut().zip(end) {
            lane.backlog_end = end;
        }
    }

    /// All below `end`, asked for at `asked_at`, is to arrive; the order stays as it is.
    pub fn recheck(&mut self, end: [i64; 9], asked_at: Timestamp) {
        self.asked_at = asked_at;
        for (lane, end) in self.lanes.iter_mut().zip(end) {
            lane.until = (lane.position < end).then_some(end);
        }
    }

    /// The next offset to arrive of each topic.
    pub fn positions(&self) -> [i64; 9] {
        std::array::from_fn(|topic| self.lanes[topic].position)
    }

    /// Whether all that had been written when the ends were asked for has been taken.
    pub fn caught_up(&self) -> bool {
        self.lanes.iter().all(Lane::caught_up)
    }

    /// Whether a topic's end is still to be told, and telling it would change what goes next.
    pub fn awaits_end(&self, topic: Topic) -> bool {
        let lane = &self.lanes[topic.index()];
        !lane.paused && (lane.until.is_some() || lane.behind)
    }

    /// The topics whose parts are paused.
    pub fn paused(&self) -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(|topic| self.lanes[topic.index()].paused)
    }

    /// Records that wait.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum()
    }

    /// The head of a lane.
    pub fn head(&self, topic: Topic) -> Option<&Record> {
        self.lanes[topic.index()].queue.front().map(|waiting| &waiting.record)
    }

    /// The oldest head of all: what goes next by record clock, timers aside.
    pub fn oldest_head(&self) -> Option<&Record> {
        match self.oldest(false) {
            Next::Record(topic) => self.head(topic),
            _ => None,
        }
    }

    /// A record has arrived.
    pub fn push(&mut self, record: Record) -> Option<Flow> {
        let lane = &mut self.lanes[record.part.topic.index()];
        if record.offset < lane.position {
            return None;
        }
        lane.position = record.offset + 1;
        if lane.until.is_some_and(|until| lane.position >= until) {
            lane.until = None;
        }
        self.arrivals += 1;
        lane.add(record, self.arrivals);
        let full = lane.queue.len() >= FULL_RECORDS || lane.bytes >= FULL_BYTES;
        if !full || lane.paused {
            return None;
        }
        lane.paused = true;
        lane.behind = true;
        Some(Flow::Pause)
    }

    /// The log has delivered all that there is of this topic.
    pub fn reached(&mut self, topic: Topic) {
        let lane = &mut self.lanes[topic.index()];
        lane.until = None;
        lane.behind = false;
    }

    /// Takes the head of a lane.
    pub fn take(&mut self, topic: Topic) -> Option<(Record, Option<Flow>)> {
        let lane = &mut self.lanes[topic.index()];
        let record = lane.remove()?;
        self.after_timer = false;
        match topic {
            Topic::LeadCreatedFast => self.fast_in_a_row += 1,
            Topic::LeadCreated => self.fast_in_a_row = 0,
            _ => {}
        }
        let low = lane.queue.len() <= FULL_RECORDS / 2 && lane.bytes <= FULL_BYTES / 2;
        if lane.paused && low {
            lane.paused = false;
            return Some((record, Some(Flow::Resume)));
        }
        Some((record, None))
    }

    /// A timer has fired.
    pub fn fired(&mut self) {
        self.after_timer = true;
    }

    /// Delivery goes back to `offset`; what waits of this topic will come again, and until it has, the
    /// lane holds the merge. `Resume` if the part was paused.
    pub fn rewind(&mut self, topic: Topic, offset: i64) -> Option<Flow> {
        let lane = &mut self.lanes[topic.index()];
        let until = lane.until.unwrap_or(lane.position);
        let was_paused = lane.paused;
        *lane = Lane {
            position: offset,
            until: (offset < until).then_some(until),
            backlog_end: lane.backlog_end.max(until),
            behind: lane.behind,
            ..Lane::default()
        };
        was_paused.then_some(Flow::Resume)
    }

    /// What goes next; `due` is the earliest timer, whether it is due or not.
    pub fn next(&mut self, now: Timestamp, due: Option<Timestamp>) -> Next {
        self.slept |= now.since(self.looked_at) > LATE;
        self.looked_at = self.looked_at.max(now);
        if self.references_first {
            let mut references =
                self.lanes.iter().zip(Topic::ALL).filter(|(_, t)| t.is_reference());
            self.references_first = references.any(|(lane, _)| !lane.caught_up());
        }
        let candidate = |topic: Topic| topic.is_reference() || !self.references_first;
        let holds = |lane: &Lane| lane.queue.is_empty() && lane.until.is_some();
        let lanes = || self.lanes.iter().zip(Topic::ALL).filter(|(_, topic)| candidate(*topic));
        if lanes().any(|(lane, _)| holds(lane)) {
            return Next::Nothing;
        }
        match self.order {
            Order::Record => self.next_by_record(due),
            Order::Wall if self.references_first => self.oldest(true),
            Order::Wall => self.next_by_wall(now, due),
        }
    }

    fn next_by_wall(&self, now: Timestamp, due: Option<Timestamp>) -> Next {
        let late = |due: Timestamp| now.since(due) > LATE && self.asked_at < due;
        let arriving = self.lanes.iter().any(|lane| lane.until.is_some());
        let due = match due.filter(|due| *due <= now) {
            Some(due) if late(due) && self.slept => return Next::Doubt,
            Some(due) if late(due) && !arriving => return Next::Recheck,
            // Asked already, and not all has arrived: the next to ask about are asked about then.
            Some(due) if late(due) => None,
            due => due,
        };
        match due.filter(|due| self.all_read(*due)) {
            Some(_) if self.after_timer => self.new_lead().unwrap_or(Next::Timer),
            Some(_) => Next::Timer,
            None if self.backlog() => self.oldest(false),
            None => self.first_arrived(),
        }
    }

    fn next_by_record(&self, due: Option<Timestamp>) -> Next {
        if self.lanes.iter().any(|lane| lane.queue.is_empty() && lane.behind) {
            return Next::Nothing;
        }
        let next = self.oldest(false);
        let Next::Record(topic) = next else { return next };
        let head = self.head(topic).map(|record| record.timestamp);
        if due.is_some_and(|due| head.is_some_and(|head| due < head)) { Next::Timer } else { next }
    }

    /// Whether every record with a timestamp up to `due` has been taken, as far as can be known.
    fn all_read(&self, due: Timestamp) -> bool {
        self.lanes.iter().all(|lane| {
            let waits = lane.oldest.front().is_some_and(|(_, timestamp)| *timestamp <= due);
            let unseen = lane.behind && (lane.queue.is_empty() || lane.newest <= due);
            !waits && !unseen
        })
    }

    fn oldest(&self, references: bool) -> Next {
        self.oldest_of(|topic| topic.is_reference() || !references)
    }

    fn oldest_of(&self, wanted: impl Fn(Topic) -> bool) -> Next {
        let lanes = self.lanes.iter().zip(Topic::ALL).filter(|(_, topic)| wanted(*topic));
        let heads = lanes.filter_map(|(lane, topic)| {
            let head = lane.queue.front()?;
            Some((head.record.timestamp, !topic.is_reference(), topic))
        });
        heads.min().map_or(Next::Nothing, |(_, _, topic)| Next::Record(topic))
    }

    /// While timers that are due wait in a row, every other turn is a new lead's: a storm of deadlines
    /// starves nobody, not after an outage either. What a lead's decision goes by is not overtaken; and
    /// no touch goes before a deadline that it came too late for.
    fn new_lead(&self) -> Option<Next> {
        let intake = |topic: Topic| matches!(topic, Topic::LeadCreated | Topic::LeadCreatedFast);
        let wanted = |topic: Topic| intake(topic) || topic.is_reference();
        let next = if self.backlog() { self.oldest_of(wanted) } else { self.first_of(wanted) };
        matches!(next, Next::Record(topic) if intake(topic)).then_some(next)
    }

    /// Whether a record waits that goes by its timestamp.
    fn backlog(&self) -> bool {
        self.lanes.iter().any(Lane::backlog)
    }

    fn first_arrived(&self) -> Next {
        self.first_of(|_| true)
    }

    fn first_of(&self, wanted: impl Fn(Topic) -> bool) -> Next {
        let lanes = self.lanes.iter().zip(Topic::ALL).filter(|(_, topic)| wanted(*topic));
        let heads =
            lanes.filter_map(|(lane, topic)| lane.queue.front().map(|head| (head.arrival, topic)));
        let Some((_, first)) = heads.min() else { return Next::Nothing };
        let waits = |topic: Topic| !self.lanes[topic.index()].queue.is_empty();
        let turn_of_rest = self.fast_in_a_row >= FAST_IN_A_ROW;
        Next::Record(match first {
            Topic::LeadCreated if waits(Topic::LeadCreatedFast) && !turn_of_rest => {
                Topic::LeadCreatedFast
            }
            Topic::LeadCreatedFast if waits(Topic::LeadCreated) && turn_of_rest => {
                Topic::LeadCreated
            }
            first => first,
        })
    }
}

impl Lane {
    fn caught_up(&self) -> bool {
        self.until.is_none() && !self.backlog()
    }

    fn backlog(&self) -> bool {
        self.queue.front().is_some_and(|head| head.record.offset < self.backlog_end)
    }

    fn add(&mut self, record: Record, arrival: u64) {
        let timestamp = record.timestamp;
        while self.oldest.back().is_some_and(|(_, other)| *other > timestamp) {
            self.oldest.pop_back();
        }
        self.oldest.push_back((arrival, timestamp));
        self.newest = if self.queue.is_empty() { timestamp } else { self.newest.max(timestamp) };
        self.bytes += record.bytes();
        self.queue.push_back(Waiting { record, arrival });
    }

    fn remove(&mut self) -> Option<Record> {
        let Waiting { record, arrival } = self.queue.pop_front()?;
        if self.oldest.front().is_some_and(|(first, _)| *first == arrival) {
            self.oldest.pop_front();
        }
        self.bytes -= record.bytes();
        Some(record)
    }
}

#[cfg(test)]
mod tests;
