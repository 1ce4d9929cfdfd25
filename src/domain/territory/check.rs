//! What can be told about a rule without reading it: one range of a number and one of a text, coarsely, in
//! one word that lies with the rule's row. Most rows that a lead comes across are left behind by it.
//!
//! It never turns away a lead that the rule takes: bounds are rounded outwards, and what it cannot tell it
//! lets pass.

use super::keys::Key;
use super::program::{self, Quick};
use super::token::{Asked, SHORT, byte, is_number};
use super::words::Words;
use super::{LeadField, LeadView};

/// *Text*: dimension plus one (0 = none), the length of the bounds, which byte, its lowest and its highest
/// value; below them *number*: field plus one (0 = none), the lowest and the highest level. A value of a byte
/// above `PAIR` is a pair of digits: of the byte and the one after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Check(pub(super) u64);

const LEVEL: u64 = 0xffff;
const FIELD: u64 = 7;
const TEXT: u32 = 35;
const NUMBER: u64 = (1 << TEXT) - 1;
/// Below all pairs of digits.
const PAIR: u64 = 0x80;
/// The fields that are numbers.
const NUMBERS: [LeadField; 5] = [
    LeadField::Employees,
    LeadField::AnnualRevenue,
    LeadField::Score,
    LeadField::CreatedAt,
    LeadField::LockedUntilAt,
];

/// A number in 16 bits, in its order; the two zeros are one.
fn level(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    ordered >> 48
}

/// The levels of a lead's numbers, as in `NUMBERS`; the first is that of no field.
pub(super) struct Levels(pub(super) [u32; NUMBERS.len() + 1]);

impl Levels {
    /// Of a value that is no number: every check lets it pass.
    const ANY: u32 = u32::MAX;
    /// No check lets it pass.
    const MISSING: u32 = u32::MAX - 1;

    pub(super) fn of(view: &LeadView) -> Levels {
        let mut levels = [0; NUMBERS.len() + 1];
        for (own, field) in levels[1..].iter_mut().zip(NUMBERS) {
            *own = match view.number(field) {
                None => Levels::MISSING,
                Some(number) if number.is_nan() => Levels::ANY,
                Some(number) => level(number) as u32,
            };
        }
        Levels(levels)
    }
}

impl Check {
    /// Of a rule, filed under this key: its last range of each kind. And whether key and check say all
    /// that the rule asks for.
    pub(super) fn of(words: &Words, rule: u32, key: &Key) -> (Check, bool) {
        let (mut number, mut text, mut all) = (0, 0, true);
        for condition in program::quick_conditions(words, rule) {
            match condition {
                Quick::Number(field, low, high) => {
                    let known = NUMBERS.iter().position(|known| *known == field);
                    all &= number == 0 && known.is_some();
                    let field = known.map_or(0, |at| at as u64 + 1);
                    number = field << 32 | level(low) << 16 | level(high);
                    number = if field == 0 { 0 } else { number };
                }
                Quick::Range(dimension, low, high) => {
                    let digits = key.digits(dimension);
                    let pairs = is_number(low) && is_number(high) && low >> 56 > 1;
                    all &= text == 0 && pairs && digits.is_some();
                    let (at, bounds) =
                        if pairs { pairs_of(digits, low, high) } else { bytes_of(low, high) };
                    let length = (low >> 56) << 19;
                    text = (u64::from(dimension) + 1) << 22 | length | at << 16 | bounds;
                }
                Quick::In(dimension, values) => {
                    let own = key.value((dimension, 0));
                    all &= own.is_some_and(|own| values.binary_search(&own).is_ok());
                }
                Quick::Prefix(dimension, heads) => {
                    let mut own =
                        (1..=SHORT as u8).filter_map(|bytes| key.value((dimension, bytes)));
                    all &= own.any(|own| heads.binary_search(&own).is_ok());
                }
                Quick::Other => all = false,
            }
        }
        (Check(text << TEXT | number), all)
    }

    /// What it says of a number.
    pub(super) fn of_number(self) -> Check {
        Check(self.0 & NUMBER)
    }

    /// What both say of one number, if they do.
    pub(super) fn of_either_number(self, other: Check) -> Check {
        if self.0 >> 32 & FIELD != other.0 >> 32 & FIELD {
            return Check::default();
        }
        let low = (self.0 >> 16 & LEVEL).min(other.0 >> 16 & LEVEL);
        let high = (self.0 & LEVEL).max(other.0 & LEVEL);
        Check((self.0 >> 32 & FIELD) << 32 | low << 16 | high)
    }

