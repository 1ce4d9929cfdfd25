//! What is wrong with topics, and the command that mends it.

use super::*;
use crate::config::{self, Settings};
use crate::domain::input::Topic;

fn settings() -> Settings {
    config::load_text("", "topics.partitions = 4\n", std::iter::empty()).expect("settings").settings
}

fn good(topic: &Wanted) -> Found {
    let config =
        topic.config.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Found::There { partitions: 4, config: Some(config), empty: true }
}

/// All topics good but for what `change` makes of them.
fn told(change: impl Fn(&Wanted, &mut Found)) -> (Report, Vec<String>) {
    told_of(&settings(), change)
}

fn told_of(settings: &Settings, change: impl Fn(&Wanted, &mut Found)) -> (Report, Vec<String>) {
    let wanted = wanted(settings);
    let mut found: Vec<Found> = wanted.iter().map(good).collect();
    for (topic, found) in wanted.iter().zip(&mut found) {
        change(topic, found);
    }
    let report = plan(settings, &wanted, &found);
    let lines = report.findings.iter().map(ToString::to_string).collect();
    (report, lines)
}

fn set(found: &mut Found, key: &str, value: &str) {
    if let Found::There { config: Some(config), .. } = found {
        config.insert(key.to_owned(), value.to_owned());
    }
}

#[test]
fn nothing_is_said_about_good_topics() {
    let (report, lines) = told(|_, _| {});
    assert_eq!(lines, Vec::<String>::new());
    assert_eq!(report.layout.partitions(), 4);
    assert_eq!(report.layout.subscribed().count(), 9);
}

#[test]
fn on_an_empty_cluster_all_are_to_be_made() {
    let (report, lines) = told(|_, found| *found = Found::Missing);
    assert_eq!(report.missing.len(), 13);
    assert_eq!(report.faults().count(), 12, "the fast one is optional");
    assert!(
        lines.contains(
            &"fault: lead-router.state: does not exist\n    kafka-topics.sh --bootstrap-server \
              127.0.0.1:9092 --create --topic lead-router.state --partitions 4 --config \
              cleanup.policy=compact --config delete.retention.ms=604800000 --config \
              max.compaction.lag.ms=86400000 --config min.cleanable.dirty.ratio=0.1"
                .to_owned()
        ),
        "{lines:#?}"
    );
}

#[test]
fn the_fast_topic_is_neither_needed_nor_made_later() {
    let (report, lines) = told(|topic, found| {
        if topic.role == Role::In(Topic::LeadCreatedFast) {
            *found = Found::Missing;
        }
    });
    assert_eq!(report.missing, []);
    assert_eq!(report.faults().count(), 0);
    assert!(lines[0].starts_with("advice: lead-created-fast: does not exist and is not read"));
    assert_eq!(report.layout.absent().collect::<Vec<_>>(), [Topic::LeadCreatedFast]);
}

#[test]
fn a_wrong_number_of_partitions_is_mended_by_what_it_holds() {
    for (count, is_empty, command) in [
        (3, true, "--alter --topic rep-changed --partitions 4"),
        (5, true, "--delete --topic rep-changed && kafka-topics.sh"),
        (3, false, "publish them anew into a topic of another name"),
    ] {
        let (report, lines) = told(|topic, found| {
            if let (Found::There { partitions, empty, .. }, "rep-changed") =
                (found, topic.name.as_str())
            {
                (*partitions, *empty) = (count, is_empty);
            }
        });
        assert_eq!(report.faults().count(), 1);
        assert!(lines[0].contains(command), "{}", lines[0]);
    }
    let (_, lines) = told(|topic, found| {
        if let (Found::There { partitions, .. }, Role::Out | Role::DeadLetter) = (found, topic.role)
        {
            *partitions = 1;
        }
    });
    assert_eq!(lines, Vec::<String>::new(), "topics out are keyed by lead: any number will do");
}

#[test]
fn policies_and_retention() {
    let (_, lines) = told(|topic, found| match topic.name.as_str() {
        "lead-router.state" => set(found, "cleanup.policy", "delete"),
        "lead-router.dead-letter" => set(found, "cleanup.policy", "compact"),
        "lead-updated" => set(found, "retention.ms", "3600000"),
        "rep-changed" => set(found, "retention.ms", "604800000"),
        _ => {}
    });
    let starts = [
        "fault: lead-updated: keeps records for 3600000 ms",
        "fault: lead-router.dead-letter: is compacted: records without a key would be refused",
        "fault: lead-router.state: cleanup.policy is delete",
        "advice: rep-changed: keeps records for 7 days only",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(
        lines[2].ends_with("--entity-name lead-router.state --add-config cleanup.policy=compact")
    );
}

#[test]
fn a_topic_out_that_forgets_early_is_told() {
    let (report, lines) = told(|topic, found| match topic.name.as_str() {
        "lead-assigned" => set(found, "retention.ms", "1000"),
        "sla-breached" => {
            set(found, "retention.ms", "604800000");
            set(found, "retention.bytes", "1048576");
        }
        "lead-router.dead-letter" => set(found, "retention.ms", "86400000"),
        _ => {}
    });
    let starts = [
        "advice: lead-assigned: keeps records for 1000 ms",
        "advice: sla-breached: keeps records for 7 days only",
        "advice: sla-breached: keeps 1048576 bytes a partition only",
    ];
    assert_eq!(lines.len(), starts.len(), "dead letters may be short-lived: {lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(
        lines[0].ends_with("--entity-name lead-assigned --add-config retention.ms=34560000000")
    );
    assert_eq!(report.faults().count(), 0);
}

#[test]
fn topics_of_ingest_are_looked_at_too() {
    let text = "topics.partitions = 4\n[ingest]\ntopics = \"sf.lead\"\ndomain = \"acme\"\n";
    let settings = config::load_text("", text, std::iter::empty()).expect("settings").settings;
    let (_, lines) = told_of(&settings, |topic, found| {
        if let (Found::There { partitions, config, .. }, Role::Bridged) = (found, topic.role) {
            (*partitions, *config) = (1, None);
        }
    });
    assert_eq!(lines, Vec::<String>::new(), "it is the bridge's: any number will do");
    let (report, lines) = told_of(&settings, |topic, found| match topic.role {
        Role::Bridged => *found = Found::Missing,
        Role::Changes => set(found, "retention.ms", "1000"),
        _ => {}
    });
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].starts_with("fault: lead-router.raw: keeps records for 1000 ms"), "{lines:?}");
    assert!(lines[1].starts_with("advice: sf.lead: does not exist"), "{lines:?}");
    assert_eq!(report.missing, [], "nobody but the bridge makes it");
}
