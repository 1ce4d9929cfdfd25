//! Everybody outside the router while it runs: leads that come in, a CRM that confirms owners, reps
//! who call back soon, late or never, and deals that close as the truth says.
//!
//! It is driven by virtual time and by the decisions that come out; it has no clock of its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::json;

use super::company::{Company, Message};
use super::prospect::{Prospect, Prospects};
use super::random::Random;
use super::truth::Truth;
use crate::domain::input::Topic;
use crate::domain::published::{LeadAssigned, Method, Outcome};
use crate::domain::time::{Span, Timestamp};

const SECOND_MS: f64 = 1_000.0;
const MINUTE_MS: f64 = 60_000.0;

/// A lead that has not ended.
#[derive(Clone, Debug)]
pub struct LiveLead {
    pub prospect: Prospect,
    pub owner: Option<String>,
    assignment_no: u32,
    counted: bool,
    /// Its rep has called back: a change of reps leaves it where it is.
    touched: bool,
}

#[derive(Clone, Debug)]
enum Planned {
    /// The CRM tells that the owner is now so.
    Echo {
        lead: String,
        rep: String,
    },
    Touch {
        lead: String,
        rep: String,
        assignment_no: u32,
    },
    Close {
        lead: String,
    },
}

/// Wins expected of the leads decided so far, by the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wins {
    /// Leads for which there was somebody to choose between.
    pub leads: u64,
    pub as_routed: f64,
    pub by_rotation: f64,
}

/// The world of one demonstration.
pub struct World {
    pub company: Company,
    pub truth: Truth,
    prospects: Prospects,
    random: Random,
    leads_per_hour: f64,
    next_lead_at: Timestamp,
    created: u64,
    events: u64,
    agenda: BTreeMap<(Timestamp, u64), Planned>,
    leads: HashMap<String, LiveLead>,
    /// Leads that nobody calls back, so that their ladder is climbed to the top.
    ignored: HashSet<String>,
    pub wins: Wins,
}

impl World {
    pub fn new(seed: u64, start: Timestamp, leads_per_hour: f64) -> World {
        let company = Company::new(seed);
        let truth = Truth::new(seed, &company);
        World {
            company,
            truth,
            prospects: Prospects::new(seed, "live prospects"),
            random: Random::new(seed).split("world"),
            leads_per_hour,
            next_lead_at: start,
            created: 0,
            events: 0,
            agenda: BTreeMap::new(),
            leads: HashMap::new(),
            ignored: HashSet::new(),
            wins: Wins::default(),
        }
    }

    pub fn lead(&self, id: &str) -> Option<&LiveLead> {
        self.leads.get(id)
    }

    /// Leads created so far.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The rep with the most open leads that nobody has called: the one whose leaving shows most.
    pub fn busiest(&self) -> Option<(String, usize)> {
        let mut load: BTreeMap<&str, usize> = BTreeMap::new();
        let untouched = self.leads.values().filter(|lead| !lead.touched);
        for owner in untouched.filter_map(|lead| lead.owner.as_deref()) {
            *load.entry(owner).or_default() += 1;
        }
        load.into_iter()
            .max_by_key(|(rep, open)| (*open, std::cmp::Reverse(*rep)))
            .map(|(rep, open)| (rep.to_owned(), open))
    }

    /// Open leads of a state that some rep has.
    pub fn open_in(&self, state: &str) -> usize {
        let here = |lead: &&LiveLead| lead.prospect.state == state && lead.owner.is_some();
        self.leads.values().filter(here).count()
    }

    /// The day begins: leads come from now on.
    pub fn open(&mut self, now: Timestamp) {
        self.next_lead_at = now;
    }

    /// Everything that happens up to `now`, in order.
    pub fn due(&mut self, now: Timestamp) -> Vec<Message> {
        let mut out = Vec::new();
        while self.next_lead_at <= now {
            let at = self.next_lead_at;
            let prospect = self.prospects.anywhere(&self.company);
            out.push(self.create(prospect, at).1);
            let gap_ms = self.random.exponential() * 60.0 * MINUTE_MS / self.leads_per_hour;
            self.next_lead_at = at + Span::from_millis(gap_ms as i64 + 1);
        }
        while let Some((at, planned)) = self.next_planned(now) {
            self.happen(at, planned, &mut out);
        }
        out
    }

    fn next_planned(&mut self, now: Timestamp) -> Option<(Timestamp, Planned)> {
        let entry = self.agenda.first_entry()?;
        let at = entry.key().0;
        (at <= now).then(|| (at, entry.remove()))
    }

    /// Leads that come all at once: a list that somebody bought.
    pub fn burst(&mut self, n: usize, now: Timestamp) -> Vec<Message> {
        (0..n)
            .map(|_| {
                let prospect = self.prospects.anywhere(&self.company);
                self.create(prospect, now).1
            })
            .collect()
    }

    /// One lead of a state.
    pub fn one_of(&mut self, state: &str, now: Timestamp) -> Message {
        let prospect = self.prospects.of_state(state);
        self.create(prospect, now).1
    }

    /// A lead that nobody will call back; its id, and its event.
    pub fn unanswered(&mut self, now: Timestamp) -> (String, Message) {
        let mut prospect = self.prospects.of_team(0);
        (prospect.hot, prospect.asks_for_platform_expert) = (false, false);
        let (id, message) = self.create(prospect, now);
        self.ignored.insert(id.clone());
        (id, message)
    }

    fn create(&mut self, prospect: Prospect, at: Timestamp) -> (String, Message) {
        self.created += 1;
        let id = format!("L-{:05}", self.created);
        let value = prospect.lead(&id, at);
        let lead =
            LiveLead { prospect, owner: None, assignment_no: 0, counted: false, touched: false };
        self.leads.insert(id.clone(), lead);
        (id, Message { topic: Topic::LeadCreated, value })
    }

