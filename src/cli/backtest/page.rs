//! The report as one HTML page: no script, no outside part, readable on a desk and on a phone, by day and
//! by night. Charts are rows with an interval each, so that their text keeps its size.

use std::fmt::Write;

use super::text::{grouped, money, percent, points, rate, recorded_name, signed, verdict};
use crate::domain::win_rate::level_label;
use crate::evaluate::report::{Report, Verdict};
use crate::evaluate::stats::Interval;

const PAGE: &str = include_str!("page.html");
/// Rows of a long table or chart.
const ROWS: usize = 40;

/// The whole page.
pub fn page(report: &Report, title: &str) -> String {
    let parts: [fn(&Report) -> String; 10] =
        [head, warnings, wins, amount, load, moved, sla, calibration, segments, reps];
    let body: String = parts.iter().map(|part| part(report)).collect();
    PAGE.replace("{{title}}", &text(title)).replace("{{body}}", &(body + &method(report)))
}

/// Text that is no markup.
fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // A placeholder of the page must not come from outside.
            '{' => safe.push_str("&#123;"),
            c => safe.push(c),
        }
    }
    safe
}

fn section(title: &str, note: &str, inside: &str) -> String {
    if inside.is_empty() {
        return String::new();
    }
    let note = if note.is_empty() { String::new() } else { format!("<p class=note>{note}</p>") };
    format!("<section><h2>{title}</h2>{note}{inside}</section>")
}

/// An axis that all rows of a chart share.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// From the least to the most that the rows show, with a margin.
    fn over(intervals: &[&Interval], zero: bool) -> Axis {
        let low = intervals.iter().map(|it| it.low).fold(f64::INFINITY, f64::min);
        let high = intervals.iter().map(|it| it.high).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if zero { (low.min(0.0), high.max(0.0)) } else { (low, high) };
        let margin = ((high - low) * 0.06).max(1e-6);
        Axis { low: low - margin, high: high + margin }
    }

    /// The same of rates, which are from 0 to 1.
    fn of_rates(intervals: &[&Interval]) -> Axis {
        let Axis { low, high } = Axis::over(intervals, false);
        Axis { low: low.max(0.0), high: high.min(1.0).max(low.max(0.0) + 1e-6) }
    }

    fn at(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low) * 100.0).clamp(0.0, 100.0)
    }

    /// The bar of an interval with its estimate.
    fn bar(&self, it: &Interval, class: &str) -> String {
        let (from, to) = (self.at(it.low), self.at(it.high));
        let (width, dot) = ((to - from).max(0.4), self.at(it.estimate));
        format!(
            "<i class=\"bar {class}\" style=\"left:{from:.2}%;width:{width:.2}%\"></i><i class=\"dot \
             {class}\" style=\"left:{dot:.2}%\"></i>"
        )
    }

    fn mark(&self, value: f64, class: &str) -> String {
        format!("<i class=\"mark {class}\" style=\"left:{:.2}%\"></i>", self.at(value))
    }

    /// The ends and the middle in words, under what they measure.
    fn scale(&self, unit: &str, say: impl Fn(f64) -> String) -> String {
        let middle = (self.low + self.high) / 2.0;
        let words = [self.low, middle, self.high].map(|at| format!("<span>{}</span>", say(at)));
        format!(
            "<div class=row><b class=unit>{unit}</b><div class=scale>{}</div><span></span></div>",
            words.concat()
        )
    }
}

fn row(label: &str, track: &str, value: &str) -> String {
    format!(
        // What a bar shows, the row says in words.
        "<div class=row><b>{}</b><div class=track aria-hidden=true>{track}</div><span>{value}</span></div>",
        text(label)
    )
}

