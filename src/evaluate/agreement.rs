//! Whether the engine, given the recording, decides again what was recorded.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::domain::hash;
use crate::domain::ids::{QueueId, RepId};
use crate::domain::published::{Candidate, LeadAssigned, Method, Outcome, Reason, WinProbability};

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

#[derive(Debug)]
struct Waiting {
    is_recorded: bool,
    choice: u64,
    whole: u64,
    what: What,
}

/// What was decided, to be told where the other side decided something else.
#[derive(Debug)]
struct What {
    outcome: Outcome,
    rep_id: Option<RepId>,
    queue_id: Option<QueueId>,
    method: Method,
    reason: Reason,
}

impl Agreement {
    /// `has_file`: the policy file that the recording was made with was given.
    pub fn new(has_file: bool) -> Agreement {
        Agreement { has_file, ..Agreement::default() }
    }

    pub fn recorded(&mut self, fact: &LeadAssigned) {
        self.recorded += 1;
        self.by_file |= fact.policy_version == "file";
        self.take(fact, true);
    }

    pub fn replayed(&mut self, fact: &LeadAssigned) {
        self.take(fact, false);
    }

    fn take(&mut self, fact: &LeadAssigned, is_recorded: bool) {
        let mut key = Print(Vec::with_capacity(64));
        key.text(fact.domain.as_str());
        key.text(fact.lead_id.as_str());
        key.int(i64::from(fact.assignment_no));
        let key = key.done();
        let (choice, whole) = prints(fact);
        match self.waiting.remove(&key) {
            Some(other) if other.is_recorded != is_recorded => {
                self.same_choice += usize::from(other.choice == choice);
                self.same_in_full += usize::from(other.whole == whole);
                if other.choice != choice && self.differences.len() < TOLD {
                    let what = What::of(fact);
                    let (recorded, replayed) =
                        if is_recorded { (what, other.what) } else { (other.what, what) };
                    let (lead, number) = (&fact.lead_id, fact.assignment_no);
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
                let what = What::of(fact);
                self.waiting.insert(key, Waiting { is_recorded, choice, whole, what });
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

impl What {
    fn of(fact: &LeadAssigned) -> What {
        What {
            outcome: fact.outcome,
            rep_id: fact.rep_id.clone(),
            queue_id: fact.queue_id.clone(),
            method: fact.method,
            reason: fact.reason,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rep = self.rep_id.as_ref().map(RepId::as_str);
        let queue = self.queue_id.as_ref().map(QueueId::as_str);
        let place = rep.or(queue).unwrap_or("nobody");
        let (outcome, method) = (self.outcome.name(), self.method.name());
        write!(f, "{outcome} {place} ({method}, {})", self.reason.name())
    }
}

/// A hash of what was chosen, and one of the whole.
fn prints(fact: &LeadAssigned) -> (u64, u64) {
    let mut print = Print(Vec::with_capacity(1_024));
    print.text(fact.outcome.name());
    print.opt(fact.rep_id.as_ref().map(|id| id.as_str()));
    print.opt(fact.queue_id.as_ref().map(|id| id.as_str()));
    print.text(fact.stage.name());
    print.text(fact.method.name());
    print.text(fact.reason.name());
    print.text(fact.cause.name());
    let choice = print.done();
    print.text(fact.event_id.as_str());
    print.text(&fact.decision_id);
    print.int(fact.domain_seq as i64);
    print.opt(fact.former_owner_id.as_ref().map(|id| id.as_str()));
    print.opt(fact.territory_id.as_ref().map(|id| id.as_str()));
    fact.ambiguous_with.iter().for_each(|id| print.text(id.as_str()));
    print.win(fact.win_probability.as_ref());
    print.opt(fact.arm.map(|arm| arm.name()));
    print.real(fact.propensity);
    fact.candidates.iter().for_each(|one| print.candidate(one));
    print.int(i64::from(fact.candidates_total));
    for (reason, count) in &fact.excluded {
        print.text(reason.name());
        print.int(i64::from(*count));
    }
    print.text(&fact.priority_class);
    for due in &fact.sla {
        print.int(i64::from(due.step));
        print.int(due.action as i64);
        print.int(due.due_at.0);
    }
    print.int(fact.lead_created_at.0);
    print.int(fact.decided_at.0);
    print.text(&fact.policy_sha256);
    print.text(&fact.policy_version);
    (choice, print.done())
}

struct Print(Vec<u8>);

impl Print {
    fn text(&mut self, text: &str) {
        self.int(text.len() as i64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn opt(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.int(-1),
        }
    }

    fn int(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn real(&mut self, number: Option<f64>) {
        self.int(number.map_or(i64::MIN, |number| number.to_bits() as i64));
    }

    fn win(&mut self, win: Option<&WinProbability>) {
        let Some(win) = win else { return self.int(-1) };
        [win.mean, win.low, win.high].into_iter().for_each(|it| self.real(Some(it)));
        self.int(win.deals as i64);
    }

    fn candidate(&mut self, one: &Candidate) {
        self.text(one.rep_id.as_str());
        self.int(i64::from(one.eligible));
        one.reasons.iter().for_each(|reason| self.text(reason.name()));
        self.win(one.win_probability.as_ref());
        self.real(one.score);
        self.real(one.rotation);
        self.real(one.propensity);
    }

    fn done(&self) -> u64 {
        hash::sip64(hash::FIXED, &self.0)
    }
}
