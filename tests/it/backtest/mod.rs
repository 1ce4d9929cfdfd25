//! A recording through `backtest` and `lift`: exact where the answer is known, by the library and by the
//! program.

use std::io::Cursor;

use lead_router::cli::backtest::drive::{JsonLines, Plan, run};
use lead_router::cli::backtest::{page, text};
use lead_router::cli::pipe::{Pipe, PolicyFile};
use lead_router::evaluate::lift::{Lift, LiftReport};
use lead_router::evaluate::replay::Tried;
use lead_router::evaluate::report::Report;
use serde_json::{Value, json};

mod arms;

const T0: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const ROTATION: &str = "[choice]\nmethod = \"round_robin\"\n";
const ARMS: &str = "[choice]\ncontrol_share = 0.5\n";

fn line(topic: &str, at: i64, value: Value) -> String {
    json!({ "topic": topic, "key": "acme", "timestamp": at, "value": value }).to_string()
}

fn rep(id: &str, active: bool, at: i64) -> String {
    let name = (id == "ann").then_some("Ann & Lee");
    let value = json!({ "event_id": format!("{id} {active} {at}"), "rep_id": id, "name": name,
        "active": active });
    line("rep-changed", at, value)
}

/// Ann and bob, who share a territory.
fn company() -> [String; 3] {
    let members = json!([{ "rep_id": "ann" }, { "rep_id": "bob" }]);
    let all = json!({ "event_id": "t", "territory_id": "all", "name": "All", "members": members });
    [rep("ann", true, T0), rep("bob", true, T0), line("territory-changed", T0, all)]
}

/// `leads` leads, one an hour, to ann and bob; each closes a day later: ann wins every second one of hers,
/// bob none. Every line in, followed by what the router said.
fn recording(policy: &str, leads: i64) -> Vec<String> {
    let mut had = 0;
    let industry =
        |number: i64| json!({ "industry": if number % 3 == 0 { "retail" } else { "software" } });
    record(policy, leads, industry, |_, rep| {
        had += i64::from(rep == "ann");
        (rep == "ann" && had % 2 == 0).then_some(1_000)
    })
}

/// The same of other leads that bring other amounts; `None` = lost.
fn record(
    policy: &str,
    leads: i64,
    fields: impl Fn(i64) -> Value,
    mut amount: impl FnMut(i64, &str) -> Option<i64>,
) -> Vec<String> {
    let mut pipe = Pipe::new(Some(PolicyFile::parse(policy).unwrap()));
    let mut lines = Vec::new();
    let mut feed = |text: String| {
        let mut out = Vec::new();
        pipe.line(text.as_bytes(), &mut out);
        lines.push(text);
        lines.extend(out.iter().map(Value::to_string));
        out.iter().find_map(|it| it["value"]["rep_id"].as_str().map(str::to_owned))
    };
    company().into_iter().for_each(|line| drop(feed(line)));
    let mut deals: Vec<(i64, String)> = Vec::new();
    for number in 0..leads {
        let at = T0 + HOUR * (number + 1);
        while deals.first().is_some_and(|(due, _)| *due <= at) {
            feed(deals.remove(0).1);
        }
        let id = format!("L{number}");
        let mut created = json!({ "event_id": id, "lead_id": id, "created_at": at });
        created.as_object_mut().unwrap().extend(fields(number).as_object().unwrap().clone());
        let Some(rep) = feed(line("lead-created", at, created)) else { panic!("not assigned") };
        // Ours, come back from the CRM; and the touch of the rep who has it.
        let echo = json!({ "event_id": format!("e{id}"), "lead_id": id, "changed_at": at,
            "kind": "OWNER", "new_owner_id": rep });
        feed(line("lead-updated", at + 1, echo));
        let touch = json!({ "event_id": format!("a{id}"), "lead_id": id, "rep_id": rep,
            "kind": "CALL", "occurred_at": at + 60_000 });
        feed(line("lead-activity", at + 60_000, touch));
        let amount = amount(number, &rep);
        let deal = json!({ "event_id": id, "opportunity_id": format!("O{id}"), "lead_id": id,
            "outcome": if amount.is_some() { "WON" } else { "LOST" }, "rep_id": rep, "closed_at": at + DAY,
            "amount": amount, "currency": "EUR" });
        deals.push((at + DAY, line("opportunity-closed", at + DAY, deal)));
    }
    deals.into_iter().for_each(|(_, deal)| drop(feed(deal)));
    lines
}

