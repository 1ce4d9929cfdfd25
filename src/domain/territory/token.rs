//! The values of a lead, and those in rules, as single words that compare as fast as numbers.
//!
//! *Token*: a normalised text of at most seven bytes is its own token; a longer one has the number that the
//! dictionary gave it, if a rule names it, else it is unlike all that rules name. *Head*: the first seven
//! bytes, for prefixes and ranges. *Dimension*: a field, or a custom field, that compiled rules look at.

use super::check::Levels;
use super::matching::{LeadView, single_text};
use super::{Field, LeadField};
use crate::domain::lookup::{Lookup, fold};
use crate::domain::text::normalise;

/// Fields with one text, then custom fields as they come; more custom fields are left to the plain matching.
pub(super) const DIMENSIONS: usize = 64;
const CUSTOM: usize = LeadField::ALL.len();
/// Bytes of a text in a word; above them its length.
pub(super) const SHORT: usize = 7;
const LENGTH: u32 = 56;
const UNKNOWN: u64 = 0xfe << LENGTH;
const LONG: u64 = 0xff << LENGTH;

/// 0 = the value is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Token(pub(super) u64);

impl Token {
    /// Of a normalised text, if it is short.
    pub(super) fn short(text: &str) -> Option<Token> {
        (text.len() <= SHORT).then(|| Token(head(text.as_bytes())))
    }

    /// Of a text that needs no normalising but lower case: the usual case, in one pass.
    fn plain(text: &str) -> Option<Token> {
        if text.len() > SHORT {
            return None;
        }
        let mut word = 0;
        for byte in text.bytes() {
            if !(0x21..0x7f).contains(&byte) {
                return None;
            }
            word = word << 8 | u64::from(byte.to_ascii_lowercase());
        }
        let length = text.len() as u64;
        Some(Token(length << LENGTH | word << (LENGTH - 8 * length as u32)))
    }

    /// Whether it is a short text of ASCII alone: its bytes are its characters.
    pub(super) fn is_plain(self) -> bool {
        self.0 < UNKNOWN && self.0 & 0x0080_8080_8080_8080 == 0
    }

    pub(super) fn is_missing(self) -> bool {
        self.0 == 0
    }

    /// Whether no rule names the value.
    pub(super) fn is_unknown(self) -> bool {
        self.0 == UNKNOWN
    }
}

/// The first bytes of a text, at most seven, under their number.
pub(super) fn head(bytes: &[u8]) -> u64 {
    let length = bytes.len().min(SHORT);
    let word = bytes[..length].iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    (length as u64) << LENGTH | word << (LENGTH - 8 * length as u32)
}

/// The first `length` bytes of a head, as a head; `None` if it has fewer.
#[inline]
pub(super) fn shorter(head: u64, length: u64) -> Option<u64> {
    let mask = !(u64::MAX >> (8 * length)) >> 8;
    (head >> LENGTH >= length).then_some(length << LENGTH | head & mask)
}

/// The byte of a head at a place.
pub(super) fn byte(head: u64, at: u64) -> u64 {
    head >> (8 * (SHORT as u64 - 1 - at)) & 0xff
}

/// Whether a head is all digits.
pub(super) fn is_number(head: u64) -> bool {
    let length = head >> LENGTH;
    (1..=SHORT as u64).contains(&length)
        && (0..length).all(|at| byte(head, at).wrapping_sub(b'0'.into()) < 10)
}

/// The long texts that rules name, and the dimensions that rules look at.
#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    texts: Vec<Entry>,
    free: Vec<u32>,
    lookup: Lookup,
    /// How many compiled conditions look at it.
    uses: [u32; DIMENSIONS],
    used: Vec<u8>,
    custom: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    text: Box<str>,
    uses: u32,
}

impl Default for Dictionary {
    fn default() -> Dictionary {
        Dictionary {
            texts: Vec::new(),
            free: Vec::new(),
            lookup: Lookup::default(),
            uses: [0; DIMENSIONS],
            used: Vec::new(),
            custom: Vec::new(),
        }
    }
}

impl Dictionary {
    /// The dimension of a field with one text, counted as used; `None` = leave it to the plain matching.
    pub(super) fn use_dimension(&mut self, field: &Field) -> Option<u8> {
        let dimension = match field {
            Field::Lead(field) if is_list(*field) || field.is_number() => return None,
            Field::Lead(field) => *field as usize,
            Field::Attribute(name) => CUSTOM + self.custom_dimension(name)?,
        };
        self.uses[dimension] += 1;
        if self.uses[dimension] == 1 {
            self.used.push(dimension as u8);
            self.used.sort_unstable();
        }
        Some(dimension as u8)
    }

