//! Assignment rules of Salesforce's territories, as far as they go: conditions joined by AND, or all by OR.
//!
//! A rule that cannot be said in ours matches nothing; a territory without rules would take everything.

use serde_json::{Value, json};

use super::row::Row;
use crate::ingest::mapping::{Mapping, Target};
use crate::ingest::picture::{Life, Picture};
use crate::ingest::values;

/// The rules that one of theirs becomes; none if it is off or of no object that we route by.
pub(super) fn of(mapping: &Mapping, rule: Option<&Picture>) -> Vec<Value> {
    let object = mapping.of(Target::Rule).next().and_then(|entity| mapping.object(entity));
    let Some((object, picture)) = object.zip(rule) else { return vec![never()] };
    let row = Row { object, picture };
    if picture.life == Life::Deleted || row.flag("active") == Some(false) {
        return vec![never()];
    }
    let mut items: Vec<&Value> = picture
        .told
        .get("items")
        .and_then(Value::as_object)
        .map(|items| items.values().collect())
        .unwrap_or_default();
    items.sort_by_key(|item| item.get("place").and_then(Value::as_i64));
    let conditions: Option<Vec<Value>> = items.iter().map(|item| condition(item)).collect();
    let Some(conditions) = conditions.filter(|them| !them.is_empty()) else { return vec![never()] };
    let filter = row.text("filter").unwrap_or_default().to_ascii_uppercase();
    let has = |word: &str| filter.split(|it: char| !it.is_ascii_alphabetic()).any(|it| it == word);
    match (has("AND"), has("OR"), has("NOT")) {
        (_, false, false) => vec![json!({ "all": conditions })],
        (false, true, false) => conditions.into_iter().map(|it| json!({ "all": [it] })).collect(),
        _ => vec![never()],
    }
}

fn never() -> Value {
    json!({ "all": [{ "field": "attributes.unsupported_rule", "op": "EXISTS", "values": [] }] })
}

fn condition(item: &Value) -> Option<Value> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let field = field(text("field")?)?;
    let said = text("value").unwrap_or_default();
    let values: Vec<String> = said
        .split(',')
        .map(|value| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty())
        .map(|value| match field.as_str() {
            "country" => values::country(value).unwrap_or_else(|| value.to_owned()),
            "state" => values::state(value, None),
            _ => value.to_owned(),
        })
        .collect();
    let number = || said.trim().parse::<i64>().ok().filter(|_| field == "employees");
    let (op, values) = match (text("operation")?, values.is_empty()) {
        ("equals", true) => ("MISSING", Vec::new()),
        ("notEqual", true) => ("EXISTS", Vec::new()),
        ("equals", false) => ("IN", values),
        ("notEqual", false) => ("NOT_IN", values),
        ("startsWith", false) => ("PREFIX", values),
        ("greaterOrEqual", false) => ("BETWEEN", vec![values.first()?.clone(), String::new()]),
        ("lessOrEqual", false) => ("BETWEEN", vec![String::new(), values.first()?.clone()]),
        ("greaterThan", false) => ("BETWEEN", vec![(number()? + 1).to_string(), String::new()]),
        ("lessThan", false) => ("BETWEEN", vec![String::new(), (number()? - 1).to_string()]),
        _ => return None,
    };
    Some(json!({ "field": field, "op": op, "values": values }))
}

/// `Account.BillingState`, `Lead.State` → `state`.
fn field(name: &str) -> Option<String> {
    let name = name.rsplit('.').next().unwrap_or(name);
    if name.ends_with("__c") {
        return Some(format!("attributes.{name}"));
    }
    let name = name.strip_prefix("Billing").or(name.strip_prefix("Shipping")).unwrap_or(name);
    let ours = match name {
        "State" | "StateCode" => "state",
        "Country" | "CountryCode" => "country",
        "PostalCode" => "postal_code",
        "City" => "city",
        "Industry" => "industry",
        "NumberOfEmployees" => "employees",
        "AnnualRevenue" => "annual_revenue",
        "LeadSource" | "AccountSource" => "source",
        "Rating" => "rating",
        _ => return None,
    };
    Some(ours.to_owned())
}
