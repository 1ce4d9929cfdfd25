//! Homes: which chunks belong to which window, and which of them have room.
//!
//! Each chunk is in one of two lists of its home, *open* (has room) or *full*; an empty chunk
//! belongs to no home. Arming takes the first open chunk, so the holes that cancelling leaves are
//! filled before new memory is used.

use std::num::NonZeroU32;

use super::chunks::{self, Chunks, Header, NONE};
use super::{RING, TimerId};

/// Homes 0..RING are the windows ahead, by their number modulo RING.
const STAGES: u32 = RING as u32;
const DEALT: u32 = STAGES + 2;
/// From here on: far windows that are not yet dealt out.
const FAR: u32 = DEALT + 2;

/// The home of a window that is not staged.
pub(super) fn of_window(window: i64) -> u32 {
    (window & (RING - 1)) as u32
}

/// The home of a window that is staged: the present one or the next.
pub(super) fn of_stage(window: i64) -> u32 {
    STAGES + (window & 1) as u32
}

/// Whether the timers of a home have offsets in a far window.
pub(super) fn is_far(home: u32) -> bool {
    home >= DEALT
}

/// The home of a far window that is dealt out: the present one or the next.
pub(super) fn of_dealt(number: i64) -> u32 {
    DEALT + (number & 1) as u32
}

#[derive(Clone, Copy)]
struct Home {
    open: u32,
    full: u32,
    chunks: u32,
}

const EMPTY: Home = Home { open: NONE, full: NONE, chunks: 0 };

pub(super) struct Homes<K> {
    pub(super) chunks: Chunks<K>,
    homes: Vec<Home>,
    /// Homes of far windows that are over.
    spare: Vec<u32>,
    /// Which of the windows ahead have timers.
    occupied: [u64; RING as usize / 64],
}

impl<K: Copy> Homes<K> {
    pub(super) fn new() -> Homes<K> {
        Homes {
            chunks: Chunks::new(),
            homes: vec![EMPTY; FAR as usize],
            spare: Vec::new(),
            occupied: [0; RING as usize / 64],
        }
    }

    /// One more home, for a far window.
    pub(super) fn add(&mut self) -> u32 {
        self.spare.pop().unwrap_or_else(|| {
            self.homes.push(EMPTY);
            (self.homes.len() - 1) as u32
        })
    }

    /// Gives back the empty home of a far window.
    pub(super) fn remove(&mut self, home: u32) {
        self.spare.push(home);
    }

    /// How many chunks a home has; none of them is empty.
    pub(super) fn count(&self, home: u32) -> u32 {
        self.homes[home as usize].chunks
    }

    /// Any chunk of a home.
    pub(super) fn first(&self, home: u32) -> Option<u32> {
        let Home { open, full, .. } = self.homes[home as usize];
        [full, open].into_iter().find(|&chunk| chunk != NONE)
    }

    /// The chunk after this one, in some order of all chunks of the home that begins at `first`.
    pub(super) fn after(&self, chunk: u32) -> Option<u32> {
        let header = self.chunks.header(chunk);
        let open = self.homes[header.home as usize].open;
        let next = if header.next == NONE && !header.has_room() { open } else { header.next };
        (next != NONE).then_some(next)
    }

    /// The first window after `window` that has timers and is not staged.
    pub(super) fn first_after(&self, window: i64) -> Option<i64> {
        let start = window + 1;
        let (word, bit) = (of_window(start) / 64, of_window(start) % 64);
        let words = self.occupied.len() as u32;
        // The word where the search begins comes twice: its upper bits first, its lower ones last.
        for step in 0..=words {
            let index = (word + step) % words;
            let mut bits = self.occupied[index as usize];
            if step == 0 {
                bits &= u64::MAX << bit;
            }
            if bits != 0 {
                let home = i64::from(index * 64 + bits.trailing_zeros());
                return Some(start + ((home - start) & (RING - 1)));
            }
        }
        None
    }

