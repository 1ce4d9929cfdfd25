//! The log itself: isolation, fencing, generations, gaps.

use super::*;
use crate::engine::ports::{Event, Failure, Log, Outgoing, Part};

const STATE: &str = "lead-router.state";

fn cluster(partitions: i32, late_markers: bool) -> Cluster {
    let options = Options { partitions, waits: false, late_markers, ..Options::default() };
    Cluster::new(options, || Timestamp(1_000))
}

fn state_record(key: &str) -> Outgoing {
    Outgoing {
        topic: OutTopic::State,
        partition: Some(0),
        key: Some(key.as_bytes().to_vec()),
        value: Some(b"x".to_vec()),
        headers: Vec::new(),
        timestamp: Timestamp(1_000),
    }
}

fn poll(log: &mut EmbeddedLog) -> Vec<Event> {
    let mut out = Vec::new();
    log.poll(Span::ZERO, &mut out).expect("embedded polls do not fail");
    out
}

fn keys(cluster: &Cluster) -> Vec<String> {
    let records = cluster.read(STATE, 0, 0, usize::MAX);
    records
        .into_iter()
        .map(|r| String::from_utf8_lossy(&r.key.unwrap_or_default()).into())
        .collect()
}

#[test]
fn readers_see_committed_records_only_and_markers_take_offsets() {
    let cluster = cluster(1, false);
    let mut log = EmbeddedLog::new(&cluster, "a");
    log.begin().unwrap();
    log.send(state_record("aborted")).unwrap();
    log.abort().unwrap();
    log.begin().unwrap();
    log.send(state_record("kept")).unwrap();
    assert_eq!((keys(&cluster).len(), cluster.end(STATE, 0)), (0, 2), "open: not stable");
    log.commit().unwrap();
    assert_eq!(keys(&cluster), ["kept"]);
    assert_eq!((cluster.end(STATE, 0), log.state_end(0).unwrap()), (4, 4));
}

#[test]
fn a_newer_producer_fences_the_older_and_aborts_its_transaction() {
    let cluster = cluster(1, false);
    let (mut old, mut new) = (EmbeddedLog::new(&cluster, "a"), EmbeddedLog::new(&cluster, "a"));
    old.begin().unwrap();
    old.send(state_record("zombie")).unwrap();
    new.recreate().unwrap();
    assert!(matches!(old.commit(), Err(Failure::Unknown(_))));
    assert!(keys(&cluster).is_empty());
    assert_eq!(cluster.end(STATE, 0), 2, "aborted, so nothing holds the end");
}

#[test]
fn a_stale_generation_may_not_commit_offsets_but_an_empty_list_passes() {
    let cluster = cluster(2, false);
    let (mut a, mut b) = (EmbeddedLog::new(&cluster, "a"), EmbeddedLog::new(&cluster, "b"));
    poll(&mut a);
    assert!(a.owns(&[0, 1]));
    poll(&mut b);
    let part = Part { topic: Topic::LeadCreated, shard: 1 };
    a.begin().unwrap();
    assert!(a.send_offsets(&[]).is_ok(), "the broker is not asked");
    let stale = a.send_offsets(&[(part, 1, String::new())]);
    assert!(matches!(stale, Err(Failure::Abort(_))));
    a.abort().unwrap();
    assert!(matches!(&poll(&mut a)[..], [Event::Revoked(_), Event::Assigned(shards), ..]
        if shards.len() == 1));
    poll(&mut b);
    assert!(a.owns(&[0]) && b.owns(&[1]));
}

#[test]
fn offsets_commit_with_the_transaction_and_are_unstable_while_it_is_open() {
    let cluster = cluster(1, true);
    let mut log = EmbeddedLog::new(&cluster, "a");
    poll(&mut log);
    let part = Part { topic: Topic::LeadCreated, shard: 0 };
    log.begin().unwrap();
    log.send_offsets(&[(part, 7, "batch".to_owned())]).unwrap();
    assert!(matches!(log.committed(0), Err(Failure::Abort(_))));
    log.commit().unwrap();
    assert!(matches!(log.committed(0), Err(Failure::Abort(_))), "its marker is still to come");
    cluster.settle(usize::MAX);
    let committed = log.committed(0).unwrap();
    assert_eq!((committed.offsets[0], committed.metadata.as_str()), (Some(7), "batch"));
}

#[test]
fn delivery_goes_on_from_the_committed_offset_and_says_when_the_end_is_reached() {
    let cluster = cluster(1, false);
    for value in [b"1", b"2"] {
        cluster.produce("lead-created", b"acme", value, Timestamp(5));
    }
    let mut log = EmbeddedLog::new(&cluster, "a");
    let events = poll(&mut log);
    let records = events.iter().filter(|event| matches!(event, Event::Record(_))).count();
    let reached = events.iter().filter(|event| matches!(event, Event::Reached(_))).count();
    assert_eq!((records, reached), (2, 9));
    assert!(poll(&mut log).is_empty());
    log.seek(&[(Part { topic: Topic::LeadCreated, shard: 0 }, 1)]).unwrap();
    assert!(matches!(&poll(&mut log)[..], [Event::Record(r), Event::Reached(_)] if r.offset == 1));
}

#[test]
fn compaction_keeps_the_newest_of_each_key_and_leaves_gaps() {
    let cluster = cluster(1, false);
    let mut log = EmbeddedLog::new(&cluster, "a");
    for keys in [["a", "b"], ["a", "c"]] {
        log.begin().unwrap();
        keys.iter().for_each(|key| log.send(state_record(key)).unwrap());
        log.commit().unwrap();
    }
    cluster.compact(STATE);
    assert_eq!(keys(&cluster), ["b", "a", "c"]);
    assert_eq!(cluster.end(STATE, 0), 6);
}

#[test]
fn an_open_transaction_holds_a_restore_until_it_is_timed_out() {
    let now = Arc::new(Mutex::new(Timestamp(0)));
    let clock = now.clone();
    let options = Options { partitions: 1, waits: false, ..Options::default() };
    let cluster = Cluster::new(options, move || *clock.lock().unwrap());
    let (mut a, mut b) = (EmbeddedLog::new(&cluster, "a"), EmbeddedLog::new(&cluster, "b"));
    a.begin().unwrap();
    a.send(state_record("x")).unwrap();
    assert!(matches!(b.restore(0, &mut |_, _| {}), Err(Failure::Abort(_))));
    *now.lock().unwrap() = Timestamp(15_001);
    assert_eq!(b.restore(0, &mut |_, _| {}), Ok(2));
    assert!(matches!(a.commit(), Err(Failure::Unknown(_))), "timed out is fenced");
}
