//! The configuration as text: what holds now (`--print-config`, secrets left out), and the example file.

use std::fmt::Write;

use super::check::expected;
use super::keys::{KEYS, Key, Kind};
use super::owned;
use super::read::{Given, Raw};

/// What holds, as a file that could be read back; a comment says where each value came from.
pub(super) fn effective(given: &Given) -> String {
    let mut out = String::new();
    let mut section = "";
    for key in KEYS {
        let (above, name) = split(key);
        if key.kind == Kind::Properties {
            let Some(properties) = given.properties.get(key.path) else { continue };
            head(&mut out, &mut section, key.path);
            for (name, (value, origin)) in properties {
                let value = if owned::is_secret(name) { "***" } else { value };
                line(
                    &mut out,
                    &format!("{} = {}", quoted(name), quoted(value)),
                    &origin.to_string(),
                );
            }
            continue;
        }
        if key.kind == Kind::Secret {
            if let Some((_, origin)) = given.values.get(key.path) {
                head(&mut out, &mut section, above);
                line(&mut out, &format!("# {name} = \"***\""), &origin.to_string());
            }
            continue;
        }
        let (value, origin) = match given.values.get(key.path) {
            Some((raw, origin)) => (literal(raw), origin.to_string()),
            None => match key.default {
                Some(default) => (default.to_owned(), "default".to_owned()),
                None => continue,
            },
        };
        head(&mut out, &mut section, above);
        line(&mut out, &format!("{name} = {value}"), &origin);
    }
    out
}

/// The example: every key with its meaning, what it takes, and its default, commented out.
pub fn example() -> String {
    let mut out = String::from(
        "# Configuration of lead-router. Every key is here with its default; what is commented out holds\n\
         # anyway. Later layers win: defaults, this file, the environment (LEAD_ROUTER__SECTION__KEY;\n\
         # with _FILE at its end, the name of a file that holds the value).\n",
    );
    let mut section = "";
    for key in KEYS {
        let (above, name) = split(key);
        let under = if key.kind == Kind::Properties { key.path } else { above };
        out.push('\n');
        if under != section {
            section = under;
            let mark = if key.kind == Kind::Properties { "# " } else { "" };
            let _ = writeln!(out, "{mark}[{section}]");
        }
        for text in wrapped(key.doc, 96) {
            let _ = writeln!(out, "# {text}");
        }
        match key.kind {
            Kind::Secret => {
                let variable = key.path.to_ascii_uppercase().replace('.', "__");
                let _ = writeln!(out, "# LEAD_ROUTER__{variable}, or LEAD_ROUTER__{variable}_FILE");
            }
            Kind::Properties => out.push_str("# \"client.rack\" = \"eu-central-1a\"\n"),
            kind => {
                let _ = writeln!(out, "# Takes {}.", expected(kind));
                let default = key.default.unwrap_or("\"earliest\"");
                let _ = writeln!(out, "# {name} = {default}");
            }
        }
    }
    out
}

fn split(key: &Key) -> (&'static str, &'static str) {
    key.path.rsplit_once('.').unwrap_or(("", key.path))
}

fn head(out: &mut String, section: &mut &'static str, now: &'static str) {
    if *section != now {
        *section = now;
        let _ = writeln!(out, "\n[{now}]");
    }
}

fn line(out: &mut String, setting: &str, origin: &str) {
    let _ = writeln!(out, "{setting:<48} # {origin}");
}

fn literal(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) | Raw::Instant(text) => quoted(text),
        Raw::Number(number) => number.to_string(),
        Raw::Flag(flag) => flag.to_string(),
        Raw::Other(what) => quoted(what),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
