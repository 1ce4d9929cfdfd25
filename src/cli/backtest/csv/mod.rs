//! A CRM export, one lead a row, as the events that it stands for.
//!
//! A rep is active from the first lead to thirty days after the last one; reps belong to one territory, or
//! to those that a column names. The export says nothing of touches, so each lead counts as accepted at
//! once: no SLA step fires, and none is estimated.

use std::collections::BTreeMap;
use std::io;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::drive::Source;
use crate::codec::json;
use crate::domain::ids::DomainId;
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};
use crate::engine::filter::Event;
use crate::evaluate::replay::Heard;
use crate::evaluate::report::Read;

/// Faults that are told in full.
const TOLD: usize = 5;
/// A rep is there for so long after the last lead.
const LINGER: Span = Span::from_days(30);
const DOMAIN: &str = "export";

/// Which column is what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// Columns of a lead, by the field's name in `lead-created`.
    lead: LeadColumns,
    deal: DealColumns,
    #[serde(default)]
    format: Format,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeadColumns {
    lead_id: String,
    created_at: String,
    /// Who had it.
    owner_id: String,
    territory: Option<String>,
    account_id: Option<String>,
    country: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
    industry: Option<String>,
    employees: Option<String>,
    annual_revenue: Option<String>,
    product: Option<String>,
    source: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DealColumns {
    stage: String,
    closed_at: String,
    /// Values of `stage` that mean won, and lost; any other is open.
    won: Vec<String>,
    lost: Vec<String>,
    amount: Option<String>,
    currency: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Format {
    /// One character; a comma unless it is said otherwise.
    delimiter: char,
    /// As strftime writes it; nothing = RFC 3339, or a date alone.
    time: Option<String>,
    /// Of times without an offset.
    time_zone: String,
}

impl Default for Format {
    fn default() -> Format {
        Format { delimiter: ',', time: None, time_zone: "UTC".to_owned() }
    }
}

impl Mapping {
    pub(super) fn parse(text: &str) -> Result<Mapping, Vec<String>> {
        let mapping: Mapping =
            toml::from_str(text).map_err(|fault| vec![fault.to_string().trim().to_owned()])?;
        let mut faults = Vec::new();
        if !mapping.format.delimiter.is_ascii() {
            faults.push("format.delimiter: must be one ASCII character".to_owned());
        }
        if TimeZone::get(&mapping.format.time_zone).is_err() {
            faults.push("format.time_zone: must be the name of a time zone".to_owned());
        }
        if mapping.deal.won.is_empty() || mapping.deal.lost.is_empty() {
            faults.push("deal.won, deal.lost: each needs a value of the stage".to_owned());
        }
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// The columns that are named, with the names of their fields.
    fn fields(&self) -> Vec<(&'static str, &str)> {
        let lead = &self.lead;
        let optional = [
            ("account_id", &lead.account_id),
            ("country", &lead.country),
            ("state", &lead.state),
            ("postal_code", &lead.postal_code),
            ("industry", &lead.industry),
            ("employees", &lead.employees),
            ("annual_revenue", &lead.annual_revenue),
            ("product", &lead.product),
            ("source", &lead.source),
        ];
        let named =
            optional.into_iter().filter_map(|(name, column)| Some((name, &**column.as_ref()?)));
        named.chain([("lead_id", &*lead.lead_id), ("owner_id", &*lead.owner_id)]).collect()
    }
}

/// An export, as events in the order of their times.
#[derive(Debug)]
pub(super) struct Export {
    events: std::vec::IntoIter<Event>,
    read: Read,
}

impl Export {
    /// Reads all rows. A row that cannot be used is counted; a column that is not there is a fault.
    pub(super) fn read(text: &[u8], mapping: &Mapping) -> Result<Export, Vec<String>> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(mapping.format.delimiter as u8).from_reader(text);
        let heads = reader.headers().map_err(|fault| vec![fault.to_string()])?.clone();
        let columns = Columns::find(&heads, mapping)?;
        let mut maker = Maker { mapping, columns, rows: Vec::new(), read: Read::default() };
        for row in reader.records() {
            maker.read.lines += 1;
            let line = maker.read.lines + 1;
            let done = row.map_err(|fault| fault.to_string()).and_then(|row| maker.row(&row));
            if let Err(why) = done {
                maker.read.unusable += 1;
                if maker.read.faults.len() < TOLD {
                    maker.read.faults.push(format!("line {line}: {why}"));
                }
            }
        }
        let (events, read) = maker.events();
        Ok(Export { events: events.into_iter(), read })
    }
}

impl Source for Export {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        Ok(self.events.next().map(|event| Heard::Event(Box::new(event))))
    }

    fn read(&self) -> Read {
        let Read { lines, unusable, faults, .. } = &self.read;
        Read { lines: *lines, unusable: *unusable, faults: faults.clone(), ..Read::default() }
    }
}

/// Where the named columns are.
struct Columns(BTreeMap<String, usize>);

impl Columns {
    fn find(heads: &csv::StringRecord, mapping: &Mapping) -> Result<Columns, Vec<String>> {
        let (lead, deal) = (&mapping.lead, &mapping.deal);
        let mut wanted: Vec<&str> =
            mapping.fields().into_iter().map(|(_, column)| column).collect();
        wanted.extend([&*lead.created_at, &*deal.stage, &*deal.closed_at]);
        wanted.extend(
            [&lead.territory, &deal.amount, &deal.currency].into_iter().flatten().map(|c| &**c),
        );
        wanted.extend(lead.attributes.values().map(String::as_str));
        let mut found = BTreeMap::new();
        let mut faults = Vec::new();
        for column in wanted {
            match heads.iter().position(|head| head.trim().trim_start_matches('\u{feff}') == column)
            {
                Some(at) => drop(found.insert(column.to_owned(), at)),
                None => faults.push(format!("has no column `{column}`")),
            }
        }
        if faults.is_empty() { Ok(Columns(found)) } else { Err(faults) }
    }

    /// What a row has in a column; None = nothing.
    fn of<'a>(&self, row: &'a csv::StringRecord, column: &str) -> Option<&'a str> {
        let text = row.get(*self.0.get(column)?)?.trim();
        (!text.is_empty()).then_some(text)
    }
}

