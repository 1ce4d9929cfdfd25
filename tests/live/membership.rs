//! Who has which shard: joining, losing, coming back, being overtaken.

use std::time::{Duration, Instant};

use lead_router::domain::input::Topic;
use lead_router::domain::time::Span;
use lead_router::engine::ports::{Event, Failure, Log, OutTopic};
use lead_router::kafka::topics::Layout;

use super::support::{Bench, Member, leads, outgoing, publish};

fn until_split(a: &mut Member, b: &mut Member) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        a.poll(20);
        b.poll(20);
        let mut both = [a.shards(), b.shards()].concat();
        both.sort_unstable();
        if both == [0, 1, 2, 3] && a.shards().len() == 2 {
            return;
        }
        assert!(Instant::now() < deadline, "{:?} and {:?}", a.shards(), b.shards());
    }
}

#[test]
fn two_members_share_the_shards_and_go_on_where_the_other_was() {
    let bench = Bench::new("two");
    let topic = bench.name(Topic::LeadCreated);
    for shard in 0..4 {
        publish(topic, shard, &["0", "1", "2"]);
    }
    let mut a = bench.joined("a");
    assert_eq!(a.shards(), [0, 1, 2, 3]);
    a.until_all("all records", |events| {
        events.iter().filter(|event| matches!(event, Event::Record(_))).count() == 12
    });
    for shard in 0..4 {
        a.transact(shard, "out", 2, "batch 1");
    }

    let mut b = bench.member("b");
    until_split(&mut a, &mut b);
    let revoked = a.events.iter().any(|event| *event == Event::Revoked(vec![0, 1, 2, 3]));
    assert!(revoked, "eager: all go, then some come back");
    // Everybody delivers from the committed offset: the record at 2 comes again, 0 and 1 do not.
    for member in [&mut a, &mut b] {
        member.until_all("the uncommitted records", |events| {
            let from = events.iter().rposition(|event| matches!(event, Event::Assigned(_)));
            let since = &events[from.unwrap_or(0)..];
            since.iter().filter(|event| matches!(event, Event::Record(_))).count() == 2
        });
    }
    let starts = b.events.iter().find_map(|event| match event {
        Event::Assigned(given) => Some(given.iter().map(|one| one.start[0]).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(starts, Some(vec![2, 2]));
    for shard in b.shards() {
        assert_eq!(b.values(leads(shard)), ["2"]);
        assert!(!a.log.owns(&[shard]) && b.log.owns(&[shard]));
    }
    // The old owner cannot commit for what is gone, and can for what is left.
    let (kept, lost) = (a.shards()[0], b.shards()[0]);
    a.log.begin().expect("begun");
    let failure = a.log.send_offsets(&[(leads(lost), 3, "batch 2".to_owned())]);
    assert!(matches!(failure, Err(Failure::Abort(_))), "{failure:?}");
    a.log.abort().expect("aborted");
    a.transact(kept, "out", 3, "batch 2");
}

#[test]
fn a_restart_of_the_same_instance_keeps_its_shards_without_a_rebalance() {
    let bench = Bench::new("static");
    let mut a = bench.member("a");
    let mut b = bench.member("b");
    until_split(&mut a, &mut b);
    let had = b.shards();
    b.log.leave().expect("left");
    let began = Instant::now();
    let mut again = bench.member("b");
    let seen = a.events.len();
    again.until("its shards", |event| matches!(event, Event::Assigned(_)));
    assert_eq!(again.shards(), had);
    a.poll(100);
    let disturbed = a.events[seen..].iter().any(|event| matches!(event, Event::Revoked(_)));
    assert!(!disturbed, "the other member notices nothing");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn an_instance_that_is_started_twice_ends_the_first_and_says_why() {
    let bench = Bench::new("twice");
    let mut first = bench.joined("a");
    let mut second = bench.member("a");
    second.until("its shards", |event| matches!(event, Event::Assigned(_)));
    let deadline = Instant::now() + Duration::from_secs(30);
    let why = loop {
        second.poll(10);
        match first.log.poll(Span::from_millis(50), &mut first.events) {
            Ok(()) => assert!(Instant::now() < deadline, "the first was not ended"),
            Err(Failure::Fatal(why)) => break why,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(why.contains("fenced") && why.contains("LEAD_ROUTER__INSTANCE"), "{why}");
    second.transact(0, "out", 1, "batch 1");
}

#[test]
fn a_zombie_that_slept_through_its_session_cannot_commit() {
    let bench = Bench::new("zombie");
    let mut zombie = bench.joined("a");
    zombie.log.begin().expect("begun");
    zombie.log.send(outgoing(OutTopic::LeadAssigned, 0, "zombie")).expect("sent");
    // It does not poll for longer than max.poll.interval: the group goes on without it.
    let mut heir = bench.member("b");
    let began = Instant::now();
    heir.until_all("all shards", |events| {
        let last = events.iter().rev().find_map(|event| match event {
            Event::Assigned(given) => Some(given.len()),
            Event::Revoked(_) => Some(0),
            _ => None,
        });
        last == Some(4) || began.elapsed() > Duration::from_secs(25)
    });
    assert_eq!(heir.shards(), [0, 1, 2, 3]);
    heir.transact(0, "heir", 1, "batch 1");
    let end = zombie
        .log
        .send_offsets(&[(leads(0), 1, "batch 1".to_owned())])
        .and_then(|()| zombie.log.commit());
    assert!(matches!(end, Err(Failure::Abort(_) | Failure::Unknown(_))), "{end:?}");
    let found = bench.reader(&bench.settings.topics.lead_assigned, "read_committed");
    let values: Vec<String> = found.into_iter().map(|(_, value, _)| value).collect();
    assert_eq!(values, ["heir"]);
}

#[test]
fn topics_with_different_numbers_of_partitions_stop_the_worker() {
    let bench = Bench::new("torn");
    let name = format!("{}-narrow", bench.settings.group);
    super::topics::create(&name, 3, &[]);
    let mut names = Topic::ALL.map(|topic| Some(bench.name(topic).to_owned()));
    names[Topic::RepChanged.index()] = Some(name.clone());
    let mut member = bench.member_with("a", Layout::new(names, 4));
    let deadline = Instant::now() + Duration::from_secs(20);
    let why = loop {
        match member.log.poll(Span::from_millis(100), &mut member.events) {
            Ok(()) => assert!(Instant::now() < deadline, "it went on"),
            Err(Failure::Fatal(why)) => break why,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(why.starts_with(&format!("partition 3 of {name} was not assigned together")), "{why}");
    assert!(why.contains("lead-router topics plan"), "{why}");
}

#[test]
fn a_topic_that_grows_while_running_is_named_and_no_other() {
    let bench = Bench::new("grown");
    let name = bench.name(Topic::LeadCreated);
    let mut member = bench.joined("a");
    super::topics::grow(name, 5);
    let deadline = Instant::now() + Duration::from_secs(60);
    let why = loop {
        match member.log.poll(Span::from_millis(100), &mut member.events) {
            Ok(()) => assert!(Instant::now() < deadline, "it went on"),
            Err(Failure::Fatal(why)) => break why,
            Err(other) => panic!("{other}"),
        }
    };
    let start = format!("{name} has 5 partitions now, all topics in had 4 at the start");
    assert!(why.starts_with(&start) && why.contains("RUNBOOK"), "{why}");
}
