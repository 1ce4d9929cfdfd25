//! The choice among the eligible members of a pool: by win probability where the data carry it, by
//! weighted rotation where they do not, and for the control arm always by rotation.

use std::iter::Peekable;
use std::slice::Iter;

use super::asked::Asked;
use super::availability::{self, Gate};
use super::company;
use super::draft::Draft;
use super::entity::{LeadEntity, PoolEntity, RepEntity, Track};
use super::fact::Counter;
use super::hash;
use super::ids::{LeadId, RepId, TerritoryId};
use super::policy::{ChoiceMethod, ControlUnit, Objective};
use super::published::{Arm, Candidate, Method, Reason, WinProbability};
use super::rotation::Entrant;
use super::territory::Member;
use super::time::{Span, Timestamp};
use super::win_rate;

/// How long fair shares and leads given are remembered: e-folding time of the guard rails.
const GUARD: Span = Span::from_days(30);

/// A rep was chosen, and why; or nobody could be.
pub(super) struct Choice {
    pub(super) rep_id: Option<RepId>,
    pub(super) method: Method,
    pub(super) reason: Reason,
    pub(super) arm: Option<Arm>,
    pub(super) propensity: Option<f64>,
    pub(super) candidates: Vec<Candidate>,
    /// The guard rail that passed over the best score.
    pub(super) railed: Option<Counter>,
}

/// A number of some reps, in the order of their ids.
type ByRep<'d> = Vec<(&'d RepId, f64)>;

/// One member of the pool with what was found out about it.
struct Looked<'d> {
    rep_id: &'d RepId,
    rep: Option<&'d RepEntity>,
    weight: u64,
    gate: Gate,
    preferred: usize,
    estimate: Option<win_rate::Estimate>,
    /// What a won deal would bring, if the choice goes by that.
    worth: Option<win_rate::Worth>,
    /// Of its track in the pool's rotation.
    place: Option<usize>,
}

/// Each member once, by id; one that is listed twice has the larger weight.
pub(super) fn members_once(members: &[Member]) -> Vec<(&RepId, u32)> {
    let mut once: Vec<(&RepId, u32)> =
        members.iter().map(|member| (&member.rep_id, member.weight)).collect();
    once.sort_unstable_by(|(a, light), (b, heavy)| a.cmp(b).then(heavy.cmp(light)));
    once.dedup_by(|(next, _), (rep, _)| next == rep);
    once
}

/// Chooses among the members of a territory. Writes the pool's rotation.
pub(super) fn choose(
    draft: &mut Draft<'_>,
    lead_id: &LeadId,
    lead: &LeadEntity,
    pool_id: &TerritoryId,
    members: &[Member],
) -> Choice {
    let mut looked = look(draft, lead, pool_id, members);
    let mut pool = draft.pool(pool_id).cloned().unwrap_or_default();
    let entrants: Vec<Entrant<'_>> = looked.iter().map(Looked::entrant).collect();
    let places = pool.enter(&entrants);
    looked.iter_mut().zip(&places).for_each(|(one, place)| one.place = *place);
    let best = looked.iter().filter(|one| one.is_eligible()).map(|one| one.preferred).max();
    let pick: Vec<&Looked<'_>> =
        looked.iter().filter(|one| one.is_eligible() && Some(one.preferred) == best).collect();
    let mut chooser = Chooser {
        draft,
        lead_id,
        lead,
        pool_id,
        pool: &mut pool,
        propensities: Vec::new(),
        scores: Vec::new(),
    };
    let mut choice = chooser.choose(&entrants, &places, &pick);
    let Chooser { propensities, scores, .. } = chooser;
    let mut propensities = propensities.iter().peekable();
    let mut scores = scores.iter().peekable();
    choice.candidates =
        looked.iter().map(|one| one.candidate(&pool, &mut propensities, &mut scores)).collect();
    if let Some(rep_id) = choice.rep_id.clone() {
        if matches!(choice.method, Method::RoundRobin | Method::Control) {
            pool.advance(&rep_id);
        }
        note_shares(&mut pool, &pick, &rep_id, draft.now());
        draft.set_pool(pool_id, pool);
    }
    choice
}

