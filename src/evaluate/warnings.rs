//! What a reader must know before believing the numbers.

use serde::Serialize;

use super::cohort::Cohort;
use super::ledger::Ledger;
use super::replay::Tried;
use super::report::{Report, Verdict};

/// Fewer effective leads than this carry no estimate.
const EFFECTIVE_MIN: f64 = 50.0;
const HEAVIEST_MAX: f64 = 0.1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// One of a closed list, for machines.
    pub kind: &'static str,
    pub text: String,
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

pub fn of(report: &Report, cohort: &Cohort, tried: &Tried, ledger: &Ledger) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, text: String| warnings.push(Warning { kind, text });
    if let Some(agreement) = &report.agreement
        && !agreement.is_whole()
    {
        let mut text = format!(
            "The recorded policy does not decide again what was recorded: {} of {} decisions are the \
             same, {} are missing, {} are new.",
            agreement.same_choice, agreement.recorded, agreement.missing, agreement.added
        );
        if agreement.by_file && !agreement.has_file {
            text.push_str(
                " The recording was made with a policy file: give it as --recorded-policy.",
            );
        } else {
            text.push_str(
                " The recording is not whole (lines are missing), or not in the order in which it was \
                 read, or made with another policy than the one given.",
            );
        }
        warn("not_reproduced", text);
    }
    if tried.is_history {
        warn(
            "confounded",
            "No decisions are recorded, so with what chance a rep had a lead is estimated from shares \
             by segment. Why a lead went to a rep is not in the data: where the best reps were given the \
             hardest leads, they look worse than they are. The intervals allow for chances that are \
             wrong by a factor of 1.25; they cannot allow for more. Hold out a control arm."
                .to_owned(),
        );
    }
    let left_out = report.read.outcomes_left_out;
    if left_out.won + left_out.lost > 0 {
        let text = format!(
            "{} won and {} lost deals could not be used (see what could not be read): all rates are of \
             the others.",
            left_out.won, left_out.lost
        );
        warn("outcomes_left_out", text);
    }
    let Some(wins) = &report.wins else {
        warn(
            "nothing_to_go_by",
            "Too few leads have a decision, a rep under both policies and a closed deal: there is no \
             estimate."
                .to_owned(),
        );
        return warnings;
    };
    if report.verdict == Verdict::Contradictory {
        warn(
            "contradictory",
            "The two estimates exclude each other, or are no shares: what happened does not fit the \
             chances that are recorded (a rotation that is no draw, deals closed by others than had the \
             leads, stages that are read wrong). Neither is to be believed."
                .to_owned(),
        );
    }
    if wins.effective < EFFECTIVE_MIN {
        let text = format!(
            "The new policy seldom decides as the recorded one did: {} closed leads say as much as {:.0} \
             of equal weight. The interval is too rough to act on.",
            wins.closed, wins.effective
        );
        warn("little_overlap", text);
    }
    if wins.heaviest > HEAVIEST_MAX {
        let text = format!("One lead carries {} of the weight.", percent(wins.heaviest));
        warn("one_lead_weighs", text);
    }
    if wins.comparable < 0.95 {
        let text = format!(
            "The estimates speak for {} of the leads that had time to close; the others would go to reps \
             who could not have had them, or are of an arm that was left out.",
            percent(wins.comparable)
        );
        warn("part_of_the_leads", text);
    }
    if wins.arms_left_out > 0 {
        let text = format!(
            "{} leads of the arm that was chosen by win rate are left out: too many of the others in it \
             would go to reps whom the recorded policy ruled out. The control arm alone is used.",
            wins.arms_left_out
        );
        warn("arm_left_out", text);
    }
    if cohort.is_short() {
        let text = format!(
            "The record is short for how long deals take: within the {:.0} days that each lead was \
             followed, {} of them close.",
            report.basis.horizon_days,
            percent(report.basis.covered)
        );
        warn("short_record", text);
    }
    let unlinked = ledger.unlinked();
    if unlinked > 0 {
        let text =
            format!("{unlinked} deals name no lead; they teach the model and count for no lead.");
        warn("unlinked_deals", text);
    }
    warnings
}
