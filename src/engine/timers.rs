//! The timers of one shard: derived from the entities, never stored. `State` says what to arm and cancel;
//! what is due fires in the order (deadline, `TimerKey`), whatever the order in which it was armed, because
//! the order of arming would not survive a restore.
//!
//! The wheel holds what lies ahead, and is advanced no further than the next timers that are due: what
//! fell due in an outage is not sorted at once. What it has handed out and has not fired waits in a
//! heap, where it can still be cancelled or armed anew. Thousands that fall due at one instant go into it
//! in portions, so that leads need not wait for all of them. A batch that is undone gets back exactly
//! the timers it began with.
//!
//! An open lead costs one place in a list, one number in an index, and the wheel's word and entry; the id is
//! the entity's own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::domain::time::{Span, Timestamp};
use crate::domain::timer::{TimerKey, TimerMove};
use crate::wheel::Wheel;

/// Tables that the index is made of: each grows on its own, so that none takes long.
const TABLES: usize = 1 << TABLE_BITS;
const TABLE_BITS: u32 = 10;
/// The wheel is advanced by this much at least.
const STRIDE: Span = Span::from_millis(250);
/// Timers that one look puts in order at most.
const PORTION: usize = 64;
/// Timers in the heap that are gone, before it is looked through for them.
const GONE: usize = 1_024;

#[derive(Clone, Debug)]
struct Armed {
    key: TimerKey,
    due_at: Timestamp,
}

/// What `Timers::apply` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub armed: u64,
    pub cancelled: u64,
}

/// The timers of one shard.
pub struct Timers {
    /// It begins with the first instant that is looked at: a wheel that began in 1970 would turn long.
    wheel: Option<Wheel>,
    /// By the number that the wheel knows a timer by.
    slab: Vec<Option<Armed>>,
    free: Vec<u32>,
    index: Index,
    /// Handed out by the wheel, or late when they were armed: in firing order. Those that were cancelled or
    /// moved since are still in it, and are told by the slab.
    ready: BinaryHeap<Reverse<(Timestamp, TimerKey, u32)>>,
    /// The wheel has been advanced to here.
    advanced_to: Timestamp,
    /// How timers that the batch touched stood before each touch, in the order of the touches.
    undo: Vec<(TimerKey, Option<Timestamp>)>,
    /// Handed out by the wheel and not in the heap yet: until they all are, nobody knows which is the first.
    handed_out: Vec<(Timestamp, u32)>,
}

/// The numbers of timers by their keys. Never walked: its order means nothing.
struct Index {
    /// Each number with half of its key's hash: a table that grows looks at no key.
    tables: Vec<HashTable<(u32, u32)>>,
    hasher: RandomState,
}

impl Index {
    /// The table of a key, and what the table goes by.
    fn place(&self, key: &TimerKey) -> (usize, u32) {
        let hash = self.hasher.hash_one(key);
        ((hash >> 32) as usize % TABLES, hash as u32)
    }

    fn find(&self, key: &TimerKey, slab: &[Option<Armed>]) -> Option<u32> {
        let (table, half) = self.place(key);
        let is_it = |entry: &(u32, u32)| entry.0 == half && is_of(slab, entry.1, key);
        self.tables[table].find(spread(half), is_it).map(|entry| entry.1)
    }

    fn insert(&mut self, key: &TimerKey, number: u32) {
        let (table, half) = self.place(key);
        self.tables[table].insert_unique(spread(half), (half, number), |entry| spread(entry.0));
    }

    fn remove(&mut self, key: &TimerKey, slab: &[Option<Armed>]) -> Option<u32> {
        let (table, half) = self.place(key);
        let is_it = |entry: &(u32, u32)| entry.0 == half && is_of(slab, entry.1, key);
        let found = self.tables[table].find_entry(spread(half), is_it);
        found.ok().map(|entry| entry.remove().0.1)
    }
}

