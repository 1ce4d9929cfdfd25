//! What a backtest found: numbers only, for the terminal, JSON and the page.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;

use serde::Serialize;

use super::agreement::Agreement;
use super::cohort::{Cohort, Course};
use super::compared::Compared;
use super::estimate::{Estimates, Trial, estimate};
use super::history;
use super::ledger::{Ledger, Place, Row, Side};
use super::replay::{Steps, Tried};
use super::stats::{Interval, wilson};
use super::warnings::{self, Warning};
use crate::domain::policy::Objective;
use crate::domain::published::Arm;
use crate::domain::win_rate::{Estimate, Standing};

/// Pairs of from and to that are listed.
const PAIRS: usize = 50;
/// Groups of the calibration.
const GROUPS: usize = 10;

#[derive(Debug, Serialize)]
pub struct Report {
    /// Line numbers of what was read.
    pub read: Read,
    /// Whether the recorded policy decides again what was recorded; None = nothing is recorded.
    pub agreement: Option<Agreement>,
    /// Which leads the estimates rest on.
    pub basis: Basis,
    /// Of the leads whose deals close, the share that is won; None = nothing to go by.
    pub wins: Option<Estimates>,
    /// Won amount of a lead whose deal closes, in whole units of the currency.
    pub amount: Option<Estimates>,
    pub currency: String,
    /// What the new policy makes the most of, and so is judged by: `win_probability` or `expected_amount`.
    pub objective: &'static str,
    pub verdict: Verdict,
    /// The new policy's control arm. It is off in the replay, so what moves and the load are without it; the
    /// estimates are with it.
    pub control_share: f64,
    /// The recorded control arm, plain rotation: the standard that all else is measured by.
    pub control: Option<Interval>,
    pub moved: Moved,
    pub load: Vec<Load>,
    pub sla: Sla,
    pub calibration: Calibration,
    /// Wins per closed lead by the first dimension of the segment.
    pub segments: Vec<SegmentRate>,
    /// Who wins what, as the model knew it at the end.
    pub reps: Vec<RepRate>,
    /// The names of reps, by id, where the record has them.
    pub rep_names: BTreeMap<String, String>,
    pub warnings: Vec<Warning>,
}

impl Report {
    /// A rep as people know them: the name, with the id that tells namesakes apart.
    pub fn who(&self, id: &str) -> String {
        match self.rep_names.get(id).filter(|name| *name != id) {
            Some(name) => format!("{name} ({id})"),
            None => id.to_owned(),
        }
    }
}

/// What the lift allows one to say of the new policy, by what it makes the most of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to go by.
    #[default]
    None,
    More,
    Less,
    /// The interval contains zero.
    Open,
    /// The two estimates exclude each other, or are no shares: the chances do not fit what happened.
    Contradictory,
}

impl Verdict {
    fn of(judged: Option<&Estimates>, wins: Option<&Estimates>) -> Verdict {
        let Some(judged) = judged else { return Verdict::None };
        let (lift, other) = (&judged.lift, &judged.lift_self_normalised);
        let share = |it: &Interval| (0.0..=1.0).contains(&it.estimate);
        let shares = wins.is_none_or(|it| share(&it.doubly_robust) && share(&it.self_normalised));
        if !shares || lift.low > other.high || other.low > lift.high {
            Verdict::Contradictory
        } else if lift.low > 0.0 {
            Verdict::More
        } else if lift.high < 0.0 {
            Verdict::Less
        } else {
            Verdict::Open
        }
    }
}

