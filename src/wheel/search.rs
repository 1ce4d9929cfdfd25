//! The earliest deadline.

use std::cmp::Reverse;

use super::chunks::{self, NONE};
use super::staging::places;
use super::{Earliest, FAR_BITS, FAR_WINDOW_BITS, TimerId, WINDOW_BITS, WINDOW_MASK, Wheel};
use super::{homes, lists};
use crate::domain::time::Timestamp;

impl<K: Copy + Ord> Wheel<K> {
    /// The earliest deadline that is armed; it may be in the past. The answer is remembered until
    /// that timer goes, so asking again is free.
    pub fn next_deadline(&mut self) -> Option<Timestamp> {
        if self.earliest.is_none() {
            self.earliest = self.search();
        }
        self.earliest.map(|known| Timestamp(known.deadline))
    }

    fn search(&mut self) -> Option<Earliest> {
        if let Some(late) = self.first_late() {
            return Some(late);
        }
        let from = (self.now & WINDOW_MASK) as u32;
        if let Some(found) = self.first_staged(self.window, from) {
            return Some(found);
        }
        // What is not in this window may be in any of four places, whose spans overlap.
        let mut best = self.first_staged(self.window + 1, 0);
        if let Some(window) = self.homes.first_after(self.window) {
            self.improve(&mut best, homes::of_window(window), window << WINDOW_BITS);
        }
        let present = self.window >> FAR_WINDOW_BITS;
        for number in [present, present + 1] {
            self.improve(&mut best, homes::of_dealt(number), number << FAR_BITS);
        }
        if let Some(home) = self.dealing {
            self.improve(&mut best, home, (present + 1) << FAR_BITS);
        }
        if let Some((number, home)) = self.first_far() {
            self.improve(&mut best, home, number << FAR_BITS);
        }
        best
    }

    /// The earliest timer that was late when it was armed. Cancelled ones before it are dropped.
    fn first_late(&mut self) -> Option<Earliest> {
        while let Some(Reverse(late)) = self.late.peek() {
            let id = TimerId { slot: late.slot, generation: late.generation };
            if self.homes.holds(id) {
                return Some(Earliest { deadline: late.deadline, slot: late.slot });
            }
            self.late.pop();
        }
        None
    }

    fn first_staged(&self, window: i64, from: u32) -> Option<Earliest> {
        let offset = self.lists.first_from(window, from)?;
        let link = self.lists.first(lists::of_millisecond(window, offset))?;
        let deadline = (window << WINDOW_BITS) + i64::from(offset);
        Some(Earliest { deadline, slot: self.lists.slot(link) })
    }

    /// The first far window that has timers. Those whose timers were all cancelled are dropped.
    fn first_far(&mut self) -> Option<(i64, u32)> {
        while let Some(entry) = self.far.first_entry() {
            let (number, home) = (*entry.key(), *entry.get());
            if self.homes.count(home) > 0 {
                return Some((number, home));
            }
            entry.remove();
            self.homes.remove(home);
        }
        None
    }

    /// Takes the earliest timer of a home if it is earlier than `best`. A chunk knows a bound of
    /// its offsets, so only those are read through that could hold something earlier; what is
    /// read through has an exact bound again.
    fn improve(&mut self, best: &mut Option<Earliest>, home: u32, start: i64) {
        let mut chunk = self.homes.first(home);
        while let Some(present) = chunk {
            chunk = self.homes.after(present);
            let header = self.homes.chunks.header(present);
            let bound = start + i64::from(header.least);
            if best.is_some_and(|known| known.deadline <= bound) {
                continue;
            }
            let (least, slot) = self.least_of(present, home);
            self.homes.chunks.header_mut(present).least = least;
            let deadline = start + i64::from(least);
            if best.is_none_or(|known| deadline < known.deadline) {
                *best = Some(Earliest { deadline, slot });
            }
        }
    }

    fn least_of(&self, chunk: u32, home: u32) -> (u32, u32) {
        let slots =
            places(self.homes.chunks.header(chunk).live).map(|place| chunks::slot_at(chunk, place));
        let offset = |slot| match homes::is_far(home) {
            true => self.homes.chunks.far_offset(slot),
            false => self.homes.chunks.offset(slot),
        };
        slots.map(|slot| (offset(slot), slot)).min().unwrap_or((NONE, NONE))
    }
}
