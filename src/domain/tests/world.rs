//! A shard with a calendar on the wall: feeds inputs, moves time through the deadlines, keeps what was said.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::fact::{Counter, Fact};
use crate::domain::ids::{DomainId, EventId, LeadId, RepId, TerritoryId};
use crate::domain::input::*;
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::{ChoiceMethod, Policy, Sticky};
use crate::domain::published::{LeadAssigned, SlaBreached};
use crate::domain::state::State;
use crate::domain::territory::{
    Condition, Field, LeadField, Member, Op, Operands, Rule, TerritoryDef,
};
use crate::domain::time::{Span, Timestamp};
use crate::domain::timer::TimerKey;

/// 2026-01-05T10:00:00Z, a Monday.
pub(super) const START: Timestamp = Timestamp(1_767_607_200_000);

#[derive(Default)]
pub(super) struct World {
    pub(super) state: State,
    pub(super) now: Timestamp,
    timers: BTreeMap<TimerKey, Timestamp>,
    pub(super) assigned: Vec<LeadAssigned>,
    pub(super) breached: Vec<SlaBreached>,
    pub(super) rejected: Vec<&'static str>,
    pub(super) counted: Vec<Counter>,
    events: u32,
}

pub(super) fn rep(active: bool) -> RepDef {
    RepDef {
        name: None,
        active,
        paused: false,
        weight: 1,
        manager_id: Some(RepId::new("boss")),
        hired_at: None,
        skills: Vec::new(),
        languages: Vec::new(),
        calendar_id: None,
        time_zone: "UTC".to_owned(),
        away: Vec::new(),
        caps: Vec::new(),
        cover_id: None,
    }
}

pub(super) fn territory(states: &[&str], members: &[&str]) -> TerritoryDef {
    let values = states.iter().map(|state| state.to_lowercase()).collect();
    let condition =
        Condition { field: Field::Lead(LeadField::State), op: Op::In(Operands::Text(values)) };
    let member = |rep: &&str| Member { rep_id: RepId::new(rep), weight: 1, role: None };
    TerritoryDef {
        name: "a territory".to_owned(),
        parent_id: None,
        priority: 100,
        rules: if states.is_empty() { Vec::new() } else { vec![Rule { all: vec![condition] }] },
        named_accounts: Vec::new(),
        members: members.iter().map(member).collect(),
        valid_to_at: None,
    }
}

/// Rotation only, no stickiness: what most tests want.
pub(super) fn plain_policy() -> Policy {
    let mut policy = Policy::default();
    policy.choice.method = ChoiceMethod::RoundRobin;
    policy.sticky = Sticky { window: Span::ZERO, ..policy.sticky };
    policy
}

impl World {
    pub(super) fn new(policy: Policy) -> World {
        let mut world = World { now: START, ..World::default() };
        world.policy(policy);
        world
    }

    /// Two reps in the west, one in the east.
    pub(super) fn with_company() -> World {
        let mut world = World::new(plain_policy());
        for id in ["ann", "bob", "eve", "boss"] {
            world.rep(id, rep(true));
        }
        world.territory("west", territory(&["CA", "WA"], &["ann", "bob"]));
        world.territory("east", territory(&["NY"], &["eve"]));
        world
    }

    fn event(&mut self) -> EventId {
        self.events += 1;
        EventId::new(&format!("event-{}", self.events))
    }

    pub(super) fn feed(&mut self, input: Input) {
        let envelope = Envelope {
            domain: DomainId::new("acme"),
            now: self.now,
            origin: Origin { topic: None, partition: 0, offset: -1 },
            positions: [-1; 9],
            input,
        };
        for fact in self.state.step(&envelope) {
            match fact {
                Fact::Assigned(event) => self.assigned.push(*event),
                Fact::Breached(event) => self.breached.push(*event),
                Fact::Rejected(rejection) => self.rejected.push(rejection.reason),
                Fact::Counted(counter) => self.counted.push(counter),
                Fact::Set(..) => panic!("a Set fact left the state"),
            }
        }
        self.take_moves();
    }

    pub(super) fn take_moves(&mut self) {
        for change in self.state.take_timer_moves() {
            match change.due_at {
                Some(due_at) => self.timers.insert(change.key, due_at),
                None => self.timers.remove(&change.key),
            };
        }
    }

    pub(super) fn timers(&self) -> &BTreeMap<TimerKey, Timestamp> {
        &self.timers
    }

