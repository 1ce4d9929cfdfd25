//! Collects records by lead, keeping of each only what a check looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Findings, Invariant, Item, Lost, Options, Place, Record, Report};
use super::{leads, offsets, sla};
use crate::domain::entity::{Entity, LeadEntity};
use crate::domain::ids::{DomainId, LeadId, RepId};
use crate::domain::input::{ActivityKind, Input, LeadUpdated, Topic, UpdateKind};
use crate::domain::published::{LeadAssigned, SlaBreached};
use crate::domain::time::Timestamp;

pub(super) type LeadKey = (DomainId, LeadId);

/// What is known of one lead.
#[derive(Default)]
pub(super) struct LeadFile {
    /// Its `lead-created` records.
    pub(super) created: Vec<Arrival>,
    pub(super) assigned: Vec<(Place, Box<LeadAssigned>)>,
    pub(super) breached: Vec<(Place, Box<SlaBreached>)>,
    pub(super) ends: Vec<End>,
    pub(super) image: Option<(Place, Arc<LeadEntity>)>,
}

/// A record of a topic in.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) place: Place,
    pub(super) topic: Topic,
    pub(super) timestamp: Timestamp,
}

/// Something that may end a ladder.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) at: Arrival,
    pub(super) kind: EndKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndKind {
    /// Touched, accepted or declined, by this rep (None = the owner), then.
    Answer { rep: Option<RepId>, occurred_at: Timestamp },
    /// A hold moves the deadlines that follow.
    Hold,
    /// Converted, deleted, merged, closed, given away, locked: the lead itself may have ended.
    Update,
}

/// The checker: `record` everything, then `finish`.
pub struct Checker {
    pub(super) options: Options,
    pub(super) leads: BTreeMap<LeadKey, LeadFile>,
    /// `domain_seq` of each decision, with its place.
    pub(super) sequence: BTreeMap<DomainId, Vec<(u64, Place)>>,
    pub(super) unreadable: Vec<Arrival>,
    garbled: Vec<(Invariant, Place)>,
    pub(super) dead: BTreeSet<(Topic, i32, i64)>,
    lost: Lost,
    /// The newest image of each shard: where, and its next offsets.
    pub(super) shards: BTreeMap<i32, (Place, [i64; 9])>,
    pub(super) committed: BTreeMap<i32, [Option<i64>; 9]>,
    /// What may have had the deadlines of a domain, or of one rep, computed anew.
    pub(super) recomputed: BTreeMap<(DomainId, Option<RepId>), Vec<Arrival>>,
    /// When the records that may have caused a further decision were published.
    pub(super) published: BTreeMap<(Topic, i32, i64), Timestamp>,
    /// How far time has come in a domain.
    pub(super) horizon: BTreeMap<DomainId, Timestamp>,
}

impl Checker {
    pub fn new(options: Options) -> Checker {
        Checker {
            options,
            leads: BTreeMap::new(),
            sequence: BTreeMap::new(),
            unreadable: Vec::new(),
            garbled: Vec::new(),
            dead: BTreeSet::new(),
            lost: Lost::default(),
            shards: BTreeMap::new(),
            committed: BTreeMap::new(),
            recomputed: BTreeMap::new(),
            published: BTreeMap::new(),
            horizon: BTreeMap::new(),
        }
    }

    /// What the group has committed for a shard.
    pub fn committed(&mut self, shard: i32, next: [Option<i64>; 9]) {
        self.committed.insert(shard, next);
    }

    /// The dead letters that are gone.
    pub fn lost(&mut self, lost: Lost) {
        self.lost = lost;
    }

