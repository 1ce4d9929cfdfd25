//! Under which keys a rule is filed, so that a lead finds it by what it says about itself.
//!
//! *Part*: a dimension, whole or by the first bytes of its text. *Shape*: the parts of a key. A rule is filed
//! under all of its equalities together, and under the prefixes that a range of postal codes spans: the more
//! parts, the fewer rules share a key. A lead has at most one key of a shape.

use super::LeadField;
use super::program::{self, Quick};
use super::token::{Asked, SHORT, shorter};
use super::words::Words;
use crate::domain::lookup::mix;

const MOST_PARTS: usize = 5;
/// Keys of one rule, beside as many as it lists values.
const FEW_KEYS: usize = 16;
/// A range that spans more values of its first differing byte than this is filed by what they share.
const FEW_BYTES: usize = 2;

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

/// Dimension and bytes (0 = the whole value).
pub(super) type Part = (u8, u8);

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
    fn parts(&self) -> &[Part] {
        &self.parts[..usize::from(self.len)]
    }

    /// The hash of the lead's key of this shape; `None` = it has none that a rule could be filed under.
    pub(super) fn of(&self, asked: &Asked) -> Option<u64> {
        let mut hash = 0;
        for part in self.parts() {
            let value = match *part {
                (dimension, 0) => {
                    let token = asked.token(dimension);
                    (!token.is_missing() && !token.is_unknown()).then_some(token.0)?
                }
                (dimension, bytes) => shorter(asked.head(dimension), u64::from(bytes))?,
            };
            hash = step(hash, *part, value);
        }
        Some(hash)
    }
}

impl Key {
    pub(super) fn hash(&self) -> u64 {
        let parts = self.shape.parts().iter().zip(self.values);
        parts.fold(0, |hash, (part, value)| step(hash, *part, value))
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

fn step(hash: u64, (dimension, bytes): Part, value: u64) -> u64 {
    mix(hash ^ u64::from(dimension) << 8 ^ u64::from(bytes), value)
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
    let byte = |head: u64, at: u64| (head >> (8 * (SHORT as u64 - 1 - at))) as u8;
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
