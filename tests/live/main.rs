//! The log on a real Kafka, named by `KAFKA_BOOTSTRAP`; `tests/kafka run cargo test --test live` brings one.
//!
//! Each test makes topics and a group of its own, so they may run side by side and against any broker that
//! allows sessions of a few seconds. Those that kill the broker need `KAFKA_CONTROL` as well.

mod support;

mod broker;
mod delivery;
mod letters;
mod malformed;
mod membership;
mod restore;
mod topics;
mod transactions;
