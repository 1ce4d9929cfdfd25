//! The dead letters that are gone: with time, or by a purge, their topic loses its beginning.
//!
//! A letter is written after its record was published, and a partition loses the oldest first. So a record that is
//! newer than the oldest letter left must still have its own; what became of an older one cannot be told.

use crate::domain::time::Timestamp;

/// Until when dead letters may be gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lost {
    until: Option<Timestamp>,
}

impl Lost {
    /// A partition of the dead letters begins above 0; its oldest letter is of this time, None = it is empty.
    pub fn before(&mut self, oldest: Option<Timestamp>) {
        let until = oldest.unwrap_or(Timestamp(i64::MAX));
        self.until = self.until.max(Some(until));
    }

    /// Whether the letter of a record that was published then may be gone.
    pub(super) fn may_hold(self, published: Timestamp) -> bool {
        self.until.is_some_and(|until| published <= until)
    }
}
