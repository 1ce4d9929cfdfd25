//! A recording through the engine, twice: as it was, and under another policy.
//!
//! ```text
//!  recording ──► Live ────────────────► Tried ──────────────────► Book ──► ledger, agreement
//!                the recorded policy    the policy to be judged   decided as recorded?
//! ```
//!
//! What people did about a lead is part of the recording and stays as it was, whoever has the lead under
//! the other policy: the touch, the acceptance or the refusal of the rep who had it counts as that of
//! the rep who would have had it, at the same time. The echo of an assignment, which the CRM sends back, is
//! left out: it would take the lead back to the recorded rep.

use std::sync::Arc;

use super::agreement::Decided;
use super::book::Entry;
use super::brief::Brief;
use super::ledger::company;
use super::odds::{Numbered, Odds, numbered};
use super::unusable::Fault;
use crate::codec::error::Error;
use crate::codec::json;
use crate::domain::entity::{Entity, Kind, PoolEntity};
use crate::domain::fact::{Counter, Fact};
use crate::domain::ids::{DomainId, LeadId, RepId, TerritoryId};
use crate::domain::input::{Input, UpdateKind};
use crate::domain::policy::{ChoiceMethod, Policy};
use crate::domain::published::{LeadAssigned, SlaBreached};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::engine::filter::{Event, Filter, PolicyFile};
use crate::engine::shard::Said;

/// What one line of a recording says.
#[derive(Clone, Debug)]
pub enum Heard {
    Event(Box<Event>),
    Tick {
        at: Timestamp,
        jump: bool,
    },
    /// A recorded decision.
    Assigned(Box<LeadAssigned>),
    /// A recorded decision that has not been read.
    Written(Written),
    /// A decision of the replay of the recorded policy.
    Replayed(Box<Decided>),
    Breached(Box<SlaBreached>),
    /// A line that cannot be used.
    Unusable(Box<Fault>),
    /// Nothing that concerns a backtest: an answer, a blank line.
    Nothing,
}

/// A recorded decision as a line says it, as `pipe` writes them.
#[derive(Clone, Debug)]
pub struct Written {
    pub line: u64,
    pub text: Box<str>,
}

impl Written {
    pub fn read(&self) -> Result<LeadAssigned, Fault> {
        let failed = |why: Error| Fault { line: self.line, why: why.to_string() };
        json::read_assigned_line(&self.text).map_err(failed)
    }
}

/// Steps of the SLA that fired, by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Steps {
    pub remind: u64,
    pub escalate: u64,
    pub reassign: u64,
}

impl Steps {
    fn note(&mut self, breach: &SlaBreached) {
        use crate::domain::policy::SlaAction;
        match breach.action {
            SlaAction::Remind => self.remind += 1,
            SlaAction::Escalate => self.escalate += 1,
            SlaAction::Reassign => self.reassign += 1,
        }
    }
}

/// The recording as it was.
#[derive(Debug)]
pub struct Live {
    filter: Filter,
    /// Steps that fired in the replay.
    pub steps: Steps,
    /// Events that the engine refused.
    pub refused: usize,
}

impl Live {
    /// `policy`: the file that the recording was made with, if it was.
    pub fn new(policy: Option<PolicyFile>) -> Live {
        Live { filter: Filter::new(policy), steps: Steps::default(), refused: 0 }
    }

    /// Takes what a line says, and hands on what the other policy is to hear of it, and what was decided.
    pub fn take(&mut self, heard: Heard, out: &mut Vec<Heard>) {
        let mut said = Vec::new();
        let given_on = match heard {
            Heard::Event(mut event) => {
                let taken = self.filter.event((*event).clone(), &mut |it| said.push(it));
                if taken.is_err() {
                    self.refused += 1;
                    Heard::Nothing
                } else if is_echo(&event.input, &said) {
                    Heard::Nothing
                } else {
                    self.unname(&mut event);
                    rename(&mut event);
                    Heard::Event(event)
                }
            }
            Heard::Tick { at, jump } => {
                self.filter.tick(at, jump, &mut |it| said.push(it));
                Heard::Tick { at, jump }
            }
            other => other,
        };
        out.push(given_on);
        for fact in said.into_iter().flat_map(|said| said.facts) {
            match fact {
                Fact::Assigned(fact) => {
                    out.push(Heard::Replayed(Box::new(Decided::of(&fact))));
                }
                Fact::Breached(breach) => self.steps.note(&breach),
                _ => {}
            }
        }
    }

