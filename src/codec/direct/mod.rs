//! Short cuts for the records that matter to speed: a lead in, an assignment out, and accounts, of which a
//! first start reads millions.
//!
//! The way over JSON values names every field once and knows every fault, and costs several microseconds
//! and as many allocations as there are fields. Here the same bytes are read and written in the order of
//! the schema's fields. A short cut never decides about a fault: where anything is out of the ordinary it
//! gives up, and the long way says what is wrong. Tests hold both ways to the same answers.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub(super) use read::{account, lead};
pub(super) use write::assigned;
