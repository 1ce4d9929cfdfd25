//! A real run of the core passes; the same run with one record bent does not, and the right promise
//! is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::domain::fact::Fact;
use crate::domain::ids::{EventId, LeadId, RepId, TerritoryId};
use crate::domain::input::{
    ActivityKind, EffectiveChange, Envelope, LeadActivity, LeadCreated, Origin, RepChange, RepDef,
    TerritoryChange,
};
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::SlaAction;
use crate::domain::state::State;
use crate::domain::territory::{Member, TerritoryDef};
use crate::domain::timer::TimerKey;

const START: Timestamp = Timestamp(1_767_225_600_000);

/// The core in lockstep, and every record that a log would hold.
struct Run {
    state: State,
    timers: BTreeMap<(Timestamp, TimerKey), ()>,
    now: Timestamp,
    next: [i64; 9],
    records: Vec<Record>,
    lost: Lost,
    events: u32,
}

fn domain() -> DomainId {
    DomainId::new("acme")
}

impl Run {
    /// Two reps, one territory that takes everything.
    fn new() -> Run {
        let mut run = Run {
            state: State::default(),
            timers: BTreeMap::new(),
            now: START,
            next: [-1; 9],
            records: Vec::new(),
            lost: Lost::default(),
            events: 0,
        };
        for rep in ["ann", "bob"] {
            run.rep(rep);
        }
        let members = ["ann", "bob"]
            .map(|rep| Member { rep_id: RepId::new(rep), weight: 1, role: None })
            .to_vec();
        let definition = TerritoryDef {
            name: "all".to_owned(),
            parent_id: None,
            priority: 100,
            rules: Vec::new(),
            named_accounts: Vec::new(),
            members,
            valid_to_at: None,
        };
        let event_id = run.event();
        run.input(
            Topic::TerritoryChanged,
            Input::TerritoryChanged(Box::new(TerritoryChange {
                event_id,
                territory_id: TerritoryId::new("t"),
                definition: Some(definition.into()),
                valid_from_at: None,
                effective_change: EffectiveChange::NewOnly,
                reason: None,
            })),
        );
        run
    }

    fn event(&mut self) -> EventId {
        self.events += 1;
        EventId::new(&format!("e{}", self.events))
    }

    fn rep(&mut self, rep: &str) {
        let definition = RepDef {
            name: None,
            active: true,
            paused: false,
            weight: 1,
            manager_id: None,
            hired_at: None,
            skills: Vec::new(),
            languages: Vec::new(),
            calendar_id: None,
            time_zone: "UTC".to_owned(),
            away: Vec::new(),
            caps: Vec::new(),
            cover_id: None,
        };
        let (event_id, rep_id) = (self.event(), RepId::new(rep));
        let change = RepChange { event_id, rep_id, definition: Some(definition) };
        self.input(Topic::RepChanged, Input::RepChanged(Box::new(change)));
    }

    fn lead(&mut self, id: &str) {
        let fields = LeadFields { created_at: self.now, ..LeadFields::default() };
        let (event_id, lead_id) = (self.event(), LeadId::new(id));
        let fields = fields.into();
        let created = LeadCreated { event_id, lead_id, fields, fast: false };
        self.input(Topic::LeadCreated, Input::LeadCreated(Box::new(created)));
    }

    fn activity(&mut self, id: &str, kind: ActivityKind) {
        let activity = LeadActivity {
            event_id: self.event(),
            lead_id: LeadId::new(id),
            rep_id: None,
            kind,
            occurred_at: self.now,
        };
        self.input(Topic::LeadActivity, Input::LeadActivity(activity));
    }

    fn input(&mut self, topic: Topic, input: Input) {
        let offset = self.next[topic.index()].max(0);
        self.next[topic.index()] = offset + 1;
        let item = Item::Input {
            topic,
            domain: domain(),
            timestamp: self.now,
            input: Box::new(input.clone()),
        };
        let place = Place { topic: topic.name().to_owned(), partition: 0, offset };
        self.records.push(Record { place, item });
        self.step(input, Origin { topic: Some(topic), partition: 0, offset });
    }

    /// Time moves through the deadlines.
    fn wait(&mut self, secs: i64) {
        let until = self.now + Span::from_secs(secs);
        while let Some(((due_at, key), ())) = self.timers.pop_first() {
            if due_at > until {
                self.timers.insert((due_at, key), ());
                break;
            }
            self.now = due_at.max(self.now);
            let origin = Origin { topic: None, partition: 0, offset: -1 };
            self.step(Input::Timer { key, due_at }, origin);
        }
        self.now = until;
    }