fn backtest(lines: &[String], recorded: &str, tried: &str) -> (Report, Tried) {
    replay(lines, Some(recorded), tried)
}

/// `recorded`: None = by the owners and deals alone.
fn replay(lines: &[String], recorded: Option<&str>, tried: &str) -> (Report, Tried) {
    let file = |text| PolicyFile::parse(text).unwrap();
    let is_history = recorded.is_none();
    let plan =
        Plan { policy: file(tried), recorded: recorded.map(file), is_history, keeps_odds: false };
    let input = Cursor::new(lines.join("\n").into_bytes());
    let done = run(plan, JsonLines::new(input, None)).unwrap();
    (done.report, done.tried)
}

fn lift(lines: &[String], recorded: Option<&str>) -> LiftReport {
    use lead_router::cli::backtest::drive::Source;
    let mut source = JsonLines::new(Cursor::new(lines.join("\n").into_bytes()), None);
    let mut lift = Lift::new(recorded.map(|text| PolicyFile::parse(text).unwrap()));
    while let Some(heard) = source.next().unwrap() {
        lift.take(&heard);
    }
    lift.finish(source.read(), 0.02)
}

#[test]
fn the_recorded_policy_decides_again_what_was_recorded_and_has_no_lift() {
    let lines = recording(ROTATION, 240);
    let (report, _) = backtest(&lines, ROTATION, ROTATION);
    let agreement = report.agreement.as_ref().unwrap();
    assert_eq!((agreement.recorded, agreement.same_choice), (240, 240));
    assert_eq!((agreement.same_in_full, agreement.missing, agreement.added), (240, 0, 0));
    assert_eq!((report.read.leads, report.read.deals, report.moved.moved), (240, 240, 0));
    let wins = report.wins.as_ref().unwrap();
    // Each closes after a day, so all but the last day's leads count; ann won a quarter of all.
    assert_eq!((wins.closed, report.basis.horizon_days), (240, 1.0));
    assert_eq!((wins.recorded.estimate, wins.self_normalised.estimate), (0.25, 0.25));
    assert_eq!(wins.effective, 240.0);
    assert!(wins.lift.contains(0.0) && wins.lift.width() < 0.05, "{wins:?}");
    assert_eq!((report.currency.as_str(), report.warnings.len()), ("EUR", 0));
    assert_eq!(report.amount.unwrap().recorded.estimate, 250.0);
    assert_eq!(report.sla.tried, report.sla.recorded);
}

#[test]
fn a_policy_that_learns_moves_leads_to_the_rep_who_wins() {
    let lines = recording(ROTATION, 600);
    let greedy = "[choice]\ncontrol_share = 0\nfloor = 0\nmax_share = 0\nmin_share = 0\n";
    let (report, tried) = backtest(&lines, ROTATION, greedy);
    let of = |id: &str| report.load.iter().find(|it| it.rep_id == id).unwrap();
    assert_eq!((of("ann").recorded, of("bob").recorded), (300, 300));
    assert!(of("ann").tried > 500, "{:?}", report.load);
    let reasons = &report.moved.by_reason[0];
    assert_eq!((reasons.why, reasons.recorded, reasons.tried), ("choice", "rotation", "win_rate"));
    assert_eq!(
        (report.moved.pairs[0].from.as_str(), report.moved.pairs[0].to.as_str()),
        ("bob", "ann")
    );
    // The truth: half of ann's are won, none of bob's.
    let wins = report.wins.as_ref().unwrap();
    assert!(wins.lift.low > 0.1 && wins.lift.estimate < 0.26, "{:?}", wins.lift);
    assert!(wins.doubly_robust.contains(0.5 * of("ann").tried as f64 / 600.0));
    // The echo and the touch name the recorded rep; neither moves a lead nor lets a step fire.
    assert_eq!((report.sla.tried.reassign, tried.refused), (0, 0));
    let page = page::page(&report, "Backtest of <new>.toml");
    assert!(page.contains("&lt;new&gt;.toml") && page.contains("ann") && !page.contains("{{"));
    assert!(text::backtest(&report).contains("The new policy wins more."));
}

