//! The log on Apache Kafka: the only module that names rdkafka.
//!
//! ```text
//!            poll                                   begin send send_offsets commit abort
//!  worker ────────► Source ◄── group metadata ── Sink ◄──────────────────────────── worker
//!                     │  ▲ wake                    │
//!   consumer, one split queue a topic-partition    two transactional producers by turns, each polled by a thread
//! ```
//!
//! One `KafkaLog` belongs to one worker and lives on its thread: calls block, callbacks only note.
//! What holds here:
//! 1. Offsets are committed in the transaction and nowhere else, and only as a member that owns them.
//! 2. After a transactional call whose outcome is not known, that producer is never used again.
//! 3. Partition i of all topics in is assigned as a whole or the process stops.
//! 4. Nothing of librdkafka is called from a callback that librdkafka calls on its own threads.
//!
//! Deliberately absent: routing, retries of batches, decisions about exits (a hanging call excepted).

pub mod bench;
mod context;
mod error;
pub mod lag;
mod lane;
mod layout;
pub mod letters;
mod log;
mod offsets;
pub mod reader;
mod restore;
mod settings;
mod sink;
mod source;
pub mod topics;
mod watchdog;

pub use error::Trouble;
pub use log::KafkaLog;

/// What to tell where a transaction does not end.
const HANGING: &str = "a transaction hangs: see the section on it in deploy/RUNBOOK.md";
