//! One line of a scenario as a line of the filter: what the words of the table mean in events.

use lead_router::codec::json::sha256_hex;
use serde_json::{Map, Value, json};

use super::text::{Clock, Line, words};

/// What a line asks for.
pub(super) enum Script {
    /// It only moves the table's clock.
    Nothing,
    /// The policy that the filter starts with.
    PolicyFile(String),
    Say(Said),
}

/// A line for the filter, and the lead that it is about.
pub(super) struct Said {
    pub(super) input: String,
    pub(super) subject: Option<String>,
}

type Fields = Map<String, Value>;

/// Reads a line, moving the clock.
pub(super) fn read(line: &Line<'_>, clock: &mut Clock) -> Result<Script, String> {
    if let Some(text) = line.text.strip_prefix("json ") {
        return Ok(Script::Say(Said { input: text.to_owned(), subject: None }));
    }
    let timed = line.text.starts_with("at ");
    let mut words = words(line.text)?;
    clock.advance(&mut words)?;
    let dry = words.first().is_some_and(|word| word == "dry");
    if dry {
        words.remove(0);
    }
    let Some(verb) = (!words.is_empty()).then(|| words.remove(0)) else {
        return Ok(Script::Nothing);
    };
    let plain = |value: Value| Ok(Script::Say(Said { input: value.to_string(), subject: None }));
    match verb.as_str() {
        "tick" => return plain(json!({ "tick": clock.now.to_string() })),
        "jump" => return plain(json!({ "tick": clock.now.to_string(), "jump": true })),
        "reps" => return plain(json!({ "state": "reps" })),
        "waiting" => return plain(json!({ "state": "waiting" })),
        "unstaffed" => return plain(json!({ "state": "unstaffed" })),
        "moves" => return plain(json!({ "state": "moves" })),
        "policy" if !timed => return Ok(Script::PolicyFile(line.block.clone())),
        _ => {}
    }
    let mut event = Event::of(&verb, &mut words, line, clock)?;
    for word in words {
        event.word(&word, clock)?;
    }
    let subject = event.value.get("lead_id").and_then(Value::as_str).map(str::to_owned);
    let domain = event.domain;
    let input = json!({
        "topic": event.topic, "key": domain, "timestamp": clock.now.0, "value": event.value,
    });
    let input = if dry { json!({ "dry_run": input }) } else { input };
    Ok(Script::Say(Said { input: input.to_string(), subject }))
}

struct Event {
    topic: &'static str,
    domain: String,
    value: Fields,
    /// The rules of a territory, once `where` has been read.
    rules: Option<Vec<Vec<Value>>>,
}

/// Verbs about a lead that are a kind of `lead-updated`.
const UPDATES: &[(&str, &str)] = &[
    ("update", "FIELDS"),
    ("status", "STATUS"),
    ("owner", "OWNER"),
    ("converted", "CONVERTED"),
    ("deleted", "DELETED"),
    ("undeleted", "UNDELETED"),
    ("merged", "MERGED"),
    ("lock", "LOCKED"),
    ("unlock", "UNLOCKED"),
    ("do_not_route", "DO_NOT_ROUTE"),
    ("route", "DO_NOT_ROUTE"),
];

/// Verbs that are a kind of `lead-activity`.
const ACTIVITIES: &[(&str, &str)] = &[
    ("call", "CALL"),
    ("email", "EMAIL"),
    ("meeting", "MEETING"),
    ("other_touch", "OTHER_TOUCH"),
    ("accept", "ACCEPTED"),
    ("decline", "DECLINED"),
    ("hold", "ON_HOLD"),
    ("resume", "RESUMED"),
];

const DEALS: &[(&str, &str)] = &[("won", "WON"), ("lost", "LOST"), ("reopened", "REOPENED")];

