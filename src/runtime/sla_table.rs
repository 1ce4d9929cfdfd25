//! The table of SLA state: what is due next, what nobody answers, by rep and class. Kept in step with every
//! commit, so that a question costs what it shows, however many leads are open.
//!
//! A rep's *ladders* are the leads that the rep owes an answer; each is *on time*, *reminded*, *escalated*
//! or *on hold*, and has a next step unless it is on hold or has climbed to its end. *Overdue*: that step
//! should have fired. Then the router is behind, or down; a rep who is slow makes no step overdue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dashmap::DashMap;
use serde_json::{Value, json};

use crate::domain::entity::LeadEntity;
use crate::domain::ids::DomainId;
use crate::domain::policy::SlaAction;
use crate::domain::sla_state::SlaState;

type Lead = Arc<str>;
/// By rep and class.
type Group = (Arc<str>, Arc<str>);

/// One ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    group: Group,
    state: SlaState,
    assignment_no: u32,
    /// The next step: when, its number, and what it does.
    next: Option<(i64, u32, &'static str)>,
    /// Of the assignment: what nobody has answered for longest comes first.
    since: i64,
}

/// Leads by an instant.
type Order = BTreeSet<(i64, Lead)>;

#[derive(Debug, Default)]
struct Counts {
    by_state: [u64; SlaState::ALL.len()],
    orders: Orders,
}

#[derive(Debug, Default)]
struct Orders {
    /// By when the next step is due.
    due: Order,
    /// The escalated ones by when they were assigned.
    escalated: Order,
}

impl Orders {
    fn change(&mut self, id: &Lead, row: &Row, enters: bool) {
        let change = |order: &mut Order, at: i64| {
            let entry = (at, Arc::clone(id));
            if enters { order.insert(entry) } else { order.remove(&entry) }
        };
        if let Some((due_at, ..)) = row.next {
            change(&mut self.due, due_at);
        }
        if row.state == SlaState::Escalated {
            change(&mut self.escalated, row.since);
        }
    }
}

/// The ladders of a domain.
#[derive(Debug, Default)]
struct Domain {
    shard: i32,
    /// A tree: the worker waits while a hash table doubles.
    rows: BTreeMap<Lead, Row>,
    orders: Orders,
    groups: BTreeMap<Group, Counts>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub rep: Option<String>,
    pub class: Option<String>,
    /// Rows of each list.
    pub limit: usize,
}

/// All domains. The worker of a domain writes, anybody reads.
#[derive(Debug, Default)]
pub struct SlaTable {
    domains: DashMap<DomainId, Domain>,
}

impl SlaTable {
    /// A lead is now so; None = it is gone.
    pub fn put(&self, shard: i32, domain: &DomainId, id: &Lead, lead: Option<&LeadEntity>) {
        let row = lead.and_then(row);
        if row.is_none() && !self.domains.contains_key(domain) {
            return;
        }
        let mut table = self.domains.entry(domain.clone()).or_default();
        table.shard = shard;
        table.put(id, row);
    }

    /// Drops what is known of a shard.
    pub fn forget(&self, shard: i32) {
        self.domains.retain(|_, domain| domain.shard != shard);
    }

    /// The answer at `now`, if the domain's shard is not among those that are `away`.
    pub fn ask(
        &self,
        domain: &str,
        question: &Question,
        now: i64,
        away: impl Fn(i32) -> bool,
    ) -> Option<Value> {
        let table = self.domains.get(&DomainId::new(domain))?;
        (!away(table.shard)).then(|| table.answer(domain, question, now))
    }

    /// The answer about a domain that has had no ladder yet.
    pub fn without_ladders(domain: &str, question: &Question, now: i64) -> Value {
        Domain::default().answer(domain, question, now)
    }
}

impl Domain {
    fn put(&mut self, id: &Lead, row: Option<Row>) {
        let old = match &row {
            Some(row) => self.rows.insert(Arc::clone(id), row.clone()),
            None => self.rows.remove(id),
        };
        if old == row {
            return;
        }
        if let Some(old) = old {
            self.count(id, &old, false);
        }
        if let Some(row) = row {
            self.count(id, &row, true);
        }
    }

