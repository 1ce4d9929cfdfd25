//! Properties of librdkafka that nobody else may set, each with the reason: exactly-once rests on them.
//! Refusing says so at the start; overriding in silence would leave people with a file that lies.

/// Why a property is refused, or `None` if it may be set.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, why)| *why)
}

static OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.bootstrap_servers"),
    ("metadata.broker.list", "set kafka.bootstrap_servers"),
    ("group.id", "set group: offsets, membership and transactional ids hang together by it"),
    ("group.instance.id", "set instance: it also names the transactional id"),
    (
        "group.protocol",
        "the start offsets and fencing of this service are made for the classic protocol",
    ),
    (
        "partition.assignment.strategy",
        "only range keeps partition i of every topic together, and that is a shard",
    ),
    ("client.id", "it is made from group, instance and worker, so that brokers' logs can be read"),
    ("session.timeout.ms", "set kafka.session_timeout_ms: it is checked against the transaction"),
    ("max.poll.interval.ms", "set kafka.max_poll_interval_ms: it is checked against the session"),
    ("enable.auto.commit", "offsets are committed in the transaction, never beside it"),
    ("enable.auto.offset.store", "offsets are committed in the transaction, never beside it"),
    ("auto.offset.reset", "it would skip or repeat leads in silence; see start.leads"),
    ("isolation.level", "reading uncommitted records would route leads that were never sent"),
    ("enable.partition.eof", "catching up is recognised by it"),
    ("check.crcs", "a damaged record must not be routed"),
    ("allow.auto.create.topics", "a topic made by accident has the wrong number of partitions"),
    ("transactional.id", "it is made from group, instance and worker: another one would not fence"),
    (
        "transaction.timeout.ms",
        "set kafka.transaction_timeout_ms: it is checked against the session",
    ),
    ("message.timeout.ms", "set kafka.message_timeout_ms: it is checked against the transaction"),
    ("delivery.timeout.ms", "set kafka.message_timeout_ms: it is checked against the transaction"),
    ("enable.idempotence", "transactions need it"),
    ("enable.gapless.guarantee", "a transaction is aborted instead"),
    ("acks", "a transaction needs all"),
    ("request.required.acks", "a transaction needs all"),
    ("retries", "how often is bounded by kafka.message_timeout_ms"),
    ("message.send.max.retries", "how often is bounded by kafka.message_timeout_ms"),
    ("max.in.flight", "more than five would lose the order"),
    ("max.in.flight.requests.per.connection", "more than five would lose the order"),
    ("partitioner", "the contract says murmur2, as Java's clients do"),
    ("delivery.report.only.error", "the worker counts on it when it waits for deliveries"),
    ("retry.backoff.ms", "the next transaction waits for it after each commit"),
    ("retry.backoff.max.ms", "the next transaction waits for it after each commit"),
    ("plugin.library.paths", "a plugin can change what is delivered"),
    ("opaque", "it is not a text"),
    ("test.mock.num.brokers", "the mock broker has no real transactions"),
];

/// Properties that turn off the check of the broker's certificate, with the value that does.
pub(super) fn is_unverified(name: &str, value: &str) -> bool {
    match name {
        "ssl.endpoint.identification.algorithm" => value.eq_ignore_ascii_case("none"),
        "enable.ssl.certificate.verification" => value.eq_ignore_ascii_case("false"),
        _ => false,
    }
}

/// Properties that mean nothing without encryption or authentication.
pub(super) fn needs_tls(name: &str, value: &str) -> bool {
    match name {
        "security.protocol" => !value.eq_ignore_ascii_case("plaintext"),
        _ => name.starts_with("ssl.") || name.starts_with("sasl.") || name.starts_with("https."),
    }
}

/// Whether a property's value is never printed. Those of SASL and TLS are secrets unless they are known to be
/// none: a name that was misspelt, or that came with a newer librdkafka, may hold a password as well.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_of_login = ["sasl", "ssl", "https"].iter().any(|part| name.contains(part));
    let sounds_secret = ["pass", "secret", "key.pem", "token", "jaas", "basic.auth"];
    sounds_secret.iter().any(|part| name.contains(part))
        || is_of_login && !HARMLESS.contains(&name.as_str())
}

/// What tells who we are and whom we trust: it is looked at when a login fails, and opens nothing.
static HARMLESS: &[&str] = &[
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.kerberos.service.name",
    "sasl.kerberos.principal",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.scope",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "ssl.cipher.suites",
    "https.ca.location",
];
