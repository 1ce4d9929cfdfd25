//! A story of SLAs: steps that fire, leads that are answered, declined, held, taken away, ended; and a fault at
//! every step of the loop all along it. At the end each step of each assignment has exactly one fate.

use std::collections::BTreeMap;
use std::rc::Rc;

use lead_router::domain::entity::{Entity, LeadEntity, Phase};
use lead_router::domain::time::Timestamp;
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::restore::read_shard;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::check;
use super::faulty::Fault;
use super::judged;
use super::number;
use super::world::{Plan, START, WORKERS, World};

const POLICY: &str = r#"
[choice]
method = "round_robin"
control_share = 0.0
[sla]
max_hops = 2
[sla.standard]
target_secs = 60
steps = [{ at = 0.5, action = "REMIND" }, { at = 1.0, action = "ESCALATE" }, { at = 1.5, action = "REASSIGN" }]
"#;
/// One move of the story, of virtual time.
const TICK_MS: i64 = 5_000;
const TICKS: i64 = 84;

/// (seconds, topic, value)
fn script() -> Vec<(i64, &'static str, Value)> {
    let sha256 =
        Sha256::digest(POLICY).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let policy = json!({ "event_id": "p", "version": "1", "text": POLICY, "sha256": sha256 });
    let mut script = vec![(0, "policy-changed", policy)];
    let reps = ["ann", "bob", "cid", "dan"];
    for rep in reps {
        let value = json!({ "event_id": rep, "rep_id": rep, "active": true, "manager_id": "eve" });
        script.push((0, "rep-changed", value));
    }
    let members = reps.map(|rep| json!({ "rep_id": rep }));
    let all = json!({ "event_id": "t", "territory_id": "all", "name": "All", "members": members });
    script.push((0, "territory-changed", all));
    for number in 0..10 {
        let lead = json!({ "event_id": format!("l{number}"), "lead_id": format!("L{number}"),
            "created_at": START + 10_000, "country": "DE" });
        script.push((10, "lead-created", lead));
    }
    let mut events = 0;
    let mut activity = |at: i64, lead: &str, kind: &str| {
        events += 1;
        let value = json!({ "event_id": format!("a{events}"), "lead_id": lead, "kind": kind,
            "occurred_at": START + at * 1_000 });
        script.push((at, "lead-activity", value));
    };
    // Nobody answers L0: it climbs the ladder, hop by hop, to the manager.
    activity(20, "L1", "CALL");
    activity(50, "L2", "EMAIL");
    activity(30, "L3", "DECLINED");
    activity(80, "L3", "DECLINED");
    activity(55, "L4", "ACCEPTED");
    activity(20, "L5", "ON_HOLD");
    activity(120, "L5", "RESUMED");
    activity(115, "L6", "MEETING");
    let mut update = |at: i64, lead: &str, kind: &str, more: Value| {
        let mut value = json!({ "event_id": format!("u{lead}"), "lead_id": lead, "kind": kind,
            "changed_at": START + at * 1_000 });
        for (name, one) in more.as_object().into_iter().flatten() {
            value[name] = one.clone();
        }
        script.push((at, "lead-updated", value));
    };
    update(60, "L7", "CONVERTED", json!({}));
    update(65, "L8", "OWNER", json!({ "new_owner_id": "dan" }));
    update(105, "L9", "DELETED", json!({}));
    // A rep leaves, and hers are given to others.
    let leaves = json!({ "event_id": "x", "rep_id": "bob", "active": false, "manager_id": "eve" });
    script.push((70, "rep-changed", leaves));
    script.sort_by_key(|(at, ..)| *at);
    script
}

fn tell(world: &Rc<World>) {
    let mut script = script().into_iter().peekable();
    for tick in 0..TICKS {
        let now = Timestamp(START + tick * TICK_MS);
        world.pass(now.since(world.now()).0.max(0));
        while let Some((_, topic, value)) =
            script.next_if(|(at, ..)| START + at * 1_000 <= world.now().0)
        {
            world.cluster.produce(topic, b"acme", value.to_string().as_bytes(), world.now());
        }
        for _ in 0..3 {
            (0..WORKERS).for_each(|slot| World::turn(world, slot));
            world.cluster.settle(usize::MAX);
            world.pass(10);
        }
    }
    World::rest(world);
}

/// What became of the steps of all assignments.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fates {
    fired: usize,
    cancelled: usize,
    superseded: usize,
}

