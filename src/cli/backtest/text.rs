//! The terminal's tables.

use std::fmt::{self, Write};

use crate::evaluate::lift::{AmountLift, ArmShown, Drawn, LiftReport};
use crate::evaluate::report::{Read, Report, Verdict};
use crate::evaluate::stats::Interval;
use crate::evaluate::warnings::Warning;

/// Rows of a table that a terminal shows.
const ROWS: usize = 12;

pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A rate with its interval.
pub fn rate(it: &Interval) -> String {
    format!("{} ({} to {})", percent(it.estimate), percent(it.low), percent(it.high))
}

/// A difference of rates with its interval, in points.
pub fn points(it: &Interval) -> String {
    format!("{} points ({} to {})", signed(it.estimate), signed(it.low), signed(it.high))
}

/// A difference of rates in points; what rounds to nothing has no sign.
pub fn signed(value: f64) -> String {
    let text = format!("{:+.1}", value * 100.0);
    if text.ends_with("0.0") && text.len() == 4 { "0.0".to_owned() } else { text }
}

/// An amount with its interval.
pub fn money(it: &Interval) -> String {
    format!("{} ({} to {})", grouped(it.estimate), grouped(it.low), grouped(it.high))
}

/// A whole number with its thousands parted.
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

/// One sentence: what the lift allows one to say.
pub fn verdict(report: &Report) -> &'static str {
    let by_amount = report.objective == "expected_amount";
    match report.verdict {
        Verdict::None => "There is no estimate.",
        Verdict::More if by_amount => "The new policy brings in more.",
        Verdict::Less if by_amount => "The new policy brings in less.",
        Verdict::More => "The new policy wins more.",
        Verdict::Less => "The new policy wins less.",
        Verdict::Open => "No difference is shown: the interval contains zero.",
        Verdict::Contradictory => "No verdict: the estimates contradict each other.",
    }
}

/// What the recorded side is called: where no decisions are recorded, nobody knows by what policy.
pub fn recorded_name(report: &Report) -> &'static str {
    if report.agreement.is_some() { "recorded policy" } else { "as it was" }
}

pub fn backtest(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_backtest(report, &mut out);
    out
}

fn unusable(read: &Read, out: &mut String) -> fmt::Result {
    if read.unusable == 0 {
        return Ok(());
    }
    let lines = if read.unusable == 1 { "line" } else { "lines" };
    writeln!(out, "{} {lines} of {} could not be used:", read.unusable, read.lines)?;
    read.faults.iter().try_for_each(|fault| writeln!(out, "  {fault}"))
}

fn write_backtest(report: &Report, out: &mut String) -> fmt::Result {
    let read = &report.read;
    writeln!(
        out,
        "{} leads, {} deals, {} recorded decisions; {} to {}",
        read.leads,
        read.deals,
        read.decisions,
        read.from.as_deref().unwrap_or("–"),
        read.to.as_deref().unwrap_or("–")
    )?;
    unusable(read, out)?;
    read.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))?;
    match &report.agreement {
        Some(it) => {
            writeln!(
                out,
                "replay of the recorded policy: {} of {} decisions the same, {} in every field; {} \
                 missing, {} added",
                it.same_choice, it.recorded, it.same_in_full, it.missing, it.added
            )?;
            it.differences.iter().try_for_each(|text| writeln!(out, "  {text}"))?;
        }
        None => writeln!(out, "no decisions are recorded; chances are estimated")?,
    }
    let basis = &report.basis;
    writeln!(
        out,
        "basis: {} leads decided until {}, {:.0} days before the end ({} of deals close by then); {} \
         still open\n",
        basis.mature,
        basis.decided_until.get(..10).unwrap_or_default(),
        basis.horizon_days,
        percent(basis.covered),
        basis.open
    )?;
    if let Some(wins) = &report.wins {
        writeln!(out, "won of the leads whose deals close, with its 95 % interval")?;
        writeln!(out, "  {:<34} {}", recorded_name(report), rate(&wins.recorded))?;
        if let Some(control) = &report.control {
            writeln!(out, "  {:<34} {}", "its control arm (rotation)", rate(control))?;
        }
        writeln!(out, "  {:<34} {}", "new policy, doubly robust", rate(&wins.doubly_robust))?;
        let weighted = rate(&wins.self_normalised);
        writeln!(out, "  {:<34} {weighted}", "new policy, self-normalised IPS")?;
        writeln!(out, "  {:<34} {}", "lift, doubly robust", points(&wins.lift))?;
        writeln!(
            out,
            "  {:<34} {}",
            "lift, self-normalised IPS",
            points(&wins.lift_self_normalised)
        )?;
        writeln!(
            out,
            "  {:<34} {} closed leads say as much as {:.0} of equal weight",
            "effective sample size", wins.closed, wins.effective
        )?;
    }
    if let Some(amount) = &report.amount {
        let unit = format!("won amount of such a lead {}", report.currency);
        writeln!(out, "\n{}", unit.trim_end())?;
        writeln!(out, "  {:<34} {}", recorded_name(report), money(&amount.recorded))?;
        writeln!(out, "  {:<34} {}", "new policy, doubly robust", money(&amount.doubly_robust))?;
        writeln!(out, "  {:<34} {}", "lift, doubly robust", money(&amount.lift))?;
    }
    writeln!(out, "\n{}", verdict(report))?;
    rest(report, out)?;
    warnings(&report.warnings, out)
}

