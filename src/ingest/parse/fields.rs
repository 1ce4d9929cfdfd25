//! Which fields changed, which were cleared, and which only came along.
//!
//! | where it came from | unchanged | cleared |
//! |---|---|---|
//! | CometD's JSON | absent | an explicit null |
//! | Avro, and what was made of it | null | null, and in `changedFields` or `nulledFields` |
//! | a row (Debezium, an export) | not known | null now: the picture knows whether it changed |

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Found;
use super::head::Head;
use crate::codec::error::Result;
use crate::ingest::bitmap;
use crate::ingest::change::{Change, ChangeType};
use crate::ingest::schema::{FieldTable, Schemas};
use crate::ingest::values;

/// What an address or a geolocation holds, at most.
const ADDRESS: [&str; 10] = [
    "Street",
    "City",
    "State",
    "PostalCode",
    "Country",
    "StateCode",
    "CountryCode",
    "Latitude",
    "Longitude",
    "GeocodeAccuracy",
];
const PERSON: [&str; 5] = ["Salutation", "FirstName", "MiddleName", "LastName", "Suffix"];

/// Standard fields that are decimals though they may look whole.
const DECIMALS: [&str; 8] = [
    "AnnualRevenue",
    "Amount",
    "ExpectedRevenue",
    "Probability",
    "TotalOpportunityQuantity",
    "Latitude",
    "Longitude",
    "BudgetedCost",
];

/// A field of the record: its value, or null.
type Leaves = BTreeMap<String, Value>;

pub(super) fn fill(
    change: &mut Change,
    head: &Head,
    found: Found,
    schemas: &Schemas,
) -> Result<()> {
    let entity = change.entity.clone();
    let mut leaves = Leaves::new();
    let names: Vec<&str> = std::iter::once(super::envelope::HEADER)
        .chain(found.body.keys().map(String::as_str))
        .collect();
    let table = match &found.writer {
        Some(writer) => Some(writer.clone()),
        None => schemas.of_fields(&entity, &names),
    };
    let table = table.as_ref().map(|writer| &writer.table);
    collect(&entity, &found.body, &mut leaves, &mut change.diffs);
    for name in expand(&head.diff, &entity, table, &leaves, "diffFields")?.unwrap_or_default() {
        let diff = leaves.get(&name).and_then(values::text).unwrap_or_default();
        change.diffs.entry(name).or_insert(diff);
    }
    leaves.retain(|name, _| !change.diffs.contains_key(name));
    match change.change_type {
        ChangeType::Create | ChangeType::Undelete | ChangeType::Snapshot => {
            change.is_image = change.change_type == ChangeType::Snapshot;
            leaves.retain(|_, value| !value.is_null());
            change.set = leaves;
        }
        ChangeType::Update => update(change, head, &found, table, leaves)?,
        ChangeType::Delete => {
            leaves.retain(|_, value| !value.is_null());
            change.carried = leaves;
        }
        _ => {}
    }
    Ok(())
}

fn update(
    change: &mut Change,
    head: &Head,
    found: &Found,
    table: Option<&FieldTable>,
    mut leaves: Leaves,
) -> Result<()> {
    let entity = change.entity.clone();
    if let Some(before) = &found.before {
        compare(change, before, leaves);
        return Ok(());
    }
    // Avro as it is read here leaves nulls out; in what was made of it they are all there.
    let is_dense = found.is_dense || found.writer.is_some();
    let list = |list: &Option<Vec<String>>, name| match list {
        Some(entries) => expand(entries, &entity, table, &leaves, name),
        None => Ok(None),
    };
    let changed = list(&head.changed, "changedFields")?;
    let nulled = list(&head.nulled, "nulledFields")?;
    let has_bitmaps =
        |list: &Option<Vec<String>>| list.iter().flatten().any(|entry| bitmap::is_bitmap(entry));
    let unresolved = (changed.is_none() && has_bitmaps(&head.changed))
        || (nulled.is_none() && has_bitmaps(&head.nulled));
    let nulled = nulled.unwrap_or_default();
    if let Some(changed) = changed.filter(|names| !names.is_empty()) {
        let written = match (&found.writer, table) {
            (Some(_), Some(table)) => names_of(&entity, table),
            _ => BTreeSet::new(),
        };
        for name in changed {
            match leaves.remove(&name) {
                Some(value) if !value.is_null() => {
                    change.set.insert(name, value);
                }
                Some(_) => {
                    change.cleared.insert(name);
                }
                None if written.contains(&name) && !change.diffs.contains_key(&name) => {
                    change.cleared.insert(name);
                }
                None => {}
            }
        }
        change.cleared.extend(nulled.into_iter().filter(|name| !change.set.contains_key(name)));
        leaves.retain(|name, value| !value.is_null() && !change.cleared.contains(name));
        change.carried = leaves;
        return Ok(());
    }
    let clears = !is_dense && !unresolved && nulled.is_empty();
    for (name, value) in leaves {
        match (value.is_null(), clears) {
            (false, _) => {
                change.set.insert(name, value);
            }
            (true, true) => {
                change.cleared.insert(name);
            }
            // A row's null is null now, whether it was before or not.
            (true, false) if found.is_dense && head.is_flat && nulled.is_empty() => {
                change.carried.insert(name, Value::Null);
            }
            (true, false) => {}
        }
    }
    change.cleared.extend(nulled.into_iter().filter(|name| !change.set.contains_key(name)));
    change.is_image = head.is_flat && is_dense && head.changed.is_none();
    Ok(())
}

/// Every field that a schema has: what is missing from its data is null.
fn names_of(entity: &str, table: &FieldTable) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for field in &table.fields {
        names.insert(canonical(entity, &field.name));
        names.extend(field.children.iter().map(|child| format!("{}.{child}", field.name)));
    }
    names
}

