//! `lift` on recordings that lack something, or in which a deal is not what it was.

use super::*;

const BY_ACCOUNT: &str = "control_unit = \"account\"\n";

fn by_account() -> String {
    format!("{ARMS}{BY_ACCOUNT}")
}

fn email(number: i64) -> Value {
    json!({ "email": format!("p{number}@c{}.com", number % 100) })
}

fn kinds(report: &LiftReport) -> Vec<&'static str> {
    report.warnings.iter().map(|warning| warning.kind).collect()
}

fn is_decision(line: &str) -> bool {
    line.contains("\"lead-assigned\"")
}

#[test]
fn what_a_recording_lacks_is_told() {
    let lines = record(&by_account(), 400, email, |number, _| (number % 5 == 0).then_some(1_000));
    let without = |gone: &dyn Fn(usize, &str) -> bool| {
        let kept = lines.iter().enumerate().filter(|(at, line)| !gone(*at, line));
        let kept: Vec<String> = kept.map(|(_, line)| line.clone()).collect();
        lift(&kept, Some(&by_account()))
    };
    assert_eq!(kinds(&without(&|_, _| false)), Vec::<&str>::new());
    let report = without(&|_, line| line.contains("\"lead-created\"") && !is_decision(line));
    assert_eq!(kinds(&report), ["companies_unknown"]);
    assert_eq!((report.drawn.companies, report.control.design_effect), (0, 1.0));
    let report = without(&|at, line| is_decision(line) && line.contains("CONTROL") && at % 4 > 0);
    let found = kinds(&report);
    assert!(found.starts_with(&["decisions_missing", "arm_shares"]), "{found:?}");
    let report = without(&|_, line| line.contains("\"rep-changed\""));
    assert_eq!((kinds(&report), report.doubly_robust), (vec!["weights_unknown"], None));
    // Decisions before the events that they rest on.
    let (first, last): (Vec<String>, Vec<String>) =
        lines.iter().cloned().partition(|line| is_decision(line));
    let report = lift(&[first, last].concat(), Some(&by_account()));
    assert_eq!((kinds(&report), report.drawn.companies), (vec!["weights_unknown"], 100));
    let unread = lift(&[lines.clone(), vec!["{\"topic\":".to_owned()]].concat(), None);
    assert!(text::lift(&unread).contains("could not be used:"), "{}", text::lift(&unread));
}

#[test]
fn a_deal_counts_once_and_where_it_was_last_said_to_be() {
    let lines = recording(ARMS, 40);
    let base = lift(&lines, Some(ARMS));
    let all = |report: &LiftReport| {
        let [one, other] = [&report.treatment, &report.control];
        (one.closed + other.closed, one.won + other.won, one.open + other.open)
    };
    let (closed, won, open) = all(&base);
    assert_eq!((closed, open), (40, 0));
    let at = T0 + 60 * DAY;
    let deal = |event: &str, of: &str, outcome: &str, lead: Option<&str>, after: i64| {
        let value = json!({ "event_id": event, "opportunity_id": of, "lead_id": lead,
            "outcome": outcome, "rep_id": "ann", "closed_at": T0 + 3 * DAY + after, "currency": "EUR" });
        line("opportunity-closed", at + after, value)
    };
    let then = |more: Vec<String>| all(&lift(&[lines.clone(), more].concat(), Some(ARMS)));
    let is_won = |line: &&String| line.contains("opportunity-closed") && line.contains("\"WON\"");
    let won_line = lines.iter().find(is_won).unwrap();
    let of: Value = serde_json::from_str(won_line).unwrap();
    let of = of["value"]["opportunity_id"].as_str().unwrap().to_owned();
    let lost = || deal("x1", &of, "LOST", None, 1);
    assert_eq!(then(vec![lost()]), (closed, won - 1, 0), "lost after all");
    assert_eq!(then(vec![lost(), won_line.clone()]), (closed, won - 1, 0), "a line twice");
    let reopened = then(vec![deal("x2", &of, "REOPENED", None, 1)]);
    assert_eq!(reopened, (closed - 1, won - 1, 1), "open again, of the lead that it was of");
    // The deal of a lead that had lost its own: one lead is won in place of another.
    let lost_lead = (0..40).map(|number| format!("L{number}")).find(|lead| {
        let own = format!("\"opportunity_id\":\"O{lead}\"");
        lines.iter().any(|line| line.contains(&own) && line.contains("\"LOST\""))
    });
    let moved = then(vec![deal("x3", &of, "WON", lost_lead.as_deref(), 1)]);
    assert_eq!(moved, (closed - 1, won, 1), "moved: its former lead has none any more");
}

