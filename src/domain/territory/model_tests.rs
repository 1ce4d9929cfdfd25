//! The index against the scan: any definitions, any leads, before and after live changes.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::scan::Scan;
use super::*;
use crate::domain::ids::Private;
use crate::domain::lead_fields::LeadFields;
use crate::domain::text::normalise;

/// Texts that are short, long, equal but for case, prefixes of each other, with odd characters, blank.
const TEXTS: [&str; 27] = [
    "DE",
    " de ",
    "fr",
    "d",
    "01067",
    "01068",
    "01099",
    "02000",
    "01990",
    "02011",
    "0a099",
    "01-67",
    "019",
    "7",
    "0",
    "12345678",
    "12345679",
    "München",
    "mu\u{308}nchen",
    "01é67",
    "0106é",
    "a b",
    "",
    "ß",
    "manufacturing",
    "5.5",
    "00",
];
const FIELDS: [LeadField; 9] = [
    LeadField::Country,
    LeadField::State,
    LeadField::PostalCode,
    LeadField::Industry,
    LeadField::EmailDomain,
    LeadField::Employees,
    LeadField::AnnualRevenue,
    LeadField::RequiredSkills,
    LeadField::DoNotRoute,
];
const NAMES: [&str; 3] = ["Tier", "tier", "region"];
const IDS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
const ACCOUNTS: [&str; 5] = ["acme", "globex", "initech", "umbrella-holding-00001", "ACME"];

/// Often one of the first few, so that rules meet leads.
fn text() -> impl Strategy<Value = String> {
    let any = prop_oneof![select(&TEXTS[..3]), select(&TEXTS[4..14]), select(&TEXTS[..])];
    any.prop_map(str::to_owned)
}

fn operand() -> impl Strategy<Value = String> {
    text().prop_map(|text| normalise(&text).into_owned())
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        6 => select(&FIELDS[..]).prop_map(Field::Lead),
        1 => select(&NAMES[..]).prop_map(|name| Field::Attribute(name.to_owned())),
        // More custom fields than the index tells apart.
        1 => (0..60).prop_map(|n| Field::Attribute(format!("custom {n}"))),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    select(&[0.0, 1.0, 5.5, 49.0, 50.0, 1_000.0, 12_345_678.0][..])
}

fn op() -> impl Strategy<Value = Op> {
    let texts = || prop::collection::vec(operand(), 0..7);
    let numbers = || prop::collection::vec(number(), 0..3);
    prop_oneof![
        6 => texts().prop_map(|values| Op::In(Operands::Text(values))),
        1 => numbers().prop_map(|values| Op::In(Operands::Number(values))),
        2 => texts().prop_map(|values| Op::NotIn(Operands::Text(values))),
        1 => numbers().prop_map(|values| Op::NotIn(Operands::Number(values))),
        2 => texts().prop_map(Op::Prefix),
        2 => (prop::option::of(number()), prop::option::of(number()))
            .prop_map(|(low, high)| Op::BetweenNumber { low, high }),
        4 => (prop::option::weighted(0.9, operand()), prop::option::weighted(0.9, operand()))
            .prop_map(|(low, high)| Op::BetweenText { low, high }),
        1 => Just(Op::Exists),
        1 => Just(Op::Missing),
    ]
}

fn definition() -> impl Strategy<Value = TerritoryDef> {
    let condition = (field(), op()).prop_map(|(field, op)| Condition { field, op });
    let rule = prop::collection::vec(condition, 0..3).prop_map(|all| Rule { all });
    let rules = prop::collection::vec(rule, 0..3);
    let parent = prop::option::of(select(&IDS[..]));
    let accounts = prop::collection::vec(select(&ACCOUNTS[..]), 0..2);
    (rules, parent, 0..3, accounts).prop_map(|(rules, parent, priority, accounts)| TerritoryDef {
        name: String::new(),
        parent_id: parent.map(TerritoryId::new),
        priority: priority - 1,
        rules,
        named_accounts: accounts.into_iter().map(AccountId::new).collect(),
        members: Vec::new(),
        valid_to_at: None,
    })
}

fn lead() -> impl Strategy<Value = LeadFields> {
    let maybe = || prop::option::weighted(0.8, text());
    let texts = (maybe(), maybe(), maybe(), maybe(), maybe());
    let numbers = (prop::option::of(0_i64..60), prop::option::of(0_i64..200_000));
    let attributes = prop::collection::btree_map(
        prop_oneof![
            select(&NAMES[..]).prop_map(str::to_owned),
            (0..60).prop_map(|n| format!("custom {n}")),
        ],
        text(),
        0..4,
    );
    let skills = prop::collection::vec(text(), 0..3);
    (texts, numbers, attributes, skills).prop_map(|(texts, numbers, attributes, skills)| {
        let (country, state, postal_code, industry, mail) = texts;
        LeadFields {
            country,
            state,
            postal_code,
            industry,
            email: mail.map(|domain| Private::new(format!("Eva@{domain}"))),
            employees: numbers.0,
            annual_revenue: numbers.1,
            attributes,
            required_skills: skills,
            ..LeadFields::default()
        }
    })
}

/// Most changes put a definition in place, some end one.
fn change() -> impl Strategy<Value = (TerritoryId, Option<Arc<TerritoryDef>>)> {
    let definition = prop::option::weighted(0.85, definition().prop_map(Arc::new));
    (select(&IDS[..]).prop_map(TerritoryId::new), definition)
}

fn accounts() -> impl Strategy<Value = Vec<AccountId>> {
    prop::collection::vec(select(&ACCOUNTS[..]).prop_map(AccountId::new), 0..3)
}

fn same(index: &Territories, scan: &Scan, lead: &LeadFields, accounts: &[AccountId]) {
    for named in [true, false] {
        let view = LeadView::new(lead);
        let expected = scan.contenders(&LeadView::new(lead), accounts, named);
        assert_eq!(index.winner(&view, accounts, named), expected.first().copied());
        assert_eq!(index.contenders(&view, accounts, named), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_that_of_the_scan(
        start in prop::collection::vec(change(), 0..30),
        changes in prop::collection::vec(change(), 1..20),
        leads in prop::collection::vec((lead(), accounts()), 1..8),
    ) {
        let (mut index, mut scan) = (Territories::new(), Scan::default());
        for (id, definition) in start {
            index.replace(&id, definition.clone());
            scan.put(&id, definition);
        }
        leads.iter().for_each(|(lead, accounts)| same(&index, &scan, lead, accounts));
        for (id, definition) in changes {
            index.replace(&id, definition.clone());
            scan.put(&id, definition);
            leads.iter().for_each(|(lead, accounts)| same(&index, &scan, lead, accounts));
        }
        for id in IDS.map(TerritoryId::new) {
            index.replace(&id, None);
        }
        prop_assert_eq!(index.entries(), 0, "what ended left something behind");
    }
}
