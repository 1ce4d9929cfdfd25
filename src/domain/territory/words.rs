//! Blocks of 64-bit words in one array: what is looked at together lies together, and costs no pointer.

#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    words: Vec<u64>,
    /// Blocks that were given back, by size class.
    free: Vec<Vec<u32>>,
}

impl Words {
    /// A block of at least `size` words, all 0.
    pub(super) fn take(&mut self, size: usize) -> u32 {
        if let Some(at) = self.free.get_mut(class(size)).and_then(Vec::pop) {
            self.words[at as usize..][..rounded(size)].fill(0);
            return at;
        }
        let at = self.words.len();
        self.words.resize(at + rounded(size), 0);
        at as u32
    }

    /// Gives a block back; `size` as it was taken.
    pub(super) fn give(&mut self, at: u32, size: usize) {
        let class = class(size);
        if self.free.len() <= class {
            self.free.resize(class + 1, Vec::new());
        }
        self.free[class].push(at);
    }

    pub(super) fn word(&self, at: u32) -> u64 {
        self.words[at as usize]
    }

    pub(super) fn at(&self, at: u32) -> &[u64] {
        &self.words[at as usize..]
    }

    pub(super) fn at_mut(&mut self, at: u32) -> &mut [u64] {
        &mut self.words[at as usize..]
    }
}

/// How many words a block of this size really has.
pub(super) fn rounded(size: usize) -> usize {
    if size <= 16 { size.max(2).next_multiple_of(2) } else { size.next_power_of_two() }
}

/// The size class of a block, below 64.
pub(super) fn class(size: usize) -> usize {
    let rounded = rounded(size);
    if rounded <= 16 { rounded / 2 } else { 4 + rounded.trailing_zeros() as usize }
}

/// How many words a block of a class has.
pub(super) fn size_of(class: usize) -> usize {
    if class <= 8 { 2 * class } else { 1 << (class - 4) }
}
