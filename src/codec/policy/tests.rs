//! The file of the documentation is the default; what is wrong is told all at once, with lines.

use super::*;
use crate::domain::ids::{QueueId, RepId};
use crate::domain::policy::{OnReturn, Recipient, SlaAction, SlaClock, WhenUnavailable};
use crate::domain::time::Span;

/// Every key with its default, as the reference has them.
fn documented() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.md");
    let text = std::fs::read_to_string(path).expect("the reference");
    let (_, from) = text.split_once("```toml\n").expect("an example");
    from.split_once("```").expect("its end").0.to_owned()
}

fn faults(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn one_fault(text: &str) -> String {
    let mut faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(parse(""), Ok(Policy::default()));
    assert_eq!(parse(&documented()), Ok(Policy::default()));
}

#[test]
fn reads_the_sections_that_have_no_default() {
    let text = r#"
        [rotation]
        on_return = "catch_up"
        catch_up_turns = 3
        [[priority]]
        class = "hot"
        when = [
            { field = "rating", op = "IN", values = ["Hot"] },
            { field = "score", op = "BETWEEN", values = [80, ""] },
        ]
        [sla.hot]
        clock = "team"
        calendar = "berlin"
        target_secs = 60
        steps = [
            { after_secs = 30, action = "REMIND", to = "manager" },
            { at = 2, action = "ESCALATE", to = ["rep", "queue:vip", "005X"] },
        ]
        [sla.cold]
        target_secs = 1000
        [availability]
        owner = ["hold", "next_stage"]
        [hold]
        fields = ["industry", "attributes.tier"]
        at_most_secs = 30
        [calendars.berlin]
        time_zone = "Europe/Berlin"
        weekly = { mon = ["09:00-12:00", "13:00-17:00"], fri = ["22:00-06:00"] }
        holidays = ["2026-12-25"]
        days = { "2026-12-24" = ["09:00-13:00"] }
    "#;
    let policy = parse(text).expect("a good policy");
    assert_eq!(policy.rotation.on_return, OnReturn::CatchUp(3));
    assert_eq!(policy.priority[0].class, "hot");
    assert_eq!(policy.priority[0].when.len(), 2);
    let hot = policy.sla.class("hot");
    assert_eq!(hot.clock, SlaClock::Team("berlin".to_owned()));
    assert_eq!(hot.steps[0].after, Span::from_secs(30));
    assert_eq!(hot.steps[0].to, vec![Recipient::Manager]);
    assert_eq!(hot.steps[1].after, Span::from_secs(120));
    let to = vec![
        Recipient::Rep,
        Recipient::Queue(QueueId::new("vip")),
        Recipient::Named(RepId::new("005X")),
    ];
    assert_eq!(hot.steps[1].to, to);
    let cold = policy.sla.class("cold");
    assert_eq!(cold.steps[0].after, Span::from_secs(500));
    assert_eq!(cold.steps[2].action, SlaAction::Reassign);
    assert_eq!(policy.availability.sticky, vec![WhenUnavailable::Hold, WhenUnavailable::NextStage]);
    assert_eq!(policy.hold.fields.len(), 2);
    assert!(policy.calendars.contains_key("berlin"));
}

#[test]
fn faults_have_lines_and_come_together() {
    let text = "[choice]\nfloor = 2\nmetod = \"win_rate\"\n\n[catch_all]\nqueue = \" \"\n[slaa]\n";
    assert_eq!(
        faults(text),
        vec![
            "line 2: choice.floor: expected a number from 0 to 1, found 2",
            "line 3: choice.metod: expected a known key (did you mean `method`?), found `metod`",
            "line 6: catch_all.queue: expected the id of a queue (it may be renamed, not emptied), found \" \"",
            "line 7: slaa: expected a known key (did you mean `sla`?), found `slaa`",
        ]
    );
}

#[test]
fn one_fault_for_one_mistake() {
    let cases = [
        ("[catch_all]\nqueue = \"\"", "line 2: catch_all.queue"),
        ("[choice]\nmethod = \"best\"", "line 2: choice.method"),
        ("[choice]\nfloor = nan", "line 2: choice.floor"),
        ("[choice]\nmin_share = 3.0", "line 1: choice.min_share"),
        ("choice = 5", "line 1: choice: expected a table"),
        ("[segment]\nemployees = [50, 50]", "line 2: segment.employees[1]"),
        ("[segment]\ndimensions = [\"industry\", \"industry\"]", "line 2: segment.dimensions[1]"),
        ("[segment]\ndimensions = [\"shoe\"]", "line 2: segment.dimensions[0]"),
        ("[sla.standard]\nclock = \"team\"", "line 1: sla.standard.calendar"),
        ("[sla.standard]\nclock = \"team\"\ncalendar = \"x\"", "line 3: sla.standard.calendar"),
        ("[sla.standard]\ncalendar = \"x\"", "line 2: sla.standard.calendar"),
        ("[sla.standard]\ntarget_secs = 0", "line 2: sla.standard.target_secs"),
        (
            "[sla.standard]\nsteps = [{ at = 1, action = \"CALL\" }]",
            "line 2: sla.standard.steps[0].action",
        ),
        ("[sla.standard]\nsteps = [{ action = \"REMIND\" }]", "line 2: sla.standard.steps[0].at"),
        (
            "[sla.standard]\nsteps = [{ at = 0, action = \"REMIND\" }]",
            "line 2: sla.standard.steps[0].at",
        ),
        (
            "[sla.standard]\nsteps = [{ at = 1, action = \"REMIND\" },\n{ at = 0.5, action = \"REMIND\" }]",
            "line 3: sla.standard.steps[1]",
        ),
        ("[[priority]]\nclass = \"hot\"", "line 1: priority[0].when"),
        (
            "[[priority]]\nclass = \"hot\"\nwhen = [{ field = \"shoe\", op = \"EXISTS\" }]",
            "line 3: priority[0].when[0].field",
        ),
        (
            "[[priority]]\nclass = \"hot\"\nwhen = [{ field = \"score\", op = \"PREFIX\", values = [\"1\"] }]",
            "line 3: priority[0].when[0].op",
        ),
        ("[hold]\nfields = [\"industry\"]", "line 1: hold.at_most_secs"),
        ("[calendars.x]\nweekly = { mon = [\"09:00-17:00\"] }", "line 1: calendars.x.time_zone"),
        (
            "[calendars.x]\ntime_zone = \"Mars/Base\"\nweekly = { mon = [\"09:00-17:00\"] }",
            "line 1: calendars.x.time_zone",
        ),
        ("[choice]\nfloor = 0.1\nfloor = 0.2", "line 3: text: expected TOML"),
        ("[choice\n", "line 1: text: expected TOML"),
    ];
    for (text, start) in cases {
        let fault = one_fault(text);
        assert!(fault.starts_with(start), "{text}\n{fault}");
    }
}

#[test]
fn no_text_panics() {
    let deep = format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = format!("[{}]\n", "x".repeat(100_000));
    for text in [deep.as_str(), long.as_str(), "\u{0}", "a = 99999999999999999999", "[sla]\nx=1"] {
        assert!(parse(text).is_err());
    }
}
