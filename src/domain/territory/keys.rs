//! Under which keys a rule is filed, so that a lead finds it by what it says about itself.
//!
//! *Part*: a dimension, whole or by the first bytes of its text. *Shape*: the parts of a key. A rule is filed
//! under all of its equalities together, and under the prefixes that a range of postal codes spans: the more
//! parts, the fewer rules share a key. A lead has at most one key of a shape.
//!
//! A range of numbers of one length is filed under one or two numbers of fewer digits, as many as its width
//! asks for, so that ranges of one width have one shape. Those of one to ten have one, too: a shape more is a
//! key more that every lead looks for. A text that is no number lies between two of them,
//! and is looked for under the lower one.

use super::LeadField;
use super::program::{self, Quick};
use super::token::{Asked, SHORT, byte, is_number, shorter};
use super::words::Words;
use crate::domain::lookup::mix;

pub(super) const MOST_PARTS: usize = 5;
/// Keys of one rule, beside as many as it lists values.
const FEW_KEYS: usize = 16;
/// A range that spans more values of its first differing byte than this is filed by what they share.
const FEW_BYTES: usize = 2;
/// First digits that a range spans, at most; it is not filed by more.
const FEW_DIGITS: u64 = 3;

/// Fields by how much they tell apart; custom fields lie before `State`.
const BY_SELECTIVITY: [LeadField; 19] = [
    LeadField::AccountId,
    LeadField::Email,
    LeadField::Phone,
    LeadField::Website,
    LeadField::EmailDomain,
    LeadField::Company,
    LeadField::PostalCode,
    LeadField::City,
    LeadField::State,
    LeadField::OwnerId,
    LeadField::Product,
    LeadField::Industry,
    LeadField::Country,
    LeadField::Source,
    LeadField::Language,
    LeadField::Currency,
    LeadField::Rating,
    LeadField::Status,
    LeadField::DoNotRoute,
];
const CUSTOM_BEFORE: usize = 8;

/// Dimension and form of the value: 0 = whole, 1 to 7 = so many of its first bytes, and with `DIGITS` the
/// highest number of so many digits that is not above it as text.
pub(super) type Part = (u8, u8);
pub(super) const DIGITS: u8 = 0x80;

/// The parts of a key, most selective first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    parts: [Part; MOST_PARTS],
    len: u8,
}

/// One way to file a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) shape: Shape,
    values: [u64; MOST_PARTS],
}

impl Shape {
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts[..usize::from(self.len)]
    }

    /// The least selective part, if it is one that few values of occur in all rules, and not the only one.
    pub(super) fn common_part(&self) -> Option<Part> {
        let last = self.parts().get(1..)?.last()?;
        (selectivity(last.0) > CUSTOM_BEFORE).then_some(*last)
    }
}

/// The lead's value of a part; `None` = no rule with such a part takes it.
#[inline]
pub(super) fn value_of_lead((dimension, form): Part, asked: &Asked) -> Option<u64> {
    let bytes = u64::from(form & !DIGITS);
    if bytes == 0 {
        let token = asked.token(dimension);
        return (!token.is_missing() && !token.is_unknown()).then_some(token.0);
    }
    if form & DIGITS == 0 || asked.is_number(dimension) {
        return shorter(asked.head(dimension), bytes);
    }
    digits_below(asked.head(dimension), bytes)
}

/// The share of one part in the hash of a key.
#[inline]
pub(super) fn hash_of((dimension, form): Part, value: u64) -> u64 {
    mix(u64::from(dimension) << 8 | u64::from(form), value)
}

impl Key {
    /// The shares of its parts, one over the other.
    pub(super) fn hash(&self) -> u64 {
        self.shape.parts().iter().fold(0, |hash, part| hash ^ self.share(*part))
    }

    pub(super) fn share(&self, part: Part) -> u64 {
        hash_of(part, self.value(part).unwrap_or_default())
    }

    pub(super) fn values(&self) -> &[u64] {
        &self.values[..usize::from(self.shape.len)]
    }

