//! The fast calendar against a slow and obvious one, over random calendars around every kind of odd
//! day.
//!
//! The model walks minute by minute in UTC. A minute is open if the local date and time that jiff
//! gives for it lie in a span of that date, or in what is left of a span of the day before. It
//! shares no code with the calendar, which is even built from its texts. A case asks all questions
//! about one instant.
//!
//! `LEAD_ROUTER_CALENDAR_CASES` sets how many cases are tried, `LEAD_ROUTER_CALENDAR_SEED` where
//! they begin.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::random::{Definition, Random};
use super::*;

const MINUTE_MS: i64 = 60_000;
const CASES_PER_CALENDAR: u64 = 200;

/// Each zone with days worth a look; all are tried on the shared days too.
const ZONES: [(&str, &[Date]); 22] = [
    ("UTC", &[]),
    ("Europe/Berlin", &[date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 28)]),
    ("Europe/London", &[date(2026, 3, 29), date(2027, 10, 31)]),
    ("Europe/Dublin", &[date(2026, 10, 25)]),
    ("America/New_York", &[date(2026, 3, 8), date(2026, 11, 1), date(2027, 11, 7)]),
    ("America/Los_Angeles", &[date(2027, 3, 14)]),
    ("America/St_Johns", &[date(2010, 11, 7), date(2011, 3, 13), date(2026, 3, 8)]),
    ("America/Havana", &[date(2026, 3, 8), date(2026, 11, 1)]),
    ("America/Sao_Paulo", &[date(2018, 11, 4), date(2019, 2, 17)]),
    ("America/Santiago", &[date(2026, 4, 5), date(2026, 9, 6)]),
    ("Africa/Casablanca", &[date(2026, 2, 15), date(2026, 3, 22), date(2027, 2, 7)]),
    ("Africa/Cairo", &[date(2026, 4, 24), date(2026, 10, 30)]),
    ("Asia/Beirut", &[date(2026, 3, 29), date(2026, 10, 25)]),
    ("Asia/Kathmandu", &[date(1986, 1, 1)]),
    ("Asia/Kolkata", &[]),
    ("Asia/Tehran", &[date(2022, 9, 22)]),
    ("Australia/Lord_Howe", &[date(2026, 4, 5), date(2026, 10, 4), date(2027, 10, 3)]),
    ("Pacific/Apia", &[date(2011, 12, 30), date(2021, 4, 4)]),
    ("Pacific/Chatham", &[date(2026, 4, 5), date(2026, 9, 27)]),
    ("Pacific/Kwajalein", &[date(1993, 8, 21)]),
    ("Antarctica/Troll", &[date(2026, 3, 29), date(2027, 10, 31)]),
    ("America/Nuuk", &[date(2023, 10, 29), date(2026, 3, 28)]),
];

const SHARED_DAYS: [Date; 8] = [
    date(2026, 3, 20),
    date(2026, 10, 28),
    date(2027, 3, 20),
    date(2027, 11, 3),
    date(2026, 12, 31),
    date(2028, 2, 29),
    date(2026, 7, 1),
    date(2098, 10, 26),
];

/// The open minutes of a stretch of time.
struct Model {
    first_minute: i64,
    open: Vec<bool>,
    /// The first minute that shows a date, or a later one.
    days: BTreeMap<Date, i64>,
}

impl Model {
    fn new(rules: &TimeZone, definition: &Definition, first_minute: i64, minutes: i64) -> Model {
        let mut model = Model { first_minute, open: Vec::new(), days: BTreeMap::new() };
        let mut today = Date::ZERO;
        let (mut spans, mut before): (&[_], &[_]) = (&[], &[]);
        for minute in first_minute..first_minute + minutes {
            let instant = jiff::Timestamp::from_second(minute * 60).expect("an instant");
            let local = rules.to_datetime(instant);
            if local.date() != today {
                today = local.date();
                spans = definition.spans_on(today);
                before = definition.spans_on(today.yesterday().expect("a date"));
                if model.days.last_key_value().is_none_or(|(last, _)| *last < today) {
                    model.days.insert(today, minute);
                }
            }
            let shown = i64::from(local.hour()) * 60 + i64::from(local.minute());
            let holds = |&(from, to): &(i64, i64), shown: i64| from <= shown && shown < to;
            let open = spans.iter().any(|span| holds(span, shown))
                || before.iter().any(|span| holds(span, shown + 1_440));
            model.open.push(open);
        }
        model
    }

