//! What a decision's line is about, and a hash of what it says, without reading it: lines of a recording that say
//! what is known already need not be understood.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;
use serde::Serialize;

use super::Named;
use super::assigned::{Cause, TOPIC};
use crate::domain::published::{Candidate, LeadAssigned, WinProbability};

/// Bytes of a decision with a dozen candidates.
const ROOM: usize = 4_096;

/// A decision, by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance<'a> {
    pub domain: &'a str,
    pub lead: &'a str,
    pub assignment_no: u32,
    /// A hash of the whole but for line numbers and offsets, the same as long as the process runs.
    pub print: u64,
}

/// Whether a line is a decision as `pipe` writes it.
pub fn is_assigned(line: &str) -> bool {
    opened(line).is_some()
}

/// A line that is a decision as `pipe` writes it; None = it has to be read.
pub fn glance(line: &str) -> Option<Glance<'_>> {
    let (lead, value) = opened(line)?;
    let value = value.strip_suffix('}')?;
    // From the end: the candidates come before it, and they are most of the text.
    let (before, rest) = value.rsplit_once(",\"caused_by\":")?;
    let (cause, rest) = rest.split_at_checked(rest.find(",\"decided_at\":")?)?;
    let (between, rest) = rest.split_once(",\"positions\":")?;
    let (positions, after) = rest.split_at_checked(rest.find(",\"priority_class\":")?)?;
    // What the hash does not cover must be sound, too.
    serde_json::from_str::<Cause<'_>>(cause).ok()?.topic()?;
    serde_json::from_str::<[i64; 9]>(positions).ok()?;
    let number = before.split_once("\"assignment_no\":")?.1.split(',').next()?;
    let domain = between.split_once("\"domain\":\"")?.1.split('"').next()?;
    let print = print_of([before, between, after].map(str::as_bytes));
    is_plain(domain).then_some(Glance { domain, lead, assignment_no: number.parse().ok()?, print })
}

/// The hash that a decision has whose line is written as `pipe` writes it.
pub fn print(fact: &LeadAssigned) -> u64 {
    let mut text = Text(Vec::with_capacity(ROOM));
    let before = text.before(fact);
    let between = text.between(fact);
    text.after(fact);
    let (between, after) = text.0.split_at(between);
    let (before, between) = between.split_at(before);
    print_of([before, between, after])
}

fn print_of(parts: [&[u8]; 3]) -> u64 {
    FxBuildHasher.hash_one(parts)
}

/// The lead, and the text from the value on.
fn opened(line: &str) -> Option<(&str, &str)> {
    let (lead, rest) = line.strip_prefix("{\"key\":\"")?.split_once('"')?;
    let rest = rest.strip_prefix(",\"timestamp\":")?;
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix(",\"topic\":\"")?.strip_prefix(TOPIC)?;
    let value = rest.strip_prefix("\",\"value\":")?;
    (is_plain(lead) && value.starts_with('{')).then_some((lead, value))
}

/// Written without escapes.
fn is_plain(text: &str) -> bool {
    !text.contains('\\')
}

/// The text of a decision, its fields by name as `encode_assigned` has them, but for `caused_by` and
/// `positions`.
struct Text(Vec<u8>);

impl Text {
    /// Up to `caused_by`; where that is.
    fn before(&mut self, fact: &LeadAssigned) -> usize {
        self.list("{\"ambiguous_with\":", &fact.ambiguous_with, |it, id| it.value(id.as_str()));
        self.opt(",\"arm\":", fact.arm.map(Named::name));
        self.put(",\"assignment_no\":", fact.assignment_no);
        self.list(",\"candidates\":", &fact.candidates, Text::candidate);
        self.put(",\"candidates_total\":", fact.candidates_total);
        self.put(",\"cause\":", Named::name(fact.cause));
        self.0.len()
    }

    /// From `decided_at` up to `positions`; where that is.
    fn between(&mut self, fact: &LeadAssigned) -> usize {
        self.put(",\"decided_at\":", fact.decided_at.0);
        self.put(",\"decision_id\":", &fact.decision_id);
        self.put(",\"domain\":", fact.domain.as_str());
        self.put(",\"domain_seq\":", fact.domain_seq);
        self.put(",\"event_id\":", fact.event_id.as_str());
        self.list(",\"excluded\":", &fact.excluded, |it, (reason, count)| {
            it.put("{\"count\":", count);
            it.put(",\"reason\":", Named::name(*reason));
            it.raw("}");
        });
        self.opt(",\"former_owner_id\":", fact.former_owner_id.as_ref().map(|id| id.as_str()));
        self.put(",\"lead_created_at\":", fact.lead_created_at.0);
        self.put(",\"lead_id\":", fact.lead_id.as_str());
        self.put(",\"method\":", Named::name(fact.method));
        self.put(",\"outcome\":", Named::name(fact.outcome));
        self.put(",\"policy_sha256\":", &fact.policy_sha256);
        self.put(",\"policy_version\":", &fact.policy_version);
        self.0.len()
    }

