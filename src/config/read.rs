//! From a TOML file and the environment to raw values, each with its place. Later layers win: defaults,
//! then the file, then the environment. Nothing stops at the first fault.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Kind};

/// Names of variables begin with this; sections are parted by two underscores.
pub(super) const PREFIX: &str = "LEAD_ROUTER__";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(String, usize),
    Env(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(name, line) => write!(f, "{name}:{line}"),
            Origin::Env(name) => write!(f, "environment {name}"),
        }
    }
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Number(i64),
    Flag(bool),
    /// A TOML date-time, as text.
    Instant(String),
    Other(&'static str),
}

impl Raw {
    fn from_toml(value: &DeValue<'_>) -> Raw {
        match value {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
                    Ok(number) => Raw::Number(number),
                    Err(_) => Raw::Other("a number too large"),
                }
            }
            DeValue::Boolean(flag) => Raw::Flag(*flag),
            DeValue::Datetime(instant) => Raw::Instant(instant.to_string()),
            other => Raw::Other(other.type_str()),
        }
    }

    /// As a property of librdkafka has it: plain text.
    fn into_property(self) -> Result<String, &'static str> {
        match self {
            Raw::Text(text) | Raw::Instant(text) => Ok(text),
            Raw::Number(number) => Ok(number.to_string()),
            Raw::Flag(flag) => Ok(flag.to_string()),
            Raw::Other(what) => Err(what),
        }
    }
}

/// One thing that is wrong, where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File and line, or the variable; empty where the fault lies between keys.
    pub place: String,
    pub key: String,
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.place, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.text)
    }
}

/// Everything that was given, and all that was wrong with it so far.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub values: BTreeMap<&'static str, (Raw, Origin)>,
    /// By section (`kafka.properties`), then by name.
    pub properties: BTreeMap<&'static str, BTreeMap<String, (String, Origin)>>,
    pub faults: Vec<Fault>,
}

impl Given {
    pub(super) fn fault(&mut self, origin: &Origin, key: &str, text: impl Into<String>) {
        let place = match origin {
            Origin::Default => String::new(),
            other => other.to_string(),
        };
        self.faults.push(Fault { place, key: key.to_owned(), text: text.into() });
    }

    fn property(&mut self, section: &'static str, name: String, raw: Raw, origin: Origin) {
        match raw.into_property() {
            Ok(value) => {
                self.properties.entry(section).or_default().insert(name, (value, origin));
            }
            Err(what) => {
                let key = format!("{section}.\"{name}\"");
                self.fault(
                    &origin,
                    &key,
                    format!("expected text, a number or a flag, found {what}"),
                );
            }
        }
    }
}

/// Takes what a file says. `name` is how faults call it.
pub(super) fn file(given: &mut Given, name: &str, text: &str) {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        given.fault(&Origin::File(name.to_owned(), line), "", error.message().to_owned());
    }
    Walk { given, name, text }.table("", document.get_ref());
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

struct Walk<'a> {
    given: &'a mut Given,
    name: &'a str,
    text: &'a str,
}

impl Walk<'_> {
    fn origin(&self, at: usize) -> Origin {
        Origin::File(self.name.to_owned(), line_of(self.text, at))
    }

    fn table(&mut self, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = match above {
                "" => name.get_ref().to_string(),
                above => format!("{above}.{}", name.get_ref()),
            };
            let origin = self.origin(name.span().start);
            let inner = value.get_ref();
            match (keys::find(&path), inner.as_table()) {
                (Some(key), Some(below)) if key.kind == Kind::Properties => {
                    self.properties(key.path, "", below);
                }
                (Some(key), None) if key.kind == Kind::Properties => {
                    self.given.fault(&origin, &path, "expected a table of properties");
                }
                (Some(key), _) => {
                    self.given.values.insert(key.path, (Raw::from_toml(inner), origin));
                }
                (None, Some(below)) if keys::is_section(&path) => self.table(&path, below),
                (None, None) if keys::is_section(&path) => {
                    self.given.fault(&origin, &path, "expected a table");
                }
                (None, _) => {
                    let text = unknown(&path);
                    self.given.fault(&origin, &path, text);
                }
            }
        }
    }

    /// Names with dots may also stand without quotes, which TOML reads as tables.
    fn properties(&mut self, section: &'static str, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full = match above {
                "" => name.get_ref().to_string(),
                above => format!("{above}.{}", name.get_ref()),
            };
            let origin = self.origin(name.span().start);
            match value.get_ref() {
                DeValue::Table(below) => self.properties(section, &full, below),
                plain => self.given.property(section, full, Raw::from_toml(plain), origin),
            }
        }
    }
}

