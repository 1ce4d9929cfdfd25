//! The earliest deadline.

use super::homes::REST;
use super::slots::{is_valid, offset_of, time_of};
use super::table::{ARMED, MARK, home_of, is_armed_for};
use super::{Earliest, SLOT_BITS, SLOTS, UNKNOWN, WINDOW_BITS, WINDOW_MASK, Wheel, home};
use crate::domain::time::Timestamp;

impl Wheel {
    /// The earliest deadline that is armed; it may be in the past. The answer is remembered until that
    /// timer goes, so asking again is free.
    pub fn next_deadline(&mut self) -> Option<Timestamp> {
        if self.len == 0 {
            return None;
        }
        if !self.is_armed(self.earliest) {
            self.earliest = self.search()?;
        }
        Some(Timestamp(self.earliest.deadline))
    }

    /// An instant before which nothing is due, found at once: the earliest deadline itself if that lies
    /// in the present window, else perhaps the beginning of the window that it lies in.
    pub fn quiet_until(&mut self) -> Option<Timestamp> {
        if self.len == 0 {
            return None;
        }
        if self.is_armed(self.earliest) {
            return Some(Timestamp(self.earliest.deadline));
        }
        let apart = self.apart.first().map(|first| first.0);
        if let Some(near) = self.first_in_window() {
            return apart.into_iter().chain([near.deadline]).min().map(Timestamp);
        }
        let next = self.window + 1;
        let staged = self.slots.first_from(next * SLOTS, next).map(|_| next);
        let window = staged.or_else(|| self.homes.first_after(self.window));
        let begin = window.map(|window| window << WINDOW_BITS);
        begin.into_iter().chain(apart).min().map(Timestamp)
    }

    fn is_armed(&self, known: Earliest) -> bool {
        if known == UNKNOWN {
            return false;
        }
        match self.table.get(known.number) {
            super::table::APART => self.apart.contains(&(known.deadline, known.number)),
            word => is_armed_for(word, super::table::time_of(known.deadline)),
        }
    }

    fn search(&mut self) -> Option<Earliest> {
        let near = self.first_in_window().or_else(|| self.first_ahead());
        let apart = self.apart.first().map(|&(deadline, number)| Earliest { deadline, number });
        near.into_iter().chain(apart).min()
    }

    /// The earliest timer of the present window.
    fn first_in_window(&mut self) -> Option<Earliest> {
        while let Some(&entry) = self.current.get(self.cursor)
            && !is_valid(&self.table, entry)
        {
            self.cursor += 1;
        }
        while let Some(&std::cmp::Reverse(entry)) = self.soon.peek()
            && !is_valid(&self.table, entry)
        {
            self.soon.pop();
        }
        let soon = self.soon.peek().map(|entry| entry.0);
        let here = self.current.get(self.cursor).copied().into_iter().chain(soon).min();
        here.map(|entry| earliest(self.slot, entry)).or_else(|| self.first_staged(self.window))
    }

    fn first_staged(&mut self, window: i64) -> Option<Earliest> {
        while let Some(slot) = self.slots.first_from(self.slot, window) {
            if let Some(entry) = self.slots.first_valid(&self.table, slot) {
                return Some(earliest(slot, entry));
            }
        }
        None
    }

    /// The earliest timer of the windows after the present one. Homes with nothing but stale entries on
    /// the way are emptied.
    fn first_ahead(&mut self) -> Option<Earliest> {
        // Part of the next window is staged, part of it may not be.
        let next = self.window + 1;
        let best = self.first_staged(next).into_iter().chain(self.first_home(next)).min();
        if best.is_some() {
            return best;
        }
        let mut window = self.homes.first_after(self.window)?;
        while window < self.window + super::RING {
            if let Some(found) = self.first_home(window) {
                return Some(found);
            }
            window = self.homes.first_after(window)?;
        }
        None
    }

    fn first_home(&mut self, window: i64) -> Option<Earliest> {
        let at = home(window);
        let swept = window == self.sweeping;
        let rest = swept.then(|| self.homes.entries_of(REST)).into_iter().flatten();
        let deadline = |number: u32| {
            let word = self.table.get(number);
            let counts = word & ARMED != 0 && home_of(word) == at;
            let offset = i64::from(word & !(ARMED | MARK)) & WINDOW_MASK;
            counts.then_some(Earliest { deadline: (window << WINDOW_BITS) + offset, number })
        };
        let best = self.homes.entries_of(at).chain(rest).filter_map(deadline).min();
        if best.is_none() {
            while self.homes.take(at).is_some() {}
            while swept && self.homes.take(REST).is_some() {}
            self.homes.vacate(at);
        }
        best
    }
}

fn earliest(slot: i64, entry: u64) -> Earliest {
    debug_assert_eq!(
        super::table::time_of(slot << SLOT_BITS) >> SLOT_BITS,
        time_of(entry) >> SLOT_BITS
    );
    Earliest { deadline: (slot << SLOT_BITS) + offset_of(entry), number: entry as u32 }
}
