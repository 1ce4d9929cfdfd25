//! The rules of the house, held by a machine: sizes, headings, and which layer may know which.

use std::fs;
use std::path::{Path, PathBuf};

/// What a top-level module may use of ours. Another arrow is a decision, not an accident.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wheel", &["domain"]),
    ("codec", &["domain"]),
    ("engine", &["domain", "wheel", "codec"]),
    ("ingest", &["domain", "codec"]),
    ("intake", &["domain", "codec", "engine", "ingest"]),
    ("embedded", &["domain", "engine"]),
    ("verify", &["domain", "codec", "engine", "ingest"]),
    ("evaluate", &["domain", "codec", "engine"]),
    ("config", &["domain"]),
    ("registry", &["domain", "codec", "config"]),
    ("telemetry", &["domain", "engine", "codec"]),
    ("kafka", &["domain", "engine", "config"]),
    ("runtime", &["domain", "engine", "codec", "telemetry", "config", "kafka"]),
];

/// Crates that only these modules may name.
const OWNERS: &[(&str, &[&str])] = &[
    ("rdkafka", &["kafka"]),
    ("tokio", &["runtime", "telemetry", "cli"]),
    ("prometheus", &["telemetry"]),
    ("dashmap", &["runtime"]),
    ("tracing", &["telemetry", "runtime", "kafka", "registry", "cli"]),
    ("reqwest", &["registry"]),
    (
        "serde_json",
        &[
            "codec",
            "engine",
            "ingest",
            "intake",
            "registry",
            "telemetry",
            "runtime",
            "cli",
            "verify",
            "demo",
        ],
    ),
    ("apache_avro", &["codec"]),
];

/// Words that stand for something unfinished, hidden or non-deterministic, with where they are allowed.
const BANNED: &[(&str, &[&str])] = &[
    ("todo!(", &[]),
    ("unimplemented!(", &[]),
    ("#[ignore", &[]),
    ("SystemTime::now", &["src/runtime/clock.rs"]),
    ("thread_rng", &[]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("a readable source file")));
        }
    }
}

/// `src/engine/merge.rs` → `engine`.
fn layer(name: &str) -> &str {
    let rest = name.strip_prefix("src/").unwrap_or(name);
    let top = rest.split('/').next().unwrap_or(rest);
    top.strip_suffix(".rs").unwrap_or(top)
}

fn is_test(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/") || name.starts_with("tests/")
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for (name, text) in sources("src").into_iter().chain(sources("tests")).chain(sources("benches"))
    {
        let lines = text.lines().count();
        if lines > 500 {
            faults.push(format!("{name}: {lines} lines, 500 is the limit"));
        }
        if !text.starts_with("//!") {
            faults.push(format!("{name}: no heading (//!) that says what it is"));
        }
        // A row of a table in a heading cannot be broken.
        let is_long = |line: &str| line.chars().count() > 120 && !line.starts_with("//! |");
        let long = text.lines().position(is_long);
        if let Some(at) = long {
            faults.push(format!("{name}:{}: longer than 120 columns", at + 1));
        }
    }
    report(faults);
}

#[test]
fn layers_use_only_what_lies_below_them() {
    let mut faults = Vec::new();
    for (name, text) in sources("src") {
        let own = layer(&name);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == own) else { continue };
        if is_test(&name) {
            continue;
        }
        let (code, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
        for part in code.split("crate::").skip(1) {
            let used: String =
                part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if used != own && LAYERS.iter().any(|(l, _)| *l == used) && !allowed.contains(&&*used) {
                faults.push(format!("{name}: {own} uses {used}"));
            }
        }
        if own == "domain" && code.contains("HashMap") {
            faults.push(format!("{name}: a hash map in the domain; its order is nobody's"));
        }
    }
    report(faults);
}

#[test]
fn outer_crates_stay_in_their_modules() {
    let mut faults = Vec::new();
    for (name, text) in sources("src") {
        for (krate, owners) in OWNERS {
            let named =
                text.contains(&format!("use {krate}")) || text.contains(&format!(" {krate}::"));
            if named && !owners.contains(&layer(&name)) && name != "src/main.rs" {
                faults.push(format!("{name}: names {krate}, which belongs to {owners:?}"));
            }
        }
    }
    report(faults);
}

#[test]
fn nothing_is_unfinished_or_hidden() {
    let mut faults = Vec::new();
    for (name, text) in sources("src").into_iter().chain(sources("tests")) {
        for (word, allowed) in BANNED {
            if text.contains(word) && !allowed.contains(&&*name) && name != "tests/it/tidy.rs" {
                faults.push(format!("{name}: {word}"));
            }
        }
    }
    report(faults);
}
