//! Compares the topics wanted with those found. Plain data in, plain data out.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Settings;
use crate::domain::input::Topic;

use super::Layout;

const DAY_MS: i64 = 86_400_000;
/// A stop longer than this loses records; shorter retention than that is a fault.
const LEAST_RETENTION_MS: i64 = DAY_MS;

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    In(Topic),
    Out,
    DeadLetter,
    State,
    /// Between the two stages of ingest.
    Changes,
    /// What a bridge writes and ingest reads: looked for, never made.
    Bridged,
}

impl Role {
    /// Partition i of it belongs to shard i.
    pub(super) fn is_sharded(self) -> bool {
        matches!(self, Role::In(_) | Role::State | Role::Changes)
    }

    fn is_optional(self) -> bool {
        self == Role::In(Topic::LeadCreatedFast)
    }
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub role: Role,
    /// What it is created with, beyond the brokers' defaults.
    pub config: Vec<(&'static str, String)>,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Missing,
    /// This user may not look at it.
    Forbidden,
    There {
        partitions: i32,
        /// None where this user may not read it.
        config: Option<BTreeMap<String, String>>,
        empty: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The service does not start.
    Fault,
    /// It starts; somebody should look at it.
    Advice,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub topic: String,
    pub text: String,
    /// The command that mends it, where there is one.
    pub mend: Option<String>,
}

impl Finding {
    pub fn is_fault(&self) -> bool {
        self.severity == Severity::Fault
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Fault => "fault",
            Severity::Advice => "advice",
        };
        write!(f, "{severity}: {}: {}", self.topic, self.text)?;
        match &self.mend {
            Some(command) => write!(f, "\n    {command}"),
            None => Ok(()),
        }
    }
}

/// What is to be said and done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Topics to make, all with `layout.partitions()`.
    pub missing: Vec<Wanted>,
    pub layout: Layout,
}

impl Report {
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_fault())
    }
}

