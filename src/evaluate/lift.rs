//! The experiment that ran: leads chosen for by win rate against leads held out to plain rotation.
//!
//! By the arm that a lead was assigned to, whoever closed it in the end; deals that are open are censored,
//! and only leads count that have had time to close. The difference has Newcombe's interval (1998, method
//! 10); where leads of one account go together, each arm counts as many leads as say as much alone. Beside
//! it stands the doubly robust estimate: it also uses what the treated leads tell about rotation.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::cohort::{Cohort, Course};
use super::estimate::{Estimates, Trial, estimate_against};
use super::ledger::{Ledger, number};
use super::odds::Odds;
use super::replay::Heard;
use super::report::Read;
use super::stats::{Interval, needed, newcombe, wilson};
use super::warnings::Warning;
use crate::domain::ids::RepId;
use crate::domain::input::Input;
use crate::domain::published::{Arm, LeadAssigned};
use crate::domain::time::Timestamp;

/// Takes a recording in, and compares its arms.
#[derive(Debug, Default)]
pub struct Lift {
    ledger: Ledger,
    reps: HashMap<u64, u64>,
    members: HashMap<(u64, u64), u64>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    decisions: usize,
    deals: usize,
}

#[derive(Debug, Serialize)]
pub struct LiftReport {
    pub read: Read,
    pub decided_until: String,
    pub horizon_days: f64,
    pub covered: f64,
    pub treatment: ArmShown,
    pub control: ArmShown,
    /// Treatment less control; None = an arm has no closed lead.
    pub difference: Option<Interval>,
    /// The same, with what the treated leads tell about rotation.
    pub doubly_robust: Option<Interval>,
    pub effective: f64,
    pub needed: Needed,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
pub struct ArmShown {
    pub leads: usize,
    /// Decided too late for their deals to have had time to close.
    pub too_recent: usize,
    pub open: usize,
    pub closed: usize,
    pub won: usize,
    pub rate: Interval,
    /// Leads that as many of different accounts would say as much as.
    pub independent: f64,
}

/// Closed leads of the control arm that a difference takes: 80 % power at the 5 % level.
#[derive(Debug, Serialize)]
pub struct Needed {
    /// The difference asked for, and the leads that it takes.
    pub difference: f64,
    pub control: Option<u64>,
    /// The leads that the difference seen would take, if it is the true one.
    pub control_as_seen: Option<u64>,
}

impl Lift {
    pub fn take(&mut self, heard: &Heard) {
        match heard {
            Heard::Assigned(fact) => self.decided(fact),
            Heard::Event(event) => {
                self.first_at = self.first_at.or(Some(event.at));
                self.last_at = self.last_at.max(Some(event.at));
                self.event(&event.domain, &event.input);
            }
            Heard::Tick { at, .. } => self.last_at = self.last_at.max(Some(*at)),
            Heard::Breached(_) | Heard::Nothing => {}
        }
    }

    fn event(&mut self, domain: &crate::domain::ids::DomainId, input: &Input) {
        match input {
            Input::LeadCreated(lead) => {
                let own = number(lead.lead_id.as_str());
                let account = lead.fields.account_id.as_ref().map(|id| number(id.as_str()));
                self.ledger.row(domain, &lead.lead_id).account = account.unwrap_or(own);
            }
            Input::OpportunityClosed(deal) => {
                self.deals += 1;
                self.ledger.closed(domain, deal);
            }
            Input::LeadUpdated(update) => {
                if let Some(opportunity) = &update.opportunity_id {
                    self.ledger.link(domain, &update.lead_id, opportunity);
                }
            }
            Input::RepChanged(change) => {
                let weight = change.definition.as_ref().map_or(1, |rep| u64::from(rep.weight));
                self.reps.insert(number(change.rep_id.as_str()), weight);
            }
            Input::TerritoryChanged(change) => {
                let territory = number(change.territory_id.as_str());
                for member in change.definition.iter().flat_map(|definition| &definition.members) {
                    let key = (territory, number(member.rep_id.as_str()));
                    self.members.insert(key, u64::from(member.weight));
                }
            }
            _ => {}
        }
    }

    fn decided(&mut self, fact: &LeadAssigned) {
        self.decisions += 1;
        self.last_at = self.last_at.max(Some(fact.decided_at));
        if fact.arm.is_none() {
            return;
        }
        self.ledger.recorded(fact);
        let territory = fact.territory_id.as_ref().map_or(0, |id| number(id.as_str()));
        let (reps, members) = (&self.reps, &self.members);
        let weight = |rep: &RepId| {
            let rep = number(rep.as_str());
            let member = members.get(&(territory, rep)).copied().unwrap_or(1);
            member * reps.get(&rep).copied().unwrap_or(1)
        };
        self.ledger.tried(fact, || Odds::rotation(fact, weight));
    }

