//! Each row as a lead, and its deal if it has closed.
//!
//! A row without a readable id, owner or time of creation stands for no lead. Anything else that cannot be
//! read counts as not stated: a deal whose amount is unreadable was won all the same.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::tally::Tally;
use super::{Columns, Mapping, USABLE_MIN};
use crate::codec::json;
use crate::domain::ids::{LeadId, RepId, TerritoryId};
use crate::domain::input::{Input, Topic};
use crate::domain::time::Timestamp;
use crate::evaluate::report::{Outcomes, Read};

/// Stages that are told.
const STAGES: usize = 12;
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
    pub(super) created: Input,
    pub(super) deal: Option<(Timestamp, Input)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Won,
    Lost,
    Open,
}

pub(super) struct Rows<'a> {
    mapping: &'a Mapping,
    columns: Columns,
    now: Timestamp,
    leads: Vec<Lead>,
    ids: HashSet<String>,
    stages: BTreeMap<String, (Stage, u64)>,
    rows: u64,
    refused: u64,
    unusable: Tally,
    left_out: Tally,
    outcomes: Outcomes,
}

impl<'a> Rows<'a> {
    pub(super) fn new(mapping: &'a Mapping, columns: Columns, now: Timestamp) -> Rows<'a> {
        Rows {
            mapping,
            columns,
            now,
            leads: Vec::new(),
            ids: HashSet::new(),
            stages: BTreeMap::new(),
            rows: 0,
            refused: 0,
            unusable: Tally::default(),
            left_out: Tally::default(),
            outcomes: Outcomes::default(),
        }
    }

    pub(super) fn add(&mut self, row: &csv::StringRecord, line: u64) {
        let text = self.columns.of(row, &self.mapping.deal.stage).unwrap_or_default();
        let stage = self.stage(text);
        self.stages.entry(text.to_owned()).or_insert((stage, 0)).1 += 1;
        match self.lead(row, stage, line) {
            Ok(lead) => {
                self.rows += 1;
                self.leads.push(lead);
            }
            Err(why) => {
                self.lose(stage);
                self.refuse(why, line);
            }
        }
    }

    /// A row that stands for no lead.
    pub(super) fn refuse(&mut self, why: String, line: u64) {
        self.rows += 1;
        self.refused += 1;
        self.unusable.note(why, line);
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

    /// How a lead ended is not known, though its row says so.
    fn lose(&mut self, stage: Stage) {
        self.outcomes.won += u64::from(stage == Stage::Won);
        self.outcomes.lost += u64::from(stage == Stage::Lost);
    }

    fn lead(&mut self, row: &csv::StringRecord, stage: Stage, line: u64) -> Result<Lead, String> {
        let mapping = self.mapping;
        let columns = &mapping.lead;
        let need = |column: &str| {
            let text = self.columns.of(row, column);
            text.map(str::to_owned).ok_or_else(|| format!("`{column}` is empty"))
        };
        let created_at = need(&columns.created_at)?;
        let created_at = mapping.time(&created_at).ok_or_else(|| no_time(&columns.created_at))?;
        let no_id = |column: &str, why| format!("`{column}`: {why}");
        let id = need(&columns.lead_id)?;
        LeadId::parse(&id).map_err(|why| no_id(&columns.lead_id, why))?;
        let owner = need(&columns.owner_id)?;
        RepId::parse(&owner).map_err(|why| no_id(&columns.owner_id, why))?;
        if !self.ids.insert(id.clone()) {
            return Err(format!("`{}` is that of a row above", columns.lead_id));
        }
        let territory = columns.territory.as_deref();
        let territory = territory.and_then(|column| Some((column, self.columns.of(row, column)?)));
        if let Some((column, text)) = territory {
            TerritoryId::parse(text).map_err(|why| no_id(column, why))?;
        }
        let territory = territory.map_or("all", |(_, text)| text).to_owned();
        let mut value = Map::new();
        let mut attributes = Map::new();
        let mut no_numbers = Vec::new();
        for (name, column) in mapping.fields() {
            let Some(text) = self.columns.of(row, column) else { continue };
            let is_number = matches!(name, "employees" | "annual_revenue");
            let read =
                if is_number { mapping.format.decimal.read(text) } else { Some(Value::from(text)) };
            match read {
                Some(read) => drop(value.insert(name.to_owned(), read)),
                None => no_numbers.push(no_number(column)),
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
        value.insert("event_id".to_owned(), Value::from(id.as_str()));
        value.insert("created_at".to_owned(), Value::from(created_at.0));
        no_numbers.into_iter().for_each(|why| self.left_out.note(why, line));
        let created = self.input(Topic::LeadCreated, value, created_at, line)?;
        let deal = self.deal(row, stage, (&id, &owner, created_at), line);
        Ok(Lead { line, id, created_at, owner, territory, created, deal })
    }

    /// How the lead ended; None = it is open, or when it ended cannot be read.
    fn deal(
        &mut self,
        row: &csv::StringRecord,
        stage: Stage,
        (id, owner, created_at): (&str, &str, Timestamp),
        line: u64,
    ) -> Option<(Timestamp, Input)> {
        let columns = &self.mapping.deal;
        let outcome = match stage {
            Stage::Won => "WON",
            Stage::Lost => "LOST",
            Stage::Open => return None,
        };
        let at = match self.columns.of(row, &columns.closed_at) {
            None => Err(format!("`{}` is empty", columns.closed_at)),
            Some(text) => match self.mapping.time(text) {
                None => Err(no_time(&columns.closed_at)),
                Some(at) if at > self.now => Err(format!("`{}` is to come", columns.closed_at)),
                Some(at) => Ok(at),
            },
        };
        let at = match at {
            Ok(at) => at,
            Err(why) => {
                self.lose(stage);
                self.left_out.note(format!("{why}; the lead counts as open"), line);
                return None;
            }
        };
        if at < created_at {
            let why = format!("`{}` is before the lead was created", columns.closed_at);
            self.left_out.note(format!("{why}; it counts as closed at once"), line);
        }
        let at = at.max(created_at);
        let mut value = json!({ "event_id": id, "opportunity_id": id, "outcome": outcome,
            "rep_id": owner, "lead_id": id, "closed_at": at.0, "opened_at": created_at.0 });
        let amount = columns.amount.as_ref();
        if let Some((column, text)) =
            amount.and_then(|column| Some((column, self.columns.of(row, column)?)))
        {
            match self.mapping.format.decimal.read(text) {
                Some(amount) => value["amount"] = amount,
                None => self.left_out.note(no_number(column), line),
            }
        }
        if let Some(currency) =
            columns.currency.as_ref().and_then(|column| self.columns.of(row, column))
        {
            value["currency"] = Value::from(currency);
        }
        let Value::Object(value) = value else { return None };
        let input = self.input(Topic::OpportunityClosed, value, at, line);
        let read = input.map_err(|why| {
            self.lose(stage);
            self.left_out.note(format!("{why}; the lead counts as open"), line);
        });
        Some((at, read.ok()?))
    }

    /// An event of these fields, but for those that are not needed and cannot be read.
    fn input(
        &mut self,
        topic: Topic,
        value: Map<String, Value>,
        at: Timestamp,
        line: u64,
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
            self.left_out.note(why, line);
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

    /// All leads, and what was read; or why the file is not what the mapping says.
    pub(super) fn finish(self) -> Result<(Vec<Lead>, Read), Vec<String>> {
        let mut faults = self.absent_stages();
        let told = self.unusable.told();
        if ((self.rows - self.refused) as f64) < USABLE_MIN * self.rows as f64 {
            let (refused, rows) = (self.refused, self.rows);
            faults.push(format!("{refused} of {rows} rows cannot be used: is the mapping right?"));
            faults.extend(told.iter().map(|kind| format!("  {kind}")));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut notes = vec![self.told_stages()];
        notes.extend(self.left_out.told());
        let read = Read {
            lines: self.rows,
            unusable: self.refused,
            faults: told,
            notes,
            outcomes_left_out: self.outcomes,
            ..Read::default()
        };
        Ok((self.leads, read))
    }

    /// A name of the mapping that no row has is misspelt: its wins or losses would count as open.
    fn absent_stages(&self) -> Vec<String> {
        let deal = &self.mapping.deal;
        let all = [("deal.won", &deal.won), ("deal.lost", &deal.lost)];
        let absent = |(key, names): (&str, &Vec<String>)| {
            let occurs =
                |name: &String| self.stages.keys().any(|stage| stage.eq_ignore_ascii_case(name));
            let why = "no row has a stage that the mapping names";
            (!names.iter().any(occurs)).then(|| format!("{key}: {why}; {}", self.told_stages()))
        };
        all.into_iter().filter_map(absent).collect()
    }

    /// Which stages there are, and what each is taken for.
    fn told_stages(&self) -> String {
        let mut stages: Vec<(&String, &(Stage, u64))> = self.stages.iter().collect();
        stages.sort_by_key(|(_, (_, rows))| std::cmp::Reverse(*rows));
        let tell = |(text, (stage, rows)): &(&String, &(Stage, u64))| {
            let what = match stage {
                Stage::Won => "won",
                Stage::Lost => "lost",
                Stage::Open => "open",
            };
            let text = if text.is_empty() { "(empty)" } else { text };
            format!("{text} = {what} ({rows})")
        };
        let told: Vec<String> = stages.iter().take(STAGES).map(tell).collect();
        let more = if stages.len() > STAGES { ", …" } else { "" };
        format!("stages: {}{more}", told.join(", "))
    }
}

fn no_time(column: &str) -> String {
    format!("`{column}` is no time: see time in [format] of the mapping")
}

fn no_number(column: &str) -> String {
    format!("`{column}` is no number: see decimal in [format] of the mapping")
}
