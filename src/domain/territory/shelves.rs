//! Where the rules are filed: a shelf for each key, its rows in the order of preference.
//!
//! A shelf is a block of words: one for the key's hash (its lower half; the upper one is in the lookup), the
//! block's size class and the number of rows; one that says which numbers any of its rows may take; the
//! values of the key; then the rows, three words each: the rank, the slot of the territory with the place of
//! its rule, and the rule's check. A lead looks at one shelf a shape, and first only of shapes that the guide
//! knows for it; at the others, which are of few parts, only if what they have could still win.

use std::hint::black_box;

use smallvec::SmallVec;

use super::check::Check;
use super::guide::Guide;
use super::keys::{Key, MOST_PARTS as MOST_KEY_PARTS, Part, Shape, hash_of, value_of_lead};
use super::token::Asked;
use super::words::{Words, class, rounded, size_of};
use crate::domain::lookup::{Lookup, Place};

/// More shapes than this are not told apart: what would need another is filed under a coarser key.
pub(super) const MOST_SHAPES: usize = 64;
/// Parts that the shapes are made of, at most.
const MOST_PARTS: usize = 32;
const HEADER: usize = 2;
/// Bits of a header for the number of rows, and for the size class.
const LEN: u32 = 25;
const CLASS: u32 = 7;
/// Words of a line of memory.
const LINE: usize = 8;
/// Words of a row.
const ROW: usize = 3;
/// Shelves that are looked for at once.
const AT_ONCE: usize = 8;

/// A rule on a shelf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Lower wins.
    pub(super) rank: u64,
    pub(super) slot: u32,
    /// Where the rule begins among the words; 0 = it always holds.
    pub(super) rule: u32,
    pub(super) check: Check,
    /// The key and the check say all that the rule asks for.
    pub(super) is_whole: bool,
}

/// Of the word that holds a row's slot and rule.
const WHOLE: u64 = 1 << 31;

impl Row {
    fn read(words: &[u64; ROW]) -> Row {
        Row {
            rank: words[0],
            slot: (words[1] >> 32) as u32,
            rule: (words[1] & (WHOLE - 1)) as u32,
            check: Check(words[2]),
            is_whole: words[1] & WHOLE != 0,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Shelves {
    lookup: Lookup,
    words: Words,
    /// The shapes, some perhaps without rows. The first is the empty one, under which everything can be
    /// filed.
    shapes: Vec<Known>,
    /// What the shapes are made of.
    parts: Vec<Part>,
    guide: Guide,
    /// Of `parts`: those that the guide goes by.
    guiding: u64,
    /// Of `shapes`: those with rows that the guide says nothing of.
    unguided: u64,
}

#[derive(Clone, Debug, Default)]
struct Known {
    shape: Shape,
    /// Of all parts: a bit each, and their places in the order of the shape.
    parts: u64,
    places: [u8; MOST_KEY_PARTS],
    rows: u32,
    /// The best of its rows; as good as it ever was while there are some.
    rank: u64,
}

impl Known {
    fn len(&self) -> usize {
        self.shape.parts().len()
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        self.places[..self.len()].iter().map(|place| usize::from(*place))
    }
}

impl Default for Shelves {
    fn default() -> Shelves {
        Shelves {
            lookup: Lookup::default(),
            words: Words::default(),
            shapes: vec![Known::default()],
            parts: Vec::new(),
            guide: Guide::default(),
            guiding: 0,
            unguided: 0,
        }
    }
}

/// A shelf that a lead is looking through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// Of the row where it stands; no row after it is better. `u64::MAX` = there is none.
    pub(super) rank: u64,
    /// Where the row lies; 0 = none was sought yet.
    row: u32,
    next: u32,
    left: u32,
}

impl Cursor {
    /// The rest of the shelf is of no use.
    pub(super) fn close(&mut self) {
        self.rank = u64::MAX;
    }
}

/// What a lead asks of the shelves, and those that may have a rule that takes it.
pub(super) struct Opened {
    cursors: SmallVec<[Cursor; AT_ONCE]>,
    /// By the places of the parts: the lead's values, and their shares in the hashes of keys.
    values: [u64; MOST_PARTS],
    shares: [u64; MOST_PARTS],
    /// Of the parts: which were looked at, and which of these the lead has a value of.
    seen: u64,
    known: u64,
}

impl Opened {
    pub(super) fn new() -> Opened {
        let cursors = SmallVec::new();
        Opened { cursors, values: [0; MOST_PARTS], shares: [0; MOST_PARTS], seen: 0, known: 0 }
    }

    pub(super) fn cursors(&mut self) -> &mut [Cursor] {
        &mut self.cursors
    }
}

/// The places of the bits that are set.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        (at < 64).then_some(at)
    })
}

