//! A restore reads what committed, all of it, and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lead_router::engine::ports::{Event, Failure, Log, OutTopic};
use rdkafka::producer::{BaseRecord, Producer};

use super::support::{Bench, Member, leads, outgoing, producer};

fn image(member: &mut Member, shard: i32, key: &str, value: Option<&str>) {
    let mut record = outgoing(OutTopic::State, shard, key);
    record.value = value.map(|value| value.as_bytes().to_vec());
    member.log.send(record).expect("sent");
}

fn restored(member: &mut Member, shard: i32) -> (BTreeMap<String, String>, i64) {
    let mut state = BTreeMap::new();
    let end = member.log.restore(shard, &mut |key, value| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match value {
            Some(value) => state.insert(text(key), text(value)),
            None => state.remove(&text(key)),
        };
    });
    (state, end.expect("restored"))
}

#[test]
fn committed_images_come_back_and_aborted_ones_do_not() {
    let bench = Bench::new("images");
    let mut member = bench.joined("a");
    assert_eq!(restored(&mut member, 1), (BTreeMap::new(), 0));
    for (batch, aborted) in [(1, false), (2, true), (3, false)] {
        member.log.begin().expect("begun");
        image(&mut member, 1, "kept", Some(&batch.to_string()));
        image(&mut member, 1, "gone", Some("x").filter(|_| batch == 1));
        image(&mut member, 1, &format!("of {batch}"), Some("y"));
        image(&mut member, 2, "another shard", Some("z"));
        member.log.send_offsets(&[(leads(1), batch, format!("batch {batch}"))]).expect("offsets");
        // What has not left the process yet an abort would only throw away.
        let written = 4 * batch - 1;
        let deadline = Instant::now() + Duration::from_secs(10);
        while aborted && member.log.state_end(1).expect("asked") < written {
            assert!(Instant::now() < deadline, "the images were not written");
        }
        if aborted { member.log.abort() } else { member.log.commit() }.expect("ended");
    }
    let (state, end) = restored(&mut member, 1);
    let expected = [("kept", "3"), ("of 1", "y"), ("of 3", "y")];
    assert_eq!(state, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!(end, member.log.state_end(1).expect("asked"));
    assert_eq!(end, 3 * 3 + 3, "three images and a marker a transaction");
    member.transact(1, "and on", 4, "batch 4");
}

#[test]
fn an_open_transaction_is_waited_for_while_the_group_stays_polled() {
    let bench = Bench::new("open");
    let mut member = bench.joined("a");
    let other = producer(Some(&format!("{}-other", bench.settings.group)));
    other.init_transactions(Duration::from_secs(10)).expect("initialised");
    other.begin_transaction().expect("begun");
    let state = bench.settings.topics.state.clone();
    let record = BaseRecord::to(&state).partition(0).key("late").payload("committed");
    other.send(record).map_err(|(error, _)| error).expect("sent");
    other.flush(Duration::from_secs(10)).expect("delivered");
    // Longer than max.poll.interval.ms: a group that is not polled would put us out.
    let open_for = Duration::from_secs(10);
    let committing = std::thread::spawn(move || {
        std::thread::sleep(open_for);
        other.commit_transaction(Duration::from_secs(10)).expect("committed");
    });
    let began = Instant::now();
    let (state, _) = restored(&mut member, 0);
    assert!(began.elapsed() >= open_for, "{:?}", began.elapsed());
    assert_eq!(state, [("late".to_owned(), "committed".to_owned())].into());
    committing.join().expect("committed");
    member.poll(100);
    assert!(
        !member.events.iter().any(|event| matches!(event, Event::Revoked(_))),
        "still a member"
    );
    member.transact(0, "and on", 1, "batch 1");
}

#[test]
fn a_restore_ends_when_the_process_is_to_stop() {
    let bench = Bench::new("stop");
    let mut member = bench.joined("a");
    let other = producer(Some(&format!("{}-other", bench.settings.group)));
    other.init_transactions(Duration::from_secs(10)).expect("initialised");
    other.begin_transaction().expect("begun");
    let state = bench.settings.topics.state.clone();
    let record = BaseRecord::to(&state).partition(0).key("never").payload("committed");
    other.send(record).map_err(|(error, _)| error).expect("sent");
    other.flush(Duration::from_secs(10)).expect("delivered");
    let stop = member.stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
    });
    let began = Instant::now();
    let end = member.log.restore(0, &mut |_, _| {});
    assert!(matches!(end, Err(Failure::Abort(_))), "{end:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Instant::now();
    member.log.leave().expect("left");
    assert!(began.elapsed() < Duration::from_secs(5), "closing took {:?}", began.elapsed());
}
