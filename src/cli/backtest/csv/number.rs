//! Numbers as people and spreadsheets write them.

use serde::Deserialize;
use serde_json::Value;

/// What parts the whole from its fraction; the other one may part thousands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum DecimalMark {
    #[default]
    #[serde(rename = ".")]
    Point,
    #[serde(rename = ",")]
    Comma,
}

impl DecimalMark {
    fn marks(self) -> (char, char) {
        match self {
            DecimalMark::Point => ('.', ','),
            DecimalMark::Comma => (',', '.'),
        }
    }

    /// `12500000`, `12,500,000.50`, `$1,200`, `1 200 EUR`: whole numbers as numbers, others as text
    /// with a point; None = no such number. Thousands are parted everywhere or nowhere, by three digits;
    /// a fraction has at most two digits that are not zeros at its end. So a number that was written with the
    /// other mark is not taken for another number.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        let (decimal, comma) = self.marks();
        let text = bare(text);
        let (minus, text) = match text.strip_prefix('-') {
            Some(rest) => ("-", bare(rest)),
            None => ("", text),
        };
        let (whole, fraction) = text.split_once(decimal).unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let whole = ungrouped(whole, comma)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(&whole) || !digits(fraction) || fraction.len() > 2 {
            return None;
        }
        let whole = if whole.is_empty() && !fraction.is_empty() { "0".to_owned() } else { whole };
        if fraction.is_empty() {
            return format!("{minus}{whole}").parse::<i64>().ok().map(Value::from);
        }
        Some(Value::from(format!("{minus}{whole}.{fraction}")))
    }
}

/// Without spaces, a sign or a code of a currency at either end.
fn bare(text: &str) -> &str {
    let around = |c: char| c.is_whitespace() || "$€£¥".contains(c);
    let text = text.trim_matches(around);
    let is_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_uppercase());
    let front = text.split_at_checked(3).filter(|(code, _)| is_code(code)).map(|(_, rest)| rest);
    let text = front.unwrap_or(text).trim_matches(around);
    let at = text.len().saturating_sub(3);
    let back = text.split_at_checked(at).filter(|(_, code)| code.len() == 3 && is_code(code));
    back.map_or(text, |(rest, _)| rest).trim_matches(around)
}

/// The digits of a whole number whose thousands may be parted.
fn ungrouped(whole: &str, comma: char) -> Option<String> {
    let parts = |c: char| c == comma || c == '\'' || c == '’' || c.is_whitespace();
    let groups: Vec<&str> = whole.split(parts).collect();
    let (first, rest) = groups.split_first()?;
    let fits = rest.is_empty() || (1..=3).contains(&first.len());
    (fits && rest.iter().all(|group| group.len() == 3)).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_meant_or_not_at_all() {
        let point = [
            ("12500000", json!(12_500_000)),
            ("12,500,000.50", json!("12500000.5")),
            ("$1,200", json!(1_200)),
            ("-$1,200.00", json!(-1_200)),
            ("USD 1234.56", json!("1234.56")),
            ("1 200\u{a0}EUR", json!(1_200)),
            ("1'200.5", json!("1200.5")),
            ("12.0", json!(12)),
            (".5", json!("0.5")),
            ("1234.5600", json!("1234.56")),
        ];
        for (text, value) in point {
            assert_eq!(DecimalMark::Point.read(text), Some(value), "{text}");
        }
        let comma =
            [("1.234,56", json!("1234.56")), ("1.234", json!(1_234)), ("7,5", json!("7.5"))];
        for (text, value) in comma {
            assert_eq!(DecimalMark::Comma.read(text), Some(value), "{text}");
        }
        for text in [
            "1234,56",
            "1.234",
            "1.234,56",
            "12,50",
            "51-200",
            "n/a",
            "-",
            "",
            "1.2E+4",
            "TBD",
            "1,2345",
            "1..2",
            "(1,200)",
            "1,,200",
            "99999999999999999999",
            "USD",
            "१२",
        ] {
            assert_eq!(DecimalMark::Point.read(text), None, "{text}");
        }
        assert_eq!(DecimalMark::Comma.read("1,234.56"), None);
    }
}
