//! The SLA ladder of an assignment: armed when a rep gets the lead, stopped by the first touch or an
//! acceptance, paused while on hold, and each step fired once.
//!
//! Every step's deadline is a span of open time since the assignment, on the class's clock, without the
//! owner's absences and the lead's holds. Deadlines that have not fired are computed anew when one of
//! these changes; a step that has fired stays fired.

use super::calendar::{Calendar, Clock};
use super::draft::Draft;
use super::entity::{Ladder, LadderStep, LeadEntity};
use super::fact::{Counter, Fact};
use super::hash;
use super::ids::{LeadId, RepId};
use super::input::{RepDef, manager_queue};
use super::policy::{Policy, Recipient, SlaAction, SlaClass, SlaClock, SlaStep};
use super::published::{Cause, SlaBreached};
use super::router::Task;
use super::time::{Span, Timestamp};

/// A step found this late is an outage's, not a timer's: such steps are rate-limited.
const OVERDUE: Span = Span::from_secs(60);
/// Overdue steps that fire at once before the rate limit holds.
pub(super) const OVERDUE_BURST: i64 = 1_000;

/// A fresh ladder for an assignment decided now.
pub(super) fn arm(draft: &Draft<'_>, lead: &LeadEntity, rep_id: &RepId, class: &str) -> Ladder {
    let sla = draft.policy.sla.class(class);
    let armed_at = draft.now();
    let mut ladder = Ladder {
        class: class.to_owned(),
        steps: steps_of(&sla, armed_at),
        clock: sla.clock,
        armed_at,
        stopped: false,
        deferred_until_at: None,
    };
    let rep = draft.rep(rep_id).and_then(|rep| rep.definition.as_ref());
    let calendar = calendar(&draft.policy, &ladder.clock, rep).unwrap_or(None);
    set_deadlines(&mut ladder, calendar, rep, &lead.holds);
    ladder
}

/// The calendar that is gone from the policy.
struct Gone;

/// By which calendar a ladder's clock goes; none = the wall's.
fn calendar<'p>(
    policy: &'p Policy,
    clock: &SlaClock,
    rep: Option<&RepDef>,
) -> Result<Option<&'p Calendar>, Gone> {
    let name = match clock {
        SlaClock::Wall => None,
        SlaClock::Team(name) => Some(name),
        SlaClock::Owner => rep.and_then(|rep| rep.calendar_id.as_ref()),
    };
    name.map(|name| policy.calendars.get(name).ok_or(Gone)).transpose()
}

/// The steps of a class, with no deadlines yet.
fn steps_of(sla: &SlaClass, armed_at: Timestamp) -> Vec<LadderStep> {
    let step = |(step, no): (&SlaStep, u32)| LadderStep {
        step: no,
        action: step.action,
        after: step.after,
        days: step.days,
        to: step.to.clone(),
        due_at: armed_at,
        fired_at: None,
    };
    sla.steps.iter().zip(1..).map(step).collect()
}

/// An open ladder takes the steps that its class has now. What has fired stays as it was, and so does the
/// count: the step after the last that fired goes on with the new ladder's step of that number.
fn take_steps(policy: &Policy, ladder: &mut Ladder) {
    let class = policy.sla.class(&ladder.class);
    let fired = ladder.steps.iter().filter(|step| step.fired_at.is_some()).count();
    ladder.steps.truncate(fired);
    ladder.steps.extend(steps_of(&class, ladder.armed_at).into_iter().skip(fired));
    ladder.clock = class.clock;
}

/// Computes the deadlines of the steps that have not fired.
fn set_deadlines(
    ladder: &mut Ladder,
    calendar: Option<&Calendar>,
    rep: Option<&RepDef>,
    holds: &[(Timestamp, Timestamp)],
) {
    let clock = calendar.map_or(Clock::Wall, Clock::Calendar);
    let away = rep.into_iter().flat_map(|rep| &rep.away).map(|away| (away.from_at, away.to_at));
    let blocked: Vec<(Timestamp, Timestamp)> = away.chain(holds.iter().copied()).collect();
    let armed_at = ladder.armed_at;
    for step in ladder.steps.iter_mut().filter(|step| step.fired_at.is_none()) {
        // Open time that never comes (a calendar without openings left before 2100) is never due.
        let due_at = match step.days {
            0 => clock.add_open_time(armed_at, step.after, &blocked),
            days => after_days(clock, armed_at, days, &blocked),
        };
        let due_at = due_at.unwrap_or(Timestamp::MAX);
        // A hold that began at the very deadline came before it.
        let holding = holds.iter().find(|(from, to)| *from <= due_at && due_at < *to);
        step.due_at = holding.map_or(due_at, |(_, to)| *to);
    }
}

