//! The router as a filter: the very same engine over JSON lines, on virtual time, in lockstep.
//!
//! After each line comes what it caused, then `{"ack": n}`, flushed. Time moves through the deadlines: each
//! timer fires with now = its deadline, so results do not depend on how often ticks come. A record at T: timers
//! due before T, then the record; a tick T fires all that is due by T. A jump is an outage: what is due
//! fires at T, late. A line that cannot be understood is a dead letter and moves no time.

mod line;
mod questions;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};

use serde_json::{Map, Value, json};

use self::line::{Broken, Line};
use self::questions::Moves;
use crate::codec::error::Error;
use crate::codec::json as codec;
use crate::domain::fact::Fact;
use crate::domain::time::Timestamp;
use crate::engine::filter::{self, Filter};
use crate::engine::shard::{Said, Shard};

pub use crate::engine::filter::PolicyFile;

/// The filter.
#[derive(Debug)]
pub struct Pipe {
    filter: Filter,
    lines: i64,
    /// Leads moved by changes of reference data.
    moves: Moves,
}

/// Reads lines until the end of the input; only a broken input or output ends it earlier.
pub fn pipe(
    mut input: impl BufRead,
    mut output: impl Write,
    policy: Option<PolicyFile>,
) -> io::Result<()> {
    let mut filter = Pipe::new(policy);
    let mut text = Vec::new();
    let mut answers = Vec::new();
    while input.read_until(b'\n', &mut text)? > 0 {
        filter.line(&text, &mut answers);
        for answer in answers.drain(..) {
            serde_json::to_writer(&mut output, &answer)?;
            output.write_all(b"\n")?;
        }
        output.flush()?;
        text.clear();
    }
    Ok(())
}

impl Pipe {
    pub fn new(policy: Option<PolicyFile>) -> Pipe {
        Pipe { filter: Filter::new(policy), lines: 0, moves: Moves::new() }
    }

    /// The shard behind it, for tests.
    pub fn shard(&self) -> &Shard {
        self.filter.shard()
    }

    /// Takes one line; what it caused and the acknowledgement go to `out`.
    pub fn line(&mut self, text: &[u8], out: &mut Vec<Value>) {
        self.lines += 1;
        match line::read(text) {
            Ok(Line::Blank) => {}
            Ok(Line::Event(event)) => self.event(event, out),
            Ok(Line::Tick { at, jump }) => self.tick(at, jump, out),
            Ok(Line::Digest) => out.push(json!({ "digest": self.filter.digest_text() })),
            Ok(Line::Reps) => self.reps(out),
            Ok(Line::Waiting) => out.extend(questions::waiting(self.shard())),
            Ok(Line::Unstaffed) => out.extend(questions::unstaffed(self.shard())),
            Ok(Line::Moves) => out.extend(questions::moves(&self.moves)),
            Ok(Line::Rates) => out.extend(questions::rates(self.shard())),
            Ok(Line::DryRun(event)) => self.dry_run(event, out),
            Err(broken) => out.push(self.dead_letter(*broken)),
        }
        out.push(json!({ "ack": self.lines }));
    }

    fn event(&mut self, event: line::Event, out: &mut Vec<Value>) {
        let line::Event { topic, domain, at, value } = event;
        let key = Value::from(domain.as_str());
        let broken = |error, value| Broken { error, key: key.clone(), at: Some(at), value };
        let input = match codec::decode_event(topic, &value, self.filter.shard().at(at), true) {
            Ok(input) => input,
            Err(error) => return out.push(self.dead_letter(broken(error, value))),
        };
        let mut heard = Vec::new();
        let event = filter::Event { topic, domain, at, offset: self.lines, input };
        let taken = self.filter.event(event, &mut |said| heard.push(said));
        for said in heard {
            self.say(said, out, |error| broken(error, value.clone()));
        }
        if let Err(rejection) = taken {
            let error = Error::new(rejection.reason, rejection.field, "refused");
            out.push(self.dead_letter(broken(error, value)));
        }
    }

    fn dry_run(&mut self, event: line::Event, out: &mut Vec<Value>) {
        let line::Event { topic, domain, at, value } = event;
        let key = Value::from(domain.as_str());
        let broken = |error| Broken { error, key, at: Some(at), value: value.clone() };
        let now = self.filter.shard().at(at);
        let input = match codec::decode_event(topic, &value, now, true) {
            Ok(input) => questions::in_force_now(input, now),
            Err(error) => return out.push(self.dead_letter(broken(error))),
        };
        let event = filter::Event { topic, domain, at, offset: self.lines, input };
        match self.filter.dry_run(event) {
            Ok(facts) => out.push(questions::dry_run(&facts)),
            Err(rejection) => {
                let error = Error::new(rejection.reason, rejection.field, "refused");
                out.push(self.dead_letter(broken(error)));
            }
        }
    }

    fn tick(&mut self, at: Timestamp, jump: bool, out: &mut Vec<Value>) {
        let mut heard = Vec::new();
        self.filter.tick(at, jump, &mut |said| heard.push(said));
        let nothing = |error| Broken { error, key: Value::Null, at: None, value: Value::Null };
        heard.into_iter().for_each(|said| self.say(said, out, nothing));
    }

    fn say(&mut self, said: Said, out: &mut Vec<Value>, broken: impl Fn(Error) -> Broken) {
        for fact in said.facts {
            match fact {
                Fact::Rejected(rejection) => {
                    let error = Error::new(rejection.reason, rejection.field, "refused");
                    out.push(self.dead_letter(broken(error)));
                }
                fact => {
                    questions::count_move(&mut self.moves, &fact);
                    out.extend(published(&fact, said.now));
                }
            }
        }
    }

    fn dead_letter(&self, broken: Broken) -> Value {
        let Broken { error, key, at, value } = broken;
        let now = self.shard().mark().time.max(at.unwrap_or(Timestamp(i64::MIN)));
        let timestamp = if now.0 == i64::MIN { Value::Null } else { Value::from(now.0) };
        let mut headers = Map::new();
        headers.insert("dlq.reason".to_owned(), Value::from(error.reason));
        headers.insert("dlq.field".to_owned(), Value::from(error.field));
        json!({
            "topic": "lead-router.dead-letter",
            "key": key,
            "timestamp": timestamp,
            "headers": headers,
            "value": value,
        })
    }

    fn reps(&self, out: &mut Vec<Value>) {
        for rep in self.shard().state().reps(self.shard().mark().time) {
            out.push(json!({
                "domain": rep.domain.as_str(),
                "rep_id": rep.rep_id.as_str(),
                "assigned": rep.assigned,
                "open": rep.open,
                "eligible": rep.eligible,
            }));
        }
    }
}

fn published(fact: &Fact, now: Timestamp) -> Option<Value> {
    let (topic, key, value) = match fact {
        Fact::Assigned(fact) => {
            ("lead-assigned", fact.lead_id.as_str(), codec::encode_assigned(fact))
        }
        Fact::Breached(fact) => {
            ("sla-breached", fact.lead_id.as_str(), codec::encode_breached(fact))
        }
        Fact::Set(..) | Fact::Rejected(_) | Fact::Counted(_) => return None,
    };
    Some(json!({ "topic": topic, "key": key, "timestamp": now.0, "value": value }))
}
