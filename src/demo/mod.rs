//! A generated company for the first five minutes: its reps and territories, a year of closed deals
//! with a known truth behind them, live leads, and people who answer, late or never.
//!
//! It only makes events, as anybody would who writes to the topics, and watches what comes out. The
//! router that it shows is the one that runs in production, on a log in memory instead of Kafka.
//!
//! ```text
//! company, prospect, truth ──► world ──► stage (embedded log, worker) ──► show ──► terminal
//!                                ▲                     │                   │
//!                                └──── decisions ──────┴─► board, metrics  └─► proof, summary
//! ```

pub mod clock;
pub mod company;
pub mod log;
pub mod printer;
pub mod proof;
pub mod prospect;
pub mod random;
pub mod show;
pub mod stage;
pub mod story;
pub mod summary;
pub mod truth;
pub mod world;
