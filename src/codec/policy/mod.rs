//! The routing policy as text: TOML to [`Policy`], every fault at once, each with its line.
//!
//! A missing section or key takes its default; a key that nobody knows is a fault, with the nearest
//! known name. Sections and keys:
//!
//! | section | keys |
//! |---|---|
//! | `[catch_all]` | `queue`: where leads end that nobody takes; may be renamed, not emptied |
//! | `[choice]` | `method` "win_rate" or "round_robin"; `objective` "win_probability" or "expected_amount" (of the won deal, times its probability): what the choice by win rate makes the most of; `control_share`, `floor` shares 0–1; `control_unit` "lead" or "account": what is held out as a whole; `max_share`, `min_share` of fair load, 0 = off; `salt` |
//! | `[segment]` | `dimensions` (`industry, employees, state, country, postal_code, annual_revenue, product, source, attributes.NAME`); `employees`, `annual_revenue`: band bounds, ascending |
//! | `[rotation]` | `on_return` "level", "catch_up" or "keep"; `catch_up_turns` (2): at most so many in a row; `count_manual` |
//! | `[[priority]]` | `class`; `when`: conditions that must all hold; the first match gives the class |
//! | `[sla]` | `max_hops`; `overdue_per_sec`; `pause_non_responder_secs`: a rep whose lead was reassigned counts as paused so long, 0 = never; `recompute_open`: open ladders take the steps of this policy when it comes into force; and a table a class |
//! | `[sla.CLASS]` | `clock` "wall", "team" (with `calendar`) or "owner"; `target_secs`; `steps` of `action` and `at` (share of the target) or `after_secs` or `after_days` (business days; not by the wall), with `to`: "rep", "manager", "queue:ID" or a rep id, or a list of these |
//! | `[sticky]` | `window_secs` from the last touch, 0 = off; `scope` "domain" or "pool" |
//! | `[reroute]` | `per_sec`, `min_gap_secs`, `on_lead_change` "none", "untouched" or "all" |
//! | `[accounts]` | `match`: how a lead's account is found, in order, of "domain", "name", "fuzzy"; `fuzzy_match` (0.92), `fuzzy_review` (0.85): similarity from which a name with a supporting field is a match, or a matter for a person; `tie_breaks` of "customer", "open_deal", "hierarchy", "activity", "id", in order; `owner` "matched", "nearest_in_region" or "ultimate_parent"; `max_depth` (10) levels; `owner_map` = { OWNER = "REP" }: who takes an owner's leads; `free_mail`: more mail providers |
//! | `[transition]` | what the outgoing owner keeps when a territory changes: `exempt`: conditions of leads that never follow; `hold_secs` (0 = no hold): how long the others stay, of those that `hold_when` (conditions; none = all) says; `until_statuses` that end the hold |
//! | `[availability]` | what a stage tries, in order, when whom it names is unavailable, of "hold", "cover", "assign_anyway", "next_stage": `sticky`, `account_owner` (both: `owner`; "cover", "assign_anyway", "next_stage"), `pool` ("next_stage": the catch-all queue); `assign_anyway_within_secs` (14400): only if the absence ends so soon |
//! | `[skills]` | `relax_after_secs`: required skills and language are dropped so long after creation; 0 = never |
//! | `[hold]` | `fields` that a lead waits for, at most `at_most_secs`; none = no hold |
//! | `[calendars.NAME]` | `time_zone`; `weekly` = { mon = ["09:00-17:00"], … }; `holidays` (dates); `days` = { "2026-12-24" = ["09:00-13:00"] } |
//! | `[intake]` | `max_age_secs`: an older lead goes to the catch-all queue |
//! | `[closed]` | `statuses` that end a lead |

mod accounts;
mod reader;
mod sections;
mod sla;

#[cfg(test)]
mod tests;

use std::fmt;

use self::reader::Reader;
use crate::domain::policy::Policy;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// From 1.
    pub line: usize,
    /// The path of the key: `sla.hot.steps[1].at`.
    pub key: String,
    pub expected: String,
    pub found: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyFault { line, key, expected, found } = self;
        write!(f, "line {line}: {key}: expected {expected}, found {found}")
    }
}

/// Reads a policy. All faults are told at once, in the order of their lines.
pub fn parse(text: &str) -> Result<Policy, Vec<PolicyFault>> {
    let reader = Reader::new(text);
    let policy = reader.root().map(|root| sections::read(&root));
    let mut faults = reader.into_faults();
    faults.sort_by_key(|fault| fault.line);
    match policy {
        Some(policy) if faults.is_empty() => Ok(policy),
        _ => Err(faults),
    }
}
