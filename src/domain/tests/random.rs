//! Random histories: undo is exact, restore is exact, nothing is lost, caps and rotation hold.

use proptest::prelude::*;

use super::world::{World, plain_policy, rep, territory};
use crate::domain::entity::{Entity, Phase};
use crate::domain::input::{ActivityKind, Cap, CapWindow, EffectiveChange, UpdateKind};
use crate::domain::time::Span;

#[derive(Clone, Debug)]
enum Action {
    Lead(u8, u8),
    Touch(u8),
    Decline(u8),
    Hold(u8, bool),
    Convert(u8),
    Delete(u8),
    Lock(u8, bool),
    Rep { who: u8, active: bool, paused: bool, cap: u8 },
    Territory { which: u8, states: u8, mode: u8 },
    Wait(u16),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..12_u8, 0..4_u8).prop_map(|(lead, state)| Action::Lead(lead, state)),
        1 => (0..12_u8).prop_map(Action::Touch),
        1 => (0..12_u8).prop_map(Action::Decline),
        1 => (0..12_u8, any::<bool>()).prop_map(|(lead, on)| Action::Hold(lead, on)),
        1 => (0..12_u8).prop_map(Action::Convert),
        1 => (0..12_u8).prop_map(Action::Delete),
        1 => (0..12_u8, any::<bool>()).prop_map(|(lead, on)| Action::Lock(lead, on)),
        2 => (0..4_u8, any::<bool>(), any::<bool>(), 0..4_u8)
            .prop_map(|(who, active, paused, cap)| Action::Rep { who, active, paused, cap }),
        2 => (0..2_u8, 0..16_u8, 0..3_u8)
            .prop_map(|(which, states, mode)| Action::Territory { which, states, mode }),
        3 => (0..1_000_u16).prop_map(Action::Wait),
    ]
}

const STATES: [&str; 4] = ["CA", "WA", "NY", "TX"];
const REPS: [&str; 4] = ["ann", "bob", "eve", "joe"];

fn play(world: &mut World, action: &Action) {
    let lead = |n: &u8| format!("L{n}");
    match action {
        Action::Lead(n, state) => world.lead(&lead(n), STATES[*state as usize]),
        Action::Touch(n) => world.act(&lead(n), ActivityKind::Call),
        Action::Decline(n) => world.act(&lead(n), ActivityKind::Declined),
        Action::Hold(n, true) => world.act(&lead(n), ActivityKind::OnHold),
        Action::Hold(n, false) => world.act(&lead(n), ActivityKind::Resumed),
        Action::Convert(n) => world.update(&lead(n), UpdateKind::Converted, |_| {}),
        Action::Delete(n) => world.update(&lead(n), UpdateKind::Deleted, |_| {}),
        Action::Lock(n, true) => world.update(&lead(n), UpdateKind::Locked, |_| {}),
        Action::Lock(n, false) => world.update(&lead(n), UpdateKind::Unlocked, |_| {}),
        Action::Rep { who, active, paused, cap } => {
            let mut definition = rep(*active);
            definition.paused = *paused;
            if *cap > 0 {
                let limit = u32::from(*cap);
                definition.caps = vec![Cap { window: CapWindow::Open, limit, pool: None }];
            }
            world.rep(REPS[*who as usize], definition);
        }
        Action::Territory { which, states, mode } => {
            let taken: Vec<&str> =
                (0..4).filter(|n| states >> n & 1 == 1).map(|n| STATES[n]).collect();
            let mode = [
                EffectiveChange::NewOnly,
                EffectiveChange::UntouchedOpen,
                EffectiveChange::AllOpen,
            ][*mode as usize];
            let (id, members) = [("west", &REPS[..2]), ("east", &REPS[2..])][*which as usize];
            let definition = (!taken.is_empty()).then(|| territory(&taken, members));
            world.territory_as(id, definition, None, mode);
        }
        Action::Wait(secs) => world.advance(Span::from_secs(i64::from(*secs))),
    }
}

fn start() -> World {
    let mut world = World::with_company();
    world.rep("joe", rep(true));
    world.policy(plain_policy());
    world.state.commit();
    world
}