    fn step(&mut self, input: Input, origin: Origin) {
        let envelope =
            Envelope { domain: domain(), now: self.now, origin, positions: self.next, input };
        for fact in self.state.step(&envelope) {
            match fact {
                Fact::Assigned(assigned) => self.out("lead-assigned", Item::Assigned(assigned)),
                Fact::Breached(breach) => self.out("sla-breached", Item::Breached(breach)),
                Fact::Rejected(_) | Fact::Counted(_) | Fact::Set(..) => {}
            }
        }
        for step in self.state.take_timer_moves() {
            self.timers.retain(|(_, key), ()| *key != step.key);
            if let Some(due_at) = step.due_at {
                self.timers.insert((due_at, step.key), ());
            }
        }
        for change in self.state.commit() {
            let entity = change.after.map(Box::new);
            self.out("lead-router.state", Item::Image { key: change.key, entity });
        }
    }

    fn out(&mut self, topic: &str, item: Item) {
        let offset = self.records.iter().filter(|record| record.place.topic == topic).count();
        let place = Place { topic: topic.to_owned(), partition: 0, offset: offset as i64 };
        self.records.push(Record { place, item });
    }

    fn check(mut self) -> Report {
        self.out("lead-router.state", Item::Shard { shard: 0, next: self.next });
        let mut checker = Checker::new(Options::default());
        checker.lost(self.lost);
        for record in self.records {
            checker.record(record);
        }
        checker.committed(0, self.next.map(|next| Some(next.max(0))));
        checker.finish()
    }

    /// Takes out the records that `which` picks.
    fn lose(&mut self, mut which: impl FnMut(&Item) -> bool) {
        let before = self.records.len();
        self.records.retain(|record| !which(&record.item));
        assert!(self.records.len() < before, "nothing was lost");
    }

    fn bend(&mut self, mut how: impl FnMut(&mut Item) -> bool) {
        let bent = self.records.iter_mut().filter_map(|record| how(&mut record.item).then_some(()));
        assert!(bent.count() > 0, "nothing was bent");
    }
}

/// L1 is answered at once, L2 never (its ladder is climbed, all hops), L3 is new.
fn good() -> Run {
    let mut run = Run::new();
    run.lead("L1");
    run.wait(60);
    run.activity("L1", ActivityKind::Call);
    run.lead("L2");
    run.wait(3_600);
    run.lead("L3");
    run
}

fn broken(report: &Report) -> Vec<Invariant> {
    let bad = report.verdicts.iter().filter(|verdict| verdict.violations > 0);
    bad.map(|verdict| verdict.invariant).collect()
}

#[test]
fn a_real_run_passes_and_everything_was_looked_at() {
    let report = good().check();
    assert!(report.passed(), "{:?}", report.violations);
    for verdict in &report.verdicts {
        assert!(verdict.checked > 0, "{verdict:?}");
    }
}

#[test]
fn a_lead_without_a_decision_is_named() {
    let mut run = good();
    run.lose(|item| matches!(item, Item::Assigned(a) if a.lead_id.as_str() == "L3"));
    run.lose(|item| matches!(item, Item::Image { key, .. } if &*key.id == "L3"));
    let report = run.check();
    assert_eq!(broken(&report), [Invariant::I1]);
    assert!(report.violations[0].to_string().starts_with("I1 lead-created/0@2: lead L3"));
}

#[test]
fn a_dead_letter_answers_for_its_record() {
    let mut run = good();
    run.lose(|item| matches!(item, Item::Assigned(a) if a.lead_id.as_str() == "L3"));
    run.lose(|item| matches!(item, Item::Image { key, .. } if &*key.id == "L3"));
    let dead = Item::DeadLetter { topic: Topic::LeadCreated, partition: 0, offset: 2 };
    run.out("lead-router.dead-letter", dead);
    assert!(run.check().passed());

    let mut run = good();
    let place = Place { topic: "rep-changed".to_owned(), partition: 0, offset: 1 };
    let item = Item::Unreadable { topic: Topic::RepChanged, timestamp: START };
    run.records.push(Record { place, item });
    assert_eq!(broken(&run.check()), [Invariant::I1]);
}

/// How I1 fares with a bad record of `START` after its letter was lost to a purge.
fn purged(oldest: Option<Timestamp>) -> Verdict {
    let mut run = good();
    let place = Place { topic: "rep-changed".to_owned(), partition: 0, offset: 1 };
    let item = Item::Unreadable { topic: Topic::RepChanged, timestamp: START };
    run.records.push(Record { place, item });
    run.lost.before(oldest);
    run.check().verdicts.remove(0)
}

