//! A user of the org: a rep, if a person of it.

use serde_json::{Value, json};

use super::map;
use crate::codec::error::Result;
use crate::domain::input::Topic;
use crate::domain::time::is_zone;
use crate::ingest::machine::{Outcome, Step};
use crate::ingest::picture::Life;

pub(super) fn say(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        let value = json!({ "rep_id": step.id, "active": false, "deleted": true });
        step.emit(Topic::RepChanged, "rep", map(value));
        step.end();
        return Ok(Outcome::Mapped);
    }
    if step.fresh.is_empty() {
        return Ok(Outcome::Ignored("unchanged"));
    }
    let row = step.row();
    // Portal users, guests and automated processes own no leads.
    if row.text("user_type").is_some_and(|kind| kind != "Standard") {
        return Ok(Outcome::Ignored("not_a_rep"));
    }
    // Who leaves, leaves at once, whatever else is not known.
    let Some(active) = row.flag("active") else { return Ok(Outcome::Ignored("incomplete")) };
    if step.picture.life != Life::Live && !row.is_fresh("active", &step.fresh) {
        return Ok(Outcome::Ignored("incomplete"));
    }
    let names: Vec<String> =
        [row.text("first_name"), row.text("last_name")].into_iter().flatten().collect();
    let name = row.text("name").or_else(|| (!names.is_empty()).then(|| names.join(" ")));
    let value = json!({
        "rep_id": step.id,
        "name": name,
        "active": active,
        "paused": row.flag("paused"),
        "weight": row.whole("weight"),
        "manager_id": row.id("manager_id")?,
        "hired_at": row.instant("hired_at"),
        "skills": row.texts("skills"),
        "languages": row.texts("languages").map(|them| them.iter().map(|it| primary(it)).collect::<Vec<_>>()),
        "calendar_id": row.text("calendar_id"),
        "time_zone": row.text("time_zone").filter(|zone| is_zone(zone)),
        "cover_id": row.id("cover_id")?.map(Value::from),
    });
    step.emit(Topic::RepChanged, "rep", map(value));
    Ok(Outcome::Mapped)
}

/// `en_US` → `en`.
fn primary(language: &str) -> String {
    let end = language.find(['_', '-']).unwrap_or(language.len());
    language.get(..end).unwrap_or(language).to_ascii_lowercase()
}