/// Every step of every assignment has fired once, or was cancelled, or superseded, and only one of these.
fn fates(world: &World, wrong: &mut Vec<String>) -> Fates {
    let values = |topic: &str| -> Vec<Value> {
        let shards = 0..world.settings.partitions;
        let records = shards.flat_map(|shard| world.cluster.read(topic, shard, 0, usize::MAX));
        records.filter_map(|record| serde_json::from_slice(&record.value?).ok()).collect()
    };
    let key = |value: &Value| {
        (value["lead_id"].as_str().unwrap_or_default().to_owned(), value["assignment_no"].as_u64())
    };
    let assigned: BTreeMap<_, Value> =
        values("lead-assigned").into_iter().map(|value| (key(&value), value)).collect();
    let mut breaches: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for breach in values("sla-breached") {
        let step = breach["step"].as_u64();
        breaches.entry((key(&breach), step)).or_default().push(breach);
    }
    let leads = images(world);
    let mut fates = Fates::default();
    for ((lead, no), value) in &assigned {
        let next = assigned.get(&(lead.clone(), no.map(|no| no + 1)));
        let image = leads.get(lead).filter(|image| Some(u64::from(image.assignment_no)) == *no);
        for step in value["sla"].as_array().into_iter().flatten() {
            let number = step["step"].as_u64();
            let fired = breaches.remove(&((lead.clone(), *no), number)).unwrap_or_default();
            let stopped = image.is_some_and(is_over);
            match (fired.len(), next.is_some(), stopped) {
                (1, ..) => fates.fired += 1,
                (0, true, false) => fates.superseded += 1,
                (0, false, true) => fates.cancelled += 1,
                fate => wrong.push(format!("{lead} {no:?} step {number:?}: {fate:?}")),
            }
            let late = next.filter(|next| {
                fired.iter().any(|breach| breach["fired_at"].as_i64() > next["decided_at"].as_i64())
            });
            wrong.extend(late.map(|_| format!("{lead} {no:?} fired after it was superseded")));
            let kept = image.and_then(|image| image.ladder.as_ref()).and_then(|ladder| {
                ladder.steps.iter().find(|kept| Some(u64::from(kept.step)) == number)
            });
            if kept.is_some_and(|kept| kept.fired_at.is_some() != (fired.len() == 1)) {
                wrong.push(format!("{lead} {no:?} step {number:?}: the state says otherwise"));
            }
        }
    }
    wrong.extend(breaches.keys().map(|stranger| format!("{stranger:?} fired unannounced")));
    fates
}

/// Whether nothing more can fire of the present assignment.
fn is_over(lead: &LeadEntity) -> bool {
    let stopped = lead.ladder.as_ref().is_none_or(|ladder| ladder.stopped);
    matches!(lead.phase, Phase::Ended(_)) || lead.phase != Phase::Assigned || stopped
}

fn images(world: &World) -> BTreeMap<String, LeadEntity> {
    let mut leads = BTreeMap::new();
    for shard in 0..world.settings.partitions {
        let mut log = EmbeddedLog::new(&world.cluster, "checker");
        let restored = read_shard(&mut log, shard).expect("restored");
        for (key, entity) in restored.state().entities() {
            if let Entity::Lead(lead) = entity {
                leads.insert(key.id.to_string(), LeadEntity::clone(&lead));
            }
        }
    }
    leads
}

fn check(world: &World) -> Vec<String> {
    let mut wrong = check::check(world);
    fates(world, &mut wrong);
    wrong
}

#[test]
fn each_step_of_an_sla_has_one_fate_whatever_fails() {
    let seed = 5;
    let fair = World::new(seed, None, Plan::Fair);
    judged(&fair, tell, check).unwrap_or_else(|wrong| panic!("without any fault: {wrong}"));
    let mut none = Vec::new();
    let fates = fates(&fair, &mut none);
    assert!(fates.fired > 12 && fates.cancelled > 8 && fates.superseded > 8, "{fates:?}");
    // Polls are many and mostly in vain; LEAD_ROUTER_SIM_STRIDE=1 takes each.
    let stride = number("LEAD_ROUTER_SIM_STRIDE").unwrap_or(7);
    let came = fair.came.borrow().clone();
    let mut strikes = 0;
    for (label, count) in came {
        let stride = if matches!(label, "poll" | "ends") { stride * 5 } else { stride };
        for fault in Fault::ALL.into_iter().filter(|fault| fault.is_possible_at(label)) {
            for nth in (fault as u64 % stride..count).step_by(stride as usize) {
                let world = World::new(seed, None, Plan::At { label, nth, fault });
                if let Err(wrong) = judged(&world, tell, check) {
                    panic!("{fault:?} at {label} {nth}:\n{wrong}");
                }
                assert!(world.struck.get(), "{label} {nth} did not come");
                strikes += 1;
            }
        }
    }
    println!("{strikes} faults along {fates:?}: one fate for each step of each assignment");
}