/// A rep in one part of the segment.
#[derive(Debug, Serialize)]
pub struct RepRate {
    pub segment: String,
    pub rep_id: String,
    pub deals: u64,
    pub won: u64,
    /// The plain rate, with its 95 % interval.
    pub rate: Interval,
    /// What the model makes of it, with its 90 % interval, and what it is drawn towards.
    pub estimate: Interval,
    pub team: f64,
    /// What follows for the choice.
    pub router: &'static str,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Read {
    pub lines: u64,
    pub leads: usize,
    pub deals: usize,
    pub decisions: usize,
    /// Lines that could not be used.
    pub unusable: u64,
    /// Why the first of them could not be.
    pub faults: Vec<String>,
    /// What was understood only in part, and how.
    pub notes: Vec<String>,
    /// Outcomes that are stated and could not be used.
    pub outcomes_left_out: Outcomes,
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Outcomes {
    pub won: u64,
    pub lost: u64,
}

#[derive(Debug, Serialize)]
pub struct Basis {
    /// `recorded`: chances as the decisions state them; `estimated`: history without any.
    pub propensities: &'static str,
    /// Leads decided by then count, so that their deals had time to close.
    pub decided_until: String,
    pub horizon_days: f64,
    /// Share of deals that close within the horizon.
    pub covered: f64,
    /// Leads with both decisions; of these, had time to close; of these, still open.
    pub compared: usize,
    pub mature: usize,
    pub open: usize,
    /// Leads that one of the policies gives to no rep, or of which no decision is recorded.
    pub not_compared: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Moved {
    pub leads: usize,
    pub moved: usize,
    pub by_reason: Vec<Reasons>,
    pub pairs: Vec<Pair>,
    /// Pairs that are not listed.
    pub more_pairs: usize,
}

#[derive(Debug, Serialize)]
pub struct Reasons {
    /// `territory`, `stage`, `queue` or `choice`: the first thing that differs.
    pub why: &'static str,
    pub recorded: &'static str,
    pub tried: &'static str,
    pub leads: usize,
}

#[derive(Debug, Serialize)]
pub struct Pair {
    pub from: String,
    pub to: String,
    pub leads: usize,
}

#[derive(Debug, Serialize)]
pub struct Load {
    pub rep_id: String,
    pub recorded: usize,
    pub tried: usize,
}

#[derive(Debug, Serialize)]
pub struct Sla {
    /// Steps in the recording, in its replay, and under the new policy.
    pub recorded: Steps,
    pub replayed: Steps,
    pub tried: Steps,
}

#[derive(Debug, Default, Serialize)]
pub struct Calibration {
    pub groups: Vec<Group>,
    /// The mean distance between what was predicted and what happened, weighted by leads.
    pub error: f64,
    pub leads: usize,
}

#[derive(Debug, Serialize)]
pub struct Group {
    pub predicted: f64,
    pub happened: Interval,
    pub leads: usize,
}

#[derive(Debug, Serialize)]
pub struct SegmentRate {
    pub segment: String,
    pub leads: usize,
    pub recorded: Interval,
    /// None = too little to go by.
    pub tried: Option<Interval>,
}

/// Puts the two replays together. `replayed`: the steps of the SLA that fired when the recorded policy was.
pub fn report(
    agreement: Option<Agreement>,
    replayed: Steps,
    tried: &Tried,
    ledger: &mut Ledger,
    mut read: Read,
) -> Report {
    let mut gamma = 1.0;
    if tried.is_history {
        history::estimate_decisions(ledger);
        gamma = history::GAMMA;
    }
    let ledger = &*ledger;
    let end = tried.last_at.unwrap_or_default();
    let base = base_rate(ledger);
    let compared = Compared::all(ledger, base);
    let trials = &*compared.trials;
    let courses: Vec<Course> = trials.iter().map(|trial| trial.course).collect();
    let cohort = Cohort::of(&courses, end);
    let (wins, segments, (amount, currency)) = thread::scope(|scope| {
        let amount = scope.spawn(|| amounts(ledger, &compared, &cohort, gamma));
        let wins = estimate(trials, &cohort, gamma).map(shares);
        let segments = segments(ledger, &compared, &cohort, gamma);
        (wins, segments, amount.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let mature: Vec<&Course> = courses.iter().filter(|course| cohort.has(course)).collect();
    let open = mature.iter().filter(|course| cohort.weight(course) == 0.0).count();
    let basis = Basis {
        propensities: if tried.is_history { "estimated" } else { "recorded" },
        decided_until: cohort.until.to_string(),
        horizon_days: cohort.horizon.days(),
        covered: cohort.covered,
        compared: trials.len(),
        mature: mature.len(),
        open,
        not_compared: ledger.rows.len() - trials.len(),
    };
    read.leads = ledger.rows.len();
    read.deals = tried.deals;
    read.decisions = agreement.as_ref().map_or(0, |agreement| agreement.recorded);
    read.from = tried.first_at.map(|at| at.to_string());
    read.to = tried.last_at.map(|at| at.to_string());
    let sla = Sla { recorded: tried.recorded_steps, replayed, tried: tried.steps };
    let by_amount = tried.policy.choice.objective == Objective::ExpectedAmount;
    let judged = if by_amount { amount.as_ref() } else { wins.as_ref() };
    let verdict = Verdict::of(judged, wins.as_ref());
    let mut report = Report {
        read,
        agreement: agreement.filter(|agreement| agreement.recorded > 0),
        basis,
        wins,
        amount,
        currency,
        objective: if by_amount { "expected_amount" } else { "win_probability" },
        verdict,
        control_share: tried.control_share(),
        control: control(trials, &cohort),
        moved: moved(ledger),
        load: load(ledger),
        sla,
        calibration: calibration(&compared, &cohort),
        segments,
        reps: reps(tried),
        rep_names: tried.filter.shard().state().rep_names(),
        warnings: Vec::new(),
    };
    report.warnings = warnings::of(&report, &cohort, tried, ledger);
    report
}

fn reps(tried: &Tried) -> Vec<RepRate> {
    let state = tried.filter.shard().state();
    let all = state.domains().flat_map(|domain| state.standings(&domain.id));
    let rate = |it: Standing| {
        let Estimate { mean, low, high, .. } = it.estimate;
        RepRate {
            rate: wilson(it.rate(), it.deals as f64),
            estimate: Interval { estimate: mean, low, high },
            team: it.team.mean,
            router: it.router(),
            deals: it.deals,
            won: it.won,
            rep_id: it.rep_id.as_str().to_owned(),
            segment: it.level,
        }
    };
    all.map(rate).collect()
}

/// Wins of all leads whose deals have closed: for the few of which no model has an opinion.
fn base_rate(ledger: &Ledger) -> f64 {
    let closed = ledger.rows.iter().map(Row::ending).filter(|it| it.closed_at.is_some());
    let (won, all) =
        closed.fold((2.0, 10.0), |(won, all), it| (won + f64::from(u8::from(it.won)), all + 1.0));
    won / all
}

/// A share is between 0 and 1, a difference of shares between −1 and 1.
fn shares(estimates: Estimates) -> Estimates {
    let share = |interval: Interval| interval.within(0.0, 1.0);
    Estimates {
        recorded: share(estimates.recorded),
        doubly_robust: share(estimates.doubly_robust),
        self_normalised: share(estimates.self_normalised),
        lift: estimates.lift.within(-1.0, 1.0),
        lift_self_normalised: estimates.lift_self_normalised.within(-1.0, 1.0),
        ..estimates
    }
}

/// The same of amounts, in the currency of most won deals; leads of won deals in another currency or
/// without an amount are left out.
fn amounts(
    ledger: &Ledger,
    compared: &Compared<'_>,
    cohort: &Cohort,
    gamma: f64,
) -> (Option<Estimates>, String) {
    let Some(currency) = Ledger::main_currency(ledger.rows.iter()) else {
        return (None, String::new());
    };
    let stated = |row: &Row| row.ending().amount.map(|amount| (row.ending().currency, amount));
    let won: Vec<(u64, i64)> = ledger.rows.iter().filter_map(stated).collect();
    let own = won.iter().filter(|(of, _)| *of == currency);
    let units: Vec<f64> = own.map(|(_, amount)| *amount as f64 / 100.0).collect();
    let mean = units.iter().sum::<f64>() / units.len().max(1) as f64;
    let trial = |(row, trial): (&Row, &Trial)| {
        let reward = row.ending().amount_in(currency)?;
        let (modelled, expected) = (trial.modelled * mean, trial.expected * mean);
        Some(Trial { reward, modelled, expected, ..*trial })
    };
    let trials: Vec<Trial> = compared.iter().filter_map(trial).collect();
    (
        estimate(&trials, cohort, gamma),
        ledger.currencies.get(&currency).cloned().unwrap_or_default(),
    )
}

fn control(trials: &[Trial], cohort: &Cohort) -> Option<Interval> {
    let own = trials.iter().filter(|trial| trial.arm == Some(Arm::Control));
    let closed = own.filter(|trial| cohort.weight(&trial.course) > 0.0);
    let (n, won) = closed.fold((0.0, 0.0), |(n, won), trial| (n + 1.0, won + trial.reward));
    (n > 0.0).then(|| wilson(won / n, n))
}

fn moved(ledger: &Ledger) -> Moved {
    let mut moved = Moved::default();
    let mut reasons: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut pairs: BTreeMap<(Place, Place), usize> = BTreeMap::new();
    for row in &ledger.rows {
        let (Some(recorded), Some(new)) = (&row.recorded, &row.new) else { continue };
        moved.leads += 1;
        if recorded.place == new.place {
            continue;
        }
        moved.moved += 1;
        let key = (why(recorded, new), recorded.reason.name(), new.reason.name());
        *reasons.entry(key).or_default() += 1;
        *pairs.entry((recorded.place, new.place)).or_default() += 1;
    }
    let reason = |((why, recorded, tried), leads)| Reasons { why, recorded, tried, leads };
    moved.by_reason = reasons.into_iter().map(reason).collect();
    moved.by_reason.sort_by_key(|one| std::cmp::Reverse(one.leads));
    let name = |place| match place {
        Place::Rep(number) | Place::Queue(number) => {
            ledger.names.get(&number).cloned().unwrap_or_default()
        }
        Place::Nobody => "nobody".to_owned(),
    };
    let mut pairs: Vec<((Place, Place), usize)> = pairs.into_iter().collect();
    pairs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| name(a.0.0).cmp(&name(b.0.0))));
    moved.more_pairs = pairs.len().saturating_sub(PAIRS);
    pairs.truncate(PAIRS);
    let pair = |((from, to), leads)| Pair { from: name(from), to: name(to), leads };
    moved.pairs = pairs.into_iter().map(pair).collect();
    moved
}

/// The first thing in which two decisions differ.
fn why(recorded: &Side, new: &Side) -> &'static str {
    if recorded.rep().is_none() || new.rep().is_none() {
        "queue"
    } else if recorded.territory != new.territory {
        "territory"
    } else if recorded.stage != new.stage {
        "stage"
    } else {
        "choice"
    }
}

fn load(ledger: &Ledger) -> Vec<Load> {
    let mut load: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for row in &ledger.rows {
        let (Some(recorded), Some(new)) = (&row.recorded, &row.new) else { continue };
        if let Some(rep) = recorded.rep() {
            load.entry(rep).or_default().0 += 1;
        }
        if let Some(rep) = new.rep() {
            load.entry(rep).or_default().1 += 1;
        }
    }
    let name = |rep| ledger.names.get(&rep).cloned().unwrap_or_default();
    let one = |(rep, (recorded, tried))| Load { rep_id: name(rep), recorded, tried };
    let mut load: Vec<Load> = load.into_iter().map(one).collect();
    load.sort_by(|a, b| b.tried.cmp(&a.tried).then_with(|| a.rep_id.cmp(&b.rep_id)));
    load
}

/// What the model said of the rep who had the lead, before its deal closed, against what happened.
fn calibration(compared: &Compared<'_>, cohort: &Cohort) -> Calibration {
    let seen = |(row, trial): (&Row, &Trial)| {
        let predicted = row.joined?.modelled?;
        let weight = cohort.weight(&trial.course);
        (weight > 0.0).then_some((predicted, trial.reward, weight))
    };
    let mut seen: Vec<(f64, f64, f64)> = compared.iter().filter_map(seen).collect();
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = seen.len().div_ceil(GROUPS).max(1);
    let group = |group: &[(f64, f64, f64)]| {
        let weight: f64 = group.iter().map(|one| one.2).sum();
        let mean = |of: fn(&(f64, f64, f64)) -> f64| {
            group.iter().map(|one| of(one) * one.2).sum::<f64>() / weight
        };
        let happened = wilson(mean(|one| one.1), group.len() as f64);
        Group { predicted: mean(|one| one.0), happened, leads: group.len() }
    };
    let groups: Vec<Group> = seen.chunks(size).map(group).collect();
    let apart = |one: &Group| (one.predicted - one.happened.estimate).abs() * one.leads as f64;
    let error = groups.iter().map(apart).sum::<f64>() / seen.len().max(1) as f64;
    Calibration { groups, error, leads: seen.len() }
}

fn segments(
    ledger: &Ledger,
    compared: &Compared<'_>,
    cohort: &Cohort,
    gamma: f64,
) -> Vec<SegmentRate> {
    let mut by_level: BTreeMap<u64, Vec<Trial>> = BTreeMap::new();
    for (row, trial) in compared.iter() {
        by_level.entry(row.level).or_default().push(*trial);
    }
    let rate = |(level, trials): (u64, Vec<Trial>)| {
        let closed = trials.iter().filter(|trial| cohort.weight(&trial.course) > 0.0);
        let (n, won) = closed.fold((0, 0.0), |(n, won), trial| (n + 1, won + trial.reward));
        let tried = estimate(&trials, cohort, gamma).map(shares);
        (n > 0).then(|| SegmentRate {
            segment: ledger.names.get(&level).cloned().unwrap_or_default(),
            leads: n,
            recorded: wilson(won / n as f64, n as f64),
            tried: tried.filter(|it| it.effective >= 5.0).map(|it| it.doubly_robust),
        })
    };
    let mut rates: Vec<SegmentRate> = by_level.into_iter().filter_map(rate).collect();
    rates.sort_by(|a, b| b.leads.cmp(&a.leads).then_with(|| a.segment.cmp(&b.segment)));
    rates
}
