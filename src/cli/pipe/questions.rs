//! Answers of the filter about its state: who waits, what changes of reference data moved, what one would.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::codec::json::standing;
use crate::domain::fact::{Counter, Fact};
use crate::domain::ids::DomainId;
use crate::domain::input::Input;
use crate::domain::time::Timestamp;
use crate::domain::win_rate::Standing;
use crate::engine::shard::Shard;

/// Leads moved by changes of reference data: domain, cause, from whom, to whom.
pub(super) type Moves = BTreeMap<(String, &'static str, String, String), u64>;

pub(super) fn count_move(moves: &mut Moves, fact: &Fact) {
    let Fact::Assigned(assigned) = fact else { return };
    if let Some((from, to)) = assigned.moved() {
        let key = (assigned.domain.to_string(), assigned.cause.name(), from, to);
        *moves.entry(key).or_default() += 1;
    }
}

pub(super) fn moves(moves: &Moves) -> impl Iterator<Item = Value> {
    moves.iter().map(|((domain, cause, from, to), leads)| {
        json!({ "domain": domain, "cause": cause, "from": from, "to": to, "leads": leads })
    })
}

/// A dry run asks what would be if it held now, whenever it is to begin.
pub(super) fn in_force_now(mut input: Input, now: Timestamp) -> Input {
    match &mut input {
        Input::TerritoryChanged(change) => {
            change.valid_from_at = change.valid_from_at.filter(|from| *from <= now);
        }
        Input::PolicyChanged(change) => change.valid_from_at = None,
        _ => {}
    }
    input
}

pub(super) fn dry_run(facts: &[Fact]) -> Value {
    let mut moved = Moves::new();
    facts.iter().for_each(|fact| count_move(&mut moved, fact));
    let differs = |fact: &&Fact| matches!(fact, Fact::Counted(Counter::WouldDiffer));
    let leads: u64 = moved.values().sum();
    let would_differ = facts.iter().filter(differs).count();
    let moves: Vec<Value> = moves(&moved).collect();
    json!({ "dry_run": { "leads": leads, "would_differ": would_differ, "moves": moves } })
}

/// Who wins what: each rep in each part of the segment, by domain.
pub(super) fn rates(shard: &Shard) -> Vec<Value> {
    let state = shard.state();
    let of = |domain: &DomainId| {
        let named = |it: &Standing| {
            let mut row = standing(it);
            row["domain"] = Value::from(domain.as_str());
            row
        };
        state.standings(domain).iter().map(named).collect::<Vec<Value>>()
    };
    state.domains().flat_map(|domain| of(&domain.id)).collect()
}

/// The reps, and whether each may take a lead now.
pub(super) fn reps(shard: &Shard) -> Vec<Value> {
    let show = |rep: crate::domain::RepView| {
        json!({
            "domain": rep.domain.as_str(),
            "rep_id": rep.rep_id.as_str(),
            "assigned": rep.assigned,
            "open": rep.open,
            "eligible": rep.eligible,
        })
    };
    shard.state().reps(shard.mark().time).into_iter().map(show).collect()
}

/// The leads that nobody has, the longest waiting first.
pub(super) fn waiting(shard: &Shard) -> Vec<Value> {
    let now = shard.mark().time;
    let show = |lead: crate::domain::WaitingView| {
        json!({
            "domain": lead.domain.as_str(),
            "lead_id": lead.lead_id.as_str(),
            "outcome": lead.outcome,
            "queue_id": lead.queue_id.as_ref().map(|queue| queue.as_str()),
            "reason": lead.reason.name(),
            "since_at": lead.since_at.0,
            "waited_secs": now.since(lead.since_at).0 / 1_000,
            "retry_at": lead.retry_at.map(|at| at.0),
        })
    };
    shard.state().waiting().into_iter().map(show).collect()
}

/// The territories that have no active rep.
pub(super) fn unstaffed(shard: &Shard) -> impl Iterator<Item = Value> {
    shard.state().unstaffed().into_iter().map(|territory| {
        json!({
            "domain": territory.domain.as_str(),
            "territory_id": territory.territory_id.as_str(),
            "name": territory.name,
            "members": territory.members,
        })
    })
}