    fn count(&mut self, id: &Lead, row: &Row, enters: bool) {
        self.orders.change(id, row, enters);
        let counts = self.groups.entry(row.group.clone()).or_default();
        counts.orders.change(id, row, enters);
        let count = &mut counts.by_state[row.state as usize];
        *count = if enters { *count + 1 } else { count.saturating_sub(1) };
        if counts.by_state.iter().all(|count| *count == 0) {
            self.groups.remove(&row.group);
        }
    }

    fn answer(&self, domain: &str, question: &Question, now: i64) -> Value {
        let asked = |(rep, class): &Group| {
            question.rep.as_deref().is_none_or(|asked| asked == &**rep)
                && question.class.as_deref().is_none_or(|asked| asked == &**class)
        };
        let groups: Vec<(&Group, &Counts)> =
            self.groups.iter().filter(|(group, _)| asked(group)).collect();
        let mut total = [0; SlaState::ALL.len()];
        for (_, counts) in &groups {
            for (sum, count) in total.iter_mut().zip(counts.by_state) {
                *sum += count;
            }
        }
        // All of them, or those of each group that was asked for.
        let all = question.rep.is_none() && question.class.is_none();
        let orders: Vec<&Orders> = match all {
            true => vec![&self.orders],
            false => groups.iter().map(|(_, counts)| &counts.orders).collect(),
        };
        let late = |orders: &&Orders| orders.due.iter().take_while(|(at, _)| *at <= now).count();
        let overdue: usize = orders.iter().map(late).sum();
        let mut by_rep: Vec<Value> =
            groups.iter().map(|(group, counts)| counts.shown(group)).collect();
        // The one whose leads wait longest first: most escalated, then most of all.
        by_rep.sort_by_key(|one| {
            let count = |name: &str| std::cmp::Reverse(one[name].as_u64());
            (count("escalated"), count("reminded"), count("on_time"))
        });
        by_rep.truncate(question.limit);
        json!({
            "domain": domain,
            "now": now,
            "ladders": total.iter().sum::<u64>(),
            "on_time": total[0],
            "reminded": total[1],
            "escalated": total[2],
            "on_hold": total[3],
            "overdue": overdue,
            "due_next": self.first(orders.iter().map(|orders| &orders.due), question.limit),
            "unanswered": self.first(orders.iter().map(|orders| &orders.escalated), question.limit),
            "by_rep": by_rep,
        })
    }

    /// The first of several orders.
    fn first<'o>(&self, orders: impl Iterator<Item = &'o Order>, limit: usize) -> Vec<Value> {
        let mut first: Vec<&(i64, Lead)> =
            orders.flat_map(|order| order.iter().take(limit)).collect();
        first.sort_unstable();
        first.iter().take(limit).filter_map(|(_, id)| self.shown(id)).collect()
    }

    fn shown(&self, id: &Lead) -> Option<Value> {
        let row = self.rows.get(id)?;
        Some(json!({
            "lead_id": &**id,
            "rep_id": &*row.group.0,
            "class": &*row.group.1,
            "state": row.state.name(),
            "assignment_no": row.assignment_no,
            "assigned_at": row.since,
            "due_at": row.next.map(|next| next.0),
            "step": row.next.map(|next| next.1),
            "action": row.next.map(|next| next.2),
        }))
    }
}

impl Counts {
    fn shown(&self, (rep, class): &Group) -> Value {
        json!({
            "rep_id": &**rep,
            "class": &**class,
            "on_time": self.by_state[0],
            "reminded": self.by_state[1],
            "escalated": self.by_state[2],
            "on_hold": self.by_state[3],
            "next_due_at": self.orders.due.first().map(|(due_at, _)| *due_at),
        })
    }
}

fn row(lead: &LeadEntity) -> Option<Row> {
    let state = lead.sla_state()?;
    let (ladder, placement) = (lead.ladder.as_ref()?, lead.placement.as_ref()?);
    let rep = placement.rep_id.as_ref()?;
    let next = lead.next_step();
    Some(Row {
        group: (Arc::from(rep.as_str()), Arc::from(ladder.class.as_str())),
        state,
        assignment_no: lead.assignment_no,
        next: next.map(|step| (step.due_at.0, step.step, action(step.action))),
        since: ladder.armed_at.0,
    })
}

/// As the events say it.
fn action(action: SlaAction) -> &'static str {
    match action {
        SlaAction::Remind => "REMIND",
        SlaAction::Escalate => "ESCALATE",
        SlaAction::Reassign => "REASSIGN",
    }
}

#[cfg(test)]
mod tests;
