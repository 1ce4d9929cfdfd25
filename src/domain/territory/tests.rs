//! What conditions and the order of winners mean, by example; the resolver in use must agree.

use std::sync::Arc;

use super::matching::matches;
use super::*;
use crate::domain::ids::Private;
use crate::domain::lead_fields::LeadFields;

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| value.to_string()).collect()
}

fn text_in(field: LeadField, values: &[&str]) -> Condition {
    Condition { field: Field::Lead(field), op: Op::In(Operands::Text(texts(values))) }
}

fn on(field: LeadField, op: Op) -> Condition {
    Condition { field: Field::Lead(field), op }
}

fn lead() -> LeadFields {
    LeadFields {
        country: Some(" DE ".into()),
        state: Some("Sachsen".into()),
        postal_code: Some("01067".into()),
        email: Some(Private::new("Eva@Example.COM".into())),
        employees: Some(120),
        annual_revenue: Some(1_000_050),
        industry: Some("  ".into()),
        required_skills: vec!["SQL".into(), "Rust".into()],
        attributes: [("Tier".to_string(), "Gold".to_string()), ("n".to_string(), "12.5".into())]
            .into(),
        ..LeadFields::default()
    }
}

#[track_caller]
fn check(condition: Condition, expected: bool) {
    let fields = lead();
    assert_eq!(matches(&condition, &LeadView::new(&fields)), expected, "{condition:?}");
}

#[test]
fn text_is_compared_normalised() {
    check(text_in(LeadField::Country, &["fr", "de"]), true);
    check(text_in(LeadField::EmailDomain, &["example.com"]), true);
    check(text_in(LeadField::State, &["bayern"]), false);
    check(on(LeadField::State, Op::NotIn(Operands::Text(texts(&["bayern"])))), true);
    check(on(LeadField::State, Op::Prefix(texts(&["bay", "sach"]))), true);
    check(text_in(LeadField::DoNotRoute, &["false"]), true);
}

#[test]
fn a_missing_value_meets_only_missing_and_not_in() {
    for field in [LeadField::Industry, LeadField::City, LeadField::Score] {
        check(on(field, Op::Missing), true);
        check(on(field, Op::Exists), false);
        check(on(field, Op::NotIn(Operands::Text(texts(&["x"])))), true);
        check(on(field, Op::Prefix(texts(&[""]))), false);
        check(on(field, Op::BetweenNumber { low: None, high: None }), false);
        check(on(field, Op::BetweenText { low: None, high: None }), false);
    }
}

#[test]
fn numbers_compare_by_value_and_postal_codes_as_text_of_one_length() {
    let between = |low, high| Op::BetweenNumber { low, high };
    check(on(LeadField::Employees, between(Some(120.0), Some(120.0))), true);
    check(on(LeadField::Employees, between(Some(120.5), None)), false);
    check(on(LeadField::AnnualRevenue, between(None, Some(10_000.5))), true);
    check(on(LeadField::AnnualRevenue, between(None, Some(10_000.0))), false);
    let attribute = |op| Condition { field: Field::Attribute("n".into()), op };
    check(attribute(between(Some(12.0), Some(13.0))), true);
    check(attribute(Op::In(Operands::Number(vec![12.5]))), true);
    let text =
        |low: &str, high: &str| Op::BetweenText { low: Some(low.into()), high: Some(high.into()) };
    check(on(LeadField::PostalCode, text("01000", "01999")), true);
    check(on(LeadField::PostalCode, text("0", "9")), false);
    check(on(LeadField::PostalCode, Op::BetweenText { low: None, high: Some("02".into()) }), false);
    check(
        on(LeadField::PostalCode, Op::BetweenText { low: Some("01067".into()), high: None }),
        true,
    );
}

#[test]
fn one_of_several_values_is_enough() {
    check(text_in(LeadField::RequiredSkills, &["rust"]), true);
    check(on(LeadField::RequiredSkills, Op::NotIn(Operands::Text(texts(&["rust"])))), false);
    check(on(LeadField::PreferredSkills, Op::Missing), true);
    check(
        Condition {
            field: Field::Attribute("Tier".into()),
            op: Op::In(Operands::Text(texts(&["gold"]))),
        },
        true,
    );
    check(Condition { field: Field::Attribute("tier".into()), op: Op::Exists }, false);
}

/// `id [< parent] [@priority] [: country...] [= accounts]`; `:` alone is one rule that always holds.
fn resolver(lines: &[&str]) -> Territories {
    let mut resolver = Territories::new();
    for line in lines {
        let (id, definition) = territory(line);
        resolver.replace(&id, Some(Arc::new(definition)));
    }
    resolver
}

fn territory(line: &str) -> (TerritoryId, TerritoryDef) {
    let mut words = line.split(' ');
    let id = TerritoryId::new(words.next().unwrap());
    let mut definition = TerritoryDef {
        name: String::new(),
        parent_id: None,
        priority: 100,
        rules: Vec::new(),
        named_accounts: Vec::new(),
        members: Vec::new(),
        valid_to_at: None,
    };
    let mut mode = "";
    for word in words {
        match (word, mode) {
            (":", _) => definition.rules.push(Rule::default()),
            ("=" | "<", _) => {}
            (word, _) if word.starts_with('@') => {
                definition.priority = word[1..].parse().unwrap();
            }
            (parent, "<") => definition.parent_id = Some(TerritoryId::new(parent)),
            (country, ":") => {
                definition.rules[0].all = vec![text_in(LeadField::Country, &[country])];
            }
            (account, "=") => definition.named_accounts.push(AccountId::new(account)),
            (other, _) => panic!("{other}"),
        }
        mode = if matches!(word, ":" | "=" | "<") { word } else { mode };
    }
    (id, definition)
}

