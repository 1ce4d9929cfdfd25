//! Avro data to JSON values, never beyond the input and never more than it holds.

use serde_json::{Map, Value};

use super::plan::{Field, Node, Plan};
use crate::codec::error::{Error, Result, reason};
use crate::codec::json::{MAX_VALUES, OBJECT_VALUES, Path};

/// Reads one datum, which is all of `bytes`.
pub fn read(plan: &Plan, bytes: &[u8]) -> Result<Value> {
    let mut input = Input { rest: bytes, values: 0 };
    let value = input.value(&plan.root, Path::Root)?;
    match input.rest.is_empty() {
        true => Ok(value),
        false => Err(Error::new(reason::AVRO_TRAILING, "value", "has bytes after its end")),
    }
}

struct Input<'a> {
    rest: &'a [u8],
    /// Values so far: items of no size (nulls) would else cost nothing to claim.
    values: usize,
}

fn invalid(path: Path<'_>, detail: &str) -> Error {
    path.fault(reason::AVRO_INVALID, detail)
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize, path: Path<'_>) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(path.fault(reason::AVRO_TRUNCATED, "ends too early")),
        }
    }

    fn array<const N: usize>(&mut self, path: Path<'_>) -> Result<[u8; N]> {
        let taken = self.take(N, path)?;
        <[u8; N]>::try_from(taken).map_err(|_| invalid(path, "ends too early"))
    }

    /// A number in zigzag, at most ten bytes.
    fn long(&mut self, path: Path<'_>) -> Result<i64> {
        let mut number: u64 = 0;
        for place in 0..10_u32 {
            let [byte] = self.array::<1>(path)?;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                break;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(invalid(path, "has a number of more than 64 bits"))
    }

    fn int(&mut self, path: Path<'_>) -> Result<i32> {
        i32::try_from(self.long(path)?).map_err(|_| invalid(path, "is more than 32 bits"))
    }

    fn bytes(&mut self, path: Path<'_>) -> Result<&'a [u8]> {
        let length = self.long(path)?;
        let length = usize::try_from(length).map_err(|_| invalid(path, "has a bad length"))?;
        self.take(length, path)
    }

    fn text(&mut self, path: Path<'_>) -> Result<&'a str> {
        std::str::from_utf8(self.bytes(path)?).map_err(|_| invalid(path, "is no UTF-8"))
    }

    fn index(&mut self, count: usize, path: Path<'_>) -> Result<usize> {
        let index = usize::try_from(self.long(path)?).ok().filter(|index| *index < count);
        index.ok_or_else(|| invalid(path, "has an index out of range"))
    }

    fn value(&mut self, node: &Node, path: Path<'_>) -> Result<Value> {
        let is_object = matches!(node, Node::Map(_) | Node::Record(_));
        self.values += if is_object { OBJECT_VALUES } else { 1 };
        if self.values > MAX_VALUES {
            return Err(invalid(path, "has too many values"));
        }
        Ok(match node {
            Node::Null => Value::Null,
            Node::Bool => match self.array::<1>(path)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(invalid(path, "is neither true nor false")),
            },
            Node::Int => Value::from(self.int(path)?),
            Node::Long => Value::from(self.long(path)?),
            Node::Float => number(f64::from(f32::from_le_bytes(self.array(path)?)), path)?,
            Node::Double => number(f64::from_le_bytes(self.array(path)?), path)?,
            Node::Bytes => {
                // Bytes may be read as text, as the specification promotes them.
                let bytes = self.bytes(path)?;
                std::str::from_utf8(bytes).map_or(Value::Null, Value::from)
            }
            Node::Text => Value::from(self.text(path)?),
            Node::Fixed(size) => {
                self.take(*size, path)?;
                Value::Null
            }
            Node::Time { per_milli } => Value::from(self.long(path)?.div_euclid(*per_milli)),
            Node::Decimal { scale, fixed } => {
                let bytes = match fixed {
                    Some(size) => self.take(*size, path)?,
                    None => self.bytes(path)?,
                };
                decimal(bytes, *scale, path)?
            }
            Node::Enum(symbols) => {
                let index = self.index(symbols.len(), path)?;
                symbols.get(index).map_or(Value::Null, |symbol| Value::from(symbol.as_str()))
            }
            Node::Array(items) => Value::Array(self.items(items, path)?),
            Node::Map(values) => Value::Object(self.entries(values, path)?),
            Node::Union(branches) => {
                let index = self.index(branches.len(), path)?;
                match branches.get(index) {
                    Some(branch) => self.value(branch, path)?,
                    None => Value::Null,
                }
            }
            Node::Record(fields) => Value::Object(self.record(fields, path)?),
        })
    }

    fn record(&mut self, fields: &[Field], path: Path<'_>) -> Result<Map<String, Value>> {
        let mut map = Map::new();
        for field in fields {
            let value = self.value(&field.node, Path::Field(&path, &field.name))?;
            if field.kept && !value.is_null() {
                map.insert(field.name.clone(), value);
            }
        }
        Ok(map)
    }

    /// The number of items in the next block, 0 = the end; and what is left of the input after the block,
    /// if it says its size in bytes (behind a negative count, for those who skip it).
    fn block(&mut self, path: Path<'_>) -> Result<(usize, Option<usize>)> {
        let count = self.long(path)?;
        let mut left = None;
        if count < 0 {
            let size = usize::try_from(self.long(path)?).ok();
            left = size.and_then(|size| self.rest.len().checked_sub(size));
            if left.is_none() {
                return Err(invalid(path, "has a bad block size"));
            }
        }
        usize::try_from(count.unsigned_abs())
            .ok()
            .filter(|count| *count <= MAX_VALUES)
            .map(|count| (count, left))
            .ok_or_else(|| invalid(path, "has a bad count"))
    }

    /// The block ended where it said.
    fn ended(&self, left: Option<usize>, path: Path<'_>) -> Result<()> {
        match left {
            Some(left) if left != self.rest.len() => Err(invalid(path, "has a bad block size")),
            _ => Ok(()),
        }
    }

    fn items(&mut self, node: &Node, path: Path<'_>) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        loop {
            match self.block(path)? {
                (0, _) => return Ok(items),
                (count, left) => {
                    for _ in 0..count {
                        items.push(self.value(node, Path::Item(&path, items.len()))?);
                    }
                    self.ended(left, path)?;
                }
            }
        }
    }

    fn entries(&mut self, node: &Node, path: Path<'_>) -> Result<Map<String, Value>> {
        let mut map = Map::new();
        loop {
            match self.block(path)? {
                (0, _) => return Ok(map),
                (count, left) => {
                    for _ in 0..count {
                        let key = self.text(path)?;
                        let value = self.value(node, Path::Field(&path, key))?;
                        if map.insert(key.to_owned(), value).is_some() {
                            return Err(invalid(path, "has a key twice"));
                        }
                    }
                    self.ended(left, path)?;
                }
            }
        }
    }
}

/// JSON has neither NaN nor infinity, and no field of ours means anything by them.
fn number(number: f64, path: Path<'_>) -> Result<Value> {
    serde_json::Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| path.fault(reason::VALUE_RANGE, "must be finite"))
}

/// Two's complement, big end first, as decimal text: exact, and checked where amounts are.
fn decimal(bytes: &[u8], scale: usize, path: Path<'_>) -> Result<Value> {
    let fault = |detail| path.fault(reason::AMOUNT_RANGE, detail);
    let (Some(first), true) = (bytes.first(), bytes.len() <= 16 && scale <= 32) else {
        let detail = if bytes.is_empty() { "has no digits" } else { "has too many digits" };
        return Err(fault(detail));
    };
    let sign = if first & 0x80 == 0 { 0 } else { -1_i128 };
    let unscaled = bytes.iter().fold(sign, |number, byte| number << 8 | i128::from(*byte));
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let minus = if unscaled < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    Ok(Value::from(format!("{minus}{whole}{point}{fraction}")))
}
