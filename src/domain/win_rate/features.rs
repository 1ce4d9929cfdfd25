//! The dictionary of a domain: every level that deals have shown, with its number and its group.
//!
//! A number, once given, stays: learned effects and observations refer to it. The dictionary is
//! bounded; when a dimension is full, its further values share one level.

use crate::domain::time::Span;

/// At most so many effects are shared by a domain, and so many in one dimension.
pub(super) const FEATURES_MAX: usize = 192;
const GROUP_LEVELS_MAX: usize = 48;
/// Groups of effects that have one variance each: `all`, `tenure`, then the dimensions.
pub(super) const GROUPS_MAX: usize = 16;

pub(super) const ALL: u32 = 0;
pub(super) const GROUP_ALL: usize = 0;
pub(super) const GROUP_TENURE: usize = 1;

/// Upper bounds in days; the last bucket is open, the one after it is for "not known".
const TENURE_DAYS: [i64; 8] = [15, 30, 60, 90, 150, 240, 365, 730];
const AGE_DAYS: [i64; 9] = [3, 7, 14, 30, 45, 60, 90, 120, 180];
pub(super) const TENURE_BUCKETS: usize = TENURE_DAYS.len() + 2;
/// Buckets of the age at close, the unknown one last.
pub(super) const AGE_BUCKETS: usize = AGE_DAYS.len() + 2;
pub(super) const TENURE_FIRST: u32 = 1;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Features {
    /// By number: `industry=software`.
    names: Vec<String>,
    /// By number.
    groups: Vec<u8>,
    /// Names of the groups: what stands before the equals sign.
    group_names: Vec<String>,
    /// Numbers in the order of their names.
    order: Vec<u32>,
}

impl Features {
    pub(super) fn new() -> Features {
        let mut features = Features {
            names: Vec::new(),
            groups: Vec::new(),
            group_names: Vec::new(),
            order: Vec::new(),
        };
        features.add("all");
        buckets(&TENURE_DAYS).for_each(|bucket| features.add(&format!("tenure={bucket}")));
        features
    }

