//! Watches what becomes of the records of one part: when too many are dead letters, its producer is broken, and
//! reading on would only move its topic into the dead letters.
//!
//! Counted is what stands: the records of a batch that is undone will come again. The counts begin anew with
//! the process; whoever starts it anew says that it may go on.

use std::collections::VecDeque;

/// The verdict on one part.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// 0 = never stops.
    limit: usize,
    /// Whether each of the last `limit` records was a dead letter.
    recent: VecDeque<bool>,
    bad: usize,
    in_a_row: usize,
    /// Those of the batch that is open.
    open: Vec<bool>,
}

impl Guard {
    pub(super) fn new(limit: usize) -> Guard {
        Guard { limit, ..Guard::default() }
    }

    /// A record was taken; `bad`: it became a dead letter.
    pub(super) fn note(&mut self, bad: bool) {
        if self.limit > 0 {
            self.open.push(bad);
        }
    }

    /// The batch never was.
    pub(super) fn undo(&mut self) {
        self.open.clear();
    }

    /// The batch stands. Says why the part must stop, if it must.
    pub(super) fn keep(&mut self) -> Option<String> {
        for bad in std::mem::take(&mut self.open) {
            if self.recent.len() == self.limit {
                self.bad -= usize::from(self.recent.pop_front() == Some(true));
            }
            self.recent.push_back(bad);
            self.bad += usize::from(bad);
            self.in_a_row = if bad { self.in_a_row + 1 } else { 0 };
        }
        let limit = self.limit;
        if limit == 0 {
            None
        } else if self.in_a_row >= limit {
            Some(format!("{} records in a row are dead letters", self.in_a_row))
        } else if self.recent.len() == limit && self.bad * 2 > limit {
            Some(format!("{} of the last {limit} records are dead letters", self.bad))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(limit: usize, records: impl IntoIterator<Item = bool>) -> Option<String> {
        let mut guard = Guard::new(limit);
        records.into_iter().for_each(|bad| guard.note(bad));
        guard.keep()
    }

    #[test]
    fn so_many_in_a_row_or_more_than_half_of_as_many() {
        assert_eq!(after(10, [true; 9]), None);
        assert!(after(10, [true; 10]).is_some_and(|why| why.starts_with("10 records in a row")));
        let mixed =
            |bad: usize| (0..10).map(move |n| n % 2 == 0 && n / 2 < bad || n == 9 && bad > 5);
        assert_eq!(after(10, mixed(5)), None, "half is not more than half");
        assert_eq!(
            after(10, mixed(6)).as_deref(),
            Some("6 of the last 10 records are dead letters")
        );
        // A few at the start say nothing yet.
        assert_eq!(after(10, [true, true, true, false]), None);
        assert_eq!(after(0, [true; 1_000]), None);
    }

    #[test]
    fn good_records_make_up_for_bad_ones() {
        let mut guard = Guard::new(10);
        for _ in 0..20 {
            [true, true, false, false, false].into_iter().for_each(|bad| guard.note(bad));
            assert_eq!(guard.keep(), None);
        }
    }

    #[test]
    fn what_is_undone_does_not_count() {
        let mut guard = Guard::new(4);
        (0..5).for_each(|_| guard.note(true));
        guard.undo();
        assert_eq!(guard.keep(), None);
    }
}
