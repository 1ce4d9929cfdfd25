//! What a policy is worth: a recording replayed under another policy, and the estimates from it.
//!
//! Pure, like the layers below it: records in, numbers out. `replay` drives the engine, `book` writes into the
//! `ledger` what is known of each lead, `estimate` has the statistics, `report` puts them together; `lift` compares the
//! arms of the experiment that ran (`difference`). The limits of each number are told with it (`warnings`).

pub mod agreement;
pub mod book;
pub mod brief;
mod checks;
pub mod cohort;
mod compared;
pub mod difference;
pub mod estimate;
pub mod history;
pub mod ledger;
pub mod lift;
pub mod odds;
pub mod replay;
pub mod report;
pub mod stats;
pub mod unusable;
pub mod warnings;
mod weights;
