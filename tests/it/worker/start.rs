//! First starts and restores: what is read first, what is committed, what is refused.

use lead_router::domain::input::Topic;
use lead_router::domain::time::Timestamp;
use lead_router::engine::ports::Failure;
use lead_router::engine::report::ShardEvent;
use lead_router::engine::worker::StartLeads;

use super::{Bench, T0};

const DAY: i64 = 86_400_000;

fn fatal(done: Result<(), Failure>) -> String {
    match done {
        Err(Failure::Fatal(why)) => why,
        other => panic!("it should have refused, but: {other:?}"),
    }
}

#[test]
fn reference_topics_are_read_before_the_first_lead_even_if_they_are_younger() {
    let bench = Bench::new(1);
    bench.lead("L1", T0 - 60_000);
    bench.rep("ann", T0);
    bench.territory(&["ann"], T0);
    bench.run(&mut bench.worker()).unwrap();
    assert_eq!(bench.assigned(), [("L1".to_owned(), "ann".into())]);
}

#[test]
fn the_first_transaction_commits_an_offset_for_every_input() {
    let bench = Bench::new(1);
    bench.lead("L1", T0);
    bench.run(&mut bench.worker()).unwrap();
    let offsets = bench.cluster.group_offsets(0);
    assert!(offsets.iter().all(Option::is_some), "{offsets:?}");
    assert_eq!(offsets[Topic::LeadCreated.index()].as_ref().map(|(offset, _)| *offset), Some(1));
}

#[test]
fn a_first_start_on_old_leads_asks_what_is_meant() {
    let bench = Bench::new(1);
    for id in ["L1", "L2"] {
        bench.lead(id, T0 - 2 * DAY);
    }
    bench.lead("L3", T0 - 1_000);
    let why = fatal(bench.run(&mut bench.worker()));
    assert!(
        why.contains("3 leads") && why.contains("48 h") && why.contains("start.leads"),
        "{why}"
    );
    assert!(bench.assigned().is_empty());
}

#[test]
fn a_first_start_begins_where_it_is_told_to_and_stays_there() {
    let cases = [
        (StartLeads::Earliest, vec!["L1", "L2", "L3"]),
        (StartLeads::At(Timestamp(T0 - 10_000)), vec!["L2", "L3"]),
        (StartLeads::Latest, vec!["L3"]),
    ];
    for (start, leads) in cases {
        let mut bench = Bench::new(1);
        bench.settings.start_leads = Some(start);
        bench.lead("L1", T0 - 2 * DAY);
        bench.lead("L2", T0 - 5_000);
        bench.run(&mut bench.worker()).unwrap();
        bench.lead("L3", T0);
        // Another process goes on from there, whatever its setting.
        bench.settings.start_leads = None;
        bench.pass(7_000);
        bench.run(&mut bench.worker()).unwrap();
        let given: Vec<String> = bench.assigned().into_iter().map(|(lead, _)| lead).collect();
        assert_eq!(given, leads, "{start:?}");
    }
}

#[test]
fn a_first_start_that_died_among_the_reference_topics_is_still_a_first_start() {
    let mut bench = Bench::new(1);
    bench.settings.most_records = 1;
    bench.lead("L1", T0 - 60_000);
    bench.rep("ann", T0 - 10_000);
    bench.territory(&["ann"], T0 - 5_000);
    let mut worker = bench.worker();
    worker.turn().unwrap();
    worker.turn().unwrap();
    assert!(bench.assigned().is_empty());
    drop(worker);
    bench.pass(7_000);
    bench.run(&mut bench.worker()).unwrap();
    assert_eq!(bench.assigned(), [("L1".to_owned(), "ann".into())]);
}

#[test]
fn offsets_that_expired_are_taken_from_the_state() {
    let bench = Bench::new(1);
    bench.lead("L1", T0);
    bench.run(&mut bench.worker()).unwrap();
    bench.cluster.expire_offsets();
    bench.pass(7_000);
    bench.lead("L2", T0 + 7_000);
    bench.run(&mut bench.worker()).unwrap();
    let leads: Vec<String> = bench.assigned().into_iter().map(|(lead, _)| lead).collect();
    assert_eq!(leads, ["L1", "L2"]);
}

#[test]
fn another_partition_count_is_refused_with_the_way_out() {
    let mut bench = Bench::new(2);
    bench.lead("L1", T0);
    bench.run(&mut bench.worker()).unwrap();
    bench.settings.partitions = 3;
    bench.pass(7_000);
    let why = fatal(bench.run(&mut bench.worker()));
    assert!(why.contains("3 partitions") && why.contains("made with 2"), "{why}");
}

