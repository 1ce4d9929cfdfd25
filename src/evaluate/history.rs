//! History without chances: who had a lead is known, with what chance is not. It is estimated.
//!
//! The chance of a rep for a lead is taken as the rep's share of the leads of that segment, drawn towards the
//! share of all leads of the quarter, among the reps who could have had it. What the estimate cannot see
//! is why a lead went to a rep: where the best reps were given the hardest leads, the numbers are wrong
//! by as much, so the intervals allow for chances that are wrong by a factor (`GAMMA`).

use std::collections::HashMap;

use super::ledger::{Ledger, Place, Side};
use super::odds::Odds;
use crate::domain::published::{Method, Reason, Stage};
use crate::domain::time::{Span, Timestamp};

/// By what factor an estimated chance may be wrong.
pub const GAMMA: f64 = 1.25;
/// Leads of a segment that weigh as much as the share of all leads.
const PRIOR: f64 = 20.0;
/// Shares of all leads are by quarter: reps come and go.
const QUARTER: Span = Span::from_days(91);

/// Puts an estimated decision in the place of each that was not recorded; how many.
pub fn estimate_decisions(ledger: &mut Ledger) -> usize {
    let mut by_segment: HashMap<(u64, u64), f64> = HashMap::new();
    let mut by_quarter: HashMap<(i64, u64), f64> = HashMap::new();
    for row in &ledger.rows {
        let Some(owner) = row.owner else { continue };
        *by_segment.entry((row.segment, owner)).or_default() += 1.0;
        *by_quarter.entry((quarter(row.created_at), owner)).or_default() += 1.0;
    }
    let mut estimated = 0;
    for row in &mut ledger.rows {
        let (Some(owner), Some(new)) = (row.owner, row.new.as_deref()) else { continue };
        let eligible = new.candidates.iter().filter(|one| one.eligible);
        let mut eligible: Vec<u64> = eligible.map(|one| one.rep).collect();
        if !eligible.contains(&owner) {
            eligible.push(owner);
        }
        let all = |rep: &u64| {
            let leads = by_quarter.get(&(quarter(row.created_at), *rep));
            leads.copied().unwrap_or(0.0)
        };
        let quarters: f64 = eligible.iter().map(all).sum::<f64>().max(1.0);
        let weigh = |rep: &u64| {
            let own = by_segment.get(&(row.segment, *rep)).copied().unwrap_or(0.0);
            own + PRIOR * all(rep) / quarters
        };
        let weights: Vec<(u64, f64)> = eligible.iter().map(|rep| (*rep, weigh(rep))).collect();
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let odds = weights.into_iter().map(|(rep, weight)| (rep, weight / total)).collect();
        row.recorded = Some(Box::new(side(row.created_at, owner, new.territory, Odds::new(odds))));
        row.join(ledger.keeps_odds);
        estimated += 1;
    }
    estimated
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
