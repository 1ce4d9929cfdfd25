//! Among whom a rep is ranked: the active reps with whom it shares a territory. Those who are in the same
//! territories have one circle together.

use std::collections::{BTreeMap, BTreeSet};

/// Reps are numbers here.
pub(super) struct Circles {
    /// By rep; None = not active.
    of: Vec<Option<usize>>,
    members: Vec<Vec<usize>>,
}

impl Circles {
    /// `active`, by rep; `pools`: the members of each territory.
    pub(super) fn new(
        active: &[bool],
        pools: impl Iterator<Item = impl Iterator<Item = usize>>,
    ) -> Circles {
        let only_active = |pool: BTreeSet<usize>| pool.into_iter().filter(|rep| active[*rep]);
        let pools: BTreeSet<Vec<usize>> =
            pools.map(|pool| only_active(pool.collect()).collect()).collect();
        let mut pools_of: Vec<Vec<usize>> = vec![Vec::new(); active.len()];
        let pools: Vec<Vec<usize>> = pools.into_iter().collect();
        for (number, pool) in pools.iter().enumerate() {
            pool.iter().for_each(|rep| pools_of[*rep].push(number));
        }
        let mut circles = Circles { of: Vec::new(), members: Vec::new() };
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for (rep, own) in pools_of.into_iter().enumerate() {
            let circle = active[rep].then(|| {
                *known.entry(own).or_insert_with_key(|own| {
                    let shared: BTreeSet<usize> =
                        own.iter().flat_map(|pool| &pools[*pool]).copied().collect();
                    circles.members.push(match own.is_empty() {
                        true => (0..active.len()).filter(|rep| active[*rep]).collect(),
                        false => shared.into_iter().collect(),
                    });
                    circles.members.len() - 1
                })
            });
            circles.of.push(circle);
        }
        circles
    }

    pub(super) fn of(&self, rep: usize) -> Option<usize> {
        self.of[rep]
    }

    pub(super) fn members(&self, circle: usize) -> impl Iterator<Item = usize> + '_ {
        self.members[circle].iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By rep: among whom.
    fn among(active: &[bool], pools: &[&[usize]]) -> Vec<Option<Vec<usize>>> {
        let circles = Circles::new(active, pools.iter().map(|pool| pool.iter().copied()));
        let members = |rep| circles.of(rep).map(|circle| circles.members(circle).collect());
        (0..active.len()).map(members).collect()
    }

    #[test]
    fn a_rep_is_ranked_among_those_with_whom_it_shares_a_territory() {
        let found = among(&[true; 4], &[&[0, 1], &[1, 2]]);
        let expected = [vec![0, 1], vec![0, 1, 2], vec![1, 2], vec![0, 1, 2, 3]];
        assert_eq!(found, expected.map(Some));
    }

    #[test]
    fn who_is_not_active_is_ranked_nowhere() {
        let found = among(&[true, false, true], &[&[0, 1], &[1, 2, 2]]);
        assert_eq!(found, [Some(vec![0]), None, Some(vec![2])]);
    }

    #[test]
    fn those_in_the_same_territories_share_a_circle() {
        let pool: Vec<usize> = (0..1_000).collect();
        let circles = Circles::new(&[true; 1_000], std::iter::repeat_n(pool.into_iter(), 50));
        assert_eq!(circles.members.len(), 1);
    }
}
