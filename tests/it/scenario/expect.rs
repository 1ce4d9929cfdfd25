//! Sentences about what came out: read from the table, made from the output, compared as text.

use std::fmt;

use serde_json::Value;

use super::text::Clock;

/// One thing that came out, as far as it is stated.
pub(super) struct Sentence {
    /// `assigned ann`, `escalated L1 step 2 to boss`, `refused territory.cycle in parent_id`.
    said: String,
    /// Why; every assignment has one.
    reason: Option<String>,
    /// `no=2`, `bob:away`: names with what is stated of them.
    details: Vec<(String, char, String)>,
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.said)?;
        let details = self.details.iter().map(|(name, sign, value)| format!("{name}{sign}{value}"));
        let all: Vec<String> = self.reason.iter().cloned().chain(details).collect();
        if all.is_empty() { Ok(()) } else { write!(f, " ({})", all.join(", ")) }
    }
}

const DECIDED: &[&str] = &["assigned", "queued", "parked", "released"];
const BREACHED: &[&str] = &["reminded", "escalated", "reassigned"];
/// Verbs of which nothing but the words themselves is compared.
const OTHER: &[&str] = &["refused", "rep", "waits", "unstaffed", "moved", "would"];

impl Sentence {
    /// `subject`: the lead that the line is about, which a sentence need not name.
    pub(super) fn parse(text: &str, subject: Option<&str>) -> Result<Sentence, String> {
        let (said, inside) = match text.split_once('(') {
            Some((said, rest)) => (said, rest.strip_suffix(')').ok_or("`)` is missing")?),
            None => (text, ""),
        };
        let mut words: Vec<&str> = said.split_whitespace().collect();
        let verb = words.first().copied().unwrap_or_default();
        if !DECIDED.contains(&verb) && !BREACHED.contains(&verb) && !OTHER.contains(&verb) {
            return Err(format!("`{verb}` is nothing that the router says"));
        }
        // The subject may be named or not: it is the same sentence.
        if DECIDED.contains(&verb) && words.get(1).copied() == subject && subject.is_some() {
            words.remove(1);
            if words.get(1) == Some(&"to") {
                words.remove(1);
            }
        }
        let mut sentence = Sentence { said: words.join(" "), reason: None, details: Vec::new() };
        for detail in inside.split(',').map(str::trim).filter(|detail| !detail.is_empty()) {
            let sign = detail.find(['=', ':']);
            match sign {
                None if sentence.reason.is_none() => sentence.reason = Some(detail.to_owned()),
                None => return Err(format!("`{detail}`: a detail is name=value or rep:reason")),
                Some(at) => {
                    let (name, rest) = detail.split_at(at);
                    let sign = rest.chars().next().unwrap_or('=');
                    sentence.details.push((name.to_owned(), sign, rest[1..].to_owned()));
                }
            }
        }
        if DECIDED.contains(&verb) && sentence.reason.is_none() {
            return Err(format!("`{text}`: the reason belongs to it, in parentheses"));
        }
        Ok(sentence)
    }

