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
        if at + rounded(size) > self.words.capacity() {
            // An eighth more, not twice as much: the array is large, and grows seldom.
            self.words.reserve_exact(rounded(size) + at / 8);
        }
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

/// How many words a block of this size really has: a quarter more than asked for, at most.
pub(super) fn rounded(size: usize) -> usize {
    size_of(class(size))
}

/// The size class of a block: even sizes up to 16, then four to a doubling.
pub(super) fn class(size: usize) -> usize {
    if size <= 16 {
        return size.div_ceil(2).max(1);
    }
    let doublings = (size - 1).ilog2() as usize;
    let step = 1 << (doublings - 2);
    8 + 4 * (doublings - 4) + (size - (1 << doublings)).div_ceil(step)
}

/// How many words a block of a class has.
pub(super) fn size_of(class: usize) -> usize {
    if class <= 8 {
        return 2 * class;
    }
    let (doublings, steps) = (4 + (class - 9) / 4, 1 + (class - 9) % 4);
    (1 << doublings) + (steps << (doublings - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_holds_the_size() {
        for size in 1..5_000 {
            let class = class(size);
            assert!(
                size_of(class) >= size && rounded(size) <= (size + size / 4).max(size + 1),
                "{size}"
            );
            assert!(class == 1 || size_of(class - 1) < size, "{size}");
        }
    }
}