impl Shelves {
    /// Opens the shelves of a lead's keys, of the shapes that the guide knows for it.
    pub(super) fn open_guided(&self, asked: &Asked, opened: &mut Opened) {
        self.value(self.guiding, asked, opened);
        let wanted = bits(opened.known & self.guiding)
            .fold(0, |wanted, at| wanted | self.guide.shapes(opened.shares[at], asked));
        self.open(wanted, asked, opened);
    }

    /// Opens those of the others.
    pub(super) fn open_unguided(&self, asked: &Asked, opened: &mut Opened) {
        self.open(self.unguided, asked, opened);
    }

    /// No row of the others is better.
    pub(super) fn unguided_rank(&self) -> u64 {
        bits(self.unguided).map(|at| self.shapes[at].rank).min().unwrap_or(u64::MAX)
    }

    /// The lead's values of parts that were not looked at yet.
    fn value(&self, parts: u64, asked: &Asked, opened: &mut Opened) {
        for at in bits(parts & !opened.seen) {
            let part = self.parts[at];
            if let Some(value) = value_of_lead(part, asked) {
                (opened.values[at], opened.shares[at]) = (value, hash_of(part, value));
                opened.known |= 1 << at;
            }
        }
        opened.seen |= parts;
    }

    /// In steps, each for all shelves: a step reads memory that waits for nothing else, so the waits overlap.
    fn open(&self, wanted: u64, asked: &Asked, opened: &mut Opened) {
        opened.cursors.clear();
        let parts = bits(wanted).fold(0, |parts, at| parts | self.shapes[at].parts);
        self.value(parts, asked, opened);
        let mut places = [(0, 0, Place::default()); AT_ONCE];
        let mut len = 0;
        for at in bits(wanted) {
            let shape = &self.shapes[at];
            if shape.parts & !opened.known != 0 {
                continue;
            }
            let hash = shape.places().fold(0, |hash, place| hash ^ opened.shares[place]);
            places[len] = (at, hash, self.lookup.reach(hash));
            len += 1;
            if len == AT_ONCE {
                self.reach(&places, asked, opened);
                len = 0;
            }
        }
        self.reach(&places[..len], asked, opened);
    }

    fn reach(&self, places: &[(usize, u64, Place)], asked: &Asked, opened: &mut Opened) {
        let mut found = [(0, 0, 0, 0); AT_ONCE];
        let mut kept = 0;
        for (shape, hash, place) in places {
            // That the tag is right is nearly always enough; the rest is compared below.
            if let Some(shelf) = self.lookup.find_from(*place, |_| true) {
                found[kept] = (*shape, *hash, self.words.word(shelf), shelf);
                // Its rows are reached for with its header.
                for line in [LINE, 2 * LINE] {
                    black_box(self.words.at(shelf).get(line).copied());
                }
                kept += 1;
            }
        }
        for (shape, hash, header, shelf) in &found[..kept] {
            let shape = &self.shapes[*shape];
            let own = || shape.places().map(|place| opened.values[place]);
            let shelf = match is_of(*header, *hash) && self.has_values(*shelf, own()) {
                true => Some(*shelf),
                false => self.find(*hash, own),
            };
            let Some(shelf) = shelf else { continue };
            let words = self.words.at(shelf);
            if Check(words[1]).number_passes(asked) {
                let start = HEADER + shape.len();
                let (next, left) = (shelf + start as u32, len(words[0]) as u32);
                opened.cursors.push(Cursor { rank: words[start], row: 0, next, left });
            }
        }
    }

    /// Goes on to the next row whose check passes.
    pub(super) fn seek(&self, cursor: &mut Cursor, asked: &Asked) {
        let rest = &self.words.at(cursor.next)[..ROW * cursor.left as usize];
        cursor.close();
        for (gone, row) in (1..).zip(rest.chunks_exact(ROW)) {
            if Check(row[2]).passes(asked) {
                cursor.rank = row[0];
                cursor.next += ROW as u32 * gone;
                cursor.row = cursor.next - ROW as u32;
                cursor.left -= gone;
                break;
            }
        }
    }

