//! The protocol of a batch: records and due timers in, one transaction out, memory and log in step.

mod assignment;
mod batch;
pub mod filter;
mod guard;
pub mod merge;
pub mod partition;
pub mod ports;
pub mod relay;
pub mod report;
pub mod restore;
pub mod shard;
pub mod timers;
pub mod transaction;
pub mod wire;
pub mod worker;
