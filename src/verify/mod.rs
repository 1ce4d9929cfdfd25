//! The checker: reads what went in, what came out, the state and the dead letters, and proves the
//! invariants. It shares no logic with the router that it checks, only the types of the records.
//!
//! | id | holds |
//! |---|---|
//! | I1 | every `lead-created` below the committed offset has a decision, or a dead letter |
//! | I2 | the decisions of a lead, and those of a domain, are 1, 2, 3 …, none twice |
//! | I3 | the last decision about a lead is what its image says |
//! | I6 | an SLA step fired once, not early, not after its end; or had an end; or is not due |
//! | I8 | committed offsets are those of the newest `shard` image; above, nothing is decided |
//!
//! Of ingest, I13 and I14: see `stages`.
//!
//! Records may come in any order of topics; within a partition they come by offset. Everything is
//! checked at the end, in `finish`, so that the same checker serves Kafka, the embedded log and
//! tests.

mod checker;
mod leads;
mod lost;
mod offsets;
pub mod read;
mod sla;
mod stages;
#[cfg(test)]
mod tests;

pub use checker::Checker;
pub use lost::Lost;
pub use stages::{Owed, Stages};

use std::fmt;

use crate::domain::entity::{Entity, EntityKey};
use crate::domain::ids::DomainId;
use crate::domain::input::{Input, Topic};
use crate::domain::published::{LeadAssigned, SlaBreached};
use crate::domain::time::{Span, Timestamp};

/// Where a record is, as the reader should name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// What a record says.
#[derive(Clone, Debug)]
pub enum Item {
    /// A record of a topic in, as the router reads it; its partition is the shard.
    Input {
        topic: Topic,
        domain: DomainId,
        timestamp: Timestamp,
        input: Box<Input>,
    },
    /// A record of a topic in that nobody can read: it owes a dead letter.
    Unreadable {
        topic: Topic,
        timestamp: Timestamp,
    },
    Assigned(Box<LeadAssigned>),
    Breached(Box<SlaBreached>),
    /// With the place that the record came from.
    DeadLetter {
        topic: Topic,
        partition: i32,
        offset: i64,
    },
    /// A dead letter of a record that the router does not read: of ingest.
    Foreign,
    /// An after-image, or a tombstone.
    Image {
        key: EntityKey,
        entity: Option<Box<Entity>>,
    },
    /// A record of ours that nobody can read: an outcome or an image that is as good as missing.
    Garbled {
        image: bool,
    },
    /// The image of the shard itself: next offset of each topic in; −1 = none.
    Shard {
        shard: i32,
        next: [i64; 9],
    },
}

/// A record to check.
#[derive(Clone, Debug)]
pub struct Record {
    pub place: Place,
    pub item: Item,
}

/// What the checker may assume.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far clocks may be apart, and how long a record may be under way.
    pub skew: Span,
    /// The topics out are here from their first record.
    pub whole: bool,
    /// What the topic of the state is called.
    pub state: String,
}

impl Default for Options {
    fn default() -> Options {
        Options { skew: Span::from_secs(5), whole: true, state: "lead-router.state".to_owned() }
    }
}

/// The invariants that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    I1,
    I2,
    I3,
    I6,
    I8,
    I13,
    I14,
}

impl Invariant {
    /// Those of the router.
    pub const ROUTER: [Invariant; 5] =
        [Invariant::I1, Invariant::I2, Invariant::I3, Invariant::I6, Invariant::I8];

    pub fn id(self) -> &'static str {
        match self {
            Invariant::I1 => "I1",
            Invariant::I2 => "I2",
            Invariant::I3 => "I3",
            Invariant::I6 => "I6",
            Invariant::I8 => "I8",
            Invariant::I13 => "I13",
            Invariant::I14 => "I14",
        }
    }

    /// The promise in one line.
    pub fn promise(self) -> &'static str {
        match self {
            Invariant::I1 => "every lead has a decision, or its record a dead letter",
            Invariant::I2 => "no decision is missing and none is there twice",
            Invariant::I3 => "the last decision about a lead is what the state says",
            Invariant::I6 => "every deadline was kept, met, or is not due",
            Invariant::I8 => "offsets, state and outcomes end at the same record",
            Invariant::I13 => "every bridged record is one change, one dead letter, or not wanted",
            Invariant::I14 => "every change has its events, each once, or one dead letter",
        }
    }
}

/// A broken promise, with the record that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub place: Place,
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.invariant.id(), self.place, self.text)
    }
}

/// How one invariant fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub invariant: Invariant,
    /// How many things were looked at: leads, decisions, steps, offsets.
    pub checked: u64,
    /// Things that have no outcome, but may have had a dead letter that is gone.
    pub unchecked: u64,
    /// All of them; `Report::violations` may hold fewer.
    pub violations: u64,
}

/// The end of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub verdicts: Vec<Verdict>,
    /// The first of each invariant, at most `VIOLATIONS_MAX`.
    pub violations: Vec<Violation>,
}

/// Violations of one invariant that are kept; the rest is counted.
pub const VIOLATIONS_MAX: u64 = 20;

impl Report {
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.violations == 0)
    }

    /// This report and another, of other invariants.
    pub fn join(&mut self, other: Report) {
        self.verdicts.extend(other.verdicts);
        self.violations.extend(other.violations);
    }
}

/// Collects what is found.
struct Findings {
    verdicts: Vec<Verdict>,
    violations: Vec<Violation>,
}

impl Findings {
    fn of(invariants: &[Invariant]) -> Findings {
        let verdict = |invariant: &Invariant| Verdict {
            invariant: *invariant,
            checked: 0,
            unchecked: 0,
            violations: 0,
        };
        Findings { verdicts: invariants.iter().map(verdict).collect(), violations: Vec::new() }
    }

    fn verdict(&mut self, invariant: Invariant) -> Option<&mut Verdict> {
        self.verdicts.iter_mut().find(|verdict| verdict.invariant == invariant)
    }

    fn checked(&mut self, invariant: Invariant) {
        if let Some(verdict) = self.verdict(invariant) {
            verdict.checked += 1;
        }
    }

    /// One of those checked has no outcome, which proves nothing.
    fn unchecked(&mut self, invariant: Invariant) {
        if let Some(verdict) = self.verdict(invariant) {
            verdict.checked -= 1;
            verdict.unchecked += 1;
        }
    }

    fn broken(&mut self, invariant: Invariant, place: &Place, text: String) {
        let Some(verdict) = self.verdict(invariant) else { return };
        verdict.violations += 1;
        if verdict.violations <= VIOLATIONS_MAX {
            self.violations.push(Violation { invariant, place: place.clone(), text });
        }
    }

    fn report(self) -> Report {
        let Findings { verdicts, mut violations } = self;
        violations.sort_by(|a, b| (a.invariant, &a.place).cmp(&(b.invariant, &b.place)));
        Report { verdicts, violations }
    }
}
