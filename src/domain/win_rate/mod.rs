//! Who wins: P(win | lead, rep) learned from closed deals.

/// Learned numbers: shared by all reps (id `shared`) or of one rep (id = rep id).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {}

/// What one closed deal taught, so that it can be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {}
