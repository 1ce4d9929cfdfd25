//! The experiment that ran: leads chosen for by win rate against leads held out to plain rotation.
//!
//! By the arm that a lead was assigned to, whoever closed it in the end; deals that are open are censored,
//! and only leads count that have had time to close. `difference` compares them. Beside it stands the doubly
//! robust estimate: it also uses what the treated leads tell about rotation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::brief::Brief;
use super::checks;
use super::cohort::{Cohort, Course};
use super::difference::{Difference, Lead, Mean, difference};
use super::estimate::{Estimates, Trial, estimate_against};
use super::ledger::{Ledger, Row, company, number, number_in};
use super::odds::numbered;
use super::replay::Heard;
use super::report::Read;
use super::stats::{Interval, needed, wilson};
use super::unusable::Unusable;
use super::warnings::Warning;
use super::weights::Weights;
use crate::domain::input::Input;
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::{ControlUnit, Objective};
use crate::domain::published::{Arm, LeadAssigned};
use crate::domain::time::Timestamp;
use crate::engine::filter::{Event, Filter, PolicyFile};

/// Takes a recording in, and compares its arms.
#[derive(Debug)]
pub struct Lift {
    ledger: Ledger,
    /// Accounts and policies, as the router knows them: which company a lead is from.
    known: Filter,
    /// Leads whose arm is not drawn yet, as they were from when on: the company is the one known at the draw.
    undrawn: HashMap<u64, Vec<(Timestamp, Arc<LeadFields>)>>,
    weights: Weights,
    /// Decisions of the comparison of which the weights are not known.
    weights_unknown: usize,
    unusable: Unusable,
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
    /// Treated leads that the doubly robust estimate leaves out: they cannot tell of rotation.
    pub arms_left_out: usize,
    pub effective: f64,
    /// How many companies (by lead: leads) of equal size the smaller arm's say as much as.
    pub clusters: f64,
    /// Won amounts; None = no won deal states one.
    pub amount: Option<AmountLift>,
    /// What the policy chooses by: `win_probability` or `expected_amount`.
    pub objective: &'static str,
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
    /// Of the closed leads; where arms were drawn in several ways, each counts as in the difference.
    pub rate: Interval,
    /// Companies that the closed leads are from.
    pub companies: usize,
    /// How much larger the variance of the difference is because leads were drawn together; 1 = no larger.
    pub design_effect: f64,
    /// So many leads drawn by themselves would say as much.
    pub independent: f64,
}

/// Won amounts per closed lead, in the currency of most won deals.
#[derive(Debug, Serialize)]
pub struct AmountLift {
    pub currency: String,
    pub treatment: f64,
    pub control: f64,
    /// Treatment less control.
    pub difference: Interval,
    /// Won leads of treatment and control that are left out: without an amount, or in another currency.
    pub without: [usize; 2],
    /// Few enough of both are.
    pub judges: bool,
}

/// For what the arms were drawn.
#[derive(Debug, Serialize)]
pub struct Drawn {
    /// `lead`, `account`, `both` (the policy changed), or `unknown`: the recording lacks its policy.
    pub by: &'static str,
    pub companies: usize,
    /// Companies with leads in both arms.
    pub in_both: usize,
    /// Routing domains and control shares, each compared by itself.
    pub strata: usize,
    /// Closed leads of strata in which an arm has none.
    pub left_out: usize,
}

/// Closed leads of the control arm that a difference takes: about 80 % power at the 5 % level, if as many come
/// from one company as until now. None = the arms are too small to tell.
#[derive(Debug, Serialize)]
pub struct Needed {
    /// The difference asked for, and the leads that it takes.
    pub difference: f64,
    pub control: Option<u64>,
    /// The leads that the difference seen would take, if it is the true one.
    pub control_as_seen: Option<u64>,
}

/// A lead of the experiment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawing {
    pub trial: Trial,
    pub company: u64,
    /// None = the recording lacks the policy that drew.
    pub unit: Option<ControlUnit>,
    pub share: Option<f64>,
    /// The policy that drew chooses by amount.
    by_amount: bool,
    /// Its amount in the currency of the report; None = it is not stated in it.
    amount: Option<f64>,
}

impl Drawing {
    pub(super) fn is_control(&self) -> bool {
        self.trial.arm == Some(Arm::Control)
    }

    /// Drawn by its company, which is not known.
    pub(super) fn is_nameless(&self) -> bool {
        self.unit != Some(ControlUnit::Lead) && self.company == 0
    }
}

