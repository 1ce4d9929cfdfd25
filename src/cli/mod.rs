//! The commands: one file each, and the line that dispatches them.

pub mod backtest;
#[cfg(feature = "kafka")]
mod bench;
#[cfg(feature = "edge")]
mod commands;
#[cfg(feature = "edge")]
mod demo;
#[cfg(feature = "edge")]
pub mod ingest;
#[cfg(feature = "edge")]
mod lift;
pub mod pipe;
#[cfg(feature = "kafka")]
mod run;
#[cfg(feature = "kafka")]
mod topics;
#[cfg(feature = "kafka")]
mod verify;

#[cfg(feature = "edge")]
pub use commands::main;
