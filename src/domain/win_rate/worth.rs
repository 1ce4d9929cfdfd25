//! What a lead is worth with each rep: its expected amount if it is won, in usual amounts; and whether amounts
//! carry a choice.

use super::amount::Amounts;
use super::predict::{FACTOR_MIN, MOVED_MIN};
use super::segment::Segment;
use super::{Block, Evidence};

/// A lead, and a rep, count as no more than so many times the usual amount, and no less than its inverse.
const LEAD_MOST: f64 = 20.0;
const REP_MOST: f64 = 5.0;

/// What a lead's won deal with a rep is expected to bring, in usual amounts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    pub expected: f64,
    /// How far deals have moved the belief about the rep, 0–1.
    pub moved: f64,
}

/// A lead made ready to be asked what it would bring with one rep after the other.
#[derive(Clone, Debug)]
pub struct Prospect<'a> {
    amounts: Option<&'a Amounts>,
    lead: f64,
}

impl<'a> Prospect<'a> {
    pub fn new(shared: Option<&'a Block>, segment: &Segment) -> Prospect<'a> {
        let Some(shared) = shared.and_then(Block::shared) else {
            return Prospect { amounts: None, lead: 1.0 };
        };
        let numbers = segment.levels.iter().filter_map(|level| shared.features.find(level));
        let lead = libm::exp(shared.amounts.of_levels(numbers));
        let lead = lead.clamp(1.0 / LEAD_MOST, LEAD_MOST);
        Prospect { amounts: Some(&shared.amounts), lead }
    }

    /// With a rep; `None`: nothing is known of the rep.
    pub fn worth(&self, rep: Option<&Block>) -> Worth {
        let Some(amounts) = self.amounts.filter(|amounts| amounts.factor >= FACTOR_MIN) else {
            return Worth { expected: self.lead, moved: 0.0 };
        };
        let Some(rep) = rep.and_then(Block::rep) else {
            return Worth { expected: self.lead, moved: 0.0 };
        };
        let (mean, variance) = rep.amount.belief(amounts);
        // The typical amount: of a rep of whom nothing is known, the usual one.
        let own = libm::exp(mean).clamp(1.0 / REP_MOST, REP_MOST);
        Worth { expected: self.lead * own, moved: 1.0 - variance / amounts.between() }
    }
}

impl Evidence {
    /// Where the choice goes by expected amounts, it is enough that these tell reps apart.
    pub fn or_by_amount<'w>(
        self,
        shared: Option<&Block>,
        worths: impl Iterator<Item = &'w Worth>,
    ) -> Evidence {
        let Some(shared) = shared.and_then(Block::shared) else { return self };
        let moved = worths.map(|worth| worth.moved).fold(0.0, f64::max);
        let factor = shared.amounts.factor;
        let thin = moved < MOVED_MIN || factor < FACTOR_MIN;
        Evidence {
            thin: self.thin && thin,
            moved: self.moved.max(moved),
            factor: if thin { self.factor } else { self.factor.max(factor) },
        }
    }
}
