//! Gives every Salesforce lead to the right rep at once, and holds the rep to answering in time.

pub mod cli;
pub mod codec;
#[cfg(feature = "edge")]
pub mod config;
#[cfg(feature = "edge")]
pub mod demo;
pub mod domain;
pub mod embedded;
pub mod engine;
pub mod evaluate;
pub mod ingest;
pub mod intake;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "edge")]
pub mod runtime;
#[cfg(feature = "edge")]
pub mod telemetry;
pub mod verify;
pub mod wheel;