fn head(report: &Report) -> String {
    let read = &report.read;
    let day = |at: &Option<String>| at.as_deref().and_then(|at| at.get(..10)).map(str::to_owned);
    let mut out = String::new();
    if let Some(wins) = &report.wins {
        let class = match report.verdict {
            Verdict::More => "good",
            Verdict::Less | Verdict::Contradictory => "bad",
            Verdict::Open | Verdict::None => "open",
        };
        let amount = report.amount.as_ref().filter(|_| report.objective == "expected_amount");
        let (lift, new, was) = match amount {
            Some(it) => {
                let lift = format!("{} {} a closed lead", money(&it.lift), text(&report.currency));
                (lift, money(&it.doubly_robust), money(&it.recorded))
            }
            None => (points(&wins.lift), rate(&wins.doubly_robust), rate(&wins.recorded)),
        };
        let _ = write!(
            out,
            "<div class=\"hero {class}\"><div class=big>Lift {lift}</div><p>{} Of the leads whose deals \
             close, the new policy would have won {new}; it was {was}.</p></div>",
            verdict(report)
        );
    }
    let agreement = match &report.agreement {
        Some(it) if it.is_whole() => {
            format!("{} of {} decisions reproduced", it.same_choice, it.recorded)
        }
        Some(it) => format!("only {} of {} decisions reproduced", it.same_choice, it.recorded),
        None => "no recorded decisions: chances are estimated".to_owned(),
    };
    let basis = &report.basis;
    let facts = [
        ("leads", read.leads.to_string()),
        ("deals", read.deals.to_string()),
        ("from", day(&read.from).unwrap_or_default()),
        ("to", day(&read.to).unwrap_or_default()),
        ("leads that had time to close", basis.mature.to_string()),
        ("replay", agreement),
    ];
    let facts = facts.map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    out + &format!("<dl>{}</dl>", facts.concat())
}

fn warnings(report: &Report) -> String {
    let one = |it: &crate::evaluate::warnings::Warning| {
        format!("<p class=warning><b>{}</b> {}</p>", it.kind.replace('_', " "), text(&it.text))
    };
    report.warnings.iter().map(one).collect()
}

fn wins(report: &Report) -> String {
    let Some(wins) = &report.wins else { return String::new() };
    let mut rows = vec![(recorded_name(report), wins.recorded, "was")];
    rows.extend(report.control.map(|it| ("its control arm", it, "was")));
    rows.push(("new, doubly robust", wins.doubly_robust, "new"));
    rows.push(("new, self-normalised IPS", wins.self_normalised, "new"));
    let axis = Axis::of_rates(&rows.iter().map(|row| &row.1).collect::<Vec<_>>());
    let mut out: String =
        rows.iter().map(|(name, it, class)| row(name, &axis.bar(it, class), &rate(it))).collect();
    out += &axis.scale("won of closed leads", percent);
    out += "<h3>Lift: new less recorded, in points</h3>";
    let lifts = [("doubly robust", wins.lift), ("self-normalised IPS", wins.lift_self_normalised)];
    let axis = Axis::over(&[&wins.lift, &wins.lift_self_normalised], true);
    for (name, it) in &lifts {
        out += &row(name, &(axis.mark(0.0, "zero") + &axis.bar(it, "new")), &points(it));
    }
    out += &axis.scale("points", signed);
    let note = format!(
        "Won of the leads whose deals close, with 95 % intervals. {} closed leads say as much as {:.0} of \
         equal weight (effective sample size).",
        wins.closed, wins.effective
    );
    section("Win rate", &note, &out)
}

fn amount(report: &Report) -> String {
    let Some(amount) = &report.amount else { return String::new() };
    let rows = [
        (recorded_name(report), amount.recorded, "was"),
        ("new, doubly robust", amount.doubly_robust, "new"),
        ("new, self-normalised IPS", amount.self_normalised, "new"),
    ];
    let axis = Axis::over(&rows.iter().map(|row| &row.1).collect::<Vec<_>>(), false);
    let mut out: String =
        rows.iter().map(|(name, it, class)| row(name, &axis.bar(it, class), &money(it))).collect();
    let unit = if report.currency.is_empty() { "currency not stated" } else { &report.currency };
    out += &axis.scale(&text(unit), grouped);
    out += &format!("<p>Lift: {} a lead.</p>", money(&amount.lift));
    let note = format!("Of a lead whose deal closes, in whole units ({}).", text(unit));
    section("Won amount", &note, &out)
}

fn load(report: &Report) -> String {
    let all = report.load.iter().map(|it| it.recorded.max(it.tried));
    let most = all.max().unwrap_or(0).max(1) as f64;
    let bar = |leads: usize, class: &str| {
        let width = leads as f64 / most * 100.0;
        format!("<i class=\"load {class}\" style=\"width:{width:.2}%\"></i>")
    };
    let mut out = String::new();
    for it in report.load.iter().take(ROWS) {
        let track = bar(it.recorded, "was") + &bar(it.tried, "new");
        let change = it.tried as i64 - it.recorded as i64;
        let value = format!("{} → {} ({change:+})", it.recorded, it.tried);
        out += &row(&report.who(&it.rep_id), &track, &value)
            .replace("class=track", "class=\"track two\"");
    }
    if report.load.len() > ROWS {
        out += &format!("<p>… and {} more reps.</p>", report.load.len() - ROWS);
    }
    if !out.is_empty() {
        out += &Axis { low: 0.0, high: most }.scale("leads", grouped);
    }
    let note = format!(
        "First assignments by rep. <i class=\"key was\"></i> recorded (first number) <i class=\"key \
         new\"></i> new policy (second){}",
        without_control(report)
    );
    section("Load by rep", &note, &out)
}