    fn end(&self) -> i64 {
        (self.first_minute + self.open.len() as i64) * MINUTE_MS
    }

    fn is_open(&self, at: i64) -> bool {
        let minute = at.div_euclid(MINUTE_MS) - self.first_minute;
        self.open[usize::try_from(minute).expect("inside the model")]
    }

    /// From `from` on, calls `each` with the length of every piece up to a minute's end and whether
    /// it counts, until it says stop or the model ends.
    fn walk(
        &self,
        from: i64,
        blocked: &[(i64, i64)],
        mut each: impl FnMut(i64, i64, bool) -> bool,
    ) {
        let inside = |bound: &i64| *bound > from && *bound < self.end();
        let mut cuts: Vec<_> = blocked.iter().flat_map(|&(from, to)| [from, to]).collect();
        cuts.retain(inside);
        cuts.push(self.end());
        cuts.sort_unstable();
        let mut at = from;
        for cut in cuts {
            let free = !blocked.iter().any(|&(from, to)| from <= at && at < to);
            while at < cut {
                let end = cut.min((at.div_euclid(MINUTE_MS) + 1) * MINUTE_MS);
                if !each(at, end, free && self.is_open(at)) {
                    return;
                }
                at = end;
            }
        }
    }

    /// None: not within the model.
    fn add_open_time(&self, from: i64, span: i64, blocked: &[(i64, i64)]) -> Option<i64> {
        let (mut left, mut found) = (span, (span <= 0).then_some(from));
        self.walk(from, blocked, |start, end, open| {
            if open && found.is_none() {
                let reached = left <= end - start;
                found = reached.then_some(start + left);
                left -= end - start;
            }
            found.is_none()
        });
        found
    }

    fn open_time_between(&self, from: i64, to: i64, blocked: &[(i64, i64)]) -> i64 {
        let mut sum = 0;
        self.walk(from, blocked, |start, end, open| {
            if open && start < to {
                sum += end.min(to) - start;
            }
            end < to
        });
        sum
    }

    /// The first instant from `from` on that is open, or shut.
    fn next(&self, from: i64, wanted: bool) -> Option<i64> {
        let mut found = None;
        self.walk(from, &[], |start, _, open| {
            found = (open == wanted).then_some(start);
            found.is_none()
        });
        found
    }
}

/// What is compared, and what to print when it differs.
struct Pair<'a> {
    name: &'a str,
    definition: &'a Definition,
    fast: Calendar,
    zone: Zone,
    model: Model,
}

