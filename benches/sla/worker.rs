//! The worker on a thread of its own, and what is seen of its commits.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lead_router::domain::entity::{Entity, LeadEntity};
use lead_router::domain::fact::Fact;
use lead_router::domain::state::Change;
use lead_router::embedded::EmbeddedLog;
use lead_router::engine::report::{BatchReport, Observer, ShardEvent};
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::{Settings, Worker};
use lead_router::runtime::clock::WallClock;

use crate::company::Company;
use crate::measure::{Lateness, Waits, thread_time};

/// What the commits have said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) assigned: u64,
    pub(crate) fired: u64,
    pub(crate) twice: u64,
    pub(crate) lateness: Lateness,
    /// Deadlines that moved without a new assignment, and from the first to the last commit of such.
    pub(crate) moved: u64,
    pub(crate) moving: Duration,
    /// Of the batches that moved some: processor time of the worker from one commit to the next, in all and of
    /// the longest; and of deciding alone, on the wall, the longest.
    pub(crate) busy: Duration,
    pub(crate) longest: Duration,
    pub(crate) deciding: Duration,
}

#[derive(Default)]
struct Notes {
    seen: Seen,
    steps: BTreeSet<(String, u32, u32)>,
    waits: Waits,
    moving_since: Option<Instant>,
}

struct Watch {
    notes: Arc<Mutex<Notes>>,
    sent: Arc<Mutex<Vec<Option<Instant>>>>,
    /// Of the worker, when the last batch had been looked at.
    thread_time: Duration,
}

impl Observer for Watch {
    fn batch(&mut self, report: BatchReport) {
        let now = Instant::now();
        let busy = thread_time() - std::mem::take(&mut self.thread_time);
        let mut notes = self.notes.lock().expect("no panic");
        let mut sent = self.sent.lock().expect("no panic");
        for fact in &report.facts {
            match fact {
                Fact::Assigned(assigned) => {
                    notes.seen.assigned += 1;
                    let number: usize = assigned.lead_id.as_str().parse().expect("a number");
                    if let Some(since) = sent.get_mut(number).and_then(Option::take) {
                        notes.waits.add(now - since);
                    }
                }
                Fact::Breached(breach) => {
                    let step = (breach.lead_id.to_string(), breach.assignment_no, breach.step);
                    notes.seen.fired += 1;
                    notes.seen.twice += u64::from(!notes.steps.insert(step));
                    notes.seen.lateness.add(breach.late_by_ms);
                }
                _ => {}
            }
        }
        let changes = report.changes.iter().flat_map(|(_, changes)| changes);
        let moved = changes.filter(|change| is_moved(change)).count() as u64;
        if moved > 0 {
            let since = *notes.moving_since.get_or_insert(now - report.transaction_took);
            notes.seen.moved += moved;
            notes.seen.moving = now - since;
            notes.seen.busy += busy;
            notes.seen.longest = notes.seen.longest.max(busy);
            notes.seen.deciding = notes.seen.deciding.max(report.decided_in);
        }
        self.thread_time = thread_time();
    }

    fn shard(&mut self, _: ShardEvent) {}
}

/// The same assignment, another deadline.
fn is_moved(change: &Change) -> bool {
    let lead = |entity: &Option<Entity>| match entity {
        Some(Entity::Lead(lead)) => Some(first_due(lead)),
        _ => None,
    };
    let (before, after) = (lead(&change.before), lead(&change.after));
    before.is_some_and(|before| {
        after.is_some_and(|after| before.0 == after.0 && before.1.is_some() && before.1 != after.1)
    })
}

fn first_due(lead: &LeadEntity) -> (u32, Option<i64>) {
    let step = lead.ladder.as_ref().and_then(|ladder| ladder.steps.first());
    (lead.assignment_no, step.map(|step| step.due_at.0))
}

pub(crate) struct Running {
    notes: Arc<Mutex<Notes>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(company: &Company) -> Running {
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let watch = Watch {
            notes: Arc::clone(&notes),
            sent: Arc::clone(&company.sent),
            thread_time: Duration::ZERO,
        };
        let (cluster, ends) = (company.cluster.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let log = EmbeddedLog::new(&cluster, "worker");
            let settings = Settings { partitions: 1, ..Settings::default() };
            let mut worker = Worker::new(log, WallClock::new(), watch, Wire::default(), settings);
            while !ends.load(Ordering::Relaxed) {
                worker.turn().expect("the worker goes on");
            }
        });
        Running { notes, stop, thread }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.notes.lock().expect("no panic").seen.clone()
    }

    pub(crate) fn until(&self, done: impl Fn(&Seen) -> bool, what: &str) {
        let since = Instant::now();
        while !done(&self.seen()) {
            assert!(since.elapsed() < Duration::from_secs(600), "waited too long until {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// New leads for some time: what each waited for its decision.
    pub(crate) fn watch(&self, company: &Company, rate: u64, time: Duration) -> Waits {
        let since = Instant::now();
        self.watch_until(company, rate, |_| since.elapsed() >= time)
    }

    /// New leads until something is so, and for a second at least.
    pub(crate) fn watch_until(
        &self,
        company: &Company,
        rate: u64,
        done: impl Fn(&Seen) -> bool,
    ) -> Waits {
        self.notes.lock().expect("no panic").waits = Waits::default();
        let since = Instant::now();
        let mut sent = 0;
        while !done(&self.seen()) || since.elapsed() < Duration::from_secs(1) {
            if since.elapsed() > Duration::from_secs(60) {
                company.is_understood();
                panic!("it does not come to an end: {:?}", self.seen());
            }
            let wanted = (since.elapsed().as_secs_f64() * rate as f64) as u64;
            while sent < wanted {
                company.lead("watch", true);
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let waits = || self.notes.lock().expect("no panic").waits.clone();
        while waits().count() < sent {
            assert!(since.elapsed() < Duration::from_secs(240), "leads are not decided");
            std::thread::sleep(Duration::from_millis(5));
        }
        waits()
    }

    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the worker ends in good order");
        self.notes.lock().expect("no panic").seen.clone()
    }
}
