//! Which leads may be judged by: those whose deals have had time to close.
//!
//! Deals close late, wins later than losses. Counting what has closed so far among recent leads would
//! therefore count losses first. So only leads decided a *horizon* before the end of the record count: the
//! time within which 95 % of deals close. Those of them whose deal is still open are censored, not lost:
//! the leads whose deals took as long, and could be seen, stand for them (inverse probability of censoring,
//! Robins and Rotnitzky 1992; the time at which a lead would be censored is known of every one).

use crate::domain::time::{Span, Timestamp};

/// A lead in time: when it was given to a rep, and when its deal closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    pub decided_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

/// The leads that count.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// The end of the record.
    pub end: Timestamp,
    /// Leads decided by then count.
    pub until: Timestamp,
    /// From the decision to the close, for `covered` of the deals.
    pub horizon: Span,
    /// Share of deals that close within the horizon, as far as the record can tell.
    pub covered: f64,
    /// For leads that count, how long each was followed, ascending.
    followed: Vec<i64>,
}

/// The share of deals that should have had time to close.
const COVERED: f64 = 0.95;
/// No fewer than this share of the leads count: of a short record the horizon is cut.
const SHARE_MIN: f64 = 0.4;
/// One lead stands for no more than so many.
const WEIGHT_MAX: f64 = 10.0;

impl Cohort {
    pub fn of(courses: &[Course], end: Timestamp) -> Cohort {
        let all = followed(courses.iter().copied(), end);
        let mut ages: Vec<(i64, f64)> = Vec::new();
        for course in courses {
            if let Some(age) = age(course, end) {
                ages.push((age, weight(&all, age)));
            }
        }
        ages.sort_by_key(|(age, _)| *age);
        let total: f64 = ages.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let mut wanted = 0;
        for (age, weight) in &ages {
            sum += weight;
            wanted = *age;
            if sum >= COVERED * total {
                break;
            }
        }
        let most = all.get((all.len() as f64 * (1.0 - SHARE_MIN)) as usize).copied();
        let horizon = wanted.min(most.unwrap_or(0)).max(0);
        let within = ages.iter().filter(|(age, _)| *age <= horizon).map(|(_, weight)| weight);
        let covered = if total > 0.0 { within.sum::<f64>() / total } else { 0.0 };
        let until = end - Span(horizon);
        let counted = courses.iter().copied().filter(|course| course.decided_at <= until);
        let followed = followed(counted, end);
        Cohort { end, until, horizon: Span(horizon), covered, followed }
    }

    /// Whether a lead counts.
    pub fn has(&self, course: &Course) -> bool {
        course.decided_at <= self.until
    }

    /// How many leads a lead of the cohort stands for: 0 while its deal is open.
    pub fn weight(&self, course: &Course) -> f64 {
        let counted = self.has(course).then(|| age(course, self.end)).flatten();
        counted.map_or(0.0, |age| weight(&self.followed, age))
    }

    /// Whether the record is long enough for what it is asked.
    pub fn is_short(&self) -> bool {
        self.covered < COVERED - 1e-9
    }
}

/// From the decision to the close; a deal closed after the end of the record is open in it.
fn age(course: &Course, end: Timestamp) -> Option<i64> {
    let closed_at = course.closed_at.filter(|closed_at| *closed_at <= end)?;
    Some(closed_at.since(course.decided_at).0.max(0))
}

fn followed(courses: impl Iterator<Item = Course>, end: Timestamp) -> Vec<i64> {
    let mut followed: Vec<i64> = courses.map(|course| end.since(course.decided_at).0).collect();
    followed.sort_unstable();
    followed
}

/// One over the share of leads that were followed for so long.
fn weight(followed: &[i64], age: i64) -> f64 {
    let shorter = followed.partition_point(|length| *length < age);
    let longer = followed.len() - shorter;
    (followed.len() as f64 / longer.max(1) as f64).min(WEIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn course(decided: i64, closed: Option<i64>) -> Course {
        let closed_at = closed.map(|day| Timestamp(day * DAY));
        Course { decided_at: Timestamp(decided * DAY), closed_at }
    }

    #[test]
    fn leads_without_time_to_close_do_not_count() {
        // A lead a day for 200 days; each closes after 10 days, every tenth after 40.
        let all = (0..200).map(|day| (day, day + if day % 10 == 0 { 40 } else { 10 }));
        let courses: Vec<Course> =
            all.map(|(day, closes)| course(day, (closes <= 200).then_some(closes))).collect();
        let cohort = Cohort::of(&courses, Timestamp(200 * DAY));
        assert_eq!(cohort.horizon, Span(40 * DAY));
        assert_eq!(cohort.until, Timestamp(160 * DAY));
        assert!(!cohort.is_short());
        let weights: Vec<f64> = courses.iter().map(|course| cohort.weight(course)).collect();
        assert!(weights[..=160].iter().all(|weight| *weight == 1.0));
        assert!(weights[161..].iter().all(|weight| *weight == 0.0));
    }

    #[test]
    fn who_is_open_is_stood_for_by_those_who_took_as_long() {
        // Half close after 10 days, half after 90; the record of 100 days keeps 40 % of the leads.
        let all = (0..100).map(|day| (day, day + if day % 2 == 0 { 90 } else { 10 }));
        let courses: Vec<Course> =
            all.map(|(day, closes)| course(day, (closes <= 100).then_some(closes))).collect();
        let cohort = Cohort::of(&courses, Timestamp(100 * DAY));
        assert!(cohort.is_short() && cohort.covered < 0.7, "{cohort:?}");
        let early = cohort.weight(&course(1, Some(11)));
        let late = cohort.weight(&course(0, Some(90)));
        assert!(early == 1.0 && late > 3.0, "{early} {late}");
        assert_eq!(cohort.weight(&course(0, None)), 0.0);
    }

    #[test]
    fn nothing_to_go_by_is_no_fault() {
        let cohort = Cohort::of(&[], Timestamp(0));
        assert_eq!((cohort.horizon, cohort.covered), (Span::ZERO, 0.0));
        let open = Cohort::of(&[course(1, None)], Timestamp(2 * DAY));
        assert_eq!(open.weight(&course(1, None)), 0.0);
    }
}
