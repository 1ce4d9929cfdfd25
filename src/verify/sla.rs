//! I6: the ladder of every assignment.

use super::checker::{Arrival, Checker, End, EndKind, LeadFile, LeadKey};
use super::{Findings, Invariant, Place};
use crate::domain::input::Topic;
use crate::domain::policy::SlaAction;
use crate::domain::published::{Cause, LeadAssigned, Outcome, SlaBreached, SlaDue};
use crate::domain::time::Timestamp;

pub(super) fn check(checker: &Checker, findings: &mut Findings) {
    for (key, file) in &checker.leads {
        for (index, (place, assigned)) in file.assigned.iter().enumerate() {
            if assigned.outcome != Outcome::Assigned {
                continue;
            }
            let next = file.assigned.get(index + 1).map(|(_, next)| next.as_ref());
            let ladder = Ladder { checker, key, file, assigned, next };
            for due in &assigned.sla {
                findings.checked(Invariant::I6);
                ladder.step(place, due, findings);
            }
        }
        strangers(checker, key, file, findings);
    }
}

/// Breaches that no assignment asked for.
fn strangers(checker: &Checker, (_, lead): &LeadKey, file: &LeadFile, findings: &mut Findings) {
    for (place, breach) in &file.breached {
        let of = |assigned: &LeadAssigned| assigned.assignment_no == breach.assignment_no;
        let known = file.assigned.iter().find(|(_, assigned)| of(assigned));
        let Some((_, assigned)) = known else {
            if checker.options.whole {
                let number = breach.assignment_no;
                let text = format!("lead {lead}: a breach of assignment {number}, never published");
                findings.broken(Invariant::I6, place, text);
            }
            continue;
        };
        if !assigned.sla.iter().any(|due| due.step == breach.step) {
            let text = format!("lead {lead}: step {} was never announced", breach.step);
            findings.broken(Invariant::I6, place, text);
        }
        if assigned.rep_id.as_ref() != Some(&breach.rep_id) {
            let text = format!("lead {lead}: the breach names a rep who does not have the lead");
            findings.broken(Invariant::I6, place, text);
        }
    }
}

/// One assignment with what came after it.
struct Ladder<'a> {
    checker: &'a Checker,
    key: &'a LeadKey,
    file: &'a LeadFile,
    assigned: &'a LeadAssigned,
    next: Option<&'a LeadAssigned>,
}

