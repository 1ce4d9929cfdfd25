//! What a reader must know before believing the comparison of the arms.

use std::collections::{BTreeMap, BTreeSet};

use super::cohort::Cohort;
use super::lift::{Drawing, LiftReport};
use super::stats::binomial_test;
use super::warnings::{Warning, percent};

/// Fewer won or lost leads of an arm than this carry nothing.
pub(super) const FEW: usize = 5;
/// Fewer companies of equal size than this leave the interval to a guess.
const CLUSTERS_MIN: f64 = 20.0;
/// So much may be missing without a word.
const MISSING_MAX: f64 = 0.02;
/// With more won leads without an amount than this the amounts do not judge.
pub(super) const AMOUNTS_MISSING_MAX: f64 = 0.1;
/// Shares of the arms that come by chance once in so many recordings are told.
const ARM_LEVEL: f64 = 0.001;

/// What the recording lacks.
pub(super) struct Recorded {
    /// Decisions of the comparison of which the weights are not known.
    pub weights_unknown: usize,
    pub unlinked: usize,
    pub deals: usize,
    /// Leads of the recording with a deal and without a decision; and with a deal at all.
    pub undecided: usize,
    pub with_deals: usize,
}

/// Whether so many of all are more than may be missing.
pub(super) fn is_many(some: usize, all: usize) -> bool {
    some as f64 > MISSING_MAX * all as f64
}

pub(super) fn warnings(
    report: &LiftReport,
    drawings: &[Drawing],
    cohort: &Cohort,
    recorded: &Recorded,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text: String| warnings.push(Warning { kind, text });
    if is_many(recorded.undecided, recorded.with_deals) {
        let text = format!(
            "{} of {} leads with deals have no decision in the recording: lead-assigned records are missing, or \
             they were decided before it begins.",
            recorded.undecided, recorded.with_deals
        );
        warn("decisions_missing", text);
    }
    if is_many(recorded.unlinked, recorded.deals) {
        let text = format!("{} deals name no lead; they count for no arm.", recorded.unlinked);
        warn("unlinked_deals", text);
    }
    for text in shares(drawings) {
        warn("arm_shares", text);
    }
    if report.difference.is_none() {
        warn(
            "nothing_to_compare",
            "An arm has no closed lead yet. Arms are recorded where the policy chooses by win rate and \
             holds out a control share; pass the lead-assigned records with the deals."
                .to_owned(),
        );
        return warnings;
    }
    if report.control.is_small() {
        warn(
            "small_control",
            format!(
                "The control arm has {} closed leads, {} of them won: too few to rest on.",
                report.control.closed, report.control.won
            ),
        );
    }
    let drawn = &report.drawn;
    if drawn.by != "lead" && report.clusters < CLUSTERS_MIN {
        let text = format!(
            "The leads of an arm are of few companies: they say as much as {:.0} companies of equal size. The \
             interval is rough.",
            report.clusters
        );
        warn("few_companies", text);
    }
    if drawn.by == "account" && drawn.in_both > 0 {
        warn(
            "split_companies",
            format!(
                "{} of {} companies have leads in both arms: the salt was changed, or they were known by another \
                 domain before their account was. They blur the difference.",
                drawn.in_both, drawn.companies
            ),
        );
    }
    let nameless = drawings.iter().filter(|it| it.is_nameless()).count();
    if is_many(nameless, drawings.len()) {
        let text = format!(
            "Of {nameless} leads the lead-created record is missing, so their company is not known: they count \
             as drawn by themselves, and the interval may be too narrow."
        );
        warn("companies_unknown", text);
    }
    if is_many(drawn.left_out, report.treatment.closed + report.control.closed) {
        let text = format!(
            "{} closed leads are left out: of their routing domain under that control share one arm has none.",
            drawn.left_out
        );
        warn("strata_left_out", text);
    }
    if is_many(recorded.weights_unknown, drawings.len()) {
        let text = format!(
            "Of {} decisions the rep and territory records that they were made by do not stand before them in the \
             recording: the doubly robust estimate, which needs the weights, is left out.",
            recorded.weights_unknown
        );
        warn("weights_unknown", text);
    }
    if let Some(amount) = &report.amount {
        let [treated, control] = amount.without;
        let won = [report.treatment.won, report.control.won];
        if is_many(treated + control, won[0] + won[1]) {
            let text = format!(
                "{treated} of {} won leads of the treatment and {control} of {} of the control arm state no amount, or \
                 one in another currency than {}: they are left out of the amounts, lost leads are not, so the \
                 amounts are too low, and their difference is wrong where the arms differ in this.{}",
                won[0],
                won[1],
                amount.currency,
                if amount.judges { "" } else { " They do not judge." }
            );
            warn("amounts_missing", text);
        }
    }
    if cohort.is_short() {
        warn(
            "short_record",
            format!(
                "The record is short for how long deals take: within the {:.0} days that each lead was \
                 followed, {} of them close. The rates of the arms are of those that close first, most of them \
                 lost; the difference is less affected.",
                report.horizon_days,
                percent(report.covered)
            ),
        );
    }
    warnings
}

/// Where another share of what was drawn is in the control arm than the policy says (the sample ratio
/// mismatch of Fabijan et al. 2019).
fn shares(drawings: &[Drawing]) -> Vec<String> {
    let mut strata: BTreeMap<u64, (f64, BTreeMap<u64, bool>)> = BTreeMap::new();
    for it in drawings.iter().filter(|it| !it.is_nameless()) {
        let Some(share) = it.share else { continue };
        let (_, units) = strata.entry(it.trial.stratum).or_insert_with(|| (share, BTreeMap::new()));
        units.entry(it.trial.cluster).or_insert_with(|| it.is_control());
    }
    let named: BTreeSet<&str> = drawings.iter().map(|it| super::lift::unit_name(it.unit)).collect();
    let what = if named.contains("account") { "companies or leads" } else { "leads" };
    let level = ARM_LEVEL / strata.len().max(1) as f64;
    let off = |(share, units): (f64, BTreeMap<u64, bool>)| {
        let control = units.values().filter(|control| **control).count();
        let by_chance = binomial_test(control as u64, units.len() as u64, share);
        (by_chance < level).then(|| {
            format!(
                "{control} of {} {what} of a routing domain are in the control arm, {}; the policy says {}. Decisions \
                 of one arm are missing in the recording, or the arms were not drawn by this policy: the \
                 difference is not to be believed.",
                units.len(),
                percent(control as f64 / units.len() as f64),
                percent(share)
            )
        })
    };
    strata.into_values().filter_map(off).collect()
}