/// Business days later. Open time that was blocked on the way is given back as such.
fn after_days(
    clock: Clock<'_>,
    armed_at: Timestamp,
    days: u32,
    blocked: &[(Timestamp, Timestamp)],
) -> Option<Timestamp> {
    let due_at = match clock {
        Clock::Calendar(calendar) => calendar.add_business_days(armed_at, days)?,
        // No calendar, so no business days of its own: always open.
        Clock::Wall => armed_at + Span::from_days(i64::from(days)),
    };
    let open = |blocked| clock.open_time_between(armed_at, due_at, blocked);
    let lost = Span(open(&[]).0 - open(blocked).0);
    clock.add_open_time(due_at, lost, blocked)
}

/// The ladder of an assigned lead, brought up to date with its owner, its holds and the policy.
/// `None` = nothing moves.
pub(super) fn recompute(draft: &Draft<'_>, lead: &LeadEntity) -> Option<Ladder> {
    let before = lead.ladder.as_ref()?;
    let mut ladder = before.clone();
    let rep_id = lead.placement.as_ref().and_then(|placement| placement.rep_id.as_ref());
    let rep = rep_id.and_then(|rep| draft.rep(rep)?.definition.as_ref());
    if draft.policy.sla.recompute_open && !ladder.stopped {
        take_steps(&draft.policy, &mut ladder);
    }
    // A calendar that is gone from the policy leaves the deadlines that it gave.
    let calendar = calendar(&draft.policy, &ladder.clock, rep).ok()?;
    set_deadlines(&mut ladder, calendar, rep, &lead.holds);
    if *before == ladder {
        return None;
    }
    ladder.deferred_until_at = None;
    Some(ladder)
}

/// The timer of a step fell due: the breach, and for REASSIGN the next assignment.
pub(super) fn fire(draft: &mut Draft<'_>, lead_id: &LeadId, assignment_no: u32, step_no: u32) {
    let now = draft.now();
    let Some(mut lead) = draft.lead(lead_id).cloned() else {
        return draft.count(Counter::StaleTimer);
    };
    let current = lead.assignment_no == assignment_no;
    let due = lead.next_step().filter(|step| step.step == step_no && step.due_at <= now).cloned();
    let (Some(step), true) = (due, current) else { return draft.count(Counter::StaleTimer) };
    let late = now.since(step.due_at);
    if late > OVERDUE && defer(draft, &mut lead) {
        return draft.set_lead(lead_id, lead);
    }
    if let Some(ladder) = &mut lead.ladder {
        ladder.deferred_until_at = None;
        for fired in ladder.steps.iter_mut().filter(|other| other.step == step_no) {
            fired.fired_at = Some(now);
        }
    }
    let action = match step.action {
        SlaAction::Reassign if lead.locked => SlaAction::Escalate,
        action => action,
    };
    let Some(breach) = breach(draft, lead_id, &lead, &step, action) else { return };
    draft.say(Fact::Breached(Box::new(breach)));
    draft.set_lead(lead_id, lead);
    if action == SlaAction::Reassign {
        draft.tasks.push(Task::Reassign { lead: lead_id.clone(), cause: Cause::Sla });
    }
}

