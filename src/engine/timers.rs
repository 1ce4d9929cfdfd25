//! The timers of one shard: derived from the entities, never stored. `State` says what to arm and cancel;
//! what is due fires in the order (deadline, `TimerKey`), whatever the order in which it was armed, because
//! the order of arming would not survive a restore.
//!
//! The wheel holds what lies ahead. What it has handed out and has not fired yet waits in an ordered set, where
//! it can still be cancelled or armed anew. A batch that is undone gets back exactly the timers it began with.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::domain::time::Timestamp;
use crate::domain::timer::{TimerKey, TimerMove};
use crate::wheel::Wheel;

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
#[derive(Default)]
pub struct Timers {
    /// It begins with the first instant that is looked at: a wheel that began in 1970 would turn long.
    wheel: Option<Wheel>,
    /// By the number that the wheel knows a timer by.
    slab: Vec<Option<Armed>>,
    free: Vec<u32>,
    /// Never walked: its order means nothing.
    by_key: HashMap<TimerKey, u32>,
    ready: BTreeSet<(Timestamp, TimerKey)>,
    /// The wheel has been advanced to here.
    advanced_to: Timestamp,
    /// How each timer that the batch touched stood before it, in the order of the first touch.
    undo: Vec<(TimerKey, Option<Timestamp>)>,
    touched: HashSet<TimerKey>,
    /// A restore arms without a way back.
    journal: bool,
    /// Kept for its memory.
    handed_out: Vec<(Timestamp, u32)>,
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
            advanced_to: time.unwrap_or(Timestamp(i64::MIN)),
            journal: true,
            ..Timers::default()
        }
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Arms and cancels; arming a timer that is armed moves it.
    pub fn apply(&mut self, moves: Vec<TimerMove>) -> Moved {
        let mut moved = Moved::default();
        for TimerMove { key, due_at } in moves {
            let before = self.due_at(&key);
            if before == due_at {
                continue;
            }
            self.note(&key, before);
            moved.cancelled += u64::from(self.take(&key).is_some());
            if let Some(due_at) = due_at {
                moved.armed += 1;
                self.put(key, due_at);
            }
        }
        moved
    }

    /// When this timer falls due; `None` = it is not armed.
    pub fn due_at(&self, key: &TimerKey) -> Option<Timestamp> {
        let number = *self.by_key.get(key)?;
        self.slab[number as usize].as_ref().map(|armed| armed.due_at)
    }

    /// The earliest deadline, due or not.
    pub fn next_deadline(&mut self) -> Option<Timestamp> {
        let ready = self.ready.first().map(|(due_at, _)| *due_at);
        let ahead = self.wheel.as_mut().and_then(Wheel::next_deadline);
        ready.into_iter().chain(ahead).min()
    }

    /// An instant before which nothing is due after `now`; found at once, whatever is armed.
    pub fn quiet_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.advance(now);
        let ready = self.ready.first().map(|(due_at, _)| *due_at);
        let ahead = self.wheel.as_mut().and_then(Wheel::quiet_until);
        ready.into_iter().chain(ahead).min()
    }

    /// The timer that is to fire first among those due at `now`.
    pub fn first_due(&mut self, now: Timestamp) -> Option<(Timestamp, &TimerKey)> {
        self.advance(now);
        self.ready.first().filter(|(due_at, _)| *due_at <= now).map(|(due_at, key)| (*due_at, key))
    }

    /// Takes out what `first_due` showed.
    pub fn fire(&mut self, now: Timestamp) -> Option<(Timestamp, TimerKey)> {
        self.advance(now);
        if self.ready.first()?.0 > now {
            return None;
        }
        let (due_at, key) = self.ready.pop_first()?;
        self.note(&key, Some(due_at));
        if let Some(number) = self.by_key.remove(&key) {
            self.slab[number as usize] = None;
            self.free.push(number);
        }
        Some((due_at, key))
    }

    /// The batch stands: what it did to the timers can no longer be undone.
    pub fn commit(&mut self) {
        self.undo.clear();
        self.touched.clear();
    }

    /// All timers as they were before the batch.
    pub fn rollback(&mut self) {
        self.touched.clear();
        self.journal = false;
        for (key, before) in std::mem::take(&mut self.undo) {
            self.take(&key);
            if let Some(due_at) = before {
                self.put(key, due_at);
            }
        }
        self.journal = true;
    }

    /// Every armed timer in firing order: for comparing a restored shard with a live one.
    pub fn all(&self) -> Vec<(Timestamp, TimerKey)> {
        let mut all: Vec<_> =
            self.slab.iter().flatten().map(|armed| (armed.due_at, armed.key.clone())).collect();
        all.sort();
        all
    }

    fn note(&mut self, key: &TimerKey, before: Option<Timestamp>) {
        if self.journal && self.touched.insert(key.clone()) {
            self.undo.push((key.clone(), before));
        }
    }

    fn put(&mut self, key: TimerKey, due_at: Timestamp) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            // Four billion timers do not fit into memory, so the number does not overflow.
            (self.slab.len() - 1) as u32
        });
        match &mut self.wheel {
            Some(wheel) if due_at > self.advanced_to => {
                wheel.arm(number, due_at);
            }
            _ => {
                self.ready.insert((due_at, key.clone()));
            }
        }
        self.by_key.insert(key.clone(), number);
        self.slab[number as usize] = Some(Armed { key, due_at });
    }

    fn take(&mut self, key: &TimerKey) -> Option<Timestamp> {
        let number = self.by_key.remove(key)?;
        let armed = self.slab[number as usize].take()?;
        let is_ahead = self.wheel.as_mut().is_some_and(|wheel| wheel.cancel(number));
        if !is_ahead {
            self.ready.remove(&(armed.due_at, armed.key));
        }
        self.free.push(number);
        Some(armed.due_at)
    }

    fn advance(&mut self, now: Timestamp) {
        if now <= self.advanced_to {
            return;
        }
        self.advanced_to = now;
        let wheel = self.wheel.get_or_insert_with(|| Wheel::new(now));
        let mut out = std::mem::take(&mut self.handed_out);
        wheel.advance(now, &mut out);
        for (due_at, number) in out.drain(..) {
            let Some(armed) = &self.slab[number as usize] else { continue };
            self.ready.insert((due_at, armed.key.clone()));
        }
        self.handed_out = out;
    }
}

#[cfg(test)]
mod tests;
