//! A record's picture, and what just changed of it, to canonical events.

mod account;
mod activity;
mod deal;
mod lead;
mod rep;
mod row;
mod rules;
mod territory;

use serde_json::{Map, Value, json};

use self::row::Row;
use super::change::{Change, ChangeType};
use super::machine::{Event, Outcome, Step};
use super::mapping::Target;
use crate::codec::error::Result;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;

/// What there is to say about the step's record.
pub(super) fn say(step: &mut Step<'_>) -> Result<Outcome> {
    match step.object.to {
        Target::Lead => lead::say(step),
        Target::Account => account::say(step),
        Target::Opportunity => deal::say(step),
        Target::Rep => rep::say(step),
        Target::Task => activity::task(step),
        Target::Meeting => activity::meeting(step),
        Target::Territory => territory::say(step),
        Target::TerritoryMember => territory::member(step),
        Target::TerritoryAccount => territory::account(step),
        Target::TerritoryRule => territory::rule_of(step),
        Target::Rule => territory::rule(step),
        Target::RuleItem => territory::rule_item(step),
        Target::Queue => Ok(Outcome::Ignored("no_mapped_field")),
    }
}

impl Step<'_> {
    /// The record as it is now.
    fn row(&self) -> Row<'_> {
        Row { object: self.object, picture: &self.picture }
    }

    /// Adds an event; the rest of its identity tells it from others of the same change.
    fn emit(&mut self, topic: Topic, part: &str, mut value: Map<String, Value>) {
        value.insert("event_id".to_owned(), Value::from(event_id(self.change, self.id, part)));
        value.retain(|_, value| !value.is_null());
        // A row of an export is no event of the past: it is published when it is read.
        let at = match self.change.change_type {
            ChangeType::Snapshot => self.change.recorded_at_ms.max(self.change.at()),
            _ => self.change.at(),
        };
        let at = Timestamp(at);
        self.events.push(Event { topic, at, value: Value::Object(value) });
    }

    fn is_delete(&self) -> bool {
        self.change.change_type == ChangeType::Delete
    }

    /// Ends the record's picture; what it told stays.
    fn end(&mut self) {
        let stamp = self.change.stamp();
        self.picture.end(&stamp);
    }
}

/// An id that is the same however often the change is sent, at most 255 bytes long.
fn event_id(change: &Change, id: &str, part: &str) -> String {
    let identity = change.identity(id);
    match identity.len() <= 200 {
        true => format!("{identity}:{part}"),
        false => format!("{:016x}:{id}:{part}", super::change::hash(&identity)),
    }
}

/// A lead whose event was lost: the router's picture of it is stale.
pub(super) fn fetch_needed(change: &Change, id: &str) -> Event {
    let kind = match change.change_type {
        ChangeType::GapDelete => "DELETED",
        ChangeType::GapUndelete => "UNDELETED",
        _ => "FIELDS",
    };
    let value = json!({
        "event_id": event_id(change, id, "gap"),
        "lead_id": id,
        "changed_at": change.at(),
        "kind": kind,
        "fetch_needed": true,
    });
    Event { topic: Topic::LeadUpdated, at: Timestamp(change.at()), value }
}

/// An object from pairs.
fn map(pairs: Value) -> Map<String, Value> {
    match pairs {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
