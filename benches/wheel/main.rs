//! The wheel beside other timer structures, in one run.
//!
//! `cargo bench --no-default-features --bench wheel -- [TIMERS [ROUNDS]]`, by default 10,000,000 and 3.
//!
//! Each structure lives in a process of its own, so that none finds another's memory; the rounds are
//! interleaved. What is printed are ratios of one round, the other structure's figure over ours: median
//! (least - most) over the rounds.
//!
//! - *insert*, *cancel* (half of them, in any order), *again* (cancel one and arm it anew, ticks
//!   included), *fire* (all of them, in the order of deadline and number, ticks of 100 ms): processor
//!   time a timer;
//! - *bytes* resident a timer, handles included;
//! - *burst*: the worst 256 inserts while growing from nothing; *pause*: the worst tick while firing.

mod exact;
mod load;
mod measure;
mod peers;
mod report;
mod rounds;

use std::process::Command;

use peers::kafka::Kafka;
use peers::ours::Ours;
use peers::std_collections::{LazyHeap, OrderedSet, Queue};
use peers::tokio_timers::{Delay, Sleeps};
use peers::wheels::{Nexus, QuadWheel};
use rounds::Figures;

struct Structure {
    name: &'static str,
    live: fn(u32, u64) -> Figures,
    check: fn(u64) -> Result<u64, String>,
}

macro_rules! structure {
    ($name:literal, $peer:ty) => {
        Structure { name: $name, live: rounds::live::<$peer>, check: exact::check::<$peer> }
    };
}

/// Ours first.
const STRUCTURES: [Structure; 9] = [
    structure!("lead-router wheel", Ours),
    structure!("tokio-util DelayQueue", Delay),
    structure!("tokio Sleep, boxed", Sleeps),
    structure!("hierarchical_hash_wheel_timer", QuadWheel),
    structure!("nexus-timer", Nexus),
    structure!("BinaryHeap, lazy cancel", LazyHeap),
    structure!("BTreeSet", OrderedSet),
    structure!("priority-queue, fx", Queue),
    structure!("Kafka's wheel, 1 ms x 20", Kafka),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |at: usize, default: u64| {
        args.get(at).map_or(default, |arg| arg.replace('_', "").parse().expect("a number"))
    };
    if args.first().is_some_and(|arg| arg == "one") {
        let structure = &STRUCTURES[number(1, 0) as usize];
        let figures = (structure.live)(number(2, 0) as u32, number(3, 0));
        println!("{}", figures.map(|figure| figure.to_string()).join(" "));
        return;
    }
    let (timers, rounds) = (number(0, 10_000_000), number(1, 3));
    // Only some of the others, by a part of their names.
    let wanted = args.get(2).cloned().unwrap_or_default();
    let chosen: Vec<usize> = (0..STRUCTURES.len())
        .filter(|&at| at == 0 || STRUCTURES[at].name.contains(&wanted))
        .collect();
    for &at in &chosen {
        match (STRUCTURES[at].check)(5) {
            Ok(fired) => println!("exact   {}: {fired} timers", STRUCTURES[at].name),
            Err(fault) => println!("INEXACT {}: {fault}", STRUCTURES[at].name),
        }
    }
    let mut all: Vec<Vec<Figures>> = vec![Vec::new(); chosen.len()];
    for round in 0..rounds {
        for (&at, figures) in chosen.iter().zip(&mut all) {
            eprintln!("round {} of {rounds}: {}", round + 1, STRUCTURES[at].name);
            figures.push(in_a_process(at, timers, round));
        }
    }
    let names: Vec<&str> = chosen.iter().map(|&at| STRUCTURES[at].name).collect();
    report::print(timers, &names, &all);
}

fn in_a_process(at: usize, timers: u64, seed: u64) -> Figures {
    let program = std::env::current_exe().expect("this program");
    let args = ["one".to_owned(), at.to_string(), timers.to_string(), seed.to_string()];
    let output = Command::new(program).args(args).output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Vec<f64> =
        text.split_whitespace().map(|one| one.parse().expect("a figure")).collect();
    figures.try_into().expect("as many figures as columns")
}
