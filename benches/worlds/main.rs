//! Worlds with known truth: how much of what a clairvoyant would gain over plain rotation the router and
//! the usual methods gain, how well the shown probabilities are calibrated, and how the load is spread.
//!
//! `cargo bench --no-default-features --features edge --bench worlds -- --seeds 20 --threads 2`
//!
//! | option | is |
//! |---|---|
//! | `--regime NAME` | only this one (may be given again) |
//! | `--method NAME` | only this one (may be given again) |
//! | `--seeds N`, `--from N` | how many worlds a regime (2), and the first seed (1) |
//! | `--threads N` | worlds run at once (1) |
//! | `--guard-rails` | shares between half and twice the fair load, as in the built-in policy |
//! | `--control SHARE`, `--floor SHARE` | held out (0), explored (0) |
//! | `--each` | a line a seed |

mod baselines;
mod posterior;
mod random;
mod regimes;
mod report;
mod router;
mod run;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use baselines::{LinUcb, Raw, Shrunk};
use posterior::{Fitted, Model};
use regimes::Regime;
use report::Row;
use router::{Piped, Terms};
use run::{Outcome, Rotation, Router};
use world::World;

const METHODS: [&str; 8] = [
    "rotation",
    "raw",
    "raw-industry",
    "shrunk",
    "regression",
    "linucb",
    "told-variances",
    "router",
];

struct Options {
    regimes: Vec<String>,
    methods: Vec<String>,
    seeds: u64,
    from: u64,
    threads: usize,
    terms: Terms,
    each: bool,
}

fn options() -> Result<Options, String> {
    let terms = Terms { guard_rails: false, control_share: 0.0, floor: 0.0 };
    let mut options = Options {
        regimes: Vec::new(),
        methods: Vec::new(),
        seeds: 2,
        from: 1,
        threads: 1,
        terms,
        each: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number =
            |text: String| text.parse::<f64>().map_err(|_| format!("{argument} {text}: no number"));
        match argument.as_str() {
            "--regime" => options.regimes.push(value()?),
            "--method" => options.methods.push(value()?),
            "--seeds" => options.seeds = number(value()?)? as u64,
            "--from" => options.from = number(value()?)? as u64,
            "--threads" => options.threads = number(value()?)?.max(1.0) as usize,
            "--guard-rails" => options.terms.guard_rails = true,
            "--control" => options.terms.control_share = number(value()?)?,
            "--floor" => options.terms.floor = number(value()?)?,
            "--each" => options.each = true,
            // Given by cargo.
            "--bench" => {}
            _ => return Err(format!("{argument} is none of the options")),
        }
    }
    let names: Vec<&str> = regimes::all().iter().map(|regime| regime.name).collect();
    for (given, known) in [(&options.regimes, &names[..]), (&options.methods, &METHODS[..])] {
        if let Some(other) = given.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("{other} is none of {}", known.join(", ")));
        }
    }
    Ok(options)
}

fn main() {
    let options = match options() {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("failed to start: {fault}");
            std::process::exit(2);
        }
    };
    println!("{}", report::heading());
    for regime in regimes::all() {
        // The largest only on demand.
        let wanted = match options.regimes.is_empty() {
            true => regime.name != "plenty",
            false => options.regimes.iter().any(|name| name == regime.name),
        };
        if wanted {
            play(&regime, &options);
        }
    }
}

/// All seeds of a regime, and the table of what came of them.
fn play(regime: &Regime, options: &Options) {
    let rows: Mutex<Vec<Row>> = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed) as u64;
            if at >= options.seeds {
                return;
            }
            let seed = options.from + at;
            let world = World::new(regime, seed);
            let bounds = run::bounds(&world);
            for method in METHODS {
                if !options.methods.is_empty() && !options.methods.iter().any(|name| name == method)
                {
                    continue;
                }
                let outcome = one(&world, seed, method, options.terms);
                let row = Row { method, seed, bounds, outcome };
                if options.each {
                    println!("{}", report::line(regime.name, &[&row], Some(seed)));
                }
                rows.lock().expect("no panic while held").push(row);
            }
        }
    };
    std::thread::scope(|scope| (0..options.threads).for_each(|_| drop(scope.spawn(work))));
    let mut rows = rows.into_inner().expect("no panic while held");
    rows.sort_by_key(|row| row.seed);
    for method in METHODS {
        let own: Vec<&Row> = rows.iter().filter(|row| row.method == method).collect();
        if !own.is_empty() {
            println!("{}", report::line(regime.name, &own, None));
        }
    }
}

fn one(world: &World, seed: u64, method: &str, terms: Terms) -> Outcome {
    let mut router: Box<dyn Router> = match method {
        "rotation" => Box::new(Rotation { next: 0 }),
        "raw" => Box::new(Raw::new(world, seed, false)),
        "raw-industry" => Box::new(Raw::new(world, seed, true)),
        "shrunk" => Box::new(Shrunk::new(world, seed)),
        "regression" => Box::new(Fitted::new(world, seed, Model::regression())),
        "linucb" => Box::new(LinUcb::new(world, seed)),
        "told-variances" => Box::new(Fitted::new(world, seed, Model::told(world))),
        _ => Box::new(Piped::new(world, terms)),
    };
    run::run(world, router.as_mut())
}
