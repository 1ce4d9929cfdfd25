//! `[accounts]`: how the account of a lead is found, and whose its leads are.

use std::collections::BTreeMap;

use super::reader::Table;
use crate::domain::ids::RepId;
use crate::domain::policy::{AccountOwner, AccountPolicy, AccountStep, TieBreak};
use crate::domain::text::normalise;

const KEYS: &[&str] = &[
    "match",
    "fuzzy_match",
    "fuzzy_review",
    "tie_breaks",
    "owner",
    "max_depth",
    "owner_map",
    "free_mail",
];

pub(super) fn read(root: &Table<'_>, default: AccountPolicy) -> AccountPolicy {
    let section = root.section("accounts", KEYS);
    let steps = [
        ("domain", AccountStep::Domain),
        ("name", AccountStep::Name),
        ("fuzzy", AccountStep::Fuzzy),
    ];
    let breaks = [
        ("customer", TieBreak::Customer),
        ("open_deal", TieBreak::OpenDeal),
        ("hierarchy", TieBreak::Hierarchy),
        ("activity", TieBreak::Activity),
        ("id", TieBreak::Id),
    ];
    let owners = [
        ("matched", AccountOwner::Matched),
        ("nearest_in_region", AccountOwner::NearestInRegion),
        ("ultimate_parent", AccountOwner::UltimateParent),
    ];
    let policy = AccountPolicy {
        steps: section.choices("match", &steps).unwrap_or(default.steps),
        match_at: section.number("fuzzy_match", 0.5..=1.0, default.match_at),
        review_at: section.number("fuzzy_review", 0.5..=1.0, default.review_at),
        tie_breaks: section.choices("tie_breaks", &breaks).unwrap_or(default.tie_breaks),
        owner: section.choice("owner", &owners, default.owner),
        max_depth: section.int("max_depth", 1..=64, default.max_depth as i64) as usize,
        owner_map: owner_map(&section),
        free_mail: free_mail(&section),
    };
    if policy.review_at > policy.match_at {
        let found = format!("{} above {}", policy.review_at, policy.match_at);
        section.fault("fuzzy_review", "at most fuzzy_match", found);
    }
    policy
}

fn owner_map(section: &Table<'_>) -> BTreeMap<RepId, RepId> {
    let Some(item) = section.item("owner_map") else { return BTreeMap::new() };
    let mut map = BTreeMap::new();
    for (owner, item) in item.table().items() {
        let rep = item.text().map(RepId::parse);
        match (RepId::parse(owner), rep) {
            (Ok(owner), Some(Ok(rep))) => {
                map.insert(owner, rep);
            }
            (_, None) => {}
            _ => item.unexpected("an owner's id = a rep's id"),
        }
    }
    map
}

fn free_mail(section: &Table<'_>) -> Vec<String> {
    let domains = section.texts("free_mail").unwrap_or_default();
    domains.iter().map(|domain| normalise(domain).into_owned()).collect()
}
