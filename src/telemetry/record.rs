//! From what the engine reports to metrics and log lines: once a batch, on the worker's thread, so
//! all sums are made in plain arrays first and added once.

mod leads;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::labels;
use super::lag::Lag;
use super::metrics::Metric;
use super::registry::Metrics;
use crate::domain::entity::{Entity, EntityKey, Kind, Phase};
use crate::domain::fact::{Counter, DealTaken, Fact};
use crate::domain::input::{DealOutcome, Topic};
use crate::domain::published::{LeadAssigned, Outcome};
use crate::domain::sla_state::SlaState;
use crate::domain::state::Change;
use crate::domain::time::Span;
use crate::engine::report::{BatchReport, Ending, LostRecords, Observer, ShardEvent};

/// Priority classes are the policy's own words, so only the first few become label values.
const CLASSES_MAX: usize = 8;
/// A timer that fires later than this is said in the log, once a batch.
const LATE: Span = Span::from_secs(2);

/// Writes what one worker does into the metrics of the process.
pub struct Recorder {
    metrics: Arc<Metrics>,
    classes: Vec<String>,
    /// What is in memory, by shard: entities by kind, then leads by phase.
    held: BTreeMap<i32, Held>,
    /// Shards that take nothing any more.
    stopped: BTreeSet<i32>,
    /// Of shards that were taken away: good again if their memory is.
    parked: BTreeMap<i32, Held>,
    lag: Arc<Lag>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    /// Leads that wait, by the time since when (milliseconds).
    waiting: BTreeMap<i64, i64>,
    /// Leads that were touched by a rep and then given to another, as far as this process has seen it.
    answered: BTreeSet<EntityKey>,
    kinds: [i64; Kind::ALL.len()],
    phases: [i64; 4],
    /// Open ladders by class, then by state.
    ladders: BTreeMap<String, [i64; SlaState::ALL.len()]>,
}

impl Recorder {
    /// `lag` is told which shards are ours.
    pub fn new(metrics: Arc<Metrics>, lag: Arc<Lag>) -> Recorder {
        Recorder {
            metrics,
            lag,
            classes: vec!["standard".to_owned()],
            held: BTreeMap::new(),
            stopped: BTreeSet::new(),
            parked: BTreeMap::new(),
        }
    }

    fn class(&mut self, class: &str) -> String {
        if let Some(known) = self.classes.iter().find(|known| *known == class) {
            return known.clone();
        }
        if self.classes.len() <= CLASSES_MAX {
            self.classes.push(class.to_owned());
            return class.to_owned();
        }
        "other".to_owned()
    }

    /// The label value of a class that was met before.
    fn known_class(&self, class: &str) -> String {
        let is_known = self.classes.iter().any(|known| known == class);
        if is_known { class.to_owned() } else { "other".to_owned() }
    }

    fn facts(&mut self, report: &BatchReport) {
        let mut leads: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut dead = 0;
        for fact in &report.facts {
            match fact {
                Fact::Assigned(assigned) => {
                    self.assigned(assigned);
                    if from_intake(assigned) {
                        *leads.entry(labels::outcome(assigned.outcome)).or_default() += 1;
                    }
                }
                Fact::Breached(breach) => {
                    let class = self.class(&breach.priority_class);
                    let action = labels::sla_action(breach.action);
                    self.metrics.add(Metric::SlaBreaches, &[action, &class], 1);
                }
                Fact::Rejected(rejection) => {
                    let reason = labels::dead_letter(rejection.reason);
                    self.metrics.add(Metric::DeadLetters, &[reason], 1);
                }
                Fact::Counted(Counter::Deal(taken)) => self.deal(taken),
                Fact::Counted(counter) => self.metrics.add(Metric::Effects, &[counter.name()], 1),
                Fact::Set(..) => {}
            }
        }
        for (topic, reason) in &report.poison {
            self.metrics.add(Metric::DeadLetters, &[labels::dead_letter(reason)], 1);
            dead += u64::from(is_intake(*topic));
        }
        let taken: u64 = Topic::ALL
            .into_iter()
            .filter(|topic| is_intake(*topic))
            .map(|topic| report.consumed[topic.index()])
            .sum();
        let decided: u64 = leads.values().sum();
        for (outcome, n) in leads {
            self.metrics.add(Metric::Leads, &[outcome], n);
        }
        self.metrics.add(Metric::Leads, &["dead_letter"], dead);
        self.metrics.add(Metric::Leads, &["unchanged"], taken.saturating_sub(decided + dead));
    }

