//! Looks at a cluster's topics, and makes those that are missing.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;

use crate::config::Settings;
use crate::kafka::context::forward;
use crate::kafka::error::{self, TopicAnswer, Trouble};
use crate::kafka::settings;

use super::plan::{Found, Report, Wanted, plan, wanted};

/// Brokers that do not answer within this are not there.
const PATIENCE: Duration = Duration::from_secs(15);
const QUERY: Duration = Duration::from_secs(5);

/// Hears why a connection fails, which a query that times out does not say.
#[derive(Clone, Debug, Default)]
struct Ear {
    last: Arc<Mutex<Option<(bool, String)>>>,
}

impl ClientContext for Ear {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, text: &str) {
        // The same comes as an error, and is told once, by us.
        forward(RDKafkaLogLevel::Debug, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if error::is_summary(&error) {
            return;
        }
        let refused = error::is_refused(&error);
        // Why a login was refused must not be covered by the disconnect that follows it.
        if refused || !last.as_ref().is_some_and(|(refused, _)| *refused) {
            *last = Some((refused, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Ear {}

/// A connection for looking.
pub struct Cluster {
    reader: BaseConsumer<Ear>,
    ear: Ear,
    bootstrap: String,
}

impl Cluster {
    /// Returns when a broker has answered.
    pub fn connect(settings: &Settings) -> Result<Cluster, Trouble> {
        readable(settings)?;
        let ear = Ear::default();
        let reader: BaseConsumer<Ear> = settings::uncommitted_reader(settings, 0)
            .create_with_context(ear.clone())
            .map_err(|error| error::creating(&error))?;
        let bootstrap = settings.kafka.bootstrap_servers.clone();
        let cluster = Cluster { reader, ear, bootstrap };
        // A name that no topic can have: the smallest question.
        cluster.metadata(&settings.topics.state)?;
        Ok(cluster)
    }

    fn metadata(&self, topic: &str) -> Result<Metadata, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.reader.fetch_metadata(Some(topic), Duration::from_secs(1));
            let Err(error) = answer else { return answer.map_err(|e| error::inspecting("", &e)) };
            for _ in 0..16 {
                let _ = self.reader.poll(Duration::ZERO);
            }
            let last = self.ear.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let bootstrap = &self.bootstrap;
            match last {
                Some((true, why)) => {
                    return Err(Trouble::Config(format!(
                        "{bootstrap} refuses us: {why}{}",
                        error::hint(&why)
                    )));
                }
                Some((false, why)) if Instant::now() > deadline => {
                    let text = format!("{bootstrap} does not answer: {why}{}", error::hint(&why));
                    return Err(Trouble::Temporary(text));
                }
                None if Instant::now() > deadline => {
                    let hint = error::hint(&error.to_string());
                    let text = format!("{bootstrap} does not answer: {error}{hint}");
                    return Err(Trouble::Temporary(text));
                }
                _ => {}
            }
        }
    }

    /// A topic's number of partitions, or why there is none.
    fn topic(&self, name: &str) -> Result<Found, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metadata = self.metadata(name)?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            match error::topic_answer(topic.and_then(|topic| topic.error())) {
                TopicAnswer::There => {
                    let count = topic.map_or(0, |topic| topic.partitions().len());
                    let partitions = i32::try_from(count).unwrap_or(i32::MAX);
                    return Ok(Found::There { partitions, config: None, empty: false });
                }
                TopicAnswer::Missing => return Ok(Found::Missing),
                TopicAnswer::Forbidden => return Ok(Found::Forbidden),
                TopicAnswer::NotNow(why) if Instant::now() > deadline => {
                    return Err(Trouble::Temporary(format!("{name}: {why}")));
                }
                TopicAnswer::NotNow(_) => thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn is_empty(&self, name: &str, partitions: i32) -> Result<bool, Trouble> {
        for partition in 0..partitions {
            let (low, high) = self
                .reader
                .fetch_watermarks(name, partition, QUERY)
                .map_err(|error| error::inspecting(name, &error))?;
            if low != high {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether the files that the connection needs can be read: the client's own error names neither file nor reason.
fn readable(settings: &Settings) -> Result<(), Trouble> {
    const FILES: [&str; 4] = [
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.keystore.location",
    ];
    for key in FILES {
        // The word means: look for the usual places.
        let path = settings.kafka.properties.get(key).filter(|path| *path != "probe");
        if let Some(Err(error)) = path.map(std::fs::File::open) {
            let path = path.map_or("", String::as_str);
            return Err(Trouble::Config(format!("kafka property {key}: {path}: {error}")));
        }
    }
    Ok(())
}

/// Looks at all topics that the configuration names.
pub fn inspect(settings: &Settings) -> Result<Report, Trouble> {
    let cluster = Cluster::connect(settings)?;
    let wanted = wanted(settings);
    let mut found = Vec::with_capacity(wanted.len());
    for topic in &wanted {
        found.push(cluster.topic(&topic.name)?);
    }
    let configs = configs(settings, &wanted, &found)?;
    for (found, read) in found.iter_mut().zip(configs) {
        if let Found::There { config, .. } = found {
            *config = read;
        }
    }
    // Only where the number is wrong does it matter whether there are records.
    let agreed = plan(settings, &wanted, &found).layout.partitions();
    for (topic, found) in wanted.iter().zip(&mut found) {
        if let Found::There { partitions, empty, .. } = found
            && topic.role.is_sharded()
            && *partitions != agreed
        {
            *empty = cluster.is_empty(&topic.name, *partitions)?;
        }
    }
    Ok(plan(settings, &wanted, &found))
}

type Config = Option<BTreeMap<String, String>>;

/// The configuration of each topic that is there; `None` where we may not read it.
fn configs(
    settings: &Settings,
    wanted: &[Wanted],
    found: &[Found],
) -> Result<Vec<Config>, Trouble> {
    let admin: AdminClient<DefaultClientContext> =
        settings::admin(settings).create().map_err(|error| error::creating(&error))?;
    let there = |found: &Found| matches!(found, Found::There { .. });
    let asked: Vec<ResourceSpecifier<'_>> = wanted
        .iter()
        .zip(found)
        .filter(|(_, found)| there(found))
        .map(|(topic, _)| ResourceSpecifier::Topic(&topic.name))
        .collect();
    if asked.is_empty() {
        return Ok(vec![None; wanted.len()]);
    }
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let answers = block_on(admin.describe_configs(&asked, &options))
        .map_err(|error| error::inspecting("describe topics", &error))?;
    let mut answers = answers.into_iter().map(|answer| config_of(answer.ok()?.entries));
    Ok(found
        .iter()
        .map(|found| if there(found) { answers.next().flatten() } else { None })
        .collect())
}

/// A topic's configuration. An answer without any entry is that of a broker that does not let us read it: the
/// client does not hand its error on.
fn config_of(entries: Vec<ConfigEntry>) -> Config {
    let values = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
    let values: BTreeMap<String, String> = values.collect();
    (!values.is_empty()).then_some(values)
}

/// Makes what is missing; returns the names made.
pub fn apply(settings: &Settings, report: &Report) -> Result<Vec<String>, Trouble> {
    let admin: AdminClient<DefaultClientContext> =
        settings::admin(settings).create().map_err(|error| error::creating(&error))?;
    let topics: Vec<NewTopic<'_>> = report
        .missing
        .iter()
        .map(|topic| {
            let replication = TopicReplication::Fixed(settings.topics.replication);
            let new = NewTopic::new(&topic.name, report.layout.partitions(), replication);
            topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(30)))
        .operation_timeout(Some(Duration::from_secs(30)));
    let answers = block_on(admin.create_topics(&topics, &options))
        .map_err(|error| error::administering("create topics", "Create", &error))?;
    let mut made = Vec::new();
    for answer in answers {
        match answer {
            Ok(name) => made.push(name),
            Err((name, code)) if error::already_exists(code) => made.push(name),
            Err((name, code)) => {
                let error = KafkaError::AdminOp(code);
                let call = format!("create {name}");
                return Err(error::administering(&call, "Create", &error));
            }
        }
    }
    Ok(made)
}

/// How many partitions a topic has.
pub fn partitions(settings: &Settings, name: &str) -> Result<i32, Trouble> {
    match Cluster::connect(settings)?.topic(name)? {
        Found::There { partitions, .. } => Ok(partitions),
        _ => Err(Trouble::Config(format!(
            "the topic {name} is missing: `lead-router topics plan` says what is to be done"
        ))),
    }
}

/// Removes topics: those that a measurement made for itself.
pub fn delete(settings: &Settings, names: &[String]) -> Result<(), Trouble> {
    let admin: AdminClient<DefaultClientContext> =
        settings::admin(settings).create().map_err(|error| error::creating(&error))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let deleted = block_on(admin.delete_topics(&names, &AdminOptions::new()));
    deleted.map(|_| ()).map_err(|error| error::administering("delete topics", "Delete", &error))
}

/// Makes topics with the brokers' defaults.
pub fn create(settings: &Settings, names: &[&str], partitions: i32) -> Result<(), Trouble> {
    let admin: AdminClient<DefaultClientContext> =
        settings::admin(settings).create().map_err(|error| error::creating(&error))?;
    let fixed = settings.topics.replication;
    let new: Vec<NewTopic<'_>> = names
        .iter()
        .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(fixed)))
        .collect();
    let created = block_on(admin.create_topics(&new, &AdminOptions::new()));
    created.map(|_| ()).map_err(|error| error::administering("create topics", "Create", &error))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future of the admin client, which a thread of its own completes: no runtime is needed.
pub(in crate::kafka) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_entries_is_no_configuration() {
        assert_eq!(config_of(Vec::new()), None, "a topic always has some: we may not read it");
    }
}
