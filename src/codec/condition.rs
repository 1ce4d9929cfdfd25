//! A condition, from its field name, operator and values to what can be evaluated: shared by the rules
//! of territories and the priority classes of a policy.

use super::error::reason;
use crate::domain::territory::{Condition, Field, LeadField, Op, Operands};
use crate::domain::text::normalise;
use crate::domain::time::Timestamp;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// What is wrong with a condition, and in which of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) part: &'static str,
    pub(super) detail: String,
}

fn range(part: &'static str, detail: &str) -> Fault {
    Fault { reason: reason::TERRITORY_RANGE, part, detail: detail.to_owned() }
}

fn value_type(detail: &str) -> Fault {
    Fault { reason: reason::JSON_TYPE, part: "values", detail: detail.to_owned() }
}

/// The operators, by name.
pub(super) const OPS: [&str; 6] = ["IN", "NOT_IN", "PREFIX", "BETWEEN", "EXISTS", "MISSING"];

/// The field of a name: of a lead, `email_domain`, or `attributes.NAME`.
pub(super) fn field(name: &str) -> Option<Field> {
    if let Some(key) = name.strip_prefix("attributes.") {
        return (!key.is_empty()).then(|| Field::Attribute(key.to_owned()));
    }
    LeadField::parse(name).map(Field::Lead)
}

pub(super) fn field_name(field: &Field) -> String {
    match field {
        Field::Lead(field) => field.name().to_owned(),
        Field::Attribute(key) => format!("attributes.{key}"),
    }
}

/// Checks a condition. `op` is one of [`OPS`]; another name is the caller's to refuse.
pub(super) fn condition(name: &str, op: &str, values: &[Raw]) -> Result<Condition, Fault> {
    let Some(field) = field(name) else {
        return Err(Fault {
            reason: reason::TERRITORY_FIELD,
            part: "field",
            detail: "no field of a lead, nor email_domain, nor attributes.NAME".to_owned(),
        });
    };
    let number = matches!(&field, Field::Lead(field) if field.is_number());
    let op = match op {
        "IN" => Op::In(operands(&field, number, values)?),
        "NOT_IN" => Op::NotIn(operands(&field, number, values)?),
        "PREFIX" if number => return Err(range("op", "PREFIX is for texts, not for numbers")),
        "PREFIX" => Op::Prefix(prefixes(&field, values)?),
        "BETWEEN" => between(&field, number, values)?,
        "EXISTS" | "MISSING" if !values.is_empty() => {
            return Err(range("values", "EXISTS and MISSING take no values"));
        }
        "EXISTS" => Op::Exists,
        "MISSING" => Op::Missing,
        _ => return Err(range("op", "no operator has this name")),
    };
    Ok(Condition { field, op })
}

fn operands(field: &Field, number: bool, values: &[Raw]) -> Result<Operands, Fault> {
    if values.is_empty() {
        return Err(range("values", "must not be empty"));
    }
    if number {
        return Ok(Operands::Number(values.iter().map(as_number).collect::<Result<_, _>>()?));
    }
    let texts = values.iter().map(|value| as_text(field, value));
    Ok(Operands::Text(texts.collect::<Result<_, _>>()?))
}

fn prefixes(field: &Field, values: &[Raw]) -> Result<Vec<String>, Fault> {
    if values.is_empty() {
        return Err(range("values", "must not be empty"));
    }
    let texts: Vec<String> =
        values.iter().map(|value| as_text(field, value)).collect::<Result<_, _>>()?;
    if texts.iter().any(String::is_empty) {
        return Err(range("values", "an empty prefix begins everything: use EXISTS"));
    }
    Ok(texts)
}

fn between(field: &Field, number: bool, values: &[Raw]) -> Result<Op, Fault> {
    let [low, high] = values else {
        return Err(range("values", "BETWEEN takes two values, the lower first"));
    };
    let (low, high) = (bound(low), bound(high));
    if low.is_none() && high.is_none() {
        return Err(range("values", "one bound may be empty, not both"));
    }
    if number || (matches!(field, Field::Attribute(_)) && all_plain_numbers([low, high])) {
        let low = low.map(as_number).transpose()?;
        let high = high.map(as_number).transpose()?;
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            return Err(range("values", "the lower bound comes first"));
        }
        return Ok(Op::BetweenNumber { low, high });
    }
    let low = low.map(|value| as_text(field, value)).transpose()?;
    let high = high.map(|value| as_text(field, value)).transpose()?;
    if let (Some(low), Some(high)) = (&low, &high) {
        if low.chars().count() != high.chars().count() {
            return Err(range("values", "bounds of texts have the same length"));
        }
        if low > high {
            return Err(range("values", "the lower bound comes first"));
        }
    }
    Ok(Op::BetweenText { low, high })
}

/// An empty text leaves the bound open.
fn bound(value: &Raw) -> Option<&Raw> {
    match value {
        Raw::Text(text) if text.trim().is_empty() => None,
        _ => Some(value),
    }
}

/// Custom fields have no type: bounds that are numbers, and not codes with a zero in front, compare
/// by value.
fn all_plain_numbers(bounds: [Option<&Raw>; 2]) -> bool {
    bounds.into_iter().flatten().all(|value| match value {
        Raw::Number(_) => true,
        Raw::Flag(_) => false,
        Raw::Text(text) => {
            let digits = text.trim().trim_start_matches('-');
            let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
            !code && plain_number(text).is_some()
        }
    })
}

