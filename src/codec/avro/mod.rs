//! Avro by schema: bytes to JSON values and back.
//!
//! `apache-avro` parses schemas and judges their compatibility. The data themselves are read here: the
//! crate takes the end of the input for a null (a record cut short would lose fields in silence), accepts
//! what follows a datum, and allocates what a length claims. A [`Plan`] is a writer's schema seen through
//! ours, compiled once: fields that we do not know are passed over, symbols that we do not know read as
//! the default, and what the writer lacks gets its default when the event is read.

pub mod canonical;
mod plan;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use plan::Plan;
pub use read::read;
pub use write::write;
pub(super) use write::{put_bytes, put_long};