    /// From the names of an image, in the order of their numbers.
    pub(super) fn from_names(names: &[String]) -> Option<Features> {
        let mut features = Features::new();
        let own = features.len();
        if names.len() > FEATURES_MAX || names.get(..own)? != features.names {
            return None;
        }
        for name in &names[own..] {
            if features.find(name).is_some() || features.group_for(name).is_none() {
                return None;
            }
            features.add(name);
        }
        Some(features)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn group(&self, number: u32) -> usize {
        usize::from(self.groups[number as usize])
    }

    /// The number of a level, or of the level that its dimension's overflow shares.
    pub(super) fn find(&self, level: &str) -> Option<u32> {
        let exact = |level: &str| {
            let at = self
                .order
                .binary_search_by(|number| self.names[*number as usize].as_str().cmp(level));
            at.ok().map(|at| self.order[at])
        };
        exact(level).or_else(|| exact(&overflow(level)))
    }

    /// The group that a level belongs to, if it has one or can still get one.
    pub(super) fn group_for(&self, level: &str) -> Option<usize> {
        let group = self.group_names.iter().position(|name| name == dimension(level));
        group.or((self.group_names.len() < GROUPS_MAX).then_some(self.group_names.len()))
    }

    /// What has to be added so that `find` finds this level; None if nothing has to or can be.
    pub(super) fn missing(&self, level: &str) -> Option<String> {
        let group = self.group_for(level)?;
        if self.find(level).is_some() || self.len() >= FEATURES_MAX {
            return None;
        }
        let levels = self.groups.iter().filter(|other| usize::from(**other) == group).count();
        // One place a group is kept for its overflow.
        let full = levels >= GROUP_LEVELS_MAX || self.len() >= FEATURES_MAX - GROUPS_MAX;
        Some(if full { overflow(level) } else { level.to_owned() })
    }

    pub(super) fn add(&mut self, name: &str) {
        let Some(group) = self.group_for(name) else {
            return;
        };
        if group == self.group_names.len() {
            self.group_names.push(dimension(name).to_owned());
        }
        let number = self.names.len() as u32;
        let at = self.order.partition_point(|other| self.names[*other as usize].as_str() < name);
        self.order.insert(at, number);
        self.names.push(name.to_owned());
        self.groups.push(group as u8);
    }
}

fn dimension(level: &str) -> &str {
    level.split_once('=').map_or(level, |(dimension, _)| dimension)
}

fn overflow(level: &str) -> String {
    format!("{}=*", dimension(level))
}

fn buckets(days: &'static [i64]) -> impl Iterator<Item = String> {
    let open = days.last().map(|last| format!("{last}d-"));
    days.iter().map(|bound| format!("<{bound}d")).chain(open).chain([String::new()])
}

fn bucket(days: &[i64], span: Option<Span>) -> usize {
    match span {
        Some(span) => days.iter().filter(|bound| span >= Span::from_days(**bound)).count(),
        None => days.len() + 1,
    }
}

/// Whether an effect is that of a time in the job.
pub(super) fn is_tenure(number: u32) -> bool {
    (TENURE_FIRST..TENURE_FIRST + TENURE_BUCKETS as u32).contains(&number)
}

/// The number of the shared effect of a rep's time in the job.
pub(super) fn tenure_feature(tenure: Option<Span>) -> u32 {
    TENURE_FIRST + bucket(&TENURE_DAYS, tenure) as u32
}

/// The bucket of the time from opening to closing; a negative one is not known.
pub(super) fn age_bucket(age: Option<Span>) -> usize {
    bucket(&AGE_DAYS, age.filter(|age| *age >= Span::ZERO))
}

/// Where the last bucket of the ages is taken to end, in days.
pub(super) const AGE_END_DAYS: i64 = 360;

/// The age at which a bucket ends, in days.
pub(super) fn age_to_days(bucket: usize) -> i64 {
    AGE_DAYS.get(bucket).copied().unwrap_or(AGE_END_DAYS)
}

/// The youngest age of a bucket, in days; 0 for the unknown one.
pub(super) fn age_from_days(bucket: usize) -> i64 {
    match bucket {
        0 => 0,
        _ => AGE_DAYS.get(bucket - 1).copied().filter(|_| bucket < AGE_BUCKETS - 1).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_overflow_is_shared() {
        let mut features = Features::new();
        for value in 0..1_000 {
            for dimension in ["state", "source"] {
                let level = format!("{dimension}={value}");
                if let Some(name) = features.missing(&level) {
                    features.add(&name);
                }
                assert!(features.find(&level).is_some());
            }
        }
        assert_eq!(features.find("state=3"), features.find("state=3"));
        assert_ne!(features.find("state=3"), features.find("source=3"));
        assert_eq!(features.find("state=900"), features.find("state=901"));
        assert_ne!(features.find("state=900"), features.find("source=900"));
        for group in 0..100 {
            for value in 0..3 {
                if let Some(name) = features.missing(&format!("attributes.{group}={value}")) {
                    features.add(&name);
                }
            }
        }
        assert!(features.len() <= FEATURES_MAX);
        assert_eq!(Features::from_names(features.names()), Some(features));
    }

    #[test]
    fn buckets_hold_any_span() {
        assert_eq!(tenure_feature(Some(Span(i64::MIN))), TENURE_FIRST);
        let end = TENURE_FIRST + TENURE_BUCKETS as u32;
        assert_eq!(tenure_feature(Some(Span(i64::MAX))), end - 2);
        assert_eq!(tenure_feature(None), end - 1);
        assert_eq!(age_bucket(Some(Span(-1))), AGE_BUCKETS - 1);
        assert_eq!(age_bucket(Some(Span::from_days(3))), 1);
        assert_eq!([0, 1, 9, 10].map(age_from_days), [0, 3, 180, 0]);
    }
}
