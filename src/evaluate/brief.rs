//! A decision, recorded or made in a replay, as far as a ledger keeps it.

use std::fmt;

use super::ledger::{Seen, Side, number_in};
use super::odds::{Numbered, Odds, numbered};
use crate::domain::ids::{LeadId, QueueId, RepId};
use crate::domain::published::{Cause, LeadAssigned, Outcome};

/// A decision, as far as it is kept.
#[derive(Clone, Debug)]
pub struct Brief {
    pub lead_id: LeadId,
    pub assignment_no: u32,
    outcome: Outcome,
    cause: Cause,
    rep_id: Option<RepId>,
    queue_id: Option<QueueId>,
    /// Of the lead, in its domain.
    pub(super) number: u64,
    pub(super) side: Side,
}

impl Brief {
    pub fn of(fact: &LeadAssigned) -> Brief {
        Brief::with(fact, &numbered(fact))
    }

    /// The same, with the candidates in order already.
    pub(super) fn with(fact: &LeadAssigned, candidates: &Numbered<'_>) -> Brief {
        Brief {
            lead_id: fact.lead_id.clone(),
            assignment_no: fact.assignment_no,
            outcome: fact.outcome,
            cause: fact.cause,
            rep_id: fact.rep_id.clone(),
            queue_id: fact.queue_id.clone(),
            number: number_in(&fact.domain, fact.lead_id.as_str()),
            side: Side::of(fact, candidates),
        }
    }

    /// A decision of the policy that is tried; `odds` makes of the chances that it states those of the policy
    /// as it would run.
    pub(super) fn tried(
        fact: &LeadAssigned,
        candidates: &Numbered<'_>,
        odds: impl FnOnce(Odds) -> Odds,
    ) -> Brief {
        let mut brief = Brief::with(fact, candidates);
        brief.side.odds = brief.side.odds.map(odds);
        brief.side.candidates = Seen::all(fact, candidates);
        brief
    }

    /// Of the rep and the queue.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let rep = self.rep_id.iter().map(RepId::as_str);
        rep.chain(self.queue_id.iter().map(QueueId::as_str))
    }

    /// The same outcome, rep or queue, stage, method, reason and cause.
    pub fn same_choice(&self, other: &Brief) -> bool {
        let choice = |it: &Brief| {
            let Side { place, stage, method, reason, .. } = it.side;
            (it.outcome, it.cause, place, stage, method, reason)
        };
        choice(self) == choice(other)
    }

    /// A rep got the lead, and not by a person's hand.
    pub(super) fn is_given(&self) -> bool {
        self.outcome == Outcome::Assigned && self.cause != Cause::Manual
    }
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.names().next().unwrap_or("nobody");
        let Side { method, reason, .. } = &self.side;
        let (outcome, method) = (self.outcome.name(), method.name());
        write!(f, "{outcome} {place} ({method}, {})", reason.name())
    }
}
