//! Records put back: which of them, and why others not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::overtaken::{self, Said, Spoken, Subject};
use super::{Filter, Found};
use crate::cli::lookup::Lookup;
use crate::codec::letter::{self, Place};
use crate::codec::murmur2::partition_of;
use crate::codec::record::{Decoder, RawRecord};
use crate::config::Settings;
use crate::domain::ids::DomainId;
use crate::domain::input::{Input, Topic};
use crate::domain::time::Timestamp;
use crate::engine::ports::{OutTopic, Outgoing};
use crate::kafka::letters::Writer;
use crate::kafka::reader::{Reader, Row};
use crate::kafka::{Trouble, topics};
use crate::runtime::clock;
use crate::runtime::run::Exit;

/// What becomes of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    PutBack,
    Already,
    /// It would only come back.
    Refused(String),
    /// Something newer has been said about the same thing.
    Overtaken(Place),
    LeftOut(u64),
    Elsewhere,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::PutBack => f.write_str("put back"),
            Verdict::Already => f.write_str("left: was put back before"),
            Verdict::Refused(why) => write!(f, "left: would be refused again, {why}"),
            Verdict::Overtaken(place) => write!(f, "left: {place} is newer"),
            Verdict::LeftOut(bytes) => {
                write!(
                    f,
                    "left: its value ({bytes} bytes) was too large for a letter; it may still be there"
                )
            }
            Verdict::Elsewhere => f.write_str(
                "left: its topic is no topic in, and none that [ingest] or topics.raw names",
            ),
        }
    }
}

/// Who reads the topic that a letter came from.
#[derive(Clone, Copy)]
enum Home {
    Router(Topic),
    Ingest,
}

fn home(settings: &Settings, name: &str) -> Option<Home> {
    let is_bridged = settings.ingest.topics.iter().any(|(topic, _)| topic == name);
    match Topic::ALL.into_iter().find(|topic| settings.topics.input(*topic) == name) {
        Some(topic) => Some(Home::Router(topic)),
        None => (is_bridged || settings.topics.raw == name).then_some(Home::Ingest),
    }
}

/// A letter that says something about a subject.
struct Claim {
    at: usize,
    topic: Topic,
    published_at: Timestamp,
    subject: Subject,
    said: Said,
}

struct Judge<'s> {
    settings: &'s Settings,
    schemas: Lookup,
    decoder: Decoder,
    partitions: i32,
    /// When the records of all letters were published.
    published: BTreeMap<&'s Place, Timestamp>,
}

pub(super) fn requeue(
    settings: &Settings,
    filter: &Filter,
    places: &[Place],
    yes: bool,
) -> Result<Exit, Trouble> {
    // First: whoever began before can write no more, and what it has written is read below.
    let writer = yes.then(|| Writer::fence(settings)).transpose()?;
    let all = super::read(settings, None)?;
    let wanted = |found: &&Found| {
        filter.fits(found) && (places.is_empty() || places.contains(&found.letter.place))
    };
    let mut chosen: Vec<&Found> = all.letters.iter().filter(wanted).collect();
    chosen.sort_by_key(|found| found.letter.published_at);
    let judge = Judge::new(settings, &all.letters)?;
    let verdicts = judge.verdicts(&chosen, &all.put_back)?;
    let mut back = Vec::new();
    for (found, verdict) in chosen.iter().zip(&verdicts) {
        println!("{}  {verdict}", found.letter.place);
        if *verdict == Verdict::PutBack {
            back.push(*found);
        }
    }
    println!("{} of {} letters to put back", back.len(), chosen.len());
    match writer {
        _ if back.is_empty() => {}
        None => println!("nothing was put back: --yes does it"),
        Some(writer) => {
            writer.put_back(&records(settings, &back)?)?;
            println!("done");
        }
    }
    let missing = places.iter().filter(|place| !chosen.iter().any(|it| it.letter.place == **place));
    let mut exit = Exit::Clean;
    for place in missing {
        eprintln!("lead-router: there is no letter of {place}");
        exit = Exit::Hard;
    }
    Ok(exit)
}

