//! Territories, put together from what Salesforce keeps apart: the territory, its members, its accounts,
//! and the rules that assign to it. Each part is noted in the territory's picture, so they may come in any
//! order; the territory is told when its own record is known.

use serde_json::{Map, Value, json};

use super::row::Row;
use super::{map, rules};
use crate::codec::error::{Error, Result, reason};
use crate::domain::input::Topic;
use crate::ingest::machine::{Outcome, Step};
use crate::ingest::mapping::Target;
use crate::ingest::picture::{Key, Life, Picture};

pub(super) fn say(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        let value = json!({ "territory_id": step.id, "name": "", "deleted": true });
        step.emit(Topic::TerritoryChanged, "territory", map(value));
        step.end();
        return Ok(Outcome::Mapped);
    }
    if step.fresh.is_empty() {
        return Ok(Outcome::Ignored("unchanged"));
    }
    let (id, picture) = (step.id.to_owned(), step.picture.clone());
    tell(step, &id, &picture)
}

/// Emits a territory as it is known.
fn tell(step: &mut Step<'_>, id: &str, picture: &Picture) -> Result<Outcome> {
    let mapping = step.mapping;
    let object = mapping.of(Target::Territory).next().and_then(|entity| mapping.object(entity));
    let Some(object) = object else { return Ok(Outcome::Ignored("object_not_wanted")) };
    let row = Row { object, picture };
    let name = row.text("name").filter(|_| picture.life == Life::Live);
    let Some(name) = name else { return Ok(Outcome::Ignored("incomplete")) };
    let parts =
        |name: &str| picture.told.get(name).and_then(Value::as_object).into_iter().flatten();
    let members: Vec<&Value> = parts("members").map(|(_, member)| member).collect();
    let mut accounts: Vec<String> =
        parts("accounts").filter_map(|(_, id)| id.as_str().map(str::to_owned)).collect();
    accounts.extend(row.texts("named_accounts").unwrap_or_default());
    accounts.sort();
    accounts.dedup();
    let mut all = own_rules(&row)?;
    for rule in parts("rules").filter_map(|(_, rule)| rule.as_str()) {
        let key = mapping.of(Target::Rule).next().map(|entity| Key::new(step.domain, entity, rule));
        let rule = key.and_then(|key| step.store.get(&key));
        all.extend(rules::of(mapping, rule));
    }
    let parent = match row.id("parent_id") {
        Ok(parent) => parent,
        // A territory of a custom object may have a key of its own.
        Err(_) => row.text("parent_id"),
    };
    let value = json!({
        "territory_id": id,
        "name": name,
        "parent_id": parent,
        "priority": row.whole("priority"),
        "rules": all,
        "named_accounts": accounts,
        "members": members,
        "valid_from_at": row.instant("valid_from_at"),
        "valid_to_at": row.instant("valid_to_at"),
        "effective_change": row.text("effective_change"),
    });
    step.emit(Topic::TerritoryChanged, &format!("territory:{id}"), map(value));
    Ok(Outcome::Mapped)
}

/// Rules in a field of the territory, as JSON in the form of the contract.
fn own_rules(row: &Row<'_>) -> Result<Vec<Value>> {
    let Some(text) = row.text("rules") else { return Ok(Vec::new()) };
    match crate::codec::json::parse(text.as_bytes()) {
        Ok(Value::Array(rules)) => Ok(rules),
        _ => Err(Error::new(reason::TERRITORY_FIELD, "rules", "must be a list of rules, as JSON")),
    }
}

/// A part of a territory came, changed or went.
fn part(step: &mut Step<'_>, name: &str, value: Option<Value>) -> Result<Outcome> {
    let row = step.row();
    let of = row.text("territory_id").map(|id| crate::ingest::id::extend(&id).unwrap_or(id));
    let told = step.picture.told.get("territory").and_then(Value::as_str).map(str::to_owned);
    let Some(territory) = of.or(told.clone()) else {
        return Ok(Outcome::Ignored("incomplete"));
    };
    let id = step.id.to_owned();
    let mut former_told = None;
    if let Some(former) = told.filter(|former| *former != territory) {
        former_told = Some(change_part(step, &former, name, &id, None)?);
    }
    let changed = change_part(step, &territory, name, &id, value)?;
    step.picture.told.insert("territory".to_owned(), Value::from(territory));
    if step.is_delete() {
        step.end();
    }
    Ok(former_told.filter(|told| *told == Outcome::Mapped).unwrap_or(changed))
}

fn change_part(
    step: &mut Step<'_>,
    territory: &str,
    name: &str,
    id: &str,
    value: Option<Value>,
) -> Result<Outcome> {
    let mapping = step.mapping;
    let Some(entity) = mapping.of(Target::Territory).next() else {
        return Ok(Outcome::Ignored("object_not_wanted"));
    };
    let key = Key::new(step.domain, entity, territory);
    let mut picture = step.store.get(&key).cloned().unwrap_or_default();
    let mut parts = picture.told.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let before = parts.clone();
    match value {
        Some(value) => drop(parts.insert(id.to_owned(), value)),
        None => drop(parts.remove(id)),
    }
    if parts == before {
        return Ok(Outcome::Ignored("unchanged"));
    }
    picture.told.insert(name.to_owned(), Value::Object(parts));
    step.store.set(key, picture.clone());
    match tell(step, territory, &picture)? {
        // It was noted, and is told with the territory.
        Outcome::Ignored(_) => Ok(Outcome::Ignored("incomplete")),
        outcome => Ok(outcome),
    }
}

