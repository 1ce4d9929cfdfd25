//! What a lead says about itself, and a change to it.

use std::collections::BTreeMap;

use super::ids::{AccountId, Private, RepId};
use super::time::Timestamp;

/// An amount in hundredths of its currency.
pub type Cents = i64;

/// The fields of a lead as the CRM has them. `None` means not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeadFields {
    pub created_at: Timestamp,
    pub company: Option<String>,
    pub email: Option<Private>,
    pub phone: Option<Private>,
    pub website: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    pub state: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub industry: Option<String>,
    pub employees: Option<i64>,
    pub annual_revenue: Option<Cents>,
    /// ISO 4217.
    pub currency: Option<String>,
    pub source: Option<String>,
    pub product: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    pub required_skills: Vec<String>,
    pub preferred_skills: Vec<String>,
    pub score: Option<f64>,
    pub rating: Option<String>,
    pub status: Option<String>,
    pub account_id: Option<AccountId>,
    /// Who owns the lead in the CRM; a queue or a user, so it only fills `former_owner_id`.
    pub owner_id: Option<RepId>,
    pub do_not_route: bool,
    pub locked_until_at: Option<Timestamp>,
    pub attributes: BTreeMap<String, String>,
}

/// A change to some fields: `None` leaves a field as it is; only a name in `cleared` clears one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeadChanges {
    pub created_at: Option<Timestamp>,
    pub company: Option<String>,
    pub email: Option<Private>,
    pub phone: Option<Private>,
    pub website: Option<String>,
    pub country: Option<String>,
    pub state: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub industry: Option<String>,
    pub employees: Option<i64>,
    pub annual_revenue: Option<Cents>,
    pub currency: Option<String>,
    pub source: Option<String>,
    pub product: Option<String>,
    pub language: Option<String>,
    pub required_skills: Option<Vec<String>>,
    pub preferred_skills: Option<Vec<String>>,
    pub score: Option<f64>,
    pub rating: Option<String>,
    pub status: Option<String>,
    pub account_id: Option<AccountId>,
    pub owner_id: Option<RepId>,
    pub do_not_route: Option<bool>,
    pub locked_until_at: Option<Timestamp>,
    pub attributes: BTreeMap<String, String>,
}

impl LeadFields {
    /// Merges a change: known values replace, attributes merge by key, then `cleared` clears.
    /// The names in `cleared` were checked at the edge; one that does not exist changes nothing.
    pub fn merge(&mut self, changes: &LeadChanges, cleared: &[String]) {
        macro_rules! optional {
            ($($field:ident),*) => {$(
                if changes.$field.is_some() {
                    self.$field = changes.$field.clone();
                }
                if cleared.iter().any(|name| name == stringify!($field)) {
                    self.$field = None;
                }
            )*};
        }
        macro_rules! plain {
            ($($field:ident),*) => {$(
                if let Some(value) = &changes.$field {
                    self.$field = value.clone();
                }
                if cleared.iter().any(|name| name == stringify!($field)) {
                    self.$field = Default::default();
                }
            )*};
        }
        if let Some(created_at) = changes.created_at {
            self.created_at = created_at;
        }
        optional!(
            company,
            email,
            phone,
            website,
            country,
            state,
            postal_code,
            city,
            industry,
            employees,
            annual_revenue,
            currency,
            source,
            product,
            language,
            score,
            rating,
            status,
            account_id,
            owner_id,
            locked_until_at
        );
        plain!(required_skills, preferred_skills, do_not_route);
        for (name, value) in &changes.attributes {
            self.attributes.insert(name.clone(), value.clone());
        }
        for name in cleared {
            if name == "attributes" {
                self.attributes.clear();
            } else if let Some(key) = name.strip_prefix("attributes.") {
                self.attributes.remove(key);
            }
        }
    }
}

/// The names that `cleared` and territory rules may use, besides `attributes.NAME`.
pub const LEAD_FIELD_NAMES: [&str; 25] = [
    "created_at",
    "company",
    "email",
    "phone",
    "website",
    "country",
    "state",
    "postal_code",
    "city",
    "industry",
    "employees",
    "annual_revenue",
    "currency",
    "source",
    "product",
    "language",
    "required_skills",
    "preferred_skills",
    "score",
    "rating",
    "status",
    "account_id",
    "owner_id",
    "do_not_route",
    "locked_until_at",
];
