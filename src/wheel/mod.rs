//! The timer wheel: which numbers fall due up to an instant, in order.
//!
//! Every open lead holds a deadline, most of them are cancelled before they fall due, and the loop
//! that routes leads must not wait for any of it. So arming and cancelling cost a memory access or
//! two whatever the number of timers, and nothing is ever moved in one go.
//!
//! A timer is named by a *number* that its owner chooses: small ones, as indexes into a table of the
//! owner's are, since the wheel has a word for each up to the largest. A number has one timer at most;
//! arming it again moves it. So there are no handles to keep, and none that could be stale.
//!
//! # Contract
//!
//! 1. A timer never fires early: `advance(now)` gives out exactly those with `deadline <= now`.
//! 2. What one `advance` gives out is ordered by (deadline, number), to the millisecond. Order of
//!    arming never shows.
//! 3. A deadline at or before the wheel's present is due at the next `advance`, with its own deadline.
//! 4. One `advance` over an hour gives what 3.6 million advances by a millisecond give.
//! 5. Time does not go back: an `advance` to before the wheel's present does nothing.
//! 6. `cancel` says whether it stopped a timer; `arm`, whether it moved one.
//! 7. `next_deadline` is the earliest deadline still armed, exact at any distance.
//! 8. An operation that stalls does not exist: work that could wait is done in bounded slices.
//!
//! # How it works
//!
//! ```text
//!            ┌► a word a number: armed? when?  ◄── cancel: one store
//!   arm ─────┤
//!            └► an entry in the window of its deadline ──► 256 slots ──► sorted ──► due
//!               16,384 windows of 65.5 s: 12.4 days       of 256 ms
//! ```
//!
//! - The *table* has a word for each number: whether it is armed, and the deadline's lower 30 bits.
//!   Everything else is an *entry*, a number that was once armed for a stretch of time; it counts if
//!   the word still says so, and is dropped when it is met if not. So cancelling is one store.
//! - While a window runs, the next one is *staged*: `advance` spreads its entries over slots, as many
//!   a tick as make it ready in time. A slot is sorted when it begins.
//! - Entries that no longer count wait for their window. Once a third of all are such, each new entry
//!   pays for looking at four old ones, window by window; a mark in the word, whose meaning changes
//!   with each sweep of a window, tells a number that a window has twice.
//! - *Apart*, in an ordered set with their whole deadline, are timers that are late already when they
//!   are armed, and those over 12.4 days ahead. They are few, and fire from there.
//!
//! # Costs
//!
//! - Memory: 8.1 bytes for an open timer, at most 2 more under churn (4 the word, 4 the entry), and 8
//!   while its window is staged. One million open timers over three days weigh about 9 MB, of which
//!   half a megabyte is half-filled chunks. Memory is reused, never given back.
//! - A tick costs its share of staging the next window (timers of that window × tick / 65.5 s, some 20
//!   ns each) and the timers that fire; a tick without either, some 10 ns.
//! - A jump over many windows stages each of them at once: as much work as firing them.
//! - `next_deadline` is a look at a bitmap and at one slot if anything is due within the window, else a
//!   walk over the entries of one window; it is remembered until that timer goes. `quiet_until` never
//!   takes that walk.

mod homes;
mod search;
mod slots;
mod staging;
mod table;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::domain::time::Timestamp;
use homes::Homes;
use slots::Slots;
use table::{APART, ARMED, MARK, Table};

/// Milliseconds of a slot, as a power of two.
const SLOT_BITS: u32 = 8;
/// Milliseconds of a window, as a power of two.
const WINDOW_BITS: u32 = 16;
const WINDOW: i64 = 1 << WINDOW_BITS;
const WINDOW_MASK: i64 = WINDOW - 1;
/// Slots of a window.
const SLOTS: i64 = 1 << (WINDOW_BITS - SLOT_BITS);
/// Windows that have a home: as many as the deadlines in the table's words can tell apart.
const RING: i64 = 1 << 14;

