//! The table: every kind of bad record that a topic in may hold, by number, with what becomes of it. The tests
//! on a real Kafka send the same.

mod avro;
mod envelope;
mod json;
mod meaning;

use lead_router::domain::input::Topic;

/// When all this happens: whoever sends the records says.
fn t0() -> i64 {
    super::present()
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A dead letter, with this reason.
    Dead(&'static str),
    /// It looks odd and is taken.
    Taken,
}

pub(crate) type Header = (String, Option<Vec<u8>>);

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) group: u8,
    pub(crate) what: String,
    pub(crate) topic: Topic,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
    /// `None` = the present.
    pub(crate) timestamp: Option<i64>,
    /// In a partition that is not the key's.
    pub(crate) astray: bool,
    pub(crate) fate: Fate,
}

/// What the registry answers for an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Avro(String),
    /// A schema of another language.
    Other(&'static str, &'static str),
}

/// Cases, with the schemas that they are written with.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) cases: Vec<Case>,
    /// By id, from 1.
    pub(crate) answers: Vec<Answer>,
}

impl Table {
    fn schema(&mut self, text: impl Into<String>) -> u32 {
        self.answer(Answer::Avro(text.into()))
    }

    fn answer(&mut self, answer: Answer) -> u32 {
        self.answers.push(answer);
        u32::try_from(self.answers.len()).expect("few schemas")
    }

    /// A value on `lead-created`.
    fn lead(&mut self, group: u8, what: &str, value: impl Into<Vec<u8>>, fate: Fate) -> &mut Case {
        self.add(group, what, Topic::LeadCreated, value, fate)
    }

    fn add(
        &mut self,
        group: u8,
        what: &str,
        topic: Topic,
        value: impl Into<Vec<u8>>,
        fate: Fate,
    ) -> &mut Case {
        self.cases.push(Case {
            group,
            what: what.to_owned(),
            topic,
            key: Some(b"acme".to_vec()),
            value: Some(value.into()),
            headers: Vec::new(),
            timestamp: None,
            astray: false,
            fate,
        });
        self.cases.last_mut().expect("just added")
    }
}

/// All of them, in the order of their numbers.
pub(crate) fn table() -> Table {
    let mut table = Table::default();
    avro::add(&mut table);
    json::add(&mut table);
    envelope::add(&mut table);
    meaning::add(&mut table);
    table.cases.sort_by_key(|case| case.group);
    table
}

/// `00`, the id, a datum.
fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], datum].concat()
}

/// An Avro long.
fn long(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut out = Vec::new();
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

/// An Avro string.
fn text(bytes: &[u8]) -> Vec<u8> {
    [long(bytes.len() as i64), bytes.to_vec()].concat()
}
