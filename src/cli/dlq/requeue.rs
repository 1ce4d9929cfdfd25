//! Records put back: which of them, and why others not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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
    PutBack(Topic),
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
            Verdict::PutBack(_) => f.write_str("put back"),
            Verdict::Already => f.write_str("left: was put back before"),
            Verdict::Refused(why) => write!(f, "left: would be refused again, {why}"),
            Verdict::Overtaken(place) => write!(f, "left: {place} is newer"),
            Verdict::LeftOut(bytes) => {
                write!(
                    f,
                    "left: its value ({bytes} bytes) was too large for a letter; it may still be there"
                )
            }
            Verdict::Elsewhere => f.write_str("left: comes from no topic in"),
        }
    }
}

/// What a record says something about; the newer one counts.
type Subject = (DomainId, &'static str, String);

fn subject(domain: &DomainId, input: &Input) -> Option<Subject> {
    let (kind, id) = match input {
        Input::LeadCreated(it) => ("lead", it.lead_id.as_str()),
        Input::LeadUpdated(it) => ("lead", it.lead_id.as_str()),
        Input::TerritoryChanged(it) => ("territory", it.territory_id.as_str()),
        Input::RepChanged(it) => ("rep", it.rep_id.as_str()),
        Input::AccountChanged(it) => ("account", it.account_id.as_str()),
        Input::OpportunityClosed(it) => ("opportunity", it.opportunity_id.as_str()),
        Input::PolicyChanged(_) => ("policy", ""),
        // What somebody did is not overtaken by what he did later.
        Input::LeadActivity(_) | Input::Timer { .. } => return None,
    };
    Some((domain.clone(), kind, id.to_owned()))
}

/// The topics that may say something newer about the same thing.
fn rivals(topic: Topic) -> Vec<Topic> {
    let leads = [Topic::LeadCreated, Topic::LeadCreatedFast, Topic::LeadUpdated];
    if leads.contains(&topic) { leads.to_vec() } else { vec![topic] }
}

struct Judge<'s> {
    settings: &'s Settings,
    schemas: Lookup,
    decoder: Decoder,
    partitions: i32,
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
    let chosen: Vec<&Found> = all.letters.iter().filter(wanted).collect();
    let schemas = Lookup::new(settings)?;
    let decoder = Decoder { ids: schemas.ids(), strict: false };
    let partitions = topics::partitions(settings, settings.topics.input(Topic::LeadCreated))?;
    let judge = Judge { settings, schemas, decoder, partitions };
    let verdicts = judge.verdicts(&chosen, &all.put_back)?;
    let mut records = Vec::new();
    for (found, verdict) in chosen.iter().zip(&verdicts) {
        println!("{}  {verdict}", found.letter.place);
        if let Verdict::PutBack(topic) = verdict {
            records.extend(judge.records(*topic, found));
        }
    }
    let count = records.len() / 2;
    println!("{count} of {} letters to put back", chosen.len());
    match writer {
        _ if count == 0 => {}
        None => println!("nothing was put back: --yes does it"),
        Some(writer) => {
            writer.put_back(&records)?;
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

impl Judge<'_> {
    fn topic(&self, name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.settings.topics.input(*topic) == name)
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
        let mut verdicts = Vec::new();
        let mut subjects: BTreeMap<usize, Subject> = BTreeMap::new();
        for (at, found) in chosen.iter().enumerate() {
            let letter = &found.letter;
            verdicts.push(match (self.topic(&letter.place.topic), letter.left_out_bytes) {
                (None, _) => Verdict::Elsewhere,
                _ if seen.contains(&letter.place) => Verdict::Already,
                (_, Some(bytes)) => Verdict::LeftOut(bytes),
                (Some(topic), None) => match self.decode(topic, &found.row) {
                    Err(why) => Verdict::Refused(why),
                    Ok((domain, input)) => {
                        seen.insert(letter.place.clone());
                        subject(&domain, &input).map(|subject| subjects.insert(at, subject));
                        Verdict::PutBack(topic)
                    }
                },
            });
        }
        for (at, newer) in self.overtaken(chosen, &verdicts, &subjects)? {
            if let Some(verdict) = verdicts.get_mut(at) {
                *verdict = Verdict::Overtaken(newer);
            }
        }
        Ok(verdicts)
    }

    /// Letters about something of which a topic holds a newer record. Reads what was published since the
    /// oldest of them, in the partitions of their domains.
    fn overtaken(
        &self,
        chosen: &[&Found],
        verdicts: &[Verdict],
        subjects: &BTreeMap<usize, Subject>,
    ) -> Result<BTreeMap<usize, Place>, Trouble> {
        let mut since: BTreeMap<(Topic, i32), i64> = BTreeMap::new();
        for (at, (domain, ..)) in subjects {
            let (Some(found), Some(Verdict::PutBack(topic))) = (chosen.get(*at), verdicts.get(*at))
            else {
                continue;
            };
            let partition = partition_of(domain.as_str().as_bytes(), self.partitions);
            for rival in rivals(*topic) {
                let from = since.entry((rival, partition)).or_insert(i64::MAX);
                *from = (*from).min(found.letter.published_at);
            }
        }
        let reader = Reader::connect(self.settings)?;
        let mut newest: BTreeMap<Subject, (Timestamp, Place)> = BTreeMap::new();
        for ((topic, partition), from) in since {
            let name = self.settings.topics.input(topic);
            if name.is_empty() {
                continue;
            }
            reader.since(name, partition, Timestamp(from.max(0)), |row| {
                let place = Place { topic: name.to_owned(), partition, offset: row.offset };
                let Ok((domain, input)) = self.decode(topic, &row) else { return };
                if let Some(subject) = subject(&domain, &input) {
                    let known = newest.get(&subject).is_some_and(|(at, _)| *at >= row.timestamp);
                    if !known {
                        newest.insert(subject, (row.timestamp, place));
                    }
                }
            })?;
        }
        let mut overtaken = BTreeMap::new();
        for (at, subject) in subjects {
            let letter = chosen.get(*at).map(|found| &found.letter);
            if let (Some(letter), Some((time, place))) = (letter, newest.get(subject))
                && time.0 > letter.published_at
                && *place != letter.place
            {
                overtaken.insert(*at, place.clone());
            }
        }
        Ok(overtaken)
    }

    /// The record as it was, and the marker that it was put back.
    fn records(&self, topic: Topic, found: &Found) -> [(String, Outgoing); 2] {
        let Found { letter, row } = found;
        let now = clock::now();
        let record = Outgoing {
            topic: OutTopic::DeadLetter,
            partition: None,
            key: row.key.clone(),
            value: row.value.clone(),
            headers: letter::headers_back(&row.headers, letter),
            timestamp: now,
        };
        let marker = Outgoing {
            key: row.key.clone(),
            value: None,
            headers: letter::marker(&letter.place),
            ..record.clone()
        };
        let name = self.settings.topics.input(topic).to_owned();
        [(name, record), (self.settings.topics.dead_letter.clone(), marker)]
    }
}
