//! Every lead has an outcome, from its first event on; chains of decisions have no gaps; nothing is said
//! twice or of nobody. Over histories of everything that can happen, bad input included.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, cases};

const REPS: [&str; 4] = ["ann", "bob", "cid", "zoe"];
const STATES: [&str; 4] = ["CA", "NY", "TX", " ca "];
const KINDS: [&str; 10] = [
    "FIELDS",
    "OWNER",
    "STATUS",
    "CONVERTED",
    "DELETED",
    "UNDELETED",
    "MERGED",
    "LOCKED",
    "UNLOCKED",
    "DO_NOT_ROUTE",
];
const ACTS: [&str; 6] = ["CALL", "ACCEPTED", "DECLINED", "ON_HOLD", "RESUMED", "MEETING"];
const MODES: [&str; 3] = ["NEW_ONLY", "UNTOUCHED_OPEN", "ALL_OPEN"];
const POLICY: &str = r#"
[choice]
control_share = 0.3
[hold]
fields = ["industry"]
at_most_secs = 40
[skills]
relax_after_secs = 300
[availability]
account_owner = ["hold", "cover", "next_stage"]
pool = ["cover", "assign_anyway", "next_stage"]
[reroute]
per_sec = 5
min_gap_secs = 60
on_lead_change = "untouched"
"#;

/// What a step of a history is made of; which bits mean what depends on its kind.
type Step = (u8, u8, u8, u16);

fn update(world: &World, a: u8, b: u8, c: u16) -> Value {
    let mut value = json!({
        "lead_id": format!("L{}", a % 8), "changed_at": world.now, "kind": KINDS[usize::from(b % 10)],
        "fetch_needed": c.is_multiple_of(23),
    });
    match KINDS[usize::from(b % 10)] {
        "OWNER" => value["new_owner_id"] = json!(REPS[usize::from(c % 4)]),
        "STATUS" => {
            let status = if c.is_multiple_of(2) { "Unqualified" } else { "Working" };
            value["changes"] = json!({ "status": status });
        }
        "FIELDS" => {
            value["changes"] = json!({
                "state": STATES[usize::from(c % 4)], "industry": if c.is_multiple_of(3) { "Retail" } else { "Bank" },
            });
            if c.is_multiple_of(5) {
                value["cleared"] = json!(["industry", "state"]);
            }
        }
        "LOCKED" if c.is_multiple_of(2) => {
            value["locked_until_at"] = json!(world.now + i64::from(c) * 1_000)
        }
        "DO_NOT_ROUTE" if c.is_multiple_of(2) => {
            value["changes"] = json!({ "do_not_route": false })
        }
        _ => {}
    }
    value
}

fn territory(world: &World, a: u8, b: u8, c: u16) -> Value {
    let id = ["west", "east", "all"][usize::from(a % 3)];
    let members: Vec<Value> = (0..4)
        .filter(|bit| b >> bit & 1 == 1)
        .map(|bit| json!({ "rep_id": REPS[bit], "weight": 1 + c % 4 }))
        .collect();
    let state = STATES[usize::from(c % 3)];
    let rules = match id {
        "all" => json!([]),
        _ => json!([{ "all": [{ "field": "state", "op": "IN", "values": [state] }] }]),
    };
    let mut value = json!({
        "territory_id": id, "name": id, "members": members, "rules": rules,
        "effective_change": MODES[usize::from(c % 3)], "deleted": b.is_multiple_of(11),
    });
    match c % 7 {
        0 => value["valid_from_at"] = json!(world.now + 60_000),
        1 => value["valid_from_at"] = json!(world.now - 60_000),
        2 => value["valid_to_at"] = json!(world.now + 120_000),
        3 if id != "all" => value["parent_id"] = json!(if id == "west" { "east" } else { "all" }),
        4 if id == "east" => value["parent_id"] = json!("west"),
        _ => {}
    }
    value
}

fn rep(world: &World, a: u8, b: u8, c: u16) -> Value {
    let mut value = json!({
        "active": !b.is_multiple_of(5), "paused": b % 7 == 1, "weight": c % 3, "manager_id": "boss",
        "cover_id": REPS[usize::from(c % 4)], "deleted": b.is_multiple_of(31),
    });
    if b.is_multiple_of(3) {
        value["caps"] = json!([{ "window": "OPEN", "limit": c % 4 }]);
    }
    if b % 3 == 1 {
        let (from, to) = (world.now + i64::from(c % 100) * 1_000, world.now + 200_000);
        value["away"] = json!([{ "from_at": from, "to_at": to }]);
    }
    value["rep_id"] = json!(REPS[usize::from(a % 4)]);
    value
}

