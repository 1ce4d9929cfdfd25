//! Business days: the calendar's own days, never 24 hours.

use super::day::Day;
use super::{Calendar, Date, DaySpan};
use crate::domain::time::Timestamp;

impl Calendar {
    /// Whether a date is a business day: some open time starts on it.
    pub fn is_business_day(&self, date: Date) -> bool {
        self.opens_on(Day::of(date))
    }

    /// The same local time `days` business days later.
    ///
    /// The day of `from` is the one whose span it lies in (02:00 of a night shift belongs to the
    /// day before), else its local date; it need not be a business day, and does not count: from
    /// Saturday, one business day later is Monday. If the calendar is not open at that time of that
    /// day, the answer is the day's next opening after it, or, past its last span, the day's last
    /// closing instant: never another day, so that a promise for a half day is kept on it. Zero
    /// days give `from`. None if it lies after 2100.
    pub fn add_business_days(&self, from: Timestamp, days: u32) -> Option<Timestamp> {
        if days == 0 {
            return Some(from);
        }
        let start = self.shift_day(from);
        let time_of_day_ms = self.inner.zone.local_ms(from) - start.start_ms();
        let last = Day::at(Timestamp::MAX.0).plus(1);
        let mut day = start;
        let mut left = days;
        while left > 0 {
            day = day.plus(1);
            if day > last {
                return None;
            }
            left -= u32::from(self.opens_on(day));
        }
        let at = self.within(day, time_of_day_ms)?;
        (at <= Timestamp::MAX).then_some(at)
    }

    /// The day whose span `at` lies in, else its local date.
    fn shift_day(&self, at: Timestamp) -> Day {
        let local_ms = self.inner.zone.local_ms(at);
        let today = Day::at(local_ms);
        let contains = |day: Day| {
            let since_ms = local_ms - day.start_ms();
            let holds = |span: &DaySpan| span.start_ms() <= since_ms && since_ms < span.end_ms();
            self.spans_of(day).iter().any(holds)
        };
        let yesterday = today.plus(-1);
        if !contains(today) && contains(yesterday) { yesterday } else { today }
    }

    /// The instants at which a span of a day first opens and last closes; none if the zone skips it
    /// whole.
    fn resolve(&self, day: Day, span: &DaySpan) -> Option<(Timestamp, Timestamp)> {
        let zone = &self.inner.zone;
        let opens = zone.first_at(day.start_ms() + span.start_ms());
        let closes = zone.last_before(day.start_ms() + span.end_ms());
        (opens < closes).then_some((opens, closes))
    }

    fn opens_on(&self, day: Day) -> bool {
        self.spans_of(day).iter().any(|span| self.resolve(day, span).is_some())
    }

    /// The instant of a local time of a business day, moved into its opening hours.
    fn within(&self, day: Day, time_of_day_ms: i64) -> Option<Timestamp> {
        let wanted = self.inner.zone.first_at(day.start_ms() + time_of_day_ms);
        let mut last_close = None;
        for span in self.spans_of(day) {
            let Some((opens, closes)) = self.resolve(day, span) else { continue };
            let at = wanted.max(opens);
            if time_of_day_ms < span.end_ms() && at < closes {
                return Some(at);
            }
            last_close = Some(closes);
        }
        last_close
    }
}
