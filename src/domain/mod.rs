//! What the business means: pure, deterministic, without Kafka, clock, randomness, metrics or logs.

pub mod calendar;
pub mod entity;
pub mod fact;
pub mod hash;
pub mod ids;
pub mod input;
pub mod lead_fields;
pub mod policy;
pub mod published;
pub mod state;
pub mod territory;
pub mod text;
pub mod time;
pub mod timer;
pub mod win_rate;
