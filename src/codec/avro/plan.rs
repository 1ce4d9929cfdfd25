//! A writer's schema seen through the reader's, compiled for reading and writing data.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, RecordSchema, UuidSchema};
use serde_json::Value;

use crate::codec::error::{Error, Result, reason};

/// Deeper than any of our records. A recursive schema is refused: data could be nested without end.
const MAX_DEPTH: usize = 32;
/// Types that are used by name are compiled where they are used; this many in all.
const MAX_NODES: usize = 20_000;

/// How data of one schema are read as another.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) root: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    /// A count of these units since 1970, so many of them a millisecond.
    Time {
        per_milli: i64,
    },
    Decimal {
        scale: usize,
        fixed: Option<usize>,
    },
    /// The writer's symbols as the reader knows them.
    Enum(Vec<String>),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    Record(Vec<Field>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) node: Node,
    pub(super) default: Option<Value>,
    /// The reader has it too.
    pub(super) kept: bool,
}

impl Plan {
    /// Data of the schema of this text read as they are: for records that are not of our contract.
    pub fn parse(schema: &Value) -> Result<Plan> {
        Plan::of(&Schema::parse(schema).map_err(|_| refuse("is no Avro schema"))?)
    }

    /// Data of `schema` read as they are.
    pub fn of(schema: &Schema) -> Result<Plan> {
        Plan::resolve(schema, schema)
    }

    /// Data of `writer` read as `reader`. The two are compatible: that is the caller's to check.
    pub fn resolve(writer: &Schema, reader: &Schema) -> Result<Plan> {
        let mut names = HashMap::new();
        collect(reader, &mut names, 0)?;
        let mut compiler = Compiler {
            writer_names: HashMap::new(),
            reader_names: names,
            open: Vec::new(),
            nodes: 0,
        };
        collect(writer, &mut compiler.writer_names, 0)?;
        Ok(Plan { root: compiler.node(writer, Some(reader))? })
    }
}

fn refuse(detail: &str) -> Error {
    Error::new(reason::SCHEMA_INVALID, "schema", detail)
}

/// The named types of a schema.
fn collect<'s>(
    schema: &'s Schema,
    names: &mut HashMap<&'s Name, &'s Schema>,
    depth: usize,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(refuse("is nested too deep"));
    }
    match schema {
        Schema::Record(record) => {
            names.insert(&record.name, schema);
            for field in &record.fields {
                collect(&field.schema, names, depth + 1)?;
            }
        }
        Schema::Enum(named) => {
            names.insert(&named.name, schema);
        }
        Schema::Fixed(named) | Schema::Duration(named) => {
            names.insert(&named.name, schema);
        }
        Schema::Array(array) => collect(&array.items, names, depth + 1)?,
        Schema::Map(map) => collect(&map.types, names, depth + 1)?,
        Schema::Union(union) => {
            for branch in union.variants() {
                collect(branch, names, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

struct Compiler<'s> {
    writer_names: HashMap<&'s Name, &'s Schema>,
    reader_names: HashMap<&'s Name, &'s Schema>,
    /// The writer's records around where we are.
    open: Vec<&'s Name>,
    nodes: usize,
}

impl<'s> Compiler<'s> {
    fn node(&mut self, writer: &'s Schema, reader: Option<&'s Schema>) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(refuse("is too large"));
        }
        Ok(match writer {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Bool,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long | Schema::TimeMicros => Node::Long,
            Schema::TimestampMillis | Schema::LocalTimestampMillis => Node::Time { per_milli: 1 },
            Schema::TimestampMicros | Schema::LocalTimestampMicros => {
                Node::Time { per_milli: 1_000 }
            }
            Schema::TimestampNanos | Schema::LocalTimestampNanos => {
                Node::Time { per_milli: 1_000_000 }
            }
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => Node::Fixed(fixed.size),
            Schema::Decimal(decimal) => decimal_node(decimal),
            Schema::Enum(named) => Node::Enum(self.symbols(&named.symbols, reader)),
            Schema::Array(array) => {
                let items = match self.branch(reader, |it| matches!(it, Schema::Array(_))) {
                    Some(Schema::Array(array)) => Some(&*array.items),
                    _ => None,
                };
                Node::Array(Box::new(self.node(&array.items, items)?))
            }
            Schema::Map(map) => {
                let values = match self.branch(reader, |it| matches!(it, Schema::Map(_))) {
                    Some(Schema::Map(map)) => Some(&*map.types),
                    _ => None,
                };
                Node::Map(Box::new(self.node(&map.types, values)?))
            }
            Schema::Union(union) => {
                let branches = union.variants().iter();
                Node::Union(branches.map(|it| self.node(it, reader)).collect::<Result<_>>()?)
            }
            Schema::Record(record) => self.record(record, reader)?,
            Schema::Ref { name } => match self.writer_names.get(name).copied() {
                Some(named) => self.node(named, reader)?,
                None => return Err(refuse("uses a name that it does not define")),
            },
        })
    }

    fn record(&mut self, record: &'s RecordSchema, reader: Option<&'s Schema>) -> Result<Node> {
        if self.open.contains(&&record.name) {
            return Err(refuse("is recursive"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(refuse("is nested too deep"));
        }
        self.open.push(&record.name);
        let known = match self.branch(reader, |it| matches!(it, Schema::Record(_))) {
            Some(Schema::Record(record)) => record.fields.as_slice(),
            _ => &[],
        };
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let ours = known.iter().find(|it| it.name == field.name);
            fields.push(Field {
                name: field.name.clone(),
                node: self.node(&field.schema, ours.map(|it| &it.schema))?,
                default: field.default.clone(),
                kept: ours.is_some(),
            });
        }
        self.open.pop();
        Ok(Node::Record(fields))
    }

    /// The reader's type that stands opposite: itself, what it names, or the fitting branch of a union.
    fn branch(
        &self,
        reader: Option<&'s Schema>,
        fits: impl Fn(&Schema) -> bool,
    ) -> Option<&'s Schema> {
        let named = |schema: &'s Schema| match schema {
            Schema::Ref { name } => self.reader_names.get(name).copied(),
            _ => Some(schema),
        };
        match named(reader?)? {
            Schema::Union(union) => {
                union.variants().iter().filter_map(named).find(|schema| fits(schema))
            }
            schema => Some(schema).filter(|schema| fits(schema)),
        }
    }

    fn symbols(&self, symbols: &[String], reader: Option<&'s Schema>) -> Vec<String> {
        let Some(Schema::Enum(ours)) = self.branch(reader, |it| matches!(it, Schema::Enum(_)))
        else {
            return symbols.to_vec();
        };
        let unknown = ours.default.as_deref().unwrap_or("UNKNOWN");
        let known = |symbol: &String| match ours.symbols.contains(symbol) {
            true => symbol.clone(),
            false => unknown.to_owned(),
        };
        symbols.iter().map(known).collect()
    }
}

fn decimal_node(decimal: &DecimalSchema) -> Node {
    let fixed = match &decimal.inner {
        InnerDecimalSchema::Bytes => None,
        InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
    };
    Node::Decimal { scale: decimal.scale, fixed }
}
