//! Bytes to domain and back. Everything that comes from outside is checked here, once; what leaves this
//! module towards the core is valid.
//!
//! JSON is the hub: [`json`] maps `serde_json::Value` to inputs and published facts and back.
//! A record that cannot be read is *poison*: an [`Error`] with a reason from the closed list of the
//! contract and the field, but never a value of the payload, which may be about a person.

mod condition;
pub mod error;
pub mod image;
pub mod json;
pub mod policy;

pub use error::Error;
