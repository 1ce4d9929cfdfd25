//! The index that finds the winning territory, built for change: a definition is put in place of another
//! without touching the others (but those below it, when it moves).
//!
//! *Slot*: the number of a territory here; one that is only named as a parent has a slot, too. The rules are
//! words (`program`), filed under keys (`keys`) on shelves (`shelves`) by their rank. A rule with no equality
//! to go by is filed under the keys of its parent's rules. Named accounts are looked up by account.
//! The answers are those of `scan`, the plain meaning.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use smallvec::SmallVec;

use super::check::Check;
use super::hunt::Hunt;
use super::keys::{self, Key};
use super::listings::Listings;
use super::program;
use super::shelves::{Opened, Row, Shelves};
use super::token::{Asked, Dictionary};
use super::words::Words;
use super::{LeadView, MAX_AMBIGUOUS, MAX_DEPTH, TerritoryDef};
use crate::domain::ids::{AccountId, TerritoryId};
use crate::domain::lookup::{Lookup, fold};

/// Keys that a rule takes over from its ancestors, at most; else it is looked at for every lead.
const MOST_INHERITED: usize = 64;
/// Territories that list a lead's accounts, mostly.
const FEW: usize = 8;
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub struct Territories {
    slots: Vec<Slot>,
    unused: Vec<u32>,
    lookup: Lookup,
    /// Parent and child.
    children: BTreeSet<(u32, u32)>,
    dictionary: Dictionary,
    programs: Words,
    shelves: Shelves,
    listings: Listings,
}

#[derive(Clone, Debug)]
struct Slot {
    id: TerritoryId,
    /// `None` = not in force, or known as a parent only.
    definition: Option<Arc<TerritoryDef>>,
    parent: u32,
    /// Its rules among the words.
    block: u32,
    /// How many have it for a parent.
    children: u32,
    /// The definition's, in the order of numbers without a sign.
    priority: u32,
    /// The root's is 1; one more than `MAX_DEPTH` = too deep, or in a circle.
    depth: u8,
    /// Some of its rules are filed under the keys of its parent.
    inherits: bool,
    is_without_rules: bool,
    /// It takes everything that its parent takes.
    takes_all: bool,
}

impl Slot {
    /// Lower wins: the deepest, then with rules before without, then the lowest priority.
    fn rank(&self) -> u64 {
        let height = u64::from(MAX_DEPTH as u8 + 1 - self.depth);
        height << 33 | u64::from(self.is_without_rules) << 32 | u64::from(self.priority)
    }
}

/// The depth that a rank speaks of.
fn depth(rank: u64) -> u64 {
    u64::from(MAX_DEPTH) + 1 - (rank >> 33)
}

impl Territories {
    pub fn new() -> Territories {
        Territories::default()
    }

    /// Puts a definition in force in place of the territory's former one; `None` ends it.
    pub fn replace(&mut self, id: &TerritoryId, definition: Option<Arc<TerritoryDef>>) {
        let slot = match (self.find(id), &definition) {
            (Some(slot), _) => slot,
            (None, Some(_)) => self.new_slot(id),
            (None, None) => return,
        };
        let parent_id = definition.as_ref().and_then(|definition| definition.parent_id.as_ref());
        let parent =
            parent_id.map_or(NONE, |id| self.find(id).unwrap_or_else(|| self.new_slot(id)));
        let former = self.slots[slot as usize].parent;
        let mut touched = self.below(slot, parent != former);
        touched.push(slot);
        touched.iter().for_each(|slot| self.file(*slot, false));
        self.forget(slot);
        if parent != former {
            if self.children.remove(&(former, slot)) {
                self.slots[former as usize].children -= 1;
            }
            if parent != NONE && self.children.insert((parent, slot)) {
                self.slots[parent as usize].children += 1;
            }
            self.slots[slot as usize].parent = parent;
            self.sink(slot);
        }
        if let Some(definition) = definition {
            self.learn(slot, definition);
        }
        touched.iter().for_each(|slot| self.file(*slot, true));
        self.let_go(former);
        self.let_go(slot);
    }

    /// The territory that the lead belongs to: of those where it is listed (`named`, stage
    /// NAMED_ACCOUNT), or of those that take it (stage TERRITORY). `accounts` are the lead's account
    /// and its ancestors.
    pub fn winner(
        &self,
        lead: &LeadView,
        accounts: &[AccountId],
        named: bool,
    ) -> Option<&TerritoryId> {
        self.ask(lead).winner(accounts, named)
    }