    fn after(&mut self, fact: &LeadAssigned) {
        self.put(",\"priority_class\":", &fact.priority_class);
        self.opt(",\"propensity\":", fact.propensity);
        self.opt(",\"queue_id\":", fact.queue_id.as_ref().map(|id| id.as_str()));
        self.put(",\"reason\":", Named::name(fact.reason));
        self.opt(",\"rep_id\":", fact.rep_id.as_ref().map(|id| id.as_str()));
        self.list(",\"sla\":", &fact.sla, |it, due| {
            it.put("{\"action\":", Named::name(due.action));
            it.put(",\"due_at\":", due.due_at.0);
            it.put(",\"step\":", due.step);
            it.raw("}");
        });
        self.put(",\"stage\":", Named::name(fact.stage));
        self.opt(",\"territory_id\":", fact.territory_id.as_ref().map(|id| id.as_str()));
        self.win(fact.win_probability.as_ref());
        self.raw("}");
    }

    fn candidate(&mut self, one: &Candidate) {
        self.put("{\"eligible\":", one.eligible);
        self.opt(",\"propensity\":", one.propensity);
        self.list(",\"reasons\":", &one.reasons, |it, reason| it.value(reason.name()));
        self.put(",\"rep_id\":", one.rep_id.as_str());
        self.opt(",\"rotation\":", one.rotation);
        self.opt(",\"score\":", one.score);
        self.win(one.win_probability.as_ref());
        self.raw("}");
    }

    fn win(&mut self, win: Option<&WinProbability>) {
        let Some(win) = win else { return };
        self.put(",\"win_probability\":{\"deals\":", win.deals);
        self.put(",\"high\":", win.high);
        self.put(",\"low\":", win.low);
        self.put(",\"mean\":", win.mean);
        self.raw("}");
    }

    fn list<T>(&mut self, name: &'static str, items: &[T], each: impl Fn(&mut Text, &T)) {
        self.raw(name);
        self.raw("[");
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.raw(",");
            }
            each(self, item);
        }
        self.raw("]");
    }

    fn opt(&mut self, name: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn put(&mut self, name: &'static str, value: impl Serialize) {
        self.raw(name);
        self.value(value);
    }

    fn value(&mut self, value: impl Serialize) {
        serde_json::to_writer(&mut self.0, &value).expect("there is room");
    }

    fn raw(&mut self, text: &'static str) {
        self.0.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::json::{decode_assigned, encode_assigned};
    use crate::codec::round_trip_tests::examples;
    use crate::codec::schema::Record;

    fn line(fact: &LeadAssigned) -> String {
        let (key, value) = (fact.lead_id.as_str(), encode_assigned(fact));
        let timestamp = fact.decided_at.0;
        json!({ "topic": TOPIC, "key": key, "timestamp": timestamp, "value": value }).to_string()
    }

    fn facts() -> impl Iterator<Item = LeadAssigned> {
        let examples = examples(Record::LeadAssigned).into_iter();
        examples.map(|(_, value)| decode_assigned(&value).expect("an example"))
    }

    #[test]
    fn a_line_has_the_hash_of_its_decision_wherever_it_was_written() {
        for mut fact in facts() {
            let own = print(&fact);
            fact.caused_by.offset += 7;
            fact.positions[0] += 8;
            let line = line(&fact);
            let seen = glance(&line).expect("written as pipe does");
            assert_eq!(seen.print, own, "{line}");
            assert_eq!((seen.domain, seen.lead), (fact.domain.as_str(), fact.lead_id.as_str()));
            assert_eq!(seen.assignment_no, fact.assignment_no);
            assert!(is_assigned(&line));
        }
    }

    /// Every field of the value, but for those that are left out, changed one at a time.
    #[test]
    fn a_line_that_says_something_else_has_another_hash_or_must_be_read() {
        for fact in facts() {
            let line = line(&fact);
            let whole: Value = serde_json::from_str(&line).expect("JSON");
            let fields = whole["value"].as_object().expect("an object");
            for name in fields.keys().filter(|name| !["caused_by", "positions"].contains(&&***name))
            {
                let mut other = whole.clone();
                let value = &mut other["value"][name];
                *value = match &*value {
                    Value::Number(number) if number.is_f64() => json!(0.123_456_789),
                    Value::Number(number) => json!(number.as_u64().map_or(1, |it| it ^ 1)),
                    Value::Array(_) => json!([{ "one": "more" }]),
                    _ => json!("other"),
                };
                let (other, own) = (other.to_string(), print(&fact));
                assert_ne!(glance(&other).map(|seen| seen.print), Some(own), "{name}: {other}");
            }
        }
    }

    #[test]
    fn what_is_written_in_another_way_must_be_read() {
        let fact = facts().next().expect("an example");
        let line = line(&fact);
        let lead = format!("\"key\":\"{}\"", fact.lead_id);
        for (from, to) in [
            ("{\"key\"", "{ \"key\""),
            (&*lead, "\"key\":\"L\\u0031\""),
            ("\"timestamp\":", "\"timestamp\":\""),
            ("\"topic\":\"lead-assigned\"", "\"topic\":\"lead-created\""),
            ("\"value\":{", "\"value\":[{"),
            ("\"caused_by\":{", "\"caused_by\":{{"),
            ("\"offset\":", "\"offset\":\"x\",\"o\":"),
            ("\"positions\":[", "\"positions\":[1,"),
            (",\"priority_class\":", ",\"priority\":"),
            ("\"assignment_no\":", "\"assignment_no\":-"),
        ] {
            assert!(line.contains(from), "{from}");
            assert_eq!(glance(&line.replacen(from, to, 1)), None, "{from} as {to}");
        }
        let cut = glance(&line[..line.len() - 1]);
        assert_ne!(cut.map(|seen| seen.print), Some(print(&fact)), "cut short");
    }
}
