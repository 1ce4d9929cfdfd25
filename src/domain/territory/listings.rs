//! Which territories name an account.

use std::collections::BTreeMap;

use crate::domain::ids::AccountId;
use crate::domain::lookup::{Lookup, fold};

const NONE: u32 = u32::MAX;
/// Accounts that are looked for at once.
const AT_ONCE: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Listings {
    lookup: Lookup,
    entries: Vec<Listing>,
    unused: Vec<u32>,
    /// The others, of accounts that several territories name.
    more: BTreeMap<u32, Vec<u32>>,
}

impl Default for Listings {
    fn default() -> Listings {
        let (entries, unused, more) = (Vec::new(), Vec::new(), BTreeMap::new());
        // Of a lead's accounts, few are named.
        Listings { lookup: Lookup::marked(), entries, unused, more }
    }
}

#[derive(Clone, Debug)]
struct Listing {
    account: AccountId,
    slot: u32,
    has_more: bool,
}

impl Listings {
    /// The territories that name one of them; one that names it twice comes twice.
    pub(super) fn of(&self, accounts: &[AccountId], mut found: impl FnMut(u32)) {
        for some in accounts.chunks(AT_ONCE) {
            // All are read before any is looked for: the waits for memory overlap.
            let mut hashes = [0; AT_ONCE];
            for (hash, account) in hashes.iter_mut().zip(some) {
                *hash = fold(account.as_str().as_bytes());
            }
            for (hash, account) in hashes.into_iter().zip(some) {
                if !self.lookup.may_have(hash) {
                    continue;
                }
                let is = |at: u32| self.entries[at as usize].account == *account;
                let Some(at) = self.lookup.find(hash, is) else { continue };
                let entry = &self.entries[at as usize];
                found(entry.slot);
                if entry.has_more {
                    self.more.get(&at).into_iter().flatten().for_each(|slot| found(*slot));
                }
            }
        }
    }

    pub(super) fn add(&mut self, account: &AccountId, slot: u32) {
        if let Some(at) = self.find(account) {
            self.entries[at as usize].has_more = true;
            self.more.entry(at).or_default().push(slot);
            return;
        }
        let new = Listing { account: account.clone(), slot, has_more: false };
        let at = self.unused.pop().unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(at as usize) {
            Some(entry) => *entry = new,
            None => self.entries.push(new),
        }
        self.lookup.insert(fold(account.as_str().as_bytes()), at);
    }

    pub(super) fn remove(&mut self, account: &AccountId, slot: u32) {
        let Some(at) = self.find(account) else { return };
        let entry = &mut self.entries[at as usize];
        let others = self.more.get_mut(&at);
        match others {
            Some(others) => {
                match others.iter().position(|other| *other == slot) {
                    Some(place) => {
                        others.swap_remove(place);
                    }
                    None => entry.slot = others.pop().unwrap_or(NONE),
                }
                if others.is_empty() {
                    self.more.remove(&at);
                    entry.has_more = false;
                }
            }
            None => {
                self.lookup.remove(fold(account.as_str().as_bytes()), |value| value == at);
                self.unused.push(at);
            }
        }
    }

    fn find(&self, account: &AccountId) -> Option<u32> {
        let hash = fold(account.as_str().as_bytes());
        self.lookup.find(hash, |at| self.entries[at as usize].account == *account)
    }
}
