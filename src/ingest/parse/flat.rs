//! Records without `ChangeEventHeader`: the operation is in a Kafka header or in one of the fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::head::{Head, texts};
use super::{Found, RawRecord};
use crate::codec::error::Result;
use crate::ingest::change::ChangeType;
use crate::ingest::schema::entity_name;
use crate::ingest::values;

type Header = (String, Option<Vec<u8>>);

/// What bridges put before the names of their headers.
const PREFIXES: [&str; 9] = [
    "camelheader.",
    "camelsalesforce",
    "source.",
    "cdc.",
    "sf.",
    "sf_",
    "salesforce.",
    "salesforce_",
    "__",
];

/// `CamelHeader.CamelSalesforceChangeType` → `changetype`, `source.operation` → `operation`.
fn plain_name(name: &str) -> String {
    let mut rest = name.to_ascii_lowercase();
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter.to_owned();
    }
    rest.retain(|letter| letter.is_ascii_alphanumeric());
    rest
}

fn header_texts(headers: &[Header]) -> BTreeMap<String, String> {
    let text = |(name, value): &Header| {
        let text = std::str::from_utf8(value.as_deref()?).ok()?.trim();
        // Connect's JSON header converter writes texts in quotes.
        let text = text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text);
        (!text.is_empty()).then(|| (plain_name(name), text.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

const OPERATION: [&str; 4] = ["operation", "changetype", "op", "eventtype"];
const ENTITY: [&str; 6] =
    ["entity", "entityname", "sobject", "sobjecttype", "objecttype", "object"];

fn first(map: &BTreeMap<String, String>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| map.get(*name)).cloned()
}

pub(super) fn entity_of_headers(headers: &[Header]) -> Option<String> {
    first(&header_texts(headers), &ENTITY).map(|name| entity_name(&name))
}

pub(super) fn head(found: &mut Found, record: &RawRecord) -> Result<Head> {
    let headers = header_texts(&record.headers);
    let of_header = first(&headers, &OPERATION);
    if of_header.as_deref().is_some_and(|it| ChangeType::of_operation(it).is_some()) {
        return Ok(by_headers(&headers, found));
    }
    Ok(by_fields(found, first(&headers, &ENTITY)))
}

fn by_headers(headers: &BTreeMap<String, String>, found: &mut Found) -> Head {
    let list = |name: &str| headers.get(name).map(|text| texts(&Value::from(text.as_str())));
    let number = |name: &str| headers.get(name).and_then(|text| text.parse().ok());
    let time = |name: &str| headers.get(name).and_then(|it| values::instant(&Value::from(&**it)));
    let entity = first(headers, &ENTITY).or_else(|| object_type(&found.body));
    let entity = entity.map(|name| entity_name(&name)).unwrap_or_default();
    let ids = list("recordids").or_else(|| list("recordid")).unwrap_or_default();
    found.is_dense |= found.body.contains_key("_EventType") || headers.contains_key("connector");
    drop_markers(&mut found.body);
    Head {
        entity,
        operation: first(headers, &OPERATION),
        operation_field: "headers.operation",
        record_ids: ids,
        changed: list("changedfields"),
        nulled: list("nulledfields"),
        transaction_key: headers.get("transactionkey").cloned(),
        sequence_number: number("sequencenumber"),
        commit_timestamp_ms: time("committimestamp"),
        commit_number: number("commitnumber"),
        commit_user: headers.get("commituser").cloned(),
        is_flat: true,
        ..Head::default()
    }
}

/// The operation in the body, or in the envelopes around it.
fn by_fields(found: &mut Found, named: Option<String>) -> Head {
    let body = &found.body;
    let is_operation = |value: &Value| {
        let text = values::text(value)?;
        ChangeType::of_operation(&text).map(|_| text)
    };
    let event_type = body.get("_EventType").and_then(is_operation);
    let marks = [
        "changeType",
        "change_type",
        "operation",
        "_operation",
        "__op",
        "op",
        "eventType",
        "event_type",
        "action",
        "event.type",
        "Operation",
    ];
    let said = |name: &&str| {
        let value = body.get(*name).or_else(|| found.around.get(*name))?;
        let known = is_operation(value);
        // A change type of Salesforce's that we don't know is a change type all the same.
        known.or_else(|| (*name == "changeType").then(|| values::text(value)).flatten())
    };
    let deleted = body.get("__deleted").and_then(values::flag).unwrap_or(false);
    let operation = match deleted {
        true => Some("delete".to_owned()),
        false => event_type.clone().or_else(|| marks.iter().find_map(said)),
    };
    let entity = named.or_else(|| object_type(body)).or_else(|| object_around(found));
    let value = |name: &str| found.body.get(name).or_else(|| found.around.get(name));
    let text = |name: &str| value(name).and_then(values::text);
    let number = |name: &str| value(name).and_then(values::whole);
    let head = Head {
        entity: entity.map(|name| entity_name(&name)).unwrap_or_default(),
        operation,
        operation_field: "operation",
        record_ids: value("recordIds").or(value("record_ids")).map(texts).unwrap_or_default(),
        changed: value("changedFields").map(texts),
        nulled: value("nulledFields").map(texts),
        transaction_key: text("transactionKey"),
        sequence_number: number("sequenceNumber"),
        commit_timestamp_ms: value("commitTimestamp").and_then(values::instant),
        commit_number: number("commitNumber"),
        commit_user: text("commitUser"),
        is_flat: true,
        ..Head::default()
    };
    found.is_dense |= event_type.is_some();
    if found.body.get("Operation").is_some_and(|it| is_operation(it).is_some()) {
        found.body.remove("Operation");
    }
    drop_markers(&mut found.body);
    head
}

fn object_type(body: &Map<String, Value>) -> Option<String> {
    let attributes = body.get("attributes").and_then(|it| it.get("type"));
    let names = ["_ObjectType", "entityName", "sobject", "sObjectType", "objectType", "__table"];
    let named = names.iter().find_map(|name| body.get(*name)).or(attributes);
    named.and_then(values::text)
}

fn object_around(found: &Found) -> Option<String> {
    let names = [
        "entityName",
        "sobject",
        "objectType",
        "object",
        "entity",
        "source.table",
        "source.sobject",
    ];
    let named = names.iter().find_map(|name| found.around.get(*name)).and_then(values::text);
    let channel = || {
        let topic = found.around.get("channel").and_then(values::text)?;
        let known = topic.starts_with("/data/") || topic.starts_with("/event/");
        known.then_some(topic)
    };
    named.or_else(channel)
}

/// What describes the change is none of the record's fields. `Operation` may be one: Salesforce's own names begin
/// with a capital, and an item of a territory rule has a field of that name.
fn drop_markers(body: &mut Map<String, Value>) {
    const MARKERS: [&str; 18] = [
        "changeType",
        "change_type",
        "operation",
        "_operation",
        "op",
        "eventType",
        "event_type",
        "action",
        "entityName",
        "sobject",
        "objectType",
        "recordIds",
        "record_ids",
        "changedFields",
        "nulledFields",
        "diffFields",
        "transactionKey",
        "sequenceNumber",
    ];
    let more = ["commitTimestamp", "commitNumber", "commitUser", "changeOrigin", "sObjectType"];
    body.retain(|name, _| !MARKERS.contains(&name.as_str()) && !more.contains(&name.as_str()));
}
