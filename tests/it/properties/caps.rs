//! No choice ever takes a rep over a cap: at every prefix, against a count of its own made from what came out.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, cases, decisions};

const REPS: [&str; 3] = ["ann", "bob", "cid"];
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Zones without a change of clocks in January, with their hours from UTC.
const ZONES: [(&str, i64); 3] =
    [("UTC", 0), ("America/Los_Angeles", -8 * HOUR), ("Asia/Kolkata", 5 * HOUR + HOUR / 2)];

#[derive(Clone, Debug)]
struct CapOf {
    window: usize,
    limit: usize,
    west_only: bool,
}

const WINDOWS: [&str; 4] = ["HOUR", "DAY", "WEEK", "OPEN"];

#[derive(Clone, Debug)]
enum Step {
    Lead { west: bool },
    End(u8),
    Decline(u8),
    Manual(u8, usize),
    Pause(usize, bool),
    Wait(u16),
}

fn cap() -> impl Strategy<Value = CapOf> {
    (0..4_usize, 0..4_usize, any::<bool>()).prop_map(|(window, limit, west_only)| CapOf {
        window,
        limit,
        west_only,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|west| Step::Lead { west }),
        1 => any::<u8>().prop_map(Step::End),
        1 => any::<u8>().prop_map(Step::Decline),
        1 => (any::<u8>(), 0..3_usize).prop_map(|(lead, rep)| Step::Manual(lead, rep)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(rep, on)| Step::Pause(rep, on)),
        4 => (1..400_u16).prop_map(Step::Wait),
    ]
}

/// The books that the router is held to.
#[derive(Default)]
struct Books {
    /// Rep, when, whether from the west.
    given: Vec<(String, i64, bool)>,
    /// Lead → rep and whether from the west.
    open: BTreeMap<String, (String, bool)>,
}

impl Books {
    fn used(&self, rep: &str, now: i64, zone: i64, cap: &CapOf) -> usize {
        let concerns = |west: bool| west || !cap.west_only;
        let start = match cap.window {
            0 => now - HOUR + 1,
            1 => (now + zone).div_euclid(DAY) * DAY - zone,
            // 1970-01-01 was a Thursday.
            2 => ((now + zone).div_euclid(DAY) - 4).div_euclid(7) * 7 * DAY + 4 * DAY - zone,
            _ => {
                let own = self.open.values().filter(|(one, west)| one == rep && concerns(*west));
                return own.count();
            }
        };
        let given = self.given.iter();
        given.filter(|(one, at, west)| one == rep && *at >= start && concerns(*west)).count()
    }
}

/// Enters what came out, and holds every choice to the caps.
fn enter(
    books: &mut Books,
    out: &[Value],
    caps: &[Vec<CapOf>],
    zones: &[usize],
) -> Result<(), TestCaseError> {
    for decision in decisions(out) {
        let lead = decision["lead_id"].as_str().unwrap_or_default().to_owned();
        let now = decision["decided_at"].as_i64().unwrap_or_default();
        books.open.remove(&lead);
        let Some(rep) = decision["rep_id"].as_str() else { continue };
        let at = REPS.iter().position(|one| *one == rep).expect("a known rep");
        let west = decision["territory_id"] == "west";
        if decision["cause"] != "MANUAL" {
            for cap in caps[at].iter().filter(|cap| west || !cap.west_only) {
                let used = books.used(rep, now, ZONES[zones[at]].1, cap);
                prop_assert!(used < cap.limit, "{rep} had {used} at {now}: {cap:?}");
            }
        }
        books.given.push((rep.to_owned(), now, west));
        books.open.insert(lead, (rep.to_owned(), west));
    }
    Ok(())
}

fn rep(world: &mut World, at: usize, caps: &[CapOf], zone: usize, paused: bool) -> Vec<Value> {
    let caps: Vec<Value> = caps
        .iter()
        .map(|cap| {
            let pool = if cap.west_only { json!("west") } else { Value::Null };
            json!({ "window": WINDOWS[cap.window], "limit": cap.limit, "pool": pool })
        })
        .collect();
    let more = json!({ "caps": caps, "time_zone": ZONES[zone].0, "paused": paused });
    world.rep(REPS[at], more)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn no_choice_takes_a_rep_over_a_cap(
        caps in prop::collection::vec(prop::collection::vec(cap(), 0..3), 3),
        zones in prop::collection::vec(0..3_usize, 3),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new("[choice]\nmethod = \"round_robin\"\n");
        let mut books = Books::default();
        for at in 0..3 {
            rep(&mut world, at, &caps[at], zones[at], false);
        }
        let members: Vec<Value> = REPS.iter().map(|rep| json!({ "rep_id": rep })).collect();
        for (id, state) in [("west", "CA"), ("east", "NY")] {
            let rules = json!([{ "all": [{ "field": "state", "op": "IN", "values": [state] }] }]);
            let value = json!({
                "territory_id": id, "name": id, "members": members, "rules": rules,
            });
            world.tell("territory-changed", value);
        }
        let mut leads = 0_usize;
        for step in &steps {
            let name = |n: &u8| format!("L{}", 1 + usize::from(*n) % leads.max(1));
            let out = match step {
                Step::Lead { west } => {
                    leads += 1;
                    let state = if *west { "CA" } else { "NY" };
                    world.lead(&format!("L{leads}"), json!({ "state": state }))
                }
                Step::End(n) => {
                    let value = json!({
                        "lead_id": name(n), "changed_at": world.now, "kind": "CONVERTED",
                    });
                    // It has its place no longer, whatever that sets free.
                    books.open.remove(&name(n));
                    world.tell("lead-updated", value)
                }
                Step::Decline(n) => {
                    let value = json!({
                        "lead_id": name(n), "occurred_at": world.now, "kind": "DECLINED",
                    });
                    world.tell("lead-activity", value)
                }
                Step::Manual(n, at) => {
                    let value = json!({
                        "lead_id": name(n), "changed_at": world.now, "kind": "OWNER",
                        "new_owner_id": REPS[*at],
                    });
                    world.tell("lead-updated", value)
                }
                Step::Pause(at, on) => rep(&mut world, *at, &caps[*at], zones[*at], *on),
                Step::Wait(minutes) => {
                    world.now += i64::from(*minutes) * 60_000;
                    world.tick()
                }
            };
            enter(&mut books, &out, &caps, &zones)?;
        }
    }
}
