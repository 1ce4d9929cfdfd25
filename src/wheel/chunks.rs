//! Storage for timers: chunks of 64 places, in segments that are never moved once they exist.
//!
//! The parts of a timer lie in separate arrays, so that cancelling reads one cache line (the
//! header) and an unused part (see `high` and `uses`) costs no memory.

/// No chunk, no link.
pub(super) const NONE: u32 = u32::MAX;
/// Places in a chunk: the bits of its masks.
const PLACES: usize = 64;
const PLACE_BITS: u32 = PLACES.ilog2();
/// Chunks in a segment.
const SEGMENT: usize = 1024;
const SEGMENT_BITS: u32 = SEGMENT.ilog2();
/// Slot numbers have 31 bits: lists use the last one as a mark.
const MOST_CHUNKS: u32 = 1 << (31 - PLACE_BITS);

pub(super) fn chunk_of(slot: u32) -> u32 {
    slot >> PLACE_BITS
}

pub(super) fn place_of(slot: u32) -> u32 {
    slot & (PLACES as u32 - 1)
}

pub(super) fn slot_at(chunk: u32, place: u32) -> u32 {
    (chunk << PLACE_BITS) | place
}

/// What is known of a chunk, on a cache line of its own.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Header {
    /// Places that hold a timer.
    pub(super) live: u64,
    /// Places that have held one in this epoch.
    pub(super) used: u64,
    /// Places that have held more than one in this epoch; how many, is in `uses`.
    pub(super) reused: u64,
    /// How often the chunk came out of the pool; half of a generation.
    pub(super) epoch: u32,
    /// Neighbours in the list of the home, or in the pool.
    pub(super) next: u32,
    pub(super) prev: u32,
    pub(super) home: u32,
    /// The links of its timers, once it is staged.
    pub(super) links: u32,
    /// No live timer has a lesser offset.
    pub(super) least: u32,
    /// A place was used as often as can be told apart: the chunk takes no more timers.
    pub(super) worn: bool,
}

impl Header {
    pub(super) fn has_room(&self) -> bool {
        self.live != u64::MAX && !self.worn
    }
}

struct Segment<K> {
    headers: Vec<Header>,
    /// The lower 16 bits of the offset.
    low: Vec<[u16; PLACES]>,
    keys: Vec<[K; PLACES]>,
    /// The higher bits of the offset, once there is a chunk of a far window.
    high: Vec<[u8; PLACES]>,
    /// Uses of each place before the present one, once a place is reused.
    uses: Vec<[u8; PLACES]>,
}

pub(super) struct Chunks<K> {
    segments: Vec<Segment<K>>,
    /// First of the pool.
    free: u32,
    count: u32,
}

impl<K: Copy> Chunks<K> {
    pub(super) fn new() -> Chunks<K> {
        Chunks { segments: Vec::new(), free: NONE, count: 0 }
    }

    pub(super) fn exists(&self, chunk: u32) -> bool {
        chunk < self.count
    }

    pub(super) fn header(&self, chunk: u32) -> &Header {
        let (segment, index) = split(chunk);
        &self.segments[segment].headers[index]
    }

    pub(super) fn header_mut(&mut self, chunk: u32) -> &mut Header {
        let (segment, index) = split(chunk);
        &mut self.segments[segment].headers[index]
    }

    pub(super) fn key(&self, slot: u32) -> K {
        let (segment, index) = split(chunk_of(slot));
        self.segments[segment].keys[index][place_of(slot) as usize]
    }

    /// The 16 bits of an offset within a window.
    pub(super) fn offset(&self, slot: u32) -> u32 {
        let (segment, index) = split(chunk_of(slot));
        u32::from(self.segments[segment].low[index][place_of(slot) as usize])
    }

    /// The whole offset of a timer that was armed for a far window.
    pub(super) fn far_offset(&self, slot: u32) -> u32 {
        let (segment, index) = split(chunk_of(slot));
        let high = self.segments[segment].high[index][place_of(slot) as usize];
        (u32::from(high) << u16::BITS) | self.offset(slot)
    }

