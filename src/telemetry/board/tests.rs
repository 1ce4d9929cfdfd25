//! The board follows the core, batch by batch, and a restore replaces what it knew.

use super::*;
use crate::domain::ids::{EventId, RepId};
use crate::domain::input::{EffectiveChange, TerritoryChange};
use crate::domain::input::{Envelope, Input, LeadCreated, Origin, RepChange, RepDef, Topic};
use crate::domain::state::State;
use crate::domain::territory::{Member, TerritoryDef};

const NOW: Timestamp = Timestamp(1_767_225_600_000);

fn rep(name: &str) -> RepDef {
    RepDef {
        name: Some(name.to_owned()),
        active: true,
        paused: false,
        weight: 1,
        manager_id: None,
        hired_at: None,
        skills: Vec::new(),
        languages: Vec::new(),
        calendar_id: None,
        time_zone: "UTC".to_owned(),
        away: Vec::new(),
        caps: Vec::new(),
        cover_id: None,
    }
}

fn inputs() -> Vec<Input> {
    let event = |n: &str| EventId::new(n);
    let member = |id: &str| Member { rep_id: RepId::new(id), weight: 1, role: None };
    let definition = TerritoryDef {
        name: "Everywhere".to_owned(),
        parent_id: None,
        priority: 100,
        rules: Vec::new(),
        named_accounts: Vec::new(),
        members: vec![member("r1"), member("r2")],
        valid_to_at: None,
    };
    let mut inputs = Vec::new();
    for (id, name) in [("r1", "Ann Ash"), ("r2", "Bob Birch")] {
        let definition = Some(rep(name));
        let change = RepChange { event_id: event(id), rep_id: RepId::new(id), definition };
        inputs.push(Input::RepChanged(Box::new(change)));
    }
    inputs.push(Input::TerritoryChanged(Box::new(TerritoryChange {
        event_id: event("t"),
        territory_id: crate::domain::ids::TerritoryId::new("t"),
        definition: Some(definition.into()),
        valid_from_at: None,
        effective_change: EffectiveChange::NewOnly,
        reason: None,
    })));
    let fields = LeadFields {
        created_at: NOW,
        industry: Some("Energy".to_owned()),
        email: Some(crate::domain::ids::Private::new("kim@secret.example".to_owned())),
        ..LeadFields::default()
    };
    let lead_id = LeadId::new("L1");
    let created = LeadCreated { event_id: event("l"), lead_id, fields: fields.into(), fast: false };
    inputs.push(Input::LeadCreated(Box::new(created)));
    inputs
}

fn run() -> (State, BatchReport) {
    let mut state = State::default();
    let mut facts = Vec::new();
    for input in inputs() {
        let origin = Origin { topic: Some(Topic::LeadCreated), partition: 0, offset: 0 };
        let domain = DomainId::new("acme");
        facts.extend(state.step(&Envelope { domain, now: NOW, origin, positions: [-1; 9], input }));
    }
    let changes = vec![(0, state.commit())];
    (state, BatchReport { facts, changes, now: NOW, ..BatchReport::default() })
}

#[test]
fn a_lead_shows_as_a_decision_a_deadline_and_a_load() {
    let board = Board::new("acme", 1.0, || NOW);
    let (_, report) = run();
    board.batch(&report);
    let shown = board.shown();
    assert_eq!((shown.totals.leads, shown.totals.assigned, shown.open), (1, 1, 1));
    let told = shown.entries[0].told.clone().unwrap();
    assert!(["Ann Ash", "Bob Birch"].contains(&told.who.as_str()), "{told:?}");
    assert_eq!(told.territory, "Everywhere");
    assert_eq!(shown.entries[0].what, "Energy");
    assert_eq!((shown.deadlines[0].action, shown.deadlines[0].rep.clone()), ("remind", told.who));
    assert_eq!(shown.reps.iter().map(|rep| rep.open).sum::<u64>(), 1);
    let json = serde_json::to_string(&shown).unwrap();
    assert!(!json.contains("secret"), "no address of a lead leaves the state");
}

#[test]
fn a_batch_that_did_not_commit_shows_nothing() {
    let board = Board::new("acme", 1.0, || NOW);
    let (_, report) = run();
    board.batch(&BatchReport { ending: Ending::Aborted, ..report });
    assert!(board.shown().entries.is_empty());
}

#[test]
fn a_restore_replaces_what_was_known() {
    let board = Board::new("acme", 1.0, || NOW);
    let (state, report) = run();
    board.batch(&report);
    let before = board.shown();
    board.shard(&ShardEvent::Assigned(0));
    for (key, entity) in state.entities() {
        board.loaded(0, &key, &entity);
    }
    let took = Duration::ZERO;
    board.shard(&ShardEvent::Restored { shard: 0, images: 5, took, digest: 0 });
    let after = board.shown();
    assert_eq!((before.open, &before.reps), (after.open, &after.reps));
    assert_eq!(before.deadlines, after.deadlines);
}

#[test]
fn percentiles_are_values_that_were_seen() {
    let values: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(shown::percentile(&values, 0.5), Some(50.0));
    assert_eq!(shown::percentile(&values, 0.99), Some(99.0));
    assert_eq!(shown::percentile(&[], 0.5), None);
}
