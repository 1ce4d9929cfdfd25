//! A created lead in the shape of every bridge: records of the corpus, made new by their ids.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lead_router::ingest::id;
use serde_json::Value;

/// File, case, and what the bridge is called here.
const CASES: [(&str, &str, &str); 11] = [
    ("cometd", "a lead, created whole, in the streaming envelope", "CometD JSON"),
    ("pubsub", "a creation, framed", "Pub/Sub Avro"),
    ("confluent", "CDC source, Avro, created", "Confluent CDC Avro"),
    ("confluent", "CDC source, JSON with its schema", "Confluent CDC JSON"),
    ("confluent", "CDC source, JSON without its schema", "the same, no envelope"),
    ("confluent", "PushTopic, Avro: a row", "Confluent PushTopic Avro"),
    ("confluent", "source V2: head in Kafka headers", "Confluent Source V2"),
    ("redpanda", "tagged unions and bitmaps, the schema at hand", "Redpanda Connect"),
    ("others", "flattened, the operation in a Kafka header", "flattened (OSO)"),
    ("others", "Debezium without before: what differs from what is known", "Debezium"),
    ("others", "Camel: JSON in base64, the head in headers", "Camel"),
];

const LEAD: &[u8] = b"00Q5f00000AbCd1EAF";
const TRANSACTION: &[u8] = b"00065380-d1a9-a64a-9341-";

pub(crate) type Header = (String, Vec<u8>);

pub(crate) struct Shape {
    pub(crate) name: &'static str,
    value: Vec<u8>,
    headers: Vec<Header>,
}

pub(crate) fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest")
}

pub(crate) fn all() -> Vec<Shape> {
    CASES.iter().map(|(file, case, name)| shape(file, case, name)).collect()
}

fn shape(file: &str, case: &str, name: &'static str) -> Shape {
    let text = fs::read_to_string(corpus().join(format!("{file}.json"))).expect("the corpus");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let case = cases.iter().find(|it| it["name"] == *case).expect("a case of the corpus");
    let record = &case["steps"][0]["record"];
    let value = match record["value_base64"].as_str() {
        Some(packed) => STANDARD.decode(packed).expect("base64"),
        None => record["value_json"].to_string().into_bytes(),
    };
    let pairs = record["headers"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let headers = pairs.map(|pair| (text(&pair[0]), text(&pair[1]).into_bytes()));
    let created = |bytes: &[u8]| {
        let bytes = replaced(bytes, b"UPDATE", b"CREATE");
        replaced(&bytes, b"\"updated\"", b"\"created\"")
    };
    Shape {
        name,
        value: created(&value),
        headers: headers.map(|(name, value)| (name, created(&value))).collect(),
    }
}

/// Texts of the same length: so it is right in Avro too.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at + from.len() <= out.len() {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
            at += from.len();
        } else {
            at += 1;
        }
    }
    out
}

impl Shape {
    pub(crate) fn size(&self) -> usize {
        self.value.len()
            + self.headers.iter().map(|(name, it)| name.len() + it.len()).sum::<usize>()
    }

    /// The same lead's creation, of another lead and in another transaction.
    pub(crate) fn record(&self, number: u64) -> (Vec<u8>, Vec<Header>) {
        let lead = id::extend(&format!("00Q5f{number:010}")).expect("an id");
        let new = |bytes: &[u8]| {
            let mut bytes = replaced(bytes, LEAD, lead.as_bytes());
            let place = bytes.windows(TRANSACTION.len()).position(|it| it == TRANSACTION);
            if let Some(at) = place.map(|at| at + TRANSACTION.len()) {
                bytes[at..at + 12].copy_from_slice(format!("{number:012}").as_bytes());
            }
            bytes
        };
        // Where the transaction is only a header's.
        let headers = self.headers.iter().map(|(name, value)| match name.as_str() {
            "source.transaction.key" => (name.clone(), format!("t-{number}").into_bytes()),
            _ => (name.clone(), new(value)),
        });
        (new(&self.value), headers.collect())
    }
}