impl<'s> Judge<'s> {
    fn new(settings: &'s Settings, letters: &'s [Found]) -> Result<Judge<'s>, Trouble> {
        let schemas = Lookup::new(settings)?;
        let decoder = Decoder { ids: schemas.ids(), strict: false };
        let partitions = topics::partitions(settings, settings.topics.input(Topic::LeadCreated))?;
        let published =
            |found: &'s Found| (&found.letter.place, Timestamp(found.letter.published_at));
        let published = letters.iter().map(published).collect();
        Ok(Judge { settings, schemas, decoder, partitions, published })
    }

    /// A record as it would be read, were it put back now.
    fn decode(&self, topic: Topic, row: &Row) -> Result<(DomainId, Input), String> {
        self.schemas.wait(row.value.as_deref(), &row.headers);
        let record = RawRecord {
            topic,
            key: row.key.as_deref(),
            value: row.value.as_deref(),
            headers: &row.headers,
            timestamp: row.timestamp,
            // By its key it goes to where it belongs.
            partition: 0,
            partition_count: None,
        };
        self.decoder.decode_record(&record).map_err(|error| error.to_string())
    }

    fn verdicts(
        &self,
        chosen: &[&Found],
        put_back: &BTreeSet<Place>,
    ) -> Result<Vec<Verdict>, Trouble> {
        let mut seen = put_back.clone();
        let mut claims = Vec::new();
        let mut verdicts = Vec::new();
        for (at, found) in chosen.iter().enumerate() {
            let place = &found.letter.place;
            let verdict = match (home(self.settings, &place.topic), found.letter.left_out_bytes) {
                (None, _) => Verdict::Elsewhere,
                _ if seen.contains(place) => Verdict::Already,
                (_, Some(bytes)) => Verdict::LeftOut(bytes),
                // What is late or cannot be mapped ingest finds itself.
                (Some(Home::Ingest), None) => Verdict::PutBack,
                (Some(Home::Router(topic)), None) => match self.claim(at, topic, found) {
                    Err(why) => Verdict::Refused(why),
                    Ok(claim) => {
                        claims.extend(claim);
                        Verdict::PutBack
                    }
                },
            };
            if verdict == Verdict::PutBack {
                seen.insert(place.clone());
            }
            verdicts.push(verdict);
        }
        self.schemas.answered()?;
        let spoken = self.spoken(&claims)?;
        for Claim { at, published_at, subject, said, .. } in &claims {
            let others = spoken.get(subject).map_or(&[][..], Vec::as_slice);
            let newer = overtaken::by(said, *published_at, others);
            if let (Some(newer), Some(verdict)) = (newer, verdicts.get_mut(*at)) {
                *verdict = Verdict::Overtaken(newer.clone());
            }
        }
        Ok(verdicts)
    }

    fn claim(&self, at: usize, topic: Topic, found: &Found) -> Result<Option<Claim>, String> {
        let (domain, input) = self.decode(topic, &found.row)?;
        let published_at = Timestamp(found.letter.published_at);
        let claim = |(subject, said)| Claim { at, topic, published_at, subject, said };
        Ok(overtaken::statement(domain, input).map(claim))
    }

    /// What the topics say of the subjects of letters, in the partitions of their domains.
    fn spoken(&self, claims: &[Claim]) -> Result<BTreeMap<Subject, Vec<Spoken>>, Trouble> {
        let mut since: BTreeMap<(Topic, i32), Timestamp> = BTreeMap::new();
        let mut spoken: BTreeMap<Subject, Vec<Spoken>> = BTreeMap::new();
        for Claim { topic, published_at, subject, .. } in claims {
            spoken.entry(subject.clone()).or_default();
            let partition = partition_of(subject.0.as_str().as_bytes(), self.partitions);
            for (rival, from) in overtaken::rivals(*topic, *published_at) {
                let earliest = since.entry((rival, partition)).or_insert(from);
                *earliest = from.min(*earliest);
            }
        }
        let reader = Reader::connect(self.settings)?;
        for ((topic, partition), from) in since {
            let name = self.settings.topics.input(topic);
            if name.is_empty() {
                continue;
            }
            reader.since(name, partition, from.max(Timestamp(0)), |row| {
                let place = Place { topic: name.to_owned(), partition, offset: row.offset };
                if self.published.contains_key(&place) {
                    return;
                }
                let Ok((domain, input)) = self.decode(topic, &row) else { return };
                let Some((subject, said)) = overtaken::statement(domain, input) else { return };
                if let Some(others) = spoken.get_mut(&subject) {
                    others.push(Spoken { at: self.said_at(&row), place, said });
                }
            })?;
            self.schemas.answered()?;
        }
        Ok(spoken)
    }

    /// When a record was first published.
    fn said_at(&self, row: &Row) -> Timestamp {
        let first = letter::put_back_from(&row.headers);
        let first = first.and_then(|place| self.published.get(&place).copied());
        first.unwrap_or(row.timestamp)
    }
}

/// The records as they were, each with the marker that it was put back. What ingest reads goes to the
/// partition that it lay in, the rest to that of its key.
fn records(settings: &Settings, back: &[&Found]) -> Result<Vec<(String, Outgoing)>, Trouble> {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    let mut records = Vec::new();
    for Found { letter, row } in back {
        let Place { topic, partition, .. } = &letter.place;
        if matches!(home(settings, topic), Some(Home::Ingest))
            && !counts.contains_key(topic.as_str())
        {
            counts.insert(topic, topics::partitions(settings, topic)?);
        }
        let has_it = counts.get(topic.as_str()).is_some_and(|count| partition < count);
        let record = Outgoing {
            topic: OutTopic::DeadLetter,
            partition: has_it.then_some(*partition),
            key: row.key.clone(),
            value: row.value.clone(),
            headers: letter::headers_back(&row.headers, letter),
            timestamp: clock::now(),
        };
        let marker = Outgoing {
            partition: None,
            value: None,
            headers: letter::marker(&letter.place),
            ..record.clone()
        };
        records.push((topic.clone(), record));
        records.push((settings.topics.dead_letter.clone(), marker));
    }
    Ok(records)
}