/// The timers that wait for their deadline. See the module for the contract.
pub struct Wheel {
    now: i64,
    /// The window that `now` is in. Its timers, and those armed for the next one since it began, are in
    /// slots; the others of the next one are being staged.
    window: i64,
    /// The slot that `now` is in; its entries are in `current`, sorted, fired up to `cursor`.
    slot: i64,
    current: Vec<u64>,
    cursor: usize,
    /// Entries of the present slot that came after it was sorted.
    soon: BinaryHeap<Reverse<u64>>,
    table: Table,
    slots: Slots,
    homes: Homes,
    /// Timers that are late, or beyond the ring.
    apart: BTreeSet<(i64, u32)>,
    /// When each of them is due.
    apart_at: BTreeMap<u32, i64>,
    /// The window that is swept, and what new entries still owe to sweeping.
    sweeping: i64,
    sweep_debt: usize,
    /// The earliest timer, if it is known (see `UNKNOWN`) and if it is still armed; nothing armed is earlier.
    earliest: Earliest,
    len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Earliest {
    deadline: i64,
    number: u32,
}

/// Earlier than any timer, so that none is taken for the earliest.
const UNKNOWN: Earliest = Earliest { deadline: i64::MIN, number: 0 };

fn home(window: i64) -> u32 {
    (window & (RING - 1)) as u32
}

impl Wheel {
    /// An empty wheel whose present is `now`.
    pub fn new(now: Timestamp) -> Wheel {
        Wheel {
            now: now.0,
            window: now.0 >> WINDOW_BITS,
            slot: now.0 >> SLOT_BITS,
            current: Vec::new(),
            cursor: 0,
            soon: BinaryHeap::new(),
            table: Table::default(),
            slots: Slots::new(),
            homes: Homes::new(),
            apart: BTreeSet::new(),
            apart_at: BTreeMap::new(),
            sweeping: (now.0 >> WINDOW_BITS) + 1,
            sweep_debt: 0,
            earliest: UNKNOWN,
            len: 0,
        }
    }

    /// The instant of the last `advance`.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory that the wheel has asked for, in bytes; part of it may not have been touched yet.
    pub fn bytes(&self) -> usize {
        // What an ordered set or map holds beside its elements, about.
        let apart = self.apart.len() * 2 * (size_of::<(i64, u32)>() + size_of::<(u32, i64)>());
        size_of::<Self>()
            + self.table.bytes()
            + self.slots.bytes()
            + self.homes.bytes()
            + (self.current.capacity() + self.soon.capacity()) * size_of::<u64>()
            + apart
    }

    /// Arms the timer of a number, or moves it; true if it was armed before.
    #[inline]
    pub fn arm(&mut self, number: u32, deadline: Timestamp) -> bool {
        let at = deadline.0;
        let window = at >> WINDOW_BITS;
        let word = self.table.word(number);
        if *word != 0 || !(2..RING).contains(&(window - self.window)) {
            return self.arm_otherwise(number, at);
        }
        // A new timer for a window that is not staged: nearly all are.
        *word = ARMED | self.homes.append(home(window), number) | table::time_of(at);
        self.len += 1;
        if at <= self.earliest.deadline {
            self.note_earlier(number, at);
        }
        self.tidy();
        false
    }

    /// Stops the timer of a number; false if none is armed.
    #[inline]
    pub fn cancel(&mut self, number: u32) -> bool {
        let Some(word) = self.table.known(number) else { return false };
        let before = std::mem::take(word);
        self.len -= usize::from(before != 0);
        if before == APART {
            self.take_apart(number);
        }
        before != 0
    }

    /// Moves the wheel's present to `now` and appends all that is due to `due`.
    pub fn advance(&mut self, now: Timestamp, due: &mut Vec<(Timestamp, u32)>) {
        let now = now.0;
        if now < self.now {
            return;
        }
        if self.earliest.deadline <= now {
            self.earliest = UNKNOWN;
        }
        let before = due.len();
        let target = now >> SLOT_BITS;
        loop {
            let end = (self.slot << SLOT_BITS) | ((1 << SLOT_BITS) - 1);
            self.fire(now.min(end), due);
            if self.slot == target {
                break;
            }
            self.enter_next_slot(target);
        }
        self.len -= due.len() - before;
        let last = std::mem::replace(&mut self.now, now);
        self.stage_slice(last);
    }

