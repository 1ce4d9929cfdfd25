//! The second stage: changes into pictures, pictures into canonical events.
//!
//! Deterministic and without I/O: what comes out depends on the changes and their order alone. A record
//! whose events are not valid leaves no trace in the pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::canonical;
use super::change::{Change, ChangeType, Stamp};
use super::mapping::{Mapping, Object, Target};
use super::patch;
use super::picture::{Key, Life, Picture, Store};
use crate::codec::error::Error;
use crate::codec::json;
use crate::domain::input::Topic;
use crate::domain::time::Timestamp;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Canonical events came out.
    Mapped,
    /// Understood, and nothing to say; the reason is of a closed list.
    Ignored(&'static str),
    /// An event was lost: the record, or the object, must be read again.
    Stale(&'static str),
}

/// Every reason of an outcome that is not a dead letter.
pub const REASONS: [&str; 14] = [
    "object_not_wanted",
    "no_mapped_field",
    "duplicate",
    "superseded",
    "unchanged",
    "incomplete",
    "filtered",
    "deleted",
    "converted",
    "not_a_lead",
    "not_a_touch",
    "not_a_rep",
    "history_kept",
    "gap",
];

/// A canonical event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub topic: Topic,
    pub at: Timestamp,
    pub value: Value,
}

/// What a change caused.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    pub outcome: Outcome,
    pub events: Vec<Event>,
    /// Records to read again; `*` = the whole object.
    pub reread: Vec<Key>,
}

/// The pictures of some domains, and the mapping that makes events of them.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub mapping: Arc<Mapping>,
    pub store: Store,
}

/// One record of a change, merged into its picture.
pub(super) struct Step<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) store: &'a mut Store,
    pub(super) domain: &'a str,
    pub(super) change: &'a Change,
    pub(super) object: &'a Object,
    pub(super) id: &'a str,
    pub(super) picture: Picture,
    pub(super) before: Option<Picture>,
    /// Fields of theirs that this change gave a value that was not known, or took one away.
    pub(super) fresh: BTreeSet<String>,
    pub(super) events: Vec<Event>,
}

impl Machine {
    pub fn new(mapping: Arc<Mapping>) -> Machine {
        Machine { mapping, store: Store::default() }
    }

    /// Applies a change. An error is a dead letter: nothing of the change stands.
    pub fn apply(&mut self, domain: &str, change: &Change) -> Result<Done, Error> {
        let done = self.all(domain, change);
        match &done {
            Ok(_) => self.store.keep_step(),
            Err(_) => self.store.undo_step(),
        }
        done
    }

    fn all(&mut self, domain: &str, change: &Change) -> Result<Done, Error> {
        let mapping = self.mapping.clone();
        let mut done = Done {
            outcome: Outcome::Ignored("object_not_wanted"),
            events: Vec::new(),
            reread: Vec::new(),
        };
        let Some(object) = mapping.object(&change.entity) else { return Ok(done) };
        if change.change_type == ChangeType::GapOverflow || change.record_ids.is_empty() {
            done.outcome = self.whole_object(domain, change, &mut done.reread);
            return Ok(done);
        }
        let mut outcomes = Vec::with_capacity(change.record_ids.len());
        for id in &change.record_ids {
            let outcome = self.one(&mapping, domain, change, object, id, &mut done)?;
            outcomes.push(outcome);
        }
        let mapped = outcomes.iter().copied().find(|it| *it == Outcome::Mapped);
        let stale = outcomes.iter().copied().find(|it| matches!(it, Outcome::Stale(_)));
        done.outcome = mapped.or(stale).or(outcomes.first().copied()).unwrap_or(done.outcome);
        for event in &done.events {
            json::decode_event(event.topic, &event.value, event.at, true)?;
        }
        Ok(done)
    }

    /// Nobody says which records are meant: all of the object.
    fn whole_object(&mut self, domain: &str, change: &Change, reread: &mut Vec<Key>) -> Outcome {
        let key = Key::new(domain, &change.entity, "*");
        let mut picture = self.store.get(&key).cloned().unwrap_or_default();
        let stale = picture.stale_since.unwrap_or(i64::MIN).max(change.at());
        picture.stale_since = Some(stale);
        self.store.set(key.clone(), picture);
        reread.push(key);
        Outcome::Stale("gap")
    }

    fn one(
        &mut self,
        mapping: &Mapping,
        domain: &str,
        change: &Change,
        object: &Object,
        id: &str,
        done: &mut Done,
    ) -> Result<Outcome, Error> {
        let key = Key::new(domain, &change.entity, id);
        let before = self.store.get(&key).cloned();
        let mut picture = before.clone().unwrap_or_default();
        if !picture.note(&change.identity(id)) {
            return Ok(Outcome::Ignored("duplicate"));
        }
        let stamp = change.stamp();
        if change.change_type.is_gap() {
            done.reread.push(key.clone());
            return Ok(self.gap(change, key, before, picture, done));
        }
        let (patched, whole) = patched(object, change, &stamp, &picture);
        if !whole {
            done.reread.push(key.clone());
        }
        let merged = merge(object, change, &patched, &stamp, &mut picture);
        let fresh = match merged {
            Ok(fresh) => fresh,
            Err(reason) => {
                self.store.set(key, picture);
                return Ok(Outcome::Ignored(reason));
            }
        };
        let wanted = is_wanted(object, &picture, change);
        let was_partial = picture.life == Life::Partial && before.is_none();
        self.store.set(key.clone(), picture.clone());
        if was_partial && change.change_type == ChangeType::Update {
            done.reread.push(key.clone());
        }
        if !wanted {
            return Ok(Outcome::Ignored("filtered"));
        }
        let mut step = Step {
            mapping,
            store: &mut self.store,
            domain,
            change,
            object,
            id,
            picture,
            before,
            fresh,
            events: Vec::new(),
        };
        let outcome = canonical::say(&mut step)?;
        let Step { picture, events, .. } = step;
        let outcome = if events.is_empty() { outcome } else { Outcome::Mapped };
        self.store.set(key, picture);
        done.events.extend(events);
        Ok(outcome)
    }

