//! Two workers and a log in one thread, and a seed that decides who moves, what time it is, and what
//! goes wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lead_router::codec::{Encoder, Format};
use lead_router::domain::time::{Span, Timestamp};
use lead_router::embedded::{Cluster, EmbeddedLog, Options};
use lead_router::engine::ports::{Clock, Failure};
use lead_router::engine::report::NoObserver;
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::{Planted, Settings, StartLeads, Worker};

use super::faulty::{Fault, Faulty};
use super::random::Random;
use super::workload::Workload;

/// 2026-01-05T09:00:00Z, a Monday.
pub(super) const START: i64 = 1_767_603_600_000;
pub(super) const WORKERS: usize = 2;
/// Each worker may have a twin: a second process with the same name, started by mistake.
const SLOTS: usize = 2 * WORKERS;
/// Rounds with faults.
const ROUGH: u64 = 160;
/// Rounds without, within which everything must have been done.
const CALM: u64 = 30;
/// Steps of half a minute in which ladders run on.
const LADDERS: u64 = 20;

#[derive(Clone)]
pub(super) struct SimClock(Arc<AtomicI64>);

impl Clock for SimClock {
    fn now(&mut self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

pub(super) type SimWorker = Worker<Faulty, SimClock, NoObserver>;

/// How often what goes wrong, in thousandths of all steps.
#[derive(Clone, Copy, Debug)]
struct Weather {
    crash: u64,
    lost: u64,
    abort: u64,
    sleep: u64,
    /// Fences, rebalances, members put out.
    group: u64,
}

const FAIR: Weather = Weather { crash: 0, lost: 0, abort: 0, sleep: 0, group: 0 };

/// Where things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Anywhere, as the seed has it.
    Weather,
    /// Nowhere.
    Fair,
    /// Once: at this occurrence of a label.
    At { label: &'static str, nth: u64, fault: Fault },
}

/// Records of a burst: they come faster than batches take them, until parts are paused.
const BURST: usize = 4_000;

pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) settings: Settings,
    now: Arc<AtomicI64>,
    random: RefCell<Random>,
    workload: RefCell<Workload>,
    workers: Vec<RefCell<Option<SimWorker>>>,
    weather: Cell<Weather>,
    asleep: Cell<bool>,
    /// The last steps, for the story of a seed that failed.
    story: RefCell<Vec<String>>,
    pub(super) crashes: Cell<u64>,
    plan: Plan,
    /// How often each label came.
    pub(super) came: RefCell<BTreeMap<&'static str, u64>>,
    /// The plan's fault has happened.
    pub(super) struck: Cell<bool>,
    /// Nothing goes wrong any more: the end, in which all must come to rest.
    over: Cell<bool>,
    /// The round in which very much comes at once.
    burst_at: Option<u64>,
}

impl World {
    pub(super) fn new(seed: u64, planted: Option<Planted>, plan: Plan) -> Rc<World> {
        let mut random = Random::new(seed);
        let now = Arc::new(AtomicI64::new(START));
        let clock = now.clone();
        let options = Options {
            partitions: 1 + random.below(3) as i32,
            waits: false,
            late_markers: random.chance(500),
            ..Options::default()
        };
        let cluster = Cluster::new(options, move || Timestamp(clock.load(Ordering::Relaxed)));
        let burst_at = (seed % 20 == 7).then(|| random.below(ROUGH));
        let settings = Settings {
            partitions: options.partitions,
            // A burst in small batches would take for ever.
            most_records: burst_at.map_or(1, |_| 100) + random.below(40) as usize,
            linger: Span::from_millis(random.below(8) as i64),
            start_leads: Some(StartLeads::Earliest),
            planted,
            ..Settings::default()
        };
        let weather = Weather {
            crash: random.below(6),
            lost: random.below(6),
            abort: random.below(12),
            sleep: random.below(4),
            group: random.below(4),
        };
        let weather = if plan == Plan::Weather { weather } else { FAIR };
        let world = World {
            cluster,
            settings,
            now,
            random: RefCell::new(random),
            workload: RefCell::default(),
            workers: (0..SLOTS).map(|_| RefCell::new(None)).collect(),
            weather: Cell::new(weather),
            asleep: Cell::new(false),
            story: RefCell::default(),
            crashes: Cell::new(0),
            plan,
            came: RefCell::default(),
            struck: Cell::new(false),
            over: Cell::new(false),
            burst_at,
        };
        Rc::new(world)
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    pub(super) fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if std::env::var_os("LEAD_ROUTER_SIM_STORY").is_some() {
            self.story.borrow_mut().push(format!("{} {}", self.now().0 - START, what()));
        }
    }

    pub(super) fn story(&self) -> String {
        self.story.borrow().join("\n")
    }