    /// The row where a cursor stands.
    pub(super) fn row(&self, cursor: &Cursor) -> Option<Row> {
        let row = self.words.at(cursor.row).first_chunk::<ROW>()?;
        (cursor.row > 0).then(|| Row::read(row))
    }

    /// Files a row. `check` is its rule's under a key; `before` tells whether a row of the same rank goes
    /// before it.
    pub(super) fn add(
        &mut self,
        key: &Key,
        row: Row,
        check: impl Fn(&Key) -> (Check, bool),
        before: impl Fn(u32) -> bool,
    ) {
        let mut key = *key;
        let shape = loop {
            match self.shape(key.shape) {
                Some(at) => break at,
                None => key = key.coarser().unwrap_or_default(),
            }
        };
        let (check, is_whole) = check(&key);
        self.count(&key, shape, Some(check));
        let known = &mut self.shapes[shape];
        known.rank = if known.rows == 1 { row.rank } else { known.rank.min(row.rank) };
        let shelf = match self.find_key(&key) {
            Some(shelf) => self.with_room(shelf, &key),
            None => self.new_shelf(&key, check),
        };
        let words = self.words.at_mut(shelf);
        let rows = len(words[0]);
        words[1] = Check(words[1]).of_either_number(check).0;
        let place = |at: usize| start(&key) + ROW * at;
        let ahead = |at: usize, words: &[u64]| {
            let (rank, slot) = (words[place(at)], (words[place(at) + 1] >> 32) as u32);
            rank < row.rank || rank == row.rank && before(slot)
        };
        let mut bounds = (0, rows);
        while bounds.0 < bounds.1 {
            let middle = (bounds.0 + bounds.1) / 2;
            if ahead(middle, words) { bounds.0 = middle + 1 } else { bounds.1 = middle }
        }
        let at = place(bounds.0);
        words.copy_within(at..place(rows), at + ROW);
        words[at] = row.rank;
        words[at + 1] = second_word(row) | if is_whole { WHOLE } else { 0 };
        words[at + 2] = check.0;
        words[0] += 1;
    }

    /// Takes a row out, wherever it was filed.
    pub(super) fn remove(&mut self, key: &Key, row: Row) {
        let mut key = Some(*key);
        while let Some(wanted) = key {
            let known = self.shapes.iter().position(|known| known.shape == wanted.shape);
            if let Some(shape) = known
                && self.remove_from(&wanted, row)
            {
                self.count(&wanted, shape, None);
                return;
            }
            key = wanted.coarser();
        }
    }

    fn remove_from(&mut self, key: &Key, row: Row) -> bool {
        let Some(shelf) = self.find_key(key) else { return false };
        let words = self.words.at_mut(shelf);
        let rows = len(words[0]);
        let second = second_word(row);
        let place = |at: usize| start(key) + ROW * at;
        let mut bounds = (0, rows);
        while bounds.0 < bounds.1 {
            let middle = (bounds.0 + bounds.1) / 2;
            if words[place(middle)] <= row.rank { bounds.0 = middle + 1 } else { bounds.1 = middle }
        }
        // The last first: that is where a territory of very many rules takes out its next.
        let alike = (0..bounds.0).rev().take_while(|at| words[place(*at)] == row.rank);
        let found = alike.into_iter().find(|at| words[place(*at) + 1] & !WHOLE == second);
        let Some(at) = found else { return false };
        words.copy_within(place(at + 1)..place(rows), place(at));
        words[0] -= 1;
        let size = room(words[0]);
        if rows == 1 {
            self.lookup.remove(key.hash(), |at| at == shelf);
            self.words.give(shelf, size);
        }
        true
    }

    #[cfg(test)]
    pub(super) fn rows_filed(&self) -> usize {
        let rows = self.shapes.iter().map(|known| known.rows as usize);
        rows.sum::<usize>() + self.guide.rules()
    }

    fn find_key(&self, key: &Key) -> Option<u32> {
        self.find(key.hash(), || key.values().iter().copied())
    }

    fn find<V: Iterator<Item = u64>>(&self, hash: u64, values: impl Fn() -> V) -> Option<u32> {
        self.lookup.find(hash, |shelf| {
            is_of(self.words.word(shelf), hash) && self.has_values(shelf, values())
        })
    }

