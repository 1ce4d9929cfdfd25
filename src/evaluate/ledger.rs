//! What is known of each lead: how it was given out, how another policy would have, and how it ended.

use std::collections::{BTreeMap, HashMap};

use super::brief::Brief;
use super::cohort::Course;
use super::estimate::Trial;
use super::odds::{Numbered, Odds, rep_number};
use crate::codec::json;
use crate::domain::hash;
use crate::domain::ids::{DomainId, LeadId, OpportunityId};
use crate::domain::input::{DealOutcome, OpportunityClosed};
use crate::domain::lead_fields::{Cents, LeadFields};
use crate::domain::policy::{ControlUnit, Objective, Policy};
use crate::domain::published::{Arm, LeadAssigned, Method, Reason, Stage, WinProbability};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::engine::filter::PolicyFile;

/// Where a decision sent a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Rep(u64),
    Queue(u64),
    /// Parked or released: nobody has it.
    Nobody,
}

/// One decision about a lead, in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub decided_at: Timestamp,
    pub place: Place,
    pub territory: u64,
    pub stage: Stage,
    pub method: Method,
    pub reason: Reason,
    pub arm: Option<Arm>,
    /// The routing domain and the policy's hash, by number: under what the arm was drawn.
    pub drawn: (u64, u64),
    /// Its stated chances; None = it states none.
    pub odds: Option<Odds>,
    /// Of a decision of the policy that is tried, until both sides are joined; by rep number.
    pub candidates: Vec<Seen>,
}

/// A candidate of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub rep: u64,
    pub eligible: bool,
    /// P(win), as the model saw it then.
    pub mean: Option<f64>,
}

impl Side {
    pub(super) fn of(fact: &LeadAssigned, candidates: &Numbered<'_>) -> Side {
        let place = match (&fact.rep_id, &fact.queue_id) {
            (Some(rep), _) => Place::Rep(rep_number(rep)),
            (None, Some(queue)) => Place::Queue(number(queue.as_str())),
            (None, None) => Place::Nobody,
        };
        Side {
            decided_at: fact.decided_at,
            place,
            territory: fact.territory_id.as_ref().map_or(0, |id| number(id.as_str())),
            stage: fact.stage,
            method: fact.method,
            reason: fact.reason,
            arm: fact.arm,
            drawn: (number(fact.domain.as_str()), number(&fact.policy_sha256)),
            odds: Odds::stated(fact, candidates),
            candidates: Vec::new(),
        }
    }

    pub fn rep(&self) -> Option<u64> {
        match self.place {
            Place::Rep(rep) => Some(rep),
            Place::Queue(_) | Place::Nobody => None,
        }
    }
}

impl Seen {
    /// The candidates of a decision; where none are listed, the rep who has the lead.
    pub(super) fn all(fact: &LeadAssigned, candidates: &Numbered<'_>) -> Vec<Seen> {
        let seen = |rep, eligible, win: Option<WinProbability>| {
            let mean = win.map(|win| win.mean);
            Seen { rep, eligible, mean }
        };
        if candidates.is_empty() {
            let own = fact.rep_id.iter();
            return own.map(|rep| seen(rep_number(rep), true, fact.win_probability)).collect();
        }
        let all = candidates.iter();
        all.map(|(rep, one)| seen(*rep, one.eligible, one.win_probability)).collect()
    }

    /// A rep among the candidates, who come by rep number.
    pub(super) fn find(candidates: &[Seen], rep: u64) -> Option<&Seen> {
        let at = candidates.binary_search_by_key(&rep, |one| one.rep).ok()?;
        candidates.get(at)
    }
}

/// How a lead's deals stand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ending {
    pub won: bool,
    pub closed_at: Option<Timestamp>,
    /// Of the won deals; None = not stated.
    pub amount: Option<Cents>,
    pub currency: u64,
}

