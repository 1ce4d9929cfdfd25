//! Gives every Salesforce lead to the right rep at once, and holds the rep to answering in time.

#[cfg(feature = "edge")]
pub mod config;
pub mod domain;
pub mod embedded;
pub mod engine;
#[cfg(feature = "edge")]
pub mod telemetry;
pub mod wheel;