fn look<'d>(
    draft: &'d Draft<'_>,
    lead: &LeadEntity,
    pool_id: &TerritoryId,
    members: &'d [Member],
) -> Vec<Looked<'d>> {
    let segment = win_rate::segment(&draft.policy.segment, &*lead.fields);
    let shared = draft.learned(&win_rate::shared_id());
    let query = shared.map(|shared| win_rate::Query::new(Some(shared), &segment));
    let by_amount = draft.policy.choice.objective == Objective::ExpectedAmount;
    let prospect = by_amount.then(|| win_rate::Prospect::new(shared, &segment));
    let asked = Asked::of(lead);
    let look_at = |(rep_id, weight): (&'d RepId, u32)| {
        let entity = draft.rep(rep_id);
        let rep = entity.and_then(|rep| rep.definition.as_ref());
        let hired_at = rep.and_then(|rep| rep.hired_at);
        let tenure = hired_at.map(|hired_at| draft.now().since(hired_at));
        let estimate = query.as_ref().map(|query| query.estimate(draft.learned(rep_id), tenure));
        Looked {
            rep_id,
            rep: entity,
            weight: u64::from(weight) * rep.map_or(1, |rep| u64::from(rep.weight)),
            gate: availability::gate(draft, rep_id, entity, &asked, Some(pool_id)),
            preferred: rep.map_or(0, |rep| asked.preferred(rep)),
            estimate,
            worth: prospect.as_ref().map(|prospect| prospect.worth(draft.learned(rep_id))),
            place: None,
        }
    };
    members_once(members).into_iter().map(look_at).collect()
}

impl<'d> Looked<'d> {
    fn is_eligible(&self) -> bool {
        self.gate.is_open() && self.weight > 0
    }

    fn track<'p>(&self, pool: &'p PoolEntity) -> Option<&'p Track> {
        pool.tracks.get(self.place?)
    }

    /// Fair share and leads given of the rep in this pool, decayed to now.
    fn shares(&self, pool: &PoolEntity, now: Timestamp) -> (f64, f64) {
        self.track(pool).map_or((0.0, 0.0), |track| {
            let decay = decay(now.since(track.fair_at));
            (track.fair * decay, track.given * decay)
        })
    }

    fn entrant(&self) -> Entrant<'d> {
        Entrant { rep_id: self.rep_id, weight: self.weight, present: self.gate.absent.is_empty() }
    }

    /// Both lists are in the order of the ids; what is of this rep is taken off.
    fn candidate(
        &self,
        pool: &PoolEntity,
        propensities: &mut Peekable<Iter<'_, (&RepId, f64)>>,
        scores: &mut Peekable<Iter<'_, (&RepId, f64)>>,
    ) -> Candidate {
        let own = |list: &mut Peekable<Iter<'_, (&RepId, f64)>>| {
            list.next_if(|(rep, _)| *rep == self.rep_id).map(|(_, value)| *value)
        };
        let mut reasons = self.gate.reasons();
        if self.weight == 0 && self.gate.is_open() {
            reasons.push(super::published::Ineligible::WeightZero);
        }
        Candidate {
            rep_id: self.rep_id.clone(),
            eligible: self.is_eligible(),
            reasons,
            win_probability: self.estimate.as_ref().map(WinProbability::from),
            score: own(scores),
            rotation: self.track(pool).map(Track::pass),
            propensity: own(propensities),
        }
    }
}

struct Chooser<'c, 'a, 'd> {
    draft: &'c Draft<'a>,
    lead_id: &'c LeadId,
    lead: &'c LeadEntity,
    pool_id: &'c TerritoryId,
    pool: &'c mut PoolEntity,
    propensities: ByRep<'d>,
    scores: ByRep<'d>,
}