/// A finite number in digits: `f64`'s own parser also takes "inf" and "nan".
fn plain_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && text.bytes().any(|byte| byte.is_ascii_digit())).then_some(number)
}

fn as_number(value: &Raw) -> Result<f64, Fault> {
    let found = match value {
        Raw::Number(number) if number.is_finite() => Some(*number),
        Raw::Number(_) => None,
        Raw::Text(text) => plain_number(text)
            .or_else(|| Timestamp::parse_rfc3339(text.trim()).map(|at| at.0 as f64)),
        Raw::Flag(_) => None,
    };
    // Adding zero makes −0 a 0.
    found.map(|number| number + 0.0).ok_or_else(|| range("values", "must be numbers, or times"))
}

fn as_text(field: &Field, value: &Raw) -> Result<String, Fault> {
    match value {
        Raw::Text(text) => Ok(normalise(text).into_owned()),
        Raw::Flag(flag) if *field == Field::Lead(LeadField::DoNotRoute) => Ok(flag.to_string()),
        // A number for a postal code has lost its leading zeros already.
        Raw::Number(number) if matches!(field, Field::Attribute(_)) => Ok(number.to_string()),
        _ => Err(value_type("must be texts, in quotes")),
    }
}

/// The operator and its values as they are written.
pub(super) fn written(op: &Op) -> (&'static str, Vec<String>) {
    let numbers = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<String>>();
    match op {
        Op::In(Operands::Text(values)) => ("IN", values.clone()),
        Op::In(Operands::Number(values)) => ("IN", numbers(values)),
        Op::NotIn(Operands::Text(values)) => ("NOT_IN", values.clone()),
        Op::NotIn(Operands::Number(values)) => ("NOT_IN", numbers(values)),
        Op::Prefix(values) => ("PREFIX", values.clone()),
        Op::BetweenNumber { low, high } => {
            let text = |bound: &Option<f64>| bound.map(|value| value.to_string());
            ("BETWEEN", vec![text(low).unwrap_or_default(), text(high).unwrap_or_default()])
        }
        Op::BetweenText { low, high } => {
            ("BETWEEN", vec![low.clone().unwrap_or_default(), high.clone().unwrap_or_default()])
        }
        Op::Exists => ("EXISTS", Vec::new()),
        Op::Missing => ("MISSING", Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<Raw> {
        values.iter().map(|text| Raw::Text((*text).to_owned())).collect()
    }

    fn check(field: &str, op: &str, values: &[&str]) -> Result<Op, &'static str> {
        condition(field, op, &texts(values)).map(|it| it.op).map_err(|fault| fault.reason)
    }

    #[test]
    fn reads_what_the_contract_allows() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            check("industry", "IN", &[" Health ", "ＩＴ"]),
            Ok(Op::In(Operands::Text(vec!["health".to_owned(), "it".to_owned()])))
        );
        assert_eq!(
            check("postal_code", "BETWEEN", &["01000", "01999"]),
            Ok(Op::BetweenText { low: text("01000"), high: text("01999") })
        );
        assert_eq!(
            check("employees", "BETWEEN", &["", "1e3"]),
            Ok(Op::BetweenNumber { low: None, high: Some(1000.0) })
        );
        assert_eq!(
            check("attributes.seats", "BETWEEN", &["5", "100"]),
            Ok(Op::BetweenNumber { low: Some(5.0), high: Some(100.0) })
        );
        assert_eq!(
            check("attributes.zip", "BETWEEN", &["01", "20"]),
            Ok(Op::BetweenText { low: text("01"), high: text("20") })
        );
        let new_year = Op::BetweenNumber { low: Some(1_767_225_600_000.0), high: None };
        assert_eq!(check("created_at", "BETWEEN", &["2026-01-01T00:00:00Z", ""]), Ok(new_year));
        assert_eq!(check("phone", "EXISTS", &[]), Ok(Op::Exists));
    }

    #[test]
    fn refuses_the_rest() {
        let range = Err("territory.range");
        assert_eq!(check("shoe_size", "IN", &["44"]), Err("territory.field"));
        assert_eq!(check("attributes.", "EXISTS", &[]), Err("territory.field"));
        assert_eq!(check("industry", "IN", &[]), range);
        assert_eq!(check("employees", "PREFIX", &["1"]), range);
        assert_eq!(check("employees", "IN", &["many"]), range);
        assert_eq!(check("employees", "IN", &["nan"]), range);
        assert_eq!(check("employees", "BETWEEN", &["9", "1"]), range);
        assert_eq!(check("postal_code", "BETWEEN", &["100", "20000"]), range);
        assert_eq!(check("postal_code", "BETWEEN", &["20000", "10000"]), range);
        assert_eq!(check("postal_code", "BETWEEN", &["10000"]), range);
        assert_eq!(check("postal_code", "BETWEEN", &["", " "]), range);
        assert_eq!(check("postal_code", "PREFIX", &[""]), range);
        assert_eq!(check("industry", "LIKE", &["x"]), range);
        let number = condition("postal_code", "IN", &[Raw::Number(1067.0)]);
        assert_eq!(number.map_err(|fault| fault.reason), Err("json.type"));
    }
}