impl Pair<'_> {
    fn compare(&self, random: &mut Random, centre: i64) {
        let from = self.instant(random, centre);
        let blocked = random.blocked(from);
        let plain: Vec<_> = blocked.iter().map(|(from, to)| (from.0, to.0)).collect();
        let about = || {
            format!(
                "{} {:?} from {} blocked {plain:?}",
                self.name,
                self.definition,
                Timestamp(from)
            )
        };
        assert_eq!(self.fast.is_open(Timestamp(from)), self.model.is_open(from), "{}", about());

        let to = from + random.length_ms();
        let to = to.min(self.model.end());
        let between = self.fast.open_time_between(Timestamp(from), Timestamp(to), &blocked);
        let expected = self.model.open_time_between(from, to, &plain);
        assert_eq!(between.0, expected, "to {} {}", Timestamp(to), about());

        // Half of the spans end just where some open time ends: closing instants and starts of
        // absences.
        let span = if random.one_in(2) { between.0 } else { random.length_ms() / 4 };
        let after = self.fast.add_open_time(Timestamp(from), Span(span), &blocked);
        let expected = self.model.add_open_time(from, span, &plain);
        self.same(after, expected, || format!("+ {span} ms {}", about()));

        let opening = self.model.next(from, true);
        self.same(self.fast.next_open(Timestamp(from)), opening, || format!("open {}", about()));
        let closing = opening.and_then(|opening| self.model.next(opening, false));
        self.same(self.fast.next_close(Timestamp(from)), closing, || format!("close {}", about()));
        self.compare_days(from);
    }

    /// The instants agree, or both lie after the end of the model.
    fn same(&self, fast: Option<Timestamp>, model: Option<i64>, about: impl Fn() -> String) {
        let fast = fast.map(|at| at.0);
        match model {
            Some(_) => assert_eq!(fast, model, "{}", about()),
            None => assert!(fast.is_none_or(|at| at >= self.model.end()), "{fast:?} {}", about()),
        }
    }

    fn compare_days(&self, at: i64) {
        let minute = at.div_euclid(MINUTE_MS);
        let days = &self.model.days;
        let Some((today, _)) = days.iter().rev().find(|(_, first)| **first <= minute) else {
            return;
        };
        let start_of = |day: Date| {
            // The model's own first day may have started before the model.
            let first = days.range(day..).next().map(|(_, first)| *first);
            first.filter(|first| *first > self.model.first_minute).map(|m| Timestamp(m * MINUTE_MS))
        };
        let monday = |weeks: i64| {
            let since = i64::from(today.weekday().to_monday_zero_offset());
            today.checked_add(jiff::Span::new().days(7 * weeks - since)).expect("a date")
        };
        let instant = Timestamp(at);
        for (name, fast, model) in [
            ("day", day_start(&self.zone, instant), start_of(*today)),
            (
                "next day",
                next_day_start(&self.zone, instant),
                start_of(today.tomorrow().expect("a date")),
            ),
            ("week", week_start(&self.zone, instant), start_of(monday(0))),
            ("next week", next_week_start(&self.zone, instant), start_of(monday(1))),
        ] {
            assert!(model.is_none_or(|model| model == fast), "{name} {} {instant}", self.name);
        }
    }

    /// An instant near the odd day, at an opening or closing time, or anywhere in the first half.
    fn instant(&self, random: &mut Random, centre: i64) -> i64 {
        let first = self.model.first_minute * MINUTE_MS;
        let half = (self.model.end() - first) / 2;
        let at = match random.below(3) {
            0 => centre + random.below(4 * 1_440) * MINUTE_MS - 2 * 1_440 * MINUTE_MS,
            1 => first + random.below(half),
            _ => {
                let from = first + random.below(half);
                self.model.next(from, !self.model.is_open(from)).unwrap_or(from)
            }
        };
        let nudge = [0, 0, 0, -1, 1, random.below(MINUTE_MS)][random.below(6) as usize];
        (at + nudge).clamp(first, self.model.end() - 1)
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn the_calendar_agrees_with_the_minute_by_minute_model() {
    let database = TimeZoneDatabase::bundled();
    let cases = setting("LEAD_ROUTER_CALENDAR_CASES", 2_000);
    let first = setting("LEAD_ROUTER_CALENDAR_SEED", 0);
    for seed in first..first + cases.div_ceil(CASES_PER_CALENDAR) {
        let mut random = Random::new(seed);
        let (name, days) = ZONES[seed as usize % ZONES.len()];
        let odd = if days.is_empty() || random.one_in(4) { &SHARED_DAYS } else { days };
        let odd = odd[random.below(odd.len() as i64) as usize];
        let rules = database.get(name).expect("a zone");
        let definition = random.definition(odd);
        let fast = definition.text(name).parse().unwrap_or_else(|e| panic!("{e} {definition:?}"));
        let centre = rules.to_timestamp(odd.at(2, 0, 0, 0)).expect("an instant").as_second() / 60;
        // One calendar in ten is looked at for more than a year.
        let days_after = if seed % 10 == 9 { 430 } else { 40 };
        let first_minute = centre - 20 * 1_440;
        let model = Model::new(&rules, &definition, first_minute, (20 + days_after) * 1_440);
        let zone = Zone::parse(name).expect("a zone");
        let label = format!("seed {seed} {name}");
        let pair = Pair { name: &label, definition: &definition, fast, zone, model };
        for _ in 0..CASES_PER_CALENDAR {
            pair.compare(&mut random, centre * MINUTE_MS);
        }
    }
}
