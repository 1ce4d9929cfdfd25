//! What the business means: pure, deterministic, without Kafka, clock, randomness, metrics or logs.

pub mod account;
mod account_match;
mod asked;
mod assign;
mod availability;
pub mod calendar;
mod choice;
mod company;
mod crm_owner;
mod deals;
mod draft;
mod emit;
pub mod entity;
pub mod fact;
pub mod hash;
pub mod ids;
mod index;
pub mod input;
mod lead_events;
pub mod lead_fields;
mod lookup;
mod owner;
pub mod policy;
pub mod published;
mod reference;
mod rotation;
pub mod router;
mod sla;
pub mod sla_state;
mod stand_in;
pub mod state;
mod sweep;
pub mod table;
pub mod territory;
pub mod text;
pub mod time;
pub mod timer;
mod timers_of;
mod view;
pub use view::{RepView, WaitingView};
pub mod win_rate;

#[cfg(test)]
mod tests;
