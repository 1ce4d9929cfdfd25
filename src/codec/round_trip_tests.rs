//! Every example of the contract through every encoding and back; every fingerprint that was released.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::encode::{Encoder, Format};
use super::frame::read_value;
use super::json;
use super::record::{Decoder, RawRecord};
use super::schema::{Record, Writer};
use super::schema_ids::{SchemaIds, SchemaRef, Wants};
use crate::domain::input::{Input, Topic};
use crate::domain::time::Timestamp;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// The examples of a record, by name.
pub(super) fn examples(record: Record) -> Vec<(String, Value)> {
    let folder = schemas().join("examples").join(record.name());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).expect("a folder of examples") {
        let path = entry.expect("an entry").path();
        let text = fs::read(&path).expect("a file");
        found.push((path.display().to_string(), json::parse(&text).expect("JSON")));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 3, "{} needs more examples", record.name());
    found
}

/// What a value means, and that written in our own form.
pub(super) fn meaning(record: Record, value: &Value) -> (String, Value) {
    match record {
        Record::LeadAssigned => {
            let fact = json::decode_assigned(value).expect("an example");
            (format!("{fact:?}"), json::encode_assigned(&fact))
        }
        Record::SlaBreached => {
            let fact = json::decode_breached(value).expect("an example");
            (format!("{fact:?}"), json::encode_breached(&fact))
        }
        _ => {
            let topic = topic_of(record);
            let input = json::decode_event(topic, value, NOW, true);
            let input = input.unwrap_or_else(|fault| panic!("{value}: {fault}"));
            let (_, written) = json::encode_event(&input).expect("an event");
            (format!("{input:?}"), written)
        }
    }
}

fn topic_of(record: Record) -> Topic {
    let found = Topic::ALL.into_iter().find(|topic| Record::of(*topic) == record);
    found.expect("a topic in")
}

fn ids() -> (SchemaIds, BTreeMap<Record, u32>) {
    let ids = SchemaIds::default();
    let mut numbers = BTreeMap::new();
    for (number, record) in (100..).zip(Record::ALL) {
        assert_eq!(ids.settle(SchemaRef::Id(number), record.embedded().text), Ok(()));
        numbers.insert(record, number);
    }
    (ids, numbers)
}

#[test]
fn every_example_survives_every_encoding() {
    let (ids, numbers) = ids();
    let formats = [Format::SingleObject, Format::Confluent(numbers), Format::Json];
    for record in Record::ALL {
        for (name, value) in examples(record) {
            let (said, written) = meaning(record, &value);
            assert_eq!(meaning(record, &written), (said.clone(), written.clone()), "{name}");
            for format in &formats {
                let encoder = Encoder::new(format.clone());
                let bytes = encoder.value(record, &written).expect("bytes");
                let back = read_value(record, &bytes, &[], &ids).expect("a value");
                assert_eq!(meaning(record, &back), (said.clone(), written.clone()), "{name}");
                // What the author wrote can be sent as it is, but for texts of times and the like.
                if let Ok(bytes) = encoder.value(record, &value) {
                    let back = read_value(record, &bytes, &[], &ids).expect("a value");
                    assert_eq!(meaning(record, &back).0, said, "{name}");
                }
            }
        }
    }
}

#[test]
fn a_datum_cut_short_is_never_a_smaller_datum() {
    let ids = SchemaIds::default();
    let encoder = Encoder::new(Format::SingleObject);
    for record in Record::ALL {
        for (name, value) in examples(record) {
            let bytes = encoder.value(record, &meaning(record, &value).1).expect("bytes");
            for end in 0..bytes.len() {
                let cut = read_value(record, &bytes[..end], &[], &ids).expect_err("cut short");
                let expected = if end < 10 { "frame.too_short" } else { "avro.truncated" };
                assert_eq!(cut.reason, expected, "{name} at {end}");
            }
            let longer = [&bytes[..], &[0]].concat();
            let trailing = read_value(record, &longer, &[], &ids).expect_err("too long");
            assert_eq!(trailing.reason, "avro.trailing");
        }
    }
}

#[test]
fn apache_avro_reads_what_we_write() {
    let encoder = Encoder::new(Format::SingleObject);
    for record in Record::ALL {
        let schema = apache_avro::Schema::parse_str(record.embedded().text).expect("a schema");
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema);
        let reader = reader.build().expect("a reader");
        for (name, value) in examples(record) {
            let written = meaning(record, &value).1;
            let bytes = encoder.value(record, &written).expect("bytes");
            let mut rest = &bytes[10..];
            let theirs = reader.read_value(&mut rest).expect("their value");
            assert!(rest.is_empty(), "{name}");
            let again = apache_avro::writer::datum::GenericDatumWriter::builder(&schema)
                .build()
                .and_then(|writer| writer.write_value_to_vec(theirs))
                .expect("their bytes");
            // They write a map in an order of their own: compare what it means.
            let framed = [&bytes[..10], &again].concat();
            let back = read_value(record, &framed, &[], &SchemaIds::default()).expect("a value");
            assert_eq!(meaning(record, &back).1, written, "{name}");
        }
    }
}

#[test]
fn every_released_fingerprint_is_embedded_and_every_embedded_one_is_listed() {
    let text = fs::read_to_string(schemas().join("fingerprints.txt")).expect("the list");
    let listed: Vec<(&str, u64)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, _release, fingerprint] = words[..] else { panic!("{line}") };
            (name, u64::from_str_radix(fingerprint, 16).expect("a number"))
        })
        .collect();
    for (name, fingerprint) in &listed {
        let embedded = Record::by_fingerprint(*fingerprint).expect("an embedded schema");
        assert_eq!(embedded.record.name(), *name);
    }
    for record in Record::ALL {
        let fingerprint = record.embedded().fingerprint;
        assert!(
            listed.contains(&(record.name(), fingerprint)),
            "{} {fingerprint:016x} is not listed",
            record.name()
        );
    }
}