impl Ladder<'_> {
    fn step(&self, place: &Place, due: &SlaDue, findings: &mut Findings) {
        let mine = |breach: &SlaBreached| {
            breach.assignment_no == self.assigned.assignment_no && breach.step == due.step
        };
        let mut fired = self.file.breached.iter().filter(|(_, breach)| mine(breach));
        let lead = &self.key.1;
        let step = due.step;
        let Some((at, breach)) = fired.next() else {
            if self.is_owed(due) {
                let text =
                    format!("lead {lead}: step {step} was due at {} and never fired", due.due_at);
                findings.broken(Invariant::I6, place, text);
            }
            return;
        };
        if let Some((second, _)) = fired.next() {
            let text = format!("lead {lead}: step {step} fired twice, first at {at}");
            findings.broken(Invariant::I6, second, text);
        }
        if let Some(wrong) = self.wrong(due, breach) {
            findings.broken(Invariant::I6, at, format!("lead {lead}: step {step} {wrong}"));
        }
    }

    /// What is wrong with a breach, if anything.
    fn wrong(&self, due: &SlaDue, breach: &SlaBreached) -> Option<String> {
        let skew = self.checker.options.skew;
        if breach.fired_at < breach.due_at - skew {
            return Some(format!("fired early, at {}, due at {}", breach.fired_at, breach.due_at));
        }
        let escalated = due.action == SlaAction::Reassign && breach.action == SlaAction::Escalate;
        if breach.action != due.action && !escalated {
            return Some("fired another action than was announced".to_owned());
        }
        if let Some(next) = self.next
            && breach.fired_at > next.decided_at + skew
        {
            return Some("fired after the next assignment".to_owned());
        }
        let answered = self.file.ends.iter().find(|end| self.is_answered_before(end, breach));
        answered.map(|end| format!("fired although the rep had answered, see {}", end.at.place))
    }

    /// Whether this record stopped the ladder before the breach, beyond doubt: the decision that
    /// came with the breach had read it, or it was in the log well before the deadline.
    fn is_answered_before(&self, end: &End, breach: &SlaBreached) -> bool {
        if !self.stops(end) || !self.checker.is_taken(&end.at) {
            return false;
        }
        let read = breach.action == SlaAction::Reassign
            && self.next.is_some_and(|next| {
                next.decided_at == breach.fired_at
                    && end.at.place.offset < next.positions[Topic::LeadActivity.index()]
            });
        read || end.at.timestamp + self.checker.options.skew < breach.due_at
    }

    /// An answer of the rep of this assignment, at or after it.
    fn stops(&self, end: &End) -> bool {
        let EndKind::Answer { rep, occurred_at } = &end.kind else { return false };
        let by_owner = rep.is_none() || rep.as_ref() == self.assigned.rep_id.as_ref();
        // Without a rep it is the owner at the time: the log's time tells which assignment that
        // was.
        let started = *occurred_at >= self.assigned.decided_at
            && end.at.timestamp >= self.assigned.decided_at;
        let ended = self.next.is_some_and(|next| end.at.timestamp > next.decided_at);
        by_owner && started && !ended && self.was_unread(&end.at)
    }

    /// Whether a step that did not fire should have.
    fn is_owed(&self, due: &SlaDue) -> bool {
        let (domain, _) = self.key;
        let skew = self.checker.options.skew;
        let due_at = self.due_now(due);
        let horizon = self.checker.horizon.get(domain).copied().unwrap_or_default();
        if horizon < due_at + skew {
            return false;
        }
        if self.next.is_some_and(|next| self.since(next) <= due_at + skew) {
            return false;
        }
        let before = |end: &&End| end.at.timestamp <= due_at + skew;
        let ended = self.file.ends.iter().filter(before).any(|end| match end.kind {
            EndKind::Hold => true,
            EndKind::Update | EndKind::Answer { .. } => self.came_after(&end.at),
        });
        !ended && !self.may_be_recomputed(due_at)
    }

    /// Whether a record came after this was decided, by its time or because it was read only then.
    fn came_after(&self, at: &Arrival) -> bool {
        let skew = self.checker.options.skew;
        at.timestamp >= self.assigned.decided_at - skew || self.was_unread(at)
    }

    /// Whether a record had not been acted on when this was decided: it came after, whatever its time. A
    /// lead that a change concerns is brought up to date by the very record that is then acted on.
    fn was_unread(&self, at: &Arrival) -> bool {
        let LeadAssigned { caused_by, positions, cause, .. } = self.assigned;
        let Arrival { place, topic, .. } = at;
        let is_cause = caused_by.topic == Some(*topic) && caused_by.offset == place.offset;
        let brought_up_to_date = is_cause
            && matches!(cause, Cause::TerritoryChanged | Cause::RepChanged | Cause::PolicyChanged);
        place.partition == caused_by.partition
            && (place.offset >= positions[topic.index()] || brought_up_to_date)
    }

    /// From when on a decision counts: a record that was published by then goes before the deadline, however
    /// late it is read.
    fn since(&self, next: &LeadAssigned) -> Timestamp {
        let cause = &next.caused_by;
        if cause.topic.is_none() && next.cause != Cause::Sla {
            // Another timer, whose deadline is not in the record: it may have been the earlier one.
            return self.assigned.decided_at;
        }
        let record = cause.topic.map(|topic| (topic, cause.partition, cause.offset));
        let published = record.and_then(|record| self.checker.published.get(&record));
        published.map_or(next.decided_at, |published| next.decided_at.min(*published))
    }

    /// The deadline as the state has it, for the present assignment; else as it was announced.
    fn due_now(&self, due: &SlaDue) -> Timestamp {
        let image = self.file.image.as_ref().map(|(_, image)| image);
        let current = image.filter(|image| image.assignment_no == self.assigned.assignment_no);
        let ladder = current.and_then(|image| image.ladder.as_ref());
        let step = ladder.and_then(|ladder| ladder.steps.iter().find(|step| step.step == due.step));
        step.map_or(due.due_at, |step| step.due_at.max(due.due_at))
    }

    /// A new policy, calendar or absence between the assignment and the deadline moves it.
    fn may_be_recomputed(&self, due_at: Timestamp) -> bool {
        let (domain, _) = self.key;
        let within = |at: &Arrival| self.came_after(at) && at.timestamp <= due_at;
        let keys = [(domain.clone(), None), (domain.clone(), self.assigned.rep_id.clone())];
        keys.iter().any(|key| {
            self.checker.recomputed.get(key).is_some_and(|changes| changes.iter().any(within))
        })
    }
}