    fn has_values(&self, shelf: u32, values: impl Iterator<Item = u64>) -> bool {
        let mut known = self.words.at(shelf)[HEADER..].iter();
        values.into_iter().all(|value| known.next() == Some(&value))
    }

    /// One row more under this key, with its check, or one less; its shape is known.
    fn count(&mut self, key: &Key, shape: usize, more: Option<Check>) {
        let known = &mut self.shapes[shape];
        known.rows = if more.is_some() { known.rows + 1 } else { known.rows - 1 };
        match (key.shape.common_part(), more) {
            (Some(part), Some(check)) => self.guide.add(key.share(part), shape, check),
            (Some(part), None) => self.guide.remove(key.share(part), shape),
            (None, _) if known.rows > 0 => self.unguided |= 1 << shape,
            (None, _) => self.unguided &= !(1 << shape),
        }
    }

    /// The shape's place; `None` = it is new and there are too many.
    fn shape(&mut self, shape: Shape) -> Option<usize> {
        if let Some(known) = self.shapes.iter().position(|known| known.shape == shape) {
            return Some(known);
        }
        let unused = (1..self.shapes.len()).find(|at| self.shapes[*at].rows == 0);
        let at = unused.or((self.shapes.len() < MOST_SHAPES).then_some(self.shapes.len()))?;
        if unused.is_some() {
            self.shapes[at] = Known::default();
            self.keep_used_parts();
        }
        let new = |part: &&Part| !self.parts.contains(part);
        if self.parts.len() + shape.parts().iter().filter(new).count() > MOST_PARTS {
            return None;
        }
        if at == self.shapes.len() {
            self.shapes.push(Known::default());
        }
        self.shapes[at].shape = shape;
        self.name_parts(at);
        Some(at)
    }

    fn keep_used_parts(&mut self) {
        self.parts.clear();
        self.guiding = 0;
        (0..self.shapes.len()).for_each(|at| self.name_parts(at));
    }

    fn name_parts(&mut self, at: usize) {
        let Known { shape, parts, places, .. } = &mut self.shapes[at];
        *parts = 0;
        for (part, own) in shape.parts().iter().zip(places) {
            let known = self.parts.iter().position(|known| known == part);
            let place = known.unwrap_or_else(|| {
                self.parts.push(*part);
                self.parts.len() - 1
            });
            *parts |= 1 << place;
            *own = place as u8;
            if shape.common_part() == Some(*part) {
                self.guiding |= 1 << place;
            }
        }
    }

    fn new_shelf(&mut self, key: &Key, check: Check) -> u32 {
        let size = rounded(start(key) + ROW);
        let shelf = self.words.take(size);
        let words = self.words.at_mut(shelf);
        words[0] = header(key.hash(), size, 0);
        words[1] = check.of_number().0;
        words[HEADER..start(key)].copy_from_slice(key.values());
        self.lookup.insert(key.hash(), shelf);
        shelf
    }

    /// The shelf, moved if it is full.
    fn with_room(&mut self, shelf: u32, key: &Key) -> u32 {
        let former = self.words.word(shelf);
        let (used, size) = (start(key) + ROW * len(former), room(former));
        if used + ROW <= size {
            return shelf;
        }
        let larger = rounded(used + ROW);
        let moved = self.words.take(larger);
        for at in 1..used as u32 {
            self.words.at_mut(moved)[at as usize] = self.words.word(shelf + at);
        }
        self.words.at_mut(moved)[0] = header(key.hash(), larger, len(former));
        self.words.give(shelf, size);
        self.lookup.remove(key.hash(), |at| at == shelf);
        self.lookup.insert(key.hash(), moved);
        moved
    }
}

/// Where the first row lies.
fn start(key: &Key) -> usize {
    HEADER + key.values().len()
}

fn second_word(row: Row) -> u64 {
    u64::from(row.slot) << 32 | u64::from(row.rule)
}

fn header(hash: u64, size: usize, rows: usize) -> u64 {
    hash << 32 | (class(size) as u64) << LEN | rows as u64
}

fn is_of(header: u64, hash: u64) -> bool {
    (header >> 32) as u32 == hash as u32
}

fn len(header: u64) -> usize {
    header as usize & ((1 << LEN) - 1)
}

fn room(header: u64) -> usize {
    size_of((header >> LEN) as usize & ((1 << CLASS) - 1))
}
