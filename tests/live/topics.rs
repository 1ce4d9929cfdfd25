//! What is missing or wrong is seen on a real cluster, and what is missing is made.

use std::time::{Duration, Instant};

use lead_router::kafka::topics::{self, Severity};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::support::{bootstrap, settings};

/// Makes a topic, and waits until it can be seen.
pub(crate) fn create(name: &str, partitions: i32, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap()).create().expect("a client");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let made = runtime.block_on(admin.create_topics(&[topic], &options)).expect("an answer");
    made.into_iter().for_each(|one| assert_eq!(one.map_err(|(_, code)| code), Ok(name.to_owned())));
    let deadline = Instant::now() + Duration::from_secs(30);
    let within = Duration::from_secs(5);
    while admin.inner().fetch_watermarks(name, 0, within).is_err() {
        assert!(Instant::now() < deadline, "{name} cannot be seen");
    }
}

/// Gives a topic more partitions.
pub(crate) fn grow(name: &str, partitions: usize) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap()).create().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let more = [NewPartitions::new(name, partitions)];
    let grown = runtime.block_on(admin.create_partitions(&more, &AdminOptions::new()));
    grown.expect("an answer").into_iter().for_each(|one| drop(one.expect("more partitions")));
}

#[test]
fn what_is_wrong_is_named_and_what_is_missing_is_made() {
    let settings = settings("plan", "");
    let names = &settings.topics;
    // Made by hand, badly: state that is not compacted, reps with too few partitions, leads kept an hour.
    create(&names.state, 4, &[]);
    create(&names.inputs[0], 4, &[("retention.ms", "3600000")]);
    create(&names.inputs[6], 3, &[("retention.ms", "-1")]);
    let report = topics::inspect(&settings).expect("a report");
    assert_eq!(report.layout.partitions(), 4);
    assert_eq!(report.missing.len(), 9, "the fast one is not made beside topics in use");
    let told: Vec<String> = report.faults().map(ToString::to_string).collect();
    for (topic, text) in [
        (&names.state, "cleanup.policy is delete"),
        (&names.inputs[0], "keeps records for 3600000 ms"),
        (&names.inputs[6], "has 3 partitions"),
        (&names.inputs[8], "does not exist"),
    ] {
        let start = format!("fault: {topic}: {text}");
        assert!(told.iter().any(|line| line.starts_with(&start)), "{start} not in {told:#?}");
    }

    let made = topics::apply(&settings, &report).expect("made");
    assert_eq!(made.len(), 9);
    let after = topics::inspect(&settings).expect("a report");
    assert!(after.missing.is_empty());
    assert_eq!(after.faults().count(), 3, "what exists is not touched: {:?}", after.findings);
    let advice = after.findings.iter().filter(|finding| finding.severity == Severity::Advice);
    let advice: Vec<&str> = advice.map(|finding| finding.topic.as_str()).collect();
    assert_eq!(advice, [&names.inputs[1]]);
}

#[test]
fn a_broker_that_is_not_there_may_be_later() {
    let mut settings = settings("nobody", "");
    settings.kafka.bootstrap_servers = "127.0.0.1:9".to_owned();
    let trouble = topics::inspect(&settings).expect_err("nobody listens there");
    assert!(matches!(trouble, lead_router::kafka::Trouble::Temporary(_)), "{trouble:?}");
    assert!(trouble.to_string().contains("Connection refused"), "{trouble}");
}