    pub(super) fn place(&mut self, home: u32, offset: u32, key: K) -> TimerId {
        let mut chunk = self.homes[home as usize].open;
        if chunk == NONE {
            chunk = self.chunks.open(home, key);
            self.attach(chunk, home);
        }
        let (slot, uses) = self.chunks.write(chunk, offset, is_far(home), key);
        let header = self.chunks.header(chunk);
        let epoch = header.epoch;
        if !header.has_room() {
            self.unlist(chunk);
            self.list(chunk);
        }
        TimerId { slot, generation: generation(epoch, uses) }
    }

    /// Whether the timer is armed.
    pub(super) fn holds(&self, id: TimerId) -> bool {
        let chunk = chunks::chunk_of(id.slot);
        if !self.chunks.exists(chunk) {
            return false;
        }
        let header = self.chunks.header(chunk);
        header.live & (1 << chunks::place_of(id.slot)) != 0
            && id.generation == generation(header.epoch, self.chunks.uses(id.slot))
    }

    /// The link of a timer in a staged chunk.
    pub(super) fn link_of(&self, slot: u32) -> Option<u32> {
        let links = self.chunks.header(chunks::chunk_of(slot)).links;
        (links != NONE).then(|| chunks::slot_at(links, chunks::place_of(slot)))
    }

    /// Frees a place. If its chunk is now empty, that is closed; gives the links that it had.
    pub(super) fn vacate(&mut self, slot: u32) -> Option<u32> {
        let chunk = chunks::chunk_of(slot);
        let header = self.chunks.header_mut(chunk);
        let had_room = header.has_room();
        header.live &= !(1 << chunks::place_of(slot));
        if header.live == 0 {
            let links = header.links;
            self.detach(chunk);
            self.chunks.close(chunk);
            return (links != NONE).then_some(links);
        }
        if !had_room && header.has_room() {
            self.unlist(chunk);
            self.list(chunk);
        }
        None
    }

    /// Moves a chunk to another home.
    pub(super) fn rehome(&mut self, chunk: u32, home: u32) {
        self.detach(chunk);
        self.chunks.header_mut(chunk).home = home;
        self.attach(chunk, home);
    }

    fn attach(&mut self, chunk: u32, home: u32) {
        self.homes[home as usize].chunks += 1;
        if let Some(word) = self.occupied.get_mut(home as usize / 64) {
            *word |= 1 << (home % 64);
        }
        self.list(chunk);
    }

    fn detach(&mut self, chunk: u32) {
        self.unlist(chunk);
        let number = self.chunks.header(chunk).home;
        let home = &mut self.homes[number as usize];
        home.chunks -= 1;
        if home.chunks == 0
            && let Some(word) = self.occupied.get_mut(number as usize / 64)
        {
            *word &= !(1 << (number % 64));
        }
    }

    /// Puts a chunk first in the list of its home that suits it.
    fn list(&mut self, chunk: u32) {
        let header = self.chunks.header_mut(chunk);
        let home = &mut self.homes[header.home as usize];
        let head = if header.has_room() { &mut home.open } else { &mut home.full };
        let second = std::mem::replace(head, chunk);
        header.prev = NONE;
        header.next = second;
        if second != NONE {
            self.chunks.header_mut(second).prev = chunk;
        }
    }

    /// Takes a chunk out of the list that it is in.
    fn unlist(&mut self, chunk: u32) {
        let &Header { next, prev, home, .. } = self.chunks.header(chunk);
        if next != NONE {
            self.chunks.header_mut(next).prev = prev;
        }
        if prev != NONE {
            self.chunks.header_mut(prev).next = next;
            return;
        }
        let home = &mut self.homes[home as usize];
        let head = if home.open == chunk { &mut home.open } else { &mut home.full };
        *head = next;
    }

    pub(super) fn bytes(&self) -> usize {
        self.chunks.bytes()
            + self.homes.capacity() * size_of::<Home>()
            + self.spare.capacity() * size_of::<u32>()
    }
}

/// Never zero, because epochs begin at one.
fn generation(epoch: u32, uses: u8) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(((epoch - 1) << u8::BITS) | u32::from(uses))
}
