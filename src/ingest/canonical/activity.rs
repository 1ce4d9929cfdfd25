//! Tasks and meetings: a touch, once it has happened.

use serde_json::{Map, Value, json};

use super::map;
use crate::codec::error::Result;
use crate::domain::input::Topic;
use crate::ingest::machine::{Outcome, Step};
use crate::ingest::picture::Life;

const KINDS: [&str; 4] = ["CALL", "EMAIL", "MEETING", "OTHER_TOUCH"];

/// A task is a touch when it is completed; its completion comes as an update without its lead.
pub(super) fn task(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        return Ok(end(step));
    }
    let row = step.row();
    let completed = row.text("status").as_deref() == Some("Completed");
    if !row.flag("closed").unwrap_or(false) && !completed {
        return Ok(Outcome::Ignored("not_a_touch"));
    }
    let kind = row.text("kind").filter(|kind| KINDS.contains(&kind.as_str()));
    let kind = kind.unwrap_or_else(|| "OTHER_TOUCH".to_owned());
    let at = row.instant("occurred_at").unwrap_or(step.change.at());
    touch(step, &kind, at)
}

/// A meeting is a touch when it has begun; those of invited users are the same meeting.
pub(super) fn meeting(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        return Ok(end(step));
    }
    let row = step.row();
    if row.flag("child") == Some(true) {
        return Ok(Outcome::Ignored("not_a_touch"));
    }
    match row.instant("starts_at") {
        Some(at) if at <= step.change.at() => touch(step, "MEETING", at),
        Some(_) => Ok(Outcome::Ignored("not_a_touch")),
        None if step.picture.life == Life::Live => touch(step, "MEETING", step.change.at()),
        None => Ok(Outcome::Ignored("incomplete")),
    }
}

fn end(step: &mut Step<'_>) -> Outcome {
    step.end();
    Outcome::Ignored("history_kept")
}

fn touch(step: &mut Step<'_>, kind: &str, at: i64) -> Result<Outcome> {
    if step.picture.told.contains_key("touch") {
        return Ok(Outcome::Ignored("unchanged"));
    }
    let row = step.row();
    let Some(who) = row.id("lead_id")? else {
        let whole = step.picture.life == Life::Live;
        return Ok(Outcome::Ignored(if whole { "not_a_lead" } else { "incomplete" }));
    };
    if !who.starts_with("00Q") && step.object.id_field.is_none() {
        return Ok(Outcome::Ignored("not_a_lead"));
    }
    let Some(rep) = row.id("rep_id")? else { return Ok(Outcome::Ignored("incomplete")) };
    let by = [
        Some(rep.clone()),
        step.change.commit_user.as_deref().and_then(|it| crate::ingest::id::extend(it).ok()),
    ];
    let automatic = by.iter().flatten().any(|user| step.object.not_by.contains(user));
    if automatic || !rep.starts_with("005") {
        return Ok(Outcome::Ignored("not_a_touch"));
    }
    let value: Map<String, Value> =
        map(json!({ "lead_id": who, "rep_id": rep, "kind": kind, "occurred_at": at }));
    step.emit(Topic::LeadActivity, "touch", value);
    step.picture.told.insert("touch".to_owned(), Value::Bool(true));
    Ok(Outcome::Mapped)
}
