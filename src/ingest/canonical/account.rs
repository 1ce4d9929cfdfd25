//! An account: always as a whole, with whether it has an open opportunity.

use serde_json::{Map, Value, json};

use super::map;
use super::row::Row;
use crate::codec::error::Result;
use crate::domain::input::Topic;
use crate::ingest::machine::{Outcome, Step};
use crate::ingest::picture::{Key, Life};

/// Their opportunities that are open, by id; in the picture of the account.
pub(super) const OPEN: &str = "open";

pub(super) fn say(step: &mut Step<'_>) -> Result<Outcome> {
    if step.is_delete() {
        let value = json!({
            "account_id": step.id, "name": "", "kind": "UNKNOWN", "deleted": true,
        });
        step.emit(Topic::AccountChanged, "account", map(value));
        step.end();
        return Ok(Outcome::Mapped);
    }
    if step.fresh.is_empty() {
        return Ok(Outcome::Ignored("unchanged"));
    }
    if step.picture.life != Life::Live {
        return Ok(Outcome::Ignored("incomplete"));
    }
    let row = step.row();
    let Some(value) = whole(&row, step.id)? else { return Ok(Outcome::Ignored("incomplete")) };
    step.emit(Topic::AccountChanged, "account", value);
    Ok(Outcome::Mapped)
}

fn whole(row: &Row<'_>, id: &str) -> Result<Option<Map<String, Value>>> {
    let person = || {
        let names = [row.text("first_name"), row.text("last_name")];
        let names: Vec<String> = names.into_iter().flatten().collect();
        (!names.is_empty()).then(|| names.join(" "))
    };
    let Some(name) = row.text("name").or_else(person) else { return Ok(None) };
    let kind = row.text("kind").unwrap_or_default();
    let known = ["CUSTOMER", "PROSPECT", "PARTNER", "FORMER"].contains(&kind.as_str());
    let domains = match row.texts("domains") {
        Some(domains) => domains,
        None => row.text("website").and_then(|text| host(&text)).into_iter().collect(),
    };
    let open =
        row.picture.told.get(OPEN).and_then(Value::as_object).is_some_and(|it| !it.is_empty());
    Ok(Some(map(json!({
        "account_id": id,
        "name": name,
        "domains": domains,
        "owner_id": row.id("owner_id")?,
        "parent_id": row.id("parent_id")?,
        "kind": if known { kind.as_str() } else { "PROSPECT" },
        "country": row.country(),
        "state": row.state(),
        "postal_code": row.text("postal_code"),
        "phone": row.text("phone"),
        "open_opportunity": open,
        "last_activity_at": row.instant("last_activity_at"),
    }))))
}

/// `https://www.acme.com/shop` → `acme.com`.
fn host(website: &str) -> Option<String> {
    let rest = website.split_once("://").map_or(website, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or(rest);
    let host = host.rsplit('@').next().unwrap_or(host).trim().to_ascii_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host).trim_end_matches('.').to_owned();
    (host.contains('.') && !host.contains(char::is_whitespace)).then_some(host)
}

/// An opportunity of an account opened or closed: where that makes a difference, the account says so.
pub(super) fn opportunity(
    step: &mut Step<'_>,
    account_id: &str,
    opportunity_id: &str,
    is_open: bool,
) -> Result<()> {
    let mapping = step.mapping;
    let Some(entity) = mapping.of(crate::ingest::mapping::Target::Account).next() else {
        return Ok(());
    };
    let key = Key::new(step.domain, entity, account_id);
    let mut picture = step.store.get(&key).cloned().unwrap_or_default();
    let mut open = picture.told.get(OPEN).and_then(Value::as_object).cloned().unwrap_or_default();
    let had = !open.is_empty();
    let changed = match is_open {
        true => open.insert(opportunity_id.to_owned(), Value::Bool(true)).is_none(),
        false => open.remove(opportunity_id).is_some(),
    };
    if !changed {
        return Ok(());
    }
    let has = !open.is_empty();
    picture.told.insert(OPEN.to_owned(), Value::Object(open));
    let told = match (had == has, picture.life, mapping.object(entity)) {
        (false, Life::Live, Some(object)) => whole(&Row { object, picture: &picture }, account_id)?,
        _ => None,
    };
    step.store.set(key, picture);
    if let Some(value) = told {
        step.emit(Topic::AccountChanged, "account", value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_website_has_a_domain() {
        for (website, domain) in [
            ("https://www.Acme.com/shop?x=1", Some("acme.com")),
            ("acme.co.uk", Some("acme.co.uk")),
            ("http://shop.acme.com:8080", Some("shop.acme.com")),
            ("none", None),
            ("not a site", None),
        ] {
            assert_eq!(host(website).as_deref(), domain, "{website}");
        }
    }
}
