//! What is delivered, from where, and when everything has been.

use std::time::Duration;

use lead_router::domain::input::Topic;
use lead_router::domain::time::Timestamp;
use lead_router::engine::ports::{Event, Log, Part};
use rdkafka::producer::{BaseRecord, Producer};

use super::support::{Bench, leads, producer, publish};

fn reached(events: &[Event], part: Part) -> bool {
    events.iter().any(|event| *event == Event::Reached(part))
}

#[test]
fn every_kind_of_tail_is_recognised_as_the_end() {
    let bench = Bench::new("tails");
    // Shard 0: records. Shard 1: only aborted ones. Shard 2: records, then a transaction that stays open.
    publish(bench.name(Topic::LeadCreated), 0, &["a", "b"]);
    let aborted = producer(Some(&format!("{}-aborted", bench.settings.group)));
    aborted.init_transactions(Duration::from_secs(10)).expect("initialised");
    aborted.begin_transaction().expect("begun");
    let send = |producer: &rdkafka::producer::ThreadedProducer<_>, shard, value| {
        let record = BaseRecord::to(bench.name(Topic::LeadCreated)).partition(shard);
        let record = record.key("acme").payload(value);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
        producer.flush(Duration::from_secs(10)).expect("delivered");
    };
    send(&aborted, 1, "never");
    aborted.abort_transaction(Duration::from_secs(10)).expect("aborted");
    publish(bench.name(Topic::LeadCreated), 2, &["c"]);
    let open = producer(Some(&format!("{}-open", bench.settings.group)));
    open.init_transactions(Duration::from_secs(10)).expect("initialised");
    open.begin_transaction().expect("begun");
    send(&open, 2, "later");
    publish(bench.name(Topic::LeadCreated), 2, &["behind the open one"]);

    let mut member = bench.joined("a");
    let parts: Vec<Part> = Topic::ALL
        .into_iter()
        .flat_map(|topic| (0..4).map(move |shard| Part { topic, shard }))
        .collect();
    member.until_all("end of all parts", |events| parts.iter().all(|part| reached(events, *part)));
    let given = member.events.iter().find_map(|event| match event {
        Event::Assigned(given) => Some(given.clone()),
        _ => None,
    });
    let ends: Vec<i64> = given.expect("assigned").iter().map(|one| one.end[0]).collect();
    assert_eq!(
        ends,
        [2, 2, 1, 0],
        "last stable offsets: behind a marker, before an open transaction"
    );
    assert_eq!(member.log.ends(&[leads(2), leads(0)]).expect("asked"), [1, 2]);
    assert_eq!(member.values(leads(0)), ["a", "b"]);
    assert_eq!(member.values(leads(1)), Vec::<String>::new());
    assert_eq!(member.values(leads(2)), ["c"]);

    open.commit_transaction(Duration::from_secs(10)).expect("committed");
    member.until_all("what was held back", |events| {
        events.iter().filter(|event| matches!(event, Event::Record(_))).count() == 5
    });
    assert_eq!(member.values(leads(2)), ["c", "later", "behind the open one"]);
}

#[test]
fn a_seek_delivers_again_and_says_the_end_again() {
    let bench = Bench::new("seek");
    publish(bench.name(Topic::LeadCreated), 3, &["0", "1", "2", "3"]);
    let mut member = bench.joined("a");
    member.until_all("the end", |events| reached(events, leads(3)));
    assert_eq!(member.values(leads(3)).len(), 4);
    member.events.clear();
    member.log.seek(&[(leads(3), 2)]).expect("sought");
    member.until_all("the end again", |events| reached(events, leads(3)));
    assert_eq!(member.values(leads(3)), ["2", "3"]);
    // At the end itself nothing comes but the end.
    member.events.clear();
    member.log.seek(&[(leads(3), 4)]).expect("sought");
    member.until_all("the end once more", |events| reached(events, leads(3)));
    assert_eq!(member.values(leads(3)), Vec::<String>::new());
}

