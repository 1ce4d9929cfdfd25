//! Each row as a lead, and its deal if it has closed.
//!
//! A row without a readable id, owner or time of creation stands for no lead. Anything else that cannot be
//! read counts as not stated: a deal whose amount is unreadable was won all the same.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{Columns, Mapping};
use crate::codec::json;
use crate::domain::ids::{IdError, LeadId, RepId, TerritoryId};
use crate::domain::input::{Input, Topic};
use crate::domain::time::Timestamp;

/// Fields without which there is no lead and no deal; the others count as not stated.
const NEEDED: [&str; 8] = [
    "event_id",
    "lead_id",
    "created_at",
    "opportunity_id",
    "outcome",
    "rep_id",
    "closed_at",
    "opened_at",
];

/// One row, understood.
pub(super) struct Lead {
    pub(super) line: u64,
    pub(super) id: String,
    pub(super) created_at: Timestamp,
    pub(super) owner: String,
    pub(super) territory: String,
    /// Until it is handed on.
    pub(super) created: Option<Input>,
    pub(super) deal: Option<(Timestamp, Input)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Won,
    Lost,
    Open,
}

/// What a row says, whatever the others say.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) stage: Stage,
    pub(super) stage_text: String,
    /// Or why it stands for no lead.
    pub(super) said: Result<Said, String>,
}

/// What it says of its lead.
pub(super) struct Said {
    pub(super) id: String,
    /// Or why it stands for none, though it has an id.
    pub(super) lead: Result<Lead, String>,
    /// How it ended is stated, and cannot be used.
    pub(super) is_lost: bool,
    /// What counts as not stated, and why.
    pub(super) left_out: Vec<String>,
}

/// Understands rows, one by one.
pub(super) struct Understanding<'a> {
    mapping: &'a Mapping,
    zone: TimeZone,
    columns: Columns,
    now: Timestamp,
}