    /// What the rep who has the lead did, whoever that is.
    fn unname(&self, event: &mut Event) {
        let Input::LeadActivity(activity) = &mut event.input else { return };
        let owner = owner(self.filter.shard().state(), &event.domain, &activity.lead_id);
        if owner.is_some() && activity.rep_id == owner {
            activity.rep_id = None;
        }
    }

    /// Nothing more comes: the engine comes back.
    pub fn finish(&mut self) -> Filter {
        std::mem::replace(&mut self.filter, Filter::new(None))
    }
}

/// The ids that every decision clones, written anew: the two replays run beside each other, and each would
/// wait for the other's count of the clones.
fn rename(event: &mut Event) {
    event.domain = DomainId::new(event.domain.as_str());
    match &mut event.input {
        Input::TerritoryChanged(change) => {
            change.territory_id = TerritoryId::new(change.territory_id.as_str());
            let definition = change.definition.as_mut().map(Arc::make_mut);
            for member in definition.into_iter().flat_map(|it| &mut it.members) {
                member.rep_id = RepId::new(member.rep_id.as_str());
            }
        }
        Input::RepChanged(change) => change.rep_id = RepId::new(change.rep_id.as_str()),
        _ => {}
    }
}

/// Who has a lead.
fn owner(state: &State, domain: &DomainId, lead: &LeadId) -> Option<RepId> {
    match state.domain(domain)?.get(Kind::Lead, lead.as_str())? {
        Entity::Lead(lead) => lead.placement.as_ref()?.rep_id.clone(),
        _ => None,
    }
}

/// An owner in an update that says nothing new: our own write come back, or who has it already.
fn is_echo(input: &Input, said: &[Said]) -> bool {
    let Input::LeadUpdated(update) = input else { return false };
    let facts = said.iter().flat_map(|said| &said.facts);
    let mut counted = facts.filter_map(|fact| match fact {
        Fact::Counted(counter) => Some(*counter),
        _ => None,
    });
    update.kind == UpdateKind::Owner
        && counted.any(|it| matches!(it, Counter::OwnEcho | Counter::SameOwner))
}

/// The recording under the policy to be judged.
#[derive(Debug)]
pub struct Tried {
    pub filter: Filter,
    pub policy: Policy,
    /// The policy's control arm, which the replay leaves out: its chances are worked out instead.
    control_share: f64,
    /// No decisions are recorded: who had a lead is told by its owner and its deals.
    pub is_history: bool,
    pub recorded_steps: Steps,
    pub steps: Steps,
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    pub deals: usize,
    pub refused: usize,
}

impl Tried {
    pub fn new(mut file: PolicyFile, is_history: bool) -> Tried {
        let policy = file.policy.clone();
        let by_rate = policy.choice.method == ChoiceMethod::WinRate;
        let control_share = if by_rate { policy.choice.control_share } else { 0.0 };
        file.policy.choice.control_share = 0.0;
        Tried {
            filter: Filter::new(Some(file)),
            policy,
            control_share,
            is_history,
            recorded_steps: Steps::default(),
            steps: Steps::default(),
            first_at: None,
            last_at: None,
            deals: 0,
            refused: 0,
        }
    }

    /// The share of the policy's control arm; 0 where nothing is chosen by win rate.
    pub fn control_share(&self) -> f64 {
        self.control_share
    }

