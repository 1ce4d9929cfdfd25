//! Where the rules are filed: a shelf for each key, its rows in the order of preference.
//!
//! A shelf is a block of words: one for the key's hash (its lower half; the upper one is in the lookup), the
//! block's size class and the number of rows, then the rows, three words each: the rank, the slot of the
//! territory with the place of its rule, and the rule's check. A lead looks at one shelf a shape, best first
//! row first, and stops where nothing better can come.

use super::check::Check;
use super::keys::{Key, Shape};
use super::token::Asked;
use super::words::{Words, class, rounded, size_of};
use crate::domain::lookup::{Lookup, Place};

/// More shapes than this are not told apart: what would need another is filed under a coarser key.
pub(super) const MOST_SHAPES: usize = 48;
const HEADER: usize = 1;
/// Bits of a header for the number of rows, and for the size class.
const LEN: u32 = 26;
const CLASS: u32 = 6;
/// Words of a row.
const ROW: usize = 3;

/// A rule on a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Lower wins.
    pub(super) rank: u64,
    pub(super) slot: u32,
    /// Where the rule begins among the words; 0 = it always holds.
    pub(super) rule: u32,
    pub(super) check: Check,
}

#[derive(Clone, Debug)]
pub(super) struct Shelves {
    lookup: Lookup,
    words: Words,
    /// The shapes in use, with how many rows are filed under each. The first is the empty one, under
    /// which everything can be filed.
    shapes: Vec<(Shape, u32)>,
}

impl Default for Shelves {
    fn default() -> Shelves {
        let shapes = vec![(Shape::default(), 0)];
        Shelves { lookup: Lookup::default(), words: Words::default(), shapes }
    }
}

/// Shelves that a lead has to look at, best first row first.
pub(super) struct Opened {
    shelves: [(u64, u32); MOST_SHAPES],
    len: usize,
}

impl Opened {
    pub(super) fn shelves(&self) -> &[(u64, u32)] {
        &self.shelves[..self.len]
    }

    fn push(&mut self, first: u64, shelf: u32) {
        let mut at = self.len;
        while at > 0 && self.shelves[at - 1].0 > first {
            self.shelves[at] = self.shelves[at - 1];
            at -= 1;
        }
        self.shelves[at] = (first, shelf);
        self.len += 1;
    }
}

impl Shelves {
    /// The shelves of a lead's keys. In steps, each for all of them: a step reads memory that waits for
    /// nothing else, so the waits overlap.
    pub(super) fn open(&self, asked: &Asked) -> Opened {
        let mut hashes = [0; MOST_SHAPES];
        let mut len = 0;
        for (shape, rows) in &self.shapes {
            if let (true, Some(hash)) = (*rows > 0, shape.of(asked)) {
                hashes[len] = hash;
                len += 1;
            }
        }
        let mut places = [(0, Place::default()); MOST_SHAPES];
        for (place, hash) in places.iter_mut().zip(&hashes[..len]) {
            *place = (*hash, self.lookup.reach(*hash));
        }
        let mut found = [(0, 0, 0); MOST_SHAPES];
        let mut kept = 0;
        for (hash, place) in &places[..len] {
            // That the tag is right is nearly always enough; the hash is compared below.
            if let Some(shelf) = self.lookup.find_from(*place, |_| true) {
                found[kept] = (*hash, self.words.word(shelf), shelf);
                kept += 1;
            }
        }
        let mut opened = Opened { shelves: [(0, 0); MOST_SHAPES], len: 0 };
        for (hash, known, shelf) in &found[..kept] {
            let shelf = if is_of(*known, *hash) { Some(*shelf) } else { self.find(*hash) };
            if let Some(shelf) = shelf {
                opened.push(self.words.word(shelf + HEADER as u32), shelf);
            }
        }
        opened
    }

    /// The rows of a shelf, best first.
    pub(super) fn rows(&self, shelf: u32) -> impl Iterator<Item = Row> {
        let words = self.words.at(shelf);
        let rows = &words[HEADER..][..ROW * len(words[0])];
        rows.chunks_exact(ROW).map(|row| Row {
            rank: row[0],
            slot: (row[1] >> 32) as u32,
            rule: row[1] as u32,
            check: Check(row[2]),
        })
    }

