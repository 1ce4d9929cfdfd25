//! The topics as they should be and as they are: looked at before every start, planned and made by
//! `lead-router topics`. What is wrong is told with the command that mends it.

mod cluster;
mod plan;
#[cfg(test)]
mod tests;

pub use super::layout::Layout;
pub(super) use cluster::block_on;
pub use cluster::{Cluster, apply, create, delete, inspect, partitions};
pub use plan::{Finding, Found, Report, Role, Severity, Wanted, plan, wanted};