#[test]
fn a_letter_that_may_be_gone_is_not_missed() {
    let told = |oldest| (purged(oldest).violations, purged(oldest).unchecked);
    assert_eq!(told(None), (0, 1), "nothing is left");
    assert_eq!(told(Some(START)), (0, 1));
    assert_eq!(told(Some(START - Span::from_millis(1))), (1, 0), "newer than what is left");
}

#[test]
fn offsets_without_a_state_are_told_of_the_topic_as_it_is_called() {
    let options = Options { state: "eu.state".to_owned(), ..Options::default() };
    let mut checker = Checker::new(options);
    checker.committed(3, [Some(1); 9]);
    let told = checker.finish().violations.remove(0).to_string();
    assert!(told.starts_with("I8 eu.state/3@0: "), "{told}");
}

#[test]
fn a_decision_that_is_there_twice_or_missing_is_found() {
    let mut run = good();
    let copy = run.records.iter().find(|record| matches!(record.item, Item::Assigned(_)));
    let item = copy.unwrap().item.clone();
    run.out("lead-assigned", item);
    assert_eq!(broken(&run.check()), [Invariant::I2]);

    let mut run = good();
    run.lose(|item| matches!(item, Item::Assigned(a) if a.assignment_no == 2));
    assert!(broken(&run.check()).contains(&Invariant::I2));
}

#[test]
fn a_state_that_says_another_rep_is_found() {
    let mut run = good();
    run.bend(|item| match item {
        Item::Image { entity: Some(entity), .. } => match entity.as_mut() {
            Entity::Lead(lead) if lead.fields.created_at > START + Span::from_secs(3_000) => {
                let placement = Arc::make_mut(lead).placement.as_mut().unwrap();
                placement.rep_id = Some(RepId::new("somebody"));
                true
            }
            _ => false,
        },
        _ => false,
    });
    assert_eq!(broken(&run.check()), [Invariant::I3]);
}

#[test]
fn a_step_that_never_fired_or_fired_twice_or_early_is_found() {
    let mut run = good();
    run.lose(|item| matches!(item, Item::Breached(b) if b.assignment_no == 1 && b.step == 1));
    assert_eq!(broken(&run.check()), [Invariant::I6]);

    let mut run = good();
    let found = run.records.iter().find(|record| matches!(record.item, Item::Breached(_)));
    let item = found.unwrap().item.clone();
    run.out("sla-breached", item);
    assert_eq!(broken(&run.check()), [Invariant::I6]);

    let mut run = good();
    run.bend(|item| match item {
        Item::Breached(breach) if breach.action == SlaAction::Escalate => {
            breach.fired_at = breach.due_at - Span::from_secs(60);
            true
        }
        _ => false,
    });
    assert_eq!(broken(&run.check()), [Invariant::I6]);
}

#[test]
fn a_step_that_fired_after_the_answer_is_found() {
    let mut run = good();
    let answered = run.records.iter().find_map(|record| match &record.item {
        Item::Assigned(a) if a.lead_id.as_str() == "L1" => Some(a.clone()),
        _ => None,
    });
    let answered = answered.unwrap();
    run.bend(|item| match item {
        Item::Breached(b) if b.assignment_no == 1 && b.step == 1 => {
            b.lead_id = answered.lead_id.clone();
            b.rep_id = answered.rep_id.clone().unwrap();
            b.due_at = answered.sla[0].due_at;
            b.fired_at = b.due_at;
            true
        }
        _ => false,
    });
    let report = run.check();
    assert!(report.violations.iter().any(|found| found.text.contains("had answered")));
}

#[test]
fn offsets_that_disagree_with_the_state_are_found() {
    let mut run = good();
    run.next[Topic::LeadCreated.index()] -= 1;
    run.bend(|item| matches!(item, Item::Assigned(_)));
    let mut next = run.next;
    next[Topic::LeadCreated.index()] += 1;
    run.out("lead-router.state", Item::Shard { shard: 0, next });
    let mut checker = Checker::new(Options::default());
    for record in run.records {
        checker.record(record);
    }
    checker.committed(0, run.next.map(|next| Some(next.max(0))));
    let report = checker.finish();
    assert_eq!(broken(&report), [Invariant::I8]);
    assert!(report.violations.iter().any(|found| found.text.contains("lead L3 was decided")));
}