    /// The winner, then the others that could have won but for priority and id: as deep as the winner,
    /// and with rules if it has some. In the order of preference, at most `MAX_AMBIGUOUS` others.
    pub fn contenders(
        &self,
        lead: &LeadView,
        accounts: &[AccountId],
        named: bool,
    ) -> Vec<&TerritoryId> {
        self.ask(lead).contenders(accounts, named)
    }

    /// A lead to ask about: it is read once, and can be asked about more than once.
    pub fn ask<'i, 'q, 'f>(&'i self, lead: &'q LeadView<'f>) -> Question<'i, 'q, 'f> {
        Question { territories: self, lead, asked: OnceCell::new() }
    }
}

/// A lead put to the index.
pub struct Question<'i, 'q, 'f> {
    territories: &'i Territories,
    lead: &'q LeadView<'f>,
    asked: OnceCell<Asked<'q, 'f>>,
}

impl<'i, 'q, 'f> Question<'i, 'q, 'f> {
    /// As `Territories::winner`.
    pub fn winner(&self, accounts: &[AccountId], named: bool) -> Option<&'i TerritoryId> {
        let hunt = self.hunt(accounts, named, false);
        hunt.best.map(|(_, slot)| &self.territories.slots[slot as usize].id)
    }

    /// As `Territories::contenders`.
    pub fn contenders(&self, accounts: &[AccountId], named: bool) -> Vec<&'i TerritoryId> {
        let Hunt { best, others, .. } = self.hunt(accounts, named, true);
        let found = best.into_iter().chain(others);
        let id = |slot: u32| &self.territories.slots[slot as usize].id;
        let mut all: Vec<_> = found.map(|(rank, slot)| (rank, id(slot))).collect();
        all.sort_unstable();
        all.dedup();
        all.truncate(1 + MAX_AMBIGUOUS);
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// The lead's values as the rules look at them; read when the first rule asks for one.
    pub fn read(&self) -> &Self {
        self.asked();
        self
    }

    fn asked(&self) -> &Asked<'q, 'f> {
        self.asked.get_or_init(|| Asked::new(&self.territories.dictionary, self.lead))
    }

    fn hunt(&self, accounts: &[AccountId], named: bool, all: bool) -> Hunt {
        let mut hunt = Hunt { all, ..Hunt::default() };
        match named {
            true => self.territories.hunt_listed(self, accounts, &mut hunt),
            false => self.territories.hunt_taking(self.asked(), &mut hunt),
        }
        hunt
    }
}

#[cfg(test)]
impl Territories {
    /// What is kept of any territory, in all.
    pub(super) fn entries(&self) -> usize {
        let slots = self.slots.len() - self.unused.len();
        slots + self.children.len() + self.shelves.rows_filed() + self.dictionary.uses()
    }
}

/// Searching.
impl Territories {
    /// Among the territories that take the lead, with all their ancestors.
    fn hunt_taking(&self, asked: &Asked, hunt: &mut Hunt) {
        let mut opened = Opened::new();
        self.shelves.open_guided(asked, &mut opened);
        self.look_through(&mut opened, asked, hunt);
        if !hunt.is_over(self.shelves.unguided_rank()) {
            self.shelves.open_unguided(asked, &mut opened);
            self.look_through(&mut opened, asked, hunt);
        }
    }

    fn look_through(&self, opened: &mut Opened, asked: &Asked, hunt: &mut Hunt) {
        let id = |slot: u32| &self.slots[slot as usize].id;
        let mut best = u64::MAX;
        // The memory of the rules that may win is read at once, before any is looked at.
        for cursor in opened.cursors() {
            if cursor.rank <= best {
                self.shelves.seek(cursor, asked);
                if let Some(row) = self.shelves.row(cursor) {
                    best = best.min(row.rank);
                    if !row.is_whole {
                        black_box(self.programs.word(row.rule));
                    }
                }
            }
        }
        while let Some(cursor) = opened.cursors().iter_mut().min_by_key(|cursor| cursor.rank) {
            if cursor.rank == u64::MAX || hunt.is_over(cursor.rank) {
                break;
            }
            let took = self.shelves.row(cursor).filter(|row| self.row_takes(*row, asked));
            if let Some(row) = took {
                hunt.add(id, row.rank, row.slot);
            }
            match took.is_some() && !hunt.all {
                true => cursor.close(),
                false => self.shelves.seek(cursor, asked),
            }
        }
    }

