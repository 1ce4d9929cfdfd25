//! Closed deals as CRMs send them: for reps nobody knows, twice, reopened, dated wrong, with absurd amounts.
//! Whatever comes, it is learned from or refused with a reason, and every probability stays one.

use lead_router::cli::pipe::Pipe;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
const T0: i64 = 1_767_225_600_000; // 2026-01-01

struct Crm {
    pipe: Pipe,
    events: u64,
    now: i64,
}

impl Crm {
    /// Three reps, one territory, sixty closed deals.
    fn new() -> Crm {
        let mut crm = Crm { pipe: Pipe::new(None), events: 0, now: T0 };
        let members = ["ann", "bob", "cyd"].map(|rep| json!({ "rep_id": rep }));
        crm.tell(
            "territory-changed",
            json!({ "territory_id": "all", "name": "All", "members": members }),
        );
        for rep in ["ann", "bob", "cyd"] {
            crm.tell("rep-changed", json!({ "rep_id": rep, "name": rep, "active": true }));
        }
        for number in 0..60_i64 {
            let rep = ["ann", "bob", "cyd"][number as usize % 3];
            let outcome = if number % 5 == 0 { "WON" } else { "LOST" };
            assert_eq!(crm.deal(&format!("d-{number}"), rep, outcome, json!({})), None);
        }
        crm
    }

    fn line(&mut self, line: &Value) -> Vec<Value> {
        let mut answers = Vec::new();
        self.pipe.line(line.to_string().as_bytes(), &mut answers);
        answers
    }

    /// Says something under a new event id, unless it has one.
    fn tell(&mut self, topic: &str, mut value: Value) -> Vec<Value> {
        self.events += 1;
        if value.get("event_id").is_none() {
            value["event_id"] = json!(format!("e-{}", self.events));
        }
        let line = json!({ "topic": topic, "key": "acme", "timestamp": self.now, "value": value });
        self.line(&line)
    }

    /// A deal, with other fields on top; the reason if it is refused.
    fn deal(&mut self, id: &str, rep: &str, outcome: &str, more: Value) -> Option<String> {
        let mut value = json!({ "opportunity_id": id, "rep_id": rep, "outcome": outcome,
            "opened_at": self.now - 20 * DAY, "closed_at": self.now, "industry": "Bank" });
        for (name, field) in more.as_object().into_iter().flatten() {
            value[name] = field.clone();
        }
        let answers = self.tell("opportunity-closed", value);
        let refused = answers.iter().find(|answer| answer["topic"] == "lead-router.dead-letter");
        refused.and_then(|letter| letter["headers"]["dlq.reason"].as_str()).map(str::to_owned)
    }

    /// What is said of each rep's chance with a lead: id, mean, deals.
    fn chances(&mut self) -> Vec<(String, f64, u64)> {
        let id = format!("lead-{}", self.events);
        let lead = json!({ "lead_id": id, "created_at": self.now, "industry": "Bank" });
        let answers = self.tell("lead-created", lead);
        let candidates = answers[0]["value"]["candidates"].as_array().expect("candidates").clone();
        let mut chances: Vec<(String, f64, u64)> = Vec::new();
        for one in candidates {
            let said = &one["win_probability"];
            let number = |name: &str| said[name].as_f64().expect("a number");
            let (mean, low, high) = (number("mean"), number("low"), number("high"));
            assert!(0.0 < low && low <= mean && mean <= high && high < 1.0, "{one}");
            let rep = one["rep_id"].as_str().unwrap_or_default().to_owned();
            chances.push((rep, mean, said["deals"].as_u64().expect("a count")));
        }
        chances.sort_by(|a, b| a.0.cmp(&b.0));
        chances
    }

    fn digest(&mut self) -> Value {
        self.line(&json!({ "state": "digest" }))[0]["digest"].clone()
    }
}

fn deals_of(chances: &[(String, f64, u64)], rep: &str) -> u64 {
    chances.iter().find(|one| one.0 == rep).map_or(0, |one| one.2)
}

#[test]
fn a_win_of_nobody_known_teaches_what_all_share() {
    let mut crm = Crm::new();
    let before = crm.chances();
    for number in 0..40 {
        assert_eq!(crm.deal(&format!("x-{number}"), "left-long-ago", "WON", json!({})), None);
    }
    let after = crm.chances();
    assert!(after.iter().zip(&before).all(|(after, before)| after.1 > before.1), "{after:?}");
    assert_eq!(deals_of(&after, "ann"), deals_of(&before, "ann"));
}

