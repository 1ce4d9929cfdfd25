//! Ingest, over both of its stages, from its topics alone:
//!
//! | id | holds |
//! |---|---|
//! | I13 | every bridged record is one change or one dead letter, or of an object nobody wants |
//! | I14 | every change has its events, each once, or one dead letter; the pictures say the same |
//!
//! Each below the offset that its stage has committed; above, nothing has an outcome.
//!
//! What came of a record names it in a header, so these are joins. Which events a change owes is found by
//! making them anew from the first change on; where that is gone, what is left must be there once, of a
//! committed change.
//!
//! Outcomes come first (`event`, `letter`, `image`), then the changes, then the bridged records, each
//! partition by offset.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Findings, Invariant, Lost, Place, Report};
use crate::codec::letter;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;
use crate::ingest::picture::{Key, Picture};
use crate::ingest::{CAUSE, Change, Machine, Mapping};

type Header = (String, Option<Vec<u8>>);
type Part = (String, i32);

/// What a bridged record owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    Nothing,
    Change,
    Letter,
}

/// An event: its topic, and its id.
type Said = (Topic, String);

/// What a change owes.
enum Due {
    /// The changes before it are gone.
    Unknown,
    Letter,
    Events(Vec<Said>),
}

/// How far a partition was read by its stage, and where what is left of it begins.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    next: i64,
    first: Option<i64>,
}

/// The checker of both stages.
pub struct Stages {
    mapping: Arc<Mapping>,
    /// The changes are here from the first one.
    whole: bool,
    raw: String,
    reach: BTreeMap<Part, Reach>,
    events: BTreeMap<Place, Vec<Said>>,
    changes: BTreeMap<Place, Vec<Place>>,
    letters: BTreeMap<Place, u64>,
    lost: Lost,
    images: BTreeMap<Key, Picture>,
    machines: BTreeMap<i32, Machine>,
    /// Partitions whose first changes are gone.
    cut: bool,
    findings: Findings,
}

impl Stages {
    /// `raw`: the topic between the two stages.
    pub fn new(mapping: Arc<Mapping>, raw: String, whole: bool) -> Stages {
        Stages {
            mapping,
            whole,
            raw,
            reach: BTreeMap::new(),
            events: BTreeMap::new(),
            changes: BTreeMap::new(),
            letters: BTreeMap::new(),
            lost: Lost::default(),
            images: BTreeMap::new(),
            machines: BTreeMap::new(),
            cut: false,
            findings: Findings::of(&[Invariant::I13, Invariant::I14]),
        }
    }

    /// What the group of a stage has committed; None = nothing yet.
    pub fn committed(&mut self, topic: &str, partition: i32, next: Option<i64>) {
        let reach = Reach { next: next.unwrap_or(0), first: None };
        self.reach.insert((topic.to_owned(), partition), reach);
    }

    /// A record of a canonical topic; those that ingest did not write are no concern of ours.
    pub fn event(&mut self, topic: Topic, event_id: &str, headers: &[Header]) {
        if let Some(cause) = cause(headers) {
            self.events.entry(cause).or_default().push((topic, event_id.to_owned()));
        }
    }

    /// A record of the dead-letter topic.
    pub fn letter(&mut self, headers: &[Header]) {
        if let letter::Kind::Letter(letter) = letter::read(headers) {
            *self.letters.entry(here(letter.place)).or_default() += 1;
        }
    }

    /// The dead letters that are gone.
    pub fn lost(&mut self, lost: Lost) {
        self.lost = lost;
    }

    /// The newest image of a picture.
    pub fn image(&mut self, key: Key, picture: Picture) {
        self.images.insert(key, picture);
    }

    /// A change between the stages.
    pub fn change(
        &mut self,
        place: &Place,
        published: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        // What was put back from the dead letters is a change of its own, whatever it once came from.
        if letter::put_back_from(headers).is_none()
            && let Some(cause) = cause(headers)
        {
            self.changes.entry(cause).or_default().push(place.clone());
        }
        let Some(reach) = self.reached(place) else { return };
        let found = self.events.remove(place).unwrap_or_default();
        let letters = self.letters.remove(place).unwrap_or(0);
        self.findings.checked(Invariant::I14);
        if place.offset >= reach.next {
            let untouched = found.is_empty() && letters == 0;
            return self.claim(
                Invariant::I14,
                untouched,
                place,
                "is not committed and has an outcome",
            );
        }
        let due = match reach.first {
            Some(0) => self.due(place, key, value).map_or(Due::Letter, Due::Events),
            _ => Due::Unknown,
        };
        let is_silent = found.is_empty() && letters == 0;
        if is_silent && matches!(due, Due::Letter) && self.lost.may_hold(published) {
            return self.findings.unchecked(Invariant::I14);
        }
        self.judge(place, found, letters, due);
    }

