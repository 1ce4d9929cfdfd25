//! Opening hours, business days and zone days, case by case. Expected instants are written with the
//! zone's offset, so that no test trusts the code under test to find it.

use super::*;

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().expect("RFC 3339");
    Timestamp(instant.as_millisecond())
}

fn hours(hours: i64) -> Span {
    Span::from_secs(hours * 3_600)
}

fn minutes(minutes: i64) -> Span {
    Span::from_secs(minutes * 60)
}

/// A millisecond more.
fn more_than(span: Span) -> Span {
    Span(span.0 + 1)
}

type Days<'a> = &'a [(&'a str, &'a [&'a str])];

fn text(zone: &str, weekly: Days, holidays: &[&str], days: Days) -> CalendarText {
    let lists = |lists: Days| {
        lists
            .iter()
            .map(|(key, spans)| (key.to_string(), spans.iter().map(|s| s.to_string()).collect()))
            .collect()
    };
    CalendarText {
        time_zone: zone.to_owned(),
        weekly: lists(weekly),
        holidays: holidays.iter().map(|date| date.to_string()).collect(),
        days: lists(days),
    }
}

fn every_day(zone: &str, span: &str) -> Calendar {
    let spans = [span];
    let weekly: Vec<_> = WEEKDAYS.iter().map(|day| (*day, spans.as_slice())).collect();
    text(zone, &weekly, &[], &[]).parse().expect("a calendar")
}

const OFFICE: Days<'static> = &[
    ("mon", &["09:00-17:00"]),
    ("tue", &["09:00-17:00"]),
    ("wed", &["09:00-17:00"]),
    ("thu", &["09:00-17:00"]),
    ("fri", &["09:00-17:00"]),
];

fn office(zone: &str) -> Calendar {
    let days: Days = &[("2026-12-24", &["09:00-13:00"]), ("2026-12-31", &[])];
    text(zone, OFFICE, &["2026-12-25", "2027-01-01"], days).parse().expect("a calendar")
}

fn refused(text: CalendarText) -> String {
    text.parse().expect_err("a fault").to_string()
}

#[test]
fn spans_and_dates_are_read_strictly() {
    let read = |text: &str| DaySpan::parse(text).map(|span| (span.from_minute(), span.to_minute()));
    assert_eq!(read("09:00-17:30"), Ok((540, 1_050)));
    assert_eq!(read("00:00-24:00"), Ok((0, 1_440)));
    assert_eq!(read("22:00-06:00"), Ok((1_320, 1_800)));
    assert_eq!(read("22:00-00:00"), Ok((1_320, 1_440)));
    assert_eq!(read(" 09:00 - 17:00 "), Ok((540, 1_020)));
    for bad in
        ["", "09:00", "9:00-17:00", "09:00-25:00", "24:00-01:00", "09:60-10:00", "-09:00-10:00"]
    {
        assert!(matches!(read(bad), Err(SpanError::Syntax(_))), "{bad}");
    }
    assert!(matches!(read("09:00-09:00"), Err(SpanError::Empty(_))));
    assert!(matches!(read("00:00-00:00"), Err(SpanError::Empty(_))));
    for shown in ["09:00-17:30", "00:00-24:00", "22:00-06:00"] {
        assert_eq!(DaySpan::parse(shown).expect("a span").to_string(), shown);
    }
    assert_eq!(parse_date("2028-02-29"), Date::new(2028, 2, 29).ok());
    for bad in
        ["2027-02-29", "2026-1-05", "2026-12-25T00:00", "20261225", "2026-12-32", "２026-12-2"]
    {
        assert_eq!(parse_date(bad), None, "{bad}");
    }
}

#[test]
fn faults_name_the_field() {
    let weekly: Days = &[("mon", &["09:00-17:00"])];
    assert_eq!(
        refused(text("Europe/Berlln", weekly, &[], &[])),
        "time_zone: `Europe/Berlln` is no time zone of the IANA database"
    );
    assert_eq!(
        refused(text("UTC", &[("mon", &["09:00-17:00", "nine"])], &[], &[])),
        "weekly.mon[1]: `nine` is no span of a day; write 09:00-17:00, 22:00-06:00 or 00:00-24:00"
    );
    assert_eq!(
        refused(text("UTC", &[("monday", &[])], &[], &[])),
        "weekly.monday: `monday` is no day of the week; write mon, tue, wed, thu, fri, sat or sun"
    );
    assert_eq!(
        refused(text("UTC", &[("tue", &["12:00-17:00", "09:00-12:01"])], &[], &[])),
        "weekly.tue: 09:00-12:01 overlaps 12:00-17:00"
    );
    assert_eq!(
        refused(text("UTC", &[("sun", &["22:00-06:00"]), ("mon", &["05:59-12:00"])], &[], &[])),
        "weekly.mon: 05:59-12:00 overlaps 22:00-06:00"
    );
    assert_eq!(
        refused(text("UTC", weekly, &["2026-12-25", "25.12.2026"], &[])),
        "holidays[1]: `25.12.2026` is no date; write 2026-12-25, from 1970 to 2100"
    );
    assert!(refused(text("UTC", weekly, &["2101-01-01"], &[])).starts_with("holidays[0]: "));
    assert!(
        refused(text("UTC", weekly, &[], &[("2026-12-24", &["13:00-13:00"])]))
            .starts_with("days.\"2026-12-24\"[0]: ")
    );
    let never = "weekly: the calendar is never open";
    assert_eq!(refused(text("UTC", &[], &["2026-12-25"], &[("2026-12-24", &[])])), never);
    for zone in ["", "Etc/Unknown", "+02:00", "local", "CEST"] {
        assert_eq!(Zone::parse(zone), Err(ZoneError(zone.to_owned())));
    }
}

#[test]
fn a_working_week_with_half_days_and_holidays() {
    let berlin = office("Europe/Berlin");
    assert!(berlin.is_open(at("2026-12-23T09:00:00+01:00")));
    assert!(!berlin.is_open(at("2026-12-23T08:59:59.999+01:00")));
    assert!(berlin.is_open(at("2026-12-23T16:59:59.999+01:00")));
    assert!(!berlin.is_open(at("2026-12-23T17:00:00+01:00")));
    let before = at("2026-12-23T16:00:00+01:00");
    // One hour on the 23rd, four on the 24th, the 25th off, a weekend, then Monday the 28th.
    let after = |span| berlin.add_open_time(before, span, &[]);
    assert_eq!(after(Span::ZERO), Some(before));
    assert_eq!(after(Span(-1)), Some(before));
    assert_eq!(after(hours(1)), Some(at("2026-12-23T17:00:00+01:00")));
    assert_eq!(after(more_than(hours(1))), Some(at("2026-12-24T09:00:00.001+01:00")));
    assert_eq!(after(hours(5)), Some(at("2026-12-24T13:00:00+01:00")));
    assert_eq!(after(hours(6)), Some(at("2026-12-28T10:00:00+01:00")));
    assert_eq!(after(hours(30)), Some(at("2027-01-04T10:00:00+01:00")));
    let closed = at("2026-12-24T13:00:00+01:00");
    assert_eq!(berlin.next_open(closed), Some(at("2026-12-28T09:00:00+01:00")));
    assert_eq!(berlin.next_open(before), Some(before));
    assert_eq!(berlin.next_close(before), Some(at("2026-12-23T17:00:00+01:00")));
    assert_eq!(berlin.next_close(closed), Some(at("2026-12-28T17:00:00+01:00")));
    let monday = at("2027-01-04T10:00:00+01:00");
    assert_eq!(berlin.open_time_between(before, monday, &[]), hours(30));
    assert_eq!(berlin.open_time_between(monday, before, &[]), Span::ZERO);
}

#[test]
fn blocked_intervals_stop_the_clock() {
    let berlin = office("Europe/Berlin");
    let start = at("2026-06-01T09:00:00+02:00");
    let lunch = (at("2026-06-01T12:00:00+02:00"), at("2026-06-01T13:00:00+02:00"));
    let long = (at("2026-06-01T12:30:00+02:00"), at("2026-06-01T14:00:00+02:00"));
    let empty = (lunch.1, lunch.0);
    let blocked = [long, empty, lunch];
    let after = |span| berlin.add_open_time(start, span, &blocked);
    assert_eq!(after(hours(3)), Some(lunch.0));
    assert_eq!(after(more_than(hours(3))), Some(Timestamp(long.1.0 + 1)));
    assert_eq!(after(hours(6)), Some(at("2026-06-01T17:00:00+02:00")));
    let evening = at("2026-06-01T20:00:00+02:00");
    assert_eq!(berlin.open_time_between(start, evening, &blocked), hours(6));
    assert_eq!(berlin.open_time_between(lunch.0, long.1, &blocked), Span::ZERO);
    // An absence that starts before the assignment, as one who is away already.
    let away = [(Timestamp(0), at("2026-06-08T00:00:00+02:00"))];
    assert_eq!(berlin.add_open_time(start, hours(2), &away), Some(at("2026-06-08T11:00:00+02:00")));
    let forever = [(Timestamp(0), Timestamp::MAX)];
    assert_eq!(berlin.add_open_time(start, Span(1), &forever), None);
}

#[test]
fn the_wall_is_a_clock_too() {
    let start = at("2026-03-28T23:00:00Z");
    let away = [(at("2026-03-29T00:00:00Z"), at("2026-03-29T12:00:00Z"))];
    assert_eq!(Clock::Wall.add_open_time(start, hours(2), &[]), Some(start + hours(2)));
    assert_eq!(Clock::Wall.add_open_time(start, hours(2), &away), Some(start + hours(14)));
    assert_eq!(Clock::Wall.open_time_between(start, start + hours(14), &away), hours(2));
    assert_eq!(Clock::Wall.next_open(start), Some(start));
    assert_eq!(Clock::Wall.next_close(start), None);
    assert_eq!(Clock::Wall.add_open_time(Timestamp::MAX, Span(1), &[]), None);
    let berlin = office("Europe/Berlin");
    let clock = Clock::Calendar(&berlin);
    assert_eq!(
        clock.add_open_time(start, hours(2), &[]),
        berlin.add_open_time(start, hours(2), &[])
    );
    assert!(!clock.is_open(start) && Clock::Wall.is_open(start));
}

#[test]
fn days_of_23_and_25_hours() {
    for (zone, before, gap, after, overlap) in [
        ("Europe/Berlin", "+01:00", "2026-03-29", "+02:00", "2026-10-25"),
        ("Europe/Berlin", "+01:00", "2027-03-28", "+02:00", "2027-10-31"),
        ("America/New_York", "-05:00", "2026-03-08", "-04:00", "2026-11-01"),
        ("America/New_York", "-05:00", "2027-03-14", "-04:00", "2027-11-07"),
    ] {
        let whole = every_day(zone, "00:00-24:00");
        let nights = every_day(zone, "22:00-06:00");
        let spring = at(&format!("{gap}T00:00:00{before}"));
        let autumn = at(&format!("{overlap}T00:00:00{after}"));
        let spring_noon = at(&format!("{gap}T12:00:00{after}"));
        let autumn_noon = at(&format!("{overlap}T12:00:00{before}"));
        assert_eq!(whole.open_time_between(spring, spring_noon, &[]), hours(11), "{zone} {gap}");
        assert_eq!(
            whole.open_time_between(autumn, autumn_noon, &[]),
            hours(13),
            "{zone} {overlap}"
        );
        assert_eq!(nights.open_time_between(spring, spring_noon, &[]), hours(5), "{zone} {gap}");
        assert_eq!(
            nights.open_time_between(autumn, autumn_noon, &[]),
            hours(7),
            "{zone} {overlap}"
        );
        assert_eq!(whole.next_close(spring), None);
        let closing = at(&format!("{gap}T06:00:00{after}"));
        assert_eq!(nights.add_open_time(spring, hours(5), &[]), Some(closing), "{zone} {gap}");
        assert_eq!(nights.next_close(spring), Some(closing));
        let closing = at(&format!("{overlap}T06:00:00{before}"));
        assert_eq!(nights.add_open_time(autumn, hours(7), &[]), Some(closing), "{zone} {overlap}");
    }
}

#[test]
fn a_span_in_the_gap_does_not_happen() {
    let gap = every_day("Europe/Berlin", "02:00-03:00");
    let day_before = at("2026-03-28T02:30:00+01:00");
    assert_eq!(gap.next_close(day_before), Some(at("2026-03-28T03:00:00+01:00")));
    assert_eq!(
        gap.next_open(at("2026-03-28T03:00:00+01:00")),
        Some(at("2026-03-30T02:00:00+02:00"))
    );
    // One that starts in it opens after it.
    let late = every_day("Europe/Berlin", "02:30-04:00");
    let midnight = at("2026-03-29T00:00:00+01:00");
    assert_eq!(late.next_open(midnight), Some(at("2026-03-29T03:00:00+02:00")));
    assert_eq!(late.next_close(midnight), Some(at("2026-03-29T04:00:00+02:00")));
    assert!(!gap.is_business_day(date("2026-03-29")) && late.is_business_day(date("2026-03-29")));
}

#[test]
fn a_span_in_the_overlap_happens_twice() {
    let inside = every_day("Europe/Berlin", "02:15-02:45");
    let midnight = at("2026-10-25T00:00:00+02:00");
    let noon = at("2026-10-25T12:00:00+01:00");
    assert_eq!(inside.open_time_between(midnight, noon, &[]), hours(1));
    assert_eq!(inside.next_open(midnight), Some(at("2026-10-25T02:15:00+02:00")));
    let between = at("2026-10-25T02:50:00+02:00");
    assert_eq!(inside.next_open(between), Some(at("2026-10-25T02:15:00+01:00")));
    // Around it, the span is one: from the earlier offset to the later.
    let around = every_day("Europe/Berlin", "01:00-04:00");
    assert_eq!(around.next_close(midnight), Some(at("2026-10-25T04:00:00+01:00")));
    assert_eq!(around.open_time_between(midnight, noon, &[]), hours(4));
    // A span that ends where the overlap starts closes the first time.
    let early = every_day("Europe/Berlin", "00:00-02:00");
    assert_eq!(early.next_close(midnight), Some(at("2026-10-25T02:00:00+02:00")));
}

#[test]
fn odd_zones() {
    // Half an hour of daylight saving, in the southern hemisphere.
    let lord_howe = every_day("Australia/Lord_Howe", "00:00-12:00");
    let end = at("2026-04-05T00:00:00+11:00");
    assert_eq!(lord_howe.open_time_between(end, end + hours(20), &[]), minutes(750));
    let start = at("2026-10-04T00:00:00+10:30");
    assert_eq!(lord_howe.open_time_between(start, start + hours(20), &[]), minutes(690));
    let kathmandu = office("Asia/Kathmandu");
    assert_eq!(
        kathmandu.next_open(at("2026-06-01T00:00:00Z")),
        Some(at("2026-06-01T09:00:00+05:45"))
    );
    // Morocco leaves its +01:00 for Ramadan: 2026-02-15 03:00 to 2026-03-22 02:00.
    let casablanca = office("Africa/Casablanca");
    for (day, offset) in
        [("02-13", "+01:00"), ("02-16", "+00:00"), ("03-20", "+00:00"), ("03-23", "+01:00")]
    {
        let opening = at(&format!("2026-{day}T09:00:00{offset}"));
        assert_eq!(casablanca.next_open(opening - hours(2)), Some(opening), "{day}");
    }
    // Samoa went from the 29th to the 31st of December 2011.
    let apia = every_day("Pacific/Apia", "09:00-17:00");
    let last = at("2011-12-29T17:00:00-10:00");
    assert_eq!(apia.next_open(last), Some(at("2011-12-31T09:00:00+14:00")));
    assert!(!apia.is_business_day(date("2011-12-30")));
    assert_eq!(
        apia.add_business_days(at("2011-12-29T10:00:00-10:00"), 1),
        Some(at("2011-12-31T10:00:00+14:00"))
    );
    // The skipped day's night has only its morning: with the evening before, eight hours on end.
    let nights = every_day("Pacific/Apia", "22:00-06:00");
    assert_eq!(nights.next_close(last), Some(at("2011-12-31T06:00:00+14:00")));
    assert_eq!(nights.open_time_between(last, last + hours(24), &[]), hours(8));
    assert_eq!(every_day("Pacific/Apia", "00:00-24:00").next_close(last), None);
}

#[test]
fn a_night_belongs_to_the_day_it_starts_on() {
    let nights: Days =
        &[("thu", &["22:00-06:00"]), ("fri", &["22:00-06:00"]), ("sun", &["20:00-04:00"])];
    let days: Days = &[("2026-06-05", &["05:00-08:00"])];
    let shift = text("UTC", nights, &["2026-06-12"], days).parse().expect("a calendar");
    // The 12th is a Friday and off: the night from Thursday stays, the one from Friday is gone.
    assert!(shift.is_open(at("2026-06-12T05:59:00Z")));
    assert_eq!(shift.next_open(at("2026-06-12T06:00:00Z")), Some(at("2026-06-14T20:00:00Z")));
    // The Friday of its own hours overlaps what is left of Thursday: simply open.
    let thursday = at("2026-06-04T22:00:00Z");
    assert_eq!(shift.next_close(thursday), Some(at("2026-06-05T08:00:00Z")));
    assert_eq!(shift.open_time_between(thursday, at("2026-06-06T00:00:00Z"), &[]), hours(10));
    // Sunday night runs into Monday.
    assert!(
        shift.is_open(at("2026-06-15T03:59:00Z")) && !shift.is_open(at("2026-06-15T04:00:00Z"))
    );
    assert_eq!(
        shift.add_open_time(at("2026-06-12T05:00:00Z"), hours(9), &[]),
        Some(at("2026-06-15T04:00:00Z"))
    );
}

#[test]
fn a_day_of_its_own_wins_over_a_holiday() {
    let days: Days = &[("2026-12-24", &["10:00-12:00"])];
    let both = text("UTC", OFFICE, &["2026-12-24"], days).parse().expect("a calendar");
    assert_eq!(both, text("UTC", OFFICE, &[], days).parse().expect("a calendar"));
    assert_eq!(both.spans_on(date("2026-12-24")).len(), 1);
    assert_ne!(both, office("UTC"));
    assert!(format!("{both:?}").contains("10:00-12:00"));
    // Only days of its own, and then never again.
    let fair = text("UTC", &[], &[], days).parse().expect("a calendar");
    let opening = at("2026-12-24T10:00:00Z");
    assert_eq!(fair.next_open(Timestamp(0)), Some(opening));
    assert_eq!(fair.next_close(opening), Some(opening + hours(2)));
    assert_eq!(fair.add_open_time(Timestamp(0), hours(2), &[]), Some(opening + hours(2)));
    assert_eq!(fair.add_open_time(Timestamp(0), more_than(hours(2)), &[]), None);
    assert_eq!(fair.next_open(opening + hours(2)), None);
    assert_eq!(fair.next_close(opening + hours(2)), None);
    assert_eq!(fair.add_business_days(opening, 1), None);
}

#[test]
fn leap_days_and_years() {
    let whole = every_day("Europe/Berlin", "00:00-24:00");
    let start = at("2026-07-01T00:00:00+02:00");
    let years = at("2029-07-01T00:00:00+02:00");
    assert_eq!(whole.open_time_between(start, years, &[]), hours(24 * (365 * 3 + 1)));
    assert_eq!(whole.add_open_time(start, years.since(start), &[]), Some(years));
    let leap = office("Europe/Berlin");
    assert_eq!(
        leap.add_open_time(at("2028-02-28T16:00:00+01:00"), hours(2), &[]),
        Some(at("2028-02-29T10:00:00+01:00"))
    );
    // 2026-01-01, a Thursday, to 2100-01-01, a Friday: 3,861 weeks and a Thursday of 40 and 8
    // hours, less 4 + 8 + 8 + 8 hours of exceptions on working days.
    let all = leap.open_time_between(
        at("2026-01-01T00:00:00+01:00"),
        at("2100-01-01T00:00:00+01:00"),
        &[],
    );
    assert_eq!(all, hours(3_861 * 40 + 8 - 28));
    assert_eq!(leap.add_open_time(start, Span(i64::MAX), &[]), None);
    assert_eq!(leap.next_open(Timestamp(i64::MAX)), None);
    assert_eq!(leap.next_close(Timestamp(i64::MAX)), None);
    assert!(leap.next_open(Timestamp(i64::MIN)).is_some());
}

#[test]
fn business_days_are_the_calendars_own() {
    let berlin = office("Europe/Berlin");
    let after = |from: &str, days| berlin.add_business_days(at(from), days);
    let thursday = "2026-03-26T10:00:00+01:00";
    assert_eq!(after(thursday, 0), Some(at(thursday)));
    // Over the weekend of the gap: the same local time, not 96 hours.
    assert_eq!(after(thursday, 2), Some(at("2026-03-30T10:00:00+02:00")));
    // From a closed day, before opening, and after closing.
    assert_eq!(after("2026-03-28T11:00:00+01:00", 1), Some(at("2026-03-30T11:00:00+02:00")));
    assert_eq!(after("2026-03-26T06:00:00+01:00", 1), Some(at("2026-03-27T09:00:00+01:00")));
    assert_eq!(after("2026-03-26T21:00:00+01:00", 1), Some(at("2026-03-27T17:00:00+01:00")));
    // The half day is a day, and its closing time the latest answer on it; the holiday is none.
    assert_eq!(after("2026-12-23T16:00:00+01:00", 1), Some(at("2026-12-24T13:00:00+01:00")));
    assert_eq!(after("2026-12-23T16:00:00+01:00", 2), Some(at("2026-12-28T16:00:00+01:00")));
    assert_eq!(after("2099-12-31T16:00:00+01:00", 1), None);
    // Lunch: the next opening of that day.
    let siesta: Days = &[("mon", &["09:00-18:00"]), ("tue", &["09:00-12:00", "15:00-18:00"])];
    let siesta = text("UTC", siesta, &[], &[]).parse().expect("a calendar");
    assert_eq!(
        siesta.add_business_days(at("2026-06-01T13:00:00Z"), 1),
        Some(at("2026-06-02T15:00:00Z"))
    );
    // A night is a day: 02:00 on Tuesday belongs to Monday's.
    let nights = every_day("UTC", "22:00-06:00");
    assert_eq!(
        nights.add_business_days(at("2026-06-02T02:00:00Z"), 1),
        Some(at("2026-06-03T02:00:00Z"))
    );
    assert_eq!(
        nights.add_business_days(at("2026-06-02T12:00:00Z"), 1),
        Some(at("2026-06-03T22:00:00Z"))
    );
}

fn date(text: &str) -> Date {
    parse_date(text).expect("a date")
}

#[test]
fn zone_days_and_weeks() {
    let zone = |name: &str| Zone::parse(name).expect("a zone");
    let berlin = zone("Europe/Berlin");
    let sunday = at("2026-03-29T12:00:00+02:00");
    assert_eq!(day_start(&berlin, sunday), at("2026-03-29T00:00:00+01:00"));
    assert_eq!(next_day_start(&berlin, sunday), at("2026-03-30T00:00:00+02:00"));
    assert_eq!(week_start(&berlin, sunday), at("2026-03-23T00:00:00+01:00"));
    assert_eq!(next_week_start(&berlin, sunday), at("2026-03-30T00:00:00+02:00"));
    let monday = at("2026-03-30T00:00:00+02:00");
    assert_eq!((day_start(&berlin, monday), week_start(&berlin, monday)), (monday, monday));
    // Midnight does not exist: Cairo, Friday 2026-04-24; Havana, Sunday 2026-03-08.
    let first = at("2026-04-24T01:00:00+03:00");
    assert_eq!(day_start(&zone("Africa/Cairo"), first + hours(5)), first);
    assert_eq!(next_day_start(&zone("Africa/Cairo"), first - Span(1)), first);
    let first = at("2026-03-08T01:00:00-04:00");
    assert_eq!(day_start(&zone("America/Havana"), first), first);
    // Midnight comes twice: Havana, 2026-11-01; the day starts the first time.
    let havana = zone("America/Havana");
    let first = at("2026-11-01T00:00:00-04:00");
    assert_eq!(day_start(&havana, at("2026-11-01T00:00:00-05:00")), first);
    // The clock went back over midnight: Newfoundland at 00:01 on 2010-11-07. The repeated evening
    // belongs to the new day, so that days have no hole.
    let newfoundland = zone("America/St_Johns");
    let first = at("2010-11-07T00:00:00-02:30");
    let repeated = at("2010-11-06T23:30:00-03:30");
    assert_eq!(day_start(&newfoundland, repeated), first);
    assert_eq!(next_day_start(&newfoundland, repeated), at("2010-11-08T00:00:00-03:30"));
    // The skipped day has no instants; the days around it touch.
    let apia = zone("Pacific/Apia");
    assert_eq!(
        next_day_start(&apia, at("2011-12-29T23:00:00-10:00")),
        day_start(&apia, at("2011-12-31T10:00:00+14:00"))
    );
}

#[test]
fn zones_are_equal_and_ordered_by_name() {
    let zone = |name: &str| Zone::parse(name).expect("a zone");
    assert_eq!(zone("europe/berlin"), zone("Europe/Berlin"));
    assert_eq!((zone("UTC"), zone("utc")), (Zone::utc(), Zone::utc()));
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
    assert!(zone("Europe/Berlin") < zone("Europe/Rome") && zone("UTC") > zone("Europe/Rome"));
    assert_eq!(format!("{:?} {}", zone("UTC"), zone("UTC")), "Zone(UTC) UTC");
}

#[test]
fn local_time_of_every_zone_rises_from_stretch_to_stretch() {
    let names = jiff::tz::TimeZoneDatabase::bundled();
    let mut zones = 0;
    for name in names.available() {
        let Ok(zone) = Zone::parse(name.as_str()) else { continue };
        zones += 1;
        for pair in zone.stretches().windows(2) {
            let [a, b] = pair else { continue };
            assert_eq!(a.end_ms, b.start_ms, "{name}");
            assert!(a.start_ms + a.offset_ms < b.start_ms + b.offset_ms, "{name} {b:?}");
            assert!(a.end_ms + a.offset_ms < b.end_ms + b.offset_ms, "{name} {b:?}");
        }
    }
    assert!(zones > 400, "{zones}");
}
