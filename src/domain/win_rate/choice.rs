//! The score that the choice by win rate compares: P(win), or the amount that it promises, with a price on
//! load.

use super::predict::{Estimate, Evidence};

/// A candidate as the score sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    pub estimate: Estimate,
    /// What the choice weighs P(win) by: the expected amount in usual ones, or 1.
    pub worth: f64,
    /// Fair shares and leads given in this pool, decayed.
    pub fair: f64,
    pub given: f64,
    /// How far the rep's tightest cap is ahead of its time, 0–1 (0 = no cap, or not ahead).
    pub ahead: f64,
}

/// The price of being given twice the fair share, in P(win): always; in standard deviations of what is not
/// known of the reps; and what is added where they are not known to differ, times the logarithm of how many
/// they are: the more, the better the luckiest of them looks.
const LOAD_PRICE: f64 = 0.002;
const UNKNOWN_PRICE: f64 = 0.08;
const DOUBT_PRICE: f64 = 0.035;
/// At this log Bayes factor of "reps differ" it is as likely as not: that they do is expected before any deal.
const FACTOR_DOUBT: f64 = -1.0;
/// The excess that costs the full price. Beyond, a rep who is known to be better costs no more for it; and
/// how much further the price rises where reps are not known to differ.
const EXCESS_MAX: f64 = 1.0;
const EXCESS_DOUBT: f64 = 2.0;
/// Leads that an excess is measured against at least.
const LOAD_FLOOR: f64 = 4.0;
/// The price of a cap that is full before its time. So a place is kept for the leads that are worth more
/// with this rep, instead of going to whoever comes first.
const CAP_PRICE: f64 = 0.3;

/// One score a candidate, in the order given; the highest is chosen. Never NaN.
///
/// A rep pays for load beyond the fair share and an idle one is credited: where the estimates hardly
/// differ, load is fair; where nobody is known, the unknown are tried. The less is known of the reps, and
/// the less the deals show that they differ at all, the dearer is an uneven load.
pub fn scores(rivals: &[Rival], evidence: &Evidence) -> Vec<f64> {
    let against = 2.0 * (evidence.factor - FACTOR_DOUBT);
    let doubt = 1.0 / (1.0 + libm::exp(against.clamp(-50.0, 50.0)));
    let many = rivals.len().max(1) as f64;
    let unknown = rivals.iter().map(|rival| rival.estimate.own_deviation).sum::<f64>();
    let price = LOAD_PRICE + UNKNOWN_PRICE * unknown / many + DOUBT_PRICE * libm::log(many) * doubt;
    let most = EXCESS_MAX + EXCESS_DOUBT * doubt;
    rivals.iter().map(|rival| score(rival, price, most)).collect()
}

fn score(rival: &Rival, price: f64, most: f64) -> f64 {
    let excess = (rival.given - rival.fair) / (rival.fair.max(0.0) + LOAD_FLOOR);
    let score = rival.estimate.mean * rival.worth
        - price * excess.max(-1.0).min(most)
        - CAP_PRICE * rival.ahead.max(0.0);
    if score.is_finite() { score } else { -1.0 }
}
