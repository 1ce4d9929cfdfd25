//! The entities of one kind, by id.
//!
//! A lookup compares a few dozen ids. Their first sixteen bytes lie in the tree's nodes, so most
//! comparisons end there: without them each would go to a text somewhere else in memory.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::entity::Entity;

const HEAD: usize = 16;

/// In the order of the ids' bytes.
#[derive(Clone, Debug, Default)]
pub struct Table(BTreeMap<Key<Arc<str>>, Entity>);

#[derive(Clone, Debug)]
struct Key<T> {
    /// The first bytes of the text, then zeros; in the order of the bytes.
    head: [u64; HEAD / 8],
    text: T,
}

/// A key of the table, or one to look for.
trait AsKey {
    fn key(&self) -> (&[u64; HEAD / 8], &str);
}

impl<T: Borrow<str>> AsKey for Key<T> {
    fn key(&self) -> (&[u64; HEAD / 8], &str) {
        (&self.head, self.text.borrow())
    }
}

impl<T: Borrow<str>> Key<T> {
    fn new(text: T) -> Key<T> {
        let mut bytes = [0; HEAD];
        bytes.iter_mut().zip(text.borrow().bytes()).for_each(|(to, from)| *to = from);
        let whole = u128::from_be_bytes(bytes);
        Key { head: [(whole >> 64) as u64, whole as u64], text }
    }
}

impl<'a> Borrow<dyn AsKey + 'a> for Key<Arc<str>> {
    fn borrow(&self) -> &(dyn AsKey + 'a) {
        self
    }
}

impl Ord for Key<Arc<str>> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
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
        self.key().cmp(&other.key())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::entity::DomainEntity;

    fn entity() -> Entity {
        Entity::Domain(Arc::new(DomainEntity::default()))
    }

    proptest! {
        #[test]
        fn ids_are_in_the_order_of_their_bytes(
            ids in prop::collection::vec("(00Q5g00000|x)?(Kx|\u{e9}|a|b\u{0}?){0,12}", 0..40),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let (mut table, mut model) = (Table::default(), BTreeSet::new());
            for id in &ids {
                let known = table.insert(Arc::from(id.as_str()), entity()).is_some();
                prop_assert_eq!(known, !model.insert(id.as_str()));
            }
            for index in gone.iter().filter(|_| !ids.is_empty()) {
                let id = index.get(&ids).as_str();
                prop_assert_eq!(table.remove(id).is_some(), model.remove(id));
            }
            prop_assert!(table.iter().map(|(id, _)| &**id).eq(model.iter().copied()));
            prop_assert_eq!(table.is_empty(), model.is_empty());
            for id in &ids {
                prop_assert_eq!(table.get(id).is_some(), model.contains(id.as_str()));
                let after = model.iter().copied().filter(|other| *other > id.as_str());
                prop_assert!(table.after(Some(id)).map(|id| &**id).eq(after));
            }
            prop_assert!(table.after(None).count() == model.len());
        }
    }
}
