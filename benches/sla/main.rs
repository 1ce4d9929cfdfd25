//! Deadlines under load: a real worker on the log in memory, on the wall's clock.
//!
//! `cargo bench --no-default-features --features edge --bench sla -- [storm | calendar | timers] [LEADS [RATE]]`
//!
//! - *storm*: LEADS (50,000) steps fall due at one instant while RATE (2,000) leads a second come in. Each step
//!   must fire once; what new leads wait for their decision is printed beside what they waited before.
//! - *calendar*: the calendar of LEADS (100,000) open leads is edited while RATE leads a second come in. All
//!   deadlines must have moved; printed is how long it took, and for how long a batch kept decisions waiting.
//! - *timers*: what LEADS (10,000,000) timers cost as a shard holds them, above the wheel: bytes and time each.
//!
//! Waits are of the wall, from a lead's appearance in the log to the commit of its decision; the machine's
//! neighbours are in them, but not in what is called processor time.

mod company;
mod measure;
mod timers;
mod worker;

use std::time::Duration;

use company::Company;
use measure::ratio;
use worker::Running;

/// How long new leads are watched for comparison, before and after.
const QUIET: Duration = Duration::from_secs(6);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |at: usize, default: u64| {
        args.get(at).map_or(default, |arg| arg.replace('_', "").parse().expect("a number"))
    };
    let what = args.first().map(String::as_str);
    let is_asked = |one: &str| what.is_none_or(|what| what == one);
    if is_asked("storm") {
        storm(number(1, 50_000), number(2, 2_000));
    }
    if is_asked("calendar") {
        calendar(number(1, 100_000), number(2, 2_000));
    }
    if is_asked("timers") {
        timers::run(number(1, 10_000_000) as usize);
    }
}

/// All deadlines fall on the opening of the calendar.
fn storm(leads: u64, rate: u64) {
    println!("storm: {leads} steps due at one instant, {rate} leads a second");
    let company = Company::new();
    let running = Running::start(&company);
    let opens_at = company.opens_in(Duration::from_secs(75) + Duration::from_micros(leads * 300));
    company.policy(opens_at, "1");
    // Between topics, what is published first need not arrive first.
    std::thread::sleep(Duration::from_secs(1));
    company.fill(leads);
    running.until(|seen| seen.assigned >= leads, "all leads are assigned");
    company.is_understood();
    println!("  filled; the calendar opens in {:?}", company.until(opens_at));

    let quiet = running.watch(&company, rate, QUIET);
    let due_at = opens_at + company::TARGET;
    let calm = company.until(due_at).saturating_sub(Duration::from_millis(200));
    std::thread::sleep(calm);
    let before = running.seen();
    let storm = running.watch_until(&company, rate, |seen| seen.fired >= before.fired + leads);
    let after = running.watch(&company, rate, QUIET);
    let seen = running.stop();
    quiet.print("before");
    storm.print("during");
    after.print("after");
    println!("  p99 during / before: {} (goal: at most 3)", ratio(storm.at(0.99), quiet.at(0.99)));
    println!("  steps: {} due, {} fired, {} of them twice", leads, seen.fired, seen.twice);
    println!("  fired late by: {}", seen.lateness);
    assert!(seen.fired >= leads && seen.twice == 0, "every step fires once");
}

fn calendar(leads: u64, rate: u64) {
    println!("calendar: {leads} open leads, {rate} leads a second");
    let company = Company::new();
    let running = Running::start(&company);
    let opens_at = company.opens_in(Duration::from_secs(24 * 3_600));
    company.policy(opens_at, "1");
    // Between topics, what is published first need not arrive first.
    std::thread::sleep(Duration::from_secs(1));
    company.fill(leads);
    running.until(|seen| seen.assigned >= leads, "all leads are assigned");
    company.is_understood();

    let quiet = running.watch(&company, rate, QUIET);
    let before = running.seen();
    let later = opens_at + 3_600_000;
    company.policy(later, "2");
    let sweep = running.watch_until(&company, rate, |seen| seen.moved >= before.moved + leads);
    let after = running.watch(&company, rate, QUIET);
    let seen = running.stop();
    quiet.print("before");
    sweep.print("during");
    after.print("after");
    println!("  p99 during / before: {}", ratio(sweep.at(0.99), quiet.at(0.99)));
    println!("  deadlines moved: {} in {:?} (goal: under 1 s)", seen.moved, seen.moving);
    println!(
        "  processor time of it, leads that came included: {:?}; of a batch, commit included, at most {:?} (goal: \
         at most 10 ms)",
        seen.busy, seen.longest
    );
    println!("  deciding in one batch, on the wall: at most {:?}", seen.deciding);
    assert!(seen.moved >= leads, "all deadlines move");
}