#[test]
fn a_deal_that_closed_before_its_conversion_was_heard_of_counts_for_its_lead() {
    let lines = recording(ARMS, 40);
    let nameless =
        |line: &String| line.replace("\"lead_id\":\"L7\",\"opportunity_id\"", "\"opportunity_id\"");
    let nameless: Vec<String> = lines.iter().map(nameless).collect();
    assert_ne!(lines, nameless);
    let report = lift(&nameless, Some(ARMS));
    assert_eq!(report.treatment.closed + report.control.closed, 39);
    assert!(kinds(&report).contains(&"unlinked_deals"));
    let converted = json!({ "event_id": "c", "lead_id": "L7", "changed_at": T0 + 30 * DAY,
        "kind": "CONVERTED", "opportunity_id": "OL7" });
    let more = vec![line("lead-updated", T0 + 60 * DAY, converted)];
    let report = lift(&[nameless, more].concat(), Some(ARMS));
    assert_eq!(report.treatment.closed + report.control.closed, 40);
    assert!(!kinds(&report).contains(&"unlinked_deals"));
}

#[test]
fn by_expected_amount_the_amounts_judge() {
    let policy = format!("{ARMS}objective = \"expected_amount\"\n");
    let lines = record(
        &policy,
        600,
        |_| json!({}),
        |number, rep| match rep {
            // Ann wins less often, and what she wins is worth ten times as much.
            "ann" => (number % 4 == 0).then_some(10_000 + number % 3),
            _ => (number % 2 == 0).then_some(1_000),
        },
    );
    let report = lift(&lines, Some(&policy));
    let amount = report.amount.as_ref().unwrap();
    assert_eq!(
        (amount.currency.as_str(), amount.without, report.objective),
        ("EUR", [0, 0], "expected_amount")
    );
    assert!(amount.difference.low > 0.0 && amount.treatment > amount.control, "{amount:?}");
    assert!(report.difference.unwrap().estimate < 0.0, "{:?}", report.difference);
    let shown = text::lift(&report);
    assert!(shown.starts_with("The leads chosen for bring in more."), "{shown}");
    assert!(shown.contains("amount per closed lead"), "{shown}");
}

#[test]
fn a_company_that_is_known_when_the_arm_is_drawn_counts() {
    let policy = format!("{}[hold]\nfields = [\"email\"]\nat_most_secs = 600\n", by_account());
    let mut pipe = Pipe::new(Some(PolicyFile::parse(&policy).unwrap()));
    let mut lines = Vec::new();
    let mut feed = |text: String| {
        let mut out = Vec::new();
        pipe.line(text.as_bytes(), &mut out);
        lines.push(text);
        lines.extend(out.iter().map(Value::to_string));
    };
    company().into_iter().for_each(&mut feed);
    for number in 0..80_i64 {
        let at = T0 + (number + 1) * HOUR;
        let id = format!("L{number}");
        let created = json!({ "event_id": id, "lead_id": id, "created_at": at });
        feed(line("lead-created", at, created));
        let changed = json!({ "event_id": format!("u{id}"), "lead_id": id, "changed_at": at + 1_000,
            "kind": "FIELDS", "changes": { "email": format!("p{number}@c{}.com", number % 8) } });
        feed(line("lead-updated", at + 1_000, changed));
        let deal = json!({ "event_id": id, "opportunity_id": format!("O{id}"), "lead_id": id,
            "outcome": if number % 2 == 0 { "WON" } else { "LOST" }, "rep_id": "ann", "closed_at": at + HOUR / 2 });
        feed(line("opportunity-closed", at + HOUR / 2, deal));
    }
    let report = lift(&lines, Some(&policy));
    assert_eq!((report.drawn.companies, report.drawn.in_both), (8, 0), "{lines:?}");
    assert!(kinds(&report).contains(&"few_companies"));
}
