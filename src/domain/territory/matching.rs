//! Whether a condition holds for a lead: the plain meaning, which the index must reproduce.
//!
//! Text is compared normalised: the operands are so since the edge, the lead's values since
//! `LeadView::new`. A value that is blank is missing. A field of several values (skills) meets a
//! condition if one of them does. A number that meets text operands is compared by its decimal form,
//! and text that meets numbers by the number that it spells.

use std::cell::OnceCell;

use super::{Condition, Field, LeadField, Op, Operands, Rule};
use crate::domain::ids::Private;
use crate::domain::lead_fields::LeadFields;
use crate::domain::text::normalise_into;

/// Where a value lies in the text of the view; empty = missing.
type Place = (u32, u32);

/// A lead that is asked about: its texts are normalised once, when a condition first looks at one.
pub struct LeadView<'a> {
    pub(super) fields: &'a LeadFields,
    prepared: OnceCell<Box<Prepared<'a>>>,
}

/// The texts, normalised.
struct Prepared<'a> {
    text: String,
    places: [Place; LeadField::ALL.len()],
    attributes: Vec<(&'a str, Place)>,
    required_skills: Vec<Place>,
    preferred_skills: Vec<Place>,
}

impl<'a> Prepared<'a> {
    fn new(fields: &'a LeadFields) -> Prepared<'a> {
        let mut prepared = Prepared {
            text: String::with_capacity(256),
            places: [(0, 0); LeadField::ALL.len()],
            attributes: Vec::with_capacity(fields.attributes.len()),
            required_skills: Vec::new(),
            preferred_skills: Vec::new(),
        };
        for field in LeadField::ALL {
            if let Some(text) = single_text(fields, *field) {
                prepared.places[*field as usize] = prepared.push(text);
            }
        }
        prepared.places[LeadField::EmailDomain as usize] = prepared.email_domain();
        for (name, value) in &fields.attributes {
            let place = prepared.push(value);
            prepared.attributes.push((name, place));
        }
        prepared.required_skills =
            fields.required_skills.iter().map(|skill| prepared.push(skill)).collect();
        prepared.preferred_skills =
            fields.preferred_skills.iter().map(|skill| prepared.push(skill)).collect();
        prepared
    }

    fn push(&mut self, text: &str) -> Place {
        let start = self.text.len();
        normalise_into(&mut self.text, text);
        (start as u32, self.text.len() as u32)
    }

    fn email_domain(&self) -> Place {
        let (start, end) = self.places[LeadField::Email as usize];
        match self.text[start as usize..end as usize].rfind('@') {
            Some(at) => (start + at as u32 + 1, end),
            None => (0, 0),
        }
    }

    fn at(&self, (start, end): Place) -> Option<&str> {
        (start < end).then(|| &self.text[start as usize..end as usize])
    }

    fn skills(&self, field: LeadField) -> &[Place] {
        match field {
            LeadField::RequiredSkills => &self.required_skills,
            LeadField::PreferredSkills => &self.preferred_skills,
            _ => &[],
        }
    }
}

impl<'a> LeadView<'a> {
    pub fn new(fields: &'a LeadFields) -> LeadView<'a> {
        LeadView { fields, prepared: OnceCell::new() }
    }

    fn prepared(&self) -> &Prepared<'a> {
        self.prepared.get_or_init(|| Box::new(Prepared::new(self.fields)))
    }

    /// The normalised text of a field with one value; `None` for missing and for numbers and lists.
    pub fn text(&self, field: LeadField) -> Option<&str> {
        let prepared = self.prepared();
        prepared.at(prepared.places[field as usize])
    }

    /// The normalised text of a custom field.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let prepared = self.prepared();
        let attributes = &prepared.attributes;
        let found = attributes.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        prepared.at(attributes[found].1)
    }

    /// The value of a field that compares as a number.
    pub fn number(&self, field: LeadField) -> Option<f64> {
        match field {
            LeadField::Employees => self.fields.employees.map(|count| count as f64),
            LeadField::AnnualRevenue => {
                self.fields.annual_revenue.map(|cents| cents as f64 / 100.0)
            }
            LeadField::Score => self.fields.score,
            LeadField::CreatedAt => Some(self.fields.created_at.0 as f64),
            LeadField::LockedUntilAt => self.fields.locked_until_at.map(|at| at.0 as f64),
            _ => None,
        }
    }