    /// Moves time through the deadlines, each at its own instant.
    pub(super) fn advance(&mut self, by: Span) {
        let until = self.now + by;
        while let Some((key, due_at)) = self.next_due(until) {
            self.now = self.now.max(due_at);
            self.timers.remove(&key);
            self.feed(Input::Timer { key, due_at });
        }
        self.now = until;
    }

    fn next_due(&self, until: Timestamp) -> Option<(TimerKey, Timestamp)> {
        let due = self.timers.iter().filter(|(_, due_at)| **due_at <= until);
        let first = due.min_by(|(a, x), (b, y)| x.cmp(y).then_with(|| a.cmp(b)));
        first.map(|(key, due_at)| (key.clone(), *due_at))
    }

    pub(super) fn policy(&mut self, policy: Policy) {
        let event_id = self.event();
        self.feed(Input::PolicyChanged(Box::new(PolicyChange {
            event_id,
            version: "test".to_owned(),
            text: String::new(),
            sha256: String::new(),
            policy,
            valid_from_at: None,
            author: None,
        })));
    }

    pub(super) fn rep(&mut self, id: &str, definition: RepDef) {
        let event_id = self.event();
        self.feed(Input::RepChanged(Box::new(RepChange {
            event_id,
            rep_id: RepId::new(id),
            definition: Some(definition),
        })));
    }

    pub(super) fn territory(&mut self, id: &str, definition: TerritoryDef) {
        self.territory_as(id, Some(definition), None, EffectiveChange::NewOnly);
    }

    pub(super) fn territory_as(
        &mut self,
        id: &str,
        definition: Option<TerritoryDef>,
        valid_from_at: Option<Timestamp>,
        effective_change: EffectiveChange,
    ) {
        let event_id = self.event();
        self.feed(Input::TerritoryChanged(Box::new(TerritoryChange {
            event_id,
            territory_id: TerritoryId::new(id),
            definition: definition.map(Arc::new),
            valid_from_at,
            effective_change,
            reason: None,
        })));
    }

    pub(super) fn fields(&self, state: &str) -> LeadFields {
        LeadFields { created_at: self.now, state: Some(state.to_owned()), ..LeadFields::default() }
    }

    pub(super) fn lead(&mut self, id: &str, state: &str) {
        let fields = self.fields(state);
        self.lead_with(id, fields);
    }

    pub(super) fn lead_with(&mut self, id: &str, fields: LeadFields) {
        let event_id = self.event();
        let lead_id = LeadId::new(id);
        self.feed(Input::LeadCreated(Box::new(LeadCreated {
            event_id,
            lead_id,
            fields: fields.into(),
            fast: false,
        })));
    }

    pub(super) fn update(&mut self, id: &str, kind: UpdateKind, with: impl Fn(&mut LeadUpdated)) {
        let mut event = LeadUpdated {
            event_id: self.event(),
            lead_id: LeadId::new(id),
            changed_at: self.now,
            changed_by: None,
            kind,
            changes: None,
            cleared: Vec::new(),
            new_owner_id: None,
            merged_into: None,
            locked_until_at: None,
            account_id: None,
            opportunity_id: None,
            fetch_needed: false,
        };
        with(&mut event);
        self.feed(Input::LeadUpdated(Box::new(event)));
    }

    pub(super) fn act(&mut self, id: &str, kind: ActivityKind) {
        let event_id = self.event();
        let occurred_at = self.now;
        let lead_id = LeadId::new(id);
        self.feed(Input::LeadActivity(LeadActivity {
            event_id,
            lead_id,
            rep_id: None,
            kind,
            occurred_at,
        }));
    }

    /// The last word on a lead: outcome, rep or queue, reason, cause.
    pub(super) fn last(&self, id: &str) -> String {
        let Some(event) = self.assigned.iter().rfind(|event| event.lead_id.as_str() == id) else {
            return "nothing".to_owned();
        };
        let whom = event.rep_id.as_ref().map(ToString::to_string);
        let whom = whom.or_else(|| event.queue_id.as_ref().map(ToString::to_string));
        format!(
            "{} {} {} {}",
            event.outcome.name(),
            whom.unwrap_or_default(),
            event.reason.name(),
            event.cause.name()
        )
    }

    pub(super) fn owner(&self, id: &str) -> String {
        let event = self.assigned.iter().rfind(|event| event.lead_id.as_str() == id);
        event.and_then(|event| event.rep_id.clone()).map(|rep| rep.to_string()).unwrap_or_default()
    }
}
