//! The choice by expected amount: who wins larger deals gets the leads, and is kept for those that are worth it;
//! by win probability the same history means nothing. And no amount, however absurd, breaks what is learned.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, cases, decisions};

const HOUR: i64 = 3_600_000;
/// Nothing but the scores decides.
const GREEDY: &str = "
[choice]
control_share = 0
floor = 0
max_share = 0
min_share = 0
[sla.standard]
steps = []
";

fn world(objective: &str, reps: &[(&str, Value)]) -> World {
    let policy = GREEDY.replace("floor", &format!("objective = \"{objective}\"\nfloor"));
    let mut world = World::new(&policy);
    for (rep, more) in reps {
        world.rep(rep, more.clone());
    }
    let members: Vec<Value> = reps.iter().map(|(rep, _)| json!({ "rep_id": rep })).collect();
    world.tell(
        "territory-changed",
        json!({ "territory_id": "all", "name": "All", "members": members }),
    );
    world
}

fn close(world: &mut World, rep: &str, industry: &str, amount: Option<Value>) -> Vec<Value> {
    world.tell(
        "opportunity-closed",
        json!({
            "opportunity_id": format!("O{}", world.events), "rep_id": rep, "closed_at": world.now,
            "outcome": if amount.is_some() { "WON" } else { "LOST" }, "industry": industry,
            "amount": amount, "currency": "EUR",
        }),
    )
}

/// Gives out leads of these industries, one in each step of time; who got how many of each.
fn route(world: &mut World, leads: &[&str], step: i64) -> BTreeMap<(String, String), usize> {
    let mut given = BTreeMap::new();
    for (number, industry) in leads.iter().enumerate() {
        world.now += step;
        let out = world.lead(&format!("L{number}"), json!({ "industry": industry }));
        let rep = decisions(&out).next().expect("a decision")["rep_id"].as_str().unwrap_or("none");
        *given.entry((rep.to_owned(), (*industry).to_owned())).or_default() += 1;
    }
    given
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases() / 16))]

    #[test]
    fn of_two_who_win_as_often_the_one_with_three_times_the_amount_gets_the_leads(
        usual in 500_u64..5_000_000,
        spread in prop::collection::vec(50_u64..200, 30),
    ) {
        let given = ["expected_amount", "win_probability"].map(|objective| {
            let mut world = world(objective, &[("ann", json!({})), ("bob", json!({}))]);
            for percent in &spread {
                world.now += HOUR;
                for (rep, times) in [("ann", 1), ("bob", 3)] {
                    close(&mut world, rep, "retail", Some(json!(usual * times * percent / 100)));
                    close(&mut world, rep, "retail", None);
                }
            }
            route(&mut world, &["retail"; 60], 1_000)
        });
        let of = |which: usize, rep: &str| {
            given[which].get(&(rep.to_owned(), "retail".to_owned())).copied().unwrap_or(0)
        };
        prop_assert!(of(0, "bob") >= 54, "{:?}", given);
        prop_assert!(of(1, "bob").abs_diff(of(1, "ann")) <= 12, "{:?}", given);
    }
}

/// Bob wins half as often again and may have ten leads a day; one lead in five is of the segment where deals are
/// ten times as large.
#[test]
fn the_capped_better_rep_is_kept_for_the_large_leads() {
    let large = ["expected_amount", "win_probability"].map(|objective| {
        let capped = json!({ "caps": [{ "window": "DAY", "limit": 10 }] });
        let mut world = world(objective, &[("ann", json!({})), ("bob", capped)]);
        for number in 0..120 {
            world.now += HOUR / 4;
            for (rep, wins) in [("ann", [1, 0, 1, 0, 0, 0]), ("bob", [0, 1, 0, 1, 1, 0])] {
                let industry = if number % 3 == 0 { "banking" } else { "retail" };
                let amount = if industry == "banking" { 50_000 } else { 5_000 };
                let won = wins[number / 3 % 6] == 1;
                close(&mut world, rep, industry, won.then(|| json!(amount)));
            }
        }
        // To the next midnight.
        world.now = (world.now / (24 * HOUR) + 1) * 24 * HOUR;
        let leads: Vec<&str> =
            (0..40).map(|number| if number % 5 == 4 { "banking" } else { "retail" }).collect();
        let given = route(&mut world, &leads, 35 * 60_000);
        given.get(&("bob".to_owned(), "banking".to_owned())).copied().unwrap_or(0)
    });
    // By amount each goes to bob as long as he may have more.
    assert!(large[0] >= 5 && large[1] <= 2, "of 8: {large:?}");
}

#[test]
fn no_amount_breaks_what_is_learned() {
    let reps = [("ann", json!({})), ("bob", json!({}))];
    let mut world = world("expected_amount", &reps);
    let mut refused = 0;
    let amounts = [
        json!("9999999999999999.99"),
        json!(0.01),
        json!(0),
        json!(-1),
        json!("-0.01"),
        json!("NaN"),
        json!("Infinity"),
        json!("1e400"),
        json!("99999999999999999999"),
        json!(1_000),
    ];
    for round in 0..40 {
        for amount in &amounts {
            world.now += HOUR;
            let rep = ["ann", "bob"][round % 2];
            let out = close(&mut world, rep, "retail", Some(amount.clone()));
            refused += out.iter().filter(|it| it["topic"] == "lead-router.dead-letter").count();
        }
        // As JSON never has them.
        for text in ["NaN", "-Infinity", "1e999"] {
            let line = format!(
                "{{\"topic\":\"opportunity-closed\",\"key\":\"acme\",\"timestamp\":{},\"value\":{{\
                 \"event_id\":\"x\",\"opportunity_id\":\"x\",\"rep_id\":\"ann\",\"outcome\":\"WON\",\
                 \"closed_at\":{},\"amount\":{text}}}}}",
                world.now, world.now
            );
            let mut out = Vec::new();
            world.pipe.line(line.as_bytes(), &mut out);
            assert!(out.iter().all(|it| it["topic"] != "lead-assigned"));
        }
        let out = world.lead(&format!("L{round}"), json!({ "industry": "retail" }));
        let decision = decisions(&out).next().expect("a decision").clone();
        for candidate in decision["candidates"].as_array().expect("a list") {
            let finite = |name: &str| candidate[name].as_f64().is_none_or(f64::is_finite);
            assert!(finite("score") && finite("propensity"), "{candidate}");
        }
        assert_eq!(decision["outcome"], "ASSIGNED");
    }
    assert_eq!(refused, 40 * 6);
}
