//! What is published: assignments and SLA breaches, field by field as the contract says.

use super::ids::{DomainId, EventId, LeadId, QueueId, RepId, TerritoryId};
use super::input::Origin;
use super::policy::SlaAction;
use super::time::Timestamp;

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($variant),* }

        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The name in events, metrics and docs.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),* }
            }

            pub fn parse(name: &str) -> Option<$type> {
                match name { $($name => Some($type::$variant),)* _ => None }
            }
        }
    };
}

names!(Outcome { Assigned "ASSIGNED", Queued "QUEUED", Parked "PARKED", Released "RELEASED" });

names!(
    /// Which stage of the decision chain decided.
    Stage {
        DoNotRoute "DO_NOT_ROUTE", Locked "LOCKED", Sticky "STICKY", AccountOwner "ACCOUNT_OWNER",
        NamedAccount "NAMED_ACCOUNT", Territory "TERRITORY", CatchAll "CATCH_ALL",
        Intake "INTAKE", Ended "ENDED",
    }
);

names!(
    /// How the rep was chosen.
    Method {
        Owner "OWNER", WinRate "WIN_RATE", RoundRobin "ROUND_ROBIN", Control "CONTROL", None "NONE",
    }
);

names!(Cause {
    Created "CREATED", Updated "UPDATED", TerritoryChanged "TERRITORY_CHANGED",
    RepChanged "REP_CHANGED", PolicyChanged "POLICY_CHANGED", Sla "SLA", Declined "DECLINED",
    Manual "MANUAL", Retry "RETRY",
});

impl LeadAssigned {
    /// From whom to whom a change of territories, reps or the policy moved the lead; `None` = it did not.
    /// From whom: its owner in the CRM, as far as that is known (else `-`).
    pub fn moved(&self) -> Option<(String, String)> {
        let by_change = matches!(
            self.cause,
            Cause::TerritoryChanged | Cause::RepChanged | Cause::PolicyChanged
        );
        if !by_change {
            return None;
        }
        let from =
            self.former_owner_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let to = self.rep_id.as_ref().map(ToString::to_string);
        let to = to.or_else(|| self.queue_id.as_ref().map(ToString::to_string));
        Some((from, to.unwrap_or_else(|| "-".to_owned())))
    }
}

impl Cause {
    /// Whether the lead was taken from its rep: the rep did not answer, or did not want it.
    pub fn leaves_its_rep(self) -> bool {
        matches!(self, Cause::Sla | Cause::Declined)
    }
}

names!(
    /// Why it ended this way: for ASSIGNED, QUEUED, PARKED and RELEASED in this order.
    Reason {
        AccountOwner "account_owner", Sticky "sticky", WinRate "win_rate", Explored "explored",
        ThinEvidence "thin_evidence", Control "control", Rotation "rotation",
        SoleCandidate "sole_candidate", Manual "manual",
        Capped "capped", NoRepAvailable "no_rep_available", NoSkillMatch "no_skill_match",
        NoTerritory "no_territory", NoMember "no_member", MaxHops "max_hops",
        ManualQueue "manual_queue", TooOld "too_old",
        DoNotRoute "do_not_route", Locked "locked", Review "review", Enrichment "enrichment",
        FetchNeeded "fetch_needed", Held "held",
        Deleted "deleted", Merged "merged",
    }
);

names!(
    /// Why a candidate could not take the lead.
    Ineligible {
        Inactive "inactive", Paused "paused", Away "away", OutsideCalendar "outside_calendar",
        Capped "capped", Skill "skill", Language "language", FormerOwner "former_owner",
        Unknown "unknown", WeightZero "weight_zero",
    }
);

names!(
    /// The arm of the experiment that the lead is in.
    Arm { Treatment "TREATMENT", Control "CONTROL" }
);

/// P(win) with its 90 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WinProbability {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// Closed deals of the rep that stand behind it.
    pub deals: u64,
}

/// One rep who was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub rep_id: RepId,
    pub eligible: bool,
    pub reasons: Vec<Ineligible>,
    pub win_probability: Option<WinProbability>,
    /// What the choice by win rate compared.
    pub score: Option<f64>,
    /// The rep's pass in the rotation before this decision, in turns per unit of weight.
    pub rotation: Option<f64>,
    pub propensity: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlaDue {
    pub step: u32,
    pub action: SlaAction,
    pub due_at: Timestamp,
}

/// `lead-assigned`.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadAssigned {
    pub event_id: EventId,
    pub decision_id: String,
    pub lead_id: LeadId,
    pub domain: DomainId,
    pub domain_seq: u64,
    pub assignment_no: u32,
    pub outcome: Outcome,
    pub rep_id: Option<RepId>,
    pub queue_id: Option<QueueId>,
    pub former_owner_id: Option<RepId>,
    pub stage: Stage,
    pub method: Method,
    pub reason: Reason,
    pub cause: Cause,
    pub territory_id: Option<TerritoryId>,
    /// Other territories of another branch that matched as deep; the stated order decided.
    pub ambiguous_with: Vec<TerritoryId>,
    pub win_probability: Option<WinProbability>,
    pub arm: Option<Arm>,
    pub propensity: Option<f64>,
    /// At most 100: the chosen, the best eligible, then others.
    pub candidates: Vec<Candidate>,
    pub candidates_total: u32,
    pub excluded: Vec<(Ineligible, u32)>,
    pub priority_class: String,
    pub sla: Vec<SlaDue>,
    pub lead_created_at: Timestamp,
    pub decided_at: Timestamp,
    pub policy_sha256: String,
    pub policy_version: String,
    pub caused_by: Origin,
    pub positions: [i64; 9],
}

/// `sla-breached`.
#[derive(Clone, Debug, PartialEq)]
pub struct SlaBreached {
    pub event_id: EventId,
    pub lead_id: LeadId,
    pub domain: DomainId,
    pub assignment_no: u32,
    pub rep_id: RepId,
    pub step: u32,
    pub action: SlaAction,
    /// Rep ids, manager ids or queue ids.
    pub notify: Vec<String>,
    pub armed_at: Timestamp,
    pub due_at: Timestamp,
    pub fired_at: Timestamp,
    pub late_by_ms: i64,
    pub priority_class: String,
}
