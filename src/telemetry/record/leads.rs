//! What the changes of a lead say: how long it waited for a rep, and how long for an answer.

use super::{Recorder, seconds};
use crate::domain::entity::{LeadEntity, Phase};
use crate::telemetry::metrics::Metric;

impl Recorder {
    /// The system's clock ends when the lead first reaches a rep: at once, or out of a queue.
    pub(super) fn reached(&mut self, before: Option<&LeadEntity>, after: &LeadEntity) {
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

    pub(super) fn touched(&mut self, before: Option<&LeadEntity>, after: &LeadEntity) {
        let (Some(touched_at), Some(placement)) = (after.touched_at, &after.placement) else {
            return;
        };
        let known = before.is_some_and(|before| {
            before.assignment_no == after.assignment_no && before.touched_at.is_some()
        });
        if !known {
            let class = self.class(&placement.class);
            let took = touched_at.since(placement.decided_at);
            self.metrics.observe(Metric::FirstTouch, &[&class], seconds(took));
        }
    }
}
