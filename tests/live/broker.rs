//! The broker goes and comes back.

use std::process::Command;
use std::time::{Duration, Instant};

use lead_router::domain::input::Topic;
use lead_router::domain::time::Span;
use lead_router::engine::ports::{Event, Failure, Log, OutTopic};

use super::support::{Bench, leads, outgoing, publish};

/// Does something to the broker, where that is allowed; false = it is not ours.
fn broker(verb: &str) -> bool {
    let Ok(control) = std::env::var("KAFKA_CONTROL") else {
        eprintln!("left out: KAFKA_CONTROL does not say how to {verb} the broker");
        return false;
    };
    let done = Command::new(control).arg(verb).output().expect("the control script");
    assert!(done.status.success(), "{verb}: {}", String::from_utf8_lossy(&done.stderr));
    true
}

#[test]
fn a_broker_that_is_killed_inside_a_transaction_leaves_nothing_half_done() {
    let bench = Bench::new("killed");
    // What is committed must be there: an offset beyond the end would be refused at the next assignment.
    publish(bench.name(Topic::LeadCreated), 0, &["0", "1"]);
    let mut member = bench.joined("a");
    member.transact(0, "before", 1, "batch 1");
    // Commit answers before the broker has written its markers; this is about the transaction that follows.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !matches!(member.log.committed(0), Ok(stable) if stable.metadata == "batch 1")
        || bench.reader(&bench.settings.topics.lead_assigned, "read_committed").is_empty()
    {
        assert!(Instant::now() < deadline, "the first batch was not completed");
        member.poll(10);
    }
    member.log.begin().expect("begun");
    member.log.send(outgoing(OutTopic::LeadAssigned, 0, "during")).expect("sent");
    if !broker("kill-restart") {
        return;
    }
    let end = member
        .log
        .send_offsets(&[(leads(0), 2, "batch 2".to_owned())])
        .and_then(|()| member.log.commit());
    // Whichever way it went, offsets and records agree, and the worker gets on.
    let deadline = Instant::now() + Duration::from_secs(60);
    let unknown = match end {
        Ok(()) => false,
        // The broker may have aborted it itself meanwhile: then nobody knows.
        Err(Failure::Abort(_)) => member.log.abort().is_err(),
        Err(_) => true,
    };
    while unknown && member.log.recreate().is_err() {
        assert!(Instant::now() < deadline, "no producer after the restart");
    }
    while !member.log.owns(&[0]) {
        assert!(Instant::now() < deadline);
        member.log.poll(Span::from_millis(100), &mut member.events).expect("polled");
    }
    let committed = loop {
        match member.log.committed(0) {
            Ok(committed) => break committed.metadata,
            Err(_) => assert!(Instant::now() < deadline),
        }
    };
    let values = || -> Vec<String> {
        let found = bench.reader(&bench.settings.topics.lead_assigned, "read_committed");
        found.into_iter().map(|(_, value, _)| value).collect()
    };
    match committed.as_str() {
        "batch 1" => assert_eq!(values(), ["before"]),
        "batch 2" => assert_eq!(values(), ["before", "during"]),
        other => panic!("{other}"),
    }
    publish(bench.name(Topic::LeadCreated), 0, &["after"]);
    member.events.retain(|event| !matches!(event, Event::Record(_)));
    member.until("a record after the restart", |event| matches!(event, Event::Record(_)));
    // Said when the trouble began, and when it was over: that is asked once a second, a record may be first.
    while member.events.iter().filter(|event| **event == Event::Unsure).count() < 2 {
        assert!(Instant::now() < deadline, "nobody said that the trouble was over");
        member.poll(10);
    }
    member.transact(0, "after", 3, "batch 3");
}
