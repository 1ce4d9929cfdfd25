//! A shard on virtual time, with no log around it: what `pipe` and the backtest drive.
//!
//! Time moves through the deadlines: each timer fires with now = its deadline, so results do not depend
//! on how often time is moved. A record at T: timers due before T, then the record; a tick T fires all that
//! is due by T. A jump is an outage: what is due fires at T, late. What was done stands: there are no
//! transactions here. An input that is refused moves no time.

use std::collections::BTreeSet;

use super::ports::{Part, Record};
use super::shard::{Panicked, Said, Shard};
use super::wire;
use crate::codec::error::reason;
use crate::codec::json;
use crate::codec::policy::{self, PolicyFault};
use crate::domain::fact::{Fact, Rejection};
use crate::domain::ids::{DomainId, EventId};
use crate::domain::input::{Input, PolicyChange, Topic};
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;

/// The policy that a filter starts with, for every domain.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    pub text: String,
    pub policy: Policy,
}

impl PolicyFile {
    /// Reads it, or tells everything that is wrong with it.
    pub fn parse(text: &str) -> Result<PolicyFile, Vec<PolicyFault>> {
        Ok(PolicyFile { text: text.to_owned(), policy: policy::parse(text)? })
    }
}

/// An event in, at its place in the stream.
#[derive(Clone, Debug)]
pub struct Event {
    pub topic: Topic,
    pub domain: DomainId,
    pub at: Timestamp,
    pub offset: i64,
    pub input: Input,
}

/// The shard and what moves it.
#[derive(Debug)]
pub struct Filter {
    shard: Shard,
    policy: Option<PolicyFile>,
    /// Domains that have had the file's policy.
    told: BTreeSet<DomainId>,
    /// Images' digest, kept up from the first question on.
    digest: Option<u128>,
}

impl Filter {
    pub fn new(policy: Option<PolicyFile>) -> Filter {
        Filter { shard: Shard::new(0), policy, told: BTreeSet::new(), digest: None }
    }

    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Takes one event; what it and the timers before it caused is said in order. An error is why
    /// the event itself is refused.
    pub fn event(&mut self, event: Event, say: &mut dyn FnMut(Said)) -> Result<(), Rejection> {
        let Event { topic, domain, at, offset, input } = event;
        let now = self.shard.at(at);
        let part = Part { topic, shard: 0 };
        let record =
            Record { part, offset, timestamp: at, key: None, value: None, headers: Vec::new() };
        if let Some(rejection) = self.shard.rejection(&record, &domain, &input, now) {
            self.shard.pass(&record);
            self.settle();
            return Err(rejection);
        }
        // Timers due at the record's own instant wait for a later line.
        while let Some(due_at) = self.shard.first_due(Timestamp(at.0 - 1)) {
            self.fire(due_at, say);
        }
        self.shard.pass(&record);
        self.tell_policy(&record, &domain, now);
        let said = self.shard.feed(&record, domain, input, now);
        if let Ok(said) = said {
            say(said);
            self.settle();
            return Ok(());
        }
        // Nothing of this event stands, and time has not moved.
        self.shard.rollback();
        self.settle();
        Err(Rejection { reason: reason::PROCESSOR_PANIC, field: "value".to_owned() })
    }

    /// What an event would cause, as if it held at its time and nothing else happened; nothing stands.
    pub fn dry_run(&mut self, event: Event) -> Result<Vec<Fact>, Rejection> {
        let Event { topic, domain, at, offset, input } = event;
        let now = self.shard.at(at);
        let part = Part { topic, shard: 0 };
        let record =
            Record { part, offset, timestamp: at, key: None, value: None, headers: Vec::new() };
        if let Some(rejection) = self.shard.rejection(&record, &domain, &input, now) {
            return Err(rejection);
        }
        let facts = self.shard.dry_run(&record, domain, input, now);
        facts.map_err(|Panicked| {
            self.shard.rollback();
            Rejection { reason: reason::PROCESSOR_PANIC, field: "value".to_owned() }
        })
    }

    /// The file is a policy event before line 1, for a domain that nobody had heard of then.
    fn tell_policy(&mut self, record: &Record, domain: &DomainId, now: Timestamp) {
        let Some(PolicyFile { text, policy }) = &self.policy else { return };
        if !self.told.insert(domain.clone()) {
            return;
        }
        let change = PolicyChange {
            event_id: EventId::new("file"),
            version: "file".to_owned(),
            text: text.clone(),
            sha256: json::sha256_hex(text.as_bytes()),
            policy: policy.clone(),
            valid_from_at: None,
            author: None,
        };
        let input = Input::PolicyChanged(Box::new(change));
        // It was read before; a domain that has no leads says nothing to it.
        if self.shard.feed(record, domain.clone(), input, now).is_err() {
            self.shard.rollback();
        }
        self.settle();
    }

    /// Moves time to `at`; with a jump nothing fires on the way.
    pub fn tick(&mut self, at: Timestamp, jump: bool, say: &mut dyn FnMut(Said)) {
        while let Some(due_at) = self.shard.first_due(at) {
            self.fire(if jump { at } else { due_at }, say);
        }
        self.shard.pass_time(at);
        self.settle();
    }

    fn fire(&mut self, now: Timestamp, say: &mut dyn FnMut(Said)) {
        match self.shard.fire(now) {
            Some(Ok((_, said))) => say(said),
            Some(Err(Panicked)) => panic!("deciding a timer panicked"),
            None => {}
        }
        self.settle();
    }

    /// What was done stands.
    fn settle(&mut self) {
        if let Some(digest) = self.digest {
            self.digest = Some(wire::digest_after(digest, &self.shard.changes()));
        }
        self.shard.commit();
    }

    /// The digest of all images, as 32 hexadecimal digits.
    pub fn digest_text(&mut self) -> String {
        let digest = match self.digest {
            Some(digest) => digest,
            None => wire::digest_of(self.shard.state()),
        };
        self.digest = Some(digest);
        format!("{digest:032x}")
    }
}
