//! Every group of malformed records through the router: the named reason, a dead letter with the record as it
//! came, the next good record routed, all counted, and no memory to speak of.

pub(crate) mod cases;
#[cfg(feature = "edge")]
mod config;
#[cfg(feature = "edge")]
mod heavy;
#[cfg(feature = "edge")]
mod raw;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lead_router::cli::pipe::Pipe;
use lead_router::codec::error::{Error, reason};
use lead_router::codec::murmur2::partition_of;
use lead_router::codec::record::{Decoder, RawRecord};
use lead_router::codec::{Encoder, Format, SchemaIds, SchemaRef, Wants, dead_letter};
use lead_router::domain::input::Topic;
use lead_router::domain::time::{Span, Timestamp};
use lead_router::embedded::{Cluster, EmbeddedLog, Options, Stored};
use lead_router::engine::ports::Clock;
use lead_router::engine::report::{NoObserver, Wait};
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::{Settings, Worker};
use serde_json::{Value, json};

use cases::{Answer, Case, Fate, Table, table};

/// 2026-01-05T09:00:00Z.
pub(crate) const T0: i64 = 1_767_603_600_000;
const PARTITIONS: i32 = 4;
const MEASURE: &str = "LEAD_ROUTER_MEASURE_MALFORMED";
/// What one record may cost, besides itself.
const MOST_BYTES: u64 = 64 << 20;

fn present() -> i64 {
    T0
}

#[derive(Clone)]
struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&mut self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// What a registry would have said.
fn answered(table: &Table) -> SchemaIds {
    let ids = SchemaIds::default();
    ids.serve();
    for (id, answer) in (1..).map(SchemaRef::Id).zip(&table.answers) {
        match answer {
            Answer::Avro(text) => _ = ids.settle(id, text),
            Answer::Other(..) => {
                ids.refuse(id, Error::new(reason::SCHEMA_INVALID, "schema", "is no Avro schema"));
            }
        }
    }
    ids
}

pub(crate) struct Bench {
    cluster: Cluster,
    now: Arc<AtomicI64>,
    ids: SchemaIds,
    worker: Worker<EmbeddedLog, TestClock, NoObserver>,
}

impl Bench {
    pub(crate) fn new(ids: SchemaIds) -> Bench {
        Bench::stopping(ids, 0)
    }

    /// One whose partitions stop after so many dead letters.
    fn stopping(ids: SchemaIds, dead_letters_stop_after: usize) -> Bench {
        let now = Arc::new(AtomicI64::new(T0));
        let clock = now.clone();
        let options = Options { partitions: PARTITIONS, waits: false, ..Options::default() };
        let cluster = Cluster::new(options, move || Timestamp(clock.load(Ordering::Relaxed)));
        let mut wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
        wire.decoder.ids = ids.clone();
        let settings = Settings {
            partitions: PARTITIONS,
            linger: Span::ZERO,
            dead_letters_stop_after,
            ..Settings::default()
        };
        let log = EmbeddedLog::new(&cluster, "worker");
        let worker = Worker::new(log, TestClock(now.clone()), NoObserver, wire, settings);
        Bench { cluster, now, ids, worker }
    }

    pub(crate) fn publish(&self, topic: Topic, value: &Value) {
        self.produce(topic, value.to_string().as_bytes());
    }

    pub(crate) fn produce(&self, topic: Topic, value: &[u8]) {
        self.cluster.produce(topic.name(), b"acme", value, Timestamp(T0));
    }

    /// Somebody who may take leads, and where from.
    pub(crate) fn somebody(&self) {
        let rep = json!({"event_id": "ann", "rep_id": "ann", "active": true});
        self.publish(Topic::RepChanged, &rep);
        let territory = json!({"event_id": "all", "territory_id": "all", "name": "All",
            "members": [{"rep_id": "ann"}]});
        self.publish(Topic::TerritoryChanged, &territory);
    }