    /// The router has decided: the CRM takes it over, and the rep may or may not call back.
    pub fn assigned(&mut self, assigned: &LeadAssigned) {
        let id = assigned.lead_id.as_str();
        let Some(lead) = self.leads.get_mut(id) else { return };
        lead.assignment_no = assigned.assignment_no;
        lead.touched = false;
        lead.owner = assigned.rep_id.as_ref().map(|rep| rep.as_str().to_owned());
        let Some(rep) = lead.owner.clone() else { return };
        if assigned.outcome != Outcome::Assigned {
            return;
        }
        self.count(assigned, &rep);
        let decided_at = assigned.decided_at;
        let echo = Planned::Echo { lead: id.to_owned(), rep: rep.clone() };
        self.plan(decided_at + Span::from_secs(2), echo);
        if self.ignored.contains(id) && assigned.assignment_no == 1 {
            return;
        }
        if let Some(after) = self.answers_after() {
            let assignment_no = assigned.assignment_no;
            let touch = Planned::Touch { lead: id.to_owned(), rep, assignment_no };
            self.plan(decided_at + after, touch);
        }
    }

    /// Most call back within minutes, some late, a few never.
    fn answers_after(&mut self) -> Option<Span> {
        let ms = match self.random.unit() {
            x if x < 0.80 => 70.0 * SECOND_MS * libm::exp(0.7 * self.random.normal()),
            x if x < 0.94 => (3.0 + 8.0 * self.random.unit()) * MINUTE_MS,
            _ => return None,
        };
        Some(Span::from_millis(ms as i64))
    }

    fn count(&mut self, assigned: &LeadAssigned, rep: &str) {
        let Some(lead) = self.leads.get_mut(assigned.lead_id.as_str()) else { return };
        let chosen =
            matches!(assigned.method, Method::WinRate | Method::RoundRobin | Method::Control);
        if lead.counted || !chosen {
            return;
        }
        lead.counted = true;
        let traits = lead.prospect.traits;
        let (mut sum, mut weights, mut choices) = (0.0, 0.0, 0);
        for candidate in assigned.candidates.iter().filter(|candidate| candidate.eligible) {
            let id = candidate.rep_id.as_str();
            let weight = self.company.person(id).map_or(0.0, |person| f64::from(person.weight));
            sum += weight * self.truth.wins(traits, id);
            weights += weight;
            choices += 1;
        }
        if choices > 1 && weights > 0.0 {
            self.wins.leads += 1;
            self.wins.as_routed += self.truth.wins(traits, rep);
            self.wins.by_rotation += sum / weights;
        }
    }

    fn plan(&mut self, at: Timestamp, planned: Planned) {
        self.events += 1;
        self.agenda.insert((at, self.events), planned);
    }

    fn happen(&mut self, at: Timestamp, planned: Planned, out: &mut Vec<Message>) {
        self.events += 1;
        let event_id = format!("e-{}", self.events);
        match planned {
            Planned::Echo { lead, rep } => {
                let value = json!({
                    "event_id": event_id, "lead_id": lead, "changed_at": at.0, "kind": "OWNER",
                    "new_owner_id": rep, "changed_by": "integration.user",
                });
                if self.leads.contains_key(&lead) {
                    out.push(Message { topic: Topic::LeadUpdated, value });
                }
            }
            Planned::Touch { lead, rep, assignment_no } => {
                let Some(live) = self.leads.get_mut(&lead) else { return };
                if live.assignment_no != assignment_no || live.owner.as_deref() != Some(&rep) {
                    return;
                }
                live.touched = true;
                let value = json!({
                    "event_id": event_id, "lead_id": lead, "rep_id": rep, "kind": "CALL",
                    "occurred_at": at.0,
                });
                out.push(Message { topic: Topic::LeadActivity, value });
                let open_ms = (25.0 + 50.0 * self.random.exponential()) * MINUTE_MS;
                self.plan(at + Span::from_millis(open_ms as i64), Planned::Close { lead });
            }
            Planned::Close { lead } => self.close(&lead, at, &event_id, out),
        }
    }

    /// The deal is won or lost by whoever has the lead now.
    fn close(&mut self, lead: &str, at: Timestamp, event_id: &str, out: &mut Vec<Message>) {
        let Some(live) = self.leads.remove(lead) else { return };
        let Some(rep) = live.owner else { return };
        let won = self.random.chance(self.truth.wins(live.prospect.traits, &rep));
        let deal = format!("opp-{lead}");
        let mut value = live.prospect.deal(&deal, &rep, won, at);
        value["lead_id"] = json!(lead);
        out.push(Message { topic: Topic::OpportunityClosed, value });
        let mut value = json!({ "event_id": event_id, "lead_id": lead, "changed_at": at.0 });
        if won {
            value["kind"] = json!("CONVERTED");
            value["opportunity_id"] = json!(deal);
        } else {
            value["kind"] = json!("STATUS");
            value["changes"] = json!({"status": "Unqualified"});
        }
        out.push(Message { topic: Topic::LeadUpdated, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_come_at_the_stated_rate_and_the_same_seed_makes_the_same() {
        let start = Timestamp(1_789_486_200_000);
        let mut one = World::new(3, start, 240.0);
        let mut two = World::new(3, start, 240.0);
        let hour = start + Span::from_secs(3_600);
        let (first, second) = (one.due(hour), two.due(hour));
        assert!((200..280).contains(&first.len()), "{}", first.len());
        let same = first.iter().zip(&second).all(|(a, b)| a.value == b.value);
        assert!(same && first.len() == second.len());
    }
}
