//! The entities: all that decides lives in one of these, and each is written to the state topic as it
//! is now (an after-image). Nothing that decides may live outside them.

use std::sync::Arc;

use super::account::Account;
use super::ids::{DomainId, LeadId, OpportunityId, QueueId, RepId, TerritoryId};
use super::input::{AccountDef, DealOutcome, EffectiveChange, RepDef, SegmentFields};
use super::lead_fields::LeadFields;
use super::policy::{Policy, Recipient, SlaAction, SlaClock};
use super::published::{Arm, Cause, Method, Reason, Stage};
use super::territory::TerritoryDef;
use super::time::{Span, Timestamp};
use super::win_rate;

/// The kinds of entity, in the order in which images are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Domain,
    Policy,
    Territory,
    Rep,
    Account,
    Lead,
    Pool,
    Load,
    Sticky,
    Deal,
    Learned,
    Sweep,
}

impl Kind {
    pub const ALL: [Kind; 12] = [
        Kind::Domain,
        Kind::Policy,
        Kind::Territory,
        Kind::Rep,
        Kind::Account,
        Kind::Lead,
        Kind::Pool,
        Kind::Load,
        Kind::Sticky,
        Kind::Deal,
        Kind::Learned,
        Kind::Sweep,
    ];

    /// The name in state keys and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Domain => "domain",
            Kind::Policy => "policy",
            Kind::Territory => "territory",
            Kind::Rep => "rep",
            Kind::Account => "account",
            Kind::Lead => "lead",
            Kind::Pool => "pool",
            Kind::Load => "load",
            Kind::Sticky => "sticky",
            Kind::Deal => "deal",
            Kind::Learned => "learned",
            Kind::Sweep => "sweep",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which entity: the key of its image is made of these three.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    pub domain: DomainId,
    pub kind: Kind,
    /// Empty for the kinds of which a domain has one (`Domain`, `Policy`).
    pub id: Arc<str>,
}

impl EntityKey {
    pub fn new(domain: &DomainId, kind: Kind, id: &str) -> EntityKey {
        EntityKey { domain: domain.clone(), kind, id: id.into() }
    }
}

/// An entity as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Entity {
    Domain(Arc<DomainEntity>),
    Policy(Arc<PolicyEntity>),
    Territory(Arc<TerritoryEntity>),
    Rep(Arc<RepEntity>),
    Account(Account),
    Lead(Arc<LeadEntity>),
    Pool(Arc<PoolEntity>),
    Load(Arc<LoadEntity>),
    Sticky(Arc<StickyEntity>),
    Deal(Arc<DealEntity>),
    Learned(Arc<win_rate::Block>),
    Sweep(Arc<SweepEntity>),
}

impl Entity {
    pub fn kind(&self) -> Kind {
        match self {
            Entity::Domain(_) => Kind::Domain,
            Entity::Policy(_) => Kind::Policy,
            Entity::Territory(_) => Kind::Territory,
            Entity::Rep(_) => Kind::Rep,
            Entity::Account(_) => Kind::Account,
            Entity::Lead(_) => Kind::Lead,
            Entity::Pool(_) => Kind::Pool,
            Entity::Load(_) => Kind::Load,
            Entity::Sticky(_) => Kind::Sticky,
            Entity::Deal(_) => Kind::Deal,
            Entity::Learned(_) => Kind::Learned,
            Entity::Sweep(_) => Kind::Sweep,
        }
    }
}

/// The last 16 event ids of an entity, as 64-bit hashes, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(pub Vec<u64>);

/// What a domain has one of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainEntity {
    /// The number of the last decision.
    pub domain_seq: u64,
    /// Re-routes: tokens in thousandths, as of `tokens_at`.
    pub reroute_tokens: i64,
    pub reroute_at: Timestamp,
    /// Overdue SLA steps: tokens in thousandths, as of `overdue_at`.
    pub overdue_tokens: i64,
    pub overdue_at: Timestamp,
    /// Leads that would have gone elsewhere had a change dated in the past been known.
    pub would_differ: u64,
    /// Moves by territory change: assigned leads moved so far.
    pub moved: u64,
}

