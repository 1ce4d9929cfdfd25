//! The router as its users have it: JSON lines in, JSON lines out, on virtual time.
//!
//! A lead comes, is touched at once (so no ladder moves it), is converted after six hours, and its
//! opportunity closes when it does. Nothing else is told.

use lead_router::cli::pipe::{Pipe, PolicyFile};
use serde_json::{Value, json};

use crate::run::{Router, Shown};
use crate::world::{Deal, Lead, START, World};

pub(crate) struct Piped {
    pipe: Pipe,
    answers: Vec<Value>,
    events: u64,
    cap: Option<u32>,
    hired_at: Vec<i64>,
    leads: usize,
    /// By method, how many decisions.
    pub(crate) methods: std::collections::BTreeMap<String, usize>,
}

/// How the policy of a run differs from the built-in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) guard_rails: bool,
    pub(crate) control_share: f64,
    pub(crate) floor: f64,
}

impl Terms {
    fn policy(self) -> String {
        let Terms { guard_rails, control_share, floor } = self;
        let (most, least) = if guard_rails { (2.0, 0.5) } else { (0.0, 0.0) };
        format!(
            "[choice]\ncontrol_share = {control_share:?}\nfloor = {floor:?}\n\
             max_share = {most:?}\nmin_share = {least:?}\n"
        )
    }
}

fn name(rep: usize) -> String {
    format!("rep-{rep:02}")
}

impl Piped {
    pub(crate) fn new(world: &World, terms: Terms) -> Piped {
        let policy = PolicyFile::parse(&terms.policy()).expect("a policy of ours");
        let mut piped = Piped {
            pipe: Pipe::new(Some(policy)),
            answers: Vec::new(),
            events: 0,
            cap: world.cap,
            hired_at: world.reps.iter().map(|rep| rep.hired_at).collect(),
            leads: 0,
            methods: std::collections::BTreeMap::new(),
        };
        let members: Vec<Value> =
            (0..world.reps.len()).map(|rep| json!({ "rep_id": name(rep) })).collect();
        piped.tell(
            "territory-changed",
            START,
            json!({ "territory_id": "all", "name": "All", "members": members }),
        );
        piped
    }

    /// One line in; the answers are those of this line. Anything but assignments is a fault.
    fn tell(&mut self, topic: &str, at: i64, mut value: Value) {
        self.events += 1;
        value["event_id"] = json!(format!("e-{}", self.events));
        let line = json!({ "topic": topic, "key": "acme", "timestamp": at, "value": value });
        self.answers.clear();
        self.pipe.line(line.to_string().as_bytes(), &mut self.answers);
        let refused =
            self.answers.iter().find(|answer| answer["topic"] == "lead-router.dead-letter");
        assert!(refused.is_none(), "{refused:?}");
    }
}

fn fields(lead: &Lead) -> Value {
    let [industry, size, state, revenue, product, source] = lead.levels;
    let employees = [20, 200, 5_000][size];
    let annual_revenue = [1_000_000, 50_000_000, 900_000_000][revenue];
    json!({
        "industry": format!("Industry {industry}"),
        "employees": employees,
        "country": "US",
        "state": format!("S{state}"),
        "annual_revenue": annual_revenue,
        // What is not known is a level too.
        "product": (product > 0).then(|| format!("Product {product}")),
        "source": format!("Source {source}"),
    })
}

fn lead_id(lead: &Lead) -> String {
    format!("lead-{}", lead.id)
}

impl Router for Piped {
    fn staffed(&mut self, rep: usize, active: bool, at: i64) {
        let caps: Vec<Value> =
            self.cap.iter().map(|limit| json!({ "window": "WEEK", "limit": limit })).collect();
        let hired_at = self.hired_at[rep];
        self.tell(
            "rep-changed",
            at.max(START),
            json!({ "rep_id": name(rep), "active": active, "hired_at": hired_at, "caps": caps }),
        );
    }

    fn choose(&mut self, lead: &Lead, open: &[bool], shown: &mut Vec<Option<Shown>>) -> usize {
        let mut value = fields(lead);
        value["lead_id"] = json!(lead_id(lead));
        value["created_at"] = json!(lead.at);
        self.tell("lead-created", lead.at, value);
        self.leads += 1;
        let assigned = self.answers.iter().find(|answer| answer["topic"] == "lead-assigned");
        let value = assigned.expect("a lead is decided")["value"].clone();
        let number = |name: &Value| name.as_str()?.strip_prefix("rep-")?.parse::<usize>().ok();
        let rep = number(&value["rep_id"]).unwrap_or_else(|| panic!("no rep for a lead: {value}"));
        let method = value["method"].as_str().unwrap_or_default().to_owned();
        *self.methods.entry(method).or_default() += 1;
        shown.resize(open.len(), None);
        for candidate in value["candidates"].as_array().into_iter().flatten() {
            let said = &candidate["win_probability"];
            if let (Some(rep), Some(mean), Some(low), Some(high), true) = (
                number(&candidate["rep_id"]),
                said["mean"].as_f64(),
                said["low"].as_f64(),
                said["high"].as_f64(),
                candidate["eligible"] == true,
            ) {
                shown[rep] = Some(Shown { mean, low, high });
            }
        }
        let touch = json!({ "lead_id": lead_id(lead), "kind": "CALL", "occurred_at": lead.at });
        self.tell("lead-activity", lead.at, touch);
        rep
    }

    fn learn(&mut self, deal: &Deal, at: i64) {
        let opportunity = format!("deal-{}", deal.lead.id);
        let mut value = json!({});
        if deal.closed_at >= START {
            let converted = json!({ "lead_id": lead_id(&deal.lead), "changed_at": deal.opened_at,
                "kind": "CONVERTED", "opportunity_id": &opportunity });
            self.tell("lead-updated", at, converted);
            value["lead_id"] = json!(lead_id(&deal.lead));
        } else {
            // The router has never seen this lead: the deal says all.
            value = fields(&deal.lead);
        }
        value["opportunity_id"] = json!(opportunity);
        value["outcome"] = json!(if deal.won { "WON" } else { "LOST" });
        value["rep_id"] = json!(name(deal.rep));
        value["opened_at"] = json!(deal.opened_at);
        value["closed_at"] = json!(deal.closed_at);
        self.tell("opportunity-closed", at, value);
    }
}