    /// Whether a value of the field, as text, meets the predicate.
    fn any_text(&self, field: &Field, meets: impl Fn(&str) -> bool) -> bool {
        match field {
            Field::Attribute(name) => self.attribute(name).is_some_and(meets),
            Field::Lead(field) => match (self.number(*field), self.text(*field)) {
                (Some(number), _) => meets(&number.to_string()),
                (None, Some(text)) => meets(text),
                (None, None) => {
                    let prepared = self.prepared();
                    let places = prepared.skills(*field).iter();
                    places.filter_map(|place| prepared.at(*place)).any(meets)
                }
            },
        }
    }

    /// Whether a value of the field, as a number, meets the predicate.
    fn any_number(&self, field: &Field, meets: impl Fn(f64) -> bool) -> bool {
        if let Field::Lead(field) = field
            && let Some(number) = self.number(*field)
        {
            return meets(number);
        }
        self.any_text(field, |text| {
            text.parse::<f64>().is_ok_and(|number| number.is_finite() && meets(number))
        })
    }
}

/// A field with one value, as it was written.
pub(super) fn single_text(lead: &LeadFields, field: LeadField) -> Option<&str> {
    match field {
        LeadField::Company => lead.company.as_deref(),
        LeadField::Email => lead.email.as_ref().map(Private::reveal),
        LeadField::Phone => lead.phone.as_ref().map(Private::reveal),
        LeadField::Website => lead.website.as_deref(),
        LeadField::Country => lead.country.as_deref(),
        LeadField::State => lead.state.as_deref(),
        LeadField::PostalCode => lead.postal_code.as_deref(),
        LeadField::City => lead.city.as_deref(),
        LeadField::Industry => lead.industry.as_deref(),
        LeadField::Currency => lead.currency.as_deref(),
        LeadField::Source => lead.source.as_deref(),
        LeadField::Product => lead.product.as_deref(),
        LeadField::Language => lead.language.as_deref(),
        LeadField::Rating => lead.rating.as_deref(),
        LeadField::Status => lead.status.as_deref(),
        LeadField::AccountId => lead.account_id.as_ref().map(|id| id.as_str()),
        LeadField::OwnerId => lead.owner_id.as_ref().map(|id| id.as_str()),
        LeadField::DoNotRoute => Some(if lead.do_not_route { "true" } else { "false" }),
        LeadField::EmailDomain
        | LeadField::CreatedAt
        | LeadField::Employees
        | LeadField::AnnualRevenue
        | LeadField::RequiredSkills
        | LeadField::PreferredSkills
        | LeadField::Score
        | LeadField::LockedUntilAt => None,
    }
}

/// Whether all conditions of a rule hold; a rule without conditions always does.
pub fn rule_matches(rule: &Rule, lead: &LeadView) -> bool {
    rule.all.iter().all(|condition| matches(condition, lead))
}

/// Whether the condition holds; on a missing field only MISSING and NOT_IN do.
pub fn matches(condition: &Condition, lead: &LeadView) -> bool {
    let field = &condition.field;
    match &condition.op {
        Op::In(operands) => is_in(field, operands, lead),
        Op::NotIn(operands) => !is_in(field, operands, lead),
        Op::Prefix(prefixes) => {
            lead.any_text(field, |text| prefixes.iter().any(|prefix| text.starts_with(&**prefix)))
        }
        Op::BetweenNumber { low, high } => lead.any_number(field, |number| {
            low.is_none_or(|low| low <= number) && high.is_none_or(|high| number <= high)
        }),
        Op::BetweenText { low, high } => {
            lead.any_text(field, |text| between(low.as_deref(), high.as_deref(), text))
        }
        Op::Exists => lead.any_text(field, |_| true),
        Op::Missing => !lead.any_text(field, |_| true),
    }
}

fn is_in(field: &Field, operands: &Operands, lead: &LeadView) -> bool {
    match operands {
        Operands::Text(values) => {
            lead.any_text(field, |text| values.iter().any(|value| value == text))
        }
        Operands::Number(values) => lead.any_number(field, |number| values.contains(&number)),
    }
}

/// Within the bounds as text, and as long as each of them: 9 does not lie above 80000.
pub(super) fn between(low: Option<&str>, high: Option<&str>, text: &str) -> bool {
    let as_long = |bound: &str| bound.chars().count() == text.chars().count();
    low.is_none_or(|low| as_long(low) && low <= text)
        && high.is_none_or(|high| as_long(high) && text <= high)
}
