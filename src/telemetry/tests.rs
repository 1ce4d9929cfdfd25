//! The catalogue against its own rules, against the runbook, and the recorder against a batch.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::lag::Lag;
use super::metrics::{self, CATALOGUE, Kind, Metric};
use super::record::Recorder;
use super::registry::Metrics;
use crate::domain::fact::{Counter, Fact, Rejection};
use crate::domain::input::Topic;
use crate::domain::time::Span;
use crate::domain::timer::TimerKind;
use crate::engine::report::{BatchReport, Ending, Fired, Observer, ShardEvent};

const BEGIN: &str = "writes it -->\n";
const END: &str = "<!-- end of metrics -->";

fn deployed(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

fn runbook() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/RUNBOOK.md");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn runbook_shows_the_catalogue() {
    let (path, text) = runbook();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (table, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("BLESS").is_some() {
        let blessed = format!("{head}{BEGIN}{}{END}{tail}", metrics::markdown());
        std::fs::write(path, blessed).unwrap();
        return;
    }
    assert_eq!(table, metrics::markdown(), "run `BLESS=1 cargo test runbook`");
}

#[test]
fn runbook_has_every_alert_and_no_other() {
    let (_, text) = runbook();
    let told: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let named: BTreeSet<&str> =
        CATALOGUE.iter().map(|entry| entry.alert).filter(|alert| !alert.is_empty()).collect();
    assert_eq!(told, named);
}

/// The alerts of Prometheus' rules: name, and expression with its duration as the runbook writes them.
fn rules() -> Vec<(String, String)> {
    let text = deployed("prometheus/alerts.rules.yml");
    let rules = text.split("- alert: ").skip(1).map(|rule| {
        let field = |key: &str| rule.lines().find_map(|line| line.trim().strip_prefix(key));
        let name = rule.lines().next().unwrap().to_owned();
        let expression = field("expr: ").unwrap();
        let link = format!("{{ runbook: \"deploy/RUNBOOK.md#{}\" }}", name.to_lowercase());
        assert_eq!(field("annotations: "), Some(&*link), "{name}");
        let lasting = field("for: ").map_or(String::new(), |time| format!(", for {time}"));
        (name, format!("`{expression}`{lasting}"))
    });
    rules.collect()
}

#[test]
fn the_rules_are_what_the_runbook_says() {
    let (_, text) = runbook();
    let told = text.split("\n### ").skip(1).map(|section| {
        let mut lines = section.lines().filter(|line| !line.is_empty()).map(str::to_owned);
        (lines.next().unwrap(), lines.next().unwrap())
    });
    assert_eq!(rules(), told.collect::<Vec<_>>());
}

#[test]
fn only_metrics_that_exist_are_named() {
    let known: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
    for file in ["RUNBOOK.md", "prometheus/alerts.rules.yml", "grafana/dashboards/lead-router.json"]
    {
        let text = deployed(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = words.filter(|word| {
            ["leadrouter_", "process_", "machine_"].iter().any(|start| word.starts_with(start))
        });
        for word in ours {
            assert!(known.contains(family(word)), "{file}: {word} is not in the catalogue");
        }
    }
}

/// The metric that a series is of.
fn family(series: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.iter().find_map(|part| series.strip_suffix(part)).unwrap_or(series)
}

#[test]
fn only_labels_and_values_that_exist_are_asked_for() {
    let mut asked = 0;
    for file in ["RUNBOOK.md", "prometheus/alerts.rules.yml", "grafana/dashboards/lead-router.json"]
    {
        let text = deployed(file).replace("\\\"", "\"");
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for (at, _) in text.match_indices('{') {
            let series = text[..at].rsplit(|c| !name(c)).next().unwrap();
            let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == family(series)) else {
                continue;
            };
            let matchers = text[at + 1..].split_once('}').unwrap().0;
            for matcher in matchers.split(',') {
                let (label, value) = matcher.split_once(['=', '!']).unwrap();
                let own = entry.labels.iter().find(|(own, _)| *own == label);
                let known = own.expect(matcher).1.known();
                for one in value.trim_start_matches(['=', '~']).trim_matches('"').split('|') {
                    assert!(known.contains(&one), "{file}: {series}{{{matcher}}}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 30, "{asked}");
}

fn panels() -> Vec<serde_json::Value> {
    let board: serde_json::Value =
        serde_json::from_str(&deployed("grafana/dashboards/lead-router.json")).unwrap();
    board["panels"].as_array().unwrap().clone()
}

/// The queries of a panel.
fn queries(title: &str) -> Vec<String> {
    let panels = panels();
    let panel = panels.iter().find(|panel| panel["title"] == title).expect(title);
    let targets = panel["targets"].as_array().unwrap();
    targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_board_shows_as_waiting_who_waits() {
    let query = "sum by (phase) (leadrouter_open_leads{phase=~\"queued|parked\"})";
    assert_eq!(queries("Leads that wait"), [query]);
}

#[test]
fn of_new_leads_the_board_says_which_share_has_no_rep() {
    let decisions = |more: &str| {
        format!("sum(increase(leadrouter_decisions_total{{cause=\"created\"{more}}}[$__range]))")
    };
    let (none, all) = (decisions(",outcome=~\"queued|parked\""), decisions(""));
    assert_eq!(queries("Leads without a rep"), [format!("{none} / clamp_min({all}, 1)")]);
}

#[test]
fn the_board_answers_what_a_leader_asks() {
    for (title, metric) in [
        ("Speed to lead", "leadrouter_lead_to_first_touch_seconds_bucket"),
        ("Speed to lead, median", "leadrouter_lead_to_first_touch_seconds_bucket"),
        ("SLA met", "leadrouter_sla_deadlines_total"),
        ("Leads that a rep owes an answer", "leadrouter_sla_ladders"),
        ("Why leads are not routed", "leadrouter_unrouted_total"),
        ("Lift", "leadrouter_deals_total"),
        ("Won share by arm", "leadrouter_deals_total"),
        ("Deals", "leadrouter_deals_total"),
        ("Wins for each one expected", "leadrouter_stated_win_probability_ratio_sum"),
        ("Too little data", "leadrouter_assignments_total"),
        ("Guard rails", "leadrouter_effects_total"),
        ("Deals of unknown reps", "leadrouter_effects_total"),
    ] {
        assert!(queries(title).iter().all(|query| query.contains(metric)), "{title}");
    }
    for query in [queries("Time to assignment"), queries("Time to assignment, p99")].concat() {
        assert!(query.contains("{given=\"at_once\"}"), "{query}");
    }
}

#[test]
fn each_panel_has_its_place_and_says_what_it_shows() {
    let mut places = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64()), "{title}: another has its id");
        assert!(panel["type"] == "row" || panel["description"].is_string(), "{title}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for (x, y) in (0..at("w")).flat_map(|x| (0..at("h")).map(move |y| (x, y))) {
            assert!(places.insert((at("x") + x, at("y") + y)), "{title} lies on another");
        }
        assert!(at("x") + at("w") <= 24, "{title}");
    }
}

#[test]
fn names_keep_the_rules() {
    let mut seen = BTreeSet::new();
    for entry in CATALOGUE {
        let name = entry.name;
        assert!(seen.insert(name), "{name} twice");
        assert!(name.starts_with("leadrouter_") || name.starts_with("process_"), "{name}");
        assert_eq!(entry.kind == Kind::Counter, name.ends_with("_total"), "{name}");
        let bare = name.strip_suffix("_total").unwrap_or(name);
        for unit in ["_ms", "_millis", "_us", "_micros", "_minutes", "_kb", "_mb", "_percent"] {
            assert!(!bare.ends_with(unit), "{name} is not in base units");
        }
        if entry.unit == "seconds" {
            assert!(bare.ends_with("_seconds"), "{name}");
        }
        for (label, _) in entry.labels {
            for forbidden in ["lead", "rep", "territory", "account", "email"] {
                assert!(!label.contains(forbidden), "{name} has the label {label}");
            }
        }
        if let Kind::Histogram(bounds) = entry.kind {
            assert!(bounds.is_sorted(), "{name}");
        }
    }
}

#[test]
fn closed_combinations_exist_at_zero() {
    let metrics = Metrics::new().unwrap();
    let text = metrics.text().unwrap();
    assert!(text.contains("leadrouter_records_consumed_total{topic=\"policy-changed\"} 0"));
    assert!(text.contains("leadrouter_unrouted_total{reason=\"no_territory\"} 0"));
    assert!(text.contains("leadrouter_assignments_total{method=\"control\",reason=\"control\"} 0"));
    assert!(text.contains("class=\"standard\""));
    assert!(text.contains("# TYPE process_cpu_seconds_total counter"));
    for entry in CATALOGUE {
        let bounded = entry.labels.iter().any(|(_, values)| values.known().is_empty());
        assert!(bounded || text.contains(entry.name), "{} is not shown", entry.name);
    }
}

#[test]
fn every_record_of_intake_has_one_outcome() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut recorder = Recorder::new(metrics.clone(), Arc::new(Lag::new(metrics.clone())));
    let mut consumed = [0; 9];
    consumed[Topic::LeadCreated.index()] = 5;
    consumed[Topic::LeadActivity.index()] = 2;
    let rejection = Rejection { reason: "territory.cycle", field: "parent_id".to_owned() };
    recorder.batch(BatchReport {
        consumed,
        facts: vec![Fact::Counted(Counter::Repeat), Fact::Rejected(rejection)],
        poison: vec![(Topic::LeadCreated, "json.syntax"), (Topic::LeadActivity, "who.knows")],
        armed: 4,
        cancelled: 1,
        fired: vec![Fired { kind: TimerKind::Sla, late: Span::from_millis(3) }],
        decided_in: Duration::from_micros(40),
        ..BatchReport::default()
    });
    let value = |metric, labels: &[&str]| metrics.value(metric, labels).unwrap();
    assert_eq!(value(Metric::Leads, &["dead_letter"]), 1.0);
    assert_eq!(value(Metric::Leads, &["unchanged"]), 4.0);
    assert_eq!(value(Metric::RecordsConsumed, &["lead-activity"]), 2.0);
    assert_eq!(value(Metric::DeadLetters, &["territory.cycle"]), 1.0);
    assert_eq!(value(Metric::DeadLetters, &["other"]), 1.0);
    assert_eq!(value(Metric::TimersFired, &["sla"]), 1.0);
    assert_eq!(value(Metric::Transactions, &["committed"]), 1.0);
    assert_eq!(value(Metric::Effects, &["repeat"]), 1.0);
}

#[test]
fn an_aborted_batch_counts_as_a_transaction_and_nothing_else() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let mut recorder = Recorder::new(metrics.clone(), Arc::new(Lag::new(metrics.clone())));
    recorder.shard(ShardEvent::Assigned(0));
    recorder.batch(BatchReport { ending: Ending::Aborted, ..BatchReport::default() });
    assert_eq!(metrics.value(Metric::Transactions, &["aborted"]), Some(1.0));
    assert_eq!(metrics.value(Metric::Transactions, &["committed"]), Some(0.0));
    assert!(metrics.text().unwrap().contains("leadrouter_batch_records_count 0"));
    assert_eq!(metrics.value(Metric::Shards, &[]), Some(1.0));
}
