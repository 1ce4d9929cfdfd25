//! The router as a filter: the very same engine over JSON lines, on virtual time, in lockstep.
//!
//! After each line comes what it caused, then `{"ack": n}`, flushed. Time moves through the deadlines: each
//! timer fires with now = its deadline, so results do not depend on how often ticks come. A record at T: timers
//! due before T, then the record; a tick T fires all that is due by T. A jump is an outage: what is due
//! fires at T, late. A line that cannot be understood is a dead letter and moves no time.

mod answer;
mod line;
mod questions;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

use self::answer::{Answer, Broken, Letter};
use self::line::Line;
use self::questions::Moves;
use crate::codec::error::Error;
use crate::codec::json as codec;
use crate::domain::fact::{Fact, Rejection};
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
        filter.answer(&text, &mut answers);
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
        let mut answers = Vec::new();
        self.answer(text, &mut answers);
        out.extend(answers.into_iter().map(Value::from));
    }

    fn answer(&mut self, text: &[u8], out: &mut Vec<Answer>) {
        self.lines += 1;
        let text = text.trim_ascii();
        match line::read(text) {
            Ok(Line::Blank) => {}
            Ok(Line::Event(event)) => self.event(event, text, out),
            Ok(Line::Tick { at, jump }) => self.tick(at, jump, out),
            Ok(Line::DryRun(event)) => self.dry_run(event, text, out),
            Ok(Line::Digest) => say(out, [json!({ "digest": self.filter.digest_text() })]),
            Ok(Line::Reps) => say(out, questions::reps(self.shard())),
            Ok(Line::Waiting) => say(out, questions::waiting(self.shard())),
            Ok(Line::Unstaffed) => say(out, questions::unstaffed(self.shard())),
            Ok(Line::Moves) => say(out, questions::moves(&self.moves)),
            Ok(Line::Rates) => say(out, questions::rates(self.shard())),
            Err(broken) => self.refuse(*broken, out),
        }
        say(out, [json!({ "ack": self.lines })]);
    }

    fn event(&mut self, event: line::Event, text: &[u8], out: &mut Vec<Answer>) {
        let line::Event { topic, domain, at, value } = event;
        let broken = |error| Broken::event(error, text, Some(at));
        let input = match codec::decode_event(topic, &value, self.filter.shard().at(at), true) {
            Ok(input) => input,
            Err(error) => return self.refuse(broken(error), out),
        };
        let mut heard = Vec::new();
        let event = filter::Event { topic, domain, at, offset: self.lines, input };
        let taken = self.filter.event(event, &mut |said| heard.push(said));
        for said in heard {
            self.say(said, out, broken);
        }
        if let Err(rejection) = taken {
            self.refuse(broken(refused(rejection)), out);
        }
    }

    fn dry_run(&mut self, event: line::Event, text: &[u8], out: &mut Vec<Answer>) {
        let line::Event { topic, domain, at, value } = event;
        let broken = |error| Broken::event(error, text, Some(at));
        let now = self.filter.shard().at(at);
        let input = match codec::decode_event(topic, &value, now, true) {
            Ok(input) => questions::in_force_now(input, now),
            Err(error) => return self.refuse(broken(error), out),
        };
        let event = filter::Event { topic, domain, at, offset: self.lines, input };
        match self.filter.dry_run(event) {
            Ok(facts) => say(out, [questions::dry_run(&facts)]),
            Err(rejection) => self.refuse(broken(refused(rejection)), out),
        }
    }

    fn tick(&mut self, at: Timestamp, jump: bool, out: &mut Vec<Answer>) {
        let mut heard = Vec::new();
        self.filter.tick(at, jump, &mut |said| heard.push(said));
        heard.into_iter().for_each(|said| self.say(said, out, Broken::timer));
    }

    fn say(&mut self, said: Said, out: &mut Vec<Answer>, broken: impl Fn(Error) -> Broken) {
        for fact in said.facts {
            match fact {
                Fact::Rejected(rejection) => self.refuse(broken(refused(rejection)), out),
                fact => {
                    questions::count_move(&mut self.moves, &fact);
                    say(out, published(&fact, said.now));
                }
            }
        }
    }

    fn refuse(&self, broken: Broken, out: &mut Vec<Answer>) {
        let now = self.shard().mark().time.max(broken.at.unwrap_or(Timestamp(i64::MIN)));
        let at = Some(now).filter(|now| now.0 != i64::MIN);
        out.push(Answer::Refused(Letter::new(broken, at)));
    }
}

fn say(out: &mut Vec<Answer>, said: impl IntoIterator<Item = Value>) {
    out.extend(said.into_iter().map(Answer::Said));
}

fn refused(rejection: Rejection) -> Error {
    Error::new(rejection.reason, rejection.field, "refused")
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
