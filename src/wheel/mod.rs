//! The timer wheel: which keys fall due up to an instant, in order.
//!
//! Every open lead holds a deadline or two, most of them are cancelled before they fall due, and
//! the loop that routes leads must not wait for any of it. So arming and cancelling cost a few
//! memory accesses whatever the number of timers, and nothing is ever moved in one go.
//!
//! # Contract
//!
//! 1. A timer never fires early: `advance(now)` gives out exactly those with `deadline <= now`.
//! 2. What one `advance` gives out is ordered by (deadline, key), to the millisecond. Order of
//!    insertion never shows.
//! 3. A deadline at or before the wheel's present is due at the next `advance`, with its own
//!    deadline.
//! 4. One `advance` over an hour gives what 3.6 million advances by a millisecond give.
//! 5. Time does not go back: an `advance` to before the wheel's present does nothing.
//! 6. `cancel` says whether it stopped a timer. An id whose timer has fired or was cancelled is
//!    refused for ever, also when its place holds another timer.
//! 7. `next_deadline` is the earliest deadline still armed, exact at any distance.
//! 8. An operation that stalls does not exist: work that could wait is done in bounded slices.
//!
//! # How it works
//!
//! ```text
//!   insert ──► window of 65.5 s ──────────────┐ one window ahead, a slice a tick
//!        │     (4096 of them: 3.1 days)       ▼
//!        │                            a list a millisecond,  ──► advance ──► due
//!        │                            this window and the next
//!        └───► far window of 70 min ──────────┘
//!              (a sparse map, any year)
//! ```
//!
//! - A timer is written once, into a *chunk* of 64 that belongs to the window of its deadline, and
//!   stays there until it fires; so its place can be its id, and no cascade exists. Chunks come
//!   from one pool, which grows by segments and never copies what it holds.
//! - *Cancel* clears a bit in the chunk's header. Nothing else happens, unless the chunk thereby
//!   gets room (the window fills it first), becomes empty (it goes back to the pool at once), or
//!   is *staged* (the timer leaves its list).
//! - While a window runs, the next one is *staged*: `advance` gives each of its timers a link in
//!   the list of its millisecond, as many chunks a tick as make it ready in time. Firing reads
//!   the lists in order; only keys that share a millisecond are sorted.
//! - A far window is dealt out likewise to the windows inside it, in the 70 minutes before it.
//! - Generations: the epoch of the chunk (24 bits) and the uses of the place within that epoch (8
//!   bits). A chunk that has used up either takes no more timers; nothing wraps around.
//!
//! # Costs
//!
//! - Memory: 7 bytes for an open timer with a 4-byte key (key 4, offset 2, its share of a header
//!   1), up to 2 more after many cancellations or if it is over 3.1 days ahead, and 8 for a link
//!   while it is staged. One million open timers over three days weigh about 9 MB, of which 1 MB
//!   is half-filled chunks and 0.6 MB fixed. Memory is reused, never given back.
//! - A tick costs its share of staging the next window (timers of that window × tick / 65.5 s, a
//!   few nanoseconds each) and the timers that fire; a tick without either, some 10 ns.
//! - A jump over many windows stages each of them at once: as much work as firing them.
//! - `next_deadline` is a look at a bitmap if anything is due within the window, else a walk over
//!   the chunk headers of one window, remembered until that timer goes.

mod chunks;
mod homes;
mod lists;
mod search;
mod staging;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::num::NonZeroU32;

use crate::domain::time::Timestamp;
use homes::Homes;
use lists::Lists;

/// Milliseconds of a window, as a power of two.
const WINDOW_BITS: u32 = 16;
const WINDOW: i64 = 1 << WINDOW_BITS;
const WINDOW_MASK: i64 = WINDOW - 1;
/// Windows ahead that have a home of their own.
const RING: i64 = 4096;
/// Windows in a far window, as a power of two.
const FAR_WINDOW_BITS: u32 = 6;
/// Milliseconds of a far window, as a power of two.
const FAR_BITS: u32 = WINDOW_BITS + FAR_WINDOW_BITS;

/// Names one timer of one wheel, for ever: no later timer has the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    slot: u32,
    generation: NonZeroU32,
}