    fn assigned(&mut self, assigned: &LeadAssigned) {
        let outcome = labels::outcome(assigned.outcome);
        self.metrics.add(Metric::Decisions, &[outcome, labels::cause(assigned.cause)], 1);
        let reason = assigned.reason.name();
        if assigned.outcome != Outcome::Assigned {
            self.metrics.add(Metric::Unrouted, &[reason], 1);
            return;
        }
        self.metrics.add(Metric::Assignments, &[labels::method(assigned.method), reason], 1);
    }

    fn deal(&self, taken: &DealTaken) {
        let outcome = deal(taken.outcome);
        self.metrics.add(Metric::Deals, &[outcome, taken.arm.name()], 1);
        if let Some(stated) = taken.stated {
            self.metrics.observe(Metric::StatedChance, &[outcome], stated);
        }
    }

    fn changed(&mut self, shard: i32, changes: &[Change]) {
        for change in changes {
            for entity in [&change.before, &change.after].into_iter().flatten() {
                if let Some((class, _)) = ladder(entity) {
                    let class = class.to_owned();
                    self.class(&class);
                }
            }
            let held = self.held.entry(shard).or_default();
            held.add(change.before.as_ref(), -1);
            held.add(change.after.as_ref(), 1);
            if change.key.kind == Kind::Lead {
                self.lead(shard, change);
            }
        }
    }

    fn timers(&mut self, report: &BatchReport) {
        self.metrics.add(Metric::TimersArmed, &[], report.armed);
        self.metrics.add(Metric::TimersCancelled, &[], report.cancelled);
        let Some(lateness) = self.metrics.histogram(Metric::TimerLateness, &[]) else { return };
        let mut latest = Span::ZERO;
        for fired in &report.fired {
            self.metrics.add(Metric::TimersFired, &[labels::timer(fired.kind)], 1);
            lateness.observe(seconds(fired.late));
            latest = latest.max(fired.late);
        }
        if latest > LATE {
            tracing::warn!(late_ms = latest.0, fired = report.fired.len(), "timers fired late");
        }
    }

    /// The gauges of what is in memory, over all shards.
    fn show_held(&self) {
        let mut total = Held::default();
        let oldest = self.held.values().filter_map(|held| held.waiting.keys().next()).min();
        let oldest = oldest.map_or(0.0, |at| *at as f64 / 1_000.0);
        self.metrics.set(Metric::OldestWaiting, &[], oldest);
        for held in self.held.values() {
            for (sum, n) in total.kinds.iter_mut().zip(held.kinds) {
                *sum += n;
            }
            for (sum, n) in total.phases.iter_mut().zip(held.phases) {
                *sum += n;
            }
            for (class, states) in &held.ladders {
                let class = self.known_class(class);
                let sums = total.ladders.entry(class).or_default();
                for (sum, n) in sums.iter_mut().zip(states) {
                    *sum += n;
                }
            }
        }
        for (kind, n) in Kind::ALL.into_iter().zip(total.kinds) {
            self.metrics.set(Metric::StateEntries, &[kind.name()], n as f64);
        }
        for (phase, n) in labels::PHASE.known().into_iter().zip(total.phases) {
            self.metrics.set(Metric::OpenLeads, &[phase], n as f64);
        }
        // A class whose shards are gone has none.
        for class in &self.classes {
            total.ladders.entry(class.clone()).or_default();
        }
        for (class, states) in total.ladders {
            for (state, n) in SlaState::ALL.into_iter().zip(states) {
                self.metrics.set(Metric::SlaLadders, &[state.name(), &class], n as f64);
            }
        }
    }

    fn served(&self) {
        self.metrics.set(Metric::Shards, &[], self.held.len() as f64);
        self.metrics.set(Metric::ShardsStopped, &[], self.stopped.len() as f64);
        self.show_held();
    }
}

impl Observer for Recorder {
    fn batch(&mut self, report: BatchReport) {
        self.record(&report);
    }

    fn shard(&mut self, event: ShardEvent) {
        match event {
            ShardEvent::Assigned(shard) => {
                self.metrics.add(Metric::Rebalances, &["assigned"], 1);
                self.held.insert(shard, Held::default());
                self.lag.assigned(shard);
                tracing::info!(shard, "shard assigned");
            }
            ShardEvent::Revoked(shard) => {
                self.metrics.add(Metric::Rebalances, &["revoked"], 1);
                self.stopped.remove(&shard);
                self.lag.revoked(shard);
                if let Some(held) = self.held.remove(&shard) {
                    self.parked.insert(shard, held);
                }
                tracing::info!(shard, "shard revoked");
            }
            ShardEvent::Reused(shard) => {
                self.metrics.add(Metric::Rebalances, &["reused"], 1);
                if let Some(held) = self.parked.remove(&shard) {
                    self.held.insert(shard, held);
                }
                tracing::info!(shard, "shard came back with its memory still good");
            }
            ShardEvent::Restored { shard, images, took, digest } => {
                self.metrics.observe(Metric::RestoreTime, &[], took.as_secs_f64());
                let digest = format!("{digest:032x}");
                let took_ms = took.as_millis() as u64;
                tracing::info!(shard, images, took_ms, digest, "shard restored");
            }
            ShardEvent::Lost(LostRecords { topic, shard, from, to }) => {
                tracing::error!(shard, topic, from, to, "records are lost; going on without them");
            }
            ShardEvent::Stopped { shard, topic, why } => {
                self.stopped.insert(shard);
                let topic = topic.name();
                tracing::error!(
                    shard,
                    topic,
                    why,
                    "partition stopped: its producer is broken; see LeadRouterPartitionStopped"
                );
            }
        }
        self.served();
    }

