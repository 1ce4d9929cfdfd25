//! Random calendars and absences for the model test, each from a seed.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{CalendarText, WEEKDAYS};
use crate::domain::time::Timestamp;

const MINUTE_MS: i64 = 60_000;
const DAY: i64 = 1_440;

/// A span in minutes of its day; past midnight if it ends after 1,440.
type Spans = Vec<(i64, i64)>;

/// A calendar as plain numbers.
#[derive(Debug, Default)]
pub(super) struct Definition {
    weekly: [Spans; 7],
    holidays: Vec<Date>,
    days: BTreeMap<Date, Spans>,
}

impl Definition {
    pub(super) fn spans_on(&self, date: Date) -> &[(i64, i64)] {
        if let Some(spans) = self.days.get(&date) {
            return spans;
        }
        if self.holidays.contains(&date) {
            return &[];
        }
        &self.weekly[date.weekday().to_monday_zero_offset() as usize]
    }

    pub(super) fn text(&self, zone: &str) -> CalendarText {
        let weekly = WEEKDAYS.iter().zip(&self.weekly);
        CalendarText {
            time_zone: zone.to_owned(),
            weekly: weekly.map(|(name, spans)| ((*name).to_owned(), texts(spans))).collect(),
            holidays: self.holidays.iter().map(Date::to_string).collect(),
            days: self.days.iter().map(|(date, spans)| (date.to_string(), texts(spans))).collect(),
        }
    }
}

fn texts(spans: &[(i64, i64)]) -> Vec<String> {
    let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let end = |to: i64| clock(if to > DAY { to - DAY } else { to });
    spans.iter().map(|&(from, to)| format!("{}-{}", clock(from), end(to))).collect()
}

/// SplitMix64: a few lines, and the same numbers everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `bound` − 1.
    pub(super) fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound as u64) as i64
    }

    pub(super) fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    /// From a millisecond to twenty days, short ones as likely as long ones.
    pub(super) fn length_ms(&mut self) -> i64 {
        let most = [1_000, 3_600_000, 12 * 3_600_000, 3 * 86_400_000, 20 * 86_400_000];
        let class = self.below(5) as usize;
        let length = 1 + self.below(most[class]);
        if self.one_in(3) { length } else { (length / MINUTE_MS).max(1) * MINUTE_MS }
    }

    /// Up to four intervals around an instant; some overlap, some are empty or reversed.
    pub(super) fn blocked(&mut self, around: i64) -> Vec<(Timestamp, Timestamp)> {
        let count = if self.one_in(2) { 0 } else { self.below(5) };
        let mut blocked = Vec::new();
        for _ in 0..count {
            let start = around + self.length_ms() - self.length_ms() / 2;
            let length = if self.one_in(8) { -self.below(2) } else { self.length_ms() };
            blocked.push((Timestamp(start), Timestamp(start + length)));
        }
        blocked
    }

    /// A calendar with exceptions on and around an odd day.
    pub(super) fn definition(&mut self, odd: Date) -> Definition {
        let mut definition = Definition { weekly: self.weekly(), ..Definition::default() };
        for _ in 0..self.below(8) {
            let near = if self.one_in(2) { 3 } else { 40 };
            definition.holidays.push(self.date_near(odd, near));
        }
        for _ in 0..self.below(6) {
            let near = if self.one_in(2) { 3 } else { 40 };
            let (date, spans) = (self.date_near(odd, near), self.day());
            definition.days.insert(date, spans);
        }
        // A calendar that is never open is refused; this one is, once.
        if definition.weekly.iter().all(Vec::is_empty) {
            definition.days.insert(odd, vec![(60, 240)]);
        }
        definition
    }

    fn date_near(&mut self, odd: Date, days: i64) -> Date {
        let distance = self.below(2 * days + 1) - days;
        odd.checked_add(jiff::Span::new().days(distance)).expect("a date")
    }

    fn weekly(&mut self) -> [Spans; 7] {
        let mut weekly: [Spans; 7] = Default::default();
        match self.below(6) {
            0 => weekly[..5].fill(vec![(540, 1_020)]),
            1 => weekly.fill(vec![(0, DAY)]),
            2 => weekly.fill(vec![(1_320, DAY + 360)]),
            3 => {
                let day = self.below(7) as usize;
                weekly[day] = self.day();
            }
            _ => weekly.fill_with(|| self.day()),
        }
        // What is left of a night keeps the next morning free.
        for day in 0..7 {
            let night = weekly[day].last().map_or(0, |span| span.1 - DAY);
            weekly[(day + 1) % 7].retain(|span| span.0 >= night);
        }
        weekly
    }

    /// Up to three spans, often around the hours in which clocks change, sometimes past midnight.
    fn day(&mut self) -> Spans {
        let most = if self.one_in(2) { 300 } else { DAY };
        let step = [1, 5, 15, 30, 60][self.below(5) as usize];
        let mut bounds: Vec<_> =
            (0..2 * self.below(4)).map(|_| self.below(most / step + 1) * step).collect();
        bounds.sort_unstable();
        bounds.dedup();
        let mut spans: Spans = bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        if self.one_in(4) {
            let from = spans.last().map_or(1_200, |span| span.1);
            if from < DAY {
                // Not to the minute it starts at: that would be empty as written.
                spans.push((from, DAY + self.below(from.min(600)).max(1)));
            }
        }
        spans.retain(|&(from, to)| to - DAY != from && from < DAY);
        spans
    }
}
