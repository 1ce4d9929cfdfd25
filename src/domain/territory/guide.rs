//! Which shapes have rules for a value that many rules have in common, a country say, and which numbers any
//! of these may take: a lead looks for no keys of the others.

use super::check::Check;
use super::token::Asked;
use crate::domain::lookup::Lookup;

#[derive(Clone, Debug, Default)]
pub(super) struct Guide {
    lookup: Lookup,
    entries: Vec<Entry>,
    unused: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// The value's share of a key's hash.
    hash: u64,
    shapes: Vec<Counted>,
}

/// The rules of one shape with a value.
#[derive(Clone, Debug)]
struct Counted {
    shape: u8,
    rules: u32,
    /// What none of them asks less than; as wide as it ever was while there are some.
    check: Check,
}

impl Guide {
    /// The shapes, a bit each, in which a rule with this value may take the lead.
    pub(super) fn shapes(&self, hash: u64, asked: &Asked) -> u64 {
        let Some(at) = self.find(hash) else { return 0 };
        let counted = self.entries[at as usize].shapes.iter();
        counted.fold(0, |shapes, counted| {
            shapes | u64::from(counted.check.number_passes(asked)) << counted.shape
        })
    }

    pub(super) fn add(&mut self, hash: u64, shape: usize, check: Check) {
        let at = self.find(hash).unwrap_or_else(|| self.new_entry(hash));
        let shapes = &mut self.entries[at as usize].shapes;
        match shapes.iter_mut().find(|counted| usize::from(counted.shape) == shape) {
            Some(counted) => {
                counted.rules += 1;
                counted.check = counted.check.of_either_number(check);
            }
            None => {
                let check = check.of_number();
                shapes.push(Counted { shape: shape as u8, rules: 1, check });
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, shape: usize) {
        let Some(at) = self.find(hash) else { return };
        let shapes = &mut self.entries[at as usize].shapes;
        let place = shapes.iter().position(|counted| usize::from(counted.shape) == shape);
        let Some(place) = place else { return };
        shapes[place].rules -= 1;
        if shapes[place].rules == 0 {
            shapes.swap_remove(place);
        }
        if shapes.is_empty() {
            self.lookup.remove(hash, |known| known == at);
            self.entries[at as usize] = Entry::default();
            self.unused.push(at);
        }
    }

    /// How many rules it has counted, in all.
    #[cfg(test)]
    pub(super) fn rules(&self) -> usize {
        let counted = self.entries.iter().flat_map(|entry| &entry.shapes);
        counted.map(|counted| counted.rules as usize).sum()
    }

    fn find(&self, hash: u64) -> Option<u32> {
        self.lookup.find(hash, |at| self.entries[at as usize].hash == hash)
    }

    fn new_entry(&mut self, hash: u64) -> u32 {
        let at = self.unused.pop().unwrap_or(self.entries.len() as u32);
        if at as usize == self.entries.len() {
            self.entries.push(Entry::default());
        }
        self.entries[at as usize].hash = hash;
        self.lookup.insert(hash, at);
        at
    }
}
