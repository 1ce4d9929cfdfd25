//! The parsing canonical form of a schema and its CRC-64-AVRO fingerprint, as the specification has them.
//!
//! Not `apache-avro`'s: that keeps `precision`, `scale` and wrapped primitives, so its fingerprints are
//! those of nobody else.

use serde_json::{Map, Value};

/// The fingerprint of the empty text, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// CRC-64-AVRO of the canonical form of a schema.
pub fn fingerprint(schema: &Value) -> u64 {
    crc64(canonical_form(schema).as_bytes())
}

fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = EMPTY;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
        }
    }
    crc
}

/// The parsing canonical form: full names, fixed order of attributes, nothing that does not matter to a
/// parser.
pub fn canonical_form(schema: &Value) -> String {
    let mut out = String::new();
    form(schema, "", &mut out);
    out
}

const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

fn form(schema: &Value, namespace: &str, out: &mut String) {
    match schema {
        Value::String(name) => quote(&full_name(name, namespace), out),
        Value::Array(branches) => list(branches, out, |branch, out| form(branch, namespace, out)),
        Value::Object(map) => object(map, namespace, out),
        _ => out.push_str("null"),
    }
}

fn object(map: &Map<String, Value>, namespace: &str, out: &mut String) {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        // A type wrapped in an object, with nothing of its own.
        Some(inner) => return form(inner, namespace, out),
        None => "null",
    };
    if PRIMITIVES.contains(&kind) {
        return quote(kind, out);
    }
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    // A name with a dot brings its own namespace.
    let inside = match text("name").and_then(|name| name.rsplit_once('.')) {
        Some((own, _)) => own,
        None => text("namespace").unwrap_or(namespace),
    };
    let mut parts = Parts { out, first: true };
    parts.out.push('{');
    if let Some(name) = text("name") {
        parts.key("name");
        quote(&full_name(name, inside), parts.out);
    }
    parts.key("type");
    quote(kind, parts.out);
    if let Some(Value::Array(fields)) = map.get("fields") {
        parts.key("fields");
        list(fields, parts.out, |field, out| field_form(field, inside, out));
    }
    if let Some(Value::Array(symbols)) = map.get("symbols") {
        parts.key("symbols");
        list(symbols, parts.out, |symbol, out| quote(symbol.as_str().unwrap_or(""), out));
    }
    for key in ["items", "values"] {
        if let Some(inner) = map.get(key) {
            parts.key(key);
            form(inner, inside, parts.out);
        }
    }
    if let Some(size) = map.get("size").and_then(Value::as_u64) {
        parts.key("size");
        parts.out.push_str(&size.to_string());
    }
    parts.out.push('}');
}

fn field_form(field: &Value, namespace: &str, out: &mut String) {
    out.push_str("{\"name\":");
    quote(field.get("name").and_then(Value::as_str).unwrap_or(""), out);
    out.push_str(",\"type\":");
    form(field.get("type").unwrap_or(&Value::Null), namespace, out);
    out.push('}');
}

struct Parts<'o> {
    out: &'o mut String,
    first: bool,
}

impl Parts<'_> {
    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        quote(key, self.out);
        self.out.push(':');
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') || PRIMITIVES.contains(&name) {
        return name.to_owned();
    }
    format!("{namespace}.{name}")
}

fn list(items: &[Value], out: &mut String, write: impl Fn(&Value, &mut String)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

/// Names and symbols are letters, digits and underscores: nothing needs an escape.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_specification() {
        // From the test data of the Avro project.
        let cases = [
            (json!("null"), 7_195_948_357_588_979_594_i64),
            (json!({"type": "null"}), 7_195_948_357_588_979_594),
            (json!("boolean"), -6_970_731_678_124_411_036),
            (json!("int"), 8_247_732_601_305_521_295),
            (json!("long"), -3_434_872_931_120_570_953),
            (json!("string"), -8_142_146_995_180_207_161),
            (json!(["int", "boolean"]), 5_392_556_393_470_105_090),
        ];
        for (schema, expected) in cases {
            assert_eq!(fingerprint(&schema) as i64, expected, "{schema}");
        }
    }

    #[test]
    fn the_form_is_that_of_the_specification() {
        let schema = json!({
            "type": "record", "name": "R", "namespace": "a.b", "doc": "x", "fields": [
                {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "d", "type": ["null", {"type": "bytes", "logicalType": "decimal",
                    "precision": 18, "scale": 2}], "default": null},
                {"name": "e", "type": {"type": "enum", "name": "c.E", "symbols": ["X"],
                    "default": "X"}},
                {"name": "r", "type": {"type": "map", "values": "R"}},
            ],
        });
        let expected = concat!(
            r#"{"name":"a.b.R","type":"record","fields":["#,
            r#"{"name":"t","type":"long"},{"name":"d","type":["null","bytes"]},"#,
            r#"{"name":"e","type":{"name":"c.E","type":"enum","symbols":["X"]}},"#,
            r#"{"name":"r","type":{"type":"map","values":"a.b.R"}}]}"#
        );
        assert_eq!(canonical_form(&schema), expected);
    }
}
