//! What the changes of leads say: how long they waited for a rep and how long for an answer, and whether the
//! answer came in time.

use std::collections::BTreeMap;

use super::{Recorder, seconds};
use crate::domain::entity::{Entity, EntityKey, LeadEntity, Phase};
use crate::domain::fact::Fact;
use crate::domain::policy::SlaAction;
use crate::domain::state::Change;
use crate::engine::report::BatchReport;
use crate::telemetry::metrics::Metric;

impl Recorder {
    pub(super) fn lead(&mut self, shard: i32, change: &Change) {
        let before = change.before.as_ref().and_then(lead);
        let Some(after) = change.after.as_ref().and_then(lead) else {
            let held = self.held.entry(shard).or_default();
            held.answered.remove(&change.key);
            return;
        };
        self.reached(before, after);
        self.touched(shard, &change.key, before, after);
        self.met(before, after);
    }

    /// The system's clock ends when the lead first reaches a rep: at once, or out of a queue.
    fn reached(&mut self, before: Option<&LeadEntity>, after: &LeadEntity) {
        let Some(placement) = after.placement.as_ref().filter(|it| it.rep_id.is_some()) else {
            return;
        };
        let had_rep = |lead: &LeadEntity| {
            lead.phase == Phase::Released
                || !lead.former_owners.is_empty()
                || lead.placement.as_ref().is_some_and(|placement| placement.rep_id.is_some())
        };
        if !before.is_some_and(had_rep) {
            let class = self.class(&placement.class);
            let given = if after.assignment_no == 1 { "at_once" } else { "waited" };
            let took = placement.decided_at.since(after.lead_created_at);
            self.metrics.observe(Metric::LeadToAssignment, &[given, &class], seconds(took));
        }
    }

    /// The human clock ends at the first touch of each assignment; the lead's own at the first of all.
    fn touched(
        &mut self,
        shard: i32,
        key: &EntityKey,
        before: Option<&LeadEntity>,
        after: &LeadEntity,
    ) {
        let before = before.filter(|before| before.touched_at.is_some());
        let goes_on = before.is_some_and(|before| before.assignment_no == after.assignment_no);
        let held = self.held.entry(shard).or_default();
        if before.is_some() && !goes_on {
            held.answered.insert(key.clone());
        }
        let is_first = !held.answered.contains(key);
        let (Some(touched_at), Some(placement)) = (after.touched_at, &after.placement) else {
            return;
        };
        if goes_on {
            return;
        }
        let class = self.class(&placement.class);
        let took = seconds(touched_at.since(placement.decided_at));
        self.metrics.observe(Metric::FirstTouch, &[&class], took);
        if is_first {
            let took = seconds(touched_at.since(after.lead_created_at));
            self.metrics.observe(Metric::SpeedToLead, &[&class], took);
        }
    }

    /// A ladder is met when it stops before a step beyond reminders has fired.
    fn met(&mut self, before: Option<&LeadEntity>, after: &LeadEntity) {
        let Some(ladder) = after.ladder.as_ref().filter(|ladder| ladder.stopped) else { return };
        let known = before.is_some_and(|before| {
            before.assignment_no == after.assignment_no
                && before.ladder.as_ref().is_some_and(|ladder| ladder.stopped)
        });
        if !known && ladder.has_deadline() && !ladder.is_missed() {
            let class = self.class(&ladder.class);
            self.metrics.add(Metric::SlaDeadlines, &["met", &class], 1);
        }
    }

    /// It is missed when the first such step fires.
    pub(super) fn missed(&mut self, report: &BatchReport) {
        let mut missed = BTreeMap::new();
        for fact in &report.facts {
            if let Fact::Breached(breach) = fact
                && breach.action != SlaAction::Remind
            {
                let ladder = (&breach.domain, breach.lead_id.as_str(), breach.assignment_no);
                missed.insert(ladder, &breach.priority_class);
            }
        }
        if missed.is_empty() {
            return;
        }
        for Change { key, before, .. } in report.changes.iter().flat_map(|(_, changes)| changes) {
            if let Some(Entity::Lead(lead)) = before
                && lead.ladder.as_ref().is_some_and(|ladder| ladder.is_missed())
            {
                missed.remove(&(&key.domain, &*key.id, lead.assignment_no));
            }
        }
        for class in missed.into_values() {
            let class = self.class(class);
            self.metrics.add(Metric::SlaDeadlines, &["missed", &class], 1);
        }
    }
}

fn lead(entity: &Entity) -> Option<&LeadEntity> {
    match entity {
        Entity::Lead(lead) => Some(lead),
        _ => None,
    }
}