/// What moves and the load leave out.
fn without_control(report: &Report) -> String {
    if report.control_share > 0.0 {
        let held_out = percent(report.control_share);
        format!(
            "; without the new policy's control arm, where {held_out} of the leads stay in rotation."
        )
    } else {
        ".".to_owned()
    }
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let cells = |tag: &str, cells: &[String]| {
        let each = cells.iter().map(|cell| format!("<{tag}>{cell}</{tag}>"));
        format!("<tr>{}</tr>", each.collect::<String>())
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let body: String = rows.map(|row| cells("td", &row)).collect();
    if body.is_empty() {
        return String::new();
    }
    format!("<div class=scroll><table>{}{body}</table></div>", cells("th", &heads))
}

fn moved(report: &Report) -> String {
    let moved = &report.moved;
    let share = moved.moved as f64 / moved.leads.max(1) as f64;
    let note = format!(
        "{} of {} leads go elsewhere ({}){}",
        moved.moved,
        moved.leads,
        percent(share),
        without_control(report)
    );
    let reasons = moved.by_reason.iter().take(ROWS).map(|it| {
        let words = [it.why, it.recorded, it.tried].map(|word| word.replace('_', " "));
        vec![it.leads.to_string(), words[0].clone(), words[1].clone(), words[2].clone()]
    });
    let mut out = table(&["leads", "what differs", "recorded reason", "new reason"], reasons);
    let pairs = moved.pairs.iter().take(ROWS);
    let pairs = pairs.map(|it| {
        vec![it.leads.to_string(), text(&report.who(&it.from)), text(&report.who(&it.to))]
    });
    let pairs = table(&["leads", "from", "to"], pairs);
    let more = moved.more_pairs + moved.pairs.len().saturating_sub(ROWS);
    let more = if more > 0 { format!("<p>… and {more} more pairs.</p>") } else { String::new() };
    if !pairs.is_empty() {
        out += &format!("<details><summary>From whom to whom</summary>{pairs}{more}</details>");
    }
    section("Moved leads", &note, &out)
}

fn sla(report: &Report) -> String {
    let sla = &report.sla;
    let step = |name: &str, steps: [u64; 3]| {
        let mut row = vec![name.to_owned()];
        row.extend(steps.map(|steps| steps.to_string()));
        row
    };
    let (recorded, replayed, tried) = (&sla.recorded, &sla.replayed, &sla.tried);
    let rows = [
        step("remind", [recorded.remind, replayed.remind, tried.remind]),
        step("escalate", [recorded.escalate, replayed.escalate, tried.escalate]),
        step("reassign", [recorded.reassign, replayed.reassign, tried.reassign]),
    ];
    let note = "Steps that fired. A touch counts at the time it was made, whoever has the lead.";
    let inside = table(&["step", "recorded", "replayed", "new policy"], rows.into_iter());
    section("SLA", note, &inside)
}

fn calibration(report: &Report) -> String {
    let calibration = &report.calibration;
    let predicted: Vec<Interval> = calibration
        .groups
        .iter()
        .map(|it| Interval { estimate: it.predicted, low: it.predicted, high: it.predicted })
        .collect();
    let happened = calibration.groups.iter().map(|it| &it.happened);
    let axis = Axis::of_rates(&happened.chain(&predicted).collect::<Vec<_>>());
    let mut out = String::new();
    for it in &calibration.groups {
        let track = axis.bar(&it.happened, "was") + &axis.mark(it.predicted, "said");
        let label = format!("said {}", percent(it.predicted));
        out += &row(&label, &track, &rate(&it.happened));
    }
    if !out.is_empty() {
        out += &axis.scale("won of closed leads", percent);
    }
    let note = format!(
        "What the model said before each deal closed <i class=\"key said\"></i>, and what happened \
         <i class=\"key was\"></i> with its interval, in groups of equal size. Mean distance {:.3} over \
         {} leads.",
        calibration.error, calibration.leads
    );
    section("Calibration", &note, &out)
}

fn segments(report: &Report) -> String {
    let shown = report.segments.iter().take(ROWS);
    let all: Vec<&Interval> =
        shown.clone().flat_map(|it| std::iter::once(&it.recorded).chain(&it.tried)).collect();
    let axis = Axis::of_rates(&all);
    let mut out = String::new();
    for it in shown {
        let tried = it.tried.as_ref();
        let track = format!(
            "<div>{}</div><div>{}</div>",
            axis.bar(&it.recorded, "was"),
            tried.map_or_else(String::new, |tried| axis.bar(tried, "new"))
        );
        let new = tried.map_or_else(|| "too few".to_owned(), rate);
        let value = format!("{}<br>→ {new}<br>{} leads", rate(&it.recorded), it.leads);
        let (_, label) = it.segment.split_once('=').unwrap_or(("", &it.segment));
        let label = if label.is_empty() { "not known" } else { label };
        out += &row(label, &track, &value).replace("class=track", "class=\"track pair\"");
    }
    if !out.is_empty() {
        out += &axis.scale("won of closed leads", percent);
    }
    let dimension = report.segments.first().and_then(|it| it.segment.split_once('='));
    let title = format!("Win rate by {}", text(dimension.map_or("segment", |(name, _)| name)));
    let note = "<i class=\"key was\"></i> recorded <i class=\"key new\"></i> new policy, doubly robust; \
                95 % intervals";
    section(&title, note, &out)
}

fn reps(report: &Report) -> String {
    let all: Vec<&Interval> = report.reps.iter().map(|it| &it.estimate).collect();
    let axis = Axis::of_rates(&all);
    let mut out = String::new();
    let levels = report.reps.chunk_by(|a, b| a.segment == b.segment);
    for (at, level) in levels.enumerate() {
        let mut rows = String::new();
        for it in level.iter().take(ROWS) {
            let track = axis.mark(it.team, "said") + &axis.bar(&it.estimate, "new");
            let closed = match it.deals {
                0 => "no deals".to_owned(),
                deals => format!("{} of {deals} ({})", it.won, percent(it.rate.estimate)),
            };
            let value = format!(
                "{closed}<br>→ {}<br><small>unknown rep {}; {}</small>",
                rate(&it.estimate),
                percent(it.team),
                it.router
            );
            rows += &row(&report.who(&it.rep_id), &track, &value);
        }
        let name = level.first().map_or("", |it| it.segment.as_str());
        let name = level_label(name);
        let open = if at == 0 { " open" } else { "" };
        let scale = axis.scale("P(win)", percent);
        out += &format!(
            "<details{open}><summary>{} ({} reps)</summary>{rows}{scale}</details>",
            text(&name),
            level.len()
        );
    }
    let note = "Deals won of those closed in the last 400 days, the plain rate; then P(win) as the router says it \
                at the end, with its 90 % interval: the mean over the kinds of leads that closed in that segment, \
                the same for every rep. So it differs from the plain rate where a rep had easier or harder \
                leads than the others, and where there are few deals: then it is close to that of a rep of \
                whom nothing is known <i class=\"key said\"></i>. Where the data do not tell reps apart, \
                leads go round.";
    section("Who wins what", note, &out)
}

fn method(report: &Report) -> String {
    let basis = &report.basis;
    let inside = format!(
        "<p>The recording went through the routing engine twice: as it was, and under the new policy. \
         Estimates rest on the {} leads decided until {}: {:.0} days before the end, within which {} of \
         deals close; {} of them are still open and are stood for by leads that took as long. Chances \
         are {}. Self-normalised IPS: Swaminathan and Joachims 2015; doubly robust: Dudík, Langford \
         and Li 2011, with a model that had only seen deals closed before each lead. What the model alone \
         would say is not shown. The control arm of a running experiment is the standard: \
         <code>lead-router lift</code>.</p>",
        basis.mature,
        text(basis.decided_until.get(..10).unwrap_or_default()),
        basis.horizon_days,
        percent(basis.covered),
        basis.open,
        basis.propensities
    );
    section("How it was done", "", &inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_outside_and_runs_nothing() {
        for outside in ["http:", "https:", "//", "@import", " src=", "<link", "<script", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
    }

    #[test]
    fn text_from_a_log_is_no_markup() {
        assert_eq!(text("<b>{{body}}&\"'"), "&lt;b&gt;&#123;&#123;body}}&amp;&quot;&#39;");
    }
}
