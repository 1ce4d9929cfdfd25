//! The ladder: each step once, on time, and ended by what ends it.

use super::world::{START, World};
use crate::domain::input::{ActivityKind, UpdateKind};
use crate::domain::time::Span;

fn steps(world: &World, lead: &str) -> Vec<(u32, u32, i64, String)> {
    let of_lead = world.breached.iter().filter(|event| event.lead_id.as_str() == lead);
    of_lead
        .map(|event| {
            let after = event.fired_at.since(START).0 / 1_000;
            (event.assignment_no, event.step, after, event.notify.join(","))
        })
        .collect()
}

#[test]
fn the_ladder_climbs_and_the_last_step_gives_the_lead_to_the_next_rep() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    world.advance(Span::from_secs(450));
    let expected = [
        (1, 1, 150, "ann".to_owned()),
        (1, 2, 300, "boss".to_owned()),
        (1, 3, 450, "ann,boss".to_owned()),
    ];
    assert_eq!(steps(&world, "L1"), expected);
    assert_eq!(world.last("L1"), "ASSIGNED bob sole_candidate SLA");
    assert!(world.breached.iter().all(|event| event.late_by_ms == 0));
}

#[test]
fn nobody_left_goes_to_the_managers_queue_and_is_tried_again() {
    let mut world = World::with_company();
    world.lead("L1", "NY");
    world.advance(Span::from_secs(450));
    assert_eq!(world.last("L1"), "QUEUED manager:boss no_rep_available SLA");
    world.rep("fay", super::world::rep(true));
    world.territory("east", super::world::territory(&["NY"], &["eve", "fay"]));
    assert_eq!(world.last("L1"), "ASSIGNED fay sole_candidate TERRITORY_CHANGED");
}

#[test]
fn the_hops_are_limited() {
    let mut world = World::with_company();
    for id in ["c", "d", "e"] {
        world.rep(id, super::world::rep(true));
    }
    world.territory("west", super::world::territory(&["CA"], &["ann", "bob", "c", "d", "e"]));
    world.lead("L1", "CA");
    world.advance(Span::from_secs(4 * 450));
    assert_eq!(world.last("L1"), "QUEUED manager:boss max_hops SLA");
    world.rep("f", super::world::rep(true));
    assert_eq!(world.assigned.len(), 5, "one, three hops, the queue; not retried");
}

#[test]
fn a_touch_by_the_owner_ends_it_and_one_by_another_does_not() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    world.lead("L2", "CA");
    world.advance(Span::from_secs(100));
    world.act("L1", ActivityKind::Call);
    world.advance(Span::from_secs(1_000));
    assert!(steps(&world, "L1").is_empty());
    assert_eq!(steps(&world, "L2").len(), 6, "three steps by bob, three by ann");
}

#[test]
fn conversion_and_deletion_cancel_it() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    world.lead("L2", "CA");
    world.update("L1", UpdateKind::Converted, |_| {});
    world.update("L2", UpdateKind::Deleted, |_| {});
    world.advance(Span::from_secs(1_000));
    assert!(world.breached.is_empty());
    assert_eq!(world.last("L1"), "ASSIGNED ann rotation CREATED", "a conversion says nothing");
    assert_eq!(world.last("L2"), "RELEASED  deleted UPDATED");
}

#[test]
fn a_hold_stops_the_clock() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    world.advance(Span::from_secs(100));
    world.act("L1", ActivityKind::OnHold);
    world.advance(Span::from_secs(1_000));
    assert!(world.breached.is_empty());
    world.act("L1", ActivityKind::Resumed);
    world.advance(Span::from_secs(50));
    assert_eq!(steps(&world, "L1"), [(1, 1, 1_150, "ann".to_owned())]);
}

#[test]
fn a_declined_lead_goes_on_without_using_up_a_hop() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    world.act("L1", ActivityKind::Declined);
    assert_eq!(world.last("L1"), "ASSIGNED bob sole_candidate DECLINED");
}

#[test]
fn a_locked_lead_is_escalated_instead_of_reassigned() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    world.update("L1", UpdateKind::Locked, |_| {});
    world.advance(Span::from_secs(450));
    let actions: Vec<_> = world.breached.iter().map(|event| event.action).collect();
    use crate::domain::policy::SlaAction::{Escalate, Remind};
    assert_eq!(actions, [Remind, Escalate, Escalate]);
    assert_eq!(world.owner("L1"), "ann");
}

#[test]
fn an_absence_moves_all_leads_of_a_rep_however_many_at_one_instant() {
    use crate::domain::input::Away;
    use crate::domain::timer::TimerKind;
    let mut world = World::with_company();
    for number in 0..1_000 {
        world.lead(&format!("L{number}"), "NY");
    }
    let mut eve = super::world::rep(true);
    eve.away = vec![Away { from_at: START, to_at: START + Span::from_secs(3_600) }];
    world.rep("eve", eve);
    world.advance(Span::ZERO);
    let timers = world.timers().iter().filter(|(key, _)| key.kind == TimerKind::Sla);
    let due: Vec<i64> = timers.map(|(_, due_at)| due_at.since(START).0 / 1_000).collect();
    assert_eq!(due, vec![3_750; 1_000]);
    assert!(world.timers().keys().all(|key| key.kind != TimerKind::Sweep), "the walk is over");
}

#[test]
fn what_an_outage_left_overdue_fires_oldest_first_and_no_faster_than_the_policy_says() {
    let mut world = World::with_company();
    let mut policy = super::world::plain_policy();
    policy.sla.overdue_per_sec = 100;
    world.policy(policy);
    for number in 0..1_100 {
        world.lead(&format!("L{number}"), "NY");
        world.now = world.now + Span::from_millis(10);
    }
    // The router is away until the last reminder is 70 seconds late; no other step is due yet.
    world.now = START + Span::from_secs(11 + 150 + 70);
    world.advance(Span::ZERO);
    assert_eq!(world.breached.len(), 1_000, "at once");
    world.advance(Span::from_millis(500));
    assert_eq!(world.breached.len(), 1_050);
    world.lead("new", "CA");
    assert_eq!(world.last("new"), "ASSIGNED ann rotation CREATED");
    world.advance(Span::from_millis(500));
    let due: Vec<_> = world.breached.iter().map(|event| event.due_at).collect();
    let expected = (0..1_100).map(|number| START + Span::from_millis(150_000 + number * 10));
    assert_eq!(due, expected.collect::<Vec<_>>(), "each once, the oldest first");
    assert!(world.breached.iter().all(|event| event.late_by_ms >= 70_000));
}