    #[inline(never)]
    fn arm_otherwise(&mut self, number: u32, at: i64) -> bool {
        let before = self.table.get(number);
        if before == APART {
            self.take_apart(number);
        }
        let ahead = (at >> WINDOW_BITS) - self.window;
        let word = if at <= self.now || ahead >= RING {
            self.apart.insert((at, number));
            self.apart_at.insert(number, at);
            APART
        } else if ahead <= 1 {
            self.enter_slots(number, at);
            ARMED | table::time_of(at)
        } else {
            let home = home(at >> WINDOW_BITS);
            let has_entry = before & ARMED != 0 && table::home_of(before) == home;
            let mark = match has_entry {
                true => before & MARK,
                false => self.homes.append(home, number),
            };
            ARMED | mark | table::time_of(at)
        };
        *self.table.word(number) = word;
        self.len += usize::from(before == 0);
        if at <= self.earliest.deadline {
            self.note_earlier(number, at);
        }
        self.tidy();
        before != 0
    }

    #[cold]
    fn note_earlier(&mut self, number: u32, deadline: i64) {
        self.earliest = self.earliest.min(Earliest { deadline, number });
    }

    /// Makes an entry in one of the two staged windows.
    fn enter_slots(&mut self, number: u32, at: i64) {
        let (slot, entry) = (at >> SLOT_BITS, slots::entry(table::time_of(at), number));
        if slot == self.slot {
            self.enter_soon(entry);
        } else {
            self.slots.push(&self.table, slot, entry);
        }
    }

    fn enter_soon(&mut self, entry: u64) {
        if self.soon.len() == self.soon.capacity() {
            let mut entries: Vec<u64> = self.soon.drain().map(|Reverse(entry)| entry).collect();
            slots::make_room(&self.table, &mut entries);
            self.soon.reserve(entries.capacity());
            self.soon.extend(entries.into_iter().map(Reverse));
        }
        self.soon.push(Reverse(entry));
    }

    #[cold]
    fn take_apart(&mut self, number: u32) {
        if let Some(deadline) = self.apart_at.remove(&number) {
            self.apart.remove(&(deadline, number));
        }
    }

    /// Steps to the next slot that has entries, at most to `target`.
    fn enter_next_slot(&mut self, target: i64) {
        let ahead = self.slots.first_from(self.slot + 1, self.window);
        let window = target >> (WINDOW_BITS - SLOT_BITS);
        match ahead.filter(|slot| *slot < target) {
            Some(slot) => self.enter_slot(slot),
            None if window == self.window => self.enter_slot(target),
            None => self.enter_next_window(window),
        }
    }

    fn enter_slot(&mut self, slot: i64) {
        self.slot = slot;
        self.cursor = 0;
        self.slots.take(slot, &mut self.current);
        self.current.sort_unstable();
    }

    /// Fires what is due up to `limit`, which lies in the present slot.
    fn fire(&mut self, limit: i64, due: &mut Vec<(Timestamp, u32)>) {
        let base = self.slot << SLOT_BITS;
        loop {
            let other = self.first_outside(limit);
            let (deadline, number) = other.map_or((limit + 1, 0), |it| (it.deadline, it.number));
            let stop = slots::entry((deadline - base).max(0) as u32, number);
            let stop = if deadline < base { 0 } else { stop };
            while let Some(&entry) = self.current.get(self.cursor) {
                let offset = slots::offset_of(entry);
                if slots::entry(offset as u32, entry as u32) >= stop {
                    break;
                }
                self.cursor += 1;
                self.fire_entry(entry, base + offset, due);
            }
            let Some(Earliest { deadline, number }) = other else { return };
            if self.table.get(number) == APART && self.apart.remove(&(deadline, number)) {
                self.apart_at.remove(&number);
                *self.table.word(number) = 0;
                due.push((Timestamp(deadline), number));
            } else if let Some(Reverse(entry)) = self.soon.pop() {
                self.fire_entry(entry, deadline, due);
            }
        }
    }

    #[inline]
    fn fire_entry(&mut self, entry: u64, deadline: i64, due: &mut Vec<(Timestamp, u32)>) {
        let number = entry as u32;
        let Some(word) = self.table.known(number) else { return };
        if table::is_armed_for(*word, slots::time_of(entry)) {
            *word = 0;
            due.push((Timestamp(deadline), number));
        }
    }

    /// The first that is due up to `limit` and is not in the sorted slot.
    fn first_outside(&self, limit: i64) -> Option<Earliest> {
        let apart = self.apart.first().map(|&(deadline, number)| Earliest { deadline, number });
        let soon = self.soon.peek().map(|&Reverse(entry)| Earliest {
            deadline: (self.slot << SLOT_BITS) + slots::offset_of(entry),
            number: entry as u32,
        });
        apart.into_iter().chain(soon).min().filter(|first| first.deadline <= limit)
    }
}
