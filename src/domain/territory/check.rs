//! What can be told about a rule without reading it: one range of a number and one of a text, coarsely, in
//! one word that lies with the rule's row. Most rows that a lead comes across are left behind by it.
//!
//! It never turns away a lead that the rule takes: bounds are rounded outwards, and what it cannot tell it
//! lets pass.

use super::LeadField;
use super::program::{self, Quick};
use super::token::{Asked, SHORT};
use super::words::Words;

/// *Text*: dimension plus one (0 = none), which byte, its lowest and its highest value; below them *number*:
/// field plus one (0 = none), the lowest and the highest level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Check(pub(super) u64);

const LEVEL: u64 = 0xffff;
const FIELD: u64 = 0x3f;
const TEXT: u32 = 38;

/// A number in 16 bits, in its order; the two zeros are one.
fn level(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    ordered >> 48
}

/// The byte of a head at a place.
fn byte(head: u64, at: u64) -> u64 {
    head >> (8 * (SHORT as u64 - 1 - at)) & 0xff
}

impl Check {
    /// Of a rule: its last range of each kind.
    pub(super) fn of(words: &Words, rule: u32) -> Check {
        let (mut number, mut text) = (0, 0);
        for condition in program::quick_conditions(words, rule) {
            match condition {
                Quick::Number(field, low, high) => {
                    number = (field as u64 + 1) << 32 | level(low) << 16 | level(high);
                }
                Quick::Range(dimension, low, high) => {
                    let differs = (0..SHORT as u64).find(|at| byte(low, *at) != byte(high, *at));
                    let at = differs.unwrap_or(0);
                    let bounds = byte(low, at) << 8 | byte(high, at);
                    text = (u64::from(dimension) + 1) << 19 | at << 16 | bounds;
                }
                _ => {}
            }
        }
        Check(text << TEXT | number)
    }

    /// Whether the rule may take the lead.
    pub(super) fn passes(self, asked: &Asked) -> bool {
        self.number_passes(asked) && self.text_passes(asked)
    }

    fn number_passes(self, asked: &Asked) -> bool {
        let Some(field) = (self.0 >> 32 & FIELD).checked_sub(1) else { return true };
        let Some(number) = asked.view.number(LeadField::ALL[field as usize]) else { return false };
        let level = level(number);
        number.is_nan() || self.0 >> 16 & LEVEL <= level && level <= self.0 & LEVEL
    }

    fn text_passes(self, asked: &Asked) -> bool {
        let text = self.0 >> TEXT;
        let Some(dimension) = (text >> 19).checked_sub(1) else { return true };
        let token = asked.token(dimension as u8);
        if !token.is_plain() {
            return true;
        }
        let byte = byte(token.0, text >> 16 & 7);
        text >> 8 & 0xff <= byte && byte <= text & 0xff
    }
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
