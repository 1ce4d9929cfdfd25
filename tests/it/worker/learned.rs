//! What was learned from closed deals, over a kill and a restore at every awkward place, and over a replay:
//! the same numbers, bit for bit.
//!
//! Deals are two days apart, so each forgets; the variances are fitted anew at every fiftieth and the numbers
//! written whole at every sixty-fourth. Now and then one is reopened, or closed anew for another rep.

use lead_router::cli::pipe::Pipe;
use lead_router::domain::entity::{Entity, Kind};
use lead_router::domain::state::State;
use lead_router::domain::time::Timestamp;
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::merge::Order;
use lead_router::engine::restore::read_shard;
use lead_router::engine::wire::digest_of;
use serde_json::{Value, json};

use super::{Bench, T0};

const DEALS: i64 = 170;
const TWO_DAYS: i64 = 2 * 86_400_000;
/// Before, at and after a re-fit and a whole writing.
const KILLS: [i64; 9] = [1, 48, 49, 50, 51, 63, 64, 65, 130];

fn deal(number: i64) -> Value {
    // Every 17th word is about the deal before it.
    let about = if number % 17 == 16 { number - 1 } else { number };
    let outcome = match number {
        _ if number % 34 == 33 => "REOPENED",
        _ if number % 3 == 0 => "WON",
        _ => "LOST",
    };
    let closed_at = T0 + number * TWO_DAYS;
    let opened_at = closed_at - number % 40 * 86_400_000;
    let rep = ["ann", "bob", "cid"][(number % 7 % 3) as usize];
    let industry = ["Bank", "Retail", "Steel"][(number % 5 % 3) as usize];
    let employees = [20, 200, 5_000][(number % 11 % 3) as usize];
    let currency = ["EUR", "USD"][(number % 2) as usize];
    json!({ "event_id": format!("d{number}"), "opportunity_id": format!("O{about}"),
        "outcome": outcome, "rep_id": rep, "opened_at": opened_at, "closed_at": closed_at,
        "industry": industry, "employees": employees, "amount": 1_000 + number * 7_919 % 90_000,
        "currency": currency })
}

fn bench() -> Bench {
    let mut bench = Bench::new(1);
    bench.settings.order = Order::Record;
    ["ann", "bob", "cid"].iter().for_each(|rep| bench.rep(rep, T0));
    bench
}

/// Says these deals, each at its time.
fn tell(bench: &Bench, numbers: std::ops::Range<i64>) {
    for number in numbers {
        bench.publish("opportunity-closed", &deal(number), T0 + number * TWO_DAYS);
    }
    bench.pass(DEALS * TWO_DAYS);
}

/// The learned blocks of a shard, and the digest of all it knows.
fn learned(state: &State) -> (Vec<(String, Entity)>, u128) {
    let domains = state.domains();
    let blocks = domains.flat_map(|domain| domain.table(Kind::Learned).iter());
    (blocks.map(|(id, block)| (id.to_string(), block.clone())).collect(), digest_of(state))
}

/// Told in one go; the others are compared with this.
fn at_once() -> (Vec<(String, Entity)>, u128) {
    let bench = bench();
    tell(&bench, 0..DEALS);
    let mut worker = bench.worker();
    bench.run(&mut worker).unwrap();
    let known = learned(worker.shards().next().expect("a shard").state());
    assert_eq!(known.0.len(), 4, "three reps, and what they share");
    let deals = worker.shards().next().expect("a shard").state().domains();
    let taught = deals.flat_map(|domain| domain.table(Kind::Deal).values()).filter(|deal| {
        matches!(deal, Entity::Deal(deal)
            if deal.observation.as_ref().and_then(|it| it.amount).is_some_and(|it| it.noise > 0.0))
    });
    assert!(taught.count() > 40, "amounts are learned too");
    known
}

#[test]
fn a_kill_and_a_restore_change_no_number() {
    let expected = at_once();
    for kill in KILLS {
        let bench = bench();
        tell(&bench, 0..kill);
        let mut first = bench.worker();
        bench.run(&mut first).unwrap();
        // Killed: nothing is handed over.
        drop(first);
        tell(&bench, kill..DEALS);
        let mut second = bench.worker();
        bench.run(&mut second).unwrap();
        let known = learned(second.shards().next().expect("a shard").state());
        assert!(known == expected, "killed after {kill} deals");
        let mut log = EmbeddedLog::new(&bench.cluster, "reader");
        let restored = read_shard(&mut log, 0).expect("restored");
        assert!(learned(restored.state()) == expected, "killed after {kill} deals, read again");
    }
}

#[test]
fn a_replay_learns_the_same_numbers() {
    let expected = at_once();
    // Deal by deal, each a batch of its own, with a restore after every one.
    let bench = bench();
    for number in 0..DEALS {
        tell(&bench, number..number + 1);
        let mut worker = bench.worker();
        bench.run(&mut worker).unwrap();
    }
    let mut log = EmbeddedLog::new(&bench.cluster, "reader");
    let restored = read_shard(&mut log, 0).expect("restored");
    assert!(learned(restored.state()) == expected);

    // The filter, which has no log.
    let (mut filter, mut said) = (Pipe::new(None), Vec::new());
    for rep in ["ann", "bob", "cid"] {
        let value = json!({ "event_id": format!("r-{rep}"), "rep_id": rep, "active": true });
        let line =
            json!({ "topic": "rep-changed", "key": "acme", "timestamp": T0, "value": value });
        filter.line(line.to_string().as_bytes(), &mut said);
    }
    for number in 0..DEALS {
        let at = Timestamp(T0 + number * TWO_DAYS);
        let line = json!({ "topic": "opportunity-closed", "key": "acme", "timestamp": at.0,
            "value": deal(number) });
        filter.line(line.to_string().as_bytes(), &mut said);
    }
    filter.line(br#"{"state": "digest"}"#, &mut said);
    let digest = said.iter().find_map(|answer| answer["digest"].as_str()).expect("a digest");
    assert_eq!(digest, format!("{:032x}", expected.1));
}
