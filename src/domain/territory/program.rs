//! The rules of a territory as words: a lead is checked against them without following a pointer.
//!
//! A block is the number of rules, then each rule: its words and conditions, then the conditions. A
//! condition is one word (operator, dimension, its place among the rule's conditions, and a number: the
//! rule, or how many words of operands follow), then the operands. What has no quick form is `PLAIN`: the
//! definition is asked. The cheapest conditions come first.

use super::matching::{matches, rule_matches};
use super::token::{Asked, Dictionary, SHORT, Token, head, shorter};
use super::words::Words;
use super::{Condition, Field, LeadField, Op, Operands, Rule, TerritoryDef};

const NUMBER: u64 = 0;
const RANGE: u64 = 1;
const IN: u64 = 2;
const NOT_IN: u64 = 3;
const EXISTS: u64 = 4;
const MISSING: u64 = 5;
const PREFIX: u64 = 6;
const PLAIN: u64 = 7;
const PLAIN_RULE: u64 = 8;

/// Conditions of one rule that have a place in a word.
const MOST_CONDITIONS: usize = u16::MAX as usize;

/// A condition in its quick form, as the filing looks at it.
pub(super) enum Quick<'a> {
    In(u8, &'a [u64]),
    /// Heads of prefixes; both are sorted.
    Prefix(u8, &'a [u64]),
    /// Low and high, of one length.
    Range(u8, u64, u64),
    /// Both inclusive, of a field that is a number.
    Number(LeadField, f64, f64),
    Other,
}

fn header(op: u64, dimension: u8, place: usize, number: usize) -> u64 {
    op | u64::from(dimension) << 8 | (place as u64) << 16 | (number as u64) << 32
}

fn op(word: u64) -> u64 {
    word & 0xff
}

fn dimension(word: u64) -> u8 {
    (word >> 8) as u8
}

fn place(word: u64) -> usize {
    (word >> 16) as usize & MOST_CONDITIONS
}

fn number(word: u64) -> usize {
    (word >> 32) as usize
}

/// How many words of operands follow.
fn operands(word: u64) -> usize {
    match op(word) {
        NUMBER | RANGE => 2,
        IN | NOT_IN | PREFIX => number(word),
        _ => 0,
    }
}

/// The block of a definition; what it uses of the dictionary is counted.
pub(super) fn compile(definition: &TerritoryDef, dictionary: &mut Dictionary) -> Vec<u64> {
    let mut block = vec![definition.rules.len() as u64];
    for (at, rule) in definition.rules.iter().enumerate() {
        let mut conditions = rule_conditions(rule, at, dictionary);
        conditions.sort_by_key(|words| op(words[0]));
        let words: usize = conditions.iter().map(Vec::len).sum();
        block.push((words as u64) << 32 | conditions.len() as u64);
        block.extend(conditions.into_iter().flatten());
    }
    block
}

fn rule_conditions(rule: &Rule, at: usize, dictionary: &mut Dictionary) -> Vec<Vec<u64>> {
    if rule.all.len() > MOST_CONDITIONS {
        return vec![vec![header(PLAIN_RULE, 0, 0, at)]];
    }
    let quick = |(place, condition): (usize, &Condition)| {
        quick(condition, place, at, dictionary).unwrap_or_else(|| vec![header(PLAIN, 0, place, at)])
    };
    rule.all.iter().enumerate().map(quick).collect()
}

/// The quick form, if there is one.
fn quick(
    condition: &Condition,
    place: usize,
    rule: usize,
    dictionary: &mut Dictionary,
) -> Option<Vec<u64>> {
    let field = &condition.field;
    match &condition.op {
        Op::In(Operands::Text(values)) => texts(IN, field, values, dictionary),
        Op::NotIn(Operands::Text(values)) => texts(NOT_IN, field, values, dictionary),
        Op::Prefix(prefixes) => {
            if prefixes.iter().any(|prefix| prefix.is_empty() || prefix.len() > SHORT) {
                return None;
            }
            let dimension = dictionary.use_dimension(field)?;
            let heads = prefixes.iter().map(|prefix| head(prefix.as_bytes())).collect();
            Some(listed(PREFIX, dimension, heads))
        }
        Op::BetweenNumber { low, high } => {
            let Field::Lead(field) = field else { return None };
            let open = low.is_none() && high.is_none();
            if !field.is_number() || open {
                return None;
            }
            let low = low.unwrap_or(f64::NEG_INFINITY).to_bits();
            let high = high.unwrap_or(f64::INFINITY).to_bits();
            Some(vec![header(NUMBER, *field as u8, 0, 0), low, high])
        }
        Op::BetweenText { low: Some(low), high: Some(high) } => {
            let plain = |text: &str| Token::short(text).filter(|token| token.is_plain());
            if low.len() != high.len() {
                return None;
            }
            let (low, high) = (plain(low)?, plain(high)?);
            let dimension = dictionary.use_dimension(field)?;
            Some(vec![header(RANGE, dimension, place, rule), low.0, high.0])
        }
        Op::Exists => Some(vec![header(EXISTS, dictionary.use_dimension(field)?, 0, 0)]),
        Op::Missing => Some(vec![header(MISSING, dictionary.use_dimension(field)?, 0, 0)]),
        _ => None,
    }
}

fn texts(
    op: u64,
    field: &Field,
    values: &[String],
    dictionary: &mut Dictionary,
) -> Option<Vec<u64>> {
    let dimension = dictionary.use_dimension(field)?;
    let known = values.iter().filter(|value| !value.is_empty());
    let tokens = known.map(|value| dictionary.use_text(value).0).collect();
    Some(listed(op, dimension, tokens))
}

/// A condition and its operands, which are looked up among each other.
fn listed(op: u64, dimension: u8, mut operands: Vec<u64>) -> Vec<u64> {
    operands.sort_unstable();
    operands.insert(0, header(op, dimension, 0, operands.len()));
    operands
}

/// What a block used of the dictionary is let go; how many words it has.
pub(super) fn release(words: &Words, block: u32, dictionary: &mut Dictionary) -> usize {
    let mut size = 1;
    for rule in rules(words, block) {
        size += 1 + number(words.word(rule));
        for (word, values) in conditions(words, rule) {
            match op(word) {
                NUMBER | PLAIN | PLAIN_RULE => continue,
                IN | NOT_IN => values.iter().for_each(|value| dictionary.drop_text(Token(*value))),
                _ => {}
            }
            dictionary.drop_dimension(dimension(word));
        }
    }
    size
}

/// Where each rule of a block begins.
pub(super) fn rules(words: &Words, block: u32) -> impl Iterator<Item = u32> {
    let mut at = block + 1;
    (0..words.word(block)).map(move |_| {
        let rule = at;
        at += 1 + number(words.word(rule)) as u32;
        rule
    })
}

/// The conditions of a rule in their quick form.
pub(super) fn quick_conditions(words: &Words, rule: u32) -> impl Iterator<Item = Quick<'_>> {
    conditions(words, rule).map(|(word, values)| match (op(word), values) {
        (IN, values) => Quick::In(dimension(word), values),
        (PREFIX, heads) => Quick::Prefix(dimension(word), heads),
        (RANGE, [low, high]) => Quick::Range(dimension(word), *low, *high),
        (NUMBER, [low, high]) => {
            let field = LeadField::ALL[usize::from(dimension(word))];
            Quick::Number(field, f64::from_bits(*low), f64::from_bits(*high))
        }
        _ => Quick::Other,
    })
}

