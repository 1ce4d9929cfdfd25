//! A local date as a number, and local time as milliseconds on one line.

use jiff::civil::Date;

use super::{CalendarError, CalendarFault};

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const DAY_MS: i64 = 1_440 * MINUTE_MS;

/// A local date: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub(super) i64);

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Day {
    pub(super) fn of(date: Date) -> Day {
        Day(date.duration_since(EPOCH).as_hours() / 24)
    }

    /// The day of a date in the years that calendars may name.
    pub(super) fn checked(date: Date, field: impl Fn() -> String) -> Result<Day, CalendarError> {
        if (1970..=2100).contains(&date.year()) {
            Ok(Day::of(date))
        } else {
            Err(CalendarError::new(field(), CalendarFault::Date(date.to_string())))
        }
    }

    /// The day of a local time.
    pub(super) fn at(local_ms: i64) -> Day {
        Day(local_ms.div_euclid(DAY_MS))
    }

    /// Local midnight at which the day starts.
    pub(super) fn start_ms(self) -> i64 {
        self.0 * DAY_MS
    }

    /// 0 = Monday; 1970-01-01 was a Thursday.
    pub(super) fn weekday(self) -> usize {
        (self.0 + 3).rem_euclid(7) as usize
    }

    pub(super) fn plus(self, days: i64) -> Day {
        Day(self.0 + days)
    }

    pub(super) fn monday(self) -> Day {
        self.plus(-(self.weekday() as i64))
    }
}
