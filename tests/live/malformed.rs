//! Every malformed record as raw bytes through a real Kafka and the real program: its reason, the next good
//! record, the counts, and the memory. Schemas come from a registry over HTTP.

#[path = "../it/malformed/cases/mod.rs"]
mod cases;
#[path = "../it/registry/server.rs"]
#[expect(dead_code, reason = "it fails in more ways than are needed here")]
mod server;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lead_router::codec::murmur2::partition_of;
use lead_router::config::Settings;
use lead_router::domain::input::Topic;
use lead_router::kafka::reader::{Reader, Row};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};

use super::support::{Bench, bootstrap, producer};
use cases::{Answer, Case, Fate, table};
use server::{Fault, Server};

const PARTITIONS: i32 = 4;
/// What brokers take by default, with room for the rest of a batch.
const MOST_BYTES: usize = 900_000;

static STARTED: LazyLock<i64> = LazyLock::new(|| lead_router::runtime::clock::now().0);

fn present() -> i64 {
    *STARTED
}

/// `lead-router run` as people run it; killed when dropped.
struct Service {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start(settings: &Settings, registry: &Server) -> Service {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("router.toml");
        let topics = &settings.topics;
        let inputs = Topic::ALL.map(|topic| {
            format!("{} = \"{}\"\n", topic.name().replace('-', "_"), topics.input(topic))
        });
        let text = format!(
            "group = \"{}\"\n[registry]\nurl = \"{}\"\nunknown_after_ms = 300\n\
             [kafka]\nbootstrap_servers = \"{}\"\nmessage_timeout_ms = 10000\n\
             [start]\nleads = \"earliest\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [topics]\nlead_assigned = \"{}\"\nsla_breached = \"{}\"\ndead_letter = \"{}\"\n\
             state = \"{}\"\n{}",
            settings.group,
            registry.url(),
            bootstrap(),
            topics.lead_assigned,
            topics.sla_breached,
            topics.dead_letter,
            topics.state,
            inputs.concat()
        );
        std::fs::write(&path, text).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_lead-router"))
            .args(["run", "--config"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("started");
        Service { child, _folder: folder }
    }

    /// Peak and present resident memory.
    fn resident(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            let number = line.split_whitespace().next().expect("a word");
            number.parse::<u64>().expect("a number") * 1_024
        };
        (value("VmHWM:"), value("VmRSS:"))
    }
}

fn send(to: &ThreadedProducer<DefaultProducerContext>, topic: &str, partition: i32, case: &Case) {
    let headers = case.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: value.as_ref() })
    });
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
    record.key = case.key.as_deref();
    record.payload = case.value.as_deref();
    record.timestamp = case.timestamp;
    record.headers = (!case.headers.is_empty()).then_some(headers);
    to.send(record).map_err(|(error, _)| error).expect("sent");
}

fn rows(reader: &Reader, topic: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for partition in 0..PARTITIONS {
        reader.each(topic, partition, |row| rows.push(row)).expect("read");
    }
    rows
}

fn header(row: &Row, name: &str) -> String {
    let found = row.headers.iter().rev().find(|(known, _)| known == name);
    found
        .map(|(_, value)| {
            String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned()
        })
        .unwrap_or_default()
}

/// Whether it gets through at all: to librdkafka the time 0 is now, and a broker refuses far ones.
fn is_sendable(case: &Case) -> bool {
    let size = case.value.as_ref().map_or(0, Vec::len);
    size < MOST_BYTES && case.timestamp.is_none()
}

fn good(id: &str) -> Case {
    let value = json!({"event_id": id, "lead_id": id, "created_at": present()}).to_string();
    Case {
        group: 0,
        what: String::new(),
        topic: Topic::LeadCreated,
        key: Some(b"acme".to_vec()),
        value: Some(value.into_bytes()),
        headers: Vec::new(),
        timestamp: None,
        astray: false,
        fate: Fate::Taken,
    }
}

