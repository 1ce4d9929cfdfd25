//! What the terminal shows: a readable stream, not every decision. Colours only on a terminal, and
//! not where `NO_COLOR` is set; lines are wrapped to the width.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// Decisions told at once, and per real second.
const BURST: f64 = 3.0;
const PER_SEC: f64 = 2.0;
/// Where the second line of a decision begins.
const INDENT: usize = 10;

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Good,
    Warn,
    Bad,
    Quiet,
    Title,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Strong => "1",
            Tone::Good => "1;32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Quiet => "2",
            Tone::Title => "1;36",
        }
    }
}

/// Writes to standard output; once nobody reads it, it says nothing more.
pub struct Printer {
    color: bool,
    width: usize,
    closed: bool,
    tokens: f64,
    filled_at: Duration,
    /// Decisions that were not told since the last one that was.
    untold: u64,
}

impl Printer {
    /// For standard output as it is.
    pub fn new() -> Printer {
        let terminal = io::stdout().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Printer::with(color, width.unwrap_or(100))
    }

    fn with(color: bool, width: usize) -> Printer {
        Printer {
            color,
            width: width.clamp(40, 120),
            closed: false,
            tokens: BURST,
            filled_at: Duration::ZERO,
            untold: 0,
        }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        if self.color && tone != Tone::Plain {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    fn write(&mut self, line: &str) {
        if !self.closed {
            let mut out = io::stdout().lock();
            self.closed = writeln!(out, "{line}").and_then(|()| out.flush()).is_err();
        }
    }

    pub fn blank(&mut self) {
        self.write("");
    }

    /// Pieces in one paragraph, wrapped; `at` in front, in the margin.
    pub fn tell(&mut self, at: Option<Timestamp>, pieces: &[(Tone, &str)]) {
        let margin = at.map_or_else(String::new, time_of_day);
        let lines = self.wrap(INDENT, pieces);
        for (number, line) in lines.into_iter().enumerate() {
            let margin = if number == 0 { margin.as_str() } else { "" };
            let margin = self.paint(Tone::Quiet, &format!("{margin:<INDENT$}"));
            self.write(&format!("{margin}{line}"));
        }
    }

    /// Pieces in one paragraph without a margin; what is wrapped is set in a little.
    pub fn say(&mut self, pieces: &[(Tone, &str)]) {
        for (number, line) in self.wrap(2, pieces).into_iter().enumerate() {
            let margin = if number == 0 { "" } else { "  " };
            self.write(&format!("{margin}{line}"));
        }
    }

    /// A name, and a paragraph beside it.
    pub fn list(&mut self, name: &str, pieces: &[(Tone, &str)]) {
        for (number, line) in self.wrap(INDENT + 2, pieces).into_iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            let name = self.paint(Tone::Quiet, &format!("{name:<INDENT$}"));
            self.write(&format!("  {name}{line}"));
        }
    }

    /// The beginning of a part of the story.
    pub fn heading(&mut self, text: &str) {
        self.blank();
        let rule = "─".repeat(self.width.saturating_sub(text.chars().count() + 4));
        let line = self.paint(Tone::Title, &format!("── {text} {rule}"));
        self.write(&line);
    }

    /// Whether another decision is told now; those that are not are counted.
    pub fn may_tell(&mut self, now: Duration) -> bool {
        let since = now.saturating_sub(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.tokens = (self.tokens + since * PER_SEC).min(BURST);
        if self.tokens < 1.0 {
            self.untold += 1;
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// How many decisions were left out since the last call.
    pub fn take_untold(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }

    /// Words to lines of the width; each piece keeps its tone.
    fn wrap(&self, indent: usize, pieces: &[(Tone, &str)]) -> Vec<String> {
        let room = self.width.saturating_sub(indent).max(20);
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
        for (tone, text) in pieces {
            // A piece that begins with a space is a new word; one that does not goes on with the
            // last.
            for (number, word) in text.split(' ').enumerate() {
                let space = usize::from(number > 0 && used > 0);
                let length = word.chars().count();
                if used > 0 && number > 0 && used + space + length > room {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                if number > 0 && used > 0 {
                    line.push(' ');
                    used += 1;
                }
                if length > 0 {
                    line.push_str(&self.paint(*tone, word));
                    used += length;
                }
            }
        }
        lines.push(line);
        lines
    }
}

impl Default for Printer {
    fn default() -> Printer {
        Printer::new()
    }
}

/// Hours, minutes and seconds in UTC.
pub fn time_of_day(at: Timestamp) -> String {
    let secs = at.0.div_euclid(1_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_pieces_are_joined_as_written() {
        let printer = Printer::with(false, 40);
        let pieces = [(Tone::Strong, "Maya Okafor"), (Tone::Plain, ", who is first, gets a lead.")];
        let lines = printer.wrap(10, &pieces);
        assert_eq!(lines, ["Maya Okafor, who is first,", "gets a lead."]);
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(Printer::with(false, 80).paint(Tone::Good, "x"), "x");
        assert_eq!(Printer::with(true, 80).paint(Tone::Good, "x"), "\u{1b}[1;32mx\u{1b}[0m");
    }

    #[test]
    fn a_burst_is_told_in_part_and_the_rest_is_counted() {
        let mut printer = Printer::with(false, 80);
        let told = (0..10).filter(|_| printer.may_tell(Duration::ZERO)).count();
        assert_eq!((told, printer.take_untold()), (3, 7));
        assert!(printer.may_tell(Duration::from_secs(1)));
    }
}
