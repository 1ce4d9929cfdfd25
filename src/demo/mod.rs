//! A generated company for the first five minutes: its reps and territories, a year of closed deals
//! with a known truth behind them, live leads, and people who answer, late or never.
//!
//! It only makes events, as anybody would who writes to the topics, and watches what comes out. The
//! router that it shows is the one that runs in production.

pub mod company;
pub mod prospect;
pub mod random;
pub mod truth;
pub mod world;

use sha2::{Digest, Sha256};

/// Of a policy's text, as the event carries it.
fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