    fn row_takes(&self, row: Row, asked: &Asked) -> bool {
        let definition = || self.slots[row.slot as usize].definition.as_deref();
        let told = row.rule == 0 || row.is_whole && row.check.holds(asked);
        let own = told || program::holds(&self.programs, row.rule, definition, asked);
        let is_root = depth(row.rank) == 1;
        own && (is_root || self.ancestors(row.slot).all(|ancestor| self.takes(ancestor, asked)))
    }

    /// Parent, grandparent and so on; of a slot that is not too deep.
    fn ancestors(&self, slot: u32) -> impl Iterator<Item = u32> {
        let up = |slot: &u32| Some(self.slots[*slot as usize].parent).filter(|up| *up != NONE);
        std::iter::successors(up(&slot), up)
    }

    fn takes(&self, slot: u32, asked: &Asked) -> bool {
        let slot = &self.slots[slot as usize];
        let definition = || slot.definition.as_deref();
        slot.definition.is_some()
            && (slot.takes_all || program::takes(&self.programs, slot.block, definition, asked))
    }

    /// Among the territories that list one of the accounts and those below them, where each on the way
    /// up lists or takes the lead.
    fn hunt_listed(&self, lead: &Question, accounts: &[AccountId], hunt: &mut Hunt) {
        let id = |slot: u32| &self.slots[slot as usize].id;
        let mut listed: SmallVec<[u32; FEW]> = SmallVec::new();
        self.listings.of(accounts, |slot| listed.push(slot));
        listed.sort_unstable();
        listed.dedup();
        let takes = |slot: u32| self.takes(slot, lead.asked());
        let matches = |slot: u32| listed.binary_search(&slot).is_ok() || takes(slot);
        let mut below: SmallVec<[u32; FEW]> = SmallVec::new();
        for slot in &listed {
            let known = &self.slots[*slot as usize];
            if u32::from(known.depth) > MAX_DEPTH || !self.ancestors(*slot).all(matches) {
                continue;
            }
            hunt.add(id, known.rank(), *slot);
            below.extend(self.children(*slot));
        }
        let mut seen = BTreeSet::new();
        while let Some(slot) = below.pop() {
            let known = &self.slots[slot as usize];
            let deep = u32::from(known.depth) > MAX_DEPTH;
            if deep || !takes(slot) || !seen.insert(slot) {
                continue;
            }
            hunt.add(id, known.rank(), slot);
            below.extend(self.children(slot));
        }
    }

    fn children(&self, slot: u32) -> impl Iterator<Item = u32> {
        let none = self.slots[slot as usize].children == 0;
        let all = (!none).then(|| self.children.range((slot, 0)..=(slot, NONE)));
        all.into_iter().flatten().map(|(_, child)| *child)
    }
}

/// Changing.
impl Territories {
    fn find(&self, id: &TerritoryId) -> Option<u32> {
        let hash = fold(id.as_str().as_bytes());
        self.lookup.find(hash, |slot| self.slots[slot as usize].id == *id)
    }

    fn new_slot(&mut self, id: &TerritoryId) -> u32 {
        let new = Slot {
            id: id.clone(),
            definition: None,
            parent: NONE,
            block: 0,
            children: 0,
            priority: 0,
            depth: 1,
            inherits: false,
            is_without_rules: false,
            takes_all: false,
        };
        let slot = match self.unused.pop() {
            Some(slot) => {
                self.slots[slot as usize] = new;
                slot
            }
            None => {
                self.slots.push(new);
                self.slots.len() as u32 - 1
            }
        };
        self.lookup.insert(fold(id.as_str().as_bytes()), slot);
        slot
    }

    /// Drops a slot that nothing speaks of any more.
    fn let_go(&mut self, slot: u32) {
        let Some(known) = self.slots.get(slot as usize) else { return };
        let hash = fold(known.id.as_str().as_bytes());
        if known.definition.is_none() && self.children(slot).next().is_none() {
            // A slot that was dropped before is not in the lookup.
            if self.lookup.remove(hash, |at| at == slot).is_some() {
                self.unused.push(slot);
            }
        }
    }