    /// Whether the rule may take the lead.
    #[inline]
    pub(super) fn passes(self, asked: &Asked) -> bool {
        self.number_passes(asked) && self.text_passes(asked)
    }

    /// Whether the bounds hold for sure: not by a hair, where what was rounded decides.
    pub(super) fn holds(self, asked: &Asked) -> bool {
        self.number_holds(asked) && self.text_holds(asked)
    }

    #[inline]
    pub(super) fn number_passes(self, asked: &Asked) -> bool {
        let level = asked.level(self.0 >> 32 & FIELD);
        let (low, high) = (self.0 >> 16 & LEVEL, self.0 & LEVEL);
        // Without a branch: which way it goes is as good as chance.
        (low <= level.into()) & (u64::from(level) <= high) | (level == Levels::ANY)
    }

    fn number_holds(self, asked: &Asked) -> bool {
        let (field, level) = (self.0 >> 32 & FIELD, asked.level(self.0 >> 32 & FIELD).into());
        field == 0 || self.0 >> 16 & LEVEL < level && level < self.0 & LEVEL
    }

    #[inline]
    fn text_passes(self, asked: &Asked) -> bool {
        let text = self.0 >> TEXT;
        let Some(dimension) = (text >> 22).checked_sub(1) else { return true };
        let (token, at) = (asked.token(dimension as u8), text >> 16 & 7);
        let (low, high) = (text >> 8 & 0xff, text & 0xff);
        let own = if low >= PAIR {
            if !asked.is_number(dimension as u8) {
                return true;
            }
            pair(token.0, at)
        } else {
            if !token.is_plain() {
                return true;
            }
            byte(token.0, at)
        };
        low <= own && own <= high
    }

    /// Of a check by a pair of digits, filed under the digits before it.
    fn text_holds(self, asked: &Asked) -> bool {
        let text = self.0 >> TEXT;
        let Some(dimension) = (text >> 22).checked_sub(1) else { return true };
        let (token, at, length) = (asked.token(dimension as u8), text >> 16 & 7, text >> 19 & 7);
        let (low, high) = (text >> 8 & 0xff, text & 0xff);
        let own = pair(token.0, at);
        let is_last = u64::from(at + 2 == length);
        let comparable = asked.is_number(dimension as u8) && token.0 >> 56 == length;
        comparable && low < own + is_last && own < high + is_last
    }
}

/// The first byte in which they differ, and its bounds.
fn bytes_of(low: u64, high: u64) -> (u64, u64) {
    let at = first_difference(low, high);
    (at, byte(low, at) << 8 | byte(high, at))
}

/// The two digits after those of the key, else from the first that differs, and their bounds.
fn pairs_of(key: Option<(u64, u64)>, low: u64, high: u64) -> (u64, u64) {
    let last = (low >> 56) - 2;
    let (at, own) = match key {
        Some((digits, own)) => (digits.min(last), own),
        None => (first_difference(low, high).min(last), low),
    };
    let before = |head: u64| head << 8 >> (64 - 8 * at).min(63);
    let (own, from, to) = (before(own), before(low), before(high));
    // All pairs, if the range begins before what the key goes by, or ends after it.
    let low = if at > 0 && from < own { PAIR } else { pair(low, at) };
    let high = if at > 0 && own < to { pair(0, 0) + 100 } else { pair(high, at) };
    (at, low << 8 | high)
}

/// Two digits of a head as a number, above `PAIR`; one that it has not is 0.
fn pair(head: u64, at: u64) -> u64 {
    let digit = |at: u64| match at < (head >> 56).min(SHORT as u64) {
        true => byte(head, at).wrapping_sub(b'0'.into()),
        false => 0,
    };
    (PAIR + 1).wrapping_add(digit(at).wrapping_mul(10)).wrapping_add(digit(at + 1))
}

fn first_difference(low: u64, high: u64) -> u64 {
    (0..SHORT as u64).find(|at| byte(low, *at) != byte(high, *at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn levels_are_in_the_order_of_numbers(a: f64, b: f64) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(low.is_nan() || high.is_nan() || level(low) <= level(high));
        }
    }

    #[test]
    fn the_zeros_are_one_and_nothing_lies_beyond_the_infinities() {
        assert_eq!(level(-0.0), level(0.0));
        assert!(level(f64::NEG_INFINITY) < level(f64::MIN));
        assert!(level(f64::MAX) < level(f64::INFINITY));
        assert!(level(49.0) < level(1_000.0));
    }
}
