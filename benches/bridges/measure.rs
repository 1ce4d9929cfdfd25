//! One shape on a broker: written, then passed through bare, then taken in by the service; time and CPU of either.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lead_router::config::Settings;
use lead_router::kafka::topics;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::shapes::{Shape, corpus};

const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a number of records took.
pub(crate) struct Cost {
    records: u64,
    time: Duration,
    cpu: Duration,
}

impl Cost {
    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Microseconds of CPU a record.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.records as f64
    }
}

/// CPU time of a process so far, by Linux' count of hundredths.
fn cpu(process: &str) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The topics of one measurement.
pub(crate) struct Place {
    bootstrap: String,
    prefix: String,
}

struct Service(Child, PathBuf);

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
        drop(fs::remove_file(&self.1));
    }
}

impl Place {
    pub(crate) fn new(bootstrap: &str, prefix: &str) -> Place {
        Place { bootstrap: bootstrap.to_owned(), prefix: prefix.to_owned() }
    }

    fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    pub(crate) fn configuration(&self) -> String {
        let own = ["lead_created", "lead_updated", "lead_activity", "opportunity_closed"];
        let more = ["territory_changed", "rep_changed", "account_changed", "policy_changed"];
        let out = ["lead_assigned", "sla_breached", "dead_letter", "state", "raw", "ingest_state"];
        let all = own.iter().chain(&more).chain(&out);
        let topics: String = all.map(|it| format!("{it} = \"{}\"\n", self.topic(it))).collect();
        format!(
            "group = \"{}\"\nworkers = 1\n[kafka]\nbootstrap_servers = \"{}\"\n\
             [topics]\npartitions = {PARTITIONS}\nlead_created_fast = \"\"\n{topics}\
             [http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n\
             [ingest]\ntopics = \"{}\"\ndomain = \"acme\"\nschemas = \"{}\"\n",
            self.prefix,
            self.bootstrap,
            self.topic("bridged"),
            corpus().join("schemas").display()
        )
    }

    pub(crate) fn make(&self, settings: &Settings) {
        let bridged = [self.topic("bridged"), self.topic("bare")];
        let names = bridged.each_ref().map(String::as_str);
        topics::create(settings, &names, PARTITIONS).expect("topics");
        topics::apply(settings, &topics::inspect(settings).expect("a broker")).expect("topics");
    }

    pub(crate) fn delete(&self, settings: &Settings) {
        let own = topics::wanted(settings).into_iter().map(|topic| topic.name);
        let all: Vec<String> = own.chain([self.topic("bridged"), self.topic("bare")]).collect();
        topics::delete(settings, &all).expect("topics deleted");
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("log_level", "2");
        config
    }

    fn producer(&self) -> BaseProducer {
        let mut config = self.client();
        config.set("linger.ms", "5").set("acks", "all").set("enable.idempotence", "true");
        config.set("delivery.report.only.error", "true");
        config.set("queue.buffering.max.messages", "1000000").create().expect("a producer")
    }

    /// All partitions from the first record on.
    fn consumer(&self, topic: &str, level: &str) -> BaseConsumer {
        let mut config = self.client();
        config.set("group.id", "bridges").set("enable.auto.commit", "false");
        config.set("isolation.level", level).set("fetch.queue.backoff.ms", "5");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut parts = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            parts.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&parts).expect("assigned");
        consumer
    }

    pub(crate) fn write(&self, shape: &Shape, records: u64) {
        let (producer, topic) = (self.producer(), self.topic("bridged"));
        for number in 0..records {
            let (value, headers) = shape.record(number);
            let key = number.to_string();
            let all = headers.iter().fold(OwnedHeaders::new(), |all, (name, value)| {
                all.insert(Header { key: name, value: Some(value) })
            });
            let record = BaseRecord::to(&topic).key(&key).payload(&value).headers(all);
            send(&producer, record);
        }
        producer.flush(PATIENCE).expect("written");
    }

    /// By librdkafka alone, in this process.
    pub(crate) fn bare(&self, records: u64) -> Cost {
        let (consumer, producer) =
            (self.consumer(&self.topic("bridged"), "read_committed"), self.producer());
        let output = self.topic("bare");
        let (mut done, until) = (0, Instant::now() + PATIENCE);
        let mut began = None;
        while done < records {
            assert!(Instant::now() < until, "{done} of {records} passed through");
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.expect("a record");
            began.get_or_insert_with(|| (Instant::now(), cpu("self")));
            let mut record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&output).payload(message.payload().unwrap_or_default());
            record.key = message.key();
            record.headers = message.headers().map(|headers| headers.detach());
            send(&producer, record);
            done += 1;
        }
        producer.flush(PATIENCE).expect("written");
        let (at, before) = began.expect("records");
        Cost { records, time: at.elapsed(), cpu: cpu("self").saturating_sub(before) }
    }

    /// By the service, until a reader of committed data has seen every event.
    pub(crate) fn ingest(&self, records: u64) -> Cost {
        let file = std::env::temp_dir().join(format!("{}.toml", self.prefix));
        fs::write(&file, self.configuration()).expect("a configuration");
        let reader = self.consumer(&self.topic("lead_created"), "read_committed");
        let changes = self.consumer(&self.topic("raw"), "read_uncommitted");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lead-router"));
        command.args(["ingest", "--config"]).arg(&file).stdout(Stdio::null());
        let service = Service(command.spawn().expect("the service"), file);
        let process = service.0.id().to_string();
        let until = Instant::now() + PATIENCE;
        // It joins its groups first; from the first change on it works.
        let mut start = (Instant::now(), cpu(&process));
        while changes.poll(Duration::from_millis(1)).is_none() {
            assert!(Instant::now() < until, "no change was written");
            start = (Instant::now(), cpu(&process));
        }
        drop(changes);
        let mut done = 0;
        while done < records {
            assert!(Instant::now() < until, "{done} of {records} events");
            if let Some(message) = reader.poll(Duration::from_millis(100)) {
                message.expect("an event");
                done += 1;
            }
        }
        let cost =
            Cost { records, time: start.0.elapsed(), cpu: cpu(&process).saturating_sub(start.1) };
        drop(service);
        cost
    }
}

/// Waits while the producer's queue is full.
fn send<K: rdkafka::message::ToBytes + ?Sized, V: rdkafka::message::ToBytes + ?Sized>(
    producer: &BaseProducer,
    record: BaseRecord<'_, K, V>,
) {
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return;
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            Err((error, _)) => panic!("{error}"),
        }
    }
}