fn kind_of(verb: &str, kinds: &[(&str, &'static str)]) -> Option<&'static str> {
    kinds.iter().find(|(name, _)| *name == verb).map(|(_, kind)| *kind)
}

impl Event {
    fn of(
        verb: &str,
        words: &mut Vec<String>,
        line: &Line<'_>,
        clock: &Clock,
    ) -> Result<Event, String> {
        let mut value = Map::new();
        value.insert("event_id".to_owned(), json!(format!("line {}", line.number)));
        let now = clock.now.0;
        let topic = if let Some(kind) = kind_of(verb, UPDATES) {
            value.insert("kind".to_owned(), json!(kind));
            value.insert("changed_at".to_owned(), json!(now));
            "lead-updated"
        } else if let Some(kind) = kind_of(verb, ACTIVITIES) {
            value.insert("kind".to_owned(), json!(kind));
            value.insert("occurred_at".to_owned(), json!(now));
            "lead-activity"
        } else if let Some(outcome) = kind_of(verb, DEALS) {
            value.insert("outcome".to_owned(), json!(outcome));
            value.insert("closed_at".to_owned(), json!(now));
            "opportunity-closed"
        } else {
            match verb {
                "lead" | "fast" => {
                    value.insert("created_at".to_owned(), json!(now));
                    if verb == "lead" { "lead-created" } else { "lead-created-fast" }
                }
                "rep" => "rep-changed",
                "territory" => "territory-changed",
                "account" => "account-changed",
                "policy" => "policy-changed",
                _ => return Err(format!("`{verb}` is no event of a scenario")),
            }
        };
        let id = match topic {
            "rep-changed" => "rep_id",
            "territory-changed" => "territory_id",
            "account-changed" => "account_id",
            "opportunity-closed" => "opportunity_id",
            "policy-changed" => "version",
            _ => "lead_id",
        };
        if words.is_empty() {
            return Err(format!("`{verb}` of what? An id is missing"));
        }
        value.insert(id.to_owned(), json!(words.remove(0)));
        let mut event = Event { topic, domain: "acme".to_owned(), value, rules: None };
        event.defaults(verb, words, line)?;
        Ok(event)
    }

    /// What the table leaves out because it is always so.
    fn defaults(
        &mut self,
        verb: &str,
        words: &mut Vec<String>,
        line: &Line<'_>,
    ) -> Result<(), String> {
        let mut next = |what: &str| match words.is_empty() {
            false => Ok(words.remove(0)),
            true => Err(format!("`{verb}` needs {what}")),
        };
        match (self.topic, verb) {
            ("rep-changed", _) => self.set("active", json!(true)),
            ("territory-changed", _) => {
                self.set("name", self.value.get("territory_id").cloned().unwrap_or_default())
            }
            ("account-changed", _) => self.set("kind", json!("PROSPECT")),
            ("policy-changed", _) => {
                self.set("text", json!(line.block));
                self.set("sha256", json!(sha256_hex(line.block.as_bytes())));
            }
            (_, "owner") => {
                let owner = next("the new owner")?;
                self.set("new_owner_id", json!(owner));
            }
            (_, "status") => {
                let status = next("the new status")?;
                self.set("changes", json!({ "status": status }));
            }
            (_, "route") => self.set("changes", json!({ "do_not_route": false })),
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) {
        self.value.insert(name.to_owned(), value);
    }

    fn append(&mut self, name: &str, item: Value) {
        let list = self.value.entry(name.to_owned()).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(item);
    }

    fn word(&mut self, word: &str, clock: &Clock) -> Result<(), String> {
        if let Some(rules) = &mut self.rules {
            if word == "or" {
                rules.push(Vec::new());
            } else if let Some(rule) = rules.last_mut() {
                rule.push(condition(word)?);
            }
            self.write_rules();
            return Ok(());
        }
        if word == "where" && self.topic == "territory-changed" {
            self.rules = Some(vec![Vec::new()]);
            self.write_rules();
            return Ok(());
        }
        let Some((name, text)) = word.split_once('=') else { return self.flag(word) };
        match (self.topic, name) {
            (_, "domain") => self.domain = text.to_owned(),
            (_, "id") => self.set("event_id", json!(text)),
            ("rep-changed", "away") => {
                let (from, to) = text.split_once("..").ok_or("away=FROM..TO")?;
                let (from, to) = (clock.time(from)?.0, clock.time(to)?.0);
                self.append("away", json!({ "from_at": from, "to_at": to }));
            }
            ("rep-changed", "cap") => self.append("caps", cap(text)?),
            ("territory-changed", "members") => {
                for member in list(text) {
                    self.append("members", member_of(&member));
                }
            }
            ("lead-updated", "clear") => {
                let names = json!(list(text));
                self.set("cleared", names);
            }
            _ => self.field(name, text, clock)?,
        }
        Ok(())
    }

    fn write_rules(&mut self) {
        let rules: Vec<Value> =
            self.rules.iter().flatten().map(|all| json!({ "all": all })).collect();
        self.set("rules", Value::from(rules));
    }

    fn flag(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = match word {
            "inactive" => ("active", false),
            "paused" | "deleted" | "do_not_route" | "open_opportunity" | "fetch_needed" => {
                (word, true)
            }
            _ => return Err(format!("`{word}` is no flag; a field is written name=value")),
        };
        self.set(name, json!(value));
        Ok(())
    }

    fn field(&mut self, name: &str, text: &str, clock: &Clock) -> Result<(), String> {
        let name = full_name(self.topic, name);
        let value = typed(&name, text, clock)?;
        let own = ["changed_at", "changed_by", "merged_into", "opportunity_id", "account_id"];
        let of_lock = name == "locked_until_at" && self.value.get("kind") == Some(&json!("LOCKED"));
        if self.topic == "lead-updated" && !own.contains(&name.as_str()) && !of_lock {
            let changes = self.value.entry("changes").or_insert_with(|| json!({}));
            insert(changes.as_object_mut().expect("an object"), &name, value);
        } else {
            insert(&mut self.value, &name, value);
        }
        Ok(())
    }
}

/// `attributes.tier` goes into the map.
fn insert(fields: &mut Fields, name: &str, value: Value) {
    match name.strip_prefix("attributes.") {
        Some(key) => {
            let map = fields.entry("attributes").or_insert_with(|| json!({}));
            map.as_object_mut().expect("an object").insert(key.to_owned(), value);
        }
        None => {
            fields.insert(name.to_owned(), value);
        }
    }
}

/// Short names of the table.
fn full_name(topic: &str, name: &str) -> String {
    let full = match (topic, name) {
        ("lead-created" | "lead-created-fast" | "lead-updated", "skills") => "required_skills",
        ("lead-activity", "by") => "rep_id",
        ("territory-changed", "from") => "valid_from_at",
        ("policy-changed", "from") => "valid_from_at",
        ("territory-changed", "to") => "valid_to_at",
        ("territory-changed", "under") => "parent_id",
        ("territory-changed", "named") => "named_accounts",
        ("territory-changed", "moves") => "effective_change",
        ("account-changed", "parent") => "parent_id",
        (_, "by") => "changed_by",
        (_, "into") => "merged_into",
        (_, "until") => "locked_until_at",
        (_, "created") => "created_at",
        (_, "changed") => "changed_at",
        (_, "occurred") => "occurred_at",
        (_, "closed") => "closed_at",
        (_, "opened") => "opened_at",
        (_, "hired") => "hired_at",
        (_, "last_activity") => "last_activity_at",
        (_, "prefers") => "preferred_skills",
        (_, "account") => "account_id",
        (_, "opportunity") => "opportunity_id",
        (_, "owner") => "owner_id",
        (_, "manager") => "manager_id",
        (_, "calendar") => "calendar_id",
        (_, "cover") => "cover_id",
        (_, "zone") => "time_zone",
        (_, "rep") => "rep_id",
        (_, "lead") => "lead_id",
        _ => name,
    };
    full.to_owned()
}

const LISTS: &[&str] =
    &["required_skills", "preferred_skills", "skills", "languages", "domains", "named_accounts"];
const NUMBERS: &[&str] = &["employees", "annual_revenue", "amount", "score", "weight", "priority"];
const UPPER: &[&str] = &["effective_change", "kind"];

/// The value as the event has it; a text that is no number stays one, and the router says so.
fn typed(name: &str, text: &str, clock: &Clock) -> Result<Value, String> {
    Ok(match name {
        _ if text == "null" => Value::Null,
        _ if name.ends_with("_at") => json!(clock.time(text)?.0),
        _ if LISTS.contains(&name) => json!(list(text)),
        _ if NUMBERS.contains(&name) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        _ if UPPER.contains(&name) => json!(text.to_uppercase()),
        _ if text == "true" || text == "false" => json!(text == "true"),
        _ => json!(text),
    })
}

fn list(text: &str) -> Vec<String> {
    text.split('|').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// `ann`, `ann*3`.
fn member_of(text: &str) -> Value {
    match text.split_once('*') {
        Some((rep, weight)) => {
            let weight: Value = serde_json::from_str(weight).unwrap_or_else(|_| json!(weight));
            json!({ "rep_id": rep, "weight": weight })
        }
        None => json!({ "rep_id": text }),
    }
}

/// `3/day`, `20/open@west`.
fn cap(text: &str) -> Result<Value, String> {
    let (limit, rest) = text.split_once('/').ok_or("cap=LIMIT/WINDOW or cap=LIMIT/WINDOW@POOL")?;
    let (window, pool) = match rest.split_once('@') {
        Some((window, pool)) => (window, json!(pool)),
        None => (rest, Value::Null),
    };
    let limit: Value = serde_json::from_str(limit).unwrap_or_else(|_| json!(limit));
    Ok(json!({ "window": window.to_uppercase(), "limit": limit, "pool": pool }))
}

/// `state=CA|NV`, `state!=CA`, `postal_code^=94`, `employees=50..1000`, `industry=*`, `industry!=*`.
fn condition(word: &str) -> Result<Value, String> {
    let parts = [("!=", true), ("^=", false), ("=", false)];
    let found = parts.iter().filter_map(|(sign, _)| Some((word.find(sign)?, *sign))).min();
    let Some((at, sign)) = found else { return Err(format!("`{word}` is no condition")) };
    let (field, text) = (&word[..at], &word[at + sign.len()..]);
    let (op, values) = match (sign, text) {
        ("=", "*") => ("EXISTS", json!([])),
        ("!=", "*") => ("MISSING", json!([])),
        ("!=", _) => ("NOT_IN", json!(list(text))),
        ("^=", _) => ("PREFIX", json!(list(text))),
        _ => match text.split_once("..") {
            Some((low, high)) => ("BETWEEN", json!([low, high])),
            None => ("IN", json!(list(text))),
        },
    };
    Ok(json!({ "field": field, "op": op, "values": values }))
}
