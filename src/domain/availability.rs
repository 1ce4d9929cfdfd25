//! The one gate for every stage: who may take this lead now, and when somebody next could.

use super::asked::Asked;
use super::calendar::{self, Calendar};
use super::draft::Draft;
use super::entity::{LeadEntity, LoadEntity, RepEntity, WindowCount};
use super::ids::{RepId, TerritoryId};
use super::input::{Away, Cap, CapWindow, RepDef};
use super::policy::Policy;
use super::published::Ineligible;
use super::time::{Span, Timestamp};

const HOUR: Span = Span::from_secs(3_600);

/// What the gate says of one rep.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    /// Why the rep could take no lead at all now.
    pub(super) absent: Vec<Ineligible>,
    /// Why not this lead.
    pub(super) unsuited: Vec<Ineligible>,
}

impl Gate {
    pub(super) fn is_open(&self) -> bool {
        self.absent.is_empty() && self.unsuited.is_empty()
    }

    pub(super) fn reasons(&self) -> Vec<Ineligible> {
        self.absent.iter().chain(&self.unsuited).copied().collect()
    }
}

/// Looks at a rep for a lead that would come from `pool`.
pub(super) fn gate(
    draft: &Draft<'_>,
    rep_id: &RepId,
    rep: Option<&RepEntity>,
    asked: &Asked<'_>,
    pool: Option<&TerritoryId>,
) -> Gate {
    let lead = asked.lead;
    let mut gate = Gate::default();
    match rep {
        None => gate.absent.push(Ineligible::Unknown),
        Some(rep) => {
            gate.absent = absent(draft, rep_id, rep, pool, Some(lead));
            let definition = rep.definition.as_ref();
            gate.unsuited = definition.map(|rep| unsuited(draft, rep, asked)).unwrap_or_default();
        }
    }
    if lead.former_owners.contains(rep_id) {
        gate.unsuited.push(Ineligible::FormerOwner);
    }
    gate
}

/// Why a rep could take no lead of this pool now.
pub(super) fn absent(
    draft: &Draft<'_>,
    rep_id: &RepId,
    entity: &RepEntity,
    pool: Option<&TerritoryId>,
    lead: Option<&LeadEntity>,
) -> Vec<Ineligible> {
    let Some(rep) = &entity.definition else { return vec![Ineligible::Inactive] };
    let now = draft.now();
    let mut reasons = Vec::new();
    if !rep.active {
        reasons.push(Ineligible::Inactive);
    }
    if rep.paused || paused_until(entity, now).is_some() {
        reasons.push(Ineligible::Paused);
    }
    if rep.away.iter().any(|away| away.covers(now)) {
        reasons.push(Ineligible::Away);
    }
    if calendar_of(&draft.policy, rep).is_some_and(|calendar| !calendar.is_open(now)) {
        reasons.push(Ineligible::OutsideCalendar);
    }
    let mut caps = rep.caps.iter().filter(|cap| concerns(cap, pool)).peekable();
    let load = caps.peek().and_then(|_| draft.load(rep_id));
    let own = lead.and_then(LeadEntity::open_owner).filter(|(owner, _)| *owner == rep_id);
    let full = |cap: &Cap| {
        // The lead itself has a place already, if it is this rep's.
        let counted = own.is_some_and(|(_, from)| cap.pool.is_none() || cap.pool.as_ref() == from);
        let itself = u32::from(counted && cap.window == CapWindow::Open);
        used(draft, rep_id, rep, load, cap).saturating_sub(itself) >= cap.limit
    };
    if caps.any(full) {
        reasons.push(Ineligible::Capped);
    }
    reasons
}

/// Until when a rep who did not answer counts as paused.
fn paused_until(rep: &RepEntity, now: Timestamp) -> Option<Timestamp> {
    rep.paused_until_at.filter(|until| *until > now)
}

/// Whether what the lead asks for is dropped, so long after its creation.
pub(super) fn is_relaxed(draft: &Draft<'_>, lead: &LeadEntity) -> bool {
    let relax = draft.policy.skills.relax_after;
    relax > Span::ZERO && draft.now() >= lead.lead_created_at + relax
}

fn unsuited(draft: &Draft<'_>, rep: &RepDef, asked: &Asked<'_>) -> Vec<Ineligible> {
    if is_relaxed(draft, asked.lead) { Vec::new() } else { asked.lacking(rep) }
}