#[test]
fn a_state_that_is_gone_or_was_tampered_with_is_refused() {
    let bench = Bench::new(1);
    bench.lead("L1", T0);
    bench.run(&mut bench.worker()).unwrap();
    let state = bench.cluster.read("lead-router.state", 0, 0, usize::MAX);
    let image = state.iter().find(|record| !record.key.as_ref().unwrap().starts_with(b"\0"));
    let key = image.unwrap().key.clone().unwrap();
    bench.cluster.produce_to("lead-router.state", 0, Some(&key), None, Timestamp(T0));
    bench.pass(7_000);
    let why = fatal(bench.run(&mut bench.worker()));
    assert!(why.contains("digest"), "{why}");
    for record in state {
        let key = record.key.as_deref();
        bench.cluster.produce_to("lead-router.state", 0, key, None, Timestamp(T0));
    }
    bench.pass(7_000);
    let why = fatal(bench.run(&mut bench.worker()));
    assert!(why.contains("the state is empty"), "{why}");
}

#[test]
fn a_shard_that_comes_back_unchanged_is_not_restored() {
    let bench = Bench::new(1);
    bench.lead("L1", T0);
    let mut worker = bench.worker();
    bench.run(&mut worker).unwrap();
    bench.cluster.rebalance();
    bench.lead("L2", T0);
    bench.run(&mut worker).unwrap();
    let notes = bench.notes.0.borrow();
    assert!(notes.contains(&ShardEvent::Revoked(0)) && notes.contains(&ShardEvent::Reused(0)));
    let restores = notes.iter().filter(|event| matches!(event, ShardEvent::Restored { .. }));
    assert_eq!(restores.count(), 1);
    assert_eq!(bench.assigned().len(), 2);
}

#[test]
fn a_record_in_a_partition_that_its_key_does_not_hash_to_is_set_aside() {
    let bench = Bench::new(2);
    let home = lead_router::engine::partition::partition_of(b"acme", 2);
    let value = br#"{"event_id":"1","lead_id":"L1","created_at":1767603600000}"#;
    let at = Timestamp(T0);
    bench.cluster.produce_to("lead-created", 1 - home, Some(b"acme"), Some(value), at);
    bench.run(&mut bench.worker()).unwrap();
    let letters: Vec<_> =
        (0..2).flat_map(|p| bench.cluster.read("lead-router.dead-letter", p, 0, 9)).collect();
    let reason = letters[0].headers.iter().find(|(name, _)| name == "dlq.reason");
    assert_eq!(reason.unwrap().1.as_deref(), Some(b"key.partition".as_slice()));
    assert_eq!(letters[0].value.as_deref(), Some(value.as_slice()));
}

#[test]
fn a_worker_that_stops_leaves_nothing_open_and_the_group_at_once() {
    let mut bench = Bench::new(1);
    bench.settings.linger = lead_router::domain::time::Span::from_secs(60);
    bench.lead("L1", T0);
    let mut worker = bench.worker();
    bench.run(&mut worker).unwrap();
    assert!(bench.assigned().is_empty(), "it lingers");
    worker.stop().unwrap();
    assert_eq!(bench.assigned().len(), 1);
    bench.settings.linger = lead_router::domain::time::Span::ZERO;
    bench.lead("L2", T0);
    bench.run(&mut bench.worker()).unwrap();
    assert_eq!(bench.assigned().len(), 2, "without waiting for the session to end");
}

#[test]
fn records_that_are_gone_before_they_were_read_are_told_and_only_skipped_if_that_is_said() {
    let mut bench = Bench::new(1);
    bench.lead("L1", T0);
    bench.run(&mut bench.worker()).unwrap();
    for id in ["L2", "L3", "L4"] {
        bench.lead(id, T0 + 20);
    }
    bench.cluster.drop_before("lead-created", 0, 3);
    for _ in 0..2 {
        bench.pass(20_000);
        let why = fatal(bench.run(&mut bench.worker()));
        assert!(why.contains("lead-created 0: the records from offset 1 to 2"), "{why}");
        assert!(why.contains("start.lost_records"), "{why}");
    }
    bench.pass(20_000);
    bench.settings.skip_lost = true;
    bench.run(&mut bench.worker()).unwrap();
    let lost = |event: &ShardEvent| matches!(event, ShardEvent::Lost(lost) if lost.to == 3);
    assert!(bench.notes.0.borrow().iter().any(lost));
    // From then on nothing is missing any more.
    bench.pass(20_000);
    bench.settings.skip_lost = false;
    bench.lead("L5", T0 + 60_000);
    bench.run(&mut bench.worker()).unwrap();
    let given: Vec<String> = bench.assigned().into_iter().map(|(lead, _)| lead).collect();
    assert_eq!(given, ["L1", "L4", "L5"]);
}

#[test]
fn a_topic_that_lost_all_it_had_goes_on_where_it_is() {
    let mut bench = Bench::new(1);
    bench.lead("L1", T0);
    bench.run(&mut bench.worker()).unwrap();
    for id in ["L2", "L3"] {
        bench.lead(id, T0 + 20);
    }
    bench.cluster.drop_before("lead-created", 0, 3);
    bench.pass(20_000);
    bench.settings.skip_lost = true;
    bench.run(&mut bench.worker()).unwrap();
    bench.pass(20_000);
    bench.settings.skip_lost = false;
    bench.lead("L4", T0 + 60_000);
    bench.run(&mut bench.worker()).unwrap();
    let given: Vec<String> = bench.assigned().into_iter().map(|(lead, _)| lead).collect();
    assert_eq!(given, ["L1", "L4"]);
}
