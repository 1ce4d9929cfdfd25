//! The second stage of ingest on the log in memory, with crashes, lost answers and refusals at every step of its
//! transactions: each change has its effect exactly once, and the pictures are those of an undisturbed run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lead_router::codec::encode::{Encoder, Format};
use lead_router::domain::input::Topic;
use lead_router::domain::time::{Span, Timestamp};
use lead_router::embedded::{Cluster, EmbeddedLog, Options};
use lead_router::engine::ports::{Clock, Committed, Event, Failure, Log, Outgoing, Part, Result};
use lead_router::engine::relay::{Relay, Settings};
use lead_router::engine::report::Wait;
use lead_router::ingest::picture::{Key, Picture};
use lead_router::ingest::{Change, ChangeType, Machine, Mapping};
use lead_router::intake::{Picturing, read_image};
use lead_router::verify::{Place, Stages};
use serde_json::{Value, json};

const START: i64 = 1_767_603_600_000;
const CHANGES: i64 = 300;
const PARTITIONS: i32 = 2;

struct SimClock(Arc<AtomicI64>);

impl Clock for SimClock {
    fn now(&mut self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The weather: fine; anything may fail now and then; the brokers are away.
pub(super) const FINE: i64 = 0;
const ROUGH: i64 = 1;
pub(super) const AWAY: i64 = 2;

/// A log that fails as it likes while the weather is rough.
pub(super) struct Rough {
    log: EmbeddedLog,
    random: Random,
    weather: Arc<AtomicI64>,
    dead: bool,
}

impl Rough {
    pub(super) fn new(log: EmbeddedLog, seed: u64, weather: &Arc<AtomicI64>) -> Rough {
        Rough { log, random: Random(seed), weather: weather.clone(), dead: false }
    }

    fn step<T>(
        &mut self,
        act: impl FnOnce(&mut EmbeddedLog) -> Result<T>,
        unknown: bool,
    ) -> Result<T> {
        let crashed = || Failure::Fatal("crashed".to_owned());
        if self.dead {
            return Err(crashed());
        }
        let weather = self.weather.load(Ordering::Relaxed);
        if weather == AWAY && unknown {
            return Err(Failure::Unknown("no answer".to_owned()));
        }
        let fault = if weather == ROUGH { self.random.below(60) } else { 99 };
        match fault {
            0 => {
                self.dead = true;
                return Err(crashed());
            }
            1 => return Err(Failure::Abort("refused".to_owned())),
            2 if unknown => return Err(Failure::Unknown("no answer".to_owned())),
            _ => {}
        }
        let answer = act(&mut self.log);
        match fault {
            3 => {
                self.dead = true;
                Err(crashed())
            }
            4 if unknown => Err(Failure::Unknown("no answer".to_owned())),
            _ => answer,
        }
    }
}

impl Log for Rough {
    fn poll(&mut self, wait: Span, out: &mut Vec<Event>) -> Result<()> {
        self.log.poll(wait, out)
    }
    fn pause(&mut self, part: Part) -> Result<()> {
        self.log.pause(part)
    }
    fn resume(&mut self, part: Part) -> Result<()> {
        self.log.resume(part)
    }
    fn seek(&mut self, to: &[(Part, i64)]) -> Result<()> {
        self.log.seek(to)
    }
    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>> {
        self.log.ends(parts)
    }
    fn offsets_at(&mut self, parts: &[Part], time: Timestamp) -> Result<Vec<i64>> {
        self.log.offsets_at(parts, time)
    }
    fn committed(&mut self, shard: i32) -> Result<Committed> {
        self.step(|log| log.committed(shard), false)
    }
    fn restore(&mut self, shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64> {
        self.step(|log| log.restore(shard, each), false)
    }
    fn state_end(&mut self, shard: i32) -> Result<i64> {
        self.log.state_end(shard)
    }
    fn owns(&mut self, shards: &[i32]) -> bool {
        self.log.owns(shards)
    }
    fn begin(&mut self) -> Result<()> {
        self.step(EmbeddedLog::begin, true)
    }
    fn send(&mut self, record: Outgoing) -> Result<()> {
        self.step(|log| log.send(record), true)
    }
    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()> {
        self.step(|log| log.send_offsets(offsets), true)
    }
    fn commit(&mut self) -> Result<()> {
        self.step(EmbeddedLog::commit, true)
    }
    fn abort(&mut self) -> Result<()> {
        self.step(EmbeddedLog::abort, true)
    }
    fn recreate(&mut self) -> Result<()> {
        self.step(EmbeddedLog::recreate, true)
    }
    fn leave(&mut self) -> Result<()> {
        self.log.leave()
    }
}

/// Users who join, leave and come back, in three orgs.
fn change(number: i64) -> (String, Change) {
    let mut change = Change::new("User".to_owned(), ChangeType::Update);
    let user = number % 20;
    if number < 60 {
        change.change_type = ChangeType::Create;
        change.set.insert("UserType".to_owned(), json!("Standard"));
    }
    change.record_ids = vec![format!("0055f0000000{user:03}AAA")];
    change.set.insert("IsActive".to_owned(), json!(number % 3 != 0));
    change.set.insert("Name".to_owned(), json!(format!("U{number}")));
    change.transaction_key = Some(format!("t-{number}"));
    change.sequence_number = Some(1);
    change.commit_timestamp_ms = Some(START + number * 1_000);
    change.commit_number = Some(number);
    (format!("org-{}", number % 3), change)
}

fn settings() -> Settings {
    Settings {
        linger: Span::ZERO,
        work: Span::from_millis(20),
        most_records: 7,
        most_bytes: 1 << 20,
        idle: Span::ZERO,
        stop_after: 0,
        skip_lost: false,
        topic: "raw".to_owned(),
    }
}

type Told = Vec<(String, Value)>;

fn expected() -> (BTreeMap<String, Told>, BTreeMap<Key, Picture>) {
    let mut machine = Machine::default();
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for number in 0..CHANGES {
        let (domain, change) = change(number);
        let done = machine.apply(&domain, &change).expect("valid");
        for event in done.events {
            told.entry(domain.clone()).or_default().push((domain.clone(), event.value));
        }
    }
    let pictures = machine.store.iter().map(|(key, it)| (key.clone(), it.clone())).collect();
    (told, pictures)
}

fn run(seed: u64) -> u64 {
    let now = Arc::new(AtomicI64::new(START + 86_400_000));
    let clock = now.clone();
    let options = Options {
        partitions: PARTITIONS,
        waits: false,
        late_markers: seed.is_multiple_of(2),
        ..Options::default()
    };
    let cluster = Cluster::new(options, move || Timestamp(clock.load(Ordering::Relaxed)));
    let weather = Arc::new(AtomicI64::new(ROUGH));
    let mapping = Arc::new(Mapping::default());
    let mut random = Random(seed);
    let settings = Settings {
        linger: Span::from_millis(seed as i64 % 4),
        most_records: 1 + random.below(30) as usize,
        ..settings()
    };
    let mut crashes = 0;
    let relay = |slot: u64, salt: u64| {
        let log = EmbeddedLog::new(&cluster, &format!("worker-{slot}"));
        let rough = Rough::new(log, seed ^ salt << 8 ^ slot, &weather);
        let encoder = Encoder::new(Format::Json);
        let stage = Picturing::new(mapping.clone(), encoder, "raw".to_owned());
        Relay::new(rough, SimClock(now.clone()), stage, settings.clone())
    };
    let mut relays = [relay(0, 0), relay(1, 0)];
    let mut produced = 0;
    for round in 0..20_000_u64 {
        now.fetch_add(random.below(20) as i64, Ordering::Relaxed);
        if produced < CHANGES && random.below(3) == 0 {
            let (domain, change) = change(produced);
            let at = Timestamp(START + produced * 1_000);
            cluster.produce("lead-created", domain.as_bytes(), &change.encode(), at);
            produced += 1;
        }
        if produced == CHANGES && round % 500 == 0 {
            // In the end the weather is fine.
            weather.store(FINE, Ordering::Relaxed);
        }
        if options.late_markers {
            cluster.settle(4);
        }
        let slot = random.below(2);
        if relays[slot as usize].turn().is_err() {
            crashes += 1;
            // The dead one stays in the group until its session ends; its successor takes its name.
            relays[slot as usize] = relay(slot, round + 1);
        }
        let done = (0..PARTITIONS).all(|shard| {
            let end = cluster.end("lead-created", shard);
            let [committed, ..] = cluster.group_offsets(shard);
            committed.map_or(0, |(offset, _)| offset) >= end
        });
        if produced == CHANGES && weather.load(Ordering::Relaxed) == FINE && done {
            check(&cluster, seed);
            return crashes;
        }
    }
    panic!("seed {seed}: not done after all rounds");
}

fn check(cluster: &Cluster, seed: u64) {
    cluster.settle(usize::MAX);
    let (expected, pictures) = expected();
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let mut images: BTreeMap<Key, Picture> = BTreeMap::new();
    let mut stages = Stages::new(Arc::new(Mapping::default()), "raw".to_owned(), true);
    for shard in 0..PARTITIONS {
        let [committed, ..] = cluster.group_offsets(shard);
        stages.committed("raw", shard, committed.map(|(offset, _)| offset));
        for record in cluster.read("rep-changed", shard, 0, usize::MAX) {
            let domain = String::from_utf8(record.key.expect("a key")).expect("text");
            let value: Value =
                serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
            let id = value["event_id"].as_str().expect("an id");
            stages.event(Topic::RepChanged, id, &record.headers);
            told.entry(domain.clone()).or_default().push((domain, value));
        }
        for record in cluster.read("lead-router.state", shard, 0, usize::MAX) {
            let key = record.key.expect("a key");
            let (key, picture) = read_image(&key, record.value.as_deref()).expect("an image");
            images.insert(key, picture.expect("pictures stay"));
        }
    }
    prove(cluster, stages, &images, seed);
    for (domain, expected) in &expected {
        let told = told.get(domain).map_or(&[][..], Vec::as_slice);
        let at = told.iter().zip(expected).position(|(told, expected)| told != expected);
        let at = at.unwrap_or(told.len().min(expected.len()));
        let (told_at, expected_at) = (told.get(at), expected.get(at));
        assert_eq!(told_at, expected_at, "seed {seed}: {domain}: event {at} of {}", told.len());
    }
    assert_eq!(images.len(), pictures.len(), "seed {seed}");
    for (key, picture) in &pictures {
        assert_eq!(images.get(key), Some(picture), "seed {seed}: {key:?}");
    }
}

/// The checker of the topics says the same, without knowing what was expected.
fn prove(cluster: &Cluster, mut stages: Stages, images: &BTreeMap<Key, Picture>, seed: u64) {
    for (key, picture) in images {
        stages.image(key.clone(), picture.clone());
    }
    for partition in 0..PARTITIONS {
        for record in cluster.read("lead-created", partition, 0, usize::MAX) {
            let place = Place { topic: "raw".to_owned(), partition, offset: record.offset };
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            stages.change(&place, record.timestamp, key, value, &record.headers);
        }
    }
    let report = stages.finish();
    assert!(report.passed(), "seed {seed}: {:?}", report.violations);
    let checked: u64 = report.verdicts.iter().map(|verdict| verdict.checked).sum();
    assert_eq!(checked, CHANGES as u64, "seed {seed}");
}

#[test]
fn a_partition_of_nothing_but_bad_records_stops_and_the_others_go_on() {
    let now = || Timestamp(START);
    let options = Options { partitions: PARTITIONS, waits: false, ..Options::default() };
    let cluster = Cluster::new(options, now);
    let settings = Settings { stop_after: 10, ..settings() };
    let mapping = Arc::new(Mapping::default());
    let stage = Picturing::new(mapping, Encoder::new(Format::Json), "raw".to_owned());
    let clock = SimClock(Arc::new(AtomicI64::new(START)));
    let mut relay = Relay::new(EmbeddedLog::new(&cluster, "worker"), clock, stage, settings);
    let at = Timestamp(START);
    // Domains of either partition.
    let home = |domain: &str| cluster.produce("lead-created", domain.as_bytes(), b"{", at);
    let names: Vec<String> = (0..9).map(|n| format!("org-{n}")).collect();
    let shard_of = |domain: &str| {
        let ends: Vec<i64> = (0..PARTITIONS).map(|it| cluster.end("lead-created", it)).collect();
        home(domain);
        (0..PARTITIONS).find(|it| cluster.end("lead-created", *it) != ends[*it as usize])
    };
    let shards: Vec<i32> = names.iter().filter_map(|name| shard_of(name)).collect();
    let bad = shards[0];
    let good = names.iter().zip(&shards).find(|(_, shard)| **shard != bad).expect("both").0;
    for number in 0..40 {
        home(&names[0]);
        if number % 2 == 0 {
            let (_, change) = change(number);
            cluster.produce("lead-created", good.as_bytes(), &change.encode(), at);
        }
    }
    for _ in 0..200 {
        relay.turn().expect("it goes on");
    }
    let stops = relay.take_stops();
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert_eq!(
        (stops[0].0, relay.stopped(), relay.waits_for(false)),
        (bad, 1, Some(Wait::Stopped))
    );
    assert!(stops[0].1.contains("in a row are dead letters"), "{stops:?}");
    let committed = |shard| cluster.group_offsets(shard)[0].clone().map_or(0, |(it, _)| it);
    assert!(committed(bad) < cluster.end("lead-created", bad), "it stands where it stopped");
    assert_eq!(committed(1 - bad), cluster.end("lead-created", 1 - bad), "the other is through");
}

#[test]
fn while_the_brokers_are_away_it_says_so() {
    let cluster = Cluster::new(Options { waits: false, ..Options::default() }, || Timestamp(START));
    let weather = Arc::new(AtomicI64::new(FINE));
    let rough = Rough::new(EmbeddedLog::new(&cluster, "worker"), 1, &weather);
    let encoder = Encoder::new(Format::Json);
    let stage = Picturing::new(Arc::new(Mapping::default()), encoder, "raw".to_owned());
    let clock = SimClock(Arc::new(AtomicI64::new(START)));
    let mut relay = Relay::new(rough, clock, stage, settings());
    let mut turns = || {
        (0..20).for_each(|_| relay.turn().expect("it goes on"));
        relay.waits_for(false)
    };
    assert_eq!(turns(), None);
    weather.store(AWAY, Ordering::Relaxed);
    let (domain, change) = change(1);
    cluster.produce("lead-created", domain.as_bytes(), &change.encode(), Timestamp(START));
    assert_eq!(turns(), Some(Wait::Brokers));
    weather.store(FINE, Ordering::Relaxed);
    assert_eq!(turns(), None);
}

#[test]
fn each_change_has_its_effect_exactly_once_whatever_goes_wrong() {
    let seeds = std::env::var("LEAD_ROUTER_SIM_SEEDS").ok().and_then(|it| it.parse().ok());
    let crashes: u64 = (1..=seeds.unwrap_or(20_u64)).map(run).sum();
    assert!(crashes > 0, "nothing ever went wrong");
}
