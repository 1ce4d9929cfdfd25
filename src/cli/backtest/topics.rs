//! The topics of a router as a recording: what it read, in the order in which it did, and what it decided.
//!
//! A decision says how far each topic had been read (`positions`), so the order is told by the record itself:
//! what had been read by then goes before it, and its cause last. Records that led to no decision go by
//! their timestamps. Everything is held in memory.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::drive::Source;
use super::progress::share;
use crate::cli::lookup::Lookup;
use crate::config::Settings;
use crate::domain::input::Topic;
use crate::domain::published::LeadAssigned;
use crate::domain::time::Timestamp;
use crate::engine::filter::Event;
use crate::engine::ports::OutTopic;
use crate::evaluate::replay::Heard;
use crate::evaluate::report::Read;
use crate::kafka::Trouble;
use crate::kafka::reader;
use crate::kafka::topics;
use crate::verify::Item;
use crate::verify::read::{Raw, Reader};

/// One shard's inputs by topic, in the order of their offsets, and its decisions.
#[derive(Debug, Default)]
struct Shard {
    inputs: [VecDeque<Event>; Topic::ALL.len()],
    #[expect(clippy::vec_box, reason = "they come boxed and are handed on boxed")]
    decisions: Vec<Box<LeadAssigned>>,
}

/// What the topics hold, in order.
#[derive(Debug)]
pub(in crate::cli) struct Topics {
    heard: std::vec::IntoIter<(Timestamp, Heard)>,
    all: usize,
    lines: u64,
    unusable: u64,
}

impl Topics {
    /// Reads the topics in and the decisions, committed records only.
    pub(in crate::cli) fn read(settings: &Settings) -> Result<Topics, Trouble> {
        let partitions = topics::inspect(settings)?.layout.partitions();
        let client = reader::Reader::connect(settings)?;
        let names = Topic::ALL.map(|topic| settings.topics.input(topic).to_owned());
        let schemas = Lookup::new(settings)?;
        let decode = Reader::new(schemas.ids(), partitions, names.clone());
        let mut shards: BTreeMap<i32, Shard> = BTreeMap::new();
        let mut found = Topics { heard: Vec::new().into_iter(), all: 0, lines: 0, unusable: 0 };
        for topic in Topic::ALL {
            let name = &names[topic.index()];
            for partition in 0..if name.is_empty() { 0 } else { partitions } {
                client.each(name, partition, |row| {
                    found.lines += 1;
                    schemas.wait(row.value.as_deref(), &row.headers);
                    match decode.input(topic, &raw(name, partition, &row)).item {
                        Item::Input { domain, input, timestamp, .. } => {
                            let (at, offset, input) = (timestamp, row.offset, *input);
                            let event = Event { topic, domain, at, offset, input };
                            let shard = shards.entry(partition).or_default();
                            shard.inputs[topic.index()].push_back(event);
                        }
                        _ => found.unusable += 1,
                    }
                })?;
                schemas.answered()?;
            }
        }
        let mut breaches = Vec::new();
        let outputs = [
            (OutTopic::LeadAssigned, &settings.topics.lead_assigned),
            (OutTopic::SlaBreached, &settings.topics.sla_breached),
        ];
        let home = shard_of(&shards);
        for (topic, name) in outputs {
            for partition in 0..topics::partitions(settings, name)? {
                client.each(name, partition, |row| {
                    found.lines += 1;
                    schemas.wait(row.value.as_deref(), &row.headers);
                    match decode.output(topic, &raw(name, partition, &row)).item {
                        Item::Assigned(fact) => match home.get(fact.domain.as_str()) {
                            Some(shard) => shards.entry(*shard).or_default().decisions.push(fact),
                            None => found.unusable += 1,
                        },
                        Item::Breached(breach) => {
                            breaches.push((breach.fired_at, Heard::Breached(breach)));
                        }
                        _ => found.unusable += 1,
                    }
                })?;
                schemas.answered()?;
            }
        }
        let mut heard: Vec<(Timestamp, Heard)> = shards.into_values().flat_map(in_order).collect();
        heard.extend(breaches);
        // Each shard is in order already; domains of different shards have nothing to do with each other.
        heard.sort_by_key(|(at, _)| *at);
        found.all = heard.len();
        found.heard = heard.into_iter();
        Ok(found)
    }
}

fn raw<'a>(topic: &'a str, partition: i32, row: &'a reader::Row) -> Raw<'a> {
    Raw {
        topic,
        partition,
        offset: row.offset,
        timestamp: row.timestamp,
        key: row.key.as_deref(),
        value: row.value.as_deref(),
        headers: &row.headers,
    }
}

fn shard_of(shards: &BTreeMap<i32, Shard>) -> BTreeMap<String, i32> {
    let domains = |(number, shard): (&i32, &Shard)| -> Vec<(String, i32)> {
        let events = shard.inputs.iter().flatten();
        events.map(|event| (event.domain.as_str().to_owned(), *number)).collect()
    };
    shards.iter().flat_map(domains).collect()
}