/// The policy in force, with the text that it was parsed from, and one that begins later.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyEntity {
    pub current: PolicyVersion,
    pub pending: Vec<PendingPolicy>,
    pub seen: Seen,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PolicyVersion {
    pub version: String,
    pub sha256: String,
    /// Empty for the built-in default.
    pub text: String,
    /// Parsed from `text`; never written.
    pub policy: Arc<Policy>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PendingPolicy {
    pub valid_from_at: Timestamp,
    pub version: PolicyVersion,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TerritoryEntity {
    /// In force; None = not yet, or no more.
    pub current: Option<Arc<TerritoryDef>>,
    /// Which open leads follow when the current definition ends.
    pub effective_change: EffectiveChange,
    /// Known now, valid later, by time.
    pub pending: Vec<PendingTerritory>,
    pub seen: Seen,
}

impl TerritoryEntity {
    /// The definitions that hold at a time or later.
    pub(super) fn lasting(&self, now: Timestamp) -> impl Iterator<Item = &Arc<TerritoryDef>> {
        let begun = self.pending.iter().take_while(|pending| pending.valid_from_at <= now).count();
        let current = match begun.checked_sub(1) {
            None => self.current.as_ref(),
            Some(last) => self.pending.get(last).and_then(|pending| pending.definition.as_ref()),
        };
        let later = self.pending.iter().skip(begun).filter_map(|it| it.definition.as_ref());
        let lasts =
            move |definition: &&Arc<TerritoryDef>| definition.valid_to_at.is_none_or(|to| to > now);
        current.into_iter().chain(later).filter(lasts)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct PendingTerritory {
    pub valid_from_at: Timestamp,
    pub definition: Option<Arc<TerritoryDef>>,
    pub effective_change: EffectiveChange,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RepEntity {
    /// None = deleted.
    pub definition: Option<RepDef>,
    /// Absences up to here have been acted on.
    pub absences_done_at: Timestamp,
    /// When the rep last left (inactive or deleted): what stuck to them before sticks no more.
    pub left_at: Option<Timestamp>,
    /// Did not answer: counts as paused until then (`sla.pause_non_responder_secs`).
    pub paused_until_at: Option<Timestamp>,
    pub seen: Seen,
}

/// An account with all its fields; in memory it lies packed (`account::Account`).
#[derive(Clone, Debug, PartialEq)]
pub struct AccountEntity {
    pub definition: Option<AccountDef>,
    pub seen: Seen,
}

/// Where a lead is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Known, never decided (only while its first event is being decided).
    New,
    Assigned,
    Queued,
    Parked,
    /// Taken back from its rep; may be routed again.
    Released,
    Ended(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Converted,
    Deleted,
    Merged,
    Closed,
    Silent,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeadEntity {
    /// Shared: most events change nothing of them.
    pub fields: Arc<LeadFields>,
    /// Of the lead's first event: the total age never restarts.
    pub lead_created_at: Timestamp,
    /// When the first event came.
    pub arrived_at: Timestamp,
    pub fast: bool,
    pub seen: Seen,
    pub phase: Phase,
    /// Of the last lead-assigned; 0 = none yet.
    pub assignment_no: u32,
    /// The last lead-assigned.
    pub placement: Option<Placement>,
    pub ladder: Option<Ladder>,
    /// First touch by the owner since the assignment.
    pub touched_at: Option<Timestamp>,
    pub accepted_at: Option<Timestamp>,
    /// On hold since (pause of the ladder).
    pub held_since: Option<Timestamp>,
    /// Holds of this assignment that have ended.
    pub holds: Vec<(Timestamp, Timestamp)>,
    /// Reps who had it and are not given it again.
    pub former_owners: Vec<RepId>,
    pub hops: u32,
    /// Its last rep did not answer, or declined, and nobody has had it since.
    pub left_its_rep: bool,
    /// Reps of assignments whose echo has not come back, oldest first.
    pub unconfirmed: Vec<RepId>,
    /// Who owns it in the CRM, as far as we know.
    pub crm_owner: Option<RepId>,
    pub locked: bool,
    /// None with `locked` = until unlocked.
    pub locked_until_at: Option<Timestamp>,
    /// Waiting for fields, or for an owner to come back, at most until.
    pub hold_until_at: Option<Timestamp>,
    /// The hold for enrichment is over: it is not held twice.
    pub hold_done: bool,
    pub fetch_needed: bool,
    /// For a waiting lead: the next time that it is worth trying; for an assigned one: when the hold of a
    /// transition ends, and it follows its territory.
    pub retry_at: Option<Timestamp>,
    pub last_reroute_at: Option<Timestamp>,
    pub last_event_at: Timestamp,
    pub opportunity_id: Option<OpportunityId>,
    /// The segment as it was when the lead was last assigned.
    pub segment: Arc<SegmentFields>,
}

/// What the last lead-assigned said, as far as later decisions need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    pub rep_id: Option<RepId>,
    pub queue_id: Option<QueueId>,
    pub stage: Stage,
    pub method: Method,
    pub reason: Reason,
    pub cause: Cause,
    pub territory_id: Option<TerritoryId>,
    /// The last that it was in: a lead keeps it through a queue.
    pub arm: Option<Arm>,
    pub propensity: Option<f64>,
    pub class: String,
    pub decided_at: Timestamp,
    /// QUEUED only: nobody puts it back to a rep but a person.
    pub final_queue: bool,
}

/// The SLA of one assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    pub class: String,
    pub clock: SlaClock,
    pub armed_at: Timestamp,
    pub steps: Vec<LadderStep>,
    /// Touched, accepted, or otherwise over: no further step fires.
    pub stopped: bool,
    /// The next step was found overdue in a storm and fires no earlier (rate limit).
    pub deferred_until_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LadderStep {
    /// 1, 2, …
    pub step: u32,
    pub action: SlaAction,
    pub after: Span,
    /// Business days in place of the span, if not zero.
    pub days: u32,
    pub to: Vec<Recipient>,
    pub due_at: Timestamp,
    pub fired_at: Option<Timestamp>,
}

/// The rotation of a pool: one track a member, by rep id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolEntity {
    pub seq: u64,
    pub tracks: Vec<Track>,
}

/// A member's place in the rotation: pass = `base` + `count` / `weight`.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    pub rep_id: RepId,
    /// In units of 2^-32 turns per unit of weight.
    pub base: i128,
    pub count: u64,
    /// The effective weight that `count` counts by.
    pub weight: u64,
    /// The pool's `seq` when it was last assigned; 0 = never.
    pub last_seq: u64,
    /// Available when the rotation last looked.
    pub present: bool,
    /// Guard rails: fair share and leads given, both decaying over 30 days, as of `fair_at`.
    pub fair: f64,
    pub given: f64,
    pub fair_at: Timestamp,
}

/// What a rep has been given: the windows of caps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadEntity {
    /// Ever.
    pub assigned: u64,
    /// Of the last hour, oldest first; kept while the rep has an HOUR cap.
    pub hour: Vec<(Timestamp, Option<TerritoryId>)>,
    pub day: WindowCount,
    pub week: WindowCount,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowCount {
    pub start_at: Timestamp,
    pub total: u32,
    pub by_pool: Vec<(TerritoryId, u32)>,
}

/// Who had the last lead with this key.
#[derive(Clone, Debug, PartialEq)]
pub struct StickyEntity {
    pub rep_id: RepId,
    pub lead_id: LeadId,
    pub territory_id: Option<TerritoryId>,
    pub touched_at: Timestamp,
    /// The last touch plus the policy's window at that time.
    pub expires_at: Timestamp,
}

/// A closed deal, so that a later event can replace its effect.
#[derive(Clone, Debug, PartialEq)]
pub struct DealEntity {
    pub outcome: DealOutcome,
    pub rep_id: RepId,
    pub closed_at: Timestamp,
    pub seen: Seen,
    /// What was learned from it; None when nothing stands (reopened).
    pub observation: Option<win_rate::Observation>,
    pub last_event_at: Timestamp,
}

/// Why a sweep runs; a domain has at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SweepKind {
    /// Open leads follow a change of territories.
    Territories,
    /// The open, untouched leads of reps who left.
    Departures,
    /// Deadlines are computed anew: a calendar or an absence changed.
    Ladders,
    /// Waiting leads are tried again.
    Waiting,
}

impl SweepKind {
    pub const ALL: [SweepKind; 4] =
        [SweepKind::Territories, SweepKind::Departures, SweepKind::Ladders, SweepKind::Waiting];

    pub fn name(self) -> &'static str {
        match self {
            SweepKind::Territories => "territories",
            SweepKind::Departures => "departures",
            SweepKind::Ladders => "ladders",
            SweepKind::Waiting => "waiting",
        }
    }
}

/// A territory that changed, while the leads it concerns have not all been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerritoryMove {
    /// None = so many changed that all are taken to have.
    pub territory_id: Option<TerritoryId>,
    pub effective_change: EffectiveChange,
    /// The change is dated back to here; what it would have changed is counted.
    pub dated_at: Option<Timestamp>,
}

/// A walk over leads that is taken in slices, so that no input does unbounded work. A later reason for
/// the same walk joins it. Every lead that comes in asks for it, so a copy shares the lists.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepEntity {
    pub kind: SweepKind,
    /// What the decisions on the way give as their cause.
    pub cause: Cause,
    /// The last lead looked at (by age and id for `Waiting`, by id else).
    pub cursor: Option<(Timestamp, LeadId)>,
    /// `Territories`: which territories changed, by id, and which open leads follow each.
    pub changes: Arc<Vec<TerritoryMove>>,
    /// Another reason came while it ran: once more from the start.
    pub again: bool,
    pub next_at: Timestamp,
    /// Only leads of these reps; empty = all.
    pub reps: Arc<Vec<RepId>>,
}
