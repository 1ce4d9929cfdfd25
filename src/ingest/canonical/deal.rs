//! An opportunity: won, lost, or open again.
//!
//! `IsClosed` and `IsWon` decide where they are as new as the stage; else the mapping's stages; else the
//! forecast category and the probability, which Salesforce keeps in step with the stage.

use serde_json::{Value, json};

use super::row::Row;
use super::{account, map};
use crate::codec::error::Result;
use crate::domain::input::Topic;
use crate::ingest::machine::{Outcome, Step};
use crate::ingest::mapping::{Mapping, Target};
use crate::ingest::picture::{Key, Life, Picture, Store};

const DAY_MS: i64 = 86_400_000;

/// Fields that a closed deal is told again for.
const TOLD: [&str; 8] =
    ["rep_id", "account_id", "amount", "currency", "source", "product", "lead_id", "close_date"];

pub(super) fn say(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        if let Some(account_id) = step.row().id("account_id")? {
            let id = step.id.to_owned();
            account::opportunity(step, &account_id, &id, false)?;
        }
        step.end();
        return Ok(Outcome::Ignored("history_kept"));
    }
    let row = step.row();
    let state = state(&row);
    let told = step.picture.told.get("outcome").and_then(Value::as_str).map(str::to_owned);
    let was_closed = matches!(told.as_deref(), Some("WON" | "LOST"));
    // An update says that it *became* open: it was closed before, seen or not.
    let reopened = row.is_fresh("is_closed", &step.fresh)
        && !step.change.change_type.is_whole()
        && !step.change.is_image
        && state == Some(State::Open)
        && told.is_none();
    let outcome = match state {
        Some(State::Won) => Some("WON"),
        Some(State::Lost) => Some("LOST"),
        Some(State::Open) if was_closed || reopened => Some("REOPENED"),
        _ => None,
    };
    let touches = TOLD.iter().any(|ours| row.is_fresh(ours, &step.fresh))
        || !row.fresh_attributes(&step.fresh).is_empty();
    let account_id = row.id("account_id")?;
    if let (Some(account_id), Some(state)) = (account_id, state) {
        let id = step.id.to_owned();
        account::opportunity(step, &account_id, &id, state == State::Open)?;
    }
    let Some(outcome) = outcome else { return Ok(Outcome::Ignored("unchanged")) };
    if told.as_deref() == Some(outcome) && !(touches && outcome != "REOPENED") {
        return Ok(Outcome::Ignored("unchanged"));
    }
    if told.as_deref() != Some(outcome) {
        step.picture.told.insert("closed_at".to_owned(), Value::from(closed_at(step)));
    }
    let said = value(step.mapping, step.store, step.domain, step.id, &step.picture, outcome)?;
    let Some(said) = said else { return Ok(Outcome::Ignored("incomplete")) };
    step.picture.told.insert("outcome".to_owned(), Value::from(outcome));
    step.emit(Topic::OpportunityClosed, outcome, map(said));
    Ok(Outcome::Mapped)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Won,
    Lost,
}

fn state(row: &Row<'_>) -> Option<State> {
    let by_flags = match (row.flag("is_closed"), row.flag("is_won")) {
        (_, Some(true)) => Some(State::Won),
        (Some(true), Some(false) | None) => Some(State::Lost),
        (Some(false), _) => Some(State::Open),
        (None, _) => None,
    };
    let stage = row.text("stage");
    let by_stage = stage.as_ref().and_then(|stage| match stage {
        stage if row.object.won.contains(stage) => Some(State::Won),
        stage if row.object.lost.contains(stage) => Some(State::Lost),
        _ => None,
    });
    // A flag that was said before the stage is not about this stage.
    let stamp = |ours: &str| {
        let names = row.object.sources(ours).iter();
        names.filter_map(|name| row.picture.get(name)).map(|(_, stamp)| stamp.clone()).next()
    };
    let is_older = |ours: &str| match (stamp(ours), stamp("stage")) {
        (Some(flag), Some(stage)) => stage.is_after(&flag),
        _ => false,
    };
    let flags_old = is_older("is_closed") || (stamp("is_closed").is_none() && is_older("is_won"));
    // Closed, and whether it is won is not said with it: the stage knows.
    let won_unknown = row.flag("is_won").is_none() || is_older("is_won");
    match by_flags {
        Some(State::Lost) if won_unknown => by_stage.or(by_forecast(row)).or(by_flags),
        Some(_) if !flags_old => by_flags,
        _ => by_stage.or_else(|| by_forecast(row)).or(stage.is_some().then_some(State::Open)),
    }
}

