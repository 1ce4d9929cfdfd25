//! Writes down what is heard of each lead, and where the policy that is tried sends it: apart from the replay,
//! so that it can be done beside it.

use std::sync::Arc;

use super::ledger::{Ledger, number};
use super::odds::Odds;
use crate::domain::ids::{DomainId, LeadId, OpportunityId, RepId};
use crate::domain::input::{OpportunityClosed, PolicyChange, SegmentFields};
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::{Policy, SegmentPolicy};
use crate::domain::published::LeadAssigned;
use crate::domain::win_rate;

/// What is to be written down.
#[derive(Debug)]
pub enum Entry {
    Created {
        domain: DomainId,
        lead: LeadId,
        fields: Arc<LeadFields>,
        company: u64,
    },
    /// Who has it in a history, as far as that was not known yet.
    Owned {
        domain: DomainId,
        lead: LeadId,
        owner: RepId,
    },
    Linked {
        domain: DomainId,
        lead: LeadId,
        opportunity: OpportunityId,
    },
    Closed {
        domain: DomainId,
        deal: Box<OpportunityClosed>,
    },
    Policy(Box<PolicyChange>),
    /// A recorded decision.
    Recorded(Box<LeadAssigned>),
    /// A decision of the policy that is tried, and the chances of plain rotation where it has a control arm.
    Tried {
        fact: Box<LeadAssigned>,
        rotation: Option<Odds>,
    },
}

/// The ledger of a backtest as it is written.
#[derive(Debug)]
pub struct Book {
    pub ledger: Ledger,
    /// The first two dimensions of the policy's segments: by these the report is parted.
    segment: SegmentPolicy,
    control_share: f64,
    is_history: bool,
}

impl Book {
    pub fn new(ledger: Ledger, policy: &Policy, control_share: f64, is_history: bool) -> Book {
        let mut segment = policy.segment.clone();
        segment.dimensions.truncate(2);
        Book { ledger, segment, control_share, is_history }
    }

    pub fn enter(&mut self, entry: Entry) {
        match entry {
            Entry::Created { domain, lead, fields, company } => {
                self.created(&domain, &lead, &fields, company);
            }
            Entry::Owned { domain, lead, owner } => {
                let owner = self.ledger.name(owner.as_str());
                self.ledger.row(&domain, &lead).owned(owner);
            }
            Entry::Linked { domain, lead, opportunity } => {
                self.ledger.link(&domain, &lead, &opportunity);
            }
            Entry::Closed { domain, deal } => {
                let at = self.ledger.closed(&domain, &deal);
                if let Some(at) = at.filter(|_| self.is_history) {
                    let owner = self.ledger.name(deal.rep_id.as_str());
                    self.ledger.rows[at].owned(owner);
                }
            }
            Entry::Policy(change) => self.ledger.policy(&change.sha256, &change.policy),
            Entry::Recorded(fact) => self.ledger.recorded(&fact),
            Entry::Tried { fact, rotation } => {
                let share = self.control_share;
                self.ledger.tried(&fact, |stated| match rotation {
                    Some(rotation) => stated.mixed(&rotation, share),
                    None => stated,
                });
            }
        }
    }

    fn created(&mut self, domain: &DomainId, lead: &LeadId, fields: &LeadFields, company: u64) {
        let levels = win_rate::segment(&self.segment, &SegmentFields::of(fields)).levels;
        let first = self.ledger.name(levels.first().map_or("", String::as_str));
        let two: Vec<&str> = levels.iter().take(2).map(String::as_str).collect();
        let owner = fields.owner_id.as_ref().filter(|_| self.is_history);
        let owner = owner.map(|owner| self.ledger.name(owner.as_str()));
        let row = self.ledger.row(domain, lead);
        row.company = company;
        row.created_at = fields.created_at;
        row.level = first;
        row.segment = number(&two.join("\0"));
        owner.into_iter().for_each(|owner| row.owned(owner));
    }
}
