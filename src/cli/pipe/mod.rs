//! The router as a filter: the very same engine over JSON lines, on virtual time, in lockstep.
//!
//! After each line comes what it caused, then `{"ack": n}`, flushed. Time moves through the deadlines: each
//! timer fires with now = its deadline, so results do not depend on how often ticks come. A record at T: timers
//! due before T, then the record; a tick T fires all that is due by T. A jump is an outage: what is due
//! fires at T, late. A line that cannot be understood is a dead letter and moves no time.

mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};

use serde_json::{Map, Value, json};

use self::line::{Broken, Event, Line};
use crate::codec::error::{Error, reason};
use crate::codec::json as codec;
use crate::codec::policy::{self, PolicyFault};
use crate::domain::fact::Fact;
use crate::domain::ids::{DomainId, EventId};
use crate::domain::input::{Input, PolicyChange};
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Part, Record};
use crate::engine::shard::{Panicked, Said, Shard};
use crate::engine::wire;

/// The policy that a filter starts with, for every domain.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    text: String,
    policy: Policy,
}

impl PolicyFile {
    /// Reads it, or tells everything that is wrong with it.
    pub fn parse(text: &str) -> Result<PolicyFile, Vec<PolicyFault>> {
        Ok(PolicyFile { text: text.to_owned(), policy: policy::parse(text)? })
    }
}

/// The filter.
#[derive(Debug)]
pub struct Pipe {
    shard: Shard,
    policy: Option<PolicyFile>,
    /// Domains that have had the file's policy.
    told: BTreeSet<DomainId>,
    lines: i64,
    /// Images' digest, kept up from the first question on.
    digest: Option<u128>,
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
        Pipe { shard: Shard::new(0), policy, told: BTreeSet::new(), lines: 0, digest: None }
    }

    /// The shard behind it, for tests.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Takes one line; what it caused and the acknowledgement go to `out`.
    pub fn line(&mut self, text: &[u8], out: &mut Vec<Value>) {
        self.lines += 1;
        match line::read(text) {
            Ok(Line::Blank) => {}
            Ok(Line::Event(event)) => self.event(event, out),
            Ok(Line::Tick { at, jump }) => self.tick(at, jump, out),
            Ok(Line::Digest) => out.push(json!({ "digest": self.digest_text() })),
            Ok(Line::Reps) => self.reps(out),
            Err(broken) => out.push(self.dead_letter(*broken)),
        }
        self.settle();
        out.push(json!({ "ack": self.lines }));
    }

    fn event(&mut self, event: Event, out: &mut Vec<Value>) {
        let Event { topic, domain, at, value } = event;
        let now = self.shard.at(at);
        let broken =
            |error, value| Broken { error, key: Value::from(domain.as_str()), at: Some(at), value };
        let input = match codec::decode_event(topic, &value, now, true) {
            Ok(input) => input,
            Err(error) => return out.push(self.dead_letter(broken(error, value))),
        };
        let part = Part { topic, shard: 0 };
        let offset = self.lines;
        let record =
            Record { part, offset, timestamp: at, key: None, value: None, headers: Vec::new() };
        if let Some(rejection) = self.shard.rejection(&record, &domain, &input, now) {
            let error = Error::new(rejection.reason, rejection.field, "refused");
            self.shard.pass(&record);
            return out.push(self.dead_letter(broken(error, value)));
        }
        // Timers due at the record's own instant wait for a later line.
        while let Some(due_at) = self.shard.first_due(Timestamp(at.0 - 1)) {
            self.fire(due_at, out);
        }
        self.settle();
        self.shard.pass(&record);
        self.tell_policy(&record, &domain, now);
        match self.shard.feed(&record, domain.clone(), input, now) {
            Ok(said) => self.say(said, out, |error| broken(error, value.clone())),
            Err(Panicked) => {
                // Nothing of this line stands, and time has not moved.
                self.shard.rollback();
                let error = Error::new(reason::PROCESSOR_PANIC, "value", "deciding it panicked");
                out.push(self.dead_letter(broken(error, value)));
            }
        }
    }

    /// The file is a policy event before line 1, for a domain that nobody had heard of then.
    fn tell_policy(&mut self, record: &Record, domain: &DomainId, now: Timestamp) {
        let Some(PolicyFile { text, policy }) = &self.policy else { return };
        if !self.told.insert(domain.clone()) {
            return;
        }
        let change = PolicyChange {
            event_id: EventId::new("file"),
            version: "file".to_owned(),
            text: text.clone(),
            sha256: codec::sha256_hex(text.as_bytes()),
            policy: policy.clone(),
            valid_from_at: None,
            author: None,
        };
        let input = Input::PolicyChanged(Box::new(change));
        // It was read before; a domain that has no leads says nothing to it.
        if self.shard.feed(record, domain.clone(), input, now).is_err() {
            self.shard.rollback();
        }
    }

    fn tick(&mut self, at: Timestamp, jump: bool, out: &mut Vec<Value>) {
        while let Some(due_at) = self.shard.first_due(at) {
            self.fire(if jump { at } else { due_at }, out);
        }
        self.shard.pass_time(at);
    }

    fn fire(&mut self, now: Timestamp, out: &mut Vec<Value>) {
        self.settle();
        match self.shard.fire(now) {
            Some(Ok((_, said))) => self.say(said, out, |error| Broken {
                error,
                key: Value::Null,
                at: None,
                value: Value::Null,
            }),
            Some(Err(Panicked)) => panic!("deciding a timer panicked"),
            None => {}
        }
    }

    fn say(&self, said: Said, out: &mut Vec<Value>, broken: impl Fn(Error) -> Broken) {
        for fact in said.facts {
            match fact {
                Fact::Rejected(rejection) => {
                    let error = Error::new(rejection.reason, rejection.field, "refused");
                    out.push(self.dead_letter(broken(error)));
                }
                fact => out.extend(published(&fact, said.now)),
            }
        }
    }

    fn dead_letter(&self, broken: Broken) -> Value {
        let Broken { error, key, at, value } = broken;
        let now = self.shard.mark().time.max(at.unwrap_or(Timestamp(i64::MIN)));
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

    /// What was done stands: a filter has no transactions.
    fn settle(&mut self) {
        if let Some(digest) = self.digest {
            self.digest = Some(wire::digest_after(digest, &self.shard.changes()));
        }
        self.shard.commit();
    }

    fn digest_text(&mut self) -> String {
        let digest = match self.digest {
            Some(digest) => digest,
            None => wire::digest_of(&self.shard.state().entities()),
        };
        self.digest = Some(digest);
        format!("{digest:032x}")
    }

    fn reps(&self, out: &mut Vec<Value>) {
        for rep in self.shard.state().reps(self.shard.mark().time) {
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
