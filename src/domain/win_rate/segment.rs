//! The segment of a lead or a deal: one level in each dimension of the policy, and the pair of
//! industry and size.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::input::SegmentFields;
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::{Dimension, SegmentPolicy};
use crate::domain::text::normalise;

/// Longer texts are cut: a level is a name in the state, not a document.
const LEVEL_CHARS: usize = 48;

/// Where a lead is: its levels as `dimension=value`, `dimension=` for a value that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    pub levels: Vec<String>,
}

/// What a lead or a deal says about its segment.
#[derive(Clone, Copy, Debug)]
pub struct SegmentView<'a> {
    country: Option<&'a str>,
    state: Option<&'a str>,
    postal_code: Option<&'a str>,
    industry: Option<&'a str>,
    employees: Option<i64>,
    annual_revenue: Option<i64>,
    product: Option<&'a str>,
    source: Option<&'a str>,
    attributes: &'a BTreeMap<String, String>,
}

macro_rules! view {
    ($($fields:ty),*) => {$(
        impl<'a> From<&'a $fields> for SegmentView<'a> {
            fn from(fields: &'a $fields) -> SegmentView<'a> {
                SegmentView {
                    country: fields.country.as_deref(),
                    state: fields.state.as_deref(),
                    postal_code: fields.postal_code.as_deref(),
                    industry: fields.industry.as_deref(),
                    employees: fields.employees,
                    annual_revenue: fields.annual_revenue,
                    product: fields.product.as_deref(),
                    source: fields.source.as_deref(),
                    attributes: &fields.attributes,
                }
            }
        }
    )*};
}

view!(LeadFields, SegmentFields);

impl SegmentFields {
    /// What a lead says about its segment.
    pub fn of(lead: &LeadFields) -> SegmentFields {
        SegmentFields {
            country: lead.country.clone(),
            state: lead.state.clone(),
            postal_code: lead.postal_code.clone(),
            industry: lead.industry.clone(),
            employees: lead.employees,
            annual_revenue: lead.annual_revenue,
            product: lead.product.clone(),
            source: lead.source.clone(),
            attributes: lead.attributes.clone(),
        }
    }
}

/// The segment that the policy sees in these fields. Texts are compared as everywhere else (NFKC,
/// trimmed, lower case), numbers fall into bands, and what is not known is a level of its own.
pub fn segment<'a>(policy: &SegmentPolicy, fields: impl Into<SegmentView<'a>>) -> Segment {
    let fields = fields.into();
    let mut levels: Vec<String> = Vec::with_capacity(policy.dimensions.len() + 1);
    let (mut industry, mut employees) = (None, None);
    for dimension in &policy.dimensions {
        let value = value(policy, dimension, &fields);
        let level = [&*name(dimension), "=", &value].concat();
        if !levels.contains(&level) {
            levels.push(level);
        }
        match dimension {
            Dimension::Industry => industry = Some(value),
            Dimension::Employees => employees = Some(value),
            _ => {}
        }
    }
    // A pair with an unknown half says nothing that the other half does not say.
    if let (Some(industry), Some(employees)) = (industry, employees)
        && !industry.is_empty()
        && !employees.is_empty()
    {
        levels.push(["industry+employees=", &industry, "+", &employees].concat());
    }
    Segment { levels }
}

type Value<'a> = Cow<'a, str>;

fn name(dimension: &Dimension) -> Cow<'static, str> {
    match dimension {
        Dimension::Industry => "industry".into(),
        Dimension::Employees => "employees".into(),
        Dimension::State => "state".into(),
        Dimension::Country => "country".into(),
        Dimension::PostalCode => "postal_code".into(),
        Dimension::AnnualRevenue => "annual_revenue".into(),
        Dimension::Product => "product".into(),
        Dimension::Source => "source".into(),
        // An equals sign ends the name of the dimension, so none may be part of it.
        Dimension::Attribute(key) => format!("attributes.{}", key.replace('=', " ")).into(),
    }
}

fn value<'a>(policy: &SegmentPolicy, dimension: &Dimension, fields: &SegmentView<'a>) -> Value<'a> {
    match dimension {
        Dimension::Industry => text(fields.industry),
        Dimension::Employees => band(&policy.employees, 1, fields.employees),
        Dimension::State => match text(fields.state) {
            state if state.is_empty() => {
                let country = text(fields.country);
                // Marked, for CA is a state and a country.
                if country.is_empty() { country } else { format!("country {country}").into() }
            }
            state => state,
        },
        Dimension::Country => text(fields.country),
        // Two characters: a region in most countries, and few enough to learn from.
        Dimension::PostalCode => text(fields.postal_code).chars().take(2).collect(),
        Dimension::AnnualRevenue => band(&policy.annual_revenue, 100, fields.annual_revenue),
        Dimension::Product => text(fields.product),
        Dimension::Source => text(fields.source),
        Dimension::Attribute(key) => cut(fields.attributes.get(key).map_or("", String::as_str)),
    }
}

fn text(value: Option<&str>) -> Value<'_> {
    cut(value.unwrap_or_default())
}

fn cut(text: &str) -> Value<'_> {
    let normal = normalise(text);
    let past = (normal.len() > LEVEL_CHARS).then(|| normal.char_indices().nth(LEVEL_CHARS));
    match past.flatten() {
        Some((end, _)) => Cow::Owned(normal[..end].to_owned()),
        None => normal,
    }
}

/// The band of a number: `<50`, `50-`, `1000-` for the bounds 50 and 1000; a lower bound belongs to
/// its band. Bounds are in whole units, the number in `scale`ths of one.
fn band(bounds: &[i64], scale: i64, number: Option<i64>) -> Value<'static> {
    let Some(number) = number.filter(|number| *number >= 0) else {
        return Cow::Borrowed("");
    };
    let reached = bounds.iter().filter(|bound| number >= bound.saturating_mul(scale));
    match (reached.max(), bounds.iter().min()) {
        (Some(bound), _) => format!("{bound}-").into(),
        (None, Some(lowest)) => format!("<{lowest}").into(),
        (None, None) => "any".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_normalised_and_banded() {
        let fields = SegmentFields {
            industry: Some("  Software ".into()),
            employees: Some(50),
            country: Some("DE".into()),
            annual_revenue: Some(999_999_999),
            source: Some("Web".into()),
            ..SegmentFields::default()
        };
        let levels = segment(&SegmentPolicy::default(), &fields).levels;
        let expected = [
            "industry=software",
            "employees=50-",
            "state=country de",
            "annual_revenue=<10000000",
            "product=",
            "source=web",
            "industry+employees=software+50-",
        ];
        assert_eq!(levels, expected);
    }

    #[test]
    fn absurd_fields_have_a_segment() {
        let fields = SegmentFields {
            industry: Some("x=".repeat(10_000)),
            employees: Some(-5),
            annual_revenue: Some(i64::MAX),
            ..SegmentFields::default()
        };
        let mut policy = SegmentPolicy { employees: Vec::new(), ..SegmentPolicy::default() };
        policy.annual_revenue = vec![i64::MAX, 0];
        let levels = segment(&policy, &fields).levels;
        assert!(levels.iter().all(|level| level.chars().count() < 100));
        assert_eq!(levels[1], "employees=");
        assert_eq!(segment(&policy, &SegmentFields::default()).levels.len(), 6);
        policy.dimensions.clear();
        assert!(segment(&policy, &fields).levels.is_empty());
    }
}