#[test]
fn by_expected_amount_leads_move_to_the_rep_whose_wins_bring_more() {
    // Both win every second one of theirs; bob's bring four times as much.
    let mut had = [0, 0];
    let lines = record(
        ROTATION,
        600,
        |_| json!({}),
        |_, rep| {
            let (count, amount) =
                if rep == "ann" { (&mut had[0], 1_000) } else { (&mut had[1], 4_000) };
            *count += 1;
            (*count % 2 == 0).then_some(amount)
        },
    );
    let greedy = "[choice]\ncontrol_share = 0\nfloor = 0\nmax_share = 0\nmin_share = 0\n";
    let (by_wins, _) = backtest(&lines, ROTATION, greedy);
    let by_amount = format!("{greedy}objective = \"expected_amount\"\n");
    let (by_amount, _) = backtest(&lines, ROTATION, &by_amount);
    let of_bob = |report: &Report| report.load.iter().find(|it| it.rep_id == "bob").unwrap().tried;
    assert!(of_bob(&by_amount) > 550 && of_bob(&by_wins) < 360, "{:?}", by_amount.load);
    // A lead brings 1,250 under rotation, and 2,000 with bob.
    let amount = by_amount.amount.as_ref().unwrap();
    assert!((1_200.0..1_300.0).contains(&amount.recorded.estimate), "{amount:?}");
    assert!(amount.lift.low > 300.0 && amount.lift.high < 1_000.0, "{amount:?}");
    assert!(by_amount.wins.as_ref().unwrap().lift.contains(0.0));
}

#[test]
fn a_recording_that_is_not_whole_is_told() {
    let lines = recording(ROTATION, 60);
    let (report, _) = backtest(&lines, "[choice]\ncontrol_share = 1\n", ROTATION);
    let agreement = report.agreement.unwrap();
    assert_eq!((agreement.recorded, agreement.same_choice, agreement.added), (60, 0, 0));
    assert!(agreement.differences[0].contains("recorded ASSIGNED ann (ROUND_ROBIN, rotation)"));
    assert!(report.warnings.iter().any(|it| it.kind == "not_reproduced"));
    let broken: Vec<String> = ["nonsense", "{\"topic\":\"leads\"}", "", "{\"ack\":1}"]
        .map(str::to_owned)
        .into_iter()
        .chain(lines)
        .collect();
    let (report, _) = backtest(&broken, ROTATION, ROTATION);
    assert_eq!((report.read.unusable, report.read.faults.len()), (2, 2));
    assert!(report.read.faults[0].starts_with("line 1: "), "{:?}", report.read.faults);
}

/// As `pipe` writes them, decisions that are made again are known by their text; else they are read.
#[test]
fn decisions_count_the_same_however_and_wherever_they_are_written() {
    let lines = recording("", 240);
    let is_decision = |line: &&String| line.contains("lead-assigned");
    let numbers = |lines: &[String]| {
        let (report, _) = backtest(lines, "", ROTATION);
        assert_eq!(report.agreement.as_ref().unwrap().same_in_full, 240);
        serde_json::to_value(report).unwrap()
    };
    let as_written = numbers(&lines);
    let spaced = |line: &String| match is_decision(&line) {
        true => line.replacen('{', "{ ", 1),
        false => line.clone(),
    };
    assert_eq!(numbers(&lines.iter().map(spaced).collect::<Vec<_>>()), as_written, "otherwise");
    let (decisions, events): (Vec<_>, Vec<_>) = lines.iter().partition(is_decision);
    let apart: Vec<String> = events.iter().chain(&decisions).copied().cloned().collect();
    assert_eq!(numbers(&apart), as_written, "in a file of their own");
    let before: Vec<String> = decisions.iter().chain(&events).copied().cloned().collect();
    assert_eq!(numbers(&before), as_written, "before what they answer");

    let mut spoilt = lines.clone();
    let at = lines.iter().position(|line| is_decision(&line)).unwrap();
    spoilt[at] = lines[at].replace("\"stage\":\"TERRITORY\"", "\"stage\":\"NOWHERE\"");
    let (report, _) = backtest(&spoilt, "", ROTATION);
    let agreement = report.agreement.unwrap();
    assert_eq!((agreement.recorded, agreement.same_in_full, agreement.added), (239, 239, 1));
    assert_eq!(report.read.unusable, 1);
    let place = format!("line {}: ", at + 1);
    assert!(report.read.faults[0].starts_with(&place), "{:?}", report.read.faults);
    assert_eq!(lift(&spoilt, Some("")).read.unusable, 1);
    assert_eq!(replay(&spoilt, None, "").0.read.unusable, 1, "of a history");
}

