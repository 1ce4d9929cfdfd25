//! Where a lead goes: the stages in their order, and what brings a waiting lead out.

use super::world::{START, World, rep, territory};
use crate::domain::fact::Counter;
use crate::domain::ids::{QueueId, RepId};
use crate::domain::input::{ActivityKind, Away, Cap, CapWindow, EffectiveChange, UpdateKind};
use crate::domain::lead_fields::LeadChanges;
use crate::domain::time::Span;

#[test]
fn a_lead_goes_to_the_reps_of_its_territory_in_turn() {
    let mut world = World::with_company();
    for n in 0..4 {
        world.lead(&format!("L{n}"), "CA");
    }
    let owners: Vec<String> = (0..4).map(|n| world.owner(&format!("L{n}"))).collect();
    assert_eq!(owners, ["ann", "bob", "ann", "bob"]);
    let numbers: Vec<u64> = world.assigned.iter().map(|event| event.domain_seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn a_lead_that_no_territory_takes_waits_and_goes_once_one_does() {
    let mut world = World::with_company();
    world.lead("L1", "TX");
    assert_eq!(world.last("L1"), "QUEUED catch-all no_territory CREATED");
    world.territory("south", territory(&["TX"], &["eve"]));
    assert_eq!(world.last("L1"), "ASSIGNED eve sole_candidate TERRITORY_CHANGED");
}

#[test]
fn do_not_route_comes_before_everything_and_unsetting_it_routes() {
    let mut world = World::with_company();
    let mut fields = world.fields("CA");
    fields.do_not_route = true;
    world.lead_with("L1", fields);
    assert_eq!(world.last("L1"), "PARKED  do_not_route CREATED");
    world.update("L1", UpdateKind::DoNotRoute, |event| {
        let changes = LeadChanges { do_not_route: Some(false), ..LeadChanges::default() };
        event.changes = Some(Box::new(changes));
    });
    assert_eq!(world.last("L1"), "ASSIGNED ann rotation UPDATED");
    world.update("L1", UpdateKind::DoNotRoute, |_| {});
    assert_eq!(world.last("L1"), "RELEASED  do_not_route UPDATED");
}

#[test]
fn a_full_rep_is_passed_over_and_a_freed_place_is_taken() {
    let mut world = World::with_company();
    let mut eve = rep(true);
    eve.caps = vec![Cap { window: CapWindow::Open, limit: 1, pool: None }];
    world.rep("eve", eve);
    world.lead("L1", "NY");
    world.lead("L2", "NY");
    assert_eq!(world.last("L2"), "QUEUED catch-all capped CREATED");
    world.update("L1", UpdateKind::Converted, |_| {});
    assert_eq!(world.last("L2"), "ASSIGNED eve sole_candidate RETRY");
}

#[test]
fn an_hour_cap_rolls_and_a_waiting_lead_goes_the_moment_it_frees() {
    let mut world = World::with_company();
    let mut eve = rep(true);
    eve.caps = vec![Cap { window: CapWindow::Hour, limit: 1, pool: None }];
    world.rep("eve", eve);
    world.lead("L1", "NY");
    world.act("L1", ActivityKind::Accepted);
    world.advance(Span::from_secs(60));
    world.lead("L2", "NY");
    assert_eq!(world.last("L2"), "QUEUED catch-all capped CREATED");
    world.advance(Span::from_secs(3_539));
    assert_eq!(world.last("L2"), "QUEUED catch-all capped CREATED");
    world.advance(Span::from_secs(1));
    assert_eq!(world.last("L2"), "ASSIGNED eve sole_candidate RETRY");
    assert_eq!(
        world.assigned.last().map(|event| event.decided_at),
        Some(START + Span::from_secs(3_600))
    );
}

#[test]
fn the_end_of_an_absence_brings_waiting_leads_out() {
    let mut world = World::with_company();
    let mut eve = rep(true);
    let to_at = world.now + Span::from_secs(600);
    eve.away = vec![Away { from_at: world.now, to_at }];
    world.rep("eve", eve);
    world.lead("L1", "NY");
    assert_eq!(world.last("L1"), "QUEUED catch-all no_rep_available CREATED");
    world.advance(Span::from_secs(600));
    assert_eq!(world.last("L1"), "ASSIGNED eve sole_candidate RETRY");
}

#[test]
fn a_territory_that_moves_takes_its_untouched_leads_along() {
    let mut world = World::with_company();
    world.lead("L1", "WA");
    world.lead("L2", "WA");
    world.act("L2", ActivityKind::Call);
    let west = territory(&["CA"], &["ann", "bob"]);
    let east = territory(&["NY", "WA"], &["eve"]);
    world.territory_as("east", Some(east), None, EffectiveChange::UntouchedOpen);
    world.territory_as("west", Some(west), None, EffectiveChange::UntouchedOpen);
    assert_eq!(world.last("L1"), "ASSIGNED eve sole_candidate TERRITORY_CHANGED");
    assert_eq!(world.owner("L2"), "bob");
    assert!(world.counted.contains(&Counter::Moved));
}

#[test]
fn a_change_known_now_and_valid_later_switches_on_by_itself() {
    let mut world = World::with_company();
    world.lead("L1", "TX");
    let from = world.now + Span::from_days(2);
    let south = territory(&["TX"], &["eve"]);
    world.territory_as("south", Some(south), Some(from), EffectiveChange::NewOnly);
    assert_eq!(world.last("L1"), "QUEUED catch-all no_territory CREATED");
    world.advance(Span::from_days(2));
    assert_eq!(world.last("L1"), "ASSIGNED eve sole_candidate TERRITORY_CHANGED");
}

#[test]
fn a_rep_who_leaves_hands_over_every_untouched_lead() {
    let mut world = World::with_company();
    for n in 0..4 {
        world.lead(&format!("L{n}"), "CA");
    }
    world.rep("ann", rep(false));
    assert_eq!(world.last("L0"), "ASSIGNED bob sole_candidate REP_CHANGED");
    assert_eq!(world.last("L2"), "ASSIGNED bob sole_candidate REP_CHANGED");
    assert_eq!(world.assigned.len(), 6);
}

#[test]
fn a_person_s_choice_wins_and_our_own_echo_says_nothing() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    let to = |id: &'static str| {
        move |event: &mut crate::domain::input::LeadUpdated| {
            event.new_owner_id = Some(RepId::new(id));
        }
    };
    world.update("L1", UpdateKind::Owner, to("ann"));
    assert_eq!(world.assigned.len(), 1, "the echo of our own write");
    world.update("L1", UpdateKind::Owner, to("eve"));
    assert_eq!(world.last("L1"), "ASSIGNED eve manual MANUAL");
    let event = world.assigned.last().expect("a decision");
    assert_eq!(event.former_owner_id, Some(RepId::new("ann")));
    assert_eq!(event.sla.len(), 3, "its ladder runs in full");
    world.update("L1", UpdateKind::Owner, to("some-queue"));
    assert_eq!(world.last("L1"), "QUEUED some-queue manual_queue MANUAL");
    assert_eq!(
        world.assigned.last().and_then(|event| event.queue_id.clone()),
        Some(QueueId::new("some-queue"))
    );
}

