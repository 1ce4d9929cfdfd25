//! Worlds of which the truth is known: reps who win some kinds of leads more often than others, deals
//! that close late, wins later than losses, and a record that ends while many are open.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use lead_router::cli::pipe::{Pipe, PolicyFile};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
/// 2025-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_735_689_600_000;
const INDUSTRIES: u64 = 8;
const STATES: [&str; 10] = ["CA", "NY", "TX", "WA", "FL", "IL", "OH", "GA", "NC", "CO"];
const SIZES: [i64; 3] = [20, 300, 5_000];

/// Draws that repeat: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Near enough to a standard normal: the sum of twelve uniform draws.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// What kind of world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regime {
    pub(crate) name: &'static str,
    pub(crate) reps: usize,
    pub(crate) leads: usize,
    pub(crate) days: i64,
    /// Standard deviation of a rep's own effect on the logit, and of the rep's effect in an industry.
    pub(crate) signal: f64,
    /// Share of leads that come to a deal.
    pub(crate) deals: f64,
    /// Median days from decision to close.
    pub(crate) lost_days: f64,
    pub(crate) won_days: f64,
}

/// A lead as the world sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lead {
    pub(crate) industry: usize,
    pub(crate) size: usize,
    pub(crate) state: usize,
    pub(crate) source: usize,
}

pub(crate) struct World {
    pub(crate) regime: Regime,
    draws: Draws,
    skill: Vec<f64>,
    by_industry: Vec<[f64; INDUSTRIES as usize]>,
    of_industry: [f64; INDUSTRIES as usize],
    of_size: [f64; 3],
}

impl World {
    pub(crate) fn new(regime: Regime, seed: u64) -> World {
        let mut draws = Draws(seed);
        let mut effects = |scale: f64| -> [f64; INDUSTRIES as usize] {
            std::array::from_fn(|_| scale * draws.normal())
        };
        let of_industry = effects(0.5);
        let by_industry = (0..regime.reps).map(|_| effects(regime.signal)).collect();
        let skill = (0..regime.reps).map(|_| regime.signal * draws.normal()).collect();
        let of_size = std::array::from_fn(|_| 0.4 * draws.normal());
        World { regime, draws, skill, by_industry, of_industry, of_size }
    }

    /// The truth: P(win) of a lead with a rep.
    pub(crate) fn chance(&self, lead: &Lead, rep: usize) -> f64 {
        let own = self.skill[rep] + self.by_industry[rep][lead.industry];
        let all = self.of_industry[lead.industry] + self.of_size[lead.size];
        1.0 / (1.0 + (1.3 - own - all).exp())
    }

    fn lead(&mut self) -> Lead {
        Lead {
            industry: self.draws.below(INDUSTRIES) as usize,
            size: self.draws.below(3) as usize,
            state: self.draws.below(10) as usize,
            source: self.draws.below(5) as usize,
        }
    }

    /// Days to the close: a log-normal around the median.
    fn delay(&mut self, won: bool) -> i64 {
        let median = if won { self.regime.won_days } else { self.regime.lost_days };
        ((median * (0.6 * self.draws.normal()).exp()) * DAY as f64) as i64
    }

    fn reference(&self) -> Vec<Value> {
        let reps = 0..self.regime.reps;
        let mut lines: Vec<Value> = reps
            .clone()
            .map(|rep| {
                let value = json!({ "event_id": format!("r{rep}"), "rep_id": name(rep),
                    "active": true, "hired_at": START - 1_000 * DAY });
                line("rep-changed", START, value)
            })
            .collect();
        let members: Vec<Value> = reps.map(|rep| json!({ "rep_id": name(rep) })).collect();
        let all = json!({ "event_id": "t", "territory_id": "all", "name": "All",
            "members": members });
        lines.push(line("territory-changed", START, all));
        lines
    }

    /// Runs the world under a policy, and hands over each line of the recording: what came in, each
    /// followed by what the router said. The leads come back in the order of their numbers.
    pub(crate) fn record(&mut self, policy: &str, mut write: impl FnMut(&str)) -> Vec<Lead> {
        let file = PolicyFile::parse(policy).expect("a policy");
        let mut pipe = Pipe::new(Some(file));
        let mut feed = |line: &Value, write: &mut dyn FnMut(&str)| -> Option<String> {
            let text = line.to_string();
            let mut out = Vec::new();
            pipe.line(text.as_bytes(), &mut out);
            write(&text);
            let mut rep = None;
            for answer in out.iter().filter(|answer| answer.get("ack").is_none()) {
                assert_ne!(answer["topic"], "lead-router.dead-letter", "{answer}");
                write(&answer.to_string());
                rep = answer["value"]["rep_id"].as_str().map(str::to_owned).or(rep);
            }
            rep
        };
        for line in self.reference() {
            feed(&line, &mut write);
        }
        let end = START + self.regime.days * DAY;
        let gap = self.regime.days * DAY / self.regime.leads as i64;
        let mut leads = Vec::new();
        let mut closing: BinaryHeap<Reverse<(i64, usize, bool, String)>> = BinaryHeap::new();
        for number in 0..self.regime.leads {
            let at = START + 1 + number as i64 * gap;
            while let Some(Reverse((due, ..))) = closing.peek()
                && *due <= at
                && let Some(Reverse(deal)) = closing.pop()
            {
                feed(&close(&deal), &mut write);
            }
            let lead = self.lead();
            leads.push(lead);
            let Some(rep) = feed(&created(number, at, &lead), &mut write) else { continue };
            let won = self.draws.unit() < self.chance(&lead, index(&rep));
            let closes = at + self.delay(won);
            let touch = json!({ "event_id": format!("a{number}"), "lead_id": id(number),
                "rep_id": rep, "kind": "CALL", "occurred_at": at + 60_000 });
            feed(&line("lead-activity", at + 60_000.min(gap - 1), touch), &mut write);
            if closes <= end && self.draws.unit() < self.regime.deals {
                closing.push(Reverse((closes, number, won, rep)));
            }
        }
        while let Some(Reverse(deal)) = closing.pop() {
            feed(&close(&deal), &mut write);
        }
        leads
    }
}

pub(crate) fn name(rep: usize) -> String {
    format!("rep-{rep:03}")
}

pub(crate) fn index(rep: &str) -> usize {
    rep.trim_start_matches("rep-").parse().expect("a rep of this world")
}

fn id(lead: usize) -> String {
    format!("L{lead}")
}

fn line(topic: &str, at: i64, value: Value) -> Value {
    json!({ "topic": topic, "key": "acme", "timestamp": at, "value": value })
}

fn created(number: usize, at: i64, lead: &Lead) -> Value {
    let value = json!({ "event_id": format!("l{number}"), "lead_id": id(number), "created_at": at,
        "industry": format!("industry {}", lead.industry), "employees": SIZES[lead.size],
        "country": "US", "state": STATES[lead.state], "source": format!("source {}", lead.source) });
    line("lead-created", at, value)
}

fn close((at, number, won, rep): &(i64, usize, bool, String)) -> Value {
    let mut value = json!({ "event_id": format!("o{number}"), "opportunity_id": format!("O{number}"),
        "outcome": if *won { "WON" } else { "LOST" }, "rep_id": rep, "lead_id": id(*number),
        "closed_at": at });
    if *won {
        value["amount"] = json!(1_000 + (*number as u64 * 7_919) % 20_000);
    }
    line("opportunity-closed", *at, value)
}
