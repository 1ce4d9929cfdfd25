//! From raw values to settings: every type, range and relation between keys, all faults at once.

use std::collections::BTreeMap;

use crate::domain::time::Timestamp;

use super::keys::{self, Kind};
use super::owned;
use super::read::{Given, Origin, Raw};
use super::{Batch, ClockMode, Format, Http, Kafka, Log, LogFormat, Settings, StartLeads, Topics};

/// What a key takes, for faults and for the example file.
pub(super) fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text that is not empty".to_owned(),
        Kind::TextOrOff => "a text, \"\" = off".to_owned(),
        Kind::Number(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            words.join(" or ")
        }
        Kind::Flag => "true or false".to_owned(),
        Kind::Listen => "an address and port, such as \"127.0.0.1:9464\"".to_owned(),
        Kind::Filter => {
            "error, warn, info, debug, trace, off, or a filter such as \"info,lead_router::kafka=debug\"".to_owned()
        }
        Kind::Start => "\"earliest\", \"latest\", or an instant with its zone".to_owned(),
        Kind::Secret => "a secret, from the environment".to_owned(),
        Kind::Properties => "a table of properties".to_owned(),
    }
}

/// The settings, if there is no fault; faults are added to those that are there.
pub(super) fn settings(given: &mut Given) -> Option<Settings> {
    let mut take = Take { given };
    let kafka = take.kafka();
    let topics = take.topics();
    let registry = take.registry();
    let ingest = take.ingest();
    let settings = Settings {
        group: take.text("group"),
        instance: take.text("instance"),
        workers: usize::try_from(take.number("workers")).unwrap_or(1),
        clock: if take.text("clock") == "record" { ClockMode::Record } else { ClockMode::Wall },
        format: if take.text("format") == "json" { Format::Json } else { Format::Avro },
        start_leads: take.start(),
        skip_lost: take.text("start.lost_records") == "skip",
        kafka,
        registry,
        topics,
        ingest,
        batch: Batch {
            linger_ms: take.number("batch.linger_ms"),
            max_records: take.number("batch.max_records"),
            max_bytes: take.number("batch.max_bytes"),
            max_work_ms: take.number("batch.max_work_ms"),
        },
        dead_letters_stop_after: usize::try_from(take.number("dead_letters.stop_after"))
            .unwrap_or(0),
        http: Http { listen: take.listen() },
        log: Log {
            format: match take.text("log.format").as_str() {
                "json" => LogFormat::Json,
                "text" => LogFormat::Text,
                _ => LogFormat::Auto,
            },
            level: take.text("log.level"),
        },
    };
    take.names(&settings);
    take.timeouts(&settings);
    take.topic_names(&settings);
    given.faults.is_empty().then_some(settings)
}

/// A level, or one for a module. A word that is neither would silence everything.
fn is_directive(text: &str) -> bool {
    let level = text.rsplit('=').next().unwrap_or_default().trim().to_lowercase();
    matches!(level.as_str(), "off" | "error" | "warn" | "info" | "debug" | "trace")
}

pub(super) struct Take<'a> {
    given: &'a mut Given,
}

