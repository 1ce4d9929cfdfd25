//! A territory as the reference data describe it, and which territory a lead belongs to.
//!
//! A territory *lists* a lead if one of its named accounts is the lead's account or an ancestor of that.
//! It *takes* a lead by a rule whose conditions all hold, or, having neither rules nor named accounts,
//! because its parent does. It *matches* if it lists or takes the lead and all its ancestors match; a
//! child of an unknown parent, or one more than `MAX_DEPTH` levels down, never does.
//!
//! Two stages ask. NAMED_ACCOUNT looks at the matching territories where the lead is listed by the
//! territory or an ancestor of it; TERRITORY at those where the territory and all its ancestors take
//! the lead. The winner is the deepest, then one with rules before one without, then the lowest
//! priority, then the lowest id.

mod check;
mod guide;
mod hunt;
mod index;
mod keys;
mod listings;
pub mod matching;
mod program;
#[cfg(test)]
mod scan;
mod shelves;
mod token;
mod words;

pub use index::{Question, Territories};
pub use matching::LeadView;

use super::ids::{AccountId, RepId, TerritoryId};
use super::time::Timestamp;

/// How deep a territory may lie; the root's depth is 1.
pub const MAX_DEPTH: u32 = 64;

/// How many ambiguous territories are listed.
pub const MAX_AMBIGUOUS: usize = 8;

/// One definition of a territory; `valid_to_at` is exclusive.
#[derive(Clone, Debug, PartialEq)]
pub struct TerritoryDef {
    pub name: String,
    pub parent_id: Option<TerritoryId>,
    /// Lower wins.
    pub priority: i32,
    /// Any of these; each is all of its conditions.
    pub rules: Vec<Rule>,
    pub named_accounts: Vec<AccountId>,
    pub members: Vec<Member>,
    pub valid_to_at: Option<Timestamp>,
}

/// All of these must hold; an empty list always does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    pub all: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub field: Field,
    pub op: Op,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Lead(LeadField),
    Attribute(String),
}

macro_rules! lead_fields {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The fields of a lead that a condition can name; `EmailDomain` is the part after the @.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LeadField { $($variant),* }

        impl LeadField {
            pub const ALL: &'static [LeadField] = &[$(LeadField::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(LeadField::$variant => $name),* }
            }

            pub fn parse(name: &str) -> Option<LeadField> {
                match name { $($name => Some(LeadField::$variant),)* _ => None }
            }
        }
    };
}

lead_fields!(
    CreatedAt "created_at", Company "company", Email "email", EmailDomain "email_domain",
    Phone "phone", Website "website", Country "country", State "state",
    PostalCode "postal_code", City "city", Industry "industry", Employees "employees",
    AnnualRevenue "annual_revenue", Currency "currency", Source "source", Product "product",
    Language "language", RequiredSkills "required_skills", PreferredSkills "preferred_skills",
    Score "score", Rating "rating", Status "status", AccountId "account_id",
    OwnerId "owner_id", DoNotRoute "do_not_route", LockedUntilAt "locked_until_at",
);

impl LeadField {
    /// Whether values compare as numbers: amounts in units of the currency, times in milliseconds.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            LeadField::Employees
                | LeadField::AnnualRevenue
                | LeadField::Score
                | LeadField::CreatedAt
                | LeadField::LockedUntilAt
        )
    }
}

/// The operator with its values; text is normalised (`text::normalise`).
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    In(Operands),
    NotIn(Operands),
    Prefix(Vec<String>),
    /// Two inclusive bounds, either may be open: by value.
    BetweenNumber {
        low: Option<f64>,
        high: Option<f64>,
    },
    /// As text, of values that are as long as the bounds (postal codes).
    BetweenText {
        low: Option<String>,
        high: Option<String>,
    },
    Exists,
    Missing,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operands {
    Text(Vec<String>),
    Number(Vec<f64>),
}

/// A member of the territory's pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub rep_id: RepId,
    /// 0–10,000.
    pub weight: u32,
    pub role: Option<String>,
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
