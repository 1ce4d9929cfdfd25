//! A piece of a day as the clock on the wall shows it, and the texts of spans and dates.

use std::fmt;

use jiff::civil::Date;
use thiserror::Error;

use super::day::MINUTE_MS;

pub(super) const DAY_MINUTES: u16 = 1_440;

/// From a minute of the day (inclusive) to a later one (exclusive), past midnight too; at most 24
/// hours long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaySpan {
    from_minute: u16,
    to_minute: u16,
}

/// Why a text is no span.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpanError {
    #[error("`{0}` is no span of a day; write 09:00-17:00, 22:00-06:00 or 00:00-24:00")]
    Syntax(String),
    #[error("`{0}` is empty; the whole day is 00:00-24:00")]
    Empty(String),
}

impl DaySpan {
    /// `09:00-17:00`; `22:00-06:00` ends on the next day; 24:00 is the end of the day.
    pub fn parse(text: &str) -> Result<DaySpan, SpanError> {
        let syntax = || SpanError::Syntax(text.to_owned());
        let (from, to) = text.trim().split_once('-').ok_or_else(syntax)?;
        let from_minute = minute_of_day(from.trim_end()).ok_or_else(syntax)?;
        let to_minute = minute_of_day(to.trim_start()).ok_or_else(syntax)?;
        if from_minute == DAY_MINUTES {
            return Err(syntax());
        }
        if from_minute == to_minute {
            return Err(SpanError::Empty(text.to_owned()));
        }
        let overnight = if to_minute < from_minute { DAY_MINUTES } else { 0 };
        Ok(DaySpan { from_minute, to_minute: to_minute + overnight })
    }

    /// The minute of the day at which it starts, 0 to 1,439.
    pub fn from_minute(self) -> u16 {
        self.from_minute
    }

    /// The minute at which it ends, counted from the start of the same day: over 1,440 if it runs
    /// past midnight.
    pub fn to_minute(self) -> u16 {
        self.to_minute
    }

    pub(super) fn start_ms(self) -> i64 {
        i64::from(self.from_minute) * MINUTE_MS
    }

    pub(super) fn end_ms(self) -> i64 {
        i64::from(self.to_minute) * MINUTE_MS
    }
}

/// `HH:MM`, up to 24:00.
fn minute_of_day(text: &str) -> Option<u16> {
    let &[h1, h0, b':', m1, m0] = text.as_bytes() else { return None };
    let digit = |b: u8| b.is_ascii_digit().then(|| u16::from(b - b'0'));
    let (hour, minute) = (digit(h1)? * 10 + digit(h0)?, digit(m1)? * 10 + digit(m0)?);
    let whole = hour * 60 + minute;
    (minute < 60 && whole <= DAY_MINUTES).then_some(whole)
}

/// `2026-12-25`, and nothing else that a date could be written as.
pub fn parse_date(text: &str) -> Option<Date> {
    let &[y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0] = text.as_bytes() else { return None };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_i16, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i16::from(b - b'0')))
    };
    let month = i8::try_from(number(&[m1, m0])?).ok()?;
    let day = i8::try_from(number(&[d1, d0])?).ok()?;
    Date::new(number(&[y3, y2, y1, y0])?, month, day).ok()
}

impl fmt::Display for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let past = if self.to_minute > DAY_MINUTES { DAY_MINUTES } else { 0 };
        let (from, to) = (self.from_minute, self.to_minute - past);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl fmt::Debug for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
