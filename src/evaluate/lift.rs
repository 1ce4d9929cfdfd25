//! The experiment that ran: leads chosen for by win rate against leads held out to plain rotation.
//!
//! By the arm that a lead was assigned to, whoever closed it in the end; deals that are open are censored,
//! and only leads count that have had time to close. The difference has Newcombe's interval (1998, method
//! 10). Leads of one company go together, above all where the arms are drawn by account: each arm counts as
//! many leads as say as much alone, by the variance of a ratio between companies (linearised). Beside
//! it stands the doubly robust estimate: it also uses what the treated leads tell about rotation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::cohort::{Cohort, Course};
use super::estimate::{Estimates, Trial, estimate_against};
use super::ledger::{Ledger, company, number};
use super::odds::Odds;
use super::replay::Heard;
use super::report::Read;
use super::stats::{Interval, Z_95, needed, newcombe, student_95, wilson};
use super::warnings::Warning;
use crate::codec::json;
use crate::domain::ids::RepId;
use crate::domain::input::Input;
use crate::domain::policy::{ControlUnit, Policy};
use crate::domain::published::{Arm, LeadAssigned};
use crate::domain::time::Timestamp;
use crate::engine::filter::{Filter, PolicyFile};

/// Takes a recording in, and compares its arms.
#[derive(Debug)]
pub struct Lift {
    ledger: Ledger,
    /// Accounts and policies, as the router knows them: which company a lead is from.
    known: Filter,
    /// What the policies of the recording draw arms for, by the hash of their text.
    units: HashMap<String, ControlUnit>,
    drawn: BTreeSet<&'static str>,
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
    pub drawn: Drawn,
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
    /// Companies that the closed leads are from.
    pub companies: usize,
    /// How much larger the variance is because leads of one company go together; 1 = no larger.
    pub design_effect: f64,
    /// So many leads of different companies would say as much.
    pub independent: f64,
}

/// For what the arms were drawn.
#[derive(Debug, Serialize)]
pub struct Drawn {
    /// `lead`, `account`, `both` (the policy changed), or `unknown`: the recording lacks its policy.
    pub by: &'static str,
    pub companies: usize,
    /// Companies with leads in both arms.
    pub in_both: usize,
}

/// Closed leads of the control arm that a difference takes: 80 % power at the 5 % level, if as many come from
/// one company as until now.
#[derive(Debug, Serialize)]
pub struct Needed {
    /// The difference asked for, and the leads that it takes.
    pub difference: f64,
    pub control: Option<u64>,
    /// The leads that the difference seen would take, if it is the true one.
    pub control_as_seen: Option<u64>,
}

impl Lift {
    /// `policy`: the file that the recording was made with, if it was.
    pub fn new(policy: Option<PolicyFile>) -> Lift {
        // Before a policy is published, the built-in one holds; it has no text.
        let mut units = HashMap::from([(String::new(), Policy::default().choice.control_unit)]);
        if let Some(file) = &policy {
            let sha256 = json::sha256_hex(file.text.as_bytes());
            units.insert(sha256, file.policy.choice.control_unit);
        }
        Lift {
            ledger: Ledger::default(),
            known: Filter::new(policy),
            units,
            drawn: BTreeSet::new(),
            reps: HashMap::new(),
            members: HashMap::new(),
            first_at: None,
            last_at: None,
            decisions: 0,
            deals: 0,
        }
    }

    pub fn take(&mut self, heard: &Heard) {
        match heard {
            Heard::Assigned(fact) => self.decided(fact),
            Heard::Event(event) => {
                self.first_at = self.first_at.or(Some(event.at));
                self.last_at = self.last_at.max(Some(event.at));
                if event.topic.is_reference() {
                    // What the router refused when it was recorded, it refuses again.
                    _ = self.known.event((**event).clone(), &mut |_| {});
                }
                self.event(&event.domain, &event.input);
            }
            Heard::Tick { at, .. } => self.last_at = self.last_at.max(Some(*at)),
            Heard::Breached(_) | Heard::Nothing => {}
        }
    }

