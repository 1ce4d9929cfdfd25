//! Bytes to domain and back. Everything that comes from outside is checked here, once; what leaves this
//! module towards the core is valid.
//!
//! ```text
//!            frame           avro              json
//!  bytes ──► C3 01 … ──────► plan ───► Value ───────► Input        Decoder (record)
//!            00 id …                    │ ▲
//!            { … ───────────────────────┘ └─────────── facts       Encoder (encode)
//! ```
//!
//! JSON is the hub: [`json`] maps `serde_json::Value` to inputs and published facts and back; [`avro`] is
//! generic, by [`schema`]; so each field is named in one place.
//! A record that cannot be read is *poison*: an [`Error`] with a reason from the closed list of the
//! contract and the field, but never a value of the payload, which may be about a person.

pub mod avro;
mod condition;
pub mod dead_letter;
mod direct;
pub mod encode;
pub mod error;
pub mod evolution;
pub mod frame;
pub mod image;
pub mod json;
pub mod letter;
pub mod murmur2;
pub mod policy;
pub mod record;
pub mod schema;
pub mod schema_ids;

#[cfg(test)]
mod evolution_tests;
#[cfg(test)]
mod round_trip_tests;

pub use encode::{Encoder, Format};
pub use error::Error;
pub use record::{Decoder, RawRecord};
pub use schema::Record;
pub use schema_ids::{FromSchema, SchemaIds, SchemaRef, Schemas, Wants};
