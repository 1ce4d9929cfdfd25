//! `lead-assigned` and `sla-breached`, both ways: written by the router, read by what checks it.

use serde_json::Value;

use super::cursor::{Context, Fields, Path};
use super::out::Out;
use crate::codec::error::{Result, reason};
use crate::domain::input::{Origin, Topic};
use crate::domain::published::{
    Candidate, Ineligible, LeadAssigned, SlaBreached, SlaDue, WinProbability,
};

const MAX: i64 = i64::MAX;
const MAX_U32: i64 = u32::MAX as i64;
/// The name of the topic in `caused_by` of what a timer did.
pub(super) const TIMER: &str = "timer";

/// `lead-assigned` as JSON.
pub fn encode_assigned(fact: &LeadAssigned) -> Value {
    let mut out = Out::new();
    out.id("event_id", &fact.event_id);
    out.put("decision_id", fact.decision_id.as_str());
    out.id("lead_id", &fact.lead_id);
    out.id("domain", &fact.domain);
    out.put("domain_seq", fact.domain_seq);
    out.put("assignment_no", fact.assignment_no);
    out.choice("outcome", fact.outcome);
    out.opt_id("rep_id", &fact.rep_id);
    out.opt_id("queue_id", &fact.queue_id);
    out.opt_id("former_owner_id", &fact.former_owner_id);
    out.choice("stage", fact.stage);
    out.choice("method", fact.method);
    out.choice("reason", fact.reason);
    out.choice("cause", fact.cause);
    out.opt_id("territory_id", &fact.territory_id);
    out.ids("ambiguous_with", &fact.ambiguous_with);
    out.opt("win_probability", fact.win_probability.as_ref().map(write_probability));
    out.opt_choice("arm", fact.arm);
    out.opt("propensity", fact.propensity);
    out.list("candidates", &fact.candidates, write_candidate);
    out.put("candidates_total", fact.candidates_total);
    out.list("excluded", &fact.excluded, |(reason, count)| {
        let mut out = Out::new();
        out.choice("reason", *reason);
        out.put("count", *count);
        out.done()
    });
    out.put("priority_class", fact.priority_class.as_str());
    out.list("sla", &fact.sla, |due| {
        let mut out = Out::new();
        out.put("step", due.step);
        out.choice("action", due.action);
        out.time("due_at", due.due_at);
        out.done()
    });
    out.time("lead_created_at", fact.lead_created_at);
    out.time("decided_at", fact.decided_at);
    out.put("policy_sha256", fact.policy_sha256.as_str());
    out.put("policy_version", fact.policy_version.as_str());
    out.put("caused_by", write_origin(&fact.caused_by));
    out.put("positions", fact.positions.to_vec());
    out.done()
}

fn write_probability(win: &WinProbability) -> Value {
    let mut out = Out::new();
    out.put("mean", win.mean);
    out.put("low", win.low);
    out.put("high", win.high);
    out.put("deals", win.deals);
    out.done()
}

fn write_candidate(candidate: &Candidate) -> Value {
    let mut out = Out::new();
    out.id("rep_id", &candidate.rep_id);
    out.put("eligible", candidate.eligible);
    let reasons: Vec<&str> = candidate.reasons.iter().map(|reason| reason.name()).collect();
    out.put("reasons", reasons);
    out.opt("win_probability", candidate.win_probability.as_ref().map(write_probability));
    out.opt("score", candidate.score);
    out.opt("rotation", candidate.rotation);
    out.opt("propensity", candidate.propensity);
    out.done()
}

fn write_origin(origin: &Origin) -> Value {
    let mut out = Out::new();
    out.put("topic", origin.topic.map_or(TIMER, Topic::name));
    out.put("partition", origin.partition);
    out.put("offset", origin.offset);
    out.done()
}

/// `sla-breached` as JSON.
pub fn encode_breached(fact: &SlaBreached) -> Value {
    let mut out = Out::new();
    out.id("event_id", &fact.event_id);
    out.id("lead_id", &fact.lead_id);
    out.id("domain", &fact.domain);
    out.put("assignment_no", fact.assignment_no);
    out.id("rep_id", &fact.rep_id);
    out.put("step", fact.step);
    out.choice("action", fact.action);
    out.texts("notify", &fact.notify);
    out.time("armed_at", fact.armed_at);
    out.time("due_at", fact.due_at);
    out.time("fired_at", fact.fired_at);
    out.put("late_by_ms", fact.late_by_ms);
    out.put("priority_class", fact.priority_class.as_str());
    out.done()
}

const ASSIGNED: &[&str] = &[
    "event_id",
    "decision_id",
    "lead_id",
    "domain",
    "domain_seq",
    "assignment_no",
    "outcome",
    "rep_id",
    "queue_id",
    "former_owner_id",
    "stage",
    "method",
    "reason",
    "cause",
    "territory_id",
    "ambiguous_with",
    "win_probability",
    "arm",
    "propensity",
    "candidates",
    "candidates_total",
    "excluded",
    "priority_class",
    "sla",
    "lead_created_at",
    "decided_at",
    "policy_sha256",
    "policy_version",
    "caused_by",
    "positions",
];
const PROBABILITY: &[&str] = &["mean", "low", "high", "deals"];
const CANDIDATE: &[&str] =
    &["rep_id", "eligible", "reasons", "win_probability", "score", "rotation", "propensity"];

