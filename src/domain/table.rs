//! The entities of one kind, by id; and sets of ids.
//!
//! A lookup compares a few dozen ids. Their first bytes, as many as a CRM's ids have and more, lie in the
//! tree's nodes, so comparisons end there: without them each would go to a text somewhere else in memory.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::entity::Entity;

const WORD: usize = size_of::<u64>();
const HEAD: usize = 3 * WORD;

/// In the order of the ids' bytes.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<Key<Arc<str>>, Entity>);

/// Ids, in the order of their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct IdSet(BTreeSet<Key<Arc<str>>>);

#[derive(Clone, Debug)]
struct Key<T> {
    /// The first bytes of the text, then zeros; in the order of the bytes.
    head: [u64; HEAD / WORD],
    text: T,
}

/// A key of the table, or one to look for.
trait AsKey {
    fn key(&self) -> (&[u64; HEAD / WORD], &str);
}

impl<T: Borrow<str>> AsKey for Key<T> {
    fn key(&self) -> (&[u64; HEAD / WORD], &str) {
        (&self.head, self.text.borrow())
    }
}

impl<T: Borrow<str>> Key<T> {
    fn new(text: T) -> Key<T> {
        let mut bytes = [0; HEAD];
        let own = text.borrow().as_bytes();
        let length = own.len().min(HEAD);
        bytes[..length].copy_from_slice(&own[..length]);
        let word = |at: usize| {
            let word = bytes[at * WORD..].first_chunk::<WORD>();
            word.map_or(0, |word| u64::from_be_bytes(*word))
        };
        Key { head: std::array::from_fn(word), text }
    }
}

/// The order of the bytes. Texts that the heads hold in whole and that differ in no byte of them differ in
/// zeros at the end, if at all.
fn order<T: AsKey + ?Sized>(a: &T, b: &T) -> Ordering {
    let ((head, text), (other_head, other)) = (a.key(), b.key());
    head.cmp(other_head).then_with(|| match text.len().max(other.len()) {
        ..=HEAD => text.len().cmp(&other.len()),
        _ => text.cmp(other),
    })
}

impl<'a> Borrow<dyn AsKey + 'a> for Key<Arc<str>> {
    fn borrow(&self) -> &(dyn AsKey + 'a) {
        self
    }
}

impl Ord for Key<Arc<str>> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self, other)
    }
}

impl PartialOrd for Key<Arc<str>> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<Arc<str>> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key<Arc<str>> {}

impl Ord for dyn AsKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self, other)
    }
}

impl PartialOrd for dyn AsKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn AsKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn AsKey + '_ {}

impl Table {
    pub fn get(&self, id: &str) -> Option<&Entity> {
        self.0.get(&Key::new(id) as &dyn AsKey)
    }

    pub(super) fn insert(&mut self, id: Arc<str>, entity: Entity) -> Option<Entity> {
        self.0.insert(Key::new(id), entity)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Entity> {
        self.0.remove(&Key::new(id) as &dyn AsKey)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entity)> {
        self.0.iter().map(|(key, entity)| (&key.text, entity))
    }

    /// By id.
    pub fn values(&self) -> impl Iterator<Item = &Entity> {
        self.0.values()
    }

    /// The ids after one, or all.
    pub(super) fn after(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<str>> {
        let key = id.map(Key::new);
        let from = key.as_ref().map_or(Unbounded, |key| Excluded(key as &dyn AsKey));
        self.0.range::<dyn AsKey, _>((from, Unbounded)).map(|(key, _)| &key.text)
    }
}

impl IdSet {
    /// Whether it was not there.
    pub(super) fn insert(&mut self, id: &Arc<str>) -> bool {
        self.0.insert(Key::new(id.clone()))
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.0.remove(&Key::new(id) as &dyn AsKey)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The ids after one, or all.
    pub(super) fn after(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<str>> {
        let key = id.map(Key::new);
        let from = key.as_ref().map_or(Unbounded, |key| Excluded(key as &dyn AsKey));
        self.0.range::<dyn AsKey, _>((from, Unbounded)).map(|key| &key.text)
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