/// A table goes by the lowest bits and the highest.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn is_of(slab: &[Option<Armed>], number: u32, key: &TimerKey) -> bool {
    slab[number as usize].as_ref().is_some_and(|armed| armed.key == *key)
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("armed", &self.len()).finish_non_exhaustive()
    }
}

impl Timers {
    /// No timers; `time` is the latest instant that has been decided at, if there was one.
    pub fn new(time: Option<Timestamp>) -> Timers {
        Timers {
            wheel: time.map(Wheel::new),
            slab: Vec::new(),
            free: Vec::new(),
            index: Index {
                tables: std::iter::repeat_with(HashTable::new).take(TABLES).collect(),
                hasher: RandomState::new(),
            },
            ready: BinaryHeap::new(),
            advanced_to: time.unwrap_or(Timestamp(i64::MIN)),
            undo: Vec::new(),
            handed_out: Vec::new(),
        }
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.slab.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Arms and cancels; arming a timer that is armed moves it.
    pub fn apply(&mut self, moves: Vec<TimerMove>) -> Moved {
        let mut moved = Moved::default();
        for TimerMove { key, due_at } in moves {
            let before = self.set(&key, due_at);
            if before == due_at {
                continue;
            }
            moved.cancelled += u64::from(before.is_some());
            moved.armed += u64::from(due_at.is_some());
            self.undo.push((key, before));
        }
        moved
    }

    /// When this timer falls due; `None` = it is not armed.
    pub fn due_at(&self, key: &TimerKey) -> Option<Timestamp> {
        let number = self.index.find(key, &self.slab)?;
        self.slab[number as usize].as_ref().map(|armed| armed.due_at)
    }

    /// The earliest deadline, due or not.
    pub fn next_deadline(&mut self) -> Option<Timestamp> {
        self.put_in_order(usize::MAX);
        let ready = self.first_ready();
        let ahead = self.wheel.as_mut().and_then(Wheel::next_deadline);
        ready.into_iter().chain(ahead).min()
    }

    /// An instant before which nothing is due after `now`; found at once, whatever is armed.
    pub fn quiet_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.advance(now, PORTION);
        let ready = self.first_ready();
        let ahead = self.wheel.as_mut().and_then(Wheel::quiet_until);
        ready.into_iter().chain(ahead).min()
    }

    /// Whether timers that are due are still being put in order, for which another look is needed.
    pub fn is_ordering(&self) -> bool {
        !self.handed_out.is_empty()
    }

    /// The deadline of the timer that is to fire first among those due at `now`, unless thousands fell due at
    /// once: then a look puts a portion of them in order, and finds none while there are more.
    pub fn look(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.advance(now, PORTION);
        if self.is_ordering() {
            return None;
        }
        self.first_ready().filter(|due_at| *due_at <= now)
    }

    /// The timer that is to fire first among those due at `now`.
    pub fn first_due(&mut self, now: Timestamp) -> Option<(Timestamp, &TimerKey)> {
        self.advance(now, usize::MAX);
        let Reverse((due_at, key, _)) = self.ready.peek()?;
        (*due_at <= now).then_some((*due_at, key))
    }

    /// Takes out what `first_due` showed.
    pub fn fire(&mut self, now: Timestamp) -> Option<(Timestamp, TimerKey)> {
        self.first_due(now)?;
        let Reverse((due_at, key, _)) = self.ready.pop()?;
        self.set(&key, None);
        self.undo.push((key.clone(), Some(due_at)));
        Some((due_at, key))
    }

    /// The batch stands: what it did to the timers can no longer be undone.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    /// All timers as they were before the batch.
    pub fn rollback(&mut self) {
        for (key, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.set(&key, before);
        }
    }

    /// Every armed timer in firing order: for comparing a restored shard with a live one.
    pub fn all(&self) -> Vec<(Timestamp, TimerKey)> {
        let mut all: Vec<_> =
            self.slab.iter().flatten().map(|armed| (armed.due_at, armed.key.clone())).collect();
        all.sort();
        all
    }