    fn loaded(&mut self, shard: i32, _key: &EntityKey, entity: &Entity) {
        if let Some((class, _)) = ladder(entity) {
            let class = class.to_owned();
            self.class(&class);
        }
        self.held.entry(shard).or_default().add(Some(entity), 1);
    }
}

impl Recorder {
    /// The same as `batch`, for an observer that hands the report on.
    pub fn record(&mut self, report: &BatchReport) {
        let result = match report.ending {
            Ending::Committed => "committed",
            Ending::Aborted => "aborted",
            Ending::UnknownCommitted => "unknown_committed",
            Ending::UnknownAborted => "unknown_aborted",
        };
        self.metrics.add(Metric::Transactions, &[result], 1);
        let took = report.transaction_took.as_secs_f64();
        self.metrics.observe(Metric::TransactionTime, &[], took);
        if report.recreated {
            self.metrics.add(Metric::ProducerRecreated, &[], 1);
            tracing::warn!(result, "producer made anew");
        }
        let records: u64 = report.consumed.iter().sum();
        for (topic, n) in Topic::ALL.into_iter().zip(report.consumed) {
            if n > 0 {
                self.metrics.add(Metric::RecordsConsumed, &[topic.name()], n);
            }
        }
        let inputs = records + report.fired.len() as u64;
        if matches!(report.ending, Ending::Committed | Ending::UnknownCommitted) {
            self.metrics.observe(Metric::BatchRecords, &[], records as f64);
            if inputs > 0 {
                let mean = report.decided_in.as_secs_f64() / inputs as f64;
                self.metrics.observe(Metric::DecisionTime, &[], mean);
            }
        }
        self.facts(report);
        self.missed(report);
        self.timers(report);
        for (shard, changes) in &report.changes {
            self.changed(*shard, changes);
        }
        self.show_held();
        tracing::debug!(result, records, fired = report.fired.len(), took, "batch");
    }
}

impl Held {
    fn add(&mut self, entity: Option<&Entity>, n: i64) {
        let Some(entity) = entity else { return };
        self.kinds[entity.kind() as usize] += n;
        if let Some((class, state)) = ladder(entity) {
            match self.ladders.get_mut(class) {
                Some(states) => states[state as usize] += n,
                None => {
                    let mut states = [0; SlaState::ALL.len()];
                    states[state as usize] = n;
                    self.ladders.insert(class.to_owned(), states);
                }
            }
        }
        if let Entity::Lead(lead) = entity {
            let phase = match lead.phase {
                Phase::Assigned => 0,
                Phase::Queued => 1,
                Phase::Parked => 2,
                Phase::Released => 3,
                Phase::New | Phase::Ended(_) => return,
            };
            self.phases[phase] += n;
            if lead.is_exception()
                && let Some(placement) = &lead.placement
            {
                let since = self.waiting.entry(placement.decided_at.0).or_default();
                *since += n;
                if *since == 0 {
                    self.waiting.remove(&placement.decided_at.0);
                }
            }
        }
    }
}

/// The class and the state of an open ladder.
fn ladder(entity: &Entity) -> Option<(&str, SlaState)> {
    let Entity::Lead(lead) = entity else { return None };
    Some((&lead.ladder.as_ref()?.class, lead.sla_state()?))
}

fn is_intake(topic: Topic) -> bool {
    matches!(topic, Topic::LeadCreated | Topic::LeadCreatedFast)
}

fn from_intake(assigned: &LeadAssigned) -> bool {
    assigned.caused_by.topic.is_some_and(is_intake)
}

fn deal(outcome: DealOutcome) -> &'static str {
    match outcome {
        DealOutcome::Won => "won",
        DealOutcome::Lost => "lost",
        DealOutcome::Reopened => "reopened",
    }
}

/// A clock that went back makes a span negative; a metric never is.
fn seconds(span: Span) -> f64 {
    (span.0.max(0) as f64) / 1_000.0
}