pub(super) fn member(step: &mut Step<'_>) -> Result<Outcome> {
    let row = step.row();
    let active = !step.is_delete() && row.flag("active") != Some(false);
    let value = match row.id("rep_id")?.filter(|_| active) {
        Some(rep_id) => {
            let mut member: Map<String, Value> = map(
                json!({ "rep_id": rep_id, "role": row.text("role"), "weight": row.whole("weight") }),
            );
            member.retain(|_, value| !value.is_null());
            Some(Value::Object(member))
        }
        None => None,
    };
    part(step, "members", value)
}

pub(super) fn account(step: &mut Step<'_>) -> Result<Outcome> {
    let row = step.row();
    let id = row.id("account_id")?.filter(|_| !step.is_delete());
    // Leads may be assigned by hand, too; a territory lists accounts.
    let id = id.filter(|id| id.starts_with("001"));
    part(step, "accounts", id.map(Value::from))
}

pub(super) fn rule_of(step: &mut Step<'_>) -> Result<Outcome> {
    let row = step.row();
    let rule = row.id("rule_id")?;
    let territory = row.text("territory_id").map(|id| crate::ingest::id::extend(&id).unwrap_or(id));
    let gone = step.is_delete();
    if let (Some(rule), Some(territory)) = (&rule, &territory) {
        note(step, rule, "territories", territory, (!gone).then_some(Value::Bool(true)));
    }
    part(step, "rules", rule.filter(|_| !gone).map(Value::from))
}

/// Notes something in the picture of a rule; whether that is news.
fn note(step: &mut Step<'_>, rule: &str, list: &str, id: &str, value: Option<Value>) -> bool {
    let Some(entity) = step.mapping.of(Target::Rule).next() else { return false };
    let key = Key::new(step.domain, entity, rule);
    let mut picture = step.store.get(&key).cloned().unwrap_or_default();
    let mut parts = picture.told.get(list).and_then(Value::as_object).cloned().unwrap_or_default();
    let before = parts.clone();
    match value {
        Some(value) => drop(parts.insert(id.to_owned(), value)),
        None => drop(parts.remove(id)),
    }
    let changed = parts != before;
    picture.told.insert(list.to_owned(), Value::Object(parts));
    step.store.set(key, picture);
    changed
}

/// A rule changed: its territories say so.
pub(super) fn rule(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        step.end();
    } else if step.fresh.is_empty() {
        return Ok(Outcome::Ignored("unchanged"));
    }
    let Some(entity) = step.mapping.of(Target::Rule).next() else {
        return Ok(Outcome::Ignored("object_not_wanted"));
    };
    let key = Key::new(step.domain, entity, step.id);
    step.store.set(key, step.picture.clone());
    let id = step.id.to_owned();
    retell(step, &id)
}

pub(super) fn rule_item(step: &mut Step<'_>) -> Result<Outcome> {
    let row = step.row();
    let told = step.picture.told.get("rule").and_then(Value::as_str).map(str::to_owned);
    let Some(rule) = row.id("rule_id")?.or(told) else { return Ok(Outcome::Ignored("incomplete")) };
    let item = json!({
        "field": row.text("field"),
        "operation": row.text("operation"),
        "value": row.text("value"),
        "place": row.whole("place"),
    });
    let item = (!step.is_delete()).then_some(item);
    let id = step.id.to_owned();
    let changed = note(step, &rule, "items", &id, item);
    step.picture.told.insert("rule".to_owned(), Value::from(rule.as_str()));
    if step.is_delete() {
        step.end();
    }
    match changed {
        true => retell(step, &rule),
        false => Ok(Outcome::Ignored("unchanged")),
    }
}

fn retell(step: &mut Step<'_>, rule: &str) -> Result<Outcome> {
    let mapping = step.mapping;
    let rules = mapping.of(Target::Rule).next().zip(mapping.of(Target::Territory).next());
    let Some((rules, entity)) = rules else { return Ok(Outcome::Ignored("object_not_wanted")) };
    let picture = step.store.get(&Key::new(step.domain, rules, rule));
    let territories: Vec<String> = picture
        .and_then(|picture| picture.told.get("territories"))
        .and_then(Value::as_object)
        .map(|them| them.keys().cloned().collect())
        .unwrap_or_default();
    let mut outcome = Outcome::Ignored("incomplete");
    for territory in territories {
        let picture = step.store.get(&Key::new(step.domain, entity, &territory)).cloned();
        if let Some(picture) = picture
            && tell(step, &territory, &picture)? == Outcome::Mapped
        {
            outcome = Outcome::Mapped;
        }
    }
    Ok(outcome)
}