/// The keys that wait for their deadline. See the module for the contract.
pub struct Wheel<K> {
    now: i64,
    /// The window that `now` is in; it and the next one are staged.
    window: i64,
    homes: Homes<K>,
    lists: Lists,
    /// Far window number to its home. None of them has begun to be dealt out.
    far: BTreeMap<i64, u32>,
    /// The home of the far window that is being dealt out.
    dealing: Option<u32>,
    /// Timers that were late already when they were armed. Cancelled ones stay until they surface.
    late: BinaryHeap<Reverse<Late<K>>>,
    /// The earliest armed timer, if known.
    earliest: Option<Earliest>,
    len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Late<K> {
    deadline: i64,
    key: K,
    slot: u32,
    generation: NonZeroU32,
}

#[derive(Clone, Copy)]
struct Earliest {
    deadline: i64,
    slot: u32,
}

impl<K: Copy + Ord> Wheel<K> {
    /// An empty wheel whose present is `now`.
    pub fn new(now: Timestamp) -> Wheel<K> {
        Wheel {
            now: now.0,
            window: now.0 >> WINDOW_BITS,
            homes: Homes::new(),
            lists: Lists::new(),
            far: BTreeMap::new(),
            dealing: None,
            late: BinaryHeap::new(),
            earliest: None,
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
        size_of::<Self>()
            + self.homes.bytes()
            + self.lists.bytes()
            + self.late.capacity() * size_of::<Late<K>>()
            + self.far.len() * size_of::<(i64, u32)>()
    }

    /// Arms a timer. The same key may be armed any number of times.
    pub fn insert(&mut self, deadline: Timestamp, key: K) -> TimerId {
        let at = deadline.0;
        let ahead = (at >> WINDOW_BITS) - self.window;
        let id = if at <= self.now {
            self.insert_late(at, key)
        } else if ahead <= 1 {
            self.insert_staged(at, key)
        } else if ahead < RING {
            let home = homes::of_window(at >> WINDOW_BITS);
            self.homes.place(home, (at & WINDOW_MASK) as u32, key)
        } else {
            let home = self.far_home(at >> FAR_BITS);
            self.homes.place(home, (at & ((1 << FAR_BITS) - 1)) as u32, key)
        };
        self.len += 1;
        if self.len == 1 || self.earliest.is_some_and(|known| at < known.deadline) {
            self.earliest = Some(Earliest { deadline: at, slot: id.slot });
        }
        id
    }

    /// Stops a timer; false if it has fired or was cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        if !self.homes.holds(id) {
            return false;
        }
        if self.earliest.is_some_and(|known| known.slot == id.slot) {
            self.earliest = None;
        }
        if let Some(link) = self.homes.link_of(id.slot) {
            self.lists.unlink(link);
        }
        self.vacate(id.slot);
        self.len -= 1;
        true
    }

    /// Moves the wheel's present to `now` and appends all that is due to `due`.
    pub fn advance(&mut self, now: Timestamp, due: &mut Vec<(Timestamp, K)>) {
        let now = now.0;
        if now < self.now {
            return;
        }
        self.earliest = self.earliest.filter(|known| known.deadline > now);
        let before = due.len();
        self.fire_late(due);
        let mut from = self.now & WINDOW_MASK;
        let target = now >> WINDOW_BITS;
        while self.window < target {
            self.fire(from, WINDOW_MASK, due);
            self.enter_next_window(target);
            from = 0;
        }
        self.fire(from, now & WINDOW_MASK, due);
        self.len -= due.len() - before;
        let last = std::mem::replace(&mut self.now, now);
        self.stage_slice(last);
    }

    fn insert_late(&mut self, deadline: i64, key: K) -> TimerId {
        let id = self.place_staged(homes::of_stage(self.window), 0, key);
        if let Some(link) = self.homes.link_of(id.slot) {
            self.lists.leave_alone(link);
        }
        let late = Late { deadline, key, slot: id.slot, generation: id.generation };
        self.late.push(Reverse(late));
        id
    }

    fn insert_staged(&mut self, at: i64, key: K) -> TimerId {
        let window = at >> WINDOW_BITS;
        let offset = (at & WINDOW_MASK) as u32;
        let id = self.place_staged(homes::of_stage(window), offset, key);
        if let Some(link) = self.homes.link_of(id.slot) {
            self.lists.push(lists::of_millisecond(window, offset), link);
        }
        id
    }

    /// A place in a chunk that has links.
    fn place_staged(&mut self, home: u32, offset: u32, key: K) -> TimerId {
        let id = self.homes.place(home, offset, key);
        let chunk = chunks::chunk_of(id.slot);
        if self.homes.chunks.header(chunk).links == chunks::NONE {
            self.homes.chunks.header_mut(chunk).links = self.lists.open_links(chunk);
        }
        id
    }

    /// The home of a far window, made at its first timer.
    fn far_home(&mut self, number: i64) -> u32 {
        let homes = &mut self.homes;
        *self.far.entry(number).or_insert_with(|| homes.add())
    }

    /// Frees a place, and with the last of a chunk the chunk and its links.
    fn vacate(&mut self, slot: u32) {
        if let Some(links) = self.homes.vacate(slot) {
            self.lists.close_links(links);
        }
    }

    fn fire_late(&mut self, due: &mut Vec<(Timestamp, K)>) {
        if self.late.is_empty() {
            return;
        }
        let mut late = std::mem::take(&mut self.late).into_vec();
        late.sort_unstable_by(|a, b| b.cmp(a));
        for Reverse(timer) in late {
            if self.homes.holds(TimerId { slot: timer.slot, generation: timer.generation }) {
                self.vacate(timer.slot);
                due.push((Timestamp(timer.deadline), timer.key));
            }
        }
    }

    /// Fires the milliseconds `from..=to` of the present window.
    fn fire(&mut self, from: i64, to: i64, due: &mut Vec<(Timestamp, K)>) {
        let mut from = from as u32;
        while let Some(offset) = self.lists.first_from(self.window, from) {
            if i64::from(offset) > to {
                return;
            }
            let deadline = Timestamp((self.window << WINDOW_BITS) + i64::from(offset));
            let first = due.len();
            let mut next = self.lists.take(lists::of_millisecond(self.window, offset));
            while let Some(link) = next {
                next = self.lists.after(link);
                let slot = self.lists.slot(link);
                due.push((deadline, self.homes.chunks.key(slot)));
                self.vacate(slot);
            }
            if due.len() - first > 1 {
                due[first..].sort_unstable_by_key(|timer| timer.1);
            }
            from = offset;
        }
    }
}