impl Lift {
    /// `policy`: the file that the recording was made with, if it was.
    pub fn new(policy: Option<PolicyFile>) -> Lift {
        Lift {
            ledger: Ledger::new(policy.as_ref()),
            known: Filter::new(policy),
            undrawn: HashMap::new(),
            weights: Weights::default(),
            weights_unknown: 0,
            unusable: Unusable::default(),
            first_at: None,
            last_at: None,
            decisions: 0,
            deals: 0,
        }
    }

    pub fn take(&mut self, heard: &Heard) {
        match heard {
            Heard::Assigned(fact) => self.decided(fact),
            Heard::Written(written) => match written.read() {
                Ok(fact) => self.decided(&fact),
                Err(fault) => self.unusable.note(&fault),
            },
            Heard::Unusable(fault) => self.unusable.note(fault),
            Heard::Event(event) => {
                self.first_at = self.first_at.or(Some(event.at));
                self.last_at = self.last_at.max(Some(event.at));
                if event.topic.is_reference() {
                    // What the router refused when it was recorded, it refuses again.
                    _ = self.known.event((**event).clone(), &mut |_| {});
                    self.weights.hear(event);
                }
                self.event(event);
            }
            Heard::Tick { at, .. } => self.last_at = self.last_at.max(Some(*at)),
            Heard::Breached(_) | Heard::Replayed(_) | Heard::Nothing => {}
        }
    }

    fn event(&mut self, event: &Event) {
        let domain = &event.domain;
        match &event.input {
            Input::LeadCreated(lead) => {
                let state = self.known.shard().state();
                let company = company(state, domain, &lead.lead_id, &lead.fields);
                let row = self.ledger.row(domain, &lead.lead_id);
                if row.recorded.is_none() {
                    let key = number_in(domain, lead.lead_id.as_str());
                    self.undrawn.entry(key).or_default().push((event.at, lead.fields.clone()));
                }
                if row.recorded.is_none() || row.company == 0 {
                    row.company = company;
                }
            }
            Input::OpportunityClosed(deal) => {
                self.deals += 1;
                self.ledger.closed(domain, deal);
            }
            Input::LeadUpdated(update) => {
                if let Some(opportunity) = &update.opportunity_id {
                    self.ledger.link(domain, &update.lead_id, opportunity);
                }
                let known = self.undrawn.get_mut(&number_in(domain, update.lead_id.as_str()));
                if let (Some(known), Some(changes)) = (known, &update.changes)
                    && let Some((_, last)) = known.last()
                {
                    let mut fields = last.clone();
                    Arc::make_mut(&mut fields).merge(changes, &update.cleared);
                    known.push((event.at, fields));
                }
            }
            Input::PolicyChanged(change) => {
                self.ledger.policy(&change.sha256, &change.policy);
            }
            _ => {}
        }
    }

    fn decided(&mut self, fact: &LeadAssigned) {
        self.decisions += 1;
        self.last_at = self.last_at.max(Some(fact.decided_at));
        self.ledger.row(&fact.domain, &fact.lead_id).decided = true;
        if fact.arm.is_none() {
            return;
        }
        let known = self.undrawn.remove(&number_in(&fact.domain, fact.lead_id.as_str()));
        let then = known.as_ref().and_then(|known| {
            known.iter().rfind(|(from, _)| *from <= fact.decided_at).or(known.first())
        });
        if let Some((_, fields)) = then {
            let state = self.known.shard().state();
            let company = company(state, &fact.domain, &fact.lead_id, fields);
            self.ledger.row(&fact.domain, &fact.lead_id).company = company;
        }
        let candidates = numbered(fact);
        self.ledger.recorded(Brief::with(fact, &candidates));
        let is_first = self.ledger.row(&fact.domain, &fact.lead_id).joined.is_none();
        let (rotation, known) = self.weights.rotation(fact, &candidates);
        self.weights_unknown += usize::from(is_first && rotation.is_some() && !known);
        let tried = Brief::tried(fact, &candidates, |stated| rotation.unwrap_or(stated));
        self.ledger.tried(tried);
    }

