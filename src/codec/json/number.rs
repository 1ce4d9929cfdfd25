//! Numbers in JSON, read exactly: whole numbers, amounts of money, instants.

use serde_json::{Number, Value};

use crate::domain::lead_fields::Cents;
use crate::domain::time::Timestamp;

/// 2^45: below it, floats lie closer together than hundredths, so each amount has a float of its own.
const EXACT: f64 = 35_184_372_088_832.0;

/// decimal(18,2): below 10^18 hundredths.
const AMOUNT_END: i128 = 1_000_000_000_000_000_000;

/// The number if it is whole (`5` and `5.0`), else `None`.
pub(in crate::codec) fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i128() {
        return Some(number);
    }
    let number = number.as_f64()?;
    // A float beyond any range is whole and out of range, not of another type.
    (number.fract() == 0.0).then_some(number as i128)
}

/// An instant in milliseconds: a whole number, or RFC 3339 text.
pub fn millis(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => whole(number),
        Value::String(text) => Timestamp::parse_rfc3339(text).map(|at| i128::from(at.0)),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum AmountFault {
    Type,
    Range(&'static str),
}

/// An amount in hundredths; a number or its decimal text.
pub(in crate::codec) fn cents(value: &Value) -> Result<Cents, AmountFault> {
    match value {
        Value::String(text) => decimal(text),
        Value::Number(number) => match number.as_i128() {
            Some(whole) => in_range(whole.checked_mul(100)),
            None => {
                let number = number.as_f64().ok_or(AmountFault::Type)?;
                if number.fract() != 0.0 && number.abs() >= EXACT {
                    return Err(AmountFault::Range(
                        "too large for a number with a fraction: send text",
                    ));
                }
                // The shortest decimal that is this float is the one that was written.
                decimal(&number.to_string())
            }
        },
        _ => Err(AmountFault::Type),
    }
}

/// `-?[0-9]+(\.[0-9]+)?`, at most two places that are not zero.
fn decimal(text: &str) -> Result<Cents, AmountFault> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return Err(AmountFault::Type);
    }
    if negative && digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        return Err(AmountFault::Range("must not be negative"));
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 2 {
        return Err(AmountFault::Range("has at most two decimal places"));
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > 16 {
        return in_range(None);
    }
    let mut cents: i128 = 0;
    for byte in whole.bytes().chain(format!("{fraction:0<2}").bytes()) {
        cents = cents * 10 + i128::from(byte - b'0');
    }
    in_range(Some(cents))
}

fn in_range(cents: Option<i128>) -> Result<Cents, AmountFault> {
    match cents {
        Some(cents) if cents < 0 => Err(AmountFault::Range("must not be negative")),
        Some(cents) if cents < AMOUNT_END => {
            Cents::try_from(cents).map_err(|_| AmountFault::Range("is too large"))
        }
        _ => Err(AmountFault::Range("has at most 16 digits before the point")),
    }
}

/// An amount as JSON: a number while that is exact, else text.
pub(super) fn from_cents(cents: Cents) -> Value {
    if cents % 100 == 0 {
        return Value::from(cents / 100);
    }
    if cents as f64 / 100.0 < EXACT {
        return Value::from(cents as f64 / 100.0);
    }
    Value::from(format!("{}.{:02}", cents / 100, (cents % 100).abs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_exact() {
        let cases = [
            (json!(0), 0),
            (json!(1234.1), 123_410),
            (json!(0.07), 7),
            (json!(1e3), 100_000),
            (json!("1234.10"), 123_410),
            (json!("00.500"), 50),
            (json!("-0.00"), 0),
            (json!("9999999999999999.99"), 999_999_999_999_999_999),
            (json!(9_999_999_999_999_999_u64), 999_999_999_999_999_900),
            (json!(35_184_372_088_831.99), 3_518_437_208_883_199),
        ];
        for (value, expected) in cases {
            assert_eq!(cents(&value), Ok(expected), "{value}");
        }
        for hundredths in [
            0,
            1,
            99,
            100,
            123_456,
            3_518_437_208_883_199,
            3_518_437_208_883_201,
            999_999_999_999_999_999,
        ] {
            assert_eq!(cents(&from_cents(hundredths)), Ok(hundredths));
        }
    }

    #[test]
    fn amounts_have_a_range() {
        let cases = [
            json!(-1),
            json!(-0.01),
            json!("-5"),
            json!("0.001"),
            json!(1e16),
            json!(1e300),
            json!("10000000000000000"),
            json!(u64::MAX),
            json!(35_184_372_088_832.25),
        ];
        for value in cases {
            assert!(matches!(cents(&value), Err(AmountFault::Range(_))), "{value}");
        }
        for value in [json!("1e3"), json!(""), json!("."), json!("1."), json!(" 1"), json!(true)] {
            assert_eq!(cents(&value), Err(AmountFault::Type), "{value}");
        }
    }

    #[test]
    fn whole_numbers_may_be_floats() {
        assert_eq!(millis(&json!(1_767_225_600_000.0)), Some(1_767_225_600_000));
        assert_eq!(millis(&json!("2026-01-01T00:00:00Z")), Some(1_767_225_600_000));
        assert_eq!(millis(&json!("2026-01-01T01:00:00.000+01:00")), Some(1_767_225_600_000));
        assert_eq!(millis(&json!(1.5)), None);
        assert_eq!(millis(&json!("yesterday")), None);
        assert_eq!(millis(&json!("2026-01-01")), None);
        assert_eq!(millis(&json!("2026-01-01T00:00:00")), None);
    }
}
