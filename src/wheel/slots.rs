//! Slots: the present window and the next one, by 256 milliseconds.
//!
//! An entry is the lower bits of a deadline and a number, in one `u64` whose order is the order of
//! firing within a slot. It counts as long as the table says the same.

use super::table::{Table, is_armed_for};
use super::{SLOT_BITS, SLOTS};

/// A slot that grew beyond this many entries gives its memory back.
const KEPT: usize = 8_192;
/// Entries from which on a slot is cleared of what is stale before it grows.
const MANY: usize = 256;
const MASK: i64 = 2 * SLOTS - 1;

pub(super) fn entry(time: u32, number: u32) -> u64 {
    u64::from(time) << u32::BITS | u64::from(number)
}

pub(super) fn time_of(entry: u64) -> u32 {
    (entry >> u32::BITS) as u32
}

/// The millisecond of an entry within its slot.
pub(super) fn offset_of(entry: u64) -> i64 {
    i64::from(time_of(entry)) & ((1 << SLOT_BITS) - 1)
}

pub(super) fn is_valid(table: &Table, entry: u64) -> bool {
    is_armed_for(table.get(entry as u32), time_of(entry))
}

/// The entries of two windows; those of the slot that fires are taken out of it.
pub(super) struct Slots {
    slots: Vec<Vec<u64>>,
    occupied: [u64; (2 * SLOTS / 64) as usize],
}

impl Slots {
    pub(super) fn new() -> Slots {
        Slots {
            slots: vec![Vec::new(); 2 * SLOTS as usize],
            occupied: [0; 2 * SLOTS as usize / 64],
        }
    }

    #[inline]
    pub(super) fn push(&mut self, table: &Table, slot: i64, entry: u64) {
        let index = (slot & MASK) as usize;
        let entries = &mut self.slots[index];
        if entries.len() == entries.capacity() {
            make_room(table, entries);
        }
        entries.push(entry);
        self.occupied[index / 64] |= 1 << (index % 64);
    }

    /// Exchanges the entries of a slot for an empty vector, whose memory is used again.
    pub(super) fn take(&mut self, slot: i64, entries: &mut Vec<u64>) {
        let index = (slot & MASK) as usize;
        entries.clear();
        if entries.capacity() > KEPT {
            *entries = Vec::new();
        }
        std::mem::swap(entries, &mut self.slots[index]);
        self.occupied[index / 64] &= !(1 << (index % 64));
    }

    /// The first slot of a window, from `slot` on, that has entries.
    pub(super) fn first_from(&self, slot: i64, window: i64) -> Option<i64> {
        let first = window * SLOTS;
        let words = (first & MASK) as usize / 64;
        let from = slot.max(first) - first;
        for word in from / 64..SLOTS / 64 {
            let mut bits = self.occupied[words + word as usize];
            if word == from / 64 {
                bits &= u64::MAX << (from % 64);
            }
            if bits != 0 {
                return Some(first + word * 64 + i64::from(bits.trailing_zeros()));
            }
        }
        None
    }

    /// The first entry of a slot that counts. Those that do not are dropped.
    pub(super) fn first_valid(&mut self, table: &Table, slot: i64) -> Option<u64> {
        let index = (slot & MASK) as usize;
        let entries = &mut self.slots[index];
        entries.retain(|&entry| is_valid(table, entry));
        if entries.is_empty() {
            self.occupied[index / 64] &= !(1 << (index % 64));
        }
        entries.iter().min().copied()
    }

    pub(super) fn bytes(&self) -> usize {
        let entries: usize = self.slots.iter().map(Vec::capacity).sum();
        entries * size_of::<u64>() + self.slots.capacity() * size_of::<Vec<u64>>()
    }
}

/// Drops what is stale; grows only if less than half was. So a number that is armed over and over takes
/// no more memory than it should.
#[cold]
pub(super) fn make_room(table: &Table, entries: &mut Vec<u64>) {
    if entries.len() >= MANY {
        entries.retain(|&entry| is_valid(table, entry));
        entries.sort_unstable();
        entries.dedup();
    }
    if entries.len() >= entries.capacity() / 2 {
        entries.reserve(entries.len().max(8));
    }
}
