//! Our own schemas at the registry: under which subject, with which id, and whether they are the same.

use std::collections::BTreeMap;

use super::answer::{self, Answer};
use super::client::{Client, Fetched};
use super::{Refusal, Unavailable};
use crate::codec::Record;
use crate::codec::schema::Writer;
use crate::config::Topics;
use crate::domain::input::Topic;

/// A record of ours, and where it is registered: the topic's name, then `-value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    pub record: Record,
}

impl Subject {
    fn of(topic: &str, record: Record) -> Subject {
        Subject { name: format!("{topic}-value"), record }
    }

    /// The command that registers it.
    fn registering(&self) -> &'static str {
        match self.record {
            Record::LeadAssigned | Record::SlaBreached => "lead-router schema register",
            _ => "lead-router schema register --inputs",
        }
    }
}

/// What we write.
pub fn subjects_out(topics: &Topics) -> Vec<Subject> {
    vec![
        Subject::of(&topics.lead_assigned, Record::LeadAssigned),
        Subject::of(&topics.sla_breached, Record::SlaBreached),
    ]
}

/// What producers write for us.
pub fn subjects_in(topics: &Topics) -> Vec<Subject> {
    let named = Topic::ALL.map(|topic| (topics.input(topic), Record::of(topic)));
    let named = named.into_iter().filter(|(topic, _)| !topic.is_empty());
    named.map(|(topic, record)| Subject::of(topic, record)).collect()
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub id: u32,
    pub version: u32,
    pub schema: Fetched,
}

/// How a subject stands to our schema of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Ours is registered, with this id.
    Same(u32),
    /// Nothing is registered.
    Nothing,
    /// The newest is another; ours is not among the older ones either.
    Other(Registered),
}

/// A subject's name as part of a path.
pub(super) fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => (byte as char).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(escape).collect()
}

impl Client {
    /// The id of each subject's schema, which is ours.
    pub fn ids(&self, subjects: &[Subject]) -> Result<BTreeMap<Record, u32>, Refusal> {
        let mut ids = BTreeMap::new();
        let mut faults = Vec::new();
        for subject in subjects {
            let (name, register) = (&subject.name, subject.registering());
            match self.difference(subject)? {
                Difference::Same(id) => _ = ids.insert(subject.record, id),
                Difference::Nothing => faults.push(format!(
                    "nothing is registered under {name}: `{register}` does that"
                )),
                Difference::Other(other) => faults.push(format!(
                    "version {} of {name} is not our schema: `lead-router schema diff` shows what differs, \
                     `{register}` adds ours",
                    other.version
                )),
            }
        }
        match faults.is_empty() {
            true => Ok(ids),
            false => Err(Refusal::Differs(faults.join("\n"))),
        }
    }

    /// How a subject stands to our schema of it.
    pub fn difference(&self, subject: &Subject) -> Result<Difference, Unavailable> {
        let path = format!("/subjects/{}", escaped(&subject.name));
        let ours = subject.record.embedded().text;
        match self.post(&path, ours)? {
            Answer::Found(body) => Ok(Difference::Same(answer::number(&body, "id")?)),
            Answer::TooLarge => Err(self.not_a_registry()),
            // Its comparison is by the text; ours is by what the data mean.
            Answer::Absent | Answer::Refused(_) => {
                let Some(latest) = self.version(&subject.name, "latest")? else {
                    return Ok(Difference::Nothing);
                };
                Ok(match is_ours(subject.record, &latest.schema) {
                    true => Difference::Same(latest.id),
                    false => Difference::Other(latest),
                })
            }
            Answer::NoSuchPath => Err(self.not_a_registry()),
        }
    }

    /// A version of a subject; `None` if there is none.
    pub fn version(&self, name: &str, version: &str) -> Result<Option<Registered>, Unavailable> {
        let path = format!("/subjects/{}/versions/{version}", escaped(name));
        match self.get(&path)? {
            Answer::Found(body) => Ok(Some(Registered {
                id: answer::number(&body, "id")?,
                version: answer::number(&body, "version")?,
                schema: self.fetched(&body)?,
            })),
            Answer::Absent => Ok(None),
            _ => Err(self.not_a_registry()),
        }
    }

    /// The versions of a subject, oldest first.
    pub fn versions(&self, name: &str) -> Result<Vec<u32>, Unavailable> {
        match self.get(&format!("/subjects/{}/versions", escaped(name)))? {
            Answer::Found(body) => {
                let list = body.as_array().ok_or_else(|| self.not_a_registry())?;
                let number = |value: &serde_json::Value| u32::try_from(value.as_u64()?).ok();
                list.iter().map(|it| number(it).ok_or_else(|| self.not_a_registry())).collect()
            }
            Answer::Absent => Ok(Vec::new()),
            _ => Err(self.not_a_registry()),
        }
    }

    /// What the registry's own rule says about ours as the next version; `None`: nothing is there yet.
    pub fn would_take(&self, subject: &Subject) -> Result<Option<bool>, Unavailable> {
        let name = escaped(&subject.name);
        let path = format!("/compatibility/subjects/{name}/versions/latest");
        match self.post(&path, subject.record.embedded().text)? {
            Answer::Found(body) => {
                let said = body.get("is_compatible").and_then(serde_json::Value::as_bool);
                said.map(Some).ok_or_else(|| self.not_a_registry())
            }
            Answer::Absent => Ok(None),
            Answer::Refused(_) => Ok(Some(false)),
            _ => Err(self.not_a_registry()),
        }
    }

    /// Registers our schema; the id, or why the registry will not have it.
    pub fn register(&self, subject: &Subject) -> Result<Result<u32, String>, Unavailable> {
        let path = format!("/subjects/{}/versions", escaped(&subject.name));
        match self.post(&path, subject.record.embedded().text)? {
            Answer::Found(body) => Ok(Ok(answer::number(&body, "id")?)),
            Answer::Refused(why) => Ok(Err(why)),
            _ => Err(self.not_a_registry()),
        }
    }
}

/// Whether data of a schema are those of ours, units and scales included.
fn is_ours(record: Record, schema: &Fetched) -> bool {
    let Fetched::Avro(text) = schema else { return false };
    Writer::parse(text).is_ok_and(|writer| writer.record == record && writer.is_ours)
}