/// The topics that this configuration names.
pub fn wanted(settings: &Settings) -> Vec<Wanted> {
    let topics = &settings.topics;
    let of = |name: &str, role, config: &[(&'static str, String)]| Wanted {
        name: name.to_owned(),
        role,
        config: config.to_vec(),
    };
    let delete = ("cleanup.policy", "delete".to_owned());
    let retention = |days: i64| ("retention.ms", (days * DAY_MS).to_string());
    let forever = ("retention.ms", "-1".to_owned());
    let mut all: Vec<Wanted> = Topic::ALL
        .into_iter()
        .filter(|topic| !topics.input(*topic).is_empty())
        .map(|topic| {
            let kept = if topic.is_reference() { forever.clone() } else { retention(400) };
            of(topics.input(topic), Role::In(topic), &[delete.clone(), kept])
        })
        .collect();
    all.push(of(&topics.lead_assigned, Role::Out, &[delete.clone(), retention(400)]));
    all.push(of(&topics.sla_breached, Role::Out, &[delete.clone(), retention(400)]));
    // It holds records as they came, people's data included: kept as long as it takes to look at them.
    all.push(of(&topics.dead_letter, Role::DeadLetter, &[delete, retention(30)]));
    let compacted = [
        ("cleanup.policy", "compact".to_owned()),
        // A stopped process still sees the tombstones of a week, and erasure ends within a day.
        ("delete.retention.ms", (7 * DAY_MS).to_string()),
        ("max.compaction.lag.ms", DAY_MS.to_string()),
        ("min.cleanable.dirty.ratio", "0.1".to_owned()),
    ];
    all.push(of(&topics.state, Role::State, &compacted));
    if !settings.ingest.topics.is_empty() {
        // What the second stage has read lives on in its pictures.
        let changes = [("cleanup.policy", "delete".to_owned()), retention(7)];
        all.push(of(&topics.raw, Role::Changes, &changes));
        all.push(of(&topics.ingest_state, Role::State, &compacted));
    }
    all.extend(settings.ingest.topics.iter().map(|(name, _)| of(name, Role::Bridged, &[])));
    all
}

/// Compares; `found` is in the order of `wanted`.
pub fn plan(settings: &Settings, wanted: &[Wanted], found: &[Found]) -> Report {
    let partitions = agreed_partitions(settings, wanted, found);
    let plan = Plan { cluster: cluster(settings), partitions };
    let replication = settings.topics.replication;
    let first_time = wanted.iter().zip(found).any(|(topic, found)| {
        topic.role == Role::In(Topic::LeadCreated) && *found == Found::Missing
    });
    let mut findings = Vec::new();
    let mut missing = Vec::new();
    let mut names: [Option<String>; 9] = Default::default();
    for (topic, found) in wanted.iter().zip(found) {
        if topic.role == Role::Bridged {
            findings.extend(bridged(topic, found));
            continue;
        }
        let there = !matches!(found, Found::Missing);
        if let (true, Role::In(input)) = (there, topic.role)
            && let Some(slot) = names.get_mut(input.index())
        {
            *slot = Some(topic.name.clone());
        }
        match found {
            // A topic in that comes later makes members read different topics until all have restarted.
            Found::Missing if topic.role.is_optional() && !first_time => {
                findings.push(Finding {
                    severity: Severity::Advice,
                    topic: topic.name.clone(),
                    text: "does not exist and is not read; to use it, stop all processes, make it, and \
                           start them again"
                        .to_owned(),
                    mend: Some(plan.create(topic, replication)),
                });
            }
            Found::Missing => {
                missing.push(topic.clone());
                let optional = topic.role.is_optional();
                findings.push(Finding {
                    severity: if optional { Severity::Advice } else { Severity::Fault },
                    topic: topic.name.clone(),
                    text: "does not exist".to_owned(),
                    mend: Some(plan.create(topic, replication)),
                });
            }
            Found::Forbidden => findings.push(Finding {
                severity: Severity::Fault,
                topic: topic.name.clone(),
                text: "this user may not describe it".to_owned(),
                mend: Some(plan.allow(&topic.name, "Describe")),
            }),
            Found::There { partitions, config, empty } => {
                findings.extend(plan.count(topic, *partitions, *empty));
                match config {
                    Some(config) => findings.extend(plan.config(topic, config)),
                    None => findings.push(Finding {
                        severity: Severity::Advice,
                        topic: topic.name.clone(),
                        text:
                            "this user may not read its configuration (DescribeConfigs), so it was \
                               not checked"
                                .to_owned(),
                        mend: Some(plan.allow(&topic.name, "DescribeConfigs")),
                    }),
                }
            }
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    Report { findings, missing, layout: Layout::new(names, partitions) }
}

/// The number that most sharded topics have; `lead-created` counts first in a tie. If none exists: ours.
fn agreed_partitions(settings: &Settings, wanted: &[Wanted], found: &[Found]) -> i32 {
    let mut votes: Vec<(i32, usize)> = Vec::new();
    for (topic, found) in wanted.iter().zip(found) {
        let Found::There { partitions, .. } = found else { continue };
        if !topic.role.is_sharded() {
            continue;
        }
        match votes.iter_mut().find(|(count, _)| count == partitions) {
            Some((_, number)) => *number += 1,
            None => votes.push((*partitions, 1)),
        }
    }
    let most = votes.iter().map(|(_, number)| *number).max();
    let agreed = votes.iter().find(|(_, number)| Some(*number) == most);
    agreed.map_or(settings.topics.partitions, |(count, _)| *count)
}

struct Plan {
    /// The options of Kafka's tools that name the cluster.
    cluster: String,
    partitions: i32,
}

/// On a cluster with TLS or a login the tools need these too, in a file of their own.
fn cluster(settings: &Settings) -> String {
    let servers = format!("--bootstrap-server {}", settings.kafka.bootstrap_servers);
    let protocol = settings.kafka.properties.get("security.protocol");
    match protocol.is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext")) {
        true => servers + " --command-config admin.properties",
        false => servers,
    }
}

impl Plan {
    fn allow(&self, topic: &str, operation: &str) -> String {
        format!(
            "kafka-acls.sh {} --add --allow-principal User:NAME --operation {operation} --topic {topic}",
            self.cluster
        )
    }

    fn create(&self, topic: &Wanted, replication: i32) -> String {
        let mut command = format!(
            "kafka-topics.sh {} --create --topic {} --partitions {}",
            self.cluster, topic.name, self.partitions
        );
        if replication > 0 {
            command += &format!(" --replication-factor {replication}");
        }
        for (key, value) in &topic.config {
            command += &format!(" --config {key}={value}");
        }
        command
    }

    fn alter(&self, topic: &str, change: &str) -> String {
        format!(
            "kafka-configs.sh {} --alter --entity-type topics --entity-name {topic} \
             --add-config {change}",
            self.cluster
        )
    }

    fn count(&self, topic: &Wanted, partitions: i32, empty: bool) -> Option<Finding> {
        if !topic.role.is_sharded() || partitions == self.partitions {
            return None;
        }
        let tool = format!("kafka-topics.sh {}", self.cluster);
        let (name, wanted) = (&topic.name, self.partitions);
        let text = format!(
            "has {partitions} partitions, most of the topics in and the state have {wanted}; all must \
             have the same number"
        );
        let (text, mend) = match (empty, partitions < wanted) {
            (true, true) => {
                (text, Some(format!("{tool} --alter --topic {name} --partitions {wanted}")))
            }
            (true, false) => {
                let delete = format!("{tool} --delete --topic {name}");
                (text, Some(format!("{delete} && {}", self.create(topic, -1))))
            }
            (false, _) => {
                let text = text
                    + "; it has records, whose keys would hash elsewhere: publish them anew into a \
                       topic of another name, and set that name in the configuration";
                (text, None)
            }
        };
        Some(Finding { severity: Severity::Fault, topic: topic.name.clone(), text, mend })
    }

    fn config(&self, topic: &Wanted, config: &BTreeMap<String, String>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut say = |severity, text: String, change: &str| {
            let mend = Some(self.alter(&topic.name, change));
            findings.push(Finding { severity, topic: topic.name.clone(), text, mend });
        };
        let policy = config.get("cleanup.policy").map_or("delete", String::as_str);
        if topic.role == Role::State {
            if policy != "compact" {
                let text = format!("cleanup.policy is {policy}: the state would be lost with time");
                say(Severity::Fault, text, "cleanup.policy=compact");
            }
            return findings;
        }
        if policy.contains("compact") {
            let text = match topic.role {
                Role::In(_) => {
                    "is compacted: its keys are routing domains, so all but the last event \
                                of a domain would vanish"
                }
                Role::DeadLetter => "is compacted: records without a key would be refused",
                _ => "is compacted: all but the last decision of a lead would vanish",
            };
            say(Severity::Fault, text.to_owned(), "cleanup.policy=delete");
        }
        findings.extend(self.retention(topic, config));
        findings.extend(self.size(topic, config));
        findings
    }

    /// Whether records live long enough.
    fn retention(&self, topic: &Wanted, config: &BTreeMap<String, String>) -> Option<Finding> {
        let (_, wanted) = topic.config.iter().find(|(key, _)| *key == "retention.ms")?;
        let kept = number(config, "retention.ms").filter(|kept| *kept != -1)?;
        let is_short = kept < wanted.parse().unwrap_or(0);
        let days = kept / DAY_MS;
        let (severity, text) = match topic.role {
            Role::In(_) | Role::Changes if kept < LEAST_RETENTION_MS => (
                Severity::Fault,
                format!("keeps records for {kept} ms: a stop of that length loses leads"),
            ),
            Role::In(input) if input.is_reference() || is_short => (
                Severity::Advice,
                format!(
                    "keeps records for {days} days only; what was read lives on in the state, but a new \
                     start from nothing, a backtest and an audit need them"
                ),
            ),
            Role::Out if kept < LEAST_RETENTION_MS => (
                Severity::Advice,
                format!("keeps records for {kept} ms: whoever reads them after a stop misses some"),
            ),
            Role::Out if is_short => (
                Severity::Advice,
                format!("keeps records for {days} days only; an audit needs them for longer"),
            ),
            _ => return None,
        };
        let mend = Some(self.alter(&topic.name, &format!("retention.ms={wanted}")));
        Some(Finding { severity, topic: topic.name.clone(), text, mend })
    }

    fn size(&self, topic: &Wanted, config: &BTreeMap<String, String>) -> Option<Finding> {
        if !matches!(topic.role, Role::In(_) | Role::Out | Role::Changes) {
            return None;
        }
        let bytes = number(config, "retention.bytes").filter(|bytes| *bytes != -1)?;
        Some(Finding {
            severity: Severity::Advice,
            topic: topic.name.clone(),
            text: format!("keeps {bytes} bytes a partition only, however short a time that is"),
            mend: Some(self.alter(&topic.name, "retention.bytes=-1")),
        })
    }
}

fn number(config: &BTreeMap<String, String>, key: &str) -> Option<i64> {
    config.get(key)?.parse().ok()
}

/// A topic of the bridge: only `ingest` reads it, so the router starts without it.
fn bridged(topic: &Wanted, found: &Found) -> Option<Finding> {
    let text = match found {
        Found::Missing => {
            "does not exist, and `lead-router ingest` does not start without it; it is the bridge's: \
             start the bridge, or make the topic as the bridge wants it"
        }
        Found::Forbidden => "this user may not describe it, and `lead-router ingest` reads it",
        Found::There { .. } => return None,
    };
    Some(Finding {
        severity: Severity::Advice,
        topic: topic.name.clone(),
        text: text.to_owned(),
        mend: None,
    })
}