impl<'d> Chooser<'_, '_, 'd> {
    fn choose(
        &mut self,
        entrants: &[Entrant<'d>],
        places: &[Option<usize>],
        pick: &[&Looked<'d>],
    ) -> Choice {
        let policy = &self.draft.policy.choice;
        let by_rate = policy.method == ChoiceMethod::WinRate;
        let arm = by_rate.then(|| self.arm());
        let rotate = |this: &mut Self, method, reason| {
            this.pool.level(entrants, places, this.draft.policy.rotation.on_return);
            this.by_rotation(pick, method, reason)
        };
        // Of one alone there is nothing to tell apart.
        let evidence = self.evidence(pick).filter(|found| pick.len() == 1 || !found.thin);
        let mut choice = match (arm, evidence) {
            _ if pick.is_empty() => return nobody(arm),
            (None, _) => rotate(self, Method::RoundRobin, Reason::Rotation),
            (Some(Arm::Control), _) => rotate(self, Method::Control, Reason::Control),
            (Some(Arm::Treatment), None) => rotate(self, Method::RoundRobin, Reason::ThinEvidence),
            (Some(Arm::Treatment), Some(evidence)) => self.by_win_rate(pick, &evidence),
        };
        if pick.len() == 1 {
            choice.reason = Reason::SoleCandidate;
        }
        choice.arm = arm;
        choice
    }

    /// The arm of the lead: drawn by its id, or by its company's name. While an experiment runs, a lead
    /// keeps its arm, whatever account it turns out to be of and whatever becomes of the share.
    fn arm(&self) -> Arm {
        let policy = &self.draft.policy.choice;
        let company = match policy.control_unit {
            ControlUnit::Lead => None,
            ControlUnit::Account => company::of(self.draft, &self.lead.fields),
        };
        let drawn = match company {
            None => self.draw("arm", self.lead_id.as_str()),
            Some(company) => self.draw("arm of a company", &company),
        };
        let held_out = drawn < policy.control_share;
        let drawn = if held_out { Arm::Control } else { Arm::Treatment };
        let runs = policy.control_share > 0.0 && policy.control_share < 1.0;
        let known = self.lead.placement.as_ref().and_then(|placement| placement.arm);
        known.filter(|_| runs).unwrap_or(drawn)
    }

    /// A number in [0, 1), random in effect and the same under replay.
    fn draw(&self, what: &str, whose: &str) -> f64 {
        let domain = &self.draft.envelope.domain;
        let salt = &self.draft.policy.choice.salt;
        let key = format!("{what}\0{salt}\0{domain}\0{whose}");
        hash::unit(hash::sip64(hash::FIXED, key.as_bytes()))
    }

    /// The same, anew for each assignment of the lead.
    fn draw_anew(&self, what: &str) -> f64 {
        let policy = self.draft.policy_entity().map_or("", |policy| &policy.current.sha256);
        let number = self.lead.assignment_no + 1;
        self.draw(what, &format!("{}\0{number}\0{policy}", self.lead_id))
    }

    fn by_rotation(&mut self, pick: &[&Looked<'d>], method: Method, reason: Reason) -> Choice {
        let rep_id = self.pool.next(pick.iter().filter_map(|one| one.place)).cloned();
        let total: u64 = pick.iter().map(|one| one.weight).sum();
        let chance = |one: &&Looked<'d>| (one.rep_id, one.weight as f64 / total.max(1) as f64);
        self.propensities = pick.iter().map(chance).collect();
        let own = self.propensities.iter().find(|(rep, _)| Some(*rep) == rep_id.as_ref());
        let propensity = own.map(|(_, chance)| *chance);
        Choice {
            rep_id,
            method,
            reason,
            arm: None,
            propensity,
            candidates: Vec::new(),
            railed: None,
        }
    }

    /// What the closed deals tell these reps apart by; None if there is none yet.
    fn evidence(&self, pick: &[&Looked<'_>]) -> Option<win_rate::Evidence> {
        let shared = self.draft.learned(&win_rate::shared_id())?;
        let estimates: Vec<win_rate::Estimate> =
            pick.iter().filter_map(|one| one.estimate).collect();
        let evidence = win_rate::evidence(Some(shared), &estimates);
        let worths = pick.iter().filter_map(|one| one.worth.as_ref());
        Some(match self.draft.policy.choice.objective {
            Objective::WinProbability => evidence,
            Objective::ExpectedAmount => evidence.or_by_amount(Some(shared), worths),
        })
    }

    fn by_win_rate(&mut self, pick: &[&Looked<'d>], evidence: &win_rate::Evidence) -> Choice {
        let policy = &self.draft.policy.choice;
        let now = self.draft.now();
        let pool = &*self.pool;
        let standings: Vec<(f64, f64)> = pick.iter().map(|one| one.shares(pool, now)).collect();
        let rivals: Vec<win_rate::Rival> = pick
            .iter()
            .zip(&standings)
            .filter_map(|(one, (fair, given))| {
                let (fair, given) = (*fair, *given);
                let ahead = one.rep.and_then(|rep| rep.definition.as_ref()).map_or(0.0, |rep| {
                    availability::ahead(self.draft, one.rep_id, rep, Some(self.pool_id))
                });
                let worth = one.worth.map_or(1.0, |worth| worth.expected);
                Some(win_rate::Rival { estimate: one.estimate?, worth, fair, given, ahead })
            })
            .collect();
        let scores = win_rate::scores(&rivals, evidence);
        let over = |(fair, given): &(f64, f64)| {
            policy.max_share > 0.0 && *given >= policy.max_share * fair + 1.0
        };
        let under = |(fair, given): &(f64, f64)| *given < policy.min_share * fair - 1.0;
        let allowed: Vec<usize> = indexes(&standings, |one| !over(one));
        let starved: Vec<usize> = indexes(&standings, |one| under(one) && !over(one));
        let (field, rail) = match (starved.is_empty(), allowed.is_empty()) {
            (false, _) => (starved, Some(Counter::UnderMinShare)),
            (true, false) => (allowed, Some(Counter::OverMaxShare)),
            (true, true) => ((0..pick.len()).collect(), None),
        };
        let by_score = |a: &usize, b: &usize| {
            let score = |i: &usize| scores.get(*i).copied().unwrap_or(f64::MIN);
            // Equal scores: the lower rep id, that is the earlier place.
            score(a).total_cmp(&score(b)).then(b.cmp(a))
        };
        let best = field.iter().copied().max_by(by_score);
        let railed = rail.filter(|_| (0..pick.len()).max_by(by_score) != best);
        let explored = (self.draw_anew("explore") < policy.floor)
            .then(|| (self.draw_anew("which") * field.len() as f64) as usize)
            .and_then(|at| field.get(at).copied());
        let chosen = explored.or(best);
        let floor_each = policy.floor / field.len().max(1) as f64;
        let chance = |at: usize| match (field.binary_search(&at).is_ok(), Some(at) == best) {
            (true, true) => floor_each + (1.0 - policy.floor),
            (true, false) => floor_each,
            // Passed over by the guard rails.
            (false, _) => 0.0,
        };
        let chances = pick.iter().enumerate().map(|(at, one)| (one.rep_id, chance(at)));
        self.propensities = chances.collect();
        self.scores = pick.iter().map(|one| one.rep_id).zip(scores.iter().copied()).collect();
        Choice {
            rep_id: chosen.and_then(|at| pick.get(at)).map(|one| one.rep_id.clone()),
            method: Method::WinRate,
            reason: if explored.is_some() { Reason::Explored } else { Reason::WinRate },
            arm: None,
            propensity: chosen.map(chance),
            candidates: Vec::new(),
            railed,
        }
    }
}

/// P(win) of a rep for a lead, for events in which nothing was chosen; None before the first deal.
pub(super) fn estimate_of(
    draft: &Draft<'_>,
    rep_id: &RepId,
    lead: &LeadEntity,
) -> Option<WinProbability> {
    let shared = draft.learned(&win_rate::shared_id());
    shared?;
    let segment = win_rate::segment(&draft.policy.segment, &*lead.fields);
    let rep = draft.rep(rep_id).and_then(|rep| rep.definition.as_ref());
    let tenure = rep.and_then(|rep| rep.hired_at).map(|hired_at| draft.now().since(hired_at));
    let own = draft.learned(rep_id);
    Some((&win_rate::predict(shared, own, &segment, tenure)).into())
}

fn indexes<T>(list: &[T], keep: impl Fn(&T) -> bool) -> Vec<usize> {
    list.iter().enumerate().filter(|(_, one)| keep(one)).map(|(at, _)| at).collect()
}

fn decay(elapsed: Span) -> f64 {
    libm::exp(-(elapsed.0.max(0) as f64) / GUARD.0 as f64)
}

fn nobody(arm: Option<Arm>) -> Choice {
    Choice {
        rep_id: None,
        method: Method::None,
        reason: Reason::NoRepAvailable,
        arm,
        propensity: None,
        candidates: Vec::new(),
        railed: None,
    }
}

/// Guard rails: everyone who was eligible is owed a fair share, and the chosen was given a lead.
fn note_shares(pool: &mut PoolEntity, pick: &[&Looked<'_>], chosen: &RepId, now: Timestamp) {
    let total: u64 = pick.iter().map(|one| one.weight).sum();
    for one in pick {
        let track = one.place.and_then(|at| pool.tracks.get_mut(at));
        let Some(track) = track else { continue };
        let decay = decay(now.since(track.fair_at));
        track.fair = track.fair * decay + one.weight as f64 / total.max(1) as f64;
        track.given = track.given * decay + f64::from(u8::from(one.rep_id == chosen));
        track.fair_at = now;
    }
}

impl From<&win_rate::Estimate> for WinProbability {
    fn from(estimate: &win_rate::Estimate) -> WinProbability {
        WinProbability {
            mean: estimate.mean,
            low: estimate.low,
            high: estimate.high,
            deals: estimate.deals,
        }
    }
}
