//! Which changes of a schema the contract allows: data of the new schema must be readable with the old one, and
//! the other way round, and mean the same (FULL_TRANSITIVE, asked of each older version).
//!
//! Stricter than `apache-avro`'s judgement, which takes an alias for the name (our reader does not), a unit of
//! time for another, one branch of a union for all, and a record for one of another namespace.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, Name, RecordSchema};
use serde_json::Value;

use super::avro::Plan;
use super::error::{Error, Result, reason};
use super::json;

/// What is wrong with `new` beside `old`, for whoever wants to release it; none: it is allowed.
pub fn forbidden(new: &str, old: &str) -> Result<Vec<String>> {
    let (new, old) = (parsed(new)?, parsed(old)?);
    let of = |writer, reader, who: &str| {
        let mut found = Vec::new();
        Pair::new(writer, reader).compare(writer, reader, "", &mut found);
        found.into_iter().map(|fault| format!("{who}: {fault}")).collect::<Vec<_>>()
    };
    let mut faults = of(&new, &old, "readers with the old schema");
    faults.extend(of(&old, &new, "readers with the new schema"));
    Ok(faults)
}

fn parsed(text: &str) -> Result<Schema> {
    let refuse = |detail: &str| Error::new(reason::SCHEMA_INVALID, "schema", detail);
    let value = json::parse(text.as_bytes()).map_err(|_| refuse("is no JSON"))?;
    let schema = Schema::parse(&value).map_err(|_| refuse("is no Avro schema"))?;
    // Refuses what is recursive, which comparing would not survive.
    Plan::of(&schema)?;
    Ok(schema)
}

type Names<'s> = HashMap<&'s Name, &'s Schema>;

struct Pair<'s> {
    writer: Names<'s>,
    reader: Names<'s>,
}

fn named<'s>(schema: &'s Schema, names: &Names<'s>) -> &'s Schema {
    match schema {
        Schema::Ref { name } => names.get(name).copied().unwrap_or(schema),
        _ => schema,
    }
}

impl<'s> Pair<'s> {
    fn new(writer: &'s Schema, reader: &'s Schema) -> Pair<'s> {
        let names = |schema: &'s Schema| {
            let mut names = Names::new();
            collect(schema, &mut names);
            names
        };
        Pair { writer: names(writer), reader: names(reader) }
    }

    fn compare(&self, writer: &'s Schema, reader: &'s Schema, at: &str, out: &mut Vec<String>) {
        let (writer, reader) = (named(writer, &self.writer), named(reader, &self.reader));
        let mut fault = |text: String| out.push(format!("{}{text}", prefix(at)));
        match (writer, reader) {
            (Schema::Union(union), _) => {
                for branch in union.variants() {
                    if !self.has_place(branch, reader) {
                        let (found, wanted) = (kind(branch), kind(reader));
                        fault(format!("{found} has no place in {wanted}"));
                    }
                }
            }
            (_, Schema::Union(_)) if self.has_place(writer, reader) => {}
            (Schema::Record(writer), Schema::Record(reader)) => {
                if writer.name != reader.name {
                    return fault(format!("{} is now called {}", writer.name, reader.name));
                }
                self.records(writer, reader, at, out);
            }
            (Schema::Enum(writer), Schema::Enum(reader)) => {
                if let Some(text) = enums(writer, reader) {
                    fault(text);
                }
            }
            (Schema::Fixed(writer), Schema::Fixed(reader))
                if writer.name == reader.name && writer.size == reader.size => {}
            (Schema::Array(writer), Schema::Array(reader)) => {
                self.compare(&writer.items, &reader.items, &format!("{at}[]"), out);
            }
            (Schema::Map(writer), Schema::Map(reader)) => {
                self.compare(&writer.types, &reader.types, &format!("{at}{{}}"), out);
            }
            _ if kind(writer) == kind(reader) || is_promoted(writer, reader) => {}
            _ => fault(format!("{} cannot be read as {}", kind(writer), kind(reader))),
        }
    }

    fn has_place(&self, writer: &'s Schema, reader: &'s Schema) -> bool {
        let fits = |reader: &'s Schema| {
            let mut faults = Vec::new();
            self.compare(writer, reader, "", &mut faults);
            faults.is_empty()
        };
        match reader {
            Schema::Union(union) => union.variants().iter().any(fits),
            _ => fits(reader),
        }
    }

    fn records(
        &self,
        writer: &'s RecordSchema,
        reader: &'s RecordSchema,
        at: &str,
        out: &mut Vec<String>,
    ) {
        for field in &reader.fields {
            let path = join(at, &field.name);
            match writer.fields.iter().find(|other| other.name == field.name) {
                Some(other) => self.compare(&other.schema, &field.schema, &path, out),
                None if field.default.is_some() => {}
                None => out.push(format!("{}is not written and has no default", prefix(&path))),
            }
        }
    }
}