fn conditions(words: &Words, rule: u32) -> impl Iterator<Item = (u64, &[u64])> {
    let count = words.word(rule) as u32;
    let mut rest = &words.at(rule)[1..];
    (0..count).map(move |_| {
        let word = rest[0];
        let (values, after) = rest[1..].split_at(operands(word));
        rest = after;
        (word, values)
    })
}

/// Whether the territory takes the lead by one of its rules.
pub(super) fn takes<'d>(
    words: &Words,
    block: u32,
    definition: impl Fn() -> Option<&'d TerritoryDef>,
    asked: &Asked,
) -> bool {
    rules(words, block).any(|rule| holds(words, rule, &definition, asked))
}

/// Whether all conditions of the rule hold; its definition is fetched only for what has no quick form.
pub(super) fn holds<'d>(
    words: &Words,
    rule: u32,
    definition: impl Fn() -> Option<&'d TerritoryDef>,
    asked: &Asked,
) -> bool {
    let plain = |word: u64| {
        let rule = definition().and_then(|definition| definition.rules.get(number(word)));
        rule.is_some_and(|rule| match op(word) {
            PLAIN_RULE => rule_matches(rule, asked.view),
            _ => matches(&rule.all[place(word)], asked.view),
        })
    };
    conditions(words, rule).all(|(word, values)| {
        let token = || asked.token(dimension(word));
        match (op(word), values) {
            (NUMBER, [low, high]) => {
                let field = LeadField::ALL[usize::from(dimension(word))];
                asked.view.number(field).is_some_and(|number| {
                    f64::from_bits(*low) <= number && number <= f64::from_bits(*high)
                })
            }
            (RANGE, [low, high]) => match token() {
                token if token.is_plain() => {
                    *low <= token.0 && token.0 <= *high && !token.is_missing()
                }
                _ => plain(word),
            },
            (IN, [value]) => *value == token().0,
            (IN, values) => values.binary_search(&token().0).is_ok(),
            (NOT_IN, values) => values.binary_search(&token().0).is_err(),
            (EXISTS, _) => !token().is_missing(),
            (MISSING, _) => token().is_missing(),
            (PREFIX, heads) => {
                let own = asked.head(dimension(word));
                heads.iter().any(|head| shorter(own, head >> 56) == Some(*head))
            }
            _ => plain(word),
        }
    })
}
