//! Everything that can be decided: the closed set of facts. Only `State::apply` acts on them.

use thiserror::Error;

use super::entity::{Entity, EntityKey};
use super::input::DealOutcome;
use super::published::{Arm, LeadAssigned, SlaBreached};

#[derive(Clone, Debug)]
pub enum Fact {
    /// An entity is now so; None = it is gone.
    Set(EntityKey, Option<Entity>),
    /// To be published.
    Assigned(Box<LeadAssigned>),
    Breached(Box<SlaBreached>),
    /// The input cannot be acted on: the dead-letter topic, with this reason.
    Rejected(Rejection),
    /// Something that is counted and otherwise has no effect.
    Counted(Counter),
}

/// Why an input that could be read cannot be acted on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason} in {field}")]
pub struct Rejection {
    /// From the closed list of the contract: `territory.cycle`, `territory.range`, …
    pub reason: &'static str,
    pub field: String,
}

macro_rules! counters {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// Effects that are only counted.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Counter {
            $($variant,)*
            /// A deal was taken in.
            Deal(DealTaken),
        }

        impl Counter {
            /// All but deals, which have a metric of their own.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant),*];

            /// The label value in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)* Counter::Deal(_) => "deal" }
            }
        }
    };
}

counters!(
    /* inputs without an effect */
    Repeat "repeat",
    UnknownLead "unknown_lead",
    EndedLead "ended_lead",
    OwnEcho "own_echo",
    SameOwner "same_owner",
    NoChange "no_change",
    LateCorrection "late_correction",
    StaleTimer "stale_timer",
    /* what happened to leads without an event of their own */
    FirstTouch "first_touch",
    Accepted "accepted",
    Ended "ended",
    Expired "expired",
    Moved "moved",
    WouldDiffer "would_differ",
    Relaxed "relaxed",
    StickDropped "stick_dropped",
    /* choices by win rate in which the guard rails passed over the best score */
    OverMaxShare "over_max_share",
    UnderMinShare "under_min_share",
    /* a deal of a rep that no event has told of */
    UnknownRep "unknown_rep",
);

/// A deal as it was taken in: once, and again when its outcome changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DealTaken {
    pub outcome: DealOutcome,
    pub arm: DealArm,
    /// P(win), as the model says just before it learns the outcome; of the first close of a lead that is
    /// with the rep who was chosen for it by win rate.
    pub stated: Option<f64>,
}

/// The arm that a deal's lead was last in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DealArm {
    Treatment,
    Control,
    /// The lead was never in one: its owner was known, a person gave it, or the policy asks for rotation.
    None,
    /// The deal names no lead, or one that is not known.
    NoLead,
}

impl DealArm {
    pub const ALL: [DealArm; 4] =
        [DealArm::Treatment, DealArm::Control, DealArm::None, DealArm::NoLead];

    /// The label value in metrics.
    pub fn name(self) -> &'static str {
        match self {
            DealArm::Treatment => "treatment",
            DealArm::Control => "control",
            DealArm::None => "none",
            DealArm::NoLead => "no_lead",
        }
    }
}

impl From<Option<Arm>> for DealArm {
    fn from(arm: Option<Arm>) -> DealArm {
        match arm {
            Some(Arm::Treatment) => DealArm::Treatment,
            Some(Arm::Control) => DealArm::Control,
            None => DealArm::None,
        }
    }
}
