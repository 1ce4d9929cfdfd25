//! What a process needs around the engine: threads, signals, the clock, and the read side.
//!
//! One worker is one named thread with plain blocking code. tokio is here only: for signals and HTTP.

pub mod clock;
mod gate;
#[cfg(feature = "kafka")]
pub mod lag;
mod params;
mod rates;
pub mod refusal;
pub mod routes;
pub mod run;
pub mod shutdown;
pub mod sla_table;
pub mod view;
