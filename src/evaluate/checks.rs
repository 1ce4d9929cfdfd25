//! What a reader must know before believing the comparison of the arms.

use std::collections::{BTreeMap, BTreeSet};

use super::cohort::Cohort;
use super::lift::{Drawing, LiftReport};
use super::stats::Z_99_9;
use super::warnings::{Warning, percent};
use crate::domain::policy::ControlUnit;

/// Fewer won or lost leads of an arm than this carry nothing.
pub(super) const FEW: usize = 5;
/// Fewer companies of equal size than this leave the interval to a guess.
const CLUSTERS_MIN: f64 = 20.0;
/// A larger share of the leads with deals should have a decision.
const UNDECIDED_MAX: f64 = 0.02;

/// What the recording lacks.
pub(super) struct Recorded {
    pub weights_unknown: usize,
    pub unlinked: usize,
    /// Leads with a deal and without a decision; and with a deal at all.
    pub undecided: usize,
    pub with_deals: usize,
}

pub(super) fn warnings(
    report: &LiftReport,
    drawings: &[Drawing],
    cohort: &Cohort,
    recorded: &Recorded,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text: String| warnings.push(Warning { kind, text });
    if recorded.undecided as f64 > UNDECIDED_MAX * recorded.with_deals as f64 {
        let text = format!(
            "{} of {} leads with deals have no decision in the recording: lead-assigned records are missing, or \
             they were decided before it begins.",
            recorded.undecided, recorded.with_deals
        );
        warn("decisions_missing", text);
    }
    if recorded.unlinked > 0 {
        let text = format!("{} deals name no lead; they count for no arm.", recorded.unlinked);
        warn("unlinked_deals", text);
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
    for text in shares(drawings) {
        warn("arm_shares", text);
    }
    if report.control.won.min(report.control.closed - report.control.won) < FEW {
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
    let nameless =
        drawings.iter().filter(|it| it.company == 0 && it.unit != Some(ControlUnit::Lead));
    let nameless = nameless.count();
    if nameless > 0 {
        let text = format!(
            "Of {nameless} leads the lead-created record is missing, so their company is not known: they count \
             as drawn by themselves, and the interval may be too narrow."
        );
        warn("companies_unknown", text);
    }
    if drawn.left_out > 0 {
        let text = format!(
            "{} closed leads are left out: of their routing domain under that control share one arm has none.",
            drawn.left_out
        );
        warn("strata_left_out", text);
    }
    if recorded.weights_unknown > 0 {
        let text = format!(
            "{} decisions stand in the recording before the rep and territory records that they were made by, or \
             after later ones: the doubly robust estimate, which needs the weights, is left out. Give the \
             records in the order in which they were read.",
            recorded.weights_unknown
        );
        warn("weights_unknown", text);
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
/// mismatch of Fabijan et al. 2019): a normal test at the level of one in a thousand.
fn shares(drawings: &[Drawing]) -> Vec<String> {
    let mut strata: BTreeMap<u64, (f64, BTreeMap<u64, bool>)> = BTreeMap::new();
    for it in drawings {
        let Some(share) = it.share.filter(|share| *share > 0.0 && *share < 1.0) else { continue };
        let (_, units) = strata.entry(it.trial.stratum).or_insert_with(|| (share, BTreeMap::new()));
        units.entry(it.trial.cluster).or_insert_with(|| it.is_control());
    }
    let named: BTreeSet<&str> = drawings.iter().map(|it| super::lift::unit_name(it.unit)).collect();
    let what = if named.contains("account") { "companies or leads" } else { "leads" };
    let off = |(share, units): (f64, BTreeMap<u64, bool>)| {
        let n = units.len() as f64;
        let control = units.values().filter(|control| **control).count() as f64;
        let far = (control - n * share).abs() - 0.5;
        (far > Z_99_9 * (n * share * (1.0 - share)).sqrt()).then(|| {
            format!(
                "{control:.0} of {n:.0} {what} are in the control arm, {}; the policy says {}. Decisions of one \
                 arm are missing in the recording, or the arms were not drawn by this policy: the difference is \
                 not to be believed.",
                percent(control / n),
                percent(share)
            )
        })
    };
    strata.into_values().filter_map(off).collect()
}
