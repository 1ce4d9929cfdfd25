//! Everything that can happen to a shard: the closed set of events in, and a timer that fell due.

use std::sync::Arc;

use super::ids::{
    AccountId, DomainId, EventId, LeadId, OpportunityId, Private, QueueId, RepId, TerritoryId,
};
use super::lead_fields::{Cents, LeadChanges, LeadFields};
use super::policy::Policy;
use super::territory::TerritoryDef;
use super::time::Timestamp;
use super::timer::TimerKey;

/// The topics in, in the order in which ties are broken and `positions` are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    LeadCreated,
    LeadCreatedFast,
    LeadUpdated,
    LeadActivity,
    OpportunityClosed,
    TerritoryChanged,
    RepChanged,
    AccountChanged,
    PolicyChanged,
}

impl Topic {
    pub const ALL: [Topic; 9] = [
        Topic::LeadCreated,
        Topic::LeadCreatedFast,
        Topic::LeadUpdated,
        Topic::LeadActivity,
        Topic::OpportunityClosed,
        Topic::TerritoryChanged,
        Topic::RepChanged,
        Topic::AccountChanged,
        Topic::PolicyChanged,
    ];

    /// The default name of the topic in Kafka, and its name in `pipe`.
    pub fn name(self) -> &'static str {
        match self {
            Topic::LeadCreated => "lead-created",
            Topic::LeadCreatedFast => "lead-created-fast",
            Topic::LeadUpdated => "lead-updated",
            Topic::LeadActivity => "lead-activity",
            Topic::OpportunityClosed => "opportunity-closed",
            Topic::TerritoryChanged => "territory-changed",
            Topic::RepChanged => "rep-changed",
            Topic::AccountChanged => "account-changed",
            Topic::PolicyChanged => "policy-changed",
        }
    }

    /// Its place in `positions`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Reference topics are read to their end before the first lead, and go first in a tie.
    pub fn is_reference(self) -> bool {
        self >= Topic::TerritoryChanged
    }
}

/// Where an input came from: a record, or a timer (`topic` = None, offset −1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub topic: Option<Topic>,
    pub partition: i32,
    pub offset: i64,
}

/// One input with what a decision must know about its place in the stream.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub domain: DomainId,
    /// The time of the decision: never earlier than that of an input before it.
    pub now: Timestamp,
    pub origin: Origin,
    /// Next offset read of each topic in, in the order of `Topic::ALL`, −1 = none.
    pub positions: [i64; 9],
    pub input: Input,
}

