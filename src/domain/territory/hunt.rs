//! What a search among the territories has found, and what could still change it.

use crate::domain::ids::TerritoryId;

/// What only priority and id decide between has this in common.
fn group(rank: u64) -> u64 {
    rank >> 32
}

/// What a search has found so far.
#[derive(Default)]
pub(super) struct Hunt {
    /// All that only priority and id decide between, not the winner alone.
    pub(super) all: bool,
    /// Rank and slot.
    pub(super) best: Option<(u64, u32)>,
    /// Of `all`, the rest of its group.
    pub(super) others: Vec<(u64, u32)>,
}

impl Hunt {
    /// Whether a match of this rank would change nothing.
    pub(super) fn is_over(&self, rank: u64) -> bool {
        match self.best {
            None => false,
            Some((best, _)) if self.all => group(rank) > group(best),
            Some((best, _)) => rank > best,
        }
    }

    pub(super) fn add<'i>(&mut self, id: impl Fn(u32) -> &'i TerritoryId, rank: u64, slot: u32) {
        let better = match self.best {
            None => true,
            Some((best, _)) if self.all => group(rank) < group(best),
            Some((best, other)) => rank < best || rank == best && id(slot) < id(other),
        };
        if better {
            self.best = Some((rank, slot));
            self.others.clear();
        } else if self.all && !self.is_over(rank) {
            self.others.push((rank, slot));
        }
    }
}