fn rest(report: &Report, out: &mut String) -> fmt::Result {
    let moved = &report.moved;
    let share = moved.moved as f64 / moved.leads.max(1) as f64;
    writeln!(out, "\nmoved: {} of {} leads ({})", moved.moved, moved.leads, percent(share))?;
    if report.control_share > 0.0 {
        let held_out = percent(report.control_share);
        writeln!(
            out,
            "  what moves and the load are without the control arm, where {held_out} stay"
        )?;
    }
    for it in moved.by_reason.iter().take(ROWS) {
        writeln!(out, "  {:>8}  {:<10} {} → {}", it.leads, it.why, it.recorded, it.tried)?;
    }
    for it in moved.pairs.iter().take(5) {
        writeln!(out, "  {:>8}  {} → {}", it.leads, report.who(&it.from), report.who(&it.to))?;
    }
    let who: Vec<String> = report.load.iter().take(ROWS).map(|it| report.who(&it.rep_id)).collect();
    let wide = who.iter().map(|who| who.chars().count()).max().unwrap_or(0).max(22);
    let first = wide + 2;
    writeln!(out, "\n{:<first$} {:>10} {:>10} {:>8}", "load by rep", "recorded", "new", "change")?;
    for (it, who) in report.load.iter().zip(&who) {
        let change = it.tried as i64 - it.recorded as i64;
        writeln!(out, "  {who:<wide$} {:>10} {:>10} {change:>+8}", it.recorded, it.tried)?;
    }
    if report.load.len() > ROWS {
        writeln!(out, "  … and {} more (-o json and --html have all)", report.load.len() - ROWS)?;
    }
    let sla = &report.sla;
    writeln!(out, "\n{:<24} {:>10} {:>10} {:>10}", "SLA steps", "recorded", "replayed", "new")?;
    let steps = [
        ("remind", sla.recorded.remind, sla.replayed.remind, sla.tried.remind),
        ("escalate", sla.recorded.escalate, sla.replayed.escalate, sla.tried.escalate),
        ("reassign", sla.recorded.reassign, sla.replayed.reassign, sla.tried.reassign),
    ];
    for (name, recorded, replayed, tried) in steps {
        writeln!(out, "  {name:<22} {recorded:>10} {replayed:>10} {tried:>10}")?;
    }
    let calibration = &report.calibration;
    if calibration.leads > 0 {
        writeln!(
            out,
            "\ncalibration error {:.3} over {} closed leads (what the model said before the deal closed)",
            calibration.error, calibration.leads
        )?;
    }
    Ok(())
}

fn warnings(warnings: &[Warning], out: &mut String) -> fmt::Result {
    for warning in warnings {
        writeln!(out, "\nwarning ({}): {}", warning.kind, warning.text)?;
    }
    Ok(())
}

pub fn lift(report: &LiftReport) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_lift(report, &mut out);
    out
}

/// For what the arms were drawn, and what that does to the intervals.
fn drawn(drawn: &Drawn) -> String {
    let Drawn { by, companies, in_both, strata, .. } = drawn;
    let arms = match *by {
        "account" => {
            format!(
                "arms drawn by account: {companies} companies, {in_both} of them in both arms; leads of one \
                 company count as going together"
            )
        }
        "lead" => {
            format!("arms drawn by lead, of {companies} companies; each lead counts by itself")
        }
        "both" => format!(
            "arms drawn by lead, then by account or the other way, of {companies} companies; leads count as they \
             were drawn"
        ),
        _ => format!(
            "{companies} companies; for what arms were drawn: see --recorded-policy; leads of one company \
             count as going together"
        ),
    };
    match strata {
        0 | 1 => arms,
        _ => format!(
            "{arms}\n{strata} strata (routing domain and control share), each compared by itself; the rates are \
             their means as the difference has them"
        ),
    }
}

