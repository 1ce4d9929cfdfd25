//! A recorded `lead-assigned` from its line at once, with no tree of values between: a recording of a
//! million decisions is gigabytes of them. What this does not understand, the general reader does.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Named;
use super::published::{TIMER, decode_assigned};
use super::text;
use crate::codec::error::Result;
use crate::domain::ids::{DomainId, EventId, LeadId, QueueId, RepId, TerritoryId};
use crate::domain::input::{Origin, Topic};
use crate::domain::published::{Candidate, Ineligible, LeadAssigned, SlaDue, WinProbability};
use crate::domain::time::Timestamp;

type Text<'a> = Cow<'a, str>;

pub(super) const TOPIC: &str = "lead-assigned";
/// The topic of a line that is written as ours are stands within so many bytes.
const NEAR: usize = 512;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    topic: Text<'a>,
    tick: Option<IgnoredAny>,
    #[serde(borrow)]
    value: Whole<'a>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    decision_id: Text<'a>,
    #[serde(borrow)]
    lead_id: Text<'a>,
    #[serde(borrow)]
    domain: Text<'a>,
    domain_seq: u64,
    assignment_no: u32,
    #[serde(borrow)]
    outcome: Text<'a>,
    rep_id: Option<String>,
    queue_id: Option<String>,
    former_owner_id: Option<String>,
    #[serde(borrow)]
    stage: Text<'a>,
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow)]
    cause: Text<'a>,
    territory_id: Option<String>,
    #[serde(default)]
    ambiguous_with: Vec<String>,
    win_probability: Option<Win>,
    arm: Option<String>,
    propensity: Option<f64>,
    #[serde(borrow)]
    candidates: Vec<Seen<'a>>,
    candidates_total: u32,
    #[serde(borrow)]
    excluded: Vec<Excluded<'a>>,
    #[serde(borrow)]
    priority_class: Text<'a>,
    #[serde(borrow)]
    sla: Vec<Due<'a>>,
    lead_created_at: i64,
    decided_at: i64,
    #[serde(borrow)]
    policy_sha256: Text<'a>,
    #[serde(borrow)]
    policy_version: Text<'a>,
    #[serde(borrow)]
    caused_by: Cause<'a>,
    positions: [i64; 9],
}

#[derive(Deserialize)]
struct Win {
    mean: f64,
    low: f64,
    high: f64,
    deals: u64,
}

#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow)]
    rep_id: Text<'a>,
    eligible: bool,
    #[serde(borrow)]
    reasons: Vec<Text<'a>>,
    win_probability: Option<Win>,
    score: Option<f64>,
    rotation: Option<f64>,
    propensity: Option<f64>,
}

#[derive(Deserialize)]
struct Excluded<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
    count: u32,
}

#[derive(Deserialize)]
struct Due<'a> {
    step: u32,
    #[serde(borrow)]
    action: Text<'a>,
    due_at: i64,
}

#[derive(Deserialize)]
pub(super) struct Cause<'a> {
    #[serde(borrow)]
    topic: Text<'a>,
    partition: i32,
    offset: i64,
}

impl Cause<'_> {
    /// The topic in, or no topic where it was a timer; None = it names neither.
    pub(super) fn topic(&self) -> Option<Option<Topic>> {
        let topic = Topic::ALL.into_iter().find(|topic| topic.name() == self.topic);
        (topic.is_some() || self.topic == TIMER).then_some(topic)
    }
}

/// The `lead-assigned` that a line of a recording is; None = it is something else, or is best read by
/// the general reader.
pub fn read_assigned(line: &str) -> Option<LeadAssigned> {
    let start = line.get(..NEAR).unwrap_or(line);
    if !start.contains(TOPIC) {
        return None;
    }
    let line: Line<'_> = serde_json::from_str(line).ok()?;
    (line.topic == TOPIC && line.tick.is_none()).then(|| whole(line.value))?
}

/// The decision of a line of the topic `lead-assigned`, however it is written.
pub fn read_assigned_line(line: &str) -> Result<LeadAssigned> {
    match read_assigned(line) {
        Some(fact) => Ok(fact),
        None => {
            let line = text::parse(line.as_bytes())?;
            decode_assigned(line.get("value").unwrap_or(&Value::Null))
        }
    }
}

fn whole(it: Whole<'_>) -> Option<LeadAssigned> {
    let rep = |id: String| RepId::parse(&id).ok();
    let candidates: Option<Vec<Candidate>> = it.candidates.into_iter().map(candidate).collect();
    let excluded = it.excluded.iter().map(|it| Some((Ineligible::parse(&it.reason)?, it.count)));
    let sla = it.sla.iter().map(|due| {
        let action = Named::named(&due.action)?;
        Some(SlaDue { step: due.step, action, due_at: Timestamp(due.due_at) })
    });
    let topic = it.caused_by.topic()?;
    let territories = it.ambiguous_with.iter().map(|id| TerritoryId::parse(id).ok());
    Some(LeadAssigned {
        event_id: EventId::parse(&it.event_id).ok()?,
        decision_id: it.decision_id.into_owned(),
        lead_id: LeadId::parse(&it.lead_id).ok()?,
        domain: DomainId::parse(&it.domain).ok()?,
        domain_seq: it.domain_seq,
        assignment_no: it.assignment_no,
        outcome: Named::named(&it.outcome)?,
        rep_id: opt(it.rep_id, rep)?,
        queue_id: opt(it.queue_id, |id| QueueId::parse(&id).ok())?,
        former_owner_id: opt(it.former_owner_id, rep)?,
        stage: Named::named(&it.stage)?,
        method: Named::named(&it.method)?,
        reason: Named::named(&it.reason)?,
        cause: Named::named(&it.cause)?,
        territory_id: opt(it.territory_id, |id| TerritoryId::parse(&id).ok())?,
        ambiguous_with: territories.collect::<Option<_>>()?,
        win_probability: it.win_probability.map(win),
        arm: opt(it.arm, |arm| Named::named(&arm))?,
        propensity: it.propensity,
        candidates: candidates?,
        candidates_total: it.candidates_total,
        excluded: excluded.collect::<Option<_>>()?,
        priority_class: it.priority_class.into_owned(),
        sla: sla.collect::<Option<_>>()?,
        lead_created_at: Timestamp(it.lead_created_at),
        decided_at: Timestamp(it.decided_at),
        policy_sha256: it.policy_sha256.into_owned(),
        policy_version: it.policy_version.into_owned(),
        caused_by: Origin { topic, partition: it.caused_by.partition, offset: it.caused_by.offset },
        positions: it.positions,
    })
}

/// What is there must be understood.
fn opt<T, U>(value: Option<T>, read: impl Fn(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

fn win(it: Win) -> WinProbability {
    WinProbability { mean: it.mean, low: it.low, high: it.high, deals: it.deals }
}

fn candidate(it: Seen<'_>) -> Option<Candidate> {
    Some(Candidate {
        rep_id: RepId::parse(&it.rep_id).ok()?,
        eligible: it.eligible,
        reasons: it.reasons.iter().map(|name| Ineligible::parse(name)).collect::<Option<_>>()?,
        win_probability: it.win_probability.map(win),
        score: it.score,
        rotation: it.rotation,
        propensity: it.propensity,
    })
}