impl Ending {
    /// What it brought in a currency, nothing if it was not won. None = it does not say so in this one.
    pub(super) fn amount_in(&self, currency: u64) -> Option<f64> {
        match (self.won, self.amount) {
            (true, Some(amount)) if self.currency == currency => Some(amount as f64 / 100.0),
            (true, _) => None,
            (false, _) => Some(0.0),
        }
    }
}

/// One lead.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// 0 = the lead itself was not in the recording.
    pub company: u64,
    /// The first level of its segment, by number; and a hash of the first two, for shares by segment.
    pub level: u64,
    pub segment: u64,
    pub created_at: Timestamp,
    pub recorded: Option<Box<Side>>,
    pub new: Option<Box<Side>>,
    /// A decision about it is in the recording, of whatever kind.
    pub decided: bool,
    /// Who had it, where no decision is recorded.
    pub owner: Option<u64>,
    deals: Vec<(u64, Deal)>,
    /// Both sides, put together.
    pub joined: Option<Joined>,
}

#[derive(Clone, Copy, Debug)]
struct Deal {
    outcome: DealOutcome,
    closed_at: Timestamp,
    amount: Option<Cents>,
    currency: u64,
}

/// What is kept of two sides once both are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joined {
    pub logged: f64,
    pub target: f64,
    pub cost: f64,
    pub overlap: f64,
    pub modelled: Option<f64>,
    pub expected: Option<f64>,
}

pub fn number(text: &str) -> u64 {
    hash::sip64(hash::FIXED, text.as_bytes())
}

/// The number of something that is named within a domain.
pub(super) fn number_in(domain: &DomainId, id: &str) -> u64 {
    number(&[domain.as_str(), "\0", id].concat())
}

/// The company that a lead is from, by number: leads of one go together.
pub fn company(state: &State, domain: &DomainId, lead: &LeadId, fields: &LeadFields) -> u64 {
    let company = state.company_of(domain, fields);
    let company = company.unwrap_or_else(|| ["lead\0", lead.as_str()].concat());
    number_in(domain, &company)
}

/// How a policy draws the arms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experiment {
    pub unit: ControlUnit,
    pub share: f64,
    pub objective: Objective,
}

/// A deal, and the lead that it counts for.
#[derive(Debug, Default)]
struct Told {
    row: Option<usize>,
    deal: Option<Deal>,
    /// The events about it, by number: one that comes twice says nothing new.
    heard: Vec<u64>,
}

/// All leads, in the order in which they were first heard of.
#[derive(Debug, Default)]
pub struct Ledger {
    pub rows: Vec<Row>,
    index: HashMap<u64, u32>,
    /// Names of reps and queues, by number.
    pub names: HashMap<u64, String>,
    pub currencies: HashMap<u64, String>,
    deals: HashMap<u64, Told>,
    /// What the policies of the recording draw arms for, by the number of their hash.
    experiments: HashMap<u64, Experiment>,
    /// Keep the chances of both sides, for a check against a known truth.
    pub keeps_odds: bool,
}

impl Ledger {
    /// `recorded`: the policy file that the recording was made with, if it was.
    pub fn new(recorded: Option<&PolicyFile>) -> Ledger {
        let mut ledger = Ledger::default();
        // Before a policy is published, the built-in one holds; it has no text.
        ledger.policy("", &Policy::default());
        if let Some(file) = recorded {
            ledger.policy(&json::sha256_hex(file.text.as_bytes()), &file.policy);
        }
        ledger
    }

    fn at(&mut self, domain: &DomainId, lead: &LeadId) -> usize {
        self.place_of(number_in(domain, lead.as_str()))
    }

    /// The place of a lead, by its number in its domain.
    fn place_of(&mut self, key: u64) -> usize {
        let next = self.rows.len() as u32;
        let at = *self.index.entry(key).or_insert(next);
        if at == next {
            self.rows.push(Row::default());
        }
        at as usize
    }

    pub fn row(&mut self, domain: &DomainId, lead: &LeadId) -> &mut Row {
        let at = self.at(domain, lead);
        &mut self.rows[at]
    }