    /// Compares the arms; `detect` is the difference that would matter.
    pub fn finish(self, mut read: Read, detect: f64) -> LiftReport {
        let end = self.last_at.unwrap_or_default();
        let trials: Vec<Trial> = self.ledger.rows.iter().filter_map(|row| row.trial(0.2)).collect();
        let courses: Vec<Course> = trials.iter().map(|trial| trial.course).collect();
        let cohort = Cohort::of(&courses, end);
        let treatment = arm(&trials, &cohort, Arm::Treatment);
        let control = arm(&trials, &cohort, Arm::Control);
        let both = treatment.closed > 0 && control.closed > 0;
        let difference = both.then(|| newcombe(&treatment.rate, &control.rate));
        let robust = estimate_against(&trials, &cohort, 1.0, Some(Arm::Treatment));
        let ratio = treatment.independent / control.independent.max(1.0);
        let (one, other) = (control.rate.estimate, treatment.rate.estimate);
        let seen = difference.map_or(0.0, |difference| difference.estimate);
        let needed = Needed {
            difference: detect,
            control: needed(one, one, ratio, detect),
            control_as_seen: needed(one, other, ratio, seen),
        };
        read.leads = trials.len();
        read.deals = self.deals;
        read.decisions = self.decisions;
        read.from = self.first_at.map(|at| at.to_string());
        read.to = self.last_at.map(|at| at.to_string());
        let mut report = LiftReport {
            read,
            decided_until: cohort.until.to_string(),
            horizon_days: cohort.horizon.0 as f64 / 86_400_000.0,
            covered: cohort.covered,
            treatment,
            control,
            difference,
            doubly_robust: robust.as_ref().filter(|_| both).map(reversed),
            effective: robust.map_or(0.0, |robust| robust.effective),
            needed,
            warnings: Vec::new(),
        };
        report.warnings = warnings(&report, &cohort);
        report
    }
}

/// Rotation less treatment, the other way round.
fn reversed(estimates: &Estimates) -> Interval {
    let Interval { estimate, low, high } = estimates.lift;
    Interval { estimate: -estimate, low: -high, high: -low }
}

fn arm(trials: &[Trial], cohort: &Cohort, arm: Arm) -> ArmShown {
    let own: Vec<&Trial> = trials.iter().filter(|trial| trial.arm == Some(arm)).collect();
    let mature: Vec<&&Trial> = own.iter().filter(|trial| cohort.has(&trial.course)).collect();
    let is_closed = |trial: &&&&Trial| cohort.weight(&trial.course) > 0.0;
    let closed: Vec<&&&Trial> = mature.iter().filter(is_closed).collect();
    let won = closed.iter().filter(|trial| trial.reward > 0.0).count();
    let n = closed.len() as f64;
    let share = if closed.is_empty() { 0.0 } else { won as f64 / n };
    let independent = n / design_effect(&closed, share);
    ArmShown {
        leads: own.len(),
        too_recent: own.len() - mature.len(),
        open: mature.len() - closed.len(),
        closed: closed.len(),
        won,
        rate: wilson(share, independent),
        independent,
    }
}

/// How much larger the variance is for leads of one account going together; 1 at least.
fn design_effect(closed: &[&&&Trial], share: f64) -> f64 {
    let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
    for trial in closed {
        *sums.entry(trial.cluster).or_default() += trial.reward - share;
    }
    let together: f64 = sums.values().map(|sum| sum * sum).sum();
    let alone = closed.len() as f64 * share * (1.0 - share);
    if alone > 0.0 { (together / alone).max(1.0) } else { 1.0 }
}

fn warnings(report: &LiftReport, cohort: &Cohort) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text: String| warnings.push(Warning { kind, text });
    if report.difference.is_none() {
        warn(
            "nothing_to_compare",
            "An arm has no closed lead yet. Arms are recorded where the policy chooses by win rate and \
             holds out a control share; pass the lead-assigned records with the deals."
                .to_owned(),
        );
        return warnings;
    }
    if report.control.won.min(report.control.closed - report.control.won) < 5 {
        warn(
            "small_control",
            format!(
                "The control arm has {} closed leads, {} of them won: too few to rest on.",
                report.control.closed, report.control.won
            ),
        );
    }
    if cohort.is_short() {
        warn(
            "short_record",
            format!(
                "The record is short for how long deals take: within the {:.0} days that each lead was \
                 followed, {:.1} % of them close.",
                report.horizon_days,
                report.covered * 100.0
            ),
        );
    }
    warnings
}
