//! From a hash to a small number: an index over entries that lie elsewhere, in eight bytes a place.
//!
//! It can be asked and changed, but not walked, so no order of it can reach a decision. *Tag*: the upper
//! half of the hash; the rest of the key is compared by the caller, where the entries lie. Entries lie in
//! the order of their homes (robin hood hashing), so that a search for what is not there ends soon. A
//! segment that is full is split in two (extendible hashing), so that no insertion ever moves more than one
//! segment: a table that doubles as a whole stops the shard for as long as that takes.

/// Slots of a segment before it is split.
const SPLIT: usize = 4_096;
const SMALLEST: usize = 8;
/// The directory grows to this many bits; beyond, segments grow.
const MAX_BITS: u32 = 20;
/// No value is `u32::MAX`.
const EMPTY: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub(super) struct Lookup {
    bits: u32,
    /// By the first bits of the tag: which segment.
    directory: Vec<u32>,
    segments: Vec<Segment>,
    is_marked: bool,
}

#[derive(Clone, Debug, Default)]
struct Segment {
    /// How many bits of the tag its entries have in common.
    bits: u32,
    len: usize,
    /// Tag and value; a power of two, or none yet. Its entries lie by the last bits of the tag.
    slots: Vec<u64>,
    /// Of a marked one: a byte of each slot's tag, 0 = the slot is empty.
    marks: Vec<u8>,
}

/// Where a search begins: the home of a tag, and what lies there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    entry: u64,
    tag: u32,
    segment: u32,
    at: u32,
}

impl Default for Lookup {
    fn default() -> Lookup {
        let segments = vec![Segment::default()];
        Lookup { bits: 0, directory: vec![0], segments, is_marked: false }
    }
}

impl Lookup {
    /// One that is mostly asked for what is not there: a byte more a place, and such a question looks at
    /// no others, which are eight times as much memory.
    pub(super) fn marked() -> Lookup {
        Lookup { is_marked: true, ..Lookup::default() }
    }

    /// Whether the hash may be in a marked one; few of those that are not there may.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let tag = tag(hash);
        let marks = &self.segments[self.segment_of(tag)].marks;
        let Some(mask) = marks.len().checked_sub(1) else { return false };
        let mut at = tag as usize & mask;
        while marks[at] != mark(tag) && marks[at] != 0 {
            at = (at + 1) & mask;
        }
        marks[at] != 0
    }

    /// The value under this hash that `is` the wanted one.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        self.find_from(self.reach(hash), is)
    }

    /// Where a search begins. Reached for many hashes at once, the memory that they lie in is read at once:
    /// one wait instead of one after another.
    #[inline]
    pub(super) fn reach(&self, hash: u64) -> Place {
        let segment = self.segment_of(tag(hash));
        let slots = &self.segments[segment].slots;
        let at = tag(hash) as usize & slots.len().wrapping_sub(1);
        let entry = slots.get(at).copied().unwrap_or(EMPTY);
        Place { entry, tag: tag(hash), segment: segment as u32, at: at as u32 }
    }

    #[inline]
    pub(super) fn find_from(&self, place: Place, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let Place { mut entry, tag, segment, at } = place;
        let (slots, mut at) = (&self.segments[segment as usize].slots, at as usize);
        let mut gone = 0;
        while entry != EMPTY {
            if (entry >> 32) as u32 == tag && is(entry as u32) {
                return Some(entry as u32);
            }
            if gone > from_home(entry, at, slots.len()) {
                break;
            }
            gone += 1;
            at = (at + 1) & (slots.len() - 1);
            entry = slots[at];
        }
        None
    }

    /// Adds a value, which must not be there yet.
    pub(super) fn insert(&mut self, hash: u64, value: u32) {
        let tag = tag(hash);
        loop {
            let at = self.segment_of(tag);
            let segment = &mut self.segments[at];
            if (segment.len + 1) * 8 <= segment.slots.len() * 7 {
                return segment.place(u64::from(tag) << 32 | u64::from(value));
            }
            match segment.can_split() {
                true => self.split(at),
                false => segment.grow(self.is_marked),
            }
        }
    }

    /// Removes the value under this hash that `is` the wanted one.
    pub(super) fn remove(&mut self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let at = self.segment_of(tag(hash));
        let segment = &mut self.segments[at];
        let at = segment.position(tag(hash), is)?;
        Some(segment.take(at) as u32)
    }

    #[inline]
    fn segment_of(&self, tag: u32) -> usize {
        let place = (u64::from(tag) << self.bits) >> 32;
        self.directory[place as usize] as usize
    }

    fn split(&mut self, at: usize) {
        let bits = self.segments[at].bits + 1;
        if bits > self.bits {
            self.directory = self.directory.iter().flat_map(|segment| [*segment; 2]).collect();
            self.bits = bits;
        }
        let old = std::mem::take(&mut self.segments[at]);
        let new = self.segments.len();
        let marks = if self.is_marked { SPLIT } else { 0 };
        let half = || Segment { bits, len: 0, slots: vec![EMPTY; SPLIT], marks: vec![0; marks] };
        self.segments[at] = half();
        self.segments.push(half());
        let is_upper = |tag: u64| (tag << 32 >> (64 - bits)) & 1 == 1;
        for entry in old.slots.into_iter().filter(|entry| *entry != EMPTY) {
            self.segments[if is_upper(entry >> 32) { new } else { at }].place(entry);
        }
        let shift = 32 - self.bits;
        for (place, segment) in self.directory.iter_mut().enumerate() {
            if *segment == at as u32 && is_upper((place as u64) << shift) {
                *segment = new as u32;
            }
        }
    }
}

