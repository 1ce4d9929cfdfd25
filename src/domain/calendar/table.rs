//! Open time as a function of the instant, and its inverse.
//!
//! The time line is cut where the zone's offset changes and where exceptions begin and end. In each
//! piece either the weekly pattern holds, shifted by the offset, or the open intervals are listed
//! one by one; each piece knows the open time before it:
//!
//! ```text
//!   weekly, +1 h     │ listed (Easter) │ weekly, +1 h │ weekly, +2 h      …
//! ───────────────────┴─────────────────┴──────────────┴─────────────────►
//! ```
//!
//! So both functions are two short binary searches, however far apart the instants are.

use std::collections::BTreeMap;

use super::day::{DAY_MS, Day};
use super::open_time::Timeline;
use super::week::{Open, Week, join, open_before, point_at};
use super::zone::Zone;
use super::{DaySpan, spans_of};

/// Instants are taken within these bounds, 31,000 years around 1970, so that no sum can overflow.
pub(super) const FIRST_MS: i64 = -1_000_000_000_000_000;
pub(super) const LAST_MS: i64 = 1_000_000_000_000_000;

pub(super) struct Table {
    week: Week,
    pieces: Vec<Piece>,
    /// The intervals of the listed pieces, one after the other, in UTC.
    opens: Vec<Open>,
}

struct Piece {
    start_ms: i64,
    /// Open time before the piece.
    before_ms: i64,
    kind: Kind,
}

enum Kind {
    Weekly {
        offset_ms: i64,
        /// The weekly pattern's open time before the start of the piece.
        base_ms: i64,
    },
    /// A range of `opens`.
    Listed { first: usize, last: usize },
}

impl Table {
    pub(super) fn new(
        zone: &Zone,
        weekly: &[Vec<DaySpan>; 7],
        exceptions: &BTreeMap<Day, Vec<DaySpan>>,
    ) -> Table {
        let mut table = Table { week: Week::new(weekly), pieces: Vec::new(), opens: Vec::new() };
        let mut before_ms = 0;
        let windows = windows(exceptions);
        for stretch in zone.stretches() {
            let first = stretch.start_ms + stretch.offset_ms;
            let last = stretch.end_ms + stretch.offset_ms;
            // The local time line of this stretch, with the windows that reach into it.
            let mut local = first;
            for &(from, to) in windows.iter().filter(|w| w.0 < last && w.1 > first) {
                let (from, to) = (from.max(first), to.min(last));
                if local < from {
                    before_ms = table.push_weekly(local, from, stretch.offset_ms, before_ms);
                }
                let opens = listed(weekly, exceptions, from, to, before_ms);
                before_ms = table.push_listed(from, opens, stretch.offset_ms, before_ms);
                local = to;
            }
            if local < last {
                before_ms = table.push_weekly(local, last, stretch.offset_ms, before_ms);
            }
        }
        table
    }

    fn push_weekly(&mut self, from: i64, to: i64, offset_ms: i64, before_ms: i64) -> i64 {
        let base_ms = self.week.open_before(from);
        let kind = Kind::Weekly { offset_ms, base_ms };
        self.pieces.push(Piece { start_ms: from - offset_ms, before_ms, kind });
        before_ms + self.week.open_before(to) - base_ms
    }

    fn push_listed(&mut self, from: i64, opens: Vec<Open>, offset_ms: i64, before_ms: i64) -> i64 {
        let first = self.opens.len();
        let after = opens.last().map_or(before_ms, |o| o.before_ms + o.end_ms - o.start_ms);
        self.opens.extend(opens.into_iter().map(|open| Open {
            start_ms: open.start_ms - offset_ms,
            end_ms: open.end_ms - offset_ms,
            before_ms: open.before_ms,
        }));
        let kind = Kind::Listed { first, last: self.opens.len() };
        self.pieces.push(Piece { start_ms: from - offset_ms, before_ms, kind });
        after
    }
}

impl Timeline for Table {
    fn open_before(&self, at_ms: i64) -> i64 {
        let at_ms = at_ms.clamp(FIRST_MS, LAST_MS);
        let after = self.pieces.partition_point(|piece| piece.start_ms <= at_ms);
        let piece = &self.pieces[after.saturating_sub(1)];
        match piece.kind {
            Kind::Weekly { offset_ms, base_ms } => {
                piece.before_ms + self.week.open_before(at_ms + offset_ms) - base_ms
            }
            Kind::Listed { first, last } if first < last => {
                open_before(&self.opens[first..last], at_ms)
            }
            Kind::Listed { .. } => piece.before_ms,
        }
    }

    fn point_at(&self, sum_ms: i64) -> Option<i64> {
        let after = self.pieces.partition_point(|piece| piece.before_ms < sum_ms);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        match piece.kind {
            Kind::Weekly { offset_ms, base_ms } => {
                let local = self.week.point_at(sum_ms - piece.before_ms + base_ms)?;
                Some(local - offset_ms)
            }
            Kind::Listed { first, last } => point_at(&self.opens[first..last], sum_ms),
        }
    }
}

/// The local times at which exceptions may matter, joined: each covers its day and the next, where
/// a span that starts on it may end.
fn windows(exceptions: &BTreeMap<Day, Vec<DaySpan>>) -> Vec<(i64, i64)> {
    let window = |day: &Day| (day.start_ms(), day.start_ms() + 2 * DAY_MS);
    let joined = join(exceptions.keys().map(window).collect(), 0);
    joined.into_iter().map(|open| (open.start_ms, open.end_ms)).collect()
}

/// The open intervals in `[from, to)` of the local time line, exceptions and all.
fn listed(
    weekly: &[Vec<DaySpan>; 7],
    exceptions: &BTreeMap<Day, Vec<DaySpan>>,
    from: i64,
    to: i64,
    before_ms: i64,
) -> Vec<Open> {
    let mut spans = Vec::new();
    let mut day = Day::at(from).plus(-1);
    while day.start_ms() < to {
        for span in spans_of(weekly, exceptions, day) {
            let start = (day.start_ms() + span.start_ms()).max(from);
            let end = (day.start_ms() + span.end_ms()).min(to);
            if start < end {
                spans.push((start, end));
            }
        }
        day = day.plus(1);
    }
    join(spans, before_ms)
}