    /// Compares the arms; `detect` is the difference that would matter.
    pub fn finish(self, mut read: Read, detect: f64) -> LiftReport {
        let end = self.last_at.unwrap_or_default();
        let drawn = |row: &&Row| row.recorded.as_ref().is_some_and(|side| side.arm.is_some());
        let currency = Ledger::main_currency(self.ledger.rows.iter().filter(drawn));
        let all = self.ledger.rows.iter().enumerate();
        let drawings: Vec<Drawing> =
            all.filter_map(|(at, row)| self.drawing(at as u64, row, currency)).collect();
        let trials: Vec<Trial> = drawings.iter().map(|drawing| drawing.trial).collect();
        let courses: Vec<Course> = trials.iter().map(|trial| trial.course).collect();
        let cohort = Cohort::of(&courses, end);
        let is_closed = |drawing: &&Drawing| cohort.weight(&drawing.trial.course) > 0.0;
        let closed: Vec<&Drawing> = drawings.iter().filter(is_closed).collect();
        let wins: Vec<Lead> = closed.iter().map(|it| lead(it, it.trial.reward)).collect();
        let found = difference(&wins);
        let shown = |arm| arm_shown(&drawings, &closed, &cohort, arm, found.as_ref());
        let (treatment, control) = (shown(Arm::Treatment), shown(Arm::Control));
        // Weights that are not those of the decisions would make another rotation.
        let is_known = !checks::is_many(self.weights_unknown, drawings.len());
        let robust = robust(&trials, &closed, &cohort).filter(|_| found.is_some() && is_known);
        let by_amount = !closed.is_empty() && closed.iter().all(|it| it.by_amount);
        self.unusable.tell(&mut read);
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
            drawn: Drawn::of(&drawings, found.as_ref()),
            needed: Needed::of(&treatment, &control, found.as_ref(), detect),
            treatment,
            control,
            difference: found.map(|found| found.of_shares()),
            doubly_robust: robust.as_ref().map(reversed),
            arms_left_out: robust.as_ref().map_or(0, |robust| robust.arms_left_out),
            effective: robust.map_or(0.0, |robust| robust.effective),
            clusters: found.map_or(0.0, |found| found.clusters()),
            amount: self.amount(&closed, currency),
            objective: if by_amount { "expected_amount" } else { "win_probability" },
            warnings: Vec::new(),
        };
        // Deals of leads from before the recording are no sign that something is missing.
        let with_deals =
            || self.ledger.rows.iter().filter(|row| row.has_deals() && row.company != 0);
        let whole = checks::Recorded {
            weights_unknown: self.weights_unknown,
            unlinked: self.ledger.unlinked(),
            deals: self.deals,
            undecided: with_deals().filter(|row| !row.decided).count(),
            with_deals: with_deals().count(),
        };
        report.warnings = checks::warnings(&report, &drawings, &cohort, &whole);
        report
    }

    /// A lead of the experiment, with those that its arm was drawn together with.
    fn drawing(&self, at: u64, row: &Row, currency: Option<u64>) -> Option<Drawing> {
        let trial = self.ledger.trial(row, 0.2)?;
        trial.arm?;
        let drawn = row.recorded.as_ref().and_then(|side| self.ledger.experiment(side));
        // With a share of 0 or 1 nothing is compared.
        if drawn.is_some_and(|drawn| drawn.share <= 0.0 || drawn.share >= 1.0) {
            return None;
        }
        let by_amount = drawn.is_some_and(|it| it.objective == Objective::ExpectedAmount);
        let unit = drawn.map(|drawn| drawn.unit);
        let alone = unit == Some(ControlUnit::Lead) || row.company == 0;
        let cluster = if alone { number(&format!("lead {at}")) } else { row.company };
        let amount = currency.and_then(|currency| row.ending().amount_in(currency));
        let trial = Trial { cluster, ..trial };
        let share = drawn.map(|drawn| drawn.share);
        Some(Drawing { trial, company: row.company, unit, share, amount, by_amount })
    }

    fn amount(&self, closed: &[&Drawing], currency: Option<u64>) -> Option<AmountLift> {
        let currency = self.ledger.currencies.get(&currency?).cloned().unwrap_or_default();
        let stated = closed.iter().filter_map(|it| Some(lead(it, it.amount?)));
        let stated: Vec<Lead> = stated.collect();
        let found = difference(&stated)?;
        let won = |control: bool| -> Vec<&&Drawing> {
            let own = closed.iter().filter(|it| it.is_control() == control);
            own.filter(|it| it.trial.reward > 0.0).collect()
        };
        let without = [false, true]
            .map(|control| won(control).iter().filter(|it| it.amount.is_none()).count());
        let too_many = |without: usize, won: &[&&Drawing]| {
            without as f64 > checks::AMOUNTS_MISSING_MAX * won.len() as f64
        };
        Some(AmountLift {
            currency,
            treatment: found.treatment.mean,
            control: found.control.mean,
            difference: found.of_means()?,
            judges: !too_many(without[0], &won(false)) && !too_many(without[1], &won(true)),
            without,
        })
    }
}

fn lead(drawing: &Drawing, value: f64) -> Lead {
    let Trial { stratum, cluster, .. } = drawing.trial;
    Lead { stratum, cluster, treated: !drawing.is_control(), value }
}

