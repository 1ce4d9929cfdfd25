//! Which accounts are listed under which key: millions of listings in little more than eight bytes each.
//!
//! A listing is a number, the key in its upper half, the account's slot in the lower; keys are hashes. The
//! listings whose keys have their first bits in common are a *run*, sorted. A run that is full is cut in two
//! by its next bit (extendible hashing), so that no insertion moves more than one run; one that no bit cuts,
//! because its listings are of one key, grows.

use std::hint::black_box;

/// Listings of a run before it is cut.
const MOST: usize = 256;
/// A run grows by so many at a time, a long one by an eighth.
const STEP: usize = 32;
/// Keys are hashes, so a listing lies about where its key says, in nearly every run within so many places.
const NEAR: usize = 8;
/// Bits of a key that tell runs apart, at most.
const MAX_BITS: u32 = 24;

#[derive(Clone, Debug)]
pub(super) struct Postings {
    bits: u32,
    /// By the first bits of the key: which run.
    directory: Vec<u32>,
    runs: Vec<Run>,
}

#[derive(Clone, Debug, Default)]
struct Run {
    /// How many bits its keys have in common.
    bits: u32,
    listings: Vec<u64>,
}

impl Default for Postings {
    fn default() -> Postings {
        Postings { bits: 0, directory: vec![0], runs: vec![Run::default()] }
    }
}

fn listing(key: u32, slot: u32) -> u64 {
    u64::from(key) << 32 | u64::from(slot)
}

impl Postings {
    pub(super) fn insert(&mut self, key: u32, slot: u32) {
        let listing = listing(key, slot);
        loop {
            let at = self.run_of(key);
            let run = &mut self.runs[at];
            let Err(place) = run.place(listing) else { return };
            if run.listings.len() >= MOST && run.can_be_cut() {
                self.cut(at);
                continue;
            }
            if run.listings.len() == run.listings.capacity() {
                run.listings.reserve_exact(STEP.max(run.listings.len() / 8));
            }
            return run.listings.insert(place, listing);
        }
    }

    pub(super) fn remove(&mut self, key: u32, slot: u32) {
        let at = self.run_of(key);
        let place = self.runs[at].place(listing(key, slot));
        let listings = &mut self.runs[at].listings;
        if let Ok(place) = place {
            listings.remove(place);
            if 2 * (listings.len() + STEP) < listings.capacity() {
                listings.shrink_to(listings.len() + STEP);
            }
        }
    }

    /// The slots under a key, in their order.
    pub(super) fn of(&self, key: u32) -> impl Iterator<Item = u32> {
        let run = &self.runs[self.run_of(key)];
        let first = run.place(listing(key, 0)).unwrap_or_else(|first| first);
        let own = run.listings[first..].iter().take_while(move |one| (**one >> 32) as u32 == key);
        own.map(|one| *one as u32)
    }

    /// Reads where listings of these keys belong, before any is put there: the memory is waited for once.
    pub(super) fn reach(&self, keys: impl Iterator<Item = u32>) {
        for key in keys {
            let run = &self.runs[self.run_of(key)];
            black_box(run.listings.get(run.guess(listing(key, 0))));
        }
    }

    fn run_of(&self, key: u32) -> usize {
        let place = (u64::from(key) << self.bits) >> 32;
        self.directory[place as usize] as usize
    }

    fn cut(&mut self, at: usize) {
        let run = &mut self.runs[at];
        let former = run.bits;
        run.bits += 1;
        let upper =
            run.listings.split_off(run.listings.partition_point(|one| !is_upper(*one, former)));
        run.listings.shrink_to(run.listings.len() + STEP);
        let key = upper.first().map_or(0, |first| first >> 32);
        let (bits, new) = (run.bits, self.runs.len() as u32);
        self.runs.push(Run { bits, listings: upper });
        if bits > self.bits {
            self.directory = self.directory.iter().flat_map(|run| [*run; 2]).collect();
            self.bits = bits;
        }
        // Its places in the directory are those that begin with its bits.
        let first = (key >> (32 - bits) << (self.bits - bits)) as usize;
        self.directory[first..][..1 << (self.bits - bits)].fill(new);
    }
}