    pub fn record(&mut self, record: Record) {
        let Record { place, item } = record;
        match item {
            Item::Input { topic, domain, timestamp, input } => {
                self.input(Arrival { place, topic, timestamp }, domain, *input);
            }
            Item::Unreadable { topic, timestamp } => {
                self.unreadable.push(Arrival { place, topic, timestamp });
            }
            Item::Assigned(assigned) => {
                self.reach(&assigned.domain, assigned.decided_at);
                let seq = (assigned.domain_seq, place.clone());
                self.sequence.entry(assigned.domain.clone()).or_default().push(seq);
                let key = (assigned.domain.clone(), assigned.lead_id.clone());
                self.file(key).assigned.push((place, assigned));
            }
            Item::Breached(breach) => {
                self.reach(&breach.domain, breach.fired_at);
                let key = (breach.domain.clone(), breach.lead_id.clone());
                self.file(key).breached.push((place, breach));
            }
            Item::DeadLetter { topic, partition, offset } => {
                self.dead.insert((topic, partition, offset));
            }
            Item::Image { key, entity } => {
                if key.kind != crate::domain::entity::Kind::Lead {
                    return;
                }
                let lead = (key.domain, LeadId::new(&key.id));
                self.file(lead).image = match entity.map(|entity| *entity) {
                    Some(Entity::Lead(lead)) => Some((place, lead)),
                    _ => None,
                };
            }
            Item::Foreign => {}
            Item::Garbled { image } => {
                let invariant = if image { Invariant::I3 } else { Invariant::I2 };
                self.garbled.push((invariant, place));
            }
            Item::Shard { shard, next } => {
                self.shards.insert(shard, (place, next));
            }
        }
    }

    fn file(&mut self, key: LeadKey) -> &mut LeadFile {
        self.leads.entry(key).or_default()
    }

    fn reach(&mut self, domain: &DomainId, at: Timestamp) {
        let horizon = self.horizon.entry(domain.clone()).or_default();
        *horizon = at.max(*horizon);
    }

    fn input(&mut self, at: Arrival, domain: DomainId, input: Input) {
        let timestamp = at.timestamp;
        let place = (at.topic, at.place.partition, at.place.offset);
        self.published.insert(place, timestamp);
        match input {
            Input::LeadCreated(created) => {
                self.file((domain, created.lead_id)).created.push(at);
            }
            Input::LeadUpdated(update) => {
                let kind = if ends(&update) { Some(EndKind::Update) } else { None };
                let file = self.file((domain, update.lead_id));
                file.ends.extend(kind.map(|kind| End { at, kind }));
            }
            Input::LeadActivity(activity) => {
                let kind = match activity.kind {
                    ActivityKind::OnHold | ActivityKind::Resumed => EndKind::Hold,
                    _ => {
                        EndKind::Answer { rep: activity.rep_id, occurred_at: activity.occurred_at }
                    }
                };
                self.file((domain, activity.lead_id)).ends.push(End { at, kind });
            }
            Input::PolicyChanged(_) => {
                self.recomputed.entry((domain, None)).or_default().push(at);
            }
            Input::RepChanged(change) => {
                let key = (domain, Some(change.rep_id));
                self.recomputed.entry(key).or_default().push(at);
            }
            Input::OpportunityClosed(_)
            | Input::TerritoryChanged(_)
            | Input::AccountChanged(_)
            | Input::Timer { .. } => {}
        }
    }

    /// Whether a record was taken in: it is below the committed offset.
    pub(super) fn is_taken(&self, at: &Arrival) -> bool {
        let index = at.topic.index();
        let shard = at.place.partition;
        let next = match self.committed.get(&shard) {
            Some(next) => next[index],
            None => self.shards.get(&shard).map(|(_, next)| next[index]),
        };
        next.is_some_and(|next| at.place.offset < next)
    }

    /// A record that was taken in has no outcome that is still there.
    pub(super) fn without_outcome(&self, at: &Arrival, text: String, findings: &mut Findings) {
        if self.lost.may_hold(at.timestamp) {
            findings.unchecked(Invariant::I1);
        } else {
            findings.broken(Invariant::I1, &at.place, text);
        }
    }

    /// All checks.
    pub fn finish(mut self) -> Report {
        let mut findings = Findings::of(&Invariant::ROUTER);
        for file in self.leads.values_mut() {
            let order = |a: &LeadAssigned| (a.lead_created_at, a.assignment_no);
            file.assigned.sort_by_key(|(place, assigned)| (order(assigned), place.offset));
        }
        for (invariant, place) in &self.garbled {
            findings.broken(*invariant, place, "the record cannot be read".to_owned());
        }
        leads::check(&self, &mut findings);
        sla::check(&self, &mut findings);
        offsets::check(&self, &mut findings);
        findings.report()
    }
}

/// Whether an update may stop a ladder, or end the lead.
fn ends(update: &LeadUpdated) -> bool {
    match update.kind {
        UpdateKind::Fields => update.changes.as_ref().is_some_and(|changes| {
            changes.status.is_some()
                || changes.do_not_route.is_some()
                || changes.locked_until_at.is_some()
        }),
        UpdateKind::Unlocked | UpdateKind::Undeleted => false,
        _ => true,
    }
}