    /// Arms, moves or cancels a timer; gives when it was due before.
    fn set(&mut self, key: &TimerKey, due_at: Option<Timestamp>) -> Option<Timestamp> {
        let known = match due_at {
            Some(_) => self.index.find(key, &self.slab),
            None => self.index.remove(key, &self.slab),
        };
        let before = known.and_then(|number| Some(self.slab[number as usize].as_ref()?.due_at));
        match (known, due_at) {
            (Some(number), None) => {
                self.slab[number as usize] = None;
                self.free.push(number);
                self.stop(number);
            }
            (Some(number), Some(due_at)) if before != Some(due_at) => self.put(number, key, due_at),
            (None, Some(due_at)) => {
                let number = self.free.pop().unwrap_or_else(|| {
                    self.slab.push(None);
                    // Four billion timers do not fit into memory, so the number does not overflow.
                    (self.slab.len() - 1) as u32
                });
                self.put(number, key, due_at);
                self.index.insert(key, number);
            }
            _ => {}
        }
        before
    }

    fn put(&mut self, number: u32, key: &TimerKey, due_at: Timestamp) {
        self.slab[number as usize] = Some(Armed { key: key.clone(), due_at });
        match &mut self.wheel {
            Some(wheel) if due_at > self.advanced_to => {
                wheel.arm(number, due_at);
            }
            _ => {
                self.stop(number);
                self.ready.push(Reverse((due_at, key.clone(), number)));
                self.tidy();
            }
        }
    }

    /// Takes it out of the wheel, if that holds it.
    fn stop(&mut self, number: u32) {
        if let Some(wheel) = &mut self.wheel {
            wheel.cancel(number);
        }
    }

    /// The heap does not grow with what is gone.
    fn tidy(&mut self) {
        let stand = self.len() - self.wheel.as_ref().map_or(0, Wheel::len);
        if self.ready.len() > 2 * stand + GONE {
            let slab = &self.slab;
            self.ready.retain(|Reverse(ready)| stands(slab, ready));
        }
    }

    /// The deadline of the first in the heap, once what is gone has been taken off it.
    fn first_ready(&mut self) -> Option<Timestamp> {
        while let Some(Reverse(first)) = self.ready.peek() {
            if stands(&self.slab, first) {
                return Some(first.0);
            }
            self.ready.pop();
        }
        None
    }

    /// Moves the wheel on, up to the first timers that are due or to `now`, and puts at most so many of them
    /// in order.
    fn advance(&mut self, now: Timestamp, most: usize) {
        self.put_in_order(most);
        while !self.is_ordering() && self.first_ready().is_none() && self.advanced_to < now {
            let wheel = self.wheel.get_or_insert_with(|| Wheel::new(now));
            let quiet_until = wheel.quiet_until().unwrap_or(now);
            self.advanced_to = now.min(quiet_until.max(wheel.now() + STRIDE));
            wheel.advance(self.advanced_to, &mut self.handed_out);
            self.put_in_order(most);
        }
    }

    /// What was cancelled or moved since the wheel handed it out is left out.
    fn put_in_order(&mut self, most: usize) {
        let slab = &self.slab;
        let rest = self.handed_out.len().saturating_sub(most);
        self.ready.extend(self.handed_out.drain(rest..).filter_map(|(due_at, number)| {
            let armed = slab[number as usize].as_ref().filter(|armed| armed.due_at == due_at)?;
            Some(Reverse((due_at, armed.key.clone(), number)))
        }));
    }
}

/// Whether a timer in the heap is still armed, and for this deadline.
fn stands(slab: &[Option<Armed>], (due_at, key, number): &(Timestamp, TimerKey, u32)) -> bool {
    let armed = slab[*number as usize].as_ref();
    armed.is_some_and(|armed| armed.due_at == *due_at && armed.key == *key)
}

#[cfg(test)]
mod tests;
