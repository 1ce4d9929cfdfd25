//! Data against `apache-avro` in both directions, other people's schemas, and bytes of ill will.

use apache_avro::Schema;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::codec::schema::{Record, Writer};

fn plan(schema: &Value) -> Plan {
    Plan::of(&Schema::parse(schema).expect("a schema")).expect("a plan")
}

fn writer(name: &str, fields: Value) -> String {
    let schema = json!({
        "type": "record", "name": name, "namespace": "io.leadrouter.v1", "fields": fields,
    });
    schema.to_string()
}

fn reason_of<T: std::fmt::Debug>(result: crate::codec::error::Result<T>) -> &'static str {
    result.expect_err("a fault").reason
}

#[test]
fn numbers_are_written_as_the_specification_says() {
    let long = plan(&json!("long"));
    let cases: [(i64, &[u8]); 6] =
        [(0, &[0]), (-1, &[1]), (1, &[2]), (-64, &[0x7f]), (64, &[0x80, 1]), (-65, &[0x81, 1])];
    for (number, bytes) in cases {
        let mut out = Vec::new();
        write(&long, &json!(number), &mut out).expect("a long");
        assert_eq!(out, bytes, "{number}");
        assert_eq!(read(&long, bytes), Ok(json!(number)));
    }
    for number in [i64::MIN, i64::MAX] {
        let mut out = Vec::new();
        write(&long, &json!(number), &mut out).expect("a long");
        assert_eq!(read(&long, &out), Ok(json!(number)));
    }
    // A needless continuation is odd, but says the same.
    assert_eq!(read(&long, &[0x80, 0x80, 0]), Ok(json!(0)));
}

#[test]
fn decimals_are_exact() {
    let decimal =
        plan(&json!({"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}));
    for (amount, bytes) in [
        ("0.00", vec![2, 0]),
        ("1.27", vec![2, 127]),
        ("1.28", vec![4, 0, 128]),
        ("2.56", vec![4, 1, 0]),
    ] {
        let mut out = Vec::new();
        write(&decimal, &json!(amount), &mut out).expect("an amount");
        assert_eq!(out, bytes);
        assert_eq!(read(&decimal, &out), Ok(json!(amount)));
    }
    assert_eq!(read(&decimal, &[2, 0xff]), Ok(json!("-0.01")));
    assert_eq!(reason_of(read(&decimal, &[0])), "amount_range");
    let long = [&[128_u8, 1][..], &[1; 64]].concat();
    assert_eq!(reason_of(read(&decimal, &long)), "amount_range");
}

#[test]
fn a_newer_writer_is_read_as_ours() {
    let text = writer(
        "LeadActivity",
        json!([
            {"name": "event_id", "type": "string"},
            {"name": "mood", "type": {"type": "record", "name": "Mood", "fields": [
                {"name": "rep_id", "type": "int"}]}},
            {"name": "lead_id", "type": "string"},
            {"name": "kind", "type": {"type": "enum", "name": "ActivityKind",
                "symbols": ["FAX", "CALL", "UNKNOWN"], "default": "UNKNOWN"}},
            {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        ]),
    );
    let writer = Writer::parse(&text).expect("compatible");
    assert_eq!(writer.record, Record::LeadActivity);
    // "e", mood 7, "l", FAX, 5
    let read = read(&writer.plan, &[2, b'e', 14, 2, b'l', 0, 10]).expect("data");
    let expected = json!({"event_id": "e", "lead_id": "l", "kind": "UNKNOWN", "occurred_at": 5});
    assert_eq!(read, expected);
}

#[test]
fn unfit_writers_are_refused() {
    let id = json!({"name": "event_id", "type": "string"});
    let cases = [
        ("{", "schema.invalid"),
        ("\"string\"", "schema.unexpected_name"),
        (&*writer("Nobody", json!([id])), "schema.unexpected_name"),
        // A required field is missing, or of another type.
        (&*writer("LeadActivity", json!([id])), "schema.invalid"),
        (
            &*writer(
                "Policy",
                json!([
                    {"name": "event_id", "type": "int"}, {"name": "version", "type": "string"},
                    {"name": "text", "type": "string"}, {"name": "sha256", "type": "string"},
                ]),
            ),
            "schema.invalid",
        ),
        (
            &*writer("Policy", json!([{"name": "next", "type": ["null", "Policy"]}])),
            "schema.invalid",
        ),
    ];
    for (text, reason) in cases {
        assert_eq!(reason_of(Writer::parse(text)), reason, "{text}");
    }
    // Each name doubles: small to write down, endless to spell out.
    let mut fields = vec![json!({"name": "f0", "type": {"type": "record", "name": "T0",
        "fields": [{"name": "a", "type": "int"}]}})];
    for n in 1..40 {
        let inner = format!("T{}", n - 1);
        fields.push(json!({"name": format!("f{n}"), "type": {"type": "record",
            "name": format!("T{n}"), "fields": [{"name": "a", "type": inner},
            {"name": "b", "type": inner}]}}));
    }
    assert_eq!(reason_of(Writer::parse(&writer("Policy", json!(fields)))), "schema.invalid");
}

#[test]
fn bytes_of_ill_will_are_faults() {
    let text = plan(&json!("string"));
    let invalid: [&[u8]; 5] =
        [&[1], &[4, 0xc3, 0x28], &[4, 0xc0, 0x80], &[6, 0xed, 0xa0, 0x80], &[0xff; 11]];
    for bytes in invalid {
        assert_eq!(reason_of(read(&text, bytes)), "avro.invalid");
    }
    assert_eq!(reason_of(read(&text, &[])), "avro.truncated");
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(reason_of(read(&text, &huge)), "avro.truncated");
    assert_eq!(reason_of(read(&text, &[2, b'a', 0])), "avro.trailing");

    let nulls = json!({"type": "array", "items": "null"});
    // 8 million items in five bytes; then the smallest number there is.
    assert_eq!(reason_of(read(&plan(&nulls), &[0x80, 0xa4, 0xe8, 0x07, 0])), "avro.invalid");
    let smallest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0];
    assert_eq!(reason_of(read(&plan(&nulls), &smallest)), "avro.invalid");
    let nested = plan(&json!({"type": "array", "items": nulls}));
    let bytes: Vec<u8> = [0xfe, 0xff, 0x7b].into_iter().cycle().take(30).collect();
    assert!(read(&nested, &bytes).is_err());

    let union = plan(&json!(["null", "string"]));
    let kind = plan(&json!({"type": "enum", "name": "E", "symbols": ["A"]}));
    for bytes in [[14_u8], [1], [9]] {
        assert_eq!(reason_of(read(&union, &bytes)), "avro.invalid");
        assert_eq!(reason_of(read(&kind, &bytes)), "avro.invalid");
    }
    let map = plan(&json!({"type": "map", "values": "int"}));
    assert_eq!(reason_of(read(&map, &[4, 2, b'a', 0, 2, b'a', 0, 0])), "avro.invalid");
    let double = plan(&json!("double"));
    assert_eq!(reason_of(read(&double, &f64::NAN.to_le_bytes())), "value.range");
}

#[test]
fn a_block_may_say_its_size() {
    let ints = plan(&json!({"type": "array", "items": "int"}));
    assert_eq!(read(&ints, &[3, 4, 2, 4, 2, 6, 0]), Ok(json!([1, 2, 3])));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), pick in 0..10_usize) {
        let record = Record::ALL[pick];
        let _ = read(record.embedded().plan(), &bytes);
    }
}
