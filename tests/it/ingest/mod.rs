//! The corpus: records of every bridge's shape, each with what must come of it.
//!
//! A case is a mapping (a standard org's if it names none) and records in order; the schemas in `schemas/`
//! are at hand to all. The Avro was written by another implementation (fastavro). What is expected of a
//! record: its outcome and reason, its events (whole, but for their ids), and as much of the change that
//! was understood as the case names.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use lead_router::cli::ingest::pipe::IngestPipe;
use lead_router::ingest::schema::Schemas;
use lead_router::ingest::{Mapping, Parser, mapping};
use serde_json::Value;

const FILES: [&str; 8] =
    ["cometd", "gaps", "pubsub", "redpanda", "confluent", "others", "objects", "broken"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest")
}

fn schemas() -> Schemas {
    let mut schemas = Schemas::default();
    for id in ["7", "8", "9", "21", "22"] {
        let path = folder().join("schemas").join(format!("{id}.avsc"));
        let text = fs::read_to_string(path).expect("a schema of the corpus");
        schemas.insert(id, &text).expect("a valid schema");
    }
    schemas
}

fn cases(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(format!("{file}.json"))).expect("a corpus file");
    serde_json::from_str(&text).expect("a list of cases")
}

fn filter(case: &Value, schemas: &Schemas) -> IngestPipe {
    let mapping = match case["mapping"].as_str() {
        Some(text) => mapping::parse(text).expect("a valid mapping"),
        None => Mapping::default(),
    };
    let parser = Parser { schemas: schemas.clone(), mapping: Arc::new(mapping) };
    IngestPipe::new(parser, "acme".to_owned(), true)
}

/// What is different, in words; nothing if all is as expected.
fn compare(expected: &Value, answers: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut differ = |what: &str, wanted: &Value, found: &Value| {
        if wanted != found {
            faults.push(format!("{what}\n    wanted {wanted}\n    found  {found}"));
        }
    };
    let ack = answers.last().cloned().unwrap_or_default();
    differ("outcome", &expected["outcome"], &ack["outcome"]);
    differ("reason", &expected["reason"], &ack["reason"]);
    let letters = answers.iter().filter(|it| it["topic"] == "lead-router.dead-letter");
    let letter = letters.clone().next().cloned().unwrap_or_default();
    if let Some(field) = expected.get("field") {
        differ("field", field, &letter["headers"]["dlq.field"]);
    }
    let change = answers.iter().find_map(|it| it.get("change")).cloned().unwrap_or_default();
    for (name, wanted) in expected["change"].as_object().into_iter().flatten() {
        differ(name, wanted, &change[name]);
    }
    let is_event =
        |it: &&Value| it.get("topic").is_some() && it["topic"] != "lead-router.dead-letter";
    let events: Vec<Value> = answers
        .iter()
        .filter(is_event)
        .map(|event| {
            let mut event = event.clone();
            event["value"].as_object_mut().map(|value| value.remove("event_id"));
            serde_json::json!({ "topic": event["topic"], "value": event["value"] })
        })
        .collect();
    differ("events", &expected["events"], &Value::from(events));
    faults
}

#[test]
fn each_record_of_the_corpus_becomes_what_it_should() {
    let schemas = schemas();
    let (mut faults, mut records) = (Vec::new(), 0);
    for file in FILES {
        for case in cases(file) {
            let mut filter = filter(&case, &schemas);
            for (place, step) in case["steps"].as_array().into_iter().flatten().enumerate() {
                records += 1;
                let mut answers = Vec::new();
                filter.line(step["record"].to_string().as_bytes(), &mut answers);
                for fault in compare(&step["expect"], &answers) {
                    let name = case["name"].as_str().unwrap_or_default();
                    faults.push(format!("{file}: {name}, record {}: {fault}", place + 1));
                }
            }
        }
    }
    assert!(records >= 60, "{records} records");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A bridge that sends everything again adds nothing: at least once, and 72 hours anew.
#[test]
fn the_corpus_again_says_nothing_new() {
    said_once(&|_| Vec::new());
}

/// Nor does it when so much came since that no picture knows the events by their identity.
#[test]
fn the_corpus_again_long_after_says_nothing_new() {
    said_once(&|change| {
        let later = |number: i64| {
            serde_json::json!({
                "topic": "salesforce.events",
                "partition": 0,
                "offset": 1_000 + number,
                "timestamp": change["commit_timestamp_ms"].as_i64().unwrap_or(0),
                "value_json": { "payload": { "NoFieldOfOurs": number, "ChangeEventHeader": {
                    "entityName": change["entity"],
                    "recordIds": change["record_ids"],
                    "changeType": "UPDATE",
                    "transactionKey": format!("later-{number}"),
                    "sequenceNumber": 1,
                    "commitTimestamp": 4_000_000_000_000_i64,
                    "commitNumber": number,
                } } },
            })
        };
        (0..20).map(later).collect()
    });
}

/// The corpus twice, with records in between that are made of each change: no event comes again.
fn said_once(between: &dyn Fn(&Value) -> Vec<Value>) {
    let schemas = schemas();
    for file in FILES.iter().filter(|file| **file != "broken") {
        for case in cases(file) {
            let mut filter = filter(&case, &schemas);
            let mut answers = |record: &Value| {
                let mut answers = Vec::new();
                filter.line(record.to_string().as_bytes(), &mut answers);
                answers
            };
            let records: Vec<&Value> =
                case["steps"].as_array().into_iter().flatten().map(|it| &it["record"]).collect();
            let first: Vec<Value> = records.iter().flat_map(|record| answers(record)).collect();
            let changes = first.iter().filter_map(|answer| answer.get("change"));
            changes.flat_map(between).for_each(|record| drop(answers(&record)));
            let again: Vec<Value> = records.iter().flat_map(|record| answers(record)).collect();
            let mut said = BTreeSet::new();
            for id in first.iter().filter_map(|it| it["value"]["event_id"].as_str()) {
                assert!(said.insert(id), "{file}: {}: {id} twice", case["name"]);
            }
            let repeat = again.iter().find(|it| it["value"].get("event_id").is_some());
            assert_eq!(repeat, None, "{file}: {}", case["name"]);
        }
    }
}
