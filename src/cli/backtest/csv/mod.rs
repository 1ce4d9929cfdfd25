//! A CRM export, one lead a row, as the events that it stands for.
//!
//! A rep is active from the first lead to thirty days after the last one; reps belong to one territory, or
//! to those that a column names. The export says nothing of touches, so each lead counts as accepted at
//! once: no SLA step fires, and none is estimated.

mod mapping;
mod number;
mod rows;
mod tally;

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use self::rows::{Lead, Rows};
use super::drive::Source;
use super::progress::{Progress, share};
use crate::codec::json;
use crate::domain::ids::{DomainId, EventId, LeadId};
use crate::domain::input::{ActivityKind, Input, LeadActivity, Topic};
use crate::domain::time::{Span, Timestamp};
use crate::engine::filter::Event;
use crate::evaluate::replay::Heard;
use crate::evaluate::report::Read;

pub(super) use self::mapping::Mapping;

/// A rep is there for so long after the last lead.
const LINGER: Span = Span::from_days(30);
const DOMAIN: &str = "export";
/// A text that runs over more lines than this is a quote that nobody closed.
const TEXT_LINES: u64 = 500;
/// Of the rows, so many must be usable: else the mapping, and not the rows, is wrong.
const USABLE_MIN: f64 = 0.5;

/// An export, as events in the order of their times.
#[derive(Debug)]
pub(super) struct Export {
    events: std::vec::IntoIter<Event>,
    all: usize,
    read: Read,
}

impl Export {
    /// Reads all rows. What cannot be read of a row is counted and told; a column that is not there, a quote
    /// that is not closed, stages that do not occur and a file most of whose rows cannot be used are faults.
    /// `now`: no deal has closed later.
    pub(super) fn read(
        text: &[u8],
        mapping: &Mapping,
        now: Timestamp,
    ) -> Result<Export, Vec<String>> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(mapping.format.delimiter as u8).from_reader(text);
        let heads = reader.headers().map_err(|fault| vec![fault.to_string()])?.clone();
        let columns = Columns::find(&heads, mapping)?;
        let mut rows = Rows::new(mapping, columns, now);
        let mut row = csv::StringRecord::new();
        let mut progress = Progress::new("rows");
        loop {
            progress.one(|| Some(reader.position().byte() as f64 / text.len() as f64));
            let line = reader.position().line();
            let read = reader.read_record(&mut row);
            let lines = reader.position().line() - line;
            if lines > TEXT_LINES {
                let end = line + lines;
                let why = "its quote is not closed";
                return Err(vec![format!("line {line}: a text runs to line {end}: {why}")]);
            }
            match read {
                Ok(false) => break,
                Ok(true) => rows.add(&row, line),
                Err(fault) => rows.refuse(parted(&fault), line),
            }
        }
        let (leads, read) = rows.finish()?;
        let events = events(leads, mapping.lead.territory.is_some());
        Ok(Export { all: events.len(), events: events.into_iter(), read })
    }
}

/// Why a row could not be parted into its fields.
fn parted(fault: &csv::Error) -> String {
    match fault.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields, and the head has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is no UTF-8".to_owned(),
        _ => fault.to_string(),
    }
}

impl Source for Export {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        Ok(self.events.next().map(|event| Heard::Event(Box::new(event))))
    }

    fn share(&self) -> Option<f64> {
        Some(share(self.events.len(), self.all))
    }

    fn read(&self) -> Read {
        self.read.clone()
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

/// The events of all leads with the reps and territories that they name, in the order of their times.
fn events(leads: Vec<Lead>, by_territory: bool) -> Vec<Event> {
    let mut timed: Vec<(Timestamp, u8, Topic, Input)> = Vec::new();
    let mut reps: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    let mut territories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let start = leads.iter().map(|lead| lead.created_at).min().unwrap_or_default();
    let end = leads.iter().map(|lead| lead.created_at).max().unwrap_or_default();
    for lead in &leads {
        let at = lead.created_at;
        let known = reps.entry(&lead.owner).or_insert((at, at));
        *known = (known.0.min(at), known.1.max(at));
        let members = territories.entry(&lead.territory).or_default();
        if !members.contains(&&*lead.owner) {
            members.push(&lead.owner);
        }
    }
    // Made by us of ids that are known to be ids, so they can be read.
    let made = |topic, value: &Value, at| json::decode_event(topic, value, at, true).ok();
    for (rep, (from, to)) in &reps {
        let change = |active: bool, at: Timestamp| {
            let value = json!({ "event_id": format!("{active} {}", at.0), "rep_id": rep,
                "active": active });
            Some((at, 0, Topic::RepChanged, made(Topic::RepChanged, &value, at)?))
        };
        timed.extend(change(true, *from));
        timed.extend(change(false, *to + LINGER).filter(|_| *to + LINGER < end));
    }
    for (number, (name, members)) in territories.iter().enumerate() {
        let rule = json!([{ "all": [{ "field": "attributes.territory", "op": "IN",
            "values": [name] }] }]);
        let members: Vec<Value> = members.iter().map(|rep| json!({ "rep_id": rep })).collect();
        let value = json!({ "event_id": format!("territory {number}"), "territory_id": name,
            "name": name, "rules": if by_territory { rule } else { json!([]) },
            "members": members });
        let territory = made(Topic::TerritoryChanged, &value, start);
        timed.extend(territory.map(|input| (start, 1, Topic::TerritoryChanged, input)));
    }
    for lead in leads {
        let at = lead.created_at;
        // An event id of its own: the lead would take another with its own for a repeat.
        let accepted = Input::LeadActivity(LeadActivity {
            event_id: EventId::new(&format!("accepted {}", lead.line)),
            lead_id: LeadId::new(&lead.id),
            rep_id: None,
            kind: ActivityKind::Accepted,
            occurred_at: at,
        });
        timed.push((at, 2, Topic::LeadCreated, lead.created));
        timed.push((at, 3, Topic::LeadActivity, accepted));
        timed.extend(lead.deal.map(|(at, input)| (at, 4, Topic::OpportunityClosed, input)));
    }
    timed.sort_by_key(|(at, order, ..)| (*at, *order));
    let event = |(offset, (at, _, topic, input))| Event {
        topic,
        domain: DomainId::new(DOMAIN),
        at,
        offset,
        input,
    };
    (1..).zip(timed).map(event).collect()
}