/// The closed set.
#[derive(Clone, Debug)]
pub enum Input {
    LeadCreated(Box<LeadCreated>),
    LeadUpdated(Box<LeadUpdated>),
    LeadActivity(LeadActivity),
    OpportunityClosed(Box<OpportunityClosed>),
    TerritoryChanged(Box<TerritoryChange>),
    RepChanged(Box<RepChange>),
    AccountChanged(Box<AccountChange>),
    PolicyChanged(Box<PolicyChange>),
    /// A timer of this shard fell due at the given instant.
    Timer {
        key: TimerKey,
        due_at: Timestamp,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeadCreated {
    pub event_id: EventId,
    pub lead_id: LeadId,
    pub fields: Arc<LeadFields>,
    /// It came on `lead-created-fast`.
    pub fast: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateKind {
    Fields,
    Owner,
    Status,
    Converted,
    Deleted,
    Undeleted,
    Merged,
    Locked,
    Unlocked,
    DoNotRoute,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeadUpdated {
    pub event_id: EventId,
    pub lead_id: LeadId,
    pub changed_at: Timestamp,
    pub changed_by: Option<String>,
    pub kind: UpdateKind,
    pub changes: Option<Box<LeadChanges>>,
    pub cleared: Vec<String>,
    pub new_owner_id: Option<RepId>,
    pub merged_into: Option<LeadId>,
    pub locked_until_at: Option<Timestamp>,
    pub account_id: Option<AccountId>,
    pub opportunity_id: Option<OpportunityId>,
    pub fetch_needed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    Call,
    Email,
    Meeting,
    OtherTouch,
    Accepted,
    Declined,
    OnHold,
    Resumed,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LeadActivity {
    pub event_id: EventId,
    pub lead_id: LeadId,
    /// None = the owner.
    pub rep_id: Option<RepId>,
    pub kind: ActivityKind,
    pub occurred_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DealOutcome {
    Won,
    Lost,
    Reopened,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpportunityClosed {
    pub event_id: EventId,
    pub opportunity_id: OpportunityId,
    pub outcome: DealOutcome,
    pub rep_id: RepId,
    pub lead_id: Option<LeadId>,
    pub account_id: Option<AccountId>,
    pub opened_at: Option<Timestamp>,
    pub closed_at: Timestamp,
    pub amount: Option<Cents>,
    pub currency: Option<String>,
    pub segment: SegmentFields,
}

/// The fields that say in which segment a deal or a lead is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SegmentFields {
    pub country: Option<String>,
    pub state: Option<String>,
    pub postal_code: Option<String>,
    pub industry: Option<String>,
    pub employees: Option<i64>,
    pub annual_revenue: Option<Cents>,
    pub product: Option<String>,
    pub source: Option<String>,
    pub attributes: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TerritoryChange {
    pub event_id: EventId,
    pub territory_id: TerritoryId,
    /// None = the territory ends (`deleted`).
    pub definition: Option<Arc<TerritoryDef>>,
    pub valid_from_at: Option<Timestamp>,
    pub effective_change: EffectiveChange,
    pub reason: Option<String>,
}

/// Which open leads follow a change of territories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum EffectiveChange {
    #[default]
    NewOnly,
    UntouchedOpen,
    AllOpen,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RepChange {
    pub event_id: EventId,
    pub rep_id: RepId,
    /// None = the rep is deleted.
    pub definition: Option<RepDef>,
}

/// A rep as the reference data describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct RepDef {
    pub name: Option<String>,
    pub active: bool,
    pub paused: bool,
    /// 0–10,000; 0 = only by owner match.
    pub weight: u32,
    pub manager_id: Option<RepId>,
    pub hired_at: Option<Timestamp>,
    pub skills: Vec<String>,
    /// Primary subtags; none = all.
    pub languages: Vec<String>,
    pub calendar_id: Option<String>,
    /// IANA name, checked at the edge.
    pub time_zone: String,
    pub away: Vec<Away>,
    pub caps: Vec<Cap>,
    /// Who stands in while this rep is unavailable.
    pub cover_id: Option<RepId>,
}

/// An absence, half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    pub from_at: Timestamp,
    pub to_at: Timestamp,
}

impl Away {
    /// Whether it is going on at this instant.
    pub fn covers(self, at: Timestamp) -> bool {
        self.from_at <= at && at < self.to_at
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CapWindow {
    Hour,
    Day,
    Week,
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    pub window: CapWindow,
    pub limit: u32,
    /// Only leads of this territory's pool count.
    pub pool: Option<TerritoryId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AccountChange {
    pub event_id: EventId,
    pub account_id: AccountId,
    /// None = the account is deleted.
    pub definition: Option<AccountDef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    Customer,
    Prospect,
    Partner,
    Former,
}

impl AccountKind {
    /// In the order of the schema's symbols.
    pub const ALL: [AccountKind; 4] =
        [AccountKind::Customer, AccountKind::Prospect, AccountKind::Partner, AccountKind::Former];
}

#[derive(Clone, Debug, PartialEq)]
pub struct AccountDef {
    pub name: String,
    pub domains: Vec<String>,
    pub owner_id: Option<RepId>,
    pub parent_id: Option<AccountId>,
    pub kind: AccountKind,
    pub country: Option<String>,
    pub state: Option<String>,
    pub postal_code: Option<String>,
    pub phone: Option<Private>,
    pub open_opportunity: bool,
    pub last_activity_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct PolicyChange {
    pub event_id: EventId,
    pub version: String,
    /// The TOML file as it came; parsed and checked at the edge.
    pub text: String,
    pub sha256: String,
    pub policy: Policy,
    pub valid_from_at: Option<Timestamp>,
    pub author: Option<String>,
}

/// A place where leads wait for people: a queue of the CRM or of a manager.
pub fn manager_queue(manager: &RepId) -> QueueId {
    QueueId::new(&format!("manager:{manager}"))
}
