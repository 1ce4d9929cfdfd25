//! Which partition a key belongs to.

pub use crate::codec::murmur2::partition_of;
