//! The order of inputs: first start, catching up, caught up, record clock.

use super::*;
use crate::engine::ports::Part;

fn record(topic: Topic, offset: i64, timestamp: i64) -> Record {
    Record {
        part: Part { topic, shard: 0 },
        offset,
        timestamp: Timestamp(timestamp),
        key: Some(b"acme".to_vec()),
        value: None,
        headers: Vec::new(),
    }
}

fn merge(order: Order, first_start: bool, ends: &[(Topic, i64)]) -> Merge {
    let mut end = [0; 9];
    for (topic, at) in ends {
        end[topic.index()] = *at;
    }
    Merge::new(order, first_start, [-1; 9], end, Timestamp(0))
}

/// Takes what may go until nothing may; timers fire once.
fn drain(merge: &mut Merge, now: i64, mut due: Option<Timestamp>) -> Vec<String> {
    let mut taken = Vec::new();
    loop {
        match merge.next(Timestamp(now), due) {
            Next::Record(topic) => {
                let (record, _) = merge.take(topic).expect("a head");
                taken.push(format!("{}@{}", topic.name(), record.timestamp.0));
            }
            Next::Timer => {
                taken.push("timer".to_owned());
                due = None;
            }
            Next::Doubt => {
                taken.push("doubt".to_owned());
                return taken;
            }
            Next::Recheck => {
                taken.push("recheck".to_owned());
                return taken;
            }
            Next::Nothing => return taken,
        }
    }
}

#[test]
fn a_first_start_reads_the_reference_topics_to_their_end_before_the_first_lead() {
    let ends = [(Topic::LeadCreated, 1), (Topic::RepChanged, 2), (Topic::TerritoryChanged, 1)];
    let mut merge = merge(Order::Wall, true, &ends);
    merge.push(record(Topic::LeadCreated, 0, 1));
    merge.push(record(Topic::RepChanged, 0, 5));
    assert_eq!(drain(&mut merge, 100, None), [] as [&str; 0], "the territories are not there yet");
    merge.push(record(Topic::TerritoryChanged, 0, 5));
    assert_eq!(drain(&mut merge, 100, None), ["territory-changed@5", "rep-changed@5"]);
    merge.push(record(Topic::RepChanged, 1, 9));
    assert_eq!(drain(&mut merge, 100, None), ["rep-changed@9", "lead-created@1"]);
}

#[test]
fn catching_up_goes_by_timestamp_and_an_empty_topic_holds() {
    let ends = [(Topic::LeadCreated, 3), (Topic::LeadActivity, 9)];
    let mut merge = merge(Order::Wall, false, &ends);
    for (offset, at) in [(0, 10), (1, 20), (2, 30)] {
        merge.push(record(Topic::LeadCreated, offset, at));
    }
    assert!(drain(&mut merge, 100, None).is_empty());
    merge.push(record(Topic::LeadActivity, 0, 20));
    assert_eq!(
        drain(&mut merge, 100, None),
        ["lead-created@10", "lead-created@20", "lead-activity@20"]
    );
    merge.reached(Topic::LeadActivity);
    assert_eq!(drain(&mut merge, 100, None), ["lead-created@30"]);
}

#[test]
fn ties_go_to_reference_topics_then_to_the_order_of_topics() {
    let ends = [(Topic::LeadCreated, 1), (Topic::LeadUpdated, 2), (Topic::RepChanged, 1)];
    let mut merge = merge(Order::Wall, false, &ends);
    merge.push(record(Topic::LeadUpdated, 0, 7));
    merge.push(record(Topic::LeadUpdated, 1, 8));
    merge.push(record(Topic::LeadCreated, 0, 7));
    merge.push(record(Topic::RepChanged, 0, 7));
    merge.lanes[Topic::LeadUpdated.index()].until = Some(3);
    assert_eq!(drain(&mut merge, 100, None)[..2], ["rep-changed@7", "lead-created@7"]);
}