#[test]
fn the_arms_are_counted_by_the_arm_assigned() {
    let lines = recording(ARMS, 400);
    let report = lift(&lines, Some(ARMS));
    assert_eq!((report.drawn.by, report.drawn.companies), ("lead", 400));
    assert_eq!((report.control.design_effect, lift(&lines, None).drawn.by), (1.0, "unknown"));
    let (treatment, control) = (&report.treatment, &report.control);
    assert_eq!(treatment.leads + control.leads, 400);
    assert_eq!((treatment.open, control.open, control.too_recent), (0, 0, 0));
    assert!((150..250).contains(&control.closed), "{control:?}");
    let difference = report.difference.unwrap();
    let rate = |arm: &lead_router::evaluate::lift::ArmShown| arm.won as f64 / arm.closed as f64;
    assert!((difference.estimate - (rate(treatment) - rate(control))).abs() < 1e-12);
    assert!(difference.low < difference.estimate && difference.estimate < difference.high);
    assert!(report.doubly_robust.unwrap().contains(difference.estimate));
    assert!(report.needed.control.unwrap() > 1_000);
    assert_eq!(lift(&recording(ROTATION, 30), None).warnings[0].kind, "nothing_to_compare");
}

#[test]
fn companies_are_held_out_as_a_whole_and_count_as_such() {
    // A company has four leads, which are won or lost together.
    let email = |number: i64| json!({ "email": format!("p{number}@c{}.com", number % 100) });
    let by_account = format!("{ARMS}control_unit = \"account\"\n");
    let lines = record(&by_account, 400, email, |number, _| (number % 5 == 0).then_some(1_000));
    let report = lift(&lines, Some(&by_account));
    let drawn = &report.drawn;
    assert_eq!((drawn.by, drawn.companies, drawn.in_both), ("account", 100, 0));
    let (treatment, control) = (&report.treatment, &report.control);
    assert_eq!(
        (treatment.closed + control.closed, treatment.companies + control.companies),
        (400, 100)
    );
    for arm in [treatment, control] {
        assert_eq!(arm.closed, 4 * arm.companies);
        assert!((3.9..4.8).contains(&arm.design_effect), "{arm:?}");
    }
    // By lead the same companies are in both arms, and cancel: each lead counts by itself.
    let lines = record(ARMS, 400, email, |number, _| (number % 5 == 0).then_some(1_000));
    let by_lead = lift(&lines, Some(ARMS));
    assert!(by_lead.drawn.by == "lead" && by_lead.drawn.in_both > 60, "{:?}", by_lead.drawn);
    assert_eq!(by_lead.control.design_effect, 1.0);
    assert!(1.8 * by_lead.difference.unwrap().width() < report.difference.unwrap().width());
    assert!(report.needed.control.unwrap() > 3 * by_lead.needed.control.unwrap());
    let shown = text::lift(&report);
    assert!(
        shown.contains("arms drawn by account: 100 companies, 0 of them in both arms"),
        "{shown}"
    );
}