pub(super) fn calendar_of<'p>(policy: &'p Policy, rep: &RepDef) -> Option<&'p Calendar> {
    policy.calendars.get(rep.calendar_id.as_ref()?)
}

/// The absences that end after an instant, in their order, those that touch or overlap as one.
fn absences(rep: &RepDef, after: Timestamp) -> Vec<Away> {
    let mut spans: Vec<Away> = rep.away.iter().filter(|away| after < away.to_at).copied().collect();
    spans.sort_unstable_by_key(|away| away.from_at);
    spans.dedup_by(|next, last| {
        let goes_on = next.from_at <= last.to_at;
        if goes_on {
            last.to_at = last.to_at.max(next.to_at);
        }
        goes_on
    });
    spans
}

pub(super) fn has_open_cap(rep: &RepDef) -> bool {
    rep.caps.iter().any(|cap| cap.window == CapWindow::Open)
}

fn concerns(cap: &Cap, pool: Option<&TerritoryId>) -> bool {
    cap.pool.is_none() || cap.pool.as_ref() == pool
}

fn zone(rep: &RepDef) -> calendar::Zone {
    calendar::Zone::parse(&rep.time_zone).unwrap_or_else(|_| calendar::Zone::utc())
}

/// How much of a cap is used now.
fn used(
    draft: &Draft<'_>,
    rep_id: &RepId,
    rep: &RepDef,
    load: Option<&LoadEntity>,
    cap: &Cap,
) -> u32 {
    let now = draft.now();
    let window = |count: &WindowCount, start: Timestamp| {
        if count.start_at == start { count.of(cap.pool.as_ref()) } else { 0 }
    };
    match cap.window {
        CapWindow::Open => match &cap.pool {
            None => draft.index().open(rep_id) as u32,
            Some(pool) => draft.index().open_in_pool(rep_id, pool),
        },
        CapWindow::Hour => load.map_or(0, |load| {
            let counts = |(at, pool): &&(Timestamp, Option<TerritoryId>)| {
                now < *at + HOUR && (cap.pool.is_none() || *pool == cap.pool)
            };
            load.hour.iter().filter(counts).count() as u32
        }),
        CapWindow::Day => {
            load.map_or(0, |load| window(&load.day, calendar::day_start(&zone(rep), now)))
        }
        CapWindow::Week => {
            load.map_or(0, |load| window(&load.week, calendar::week_start(&zone(rep), now)))
        }
    }
}

impl WindowCount {
    fn of(&self, pool: Option<&TerritoryId>) -> u32 {
        match pool {
            None => self.total,
            Some(pool) => {
                self.by_pool.iter().find(|(id, _)| id == pool).map_or(0, |(_, count)| *count)
            }
        }
    }

    fn add(&mut self, start: Timestamp, pool: Option<&TerritoryId>) {
        if self.start_at != start {
            *self = WindowCount { start_at: start, ..WindowCount::default() };
        }
        self.total += 1;
        let Some(pool) = pool else { return };
        match self.by_pool.iter_mut().find(|(id, _)| id == pool) {
            Some((_, count)) => *count += 1,
            None => self.by_pool.push((pool.clone(), 1)),
        }
    }
}

/// In another time zone the day and the week begin at other times: what was given in the running ones counts on.
pub(super) fn zone_changed(draft: &mut Draft<'_>, rep_id: &RepId, old: &RepDef, new: &RepDef) {
    let Some(mut load) = draft.load(rep_id).cloned() else { return };
    let (now, old, new) = (draft.now(), zone(old), zone(new));
    let starts: [(&mut WindowCount, fn(&calendar::Zone, Timestamp) -> Timestamp); 2] =
        [(&mut load.day, calendar::day_start), (&mut load.week, calendar::week_start)];
    for (count, start) in starts {
        if count.start_at == start(&old, now) {
            count.start_at = start(&new, now);
        }
    }
    draft.set_load(rep_id, load);
}