impl Segment {
    fn position(&self, tag: u32, mut is: impl FnMut(u32) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = tag as usize & mask;
        loop {
            let entry = self.slots[at];
            if entry == EMPTY {
                return None;
            }
            if (entry >> 32) as u32 == tag && is(entry as u32) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts an entry in; those whose homes come after its own make way.
    fn place(&mut self, mut entry: u64) {
        let size = self.slots.len();
        let mut at = (entry >> 32) as usize & (size - 1);
        let mut gone = 0;
        while self.slots[at] != EMPTY {
            let other = self.slots[at];
            if from_home(other, at, size) < gone {
                self.set(at, entry);
                (entry, gone) = (other, from_home(other, at, size));
            }
            gone += 1;
            at = (at + 1) & (size - 1);
        }
        self.set(at, entry);
        self.len += 1;
    }

    /// Takes an entry out, and closes the gap: those after it that are not at home move back.
    fn take(&mut self, mut gap: usize) -> u64 {
        let taken = self.slots[gap];
        let size = self.slots.len();
        loop {
            let next = (gap + 1) & (size - 1);
            let entry = self.slots[next];
            if entry == EMPTY || from_home(entry, next, size) == 0 {
                break;
            }
            self.set(gap, entry);
            gap = next;
        }
        self.set(gap, EMPTY);
        self.len -= 1;
        taken
    }

    fn set(&mut self, at: usize, entry: u64) {
        self.slots[at] = entry;
        if let Some(own) = self.marks.get_mut(at) {
            *own = if entry == EMPTY { 0 } else { mark((entry >> 32) as u32) };
        }
    }

    fn grow(&mut self, is_marked: bool) {
        let size = (self.slots.len() * 2).max(SMALLEST);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; size]);
        self.marks = vec![0; if is_marked { size } else { 0 }];
        self.len = 0;
        for entry in old.into_iter().filter(|entry| *entry != EMPTY) {
            self.place(entry);
        }
    }