/// Open caps hold at every step; every lead that came has an outcome; chains have no gaps.
fn check(world: &World) {
    let domain = world.state.domains().next().expect("the domain");
    for (_, entity) in world.state.entities() {
        if let Entity::Lead(lead) = entity {
            assert_ne!(lead.phase, Phase::New, "a lead without an outcome");
            assert!(lead.assignment_no > 0, "a lead that nobody heard of");
        }
    }
    let mut numbers = std::collections::BTreeMap::new();
    for (at, event) in world.assigned.iter().enumerate() {
        let last = numbers.entry(event.lead_id.clone()).or_insert(0);
        assert_eq!(event.assignment_no, *last + 1, "assignment numbers of {}", event.lead_id);
        assert_eq!(event.domain_seq, at as u64 + 1);
        *last += 1;
    }
    for rep in REPS {
        let id = crate::domain::ids::RepId::new(rep);
        let open = domain.index.open(&id);
        assert_eq!(open, domain.index.leads_of(&id, None).count());
    }
}

/// An assignment by choice never takes a rep over the open cap that held at that moment.
fn caps_hold(world: &World, before: usize, open_before: &dyn Fn(&str) -> usize) {
    for event in world.assigned.iter().skip(before) {
        let Some(rep) = event.rep_id.as_ref().map(|rep| rep.as_str()) else { continue };
        let key = crate::domain::entity::EntityKey::new(
            &event.domain,
            crate::domain::entity::Kind::Rep,
            rep,
        );
        let Some(Entity::Rep(entity)) = world.state.get(&key) else { continue };
        let caps = entity.definition.iter().flat_map(|rep| &rep.caps);
        let limit = caps.map(|cap| cap.limit).min();
        let domain = world.state.domain(&event.domain).expect("the domain");
        let open = domain.index.open(&crate::domain::ids::RepId::new(rep));
        if let Some(limit) = limit {
            assert!(open <= (limit as usize).max(open_before(rep)), "{rep} has {open} of {limit}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn undo_restores_every_entity_and_timer(
        first in prop::collection::vec(action(), 1..40),
        second in prop::collection::vec(action(), 1..20),
    ) {
        let mut world = start();
        for action in &first {
            play(&mut world, action);
        }
        world.state.commit();
        let (entities, timers) = (world.state.entities(), world.timers().clone());
        let now = world.now;
        for action in &second {
            play(&mut world, action);
        }
        world.state.rollback();
        world.take_moves();
        prop_assert_eq!(world.state.entities(), entities);
        // Timers that fired were taken out by hand: the state armed them again or they are the same.
        prop_assert!(world.timers().len() >= timers.len() || world.now > now);
        for (key, due_at) in world.timers() {
            prop_assert_eq!(timers.get(key), Some(due_at));
        }
    }

    #[test]
    fn a_restored_state_has_the_same_entities_and_timers(
        actions in prop::collection::vec(action(), 1..60),
    ) {
        let mut world = start();
        for action in &actions {
            play(&mut world, action);
        }
        let mut restored = World::default();
        for (key, entity) in world.state.entities() {
            restored.state.load(key, entity);
        }
        restored.take_moves();
        prop_assert_eq!(restored.state.entities(), world.state.entities());
        prop_assert_eq!(restored.timers(), world.timers());
    }

    #[test]
    fn no_lead_is_lost_and_no_open_cap_is_passed(
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let mut world = start();
        for action in &actions {
            let before = world.assigned.len();
            let domain = world.state.domains().next().expect("the domain");
            let open: Vec<usize> = REPS
                .iter()
                .map(|rep| domain.index.open(&crate::domain::ids::RepId::new(rep)))
                .collect();
            play(&mut world, action);
            caps_hold(&world, before, &|rep| {
                REPS.iter().position(|one| *one == rep).map_or(0, |at| open[at])
            });
            check(&world);
        }
    }
}

/// How many random histories; LEAD_ROUTER_CASES asks for more.
fn cases() -> u32 {
    std::env::var("LEAD_ROUTER_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}
