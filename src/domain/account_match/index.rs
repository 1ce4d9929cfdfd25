//! Where to look for the account of a lead among millions: every account is listed under a few keys, and
//! a lead looks under its own.
//!
//! A key is a hash of 32 bits, a listing the key with the account's slot: 8 bytes in one sorted set. Whoever
//! finds a slot looks at the account itself, so a collision costs a look and changes nothing. Nothing that
//! is answered depends on slots or on the order in which accounts came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::domain::host;
use super::name::{normalise_company, sorted, squashed};
use crate::domain::hash;
use crate::domain::ids::AccountId;
use crate::domain::input::AccountDef;
use crate::domain::text::normalise;

/// Letters of a name, from its front or its back, that a key is made of.
const EDGE: usize = 6;
/// The same beside a postal code, which says most already.
const EDGE_AT_POST: usize = 2;

/// Accounts by key.
#[derive(Clone, Debug, Default)]
pub(in crate::domain) struct AccountIndex {
    slots: Vec<Option<AccountId>>,
    free: Vec<u32>,
    /// Key in the upper half, slot in the lower.
    listings: BTreeSet<u64>,
    /// How many accounts have a word in their name.
    words: BTreeMap<u32, u32>,
    named: u32,
}

/// What two records of one company may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u32);

impl Key {
    fn of(what: &str, text: &str) -> Key {
        let bytes = format!("{what}\0{text}");
        Key((hash::sip64(hash::FIXED, bytes.as_bytes()) >> 32) as u32)
    }

    pub(super) fn domain(host: &str) -> Key {
        Key::of("domain", host)
    }

    pub(super) fn name(normalised: &str) -> Key {
        Key::of("name", &squashed(normalised))
    }

    pub(super) fn phone(digits: &str) -> Key {
        Key::of("phone", digits)
    }

    /// The front and the back of a name: a slip of the pen seldom hits both.
    pub(super) fn edges(normalised: &str) -> [Key; 2] {
        let [front, back] = edges(&sorted(normalised), EDGE);
        [Key::of("front", &front), Key::of("back", &back)]
    }

    pub(super) fn edges_at(postal_code: &str, normalised: &str) -> [Key; 2] {
        let [front, back] = edges(&sorted(normalised), EDGE_AT_POST);
        let key = |what, edge| Key::of(what, &format!("{postal_code}\0{edge}"));
        [key("front at", front), key("back at", back)]
    }
}

fn edges(name: &str, letters: usize) -> [String; 2] {
    let chars: Vec<char> = name.chars().collect();
    let length = letters.min(chars.len());
    let (front, back) = (chars.iter().take(length), chars.iter().skip(chars.len() - length));
    [front.collect(), back.collect()]
}

/// A phone number by its last nine digits: prefixes of country and line are written in many ways.
pub(super) fn phone_digits(phone: &str) -> Option<String> {
    let digits: String = normalise(phone).chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 7).then(|| digits[digits.len().saturating_sub(9)..].to_owned())
}

/// A postal code without blanks and dashes, an American one without its last four digits.
pub(super) fn postal_code(text: &str) -> Option<String> {
    let code: String = normalise(text).chars().filter(|c| c.is_alphanumeric()).collect();
    let long = code.len() == 9 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = if long { code[..5].to_owned() } else { code };
    (code.len() >= 3).then_some(code)
}

/// The keys of an account whose normalised name is `name`.
fn keys(definition: &AccountDef, name: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for domain in definition.domains.iter().filter_map(|domain| host(domain)) {
        keys.push(Key::domain(&domain));
    }
    if !name.is_empty() {
        keys.push(Key::name(name));
        keys.extend(Key::edges(name));
        if let Some(code) = definition.postal_code.as_deref().and_then(postal_code) {
            keys.extend(Key::edges_at(&code, name));
        }
    }
    let phone = definition.phone.as_ref().and_then(|phone| phone_digits(phone.reveal()));
    keys.extend(phone.as_deref().map(Key::phone));
    keys
}

impl AccountIndex {
    pub(super) fn is_empty(&self) -> bool {
        self.listings.is_empty()
    }

    pub(in crate::domain) fn insert(&mut self, id: &Arc<str>, definition: &AccountDef) {
        let name = normalise_company(&definition.name);
        let keys = keys(definition, &name);
        if keys.is_empty() {
            return;
        }
        self.count_words(&name, true);
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        let id = Some(AccountId::from(id));
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = id,
            None => self.slots.push(id),
        }
        self.listings.extend(keys.iter().map(|key| listing(*key, slot)));
    }

    pub(in crate::domain) fn remove(&mut self, id: &Arc<str>, definition: &AccountDef) {
        let name = normalise_company(&definition.name);
        let keys = keys(definition, &name);
        let own = |slot: &u32| {
            let listed = self.slots.get(*slot as usize).and_then(Option::as_ref);
            listed.is_some_and(|listed| listed.as_str() == &**id)
        };
        let Some(slot) = keys.first().and_then(|key| self.listed(*key).find(own)) else { return };
        self.count_words(&name, false);
        for key in keys {
            self.listings.remove(&listing(key, slot));
        }
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = None;
        }
        self.free.push(slot);
    }

    fn count_words(&mut self, name: &str, add: bool) {
        if name.is_empty() {
            return;
        }
        self.named = if add { self.named + 1 } else { self.named.saturating_sub(1) };
        let words: BTreeSet<&str> = name.split(' ').collect();
        for word in words {
            let Key(word) = Key::of("word", word);
            let count = self.words.entry(word).or_default();
            *count = if add { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.words.remove(&word);
            }
        }
    }

    /// How much a word of a name says.
    pub(super) fn rarity(&self, word: &str) -> f64 {
        let Key(key) = Key::of("word", word);
        let count = self.words.get(&key).copied().unwrap_or(0);
        libm::log(1.0 + f64::from(self.named) / (f64::from(count) + 1.0))
    }

    fn listed(&self, key: Key) -> impl Iterator<Item = u32> {
        self.listings.range(listing(key, 0)..=listing(key, u32::MAX)).map(|listing| *listing as u32)
    }

    /// The accounts under a key, in no order that means anything.
    pub(super) fn under(&self, key: Key) -> impl Iterator<Item = &AccountId> {
        self.listed(key).filter_map(|slot| self.slots.get(slot as usize)?.as_ref())
    }

    /// The same, unless there are more than `limit`: then the key says too little to look at any.
    pub(super) fn under_if_few(&self, key: Key, limit: usize) -> Vec<&AccountId> {
        let found: Vec<&AccountId> = self.under(key).take(limit + 1).collect();
        if found.len() > limit { Vec::new() } else { found }
    }
}

fn listing(key: Key, slot: u32) -> u64 {
    u64::from(key.0) << 32 | u64::from(slot)
}