/// Tells one step; the lead that it brings, if it is one, and what came out.
fn tell(world: &mut World, (kind, a, b, c): Step) -> (Option<String>, Vec<Value>) {
    match kind % 16 {
        0..=4 => {
            let id = format!("L{}", a % 8);
            let mut more = json!({
                "state": STATES[usize::from(b % 4)], "do_not_route": c.is_multiple_of(17),
                "company": format!("Company {}", c % 3), "email": format!("p{}@acme.com", c % 5),
            });
            if c % 4 > 0 {
                more["industry"] = json!("Retail");
            }
            if c.is_multiple_of(6) {
                more["required_skills"] = json!(["sql"]);
            }
            if c.is_multiple_of(13) {
                more["locked_until_at"] = json!(world.now + 30_000);
            }
            if c.is_multiple_of(19) {
                more["created_at"] = json!(world.now - 700_000_000);
            }
            let out = world.lead(&id, more);
            (Some(id), out)
        }
        5..=7 => {
            let value = update(world, a, b, c);
            (None, world.tell("lead-updated", value))
        }
        8 => {
            let act = ACTS[usize::from(b % 6)];
            let value = json!({
                "lead_id": format!("L{}", a % 8), "kind": act, "occurred_at": world.now,
            });
            (None, world.tell("lead-activity", value))
        }
        9 => {
            let value = territory(world, a, b, c);
            (None, world.tell("territory-changed", value))
        }
        10 => {
            let value = rep(world, a, b, c);
            (None, world.tell("rep-changed", value))
        }
        11 => {
            let value = json!({
                "account_id": format!("A{}", a % 3), "name": format!("Company {}", b % 3),
                "kind": "CUSTOMER", "owner_id": REPS[usize::from(c % 4)], "deleted": c.is_multiple_of(9),
            });
            (None, world.tell("account-changed", value))
        }
        12 => {
            let value = json!({
                "opportunity_id": format!("O{}", a % 8), "outcome": (["WON", "LOST"][usize::from(b % 2)]),
                "rep_id": REPS[usize::from(c % 4)], "closed_at": world.now,
            });
            (None, world.tell("opportunity-closed", value))
        }
        13 => (None, world.line("{\"topic\": \"lead-created\", \"key\": \"acme\", \"value\": 7}")),
        _ => {
            world.now += i64::from(c % 500) * 1_000;
            (None, world.tick())
        }
    }
}

/// What has been said, checked as it comes.
#[derive(Default)]
struct Record {
    numbers: BTreeMap<String, u64>,
    seq: u64,
    ids: std::collections::BTreeSet<String>,
}

impl Record {
    fn enter(&mut self, out: &[Value], now: i64) -> Result<(), TestCaseError> {
        for one in out {
            let value = &one["value"];
            let lead = value["lead_id"].as_str().unwrap_or_default().to_owned();
            match one["topic"].as_str() {
                Some("lead-assigned") => {
                    let number = self.numbers.entry(lead.clone()).or_insert(0);
                    *number += 1;
                    self.seq += 1;
                    prop_assert_eq!(value["assignment_no"].as_u64(), Some(*number));
                    prop_assert_eq!(value["domain_seq"].as_u64(), Some(self.seq));
                    let is_assigned = value["outcome"] == "ASSIGNED";
                    prop_assert_eq!(is_assigned, value["rep_id"].is_string());
                    prop_assert_eq!(value["outcome"] == "QUEUED", value["queue_id"].is_string());
                }
                Some("sla-breached") => {
                    let number = self.numbers.get(&lead).copied();
                    prop_assert_eq!(
                        value["assignment_no"].as_u64(),
                        number,
                        "a breach of an old assignment"
                    );
                    prop_assert!(value["fired_at"].as_i64() >= value["due_at"].as_i64(), "early");
                }
                _ => continue,
            }
            prop_assert!(value["decided_at"].as_i64().unwrap_or(0) <= now);
            let id = value["event_id"].as_str().unwrap_or_default().to_owned();
            prop_assert!(self.ids.insert(id), "said twice: {value}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn no_lead_is_ever_without_an_outcome(
        steps in prop::collection::vec(any::<Step>(), 1..60),
    ) {
        let mut world = World::new(POLICY);
        let mut record = Record::default();
        for rep in &REPS[..3] {
            world.rep(rep, json!({ "manager_id": "boss" }));
        }
        let value = json!({
            "territory_id": "all", "name": "all",
            "members": [{ "rep_id": "ann" }, { "rep_id": "bob", "weight": 2 }, { "rep_id": "zoe" }],
        });
        world.tell("territory-changed", value);
        for step in &steps {
            let (lead, out) = tell(&mut world, *step);
            record.enter(&out, world.now)?;
            if let Some(lead) = lead {
                prop_assert!(record.numbers.contains_key(&lead), "{lead} came and nothing was said of it");
            }
        }
    }
}
