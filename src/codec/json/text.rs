//! JSON text to a value, stricter than `serde_json` alone: a name that occurs twice in an object is a
//! fault (readers disagree about which one counts), and nesting is limited.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::codec::error::{Error, Result, reason};

/// Deeper than any of our records, and far from the end of the stack.
const MAX_DEPTH: usize = 32;
/// Values of one document: two bytes of text may cost thirty-two in memory.
pub(in crate::codec) const MAX_VALUES: usize = 500_000;
/// An object counts for so many: its table takes 640 bytes even for one entry.
pub(in crate::codec) const OBJECT_VALUES: usize = 20;

/// Parses one JSON document; nothing may follow it.
pub fn parse(text: &[u8]) -> Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let left = Cell::new(MAX_VALUES);
    let parsed = Strict { depth: 0, left: &left }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    parsed.map_err(|fault| {
        // The reader's own message may quote the text, which may be about a person.
        let what = match fault.classify() {
            serde_json::error::Category::Eof => "ends too early",
            serde_json::error::Category::Data => {
                "has a repeated name, is nested too deep or has too many values"
            }
            _ => "is no JSON",
        };
        let place = format!("{what} (line {}, column {})", fault.line(), fault.column());
        Error::new(reason::JSON_SYNTAX, "value", place)
    })
}

#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    left: &'c Cell<usize>,
}

impl<'c> Strict<'c> {
    fn spend<E: de::Error>(self, values: usize) -> std::result::Result<(), E> {
        let left = self.left.get().checked_sub(values);
        self.left.set(left.ok_or_else(|| E::custom("too many values"))?);
        Ok(())
    }

    fn deeper<E: de::Error>(self) -> std::result::Result<Strict<'c>, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deep"));
        }
        Ok(Strict { depth: self.depth + 1, left: self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: de::Deserializer<'de>>(
        self,
        reader: D,
    ) -> std::result::Result<Value, D::Error> {
        self.spend(1)?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let inside = self.deeper()?;
        self.spend(OBJECT_VALUES)?;
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inside)?;
            if map.insert(name, value).is_some() {
                return Err(de::Error::custom("repeated name"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> &'static str {
        parse(text).expect_err("must not parse").reason
    }

    #[test]
    fn refuses_what_readers_disagree_about() {
        let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
        let many = [b"[0".as_slice(), &b",0".repeat(500_000), b"]"].concat();
        let cases: [&[u8]; 13] = [
            b"",
            b"{",
            b"{\"a\":1,\"a\":1}",
            b"[{\"a\":{\"b\":1,\"b\":2}}]",
            b"{} {}",
            b"{\"a\":1,}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":NaN}",
            b"{\"a\":1e400}",
            b"\"\\ud800\"",
            b"\"\xc3\x28\"",
            &deep,
            &many,
        ];
        for text in cases {
            assert_eq!(fault(text), "json.syntax");
        }
    }

    #[test]
    fn faults_do_not_quote_the_text() {
        let fault = parse(b"{\"email\":\"jo@example.com\" jo}").expect_err("must not parse");
        assert!(!fault.to_string().contains("jo"), "{fault}");
    }

    #[test]
    fn parses_what_serde_json_parses() {
        let text = br#"{"a":[1,-2,2.5,true,null,"x"],"b":{"c":18446744073709551615}}"#;
        let expected: Value = serde_json::from_slice(text).expect("valid");
        assert_eq!(parse(text).expect("valid"), expected);
    }
}