#[test]
fn caught_up_goes_by_arrival() {
    let mut merge = merge(Order::Wall, false, &[]);
    merge.push(record(Topic::LeadActivity, 0, 50));
    merge.push(record(Topic::LeadCreated, 0, 40));
    assert_eq!(drain(&mut merge, 100, None), ["lead-activity@50", "lead-created@40"]);
}

#[test]
fn hot_leads_overtake_but_leave_every_tenth_turn() {
    let mut merge = merge(Order::Wall, false, &[]);
    for offset in 0..3 {
        merge.push(record(Topic::LeadCreated, offset, 1));
    }
    for offset in 0..20 {
        merge.push(record(Topic::LeadCreatedFast, offset, 2));
    }
    let taken = drain(&mut merge, 100, None);
    let fast: Vec<bool> = taken.iter().map(|name| name.starts_with("lead-created-fast")).collect();
    assert!(fast[..9].iter().all(|fast| *fast));
    assert!(!fast[9] && !fast[19]);
    assert_eq!(fast.iter().filter(|fast| **fast).count(), 20);
}

#[test]
fn a_due_timer_waits_for_records_as_old_as_its_deadline() {
    let mut merge = merge(Order::Wall, false, &[]);
    merge.push(record(Topic::LeadActivity, 0, 101));
    merge.push(record(Topic::LeadActivity, 1, 100));
    merge.push(record(Topic::LeadActivity, 2, 102));
    let taken = drain(&mut merge, 1_000, Some(Timestamp(100)));
    assert_eq!(taken, ["lead-activity@101", "lead-activity@100", "timer", "lead-activity@102"]);
    assert_eq!(drain(&mut merge, 99, Some(Timestamp(100))), [] as [&str; 0], "not due yet");
}

#[test]
fn in_a_storm_of_deadlines_every_other_turn_is_a_new_leads() {
    let mut merge = merge(Order::Wall, false, &[]);
    merge.push(record(Topic::LeadActivity, 0, 101));
    merge.push(record(Topic::LeadCreated, 0, 102));
    merge.push(record(Topic::LeadCreatedFast, 0, 103));
    merge.push(record(Topic::TerritoryChanged, 0, 104));
    merge.push(record(Topic::LeadCreated, 1, 105));
    let mut turns = Vec::new();
    for timers_left in (0..5).rev() {
        loop {
            let next = merge.next(Timestamp(1_000), Some(Timestamp(100)));
            let Next::Record(topic) = next else { break };
            turns.push(topic.name().to_owned());
            merge.take(topic);
        }
        turns.push(format!("timer {timers_left}"));
        merge.fired();
    }
    // No touch goes before a deadline that it came too late for, no lead before the territories that it
    // is decided by.
    let expected = [
        "timer 4",
        "lead-created-fast",
        "timer 3",
        "lead-created",
        "timer 2",
        "timer 1",
        "timer 0",
    ];
    assert_eq!(turns, expected);
}

#[test]
fn after_an_outage_too_new_leads_have_every_other_turn() {
    let mut merge = merge(Order::Wall, false, &[(Topic::LeadCreated, 3), (Topic::LeadActivity, 1)]);
    for (offset, at) in [(0, 150), (1, 160), (2, 170)] {
        merge.push(record(Topic::LeadCreated, offset, at));
    }
    merge.push(record(Topic::LeadActivity, 0, 140));
    assert!(!merge.caught_up());
    let mut turns = Vec::new();
    for _ in 0..8 {
        match merge.next(Timestamp(1_000), Some(Timestamp(100))) {
            Next::Record(topic) => {
                turns.push(topic.name());
                merge.take(topic);
            }
            _ => {
                turns.push("timer");
                merge.fired();
            }
        }
    }
    // The touch came too late for these deadlines: it waits for all of them.
    let lead = "lead-created";
    assert_eq!(turns, ["timer", lead, "timer", lead, "timer", lead, "timer", "timer"]);
}

