//! History without chances: who had a lead is known, with what chance is not. It is estimated.
//!
//! The chance of a rep for a lead is taken as the rep's share of the leads of that segment, drawn towards the
//! share of all leads of the quarter, among the reps who could have had it. What the estimate cannot see
//! is why a lead went to a rep: where the best reps were given the hardest leads, the numbers are wrong
//! by as much, so the intervals allow for chances that are wrong by a factor (`GAMMA`).

use std::thread;

use rustc_hash::FxHashMap;

use super::ledger::{Ledger, Place, Row, Side};
use super::odds::Odds;
use crate::domain::published::{Method, Reason, Stage};
use crate::domain::time::{Span, Timestamp};

/// By what factor an estimated chance may be wrong.
pub const GAMMA: f64 = 1.25;
/// Leads of a segment that weigh as much as the share of all leads.
const PRIOR: f64 = 20.0;
/// Shares of all leads are by quarter: reps come and go.
const QUARTER: Span = Span::from_days(91);

/// How many leads each rep had: by segment, and by quarter.
#[derive(Default)]
struct Shares {
    by_segment: FxHashMap<(u64, u64), f64>,
    by_quarter: FxHashMap<(i64, u64), f64>,
}

/// Puts an estimated decision in the place of each that was not recorded.
pub fn estimate_decisions(ledger: &mut Ledger) {
    let shares = &Shares::of(&ledger.rows);
    let keeps_odds = ledger.keeps_odds;
    let half = ledger.rows.len() / 2;
    let (first, second) = ledger.rows.split_at_mut(half);
    thread::scope(|scope| {
        for rows in [first, second] {
            scope.spawn(move || rows.iter_mut().for_each(|row| shares.estimate(row, keeps_odds)));
        }
    });
}

impl Shares {
    fn of(rows: &[Row]) -> Shares {
        let mut shares = Shares::default();
        for row in rows {
            let Some(owner) = row.owner else { continue };
            *shares.by_segment.entry((row.segment, owner)).or_default() += 1.0;
            *shares.by_quarter.entry((quarter(row.created_at), owner)).or_default() += 1.0;
        }
        shares
    }

    fn estimate(&self, row: &mut Row, keeps_odds: bool) {
        let (Some(owner), Some(new)) = (row.owner, row.new.as_deref()) else { return };
        let eligible = new.candidates.iter().filter(|one| one.eligible);
        let mut eligible: Vec<u64> = eligible.map(|one| one.rep).collect();
        if !eligible.contains(&owner) {
            eligible.push(owner);
        }
        let quarter = quarter(row.created_at);
        let all = |rep: &u64| self.by_quarter.get(&(quarter, *rep)).copied().unwrap_or(0.0);
        let quarters: f64 = eligible.iter().map(all).sum::<f64>().max(1.0);
        let weigh = |rep: &u64| {
            let own = self.by_segment.get(&(row.segment, *rep)).copied().unwrap_or(0.0);
            own + PRIOR * all(rep) / quarters
        };
        let weights: Vec<(u64, f64)> = eligible.iter().map(|rep| (*rep, weigh(rep))).collect();
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let odds = weights.into_iter().map(|(rep, weight)| (rep, weight / total)).collect();
        row.recorded = Some(Box::new(side(row.created_at, owner, new.territory, Odds::new(odds))));
        row.join(keeps_odds);
    }
}

fn quarter(at: Timestamp) -> i64 {
    at.0.div_euclid(QUARTER.0)
}

fn side(decided_at: Timestamp, owner: u64, territory: u64, odds: Odds) -> Side {
    Side {
        decided_at,
        place: Place::Rep(owner),
        territory,
        stage: Stage::Territory,
        method: Method::None,
        reason: Reason::Manual,
        arm: None,
        drawn: (0, 0),
        odds: Some(odds),
        candidates: Vec::new(),
    }
}
