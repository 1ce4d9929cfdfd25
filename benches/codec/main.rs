//! What reading and writing one event costs, by encoding. `cargo bench --no-default-features --bench codec`.

use divan::Bencher;
use lead_router::codec::{Decoder, Encoder, Format, RawRecord, Record, json};
use lead_router::domain::input::Topic;
use lead_router::domain::time::Timestamp;
use serde_json::Value;

const NOW: Timestamp = Timestamp(1_767_225_600_000);
const FORMATS: [&str; 2] = ["avro", "json"];

fn main() {
    divan::main();
}

fn encoder(format: &str) -> Encoder {
    Encoder::new(if format == "avro" { Format::SingleObject } else { Format::Json })
}

/// A lead as a web form gives it: most fields, no attributes.
fn lead() -> Value {
    json::parse(
        br#"{"event_id": "evt-0002", "lead_id": "00Q5g000004aBcEEAU", "created_at": 1767225590000,
        "company": "Example Ltd", "email": "jo@example.com", "country": "US", "state": "CA",
        "postal_code": "94107", "city": "San Francisco", "industry": "Software", "employees": 250,
        "annual_revenue": 12500000.5, "currency": "USD", "source": "Web", "product": "Pumps",
        "score": 87.5, "rating": "Hot", "status": "Open", "owner_id": "0055g00000AbCdeAAF"}"#,
    )
    .expect("JSON")
}

fn assigned() -> Value {
    json::parse(include_bytes!("../../schemas/examples/LeadAssigned/assigned.json")).expect("JSON")
}

#[divan::bench(args = FORMATS)]
fn read_lead(bencher: Bencher<'_, '_>, format: &str) {
    let bytes = encoder(format).value(Record::Lead, &lead()).expect("bytes");
    let decoder = Decoder::default();
    bencher.bench_local(|| {
        decoder.decode_record(&RawRecord {
            topic: Topic::LeadCreated,
            key: Some(b"acme"),
            value: Some(&bytes),
            headers: &[],
            timestamp: NOW,
            partition: 0,
            partition_count: None,
        })
    });
}

#[divan::bench(args = FORMATS)]
fn write_assigned(bencher: Bencher<'_, '_>, format: &str) {
    let mut fact = json::decode_assigned(&assigned()).expect("a fact");
    // Twenty candidates, as a pool has.
    let other = fact.candidates.remove(1);
    fact.candidates.extend(std::iter::repeat_n(other, 19));
    let encoder = encoder(format);
    bencher.bench_local(|| encoder.assigned(&fact));
}