#[test]
fn a_paused_part_says_nothing_and_loses_nothing() {
    let bench = Bench::new("pause");
    let mut member = bench.joined("a");
    member.until_all("the end", |events| reached(events, leads(0)) && reached(events, leads(1)));
    member.log.pause(leads(0)).expect("paused");
    member.events.clear();
    publish(bench.name(Topic::LeadCreated), 0, &["held", "back"]);
    publish(bench.name(Topic::LeadCreated), 1, &["through"]);
    member.until_all("the other part", |events| {
        events.iter().any(|event| matches!(event, Event::Record(_)))
    });
    (0..5).for_each(|_| member.poll(50));
    assert_eq!(member.values(leads(1)), ["through"]);
    assert_eq!(member.values(leads(0)), Vec::<String>::new());
    member.log.resume(leads(0)).expect("resumed");
    member.until_all("what was held", |events| {
        events.iter().filter(|event| matches!(event, Event::Record(_))).count() == 3
    });
    assert_eq!(member.values(leads(0)), ["held", "back"]);
}

#[test]
fn offsets_by_time_and_everything_of_a_record_arrives() {
    let bench = Bench::new("times");
    let topic = bench.name(Topic::TerritoryChanged);
    let plain = producer(None);
    for (at, value) in [(1_700_000_000_000_i64, "old"), (1_750_000_000_000, "new")] {
        let headers = rdkafka::message::OwnedHeaders::new()
            .insert(rdkafka::message::Header { key: "h", value: Some("v") })
            .insert(rdkafka::message::Header { key: "n", value: None::<&str> });
        let record = BaseRecord::to(topic).partition(1).key("acme").payload(value);
        let record = record.timestamp(at).headers(headers);
        plain.send(record).map_err(|(error, _)| error).expect("sent");
    }
    plain.flush(Duration::from_secs(10)).expect("delivered");
    let part = Part { topic: Topic::TerritoryChanged, shard: 1 };
    let mut member = bench.joined("a");
    let mut at = |ms| member.log.offsets_at(&[part, leads(1)], Timestamp(ms)).expect("asked");
    assert_eq!(at(0), [0, 0]);
    assert_eq!(at(1_700_000_000_001), [1, 0]);
    assert_eq!(at(1_760_000_000_000), [2, 0], "the end where no record is so late");
    member.until_all("both", |events| {
        events.iter().filter(|event| matches!(event, Event::Record(_))).count() == 2
    });
    let first = member.events.iter().find_map(|event| match event {
        Event::Record(record) => Some(record.clone()),
        _ => None,
    });
    let first = first.expect("a record");
    assert_eq!((first.part, first.offset, first.timestamp.0), (part, 0, 1_700_000_000_000));
    assert_eq!(first.key.as_deref(), Some(b"acme".as_slice()));
    let headers = [("h".to_owned(), Some(b"v".to_vec())), ("n".to_owned(), None)];
    assert_eq!(first.headers, headers);
}

#[test]
fn without_the_fast_topic_its_parts_are_at_their_end() {
    let bench = Bench::new("fast");
    let mut names = Topic::ALL.map(|topic| Some(bench.name(topic).to_owned()));
    names[Topic::LeadCreatedFast.index()] = None;
    let layout = lead_router::kafka::topics::Layout::new(names, 4);
    let mut member = bench.member_with("a", layout);
    let fast = Part { topic: Topic::LeadCreatedFast, shard: 2 };
    member.until_all("its end", |events| reached(events, fast));
    assert_eq!(member.log.ends(&[fast, leads(2)]).expect("asked"), [0, 0]);
    member.log.begin().expect("begun");
    let offsets = [(leads(2), 0, "batch 1".to_owned()), (fast, 0, String::new())];
    member.log.send_offsets(&offsets).expect("offsets");
    member.log.commit().expect("committed");
    assert_eq!(member.log.committed(2).expect("asked").offsets[fast.topic.index()], Some(0));
}
