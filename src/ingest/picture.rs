//! What is known of each record of the CRM, field by field, with when it was said.
//!
//! An update carries only what changed, and may come late; so a field takes a value only from what was said
//! after what it has, and after the record was last seen as a whole. So a repeat finds nothing to say, though
//! only the last few events are known again by their identity. A batch's pictures roll back together: the journal
//! has each as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::change::Stamp;

/// Which record of which org.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub domain: String,
    pub entity: String,
    pub id: String,
}

impl Key {
    pub fn new(domain: &str, entity: &str, id: &str) -> Key {
        Key { domain: domain.to_owned(), entity: entity.to_owned(), id: id.to_owned() }
    }
}

/// How much of a record's life has been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// It was never seen as a whole.
    #[default]
    Partial,
    Live,
    Deleted,
}

/// How many events a picture remembers, to know them again. One that is older has nothing to say either, by
/// what the picture has and has told; it costs the look.
const SEEN: usize = 16;

/// One record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    fields: BTreeMap<String, (Value, Stamp)>,
    pub life: Life,
    /// When it was last seen as a whole.
    pub whole: Option<Stamp>,
    pub ended: Option<Stamp>,
    /// An event of it was lost by then (milliseconds): it must be read again.
    pub stale_since: Option<i64>,
    seen: Vec<u64>,
    /// What its events have said already, and what others say of it: by a name of ours.
    pub told: BTreeMap<String, Value>,
}

impl Picture {
    /// The value of a field that has one.
    pub fn get(&self, name: &str) -> Option<(&Value, &Stamp)> {
        let (value, stamp) = self.fields.get(name)?;
        (!value.is_null()).then_some((value, stamp))
    }

    /// The fields that have a value.
    pub fn fields(&self) -> impl Iterator<Item = (&String, &Value)> {
        let known = self.fields.iter().filter(|(_, (value, _))| !value.is_null());
        known.map(|(name, (value, _))| (name, value))
    }

    /// Whether a field was said as late as this, or later. A whole record says all its fields, those too that
    /// it does not have.
    pub fn has_since(&self, name: &str, stamp: &Stamp) -> bool {
        let said = self.fields.get(name).map(|(_, known)| known);
        said.into_iter().chain(&self.whole).any(|known| !stamp.is_after(known))
    }

    /// Takes a value if it was said after what is known; whether it was.
    pub fn put(&mut self, name: &str, value: Value, stamp: &Stamp) -> bool {
        if self.has_since(name, stamp) {
            return false;
        }
        self.fields.insert(name.to_owned(), (value, stamp.clone()));
        true
    }

    /// The record as a whole: what it does not have is null by then. Gives back what became null.
    pub fn clear_others(
        &mut self,
        named: &BTreeMap<String, Value>,
        stamp: &Stamp,
    ) -> BTreeSet<String> {
        let mut cleared = BTreeSet::new();
        for (name, (value, known)) in &mut self.fields {
            if !named.contains_key(name) && !value.is_null() && stamp.is_after(known) {
                *value = Value::Null;
                *known = stamp.clone();
                cleared.insert(name.clone());
            }
        }
        cleared
    }

    /// Notes an event by its identity; false = it was here before.
    pub fn note(&mut self, identity: &str) -> bool {
        let id = super::change::hash(identity);
        if self.seen.contains(&id) {
            return false;
        }
        if self.seen.len() >= SEEN {
            self.seen.remove(0);
        }
        self.seen.push(id);
        true
    }

    /// Forgets what is about the record, and keeps that it ended.
    pub fn end(&mut self, stamp: &Stamp) {
        self.life = Life::Deleted;
        self.ended = Some(stamp.clone());
        self.fields.clear();
        self.stale_since = None;
    }

    pub fn encode(&self) -> Vec<u8> {
        // Most fields were said together: each stamp is written once.
        let mut stamps: Vec<&Stamp> = Vec::new();
        let mut fields = Map::new();
        for (name, (value, stamp)) in &self.fields {
            let at = stamps.iter().position(|known| *known == stamp).unwrap_or(stamps.len());
            if at == stamps.len() {
                stamps.push(stamp);
            }
            fields.insert(name.clone(), json!([value, at]));
        }
        let life = match self.life {
            Life::Partial => "partial",
            Life::Live => "live",
            Life::Deleted => "deleted",
        };
        let all: Vec<Value> = stamps.iter().map(|stamp| write_stamp(stamp)).collect();
        json!({
            "fields": fields,
            "stamps": all,
            "life": life,
            "whole": self.whole.as_ref().map(write_stamp),
            "ended": self.ended.as_ref().map(write_stamp),
            "stale_since": self.stale_since,
            "seen": self.seen,
            "told": self.told,
        })
        .to_string()
        .into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Option<Picture> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let stamps: Option<Vec<Stamp>> =
            value.get("stamps")?.as_array()?.iter().map(read_stamp).collect();
        let stamps = stamps?;
        let mut picture = Picture {
            life: match value.get("life")?.as_str()? {
                "partial" => Life::Partial,
                "live" => Life::Live,
                "deleted" => Life::Deleted,
                _ => return None,
            },
            whole: value.get("whole").and_then(read_stamp),
            ended: value.get("ended").and_then(read_stamp),
            stale_since: value.get("stale_since").and_then(Value::as_i64),
            seen: value.get("seen")?.as_array()?.iter().filter_map(Value::as_u64).collect(),
            ..Picture::default()
        };
        for (name, cell) in value.get("fields")?.as_object()? {
            let at = usize::try_from(cell.get(1)?.as_u64()?).ok()?;
            picture.fields.insert(name.clone(), (cell.get(0)?.clone(), stamps.get(at)?.clone()));
        }
        for (name, told) in value.get("told")?.as_object()? {
            picture.told.insert(name.clone(), told.clone());
        }
        Some(picture)
    }
}

