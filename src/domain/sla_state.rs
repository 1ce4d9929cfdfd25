//! What the ladder of an open lead has come to: for people who look, no decision goes by it.

use super::entity::{Ladder, LadderStep, LeadEntity, Phase};
use super::policy::SlaAction;

/// How far it has climbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlaState {
    /// No step has fired.
    OnTime,
    /// Only reminders have.
    Reminded,
    /// Somebody above knows.
    Escalated,
    /// The clock stands still.
    OnHold,
}

impl SlaState {
    pub const ALL: [SlaState; 4] =
        [SlaState::OnTime, SlaState::Reminded, SlaState::Escalated, SlaState::OnHold];

    pub fn name(self) -> &'static str {
        match self {
            SlaState::OnTime => "on_time",
            SlaState::Reminded => "reminded",
            SlaState::Escalated => "escalated",
            SlaState::OnHold => "on_hold",
        }
    }
}

impl LeadEntity {
    /// None = no rep owes this lead an answer.
    pub fn sla_state(&self) -> Option<SlaState> {
        let ladder = self.ladder.as_ref().filter(|ladder| !ladder.stopped)?;
        if self.phase != Phase::Assigned || ladder.steps.is_empty() {
            return None;
        }
        if self.held_since.is_some() {
            return Some(SlaState::OnHold);
        }
        let state = match ladder.is_missed() {
            true => SlaState::Escalated,
            false if ladder.steps.iter().any(|step| step.fired_at.is_some()) => SlaState::Reminded,
            false => SlaState::OnTime,
        };
        Some(state)
    }
}

impl Ladder {
    /// Whether it has a step beyond reminders: a deadline that can be met or missed.
    pub fn has_deadline(&self) -> bool {
        self.steps.iter().any(|step| step.action != SlaAction::Remind)
    }

    /// Whether such a step has fired.
    pub fn is_missed(&self) -> bool {
        let beyond = |step: &&LadderStep| step.action != SlaAction::Remind;
        self.steps.iter().filter(beyond).any(|step| step.fired_at.is_some())
    }
}
