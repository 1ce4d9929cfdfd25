//! Values as bridges write them: numbers as text and text as numbers, times in five forms, places by name.

mod places;

use serde_json::Value;

pub use places::{country, state};

use crate::domain::time::Timestamp;

/// A plain value as text, trimmed; `None` if nothing is left, or it is no plain value.
pub fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) => decimal(value)?,
        Value::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// True or false, in any of the ways it is written.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A whole number, also where it is written as text or with a fraction of zero.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(number),
            None => {
                let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
                (number.abs() < 9.0e18).then_some(number as i64)
            }
        },
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| {
                let (whole, fraction) = text.split_once('.')?;
                let zeros = fraction.bytes().all(|byte| byte == b'0');
                zeros.then(|| whole.parse().ok()).flatten()
            })
        }
        _ => None,
    }
}

/// A number as decimal text without an exponent or zeros that say nothing: `1.5E7` is `15000000`.
pub fn decimal(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Some(number.to_string()),
            (_, Some(number)) => Some(number.to_string()),
            _ => number.as_f64().filter(|it| it.is_finite()).map(plain),
        },
        Value::String(text) => {
            let text = text.trim();
            if is_plain(text) {
                return Some(trimmed(text));
            }
            let number: f64 = text.parse().ok()?;
            let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
            (number.is_finite() && has_digit).then(|| plain(number))
        }
        _ => None,
    }
}

fn plain(number: f64) -> String {
    // Adding zero makes −0 a 0.
    (number + 0.0).to_string()
}

/// Digits with a point at most, and a sign: kept digit by digit.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction)
}

fn trimmed(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// An amount with at most two places, rounded half away from zero; whole digits stay as they are.
pub fn amount(value: &Value) -> Option<String> {
    let text = decimal(value)?;
    let Some((whole, fraction)) = text.split_once('.') else { return Some(text) };
    if fraction.len() <= 2 {
        return Some(text);
    }
    let (kept, rest) = fraction.split_at_checked(2)?;
    let up = rest.as_bytes().first().is_some_and(|digit| *digit >= b'5');
    let negative = whole.starts_with('-');
    let hundredths: i128 = format!("{}{kept}", whole.trim_start_matches('-')).parse().ok()?;
    let hundredths = hundredths + i128::from(up);
    let sign = if negative && hundredths != 0 { "-" } else { "" };
    Some(trimmed(&format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)))
}

/// Below this a number counts days, from it on milliseconds: the year 2517, and three minutes past 1970.
const MOST_DAYS: i64 = 200_000;
const DAY_MS: i64 = 86_400_000;

/// An instant in milliseconds: epoch milliseconds, also as text; RFC 3339, with `+0000` too; a date, which
/// is the midnight in UTC that it begins with; or days since 1970.
pub fn instant(value: &Value) -> Option<i64> {
    if let Some(number) = whole(value) {
        return Some(match number.abs() < MOST_DAYS {
            true => number * DAY_MS,
            false => number,
        });
    }
    let Value::String(text) = value else { return None };
    let text = text.trim();
    if text.len() == 10 {
        return Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).map(|at| at.0);
    }
    Timestamp::parse_rfc3339(text).or_else(|| with_colon(text)).map(|at| at.0)
}

/// `+0000` → `+00:00`; a time without a zone is UTC, as Salesforce's are.
fn with_colon(text: &str) -> Option<Timestamp> {
    let (time, zone) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let is_zone =
        zone.starts_with(['+', '-']) && zone.get(1..)?.bytes().all(|byte| byte.is_ascii_digit());
    if is_zone && time.contains('T') {
        return Timestamp::parse_rfc3339(&format!("{time}{}:{}", zone.get(..3)?, zone.get(3..)?));
    }
    text.contains('T').then(|| Timestamp::parse_rfc3339(&format!("{text}Z"))).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_in_every_form() {
        let at = Some(1_773_696_751_000);
        for value in [
            json!(1_773_696_751_000_i64),
            json!("1773696751000"),
            json!("2026-03-16T21:32:31.000Z"),
            json!("2026-03-16T21:32:31Z"),
            json!("2026-03-16T21:32:31.000+0000"),
            json!("2026-03-16T21:32:31+00:00"),
            json!("2026-03-16T21:32:31.000"),
        ] {
            assert_eq!(instant(&value), at, "{value}");
        }
        let day = Some(1_714_089_600_000);
        for value in [json!("2024-04-26"), json!(1_714_089_600_000_i64), json!(19_839)] {
            assert_eq!(instant(&value), day, "{value}");
        }
        for value in [json!("soon"), json!(true), json!("2026-13-01"), json!("")] {
            assert_eq!(instant(&value), None, "{value}");
        }
    }

    #[test]
    fn numbers_as_they_are_meant() {
        let cases = [
            (json!(1.5e7), "15000000"),
            (json!("5000000.00"), "5000000"),
            (json!("1234567890123456.78"), "1234567890123456.78"),
            (json!(-0.0), "0"),
            (json!(70.5), "70.5"),
            (json!("1E3"), "1000"),
        ];
        for (value, expected) in cases {
            assert_eq!(decimal(&value).as_deref(), Some(expected));
        }
        assert_eq!(decimal(&json!("nan")), None);
        assert_eq!(amount(&json!("0.125")).as_deref(), Some("0.13"));
        assert_eq!(amount(&json!("-1.999")).as_deref(), Some("-2"));
        assert_eq!(amount(&json!("12.3")).as_deref(), Some("12.3"));
        assert_eq!(whole(&json!(250.0)), Some(250));
        assert_eq!(whole(&json!("250.00")), Some(250));
        assert_eq!(whole(&json!("250.5")), None);
        assert_eq!(flag(&json!("TRUE")), Some(true));
        assert_eq!(text(&json!("  ")), None);
    }
}
