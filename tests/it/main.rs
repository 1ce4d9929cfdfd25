//! The tests of the pure layers and of the embedded log, in one binary; a real broker is in `tests/live`.

mod backtest;
#[cfg(feature = "edge")]
mod fuzz;
#[cfg(feature = "edge")]
mod ingest;
mod malformed;
mod outcomes;
mod properties;
#[cfg(feature = "registry")]
mod registry;
mod relay;
mod scenario;
mod sim;
mod tidy;
mod worker;
