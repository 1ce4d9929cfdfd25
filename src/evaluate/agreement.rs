//! Whether the engine, given the recording, decides again what was recorded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;

use super::brief::Brief;
use crate::codec::json;
use crate::domain::hash;
use crate::domain::published::LeadAssigned;

/// Differences that are told in full.
const TOLD: usize = 5;

/// How many decisions are the same.
#[derive(Debug, Default, Serialize)]
pub struct Agreement {
    /// Decisions recorded.
    pub recorded: usize,
    /// Of these: the same outcome, rep or queue, stage, method, reason and cause.
    pub same_choice: usize,
    /// Of these: the same in every field (but for line numbers and offsets).
    pub same_in_full: usize,
    /// Recorded, and not decided in the replay.
    pub missing: usize,
    /// Decided in the replay about leads with recorded decisions, and not recorded.
    pub added: usize,
    pub differences: Vec<String>,
    #[serde(skip)]
    waiting: HashMap<u64, Waiting>,
    /// Recorded with the policy of a file; and whether one was given for the replay.
    #[serde(skip)]
    pub by_file: bool,
    #[serde(skip)]
    pub has_file: bool,
}

/// A decision, in short.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Of its domain, lead and number of assignment.
    key: u64,
    /// Of the whole but for line numbers and offsets.
    print: u64,
    /// Its policy came from a file.
    by_file: bool,
    pub(super) brief: Brief,
}

impl Decided {
    pub fn of(fact: &LeadAssigned) -> Decided {
        Decided {
            key: key(fact.domain.as_str(), fact.lead_id.as_str(), fact.assignment_no),
            print: json::print(fact),
            by_file: fact.policy_version == "file",
            brief: Brief::of(fact),
        }
    }
}

#[derive(Debug)]
struct Waiting {
    is_recorded: bool,
    decided: Box<Decided>,
}

impl Agreement {
    /// `has_file`: the policy file that the recording was made with was given.
    pub fn new(has_file: bool) -> Agreement {
        Agreement { has_file, ..Agreement::default() }
    }

    /// A recorded decision that has been read.
    pub fn recorded(&mut self, decided: Decided) {
        self.recorded += 1;
        self.by_file |= decided.by_file;
        self.take(decided.into(), true);
    }

    /// A recorded decision by its text; in short, if it is the one that was made in the replay.
    pub fn written(&mut self, text: &str) -> Option<Brief> {
        let seen = json::glance(text)?;
        let key = key(seen.domain, seen.lead, seen.assignment_no);
        let Entry::Occupied(other) = self.waiting.entry(key) else { return None };
        let is_same = !other.get().is_recorded && other.get().decided.print == seen.print;
        let same = is_same.then(|| other.remove())?.decided;
        self.recorded += 1;
        self.same_choice += 1;
        self.same_in_full += 1;
        self.by_file |= same.by_file;
        Some(same.brief)
    }

    /// A decision of the replay.
    pub fn replayed(&mut self, decided: Box<Decided>) {
        self.take(decided, false);
    }

    fn take(&mut self, decided: Box<Decided>, is_recorded: bool) {
        let key = decided.key;
        match self.waiting.remove(&key) {
            Some(other) if other.is_recorded != is_recorded => {
                let same_choice = other.decided.brief.same_choice(&decided.brief);
                self.same_choice += usize::from(same_choice);
                self.same_in_full += usize::from(other.decided.print == decided.print);
                if !same_choice && self.differences.len() < TOLD {
                    let (one, other) = (decided.brief, other.decided.brief);
                    let (recorded, replayed) =
                        if is_recorded { (one, other) } else { (other, one) };
                    let (lead, number) = (&recorded.lead_id, recorded.assignment_no);
                    let text = format!(
                        "lead {lead}, assignment {number}: recorded {recorded}, replayed {replayed}"
                    );
                    self.differences.push(text);
                }
            }
            // The same line twice: the first counts.
            Some(other) => {
                self.recorded -= usize::from(is_recorded);
                self.waiting.insert(key, other);
            }
            None => {
                self.waiting.insert(key, Waiting { is_recorded, decided });
            }
        }
    }

    /// What was never answered by the other side.
    pub fn finish(&mut self) {
        self.missing = self.waiting.values().filter(|one| one.is_recorded).count();
        self.added = self.waiting.len() - self.missing;
        self.waiting = HashMap::new();
    }

    pub fn is_whole(&self) -> bool {
        self.same_choice == self.recorded && self.added == 0
    }
}

fn key(domain: &str, lead: &str, assignment_no: u32) -> u64 {
    let parts = [domain.as_bytes(), lead.as_bytes(), &assignment_no.to_le_bytes()];
    hash::sip64_parts(hash::FIXED, &parts)
}