fn by_forecast(row: &Row<'_>) -> Option<State> {
    match row.text("forecast").as_deref() {
        Some("Closed") => return Some(State::Won),
        Some("Omitted") => return Some(State::Lost),
        Some(_) => return Some(State::Open),
        None => {}
    }
    match row.text("probability").as_deref() {
        Some("100") => Some(State::Won),
        _ => None,
    }
}

/// The close date's midnight in UTC; on the day of the change, or with a date still to come, the change.
fn closed_at(step: &Step<'_>) -> i64 {
    let at = step.change.at();
    let row = step.row();
    let said = row.instant("closed_at").or_else(|| row.instant("close_date"));
    let closed = match said {
        Some(date) if date.div_euclid(DAY_MS) < at.div_euclid(DAY_MS) => date,
        _ => at,
    };
    // Nothing closes before it opens.
    row.instant("opened_at").map_or(closed, |opened| closed.max(opened.min(at)))
}

/// The event of a deal; `None` = its owner is not known.
fn value(
    mapping: &Mapping,
    store: &Store,
    domain: &str,
    id: &str,
    picture: &Picture,
    outcome: &str,
) -> Result<Option<Value>> {
    let Some(object) = mapping.of(Target::Opportunity).next().and_then(|it| mapping.object(it))
    else {
        return Ok(None);
    };
    let row = Row { object, picture };
    let Some(rep_id) = row.id("rep_id")? else { return Ok(None) };
    let account_id = row.id("account_id")?;
    let entity = mapping.of(Target::Account).next();
    let account = entity.zip(account_id.as_ref());
    let account = account.and_then(|(entity, id)| store.get(&Key::new(domain, entity, id)));
    let account_object = entity.and_then(|entity| mapping.object(entity));
    let account = account.zip(account_object).map(|(picture, object)| Row { object, picture });
    let other = |own: Option<String>, read: fn(&Row<'_>) -> Option<String>| {
        own.or_else(|| account.as_ref().and_then(read))
    };
    let employees = row.whole("employees");
    let employees = employees.or_else(|| account.as_ref()?.whole("employees"));
    let lead = picture.told.get("lead_id").cloned();
    let attributes: serde_json::Map<String, Value> =
        row.attributes().into_iter().map(|(name, text)| (name, Value::from(text))).collect();
    let amount = row.amount("amount");
    let own = || mapping.currency.clone().filter(|_| amount.is_some());
    let mut value = json!({
        "opportunity_id": id,
        "outcome": outcome,
        "rep_id": rep_id,
        "lead_id": row.id("lead_id")?.map(Value::from).or(lead),
        "account_id": account_id,
        "opened_at": row.instant("opened_at"),
        "closed_at": picture.told.get("closed_at"),
        "currency": row.text("currency").or_else(own),
        "amount": amount,
        "country": other(row.country(), |row| row.country()),
        "state": other(row.state(), |row| row.state()),
        "postal_code": other(row.text("postal_code"), |row| row.text("postal_code")),
        "industry": other(row.text("industry"), |row| row.text("industry")),
        "employees": employees,
        "annual_revenue": other(row.amount("annual_revenue"), |row| row.amount("annual_revenue")),
        "product": row.text("product"),
        "source": row.text("source"),
        "attributes": attributes,
    });
    if let Value::Object(map) = &mut value {
        map.retain(|_, value| {
            !value.is_null() && value.as_object().is_none_or(|it| !it.is_empty())
        });
    }
    Ok(Some(value))
}

/// The lead that a deal was made of; a deal that has been told is told again with it.
pub(super) fn link(step: &mut Step<'_>, opportunity: &str) -> Result<()> {
    let mapping = step.mapping;
    let Some(entity) = mapping.of(Target::Opportunity).next() else { return Ok(()) };
    let key = Key::new(step.domain, entity, opportunity);
    let mut picture = step.store.get(&key).cloned().unwrap_or_default();
    let link = Value::from(step.id);
    if picture.told.get("lead_id") == Some(&link) {
        return Ok(());
    }
    picture.told.insert("lead_id".to_owned(), link);
    let outcome = picture.told.get("outcome").and_then(Value::as_str).map(str::to_owned);
    let told = match outcome.filter(|_| picture.life != Life::Deleted) {
        Some(outcome) => value(mapping, step.store, step.domain, opportunity, &picture, &outcome)?,
        None => None,
    };
    step.store.set(key, picture);
    if let Some(value) = told {
        step.emit(Topic::OpportunityClosed, "linked", map(value));
    }
    Ok(())
}