    /// An event of this record was lost. What is known of it may be wrong from then on.
    fn gap(
        &mut self,
        change: &Change,
        key: Key,
        before: Option<Picture>,
        mut picture: Picture,
        done: &mut Done,
    ) -> Outcome {
        let stamp = change.stamp();
        let newer = |known: &Option<Stamp>| known.as_ref().is_some_and(|it| !stamp.is_after(it));
        if newer(&picture.whole) || newer(&picture.ended) {
            self.store.set(key.clone(), picture);
            done.reread.retain(|it| *it != key);
            return Outcome::Ignored("superseded");
        }
        picture.stale_since = Some(picture.stale_since.unwrap_or(i64::MIN).max(change.at()));
        let is_lead = self.mapping.object(&key.entity).is_some_and(|it| it.to == Target::Lead);
        let kind = change.change_type.name();
        let is_repeat = picture.told.get(kind).and_then(Value::as_i64) >= Some(change.at());
        if is_lead && !is_repeat {
            let known = before
                .is_some_and(|it| it.life != Life::Deleted || it.told.contains_key("created"));
            if known || change.change_type == ChangeType::GapCreate {
                done.events.push(canonical::fetch_needed(change, &key.id));
            }
            picture.told.insert(kind.to_owned(), Value::from(change.at()));
        }
        if change.change_type == ChangeType::GapDelete {
            picture.end(&stamp);
            done.reread.retain(|it| *it != key);
        }
        self.store.set(key, picture);
        Outcome::Stale("gap")
    }
}

/// The texts that came as a difference, as they are now; false if one is not known as it was: then the record must be
/// read again.
fn patched(
    object: &Object,
    change: &Change,
    stamp: &Stamp,
    picture: &Picture,
) -> (BTreeMap<String, Value>, bool) {
    let (mut texts, mut whole) = (BTreeMap::new(), true);
    for (name, diff) in change.diffs.iter().filter(|(name, _)| object.keeps(name)) {
        if picture.has_since(name, stamp) {
            continue;
        }
        let old = picture.get(name).and_then(|(value, _)| value.as_str());
        match old.and_then(|old| patch::apply(old, diff)) {
            Some(new) => drop(texts.insert(name.clone(), Value::from(new))),
            None => whole = false,
        }
    }
    (texts, whole)
}

/// Puts what the change says into the picture: the fields that are news, or why there is none.
fn merge(
    object: &Object,
    change: &Change,
    patched: &BTreeMap<String, Value>,
    stamp: &Stamp,
    picture: &mut Picture,
) -> Result<BTreeSet<String>, &'static str> {
    let is_over = |known: &Option<Stamp>| known.as_ref().is_some_and(|it| !stamp.is_after(it));
    if change.change_type == ChangeType::Delete {
        if is_over(&picture.ended) || is_over(&picture.whole) {
            return Err("superseded");
        }
        for (name, value) in change.carried.iter().filter(|(name, _)| object.keeps(name)) {
            picture.put(name, value.clone(), stamp);
        }
        return Ok(BTreeSet::new());
    }
    let is_back = change.change_type == ChangeType::Undelete;
    if is_over(&picture.ended) || is_back && is_over(&picture.whole) {
        return Err("superseded");
    }
    let mut fresh = BTreeSet::new();
    let mut kept = 0;
    let mut same = 0;
    let cleared = change.cleared.iter().map(|name| (name, &Value::Null));
    for (name, value) in
        change.set.iter().chain(patched).chain(cleared).filter(|(name, _)| object.keeps(name))
    {
        kept += 1;
        let is_same = picture.get(name).map(|(known, _)| known) == Some(value);
        if picture.put(name, value.clone(), stamp) {
            match change.is_image && is_same {
                true => same += 1,
                false => drop(fresh.insert(name.clone())),
            }
        }
    }
    for (name, value) in change.carried.iter().filter(|(name, _)| object.keeps(name)) {
        let was_known = picture.get(name).is_some();
        // Of a row's null nobody knows whether it is new, unless something was there.
        if picture.put(name, value.clone(), stamp) && value.is_null() && was_known {
            fresh.insert(name.clone());
            kept += 1;
        }
    }
    if change.change_type.is_whole() {
        if !is_over(&picture.whole) {
            fresh.extend(picture.clear_others(&change.set, stamp));
            picture.whole = Some(stamp.clone());
        }
        if picture.stale_since.is_some_and(|stale| stale <= stamp.at) {
            picture.stale_since = None;
        }
        picture.ended = None;
        picture.life = Life::Live;
        return Ok(fresh);
    }
    if picture.life == Life::Deleted {
        return Err("deleted");
    }
    match (fresh.is_empty(), kept, same) {
        (false, ..) => Ok(fresh),
        (true, 0, _) => Err("no_mapped_field"),
        (true, _, 1..) => Err("unchanged"),
        (true, ..) => Err("superseded"),
    }
}

/// Whether the record is one of those that the mapping looks at.
fn is_wanted(object: &Object, picture: &Picture, change: &Change) -> bool {
    change.change_type == ChangeType::Delete
        || object.only.iter().all(|(name, values)| {
            let said = picture.get(name).and_then(|(value, _)| super::values::text(value));
            said.is_some_and(|said| values.contains(&said))
        })
}