    /// What goes wrong at this step, if anything.
    pub(super) fn draw(&self, slot: usize, label: &'static str) -> Option<Fault> {
        if self.over.get() {
            return None;
        }
        let nth = {
            let mut came = self.came.borrow_mut();
            let count = came.entry(label).or_default();
            *count += 1;
            *count - 1
        };
        let fault = match self.plan {
            Plan::Weather => self.by_weather(),
            Plan::At { label: there, nth: then, fault } if there == label && then == nth => {
                self.struck.set(true);
                Some(fault)
            }
            Plan::Fair | Plan::At { .. } => None,
        };
        let fault = fault.filter(|fault| fault.is_possible_at(label));
        if fault.is_some() || label == "commit" {
            self.tell(|| format!("worker {slot}: {label} {nth} {fault:?}"));
        }
        fault
    }

    fn by_weather(&self) -> Option<Fault> {
        let Weather { crash, lost, abort, sleep, group } = self.weather.get();
        let mut random = self.random.borrow_mut();
        let drawn = random.below(1_000);
        let odd = random.chance(500);
        let (crash, lost) = (crash, crash + lost);
        let abort = lost + abort;
        let sleep = abort + sleep;
        match drawn {
            drawn if drawn < crash && odd => Some(Fault::CrashBefore),
            drawn if drawn < crash => Some(Fault::CrashAfter),
            drawn if drawn < lost && odd => Some(Fault::ReplyLost),
            drawn if drawn < lost => Some(Fault::RequestLost),
            drawn if drawn < abort => Some(Fault::Abort),
            drawn if drawn < sleep => (!self.asleep.get()).then_some(Fault::Sleep),
            drawn if drawn < sleep + group => {
                Some(*random.pick(&[Fault::Fence, Fault::Rebalance, Fault::Kick]))
            }
            _ => None,
        }
    }

    /// A worker stands still in the middle of a step while the others go on: a zombie when it wakes.
    pub(super) fn sleep(world: &Rc<World>, slot: usize) {
        world.asleep.set(true);
        let rounds = 1 + world.random.borrow_mut().below(12);
        let twin = (slot + WORKERS) % SLOTS;
        if world.random.borrow_mut().chance(250) && world.is_gone(twin) {
            World::start(world, twin);
        }
        for _ in 0..rounds {
            let nap = world.random.borrow_mut().below(8_000) as i64;
            world.pass(nap);
            World::round(world, Some(slot));
        }
        world.asleep.set(false);
    }

    /// The name of the process in a slot: its twin has the same.
    pub(super) fn name(slot: usize) -> String {
        format!("worker-{}", slot % WORKERS)
    }

    fn start(world: &Rc<World>, slot: usize) {
        let log = EmbeddedLog::new(&world.cluster, &World::name(slot));
        let faulty = Faulty::new(log, world.clone(), slot);
        let clock = SimClock(world.now.clone());
        // JSON, so that a story can be read; what is read and written is the same.
        let wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
        let worker = Worker::new(faulty, clock, NoObserver, wire, world.settings);
        *world.workers[slot].borrow_mut() = Some(worker);
        world.tell(|| format!("worker {slot} starts"));
    }

    /// Something happens somewhere, but not in the worker that sleeps.
    fn round(world: &Rc<World>, sleeper: Option<usize>) {
        let drawn = world.random.borrow_mut().below(100);
        match drawn {
            0..55 => {
                let slot = world.random.borrow_mut().below(SLOTS as u64) as usize;
                let slot = if world.is_gone(slot) { slot % WORKERS } else { slot };
                if Some(slot) != sleeper {
                    World::turn(world, slot);
                }
            }
            55..85 => {
                let mut random = world.random.borrow_mut();
                for _ in 0..1 + random.below(4) {
                    world.workload.borrow_mut().publish(&mut random, &world.cluster, world.now());
                }
            }
            85..90 => {
                let most = world.random.borrow_mut().below(6) as usize;
                world.cluster.settle(most);
            }
            90..92 => world.cluster.compact("lead-router.state"),
            92 => {
                world.tell(|| "rebalance".to_owned());
                world.cluster.rebalance();
            }
            93 => {
                let slot = world.random.borrow_mut().below(WORKERS as u64) as usize;
                World::stop(world, slot);
            }
            94..95 => {
                let slot = world.random.borrow_mut().below(WORKERS as u64) as usize;
                World::kick(world, slot);
            }
            95..97 => {
                let jump = world.random.borrow_mut().below(90_000) as i64;
                world.pass(jump);
            }
            97 => world.pass(-1_500),
            _ => world.forget_offsets(),
        }
        let millis = world.random.borrow_mut().below(60) as i64;
        world.pass(millis);
    }

