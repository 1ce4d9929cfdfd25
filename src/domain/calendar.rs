//! Business calendars.

use super::time::{Span, Timestamp};

/// Opening hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar;

impl Calendar {
    pub fn is_open(&self, _at: Timestamp) -> bool {
        true
    }
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        Some(at)
    }
}

/// A clock that runs always, or while a calendar is open.
#[derive(Clone, Copy, Debug)]
pub enum Clock<'c> {
    Wall,
    Calendar(&'c Calendar),
}

impl Clock<'_> {
    pub fn add_open_time(
        &self,
        from: Timestamp,
        span: Span,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Option<Timestamp> {
        let mut at = from;
        let mut left = span.0;
        let mut blocked: Vec<_> = blocked.to_vec();
        blocked.sort();
        for (start, end) in blocked {
            if end <= at {
                continue;
            }
            let free = (start.0 - at.0).max(0);
            if left <= free {
                break;
            }
            left -= free;
            at = end;
        }
        Some(at + Span(left))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Zone;

impl Zone {
    pub fn parse(_name: &str) -> Result<Zone, String> {
        Ok(Zone)
    }
    pub fn utc() -> Zone {
        Zone
    }
}

const DAY: i64 = 86_400_000;

pub fn day_start(_zone: &Zone, at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(DAY) * DAY)
}
pub fn next_day_start(zone: &Zone, at: Timestamp) -> Timestamp {
    day_start(zone, at) + Span(DAY)
}
pub fn week_start(_zone: &Zone, at: Timestamp) -> Timestamp {
    Timestamp((at.0.div_euclid(DAY) + 3).div_euclid(7) * 7 * DAY - 3 * DAY)
}
pub fn next_week_start(zone: &Zone, at: Timestamp) -> Timestamp {
    week_start(zone, at) + Span(7 * DAY)
}
