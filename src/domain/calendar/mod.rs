//! Business calendars: when a team is open, and how much open time lies between two instants.
//!
//! Vocabulary. A *span* is a piece of a day as the clock on the wall shows it, `09:00-17:00`. A
//! *day* has the spans of its weekday, unless it is an *exception*: a holiday (no spans) or a day
//! of its own (`days`; it wins over a holiday on the same date). A span that ends before it starts,
//! `22:00-06:00`, runs past midnight and belongs to the day it starts on: a holiday takes away the
//! span that starts that day and leaves what is left of the span of the evening before. *Open time*
//! is elapsed time while the calendar is open.
//!
//! **Daylight saving.** An instant is open exactly if the local date and time it has lie in a span.
//! So
//! - a gap (spring) shortens the open day by what the clock skips; a span that lies in the gap does
//!   not happen, and one that starts in it opens at the first instant after it;
//! - an overlap (autumn) lengthens the open day: an hour that the clock shows twice counts twice,
//!   since two hours elapse. A span around the overlap starts at the earlier offset and ends at the
//!   later one. A span with a boundary *inside* the repeated hour is open both times the clock
//!   shows it, and shut between;
//! - a date that a zone skipped (Samoa, 2011-12-30) has no open time, save the morning after of a
//!   span past midnight.
//!
//! **Rounding.** Nothing is rounded: bounds are whole minutes, instants whole milliseconds. A
//! target that falls on a closing instant is that instant, not the next opening.
//!
//! How: a table (`table.rs`) maps an instant to the open time before it, and back, by two binary
//! searches; all questions are asked of these two functions (`open_time.rs`), so that a target
//! years away costs what one in five minutes does: less than a microsecond. A table is built once a
//! calendar and shared by its clones.
//!
//! Deliberately absent: rounding to working days, calendars relative to a rep's own zone, and
//! recurring holidays (Easter is data, not code).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use jiff::civil::Date;

use self::day::Day;
use self::open_time::Timeline;
use self::table::Table;
use super::time::{Span, Timestamp};

mod business_day;
mod day;
mod open_time;
mod span;
mod table;
mod text;
mod week;
mod zone;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

pub use self::open_time::Clock;
pub use self::span::{DaySpan, SpanError, parse_date};
pub use self::text::CalendarText;
pub use self::zone::{
    Zone, ZoneError, day_start, next_day_start, next_week_start, week_start, zone_data_version,
};

/// Opening hours in a zone. Cheap to clone; equal if their definitions are.
#[derive(Clone)]
pub struct Calendar {
    inner: Arc<Inner>,
}

struct Inner {
    zone: Zone,
    /// Monday first; each day in order of start.
    weekly: [Vec<DaySpan>; 7],
    /// Holidays and days of their own; empty = closed.
    exceptions: BTreeMap<Day, Vec<DaySpan>>,
    table: Table,
}

/// What is wrong with a calendar, and in which of its fields (`weekly.mon[0]`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct CalendarError {
    pub field: String,
    pub fault: CalendarFault,
}

/// What is wrong, without where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarFault {
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error(transparent)]
    Span(#[from] SpanError),
    #[error("{0} overlaps {1}")]
    Overlap(DaySpan, DaySpan),
    #[error("`{0}` is no date; write 2026-12-25, from 1970 to 2100")]
    Date(String),
    #[error("`{0}` is no day of the week; write mon, tue, wed, thu, fri, sat or sun")]
    Weekday(String),
    #[error("the calendar is never open")]
    NeverOpen,
}