/// One sentence: what the experiment allows one to say.
fn lift_verdict(report: &LiftReport) -> Option<&'static str> {
    let by_amount = report.objective == "expected_amount";
    let judged = match &report.amount {
        Some(amount) if by_amount => Some(amount.difference).filter(|_| amount.judges),
        _ => report.difference.filter(|_| !by_amount),
    };
    let judged = judged?;
    Some(match (judged.low > 0.0, judged.high < 0.0) {
        (true, _) if by_amount => "The leads chosen for bring in more.",
        (_, true) if by_amount => "The leads chosen for bring in less.",
        (true, _) => "Choosing by win rate wins more.",
        (_, true) => "Choosing by win rate wins less.",
        _ => "No difference is shown: the interval contains zero.",
    })
}

fn write_lift(report: &LiftReport, out: &mut String) -> fmt::Result {
    let read = &report.read;
    unusable(read, out)?;
    if let Some(verdict) = lift_verdict(report) {
        writeln!(out, "{verdict}\n")?;
    }
    let day = |time: &str| time.get(..10).unwrap_or_default().to_owned();
    let date = |time: &Option<String>| time.as_deref().map(day).unwrap_or_default();
    let (from, to) = (date(&read.from), date(&read.to));
    write!(out, "{} leads of an experiment, {from} to {to}.", read.leads)?;
    if read.leads > 0 {
        write!(
            out,
            " Those decided until {} count: {:.0} days later {} of the deals that close have closed.",
            day(&report.decided_until),
            report.horizon_days,
            percent(report.covered)
        )?;
    }
    writeln!(out, "\n")?;
    writeln!(
        out,
        "{:<12} {:>9} {:>11} {:>8} {:>8} {:>8}   won of the closed, with its 95 % interval",
        "arm", "leads", "too recent", "open", "closed", "won"
    )?;
    let mut row = |name: &str, it: &ArmShown| {
        let rate = if it.closed > 0 { rate(&it.rate) } else { "–".to_owned() };
        writeln!(
            out,
            "{name:<12} {:>9} {:>11} {:>8} {:>8} {:>8}   {rate}",
            it.leads, it.too_recent, it.open, it.closed, it.won
        )
    };
    row("treatment", &report.treatment)?;
    row("control", &report.control)?;
    if read.leads > 0 {
        writeln!(out, "\n{}", drawn(&report.drawn))?;
    }
    if let Some(difference) = &report.difference {
        writeln!(out, "\ndifference               {}   (Newcombe 1998)", points(difference))?;
    }
    if let Some(robust) = &report.doubly_robust {
        let leads = match report.arms_left_out {
            0 => "both arms tell of rotation".to_owned(),
            left_out => format!("{left_out} treated leads cannot tell of rotation"),
        };
        writeln!(
            out,
            "doubly robust            {}   ({leads}; effective sample size {:.0})",
            points(robust),
            report.effective
        )?;
    }
    if let Some(it) = &report.amount {
        let AmountLift { currency, treatment, control, difference, without, .. } = it;
        let left_out = without[0] + without[1];
        writeln!(
            out,
            "amount per closed lead   {} {currency}   (treatment {}, control {}; {left_out} won leads left out)",
            money(difference),
            grouped(*treatment),
            grouped(*control)
        )?;
    }
    sample_needed(report, out)?;
    warnings(&report.warnings, out)
}

fn sample_needed(report: &LiftReport, out: &mut String) -> fmt::Result {
    let needed = &report.needed;
    let ArmShown { closed, companies, design_effect, .. } = &report.control;
    let Some(control) = needed.control else {
        return Ok(());
    };
    writeln!(
        out,
        "\nto find a difference of {:.1} points (about 80 % power, 5 % level): {control} closed control leads; there \
         are {closed}, of {companies} companies (design effect {design_effect:.2})",
        needed.difference * 100.0
    )?;
    writeln!(
        out,
        "one look at that sample has this error; looking until it shows has a larger one"
    )?;
    if let Some(control) = needed.control_as_seen {
        writeln!(out, "to find the difference seen, if it is the true one: {control}")?;
    }
    Ok(())
}
