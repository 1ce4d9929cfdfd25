//! What is fuzzed: each target takes any bytes, must not panic, and what it accepts must survive being written
//! and read again. `cargo fuzz` and the bounded run among the tests use the same ones.

use std::sync::LazyLock;

use lead_router::codec::record::{Decoder, RawRecord};
use lead_router::codec::schema::{Record, Writer};
use lead_router::codec::{Encoder, Format, SchemaIds, SchemaRef, Wants, avro, json, policy};
use lead_router::config;
use lead_router::domain::input::Topic;
use lead_router::domain::time::Timestamp;
use lead_router::ingest::{self, Change, Machine, Parser, bitmap, mapping, schema::Schemas};

/// 2026-01-05T09:00:00Z.
const NOW: Timestamp = Timestamp(1_767_603_600_000);

pub(crate) type Target = fn(&[u8]);

/// By name: that of the corpus and of the program.
pub(crate) const TARGETS: [(&str, Target); 9] = [
    ("frame", frame),
    ("avro", avro_data),
    ("schema", schema),
    ("json", json_event),
    ("policy", policy_text),
    ("config", config_text),
    ("bitmap", bitmaps),
    ("mapping", mapping_text),
    ("bridged", bridged_record),
];

static IDS: LazyLock<SchemaIds> = LazyLock::new(|| {
    let ids = SchemaIds::default();
    for (id, record) in (1..).zip(Record::ALL) {
        ids.settle(SchemaRef::Id(id), record.embedded().text).expect("ours");
    }
    ids
});

/// The first byte picks the topic, its highest bit a header that names the schema; the rest is the value.
pub(crate) fn frame(data: &[u8]) {
    let Some((first, value)) = data.split_first() else { return };
    let topic = Topic::ALL[usize::from(first & 0x7f) % Topic::ALL.len()];
    let mut headers = Vec::new();
    let mut value = value;
    if first & 0x80 != 0 {
        let (said, rest) = value.split_at(value.len().min(5));
        headers.push(("__value_schema_id".to_owned(), Some(said.to_vec())));
        value = rest;
    }
    let decoder = Decoder { ids: IDS.clone(), strict: false };
    let record = RawRecord {
        topic,
        key: Some(b"acme"),
        value: Some(value),
        headers: &headers,
        timestamp: NOW,
        partition: 0,
        partition_count: None,
    };
    let Ok((_, input)) = decoder.decode_record(&record) else { return };
    // What was read can be written in every form, and says the same.
    for format in [Format::SingleObject, Format::Json] {
        let bytes = Encoder::new(format.clone()).event(&input).expect("what was read fits");
        let again = RawRecord { value: Some(&bytes), headers: &[], ..record };
        let (_, back) = decoder.decode_record(&again).expect("what was written can be read");
        assert_eq!(format!("{input:?}"), format!("{back:?}"), "{format:?}");
    }
}

/// The first byte picks the record; the rest is a datum of it.
pub(crate) fn avro_data(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let record = Record::ALL[usize::from(*first) % Record::ALL.len()];
    let plan = record.embedded().plan();
    let Ok(value) = avro::read(plan, body) else { return };
    // Times and amounts are read as they are and checked later: what can be written says the same.
    let mut out = Vec::new();
    if avro::write(plan, &value, &mut out).is_ok() {
        assert_eq!(avro::read(plan, &out).expect("what was written can be read"), value);
    }
}

/// A writer's schema, then NUL, then data of it.
pub(crate) fn schema(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (text, body) = data.split_at(at);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let _ = ingest::schema::Writer::parse(text);
    if let Ok(writer) = Writer::parse(text) {
        let _ = avro::read(&writer.plan, body.get(1..).unwrap_or_default());
    }
}