impl Run {
    /// Where a listing should lie, if the keys are spread evenly.
    fn guess(&self, listing: u64) -> usize {
        let share = listing << self.bits >> 32;
        ((share * self.listings.len() as u64) >> 32) as usize
    }

    /// Where the listing is, or else where it belongs: looked for about the guess, ever farther from it.
    fn place(&self, listing: u64) -> Result<usize, usize> {
        let (all, guess) = (&self.listings[..], self.guess(listing));
        let (mut low, mut high) = (guess.saturating_sub(NEAR), (guess + NEAR).min(all.len()));
        let mut step = NEAR;
        while low > 0 && all[low] > listing {
            (low, high) = (low.saturating_sub(step), low);
            step *= 2;
        }
        while high < all.len() && all[high] <= listing {
            (low, high) = (high, (high + step).min(all.len()));
            step *= 2;
        }
        let found = all[low..high].binary_search(&listing);
        found.map(|at| low + at).map_err(|at| low + at)
    }

    fn can_be_cut(&self) -> bool {
        let is_upper = |one: Option<&u64>| one.is_some_and(|one| is_upper(*one, self.bits));
        let (first, last) = (self.listings.first(), self.listings.last());
        self.bits < MAX_BITS && !is_upper(first) && is_upper(last)
    }
}

/// Whether the bit of the key after so many is 1.
fn is_upper(listing: u64, bits: u32) -> bool {
    listing << bits >> 63 == 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a set of std; some keys are of many accounts, some differ in their last bits only.
        #[test]
        fn is_a_sorted_set(
            steps in prop::collection::vec((0_u8..8, any::<u32>(), 0_u32..500), 0..3_000),
        ) {
            let (mut postings, mut model) = (Postings::default(), BTreeSet::new());
            for (kind, key, slot) in steps {
                let key = match kind {
                    0..3 => key,
                    3..5 => key & 0xc000_0001,
                    _ => key & 0x3,
                };
                if kind == 4 || kind == 7 {
                    let gone: Vec<(u32, u32)> = model.range((key, slot)..).take(30).copied().collect();
                    for (key, slot) in gone {
                        postings.remove(key, slot);
                        model.remove(&(key, slot));
                    }
                } else {
                    postings.insert(key, slot);
                    model.insert((key, slot));
                }
            }
            let keys: BTreeSet<u32> = model.iter().map(|(key, _)| *key).collect();
            for key in keys.into_iter().chain([0, 5, u32::MAX]) {
                let wanted = model.range((key, 0)..=(key, u32::MAX)).map(|(_, slot)| *slot);
                prop_assert_eq!(postings.of(key).collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
            }
            let kept: usize = postings.runs.iter().map(|run| run.listings.len()).sum();
            prop_assert_eq!(kept, model.len());
        }
    }

    #[test]
    fn runs_are_cut_and_keep_all() {
        let mut postings = Postings::default();
        let key = |number: u32| number.wrapping_mul(0x9e37_79b1);
        (0..50_000).for_each(|number| postings.insert(key(number), number));
        assert!(postings.runs.len() > 200);
        assert!(postings.runs.iter().all(|run| run.listings.len() <= MOST));
        for number in 0..50_000 {
            assert_eq!(postings.of(key(number)).collect::<Vec<_>>(), [number]);
            postings.remove(key(number), number);
        }
        assert!(postings.runs.iter().all(|run| run.listings.is_empty()));
    }

    #[test]
    fn what_no_bit_cuts_grows() {
        let mut postings = Postings::default();
        (0..5_000).for_each(|slot| postings.insert(7, slot));
        assert_eq!(postings.runs.len(), 1);
        assert_eq!(postings.of(7).count(), 5_000);
    }
}
