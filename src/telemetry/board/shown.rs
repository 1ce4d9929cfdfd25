//! What the page asks for, as JSON: plain numbers and words, nothing to compute but the time left.

use serde::Serialize;

use super::Inner;
use crate::domain::time::Timestamp;
use crate::telemetry::telling::{Odds, Told};

/// Deadlines shown.
const DEADLINES: usize = 14;
/// Reps shown, the busiest first.
const REPS: usize = 60;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub title: String,
    /// Milliseconds since 1970, of the router's own clock.
    pub now: i64,
    /// Seconds of that clock in a real one.
    pub speed: f64,
    pub totals: Totals,
    /// Leads that a rep has and that have not ended.
    pub open: u64,
    pub waiting: u64,
    /// From the record in the log to the committed decision, in real milliseconds.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// The newest first.
    pub entries: Vec<Entry>,
    /// The next first.
    pub deadlines: Vec<Deadline>,
    pub deadlines_total: usize,
    pub reps: Vec<Rep>,
    pub reps_total: usize,
}

/// Since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub leads: u64,
    pub decisions: u64,
    pub assigned: u64,
    pub queued: u64,
    pub parked: u64,
    pub released: u64,
    pub moved: u64,
    pub reminded: u64,
    pub escalated: u64,
    pub reassigned: u64,
    pub dead_letters: u64,
}

/// Something that happened: a decision, a breach or a note.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Entry {
    /// The same as long as the entry grows.
    pub id: u64,
    /// Rises with every change.
    pub seq: u64,
    pub kind: &'static str,
    pub at: i64,
    pub lead: String,
    /// The lead in a few words.
    pub what: String,
    /// A note's sentence, or a breach's action.
    pub text: String,
    /// Whose deadline it was.
    pub rep: String,
    /// Breaches of the same kind that came right before, and are told with this one.
    pub more: u64,
    pub outcome: &'static str,
    pub method: &'static str,
    pub hot: bool,
    pub told: Option<Told>,
}

/// A deadline that is running.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deadline {
    pub lead: String,
    pub what: String,
    pub rep: String,
    /// What happens then.
    pub action: &'static str,
    pub class: String,
    pub armed_at: i64,
    pub due_at: i64,
}

/// A rep's row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rep {
    pub name: String,
    /// Empty = takes leads.
    pub status: String,
    pub open: u64,
    /// Given over the last 30 days or so, and what would have been fair.
    pub given: f64,
    pub fair: f64,
    /// Of closed deals, drawn towards the whole team where there are few.
    pub wins: Option<Odds>,
}

impl Inner {
    pub(super) fn shown(&self, title: &str, speed: f64, now: Timestamp) -> Shown {
        let mut sorted: Vec<f64> = self.latencies.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let (open, waiting) = self.rows.leads();
        let mut reps = self.rows.reps(&self.names, now);
        let reps_total = reps.len();
        reps.truncate(REPS);
        Shown {
            title: title.to_owned(),
            now: now.0,
            speed,
            totals: self.totals.clone(),
            open,
            waiting,
            p50_ms: percentile(&sorted, 0.50),
            p99_ms: percentile(&sorted, 0.99),
            entries: self.entries.iter().cloned().collect(),
            deadlines: self.deadlines.values().take(DEADLINES).cloned().collect(),
            deadlines_total: self.deadlines.len(),
            reps,
            reps_total,
        }
    }
}

/// Of sorted values, the one that this share lies at or below.
pub(super) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(last)).copied()
}