/// Reads a `lead-assigned` back: for the checker, explanations and backtests.
pub fn decode_assigned(value: &Value) -> Result<LeadAssigned> {
    let fields = Fields::open(value, Path::Root, ASSIGNED, own())?;
    Ok(LeadAssigned {
        event_id: fields.id("event_id")?,
        decision_id: fields.text("decision_id")?,
        lead_id: fields.id("lead_id")?,
        domain: fields.id("domain")?,
        domain_seq: fields.int("domain_seq", 0, MAX)? as u64,
        assignment_no: fields.int("assignment_no", 0, MAX_U32)? as u32,
        outcome: fields.choice("outcome")?,
        rep_id: fields.opt_id("rep_id")?,
        queue_id: fields.opt_id("queue_id")?,
        former_owner_id: fields.opt_id("former_owner_id")?,
        stage: fields.choice("stage")?,
        method: fields.choice("method")?,
        reason: fields.choice("reason")?,
        cause: fields.choice("cause")?,
        territory_id: fields.opt_id("territory_id")?,
        ambiguous_with: fields.ids("ambiguous_with")?,
        win_probability: read_probability(&fields)?,
        arm: fields.opt_choice("arm")?,
        propensity: fields.opt_number("propensity")?,
        candidates: fields.objects("candidates", CANDIDATE, |it| read_candidate(&it))?,
        candidates_total: fields.int("candidates_total", 0, MAX_U32)? as u32,
        excluded: fields.objects("excluded", &["reason", "count"], |it| {
            Ok((it.choice("reason")?, it.int("count", 0, MAX_U32)? as u32))
        })?,
        priority_class: fields.text("priority_class")?,
        sla: fields.objects("sla", &["step", "action", "due_at"], |it| {
            Ok(SlaDue {
                step: it.int("step", 0, MAX_U32)? as u32,
                action: it.choice("action")?,
                due_at: it.own_time("due_at")?,
            })
        })?,
        lead_created_at: fields.own_time("lead_created_at")?,
        decided_at: fields.own_time("decided_at")?,
        policy_sha256: fields.text("policy_sha256")?,
        policy_version: fields.text("policy_version")?,
        caused_by: read_origin(&fields)?,
        positions: read_positions(&fields)?,
    })
}

/// Our own events have no range to keep, and newer versions may have more fields.
fn own() -> Context {
    Context { now: crate::domain::time::Timestamp::MAX, strict: false }
}

fn read_probability(fields: &Fields<'_>) -> Result<Option<WinProbability>> {
    fields.opt_object("win_probability", PROBABILITY, |win| {
        Ok(WinProbability {
            mean: win.number("mean")?,
            low: win.number("low")?,
            high: win.number("high")?,
            deals: win.int("deals", 0, MAX)? as u64,
        })
    })
}

fn read_candidate(fields: &Fields<'_>) -> Result<Candidate> {
    Ok(Candidate {
        rep_id: fields.id("rep_id")?,
        eligible: fields.flag("eligible", false)?,
        reasons: fields.list("reasons", |value, path| {
            let found = value.as_str().and_then(Ineligible::parse);
            found.ok_or_else(|| path.fault(reason::JSON_ENUM, "no reason of a candidate"))
        })?,
        win_probability: read_probability(fields)?,
        score: fields.opt_number("score")?,
        rotation: fields.opt_number("rotation")?,
        propensity: fields.opt_number("propensity")?,
    })
}

fn read_origin(fields: &Fields<'_>) -> Result<Origin> {
    let known = &["topic", "partition", "offset"];
    let origin = fields.opt_object("caused_by", known, |origin| {
        let name = origin.text("topic")?;
        let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name);
        if topic.is_none() && name != TIMER {
            return Err(origin.fault("topic", reason::TOPIC_UNKNOWN, "no topic has this name"));
        }
        Ok(Origin {
            topic,
            partition: origin.int("partition", i64::from(i32::MIN), i64::from(i32::MAX))? as i32,
            offset: origin.int("offset", i64::MIN, MAX)?,
        })
    })?;
    origin.ok_or_else(|| fields.fault("caused_by", reason::FIELD_MISSING, "must be there"))
}

fn read_positions(fields: &Fields<'_>) -> Result<[i64; 9]> {
    let listed: Vec<i64> = fields.list("positions", |value, path| {
        value.as_i64().ok_or_else(|| path.fault(reason::JSON_TYPE, "expected a whole number"))
    })?;
    let nine = <[i64; 9]>::try_from(listed);
    nine.map_err(|_| fields.fault("positions", reason::VALUE_RANGE, "has one for each topic in"))
}

const BREACHED: &[&str] = &[
    "event_id",
    "lead_id",
    "domain",
    "assignment_no",
    "rep_id",
    "step",
    "action",
    "notify",
    "armed_at",
    "due_at",
    "fired_at",
    "late_by_ms",
    "priority_class",
];

/// Reads an `sla-breached` back.
pub fn decode_breached(value: &Value) -> Result<SlaBreached> {
    let fields = Fields::open(value, Path::Root, BREACHED, own())?;
    Ok(SlaBreached {
        event_id: fields.id("event_id")?,
        lead_id: fields.id("lead_id")?,
        domain: fields.id("domain")?,
        assignment_no: fields.int("assignment_no", 0, MAX_U32)? as u32,
        rep_id: fields.id("rep_id")?,
        step: fields.int("step", 0, MAX_U32)? as u32,
        action: fields.choice("action")?,
        notify: fields.texts("notify")?,
        armed_at: fields.own_time("armed_at")?,
        due_at: fields.own_time("due_at")?,
        fired_at: fields.own_time("fired_at")?,
        late_by_ms: fields.int("late_by_ms", i64::MIN, MAX)?,
        priority_class: fields.text("priority_class")?,
    })
}
