//! A decision as a sentence: who, why, who was next, and the odds. The page and the demonstration
//! tell the same.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::ids::{DomainId, RepId, TerritoryId};
use crate::domain::published::{
    Candidate, Cause, Ineligible, LeadAssigned, Method, Outcome, Reason, WinProbability,
};

/// What reps and territories are called; whoever is unknown goes by the id.
#[derive(Clone, Debug, Default)]
pub struct Names {
    reps: BTreeMap<(DomainId, RepId), String>,
    territories: BTreeMap<(DomainId, TerritoryId), String>,
}

impl Names {
    pub fn set_rep(&mut self, domain: &DomainId, rep: &RepId, name: &str) {
        self.reps.insert((domain.clone(), rep.clone()), name.to_owned());
    }

    pub fn set_territory(&mut self, domain: &DomainId, territory: &TerritoryId, name: &str) {
        self.territories.insert((domain.clone(), territory.clone()), name.to_owned());
    }

    pub fn rep(&self, domain: &DomainId, rep: &RepId) -> String {
        let name = self.reps.get(&(domain.clone(), rep.clone()));
        name.cloned().unwrap_or_else(|| rep.as_str().to_owned())
    }

    pub fn territory(&self, domain: &DomainId, territory: &TerritoryId) -> String {
        let name = self.territories.get(&(domain.clone(), territory.clone()));
        name.cloned().unwrap_or_else(|| territory.as_str().to_owned())
    }

    /// Forgets a domain that is served elsewhere now.
    pub fn forget(&mut self, domain: &DomainId) {
        self.reps.retain(|(of, _), _| of != domain);
        self.territories.retain(|(of, _), _| of != domain);
    }
}

/// The parts of the sentence. Nothing in it says who the lead is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// A rep's name, or a queue.
    pub who: String,
    pub why: String,
    /// What brought the lead here anew; empty for a first decision.
    pub because: String,
    /// Whom it was taken from; empty for a first decision.
    pub from: String,
    /// Who would have had it next, with the odds; empty if nobody.
    pub next: String,
    /// Why others could not: `1 away, 2 at their limit`.
    pub left_out: String,
    pub territory: String,
    pub odds: Option<Odds>,
}

/// P(win) in per cent, with its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Odds {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    pub deals: u64,
}

impl From<&WinProbability> for Odds {
    fn from(p: &WinProbability) -> Odds {
        Odds { mean: 100.0 * p.mean, low: 100.0 * p.low, high: 100.0 * p.high, deals: p.deals }
    }
}

/// Tells a decision.
pub fn tell(names: &Names, assigned: &LeadAssigned) -> Told {
    let domain = &assigned.domain;
    let rep = |rep: &RepId| names.rep(domain, rep);
    let who = match (&assigned.rep_id, &assigned.queue_id) {
        (Some(id), _) => rep(id),
        (None, Some(queue)) => match queue.as_str().strip_prefix("manager:") {
            Some(manager) => format!("{}’s queue", rep(&RepId::new(manager))),
            None => format!("queue “{queue}”"),
        },
        (None, None) if assigned.outcome == Outcome::Released => "released".to_owned(),
        (None, None) => "parked".to_owned(),
    };
    let moved = assigned.assignment_no > 1;
    let from = assigned.former_owner_id.as_ref().filter(|_| moved).map(&rep).unwrap_or_default();
    Told {
        who,
        why: why(assigned),
        because: match assigned.outcome {
            // That it goes on waiting is not because it waited.
            Outcome::Assigned => because(assigned.cause, &from),
            _ if assigned.cause == Cause::Retry => String::new(),
            _ => because(assigned.cause, &from),
        },
        from,
        next: runner_up(assigned).map(|next| next_words(names, domain, next)).unwrap_or_default(),
        left_out: left_out(&assigned.excluded),
        territory: assigned
            .territory_id
            .as_ref()
            .map(|territory| names.territory(domain, territory))
            .unwrap_or_default(),
        odds: assigned.win_probability.as_ref().map(Odds::from),
    }
}

/// The best of the others who could have taken it: by score, or by turn where the turn decided.
fn runner_up(assigned: &LeadAssigned) -> Option<&Candidate> {
    let mut others = assigned
        .candidates
        .iter()
        .filter(|one| one.eligible && Some(&one.rep_id) != assigned.rep_id.as_ref());
    match assigned.method {
        Method::WinRate => others.next(),
        Method::RoundRobin | Method::Control => others.min_by(|a, b| {
            let turn = |one: &Candidate| one.rotation.unwrap_or(f64::MAX);
            turn(a).total_cmp(&turn(b)).then_with(|| a.rep_id.cmp(&b.rep_id))
        }),
        Method::Owner | Method::None => None,
    }
}

