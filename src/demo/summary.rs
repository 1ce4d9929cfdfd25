//! What a run came to, counted while it ran and told at its end.

use std::time::Duration;

use super::printer::{Printer, Tone};
use super::world::Wins;
use crate::domain::policy::SlaAction;
use crate::domain::published::{Cause, LeadAssigned};
use crate::verify::{Invariant, Report};

/// Counts of one run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub leads: u64,
    pub decisions: u64,
    pub moved_by_territory: u64,
    pub moved_by_rep: u64,
    pub reminded: u64,
    pub escalated: u64,
    pub reassigned: u64,
    pub waits: Vec<Duration>,
    pub dead_letters: u64,
    /// The state after the crash was the state before it; None = it did not come to that.
    pub restored_equal: Option<bool>,
    /// The worker ended though nobody asked.
    pub failure: Option<String>,
}

impl Tally {
    pub fn decided(&mut self, assigned: &LeadAssigned) {
        self.decisions += 1;
        self.leads += u64::from(assigned.assignment_no == 1);
        match assigned.cause {
            Cause::TerritoryChanged => self.moved_by_territory += 1,
            Cause::RepChanged => self.moved_by_rep += 1,
            _ => {}
        }
    }

    pub fn breached(&mut self, action: SlaAction) {
        match action {
            SlaAction::Remind => self.reminded += 1,
            SlaAction::Escalate => self.escalated += 1,
            SlaAction::Reassign => self.reassigned += 1,
        }
    }

    /// Whether nothing went wrong that must not.
    pub fn is_sound(&self) -> bool {
        self.failure.is_none() && self.restored_equal != Some(false)
    }

    fn wait(&self, share: f64) -> Option<Duration> {
        let mut sorted = self.waits.clone();
        sorted.sort();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

/// Milliseconds for people.
pub fn ms(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// With commas between thousands.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The numbers.
pub fn tell(printer: &mut Printer, tally: &Tally, wins: Wins, real: Duration, speed: f64) {
    let virtual_minutes = real.as_secs_f64() * speed / 60.0;
    printer.heading("What it came to");
    let text = format!(
        " leads in {virtual_minutes:.0} min of its time, {:.0} s of yours; {} decisions in all.",
        real.as_secs_f64(),
        count(tally.decisions),
    );
    line(printer, "leads", &count(tally.leads), &text);
    if let (Some(p50), Some(p99)) = (tally.wait(0.50), tally.wait(0.99)) {
        let text = format!(
            " at the median and {} at p99 from the record in the log to the committed decision, \
             for leads that came one by one.",
            ms(p99)
        );
        line(printer, "latency", &ms(p50), &text);
    }
    let text = format!(
        " reminders, {} escalations, {} leads taken away and given to somebody else.",
        count(tally.escalated),
        count(tally.reassigned),
    );
    line(printer, "deadlines", &count(tally.reminded), &text);
    let text = format!(
        " open leads moved: {} with the territory, {} because their rep left.",
        count(tally.moved_by_territory),
        count(tally.moved_by_rep),
    );
    line(printer, "moved", &count(tally.moved_by_territory + tally.moved_by_rep), &text);
    if wins.leads > 0 {
        let gain = 100.0 * (wins.as_routed / wins.by_rotation.max(f64::MIN_POSITIVE) - 1.0);
        let text = format!(
            " expected of the {} leads that had a choice, {:.1} by round-robin on the same leads: \
             {gain:+.0} %. The truth is known here; it never is to the router.",
            count(wins.leads),
            wins.by_rotation,
        );
        line(printer, "wins", &format!("{:.1}", wins.as_routed), &text);
    }
}

fn line(printer: &mut Printer, name: &str, figure: &str, text: &str) {
    printer.list(name, &[(Tone::Strong, figure), (Tone::Plain, text)]);
}

/// One line an invariant, then what broke it.
pub fn tell_proof(printer: &mut Printer, report: &Report, tally: &Tally) {
    printer.heading("Its own log, checked record by record");
    for verdict in &report.verdicts {
        let good = verdict.violations == 0;
        let (tone, mark) = if good { (Tone::Good, "✓") } else { (Tone::Bad, "✗") };
        let of = match verdict.invariant {
            Invariant::I1 => "records",
            Invariant::I2 => "numbers",
            Invariant::I3 => "leads",
            Invariant::I6 => "steps",
            Invariant::I8 => "offsets",
            Invariant::I13 => "records",
            Invariant::I14 => "changes",
        };
        let looked = format!(" {} {of}", count(verdict.checked));
        let promise = format!(" {} {}:", verdict.invariant.id(), verdict.invariant.promise());
        printer.say(&[(tone, mark), (Tone::Plain, &promise), (Tone::Quiet, &looked)]);
    }
    if let Some(equal) = tally.restored_equal {
        let (tone, mark) = if equal { (Tone::Good, "✓") } else { (Tone::Bad, "✗") };
        let text = " I7 the state after the crash is the state before it: digests";
        let word = if equal { " equal" } else { " differ" };
        printer.say(&[(tone, mark), (Tone::Plain, text), (Tone::Quiet, word)]);
    }
    for violation in &report.violations {
        printer.say(&[(Tone::Bad, &violation.to_string())]);
    }
    if let Some(failure) = &tally.failure {
        printer
            .tell(None, &[(Tone::Bad, "✗ the worker ended by itself: "), (Tone::Plain, failure)]);
    }
}

/// What to do next.
pub fn tell_next(printer: &mut Printer, program: &str, seed: u64) {
    printer.heading("Try next");
    let next = [
        (format!("{program} demo --speed 600 --for 1m"), "ten hours in a minute, evening included"),
        (
            format!("{program} demo --seed {}", seed.wrapping_add(1)),
            "another company, another truth",
        ),
        (
            format!("echo '{{\"state\": \"digest\"}}' | {program} pipe"),
            "the same router as a filter: JSON lines in, JSON lines out",
        ),
    ];
    for (command, why) in &next {
        printer.say(&[(Tone::Strong, command), (Tone::Quiet, &format!(" # {why}"))]);
    }
    printer.blank();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(ms(Duration::from_micros(1_234)), "1.2 ms");
        assert_eq!(ms(Duration::from_micros(123_400)), "123 ms");
    }

    #[test]
    fn a_state_that_differs_is_not_sound() {
        assert!(Tally::default().is_sound());
        assert!(!Tally { restored_equal: Some(false), ..Tally::default() }.is_sound());
    }
}