    /// What is filed by what `slot` says: all below it, or those that go by its keys.
    fn below(&self, slot: u32, all: bool) -> Vec<u32> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([slot]);
        let mut open = vec![slot];
        while let Some(parent) = open.pop() {
            for child in self.children(parent) {
                if (all || self.slots[child as usize].inherits) && seen.insert(child) {
                    found.push(child);
                    open.push(child);
                }
            }
        }
        found
    }

    /// The depth of a slot that has another parent, and of all below it.
    fn sink(&mut self, slot: u32) {
        let deepest = MAX_DEPTH as u8 + 1;
        let mut open = vec![slot];
        while let Some(slot) = open.pop() {
            let parent = self.slots[slot as usize].parent;
            let above = self.slots.get(parent as usize).map_or(0, |parent| parent.depth);
            let depth = (above + 1).min(deepest);
            // In a circle the depths rise until they are too deep, and there it ends.
            if self.slots[slot as usize].depth != depth {
                self.slots[slot as usize].depth = depth;
                open.extend(self.children(slot));
            }
        }
    }

    fn learn(&mut self, slot: u32, definition: Arc<TerritoryDef>) {
        for account in &definition.named_accounts {
            self.listings.add(account, slot);
        }
        let block = program::compile(&definition, &mut self.dictionary);
        let at = self.programs.take(block.len());
        self.programs.at_mut(at)[..block.len()].copy_from_slice(&block);
        let inherits = program::rules(&self.programs, at)
            .any(|rule| keys::of_rule(&self.programs, rule).is_empty());
        let known = &mut self.slots[slot as usize];
        known.block = at;
        known.priority = (definition.priority as u32) ^ (1 << 31);
        known.is_without_rules = definition.rules.is_empty();
        known.takes_all = known.is_without_rules && definition.named_accounts.is_empty();
        known.inherits = inherits || known.takes_all;
        known.definition = Some(definition);
    }

    fn forget(&mut self, slot: u32) {
        let known = &mut self.slots[slot as usize];
        let Some(definition) = known.definition.take() else { return };
        let block = known.block;
        known.inherits = false;
        known.takes_all = false;
        let size = program::release(&self.programs, block, &mut self.dictionary);
        self.programs.give(block, size);
        for account in &definition.named_accounts {
            self.listings.remove(account, slot);
        }
    }

    /// Files the rules of a territory, or takes them out. Between the two nothing that they are filed by
    /// may change.
    fn file(&mut self, slot: u32, add: bool) {
        let known = &self.slots[slot as usize];
        if known.definition.is_none() || u32::from(known.depth) > MAX_DEPTH {
            return;
        }
        let rank = known.rank();
        let mut rows: Vec<(Key, Row)> = Vec::new();
        let mut put = |keys: Vec<Key>, rule: u32| {
            let row = Row { rank, slot, rule, ..Row::default() };
            rows.extend(keys.into_iter().map(|key| (key, row)));
        };
        if known.takes_all {
            put(self.inherited(known.parent, MAX_DEPTH), 0);
        }
        for rule in program::rules(&self.programs, known.block) {
            let own = keys::of_rule(&self.programs, rule);
            put(if own.is_empty() { self.inherited(known.parent, MAX_DEPTH) } else { own }, rule);
        }
        if !add {
            rows.reverse();
        }
        for (key, row) in rows {
            if add {
                let (slots, programs) = (&self.slots, &self.programs);
                let id = |slot: u32| &slots[slot as usize].id;
                let check = |key: &Key| match row.rule {
                    0 => (Check::default(), false),
                    rule => Check::of(programs, rule, key),
                };
                self.shelves.add(&key, row, check, |other| id(other) <= id(slot));
            } else {
                self.shelves.remove(&key, row);
            }
        }
    }

    /// The keys by which a lead that `slot` takes is found.
    fn inherited(&self, slot: u32, depth: u32) -> Vec<Key> {
        let Some(known) = self.slots.get(slot as usize) else { return vec![Key::default()] };
        if known.takes_all && depth > 0 {
            return self.inherited(known.parent, depth - 1);
        }
        if known.definition.is_none() {
            return Vec::new();
        }
        let mut keys = Vec::new();
        for rule in program::rules(&self.programs, known.block) {
            let own = keys::of_rule(&self.programs, rule);
            let own = match own.is_empty() && depth > 0 {
                true => self.inherited(known.parent, depth - 1),
                false => own,
            };
            keys.extend(own);
            if keys.len() > MOST_INHERITED {
                return vec![Key::default()];
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}
