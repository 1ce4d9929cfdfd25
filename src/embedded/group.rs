//! The consumer group: members, generations, and the share of each by range.

use std::collections::BTreeMap;

use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};
use crate::engine::ports::{Failure, Result};

#[derive(Debug)]
struct Member {
    polled_at: Timestamp,
    /// It has given up its share and waits for the next.
    joined: bool,
    share: Vec<i32>,
}

/// What a member shows with its offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) member: String,
    pub(super) generation: u32,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<String, Member>,
    generation: u32,
    /// Members have come or gone: shares are given out once all have joined.
    preparing: bool,
    numbers: u64,
    /// Next offset of each part, with the metadata.
    pub(super) offsets: BTreeMap<(Topic, i32), (i64, String)>,
}

/// What a member learns when it polls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is no member any more.
    Unknown,
    /// Shares are given out anew: it must give up its own.
    Joining,
    /// Its share in this generation.
    Stable(u32, Vec<i32>),
}

impl Group {
    /// A new member; its id.
    pub(super) fn join(&mut self, client: &str, now: Timestamp) -> String {
        self.numbers += 1;
        let id = format!("{client}-{}", self.numbers);
        let member = Member { polled_at: now, joined: false, share: Vec::new() };
        self.members.insert(id.clone(), member);
        self.prepare();
        id
    }

    pub(super) fn remove(&mut self, id: &str) {
        if self.members.remove(id).is_some() {
            self.prepare();
        }
    }

    pub(super) fn prepare(&mut self) {
        self.preparing = true;
        self.members.values_mut().for_each(|member| member.joined = false);
    }

    pub(super) fn expire(&mut self, now: Timestamp, session: Span) {
        let silent = |member: &Member| now.since(member.polled_at) > session;
        let gone = self.members.iter().filter(|(_, member)| silent(member));
        let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id));
    }

    /// A sign of life.
    pub(super) fn beat(&mut self, id: &str, now: Timestamp) {
        if let Some(member) = self.members.get_mut(id) {
            member.polled_at = now.max(member.polled_at);
        }
    }

    pub(super) fn standing(&self, id: &str) -> Standing {
        match self.members.get(id) {
            None => Standing::Unknown,
            Some(_) if self.preparing => Standing::Joining,
            Some(member) => Standing::Stable(self.generation, member.share.clone()),
        }
    }

    /// A member has given up its share; when all have, the shares are given out.
    pub(super) fn rejoin(&mut self, id: &str, partitions: i32) {
        if let Some(member) = self.members.get_mut(id) {
            member.joined = true;
        }
        if !self.preparing || !self.members.values().all(|member| member.joined) {
            return;
        }
        self.preparing = false;
        self.generation += 1;
        let members = self.members.len() as i32;
        let (each, more) = (partitions / members.max(1), partitions % members.max(1));
        let mut next = 0;
        for (member, number) in self.members.values_mut().zip(0..) {
            let count = each + i32::from(number < more);
            member.share = (next..next + count).collect();
            next += count;
        }
    }

    /// What the coordinator checks when offsets come within a transaction, and no more than that.
    pub(super) fn admit(&self, membership: &Membership) -> Result<()> {
        if membership.member.is_empty() {
            return Ok(());
        }
        if !self.members.contains_key(&membership.member) {
            return Err(Failure::Abort("unknown member".to_owned()));
        }
        if membership.generation != self.generation || self.preparing {
            return Err(Failure::Abort("illegal generation".to_owned()));
        }
        Ok(())
    }
}