    /// Takes what it hears, and hands over what is to be written down of it, in order.
    pub fn take(&mut self, heard: Heard, book: &mut Vec<Entry>) {
        let mut said = Vec::new();
        match heard {
            Heard::Event(mut event) => {
                self.first_at = self.first_at.or(Some(event.at));
                self.last_at = self.last_at.max(Some(event.at));
                if !self.note(&mut event, book) {
                    return;
                }
                let taken = self.filter.event(*event, &mut |it| said.push(it));
                self.refused += usize::from(taken.is_err());
            }
            Heard::Tick { at, jump } => {
                self.last_at = self.last_at.max(Some(at));
                self.filter.tick(at, jump, &mut |it| said.push(it));
            }
            Heard::Assigned(fact) => book.push(Entry::Recorded(fact)),
            Heard::Written(written) => book.push(Entry::Written(written)),
            Heard::Replayed(decided) => book.push(Entry::Replayed(decided)),
            Heard::Breached(breach) => self.recorded_steps.note(&breach),
            Heard::Unusable(fault) => book.push(Entry::Unusable(fault)),
            Heard::Nothing => {}
        }
        for fact in said.into_iter().flat_map(|said| said.facts) {
            match fact {
                Fact::Assigned(fact) => {
                    let candidates = numbered(&fact);
                    let rotation = self.rotation(&fact, &candidates);
                    let brief = Brief::tried(&fact, &candidates, |stated| match rotation {
                        Some(rotation) => stated.mixed(&rotation, self.control_share),
                        None => stated,
                    });
                    book.push(Entry::Tried(Box::new(brief)));
                }
                Fact::Breached(breach) => self.steps.note(&breach),
                _ => {}
            }
        }
    }

    /// Hands over what an event says about a lead; false = the other policy is not to hear of it.
    fn note(&mut self, event: &mut Event, book: &mut Vec<Entry>) -> bool {
        let domain = event.domain.clone();
        match &mut event.input {
            Input::PolicyChanged(change) => {
                book.push(Entry::Policy(change.clone()));
                return false;
            }
            Input::LeadCreated(created) => {
                let (lead, fields) = (created.lead_id.clone(), created.fields.clone());
                let state = self.filter.shard().state();
                let company = company(state, &domain, &lead, &fields);
                book.push(Entry::Created { domain, lead, fields, company });
            }
            Input::LeadUpdated(update) => {
                let lead = update.lead_id.clone();
                if let Some(opportunity) = update.opportunity_id.clone() {
                    let (domain, lead) = (domain.clone(), lead.clone());
                    book.push(Entry::Linked { domain, lead, opportunity });
                }
                if self.is_history && update.kind == UpdateKind::Owner {
                    let owned = |owner| Entry::Owned { domain, lead, owner };
                    book.extend(update.new_owner_id.clone().map(owned));
                    return false;
                }
            }
            Input::LeadActivity(activity) if self.is_history => activity.rep_id = None,
            Input::OpportunityClosed(deal) => {
                self.deals += 1;
                book.push(Entry::Closed { domain, deal: deal.clone() });
            }
            _ => {}
        }
        true
    }

    /// The chances of plain rotation, where the policy has a control arm.
    fn rotation(&self, fact: &LeadAssigned, candidates: &Numbered<'_>) -> Option<Odds> {
        if self.control_share <= 0.0 {
            return None;
        }
        // Its weights are those that the decision went by.
        let pool = rotation_of(self.filter.shard().state(), fact)?;
        Odds::rotation(fact, candidates, |_, rep| {
            let at = pool.tracks.binary_search_by(|track| track.rep_id.cmp(rep));
            at.map_or(1, |at| pool.tracks[at].weight)
        })
    }
}

/// The rotation of the pool that a decision chose from.
fn rotation_of<'s>(state: &'s State, fact: &LeadAssigned) -> Option<&'s PoolEntity> {
    let pool = fact.territory_id.as_ref()?;
    match state.domain(&fact.domain)?.get(Kind::Pool, pool.as_str())? {
        Entity::Pool(pool) => Some(pool),
        _ => None,
    }
}