    /// The output in the words of the table, with the details that `wanted` states.
    pub(super) fn of(
        output: &Value,
        wanted: Option<&Sentence>,
        subject: Option<&str>,
        clock: &Clock,
    ) -> Sentence {
        let value = &output["value"];
        let text = |name: &str| value[name].as_str().unwrap_or("none").to_owned();
        let mut reason = None;
        let said = match output["topic"].as_str() {
            Some("lead-assigned") => {
                reason = Some(text("reason"));
                decided(value, subject)
            }
            Some("sla-breached") => {
                let verb = match value["action"].as_str() {
                    Some("REMIND") => "reminded",
                    Some("ESCALATE") => "escalated",
                    _ => "reassigned",
                };
                let whom = strings(&value["notify"]).join(", ");
                format!("{verb} {} step {} to {whom}", text("lead_id"), value["step"])
            }
            Some("lead-router.dead-letter") => {
                let header = |name: &str| output["headers"][name].as_str().unwrap_or("none");
                format!("refused {} in {}", header("dlq.reason"), header("dlq.field"))
            }
            _ if output["dry_run"].is_object() => "would move".to_owned(),
            _ if output["from"].is_string() => {
                let word = |name: &str| output[name].as_str().unwrap_or_default();
                format!("moved {} from {} to {}", output["leads"], word("from"), word("to"))
            }
            _ if output["waited_secs"].is_number() => {
                reason = output["reason"].as_str().map(str::to_owned);
                format!("waits {}", output["lead_id"].as_str().unwrap_or_default())
            }
            _ if output["members"].is_number() => {
                format!("unstaffed {}", output["territory_id"].as_str().unwrap_or_default())
            }
            _ if output["rep_id"].is_string() => {
                format!("rep {}", output["rep_id"].as_str().unwrap_or_default())
            }
            _ => output.to_string(),
        };
        let holder = if value.is_object() { value } else { output };
        let holder = if output["dry_run"].is_object() { &output["dry_run"] } else { holder };
        let detail = |(name, sign, _): &(String, char, String)| {
            let found = match sign {
                ':' => candidate(holder, name),
                _ => plain(holder, name, clock),
            };
            (name.clone(), *sign, found)
        };
        let details = wanted.iter().flat_map(|wanted| &wanted.details).map(detail).collect();
        Sentence { said, reason, details }
    }
}

/// The lead that the line is about need not be named; `wanted` has left its name out already.
fn decided(value: &Value, subject: Option<&str>) -> String {
    let text = |name: &str| value[name].as_str();
    let verb = text("outcome").unwrap_or_default().to_lowercase();
    let lead = text("lead_id").unwrap_or_default();
    let target = text("rep_id").or(text("queue_id"));
    match (target, subject == Some(lead)) {
        (Some(target), true) => format!("{verb} {target}"),
        (Some(target), false) => format!("{verb} {lead} to {target}"),
        (None, true) => verb,
        (None, false) => format!("{verb} {lead}"),
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.4}", number.as_f64().unwrap_or_default());
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => other.to_string(),
    }
}

/// A field of the event, by its name or a short one; times as the table says them.
fn plain(value: &Value, name: &str, clock: &Clock) -> String {
    let full = match name {
        "no" => "assignment_no",
        "territory" => "territory_id",
        "queue" => "queue_id",
        "former" => "former_owner_id",
        "class" => "priority_class",
        "ambiguous" => "ambiguous_with",
        "seq" => "domain_seq",
        "due" => "due_at",
        "late_ms" => "late_by_ms",
        _ => name,
    };
    let mut found = value;
    for part in full.split('.') {
        found = &found[part];
    }
    let one = |item: &Value| match full {
        "sla" => clock.say(item["due_at"].as_i64().unwrap_or_default()),
        "excluded" => format!("{}*{}", word(&item["reason"]), word(&item["count"])),
        "candidates" => word(&item["rep_id"]),
        "moves" => {
            format!("{}>{}*{}", word(&item["from"]), word(&item["to"]), word(&item["leads"]))
        }
        _ => word(item),
    };
    match found {
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(one).collect::<Vec<_>>().join("|"),
        Value::Number(at) if full.ends_with("_at") => clock.say(at.as_i64().unwrap_or_default()),
        _ => word(found),
    }
}

/// What the event says of a candidate: `eligible`, the reasons why not, or `unlisted`.
fn candidate(value: &Value, rep: &str) -> String {
    let listed = value["candidates"].as_array().into_iter().flatten();
    match listed.into_iter().find(|one| one["rep_id"] == rep) {
        None => "unlisted".to_owned(),
        Some(one) if one["eligible"] == true => "eligible".to_owned(),
        Some(one) => strings(&one["reasons"]).join("+"),
    }
}
