//! What the business means: pure, deterministic, without Kafka, clock, randomness, metrics or logs.

pub mod calendar;
pub mod time;
