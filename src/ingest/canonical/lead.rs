//! A lead: created whole, updated by what changed, ended by conversion, merge or deletion.

use serde_json::{Map, Value, json};

use super::row::Row;
use super::{deal, map};
use crate::codec::error::Result;
use crate::domain::input::Topic;
use crate::domain::lead_fields::LEAD_FIELD_NAMES;
use crate::ingest::change::ChangeType;
use crate::ingest::machine::{Outcome, Step};

pub(super) fn say(step: &mut Step<'_>) -> Result<Outcome> {
    match step.change.change_type {
        ChangeType::Delete => deleted(step),
        ChangeType::Create | ChangeType::Snapshot => created(step),
        ChangeType::Undelete => undeleted(step),
        _ => updated(step),
    }
}

/// One field of ours as it is now.
fn field(row: &Row<'_>, name: &str, currency: Option<&String>) -> Result<Option<Value>> {
    Ok(match name {
        "created_at" | "locked_until_at" => row.instant(name).map(Value::from),
        "country" => row.country().map(Value::from),
        "state" => row.state().map(Value::from),
        "employees" => row.whole(name).map(Value::from),
        "annual_revenue" => row.amount(name).map(Value::from),
        "currency" => {
            let own = || currency.filter(|_| row.amount("annual_revenue").is_some()).cloned();
            row.text(name).or_else(own).map(Value::from)
        }
        "score" => row.text(name).and_then(|text| text.parse::<f64>().ok()).map(Value::from),
        "do_not_route" => row.flag(name).map(Value::from),
        "required_skills" | "preferred_skills" => row.texts(name).map(Value::from),
        "language" => row.text(name).map(|text| Value::from(text.replace('_', "-"))),
        "account_id" | "owner_id" => row.id(name)?.map(Value::from),
        name => row.text(name).map(Value::from),
    })
}

/// All fields that have a value.
fn whole(step: &Step<'_>) -> Result<Map<String, Value>> {
    let row = step.row();
    let mut fields = Map::new();
    for name in LEAD_FIELD_NAMES {
        if let Some(value) = field(&row, name, step.mapping.currency.as_ref())? {
            fields.insert(name.to_owned(), value);
        }
    }
    let attributes = row.attributes();
    if !attributes.is_empty() {
        fields.insert("attributes".to_owned(), attributes.into_iter().collect());
    }
    fields.entry("created_at").or_insert_with(|| Value::from(step.change.at()));
    Ok(fields)
}

fn created(step: &mut Step<'_>) -> Result<Outcome> {
    if step.row().flag("converted") == Some(true) {
        link(step)?;
        step.picture.told.insert("converted".to_owned(), Value::Bool(true));
        return Ok(Outcome::Ignored("converted"));
    }
    if step.picture.told.contains_key("created") && step.fresh.is_empty() {
        return Ok(Outcome::Ignored("unchanged"));
    }
    let mut fields = whole(step)?;
    fields.insert("lead_id".to_owned(), Value::from(step.id));
    step.emit(Topic::LeadCreated, "lead", fields);
    step.picture.told.insert("created".to_owned(), Value::Bool(true));
    Ok(Outcome::Mapped)
}

/// What every update of a lead says.
fn update(step: &Step<'_>, kind: &str) -> Map<String, Value> {
    map(json!({
        "lead_id": step.id,
        "changed_at": step.change.at(),
        "changed_by": step.change.commit_user,
        "kind": kind,
    }))
}

fn undeleted(step: &mut Step<'_>) -> Result<Outcome> {
    let mut value = update(step, "UNDELETED");
    value.insert("changes".to_owned(), Value::Object(whole(step)?));
    step.emit(Topic::LeadUpdated, "UNDELETED", value);
    Ok(Outcome::Mapped)
}

fn deleted(step: &mut Step<'_>) -> Result<Outcome> {
    // The master's id comes where a bridge sends the record along, or the channel enriches.
    let master = step.row().id("merged_into")?;
    let kind = if master.is_some() { "MERGED" } else { "DELETED" };
    let mut value = update(step, kind);
    value.insert("merged_into".to_owned(), Value::from(master));
    step.emit(Topic::LeadUpdated, kind, value);
    step.end();
    Ok(Outcome::Mapped)
}