    /// Whether it is full, and the next bit of the tags tells its entries apart.
    fn can_split(&self) -> bool {
        if self.slots.len() < SPLIT || self.bits >= MAX_BITS {
            return false;
        }
        let bit = |entry: &u64| entry << self.bits >> 63;
        let mut entries = self.slots.iter().filter(|entry| **entry != EMPTY).map(bit);
        let first = entries.next();
        entries.any(|bit| Some(bit) != first)
    }
}

/// How far behind its home an entry lies, in so many slots.
#[inline]
fn from_home(entry: u64, at: usize, slots: usize) -> usize {
    at.wrapping_sub((entry >> 32) as usize) & (slots - 1)
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Of the bits of a tag that are neither the last nor, mostly, the first.
fn mark(tag: u32) -> u8 {
    ((tag >> SPLIT.ilog2()) as u8).max(1)
}

/// A hash for lookups whose entries no stranger chooses. Not for anything that is kept.
pub(super) fn fold(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    mix(hash, chunks.remainder().iter().fold(1, |word, byte| word << 8 | u64::from(*byte)))
}

/// One step of it.
#[inline]
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xd6e8_feb8_6659_fd93);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a map; few different tags and hashes, so that entries collide and get displaced.
        #[test]
        fn is_a_map(
            steps in prop::collection::vec((any::<bool>(), 0_u64..400), 1..600),
            narrow: bool,
            marked: bool,
        ) {
            let hash = |key: u64| if narrow { (key % 7) << 40 } else { fold(&key.to_be_bytes()) };
            let mut lookup = if marked { Lookup::marked() } else { Lookup::default() };
            let mut model = BTreeMap::new();
            for (add, key) in steps {
                let found = lookup.find(hash(key), |value| value == key as u32);
                prop_assert_eq!(found, model.get(&key).copied());
                prop_assert!(!marked || found.is_none() || lookup.may_have(hash(key)));
                match add {
                    true if found.is_none() => {
                        lookup.insert(hash(key), key as u32);
                        model.insert(key, key as u32);
                    }
                    true => {}
                    false => prop_assert_eq!(
                        lookup.remove(hash(key), |value| value == key as u32),
                        model.remove(&key)
                    ),
                }
            }
            for key in 0..400 {
                let found = lookup.find(hash(key), |value| value == key as u32);
                prop_assert_eq!(found, model.get(&key).copied());
            }
        }
    }

    #[test]
    fn segments_split_and_keep_all() {
        let mut lookup = Lookup::default();
        let hash = |key: u32| fold(&key.to_be_bytes());
        for key in 0..100_000 {
            lookup.insert(hash(key), key);
        }
        assert!(lookup.segments.len() > 20);
        for key in 0..100_000 {
            assert_eq!(lookup.find(hash(key), |value| value == key), Some(key));
        }
        for key in 0..100_000 {
            assert_eq!(lookup.remove(hash(key), |value| value == key), Some(key));
            assert_eq!(lookup.find(hash(key), |value| value == key), None);
        }
    }

    #[test]
    fn the_marks_tell_most_of_what_is_not_there() {
        let mut lookup = Lookup::marked();
        let hash = |key: u32| fold(&key.to_be_bytes());
        (0..50_000).for_each(|key| lookup.insert(hash(key), key));
        assert!((0..50_000).all(|key| lookup.may_have(hash(key))));
        let wrong = (50_000..100_000).filter(|key| lookup.may_have(hash(*key))).count();
        assert!(wrong < 5_000, "{wrong}");
        (0..50_000).for_each(|key| _ = lookup.remove(hash(key), |value| value == key));
        assert!((0..50_000).all(|key| !lookup.may_have(hash(key))));
    }

    #[test]
    fn entries_that_no_bit_tells_apart_are_kept() {
        let mut lookup = Lookup::default();
        (0..5_000).for_each(|value| lookup.insert(7, value));
        assert_eq!(lookup.find(7, |value| value == 4_999), Some(4_999));
        assert_eq!(lookup.segments.len(), 1);
    }
}
