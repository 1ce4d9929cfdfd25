//! The simulation: exactly once, over crashes, lost answers, aborts, zombies, rebalances, jumps of the clock
//! and compaction, in one thread and from one seed.
//!
//! `LEAD_ROUTER_SIM_SEEDS=N` runs N seeds, `LEAD_ROUTER_SIM_SEED=x` that one, and with
//! `LEAD_ROUTER_SIM_STORY=1` a failing seed tells what happened in it. Besides chance, `steps` lets everything
//! that can happen happen at every labelled step, and `ladder` does so all along a story of SLAs.

mod check;
mod faulty;
mod ladder;
mod random;
mod steps;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use lead_router::engine::worker::Planted;

use world::{Plan, World};

const SEEDS: u64 = 300;
/// Seeds within which each planted bug must have been found.
const SEEDS_FOR_BUGS: u64 = 300;

/// What one seed comes to.
fn run(seed: u64, planted: Option<Planted>) -> Result<u64, String> {
    let world = World::new(seed, planted, Plan::Weather);
    judged(&world, World::live, check::check)?;
    Ok(world.crashes.get())
}

/// Lets a world live and looks at it then: everything that is wrong, with the story.
fn judged(
    world: &Rc<World>,
    live: impl FnOnce(&Rc<World>),
    check: impl FnOnce(&World) -> Vec<String>,
) -> Result<(), String> {
    let lived = catch_unwind(AssertUnwindSafe(|| live(world)));
    let mut wrong = match lived {
        Ok(()) => check(world),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            vec![text.unwrap_or_else(|| "a panic".to_owned())]
        }
    };
    world.end();
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.truncate(12);
    let about = std::env::var("LEAD_ROUTER_SIM_ABOUT");
    wrong.extend(about.map(|word| check::records_about(world, &word)));
    Err(format!("{}\n{}", world.story(), wrong.join("\n")))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on both cores; how many crashes there were, or the first seed that fails.
fn run_all(seeds: &[u64]) -> Result<u64, (u64, String)> {
    let half = seeds.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        let each = |seeds: &[u64]| {
            seeds.iter().try_fold(0, |crashes, seed| {
                run(*seed, None).map(|more| crashes + more).map_err(|wrong| (*seed, wrong))
            })
        };
        let threads: Vec<_> =
            seeds.chunks(half).map(|part| scope.spawn(move || each(part))).collect();
        let done =
            threads.into_iter().map(|thread| thread.join().expect("a run catches its panics"));
        done.sum()
    })
}

#[test]
fn every_seed_keeps_the_promises() {
    let seeds: Vec<u64> = match number("LEAD_ROUTER_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("LEAD_ROUTER_SIM_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    match run_all(&seeds) {
        Ok(crashes) => println!("{} seeds, {crashes} crashes, every promise kept", seeds.len()),
        Err((seed, wrong)) => panic!(
            "seed {seed} fails:\n{wrong}\nreplay it: LEAD_ROUTER_SIM_STORY=1 LEAD_ROUTER_SIM_SEED={seed} \
             cargo test --no-default-features --features edge --test it sim::every"
        ),
    }
}

fn is_caught(planted: Planted) {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = (1..=SEEDS_FOR_BUGS).find(|seed| run(*seed, Some(planted)).is_err());
    std::panic::set_hook(quiet);
    assert!(caught.is_some(), "{planted:?} was planted, and nobody noticed");
    println!("{planted:?} is caught by seed {}", caught.unwrap_or_default());
}

#[test]
fn a_checker_that_sees_nothing_would_be_seen() {
    is_caught(Planted::OffsetOff);
    is_caught(Planted::NoRollback);
    is_caught(Planted::NoTimers);
}
