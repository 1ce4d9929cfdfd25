//! The protocol of a batch: records and due timers in, one transaction out, memory and log in step.

pub mod merge;
pub mod partition;
pub mod ports;
pub mod report;