fn enums(writer: &EnumSchema, reader: &EnumSchema) -> Option<String> {
    if writer.name != reader.name {
        return Some(format!("{} is now called {}", writer.name, reader.name));
    }
    let unknown = writer.symbols.iter().find(|symbol| !reader.symbols.contains(symbol));
    let symbol = unknown.filter(|_| reader.default.is_none())?;
    Some(format!("{symbol} is not known and there is no default"))
}

fn is_promoted(writer: &Schema, reader: &Schema) -> bool {
    matches!(
        (writer, reader),
        (Schema::Int, Schema::Long | Schema::Float | Schema::Double)
            | (Schema::Long, Schema::Float | Schema::Double)
            | (Schema::Float, Schema::Double)
    )
}

fn collect<'s>(schema: &'s Schema, names: &mut Names<'s>) {
    match schema {
        Schema::Record(record) => {
            names.insert(&record.name, schema);
            record.fields.iter().for_each(|field| collect(&field.schema, names));
        }
        Schema::Enum(it) => _ = names.insert(&it.name, schema),
        Schema::Fixed(it) | Schema::Duration(it) => _ = names.insert(&it.name, schema),
        Schema::Array(array) => collect(&array.items, names),
        Schema::Map(map) => collect(&map.types, names),
        Schema::Union(union) => union.variants().iter().for_each(|it| collect(it, names)),
        _ => {}
    }
}

/// A type as people write it, its unit or scale included.
fn kind(schema: &Schema) -> String {
    match schema {
        Schema::Record(it) => format!("record {}", it.name),
        Schema::Enum(it) => format!("enum {}", it.name),
        Schema::Fixed(it) => format!("fixed {} of {} bytes", it.name, it.size),
        Schema::Ref { name } => name.to_string(),
        Schema::Array(array) => format!("list of {}", kind(&array.items)),
        Schema::Map(map) => format!("map of {}", kind(&map.types)),
        Schema::Union(union) => {
            let branches: Vec<String> = union.variants().iter().map(kind).collect();
            branches.join(" or ")
        }
        Schema::Decimal(it) => format!("decimal({},{})", it.precision, it.scale),
        other => {
            let value = serde_json::to_value(other).unwrap_or_default();
            let logical = value.get("logicalType").or_else(|| value.get("type")).unwrap_or(&value);
            logical.as_str().unwrap_or("?").to_owned()
        }
    }
}

fn prefix(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// How two schemas differ, a line a field: `-` only in the old one, `+` only in the new one. What is only
/// said in other words is no difference.
pub fn differences(new: &str, old: &str) -> Result<Vec<String>> {
    let flat = |text: &str| -> Result<BTreeMap<String, String>> {
        let mut fields = BTreeMap::new();
        flatten(&parsed(text)?, "", &mut fields);
        Ok(fields)
    };
    let (new, old) = (flat(new)?, flat(old)?);
    let mut lines = Vec::new();
    let mut paths: Vec<&String> = new.keys().chain(old.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let (is, was) = (new.get(path), old.get(path));
        if is != was {
            lines.extend(was.map(|kind| format!("- {path}: {kind}")));
            lines.extend(is.map(|kind| format!("+ {path}: {kind}")));
        }
    }
    Ok(lines)
}

/// A type with all that can differ in it.
fn described(schema: &Schema) -> String {
    match schema {
        Schema::Enum(it) => {
            let default = it.default.as_deref().unwrap_or("none");
            format!("enum {} {{{}}}, unknown ones {default}", it.name, it.symbols.join(", "))
        }
        other => kind(other),
    }
}

fn flatten(schema: &Schema, at: &str, out: &mut BTreeMap<String, String>) {
    out.entry(at.to_owned()).or_insert_with(|| described(schema));
    match schema {
        Schema::Record(record) => {
            for field in &record.fields {
                let path = join(at, &field.name);
                let default = field.default.as_ref().map(Value::to_string);
                let default = default.as_deref().unwrap_or("none");
                out.insert(
                    path.clone(),
                    format!("{}, default {default}", described(&field.schema)),
                );
                flatten(&field.schema, &path, out);
            }
        }
        Schema::Array(array) => flatten(&array.items, &format!("{at}[]"), out),
        Schema::Map(map) => flatten(&map.types, &format!("{at}{{}}"), out),
        Schema::Union(union) => {
            for branch in union.variants() {
                if matches!(
                    branch,
                    Schema::Record(_) | Schema::Enum(_) | Schema::Array(_) | Schema::Map(_)
                ) {
                    flatten(branch, &format!("{at}?"), out);
                }
            }
        }
        _ => {}
    }
}