/// The doubly robust estimate, over the strata in which both arms have closed leads.
fn robust(trials: &[Trial], closed: &[&Drawing], cohort: &Cohort) -> Option<Estimates> {
    let mut arms: BTreeMap<u64, [bool; 2]> = BTreeMap::new();
    for drawing in closed {
        arms.entry(drawing.trial.stratum).or_default()[usize::from(drawing.is_control())] = true;
    }
    let both = |trial: &&Trial| arms.get(&trial.stratum) == Some(&[true, true]);
    let trials: Vec<Trial> = trials.iter().filter(both).copied().collect();
    estimate_against(&trials, cohort, 1.0, Some(Arm::Treatment))
}

/// Rotation less treatment, the other way round.
fn reversed(estimates: &Estimates) -> Interval {
    let Interval { estimate, low, high } = estimates.lift;
    Interval { estimate: -estimate, low: -high, high: -low }.within(-1.0, 1.0)
}

fn arm_shown(
    all: &[Drawing],
    closed: &[&Drawing],
    cohort: &Cohort,
    arm: Arm,
    found: Option<&Difference>,
) -> ArmShown {
    let of = |drawing: &&Drawing| drawing.trial.arm == Some(arm);
    let own: Vec<&Drawing> = all.iter().filter(of).collect();
    let mature = own.iter().filter(|it| cohort.has(&it.trial.course)).count();
    let closed: Vec<&&Drawing> = closed.iter().filter(|it| of(it)).collect();
    let companies = closed.iter().map(|it| it.company).filter(|company| *company != 0);
    let companies: BTreeSet<u64> = companies.collect();
    let mean: Option<(&Difference, &Mean)> = found.map(|found| match arm {
        Arm::Control => (found, &found.control),
        Arm::Treatment => (found, &found.treatment),
    });
    let won = closed.iter().filter(|it| it.trial.reward > 0.0).count();
    let alone = || wilson(won as f64 / closed.len().max(1) as f64, closed.len() as f64);
    ArmShown {
        leads: own.len(),
        too_recent: own.len() - mature,
        open: mature - closed.len(),
        closed: closed.len(),
        won,
        rate: mean.map_or_else(alone, |(found, mean)| found.share(mean)),
        companies: companies.len(),
        design_effect: found.map_or(1.0, Difference::design_effect),
        independent: mean.map_or(0.0, |(found, mean)| found.independent(mean)),
    }
}

impl ArmShown {
    /// Whether too few were won, or lost, to rest on.
    pub(super) fn is_small(&self) -> bool {
        self.won.min(self.closed - self.won) < checks::FEW
    }
}

impl Needed {
    fn of(
        treatment: &ArmShown,
        control: &ArmShown,
        found: Option<&Difference>,
        detect: f64,
    ) -> Needed {
        let Some(found) = found.filter(|_| !control.is_small()) else {
            return Needed { difference: detect, control: None, control_as_seen: None };
        };
        let ratio = treatment.independent / control.independent.max(1.0);
        let (one, other) = (control.rate.estimate, treatment.rate.estimate);
        let closed = |alone: u64| (alone as f64 * found.design_effect()).ceil() as u64;
        Needed {
            difference: detect,
            control: needed(one, one, ratio, detect).map(closed),
            control_as_seen: needed(one, other, ratio, found.estimate).map(closed),
        }
    }
}

impl Drawn {
    fn of(drawings: &[Drawing], found: Option<&Difference>) -> Drawn {
        let mut arms: BTreeMap<(u64, u64), [bool; 2]> = BTreeMap::new();
        for it in drawings.iter().filter(|it| it.company != 0) {
            let of_company = arms.entry((it.company, it.trial.stratum)).or_default();
            of_company[usize::from(it.is_control())] = true;
        }
        let units: BTreeSet<&str> = drawings.iter().map(|it| unit_name(it.unit)).collect();
        let by = match (units.first(), units.len()) {
            (Some(one), 1) => one,
            _ if units.is_empty() || units.contains(UNKNOWN) => UNKNOWN,
            _ => "both",
        };
        let companies: BTreeSet<u64> = arms.keys().map(|(company, _)| *company).collect();
        Drawn {
            by,
            companies: companies.len(),
            in_both: arms.values().filter(|arms| **arms == [true, true]).count(),
            strata: found.map_or(0, |found| found.strata),
            left_out: found.map_or(0, |found| found.left_out),
        }
    }
}

const UNKNOWN: &str = "unknown";

pub(super) fn unit_name(unit: Option<ControlUnit>) -> &'static str {
    match unit {
        Some(ControlUnit::Lead) => "lead",
        Some(ControlUnit::Account) => "account",
        None => UNKNOWN,
    }
}