    /// Uses of a place before the present one.
    pub(super) fn uses(&self, slot: u32) -> u8 {
        let (segment, index) = split(chunk_of(slot));
        let segment = &self.segments[segment];
        let place = place_of(slot);
        if segment.headers[index].reused & (1 << place) == 0 {
            return 0;
        }
        segment.uses[index][place as usize]
    }

    /// Writes a timer into a free place of a chunk that has one; gives the place's slot and its
    /// uses before. `far` says that the offset has more than 16 bits.
    pub(super) fn write(&mut self, chunk: u32, offset: u32, far: bool, key: K) -> (u32, u8) {
        let (segment, index) = split(chunk);
        let segment = &mut self.segments[segment];
        let header = &mut segment.headers[index];
        let place = (!header.live).trailing_zeros();
        let bit = 1 << place;
        let at = place as usize;
        let mut uses = 0;
        if header.used & bit != 0 {
            if segment.uses.is_empty() {
                segment.uses = vec![[0; PLACES]; SEGMENT];
            }
            let count = &mut segment.uses[index][at];
            *count = if header.reused & bit == 0 { 1 } else { *count + 1 };
            uses = *count;
            header.reused |= bit;
            header.worn = uses == u8::MAX;
        }
        header.live |= bit;
        header.used |= bit;
        header.least = header.least.min(offset);
        segment.low[index][at] = offset as u16;
        segment.keys[index][at] = key;
        if far {
            if segment.high.is_empty() {
                segment.high = vec![[0; PLACES]; SEGMENT];
            }
            segment.high[index][at] = (offset >> u16::BITS) as u8;
        }
        (slot_at(chunk, place), uses)
    }

    /// An empty chunk for `home`. `key` is any key: it fills what is never read.
    pub(super) fn open(&mut self, home: u32, key: K) -> u32 {
        let mut header = Header {
            live: 0,
            used: 0,
            reused: 0,
            epoch: 1,
            next: NONE,
            prev: NONE,
            home,
            links: NONE,
            least: u32::MAX,
            worn: false,
        };
        if self.free != NONE {
            let chunk = self.free;
            let old = self.header_mut(chunk);
            header.epoch = old.epoch;
            let next = std::mem::replace(old, header).next;
            self.free = next;
            return chunk;
        }
        let chunk = self.count;
        assert!(chunk < MOST_CHUNKS, "a wheel holds at most 2^31 timers");
        if (chunk as usize).is_multiple_of(SEGMENT) {
            self.segments.push(Segment {
                headers: Vec::with_capacity(SEGMENT),
                low: Vec::with_capacity(SEGMENT),
                keys: Vec::with_capacity(SEGMENT),
                high: Vec::new(),
                uses: Vec::new(),
            });
        }
        let (segment, _) = split(chunk);
        let segment = &mut self.segments[segment];
        segment.headers.push(header);
        segment.low.push([0; PLACES]);
        segment.keys.push([key; PLACES]);
        self.count += 1;
        chunk
    }

    /// Takes an empty chunk into the pool, under a new epoch. At the end of its epochs it is left
    /// out for good: half a kilobyte in 16 million rounds, so that no old id is ever taken for new.
    pub(super) fn close(&mut self, chunk: u32) {
        const LAST: u32 = (1 << 24) - 1;
        let free = self.free;
        let header = self.header_mut(chunk);
        header.prev = NONE;
        header.links = NONE;
        header.epoch += 1;
        if header.epoch > LAST {
            return;
        }
        header.next = free;
        self.free = chunk;
    }

    pub(super) fn bytes(&self) -> usize {
        let of_segment = |segment: &Segment<K>| {
            size_of::<Segment<K>>()
                + segment.headers.capacity() * size_of::<Header>()
                + segment.low.capacity() * size_of::<[u16; PLACES]>()
                + segment.keys.capacity() * size_of::<[K; PLACES]>()
                + (segment.high.capacity() + segment.uses.capacity()) * PLACES
        };
        self.segments.iter().map(of_segment).sum()
    }
}

fn split(chunk: u32) -> (usize, usize) {
    ((chunk >> SEGMENT_BITS) as usize, chunk as usize % SEGMENT)
}