fn unknown(path: &str) -> String {
    match keys::nearest(path) {
        Some(near) => format!("unknown key; did you mean {near}?"),
        None => "unknown key".to_owned(),
    }
}

/// Takes the variables that begin with our prefix. A name that ends with `_FILE` names a file that holds
/// the value, as secrets are mounted.
pub(super) fn environment(given: &mut Given, vars: impl Iterator<Item = (String, String)>) {
    for (name, value) in vars {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let origin = Origin::Env(name.clone());
        if variable(given, rest, &value, &origin) {
            continue;
        }
        let from_file = rest.strip_suffix("_FILE").filter(|rest| known(rest));
        let Some(rest) = from_file else {
            let path = path_of(rest);
            let text = unknown(&path);
            given.fault(&origin, &path, text);
            continue;
        };
        match std::fs::read_to_string(Path::new(&value)) {
            Ok(text) => {
                variable(given, rest, text.trim_end_matches(['\r', '\n']), &origin);
            }
            Err(error) => given.fault(&origin, "", format!("failed to read {value}: {error}")),
        }
    }
}

fn path_of(rest: &str) -> String {
    rest.to_ascii_lowercase().replace("__", ".")
}

/// The section of properties that a variable belongs to, and the name of its property.
fn property_of(rest: &str) -> Option<(&'static str, String)> {
    let sections = keys::KEYS.iter().filter(|key| key.kind == Kind::Properties);
    sections.into_iter().find_map(|key| {
        let head = format!("{}__", key.path.to_ascii_uppercase().replace('.', "__"));
        let name = rest.strip_prefix(&head).filter(|name| !name.is_empty())?;
        Some((key.path, property_name(name)))
    })
}

fn known(rest: &str) -> bool {
    property_of(rest).is_some() || keys::find(&path_of(rest)).is_some()
}

/// The rule of Kafka's own container image: `_` is a dot, `__` an underscore, `___` a dash.
fn property_name(name: &str) -> String {
    let dashes = name.to_ascii_lowercase().replace("___", "-");
    dashes.replace("__", "\u{0}").replace('_', ".").replace('\u{0}', "_")
}

/// Takes one variable if its key is known.
fn variable(given: &mut Given, rest: &str, value: &str, origin: &Origin) -> bool {
    if let Some((section, name)) = property_of(rest) {
        // A mounted secret, unless librdkafka should ever have a property of that name.
        if name.ends_with(".file") {
            return false;
        }
        given.property(section, name, Raw::Text(value.to_owned()), origin.clone());
        return true;
    }
    let Some(key) = keys::find(&path_of(rest)) else { return false };
    let raw = match key.kind {
        Kind::Number(..) => match value.trim().replace('_', "").parse() {
            Ok(number) => Raw::Number(number),
            Err(_) => Raw::Text(value.to_owned()),
        },
        Kind::Flag => match value.trim() {
            "true" => Raw::Flag(true),
            "false" => Raw::Flag(false),
            other => Raw::Text(other.to_owned()),
        },
        Kind::Properties => Raw::Other("text"),
        _ => Raw::Text(value.to_owned()),
    };
    given.values.insert(key.path, (raw, origin.clone()));
    true
}