    pub(crate) fn turn(&mut self) {
        self.worker.turn().expect("goes on");
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    fn send(&self, case: &Case) -> (i32, i64) {
        let home = partition_of(case.key.as_deref().unwrap_or_default(), PARTITIONS);
        let partition = if case.astray { (home + 1) % PARTITIONS } else { home };
        let record = Stored {
            offset: 0,
            timestamp: Timestamp(case.timestamp.unwrap_or(T0)),
            key: case.key.clone(),
            value: case.value.clone(),
            headers: case.headers.clone(),
        };
        (partition, self.cluster.append(case.topic.name(), partition, record))
    }

    /// Rounds until `done`; a registry that knows no more says so.
    fn until(&mut self, what: &str, done: impl Fn(&Bench) -> bool) {
        for _ in 0..50 {
            self.turn();
            self.ids
                .wanted(std::time::Duration::ZERO)
                .into_iter()
                .for_each(|id| self.ids.absent(id));
            if done(self) {
                return;
            }
        }
        panic!("stalled: {what}");
    }

    pub(crate) fn count(&self, topic: &str) -> i64 {
        (0..PARTITIONS).map(|partition| self.records(topic, partition).len() as i64).sum()
    }

    fn records(&self, topic: &str, partition: i32) -> Vec<Stored> {
        self.cluster.read(topic, partition, 0, usize::MAX)
    }

    pub(crate) fn has_assigned(&self, lead: &str) -> bool {
        (0..PARTITIONS).any(|partition| {
            let mut records = self.records("lead-assigned", partition).into_iter();
            records.any(|record| record.key.as_deref() == Some(lead.as_bytes()))
        })
    }

    /// The reason of the newest dead letter.
    #[cfg(feature = "registry")]
    pub(crate) fn last_reason(&self) -> String {
        let home = partition_of(b"acme", PARTITIONS);
        let newest = self.records("lead-router.dead-letter", home).pop();
        newest.and_then(|letter| header(&letter, "dlq.reason")).unwrap_or_default()
    }

    /// The dead letter of a place.
    fn letter(&self, topic: Topic, place: (i32, i64)) -> Option<Stored> {
        let wanted = [
            ("dlq.topic", topic.name().to_owned()),
            ("dlq.partition", place.0.to_string()),
            ("dlq.offset", place.1.to_string()),
        ];
        let mut letters = (0..PARTITIONS)
            .flat_map(|partition| self.records("lead-router.dead-letter", partition));
        letters.find(|letter| {
            wanted.iter().all(|(name, value)| header(letter, name).as_deref() == Some(value))
        })
    }
}

fn header(record: &Stored, name: &str) -> Option<String> {
    let (_, value) = record.headers.iter().rev().find(|(known, _)| known == name)?;
    String::from_utf8(value.clone()?).ok()
}

pub(crate) fn good_lead(id: &str) -> Value {
    json!({"event_id": id, "lead_id": id, "created_at": T0, "country": "FR"})
}

#[test]
fn every_group_of_malformed_records_has_its_reason_and_the_next_good_one_goes_through() {
    let table = table();
    let mut bench = Bench::new(answered(&table));
    bench.somebody();
    let mut dead = 0;
    for (number, case) in table.cases.iter().enumerate() {
        let what = format!("group {}, {}", case.group, case.what);
        let place = bench.send(case);
        let next = format!("good-{number}");
        bench.publish(Topic::LeadCreated, &good_lead(&next));
        bench.until(&what, |bench| {
            let end = bench.cluster.group_offsets(place.0)[case.topic.index()].clone();
            bench.has_assigned(&next) && end.is_some_and(|(offset, _)| offset > place.1)
        });
        let letter = bench.letter(case.topic, place);
        match case.fate {
            Fate::Taken => assert!(letter.is_none(), "{what}"),
            Fate::Dead(reason) => {
                dead += 1;
                let letter = letter.unwrap_or_else(|| panic!("{what}: no dead letter"));
                assert_eq!(header(&letter, "dlq.reason").as_deref(), Some(reason), "{what}");
                as_it_came(case, &letter, &what);
            }
        }
    }
    let groups: Vec<u8> =
        BTreeMap::from_iter(table.cases.iter().map(|c| (c.group, ()))).into_keys().collect();
    println!("{} records of {} groups: {dead} dead letters", table.cases.len(), groups.len());
    let missing: Vec<u8> = (1..=51).filter(|group| !groups.contains(group)).collect();
    // A registry in trouble (`registry`) and aborted transactions (`tests/live`) are no records; 35 to 42 are raw
    // records of a CRM (`raw`), 52 are configurations (`config`).
    assert_eq!(missing, [13, 35, 36, 37, 38, 39, 40, 41, 42, 48]);
    assert_eq!(bench.count("lead-router.dead-letter"), dead);
    let sent: i64 = Topic::ALL.into_iter().map(|topic| bench.count(topic.name())).sum();
    assert_eq!(sent, 2 + 2 * table.cases.len() as i64);
    let consumed: i64 = (0..PARTITIONS)
        .flat_map(|shard| bench.cluster.group_offsets(shard))
        .map(|committed| committed.map_or(0, |(offset, _)| offset))
        .sum();
    assert_eq!(consumed, sent, "every record was read once and none is left");
}

#[test]
fn a_partition_stops_when_its_producer_is_broken_and_the_others_go_on() {
    let mut bench = Bench::stopping(SchemaIds::default(), 20);
    bench.somebody();
    // Half of them bad is not too many.
    for n in 0..20 {
        bench.publish(Topic::LeadCreated, &good_lead(&format!("first-{n}")));
        bench.produce(Topic::LeadCreated, b"{");
    }
    bench.until("half of them bad", |bench| bench.has_assigned("first-19"));
    bench.until("the last one", |bench| bench.count("lead-router.dead-letter") == 20);
    assert_eq!(bench.worker.waits_for(false), None);
    for _ in 0..25 {
        bench.produce(Topic::LeadCreated, b"{");
    }
    bench.until("it stops", |bench| bench.worker.waits_for(false) == Some(Wait::Stopped));
    let dead = bench.count("lead-router.dead-letter");
    bench.publish(Topic::LeadCreated, &good_lead("behind"));
    let other = (0..100).map(|n| format!("org-{n}"));
    let other = other
        .into_iter()
        .find(|key| partition_of(key.as_bytes(), PARTITIONS) != partition_of(b"acme", PARTITIONS));
    let lead = good_lead("elsewhere").to_string();
    bench.cluster.produce(
        "lead-created",
        other.expect("one").as_bytes(),
        lead.as_bytes(),
        Timestamp(T0),
    );
    bench.until("the others go on", |bench| bench.has_assigned("elsewhere"));
    (0..20).for_each(|_| bench.turn());
    assert!(!bench.has_assigned("behind"), "it takes nothing any more");
    assert_eq!(bench.count("lead-router.dead-letter"), dead);
    // Started anew, it goes on where it stopped.
    let wire = Wire { encoder: Encoder::new(Format::Json), ..Wire::default() };
    let log = EmbeddedLog::new(&bench.cluster, "worker");
    let settings = Settings { partitions: PARTITIONS, linger: Span::ZERO, ..Settings::default() };
    bench.worker = Worker::new(log, TestClock(bench.now.clone()), NoObserver, wire, settings);
    bench.now.fetch_add(10_000, Ordering::Relaxed);
    bench.until("it goes on", |bench| bench.has_assigned("behind"));
    assert_eq!(bench.count("lead-router.dead-letter"), 45);
}

/// Key, value and headers verbatim; a value that does not fit is named by its size.
fn as_it_came(case: &Case, letter: &Stored, what: &str) {
    assert_eq!(letter.key, case.key, "{what}");
    let value = case.value.as_deref().unwrap_or_default();
    if value.len() < 998_000 {
        assert!(letter.value == case.value, "{what}");
    } else {
        assert!(letter.value.is_none(), "{what}");
        assert_eq!(header(letter, "dlq.value_bytes"), Some(value.len().to_string()), "{what}");
    }
    assert!(letter.headers.starts_with(&case.headers), "{what}");
    // What was wrong is said without what the record says.
    for (name, value) in &letter.headers[case.headers.len()..] {
        let text = String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
        assert!(text.len() < 600, "{what}: {name} is long: {text}");
    }
}

/// The line of the filter that says the same, where one can.
fn line(case: &Case) -> Option<Vec<u8>> {
    let key = String::from_utf8(case.key.clone().unwrap_or_default()).ok()?;
    let plain = case.headers.is_empty() && !case.astray;
    let value = match &case.value {
        None => b"null".to_vec(),
        Some(value) => value.clone(),
    };
    let is_json = matches!(value.first(), Some(b'{' | b'[' | b'"' | b'n' | b'\n' | 0xef));
    // A line ends at a line feed; a 20 MB line is the same with 1 MB.
    let fits = value.len() < 3 << 20 && !value.contains(&b'\n');
    (plain && is_json && fits).then(|| {
        let key = case.key.as_ref().map_or(Value::Null, |_| Value::from(key));
        let head = format!(
            "{{\"topic\":\"{}\",\"key\":{key},\"timestamp\":{},\"value\":",
            case.topic.name(),
            case.timestamp.unwrap_or(T0)
        );
        [head.as_bytes(), &value, b"}\n"].concat()
    })
}

#[test]
fn the_filter_says_the_same() {
    let table = table();
    let mut filter = Pipe::new(None);
    let mut asked = 0;
    for case in &table.cases {
        let Some(line) = line(case) else { continue };
        asked += 1;
        let what = format!("group {}, {}", case.group, case.what);
        let mut answers = Vec::new();
        filter.line(&line, &mut answers);
        let said = answers.iter().find(|answer| answer["topic"] == "lead-router.dead-letter");
        let said = said.map(|letter| letter["headers"]["dlq.reason"].as_str().unwrap_or("?"));
        let expected = match (case.fate, case.key.as_deref()) {
            // Its lines have no bytes: an empty key is an id that is none.
            (Fate::Dead("key.missing"), Some(_)) => Some("id.invalid"),
            (Fate::Dead(reason), _) => Some(reason),
            // It refuses fields that it does not know.
            (Fate::Taken, _) if case.what.contains("nobody knows") && case.group == 46 => {
                Some("json.unknown_field")
            }
            (Fate::Taken, _) => None,
        };
        assert_eq!(said, expected, "{what}");
        assert_eq!(answers.last(), Some(&json!({ "ack": asked })), "{what}");
    }
    println!("{asked} of {} as lines", table.cases.len());
    assert!(asked > 70, "{asked}");
}

/// Peak and present resident memory, in bytes.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()).map(str::parse::<u64>);
        kib.expect("a line").expect("a number") * 1024
    };
    (value("VmHWM:"), value("VmRSS:"))
}