/// Takes a token for an overdue step; without one the step waits for its turn. True = it waits.
fn defer(draft: &mut Draft<'_>, lead: &mut LeadEntity) -> bool {
    let now = draft.now();
    let Some(ladder) = &mut lead.ladder else { return false };
    if ladder.deferred_until_at.is_some() {
        return false;
    }
    let rate = i64::from(draft.policy.sla.overdue_per_sec.max(1));
    let mut domain = draft.domain_entity();
    let refilled = now.since(domain.overdue_at).0.max(0).saturating_mul(rate);
    let full = OVERDUE_BURST * 1_000;
    domain.overdue_tokens = domain.overdue_tokens.saturating_add(refilled).min(full) - 1_000;
    domain.overdue_at = now;
    // Below zero the bucket is a queue: the debt says how long until this step's token comes.
    let debt = -domain.overdue_tokens;
    draft.set_domain(domain);
    if debt <= 0 {
        return false;
    }
    ladder.deferred_until_at = Some(now + Span::from_millis((debt + rate - 1) / rate));
    true
}

/// The rep did not answer: if the policy says so, no more leads for a while.
pub(super) fn pause(draft: &mut Draft<'_>, rep_id: &RepId) {
    let pause = draft.policy.sla.pause_non_responder;
    if pause > Span::ZERO
        && let Some(mut rep) = draft.rep(rep_id).cloned()
    {
        rep.paused_until_at = Some(draft.now() + pause);
        draft.set_rep(rep_id, rep);
    }
}

fn breach(
    draft: &Draft<'_>,
    lead_id: &LeadId,
    lead: &LeadEntity,
    step: &LadderStep,
    action: SlaAction,
) -> Option<SlaBreached> {
    let ladder = lead.ladder.as_ref()?;
    let rep_id = lead.placement.as_ref()?.rep_id.clone()?;
    let domain = &draft.envelope.domain;
    let key = format!(
        "breach\0{domain}\0{lead_id}\0{}\0{}\0{}",
        lead.lead_created_at.0, lead.assignment_no, step.step
    );
    Some(SlaBreached {
        event_id: super::ids::EventId::new(&hash::uuid(key.as_bytes())),
        lead_id: lead_id.clone(),
        domain: domain.clone(),
        assignment_no: lead.assignment_no,
        notify: notify(draft, &rep_id, step, action),
        rep_id,
        step: step.step,
        action,
        armed_at: ladder.armed_at,
        due_at: step.due_at,
        fired_at: draft.now(),
        late_by_ms: draft.now().since(step.due_at).0.max(0),
        priority_class: ladder.class.clone(),
    })
}

/// Who hears of a step: what the policy names, else the action's default.
fn notify(draft: &Draft<'_>, rep_id: &RepId, step: &LadderStep, action: SlaAction) -> Vec<String> {
    let default = match action {
        SlaAction::Remind => vec![Recipient::Rep],
        SlaAction::Escalate => vec![Recipient::Manager],
        SlaAction::Reassign => vec![Recipient::Rep, Recipient::Manager],
    };
    let wanted = if step.to.is_empty() { &default } else { &step.to };
    let manager = manager_of(draft, rep_id);
    let name = |recipient: &Recipient| match (recipient, &manager) {
        (Recipient::Rep, _) => Some(rep_id.to_string()),
        (Recipient::Manager, Some(manager)) => Some(manager.to_string()),
        // Nobody above: an escalation must reach somebody, so the queue.
        (Recipient::Manager, None) if action != SlaAction::Reassign => {
            Some(draft.policy.catch_all.to_string())
        }
        (Recipient::Manager, None) => None,
        (Recipient::Queue(queue), _) => Some(queue.to_string()),
        (Recipient::Named(rep), _) => Some(rep.to_string()),
    };
    let mut names: Vec<String> = Vec::new();
    for one in wanted.iter().filter_map(name) {
        if !names.contains(&one) {
            names.push(one);
        }
    }
    names
}

pub(super) fn manager_of(draft: &Draft<'_>, rep_id: &RepId) -> Option<RepId> {
    draft.rep(rep_id)?.definition.as_ref()?.manager_id.clone()
}

/// Where a lead goes that no rep is left for: the manager's queue of its last owner, else the catch-all.
pub(super) fn last_resort(draft: &Draft<'_>, rep_id: Option<&RepId>) -> super::ids::QueueId {
    let manager = rep_id.and_then(|rep| manager_of(draft, rep));
    manager.map_or_else(|| draft.policy.catch_all.clone(), |manager| manager_queue(&manager))
}
