//! The weekly pattern: open local time as a function that repeats every week.

use super::DaySpan;
use super::day::DAY_MS;

const WEEK_MS: i64 = 7 * DAY_MS;
/// The Monday before local 1970-01-01, which was a Thursday.
const MONDAY_MS: i64 = -3 * DAY_MS;

/// An open interval, and the open time before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) before_ms: i64,
}

/// The open time in the sorted, disjoint `intervals` before `at`.
pub(super) fn open_before(intervals: &[Open], at: i64) -> i64 {
    let started = intervals.partition_point(|open| open.start_ms < at);
    match started.checked_sub(1).and_then(|last| intervals.get(last)) {
        Some(open) => open.before_ms + at.min(open.end_ms) - open.start_ms,
        None => intervals.first().map_or(0, |open| open.before_ms),
    }
}

/// The first point of `intervals` with `sum_ms` of open time before it.
pub(super) fn point_at(intervals: &[Open], sum_ms: i64) -> Option<i64> {
    let at = intervals.partition_point(|open| open.before_ms < sum_ms).checked_sub(1)?;
    intervals.get(at).map(|open| open.start_ms + sum_ms - open.before_ms)
}

/// Sorts and joins what overlaps or touches; `before_ms` counts from `before`.
pub(super) fn join(mut spans: Vec<(i64, i64)>, before: i64) -> Vec<Open> {
    spans.sort_unstable();
    let mut joined: Vec<Open> = Vec::with_capacity(spans.len());
    for (start_ms, end_ms) in spans {
        match joined.last_mut() {
            Some(last) if start_ms <= last.end_ms => last.end_ms = last.end_ms.max(end_ms),
            _ => {
                let before_ms =
                    joined.last().map_or(before, |o| o.before_ms + o.end_ms - o.start_ms);
                joined.push(Open { start_ms, end_ms, before_ms });
            }
        }
    }
    joined
}

/// The open intervals of a week that starts on Monday 00:00 = 0.
#[derive(Clone, Debug)]
pub(super) struct Week {
    opens: Vec<Open>,
    total_ms: i64,
}

impl Week {
    pub(super) fn new(weekly: &[Vec<DaySpan>; 7]) -> Week {
        let mut spans = Vec::new();
        for (day, day_spans) in (0..).zip(weekly) {
            for span in day_spans {
                let (from, to) = (day * DAY_MS + span.start_ms(), day * DAY_MS + span.end_ms());
                spans.push((from, to.min(WEEK_MS)));
                if to > WEEK_MS {
                    // What is left of Sunday night opens the week.
                    spans.push((0, to - WEEK_MS));
                }
            }
        }
        let opens = join(spans, 0);
        let total_ms = opens.iter().map(|open| open.end_ms - open.start_ms).sum();
        Week { opens, total_ms }
    }

    /// The open time from Monday 1969-12-29 to a local time; negative before.
    pub(super) fn open_before(&self, local_ms: i64) -> i64 {
        let since = local_ms - MONDAY_MS;
        since.div_euclid(WEEK_MS) * self.total_ms
            + open_before(&self.opens, since.rem_euclid(WEEK_MS))
    }

    /// The first local time with `sum_ms` of open time before it; none if the week is never open.
    pub(super) fn point_at(&self, sum_ms: i64) -> Option<i64> {
        if self.total_ms == 0 {
            return None;
        }
        // A full week's sum belongs to the end of that week, not to the start of the next.
        let weeks = (sum_ms - 1).div_euclid(self.total_ms);
        let within = point_at(&self.opens, sum_ms - weeks * self.total_ms)?;
        Some(MONDAY_MS + weeks * WEEK_MS + within)
    }
}