    pub(super) fn value(&self, part: Part) -> Option<u64> {
        let at = self.shape.parts().iter().position(|known| *known == part)?;
        Some(self.values[at])
    }

    /// How many first digits of the dimension it goes by, and which.
    pub(super) fn digits(&self, dimension: u8) -> Option<(u64, u64)> {
        let is_digits = |part: &&Part| part.0 == dimension && part.1 & DIGITS != 0;
        let part = self.shape.parts().iter().find(is_digits)?;
        Some((u64::from(part.1 ^ DIGITS), self.value(*part)?))
    }

    /// Without its least selective part; `None` = nothing is left to leave out.
    pub(super) fn coarser(mut self) -> Option<Key> {
        self.shape.len = self.shape.len.checked_sub(1)?;
        self.shape.parts[usize::from(self.shape.len)] = Part::default();
        self.values[usize::from(self.shape.len)] = 0;
        Some(self)
    }

    fn with(mut self, (part, value): (Part, u64)) -> Key {
        let at = usize::from(self.shape.len);
        self.shape.parts[at] = part;
        self.values[at] = value;
        self.shape.len += 1;
        self
    }
}

/// The keys of a rule: a lead that meets the rule has one of them. Empty = it has no equality to go by.
pub(super) fn of_rule(words: &Words, rule: u32) -> Vec<Key> {
    let mut facets: Vec<(usize, u8, Vec<(Part, u64)>)> = Vec::new();
    let mut budget = FEW_KEYS;
    for condition in program::quick_conditions(words, rule) {
        let (dimension, ways) = match condition {
            Quick::In(dimension, values) => {
                (dimension, values.iter().map(|value| ((dimension, 0), *value)).collect())
            }
            Quick::Prefix(dimension, heads) => (
                dimension,
                heads.iter().map(|head| ((dimension, (head >> 56) as u8), *head)).collect(),
            ),
            Quick::Range(dimension, low, high) => (dimension, spanned(dimension, low, high)),
            Quick::Number(..) | Quick::Other => continue,
        };
        budget += ways.len();
        match facets.iter_mut().find(|facet| facet.1 == dimension) {
            Some(facet) if facet.2.len() > ways.len() => facet.2 = ways,
            Some(_) => {}
            None => facets.push((selectivity(dimension), dimension, ways)),
        }
    }
    facets.sort_by_key(|facet| (facet.0, facet.1));
    let mut keys = vec![Key::default()];
    let mut parts = 0;
    for (_, _, ways) in facets {
        if ways.is_empty() || keys.len() * ways.len() > budget || parts == MOST_PARTS {
            continue;
        }
        parts += 1;
        keys = keys.iter().flat_map(|key| ways.iter().map(|way| key.with(*way))).collect();
    }
    if parts == 0 {
        return Vec::new();
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn selectivity(dimension: u8) -> usize {
    let Some(field) = LeadField::ALL.get(usize::from(dimension)) else { return CUSTOM_BEFORE };
    let at = BY_SELECTIVITY.iter().position(|known| known == field).unwrap_or(BY_SELECTIVITY.len());
    if at < CUSTOM_BEFORE { at } else { at + 1 }
}

/// The prefixes that texts from `low` to `high` begin with.
fn spanned(dimension: u8, low: u64, high: u64) -> Vec<(Part, u64)> {
    let length = low >> 56;
    if is_number(low) && is_number(high) {
        return spanned_digits(dimension, length, (value(low), value(high)));
    }
    let byte = |head: u64, at: u64| byte(head, at) as u8;
    let shared = (0..length).take_while(|at| byte(low, *at) == byte(high, *at)).count() as u64;
    let of =
        |head: u64, bytes: u64| shorter(head, bytes).map(|value| ((dimension, bytes as u8), value));
    if shared == length {
        return of(low, length).into_iter().collect();
    }
    let (first, last) = (byte(low, shared), byte(high, shared));
    if first > last || usize::from(last - first) >= FEW_BYTES {
        return match shared {
            0 => Vec::new(),
            _ => of(low, shared).into_iter().collect(),
        };
    }
    let clear = !(0xff << (8 * (SHORT as u64 - 1 - shared)));
    let with = |byte: u8| low & clear | u64::from(byte) << (8 * (SHORT as u64 - 1 - shared));
    (first..=last).filter_map(|byte| of(with(byte), shared + 1)).collect()
}

fn spanned_digits(dimension: u8, length: u64, (low, high): (u64, u64)) -> Vec<(Part, u64)> {
    let block = |digits: u64| 10_u64.pow((length - digits) as u32);
    let fits = |digits: &u64| high.saturating_sub(low) < block(*digits);
    let digits = (1..length).rev().find(fits).unwrap_or(1);
    let (first, last) = (low / block(digits), high / block(digits));
    if low > high || last - first >= FEW_DIGITS {
        return Vec::new();
    }
    let part = (dimension, DIGITS | digits as u8);
    (first..=last).map(|number| (part, written(number, digits))).collect()
}

/// The number that a head of digits spells.
fn value(head: u64) -> u64 {
    let length = head >> 56;
    (0..length).fold(0, |value, at| 10 * value + (byte(head, at) - u64::from(b'0')))
}

/// A number of so many digits, as a head.
fn written(mut number: u64, digits: u64) -> u64 {
    let mut head = digits << 56;
    for at in (0..digits).rev() {
        head |= (u64::from(b'0') + number % 10) << (8 * (SHORT as u64 - 1 - at));
        number /= 10;
    }
    head
}

/// The highest text of so many digits that is not above the first bytes of a head, as a head. It rises with
/// them: a text between two numbers of one length has it between their first digits.
fn digits_below(head: u64, digits: u64) -> Option<u64> {
    let own = shorter(head, digits)?;
    if is_number(own) {
        return Some(own);
    }
    let is_digit = |at: &u64| (b'0'.into()..=b'9'.into()).contains(&byte(own, *at));
    let odd = (0..digits).find(|at| !is_digit(at))?;
    let before = if odd == 0 { 0 } else { value(shorter(own, odd)?) };
    let block = 10_u64.pow((digits - odd) as u32);
    let above = (before * block).checked_add(match byte(own, odd) > b'9'.into() {
        true => block,
        false => 0,
    })?;
    Some(written(above.checked_sub(1)?, digits))
}

#[cfg(test)]
mod tests {
    use super::super::token::head;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// By the plain meaning, over all numbers of so many digits.
        #[test]
        fn the_number_below_is_the_highest_that_is_not_above(text in "[0-9 a-]{1,3}|0[0-9é][-0]") {
            let below = |digits: usize| {
                let prefix = text.as_bytes().get(..digits)?;
                let mut all = (0..10_u32.pow(digits as u32)).map(|number| format!("{number:0digits$}"));
                all.rfind(|number| number.as_bytes() <= prefix)
            };
            for digits in 1..=3 {
                let expected = below(digits).map(|number| head(number.as_bytes()));
                prop_assert_eq!(digits_below(head(text.as_bytes()), digits as u64), expected);
            }
        }
    }

    #[test]
    fn a_range_is_filed_by_as_many_digits_as_its_width_asks_for() {
        let keys = |low: &str, high: &str| {
            let ways = spanned(3, head(low.as_bytes()), head(high.as_bytes()));
            let text = |head: u64| format!("{:01$}", value(head), (head >> 56) as usize);
            ways.into_iter().map(|(_, head)| text(head)).collect::<Vec<_>>()
        };
        assert_eq!(keys("00022", "00043"), ["000"]);
        assert_eq!(keys("00990", "01011"), ["009", "010"]);
        assert_eq!(keys("00022", "00029"), ["0002"]);
        assert_eq!(keys("01067", "01067"), ["0106"]);
        assert_eq!(keys("00000", "29999"), ["0", "1", "2"]);
        assert!(keys("00000", "39999").is_empty());
        assert!(keys("2", "1").is_empty());
        assert_eq!(keys("9", "9"), ["9"]);
    }
}