/// JSON text, as an event of every topic.
pub(crate) fn json_event(data: &[u8]) {
    let Ok(value) = json::parse(data) else { return };
    assert_eq!(json::parse(value.to_string().as_bytes()).as_ref(), Ok(&value));
    for topic in Topic::ALL {
        let Ok(input) = json::decode_event(topic, &value, NOW, false) else { continue };
        let (same, written) = json::encode_event(&input).expect("an event");
        let back = json::decode_event(same, &written, NOW, false).expect("ours");
        assert_eq!(format!("{input:?}"), format!("{back:?}"));
    }
    let _ = json::decode_assigned(&value);
    let _ = json::decode_breached(&value);
}

pub(crate) fn policy_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(faults) = policy::parse(text) {
        assert!(!faults.is_empty(), "a refusal says why");
    }
}

pub(crate) fn config_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(faults) = config::load_text("fuzz.toml", text, std::iter::empty()) {
        assert!(!faults.0.is_empty(), "a refusal says why");
    }
}

static TABLE: LazyLock<ingest::schema::FieldTable> = LazyLock::new(|| {
    let fields: Vec<String> = (0..70)
        .map(|n| match n {
            7 => "{\"name\":\"Address\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"Address\",\"fields\":[\
                  {\"name\":\"Street\",\"type\":\"string\"},{\"name\":\"City\",\"type\":\"string\"}]}]}"
                .to_owned(),
            n => format!("{{\"name\":\"F{n}\",\"type\":[\"null\",\"string\"],\"default\":null}}"),
        })
        .collect();
    let text = format!(
        "{{\"type\":\"record\",\"name\":\"LeadChangeEvent\",\"fields\":[{}]}}",
        fields.join(",")
    );
    ingest::schema::Writer::parse(&text).expect("a schema").table
});

/// A list of bitmaps and names, one a line.
pub(crate) fn bitmaps(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let entries: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Ok(names) = bitmap::names(&entries, &TABLE, "changedFields") {
        assert!(names.iter().all(|name| !name.is_empty() || entries.contains(name)));
    }
}

pub(crate) fn mapping_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(faults) = mapping::parse(text) {
        assert!(!faults.is_empty(), "a refusal says why");
    }
}

/// The schemas of the corpus of bridged records.
static PARSER: LazyLock<Parser> = LazyLock::new(|| {
    let mut schemas = Schemas::default();
    for (id, text) in [
        ("7", include_str!("../tests/it/ingest/schemas/7.avsc")),
        ("9", include_str!("../tests/it/ingest/schemas/9.avsc")),
        ("21", include_str!("../tests/it/ingest/schemas/21.avsc")),
    ] {
        schemas.insert(id, text).expect("a schema");
    }
    Parser { schemas, ..Parser::default() }
});

/// The value of a bridged record, through both stages, twice: the second time says nothing new. The first byte says
/// which headers come with it.
pub(crate) fn bridged_record(data: &[u8]) {
    let Some((kind, value)) = data.split_first() else { return };
    let header = |name: &str, text: &str| (name.to_owned(), Some(text.as_bytes().to_vec()));
    let headers = match kind % 4 {
        0 => Vec::new(),
        1 => vec![header("operation", "update"), header("sobject", "Lead")],
        2 => vec![header("source.operation", "INSERT"), header("source.entity", "Account")],
        _ => vec![header("sf.change.type", "DELETE"), header("sf.entity", "Opportunity")],
    };
    let record = ingest::RawRecord {
        topic: "bridged".to_owned(),
        timestamp: NOW.0,
        headers,
        key: Some(b"00Q5f00000AbCd1EAF".to_vec()),
        value: Some(value.to_vec()),
        ..ingest::RawRecord::default()
    };
    let Ok(change) = PARSER.parse(&record) else { return };
    assert_eq!(Change::decode(&change.encode()).as_ref(), Ok(&change), "read as it was written");
    let mut machine = Machine::new(PARSER.mapping.clone());
    if machine.apply("acme", &change).is_ok() {
        machine.store.commit();
        let again = machine.apply("acme", &change).expect("taken before");
        assert!(again.events.is_empty(), "{:?}", again.events);
    }
}
