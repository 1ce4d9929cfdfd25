//! What an HTTP answer says. Only a registry's own "not found" is one: a page of a proxy decides nothing.

use serde_json::Value;

use super::Unavailable;
use crate::codec::json;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Found(Value),
    TooLarge,
    /// The registry knows no such schema, subject or version.
    Absent,
    /// The registry does not know the request itself.
    NoSuchPath,
    /// The registry will not have it: not compatible, or no schema.
    Refused(String),
}

/// Registries' own codes for a subject, a version, or a schema that does not exist.
const ABSENT: std::ops::RangeInclusive<i64> = 40_400..=40_499;

/// Reads an answer; the fault completes "the registry …".
pub(super) fn of(status: u16, body: &[u8]) -> Result<Answer, String> {
    let value = json::parse(body).ok();
    let code = value.as_ref().and_then(|value| value.get("error_code")).and_then(Value::as_i64);
    match (status, value) {
        (200, Some(value)) => Ok(Answer::Found(value)),
        (200, None) => Err("answers with something that is no JSON".to_owned()),
        (404, _) if code.is_some_and(|code| ABSENT.contains(&code)) => Ok(Answer::Absent),
        (404, _) if code == Some(404) => Ok(Answer::NoSuchPath),
        (404, _) => Err("answers 404, but not as a schema registry: check registry.url".to_owned()),
        (401 | 403, _) => Err(format!("refuses our login ({status})")),
        (409 | 422, Some(value)) => Ok(Answer::Refused(said(&value))),
        (429, _) => Err("has too much to do (429)".to_owned()),
        _ => Err(format!("answers {status}")),
    }
}

/// The registry's own words, shortened.
fn said(value: &Value) -> String {
    let text = value.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    text.chars().filter(|letter| !letter.is_control()).take(500).collect()
}

/// A text field that must be there; else half of the answer is missing.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, Unavailable> {
    let found = value.get(name).and_then(Value::as_str);
    found.ok_or_else(|| Unavailable::new(format!("the registry answers without \"{name}\"")))
}

pub(super) fn number(value: &Value, name: &str) -> Result<u32, Unavailable> {
    let found = value.get(name).and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    found.ok_or_else(|| Unavailable::new(format!("the registry answers without \"{name}\"")))
}