    fn custom_dimension(&mut self, name: &str) -> Option<usize> {
        if let Some(known) = self.custom.iter().position(|known| known == name) {
            return Some(known);
        }
        let unused = (0..self.custom.len()).find(|at| self.uses[CUSTOM + at] == 0);
        if let Some(at) = unused {
            name.clone_into(&mut self.custom[at]);
            return Some(at);
        }
        if CUSTOM + self.custom.len() >= DIMENSIONS {
            return None;
        }
        self.custom.push(name.to_owned());
        Some(self.custom.len() - 1)
    }

    pub(super) fn drop_dimension(&mut self, dimension: u8) {
        let uses = &mut self.uses[usize::from(dimension)];
        *uses -= 1;
        if *uses == 0 {
            self.used.retain(|used| *used != dimension);
        }
    }

    /// The token of a normalised operand; a long one is counted as used.
    pub(super) fn use_text(&mut self, text: &str) -> Token {
        if let Some(token) = Token::short(text) {
            return token;
        }
        if let Some(known) = self.find(text) {
            self.texts[known as usize].uses += 1;
            return Token(LONG | u64::from(known));
        }
        let at = self.free.pop().unwrap_or(self.texts.len() as u32);
        if at as usize == self.texts.len() {
            self.texts.push(Entry::default());
        }
        self.texts[at as usize] = Entry { text: text.into(), uses: 1 };
        self.lookup.insert(fold(text.as_bytes()), at);
        Token(LONG | u64::from(at))
    }

    pub(super) fn drop_text(&mut self, token: Token) {
        if token.0 < LONG {
            return;
        }
        let at = token.0 as u32;
        let entry = &mut self.texts[at as usize];
        entry.uses -= 1;
        if entry.uses == 0 {
            let entry = std::mem::take(entry);
            self.lookup.remove(fold(entry.text.as_bytes()), |value| value == at);
            self.free.push(at);
        }
    }

    #[cfg(test)]
    pub(super) fn uses(&self) -> usize {
        let texts = self.texts.iter().map(|entry| entry.uses);
        texts.chain(self.uses).map(|uses| uses as usize).sum()
    }

    fn find(&self, text: &str) -> Option<u32> {
        self.lookup.find(fold(text.as_bytes()), |at| &*self.texts[at as usize].text == text)
    }

    /// Token and head of a lead's value.
    fn read(&self, text: &str) -> (Token, u64) {
        if let Some(token) = Token::plain(text) {
            return (token, token.0);
        }
        self.read_normal(&normalise(text))
    }

    fn read_normal(&self, normal: &str) -> (Token, u64) {
        let known = || self.find(normal).map_or(UNKNOWN, |at| LONG | u64::from(at));
        let token = Token::short(normal).unwrap_or_else(|| Token(known()));
        (token, head(normal.as_bytes()))
    }
}

fn is_list(field: LeadField) -> bool {
    matches!(field, LeadField::RequiredSkills | LeadField::PreferredSkills)
}

/// A lead as the rows look at it.
pub(super) struct Asked<'a, 'f> {
    pub(super) view: &'a LeadView<'f>,
    tokens: [Token; DIMENSIONS],
    /// The dimensions whose value is a short number.
    numbers: u64,
    levels: Levels,
    /// Of long values; a short one is its own head.
    heads: [u64; DIMENSIONS],
}

impl<'a, 'f> Asked<'a, 'f> {
    pub(super) fn new(dictionary: &Dictionary, view: &'a LeadView<'f>) -> Asked<'a, 'f> {
        let tokens = [Token::default(); DIMENSIONS];
        let levels = Levels::of(view);
        let mut asked = Asked { view, tokens, heads: [0; DIMENSIONS], numbers: 0, levels };
        for dimension in &dictionary.used {
            let at = usize::from(*dimension);
            let read = match LeadField::ALL.get(at) {
                Some(LeadField::EmailDomain) => {
                    view.text(LeadField::EmailDomain).map(|text| dictionary.read_normal(text))
                }
                Some(field) => single_text(view.fields, *field).map(|text| dictionary.read(text)),
                None => {
                    let text = view.fields.attributes.get(&dictionary.custom[at - CUSTOM]);
                    text.map(|text| dictionary.read(text))
                }
            };
            if let Some((token, head)) = read {
                asked.tokens[at] = token;
                asked.heads[at] = head;
                asked.numbers |= u64::from(token.is_plain() && is_number(head)) << at;
            }
        }
        asked
    }

    #[inline]
    pub(super) fn token(&self, dimension: u8) -> Token {
        self.tokens[usize::from(dimension)]
    }

    #[inline]
    pub(super) fn head(&self, dimension: u8) -> u64 {
        match self.token(dimension).0 {
            short if short < UNKNOWN => short,
            _ => self.heads[usize::from(dimension)],
        }
    }

    /// Whether the value is a short text of digits alone.
    #[inline]
    pub(super) fn is_number(&self, dimension: u8) -> bool {
        self.numbers >> dimension & 1 == 1
    }

    /// The level of a number; 0 = of none.
    #[inline]
    pub(super) fn level(&self, field: u64) -> u32 {
        self.levels.0[field as usize]
    }
}