#[test]
fn every_malformed_record_through_a_real_kafka() {
    let table = table();
    let registry = Server::start();
    for (id, answer) in (1..).zip(&table.answers) {
        match answer {
            Answer::Avro(text) => registry.store(id, "AVRO", text, Value::Null),
            Answer::Other(kind, text) => registry.store(id, kind, text, Value::Null),
        }
    }
    let bench = Bench::new("malformed");
    let topics = &bench.settings.topics;
    for (at, (topic, record)) in [
        (&topics.lead_assigned, lead_router::codec::Record::LeadAssigned),
        (&topics.sla_breached, lead_router::codec::Record::SlaBreached),
    ]
    .into_iter()
    .enumerate()
    {
        let id = 9_000 + u32::try_from(at).expect("two");
        registry.store(id, "AVRO", record.embedded().text, Value::Null);
        registry.version(&format!("{topic}-value"), id);
    }
    // Aborted, so nobody may ever see it: group 48.
    let aborted: ThreadedProducer<DefaultProducerContext> =
        producer(Some(&format!("{}-x", bench.settings.group)));
    aborted.init_transactions(Duration::from_secs(10)).expect("initialised");
    aborted.begin_transaction().expect("begun");
    let home = partition_of(b"acme", PARTITIONS);
    let mut hidden = good("hidden");
    hidden.value = Some(b"{".to_vec());
    send(&aborted, bench.name(Topic::LeadCreated), home, &hidden);
    aborted.flush(Duration::from_secs(10)).expect("delivered");
    aborted.abort_transaction(Duration::from_secs(10)).expect("aborted");

    let service = Service::start(&bench.settings, &registry);
    let plain: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap()).create().expect("a producer");
    let reader = Reader::connect(&bench.settings).expect("a reader");
    send(&plain, bench.name(Topic::LeadCreated), home, &good("warm"));
    until(&reader, &bench, "warm");
    let (_, before) = service.resident();
    let mut sent: Vec<(usize, &Case)> = Vec::new();
    for (number, case) in table.cases.iter().enumerate().filter(|(_, case)| is_sendable(case)) {
        let own = partition_of(case.key.as_deref().unwrap_or_default(), PARTITIONS);
        let partition = if case.astray { (own + 1) % PARTITIONS } else { own };
        send(&plain, bench.name(case.topic), partition, case);
        send(&plain, bench.name(Topic::LeadCreated), home, &good(&format!("good-{number}")));
        sent.push((number, case));
        if sent.len() == 100 {
            // It goes down in the middle of everything, for a moment; nobody notices but in time.
            registry.fail(Fault::HangsUp);
            std::thread::sleep(Duration::from_secs(1));
            registry.fail(Fault::None);
        }
    }
    plain.flush(Duration::from_secs(20)).expect("delivered");
    let last = sent.last().expect("some").0;
    until(&reader, &bench, &format!("good-{last}"));
    let (peak, _) = service.resident();
    judge(&reader, &bench, &sent);
    let grown = peak.saturating_sub(before);
    println!("{} records; memory grew by at most {} KiB", sent.len(), grown >> 10);
    assert!(grown < 64 << 20, "{grown} bytes");
}

/// Until a lead has been decided.
fn until(reader: &Reader, bench: &Bench, lead: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let rows = rows(reader, &bench.settings.topics.lead_assigned);
        if rows.iter().any(|row| row.key.as_deref() == Some(lead.as_bytes())) {
            return;
        }
        assert!(Instant::now() < deadline, "{lead} was never decided");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Each bad record has its letter with its reason; each good one its decision; and nothing more.
fn judge(reader: &Reader, bench: &Bench, sent: &[(usize, &Case)]) {
    let topics = &bench.settings.topics;
    let assigned = rows(reader, &topics.lead_assigned);
    // In the frame of the registry, with the id of our schema.
    assert!(assigned.iter().all(|row| {
        row.value.as_deref().is_some_and(|value| value.starts_with(&[0, 0, 0, 0x23, 0x28]))
    }));
    let decided: Vec<&[u8]> = assigned.iter().filter_map(|row| row.key.as_deref()).collect();
    for (number, case) in sent {
        let good = format!("good-{number}");
        assert!(decided.contains(&good.as_bytes()), "after group {}, {}", case.group, case.what);
    }
    let letters = rows(reader, &topics.dead_letter);
    let mut reasons: BTreeMap<(Vec<u8>, Vec<u8>), Vec<String>> = BTreeMap::new();
    let place = |key: &Option<Vec<u8>>, value: &Option<Vec<u8>>| {
        (key.clone().unwrap_or_default(), value.clone().unwrap_or_default())
    };
    for letter in &letters {
        let at = place(&letter.key, &letter.value);
        reasons.entry(at).or_default().push(header(letter, "dlq.reason"));
    }
    let mut dead = 0;
    for (_, case) in sent {
        let Fate::Dead(reason) = case.fate else { continue };
        dead += 1;
        let said = reasons.get_mut(&place(&case.key, &case.value));
        let at = said.as_ref().and_then(|said| said.iter().position(|said| said == reason));
        let (Some(said), Some(at)) = (said, at) else {
            panic!("group {}, {}: no letter says {reason}", case.group, case.what);
        };
        said.remove(at);
    }
    assert_eq!(letters.len(), dead, "{:?}", reasons.values().flatten().collect::<Vec<_>>());
}
