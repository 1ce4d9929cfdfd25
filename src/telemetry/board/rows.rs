//! One row a rep: open leads, load against the fair share, deals won.

use std::collections::BTreeMap;

use super::shown::Rep;
use crate::domain::entity::{Entity, EntityKey, Phase};
use crate::domain::ids::{DomainId, RepId};
use crate::domain::input::{DealOutcome, RepDef};
use crate::domain::published::{Ineligible, LeadAssigned};
use crate::domain::time::Timestamp;
use crate::telemetry::telling::{Names, Odds};

/// Deals' worth of the team's rate that stand behind each rep's own.
const PRIOR_DEALS: f64 = 20.0;
/// Half of a 90 % interval, in standard deviations.
const Z90: f64 = 1.645;

#[derive(Clone, Debug, Default)]
struct Row {
    definition: Option<RepDef>,
    known: bool,
    open: i64,
    given: f64,
    fair: f64,
    won: i64,
    lost: i64,
    /// What kept the rep out when a decision last looked.
    kept_out: Option<Ineligible>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    reps: BTreeMap<(DomainId, RepId), Row>,
    /// Leads by domain: with a rep, waiting.
    leads: BTreeMap<DomainId, (i64, i64)>,
}

impl Rows {
    pub(super) fn forget(&mut self, domain: &DomainId) {
        self.reps.retain(|(of, _), _| of != domain);
        self.leads.remove(domain);
    }

    fn row(&mut self, domain: &DomainId, rep: &RepId) -> &mut Row {
        self.reps.entry((domain.clone(), rep.clone())).or_default()
    }

    pub(super) fn changed(
        &mut self,
        key: &EntityKey,
        before: Option<&Entity>,
        after: Option<&Entity>,
    ) {
        if let Some(before) = before {
            self.add(key, before, -1);
        }
        if let Some(after) = after {
            self.add(key, after, 1);
        }
    }

    /// Counts an entity in (1) or out (−1).
    fn add(&mut self, key: &EntityKey, entity: &Entity, n: i64) {
        let domain = &key.domain;
        match entity {
            Entity::Rep(rep) => {
                let row = self.row(domain, &RepId::new(&key.id));
                row.definition = rep.definition.clone();
                row.known = n > 0;
            }
            Entity::Lead(lead) => {
                let count = self.leads.entry(domain.clone()).or_default();
                match lead.phase {
                    Phase::Assigned => count.0 += n,
                    Phase::Queued | Phase::Parked => count.1 += n,
                    _ => {}
                }
                if let Some((rep, _)) = lead.open_owner() {
                    self.row(domain, rep).open += n;
                }
            }
            Entity::Pool(pool) => {
                for track in &pool.tracks {
                    let row = self.row(domain, &track.rep_id);
                    row.given += n as f64 * track.given;
                    row.fair += n as f64 * track.fair;
                }
            }
            Entity::Deal(deal) => {
                let row = self.row(domain, &deal.rep_id);
                match deal.outcome {
                    DealOutcome::Won => row.won += n,
                    DealOutcome::Lost => row.lost += n,
                    DealOutcome::Reopened => {}
                }
            }
            _ => {}
        }
    }

    /// A decision says who could not take the lead, and why.
    pub(super) fn look_at(&mut self, assigned: &LeadAssigned) {
        for candidate in &assigned.candidates {
            let key = (assigned.domain.clone(), candidate.rep_id.clone());
            if let Some(row) = self.reps.get_mut(&key) {
                let lasting = |reason: &&Ineligible| {
                    matches!(reason, Ineligible::Capped | Ineligible::OutsideCalendar)
                };
                row.kept_out = candidate.reasons.iter().find(lasting).copied();
            }
        }
    }

    pub(super) fn leads(&self) -> (u64, u64) {
        let sum = |pick: fn(&(i64, i64)) -> i64| {
            self.leads.values().map(pick).sum::<i64>().max(0).unsigned_abs()
        };
        (sum(|count| count.0), sum(|count| count.1))
    }

    /// The rows, the most heavily loaded first.
    pub(super) fn reps(&self, names: &Names, now: Timestamp) -> Vec<Rep> {
        let mut team: BTreeMap<&DomainId, (i64, i64)> = BTreeMap::new();
        for ((domain, _), row) in &self.reps {
            let sum = team.entry(domain).or_default();
            sum.0 += row.won;
            sum.1 += row.won + row.lost;
        }
        let shown = |((domain, rep), row): (&(DomainId, RepId), &Row)| {
            let (won, deals) = team.get(domain).copied().unwrap_or_default();
            Rep {
                name: names.rep(domain, rep),
                status: row.status(now),
                open: row.open.max(0).unsigned_abs(),
                given: row.given.max(0.0),
                fair: row.fair.max(0.0),
                wins: row.wins(won as f64 / (deals.max(1) as f64), deals),
            }
        };
        let listed = |(_, row): &(&(DomainId, RepId), &Row)| row.known && row.takes_leads();
        let mut reps: Vec<Rep> = self.reps.iter().filter(listed).map(shown).collect();
        reps.sort_by(|a, b| b.open.cmp(&a.open).then_with(|| a.name.cmp(&b.name)));
        reps
    }
}

impl Row {
    /// Managers, whose weight is 0, have no row unless they own leads; nor has who left without
    /// any.
    fn takes_leads(&self) -> bool {
        let weighs = self.definition.as_ref().is_some_and(|rep| rep.weight > 0);
        weighs || self.open > 0
    }

    fn status(&self, now: Timestamp) -> String {
        let Some(rep) = self.definition.as_ref().filter(|rep| rep.active) else {
            return "left".to_owned();
        };
        let away = rep.away.iter().any(|away| away.covers(now));
        let status = match self.kept_out {
            _ if rep.paused => "paused",
            _ if away => "away",
            Some(Ineligible::Capped) => "at the limit",
            Some(Ineligible::OutsideCalendar) => "off hours",
            _ => "",
        };
        status.to_owned()
    }

    /// The rep's rate, drawn towards the team's; None before the first deal of the team.
    fn wins(&self, team: f64, team_deals: i64) -> Option<Odds> {
        if team_deals == 0 {
            return None;
        }
        let deals = (self.won + self.lost).max(0) as f64;
        let mean = (self.won as f64 + PRIOR_DEALS * team) / (deals + PRIOR_DEALS);
        let deviation = (mean * (1.0 - mean) / (deals + PRIOR_DEALS + 1.0)).max(0.0).sqrt();
        Some(Odds {
            mean: 100.0 * mean,
            low: 100.0 * (mean - Z90 * deviation).max(0.0),
            high: 100.0 * (mean + Z90 * deviation).min(1.0),
            deals: deals as u64,
        })
    }
}