/// One row, understood.
struct Lead {
    created_at: Timestamp,
    owner: String,
    territory: String,
    value: Value,
    deal: Option<(Timestamp, Value)>,
}

struct Maker<'a> {
    mapping: &'a Mapping,
    columns: Columns,
    rows: Vec<Lead>,
    read: Read,
}

impl Maker<'_> {
    fn row(&mut self, row: &csv::StringRecord) -> Result<(), String> {
        let of = |column: &str| self.columns.of(row, column);
        let need = |column: &str| of(column).ok_or_else(|| format!("`{column}` is empty"));
        let (lead, deal) = (&self.mapping.lead, &self.mapping.deal);
        let created_at = self.time(&lead.created_at, need(&lead.created_at)?)?;
        let id = need(&lead.lead_id)?;
        let owner = need(&lead.owner_id)?.to_owned();
        let mut value = Map::new();
        for (name, column) in self.mapping.fields() {
            let Some(text) = of(column) else { continue };
            let number = matches!(name, "employees" | "annual_revenue");
            let read = if number { number_of(column, text)? } else { Value::from(text) };
            value.insert(name.to_owned(), read);
        }
        value.insert("event_id".to_owned(), Value::from(id));
        value.insert("created_at".to_owned(), Value::from(created_at.0));
        let attributes = lead.attributes.iter();
        let attributes: Map<String, Value> = attributes
            .filter_map(|(name, column)| Some((name.clone(), Value::from(of(column)?))))
            .collect();
        value.insert("attributes".to_owned(), Value::from(attributes));
        let stage = of(&deal.stage).unwrap_or_default();
        let is = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(stage));
        let outcome = match (is(&deal.won), is(&deal.lost)) {
            (true, _) => Some("WON"),
            (false, true) => Some("LOST"),
            (false, false) => None,
        };
        let mut closed = None;
        if let Some(outcome) = outcome {
            let at = self.time(&deal.closed_at, need(&deal.closed_at)?)?.max(created_at);
            let mut value = json!({ "event_id": id, "opportunity_id": id, "outcome": outcome,
                "rep_id": owner, "lead_id": id, "closed_at": at.0, "opened_at": created_at.0 });
            if let Some(column) = &deal.amount
                && let Some(text) = of(column)
            {
                value["amount"] = number_of(column, text)?;
            }
            if let Some(currency) = deal.currency.as_ref().and_then(|column| of(column)) {
                value["currency"] = Value::from(currency);
            }
            closed = Some((at, value));
        }
        let territory = lead.territory.as_ref().and_then(|column| of(column));
        let territory = territory.unwrap_or("all").to_owned();
        let value = Value::from(value);
        self.rows.push(Lead { created_at, owner, territory, value, deal: closed });
        Ok(())
    }

    fn time(&self, column: &str, text: &str) -> Result<Timestamp, String> {
        let format = &self.mapping.format;
        let zone = TimeZone::get(&format.time_zone).unwrap_or(TimeZone::UTC);
        let local = |at: civil::DateTime| zone.to_timestamp(at).ok();
        let found = match &format.time {
            None => Timestamp::parse_rfc3339(text).map(|at| at.0).or_else(|| {
                let day: Option<civil::Date> = text.parse().ok();
                let at = text.parse().ok().or(day.map(civil::DateTime::from));
                Some(local(at?)?.as_millisecond())
            }),
            Some(format) => jiff::fmt::strtime::parse(format, text).ok().and_then(|parts| {
                let exact = parts.to_timestamp().ok();
                let day = || Some(civil::DateTime::from(parts.to_date().ok()?));
                let at = exact.or_else(|| local(parts.to_datetime().ok().or_else(day)?));
                Some(at?.as_millisecond())
            }),
        };
        let at = found.map(Timestamp);
        at.filter(|at| (Timestamp::MIN..=Timestamp::MAX).contains(at))
            .ok_or_else(|| format!("`{column}` is no time: see [format] of the mapping"))
    }

    /// The events of all rows with the reps and territories that they name, in the order of their times.
    fn events(mut self) -> (Vec<Event>, Read) {
        let mut timed: Vec<(Timestamp, u8, Topic, Value)> = Vec::new();
        let mut reps: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
        let mut territories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let start = self.rows.iter().map(|lead| lead.created_at).min().unwrap_or_default();
        let end = self.rows.iter().map(|lead| lead.created_at).max().unwrap_or_default();
        for lead in &self.rows {
            let at = lead.created_at;
            let known = reps.entry(&lead.owner).or_insert((at, at));
            *known = (known.0.min(at), known.1.max(at));
            let members = territories.entry(&lead.territory).or_default();
            if !members.contains(&&*lead.owner) {
                members.push(&lead.owner);
            }
        }
        for (rep, (from, to)) in &reps {
            let change = |active: bool, at: Timestamp| {
                let value = json!({ "event_id": format!("{rep} {active}"), "rep_id": rep,
                    "active": active });
                (at, 0, Topic::RepChanged, value)
            };
            timed.push(change(true, *from));
            if *to + LINGER < end {
                timed.push(change(false, *to + LINGER));
            }
        }
        let by_column = self.mapping.lead.territory.is_some();
        for (name, members) in &territories {
            let rule = json!([{ "all": [{ "field": "attributes.territory", "op": "IN",
                "values": [name] }] }]);
            let members: Vec<Value> = members.iter().map(|rep| json!({ "rep_id": rep })).collect();
            let value = json!({ "event_id": name, "territory_id": name, "name": name,
                "rules": if by_column { rule } else { json!([]) }, "members": members });
            timed.push((start, 1, Topic::TerritoryChanged, value));
        }
        for lead in &mut self.rows {
            let at = lead.created_at;
            let id = lead.value["lead_id"].clone();
            if by_column {
                lead.value["attributes"]["territory"] = Value::from(lead.territory.as_str());
            }
            timed.push((at, 2, Topic::LeadCreated, std::mem::take(&mut lead.value)));
            // An event id of its own: the lead would take another with its own for a repeat.
            let event_id = format!("accepted {id}");
            let accepted = json!({ "event_id": event_id, "lead_id": id, "kind": "ACCEPTED", "occurred_at": at.0 });
            timed.push((at, 3, Topic::LeadActivity, accepted));
            if let Some((at, value)) = lead.deal.take() {
                timed.push((at, 4, Topic::OpportunityClosed, value));
            }
        }
        timed.sort_by_key(|(at, order, ..)| (*at, *order));
        let mut events = Vec::with_capacity(timed.len());
        for (offset, (at, _, topic, value)) in (1..).zip(timed) {
            match json::decode_event(topic, &value, at, true) {
                Ok(input) => {
                    let domain = DomainId::new(DOMAIN);
                    events.push(Event { topic, domain, at, offset, input });
                }
                Err(why) => {
                    self.read.unusable += 1;
                    if self.read.faults.len() < TOLD {
                        self.read.faults.push(why.to_string());
                    }
                }
            }
        }
        (events, self.read)
    }
}

/// A number as people write it: `12500000`, `12,500,000.50`, `$1,200`.
fn number_of(column: &str, text: &str) -> Result<Value, String> {
    let plain = |c: &char| c.is_ascii_digit() || *c == '.' || *c == '-';
    let skipped = |c: char| plain(&c) || ",'$€£ \u{a0}".contains(c);
    let digits: String = text.chars().filter(plain).collect();
    if digits.is_empty() || !text.chars().all(skipped) {
        return Err(format!("`{column}` is no number"));
    }
    match digits.parse::<i64>() {
        Ok(whole) => Ok(Value::from(whole)),
        Err(_) => Ok(Value::from(digits)),
    }
}
