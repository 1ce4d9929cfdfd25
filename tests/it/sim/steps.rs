//! Everything that can happen, at every labelled step of the loop, at least a few times.
//!
//! `LEAD_ROUTER_SIM_FAULT="LABEL NTH FAULT"` with `LEAD_ROUTER_SIM_SEED` replays one of them.

use super::check;
use super::faulty::{Fault, LABELS};
use super::judged;
use super::number;
use super::world::{Plan, World};

/// Seeds without any fault: in them the steps are looked for.
const SEEDS: u64 = 24;
/// How often each fault strikes at each label, at different places of different seeds.
const STRIKES: u64 = 3;

/// Lives one seed with one fault.
fn strike(seed: u64, label: &'static str, nth: u64, fault: Fault) {
    let world = World::new(seed, None, Plan::At { label, nth, fault });
    let done = judged(&world, World::live, check::check);
    assert!(world.struck.get(), "{label} {nth} did not come in seed {seed}");
    if let Err(wrong) = done {
        panic!(
            "seed {seed}, {fault:?} at {label} {nth}:\n{wrong}\nreplay it: LEAD_ROUTER_SIM_STORY=1 \
             LEAD_ROUTER_SIM_SEED={seed} LEAD_ROUTER_SIM_FAULT=\"{label} {nth} {fault:?}\" cargo test \
             --no-default-features --features edge --test it sim::steps"
        );
    }
}

/// The fault that the environment asks for.
fn asked() -> Option<(&'static str, u64, Fault)> {
    let text = std::env::var("LEAD_ROUTER_SIM_FAULT").ok()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [label, nth, fault] = words[..] else { panic!("LEAD_ROUTER_SIM_FAULT: LABEL NTH FAULT") };
    let label = LABELS.into_iter().find(|known| *known == label).expect("a label");
    let fault = Fault::ALL.into_iter().find(|known| format!("{known:?}") == fault);
    Some((label, nth.parse().expect("a number"), fault.expect("a fault")))
}

#[test]
fn every_step_may_fail_in_every_way() {
    if let (Some(seed), Some((label, nth, fault))) = (number("LEAD_ROUTER_SIM_SEED"), asked()) {
        return strike(seed, label, nth, fault);
    }
    // (seed, how often) of each label.
    let mut places = vec![Vec::new(); LABELS.len()];
    for seed in 1..=SEEDS {
        let world = World::new(seed, None, Plan::Fair);
        World::live(&world);
        for (label, places) in LABELS.into_iter().zip(&mut places) {
            let count = world.came.borrow().get(label).copied().unwrap_or_default();
            places.extend((count > 0).then_some((seed, count)));
        }
        world.end();
    }
    let mut strikes = 0;
    for (label, places) in LABELS.into_iter().zip(&places) {
        assert!(!places.is_empty(), "{label} never comes");
        for fault in Fault::ALL.into_iter().filter(|fault| fault.is_possible_at(label)) {
            for number in 0..STRIKES {
                // Spread over seeds and over the time of each, and not the same for each fault.
                let salt = number * 7 + fault as u64 * 13;
                let (seed, count) = places[(salt % places.len() as u64) as usize];
                let nth = count * (number * 2 + 1) / (STRIKES * 2);
                strike(seed, label, nth, fault);
                strikes += 1;
            }
        }
    }
    println!("{strikes} faults at {} labelled steps, every promise kept", LABELS.len());
}
