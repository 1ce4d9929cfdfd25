//! Offsets and records together or not at all; who was overtaken cannot commit.

use std::time::{Duration, Instant};

use lead_router::engine::ports::{Failure, Log, OutTopic};

use super::support::{Bench, leads, outgoing};

fn values(bench: &Bench, isolation: &str) -> Vec<String> {
    let found = bench.reader(&bench.settings.topics.lead_assigned, isolation);
    found.into_iter().map(|(_, value, _)| value).collect()
}

#[test]
fn records_and_offsets_come_together_or_not_at_all() {
    let bench = Bench::new("atomic");
    let mut member = bench.joined("a");
    assert_eq!(member.log.committed(1).expect("asked"), Default::default(), "nothing yet");

    member.log.begin().expect("begun");
    member.log.send(outgoing(OutTopic::LeadAssigned, 1, "first")).expect("sent");
    member.log.send(outgoing(OutTopic::State, 1, "image")).expect("sent");
    assert_eq!(values(&bench, "read_committed"), Vec::<String>::new(), "not before the commit");
    member.log.send_offsets(&[(leads(1), 7, "batch 1 ü".to_owned())]).expect("offsets");
    member.log.commit().expect("committed");
    assert_eq!(values(&bench, "read_committed"), ["first"]);
    let committed = member.log.committed(1).expect("asked");
    assert_eq!((committed.offsets[0], committed.metadata.as_str()), (Some(7), "batch 1 ü"));

    member.log.begin().expect("begun");
    member.log.send(outgoing(OutTopic::LeadAssigned, 1, "undone")).expect("sent");
    member.log.send_offsets(&[(leads(1), 9, "batch 2".to_owned())]).expect("offsets");
    // An abort drops what is still on its way: this one is to be seen by those who read everything.
    let deadline = Instant::now() + Duration::from_secs(20);
    while values(&bench, "read_uncommitted") != ["first", "undone"] {
        assert!(Instant::now() < deadline, "it never arrived");
    }
    member.log.abort().expect("aborted");
    member.transact(1, "second", 8, "batch 2");
    assert_eq!(values(&bench, "read_committed"), ["first", "second"]);
    assert_eq!(values(&bench, "read_uncommitted"), ["first", "undone", "second"]);
    assert_eq!(member.log.committed(1).expect("asked").offsets[0], Some(8));
}

#[test]
fn an_abort_with_undelivered_records_does_not_hang() {
    let bench = Bench::new("abort");
    let mut member = bench.joined("a");
    let began = Instant::now();
    for _ in 0..20 {
        member.log.begin().expect("begun");
        for number in 0..500 {
            let record = outgoing(OutTopic::LeadAssigned, 0, &number.to_string());
            member.log.send(record).expect("sent");
        }
        member.log.abort().expect("aborted");
    }
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(values(&bench, "read_committed"), Vec::<String>::new());
}

#[test]
fn no_commit_without_offsets_or_without_owning_them() {
    let bench = Bench::new("offsets");
    let mut member = bench.member("a");
    member.log.begin().expect("begun");
    let failure = member.log.send_offsets(&[(leads(0), 1, String::new())]);
    assert!(matches!(failure, Err(Failure::Abort(_))), "not joined yet: {failure:?}");
    member.log.abort().expect("aborted");
    let mut member = bench.joined("b");
    member.log.begin().expect("begun");
    let failure = member.log.send_offsets(&[]);
    assert!(matches!(failure, Err(Failure::Fatal(_))), "{failure:?}");
    let failure = member.log.send_offsets(&[(leads(99), 1, String::new())]);
    assert!(matches!(failure, Err(Failure::Abort(_))), "{failure:?}");
    assert!(!member.log.owns(&[99]));
    member.log.abort().expect("aborted");
}

#[test]
fn what_the_broker_refuses_for_good_is_fatal_and_named() {
    let bench = Bench::new("refused");
    let mut member = bench.joined("a");
    member.log.begin().expect("begun");
    let mut keyless = outgoing(OutTopic::State, 0, "image");
    keyless.key = None;
    member.log.send(keyless).expect("sent");
    let end =
        member.log.send_offsets(&[(leads(0), 1, String::new())]).and_then(|()| member.log.commit());
    let Err(Failure::Fatal(why)) = end else { panic!("{end:?}") };
    assert!(why.contains("the topic is compacted and the record has no key"), "{why}");
}

#[test]
fn who_is_overtaken_by_the_same_transactional_id_does_not_know_and_can_ask() {
    let bench = Bench::new("fenced");
    let mut old = bench.joined("a");
    old.transact(0, "before", 5, "batch 1");
    old.log.begin().expect("begun");
    old.log.send(outgoing(OutTopic::LeadAssigned, 0, "torn")).expect("sent");
    old.log.send_offsets(&[(leads(0), 6, "batch 2".to_owned())]).expect("offsets");
    // Another process with the same name: initialising fences.
    let new = bench.member("a");
    let failure = old.log.commit();
    assert!(matches!(failure, Err(Failure::Unknown(_))), "{failure:?}");
    drop(new);

    // The way back: a new producer, then the committed offsets. Their metadata say that it did not commit.
    old.log.recreate().expect("made anew");
    assert_eq!(old.log.committed(0).expect("asked").metadata, "batch 1");
    old.transact(0, "again", 6, "batch 2");
    assert_eq!(values(&bench, "read_committed"), ["before", "again"]);
    assert_eq!(old.log.committed(0).expect("asked").metadata, "batch 2");
}

#[test]
fn a_transaction_that_the_broker_timed_out_is_unknown_and_leaves_nothing() {
    let bench = Bench::new("timeout");
    let mut member = bench.joined("a");
    member.log.begin().expect("begun");
    member.log.send(outgoing(OutTopic::LeadAssigned, 0, "late")).expect("sent");
    // Longer than transaction.timeout.ms; the group is polled, so the member stays one.
    let until = Instant::now() + std::time::Duration::from_secs(8);
    while Instant::now() < until {
        member.poll(100);
    }
    let end = member
        .log
        .send_offsets(&[(leads(0), 1, "batch 1".to_owned())])
        .and_then(|()| member.log.commit());
    assert!(matches!(end, Err(Failure::Unknown(_))), "{end:?}");
    member.log.recreate().expect("made anew");
    assert_eq!(values(&bench, "read_committed"), Vec::<String>::new());
    member.transact(0, "anew", 1, "batch 1");
    assert_eq!(values(&bench, "read_committed"), ["anew"]);
}
