//! The routing policy: what RevOps people decide, as the TOML file of section "policy" says it.
//!
//! The defaults here are the built-in policy; `codec::policy` parses the text.

use std::collections::BTreeMap;

use super::calendar::Calendar;
use super::ids::{QueueId, RepId};
use super::territory::Condition;
use super::time::Span;

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub catch_all: QueueId,
    pub choice: Choice,
    pub segment: SegmentPolicy,
    pub rotation: Rotation,
    /// First match gives the priority class; none = `standard`.
    pub priority: Vec<PriorityClass>,
    pub sla: Sla,
    pub sticky: Sticky,
    pub reroute: Reroute,
    pub accounts: AccountPolicy,
    pub transition: Transition,
    pub availability: AvailabilityPolicy,
    pub skills: SkillsPolicy,
    pub hold: Hold,
    pub calendars: BTreeMap<String, Calendar>,
    pub intake: Intake,
    /// Statuses that end a lead, as written.
    pub closed_statuses: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChoiceMethod {
    WinRate,
    RoundRobin,
}

/// What the choice by win rate makes the most of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// Wins.
    WinProbability,
    /// Won amounts.
    ExpectedAmount,
}

/// What goes to one arm as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlUnit {
    Lead,
    /// All leads of a company.
    Account,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub method: ChoiceMethod,
    pub objective: Objective,
    /// Share of leads held out in the control arm, 0–1.
    pub control_share: f64,
    pub control_unit: ControlUnit,
    /// Uniform exploration, 0–1.
    pub floor: f64,
    /// Guard rails, multiples of fair load; 0 = off.
    pub max_share: f64,
    pub min_share: f64,
    pub salt: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SegmentPolicy {
    pub dimensions: Vec<Dimension>,
    /// Band bounds, ascending.
    pub employees: Vec<i64>,
    /// Band bounds in whole units of the currency, ascending.
    pub annual_revenue: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Industry,
    Employees,
    /// The state, else the country.
    State,
    Country,
    PostalCode,
    AnnualRevenue,
    Product,
    Source,
    Attribute(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReturn {
    Level,
    /// At most this many turns in a row.
    CatchUp(u32),
    Keep,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    pub on_return: OnReturn,
    pub count_manual: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PriorityClass {
    pub class: String,
    /// All must hold.
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sla {
    pub max_hops: u32,
    /// Overdue steps a second and domain, after a burst of 1,000.
    pub overdue_per_sec: u32,
    /// A rep whose lead was reassigned counts as paused for this long; zero = never.
    pub pause_non_responder: Span,
    /// When this policy comes into force, open ladders take its steps; else they keep those that were announced.
    pub recompute_open: bool,
    /// By class; `standard` always exists.
    pub classes: BTreeMap<String, SlaClass>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlaClock {
    Wall,
    /// A calendar of the policy.
    Team(String),
    Owner,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SlaClass {
    pub clock: SlaClock,
    pub target: Span,
    pub steps: Vec<SlaStep>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlaAction {
    Remind,
    Escalate,
    Reassign,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SlaStep {
    /// Span from the assignment on the class's clock (a share of the target is resolved at load).
    pub after: Span,
    /// In place of a span: business days of the clock's calendar; zero = the span holds.
    pub days: u32,
    pub action: SlaAction,
    /// Empty = the action's default.
    pub to: Vec<Recipient>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Rep,
    Manager,
    Queue(QueueId),
    Named(RepId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickyScope {
    Domain,
    Pool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sticky {
    /// From the last touch; zero = off.
    pub window: Span,
    pub scope: StickyScope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLeadChange {
    None,
    Untouched,
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reroute {
    /// After a burst of 50.
    pub per_sec: u32,
    pub min_gap: Span,
    pub on_lead_change: OnLeadChange,
}

/// What the outgoing owner of a territory keeps, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// A lead of which all of these hold never follows a change; empty = none.
    pub exempt: Vec<Condition>,
    /// One of which all of these hold stays for the span; empty = every lead.
    pub hold_when: Vec<Condition>,
    /// Zero = no hold.
    pub hold: Span,
    /// A status that ends the hold.
    pub until_statuses: Vec<String>,
}

/// How the account of a lead is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStep {
    Domain,
    Name,
    Fuzzy,
}

/// What decides between accounts that match alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieBreak {
    /// Customer, prospect, partner, former.
    Customer,
    OpenDeal,
    /// Nearer the top of its hierarchy first.
    Hierarchy,
    /// Latest first.
    Activity,
    Id,
}

/// Whose owner takes the leads of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountOwner {
    Matched,
    /// The nearest account, upwards, that has an owner and is in the lead's country.
    NearestInRegion,
    UltimateParent,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AccountPolicy {
    /// In this order.
    pub steps: Vec<AccountStep>,
    /// A similar name is a match from here on, if another field supports it.
    pub match_at: f64,
    /// And a matter for a person from here on.
    pub review_at: f64,
    pub tie_breaks: Vec<TieBreak>,
    pub owner: AccountOwner,
    /// Levels looked at, the matched account's included.
    pub max_depth: usize,
    /// Who takes an owner's leads in the owner's place.
    pub owner_map: BTreeMap<RepId, RepId>,
    /// Mail providers beside those that are known, in lower case.
    pub free_mail: Vec<String>,
}

/// What a stage does when the rep it names is unavailable, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenUnavailable {
    Hold,
    Cover,
    NextStage,
    AssignAnyway,
}

impl WhenUnavailable {
    /// What a stage that knows whose lead it is does, unless the policy says otherwise.
    pub const OWNER: [WhenUnavailable; 3] =
        [WhenUnavailable::Cover, WhenUnavailable::AssignAnyway, WhenUnavailable::NextStage];
}

#[derive(Clone, Debug, PartialEq)]
pub struct AvailabilityPolicy {
    /// For sticky matches, tried in order.
    pub sticky: Vec<WhenUnavailable>,
    /// For account owners.
    pub account_owner: Vec<WhenUnavailable>,
    /// For the members of a territory, when none may take the lead.
    pub pool: Vec<WhenUnavailable>,
    /// `AssignAnyway` only if the absence ends within this span.
    pub assign_anyway_within: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SkillsPolicy {
    /// Required skills and language are dropped this long after creation; zero = never.
    pub relax_after: Span,
}

/// Hold for enrichment: a lead without these fields waits at most this long.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    pub fields: Vec<super::territory::Field>,
    pub at_most: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    /// An older `created_at` goes to the catch-all queue, `too_old`.
    pub max_age: Span,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            catch_all: QueueId::new("catch-all"),
            choice: Choice {
                method: ChoiceMethod::WinRate,
                objective: Objective::WinProbability,
                control_share: 0.05,
                control_unit: ControlUnit::Lead,
                floor: 0.03,
                max_share: 2.0,
                min_share: 0.5,
                salt: String::new(),
            },
            segment: SegmentPolicy::default(),
            rotation: Rotation { on_return: OnReturn::Level, count_manual: false },
            priority: Vec::new(),
            sla: Sla {
                max_hops: 3,
                overdue_per_sec: 1_000,
                pause_non_responder: Span::ZERO,
                recompute_open: false,
                classes: BTreeMap::from([("standard".to_owned(), SlaClass::default())]),
            },
            sticky: Sticky { window: Span::from_secs(7_776_000), scope: StickyScope::Domain },
            reroute: Reroute {
                per_sec: 50,
                min_gap: Span::from_secs(86_400),
                on_lead_change: OnLeadChange::None,
            },
            accounts: AccountPolicy::default(),
            transition: Transition {
                exempt: Vec::new(),
                hold_when: Vec::new(),
                hold: Span::ZERO,
                until_statuses: Vec::new(),
            },
            availability: AvailabilityPolicy {
                sticky: WhenUnavailable::OWNER.to_vec(),
                account_owner: WhenUnavailable::OWNER.to_vec(),
                pool: vec![WhenUnavailable::NextStage],
                assign_anyway_within: Span::from_secs(4 * 3_600),
            },
            skills: SkillsPolicy { relax_after: Span::ZERO },
            hold: Hold { fields: Vec::new(), at_most: Span::ZERO },
            calendars: BTreeMap::new(),
            intake: Intake { max_age: Span::from_secs(604_800) },
            closed_statuses: vec!["Closed - Not Converted".to_owned(), "Unqualified".to_owned()],
        }
    }
}

impl Default for AccountPolicy {
    fn default() -> AccountPolicy {
        AccountPolicy {
            steps: vec![AccountStep::Domain, AccountStep::Name, AccountStep::Fuzzy],
            match_at: 0.92,
            review_at: 0.85,
            tie_breaks: vec![
                TieBreak::Customer,
                TieBreak::OpenDeal,
                TieBreak::Hierarchy,
                TieBreak::Activity,
                TieBreak::Id,
            ],
            owner: AccountOwner::Matched,
            max_depth: 10,
            owner_map: BTreeMap::new(),
            free_mail: Vec::new(),
        }
    }
}

impl Default for SegmentPolicy {
    fn default() -> SegmentPolicy {
        SegmentPolicy {
            dimensions: vec![
                Dimension::Industry,
                Dimension::Employees,
                Dimension::State,
                Dimension::AnnualRevenue,
                Dimension::Product,
                Dimension::Source,
            ],
            employees: vec![50, 1_000],
            annual_revenue: vec![10_000_000, 500_000_000],
        }
    }
}

impl SlaClass {
    /// A share of the target, to the millisecond, at least one.
    pub fn share(target: Span, share: f64) -> Span {
        Span::from_millis(((target.0 as f64 * share).round() as i64).max(1))
    }

    /// Remind at half of the target, escalate at it, reassign at one and a half.
    pub fn default_steps(target: Span) -> Vec<SlaStep> {
        let step = |share, action| {
            let after = SlaClass::share(target, share);
            SlaStep { after, days: 0, action, to: Vec::new() }
        };
        vec![
            step(0.5, SlaAction::Remind),
            step(1.0, SlaAction::Escalate),
            step(1.5, SlaAction::Reassign),
        ]
    }
}

impl Default for SlaClass {
    fn default() -> SlaClass {
        let target = Span::from_secs(300);
        SlaClass { clock: SlaClock::Wall, target, steps: SlaClass::default_steps(target) }
    }
}

impl Sla {
    /// The ladder of a class; one without a table of its own uses `standard`.
    pub fn class(&self, name: &str) -> SlaClass {
        let class = self.classes.get(name).or_else(|| self.classes.get("standard"));
        class.cloned().unwrap_or_default()
    }
}
