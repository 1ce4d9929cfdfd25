//! Which shapes have rules for a value that many rules have in common, a country say: a lead looks for no
//! keys of the others.

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
    /// A bit for each shape.
    shapes: u64,
    /// The shape and how many rules.
    rules: Vec<(u8, u32)>,
}

impl Guide {
    /// The shapes in which there are rules with this value.
    pub(super) fn shapes(&self, hash: u64) -> u64 {
        self.find(hash).map_or(0, |at| self.entries[at as usize].shapes)
    }

    pub(super) fn add(&mut self, hash: u64, shape: usize) {
        let at = self.find(hash).unwrap_or_else(|| self.new_entry(hash));
        let entry = &mut self.entries[at as usize];
        match entry.rules.iter_mut().find(|(known, _)| usize::from(*known) == shape) {
            Some((_, rules)) => *rules += 1,
            None => {
                entry.rules.push((shape as u8, 1));
                entry.shapes |= 1 << shape;
            }
        }
    }

    pub(super) fn remove(&mut self, hash: u64, shape: usize) {
        let Some(at) = self.find(hash) else { return };
        let entry = &mut self.entries[at as usize];
        let place = entry.rules.iter().position(|(known, _)| usize::from(*known) == shape);
        let Some(place) = place else { return };
        entry.rules[place].1 -= 1;
        if entry.rules[place].1 == 0 {
            entry.rules.swap_remove(place);
            entry.shapes &= !(1 << shape);
        }
        if entry.rules.is_empty() {
            self.lookup.remove(hash, |known| known == at);
            self.entries[at as usize] = Entry::default();
            self.unused.push(at);
        }
    }

    /// How many rules it has counted, in all.
    #[cfg(test)]
    pub(super) fn rules(&self) -> usize {
        let rules = self.entries.iter().flat_map(|entry| &entry.rules);
        rules.map(|(_, rules)| *rules as usize).sum()
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