/// The program, on files.
#[cfg(feature = "edge")]
fn program(folder: &std::path::Path, words: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lead-router"));
    let output = command.current_dir(folder).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[cfg(feature = "edge")]
#[test]
fn the_program_writes_a_table_numbers_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (ins, outs): (Vec<String>, Vec<String>) = recording(ROTATION, 120)
        .into_iter()
        .partition(|line| !line.contains("\"lead-assigned\"") && !line.contains("\"ack\""));
    std::fs::write(at.join("events.jsonl"), ins.join("\n")).unwrap();
    std::fs::write(at.join("decisions.jsonl"), outs.join("\n")).unwrap();
    std::fs::write(at.join("new.toml"), "").unwrap();
    std::fs::write(at.join("live.toml"), ROTATION).unwrap();
    let both = ["events.jsonl", "decisions.jsonl"];
    let words = [
        "backtest",
        "--policy",
        "new.toml",
        "--recorded-policy",
        "live.toml",
        "--html",
        "r.html",
        "--json",
        "r.json",
        both[0],
        both[1],
    ];
    let (code, out, _) = program(at, &words);
    assert_eq!(code, 0);
    assert!(out.contains("120 of 120 decisions the same, 120 in every field"), "{out}");
    assert!(out.contains("Ann & Lee (ann) ") && out.contains("  bob "), "{out}");
    let numbers: Value =
        serde_json::from_slice(&std::fs::read(at.join("r.json")).unwrap()).unwrap();
    assert_eq!(numbers["agreement"]["same_in_full"], 120);
    assert_eq!(numbers["rep_names"], json!({ "ann": "Ann & Lee" }));
    assert!(numbers["wins"]["lift"]["low"].is_number());
    let page = std::fs::read_to_string(at.join("r.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("Load by rep"));
    assert!(page.contains("<b>Ann &amp; Lee (ann)</b>") && page.contains("<b>bob</b>"));
    let (code, _, why) = program(at, &["backtest", "--policy", "new.toml", both[0]]);
    assert_eq!(code, 78);
    assert!(why.contains("--history"), "{why}");
    let (code, out, _) = program(at, &["lift", "-o", "json", both[0], both[1]]);
    assert_eq!((code, out.contains("nothing_to_compare")), (0, true));
}

#[cfg(feature = "edge")]
#[test]
fn an_export_is_history_with_estimated_chances() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut csv = "Id;Created;Owner;Branch;Stage;Closed;Amount\n".to_owned();
    for number in 0..400_i64 {
        let (rep, day) = (["ann", "bob"][number as usize % 2], number / 4);
        let won = number % 4 == 0;
        let moment = |day: i64| {
            jiff::Timestamp::from_millisecond(T0 + day * DAY).unwrap().to_string()[..10].to_owned()
        };
        let (created, closed) = (moment(day), moment(day + 5));
        let stage = if won { "Closed Won" } else { "Closed Lost" };
        csv += &format!("L{number};{created};{rep};retail;{stage};{closed};\"1,500.50\"\n");
    }
    csv += "L400;yesterday;ann;retail;Closed Won;2026-01-01;1\n";
    std::fs::write(at.join("leads.csv"), csv).unwrap();
    let mapping = "[lead]\nlead_id = \"Id\"\ncreated_at = \"Created\"\nowner_id = \"Owner\"\n\
        industry = \"Branch\"\n[deal]\nstage = \"Stage\"\nclosed_at = \"Closed\"\n\
        won = [\"Closed Won\"]\nlost = [\"Closed Lost\"]\namount = \"Amount\"\n\
        [format]\ndelimiter = \";\"\n";
    std::fs::write(at.join("mapping.toml"), mapping).unwrap();
    std::fs::write(at.join("new.toml"), ROTATION).unwrap();
    let words = [
        "backtest",
        "--policy",
        "new.toml",
        "-o",
        "json",
        "--csv",
        "leads.csv",
        "--mapping",
        "mapping.toml",
    ];
    let (code, out, why) = program(at, &words);
    assert_eq!(code, 0, "{why}");
    let numbers: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&numbers["read"]["leads"], &numbers["read"]["unusable"]), (&json!(400), &json!(1)));
    assert!(numbers["read"]["faults"][0].as_str().unwrap().contains("`Created` is no time"));
    assert_eq!(numbers["basis"]["propensities"], "estimated");
    assert_eq!((&numbers["wins"]["gamma"], &numbers["agreement"]), (&json!(1.25), &Value::Null));
    assert_eq!(numbers["wins"]["recorded"]["estimate"], 0.25);
    assert_eq!(numbers["warnings"][0]["kind"], "confounded");
    assert_eq!(numbers["sla"]["tried"]["reassign"], 0);
    let wrong = mapping.replace("\"Branch\"", "\"Industry\"");
    std::fs::write(at.join("mapping.toml"), wrong).unwrap();
    let (code, _, why) = program(at, &words);
    assert_eq!((code, why.contains("has no column `Industry`")), (78, true));
}