    pub fn find(&self, domain: &DomainId, lead: &LeadId) -> Option<&Row> {
        let at = self.index.get(&number_in(domain, lead.as_str()))?;
        self.rows.get(*at as usize)
    }

    pub fn name(&mut self, text: &str) -> u64 {
        let number = number(text);
        self.names.entry(number).or_insert_with(|| text.to_owned());
        number
    }

    /// A recorded decision.
    pub fn recorded(&mut self, brief: Brief) {
        self.decided(brief, |row| &mut row.recorded);
    }

    /// A decision of the policy that is tried.
    pub fn tried(&mut self, brief: Brief) {
        self.decided(brief, |row| &mut row.new);
    }

    /// The decision that counts of a lead: the first that gave it to a rep and was not a person's; until
    /// there is one, the first of all.
    fn decided(&mut self, brief: Brief, of: impl Fn(&mut Row) -> &mut Option<Box<Side>>) {
        for name in brief.names() {
            self.name(name);
        }
        let at = self.place_of(brief.number);
        let row = &mut self.rows[at];
        let (is_joined, is_given) = (row.joined.is_some(), brief.is_given());
        let known = of(row);
        let counts = known.as_ref().is_none_or(|side| side.rep().is_none() && is_given);
        if counts && !is_joined {
            *known = Some(Box::new(brief.side));
            row.join(self.keeps_odds);
        }
    }

    /// A conversion named the deal of a lead; the deal may have closed before.
    pub fn link(&mut self, domain: &DomainId, lead: &LeadId, opportunity: &OpportunityId) {
        let row = self.at(domain, lead);
        let deal = number_in(domain, opportunity.as_str());
        let known = self.deals.get(&deal).and_then(|told| told.row);
        self.place(deal, known.or(Some(row)), None);
    }

    /// Notes a deal; the place of the lead that it counts for, if one is named.
    pub fn closed(&mut self, domain: &DomainId, event: &OpportunityClosed) -> Option<usize> {
        let id = number_in(domain, event.opportunity_id.as_str());
        let told = self.deals.entry(id).or_default();
        let heard = number(event.event_id.as_str());
        if told.heard.contains(&heard) {
            return told.row;
        }
        told.heard.push(heard);
        let currency = event.currency.clone().unwrap_or_default();
        let deal = Deal {
            outcome: event.outcome,
            closed_at: event.closed_at,
            amount: event.amount,
            currency: number(&currency),
        };
        self.currencies.entry(deal.currency).or_insert(currency);
        let row = event.lead_id.as_ref().map(|lead| self.at(domain, lead));
        self.place(id, row, Some(deal))
    }

    /// Puts a deal where it counts: the lead named last, with what was said last.
    fn place(&mut self, id: u64, row: Option<usize>, deal: Option<Deal>) -> Option<usize> {
        let told = self.deals.entry(id).or_default();
        let before = told.row;
        told.row = row.or(before);
        told.deal = deal.or(told.deal);
        let (at, deal) = (told.row, told.deal);
        if let Some(before) = before {
            self.rows[before].deals.retain(|(one, _)| *one != id);
        }
        if let (Some(at), Some(deal)) = (at, deal) {
            self.rows[at].deals.push((id, deal));
        }
        at
    }

    /// Closed deals that name no lead.
    pub fn unlinked(&self) -> usize {
        let lost = |told: &&Told| told.deal.is_some() && told.row.is_none();
        self.deals.values().filter(lost).count()
    }

