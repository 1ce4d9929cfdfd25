//! Scenarios: business rules as tables that people who own the rules can read, in `tests/it/scenarios/*.txt`.
//!
//! One line is one event with the expectation on it: `at 10:00 lead L1 state=CA -> assigned ann (rotation)`.
//! Each line goes through the filter (`lead-router pipe`), so what is tested is the router itself on virtual
//! time. A line that says something which no expectation states fails, with file, line and difference.
//! The language is described in `docs/scenarios.md`.
//!
//! To add one: write a file (or a `scenario` in a file) and run `cargo test --test it scenario`;
//! `LEAD_ROUTER_SCENARIO=sticky` runs only the files and scenarios whose name has that in it.

mod event;
mod expect;
mod text;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lead_router::cli::pipe::{Pipe, PolicyFile};
use serde_json::Value;

use self::event::{Said, Script};
use self::expect::Sentence;
use self::text::{Clock, Line};

/// What one file came to.
#[derive(Default)]
struct Outcome {
    failures: Vec<String>,
    scenarios: usize,
    expectations: usize,
}

/// A scenario: its name and its lines, those of the file's background first.
struct Scenario<'t> {
    name: &'t str,
    lines: Vec<Line<'t>>,
}

/// Runs a file's text; `name` stands before line numbers, `wanted` selects scenarios by name.
fn check(name: &str, text: &str, wanted: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let lines = match text::lines(text) {
        Ok(lines) => lines,
        Err((line, fault)) => {
            outcome.failures.push(format!("{name}:{line}: {fault}"));
            return outcome;
        }
    };
    let file_wanted = name.contains(wanted);
    for scenario in scenarios(&lines) {
        if file_wanted || scenario.name.contains(wanted) {
            outcome.scenarios += 1;
            run(name, &scenario, &mut outcome);
        }
    }
    outcome
}

/// Lines before the first `scenario` are the background of each; a file without one is a scenario.
fn scenarios<'t>(lines: &[Line<'t>]) -> Vec<Scenario<'t>> {
    let mut background = Vec::new();
    let mut found: Vec<Scenario<'t>> = Vec::new();
    for line in lines {
        match (line.text.strip_prefix("scenario "), found.last_mut()) {
            (Some(name), _) => {
                found.push(Scenario { name: name.trim(), lines: background.clone() });
            }
            (None, Some(scenario)) => scenario.lines.push(line.clone()),
            (None, None) => background.push(line.clone()),
        }
    }
    if found.is_empty() {
        found.push(Scenario { name: "", lines: background });
    }
    found
}

fn run(file: &str, scenario: &Scenario<'_>, outcome: &mut Outcome) {
    let mut clock = Clock::default();
    let mut pipe: Option<Pipe> = None;
    let mut policy = None;
    for line in &scenario.lines {
        let place = match scenario.name {
            "" => format!("{file}:{}", line.number),
            name => format!("{file}:{} ({name})", line.number),
        };
        let script = match event::read(line, &mut clock) {
            Ok(script) => script,
            Err(fault) => {
                outcome.failures.push(format!("{place}: {}\n    {fault}", line.text));
                return;
            }
        };
        let Said { input, subject } = match script {
            Script::Nothing => continue,
            Script::PolicyFile(_) if pipe.is_some() => {
                let fault = "a policy without a time stands before every event";
                outcome.failures.push(format!("{place}: {fault}"));
                return;
            }
            Script::PolicyFile(text) => {
                match PolicyFile::parse(&text) {
                    Ok(file) => policy = Some(file),
                    Err(faults) => {
                        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                        outcome.failures.push(format!("{place}: {}", faults.join("; ")));
                        return;
                    }
                }
                continue;
            }
            Script::Say(said) => said,
        };
        let pipe = pipe.get_or_insert_with(|| Pipe::new(policy.take()));
        let mut out: Vec<Value> = Vec::new();
        pipe.line(input.as_bytes(), &mut out);
        out.pop(); // the acknowledgement
        outcome.expectations += usize::from(line.stated);
        if let Err(diff) = compare(&line.expected, &out, subject.as_deref(), &clock) {
            outcome.failures.push(format!("{place}: {}\n{diff}", line.text));
            // What comes after a wrong turn says little.
            return;
        }
    }
}

/// The difference, if there is one: `-` was expected, `+` came.
fn compare(
    expected: &[String],
    out: &[Value],
    subject: Option<&str>,
    clock: &Clock,
) -> Result<(), String> {
    let mut diff = String::new();
    let mut same = true;
    for at in 0..expected.len().max(out.len()) {
        let wanted = match expected.get(at).map(|text| Sentence::parse(text, subject)) {
            Some(Ok(wanted)) => Some(wanted),
            Some(Err(fault)) => return Err(format!("    {fault}")),
            None => None,
        };
        let came = out.get(at).map(|value| Sentence::of(value, wanted.as_ref(), subject, clock));
        let wanted = wanted.map(|sentence| sentence.to_string());
        let came = came.map(|sentence| sentence.to_string());
        if wanted == came {
            writeln!(diff, "      {}", wanted.unwrap_or_default()).expect("text");
            continue;
        }
        same = false;
        for (sign, sentence) in [('-', wanted), ('+', came)] {
            if let Some(sentence) = sentence {
                writeln!(diff, "    {sign} {sentence}").expect("text");
            }
        }
    }
    if same { Ok(()) } else { Err(diff) }
}

#[test]
fn scenarios_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scenarios");
    let wanted = std::env::var("LEAD_ROUTER_SCENARIO").unwrap_or_default();
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    let mut all = Outcome::default();
    for name in names {
        let text = fs::read_to_string(folder.join(&name)).expect("a readable scenario");
        let one = check(&format!("tests/it/scenarios/{name}"), &text, &wanted);
        all.failures.extend(one.failures);
        all.scenarios += one.scenarios;
        all.expectations += one.expectations;
    }
    println!("{} scenarios, {} lines of expectation", all.scenarios, all.expectations);
    assert!(all.failures.is_empty(), "\n{}", all.failures.join("\n"));
    assert!(all.scenarios > 0, "no scenario is named like that");
}

/// The checker itself: what it must not let pass.
#[test]
fn a_wrong_expectation_fails_with_its_line_and_the_difference() {
    let world = "rep ann\nterritory west members=ann where state=CA\n";
    let failure = |line: &str| {
        let outcome = check("x.txt", &format!("{world}at 10:00 {line}\n"), "");
        assert_eq!(outcome.failures.len(), 1, "{line}: {:?}", outcome.failures);
        outcome.failures.into_iter().next().expect("one")
    };
    let wrong = failure("lead L1 state=CA -> assigned bob (sole_candidate)");
    assert!(wrong.starts_with("x.txt:3: "), "{wrong}");
    assert!(wrong.contains("- assigned bob (sole_candidate)"), "{wrong}");
    assert!(wrong.contains("+ assigned ann (sole_candidate)"), "{wrong}");
    // Silence where something was said, and something said where silence was stated.
    assert!(failure("lead L1 state=CA").contains("+ assigned ann"));
    assert!(failure("tick -> assigned L1 to ann (rotation)").contains("- assigned L1 to ann"));
    // A detail that is stated is compared; so is the reason, which may not be left out.
    assert!(failure("lead L1 state=CA -> assigned ann (sole_candidate, no=2)").contains("no=1"));
    assert!(failure("lead L1 state=CA -> assigned ann").contains("reason"));
    // What is no line of the language.
    assert!(failure("leed L1").contains("leed"));
    assert!(failure("lead L1 -> gone").contains("gone"));
}
