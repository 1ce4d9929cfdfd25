//! The short way and the long way say the same, or the short way says nothing.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::codec::avro;
use crate::codec::json;
use crate::codec::schema::{Record, Writer};
use crate::domain::ids::RepId;
use crate::domain::input::{AccountChange, Input, Topic};
use crate::domain::policy::SlaAction;
use crate::domain::published::*;
use crate::domain::time::Timestamp;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

fn examples(record: Record) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples").join(record.name());
    let files = fs::read_dir(folder).expect("a folder");
    let parsed = files.map(|entry| {
        let text = fs::read(entry.expect("an entry").path()).expect("a file");
        json::parse(&text).expect("JSON")
    });
    parsed.collect()
}

fn long_lead(bytes: &[u8]) -> Option<String> {
    let value = avro::read(Record::Lead.embedded().plan(), bytes).ok()?;
    match json::decode_event(Topic::LeadCreated, &value, NOW, false).ok()? {
        Input::LeadCreated(lead) => Some(format!("{lead:?}{:?}", private(&lead.fields))),
        _ => None,
    }
}

fn short_lead(bytes: &[u8]) -> Option<String> {
    lead(bytes, NOW, false).map(|lead| format!("{lead:?}{:?}", private(&lead.fields)))
}

/// What `Debug` does not show.
fn private(fields: &crate::domain::lead_fields::LeadFields) -> Vec<Option<&str>> {
    [&fields.email, &fields.phone].map(|it| it.as_ref().map(|it| it.reveal())).to_vec()
}

fn leads() -> Vec<Vec<u8>> {
    written(Record::Lead)
}

/// The examples as bytes; one that is deleted need not have what Avro asks for.
fn written(record: Record) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for value in examples(record).into_iter().filter(|value| value["deleted"] != true) {
        let mut bytes = Vec::new();
        avro::write(record.embedded().plan(), &value, &mut bytes).expect("bytes");
        all.push(bytes);
    }
    all
}

fn long_account(bytes: &[u8]) -> Option<AccountChange> {
    let value = avro::read(Record::Account.embedded().plan(), bytes).ok()?;
    match json::decode_event(Topic::AccountChanged, &value, NOW, false).ok()? {
        Input::AccountChanged(change) => Some(*change),
        _ => None,
    }
}

#[test]
fn every_example_of_an_account_that_stands_reads_the_same() {
    assert!(!written(Record::Account).is_empty());
    for bytes in written(Record::Account) {
        assert_eq!(account(&bytes, NOW), long_account(&bytes));
    }
}

#[test]
fn every_example_of_a_lead_reads_the_same() {
    let mut short = 0;
    for bytes in leads() {
        let read = short_lead(&bytes);
        assert!(read.is_none() || read == long_lead(&bytes));
        short += usize::from(read.is_some());
    }
    // The one with the largest amount takes the long way.
    assert_eq!(short, leads().len() - 1);
}

#[test]
fn only_a_schema_with_our_scales_and_units_is_ours() {
    let text = Record::Lead.embedded().text;
    let ours = |text: &str| Writer::parse(text).map(|writer| writer.is_ours);
    assert_eq!(ours(text), Ok(true));
    assert_eq!(ours(&text.replace("As written", "as it was written")), Ok(true));
    assert_ne!(ours(&text.replace("\"scale\": 2", "\"scale\": 4")), Ok(true));
    assert_ne!(ours(&text.replace("timestamp-millis", "timestamp-micros")), Ok(true));
}

fn long_assigned(fact: &LeadAssigned) -> Vec<u8> {
    let mut bytes = Vec::new();
    let plan = Record::LeadAssigned.embedded().plan();
    avro::write(plan, &json::encode_assigned(fact), &mut bytes).expect("bytes");
    bytes
}

fn short_assigned(fact: &LeadAssigned) -> Vec<u8> {
    let mut bytes = Vec::new();
    assigned(fact, &mut bytes).expect("bytes");
    bytes
}

#[test]
fn assignments_are_written_the_same() {
    let facts = examples(Record::LeadAssigned);
    let facts: Vec<LeadAssigned> =
        facts.iter().map(|value| json::decode_assigned(value).expect("a fact")).collect();
    for fact in &facts {
        assert_eq!(short_assigned(fact), long_assigned(fact));
    }
    let same = |change: &dyn Fn(&mut LeadAssigned)| {
        let mut fact = facts[0].clone();
        change(&mut fact);
        assert_eq!(short_assigned(&fact), long_assigned(&fact));
    };
    Outcome::ALL.iter().for_each(|value| same(&|fact| fact.outcome = *value));
    Stage::ALL.iter().for_each(|value| same(&|fact| fact.stage = *value));
    Method::ALL.iter().for_each(|value| same(&|fact| fact.method = *value));
    Cause::ALL.iter().for_each(|value| same(&|fact| fact.cause = *value));
    Reason::ALL.iter().for_each(|value| same(&|fact| fact.reason = *value));
    Arm::ALL.iter().for_each(|value| same(&|fact| fact.arm = Some(*value)));
    for action in [SlaAction::Remind, SlaAction::Escalate, SlaAction::Reassign] {
        same(&|fact| fact.sla = vec![SlaDue { step: 9, action, due_at: NOW }]);
    }
    let candidate = |reasons: &[Ineligible], score| Candidate {
        rep_id: RepId::new("ü"),
        eligible: false,
        reasons: reasons.to_vec(),
        win_probability: None,
        score,
        rotation: Some(f64::NAN),
        propensity: Some(-0.0),
    };
    same(&|fact| fact.candidates = vec![candidate(Ineligible::ALL, Some(1e-300)); 100]);
    same(&|fact| fact.excluded = Ineligible::ALL.iter().map(|it| (*it, 7)).collect());
    let mut unfit = facts[0].clone();
    unfit.assignment_no = u32::MAX;
    assert_eq!(assigned(&unfit, &mut Vec::new()), None);
}

proptest! {
    #[test]
    fn a_changed_account_reads_the_same_or_not_at_all(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut all = written(Record::Account);
        let mut bytes = all.swap_remove(pick.index(all.len()));
        let place = at.index(bytes.len());
        bytes[place] = byte;
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            let read = account(bytes, NOW);
            prop_assert!(read.is_none() || read == long_account(bytes));
        }
    }

    #[test]
    fn a_changed_lead_reads_the_same_or_not_at_all(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = leads().swap_remove(pick.index(leads().len()));
        let place = at.index(bytes.len());
        bytes[place] = byte;
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            let read = short_lead(bytes);
            prop_assert!(read.is_none() || read == long_lead(bytes));
        }
    }
}
