//! JSON values to Avro data.

use serde_json::{Map, Value};

use super::plan::{Field, Node, Plan};
use crate::codec::error::{Error, Result, reason};
use crate::codec::json::{Path, cents, millis, whole};

/// Appends a value as data of the plan's schema. What is absent gets the schema's default.
pub fn write(plan: &Plan, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    node(&plan.root, value, Path::Root, out)
}

fn unfit(path: Path<'_>, wanted: &str) -> Error {
    path.fault(reason::JSON_TYPE, format!("expected {wanted}"))
}

/// A number in zigzag.
pub(in crate::codec) fn put_long(number: i64, out: &mut Vec<u8>) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes, or a text, with their length before them.
pub(in crate::codec) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

fn node(node: &Node, value: &Value, path: Path<'_>, out: &mut Vec<u8>) -> Result<()> {
    match node {
        Node::Null if value.is_null() => {}
        Node::Null => return Err(unfit(path, "null")),
        Node::Bool => match value {
            Value::Bool(flag) => out.push(u8::from(*flag)),
            _ => return Err(unfit(path, "true or false")),
        },
        Node::Int => put_long(i64::from(in_range::<i32>(value, path)?), out),
        Node::Long => put_long(in_range(value, path)?, out),
        Node::Float => {
            let number = value.as_f64().ok_or_else(|| unfit(path, "a number"))?;
            out.extend_from_slice(&(number as f32).to_le_bytes());
        }
        Node::Double => {
            let number = value.as_f64().ok_or_else(|| unfit(path, "a number"))?;
            out.extend_from_slice(&number.to_le_bytes());
        }
        Node::Text | Node::Bytes => {
            put_bytes(value.as_str().ok_or_else(|| unfit(path, "a text"))?.as_bytes(), out);
        }
        Node::Time { per_milli } => {
            let millis = millis(value).and_then(|it| i64::try_from(it).ok());
            let millis = millis.ok_or_else(|| unfit(path, "a time"))?;
            put_long(millis.saturating_mul(*per_milli), out);
        }
        Node::Decimal { scale: 2, fixed: None } => {
            let cents = cents(value).map_err(|_| unfit(path, "an amount"))?;
            put_bytes(shortest(&cents.to_be_bytes()), out);
        }
        Node::Enum(symbols) => {
            let found = symbols.iter().position(|symbol| Some(symbol.as_str()) == value.as_str());
            let index = found.ok_or_else(|| path.fault(reason::JSON_ENUM, "no such symbol"))?;
            put_long(index as i64, out);
        }
        Node::Array(inner) => {
            let items = value.as_array().ok_or_else(|| unfit(path, "a list"))?;
            block(items.len(), out);
            for (index, item) in items.iter().enumerate() {
                self::node(inner, item, Path::Item(&path, index), out)?;
            }
            if !items.is_empty() {
                out.push(0);
            }
        }
        Node::Map(inner) => {
            let map = value.as_object().ok_or_else(|| unfit(path, "an object"))?;
            block(map.len(), out);
            for (key, item) in map {
                put_bytes(key.as_bytes(), out);
                self::node(inner, item, Path::Field(&path, key), out)?;
            }
            if !map.is_empty() {
                out.push(0);
            }
        }
        Node::Union(branches) => union(branches, value, path, out)?,
        Node::Record(fields) => {
            let map = value.as_object().ok_or_else(|| unfit(path, "an object"))?;
            record(fields, map, path, out)?;
        }
        // None of our own schemas has any of these.
        Node::Fixed(_) | Node::Decimal { .. } => {
            return Err(path.fault(reason::SCHEMA_INVALID, "a type that is not written"));
        }
    }
    Ok(())
}

/// The count of a block: all items are in one. None of them is the end at once.
fn block(count: usize, out: &mut Vec<u8>) {
    put_long(count as i64, out);
}

/// Our unions are a type or null.
fn union(branches: &[Node], value: &Value, path: Path<'_>, out: &mut Vec<u8>) -> Result<()> {
    let fits = |branch: &Node| matches!(branch, Node::Null) == value.is_null();
    let Some((index, branch)) = branches.iter().enumerate().find(|(_, branch)| fits(branch)) else {
        return Err(path.fault(reason::FIELD_MISSING, "must be there"));
    };
    put_long(index as i64, out);
    node(branch, value, path, out)
}

fn record(
    fields: &[Field],
    map: &Map<String, Value>,
    path: Path<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    for field in fields {
        let path = Path::Field(&path, &field.name);
        let given = map.get(&field.name).filter(|value| !value.is_null());
        match given.or(field.default.as_ref()) {
            Some(value) => node(&field.node, value, path, out)?,
            None if matches!(field.node, Node::Union(_)) => {
                node(&field.node, &Value::Null, path, out)?;
            }
            None => return Err(path.fault(reason::FIELD_MISSING, "must be there")),
        }
    }
    Ok(())
}

fn in_range<T: TryFrom<i128>>(value: &Value, path: Path<'_>) -> Result<T> {
    let number = match value {
        Value::Number(number) => whole(number),
        _ => None,
    };
    let number = number.ok_or_else(|| unfit(path, "a whole number"))?;
    T::try_from(number).map_err(|_| path.fault(reason::VALUE_RANGE, "has too many bits"))
}

/// Two's complement without leading bytes that say nothing.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        let redundant =
            (*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0);
        if !redundant {
            break;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    rest
}
