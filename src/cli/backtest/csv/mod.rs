//! A CRM export, one lead a row, as the events that it stands for.
//!
//! A rep is active from the first lead to thirty days after the last one; reps belong to one territory, or
//! to those that a column names. The export says nothing of touches, so each lead counts as accepted at
//! once: no SLA step fires, and none is estimated.

mod lanes;
mod mapping;
mod number;
mod row;
mod rows;
mod tally;

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use self::row::Lead;
use super::drive::Source;
use super::progress::share;
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
/// Of the rows, so many must be usable: else the mapping, and not the rows, is wrong.
const USABLE_MIN: f64 = 0.5;

/// An export, as events in the order of their times.
pub(super) struct Export {
    /// Reps and territories.
    reference: Vec<(Topic, Input)>,
    leads: Vec<Lead>,
    order: std::vec::IntoIter<Place>,
    all: usize,
    read: Read,
}

/// When an event comes, and where it is found; of one time, reference data come first.
type Place = (Timestamp, Kind, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Reference,
    Created,
    Accepted,
    Closed,
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
        let (leads, read) = lanes::read(text, mapping, now)?.finish()?;
        let (mut order, reference) = reference(&leads, mapping.lead.territory.is_some());
        for (at, lead) in leads.iter().enumerate() {
            order.push((lead.created_at, Kind::Created, at));
            order.push((lead.created_at, Kind::Accepted, at));
            order.extend(lead.deal.iter().map(|(closed_at, _)| (*closed_at, Kind::Closed, at)));
        }
        order.sort_unstable();
        Ok(Export { reference, leads, all: order.len(), order: order.into_iter(), read })
    }

    fn event(&mut self, (at, kind, place): Place) -> Option<Event> {
        let lead = self.leads.get_mut(place);
        let (topic, input) = match kind {
            Kind::Reference => self.reference.get(place)?.clone(),
            Kind::Created => (Topic::LeadCreated, lead?.created.take()?),
            Kind::Accepted => (Topic::LeadActivity, accepted(lead?)),
            Kind::Closed => (Topic::OpportunityClosed, lead?.deal.take()?.1),
        };
        let offset = (self.all - self.order.len()) as i64;
        Some(Event { topic, domain: DomainId::new(DOMAIN), at, offset, input })
    }
}

/// The export says nothing of touches. An event id of its own: the lead would take another with its own for
/// a repeat.
fn accepted(lead: &Lead) -> Input {
    Input::LeadActivity(LeadActivity {
        event_id: EventId::new(&format!("accepted {}", lead.line)),
        lead_id: LeadId::new(&lead.id),
        rep_id: None,
        kind: ActivityKind::Accepted,
        occurred_at: lead.created_at,
    })
}

impl Source for Export {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        let Some(place) = self.order.next() else { return Ok(None) };
        Ok(Some(self.event(place).map_or(Heard::Nothing, |event| Heard::Event(Box::new(event)))))
    }

    fn share(&self) -> Option<f64> {
        Some(share(self.order.len(), self.all))
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

/// The reps and territories that the leads name, and when each is heard of.
fn reference(leads: &[Lead], by_territory: bool) -> (Vec<Place>, Vec<(Topic, Input)>) {
    let mut reps: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    let mut territories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let start = leads.iter().map(|lead| lead.created_at).min().unwrap_or_default();
    let end = leads.iter().map(|lead| lead.created_at).max().unwrap_or_default();
    for lead in leads {
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
    let mut order = Vec::new();
    let mut events = Vec::new();
    let mut hear = |at: Timestamp, topic: Topic, input: Option<Input>| {
        order.extend(input.is_some().then_some((at, Kind::Reference, events.len())));
        events.extend(input.map(|input| (topic, input)));
    };
    for (rep, (from, to)) in &reps {
        let mut change = |active: bool, at: Timestamp| {
            let value = json!({ "event_id": format!("{active} {}", at.0), "rep_id": rep,
                "active": active });
            hear(at, Topic::RepChanged, made(Topic::RepChanged, &value, at));
        };
        change(true, *from);
        if *to + LINGER < end {
            change(false, *to + LINGER);
        }
    }
    for (number, (name, members)) in territories.iter().enumerate() {
        let rule = json!([{ "all": [{ "field": "attributes.territory", "op": "IN",
            "values": [name] }] }]);
        let members: Vec<Value> = members.iter().map(|rep| json!({ "rep_id": rep })).collect();
        let value = json!({ "event_id": format!("territory {number}"), "territory_id": name,
            "name": name, "rules": if by_territory { rule } else { json!([]) },
            "members": members });
        let territory = made(Topic::TerritoryChanged, &value, start);
        hear(start, Topic::TerritoryChanged, territory);
    }
    (order, events)
}
