//! The properties of every client. Three layers: what may be tuned, what the configuration says, and on
//! top what exactly-once rests on (the configuration refuses those already; see `config`).

use rdkafka::ClientConfig;

use crate::config::Settings;

/// How this member calls itself: stable over restarts, so that a restart fences what it left open.
fn member(settings: &Settings, worker: usize) -> String {
    format!("{}-{worker}", settings.instance)
}

pub(super) fn transactional_id(settings: &Settings, worker: usize) -> String {
    format!("{}-{}", settings.group, member(settings, worker))
}

/// What all clients share. `role` shows in the brokers' logs.
fn base(settings: &Settings, role: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    // A broker that comes back is found within a second, not ten.
    config.set("reconnect.backoff.max.ms", "1000");
    config.set("socket.nagle.disable", "true");
    config.extend(settings.kafka.properties.clone());
    config.set("bootstrap.servers", &settings.kafka.bootstrap_servers);
    config.set("client.id", format!("{}-{}-{role}", settings.group, settings.instance));
    config
}

/// What all consumers share: only committed records, whole ones, and an end that is announced.
fn consumer(settings: &Settings, role: &str) -> ClientConfig {
    let mut config = base(settings, role);
    // Fetching resumes 5 ms after a queue was full; the default second cuts throughput to a third.
    config.set("fetch.queue.backoff.ms", "5");
    config.set("queued.min.messages", "10000");
    config.set("queued.max.messages.kbytes", "8192");
    // An empty fetch answers after this long, and only then says that the end is reached.
    config.set("fetch.wait.max.ms", "100");
    config.extend(settings.kafka.consumer_properties.clone());
    config.set("group.id", &settings.group);
    config.set("isolation.level", "read_committed");
    config.set("auto.offset.reset", "error");
    config.set("enable.partition.eof", "true");
    config.set("enable.auto.commit", "false");
    config.set("enable.auto.offset.store", "false");
    config.set("check.crcs", "true");
    config.set("allow.auto.create.topics", "false");
    config
}

/// The member of the group: classic protocol, range, static.
pub(super) fn group_consumer(settings: &Settings, worker: usize) -> ClientConfig {
    let mut config = consumer(settings, &format!("{worker}-in"));
    // Partitions that are added are noticed within half a minute; then the service stops.
    if !settings.kafka.consumer_properties.contains_key("topic.metadata.refresh.interval.ms") {
        config.set("topic.metadata.refresh.interval.ms", "30000");
    }
    let session = settings.kafka.session_timeout_ms;
    if !settings.kafka.consumer_properties.contains_key("heartbeat.interval.ms") {
        config.set("heartbeat.interval.ms", (session / 3).clamp(1, 3_000).to_string());
    }
    config.set("group.instance.id", member(settings, worker));
    config.set("partition.assignment.strategy", "range");
    config.set("session.timeout.ms", session.to_string());
    config.set("max.poll.interval.ms", settings.kafka.max_poll_interval_ms.to_string());
    config
}

/// Reads a state partition by explicit assignment. It bears the group's name because that is what this
/// user may use; it never joins and never commits.
pub(super) fn restore_consumer(settings: &Settings, worker: usize) -> ClientConfig {
    let mut config = consumer(settings, &format!("{worker}-restore"));
    config.set("fetch.wait.max.ms", "10");
    config.set("queued.min.messages", "100000");
    config.set("queued.max.messages.kbytes", "65536");
    config
}

/// Asks for ends and committed offsets; it bears the group's name and never joins.
pub(super) fn lag_consumer(settings: &Settings) -> ClientConfig {
    consumer(settings, "lag")
}

/// Sees the high watermark, which clients that read committed records only cannot.
pub(super) fn uncommitted_reader(settings: &Settings, worker: usize) -> ClientConfig {
    let mut config = base(settings, &format!("{worker}-watermark"));
    config.set("isolation.level", "read_uncommitted");
    config
}

/// The transactional producers of a worker, which take turns.
pub(super) fn producers(settings: &Settings, worker: usize) -> [ClientConfig; 2] {
    ["a", "b"].map(|turn| {
        let id = transactional_id(settings, worker);
        transactional(settings, &format!("{worker}-out-{turn}"), format!("{id}-{turn}"))
    })
}

/// The one that puts dead letters back: one at a time, whoever starts it.
pub(super) fn letters_producer(settings: &Settings) -> ClientConfig {
    transactional(settings, "letters", format!("{}-letters", settings.group))
}

fn transactional(settings: &Settings, role: &str, id: String) -> ClientConfig {
    let mut config = base(settings, role);
    config.extend(settings.kafka.producer_properties.clone());
    config.set("transactional.id", id);
    config.set("transaction.timeout.ms", settings.kafka.transaction_timeout_ms.to_string());
    config.set("message.timeout.ms", settings.kafka.message_timeout_ms.to_string());
    config.set("enable.idempotence", "true");
    config.set("acks", "all");
    // After a commit the broker still writes its markers, and the next transaction is told to come
    // again: with the default wait of 100 ms that is what a small transaction takes.
    config.set("retry.backoff.ms", "1");
    config.set("retry.backoff.max.ms", "20");
    // While a request of a partition is on its way and records that have lingered wait behind it, librdkafka's
    // thread turns in circles, and with 0 all have: a core was lost to that under load. The last records of a
    // transaction wait while its offsets are sent, so 1 ms costs it nothing.
    if !settings.kafka.producer_properties.contains_key("linger.ms") {
        config.set("linger.ms", "1");
    }
    config.set("delivery.report.only.error", "true");
    config.set("partitioner", "murmur2_random");
    config
}

/// Looks at topics and makes them.
pub(super) fn admin(settings: &Settings) -> ClientConfig {
    base(settings, "admin")
}