    fn event(&mut self, domain: &crate::domain::ids::DomainId, input: &Input) {
        match input {
            Input::LeadCreated(lead) => {
                let company = company(self.known.shard().state(), domain, lead);
                self.ledger.row(domain, &lead.lead_id).company = company;
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
            Input::PolicyChanged(change) => {
                self.units.insert(change.sha256.clone(), change.policy.choice.control_unit);
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
        self.drawn.insert(match self.units.get(&fact.policy_sha256) {
            Some(ControlUnit::Lead) => "lead",
            Some(ControlUnit::Account) => "account",
            None => "unknown",
        });
        self.ledger.recorded(fact);
        let territory = fact.territory_id.as_ref().map_or(0, |id| number(id.as_str()));
        let (reps, members) = (&self.reps, &self.members);
        let weight = |rep: &RepId| {
            let rep = number(rep.as_str());
            let member = members.get(&(territory, rep)).copied().unwrap_or(1);
            member * reps.get(&rep).copied().unwrap_or(1)
        };
        self.ledger.tried(fact, |stated| Odds::rotation(fact, weight).unwrap_or(stated));
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
        let effect = control.design_effect;
        let closed = |independent: u64| (independent as f64 * effect).ceil() as u64;
        let needed = Needed {
            difference: detect,
            control: needed(one, one, ratio, detect).map(closed),
            control_as_seen: needed(one, other, ratio, seen).map(closed),
        };
        read.leads = trials.len();
        read.deals = self.deals;
        read.decisions = self.decisions;
        read.from = self.first_at.map(|at| at.to_string());
        read.to = self.last_at.map(|at| at.to_string());
        let mut report = LiftReport {
            read,
            decided_until: cohort.until.to_string(),
            horizon_days: cohort.horizon.days(),
            covered: cohort.covered,
            drawn: Drawn::of(&self.drawn, &trials),
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
    let (companies, design_effect) = design_effect(&closed, share);
    let independent = n / design_effect;
    ArmShown {
        leads: own.len(),
        too_recent: own.len() - mature.len(),
        open: mature.len() - closed.len(),
        closed: closed.len(),
        won,
        rate: wilson(share, independent),
        companies,
        design_effect,
        independent,
    }
}

/// The companies of the closed leads, and how much larger the variance of their win rate is for leads of one
/// company going together (Taylor linearisation of the ratio won / closed, between companies); 1 at least.
fn design_effect(closed: &[&&&Trial], share: f64) -> (usize, f64) {
    let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
    for trial in closed {
        *sums.entry(trial.cluster).or_default() += trial.reward - share;
    }
    let companies = sums.len();
    let alone = closed.len() as f64 * share * (1.0 - share);
    if alone <= 0.0 || companies < 2 || companies == closed.len() {
        return (companies, 1.0);
    }
    let together: f64 = sums.values().map(|sum| sum * sum).sum();
    // As many as there are companies, fewer than there are leads: the variance has that freedom.
    let freedom = companies as f64 - 1.0;
    let few = companies as f64 / freedom * (student_95(freedom) / Z_95).powi(2);
    (companies, (together / alone * few).max(1.0))
}

impl Drawn {
    fn of(by: &BTreeSet<&'static str>, trials: &[Trial]) -> Drawn {
        let mut arms: BTreeMap<u64, [bool; 2]> = BTreeMap::new();
        for trial in trials.iter().filter(|trial| trial.arm.is_some()) {
            let of_company = arms.entry(trial.cluster).or_default();
            of_company[usize::from(trial.arm == Some(Arm::Control))] = true;
        }
        let by = match (by.first(), by.len()) {
            (Some(one), 1) => *one,
            _ if by.contains("unknown") || by.is_empty() => "unknown",
            _ => "both",
        };
        let in_both = arms.values().filter(|arms| **arms == [true, true]).count();
        Drawn { by, companies: arms.len(), in_both }
    }
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
    let drawn = &report.drawn;
    if drawn.by == "account" && drawn.in_both > 0 {
        warn(
            "split_companies",
            format!(
                "{} of {} companies have leads in both arms: they were known by another domain before \
                 their account was. They blur the difference.",
                drawn.in_both, drawn.companies
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash;

    /// Draws that repeat.
    fn draw(key: &[u64]) -> f64 {
        let bytes: Vec<u8> = key.iter().flat_map(|number| number.to_le_bytes()).collect();
        hash::unit(hash::sip64(hash::FIXED, &bytes))
    }

    /// An experiment without an effect: 160 companies of one to eight leads, each in one arm; a company wins
    /// nearly all of its leads or hardly any.
    fn experiment(number: u64) -> Vec<Trial> {
        let lead = |company: u64, lead: u64| {
            let chance = if draw(&[number, company, 1]) < 0.3 { 0.8 } else { 0.05 };
            let won = draw(&[number, company, 4, lead]) < chance;
            let arm = draw(&[number, company, 2]) < 0.5;
            Trial {
                course: Course { decided_at: Timestamp(0), closed_at: Some(Timestamp(1)) },
                arm: Some(if arm { Arm::Control } else { Arm::Treatment }),
                logged: 0.5,
                target: 0.5,
                cost: 1.0,
                overlap: 1.0,
                modelled: 0.2,
                expected: 0.2,
                reward: f64::from(u8::from(won)),
                cluster: company,
            }
        };
        let size = |company: u64| 1 + (draw(&[number, company, 3]) * 8.0) as u64;
        let all = (0..160).flat_map(|company| (0..size(company)).map(move |at| (company, at)));
        all.map(|(company, at)| lead(company, at)).collect()
    }

    #[test]
    fn intervals_hold_where_companies_go_together() {
        let (mut with, mut without) = (0, 0);
        for number in 0..600 {
            let trials = experiment(number);
            let courses: Vec<Course> = trials.iter().map(|trial| trial.course).collect();
            let cohort = Cohort::of(&courses, Timestamp(2));
            let treatment = arm(&trials, &cohort, Arm::Treatment);
            let control = arm(&trials, &cohort, Arm::Control);
            with += u32::from(newcombe(&treatment.rate, &control.rate).contains(0.0));
            let alone = |arm: &ArmShown| wilson(arm.rate.estimate, arm.closed as f64);
            without += u32::from(newcombe(&alone(&treatment), &alone(&control)).contains(0.0));
        }
        println!(
            "the interval holds the truth in {with} of 600, if leads counted alone in {without}"
        );
        assert!((558..=582).contains(&with), "{with} of 600");
        assert!(without < 480, "leads of a company go together in this world: {without} of 600");
    }
}
