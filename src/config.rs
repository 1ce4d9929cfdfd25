//! Settings: read once at the start from a file and the environment, checked as a whole, never changed.
//!
//! Vocabulary: a *key* is a dotted path (`kafka.session_timeout_ms`) from one closed table; a *property*
//! is a setting of librdkafka, passed through unless exactly-once depends on it; a *fault* is one thing
//! wrong, with its place. All faults are told at once: nobody likes to mend a file one start at a time.
//! How leads are routed is not here: that comes as events (`policy-changed`), the same for every process.

mod check;
mod ingest;
pub mod keys;
mod owned;
mod read;
mod registry;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use crate::domain::input::Topic;
use crate::domain::time::Timestamp;

pub use ingest::Ingest;
pub use read::Fault;
pub use registry::{Login, Registry};
pub use show::example;

/// Everything that can be set, checked. The keys and their reasons are in `keys`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub group: String,
    pub instance: String,
    pub workers: usize,
    pub clock: ClockMode,
    pub format: Format,
    pub start_leads: Option<StartLeads>,
    /// Go on where records are gone that were not read; else refuse.
    pub skip_lost: bool,
    pub kafka: Kafka,
    /// `None`: no registry is asked, and Avro is written as single objects.
    pub registry: Option<Registry>,
    pub topics: Topics,
    /// What bridges write about Salesforce.
    pub ingest: Ingest,
    pub batch: Batch,
    /// A partition stops after so many dead letters in a row; 0 = never.
    pub dead_letters_stop_after: usize,
    pub http: Http,
    pub log: Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMode {
    Wall,
    Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Avro,
    Json,
}

/// Where a first start begins in the lead topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLeads {
    Earliest,
    Latest,
    At(Timestamp),
}

#[derive(Clone, PartialEq)]
pub struct Kafka {
    pub bootstrap_servers: String,
    pub transaction_timeout_ms: i64,
    pub message_timeout_ms: i64,
    pub session_timeout_ms: i64,
    pub max_poll_interval_ms: i64,
    pub properties: BTreeMap<String, String>,
    pub consumer_properties: BTreeMap<String, String>,
    pub producer_properties: BTreeMap<String, String>,
}

impl fmt::Debug for Kafka {
    /// Properties may be secrets: their names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("properties", &self.properties.keys())
            .field("consumer_properties", &self.consumer_properties.keys())
            .field("producer_properties", &self.producer_properties.keys())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// For topics that are created when none exists.
    pub partitions: i32,
    pub replication: i32,
    /// In the order of `Topic::ALL`; empty = off (`lead-created-fast` only).
    pub inputs: [String; 9],
    pub lead_assigned: String,
    pub sla_breached: String,
    pub dead_letter: String,
    pub state: String,
    /// Between the two stages of ingest, and the pictures of the second.
    pub raw: String,
    pub ingest_state: String,
}

impl Settings {
    /// The group that reads a bridged topic.
    pub fn parsing_group(&self, topic: &str) -> String {
        format!("{}-ingest-{topic}", self.group)
    }

    /// The group that reads the changes between the two stages of ingest.
    pub fn picturing_group(&self) -> String {
        format!("{}-ingest", self.group)
    }
}

impl Topics {
    pub fn input(&self, topic: Topic) -> &str {
        let [created, fast, updated, activity, opportunity, territory, rep, account, policy] =
            &self.inputs;
        match topic {
            Topic::LeadCreated => created,
            Topic::LeadCreatedFast => fast,
            Topic::LeadUpdated => updated,
            Topic::LeadActivity => activity,
            Topic::OpportunityClosed => opportunity,
            Topic::TerritoryChanged => territory,
            Topic::RepChanged => rep,
            Topic::AccountChanged => account,
            Topic::PolicyChanged => policy,
        }
    }
}

/// How far a transaction may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub linger_ms: i64,
    pub max_records: i64,
    pub max_bytes: i64,
    pub max_work_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    pub listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

/// All that is wrong, one a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Settings, and how they came about (for `--print-config`).
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub printed: String,
}

/// Reads the file, if one is named, and the environment.
pub fn load(
    file: Option<&Path>,
    vars: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Faults> {
    match file {
        None => load_text("", "", vars),
        Some(path) => {
            let name = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => load_text(&name, &text, vars),
                Err(error) => {
                    let text = format!("failed to read the configuration: {error}");
                    Err(Faults(vec![Fault { place: name, key: String::new(), text }]))
                }
            }
        }
    }
}

/// The same, with the text of the file at hand; `name` is how faults call it.
pub fn load_text(
    name: &str,
    text: &str,
    vars: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Faults> {
    let mut given = read::Given::default();
    read::file(&mut given, name, text);
    read::environment(&mut given, vars);
    match check::settings(&mut given) {
        Some(settings) => Ok(Loaded { settings, printed: show::effective(&given) }),
        None => Err(Faults(given.faults)),
    }
}