#[track_caller]
fn wins(resolver: &Territories, accounts: &[&str], named: bool, expected: Option<&str>) {
    let fields = lead();
    let accounts: Vec<AccountId> = accounts.iter().map(|id| AccountId::new(id)).collect();
    let winner = resolver.winner(&LeadView::new(&fields), &accounts, named);
    assert_eq!(winner.map(TerritoryId::as_str), expected);
}

#[test]
fn the_deepest_wins_then_rules_then_priority_then_id() {
    wins(&resolver(&["a @1 : de", "b < a : de"]), &[], false, Some("b"));
    wins(&resolver(&["a @1", "b @9 : de"]), &[], false, Some("b"));
    wins(&resolver(&["a @2 : de", "b @1 : de"]), &[], false, Some("b"));
    wins(&resolver(&["b : de", "a : de"]), &[], false, Some("a"));
    wins(&resolver(&["a : fr"]), &[], false, None);
    wins(&resolver(&["all", "fr : fr"]), &[], false, Some("all"));
    wins(&resolver(&["all :"]), &[], false, Some("all"));
}

#[test]
fn a_child_matches_only_if_all_its_ancestors_do() {
    wins(&resolver(&["a : fr", "b < a : de"]), &[], false, None);
    wins(&resolver(&["b < gone : de", "c < b : de"]), &[], false, None);
    wins(&resolver(&["a < b : de", "b < a : de"]), &[], false, None);
    let mut live = resolver(&["a : de", "b < a : de"]);
    live.replace(&TerritoryId::new("a"), None);
    wins(&live, &[], false, None);
}

#[test]
fn a_territory_without_rules_takes_what_its_siblings_leave() {
    let tree = ["root : de", "x < root : fr", "rest < root @1", "y < root @50 : de"];
    wins(&resolver(&tree), &[], false, Some("y"));
    wins(&resolver(&tree[..3]), &[], false, Some("rest"));
}

#[test]
fn a_named_account_is_asked_for_apart() {
    let tree = ["named = acme", "deep : de", "deeper < deep : de"];
    wins(&resolver(&tree), &["acme-uk", "acme"], true, Some("named"));
    wins(&resolver(&tree), &["acme"], false, Some("deeper"));
    wins(&resolver(&tree), &["other"], true, None);
    wins(&resolver(&["named = acme"]), &["acme"], false, None);
    // The list reaches down: what lies below a listing territory has the lead because of it.
    let split = ["named = acme", "de < named : de", "rest < named", "fr < named : fr"];
    wins(&resolver(&split), &["acme"], true, Some("de"));
    wins(&resolver(&split[..1]), &["acme"], true, Some("named"));
    wins(&resolver(&["root : fr", "named < root = acme"]), &["acme"], true, None);
    wins(&resolver(&["root : de", "named < root = acme"]), &["acme"], true, Some("named"));
}

#[test]
fn ambiguity_is_among_territories_as_deep() {
    let resolver = resolver(&["r : de", "a < r @9 : de", "b < r @5 : de", "c < r", "d : de"]);
    let fields = lead();
    let view = LeadView::new(&fields);
    let expected = ["b", "a"].map(TerritoryId::new);
    assert_eq!(resolver.contenders(&view, &[], false), expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_bottomless_tree_is_inactive_below_the_limit() {
    let mut chain = resolver(&["t0 :", "x :"]);
    let mut put = |line: &str| {
        let (id, definition) = territory(line);
        chain.replace(&id, Some(Arc::new(definition)));
    };
    (1..MAX_DEPTH).for_each(|depth| put(&format!("t{depth} < t{} :", depth - 1)));
    wins(&chain, &[], false, Some("t63"));
    // Too deep by a move of the whole chain.
    let (id, definition) = territory("t0 < x :");
    chain.replace(&id, Some(Arc::new(definition)));
    wins(&chain, &[], false, Some("t62"));
}

#[test]
fn a_range_counts_characters_and_not_bytes() {
    let (id, mut definition) = territory("range :");
    let op = Op::BetweenText { low: Some("00000".into()), high: Some("0zzzz".into()) };
    definition.rules[0].all = vec![on(LeadField::PostalCode, op)];
    let mut index = Territories::new();
    index.replace(&id, Some(Arc::new(definition)));
    for (postal_code, expected) in [("01é67", true), ("01067", true), ("0106é7", false)] {
        let fields = LeadFields { postal_code: Some(postal_code.into()), ..LeadFields::default() };
        let won = index.winner(&LeadView::new(&fields), &[], false).is_some();
        assert_eq!(won, expected, "{postal_code}");
    }
}

#[test]
fn twenty_thousand_rules_of_one_territory_come_and_go() {
    let (id, mut definition) = territory("many");
    let ranges = (0..10_000).map(|at| {
        let op = Op::BetweenText { low: Some(format!("{at:05}")), high: Some(format!("{at:05}")) };
        Rule { all: vec![text_in(LeadField::Country, &["de"]), on(LeadField::PostalCode, op)] }
    });
    // What no key can be made of is on one shelf.
    let numbers = (0..10_000).map(|at| {
        let op = Op::BetweenNumber { low: Some(f64::from(1_000 + at)), high: None };
        Rule { all: vec![on(LeadField::Employees, op)] }
    });
    definition.rules = ranges.chain(numbers).collect();
    let definition = Arc::new(definition);
    let mut index = Territories::new();
    for _ in 0..2 {
        index.replace(&id, Some(definition.clone()));
        wins(&index, &[], false, Some("many"));
    }
    index.replace(&id, None);
    assert_eq!(index.entries(), 0);
    wins(&index, &[], false, None);
}
