//! The commands: one file each, and the line that dispatches them.

#[cfg(feature = "kafka")]
mod bench;
#[cfg(feature = "edge")]
mod commands;
#[cfg(feature = "edge")]
mod demo;
#[cfg(feature = "edge")]
pub mod ingest;
pub mod pipe;
#[cfg(feature = "kafka")]
mod run;
#[cfg(feature = "kafka")]
mod topics;
#[cfg(feature = "kafka")]
mod verify;

#[cfg(feature = "edge")]
pub use commands::main;
