//! What the outside world publishes: reps, territories, leads, touches, deals, and now and then rubbish.

use lead_router::domain::time::Timestamp;
use lead_router::embedded::Cluster;
use serde_json::{Value, json};

use super::random::Random;

const DOMAINS: [&str; 3] = ["acme", "bolt", "core"];
const REPS: [&str; 4] = ["ann", "bob", "cid", "dan"];

/// What has been published so far.
#[derive(Default)]
pub(super) struct Workload {
    leads: u64,
    events: u64,
}

impl Workload {
    fn event_id(&mut self) -> String {
        self.events += 1;
        format!("e{}", self.events)
    }

    /// Everybody who works, and what belongs to them.
    pub(super) fn found(&mut self, cluster: &Cluster, now: Timestamp) {
        for domain in DOMAINS {
            for rep in REPS {
                let value = json!({ "event_id": self.event_id(), "rep_id": rep, "active": true,
                    "manager_id": "eve" });
                send(cluster, "rep-changed", domain, &value, now);
            }
            let members: Vec<Value> = REPS.iter().map(|rep| json!({ "rep_id": rep })).collect();
            let value = json!({ "event_id": self.event_id(), "territory_id": "all", "name": "All",
                "members": members });
            send(cluster, "territory-changed", domain, &value, now);
        }
    }

    /// One event.
    pub(super) fn publish(&mut self, random: &mut Random, cluster: &Cluster, now: Timestamp) {
        let domain = *random.pick(&DOMAINS);
        match random.below(100) {
            0..50 => self.lead(random, cluster, domain, now),
            50..75 => self.touch(random, cluster, domain, now),
            75..83 => self.update(random, cluster, domain, now),
            83..90 => self.deal(random, cluster, domain, now),
            90..93 => self.rep(random, cluster, domain, now),
            93..95 => self.territory(random, cluster, domain, now),
            _ => rubbish(random, cluster, domain, now),
        }
    }

    /// Very much at once of what causes little.
    pub(super) fn burst(&mut self, cluster: &Cluster, count: usize, now: Timestamp) {
        for _ in 0..count {
            let value = json!({ "event_id": self.event_id(), "lead_id": "nobody", "kind": "CALL",
                "occurred_at": now.0 });
            send(cluster, "lead-activity", DOMAINS[0], &value, now);
        }
    }

    fn some_lead(&self, random: &mut Random) -> String {
        // The newest are the likeliest to be spoken of; some were never heard of.
        format!("L{}", self.leads.saturating_sub(random.below(12)))
    }

    fn lead(&mut self, random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
        self.leads += 1;
        let topic = if random.chance(200) { "lead-created-fast" } else { "lead-created" };
        let value = json!({ "event_id": self.event_id(), "lead_id": format!("L{}", self.leads),
            "created_at": now.0, "country": random.pick(&["DE", "FR", "US"]),
            "email": format!("{}@example.com", random.below(40)) });
        for _ in 0..1 + u64::from(random.chance(50)) {
            send(cluster, topic, domain, &value, now);
        }
    }

    fn touch(&mut self, random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
        let kind = random.pick(&["CALL", "EMAIL", "ACCEPTED", "DECLINED", "ON_HOLD", "RESUMED"]);
        let value = json!({ "event_id": self.event_id(), "lead_id": self.some_lead(random),
            "kind": kind, "occurred_at": now.0 });
        send(cluster, "lead-activity", domain, &value, now);
    }

    fn update(&mut self, random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
        let kind = *random.pick(&["OWNER", "CONVERTED", "DELETED", "FIELDS", "DO_NOT_ROUTE"]);
        let mut value = json!({ "event_id": self.event_id(), "lead_id": self.some_lead(random),
            "changed_at": now.0, "kind": kind });
        match kind {
            "OWNER" => value["new_owner_id"] = json!(random.pick(&REPS)),
            "FIELDS" => value["changes"] = json!({ "country": random.pick(&["DE", "FR"]) }),
            _ => {}
        }
        send(cluster, "lead-updated", domain, &value, now);
    }

    fn deal(&mut self, random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
        let value = json!({ "event_id": self.event_id(),
            "opportunity_id": format!("O{}", random.below(30)),
            "outcome": random.pick(&["WON", "LOST"]), "rep_id": random.pick(&REPS),
            "closed_at": now.0, "country": "DE", "lead_id": self.some_lead(random),
            "amount": now.0 % 50_000, "currency": "EUR" });
        send(cluster, "opportunity-closed", domain, &value, now);
    }

    fn rep(&mut self, random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
        let away = json!([{ "from_at": now.0 + 60_000, "to_at": now.0 + 240_000 }]);
        let value = json!({ "event_id": self.event_id(), "rep_id": random.pick(&REPS),
            "active": !random.chance(200), "manager_id": "eve",
            "away": if random.chance(500) { away } else { json!([]) },
            "caps": if random.chance(300) { json!([{ "window": "OPEN", "limit": 8 }]) }
                else { json!([]) } });
        send(cluster, "rep-changed", domain, &value, now);
    }

    fn territory(&mut self, random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
        let rules = json!([{ "all": [{ "field": "country", "op": "IN", "values": ["DE"] }] }]);
        let from = if random.chance(300) { json!(now.0 + 90_000) } else { Value::Null };
        let value = json!({ "event_id": self.event_id(), "territory_id": "german", "name": "DE",
            "parent_id": "all", "rules": rules, "members": [{ "rep_id": random.pick(&REPS) }],
            "valid_from_at": from, "effective_change": random.pick(&["NEW_ONLY", "ALL_OPEN"]),
            "deleted": random.chance(300) });
        send(cluster, "territory-changed", domain, &value, now);
    }
}

fn send(cluster: &Cluster, topic: &str, domain: &str, value: &Value, now: Timestamp) {
    cluster.produce(topic, domain.as_bytes(), value.to_string().as_bytes(), now);
}

/// Records that nothing can be made of.
fn rubbish(random: &mut Random, cluster: &Cluster, domain: &str, now: Timestamp) {
    let key = domain.as_bytes();
    match random.below(4) {
        0 => {
            cluster.produce("lead-created", key, b"{", now);
        }
        1 => {
            cluster.produce("lead-activity", key, br#"{"lead_id":"L1"}"#, now);
        }
        2 => {
            cluster.produce_to("rep-changed", 0, Some(key), None, now);
        }
        _ => {
            // Where the key belongs to another partition it is set aside, else it is read.
            let value = json!({ "event_id": "x", "lead_id": "L0", "created_at": now.0 });
            let value = value.to_string();
            cluster.produce_to("lead-created", 0, Some(key), Some(value.as_bytes()), now);
        }
    }
}