    /// The currency of most won deals of these leads; None = none states an amount.
    pub fn main_currency<'r>(rows: impl Iterator<Item = &'r Row>) -> Option<u64> {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        let endings = rows.map(Row::ending).filter(|ending| ending.amount.is_some());
        endings.for_each(|ending| *counts.entry(ending.currency).or_default() += 1);
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(currency, _)| currency)
    }

    /// A policy of the recording, by its hash.
    pub fn policy(&mut self, sha256: &str, policy: &Policy) {
        let choice = &policy.choice;
        let experiment = Experiment {
            unit: choice.control_unit,
            share: choice.control_share,
            objective: choice.objective,
        };
        self.experiments.insert(number(sha256), experiment);
    }

    /// How the arm of a decision was drawn; None = the recording lacks its policy.
    pub fn experiment(&self, side: &Side) -> Option<Experiment> {
        self.experiments.get(&side.drawn.1).copied()
    }

    /// A lead as a trial of wins; None = it was given to no rep on one of the sides.
    pub fn trial(&self, row: &Row, base: f64) -> Option<Trial> {
        let joined = row.joined?;
        let recorded = row.recorded.as_ref()?;
        let ending = row.ending();
        Some(Trial {
            course: Course { decided_at: recorded.decided_at, closed_at: ending.closed_at },
            arm: recorded.arm,
            stratum: recorded.arm.map_or(0, |_| self.stratum(recorded)),
            logged: joined.logged,
            target: joined.target,
            cost: joined.cost,
            overlap: joined.overlap,
            modelled: joined.modelled.unwrap_or(base),
            expected: joined.expected.or(joined.modelled).unwrap_or(base),
            reward: f64::from(u8::from(ending.won)),
            cluster: row.company,
        })
    }

    /// Arms of one stratum were drawn alike: in one domain, with one share.
    fn stratum(&self, side: &Side) -> u64 {
        let (domain, policy) = side.drawn;
        let drawn = self.experiment(side).map_or(policy, |it| it.share.to_bits());
        hash::sip64(hash::FIXED, &[domain.to_le_bytes(), drawn.to_le_bytes()].concat())
    }
}

impl Row {
    /// Who had it, by what is heard first of it.
    pub(super) fn owned(&mut self, owner: u64) {
        self.owner = self.owner.or(Some(owner));
    }

    /// Once both sides gave it to a rep, only the numbers are kept.
    pub(super) fn join(&mut self, keeps_odds: bool) {
        let (Some(recorded), Some(new)) = (&mut self.recorded, &mut self.new) else { return };
        let (Some(rep), Some(_)) = (recorded.rep(), new.rep()) else { return };
        let (Some(logged), Some(target)) = (&recorded.odds, &new.odds) else { return };
        let (overlap, cost) = target.against(logged);
        self.joined = Some(Joined {
            logged: logged.chance(rep),
            target: target.chance(rep),
            cost,
            overlap,
            modelled: Seen::find(&new.candidates, rep).and_then(|one| one.mean),
            expected: target.expect(&new.candidates),
        });
        if keeps_odds {
            return;
        }
        for side in [recorded, new] {
            side.odds = None;
            side.candidates = Vec::new();
        }
    }

    /// How its deals stand: won if one is, lost if all are, open else.
    pub fn ending(&self) -> Ending {
        let of = |outcome| {
            self.deals.iter().map(|(_, deal)| deal).filter(move |deal| deal.outcome == outcome)
        };
        let won = || of(DealOutcome::Won);
        if let Some(first) = won().map(|deal| deal.closed_at).min() {
            let sum = |sum: Option<Cents>, deal: &Deal| Some(sum?.saturating_add(deal.amount?));
            let currency = won().next().map_or(0, |deal| deal.currency);
            // Amounts of two currencies have no sum.
            let one = won().all(|deal| deal.currency == currency);
            return Ending {
                won: true,
                closed_at: Some(first),
                amount: won().fold(Some(0), sum).filter(|_| one),
                currency,
            };
        }
        let all = of(DealOutcome::Lost).count() == self.deals.len();
        let closed_at = of(DealOutcome::Lost).map(|deal| deal.closed_at).max().filter(|_| all);
        Ending { closed_at, ..Ending::default() }
    }

    /// Whether it has a deal, open or closed.
    pub fn has_deals(&self) -> bool {
        !self.deals.is_empty()
    }
}
