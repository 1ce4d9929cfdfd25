//! What people and machines can see of a running router: metrics, logs, health, the live page.
//!
//! All of it is made from what the engine reports after each transaction (`engine::report`);
//! nothing here is read by a decision. No lead's e-mail, phone or name ever comes here.

pub mod board;
pub mod http;
pub mod labels;
pub mod lag;
pub mod logging;
pub mod metrics;
pub mod page;
pub mod process;
pub mod record;
pub mod registry;
pub mod telling;

#[cfg(test)]
mod tests;