fn write_stamp(stamp: &Stamp) -> Value {
    json!([stamp.at, stamp.number, stamp.sequence, stamp.transaction])
}

fn read_stamp(value: &Value) -> Option<Stamp> {
    let number = |at: usize| value.get(at)?.as_i64();
    Some(Stamp {
        at: number(0)?,
        number: number(1)?,
        sequence: number(2)?,
        transaction: value.get(3)?.as_u64()?,
    })
}

/// All pictures, with what the batch touched.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pictures: BTreeMap<Key, Picture>,
    /// As they were before the batch.
    batch: BTreeMap<Key, Option<Picture>>,
    /// As they were before the record that is in work.
    step: Vec<(Key, Option<Picture>)>,
}

impl Store {
    pub fn get(&self, key: &Key) -> Option<&Picture> {
        self.pictures.get(key)
    }

    pub fn set(&mut self, key: Key, picture: Picture) {
        let before = self.pictures.insert(key.clone(), picture);
        self.step.push((key, before));
    }

    /// Puts in a picture that was read back.
    pub fn load(&mut self, key: Key, picture: Option<Picture>) {
        match picture {
            Some(picture) => self.pictures.insert(key, picture),
            None => self.pictures.remove(&key),
        };
    }

    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Picture)> {
        self.pictures.iter()
    }

    /// What the record did stands, as far as the batch does.
    pub fn keep_step(&mut self) {
        for (key, before) in self.step.drain(..) {
            self.batch.entry(key).or_insert(before);
        }
    }

    /// The record never was.
    pub fn undo_step(&mut self) {
        while let Some((key, before)) = self.step.pop() {
            self.load(key, before);
        }
    }

    /// What the batch touched, as it is now.
    pub fn changes(&self) -> impl Iterator<Item = (&Key, &Picture)> {
        self.batch.keys().filter_map(|key| self.pictures.get_key_value(key))
    }

    pub fn commit(&mut self) {
        self.batch.clear();
    }

    pub fn rollback(&mut self) {
        self.undo_step();
        for (key, before) in std::mem::take(&mut self.batch) {
            self.load(key, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(at: i64) -> Stamp {
        Stamp { at, number: 1, sequence: 1, transaction: at as u64 }
    }

    #[test]
    fn a_field_takes_only_what_was_said_later() {
        let mut picture = Picture::default();
        assert!(picture.put("A", json!(1), &stamp(5)));
        assert!(!picture.put("A", json!(2), &stamp(4)));
        assert!(!picture.put("A", json!(2), &stamp(5)), "the same again");
        assert!(picture.put("B", json!(3), &stamp(4)), "a late event fills what nobody said since");
        assert_eq!(picture.get("A").map(|(value, _)| value.clone()), Some(json!(1)));
        picture.whole = Some(stamp(6));
        assert!(!picture.put("C", json!(4), &stamp(6)), "the whole record had no such field");
        assert!(picture.put("C", json!(4), &stamp(7)));
    }

    #[test]
    fn images_are_read_back() {
        let mut picture = Picture { life: Life::Live, whole: Some(stamp(1)), ..Picture::default() };
        picture.put("A", json!("x"), &stamp(5));
        picture.put("B", Value::Null, &stamp(6));
        picture.put("C", json!(true), &stamp(5));
        picture.note("e");
        picture.stale_since = Some(9);
        picture.told.insert("outcome".to_owned(), json!("WON"));
        assert_eq!(Picture::decode(&picture.encode()), Some(picture.clone()));
        picture.end(&stamp(7));
        assert_eq!(Picture::decode(&picture.encode()), Some(picture));
        assert_eq!(Picture::decode(b"{}"), None);
    }

    #[test]
    fn a_batch_rolls_back_whole() {
        let key = |id: &str| Key::new("d", "Lead", id);
        let mut store = Store::default();
        store.set(key("1"), Picture::default());
        store.keep_step();
        store.commit();
        let told = Picture { stale_since: Some(1), ..Picture::default() };
        store.set(key("1"), told.clone());
        store.keep_step();
        store.set(key("2"), told.clone());
        store.undo_step();
        assert_eq!(store.get(&key("2")), None);
        store.set(key("3"), told);
        store.keep_step();
        assert_eq!(store.changes().count(), 2);
        store.rollback();
        assert_eq!((store.len(), store.get(&key("1"))), (1, Some(&Picture::default())));
    }
}
