//! A look at the tables of a TOML text that collects faults instead of stopping at the first.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PolicyFault;
use crate::domain::time::Span;

/// The text and what is wrong with it so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
    faults: RefCell<Vec<PolicyFault>>,
    readable: bool,
}

/// A value with its place.
#[derive(Clone)]
pub(super) struct Item<'a> {
    reader: &'a Reader<'a>,
    value: &'a DeValue<'a>,
    at: usize,
    pub(super) path: String,
}

/// A table with its place.
#[derive(Clone)]
pub(super) struct Table<'a> {
    reader: &'a Reader<'a>,
    table: Option<&'a DeTable<'a>>,
    at: usize,
    path: String,
}

/// Ten years: no span of a policy is longer, and none overflows.
const MAX_SECS: i64 = 10 * 366 * 86_400;

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Reader<'t> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let readable = errors.is_empty();
        let reader = Reader { text, table, faults: RefCell::default(), readable };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let found = error.message().lines().next().unwrap_or_default().to_owned();
            reader.fault(at, "text", "TOML", found);
        }
        reader
    }

    /// The whole text as a table; `None` if it is no TOML.
    pub(super) fn root(&self) -> Option<Table<'_>> {
        let table = Some(self.table.get_ref());
        self.readable.then_some(Table { reader: self, table, at: 0, path: String::new() })
    }

    pub(super) fn into_faults(self) -> Vec<PolicyFault> {
        self.faults.into_inner()
    }

    fn fault(
        &self,
        at: usize,
        key: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.faults.borrow_mut().push(PolicyFault {
            line,
            key: key.into(),
            expected: expected.into(),
            found: found.into(),
        });
    }
}

impl<'a> Item<'a> {
    pub(super) fn fault(&self, expected: impl Into<String>, found: impl Into<String>) {
        self.reader.fault(self.at, self.path.as_str(), expected, found);
    }

    /// The value is not what was wanted.
    pub(super) fn unexpected(&self, expected: impl Into<String>) {
        let found = match self.value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.fault(expected, found);
    }

    /// A value that is there but cannot be had is a fault.
    fn wanted<T>(&self, expected: &str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.unexpected(expected);
        }
        found
    }

    fn as_int(&self) -> Option<i64> {
        let number = self.value.as_integer()?;
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    fn as_number(&self) -> Option<f64> {
        let float = || self.value.as_float()?.as_str().parse().ok();
        self.as_int().map(|number| number as f64).or_else(float)
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.wanted("a text", self.value.as_str())
    }

    /// A text that may be the only one, or a list of texts.
    pub(super) fn one_or_list(&self) -> Vec<Item<'a>> {
        match self.value {
            DeValue::String(_) => vec![self.clone()],
            _ => self.list(),
        }
    }

    pub(super) fn list(&self) -> Vec<Item<'a>> {
        let Some(items) = self.wanted("a list", self.value.as_array()) else { return Vec::new() };
        let item = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| Item {
            reader: self.reader,
            value: item.get_ref(),
            at: item.span().start,
            path: format!("{}[{index}]", self.path),
        };
        items.iter().enumerate().map(item).collect()
    }

    /// The value as a table; one that is none is a fault and has no keys.
    pub(super) fn table(&self) -> Table<'a> {
        let table = self.wanted("a table", self.value.as_table());
        Table { reader: self.reader, table, at: self.at, path: self.path.clone() }
    }

    /// A value of a condition: text, number or flag.
    pub(super) fn scalar(&self) -> Option<crate::codec::condition::Raw> {
        use crate::codec::condition::Raw;
        match self.value {
            DeValue::String(text) => Some(Raw::Text(text.to_string())),
            DeValue::Boolean(flag) => Some(Raw::Flag(*flag)),
            _ => self.wanted("a text or a number", self.as_number()).map(Raw::Number),
        }
    }
}

