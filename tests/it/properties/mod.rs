//! What holds for every history, through the filter: the rotation's bound, caps, and an outcome for each lead.
//!
//! Random histories, `LEAD_ROUTER_CASES` of each property (256 if it is not set); a failure is shrunk and shown.

mod amounts;
mod caps;
mod outcomes;
mod rotation;

use lead_router::cli::pipe::{Pipe, PolicyFile};
use serde_json::{Value, json};

/// 2026-01-05T00:00:00Z, a Monday.
const MONDAY: i64 = 1_767_571_200_000;

/// How many histories of each property.
fn cases() -> u32 {
    std::env::var("LEAD_ROUTER_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

/// A filter with a clock: what is said goes in at its time.
struct World {
    pipe: Pipe,
    now: i64,
    events: u32,
}

impl World {
    fn new(policy: &str) -> World {
        let policy = PolicyFile::parse(policy).expect("a policy");
        World { pipe: Pipe::new(Some(policy)), now: MONDAY, events: 0 }
    }

    /// Tells an event; what it caused comes back.
    fn tell(&mut self, topic: &str, mut value: Value) -> Vec<Value> {
        self.events += 1;
        value["event_id"] = json!(format!("e{}", self.events));
        let line = json!({ "topic": topic, "key": "acme", "timestamp": self.now, "value": value });
        self.line(&line.to_string())
    }

    fn line(&mut self, text: &str) -> Vec<Value> {
        let mut out = Vec::new();
        self.pipe.line(text.as_bytes(), &mut out);
        let ack = out.pop().expect("an acknowledgement");
        assert!(ack["ack"].is_i64(), "{ack}");
        out
    }

    fn tick(&mut self) -> Vec<Value> {
        self.line(&json!({ "tick": self.now }).to_string())
    }

    fn rep(&mut self, id: &str, more: Value) -> Vec<Value> {
        let mut value = json!({ "rep_id": id, "active": true });
        for (name, field) in more.as_object().expect("an object") {
            value[name] = field.clone();
        }
        self.tell("rep-changed", value)
    }

    fn lead(&mut self, id: &str, more: Value) -> Vec<Value> {
        let mut value = json!({ "lead_id": id, "created_at": self.now });
        for (name, field) in more.as_object().expect("an object") {
            value[name] = field.clone();
        }
        self.tell("lead-created", value)
    }
}

/// The lead-assigned events of an answer, by their value.
fn decisions(out: &[Value]) -> impl Iterator<Item = &Value> {
    out.iter().filter(|one| one["topic"] == "lead-assigned").map(|one| &one["value"])
}
