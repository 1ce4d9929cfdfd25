//! The schemas that the org's events were written with: their data, and the positions of their fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::codec::avro::{Plan, canonical};
use crate::codec::error::{Error, Result, reason};
use crate::codec::json;

/// A field at its position; a compound one with its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub children: Vec<String>,
}

/// The fields of a record in the order of the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldTable {
    pub fields: Vec<Field>,
}

impl FieldTable {
    /// The children of a compound field.
    pub fn children(&self, parent: &str) -> &[String] {
        let found = self.fields.iter().find(|field| field.name == parent);
        found.map_or(&[], |field| field.children.as_slice())
    }

    fn has_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.fields.iter().any(|field| field.name == *name))
    }

    fn has_exactly(&self, mut names: Vec<&str>) -> bool {
        let mut own: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        own.sort_unstable();
        names.sort_unstable();
        own == names
    }
}

/// A writer's schema, compiled.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The record's name without its namespace: `LeadChangeEvent`.
    pub name: String,
    pub plan: Plan,
    pub table: FieldTable,
    fingerprint: u64,
}

impl Writer {
    pub fn parse(text: &str) -> Result<Writer> {
        let value = json::parse(text.as_bytes())
            .map_err(|_| Error::new(reason::SCHEMA_INVALID, "schema", "is no JSON"))?;
        let plan = Plan::parse(&value)?;
        let mut named = BTreeMap::new();
        collect(&value, &mut named, 0);
        let fields = value.get("fields").and_then(Value::as_array);
        let Some(fields) = fields else {
            return Err(Error::new(reason::SCHEMA_INVALID, "schema", "is no record"));
        };
        let field = |field: &Value| Field {
            name: text_of(field, "name"),
            children: field.get("type").map(|kind| children(kind, &named)).unwrap_or_default(),
        };
        let name = text_of(&value, "name");
        Ok(Writer {
            name: name.rsplit('.').next().unwrap_or_default().to_owned(),
            plan,
            table: FieldTable { fields: fields.iter().map(field).collect() },
            fingerprint: canonical::fingerprint(&value),
        })
    }
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The field names of every record that is named, by its short name: they may be used again by it.
fn collect(schema: &Value, named: &mut BTreeMap<String, Vec<String>>, depth: usize) {
    if depth > 32 {
        return;
    }
    match schema {
        Value::Array(branches) => {
            branches.iter().for_each(|branch| collect(branch, named, depth + 1));
        }
        Value::Object(map) => {
            if let Some(fields) = map.get("fields").and_then(Value::as_array) {
                let names = fields.iter().map(|field| text_of(field, "name")).collect();
                let name = text_of(schema, "name");
                named.insert(name.rsplit('.').next().unwrap_or_default().to_owned(), names);
                for field in fields.iter().filter_map(|field| field.get("type")) {
                    collect(field, named, depth + 1);
                }
            }
            for inner in ["items", "values", "type"].iter().filter_map(|name| map.get(*name)) {
                collect(inner, named, depth + 1);
            }
        }
        _ => {}
    }
}

/// The children of a type: those of the record that it is, or that its union holds.
fn children(kind: &Value, named: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let by_name = |name: &str| {
        let short = name.rsplit('.').next().unwrap_or(name);
        named.get(short).cloned().unwrap_or_default()
    };
    match kind {
        Value::String(name) => by_name(name),
        Value::Object(map) if map.contains_key("fields") => by_name(&text_of(kind, "name")),
        Value::Object(map) => map.get("type").map(|it| children(it, named)).unwrap_or_default(),
        Value::Array(branches) => {
            let found = branches.iter().map(|branch| children(branch, named));
            found.into_iter().find(|names| !names.is_empty()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The schemas at hand, by the id that records name them by.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    by_id: BTreeMap<String, Result<Arc<Writer>>>,
}

impl Schemas {
    /// Keeps the text of a schema under its id; an unfit one is kept as its fault.
    pub fn insert(&mut self, id: &str, text: &str) -> Result<()> {
        let writer = Writer::parse(text).map(Arc::new);
        let done = writer.as_ref().map(|_| ()).map_err(Clone::clone);
        self.by_id.insert(id.to_owned(), writer);
        done
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub fn get(&self, id: &str) -> Result<Arc<Writer>> {
        let unknown = || {
            let detail = "the schema that the value names is not known";
            Err(Error::new(reason::SCHEMA_UNKNOWN, "value", detail))
        };
        self.by_id.get(id).cloned().unwrap_or_else(unknown)
    }

    pub fn by_fingerprint(&self, fingerprint: u64) -> Option<Arc<Writer>> {
        self.writers().find(|writer| writer.fingerprint == fingerprint).cloned()
    }

    pub(super) fn writers(&self) -> impl Iterator<Item = &Arc<Writer>> {
        self.by_id.values().filter_map(|writer| writer.as_ref().ok())
    }

    /// The schema of an event that came as JSON, for its bitmaps: of the entity, with exactly its fields;
    /// where nulls were left out, the only one of the entity that has them all.
    pub(super) fn of_fields(&self, entity: &str, names: &[&str]) -> Option<Arc<Writer>> {
        let record = record_name(entity);
        let of_entity = || self.writers().filter(|writer| writer.name == record);
        if let Some(exact) = of_entity().find(|it| it.table.has_exactly(names.to_vec())) {
            return Some(exact.clone());
        }
        let mut fitting = of_entity().filter(|writer| writer.table.has_all(names));
        fitting.next().filter(|_| fitting.next().is_none()).cloned()
    }
}

/// `Lead` → `LeadChangeEvent`, `Foo__c` → `Foo__ChangeEvent`.
pub fn record_name(entity: &str) -> String {
    match entity.strip_suffix("__c") {
        Some(custom) => format!("{custom}__ChangeEvent"),
        None => format!("{entity}ChangeEvent"),
    }
}

/// `LeadChangeEvent` → `Lead`, `Foo__ChangeEvent` → `Foo__c`; another name is the entity's own.
pub fn entity_name(record: &str) -> String {
    let short = record.rsplit(['.', '/']).next().unwrap_or(record);
    match short.strip_suffix("__ChangeEvent") {
        Some(custom) => format!("{custom}__c"),
        None => short
            .strip_suffix("ChangeEvent")
            .filter(|it| !it.is_empty())
            .unwrap_or(short)
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD: &str = r#"{"type":"record","name":"LeadChangeEvent","namespace":"com.sforce.eventbus",
        "fields":[{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader",
        "fields":[{"name":"entityName","type":"string"}]}},
        {"name":"Name","type":["null","string",{"type":"record","name":"Switchable_PersonName",
        "fields":[{"name":"FirstName","type":["null","string"]}]}],"default":null},
        {"name":"Address","type":["null",{"type":"record","name":"Address","fields":[
        {"name":"Street","type":["null","string"]},{"name":"City","type":["null","string"]}]}]},
        {"name":"Other","type":["null","Address"],"default":null}]}"#;

    #[test]
    fn children_come_from_the_record_in_the_union() {
        let writer = Writer::parse(LEAD).unwrap();
        assert_eq!(writer.name, "LeadChangeEvent");
        assert_eq!(writer.table.children("Name"), ["FirstName"]);
        assert_eq!(writer.table.children("Address"), ["Street", "City"]);
        assert_eq!(writer.table.children("Other"), ["Street", "City"]);
    }

    #[test]
    fn names_of_records_and_entities() {
        for (record, entity) in [("LeadChangeEvent", "Lead"), ("Foo__ChangeEvent", "Foo__c")] {
            assert_eq!(entity_name(record), entity);
            assert_eq!(record_name(entity), record);
        }
        assert_eq!(entity_name("io.confluent.salesforce.LeadChangeEvent"), "Lead");
        assert_eq!(entity_name("Lead"), "Lead");
    }
}