#[test]
fn the_same_event_again_changes_nothing() {
    let mut crm = Crm::new();
    let once = json!({ "event_id": "same" });
    assert_eq!(crm.deal("x", "ann", "WON", once.clone()), None);
    let before = crm.digest();
    assert_eq!(crm.deal("x", "ann", "WON", once), None);
    assert_eq!(crm.digest(), before);
}

#[test]
fn reopened_twice_is_reopened_once() {
    let mut crm = Crm::new();
    let before = crm.chances();
    assert_eq!(crm.deal("x", "ann", "WON", json!({})), None);
    let won = crm.chances();
    assert_eq!(deals_of(&won, "ann"), deals_of(&before, "ann") + 1);
    for _ in 0..2 {
        assert_eq!(crm.deal("x", "ann", "REOPENED", json!({})), None);
        let now = crm.chances();
        assert_eq!(deals_of(&now, "ann"), deals_of(&before, "ann"));
        assert!((now[0].1 - before[0].1).abs() < 0.01, "{now:?} {before:?}");
    }
    // Closed again, for another rep: the win moves.
    assert_eq!(crm.deal("x", "bob", "LOST", json!({})), None);
    assert_eq!(deals_of(&crm.chances(), "bob"), deals_of(&before, "bob") + 1);
    // Reopened without ever having been closed.
    assert_eq!(crm.deal("never", "cyd", "REOPENED", json!({})), None);
    assert_eq!(deals_of(&crm.chances(), "cyd"), deals_of(&before, "cyd"));
}

#[test]
fn dates_out_of_range_are_refused_and_odd_ones_are_not() {
    let mut crm = Crm::new();
    let range = Some("timestamp_range".to_owned());
    for closed_at in [crm.now + 2 * DAY, 4_102_444_800_000, 0, -DAY] {
        assert_eq!(crm.deal("x", "ann", "WON", json!({ "closed_at": closed_at })), range);
    }
    let old = 662_688_000_000_i64; // 1991
    assert_eq!(
        crm.deal("old", "ann", "WON", json!({ "closed_at": old, "opened_at": old - DAY })),
        None
    );
    // Opened after it was closed: its age is not known.
    assert_eq!(crm.deal("odd", "ann", "LOST", json!({ "opened_at": crm.now })), None);
    let closed_at = crm.now - 300 * DAY;
    assert_eq!(crm.deal("back", "ann", "LOST", json!({ "closed_at": closed_at })), None);
    crm.chances();
}

#[test]
fn amounts_do_not_move_a_chance() {
    let (mut crm, mut plain) = (Crm::new(), Crm::new());
    let amounts = [json!(0), json!(1), json!("99999999999.99"), json!(null)];
    for (number, amount) in amounts.into_iter().enumerate() {
        let id = format!("x-{number}");
        assert_eq!(crm.deal(&id, "ann", "WON", json!({ "amount": amount })), None);
        assert_eq!(plain.deal(&id, "ann", "WON", json!({})), None);
    }
    for amount in [-500.0, 1e30] {
        let refused = crm.deal("refused", "ann", "WON", json!({ "amount": amount }));
        assert_eq!(refused, Some("amount_range".to_owned()));
    }
    // Refused, it taught nothing.
    plain.events = crm.events;
    assert_eq!(crm.chances(), plain.chances());
}

#[test]
fn what_is_no_number_is_refused_and_teaches_nothing() {
    let (mut crm, mut plain) = (Crm::new(), Crm::new());
    let attempts = [
        ("amount", json!("NaN")),
        ("amount", json!("Infinity")),
        ("amount", json!("1e999")),
        ("closed_at", json!("NaN")),
        ("opened_at", json!("-inf")),
        ("employees", json!("NaN")),
        ("annual_revenue", json!("nan")),
    ];
    for (field, text) in attempts {
        let refused = crm.deal("x", "ann", "WON", json!({ field: text }));
        assert!(refused.is_some(), "{field}: {text}");
    }
    plain.events = crm.events;
    assert_eq!(crm.chances(), plain.chances());
}

#[test]
fn a_rep_renamed_keeps_the_record() {
    let mut crm = Crm::new();
    let before = crm.chances();
    crm.tell("rep-changed", json!({ "rep_id": "ann", "name": "Ann Other", "active": true }));
    assert_eq!(crm.chances(), before);
}