    /// Files a row. `before` tells whether a row of the same rank goes before it.
    pub(super) fn add(&mut self, key: &Key, row: Row, before: impl Fn(u32) -> bool) {
        let mut key = *key;
        let shape = loop {
            match self.shape(key.shape) {
                Some(at) => break at,
                None => key = key.coarser().unwrap_or_default(),
            }
        };
        self.shapes[shape].1 += 1;
        let hash = key.hash();
        let shelf = self.find(hash).unwrap_or_else(|| self.new_shelf(hash));
        let shelf = self.with_room(shelf, hash);
        let words = self.words.at_mut(shelf);
        let rows = len(words[0]);
        let place = |at: usize| HEADER + ROW * at;
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
        words[at + 1] = u64::from(row.slot) << 32 | u64::from(row.rule);
        words[at + 2] = row.check.0;
        words[0] += 1;
    }

    /// Takes a row out, wherever it was filed.
    pub(super) fn remove(&mut self, key: &Key, row: Row) {
        let mut key = Some(*key);
        while let Some(wanted) = key {
            let known = self.shapes.iter().position(|(shape, _)| *shape == wanted.shape);
            if let Some(shape) = known
                && self.remove_from(wanted.hash(), row)
            {
                self.shapes[shape].1 -= 1;
                return;
            }
            key = wanted.coarser();
        }
    }

    fn remove_from(&mut self, hash: u64, row: Row) -> bool {
        let Some(shelf) = self.find(hash) else { return false };
        let words = self.words.at_mut(shelf);
        let rows = len(words[0]);
        let second = u64::from(row.slot) << 32 | u64::from(row.rule);
        let place = |at: usize| HEADER + ROW * at;
        let mut bounds = (0, rows);
        while bounds.0 < bounds.1 {
            let middle = (bounds.0 + bounds.1) / 2;
            if words[place(middle)] < row.rank { bounds.0 = middle + 1 } else { bounds.1 = middle }
        }
        let alike = (bounds.0..rows).take_while(|at| words[place(*at)] == row.rank);
        let found = alike.into_iter().find(|at| words[place(*at) + 1] == second);
        let Some(at) = found else { return false };
        words.copy_within(place(at + 1)..place(rows), place(at));
        words[0] -= 1;
        let size = room(words[0]);
        if rows == 1 {
            self.lookup.remove(hash, |at| at == shelf);
            self.words.give(shelf, size);
        }
        true
    }

    #[cfg(test)]
    pub(super) fn rows_filed(&self) -> usize {
        self.shapes.iter().map(|(_, rows)| *rows as usize).sum()
    }

    fn find(&self, hash: u64) -> Option<u32> {
        self.lookup.find(hash, |shelf| is_of(self.words.word(shelf), hash))
    }

    /// The shape's place; `None` = it is new and there are too many.
    fn shape(&mut self, shape: Shape) -> Option<usize> {
        if let Some(known) = self.shapes.iter().position(|(known, _)| *known == shape) {
            return Some(known);
        }
        let unused = (1..self.shapes.len()).find(|at| self.shapes[*at].1 == 0);
        if let Some(unused) = unused {
            self.shapes[unused].0 = shape;
            return Some(unused);
        }
        if self.shapes.len() >= MOST_SHAPES {
            return None;
        }
        self.shapes.push((shape, 0));
        Some(self.shapes.len() - 1)
    }

    fn new_shelf(&mut self, hash: u64) -> u32 {
        let size = rounded(HEADER + ROW);
        let shelf = self.words.take(size);
        self.words.at_mut(shelf)[0] = header(hash, size, 0);
        self.lookup.insert(hash, shelf);
        shelf
    }

    /// The shelf, moved if it is full.
    fn with_room(&mut self, shelf: u32, hash: u64) -> u32 {
        let former = self.words.word(shelf);
        let (used, size) = (HEADER + ROW * len(former), room(former));
        if used + ROW <= size {
            return shelf;
        }
        let larger = rounded(used + ROW);
        let moved = self.words.take(larger);
        for at in 0..used as u32 {
            self.words.at_mut(moved)[at as usize] = self.words.word(shelf + at);
        }
        self.words.at_mut(moved)[0] = header(hash, larger, len(former));
        self.words.give(shelf, size);
        self.lookup.remove(hash, |at| at == shelf);
        self.lookup.insert(hash, moved);
        moved
    }
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
