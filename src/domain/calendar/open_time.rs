//! The questions that are asked of a time line, whatever its opening hours: blocked intervals, next
//! opening, next close; and the clock of an SLA, which is a calendar or the wall.

use super::Calendar;
use super::table::{FIRST_MS, LAST_MS};
use crate::domain::time::{Span, Timestamp};

/// Open time as a function of the instant, and its inverse.
///
/// `open_before` never falls, and rises by one in each open millisecond; all else follows from
/// that.
pub(super) trait Timeline {
    /// The open time before an instant, from a start far in the past.
    fn open_before(&self, at_ms: i64) -> i64;

    /// The first instant with `sum_ms` of open time before it; none if there never is as much.
    fn point_at(&self, sum_ms: i64) -> Option<i64>;

    fn is_open(&self, at: Timestamp) -> bool {
        self.open_before(at.0.saturating_add(1)) > self.open_before(at.0)
    }

    fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        // The next millisecond of open time ends one after the opening.
        let opened = self.point_at(self.open_before(at.0) + 1)?;
        up_to_2100(opened - 1)
    }

    fn next_close(&self, at: Timestamp) -> Option<Timestamp> {
        let opening = self.next_open(at)?.0;
        let open = self.open_before(opening);
        // Closed time never falls either, so that the first closed millisecond can be searched for.
        let closed = |at_ms: i64| self.open_before(at_ms) - open < at_ms - opening;
        let (mut low, mut high) = (opening, Timestamp::MAX.0.saturating_add(1));
        if low >= high || !closed(high) {
            return None;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if closed(middle) { high = middle } else { low = middle }
        }
        up_to_2100(high - 1)
    }

    fn add_open_time(
        &self,
        from: Timestamp,
        span: Span,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Option<Timestamp> {
        if span <= Span::ZERO {
            return Some(from);
        }
        let mut left_ms = span.0;
        let mut cursor_ms = from.0;
        for (start_ms, end_ms) in sorted(blocked) {
            if end_ms <= cursor_ms {
                continue;
            }
            if start_ms > cursor_ms {
                let open_ms = self.open_before(start_ms) - self.open_before(cursor_ms);
                if open_ms >= left_ms {
                    break;
                }
                left_ms -= open_ms;
            }
            cursor_ms = end_ms;
        }
        let sum_ms = self.open_before(cursor_ms).checked_add(left_ms)?;
        up_to_2100(self.point_at(sum_ms)?)
    }

    fn open_time_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Span {
        let mut open_ms = 0;
        let mut cursor_ms = from.0;
        for (start_ms, end_ms) in sorted(blocked) {
            let start_ms = start_ms.min(to.0);
            if start_ms > cursor_ms {
                open_ms += self.open_before(start_ms) - self.open_before(cursor_ms);
            }
            cursor_ms = cursor_ms.max(end_ms);
        }
        if to.0 > cursor_ms {
            open_ms += self.open_before(to.0) - self.open_before(cursor_ms);
        }
        Span(open_ms)
    }
}

fn up_to_2100(at_ms: i64) -> Option<Timestamp> {
    (at_ms <= Timestamp::MAX.0).then_some(Timestamp(at_ms))
}

/// The intervals by start; an empty or reversed one blocks nothing.
fn sorted(blocked: &[(Timestamp, Timestamp)]) -> Vec<(i64, i64)> {
    let mut sorted: Vec<_> =
        blocked.iter().filter(|(from, to)| from < to).map(|(from, to)| (from.0, to.0)).collect();
    sorted.sort_unstable();
    sorted
}

/// Always open.
struct Wall;

impl Timeline for Wall {
    fn open_before(&self, at_ms: i64) -> i64 {
        at_ms.clamp(FIRST_MS, LAST_MS)
    }

    fn point_at(&self, sum_ms: i64) -> Option<i64> {
        Some(sum_ms)
    }
}

/// What an SLA counts time by. Blocked intervals are excluded in both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock<'a> {
    /// Always open.
    Wall,
    Calendar(&'a Calendar),
}

impl Clock<'_> {
    fn timeline(&self) -> &dyn Timeline {
        match self {
            Clock::Wall => &Wall,
            Clock::Calendar(calendar) => &calendar.inner.table,
        }
    }

    /// As [`Calendar::is_open`].
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.timeline().is_open(at)
    }

    /// As [`Calendar::next_open`].
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        self.timeline().next_open(at)
    }

    /// As [`Calendar::next_close`].
    pub fn next_close(&self, at: Timestamp) -> Option<Timestamp> {
        self.timeline().next_close(at)
    }

    /// As [`Calendar::add_open_time`].
    pub fn add_open_time(
        &self,
        from: Timestamp,
        span: Span,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Option<Timestamp> {
        self.timeline().add_open_time(from, span, blocked)
    }

    /// As [`Calendar::open_time_between`].
    pub fn open_time_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        blocked: &[(Timestamp, Timestamp)],
    ) -> Span {
        self.timeline().open_time_between(from, to, blocked)
    }
}
