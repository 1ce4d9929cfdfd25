//! Writes down what is heard of each lead, where the policy that is tried sends it, and whether the recorded
//! one decides as it did: apart from the replays, so that it can be done beside them.

use std::sync::Arc;

use super::agreement::{Agreement, Decided};
use super::brief::Brief;
use super::ledger::{Ledger, number};
use super::replay::Written;
use super::report::Read;
use super::unusable::{Fault, Unusable};
use crate::domain::ids::{DomainId, LeadId, OpportunityId, RepId};
use crate::domain::input::{OpportunityClosed, PolicyChange};
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
    /// A recorded decision that has not been read.
    Written(Written),
    /// A decision of the replay of the recorded policy.
    Replayed(Box<Decided>),
    /// A decision of the policy that is tried.
    Tried(Box<Brief>),
    Unusable(Box<Fault>),
}

/// The ledger of a backtest as it is written.
#[derive(Debug)]
pub struct Book {
    ledger: Ledger,
    /// None = no decisions are recorded: who had a lead is told by its owner and its deals.
    agreement: Option<Agreement>,
    unusable: Unusable,
    /// The first two dimensions of the policy's segments: by these the report is parted.
    segment: SegmentPolicy,
}

impl Book {
    /// `agreement`: None = a history without decisions.
    pub fn new(ledger: Ledger, agreement: Option<Agreement>, policy: &Policy) -> Book {
        let mut segment = policy.segment.clone();
        segment.dimensions.truncate(2);
        Book { ledger, agreement, unusable: Unusable::default(), segment }
    }

    fn is_history(&self) -> bool {
        self.agreement.is_none()
    }

    /// Nothing more comes. Says what could not be read.
    pub fn close(mut self, read: &mut Read) -> (Option<Agreement>, Ledger) {
        self.agreement.iter_mut().for_each(Agreement::finish);
        self.unusable.tell(read);
        (self.agreement, self.ledger)
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
                if let Some(at) = at.filter(|_| self.is_history()) {
                    let owner = self.ledger.name(deal.rep_id.as_str());
                    self.ledger.rows[at].owned(owner);
                }
            }
            Entry::Policy(change) => self.ledger.policy(&change.sha256, &change.policy),
            Entry::Recorded(fact) => self.recorded(&fact),
            Entry::Written(written) => self.written(&written),
            Entry::Replayed(decided) => {
                if let Some(agreement) = &mut self.agreement {
                    agreement.replayed(decided);
                }
            }
            Entry::Tried(brief) => self.ledger.tried(*brief),
            Entry::Unusable(fault) => self.unusable.note(&fault),
        }
    }

    fn recorded(&mut self, fact: &LeadAssigned) {
        // Of a history, the decisions do not count.
        let Some(agreement) = &mut self.agreement else { return };
        let decided = Decided::of(fact);
        self.ledger.recorded(decided.brief.clone());
        agreement.recorded(decided);
    }

    fn written(&mut self, written: &Written) {
        let agreement = self.agreement.as_mut();
        if let Some(brief) = agreement.and_then(|it| it.written(&written.text)) {
            return self.ledger.recorded(brief);
        }
        match written.read() {
            Ok(fact) => self.recorded(&fact),
            Err(fault) => self.unusable.note(&fault),
        }
    }

    fn created(&mut self, domain: &DomainId, lead: &LeadId, fields: &LeadFields, company: u64) {
        let levels = win_rate::segment(&self.segment, fields).levels;
        let first = self.ledger.name(levels.first().map_or("", String::as_str));
        let two: Vec<&str> = levels.iter().take(2).map(String::as_str).collect();
        let owner = fields.owner_id.as_ref().filter(|_| self.is_history());
        let owner = owner.map(|owner| self.ledger.name(owner.as_str()));
        let row = self.ledger.row(domain, lead);
        row.company = company;
        row.created_at = fields.created_at;
        row.level = first;
        row.segment = number(&two.join("\0"));
        owner.into_iter().for_each(|owner| row.owned(owner));
    }
}