fn next_words(names: &Names, domain: &DomainId, next: &Candidate) -> String {
    let name = names.rep(domain, &next.rep_id);
    match &next.win_probability {
        Some(p) => format!("{name}, {:.0}\u{a0}%", 100.0 * p.mean),
        None => name,
    }
}

fn because(cause: Cause, from: &str) -> String {
    let from = if from.is_empty() { "the rep" } else { from };
    match cause {
        Cause::Created | Cause::Updated | Cause::Manual => String::new(),
        Cause::TerritoryChanged => "its territory moved".to_owned(),
        Cause::RepChanged => format!("{from} no longer takes leads"),
        Cause::PolicyChanged => "the policy changed".to_owned(),
        Cause::Sla => format!("{from} did not answer in time"),
        Cause::Declined => format!("{from} declined it"),
        Cause::Retry => "it waited until somebody was free".to_owned(),
    }
}

/// Whether somebody likelier to win it was passed over: more than a fair share has its price.
fn is_outbid(assigned: &LeadAssigned) -> bool {
    let Some(own) = assigned.win_probability.as_ref().map(|p| p.mean) else { return false };
    let mut able = assigned.candidates.iter().filter(|one| one.eligible);
    able.any(|one| one.win_probability.as_ref().is_some_and(|p| p.mean > own))
}

/// How many who could take it, and whom the choice would have put first, the guard rails passed over.
fn passed_over(assigned: &LeadAssigned) -> usize {
    let own = assigned.candidates.iter().find(|one| Some(&one.rep_id) == assigned.rep_id.as_ref());
    let Some(score) = own.and_then(|own| own.score) else { return 0 };
    let passed = |one: &&Candidate| {
        one.propensity == Some(0.0) && one.score.is_some_and(|other| other > score)
    };
    assigned.candidates.iter().filter(passed).count()
}

fn why(assigned: &LeadAssigned) -> String {
    let able = assigned.candidates.iter().filter(|one| one.eligible).count();
    let total = assigned.candidates_total;
    let passed = passed_over(assigned);
    match assigned.reason {
        Reason::WinRate if passed > 0 => {
            format!("to keep shares fair: {passed} of {able} with better odds had to wait")
        }
        Reason::WinRate if is_outbid(assigned) => format!("first of {able} by odds and load"),
        Reason::WinRate => format!("the most likely of {able} to win it"),
        Reason::Explored => format!("drawn from {able}, so that the odds stay known"),
        Reason::ThinEvidence => format!("by turn: the deals do not tell these {able} apart"),
        Reason::Control => format!("by turn among {able}, as the control arm"),
        Reason::Rotation => format!("by turn among {able}"),
        Reason::SoleCandidate => format!("the only one of {total} who can take it"),
        Reason::AccountOwner => "owns the account".to_owned(),
        Reason::Sticky => "had the last lead from there".to_owned(),
        Reason::Manual => "a person decided so".to_owned(),
        Reason::Capped => "everybody is at the limit".to_owned(),
        Reason::NoRepAvailable => "nobody is available now".to_owned(),
        Reason::NoSkillMatch => "nobody has the skills it asks for".to_owned(),
        Reason::NoTerritory => "no territory covers it".to_owned(),
        Reason::NoMember => "the territory has no reps".to_owned(),
        Reason::MaxHops => "it was handed on too often".to_owned(),
        Reason::TooOld => "it is too old".to_owned(),
        other => other.name().replace('_', " "),
    }
}

fn left_out(excluded: &[(Ineligible, u32)]) -> String {
    let words = |(reason, count): &(Ineligible, u32)| {
        let reason = match reason {
            Ineligible::Inactive => "gone",
            Ineligible::Paused => "paused",
            Ineligible::Away => "away",
            Ineligible::OutsideCalendar => "off hours",
            Ineligible::Capped => "at the limit",
            Ineligible::Skill => "without the skill",
            Ineligible::Language => "without the language",
            Ineligible::FormerOwner => "had it before",
            Ineligible::Unknown => "unknown",
            Ineligible::WeightZero => "takes none",
        };
        format!("{count} {reason}")
    };
    excluded.iter().map(words).collect::<Vec<_>>().join(", ")
}