/// How far the rep's tightest cap is ahead of its time: the share that is used, less the share of the
/// window that is over; 0 = no cap, or none ahead. A window that has no end counts as half over.
pub(super) fn ahead(
    draft: &Draft<'_>,
    rep_id: &RepId,
    rep: &RepDef,
    pool: Option<&TerritoryId>,
) -> f64 {
    let mut caps = rep.caps.iter().filter(|cap| concerns(cap, pool)).peekable();
    if caps.peek().is_none() {
        return 0.0;
    }
    let (now, zone, load) = (draft.now(), zone(rep), draft.load(rep_id));
    let over = |start: Timestamp, end: Timestamp| {
        now.since(start).0 as f64 / end.since(start).0.max(1) as f64
    };
    let one = |cap: &Cap| {
        let over = match cap.window {
            CapWindow::Hour | CapWindow::Open => 0.5,
            CapWindow::Day => {
                over(calendar::day_start(&zone, now), calendar::next_day_start(&zone, now))
            }
            CapWindow::Week => {
                over(calendar::week_start(&zone, now), calendar::next_week_start(&zone, now))
            }
        };
        f64::from(used(draft, rep_id, rep, load, cap)) / f64::from(cap.limit.max(1)) - over
    };
    caps.map(one).fold(0.0, f64::max)
}

/// Notes that a rep was given a lead: the windows of the caps count it.
pub(super) fn given(draft: &mut Draft<'_>, rep_id: &RepId, pool: Option<&TerritoryId>) {
    let now = draft.now();
    let mut load = draft.load(rep_id).cloned().unwrap_or_default();
    load.assigned += 1;
    let rep = draft.rep(rep_id).and_then(|rep| rep.definition.as_ref());
    let zone = rep.map_or_else(calendar::Zone::utc, zone);
    load.day.add(calendar::day_start(&zone, now), pool);
    load.week.add(calendar::week_start(&zone, now), pool);
    load.hour.retain(|(at, _)| now < *at + HOUR);
    let by_hour = |cap: &Cap| cap.window == CapWindow::Hour;
    if rep.is_some_and(|rep| rep.caps.iter().any(by_hour)) {
        load.hour.push((now, pool.cloned()));
    } else {
        load.hour.clear();
    }
    draft.set_load(rep_id, load);
}

/// When the rep could next take a lead as far as time alone decides; None = only an event can tell.
pub(super) fn next_chance(
    draft: &Draft<'_>,
    rep_id: &RepId,
    pool: Option<&TerritoryId>,
) -> Option<Timestamp> {
    let entity = draft.rep(rep_id)?;
    let rep = entity.definition.as_ref()?;
    if !rep.active || rep.paused {
        return None;
    }
    let mut at = paused_until(entity, draft.now()).unwrap_or(draft.now());
    for cap in rep.caps.iter().filter(|cap| concerns(cap, pool)) {
        if used(draft, rep_id, rep, draft.load(rep_id), cap) >= cap.limit {
            at = at.max(frees_at(draft, rep_id, rep, cap)?);
        }
    }
    let absences = absences(rep, at);
    // An absence may end while the calendar is closed, and a calendar open into an absence.
    for _ in 0..64 {
        let before = at;
        at = absences.iter().find(|away| away.covers(at)).map_or(at, |away| away.to_at);
        if let Some(calendar) = calendar_of(&draft.policy, rep) {
            at = calendar.next_open(at)?;
        }
        if at == before {
            return (at > draft.now()).then_some(at);
        }
    }
    Some(at)
}

/// When a full cap has a free place by the passing of time.
fn frees_at(draft: &Draft<'_>, rep_id: &RepId, rep: &RepDef, cap: &Cap) -> Option<Timestamp> {
    if cap.limit == 0 {
        return None;
    }
    match cap.window {
        CapWindow::Open => None,
        CapWindow::Day => Some(calendar::next_day_start(&zone(rep), draft.now())),
        CapWindow::Week => Some(calendar::next_week_start(&zone(rep), draft.now())),
        CapWindow::Hour => {
            let hour = &draft.load(rep_id)?.hour;
            let of_pool: Vec<Timestamp> = hour
                .iter()
                .filter(|(_, pool)| cap.pool.is_none() || *pool == cap.pool)
                .map(|(at, _)| *at)
                .collect();
            // With `limit` places, the one that frees first is the limit-th from the end.
            let at = of_pool.len().checked_sub(cap.limit as usize)?;
            of_pool.get(at).map(|given| *given + HOUR)
        }
    }
}
