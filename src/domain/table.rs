//! The entities of one kind, by id; and sets of ids.
//!
//! A lookup compares a few dozen ids. Their first bytes, as many as a CRM's ids have and more, lie in the
//! tree's nodes, so comparisons end there: without them each would go to a text somewhere else in memory.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::entity::Entity;

const WORD: usize = size_of::<u64>();
const HEAD: usize = 3 * WORD;

/// In the order of the ids' bytes.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<Key, Entity>);

/// Ids, in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct IdSet(BTreeSet<Key>);

#[derive(Clone, Debug)]
struct Key {
    /// The first bytes of the text, then zeros; in the order of the bytes.
    head: [u64; HEAD / WORD],
    rest: Rest,
}

#[derive(Clone, Debug)]
enum Rest {
    Text(Arc<str>),
    /// Of a key to look for that the head holds in whole: its length.
    Length(usize),
}

impl Key {
    fn new(text: Arc<str>) -> Key {
        Key { head: head(&text), rest: Rest::Text(text) }
    }

    /// To look for.
    fn of(text: &str) -> Key {
        let rest = match text.len() {
            length @ ..=HEAD => Rest::Length(length),
            _ => Rest::Text(text.into()),
        };
        Key { head: head(text), rest }
    }

    /// Of a key of the tree.
    fn text(&self) -> &Arc<str> {
        match &self.rest {
            Rest::Text(text) => text,
            Rest::Length(_) => unreachable!("a key to look for is in no tree"),
        }
    }

    fn length(&self) -> usize {
        match &self.rest {
            Rest::Text(text) => text.len(),
            Rest::Length(length) => *length,
        }
    }
}

fn head(text: &str) -> [u64; HEAD / WORD] {
    let mut bytes = [0; HEAD];
    let length = text.len().min(HEAD);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    let word = |at: usize| {
        let word = bytes[at * WORD..].first_chunk::<WORD>();
        word.map_or(0, |word| u64::from_be_bytes(*word))
    };
    std::array::from_fn(word)
}

/// The order of the bytes. Of two texts with one head, one that the head holds in whole is the other's
/// beginning.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| match (&self.rest, &other.rest) {
            (Rest::Text(text), Rest::Text(other)) if text.len().min(other.len()) > HEAD => {
                text.cmp(other)
            }
            _ => self.length().cmp(&other.length()),
        })
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl Table {
    pub fn get(&self, id: &str) -> Option<&Entity> {
        self.0.get(&Key::of(id))
    }

    pub(super) fn insert(&mut self, id: Arc<str>, entity: Entity) -> Option<Entity> {
        self.0.insert(Key::new(id), entity)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Entity> {
        self.0.remove(&Key::of(id))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entity)> {
        self.0.iter().map(|(key, entity)| (key.text(), entity))
    }

    /// By id.
    pub fn values(&self) -> impl Iterator<Item = &Entity> {
        self.0.values()
    }

    /// The ids after one, or all.
    pub(super) fn after(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<str>> {
        let key = id.map(Key::of);
        let from = key.as_ref().map_or(Unbounded, Excluded);
        self.0.range::<Key, _>((from, Unbounded)).map(|(key, _)| key.text())
    }
}

impl IdSet {
    /// Whether it was not there.
    pub(super) fn insert(&mut self, id: &Arc<str>) -> bool {
        self.0.insert(Key::new(id.clone()))
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.0.remove(&Key::of(id))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The ids after one, or all.
    pub(super) fn after(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<str>> {
        let key = id.map(Key::of);
        let from = key.as_ref().map_or(Unbounded, Excluded);
        self.0.range::<Key, _>((from, Unbounded)).map(Key::text)
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;
    use crate::domain::entity::DomainEntity;

    fn entity() -> Entity {
        Entity::Domain(Arc::new(DomainEntity::default()))
    }

    proptest! {
        #[test]
        fn ids_are_in_the_order_of_their_bytes(
            ids in prop::collection::vec("(00Q5g00000|x)?(Kx|\u{e9}|a|b\u{0}?){0,16}", 0..40),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let (mut table, mut set, mut model) =
                (Table::default(), IdSet::default(), BTreeSet::new());
            for id in &ids {
                let (text, is_new) = (Arc::from(id.as_str()), model.insert(id.as_str()));
                prop_assert_eq!(set.insert(&text), is_new);
                prop_assert_eq!(table.insert(text, entity()).is_none(), is_new);
            }
            for index in gone.iter().filter(|_| !ids.is_empty()) {
                let id = index.get(&ids).as_str();
                let was_there = model.remove(id);
                prop_assert_eq!(table.remove(id).is_some(), was_there);
                prop_assert_eq!(set.remove(id), was_there);
            }
            prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            prop_assert!(table.iter().map(|(id, _)| &**id).eq(model.iter().copied()));
            prop_assert_eq!(table.is_empty(), model.is_empty());
            for id in &ids {
                prop_assert_eq!(table.get(id).is_some(), model.contains(id.as_str()));
                let after = || model.iter().copied().filter(|other| *other > id.as_str());
                prop_assert!(table.after(Some(id)).map(|id| &**id).eq(after()));
                prop_assert!(set.after(Some(id)).map(|id| &**id).eq(after()));
            }
            prop_assert!(table.after(None).count() == model.len());
            prop_assert!(set.after(None).map(|id| &**id).eq(model.iter().copied()));
        }
    }
}