impl CalendarError {
    fn new(field: impl Into<String>, fault: impl Into<CalendarFault>) -> CalendarError {
        CalendarError { field: field.into(), fault: fault.into() }
    }
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Calendar {
    /// A calendar from its parts; `weekly` from Monday to Sunday, dates from 1970 to 2100.
    ///
    /// Spans of the weekly pattern may touch but not overlap, past midnight too. The spans of a day
    /// in `days` must not overlap each other; where one overlaps what is left of the evening
    /// before, the time is simply open.
    pub fn new(
        zone: &str,
        weekly: [Vec<DaySpan>; 7],
        holidays: Vec<Date>,
        days: BTreeMap<Date, Vec<DaySpan>>,
    ) -> Result<Calendar, CalendarError> {
        let zone = Zone::parse(zone).map_err(|e| CalendarError::new("time_zone", e))?;
        let mut weekly = weekly;
        for (spans, name) in weekly.iter_mut().zip(WEEKDAYS) {
            sort_apart(spans).map_err(|e| CalendarError::new(format!("weekly.{name}"), e))?;
        }
        nights_apart(&weekly)?;
        let mut exceptions = BTreeMap::new();
        for (at, date) in holidays.into_iter().enumerate() {
            let field = || format!("holidays[{at}]");
            exceptions.insert(Day::checked(date, field)?, Vec::new());
        }
        for (date, mut spans) in days {
            let field = || format!("days.\"{date}\"");
            sort_apart(&mut spans).map_err(|e| CalendarError::new(field(), e))?;
            exceptions.insert(Day::checked(date, field)?, spans);
        }
        if weekly.iter().all(Vec::is_empty) && exceptions.values().all(Vec::is_empty) {
            return Err(CalendarError::new("weekly", CalendarFault::NeverOpen));
        }
        let table = Table::new(&zone, &weekly, &exceptions);
        Ok(Calendar { inner: Arc::new(Inner { zone, weekly, exceptions, table }) })
    }

    pub fn zone(&self) -> &Zone {
        &self.inner.zone
    }

    /// The spans that start on a date; empty if it is closed.
    pub fn spans_on(&self, date: Date) -> &[DaySpan] {
        self.spans_of(Day::of(date))
    }

    fn spans_of(&self, day: Day) -> &[DaySpan] {
        spans_of(&self.inner.weekly, &self.inner.exceptions, day)
    }

    /// Whether the calendar is open at an instant; the opening instant is open, the closing one is
    /// not.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.inner.table.is_open(at)
    }

    /// The first open instant at or after `at`: `at` itself while open. None if there is none up to
    /// 2100.
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        self.inner.table.next_open(at)
    }

    /// The first closing instant after `at`: of this opening while open, else of the next one. None
    /// if the calendar never closes again, or not up to 2100.
    pub fn next_close(&self, at: Timestamp) -> Option<Timestamp> {
        self.inner.table.next_close(at)
    }

    /// The instant at which `span` of open time has passed since `from`, not counting `blocked`.
    ///
    /// `blocked` are half-open intervals `[from, to)` in any order; they may overlap. A span of
    /// zero (or less) gives `from`; a target that falls on a closing instant gives that instant.
    /// None if it lies after 2100.
    pub fn add_open_time(
        &self,
        from: Timestamp,
        span: Span,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Option<Timestamp> {
        self.inner.table.add_open_time(from, span, blocked)
    }

    /// How much open time lies in `[from, to)`, not counting `blocked`; zero if `to` is not after
    /// `from`.
    pub fn open_time_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Span {
        self.inner.table.open_time_between(from, to, blocked)
    }
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Calendar) -> bool {
        let (a, b) = (&self.inner, &other.inner);
        Arc::ptr_eq(a, b)
            || (a.zone == b.zone && a.weekly == b.weekly && a.exceptions == b.exceptions)
    }
}

impl Eq for Calendar {}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calendar")
            .field("zone", &self.inner.zone)
            .field("weekly", &self.inner.weekly)
            .field("exceptions", &self.inner.exceptions)
            .finish_non_exhaustive()
    }
}

fn spans_of<'a>(
    weekly: &'a [Vec<DaySpan>; 7],
    exceptions: &'a BTreeMap<Day, Vec<DaySpan>>,
    day: Day,
) -> &'a [DaySpan] {
    exceptions.get(&day).unwrap_or(&weekly[day.weekday()])
}

/// Sorts the spans of one day; refuses two that overlap.
fn sort_apart(spans: &mut [DaySpan]) -> Result<(), CalendarFault> {
    spans.sort_unstable();
    match spans.windows(2).find(|pair| pair[1].from_minute() < pair[0].to_minute()) {
        Some(pair) => Err(CalendarFault::Overlap(pair[0], pair[1])),
        None => Ok(()),
    }
}

/// Refuses a weekly span that runs past midnight into a span of the next morning.
fn nights_apart(weekly: &[Vec<DaySpan>; 7]) -> Result<(), CalendarError> {
    for day in 0..7 {
        let next = (day + 1) % 7;
        let (Some(night), Some(morning)) = (weekly[day].last(), weekly[next].first()) else {
            continue;
        };
        if morning.from_minute() + span::DAY_MINUTES < night.to_minute() {
            let field = format!("weekly.{}", WEEKDAYS[next]);
            return Err(CalendarError::new(field, CalendarFault::Overlap(*morning, *night)));
        }
    }
    Ok(())
}