fn updated(step: &mut Step<'_>) -> Result<Outcome> {
    let row = step.row();
    let is_fresh = |ours: &str| row.is_fresh(ours, &step.fresh);
    let conversion = ["converted", "converted_account_id", "converted_opportunity_id"];
    if row.flag("converted") == Some(true) && conversion.iter().any(|ours| is_fresh(ours)) {
        return converted(step);
    }
    if is_fresh("merged_into")
        && let Some(master) = row.id("merged_into")?
    {
        let mut value = update(step, "MERGED");
        value.insert("merged_into".to_owned(), Value::from(master));
        step.emit(Topic::LeadUpdated, "MERGED", value);
        return Ok(Outcome::Mapped);
    }
    let (mut changes, cleared) = changes(step)?;
    let owner = new_owner(step, &mut changes)?;
    let status = changes.contains_key("status");
    if let Some(owner) = owner {
        // With the owner's event, so that no lead is decided anew on the way to its owner.
        let status = changes.remove("status");
        let mut value = update(step, "OWNER");
        value.insert("new_owner_id".to_owned(), Value::from(owner));
        put_changes(&mut value, changes, &cleared);
        step.emit(Topic::LeadUpdated, "OWNER", value);
        if let Some(status) = status {
            let mut value = update(step, "STATUS");
            put_changes(&mut value, map(json!({ "status": status })), &[]);
            step.emit(Topic::LeadUpdated, "STATUS", value);
        }
        return Ok(Outcome::Mapped);
    }
    if changes.is_empty() && cleared.is_empty() {
        return Ok(Outcome::Ignored("no_mapped_field"));
    }
    let kind = if status { "STATUS" } else { "FIELDS" };
    let mut value = update(step, kind);
    put_changes(&mut value, changes, &cleared);
    step.emit(Topic::LeadUpdated, kind, value);
    Ok(Outcome::Mapped)
}

fn put_changes(value: &mut Map<String, Value>, changes: Map<String, Value>, cleared: &[String]) {
    if !changes.is_empty() {
        value.insert("changes".to_owned(), Value::Object(changes));
    }
    if !cleared.is_empty() {
        value.insert("cleared".to_owned(), json!(cleared));
    }
}

/// The fields of ours behind what is fresh: those with a value, and those without.
fn changes(step: &Step<'_>) -> Result<(Map<String, Value>, Vec<String>)> {
    let row = step.row();
    let (mut changes, mut cleared) = (Map::new(), Vec::new());
    for name in LEAD_FIELD_NAMES.into_iter().chain(["attributes"]) {
        // A state's code depends on its country.
        let is_fresh = row.is_fresh(name, &step.fresh);
        if !is_fresh {
            continue;
        }
        match field(&row, name, step.mapping.currency.as_ref())? {
            Some(value) => drop(changes.insert(name.to_owned(), value)),
            None => cleared.push(name.to_owned()),
        }
    }
    let mut attributes = Map::new();
    for (name, value) in row.fresh_attributes(&step.fresh) {
        match value {
            Some(value) => drop(attributes.insert(name, Value::from(value))),
            None => cleared.push(format!("attributes.{name}")),
        }
    }
    if !attributes.is_empty() {
        changes.insert("attributes".to_owned(), Value::Object(attributes));
    }
    cleared.retain(|name| name != "created_at" && name != "owner_id");
    Ok((changes, cleared))
}

/// The owner that this change gave the lead. A row says who owns it, not that somebody changed that:
/// there the owner counts only where another was known.
fn new_owner(step: &Step<'_>, changes: &mut Map<String, Value>) -> Result<Option<String>> {
    let Some(owner) = changes.remove("owner_id") else { return Ok(None) };
    let owner = owner.as_str().map(str::to_owned);
    if !step.change.is_image {
        return Ok(owner);
    }
    let before = step.before.as_ref().map(|picture| Row { object: step.object, picture });
    let before = before.map(|row| row.id("owner_id")).transpose()?.flatten();
    Ok(owner.filter(|owner| before.is_some_and(|before| before != *owner)))
}

fn converted(step: &mut Step<'_>) -> Result<Outcome> {
    let (mut changes, _) = changes(step)?;
    changes.remove("owner_id");
    let row = step.row();
    let (account, opportunity) =
        (row.id("converted_account_id")?, row.id("converted_opportunity_id")?);
    let mut value = update(step, "CONVERTED");
    value.insert("account_id".to_owned(), Value::from(account));
    value.insert("opportunity_id".to_owned(), Value::from(opportunity));
    put_changes(&mut value, changes, &[]);
    step.emit(Topic::LeadUpdated, "CONVERTED", value);
    step.picture.told.insert("converted".to_owned(), Value::Bool(true));
    link(step)?;
    Ok(Outcome::Mapped)
}

/// A converted lead's deal is told which lead it was, whichever of the two comes first.
fn link(step: &mut Step<'_>) -> Result<()> {
    match step.row().id("converted_opportunity_id")? {
        Some(opportunity) => deal::link(step, &opportunity),
        None => Ok(()),
    }
}
