//! Who wins: P(win | lead, rep) learned from closed deals.

use super::ids::RepId;
use super::input::SegmentFields;
use super::policy::SegmentPolicy;
use super::time::{Span, Timestamp};

/// Learned numbers: shared by all reps (id `shared`) or of one rep (id = rep id).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub won: u64,
    pub lost: u64,
}

/// What one closed deal taught, so that it can be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub won: bool,
}

impl Observation {
    pub fn new(
        _segment: Segment,
        won: bool,
        _closed_at: Timestamp,
        _tenure: Option<Span>,
        _age: Option<Span>,
    ) -> Observation {
        Observation { won }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Segment;

/// P(win) with its 90 % interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    pub deals: u64,
}

/// A candidate as the score sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    pub estimate: Estimate,
    /// Fair share of this decision: weight over all weights.
    pub share: f64,
    /// Fair shares and leads given in this pool, decayed.
    pub fair: f64,
    pub given: f64,
}

/// The id of the block that all reps share: no rep's id is empty.
pub fn shared_id() -> RepId {
    RepId::new("")
}

pub fn segment(_policy: &SegmentPolicy, _fields: &SegmentFields) -> Segment {
    Segment
}

pub fn learn(shared: &mut Block, rep: &mut Block, observation: &Observation) {
    for block in [shared, rep] {
        if observation.won { block.won += 1 } else { block.lost += 1 }
    }
}

pub fn unlearn(shared: &mut Block, rep: &mut Block, observation: &Observation) {
    for block in [shared, rep] {
        let count = if observation.won { &mut block.won } else { &mut block.lost };
        *count = count.saturating_sub(1);
    }
}

pub fn predict(
    shared: Option<&Block>,
    rep: Option<&Block>,
    _segment: &Segment,
    _tenure: Option<Span>,
    _now: Timestamp,
) -> Estimate {
    let rate = |block: Option<&Block>, prior: f64, weight: f64| {
        let (won, all) = block.map_or((0, 0), |block| (block.won, block.won + block.lost));
        (won as f64 + prior * weight) / (all as f64 + weight)
    };
    let mean = rate(rep, rate(shared, 0.2, 10.0), 20.0);
    let deals = rep.map_or(0, |block| block.won + block.lost);
    let sd = (mean * (1.0 - mean) / (deals as f64 + 21.0)).sqrt();
    let low = (mean - 1.645 * sd).max(mean / 100.0);
    Estimate { mean, low, high: (mean + 1.645 * sd).min(1.0 - (1.0 - mean) / 100.0), deals }
}

/// Whether the closed deals tell these reps apart.
pub fn carries(_shared: Option<&Block>, estimates: &[Estimate]) -> bool {
    estimates.iter().any(|estimate| estimate.deals >= 10)
}

pub fn scores(rivals: &[Rival]) -> Vec<f64> {
    rivals.iter().map(|rival| rival.estimate.mean).collect()
}
