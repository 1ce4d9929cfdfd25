//! Which object of the org is what, and which of its fields say what.
//!
//! The default (`default.toml`) is complete for a standard org; a mapping file changes what it names. What
//! the file may say is in `docs/salesforce.md`, key by key.

mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use read::parse;

/// What an object of Salesforce's becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Lead,
    Account,
    Opportunity,
    Rep,
    Task,
    Meeting,
    Territory,
    TerritoryMember,
    TerritoryAccount,
    TerritoryRule,
    Rule,
    RuleItem,
    /// A queue is known, and nothing is said of it: a lead's owner may be one.
    Queue,
}

impl Target {
    const NAMES: [(Target, &str, &[&str]); 13] = [
        (Target::Lead, "lead", LEAD),
        (Target::Account, "account", ACCOUNT),
        (Target::Opportunity, "opportunity", OPPORTUNITY),
        (Target::Rep, "rep", REP),
        (Target::Task, "task", TASK),
        (Target::Meeting, "meeting", MEETING),
        (Target::Territory, "territory", TERRITORY),
        (Target::TerritoryMember, "territory_member", MEMBER),
        (Target::TerritoryAccount, "territory_account", &["territory_id", "account_id"]),
        (Target::TerritoryRule, "territory_rule", &["territory_id", "rule_id"]),
        (Target::Rule, "rule", &["object", "active", "filter"]),
        (Target::RuleItem, "rule_item", &["rule_id", "field", "operation", "value", "place"]),
        (Target::Queue, "queue", &["name"]),
    ];

    fn named(name: &str) -> Option<Target> {
        Self::NAMES.iter().find(|(_, known, _)| *known == name).map(|(target, ..)| *target)
    }

    /// The fields that a mapping may fill.
    fn fields(self) -> &'static [&'static str] {
        Self::NAMES.iter().find(|(target, ..)| *target == self).map_or(&[], |(_, _, fields)| fields)
    }
}

const LEAD: &[&str] = &[
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
    "converted",
    "converted_account_id",
    "converted_opportunity_id",
    "merged_into",
];
const ACCOUNT: &[&str] = &[
    "name",
    "first_name",
    "last_name",
    "website",
    "domains",
    "owner_id",
    "parent_id",
    "kind",
    "country",
    "state",
    "postal_code",
    "phone",
    "industry",
    "employees",
    "annual_revenue",
    "last_activity_at",
];
const OPPORTUNITY: &[&str] = &[
    "rep_id",
    "lead_id",
    "account_id",
    "opened_at",
    "close_date",
    "closed_at",
    "stage",
    "is_closed",
    "is_won",
    "forecast",
    "probability",
    "amount",
    "currency",
    "country",
    "state",
    "postal_code",
    "industry",
    "employees",
    "annual_revenue",
    "product",
    "source",
];
const REP: &[&str] = &[
    "name",
    "first_name",
    "last_name",
    "active",
    "paused",
    "weight",
    "manager_id",
    "hired_at",
    "skills",
    "languages",
    "calendar_id",
    "time_zone",
    "user_type",
    "cover_id",
];
const TASK: &[&str] = &["lead_id", "rep_id", "status", "closed", "kind", "occurred_at"];
const MEETING: &[&str] = &["lead_id", "rep_id", "starts_at", "child"];
const TERRITORY: &[&str] = &[
    "name",
    "parent_id",
    "priority",
    "rules",
    "named_accounts",
    "valid_from_at",
    "valid_to_at",
    "effective_change",
];
const MEMBER: &[&str] = &["territory_id", "rep_id", "role", "active", "weight"];

/// One object's part of the mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub to: Target,
    /// The field that says which record this is about, where the object has no id of its own.
    pub id_field: Option<String>,
    /// Ours → theirs, the likelier first.
    pub fields: BTreeMap<String, Vec<String>>,
    /// The name of an attribute → their field.
    pub attributes: BTreeMap<String, String>,
    /// Every custom field that is used for nothing else is an attribute under its own name.
    pub custom_fields: bool,
    /// Ours → their value → our value.
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// Ours → what it is where their record says nothing.
    pub constants: BTreeMap<String, String>,
    /// Only records whose field has one of these values are looked at.
    pub only: BTreeMap<String, Vec<String>>,
    pub won: Vec<String>,
    pub lost: Vec<String>,
    /// Users whose activities are no touch: automatic processes.
    pub not_by: Vec<String>,
}

impl Object {
    fn new(to: Target) -> Object {
        Object {
            to,
            id_field: None,
            fields: BTreeMap::new(),
            attributes: BTreeMap::new(),
            custom_fields: false,
            values: BTreeMap::new(),
            constants: BTreeMap::new(),
            only: BTreeMap::new(),
            won: Vec::new(),
            lost: Vec::new(),
            not_by: Vec::new(),
        }
    }

    /// Their fields for one of ours.
    pub fn sources(&self, ours: &str) -> &[String] {
        self.fields.get(ours).map_or(&[], Vec::as_slice)
    }

    /// Whether a picture keeps this field.
    pub fn keeps(&self, theirs: &str) -> bool {
        self.is_mapped(theirs) || self.only.contains_key(theirs) || self.is_attribute(theirs)
    }

    /// Whether it fills a field of ours.
    pub fn is_mapped(&self, theirs: &str) -> bool {
        self.fields.values().flatten().any(|source| source == theirs)
            || self.attributes.values().any(|source| source == theirs)
    }

    /// Whether it is an attribute under its own name.
    pub fn is_attribute(&self, theirs: &str) -> bool {
        let custom = theirs.ends_with("__c") || theirs.contains("__c.");
        self.custom_fields && custom && !self.is_mapped(theirs)
    }
}

/// The mapping of an org.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    objects: BTreeMap<String, Object>,
    /// The currency of an org that has one: amounts without a code are in it.
    pub currency: Option<String>,
}

impl Default for Mapping {
    fn default() -> Mapping {
        #[expect(clippy::expect_used, reason = "part of the program; a test reads it")]
        read::standard().expect("the default mapping is valid")
    }
}

impl Mapping {
    pub fn object(&self, entity: &str) -> Option<&Object> {
        self.objects.get(entity)
    }

    pub fn objects(&self) -> impl Iterator<Item = (&String, &Object)> {
        self.objects.iter()
    }

    /// The objects that become something.
    pub fn of(&self, target: Target) -> impl Iterator<Item = &String> {
        self.objects.iter().filter(move |(_, object)| object.to == target).map(|(name, _)| name)
    }

    /// The object that a topic is named for: `crm.lead`, `salesforce.LeadChangeEvent`, `Lead_events`.
    pub fn object_of_topic(&self, topic: &str) -> Option<String> {
        let lower = topic.to_ascii_lowercase();
        let words: BTreeSet<&str> = lower
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .map(|word| word.strip_suffix("changeevent").unwrap_or(word))
            .collect();
        let named = |name: &&String| words.contains(name.to_ascii_lowercase().as_str());
        self.objects.keys().find(named).cloned()
    }
}

/// What is wrong with a mapping file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingFault {
    /// `objects.Lead.fields.company`
    pub key: String,
    pub detail: String,
}

impl fmt::Display for MappingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.detail)
    }
}