#[test]
fn a_cycle_of_territories_is_refused_and_the_last_good_one_stays() {
    let mut world = World::with_company();
    let mut child = territory(&["CA"], &["ann"]);
    child.parent_id = Some(crate::domain::ids::TerritoryId::new("west"));
    world.territory("bay", child);
    let mut west = territory(&["CA", "WA"], &["ann", "bob"]);
    west.parent_id = Some(crate::domain::ids::TerritoryId::new("bay"));
    world.territory("west", west);
    assert_eq!(world.rejected, ["territory.cycle"]);
    world.lead("L1", "WA");
    assert_eq!(world.owner("L1"), "ann");
}

#[test]
fn a_repeat_has_no_effect() {
    let mut world = World::with_company();
    world.lead("L1", "CA");
    let before = world.assigned.len();
    world.feed(crate::domain::input::Input::LeadCreated(Box::new(
        crate::domain::input::LeadCreated {
            event_id: crate::domain::ids::EventId::new("event-8"),
            lead_id: crate::domain::ids::LeadId::new("L1"),
            fields: world.fields("NY").into(),
            fast: false,
        },
    )));
    assert_eq!((world.assigned.len(), world.counted.last()), (before, Some(&Counter::Repeat)));
}

#[test]
fn of_many_changes_at_once_only_the_first_looks_at_leads() {
    use crate::domain::entity::{Entity, Kind};
    let mut world = World::with_company();
    for number in 0..1_000 {
        world.lead(&format!("L{number:03}"), "NY");
    }
    let cursor = |world: &World| {
        let domain = world.state.domains().next().expect("the domain");
        let Some(Entity::Sweep(sweep)) = domain.table(Kind::Sweep).values().next() else {
            panic!("no walk");
        };
        sweep.cursor.as_ref().map(|(_, lead)| lead.as_str().to_owned())
    };
    for name in ["one", "two", "three"] {
        let south = territory(&["TX"], &["eve"]);
        world.territory_as(name, Some(south), None, EffectiveChange::AllOpen);
        assert_eq!(cursor(&world).as_deref(), Some("L255"));
    }
    // Nobody came to the walk's timer: the next change takes it on.
    world.now = world.now + Span::from_millis(20);
    let south = territory(&["TX"], &["eve"]);
    world.territory_as("four", Some(south), None, EffectiveChange::AllOpen);
    assert_eq!(cursor(&world).as_deref(), Some("L511"));
}