    fn kick(world: &Rc<World>, slot: usize) {
        let Ok(mut worker) = world.workers[slot].try_borrow_mut() else { return };
        let Some(worker) = worker.as_mut() else { return };
        let member = worker.log_mut().member().to_owned();
        world.cluster.kick(&member);
    }

    /// A worker ends in good order.
    fn stop(world: &Rc<World>, slot: usize) {
        let Ok(mut worker) = world.workers[slot].try_borrow_mut() else { return };
        if let Some(mut stopping) = worker.take() {
            world.tell(|| format!("worker {slot} stops"));
            // Whatever goes wrong in it, the process is gone.
            let _ = stopping.stop();
        }
    }

    /// Offsets expire only when nobody is in the group and nothing is under way.
    fn forget_offsets(&self) {
        if (0..SLOTS).all(|slot| self.is_gone(slot)) {
            self.pass(20_000);
            self.cluster.settle(usize::MAX);
            self.cluster.expire_offsets();
            self.tell(|| "the group's offsets expire".to_owned());
        }
    }

    fn is_gone(&self, slot: usize) -> bool {
        self.workers[slot].try_borrow().is_ok_and(|worker| worker.is_none())
    }

    pub(super) fn turn(world: &Rc<World>, slot: usize) {
        if world.workers[slot].borrow().is_none() {
            // A process that died is not back at once.
            if world.random.borrow_mut().chance(500) || world.is_calm() {
                World::start(world, slot);
            }
            return;
        }
        let mut worker = world.workers[slot].borrow_mut();
        let Some(running) = worker.as_mut() else { return };
        match running.turn() {
            Ok(()) => {}
            Err(Failure::Fatal(why)) if why == "crashed" || why.contains("unknown outcomes") => {
                world.crashes.set(world.crashes.get() + 1);
                *worker = None;
            }
            Err(failure) => panic!("a worker refused to go on: {failure}"),
        }
    }

    fn is_calm(&self) -> bool {
        let Weather { crash, lost, abort, sleep, group } = self.weather.get();
        crash + lost + abort + sleep + group == 0
    }

    /// The whole story: rough weather, then calm, in which everything must come to rest.
    pub(super) fn live(world: &Rc<World>) {
        world.workload.borrow_mut().found(&world.cluster, world.now());
        for round in 0..ROUGH {
            if world.burst_at == Some(round) {
                world.workload.borrow_mut().burst(&world.cluster, BURST, world.now());
            }
            World::round(world, None);
        }
        world.weather.set(FAIR);
        // Somebody notices what was started twice.
        world.workers[WORKERS..].iter().for_each(|twin| *twin.borrow_mut() = None);
        // A worker that takes few records at a time needs more rounds for them.
        let burst = world.burst_at.map_or(0, |_| BURST);
        let rounds = 3 + (60 + burst) / world.settings.most_records;
        for round in 0..CALM {
            world.pass(1_000);
            for _ in 0..1 + rounds * usize::from(round > CALM / 2) {
                world.cluster.settle(usize::MAX);
                (0..WORKERS).for_each(|slot| World::turn(world, slot));
                world.pass(5);
            }
        }
        // All that is due within the ladders, in small steps.
        for _ in 0..LADDERS {
            world.pass(30_000);
            for _ in 0..rounds {
                (0..WORKERS).for_each(|slot| World::turn(world, slot));
                world.cluster.settle(usize::MAX);
                world.pass(20);
            }
        }
        World::rest(world);
    }

    /// The group settles, and what is open is committed, so that memory can be compared with the log.
    pub(super) fn rest(world: &Rc<World>) {
        world.over.set(true);
        for _ in 0..12 {
            world.pass(1_000);
            for _ in 0..3 {
                (0..WORKERS).for_each(|slot| World::turn(world, slot));
                world.cluster.settle(usize::MAX);
                world.pass(10);
            }
        }
        for _ in 0..20 {
            world.pass(10);
            (0..WORKERS).for_each(|slot| World::turn(world, slot));
            world.cluster.settle(usize::MAX);
            let mut open = false;
            world.with_workers(|worker| open |= worker.shards().any(|shard| shard.touched()));
            if !open {
                return;
            }
        }
    }

    /// Workers hold the world, and the world its workers: one must let go, or each seed stays in memory.
    pub(super) fn end(&self) {
        for worker in &self.workers {
            if let Ok(mut worker) = worker.try_borrow_mut() {
                *worker = None;
            }
        }
    }

    /// The workers, for the check at the end.
    pub(super) fn with_workers(&self, mut look: impl FnMut(&SimWorker)) {
        for worker in &self.workers {
            if let Some(worker) = worker.borrow().as_ref() {
                look(worker);
            }
        }
    }
}