/// Each record alone, from its bytes to its dead letter, in a process that does nothing else.
#[test]
fn no_record_takes_more_than_64_mb() {
    if std::env::var_os(MEASURE).is_none() {
        let name = "malformed::no_record_takes_more_than_64_mb";
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(MEASURE, "1");
        // What is freed goes back at once, so that the next peak is not hidden in it.
        child.env("MALLOC_MMAP_THRESHOLD_", "65536").env("MALLOC_TRIM_THRESHOLD_", "65536");
        let child = child.output().expect("started");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
        said.lines().filter(|line| line.starts_with("most")).for_each(|line| println!("{line}"));
        return;
    }
    let mut table = table();
    let mut most = (0, String::new());
    let ids = SchemaIds::default();
    for (id, answer) in (1..).map(SchemaRef::Id).zip(std::mem::take(&mut table.answers)) {
        let Answer::Avro(text) = answer else { continue };
        let taken = measured(|| _ = ids.settle(id, &text));
        assert!(taken <= MOST_BYTES, "schema {id}: {taken} bytes");
        most = most.max((taken, format!("the schema {id}")));
    }
    let decoder = Decoder { ids, strict: false };
    for case in &table.cases {
        let record = RawRecord {
            topic: case.topic,
            key: case.key.as_deref(),
            value: case.value.as_deref(),
            headers: &case.headers,
            timestamp: Timestamp(case.timestamp.unwrap_or(T0)),
            partition: 0,
            partition_count: None,
        };
        let taken = measured(|| {
            if let Err(error) = decoder.decode_record(&record) {
                let source = dead_letter::Source {
                    topic: case.topic.name(),
                    partition: 0,
                    offset: 0,
                    timestamp: record.timestamp,
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                };
                drop(dead_letter::build(&source, &error, 1_000_000));
            }
        });
        assert!(taken <= MOST_BYTES, "group {}, {}: {taken} bytes", case.group, case.what);
        most = most.max((taken, format!("group {}, {}", case.group, case.what)));
    }
    println!("\nmost memory: {} KiB, {}", most.0 >> 10, most.1);
}

/// How much higher the peak was than where it began.
fn measured(work: impl FnOnce()) -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("resets the peak");
    let (_, before) = resident();
    work();
    let (peak, _) = resident();
    peak.saturating_sub(before)
}