    /// The events that a change causes after all before it, or a dead letter.
    fn due(
        &mut self,
        place: &Place,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Option<Vec<Said>> {
        let domain = std::str::from_utf8(key?).ok()?;
        let change = Change::decode(value.unwrap_or_default()).ok()?;
        let machine = self.machines.entry(place.partition);
        let machine = machine.or_insert_with(|| Machine::new(self.mapping.clone()));
        let done = machine.apply(domain, &change).ok();
        machine.store.commit();
        let id = |value: &serde_json::Value| value.get("event_id")?.as_str().map(str::to_owned);
        let said = |event: &crate::ingest::machine::Event| Some((event.topic, id(&event.value)?));
        done.map(|done| done.events.iter().filter_map(said).collect())
    }

    fn judge(&mut self, place: &Place, mut found: Vec<Said>, letters: u64, due: Due) {
        found.sort();
        let wrong = match due {
            _ if letters > 1 => Some(format!("has {letters} dead letters")),
            _ if letters > 0 && !found.is_empty() => {
                Some("has events and a dead letter".to_owned())
            }
            _ if letters > 0 => None,
            Due::Letter => Some("cannot be used, and has no dead letter".to_owned()),
            Due::Events(mut owed) => {
                owed.sort();
                difference(&owed, &found)
            }
            Due::Unknown => {
                let twice = found.windows(2).find(|pair| matches!(pair, [a, b] if a == b));
                twice.and_then(|pair| pair.first()).map(|(topic, id)| twice_told(*topic, id))
            }
        };
        if let Some(text) = wrong {
            self.findings.broken(Invariant::I14, place, text);
        }
    }

    /// A bridged record; what it owes is asked only of one that has no outcome.
    pub fn bridged(&mut self, place: &Place, published: Timestamp, owed: impl FnOnce() -> Owed) {
        let Some(reach) = self.reached(place) else { return };
        let changes = self.changes.remove(place).unwrap_or_default();
        let letters = self.letters.remove(place).unwrap_or(0);
        self.findings.checked(Invariant::I13);
        let text = match (changes.as_slice(), letters) {
            ([], 0) if place.offset >= reach.next => return,
            _ if place.offset >= reach.next => "is not committed and has an outcome".to_owned(),
            ([], 0) => match owed() {
                Owed::Nothing => return,
                // It may be older than what is left of the changes.
                Owed::Change if self.cut => return,
                _ if self.lost.may_hold(published) => {
                    return self.findings.unchecked(Invariant::I13);
                }
                Owed::Change => "has no change".to_owned(),
                Owed::Letter => "cannot be used, and has no dead letter".to_owned(),
            },
            ([_], 0) | ([], 1) => return,
            ([], _) => format!("has {letters} dead letters"),
            ([_, again, ..], _) => format!("has {} changes, one at {again}", changes.len()),
            ([change], _) => format!("has a dead letter and a change, at {change}"),
        };
        self.findings.broken(Invariant::I13, place, text);
    }

    /// How far the stage has come that reads this record; None = none of ours does.
    fn reached(&mut self, place: &Place) -> Option<Reach> {
        let reach = self.reach.get_mut(&(place.topic.clone(), place.partition))?;
        reach.first.get_or_insert(place.offset);
        self.cut |= place.topic == self.raw && reach.first != Some(0);
        Some(*reach)
    }

    fn claim(&mut self, invariant: Invariant, holds: bool, place: &Place, text: &str) {
        if !holds {
            self.findings.broken(invariant, place, text.to_owned());
        }
    }

    /// What is left belongs to a record that is not there.
    pub fn finish(mut self) -> Report {
        if self.cut && self.whole {
            let place = Place { topic: self.raw.clone(), partition: 0, offset: 0 };
            let text = "the first changes are gone: --partial checks what is left";
            self.claim(Invariant::I14, false, &place, text);
        }
        let events = std::mem::take(&mut self.events).into_keys().map(|it| (Invariant::I14, it));
        let changes = std::mem::take(&mut self.changes).into_keys().map(|it| (Invariant::I13, it));
        let orphans: Vec<(Invariant, Place)> = events.chain(changes).collect();
        for (invariant, cause) in orphans {
            let part = (cause.topic.clone(), cause.partition);
            let gone = match self.reach.get(&part) {
                Some(Reach { first: Some(first), .. }) => cause.offset < *first,
                // Nothing is left of the partition, or it is read no longer.
                _ => true,
            };
            self.claim(invariant, gone, &cause, "is not there, and has an outcome");
        }
        if !self.cut {
            self.pictures();
        }
        self.findings.report()
    }

    fn pictures(&mut self) {
        let made = self.machines.values().flat_map(|machine| machine.store.iter());
        let mut made: BTreeMap<Key, Picture> =
            made.map(|(key, picture)| (key.clone(), picture.clone())).collect();
        let mut wrong = Vec::new();
        for (key, picture) in &self.images {
            if made.remove(key).as_ref() != Some(picture) {
                wrong.push((key.clone(), "is not what the changes say"));
            }
        }
        wrong.extend(made.into_keys().map(|key| (key, "has no image")));
        for (key, text) in wrong {
            let place = Place { topic: self.raw.clone(), partition: 0, offset: 0 };
            let text = format!("the picture of {} {} of {} {text}", key.entity, key.id, key.domain);
            self.findings.broken(Invariant::I14, &place, text);
        }
    }
}

fn twice_told(topic: Topic, id: &str) -> String {
    format!("has the event {id} of {} twice", topic.name())
}

/// The first difference between two sorted lists.
fn difference(owed: &[Said], found: &[Said]) -> Option<String> {
    let at = owed.iter().zip(found).position(|(owed, found)| owed != found);
    let at = at.unwrap_or(owed.len().min(found.len()));
    match (owed.get(at), found.get(at)) {
        (None, None) => None,
        (Some((topic, id)), None) => Some(format!("lacks the event {id} of {}", topic.name())),
        (_, Some((topic, id))) if found.iter().filter(|it| it.1 == *id).count() > 1 => {
            Some(twice_told(*topic, id))
        }
        (Some(one), Some(other)) if one < other => {
            Some(format!("lacks the event {} of {}", one.1, one.0.name()))
        }
        (_, Some((topic, id))) => {
            Some(format!("has the event {id} of {}, which it does not cause", topic.name()))
        }
    }
}

fn cause(headers: &[Header]) -> Option<Place> {
    let (_, value) = headers.iter().rev().find(|(name, _)| name == CAUSE)?;
    let text = std::str::from_utf8(value.as_deref()?).ok()?;
    text.parse().ok().map(here)
}

fn here(place: letter::Place) -> Place {
    Place { topic: place.topic, partition: place.partition, offset: place.offset }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::dead_letter::{Source, build};
    use crate::codec::error::{Error, reason};
    use crate::ingest::ChangeType;
    use serde_json::json;

    const RAW: &str = "lead-router.raw";

    fn at(topic: &str, offset: i64) -> Place {
        Place { topic: topic.to_owned(), partition: 0, offset }
    }

    fn caused_by(place: &Place) -> Vec<Header> {
        let text = letter::Place { topic: place.topic.clone(), partition: 0, offset: place.offset };
        vec![(CAUSE.to_owned(), Some(text.to_string().into_bytes()))]
    }

    /// A user who joins, then is made inactive, and so on.
    fn user(number: i64) -> Change {
        let kind = if number == 0 { ChangeType::Create } else { ChangeType::Update };
        let mut change = Change::new("User".to_owned(), kind);
        change.record_ids = vec!["0055f0000000001AAA".to_owned()];
        change.set.insert("UserType".to_owned(), json!("Standard"));
        change.set.insert("IsActive".to_owned(), json!(number % 2 == 0));
        change.transaction_key = Some(format!("t-{number}"));
        change.sequence_number = Some(1);
        change.commit_timestamp_ms = Some(1_767_225_600_000 + number);
        change
    }

    /// Three bridged records (the second is refused, the third nobody wants), and two changes of a user from
    /// the first and the fourth, with their events and pictures.
    struct Log {
        events: Vec<(Place, String)>,
        letters: Vec<Place>,
        changes: Vec<(Place, Change)>,
        images: Vec<(Key, Picture)>,
        committed: i64,
        partial: bool,
        lost: Lost,
    }

    impl Log {
        fn new() -> Log {
            let mut machine = Machine::default();
            let (mut events, mut changes) = (Vec::new(), Vec::new());
            for (offset, from) in [(0, 0), (1, 3)] {
                let change = user(offset);
                for event in machine.apply("acme", &change).expect("valid").events {
                    let id = event.value["event_id"].as_str().expect("an id").to_owned();
                    events.push((at(RAW, offset), id));
                }
                changes.push((at("sf", from), change));
            }
            assert_eq!(events.len(), 2, "{events:?}");
            let images = machine.store.iter().map(|(key, it)| (key.clone(), it.clone())).collect();
            let letters = vec![at("sf", 1)];
            let lost = Lost::default();
            Log { events, letters, changes, images, committed: 2, partial: false, lost }
        }

        fn check(&self) -> Report {
            let mapping = Arc::new(Mapping::default());
            let mut stages = Stages::new(mapping, RAW.to_owned(), !self.partial);
            stages.committed("sf", 0, Some(4));
            stages.lost(self.lost);
            stages.committed(RAW, 0, Some(self.committed));
            for (place, id) in &self.events {
                stages.event(Topic::RepChanged, id, &caused_by(place));
            }
            stages.event(Topic::RepChanged, "by hand", &[]);
            for place in &self.letters {
                let (key, value, headers) = (None, None, &[][..]);
                let (topic, offset) = (&place.topic, place.offset);
                let timestamp = Timestamp(7);
                let source = Source { topic, partition: 0, offset, timestamp, key, value, headers };
                let error = Error::new(reason::JSON_SYNTAX, "value", "is no JSON");
                stages.letter(&build(&source, &error, 1_000).headers);
            }
            for (key, picture) in &self.images {
                stages.image(key.clone(), picture.clone());
            }
            let first = if self.partial { 1 } else { 0 };
            for (offset, (cause, change)) in self.changes.iter().enumerate().skip(first) {
                let place = at(RAW, offset as i64);
                let value = change.encode();
                let published = Timestamp(offset as i64);
                stages.change(&place, published, Some(b"acme"), Some(&value), &caused_by(cause));
            }
            for offset in 0..4 {
                stages.bridged(&at("sf", offset), Timestamp(offset), || match offset {
                    1 => Owed::Letter,
                    2 => Owed::Nothing,
                    _ => Owed::Change,
                });
            }
            stages.finish()
        }
    }

    /// Bends the log, and expects one broken promise whose text has these words.
    fn broken(invariant: Invariant, words: &str, bend: impl FnOnce(&mut Log)) {
        let mut log = Log::new();
        bend(&mut log);
        let report = log.check();
        let found: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
        let hits = report.violations.iter().filter(|it| it.invariant == invariant);
        assert!(hits.clone().any(|it| it.text.contains(words)), "{words}: {found:?}");
        assert!(!report.passed());
    }

    #[test]
    fn what_is_whole_passes() {
        let report = Log::new().check();
        assert!(report.passed(), "{:?}", report.violations);
        let checked: Vec<u64> = report.verdicts.iter().map(|verdict| verdict.checked).collect();
        assert_eq!(checked, [4, 2]);
    }

    #[test]
    fn a_change_that_is_lost_or_doubled_is_found() {
        // The last change is lost before its event: then that event has no cause either.
        broken(Invariant::I13, "has no change", |log| drop(log.changes.pop()));
        broken(Invariant::I13, "has 2 changes", |log| log.changes[1].0 = at("sf", 0));
        broken(Invariant::I13, "a dead letter and a change", |log| log.letters.push(at("sf", 0)));
        broken(Invariant::I13, "has no dead letter", |log| log.letters.clear());
        broken(Invariant::I13, "has 2 dead letters", |log| log.letters.push(at("sf", 1)));
        broken(Invariant::I13, "is not there", |log| log.changes[1].0 = at("sf", 9));
    }

    #[test]
    fn an_event_that_is_lost_or_doubled_is_found() {
        broken(Invariant::I14, "lacks the event", |log| drop(log.events.pop()));
        broken(Invariant::I14, "twice", |log| log.events.push(log.events[0].clone()));
        broken(Invariant::I14, "does not cause", |log| {
            log.events.push((at(RAW, 0), "zzz".to_owned()));
        });
        broken(Invariant::I14, "events and a dead letter", |log| log.letters.push(at(RAW, 0)));
        broken(Invariant::I14, "is not committed", |log| log.committed = 1);
        broken(Invariant::I14, "has no image", |log| log.images.clear());
        broken(Invariant::I14, "not what the changes say", |log| {
            log.images[0].1.told.insert("x".to_owned(), json!(1));
        });
    }

    #[test]
    fn a_letter_that_may_be_gone_is_not_missed() {
        let mut log = Log::new();
        log.letters.clear();
        log.lost.before(Some(Timestamp(1)));
        let report = log.check();
        assert!(report.passed(), "{:?}", report.violations);
        let told = report.verdicts.iter().map(|verdict| (verdict.checked, verdict.unchecked));
        assert_eq!(told.collect::<Vec<_>>(), [(3, 1), (2, 0)]);
        broken(Invariant::I13, "has no dead letter", |log| {
            log.letters.clear();
            log.lost.before(Some(Timestamp(0)));
        });
    }

    #[test]
    fn without_the_first_changes_what_is_left_is_there_once() {
        let mut log = Log::new();
        log.partial = true;
        let report = log.check();
        assert!(report.passed(), "{:?}", report.violations);
        broken(Invariant::I14, "twice", |log| {
            log.partial = true;
            log.events.push(log.events[1].clone());
        });
    }
}
