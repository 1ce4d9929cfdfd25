//! What is none of the shapes, and what the key alone says.

use serde_json::{Value, json};

use super::*;

fn parser() -> Parser {
    Parser::default()
}

fn record(value: &[u8]) -> RawRecord {
    RawRecord { value: Some(value.to_vec()), timestamp: 1_773_696_751_000, ..RawRecord::default() }
}

fn reason(value: &[u8]) -> &'static str {
    parser().parse(&record(value)).expect_err("a fault").reason
}

#[test]
fn bytes_that_are_nothing_are_dead_letters() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "frame.too_short"),
        (b"\x00\x00", "frame.too_short"),
        (b"\x00\x00\x00\x00\x07\x02", "schema.unknown"),
        (b"\x01aaaaaaaaaaaaaaaa\x02", "frame.guid_unsupported"),
        (b"\x03\x00\x01", "frame.magic"),
        (b"\xc3", "frame.too_short"),
        (b"{\"a\":", "json.syntax"),
        (b"[1]", "json.type"),
        (b"{\"a\":1}", "shape.unknown"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(reason(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn ids_and_types_are_judged() {
    let event = |ids: Value, kind: &str| {
        let header = json!({ "entityName": "Lead", "recordIds": ids, "changeType": kind,
            "commitTimestamp": 1_773_696_751_000_i64 });
        json!({ "ChangeEventHeader": header }).to_string().into_bytes()
    };
    let good = "00Q5f00000AbCdEEAV";
    for (value, expected) in [
        (event(json!([]), "UPDATE"), "field.missing"),
        (event(json!(["0035f00000AbCdEEAV"]), "UPDATE"), "id.invalid"),
        (event(json!(["00q5f00000abcdeeav"]), "UPDATE"), "id.invalid"),
        (event(json!(["000000000000000AAA"]), "UPDATE"), "id.invalid"),
        (event(json!([good]), "SNAPSHOT"), "enum.unknown"),
        (event(json!([good]), "update"), "enum.unknown"),
    ] {
        assert_eq!(reason(&value), expected, "{}", String::from_utf8_lossy(&value));
    }
    let fifteen = event(json!([&good[..15], good]), "DELETE");
    assert_eq!(parser().parse(&record(&fifteen)).unwrap().record_ids, [good]);
    let whole = parser().parse(&record(&event(json!(["00Q*"]), "UPDATE"))).unwrap();
    assert!(whole.record_ids.is_empty());
}

#[test]
fn a_null_value_deletes_what_its_key_names() {
    for key in ["00Q5f00000AbCdE", r#"{"Id":"00Q5f00000AbCdEEAV"}"#, r#""00Q5f00000AbCdEEAV""#] {
        let raw = RawRecord { key: Some(key.into()), value: None, ..record(b"") };
        let change = parser().parse(&raw).unwrap();
        assert_eq!((change.entity.as_str(), change.change_type), ("Lead", ChangeType::Delete));
        assert_eq!(change.record_ids, ["00Q5f00000AbCdEEAV"]);
    }
    let nobody = RawRecord { key: Some(b"x".to_vec()), value: None, ..record(b"") };
    assert_eq!(parser().parse(&nobody).unwrap_err().reason, "key.missing");
}

#[test]
fn no_bytes_panic() {
    let mut state = 7_u64;
    for length in 0..400 {
        let mut bytes: Vec<u8> = Vec::with_capacity(length);
        for _ in 0..length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push((state >> 33) as u8);
        }
        let _ = parser().parse(&record(&bytes));
    }
}
