//! The table of all keys: the one place that says what can be set, what it is when it is not, and why.
//! Reading, checking, `--print-config` and the example file are all made from it.

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text that is not blank.
    Text,
    /// Text, or `""` to turn it off.
    TextOrOff,
    /// A whole number within these bounds.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    Flag,
    /// Text that is never printed, and not taken from the file.
    Secret,
    /// `ADDRESS:PORT` to listen on.
    Listen,
    /// A level, or what is logged of which module.
    Filter,
    /// `"earliest"`, `"latest"`, or an instant.
    Start,
    /// Properties of librdkafka: names with dots, any plain value.
    Properties,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its path, with dots.
    pub path: &'static str,
    pub kind: Kind,
    /// As it would stand in the file; `None` = not set.
    pub default: Option<&'static str>,
    /// Meaning, then why the default is what it is.
    pub doc: &'static str,
}

const fn key(
    path: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key { path, kind, default, doc }
}

const DAY_MS: i64 = 86_400_000;

/// In the order in which they are printed; keys without a section come first.
pub static KEYS: &[Key] = &[
    key(
        "group",
        Kind::Text,
        Some("\"lead-router\""),
        "The consumer group, and the prefix of the transactional ids. Two services that share it share \
         the work; two that must not meet need different ones.",
    ),
    key(
        "instance",
        Kind::Text,
        Some("\"0\""),
        "Which process of the service this is: stable over restarts, different for each (on Kubernetes \
         the name of the StatefulSet's pod, by LEAD_ROUTER__INSTANCE). With it a restart keeps its \
         partitions without a rebalance, and fences what its predecessor left open. A second process \
         with the same one ends the first.",
    ),
    key(
        "workers",
        Kind::Number(1, 256),
        Some("1"),
        "Threads that route, each with a consumer and a producer of its own. One routes far more than \
         the largest company produces; more than there are partitions are idle.",
    ),
    key(
        "clock",
        Kind::Choice(&["wall", "record"]),
        Some("\"wall\""),
        "What time it is: the clock of this machine, or the timestamps of the records (comparison and \
         replay: what is due fires as the records pass it).",
    ),
    key(
        "format",
        Kind::Choice(&["avro", "json"]),
        Some("\"avro\""),
        "How values are written. All formats are read, whatever this says.",
    ),
    key(
        "kafka.bootstrap_servers",
        Kind::Text,
        Some("\"127.0.0.1:9092\""),
        "Where to find the brokers: HOST:PORT, several with commas.",
    ),
    key(
        "kafka.transaction_timeout_ms",
        Kind::Number(1_000, 900_000),
        Some("15_000"),
        "After this the broker aborts a transaction that nobody ends. Not longer than the session, so \
         that a hung one is gone before another member takes over.",
    ),
    key(
        "kafka.message_timeout_ms",
        Kind::Number(500, 899_000),
        Some("10_000"),
        "After this a record that could not be delivered fails, and its transaction with it. Shorter \
         than the transaction, so that the reason is known before the broker gives up.",
    ),
    key(
        "kafka.session_timeout_ms",
        Kind::Number(1_000, 1_800_000),
        Some("45_000"),
        "After this without a heartbeat another member takes the partitions over. Long enough for a \
         restart, which then needs no rebalance; shorter means quicker takeover from a dead machine.",
    ),
    key(
        "kafka.max_poll_interval_ms",
        Kind::Number(1_000, DAY_MS),
        Some("300_000"),
        "After this without progress a worker is put out of the group. It must be longer than the \
         longest pause, not than a restore (the group is polled meanwhile).",
    ),
    key(
        "kafka.allow_unverified_tls",
        Kind::Flag,
        Some("false"),
        "Lets properties through that turn off the check of the broker's certificate. Then anybody on \
         the way can read the leads.",
    ),
    key(
        "kafka.properties",
        Kind::Properties,
        None,
        "Properties of librdkafka for all clients, as they are, in quotes: \"security.protocol\" = \
         \"SASL_SSL\". Those that exactly-once depends on are refused, with the reason. From the \
         environment: LEAD_ROUTER__KAFKA__PROPERTIES__SASL_PASSWORD (_ = dot, __ = _, ___ = -).",
    ),
    key("kafka.consumer.properties", Kind::Properties, None, "The same, for consumers only."),
    key("kafka.producer.properties", Kind::Properties, None, "The same, for producers only."),
    key(
        "registry.url",
        Kind::TextOrOff,
        Some("\"\""),
        "The schema registry: any that serves the common REST API. With it, format = \"avro\" writes its \
         frames, with the ids under which our schemas are registered (`lead-router schema register`), and \
         frames of producers are read. While it does not answer, records that need it wait; none becomes \
         a dead letter for that. \"\" = none: Avro is written as single objects.",
    ),
    key(
        "registry.username",
        Kind::TextOrOff,
        Some("\"\""),
        "For basic authentication, with registry.password.",
    ),
    key(
        "registry.password",
        Kind::Secret,
        None,
        "For basic authentication. Only from the environment.",
    ),
    key(
        "registry.token",
        Kind::Secret,
        None,
        "For bearer authentication, instead of a username. Only from the environment.",
    ),
    key(
        "registry.ca_file",
        Kind::TextOrOff,
        Some("\"\""),
        "Certificates (PEM) to trust for https://, instead of the system's. \"\" = the system's. The registry's \
         client has no certificate of its own: a registry that demands one (mutual TLS) cannot be asked.",
    ),
    key(
        "registry.timeout_ms",
        Kind::Number(100, 60_000),
        Some("3_000"),
        "A request that takes longer has failed, and is made again.",
    ),
    key(
        "registry.unknown_after_ms",
        Kind::Number(0, 600_000),
        Some("10_000"),
        "A schema that the registry does not know is asked for this long: its producer may have registered \
         it a moment ago. Then its records become dead letters (schema.unknown).",
    ),
    key(
        "topics.partitions",
        Kind::Number(1, 10_000),
        Some("12"),
        "Partitions of topics that `topics apply` creates, when none of them exists yet. All topics in, \
         and the state, have the same number, for life: it bounds how many workers can share the work.",
    ),
    key(
        "topics.replication",
        Kind::Number(-1, 100),
        Some("-1"),
        "Replicas of topics that `topics apply` creates; -1 = what the brokers are set to.",
    ),
    key("topics.lead_created", Kind::Text, Some("\"lead-created\""), "In: new leads, whole."),
    key(
        "topics.lead_created_fast",
        Kind::TextOrOff,
        Some("\"lead-created-fast\""),
        "In, optional: hot leads of producers that can tell, taken first. \"\" = off; also off where \
         the topic does not exist.",
    ),
    key("topics.lead_updated", Kind::Text, Some("\"lead-updated\""), "In: changes of leads."),
    key(
        "topics.lead_activity",
        Kind::Text,
        Some("\"lead-activity\""),
        "In: calls, mails, meetings.",
    ),
    key(
        "topics.opportunity_closed",
        Kind::Text,
        Some("\"opportunity-closed\""),
        "In: deals won and lost.",
    ),
    key(
        "topics.territory_changed",
        Kind::Text,
        Some("\"territory-changed\""),
        "In, reference data: territories.",
    ),
    key("topics.rep_changed", Kind::Text, Some("\"rep-changed\""), "In, reference data: reps."),
    key(
        "topics.account_changed",
        Kind::Text,
        Some("\"account-changed\""),
        "In, reference data: accounts.",
    ),
    key(
        "topics.policy_changed",
        Kind::Text,
        Some("\"policy-changed\""),
        "In, reference data: routing policies.",
    ),
    key("topics.lead_assigned", Kind::Text, Some("\"lead-assigned\""), "Out: every decision."),
    key("topics.sla_breached", Kind::Text, Some("\"sla-breached\""), "Out: every step of the SLA."),
    key(
        "topics.dead_letter",
        Kind::Text,
        Some("\"lead-router.dead-letter\""),
        "Out: records that could not be used, as they came. Never compacted: some have no key.",
    ),
    key(
        "topics.state",
        Kind::Text,
        Some("\"lead-router.state\""),
        "Ours: what is known, restored at a start. Compacted; nobody else may write to it.",
    ),
    key(
        "topics.raw",
        Kind::Text,
        Some("\"lead-router.raw\""),
        "Ours, for ingest: changes between its two stages, keyed by routing domain.",
    ),
    key(
        "topics.ingest_state",
        Kind::Text,
        Some("\"lead-router.ingest-state\""),
        "Ours, for ingest: the pictures of Salesforce's records. Compacted; nobody else may write to it.",
    ),
    key(
        "ingest.topics",
        Kind::TextOrOff,
        Some("\"\""),
        "The topics that a bridge writes Salesforce's change events to, with commas: \
         \"salesforce.lead, salesforce.user\". One of another org or business unit with its routing \
         domain: \"emea.lead = emea\". \"\" = no ingest.",
    ),
    key(
        "ingest.domain",
        Kind::Text,
        Some("\"default\""),
        "The routing domain of the topics that name none.",
    ),
    key(
        "ingest.mapping",
        Kind::TextOrOff,
        Some("\"\""),
        "The mapping file (TOML): which object is what, and which of its fields say what. \"\" = a \
         standard org.",
    ),
    key(
        "ingest.schemas",
        Kind::TextOrOff,
        Some("\"\""),
        "A folder of schemas that records were written with, each as <schema id>.avsc; those that are not \
         there are asked of the registry. \"\" = none.",
    ),
    key(
        "ingest.reread",
        Kind::TextOrOff,
        Some("\"\""),
        "A file to which the ids of records are appended that must be read again from Salesforce (lost \
         events, records that were never seen whole): domain, object, id. \"\" = none.",
    ),
    key(
        "start.leads",
        Kind::Start,
        None,
        "Where a first start begins in the lead topics when they hold leads older than a day: \
         \"earliest\", \"latest\", or an instant (2026-11-24T08:00:00Z). Not set: such a start is \
         refused, so that nobody routes last year's leads by accident.",
    ),
    key(
        "start.lost_records",
        Kind::Choice(&["refuse", "skip"]),
        Some("\"refuse\""),
        "What to do where records are gone before they were read, because retention has passed them or \
         somebody deleted them: refuse to start, so that a person knows, or go on with the oldest that \
         is left. Set \"skip\" for one start.",
    ),
    key(
        "batch.linger_ms",
        Kind::Number(0, 10_000),
        Some("5"),
        "How long a quiet transaction stays open after its first record. Shorter brings little and \
         makes more transactions: each ends with some milliseconds of round trips.",
    ),
    key(
        "batch.max_records",
        Kind::Number(1, 100_000),
        Some("10_000"),
        "A transaction ends after this many records when there is a backlog.",
    ),
    key(
        "batch.max_bytes",
        Kind::Number(1_024, 1_073_741_824),
        Some("8_388_608"),
        "A transaction ends after this many bytes taken.",
    ),
    key(
        "batch.max_work_ms",
        Kind::Number(1, 10_000),
        Some("20"),
        "A transaction ends after this much work: readers of the assignments see nothing until then. \
         While hot leads come, and in a storm of timers, it ends after a few milliseconds.",
    ),
    key(
        "dead_letters.stop_after",
        Kind::Number(0, 1_000_000),
        Some("10_000"),
        "A partition stops after this many dead letters in a row, or when more than half of the last so \
         many records were: then a producer is broken, and everything it sends would end there. The other \
         partitions go on; see the runbook. 0 = never.",
    ),
    key(
        "http.listen",
        Kind::Listen,
        Some("\"127.0.0.1:9464\""),
        "Where /metrics, /livez and /readyz are served. On this machine only: they have no password.",
    ),
    key(
        "log.format",
        Kind::Choice(&["auto", "text", "json"]),
        Some("\"auto\""),
        "How log lines are written, to standard error: auto = text on a terminal, else JSON. They hold \
         ids, never who a lead is.",
    ),
    key(
        "log.level",
        Kind::Filter,
        Some("\"info\""),
        "Which log lines are written: error, warn, info, debug, or a filter (lead_router::kafka=debug). \
         RUST_LOG goes before it.",
    ),
];

/// The key with this path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether some key lies below this path.
pub fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The key that somebody who wrote `path` probably meant: the same last part elsewhere, else a few
/// letters away.
pub fn nearest(path: &str) -> Option<&'static str> {
    let last = path.rsplit('.').next().unwrap_or(path);
    let same = KEYS.iter().find(|key| key.path.rsplit('.').next() == Some(last));
    same.map(|key| key.path).or_else(|| {
        KEYS.iter()
            .map(|key| (distance(key.path, path), key.path))
            .min()
            .filter(|(distance, found)| *distance * 3 <= found.len())
            .map(|(_, found)| found)
    })
}

/// How many letters must be added, taken away or changed to come from one to the other.
pub(super) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&to) {
            let cost = if a == *b { diagonal } else { 1 + diagonal.min(left).min(*cell) };
            diagonal = std::mem::replace(cell, cost);
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
