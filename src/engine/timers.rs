//! The timers of one shard: derived from the entities, never stored. `State` says what to arm and cancel;
//! what is due fires in the order (deadline, `TimerKey`), whatever the order in which it was armed, because
//! the order of arming would not survive a restore.
//!
//! The wheel holds what lies ahead. What it has handed out and has not fired yet waits in an ordered set, where
//! it can still be cancelled or armed anew. A batch that is undone gets back exactly the timers it began with.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::domain::time::Timestamp;
use crate::domain::timer::{TimerKey, TimerMove};

/// Where an armed timer is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Wheel,
    /// Handed out by the wheel, or armed for an instant that the wheel has passed.
    Ready,
}

#[derive(Clone, Debug)]
struct Armed {
    key: TimerKey,
    due_at: Timestamp,
    place: Place,
}

/// What `Timers::apply` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub armed: u64,
    pub cancelled: u64,
}

/// The timers of one shard.
#[derive(Debug, Default)]
pub struct Timers {
    ahead: BTreeSet<(Timestamp, u32)>,
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
}

impl Timers {
    pub fn new() -> Timers {
        Timers { journal: true, ..Timers::default() }
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
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let ready = self.ready.first().map(|(due_at, _)| *due_at);
        match (ready, self.ahead.first().map(|(due_at, _)| *due_at)) {
            (Some(ready), Some(ahead)) => Some(ready.min(ahead)),
            (ready, ahead) => ready.or(ahead),
        }
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
        let place = if due_at <= self.advanced_to {
            self.ready.insert((due_at, key.clone()));
            Place::Ready
        } else {
            self.ahead.insert((due_at, number));
            Place::Wheel
        };
        self.by_key.insert(key.clone(), number);
        self.slab[number as usize] = Some(Armed { key, due_at, place });
    }

    fn take(&mut self, key: &TimerKey) -> Option<Timestamp> {
        let number = self.by_key.remove(key)?;
        let armed = self.slab[number as usize].take()?;
        match armed.place {
            Place::Wheel => {
                self.ahead.remove(&(armed.due_at, number));
            }
            Place::Ready => {
                self.ready.remove(&(armed.due_at, armed.key));
            }
        }
        self.free.push(number);
        Some(armed.due_at)
    }

    fn advance(&mut self, now: Timestamp) {
        if now <= self.advanced_to {
            return;
        }
        self.advanced_to = now;
        while self.ahead.first().is_some_and(|(due_at, _)| *due_at <= now) {
            let Some((due_at, number)) = self.ahead.pop_first() else { return };
            let Some(armed) = &mut self.slab[number as usize] else { continue };
            armed.place = Place::Ready;
            self.ready.insert((due_at, armed.key.clone()));
        }
    }
}
