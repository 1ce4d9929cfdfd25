//! Work that could wait, in slices: getting the next window ready, and sweeping out stale entries.

use super::homes::{PLACES, REST};
use super::table::{ARMED, MARK, home_of};
use super::{SLOTS, WINDOW, WINDOW_BITS, WINDOW_MASK, Wheel, home, slots};

/// Stale entries that are left alone.
const FEW: usize = 16_384;
/// Entries that a sweep looks at for each one that is made.
const SWEPT_PER_ENTRY: usize = 4;

impl Wheel {
    /// Steps from a window that has fired to the next, or over a stretch that has no timers.
    pub(super) fn enter_next_window(&mut self, target: i64) {
        self.stage(u64::MAX);
        let mut next = self.window + 1;
        if self.slots.first_from(next * SLOTS, next).is_none() {
            // The window before the next one that has entries, so that this one can be staged.
            let occupied = self.homes.first_after(next).map_or(i64::MAX, |window| window - 1);
            next = next.max(occupied.min(target));
        }
        self.window = next;
        self.enter_slot(next * SLOTS);
    }

    /// Does the part of the staging that falls to the time since `before`.
    pub(super) fn stage_slice(&mut self, before: i64) {
        let home = home(self.window + 1);
        let rest = if self.is_sweeping(home) { self.homes.chunks(REST) } else { 0 };
        let steps = self.homes.chunks(home) + rest;
        if steps > 0 {
            let begin = self.window << WINDOW_BITS;
            self.stage(share(steps, begin.max(before), self.now, begin + WINDOW));
        }
    }

    /// Stages the next window, a chunk a step, until it is done or `steps` are.
    fn stage(&mut self, steps: u64) {
        let window = self.window + 1;
        let home = home(window);
        for _ in 0..steps {
            let mut taken = self.homes.take(home);
            if taken.is_none() && self.is_sweeping(home) {
                taken = self.homes.take(REST);
            }
            let Some((numbers, len)) = taken else { return self.homes.vacate(home) };
            let words = numbers.map(|number| self.table.get(number));
            for (&number, word) in numbers.iter().zip(words).take(len) {
                if word & ARMED != 0 && home_of(word) == home {
                    let time = word & !(ARMED | MARK);
                    let slot =
                        window * SLOTS + ((i64::from(time) & WINDOW_MASK) >> super::SLOT_BITS);
                    self.slots.push(&self.table, slot, slots::entry(time, number));
                }
            }
        }
    }

    /// Called for each timer that is armed: once a third of all entries is stale, its share of sweeping.
    #[inline]
    pub(super) fn tidy(&mut self) {
        if self.homes.entries > self.len + self.len / 2 + FEW {
            self.sweep_slice();
        }
    }

    #[cold]
    fn sweep_slice(&mut self) {
        self.sweep_debt += SWEPT_PER_ENTRY;
        while self.sweep_debt >= PLACES {
            self.sweep_debt -= PLACES;
            self.sweep_step();
        }
    }

    fn is_sweeping(&self, home: u32) -> bool {
        self::home(self.sweeping) == home
    }

    /// Looks at one chunk of the window that is swept, and keeps what counts; a number that is in it
    /// twice is kept once. Or begins with the next window.
    fn sweep_step(&mut self) {
        let Some((numbers, len)) = self.homes.take(REST) else { return self.sweep_next() };
        let home = home(self.sweeping);
        let mark = self.homes.mark(home);
        // All are read before one is looked at: the reads overlap.
        let words = numbers.map(|number| self.table.get(number));
        for (&number, word) in numbers.iter().zip(words).take(len) {
            if word & ARMED == 0 || home_of(word) != home || word & MARK == mark {
                continue;
            }
            let word = self.table.word(number);
            // The same number may be in this very chunk twice.
            if *word & MARK != mark {
                *word ^= MARK;
                self.homes.append(home, number);
            }
        }
    }

    fn sweep_next(&mut self) {
        // The next window is being staged, which does the same.
        let first = self.window + 1;
        match self.homes.first_after(self.sweeping.max(first)) {
            Some(window) if window < self.window + super::RING => {
                self.sweeping = window;
                if self.homes.chunks(home(window)) == 0 {
                    return self.homes.vacate(home(window));
                }
                self.homes.begin_sweep(home(window));
            }
            _ => self.sweeping = first,
        }
    }
}

/// The part of `steps` that is done from `before` to `now` if all are to be done by `end`.
fn share(steps: u64, before: i64, now: i64, end: i64) -> u64 {
    let (elapsed, all) = (now.saturating_sub(before), end.saturating_sub(before));
    if elapsed >= all {
        return steps;
    }
    steps.saturating_mul(elapsed.unsigned_abs()).div_ceil(all.unsigned_abs())
}
