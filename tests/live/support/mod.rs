//! A bench: topics, a group and settings of one test, members on threads, and readers to look with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lead_router::config::{self, Settings};
use lead_router::domain::input::Topic;
use lead_router::domain::time::Span;
use lead_router::engine::ports::{Event, Log, OutTopic, Outgoing, Part};
use lead_router::kafka::KafkaLog;
use lead_router::kafka::topics::{self, Layout};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tracing_subscriber::EnvFilter;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One test's topics and group.
pub(crate) struct Bench {
    pub settings: Arc<Settings>,
    pub layout: Layout,
}

pub(crate) fn bootstrap() -> String {
    std::env::var("KAFKA_BOOTSTRAP").expect(
        "KAFKA_BOOTSTRAP names a broker; `tests/kafka run cargo test --test live` brings one",
    )
}

/// Settings with names that no other test has; `more` is TOML on top of it.
pub(crate) fn settings(test: &str, more: &str) -> Settings {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("live-{}-{number}-{test}", std::process::id());
    let mut text = format!(
        "group = \"{id}\"\nformat = \"json\"\n{more}\n[kafka]\nbootstrap_servers = \"{}\"\n\
         message_timeout_ms = 3000\ntransaction_timeout_ms = 5000\nsession_timeout_ms = 6000\n\
         max_poll_interval_ms = 8000\n[topics]\npartitions = 4\nreplication = 1\n",
        bootstrap()
    );
    let others = ["lead-assigned", "sla-breached", "dead-letter", "state"];
    for name in Topic::ALL.map(Topic::name).into_iter().chain(others) {
        text += &format!("{} = \"{id}-{name}\"\n", name.replace('-', "_"));
    }
    match config::load_text("bench", &text, std::iter::empty()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => panic!("{faults}"),
    }
}

impl Bench {
    pub(crate) fn new(test: &str) -> Bench {
        // RUST_LOG shows what the clients say; only the first of the tests' calls sets it up.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let settings = settings(test, "");
        let missing = topics::inspect(&settings).expect("a broker");
        topics::apply(&settings, &missing).expect("topics");
        let deadline = Instant::now() + Duration::from_secs(30);
        let made = loop {
            let made = topics::inspect(&settings).expect("a broker");
            if made.missing.is_empty() {
                break made;
            }
            assert!(Instant::now() < deadline, "{:?}", made.findings);
        };
        assert_eq!(made.faults().count(), 0, "{:?}", made.findings);
        Bench { settings: Arc::new(settings), layout: made.layout }
    }

    pub(crate) fn name(&self, topic: Topic) -> &str {
        self.settings.topics.input(topic)
    }

    /// A member that has not been polled yet; `instance` is its process.
    pub(crate) fn member(&self, instance: &str) -> Member {
        self.member_with(instance, self.layout.clone())
    }

    pub(crate) fn member_with(&self, instance: &str, layout: Layout) -> Member {
        let mut settings = (*self.settings).clone();
        settings.instance = instance.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let log = KafkaLog::connect(Arc::new(settings), 0, layout, Arc::clone(&stop));
        Member { log: log.expect("connected"), stop, events: Vec::new() }
    }

    /// A member that has been given its shards.
    pub(crate) fn joined(&self, instance: &str) -> Member {
        let mut member = self.member(instance);
        member.until("an assignment", |event| matches!(event, Event::Assigned(_)));
        member
    }

    pub(crate) fn reader(
        &self,
        topic: &str,
        isolation: &str,
    ) -> Vec<(i32, String, Option<String>)> {
        read(topic, 4, isolation)
    }
}

/// One worker's log, and what it said.
pub(crate) struct Member {
    pub log: KafkaLog,
    pub stop: Arc<AtomicBool>,
    pub events: Vec<Event>,
}

impl Member {
    /// Polls once; new events are added to the rest.
    pub(crate) fn poll(&mut self, wait_ms: i64) {
        self.log.poll(Span::from_millis(wait_ms), &mut self.events).expect("polled");
    }

    /// Polls until an event is as wanted, at most half a minute.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) {
        self.until_all(what, |events| events.iter().any(&wanted));
    }

    pub(crate) fn until_all(&mut self, what: &str, done: impl Fn(&[Event]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(&self.events) {
            assert!(Instant::now() < deadline, "no {what}; there was {:?}", self.events);
            self.poll(100);
        }
    }

    /// The shards that it has, by what it was told.
    pub(crate) fn shards(&self) -> Vec<i32> {
        let mut shards = Vec::new();
        for event in &self.events {
            match event {
                Event::Assigned(given) => shards = given.iter().map(|given| given.shard).collect(),
                Event::Revoked(_) => shards.clear(),
                _ => {}
            }
        }
        shards
    }

    /// The values of records delivered for a shard, in order.
    pub(crate) fn values(&self, part: Part) -> Vec<String> {
        let of = |event: &Event| match event {
            Event::Record(record) if record.part == part => {
                record.value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned())
            }
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }

    /// One whole transaction: a record out and an offset in.
    pub(crate) fn transact(&mut self, shard: i32, value: &str, next: i64, metadata: &str) {
        self.log.begin().expect("begun");
        self.log.send(outgoing(OutTopic::LeadAssigned, shard, value)).expect("sent");
        self.log.send_offsets(&[(leads(shard), next, metadata.to_owned())]).expect("offsets");
        self.log.commit().expect("committed");
    }
}

pub(crate) fn leads(shard: i32) -> Part {
    Part { topic: Topic::LeadCreated, shard }
}

pub(crate) fn outgoing(topic: OutTopic, shard: i32, value: &str) -> Outgoing {
    Outgoing {
        topic,
        partition: Some(shard),
        key: Some(value.as_bytes().to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![("x".to_owned(), Some(b"y".to_vec())), ("none".to_owned(), None)],
        // Retention goes by it: what looks years old is gone within half a minute.
        timestamp: lead_router::runtime::clock::now(),
    }
}

/// A producer of the test's own, plain or transactional.
pub(crate) fn producer(
    transactional_id: Option<&str>,
) -> ThreadedProducer<rdkafka::producer::DefaultProducerContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap()).set("linger.ms", "0");
    // As the contract asks of everybody who writes: keys go where Java's producers put them.
    config.set("partitioner", "murmur2_random");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id).set("transaction.timeout.ms", "60000");
    }
    config.create().expect("a producer")
}

/// Publishes values into one partition, in order.
pub(crate) fn publish(topic: &str, partition: i32, values: &[&str]) {
    let producer = producer(None);
    for value in values {
        let record = BaseRecord::to(topic).partition(partition).key("acme").payload(*value);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
    }
    producer.flush(Duration::from_secs(10)).expect("delivered");
}

/// Everything in a topic now, as `isolation` shows it: partition, value, and the key.
pub(crate) fn read(
    topic: &str,
    partitions: i32,
    isolation: &str,
) -> Vec<(i32, String, Option<String>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap())
        .set("group.id", "live-reader")
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("listed");
    }
    consumer.assign(&list).expect("assigned");
    drop(list);
    let mut ended = BTreeMap::new();
    let mut found = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while ended.len() < usize::try_from(partitions).unwrap_or(0) {
        assert!(Instant::now() < deadline, "{topic} was not read to its end");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let value = message.payload().map(text).unwrap_or_default();
                found.push((message.partition(), value, message.key().map(text)));
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition, ());
            }
            _ => {}
        }
    }
    found
}