#[test]
fn every_schema_can_be_read_by_itself_and_documents_each_field() {
    for record in Record::ALL {
        let embedded = record.embedded();
        assert_eq!(Writer::parse(embedded.text).expect("compatible").record, record);
        let schema: Value = json::parse(embedded.text.as_bytes()).expect("JSON");
        documented(&schema, record.name());
    }
}

/// Records, enums and fields have a `doc`; fields that may be null default to it.
fn documented(schema: &Value, at: &str) {
    match schema {
        Value::Array(branches) => branches.iter().for_each(|branch| documented(branch, at)),
        Value::Object(map) => {
            let named = map.contains_key("name");
            assert!(!named || map.get("doc").is_some_and(Value::is_string), "{at} has no doc");
            if map.get("type").and_then(Value::as_str) == Some("enum") {
                assert_eq!(map["default"], "UNKNOWN", "{at}");
            }
            for key in ["items", "values", "type"] {
                map.get(key).into_iter().for_each(|inner| documented(inner, at));
            }
            for field in map.get("fields").and_then(Value::as_array).into_iter().flatten() {
                let at = format!("{at}.{}", field["name"]);
                documented(field, &at);
                let doc = field["doc"].as_str().unwrap_or_default().to_lowercase();
                let marked = ["personal data", "employee"].iter().any(|mark| doc.contains(mark));
                assert!(marked, "{at} does not say whether it is about a person");
                if field["type"].is_array() {
                    assert!(field.get("default").is_some_and(Value::is_null), "{at}");
                }
            }
        }
        _ => {}
    }
}

fn raw<'a>(topic: Topic, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> RawRecord<'a> {
    RawRecord {
        topic,
        key,
        value,
        headers: &[],
        timestamp: NOW,
        partition: 0,
        partition_count: None,
    }
}

#[test]
fn records_have_keys_values_and_places() {
    let decoder = Decoder::default();
    let value = br#"{"event_id":"e","lead_id":"l","created_at":1767225600000}"#;
    let good = raw(Topic::LeadCreatedFast, Some(b"acme"), Some(value));
    let (domain, input) = decoder.decode_record(&good).expect("a record");
    assert_eq!(domain.as_str(), "acme");
    assert!(matches!(input, Input::LeadCreated(lead) if lead.fast));
    let reason = |record: RawRecord<'_>| decoder.decode_record(&record).expect_err("poison").reason;
    for key in [None, Some(&b""[..]), Some(b"  "), Some(b"\xff")] {
        assert_eq!(reason(RawRecord { key, ..good }), "key.missing");
    }
    assert_eq!(reason(RawRecord { key: Some(b"a\0b"), ..good }), "id.invalid");
    assert_eq!(reason(RawRecord { value: None, ..good }), "value.null");
    assert_eq!(reason(RawRecord { timestamp: Timestamp(-1), ..good }), "timestamp_range");
    let home = super::murmur2::partition_of(b"acme", 12);
    let placed = RawRecord { partition: home, partition_count: Some(12), ..good };
    assert!(decoder.decode_record(&placed).is_ok());
    assert_eq!(reason(RawRecord { partition: home + 1, ..placed }), "key.partition");
    let frames: [(&[u8], &str); 8] = [
        (b"", "frame.too_short"),
        (b"\0", "frame.too_short"),
        (b"\0\0\0\0", "frame.too_short"),
        (b"\0\x7f\xff\xff\xff", "schema.unknown"),
        (b"\xc3\x01\0\0\0\0\0\0\0\0", "schema.unknown"),
        (b"\x010123456789abcdef", "frame.guid_unsupported"),
        (b"\x03\0abc", "frame.magic"),
        (b"\xc3\x02", "frame.magic"),
    ];
    for (value, expected) in frames {
        assert_eq!(reason(RawRecord { value: Some(value), ..good }), expected);
    }
    let other = Encoder::new(Format::SingleObject)
        .value(Record::Rep, &serde_json::json!({"event_id": "e", "rep_id": "r", "active": true}))
        .expect("bytes");
    assert_eq!(reason(RawRecord { value: Some(&other), ..good }), "schema.unexpected_name");
}

proptest! {
    #[test]
    fn no_record_panics(
        topic in 0..9_usize,
        framed in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
    ) {
        let topic = Topic::ALL[topic];
        let decoder = Decoder::default();
        let record = Record::of(topic);
        let mut value = Vec::new();
        if framed {
            value.extend_from_slice(&[0xc3, 1]);
            value.extend_from_slice(&record.embedded().fingerprint.to_le_bytes());
        }
        value.extend_from_slice(&bytes);
        let _ = decoder.decode_record(&raw(topic, Some(&bytes), Some(&value)));
        let _ = decoder.decode_record(&raw(topic, Some(b"acme"), Some(&value)));
        // One byte of a good record changed.
        let (_, example) = examples(record).swap_remove(at.index(3));
        let written = meaning(record, &example).1;
        for format in [Format::SingleObject, Format::Json] {
            let mut good = Encoder::new(format).value(record, &written).expect("bytes");
            let place = at.index(good.len());
            good[place] ^= flip;
            let _ = decoder.decode_record(&raw(topic, Some(b"acme"), Some(&good)));
        }
    }
}
