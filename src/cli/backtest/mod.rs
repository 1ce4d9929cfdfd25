//! `lead-router backtest`: what would another policy have won?
//!
//! `lines`, `csv` and `topics` read what was recorded, `drive` runs the two replays on threads, `text` and `page` tell
//! what was found; the numbers are of `evaluate`.

#[cfg(feature = "edge")]
pub(in crate::cli) mod command;
#[cfg(feature = "edge")]
mod csv;
pub mod drive;
pub mod lines;
pub mod page;
#[cfg(feature = "edge")]
pub(in crate::cli) mod progress;
pub mod text;
#[cfg(feature = "kafka")]
pub(in crate::cli) mod topics;
