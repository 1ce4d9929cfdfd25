//! How often the intervals contain the truth.

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use lead_router::cli::backtest::drive::{Done, JsonLines, Plan, run};
use lead_router::domain::ids::RepId;
use lead_router::engine::filter::PolicyFile;
use lead_router::evaluate::ledger::Ledger;
use lead_router::evaluate::odds::rep_number;
use lead_router::evaluate::report::Report;

use crate::world::{Lead, Regime, World, name};

/// A regime, the policy that was recorded, and the one that is tried.
struct Case {
    regime: Regime,
    recorded: &'static str,
    tried: &'static str,
}

const ROTATION: &str = "[choice]\nmethod = \"round_robin\"\n";
const DEFAULT: &str = "";
const EXPLORING: &str =
    "[choice]\ncontrol_share = 0.2\nfloor = 0.2\nmax_share = 0\nmin_share = 0\n";
const GREEDY: &str = "[choice]\ncontrol_share = 0\nfloor = 0\nmax_share = 0\nmin_share = 0\n";

const fn regime(name: &'static str, reps: usize, leads: usize, signal: f64) -> Regime {
    Regime { name, reps, leads, days: 365, signal, deals: 1.0, lost_days: 20.0, won_days: 45.0 }
}

const CASES: [Case; 8] = [
    Case {
        regime: regime("rotation → default", 12, 3_000, 0.5),
        recorded: ROTATION,
        tried: DEFAULT,
    },
    Case {
        regime: regime("rotation → greedy", 12, 3_000, 0.5), recorded: ROTATION, tried: GREEDY
    },
    Case { regime: regime("no signal", 12, 3_000, 0.0), recorded: ROTATION, tried: DEFAULT },
    Case { regime: regime("small team", 4, 1_000, 0.4), recorded: ROTATION, tried: DEFAULT },
    Case {
        regime: regime("exploring → greedy", 8, 3_000, 0.5),
        recorded: EXPLORING,
        tried: GREEDY,
    },
    Case {
        regime: regime("exploring → rotation", 8, 3_000, 0.5),
        recorded: EXPLORING,
        tried: ROTATION,
    },
    Case {
        regime: regime("default → rotation", 8, 3_000, 0.5),
        recorded: DEFAULT,
        tried: ROTATION,
    },
    Case {
        regime: Regime { days: 150, ..regime("short record", 8, 2_500, 0.5) },
        recorded: ROTATION,
        tried: DEFAULT,
    },
];

/// What one world showed.
struct Shown {
    case: usize,
    truth: f64,
    robust: (f64, f64, f64),
    weighted: (f64, f64, f64),
    effective: f64,
    agrees: bool,
}

pub(crate) fn main(worlds: usize, only: Option<&str>) {
    let started = Instant::now();
    let cases: Vec<usize> = (0..CASES.len())
        .filter(|at| only.is_none_or(|only| CASES[*at].regime.name.contains(only)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut shown = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= worlds {
                return shown;
            }
            shown.extend(one(cases[number % cases.len()], number as u64));
        }
    };
    let shown: Vec<Shown> = thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a world")).collect()
    });
    println!(
        "{:<22} {:>6} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>8}",
        "regime", "worlds", "DR in", "SNIPS in", "DR ±", "SNIPS ±", "bias", "ESS", "agrees"
    );
    for at in cases {
        line(CASES[at].regime.name, shown.iter().filter(|one| one.case == at));
    }
    let share = line("all", shown.iter());
    let seconds = started.elapsed().as_secs_f64();
    let verdict =
        if (0.91..=0.99).contains(&share) { "within 91–99 %" } else { "OUTSIDE 91–99 %" };
    println!(
        "doubly robust: {:.1} % of {} worlds, {verdict}; {seconds:.0} s",
        share * 100.0,
        shown.len()
    );
}

fn line<'a>(name: &str, shown: impl Iterator<Item = &'a Shown>) -> f64 {
    let shown: Vec<&Shown> = shown.collect();
    let n = shown.len().max(1) as f64;
    let mean = |of: &dyn Fn(&Shown) -> f64| shown.iter().map(|one| of(one)).sum::<f64>() / n;
    let inside =
        |it: (f64, f64, f64), truth: f64| f64::from(u8::from(it.1 <= truth && truth <= it.2));
    let robust = mean(&|one| inside(one.robust, one.truth));
    println!(
        "{name:<22} {:>6} {:>7.1} % {:>7.1} % {:>8.4} {:>8.4} {:>8.4} {:>7.0} {:>6.0} %",
        shown.len(),
        robust * 100.0,
        mean(&|one| inside(one.weighted, one.truth)) * 100.0,
        mean(&|one| (one.robust.2 - one.robust.1) / 2.0),
        mean(&|one| (one.weighted.2 - one.weighted.1) / 2.0),
        mean(&|one| one.robust.0 - one.truth),
        mean(&|one| one.effective),
        mean(&|one| f64::from(u8::from(one.agrees))) * 100.0,
    );
    robust
}

fn one(case: usize, seed: u64) -> Option<Shown> {
    let Case { regime, recorded, tried } = CASES[case];
    let mut world = World::new(regime, seed * 7_919 + 13);
    let mut text = Vec::new();
    let leads = world.record(recorded, |line| {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    });
    let file = |text| PolicyFile::parse(text).expect("a policy");
    let plan = Plan {
        policy: file(tried),
        recorded: Some(file(recorded)),
        is_history: false,
        keeps_odds: true,
    };
    let source = JsonLines::new(Cursor::new(text), None);
    let Done { report, ledger, .. } = run(plan, source).expect("memory does not fail");
    let truth = truth(&world, &leads, &report, &ledger);
    let wins = report.wins.as_ref()?;
    let three = |it: lead_router::evaluate::stats::Interval| (it.estimate, it.low, it.high);
    Some(Shown {
        case,
        truth,
        robust: three(wins.lift),
        weighted: three(wins.lift_self_normalised),
        effective: wins.effective,
        agrees: report.agreement.is_some_and(|agreement| {
            agreement.is_whole() && agreement.same_in_full == agreement.recorded
        }),
    })
}

/// The true lift on the leads that had time to close: what the world gives under the chances of the policy
/// that was tried, less what it gives under the recorded ones.
fn truth(world: &World, leads: &[Lead], report: &Report, ledger: &Ledger) -> f64 {
    let reps: Vec<u64> =
        (0..world.regime.reps).map(|rep| rep_number(&RepId::new(&name(rep)))).collect();
    let (mut sum, mut n) = (0.0, 0.0);
    for (row, lead) in ledger.rows.iter().zip(leads) {
        let (Some(recorded), Some(new)) = (&row.recorded, &row.new) else { continue };
        if recorded.decided_at.to_string() > report.basis.decided_until {
            continue;
        }
        let (Some(old), Some(new)) = (&recorded.odds, &new.odds) else { continue };
        let each = reps.iter().enumerate();
        let gain = |at, rep| (new.chance(rep) - old.chance(rep)) * world.chance(lead, at);
        sum += each.map(|(at, rep)| gain(at, *rep)).sum::<f64>();
        n += 1.0;
    }
    sum / n
}
