//! Who wins: P(win | lead, rep) learned from closed deals, with its uncertainty.
//!
//! The model: logit P = g·f(x) + tenure + b_rep·f(x), where f(x) says in which segment the lead is;
//! for a closed deal, plus what its age at close says of the outcome. A deal changes two blocks: the
//! shared one of the domain (g, tenure, and the ages of won and lost deals) and the rep's. `rep`, `effects`
//! and `shared` say how the joint belief over both is kept, `refit` how much effects differ, `learn` how
//! a deal enters it, `predict` how a lead is looked at, `choice` how the choice weighs load. `amount`
//! says what a won deal brings.
//!
//! Nothing here reads a clock: forgetting goes by the time of the deals, and only when one is learned,
//! never when a lead is looked at.

mod amount;
mod choice;
mod effects;
mod features;
mod gaussian;
mod image;
mod learn;
mod logistic;
mod predict;
mod refit;
mod rep;
mod segment;
mod shared;
mod standings;
#[cfg(test)]
mod tests;
mod worth;

use std::fmt;

use super::ids::RepId;
use super::time::Timestamp;

use rep::RepBlock;
use shared::SharedBlock;

pub use amount::{AmountTaught, learn_amount};
pub use choice::{Rival, scores};
pub use image::{Image, Part};
pub use learn::{Deal, learn, unlearn};
pub use predict::{Estimate, Evidence, Query, evidence, predict};
pub use segment::{Segment, segment};
pub use standings::{Filter, Known, Place, Standing, Status, Table, level_label, standings};
pub use worth::{Prospect, Worth};

/// Learned numbers: shared by all reps of a domain (`shared_id`) or of one rep (id = rep id). The
/// default is a block of which nothing is known yet: `learn` makes of it what it needs.
///
/// A block is a value: clone it, learn, keep it. `image` and `restore` turn it into plain lists and
/// back, bit for bit.
#[derive(Clone, Default, PartialEq)]
pub struct Block {
    kind: Kind,
}

#[derive(Clone, Default, PartialEq)]
enum Kind {
    #[default]
    Empty,
    Shared(Box<SharedBlock>),
    Rep(Box<RepBlock>),
}

/// The id of the block that all reps share: no rep's id is empty.
pub fn shared_id() -> RepId {
    RepId::new("")
}

impl Block {
    fn shared(&self) -> Option<&SharedBlock> {
        match &self.kind {
            Kind::Shared(shared) => Some(shared),
            _ => None,
        }
    }

    /// No number is out of bounds: all finite, all variances above nothing. Always so.
    pub fn is_sound(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Shared(shared) => {
                let effects = shared.now.belief.is_sound() && shared.now.alike.is_sound();
                effects && shared.head.is_sound() && shared.amounts.is_sound()
            }
            Kind::Rep(rep) => {
                rep.now.belief.is_sound() && rep.fit.is_sound() && rep.amount.is_sound()
            }
        }
    }

    /// Memory that the numbers take, those last written whole and the updates since included.
    pub fn bytes(&self) -> usize {
        let own = match &self.kind {
            Kind::Empty => 0,
            Kind::Shared(shared) => shared.bytes(),
            Kind::Rep(rep) => rep.bytes(),
        };
        size_of::<Block>() + own
    }

    fn rep(&self) -> Option<&RepBlock> {
        match &self.kind {
            Kind::Rep(rep) => Some(rep),
            _ => None,
        }
    }
}

impl fmt::Debug for Block {
    /// Thousands of numbers tell a reader nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Empty => f.write_str("Block::Empty"),
            Kind::Shared(shared) => write!(f, "Block::Shared({} deals)", shared.head.deals),
            Kind::Rep(rep) => write!(f, "Block::Rep({} deals)", rep.deals),
        }
    }
}

/// What one closed deal taught, so that it can be taken back: the numbers of its levels in the
/// domain's dictionary, and the normal observation of the logit that stood for its outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// `all`, the levels, the tenure: at most 18 in practice.
    pub features: Vec<u32>,
    /// The bucket of the age at close.
    pub age: u32,
    pub closed_at: Timestamp,
    pub won: bool,
    pub precision: f64,
    pub response: f64,
    /// The part of the response that is of the tenure and of levels in which the rep has no effects.
    pub apart: f64,
    /// What its amount taught; None = it was lost, or stated none above zero.
    pub amount: Option<AmountTaught>,
}