impl Take<'_> {
    /// The value given, else the default; `None` where there is neither.
    fn raw(&self, path: &str) -> Option<(Raw, Origin)> {
        if let Some((raw, origin)) = self.given.values.get(path) {
            return Some((raw.clone(), origin.clone()));
        }
        let default = keys::find(path)?.default?;
        let raw = match default.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(text) => Raw::Text(text.to_owned()),
            None if default == "true" || default == "false" => Raw::Flag(default == "true"),
            None => Raw::Number(default.replace('_', "").parse().unwrap_or_default()),
        };
        Some((raw, Origin::Default))
    }

    pub(super) fn fault(&mut self, path: &str, text: &str) {
        let origin = self.origin(path);
        self.given.fault(&origin, path, text);
    }

    /// A secret: where people read along, it is none.
    pub(super) fn secret(&mut self, path: &str) -> Option<String> {
        let (raw, origin) = self.raw(path)?;
        if let Origin::File(..) = origin {
            let name = path.to_ascii_uppercase().replace('.', "__");
            let text = format!("a secret does not belong here: set LEAD_ROUTER__{name}, or …_FILE");
            self.given.fault(&origin, path, text);
        }
        match raw {
            Raw::Text(text) if !text.is_empty() => Some(text),
            Raw::Text(_) => None,
            // What it is instead may be the secret.
            _ => {
                self.given.fault(&origin, path, "expected a text");
                None
            }
        }
    }

    fn origin(&self, path: &str) -> Origin {
        self.given.values.get(path).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    fn wrong(&mut self, path: &str, origin: &Origin, raw: &Raw) {
        let kind = keys::find(path).map_or(Kind::Text, |key| key.kind);
        let found = match raw {
            Raw::Text(text) => format!("\"{text}\""),
            Raw::Number(number) => number.to_string(),
            Raw::Flag(flag) => flag.to_string(),
            Raw::Instant(text) => text.clone(),
            Raw::Other(what) => (*what).to_owned(),
        };
        self.given.fault(origin, path, format!("expected {}, found {found}", expected(kind)));
    }

    pub(super) fn text(&mut self, path: &str) -> String {
        let kind = keys::find(path).map_or(Kind::Text, |key| key.kind);
        match self.raw(path) {
            Some((Raw::Text(text), origin)) => {
                let good = match kind {
                    Kind::Choice(words) => words.contains(&text.as_str()),
                    Kind::TextOrOff => true,
                    Kind::Filter => text.split(',').all(is_directive),
                    _ => !text.trim().is_empty(),
                };
                if !good {
                    self.wrong(path, &origin, &Raw::Text(text.clone()));
                }
                text
            }
            Some((raw, origin)) => {
                self.wrong(path, &origin, &raw);
                String::new()
            }
            None => String::new(),
        }
    }

    pub(super) fn number(&mut self, path: &str) -> i64 {
        let Some(Kind::Number(low, high)) = keys::find(path).map(|key| key.kind) else { return 0 };
        match self.raw(path) {
            Some((Raw::Number(number), _)) if (low..=high).contains(&number) => number,
            Some((raw, origin)) => {
                self.wrong(path, &origin, &raw);
                low
            }
            None => low,
        }
    }

    fn flag(&mut self, path: &str) -> bool {
        match self.raw(path) {
            Some((Raw::Flag(flag), _)) => flag,
            Some((raw, origin)) => {
                self.wrong(path, &origin, &raw);
                false
            }
            None => false,
        }
    }

    fn listen(&mut self) -> std::net::SocketAddr {
        let path = "http.listen";
        let text = self.text(path);
        text.parse().unwrap_or_else(|_| {
            if !text.trim().is_empty() {
                self.wrong(path, &self.origin(path), &Raw::Text(text));
            }
            std::net::SocketAddr::from(([127, 0, 0, 1], 9464))
        })
    }

    fn start(&mut self) -> Option<StartLeads> {
        let path = "start.leads";
        let (raw, origin) = self.raw(path)?;
        let start = match &raw {
            Raw::Text(text) if text == "earliest" => Some(StartLeads::Earliest),
            Raw::Text(text) if text == "latest" => Some(StartLeads::Latest),
            Raw::Text(text) | Raw::Instant(text) => text
                .parse::<jiff::Timestamp>()
                .ok()
                .map(|instant| StartLeads::At(Timestamp(instant.as_millisecond()))),
            _ => None,
        };
        if start.is_none() {
            self.wrong(path, &origin, &raw);
        }
        start
    }

    fn kafka(&mut self) -> Kafka {
        let unverified = self.flag("kafka.allow_unverified_tls");
        Kafka {
            bootstrap_servers: self.text("kafka.bootstrap_servers"),
            transaction_timeout_ms: self.number("kafka.transaction_timeout_ms"),
            message_timeout_ms: self.number("kafka.message_timeout_ms"),
            session_timeout_ms: self.number("kafka.session_timeout_ms"),
            max_poll_interval_ms: self.number("kafka.max_poll_interval_ms"),
            properties: self.properties("kafka.properties", unverified),
            consumer_properties: self.properties("kafka.consumer.properties", unverified),
            producer_properties: self.properties("kafka.producer.properties", unverified),
        }
    }

    fn properties(&mut self, section: &str, unverified: bool) -> BTreeMap<String, String> {
        let properties = self.given.properties.get(section).cloned().unwrap_or_default();
        for (name, (value, origin)) in &properties {
            let key = format!("{section}.\"{name}\"");
            if let Some(why) = owned::refusal(name) {
                self.given.fault(origin, &key, format!("must not be set here: {why}"));
            }
            if owned::is_unverified(name, value) && !unverified {
                let text = "anybody on the way could read the leads; if that is what you want, set \
                            kafka.allow_unverified_tls = true";
                self.given.fault(origin, &key, text);
            }
            if owned::needs_tls(name, value) && !cfg!(feature = "tls") {
                let text = "this build has no encryption and no authentication: build it with \
                            --features tls";
                self.given.fault(origin, &key, text);
            }
        }
        properties.into_iter().map(|(name, (value, _))| (name, value)).collect()
    }

    fn topics(&mut self) -> Topics {
        Topics {
            partitions: i32::try_from(self.number("topics.partitions")).unwrap_or(1),
            replication: i32::try_from(self.number("topics.replication")).unwrap_or(-1),
            inputs: INPUTS.map(|path| self.text(path)),
            lead_assigned: self.text("topics.lead_assigned"),
            sla_breached: self.text("topics.sla_breached"),
            dead_letter: self.text("topics.dead_letter"),
            state: self.text("topics.state"),
            raw: self.text("topics.raw"),
            ingest_state: self.text("topics.ingest_state"),
        }
    }

    /// They become parts of ids that brokers, files and people read.
    fn names(&mut self, settings: &Settings) {
        for (path, name) in [("group", &settings.group), ("instance", &settings.instance)] {
            if !name.is_empty() && !is_name(name) {
                let origin = self.origin(path);
                let text = "expected letters, digits, dots, dashes and underscores, at most 200";
                self.given.fault(&origin, path, text);
            }
        }
    }

    fn timeouts(&mut self, settings: &Settings) {
        let kafka = &settings.kafka;
        let ladder = [
            ("kafka.message_timeout_ms", kafka.message_timeout_ms),
            ("kafka.transaction_timeout_ms", kafka.transaction_timeout_ms),
            ("kafka.session_timeout_ms", kafka.session_timeout_ms),
            ("kafka.max_poll_interval_ms", kafka.max_poll_interval_ms),
        ];
        for (i, pair) in ladder.windows(2).enumerate() {
            let [(low, shorter), (high, longer)] = pair else { continue };
            let strict = i == 0;
            if shorter > longer || (strict && shorter == longer) {
                let (path, relation) = match self.origin(low) {
                    Origin::Default => (high, if strict { "longer than" } else { "at least" }),
                    _ => (low, if strict { "shorter than" } else { "at most" }),
                };
                let other = if path == low { (high, longer) } else { (low, shorter) };
                let origin = self.origin(path);
                self.given.fault(
                    &origin,
                    path,
                    format!("must be {relation} {} ({})", other.0, other.1),
                );
            }
        }
    }

    fn topic_names(&mut self, settings: &Settings) {
        let topics = &settings.topics;
        let out = [
            ("topics.lead_assigned", &topics.lead_assigned),
            ("topics.sla_breached", &topics.sla_breached),
            ("topics.dead_letter", &topics.dead_letter),
            ("topics.state", &topics.state),
            ("topics.raw", &topics.raw),
            ("topics.ingest_state", &topics.ingest_state),
        ];
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, name) in INPUTS.into_iter().zip(&topics.inputs).chain(out) {
            if name.is_empty() {
                continue;
            }
            let origin = self.origin(path);
            if !is_name(name) || name == "." || name == ".." {
                let text =
                    "is not a name of a topic: letters, digits, dots, dashes and underscores";
                self.given.fault(&origin, path, text);
            }
            if let Some(other) = seen.insert(name, path) {
                self.given.fault(&origin, path, format!("is the same topic as {other}"));
            }
        }
    }
}

/// The keys of the topics in, in the order of `Topic::ALL`.
const INPUTS: [&str; 9] = [
    "topics.lead_created",
    "topics.lead_created_fast",
    "topics.lead_updated",
    "topics.lead_activity",
    "topics.opportunity_closed",
    "topics.territory_changed",
    "topics.rep_changed",
    "topics.account_changed",
    "topics.policy_changed",
];

pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 200
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