impl<'a> Understanding<'a> {
    /// `now`: no deal has closed later.
    pub(super) fn new(mapping: &'a Mapping, columns: Columns, now: Timestamp) -> Understanding<'a> {
        Understanding { mapping, zone: mapping.zone(), columns, now }
    }

    pub(super) fn row(&self, row: &csv::StringRecord, line: u64) -> Row {
        let stage_text = self.columns.of(row, &self.mapping.deal.stage).unwrap_or_default();
        let stage = self.stage(stage_text);
        Row { line, stage, stage_text: stage_text.to_owned(), said: self.said(row, stage, line) }
    }

    fn stage(&self, text: &str) -> Stage {
        let is = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
        if is(&self.mapping.deal.won) {
            Stage::Won
        } else if is(&self.mapping.deal.lost) {
            Stage::Lost
        } else {
            Stage::Open
        }
    }

    fn said(&self, row: &csv::StringRecord, stage: Stage, line: u64) -> Result<Said, String> {
        let mapping = self.mapping;
        let columns = &mapping.lead;
        let need = |column: &str| {
            let text = self.columns.of(row, column);
            text.map(str::to_owned).ok_or_else(|| format!("`{column}` is empty"))
        };
        let created_at = need(&columns.created_at)?;
        let created_at = self.time(&created_at).ok_or_else(|| no_time(&columns.created_at))?;
        let id = need(&columns.lead_id)?;
        LeadId::parse(&id).map_err(|why| no_id(&columns.lead_id, why))?;
        let owner = need(&columns.owner_id)?;
        RepId::parse(&owner).map_err(|why| no_id(&columns.owner_id, why))?;
        let mut said = Said { id, lead: Err(String::new()), is_lost: false, left_out: Vec::new() };
        said.lead = self.lead(row, stage, (created_at, owner, line), &mut said);
        Ok(said)
    }

    fn time(&self, text: &str) -> Option<Timestamp> {
        self.mapping.time(text, &self.zone)
    }

    fn lead(
        &self,
        row: &csv::StringRecord,
        stage: Stage,
        (created_at, owner, line): (Timestamp, String, u64),
        said: &mut Said,
    ) -> Result<Lead, String> {
        let mapping = self.mapping;
        let columns = &mapping.lead;
        let territory = columns.territory.as_deref();
        let territory = territory.and_then(|column| Some((column, self.columns.of(row, column)?)));
        if let Some((column, text)) = territory {
            TerritoryId::parse(text).map_err(|why| no_id(column, why))?;
        }
        let territory = territory.map_or("all", |(_, text)| text).to_owned();
        let mut value = Map::new();
        let mut attributes = Map::new();
        for (name, column) in mapping.fields() {
            let Some(text) = self.columns.of(row, column) else { continue };
            let is_number = matches!(name, "employees" | "annual_revenue");
            let read =
                if is_number { mapping.format.decimal.read(text) } else { Some(Value::from(text)) };
            match read {
                Some(read) => drop(value.insert(name.to_owned(), read)),
                None => said.left_out.push(no_number(column)),
            }
        }
        for (name, column) in &columns.attributes {
            let text = self.columns.of(row, column).map(Value::from);
            attributes.extend(text.map(|text| (name.clone(), text)));
        }
        if columns.territory.is_some() {
            attributes.insert("territory".to_owned(), Value::from(territory.as_str()));
        }
        value.insert("attributes".to_owned(), Value::from(attributes));
        value.insert("event_id".to_owned(), Value::from(said.id.as_str()));
        value.insert("created_at".to_owned(), Value::from(created_at.0));
        let created = self.input(Topic::LeadCreated, value, created_at, said)?;
        let deal = self.deal(row, stage, (&owner, created_at), said);
        Ok(Lead {
            line,
            id: said.id.clone(),
            created_at,
            owner,
            territory,
            created: Some(created),
            deal,
        })
    }

    /// How the lead ended; None = it is open, or when it ended cannot be read.
    fn deal(
        &self,
        row: &csv::StringRecord,
        stage: Stage,
        (owner, created_at): (&str, Timestamp),
        said: &mut Said,
    ) -> Option<(Timestamp, Input)> {
        let columns = &self.mapping.deal;
        let outcome = match stage {
            Stage::Won => "WON",
            Stage::Lost => "LOST",
            Stage::Open => return None,
        };
        let at = match self.columns.of(row, &columns.closed_at) {
            None => Err(format!("`{}` is empty", columns.closed_at)),
            Some(text) => match self.time(text) {
                None => Err(no_time(&columns.closed_at)),
                Some(at) if at > self.now => Err(format!("`{}` is to come", columns.closed_at)),
                Some(at) => Ok(at),
            },
        };
        let at = match at {
            Ok(at) => at,
            Err(why) => {
                said.is_lost = true;
                said.left_out.push(format!("{why}; the lead counts as open"));
                return None;
            }
        };
        if at < created_at {
            let why = format!("`{}` is before the lead was created", columns.closed_at);
            said.left_out.push(format!("{why}; it counts as closed at once"));
        }
        let at = at.max(created_at);
        let id = &said.id;
        let mut value = json!({ "event_id": id, "opportunity_id": id, "outcome": outcome,
            "rep_id": owner, "lead_id": id, "closed_at": at.0, "opened_at": created_at.0 });
        let amount = columns.amount.as_ref();
        if let Some((column, text)) =
            amount.and_then(|column| Some((column, self.columns.of(row, column)?)))
        {
            match self.mapping.format.decimal.read(text) {
                Some(amount) => value["amount"] = amount,
                None => said.left_out.push(no_number(column)),
            }
        }
        if let Some(currency) =
            columns.currency.as_ref().and_then(|column| self.columns.of(row, column))
        {
            value["currency"] = Value::from(currency);
        }
        let Value::Object(value) = value else { return None };
        let input = self.input(Topic::OpportunityClosed, value, at, said);
        let read = input.map_err(|why| {
            said.is_lost = true;
            said.left_out.push(format!("{why}; the lead counts as open"));
        });
        Some((at, read.ok()?))
    }

    /// An event of these fields, but for those that are not needed and cannot be read.
    fn input(
        &self,
        topic: Topic,
        value: Map<String, Value>,
        at: Timestamp,
        said: &mut Said,
    ) -> Result<Input, String> {
        let mut event = Value::Object(value);
        loop {
            let fault = match json::decode_event(topic, &event, at, true) {
                Ok(input) => return Ok(input),
                Err(fault) => fault,
            };
            let (name, inner) = fault.field.split_once('.').unwrap_or((&fault.field, ""));
            let column = self.column(name, inner);
            let why = format!("{column}: {}", fault.detail);
            let is_gone = !NEEDED.contains(&name)
                && match event.get_mut(name) {
                    Some(Value::Object(fields)) => fields.remove(inner).is_some(),
                    _ => event.as_object_mut().is_some_and(|it| it.remove(name).is_some()),
                };
            if !is_gone {
                return Err(why);
            }
            said.left_out.push(why);
        }
    }

    /// The column that a field is read from, for people.
    fn column(&self, name: &str, inner: &str) -> String {
        let (lead, deal) = (&self.mapping.lead, &self.mapping.deal);
        let known = self.mapping.fields().into_iter().find(|(field, _)| *field == name);
        let column = match name {
            "amount" => deal.amount.as_deref(),
            "currency" => deal.currency.as_deref(),
            "closed_at" => Some(&*deal.closed_at),
            "created_at" => Some(&*lead.created_at),
            "attributes" => lead.attributes.get(inner).map(String::as_str),
            _ => known.map(|(_, column)| column),
        };
        column.map_or_else(|| name.to_owned(), |column| format!("`{column}`"))
    }
}

fn no_time(column: &str) -> String {
    format!("`{column}` is no time: see time in [format] of the mapping")
}

fn no_number(column: &str) -> String {
    format!("`{column}` is no number: see decimal in [format] of the mapping")
}

fn no_id(column: &str, why: IdError) -> String {
    format!("`{column}`: {why}")
}
