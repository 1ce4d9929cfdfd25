//! A calendar as a policy writes it: names and texts, checked one by one.

use std::collections::BTreeMap;

use super::{Calendar, CalendarError, CalendarFault, Date, DaySpan, WEEKDAYS, parse_date};

/// The fields of `[calendars.NAME]`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalendarText {
    pub time_zone: String,
    /// By `mon` to `sun`; a day that is missing is closed.
    pub weekly: BTreeMap<String, Vec<String>>,
    pub holidays: Vec<String>,
    /// By date; an empty list is a closed day.
    pub days: BTreeMap<String, Vec<String>>,
}

impl CalendarText {
    /// The calendar that the texts describe, or the first thing wrong with them.
    pub fn parse(&self) -> Result<Calendar, CalendarError> {
        let mut weekly: [Vec<DaySpan>; 7] = Default::default();
        for (name, texts) in &self.weekly {
            let field = format!("weekly.{name}");
            let Some(at) = WEEKDAYS.iter().position(|weekday| weekday == name) else {
                return Err(CalendarError::new(field, CalendarFault::Weekday(name.clone())));
            };
            weekly[at] = spans(&field, texts)?;
        }
        let mut holidays = Vec::new();
        for (at, text) in self.holidays.iter().enumerate() {
            holidays.push(date(&format!("holidays[{at}]"), text)?);
        }
        let mut days = BTreeMap::new();
        for (key, texts) in &self.days {
            let field = format!("days.\"{key}\"");
            days.insert(date(&field, key)?, spans(&field, texts)?);
        }
        Calendar::new(&self.time_zone, weekly, holidays, days)
    }
}

fn date(field: &str, text: &str) -> Result<Date, CalendarError> {
    parse_date(text).ok_or_else(|| CalendarError::new(field, CalendarFault::Date(text.to_owned())))
}

fn spans(field: &str, texts: &[String]) -> Result<Vec<DaySpan>, CalendarError> {
    let parse = |(at, text): (usize, &String)| {
        DaySpan::parse(text).map_err(|e| CalendarError::new(format!("{field}[{at}]"), e))
    };
    texts.iter().enumerate().map(parse).collect()
}
