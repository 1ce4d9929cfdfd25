//! Everything that can be decided: the closed set of facts. Only `State::apply` acts on them.

use thiserror::Error;

use super::entity::{Entity, EntityKey};
use super::published::{LeadAssigned, SlaBreached};

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
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Counter { $($variant),* }

        impl Counter {
            pub const ALL: &'static [Counter] = &[$(Counter::$variant),*];

            /// The label value in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name),* }
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
);