#[test]
fn a_timer_found_late_brings_doubt_once() {
    let mut merge = merge(Order::Wall, false, &[]);
    assert_eq!(drain(&mut merge, 10_000, Some(Timestamp(7_000))), ["doubt"]);
    merge.doubt([3, 0, 0, 0, 0, 0, 0, 0, 0], Timestamp(10_000));
    assert!(drain(&mut merge, 10_000, Some(Timestamp(7_000))).is_empty(), "a lead is unread");
    merge.push(record(Topic::LeadCreated, 2, 6_000));
    let taken = drain(&mut merge, 10_000, Some(Timestamp(7_000)));
    assert_eq!(taken, ["lead-created@6000", "timer"]);
}

#[test]
fn a_timer_that_an_import_makes_late_does_not_put_hot_leads_behind_it() {
    let mut merge = merge(Order::Wall, false, &[]);
    for offset in 0..3 {
        merge.push(record(Topic::LeadCreated, offset, 3_000 + offset));
    }
    let due = Some(Timestamp(4_000));
    for awake in (0..7_000).step_by(1_000) {
        assert!(matches!(merge.next(Timestamp(awake), due), Next::Record(Topic::LeadCreated)));
    }
    assert_eq!(drain(&mut merge, 7_000, due), ["recheck"], "late, and nobody slept");
    let mut end = [0; 9];
    end[Topic::LeadCreated.index()] = 4;
    merge.recheck(end, Timestamp(7_000));
    merge.push(record(Topic::LeadCreatedFast, 0, 6_999));
    let taken = drain(&mut merge, 7_000, due);
    let expected = ["lead-created-fast@6999", "lead-created@3000", "lead-created@3001"];
    assert_eq!(taken[..3], expected, "the hot lead overtakes what was there before it");
    assert_eq!(taken[3..], ["lead-created@3002"], "and the timer waits for the lead still to come");
    merge.push(record(Topic::LeadCreated, 3, 4_000));
    assert_eq!(drain(&mut merge, 7_000, due), ["lead-created@4000", "timer"]);
}

#[test]
fn by_record_clock_a_timer_goes_between_the_records_and_never_without_one() {
    let mut merge = merge(Order::Record, true, &[(Topic::LeadCreated, 3)]);
    for (offset, at) in [(0, 10), (1, 20), (2, 21)] {
        merge.push(record(Topic::LeadCreated, offset, at));
    }
    let taken = drain(&mut merge, 0, Some(Timestamp(20)));
    assert_eq!(taken, ["lead-created@10", "lead-created@20", "timer", "lead-created@21"]);
    assert!(drain(&mut merge, 0, Some(Timestamp(15))).is_empty());
}

#[test]
fn a_full_lane_is_paused_and_holds_back_timers_until_its_end_is_seen() {
    let mut merge = merge(Order::Wall, false, &[]);
    let mut flow = Vec::new();
    for offset in 0..2_000 {
        flow.extend(merge.push(record(Topic::LeadCreated, offset, 10)));
    }
    assert_eq!(flow, [Flow::Pause]);
    let mut resumed = 0;
    while let Next::Record(topic) = merge.next(Timestamp(100), Some(Timestamp(50))) {
        resumed += i32::from(merge.take(topic).expect("a head").1 == Some(Flow::Resume));
    }
    assert_eq!((resumed, merge.waiting()), (1, 0));
    assert_eq!(merge.next(Timestamp(100), Some(Timestamp(50))), Next::Nothing);
    merge.reached(Topic::LeadCreated);
    assert_eq!(merge.next(Timestamp(100), Some(Timestamp(50))), Next::Timer);
}

#[test]
fn a_rewound_lane_holds_the_merge_until_all_has_come_again() {
    let mut merge = merge(Order::Wall, false, &[]);
    merge.push(record(Topic::LeadCreated, 0, 10));
    merge.push(record(Topic::LeadCreated, 1, 11));
    merge.take(Topic::LeadCreated);
    merge.rewind(Topic::LeadCreated, 0);
    merge.push(record(Topic::RepChanged, 0, 12));
    assert!(drain(&mut merge, 100, None).is_empty());
    merge.push(record(Topic::LeadCreated, 0, 10));
    merge.push(record(Topic::LeadCreated, 1, 11));
    let taken = drain(&mut merge, 100, None);
    assert_eq!(taken, ["lead-created@10", "lead-created@11", "rep-changed@12"]);
}
