//! A sorted set of numbers, packed: millions of them in little more than eight bytes each, and no insertion
//! moves more than one short run.

use std::collections::BTreeMap;

/// Numbers of a run before it is cut in two.
const MOST: usize = 256;
/// A run grows by so many at a time.
const STEP: usize = 32;

/// Runs of sorted numbers by their lower bound; a number lies in the last run that begins at or below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Postings {
    runs: BTreeMap<u64, Vec<u64>>,
}

impl Postings {
    pub(super) fn insert(&mut self, number: u64) {
        if self.runs.is_empty() {
            self.runs.insert(0, Vec::new());
        }
        let Some((_, run)) = self.runs.range_mut(..=number).next_back() else { return };
        let Err(at) = run.binary_search(&number) else { return };
        if run.len() == run.capacity() {
            run.reserve_exact(STEP);
        }
        run.insert(at, number);
        if run.len() > MOST {
            let upper = run.split_off(MOST / 2);
            run.shrink_to(MOST / 2 + STEP);
            self.runs.insert(upper[0], upper);
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some((bound, run)) = self.runs.range_mut(..=number).next_back() else { return };
        let Ok(at) = run.binary_search(&number) else { return };
        run.remove(at);
        let bound = *bound;
        // The lowest run stays, so that every number has one to lie in.
        if run.is_empty() && (bound > 0 || self.runs.len() == 1) {
            self.runs.remove(&bound);
        }
    }

    /// The numbers from `low` to `high`, both inclusive, in order.
    pub(super) fn range(&self, low: u64, high: u64) -> impl Iterator<Item = u64> {
        let first = self.runs.range(..=low).next_back().map_or(0, |(bound, _)| *bound);
        let runs = self.runs.range(first..=high).flat_map(move |(_, run)| {
            run[run.partition_point(|number| *number < low)..].iter().copied()
        });
        runs.take_while(move |number| *number <= high)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a set of std; close together, so that runs are cut, emptied and met again.
        #[test]
        fn is_a_sorted_set(
            steps in prop::collection::vec((0_u8..3, 0_u64..3_000), 0..4_000),
            (low, more) in (0_u64..3_000, 0_u64..3_000),
        ) {
            let (mut postings, mut model) = (Postings::default(), BTreeSet::new());
            for (kind, number) in steps {
                if kind > 0 {
                    postings.insert(number);
                    model.insert(number);
                } else {
                    (number..number + 40).for_each(|number| {
                        postings.remove(number);
                        model.remove(&number);
                    });
                }
            }
            let high = low + more;
            let found: Vec<u64> = postings.range(low, high).collect();
            let wanted: Vec<u64> = model.iter().copied().filter(|it| low <= *it && *it <= high).collect();
            prop_assert_eq!(found, wanted);
            prop_assert_eq!(postings.range(0, u64::MAX).count(), model.len());
        }
    }

    #[test]
    fn what_is_emptied_is_gone() {
        let mut postings = Postings::default();
        (0..10_000).for_each(|number| postings.insert(number));
        assert!(postings.runs.len() > 10);
        (0..10_000).rev().for_each(|number| postings.remove(number));
        assert!(postings.runs.is_empty());
    }
}
