//! The score that the choice by win rate compares: P(win) with a price on load.

use super::predict::Estimate;

/// A candidate as the score sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    pub estimate: Estimate,
    /// Fair share of this decision: weight over all weights.
    pub share: f64,
    /// Fair shares and leads given in this pool, decayed.
    pub fair: f64,
    pub given: f64,
    /// How full the rep's tightest cap is, 0–1 (0 = no cap), and how much of its window is over.
    pub fill: f64,
    pub elapsed: f64,
}

/// The price of being given twice the fair share, in P(win).
const LOAD_PRICE: f64 = 0.01;
/// Leads that an excess is measured against at least.
const LOAD_FLOOR: f64 = 4.0;
/// The price of a cap that is full before its time.
const CAP_PRICE: f64 = 0.05;

/// One score a candidate, in the order given; the highest is chosen. Never NaN.
///
/// A rep pays for load beyond the fair share and an idle one is credited: where the estimates hardly
/// differ, load is fair; where nobody is known, the unknown are tried.
pub fn scores(rivals: &[Rival]) -> Vec<f64> {
    rivals.iter().map(score).collect()
}

fn score(rival: &Rival) -> f64 {
    let excess = (rival.given - rival.fair) / (rival.fair.max(0.0) + LOAD_FLOOR);
    let ahead = (rival.fill - rival.elapsed).max(0.0);
    let score = rival.estimate.mean - LOAD_PRICE * excess.clamp(-1.0, 10.0) - CAP_PRICE * ahead;
    if score.is_finite() { score } else { -1.0 }
}
