//! Salesforce in: what a bridge wrote, whatever its shape, to the canonical events.
//!
//! ```text
//!                parse                      canonical
//!  RawRecord ──────────► Change ─ picture ────────────► lead-created, lead-updated, …
//!  (any bridge)          (one)    (merge)               (whole and valid)
//! ```
//!
//! *Change*: what one record says happened, in Salesforce's own field names, the same for every bridge.
//! *Picture*: what is known of one record of the CRM, with when each field was said.
//! *Mapping*: which object is what, and which of its fields say what; a TOML file over a complete default.
//!
//! Two stages, each without a clock or a network: [`parse`] knows nothing of earlier records; [`machine`]
//! keeps the pictures, orders by commit, and makes the events. A field that did not change is in neither
//! `set` nor `cleared` of a change; what a null means is decided once, in [`parse`], by the bridge's rules.

pub mod bitmap;
mod canonical;
pub mod change;
pub mod id;
pub mod machine;
pub mod mapping;
pub mod parse;
mod patch;
pub mod picture;
pub mod schema;
#[cfg(feature = "edge")]
pub mod snapshot;
pub mod values;

pub use change::{Change, ChangeType};
pub use machine::{Done, Machine, Outcome};
pub use mapping::Mapping;
pub use parse::{Parser, RawRecord};

/// The header that says which record a change or an event comes of: `topic/partition/offset`.
pub const CAUSE: &str = "ingest.cause";
