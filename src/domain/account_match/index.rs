//! The accounts of a domain, and where to look among millions for that of a lead: every account is listed
//! under a few keys, and a lead looks under its own.
//!
//! *Slot*: the number of an account here. A key is a hash of 32 bits, a listing the key with the account's
//! slot. Whoever finds a slot looks at the account itself, so a collision costs a look and changes nothing.
//! Nothing that is answered depends on slots or on the order in which accounts came.

use std::collections::BTreeSet;

use super::domain::host;
use super::name::{normalise_company, sorted, squashed};
use super::postings::Postings;
use crate::domain::account::{Account, AccountView};
use crate::domain::entity::Entity;
use crate::domain::hash;
use crate::domain::lookup::{Lookup, fold};
use crate::domain::text::normalise;

/// Letters of a name, from its front or its back, that a key is made of.
const EDGE: usize = 6;
/// The same beside a postal code, which says most already.
const EDGE_AT_POST: usize = 2;

/// Slots of a page: a table that doubles as a whole stops the shard for as long as that takes.
const PAGE: usize = 4_096;

/// The accounts by id and by key.
#[derive(Clone, Debug, Default)]
pub(in crate::domain) struct Accounts {
    /// By slot; each is an `Entity::Account`.
    pages: Vec<Vec<Option<Entity>>>,
    free: Vec<u32>,
    by_id: Lookup,
    len: usize,
    listings: Postings,
    /// How many accounts have a word in their name: that number under the word's key.
    words: Lookup,
    named: u32,
}

/// What two records of one company may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u32);

impl Key {
    fn of(what: &str, text: &str) -> Key {
        let mut bytes = Vec::with_capacity(what.len() + 1 + text.len());
        bytes.extend_from_slice(what.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(text.as_bytes());
        Key((hash::sip64(hash::FIXED, &bytes) >> 32) as u32)
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
        let name = sorted(normalised);
        let [front, back] = edges(&name, EDGE);
        [Key::of("front", front), Key::of("back", back)]
    }

    pub(super) fn edges_at(postal_code: &str, normalised: &str) -> [Key; 2] {
        let name = sorted(normalised);
        let [front, back] = edges(&name, EDGE_AT_POST);
        let key = |what, edge| Key::of(what, &format!("{postal_code}\0{edge}"));
        [key("front at", front), key("back at", back)]
    }
}

fn edges(name: &str, letters: usize) -> [&str; 2] {
    let front = name.char_indices().nth(letters).map_or(name.len(), |(at, _)| at);
    let back = name.char_indices().nth_back(letters.saturating_sub(1)).map_or(0, |(at, _)| at);
    [&name[..front], &name[back..]]
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
fn keys(account: &AccountView<'_>, name: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::with_capacity(8);
    keys.extend(account.domains().filter_map(host).map(|domain| Key::domain(&domain)));
    if !name.is_empty() {
        keys.push(Key::name(name));
        keys.extend(Key::edges(name));
        if let Some(code) = account.postal_code.and_then(postal_code) {
            keys.extend(Key::edges_at(&code, name));
        }
    }
    keys.extend(account.phone.and_then(phone_digits).map(|digits| Key::phone(&digits)));
    keys
}

/// The accounts by id.
impl Accounts {
    pub(in crate::domain) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(in crate::domain) fn get(&self, id: &str) -> Option<&Entity> {
        self.at(self.slot_of(id)?)
    }

    /// All of them, in no order that means anything.
    pub(in crate::domain) fn iter(&self) -> impl Iterator<Item = (&str, &Entity)> {
        let all = self.pages.iter().flatten().flatten();
        all.filter_map(|entity| Some((account_of(entity)?.id(), entity)))
    }

    /// Puts an account in place of what was there.
    pub(in crate::domain) fn replace(&mut self, id: &str, after: Option<Entity>) -> Option<Entity> {
        let slot = self.slot_of(id);
        if let Some(slot) = slot {
            self.list(slot, false);
        }
        match (slot, after) {
            (None, None) => None,
            (None, Some(after)) => {
                let slot = self.new_slot();
                self.by_id.insert(fold(id.as_bytes()), slot);
                *self.place(slot) = Some(after);
                self.len += 1;
                self.list(slot, true);
                None
            }
            (Some(slot), Some(after)) => {
                let before = self.place(slot).replace(after);
                self.list(slot, true);
                before
            }
            (Some(slot), None) => {
                self.by_id.remove(fold(id.as_bytes()), |other| other == slot);
                self.free.push(slot);
                self.len -= 1;
                self.place(slot).take()
            }
        }
    }

    fn slot_of(&self, id: &str) -> Option<u32> {
        let is = |slot| self.at(slot).and_then(account_of).is_some_and(|it| it.id() == id);
        self.by_id.find(fold(id.as_bytes()), is)
    }

    fn at(&self, slot: u32) -> Option<&Entity> {
        self.pages.get(slot as usize / PAGE)?.get(slot as usize % PAGE)?.as_ref()
    }

    fn place(&mut self, slot: u32) -> &mut Option<Entity> {
        &mut self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    fn new_slot(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // A domain of a few accounts has a small page.
            let room = if self.pages.is_empty() { 0 } else { PAGE };
            self.pages.push(Vec::with_capacity(room));
        }
        let last = self.pages.len() - 1;
        self.pages[last].push(None);
        (last * PAGE + self.pages[last].len() - 1) as u32
    }
}

/// A key as a lookup wants it; all its bits are compared.
fn place(Key(key): Key) -> u64 {
    u64::from(key) << 32
}

fn account_of(entity: &Entity) -> Option<&Account> {
    match entity {
        Entity::Account(account) => Some(account),
        _ => None,
    }
}

/// The accounts by key.
impl Accounts {
    /// Lists the account of a slot under its keys, or strikes it off.
    fn list(&mut self, slot: u32, add: bool) {
        let Some(view) = self.at(slot).and_then(account_of).and_then(Account::view) else { return };
        let name = normalise_company(view.name);
        let keys = keys(&view, &name);
        self.listings.reach(keys.iter().map(|key| key.0));
        for key in keys {
            match add {
                true => self.listings.insert(key.0, slot),
                false => self.listings.remove(key.0, slot),
            }
        }
        self.count_words(&name, add);
    }

    fn count_words(&mut self, name: &str, add: bool) {
        if name.is_empty() {
            return;
        }
        self.named = if add { self.named + 1 } else { self.named.saturating_sub(1) };
        let words: BTreeSet<&str> = name.split(' ').collect();
        for word in words {
            let word = place(Key::of("word", word));
            let count = self.words.remove(word, |_| true).unwrap_or(0);
            let count = if add { count + 1 } else { count.saturating_sub(1) };
            if count > 0 {
                self.words.insert(word, count);
            }
        }
    }

    /// How much a word of a name says.
    pub(super) fn rarity(&self, word: &str) -> f64 {
        let count = self.words.find(place(Key::of("word", word)), |_| true).unwrap_or(0);
        libm::log(1.0 + f64::from(self.named) / (f64::from(count) + 1.0))
    }

    /// The accounts under a key, in no order that means anything.
    pub(super) fn under(&self, key: Key) -> impl Iterator<Item = &Account> {
        self.listings.of(key.0).filter_map(|slot| account_of(self.at(slot)?))
    }

    /// The same, unless there are more than `limit`: then the key says too little to look at any.
    pub(super) fn under_if_few(&self, key: Key, limit: usize) -> Vec<&Account> {
        let found: Vec<&Account> = self.under(key).take(limit + 1).collect();
        if found.len() > limit { Vec::new() } else { found }
    }
}
