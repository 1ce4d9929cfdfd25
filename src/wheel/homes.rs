//! Homes: the entries of one window, in chunks from one pool.
//!
//! An entry is a number and nothing else. It says that a timer of this number *was* armed for this
//! window; whether it still is, the table says. So nothing is ever taken out of the middle of a home:
//! it is read through once, when its window is staged, or when the wheel sweeps.

/// No chunk.
const NONE: u32 = u32::MAX;
/// Entries in a chunk.
pub(super) const PLACES: usize = 32;
/// Chunks in a segment.
const SEGMENT_BITS: u32 = 10;
const SEGMENT: usize = 1 << SEGMENT_BITS;
/// Entries in a segment.
const ENTRIES: usize = SEGMENT * PLACES;
/// The home of what a sweep has yet to look at.
pub(super) const REST: u32 = super::RING as u32;
const WORDS: usize = super::RING as usize / 64;

/// Memory for chunks: it is never moved.
struct Segment {
    entries: Box<[u32; ENTRIES]>,
    /// The next chunk of the same home, or of the pool.
    next: Box<[u32; SEGMENT]>,
}

#[derive(Clone, Copy)]
struct Home {
    /// Where the next entry goes, in the chunk that is being filled; all behind that are full. At the
    /// begin of a chunk there is no room.
    at: u32,
    chunks: u32,
    /// What the mark of a timer says whose entry the last sweep has seen, or that came after it.
    mark: u32,
}

/// The entries of all windows ahead.
pub(super) struct Homes {
    homes: Box<[Home; REST as usize + 1]>,
    segments: Vec<Segment>,
    count: u32,
    /// First of the pool.
    free: u32,
    /// Which homes may have entries.
    occupied: [u64; WORDS],
    /// Entries in all homes.
    pub(super) entries: usize,
}

impl Homes {
    pub(super) fn new() -> Homes {
        Homes {
            homes: boxed(Home { at: 0, chunks: 0, mark: 0 }),
            segments: Vec::new(),
            count: 0,
            free: NONE,
            occupied: [0; WORDS],
            entries: 0,
        }
    }

    pub(super) fn chunks(&self, home: u32) -> u64 {
        u64::from(self.homes[home as usize].chunks)
    }

    pub(super) fn mark(&self, home: u32) -> u32 {
        self.homes[home as usize].mark
    }

    /// Appends an entry; gives the mark that the timer's word is to have.
    #[inline]
    pub(super) fn append(&mut self, home: u32, number: u32) -> u32 {
        let home = home as usize;
        if (self.homes[home].at as usize).is_multiple_of(PLACES) {
            self.open(home);
        }
        let place = &mut self.homes[home];
        let (at, mark) = (place.at as usize, place.mark);
        place.at += 1;
        self.segments[at / ENTRIES].entries[at % ENTRIES] = number;
        self.entries += 1;
        mark
    }

    /// Takes a chunk out of a home: its entries, and how many they are.
    pub(super) fn take(&mut self, home: u32) -> Option<([u32; PLACES], usize)> {
        let home = &mut self.homes[home as usize];
        home.chunks = home.chunks.checked_sub(1)?;
        let last = home.at - 1;
        let (chunk, len) = (last / PLACES as u32, last as usize % PLACES + 1);
        let (segment, index) = split(chunk);
        let segment = &mut self.segments[segment];
        let next = std::mem::replace(&mut segment.next[index], self.free);
        self.free = chunk;
        // A chunk that is not the head is full: the next entry would begin another.
        home.at = if home.chunks == 0 { 0 } else { (next + 1) * PLACES as u32 };
        self.entries -= len;
        let entries = segment.entries.as_chunks().0[index];
        Some((entries, len))
    }

    /// Every entry of a home.
    pub(super) fn entries_of(&self, home: u32) -> impl Iterator<Item = u32> + '_ {
        let Home { at, chunks, .. } = self.homes[home as usize];
        let last = at.wrapping_sub(1);
        let (mut chunk, mut len) = (last / PLACES as u32, last as usize % PLACES + 1);
        let chunks = (0..chunks).flat_map(move |_| {
            let (segment, index) = split(chunk);
            let segment = &self.segments[segment];
            chunk = segment.next[index];
            segment.entries[index * PLACES..][..std::mem::replace(&mut len, PLACES)].iter()
        });
        chunks.copied()
    }

    /// Begins a sweep: what the home holds is the rest, and the home starts anew, with the other mark.
    pub(super) fn begin_sweep(&mut self, home: u32) {
        let at = self.homes[home as usize];
        self.homes[REST as usize] = at;
        let mark = at.mark ^ super::table::MARK;
        self.homes[home as usize] = Home { at: 0, chunks: 0, mark };
    }

    /// Says that a home has no entries any more.
    pub(super) fn vacate(&mut self, home: u32) {
        self.occupied[home as usize / 64] &= !(1 << (home % 64));
    }

    /// The first window after `window` that may have entries.
    pub(super) fn first_after(&self, window: i64) -> Option<i64> {
        let start = window + 1;
        let home = super::home(start);
        let (word, bit) = (home as usize / 64, home % 64);
        // The word where the search begins comes twice: its upper bits first, its lower ones last.
        for step in 0..=WORDS {
            let index = (word + step) % WORDS;
            let mut bits = self.occupied[index];
            if step == 0 {
                bits &= u64::MAX << bit;
            }
            if bits != 0 {
                let home = index as i64 * 64 + i64::from(bits.trailing_zeros());
                return Some(start + ((home - start) & (super::RING - 1)));
            }
        }
        None
    }

    pub(super) fn bytes(&self) -> usize {
        let of_segment = (ENTRIES + SEGMENT) * size_of::<u32>() + size_of::<Segment>();
        self.segments.len() * of_segment + self.homes.len() * size_of::<Home>()
    }

    /// An empty chunk at the head of a home.
    #[cold]
    #[inline(never)]
    fn open(&mut self, home: usize) {
        let chunk = match self.free {
            NONE => self.grow(),
            free => {
                let (segment, index) = split(free);
                self.free = self.segments[segment].next[index];
                free
            }
        };
        let place = &mut self.homes[home];
        let head = if place.chunks == 0 { NONE } else { place.at / PLACES as u32 - 1 };
        place.at = chunk * PLACES as u32;
        place.chunks += 1;
        let (segment, index) = split(chunk);
        self.segments[segment].next[index] = head;
        if let Some(word) = self.occupied.get_mut(home / 64) {
            *word |= 1 << (home % 64);
        }
    }

    fn grow(&mut self) -> u32 {
        // An entry's place has 32 bits.
        assert!(self.count < u32::MAX / PLACES as u32, "more entries than a wheel can hold");
        let chunk = self.count;
        self.count += 1;
        if (chunk as usize).is_multiple_of(SEGMENT) {
            self.segments.push(Segment { entries: boxed(0), next: boxed(0) });
        }
        chunk
    }
}

/// An array that never was on the stack. Zeros are asked for as such, so that the system gives the memory
/// page by page, as it is touched.
pub(super) fn boxed<T: Copy, const N: usize>(value: T) -> Box<[T; N]> {
    vec![value; N].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([value; N]))
}

fn split(chunk: u32) -> (usize, usize) {
    ((chunk >> SEGMENT_BITS) as usize, chunk as usize % SEGMENT)
}