/// Two rows: what differs has changed.
fn compare(change: &mut Change, before: &Map<String, Value>, after: Leaves) {
    let mut old = Leaves::new();
    collect(&change.entity, before, &mut old, &mut BTreeMap::new());
    for (name, value) in after {
        if old.get(&name).unwrap_or(&Value::Null) == &value {
            if !value.is_null() {
                change.carried.insert(name, value);
            }
        } else if value.is_null() {
            change.cleared.insert(name);
        } else {
            change.set.insert(name, value);
        }
    }
}

/// The names behind a list of names or bitmaps: each field by itself. `None` = bitmaps, and no schema.
fn expand(
    entries: &[String],
    entity: &str,
    table: Option<&FieldTable>,
    leaves: &Leaves,
    list: &str,
) -> Result<Option<Vec<String>>> {
    let names = match table {
        Some(table) => bitmap::names(entries, table, list)?,
        None if entries.iter().any(|entry| bitmap::is_bitmap(entry)) => return Ok(None),
        None => entries.to_vec(),
    };
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        let name = canonical(entity, &name);
        if leaves.contains_key(&name) || name.contains('.') {
            all.push(name);
            continue;
        }
        let prefix = format!("{name}.");
        let inside = leaves.keys().filter(|leaf| leaf.starts_with(&prefix)).cloned();
        let children: Vec<String> = match table.map(|table| table.children(&name)) {
            Some(children) if !children.is_empty() => {
                children.iter().map(|child| format!("{prefix}{child}")).collect()
            }
            _ if list == "nulledFields" && is_address(&name) => {
                ADDRESS.iter().map(|child| format!("{prefix}{child}")).collect()
            }
            _ => inside.collect(),
        };
        match children.is_empty() {
            true => all.push(name),
            false => all.extend(children),
        }
    }
    Ok(Some(all))
}

/// Every field of the body by its own name, compound ones child by child.
fn collect(
    entity: &str,
    body: &Map<String, Value>,
    leaves: &mut Leaves,
    diffs: &mut BTreeMap<String, String>,
) {
    for (name, value) in body {
        if is_technical(name, value) {
            continue;
        }
        let name = canonical(entity, name);
        match value {
            Value::Object(inner) if inner.len() == 1 && inner.get("diff").is_some() => {
                let diff = inner.get("diff").and_then(values::text);
                diffs.insert(name, diff.unwrap_or_default());
            }
            Value::Object(inner) => {
                for (child, value) in inner.iter().filter(|(child, _)| *child != "attributes") {
                    let name = format!("{name}.{child}");
                    if let Some(value) = leaf(&name, value) {
                        leaves.entry(name).or_insert(value);
                    }
                }
            }
            Value::Null if is_address(&name) => {
                for child in ADDRESS {
                    leaves.entry(format!("{name}.{child}")).or_insert(Value::Null);
                }
            }
            value => {
                if let Some(value) = leaf(&name, value) {
                    // A flattened field and its compound are one: what is said counts.
                    let place = leaves.entry(name).or_insert(Value::Null);
                    if place.is_null() {
                        *place = value;
                    }
                }
            }
        }
    }
}

fn is_address(name: &str) -> bool {
    name == "Address" || (name.ends_with("Address") && !name.contains("__"))
}

/// What bridges add; no field of an object begins so.
fn is_technical(name: &str, value: &Value) -> bool {
    name.starts_with('_')
        || matches!(
            name,
            "Id" | "id" | "ID" | "ReplayId" | "replayId" | "schema" | "recordId" | "record_id"
        )
        || (name == "attributes" && value.is_object())
}

/// A plain value: decimals as text, lists of texts with semicolons.
fn leaf(name: &str, value: &Value) -> Option<Value> {
    let short = name.rsplit('.').next().unwrap_or(name);
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            values::decimal(value).map(Value::from)
        }
        Value::Number(_) | Value::String(_) if DECIMALS.contains(&short) => {
            values::decimal(value).map(Value::from).or_else(|| Some(value.clone()))
        }
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(values::text).collect();
            texts.map(|texts| Value::from(texts.join(";")))
        }
        Value::Object(_) => None,
        value => Some(value.clone()),
    }
}

/// `Street` of a lead, `Address_Street` and `Address.Street` are one field.
fn canonical(entity: &str, name: &str) -> String {
    if name.ends_with("__c") || name.contains('.') {
        return name.to_owned();
    }
    let is_person = matches!(entity, "Lead" | "Contact" | "User");
    if is_person && PERSON.contains(&name) {
        return format!("Name.{name}");
    }
    if matches!(entity, "Lead" | "User") && ADDRESS.contains(&name) {
        return format!("Address.{name}");
    }
    let prefixes: &[&str] = match entity {
        "Account" => &["Billing", "Shipping"],
        "Contact" => &["Mailing", "Other"],
        "Lead" | "User" => &[],
        _ => return name.to_owned(),
    };
    for prefix in prefixes {
        if let Some(child) = name.strip_prefix(prefix).filter(|it| ADDRESS.contains(it)) {
            return format!("{prefix}Address.{child}");
        }
    }
    // A transform that flattens joins names with a character of its choice.
    for parent in
        ["Address", "BillingAddress", "ShippingAddress", "MailingAddress", "OtherAddress", "Name"]
    {
        let Some(rest) = name.strip_prefix(parent) else { continue };
        let Some(child) = rest.strip_prefix(['_', '-', '/']) else { continue };
        if ADDRESS.contains(&child) || PERSON.contains(&child) {
            return format!("{parent}.{child}");
        }
    }
    name.to_owned()
}
