//! The bound of weighted rotation: for any two reps |nᵢ/wᵢ − nⱼ/wⱼ| ≤ max(1/wᵢ, 1/wⱼ) at every prefix of a
//! stretch in which the eligible reps stay the same and start level; at most twice that if they do not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, cases, decisions};

const REPS: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];

fn policy(on_return: &str) -> String {
    format!(
        "[choice]\nmethod = \"round_robin\"\n[sla.standard]\nsteps = []\n[rotation]\n\
         on_return = \"{on_return}\"\ncatch_up_turns = 3\n"
    )
}

fn territory(world: &mut World, members: &[(usize, u64)]) {
    let members: Vec<Value> = members
        .iter()
        .map(|(rep, weight)| json!({ "rep_id": REPS[*rep], "weight": weight }))
        .collect();
    let value = json!({ "territory_id": "all", "name": "all", "members": members });
    world.tell("territory-changed", value);
}

/// Turns in a stretch with the same eligible reps.
struct Stretch {
    /// Rep, weight, turns.
    turns: Vec<(usize, u64, u64)>,
}

impl Stretch {
    fn new(eligible: &[(usize, u64)]) -> Stretch {
        Stretch { turns: eligible.iter().map(|(rep, weight)| (*rep, *weight, 0)).collect() }
    }

    fn turn(&mut self, rep: &str) {
        let turn = self.turns.iter_mut().find(|(one, _, _)| REPS[*one] == rep);
        turn.expect("an eligible rep").2 += 1;
    }

    /// |nᵢ·wⱼ − nⱼ·wᵢ| ≤ slack · max(wᵢ, wⱼ), in whole numbers.
    fn is_within(&self, slack: u64) -> bool {
        self.turns.iter().all(|(_, w, n)| {
            self.turns.iter().all(|(_, v, m)| (n * v).abs_diff(m * w) <= slack * (*w).max(*v))
        })
    }
}

fn assigned(world: &mut World, lead: usize) -> String {
    let out = world.lead(&format!("L{lead}"), json!({}));
    let decision = decisions(&out).next().expect("an outcome").clone();
    decision["rep_id"].as_str().unwrap_or_default().to_owned()
}

/// One or more leads, or a change: a pause, a return, a join, a leave.
#[derive(Clone, Debug)]
enum Step {
    Leads(u8),
    Pause(usize, bool),
    Member(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..12_u8).prop_map(Step::Leads),
        1 => (0..6_usize, any::<bool>()).prop_map(|(rep, paused)| Step::Pause(rep, paused)),
        1 => (0..6_usize, any::<bool>()).prop_map(|(rep, member)| Step::Member(rep, member)),
    ]
}

/// Plays a history; `check` sees every stretch after every turn, and who was chosen.
fn play(
    on_return: &str,
    weights: &[u64],
    steps: &[Step],
    mut check: impl FnMut(&Stretch, &str) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut world = World::new(&policy(on_return));
    let (mut paused, mut member) = ([false; 6], [true; 6]);
    for rep in REPS {
        world.rep(rep, json!({}));
    }
    let members = |member: &[bool; 6]| -> Vec<(usize, u64)> {
        (0..6).filter(|rep| member[*rep]).map(|rep| (rep, weights[rep])).collect()
    };
    territory(&mut world, &members(&member));
    let mut leads = 0;
    let mut stretch = Stretch::new(&members(&member));
    for step in steps {
        match step {
            Step::Leads(count) => {
                for _ in 0..*count {
                    leads += 1;
                    let chosen = assigned(&mut world, leads);
                    if stretch.turns.is_empty() {
                        prop_assert_eq!(chosen, "");
                    } else {
                        stretch.turn(&chosen);
                        check(&stretch, &chosen)?;
                    }
                }
                continue;
            }
            Step::Pause(rep, on) => {
                paused[*rep] = *on;
                world.rep(REPS[*rep], json!({ "paused": on }));
            }
            Step::Member(rep, on) => {
                member[*rep] = *on;
                territory(&mut world, &members(&member));
            }
        }
        let eligible: Vec<(usize, u64)> =
            members(&member).into_iter().filter(|(rep, _)| !paused[*rep]).collect();
        stretch = Stretch::new(&eligible);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_bound_holds_at_every_prefix_of_a_fixed_pool_that_starts_level(
        weights in prop::collection::vec(1..40_u64, 6),
        leads in 1..120_u8,
    ) {
        play("level", &weights, &[Step::Leads(leads)], |stretch, _| {
            prop_assert!(stretch.is_within(1), "{:?}", stretch.turns);
            Ok(())
        })?;
    }

    #[test]
    fn joins_leaves_and_pauses_cost_nobody_more_than_a_turn(
        weights in prop::collection::vec(1..12_u64, 6),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        play("level", &weights, &steps, |stretch, _| {
            prop_assert!(stretch.is_within(2), "{:?}", stretch.turns);
            Ok(())
        })?;
    }

    #[test]
    fn who_returns_catches_up_at_most_so_many_turns_in_a_row(
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let (mut last, mut row) = (String::new(), 0);
        play("catch_up", &[1; 6], &steps, |stretch, chosen| {
            row = if chosen == last { row + 1 } else { 1 };
            last = chosen.to_owned();
            let alone = stretch.turns.len() == 1;
            prop_assert!(alone || row <= 3 + 1, "{chosen} {row} times");
            if alone {
                row = 0;
            }
            Ok(())
        })?;
    }
}