impl<'a> Table<'a> {
    fn path_of(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    pub(super) fn fault(&self, key: &str, expected: impl Into<String>, found: impl Into<String>) {
        self.reader.fault(self.at, self.path_of(key), expected, found);
    }

    /// Every key that is not one of these is a fault.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let expected = match nearest(name, known) {
                Some(near) => format!("a known key (did you mean `{near}`?)"),
                None => format!("one of {}", known.join(", ")),
            };
            let at = key.span().start;
            self.reader.fault(at, self.path_of(name), expected, format!("`{name}`"));
        }
    }

    pub(super) fn item(&self, key: &str) -> Option<Item<'a>> {
        let value = self.table?.get(key)?;
        let at = value.span().start;
        Some(Item { reader: self.reader, value: value.get_ref(), at, path: self.path_of(key) })
    }

    /// All entries, by key.
    pub(super) fn items(&self) -> Vec<(&'a str, Item<'a>)> {
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &'a std::borrow::Cow<'a, str> = key.get_ref();
            let key = key.as_ref();
            let at = value.span().start;
            let item =
                Item { reader: self.reader, value: value.get_ref(), at, path: self.path_of(key) };
            (key, item)
        };
        self.table.into_iter().flatten().map(entry).collect()
    }

    /// A section; one that is missing has no keys.
    pub(super) fn section(&self, key: &str, known: &[&str]) -> Table<'a> {
        let section = match self.item(key) {
            Some(item) => item.table(),
            None => Table { table: None, path: self.path_of(key), ..self.clone() },
        };
        section.only(known);
        section
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.item(key)?.text()
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        let Some(item) = self.item(key) else { return default };
        item.wanted("true or false", item.value.as_bool()).unwrap_or(default)
    }

    pub(super) fn int(&self, key: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        let Some(item) = self.item(key) else { return default };
        let found = item.as_int().filter(|number| range.contains(number));
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        item.wanted(&wanted, found).unwrap_or(default)
    }

    pub(super) fn count(&self, key: &str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        u32::try_from(self.int(key, range, i64::from(default))).unwrap_or(default)
    }

    /// A number in a range; `Some` only if it is there and right.
    pub(super) fn opt_number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let item = self.item(key)?;
        let found = item.as_number().filter(|number| range.contains(number));
        item.wanted(&format!("a number from {} to {}", range.start(), range.end()), found)
    }

    pub(super) fn number(&self, key: &str, range: RangeInclusive<f64>, default: f64) -> f64 {
        self.opt_number(key, range).unwrap_or(default)
    }

    /// A length of time in whole seconds, at least `low`.
    pub(super) fn opt_secs(&self, key: &str, low: i64) -> Option<Span> {
        self.item(key)?;
        Some(Span::from_secs(self.int(key, low..=MAX_SECS, low)))
    }

    pub(super) fn secs(&self, key: &str, low: i64, default: Span) -> Span {
        self.opt_secs(key, low).unwrap_or(default)
    }

    /// One of a few names.
    pub(super) fn choice<T: Copy>(&self, key: &str, names: &[(&str, T)], default: T) -> T {
        let Some(item) = self.item(key) else { return default };
        item.choice(names).unwrap_or(default)
    }

    /// A list of names, each once; `None` if it is not there.
    pub(super) fn choices<T: Copy + PartialEq>(
        &self,
        key: &str,
        names: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let mut found: Vec<T> = Vec::new();
        for item in self.item(key)?.one_or_list() {
            match item.choice(names) {
                Some(one) if found.contains(&one) => item.unexpected("it only once"),
                one => found.extend(one),
            }
        }
        Some(found)
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let items = self.item(key)?.list();
        Some(items.iter().filter_map(Item::text).map(str::to_owned).collect())
    }

    /// Whole numbers in ascending order, none below 1.
    pub(super) fn ascending(&self, key: &str) -> Option<Vec<i64>> {
        let mut bounds: Vec<i64> = Vec::new();
        for item in self.item(key)?.list() {
            let last = bounds.last().copied().unwrap_or(0);
            let found = item.as_int().filter(|number| *number > last);
            bounds.extend(item.wanted(&format!("a whole number above {last}"), found));
        }
        Some(bounds)
    }
}

impl Item<'_> {
    pub(super) fn choice<T: Copy>(&self, names: &[(&str, T)]) -> Option<T> {
        let name = self.value.as_str();
        let found = names.iter().find(|(known, _)| Some(*known) == name).map(|(_, it)| *it);
        let list: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.wanted(&format!("one of {}", list.join(", ")), found)
    }
}

/// The known name that a person probably meant.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let scored = known.iter().map(|candidate| (distance(name, candidate), *candidate));
    let (distance, candidate) = scored.min()?;
    (distance <= 1 + candidate.len() / 4).then_some(candidate)
}

/// The number of letters to insert, drop or replace.
fn distance(a: &str, b: &str) -> usize {
    // A key of a megabyte is nobody's typing error.
    if a.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        let steps = row.iter().zip(row.iter().skip(1)).zip(&b);
        for ((diagonal, above), y) in steps {
            let left = next.last().copied().unwrap_or_default();
            let replaced = diagonal + usize::from(x != *y);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