/// What a shard read and decided, in the order in which it did; times never go back.
fn in_order(mut shard: Shard) -> Vec<(Timestamp, Heard)> {
    let read = |fact: &LeadAssigned| fact.positions.iter().map(|next| (*next).max(0)).sum::<i64>();
    shard.decisions.sort_by(|a, b| {
        let order = (read(a), a.decided_at).cmp(&(read(b), b.decided_at));
        order.then_with(|| (&a.domain, a.domain_seq).cmp(&(&b.domain, b.domain_seq)))
    });
    let mut heard: Vec<(Timestamp, Heard)> = Vec::new();
    let mut time = Timestamp(i64::MIN);
    for fact in std::mem::take(&mut shard.decisions) {
        let now = fact.decided_at.max(time);
        let is_cause = |event: &Event| {
            Some(event.topic) == fact.caused_by.topic && event.offset == fact.caused_by.offset
        };
        for mut event in shard.until(&fact.positions) {
            event.at = if is_cause(&event) { now } else { event.at.min(now).max(time) };
            time = event.at;
            heard.push((time, Heard::Event(Box::new(event))));
        }
        if fact.caused_by.topic.is_none() {
            heard.push((now, Heard::Tick { at: now, jump: false }));
        }
        time = now;
        heard.push((now, Heard::Assigned(fact)));
    }
    for mut event in shard.until(&[i64::MAX; 9]) {
        event.at = event.at.max(time);
        time = event.at;
        heard.push((time, Heard::Event(Box::new(event))));
    }
    heard
}

impl Shard {
    /// What lies before these positions and has not been taken, by timestamp, reference data first.
    fn until(&mut self, positions: &[i64; 9]) -> Vec<Event> {
        let mut events = Vec::new();
        for (waiting, next) in self.inputs.iter_mut().zip(positions) {
            while waiting.front().is_some_and(|event| event.offset < *next) {
                events.extend(waiting.pop_front());
            }
        }
        events.sort_by_key(|event| (event.at, !event.topic.is_reference(), event.topic));
        events
    }
}

impl Source for Topics {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        Ok(self.heard.next().map(|(_, heard)| heard))
    }

    fn share(&self) -> Option<f64> {
        Some(share(self.heard.len(), self.all))
    }

    fn read(&self) -> Read {
        Read { lines: self.lines, unusable: self.unusable, ..Read::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{DomainId, LeadId, RepId};
    use crate::domain::input::{Input, LeadCreated, RepChange};
    use crate::domain::lead_fields::LeadFields;
    use crate::engine::filter::Filter;

    fn lead(number: i64, at: i64) -> Event {
        let lead_id = LeadId::new(&format!("L{number}"));
        let event_id = crate::domain::ids::EventId::new(&format!("e{number}"));
        let fields = LeadFields { created_at: Timestamp(at), ..LeadFields::default() };
        let fields = fields.into();
        let input =
            Input::LeadCreated(Box::new(LeadCreated { event_id, lead_id, fields, fast: false }));
        let domain = DomainId::new("acme");
        Event { topic: Topic::LeadCreated, domain, at: Timestamp(at), offset: number, input }
    }

    fn rep(offset: i64, at: i64) -> Event {
        let event_id = crate::domain::ids::EventId::new(&format!("r{offset}"));
        let change = RepChange { event_id, rep_id: RepId::new("ann"), definition: None };
        let input = Input::RepChanged(Box::new(change));
        let domain = DomainId::new("acme");
        Event { topic: Topic::RepChanged, domain, at: Timestamp(at), offset, input }
    }

    #[test]
    fn the_order_is_that_of_the_positions_and_the_time_that_of_the_decision() {
        let base = 1_767_225_600_000;
        let mut filter = Filter::new(None);
        let mut decisions = Vec::new();
        for mut event in [lead(0, base), lead(1, base + 5)] {
            // Decided three milliseconds after it was written.
            event.at = Timestamp(event.at.0 + 3);
            let said = &mut |said: crate::engine::shard::Said| {
                for fact in said.facts {
                    if let crate::domain::fact::Fact::Assigned(fact) = fact {
                        decisions.push(fact);
                    }
                }
            };
            filter.event(event, said).expect("a lead is taken");
        }
        let mut shard = Shard { decisions, ..Shard::default() };
        shard.inputs[Topic::LeadCreated.index()].extend([lead(0, base), lead(1, base + 5)]);
        // Written before the second lead, and read after both.
        shard.inputs[Topic::RepChanged.index()].extend([rep(0, base + 1)]);
        let heard = in_order(shard);
        let told: Vec<(i64, &str)> = heard
            .iter()
            .map(|(at, heard)| {
                let what = match heard {
                    Heard::Event(event) => event.topic.name(),
                    Heard::Assigned(_) => "decision",
                    _ => "other",
                };
                (at.0 - base, what)
            })
            .collect();
        let expected = [
            (3, "lead-created"),
            (3, "decision"),
            (8, "lead-created"),
            (8, "decision"),
            (8, "rep-changed"),
        ];
        assert_eq!(told, expected);
    }
}
