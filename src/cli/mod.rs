//! The commands: one file each, and the line that dispatches them.

pub mod backtest;
#[cfg(feature = "kafka")]
mod bench;
#[cfg(feature = "edge")]
mod commands;
#[cfg(feature = "edge")]
mod demo;
#[cfg(feature = "kafka")]
mod dlq;
#[cfg(feature = "kafka")]
mod formats;
#[cfg(feature = "edge")]
pub mod ingest;
#[cfg(feature = "edge")]
mod lift;
#[cfg(feature = "kafka")]
mod lookup;
pub mod pipe;
#[cfg(feature = "kafka")]
mod run;
#[cfg(feature = "registry")]
mod schema;
#[cfg(feature = "kafka")]
mod stages;
#[cfg(feature = "kafka")]
mod topics;
#[cfg(feature = "kafka")]
mod verify;

#[cfg(feature = "edge")]
pub use commands::main;
