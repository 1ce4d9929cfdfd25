//! A schema registry, asked over the common REST API: what the schema of an id is, and under which ids ours
//! are registered.
//!
//! ```text
//!  worker ── waits(id) ──► Schemas ◄── wanted, settle ── resolver (a thread of its own) ──► HTTP
//!    │                        ▲
//!    └─ the record stays ─────┘ the answer
//! ```
//!
//! *Unavailable*: no answer, or none that can be trusted (a proxy's page, a login that is refused, half a
//! document). That decides nothing: it is asked again, with growing pauses, and meanwhile nothing is read or
//! written that needs it. *Absent*: the registry says that it knows no such name. *Unfit*: what it knows cannot
//! be read as one of our records; that is final, as a name never changes its meaning.
//! What holds: every answer has a size and a time limit; one request at a time; each name is fetched once.

mod answer;
mod client;
mod references;
mod resolver;
mod subjects;

pub use client::{Client, Fetched};
pub use resolver::{News, Outcome, Resolver};
pub use subjects::{Difference, Registered, Subject, subjects_in, subjects_out};

use thiserror::Error;

/// The registry gave no answer that decides anything: ask again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Unavailable {
    pub why: String,
    /// Asking again will hardly help before a person has set something differently: our login is refused, or
    /// the certificate is none that we trust. A service asks on all the same: it may be mended at the other end.
    pub needs_person: bool,
}

impl Unavailable {
    fn new(why: impl Into<String>) -> Unavailable {
        Unavailable { why: why.into(), needs_person: false }
    }
}

/// Why ids to write with could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the schema registry is not available: {0}")]
    Unavailable(#[from] Unavailable),
    /// Only a person can mend it.
    #[error("{0}")]
    Differs(String),
}
