//! A look at one JSON object, with typed getters: the one place that decides which reason a fault has,
//! and that knows the path to it.
//!
//! `null` and an absent field are the same: not known. A required field that is so is `field.missing`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::Named;
use super::number;
use crate::codec::error::{Error, Result, reason};
use crate::domain::ids::{
    AccountId, DomainId, EventId, IdError, LeadId, OpportunityId, QueueId, RepId, TerritoryId,
};
use crate::domain::lead_fields::Cents;
use crate::domain::time::{Span, Timestamp};

/// 1990-01-01: no event of a CRM is older.
const EARLIEST: Timestamp = Timestamp(631_152_000_000);
/// 1900-01-01: people were hired before 1990.
const EARLIEST_HIRED: Timestamp = Timestamp(-2_208_988_800_000);

/// The longest text area of a CRM, 131,072 characters of at most four bytes; what is longer would be kept in
/// memory for a lead's life.
pub(in crate::codec) const MAX_TEXT_BYTES: usize = 524_288;

/// What reading depends on besides the value.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Context {
    /// The record's timestamp: facts are not later than a day after it.
    pub(in crate::codec) now: Timestamp,
    /// Refuse fields that are not known; else they are passed over, as a newer writer may add some.
    pub(in crate::codec) strict: bool,
}

impl Context {
    /// When something happened: from 1990 to a day after the record.
    pub(in crate::codec) fn is_past(self, at: Timestamp) -> bool {
        (EARLIEST..=self.latest_past()).contains(&at)
    }

    /// When something is planned: from 1990 to 2100.
    pub(in crate::codec) fn is_plan(at: Timestamp) -> bool {
        (EARLIEST..=Timestamp::MAX).contains(&at)
    }

    fn latest_past(self) -> Timestamp {
        self.now + Span::from_days(1)
    }
}

/// ISO 3166-1 alpha-2, in upper case.
pub(in crate::codec) fn country(text: &str) -> Option<String> {
    let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    fits.then(|| text.to_ascii_uppercase())
}

/// Where we are, from the inside out; turned into text only for a fault.
#[derive(Clone, Copy)]
pub(in crate::codec) enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

/// A custom field may be named by anything, a person's address too; only plain names are repeated.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

impl Path<'_> {
    fn render(&self) -> String {
        match self {
            Path::Root => String::new(),
            Path::Field(up, name) => {
                let mut text = up.render();
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(if is_name(name) { name } else { "?" });
                text
            }
            Path::Item(up, index) => format!("{}[{index}]", up.render()),
        }
    }

    pub(in crate::codec) fn fault(&self, reason: &'static str, detail: impl Into<String>) -> Error {
        let mut field = self.render();
        if field.is_empty() {
            field.push_str("value");
        }
        Error::new(reason, field, detail)
    }
}

/// An id of any kind, read from text.
pub(super) trait Id: Sized {
    fn read(text: &str) -> std::result::Result<Self, IdError>;
}

macro_rules! ids {
    ($($type:ident),*) => {$(
        impl Id for $type {
            fn read(text: &str) -> std::result::Result<$type, IdError> {
                $type::parse(text)
            }
        }
    )*};
}

ids!(AccountId, DomainId, EventId, LeadId, OpportunityId, QueueId, RepId, TerritoryId);

/// An open object.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: Path<'a>,
    context: Context,
}

impl<'a> Fields<'a> {
    /// Opens an object; `known` are the names that it may have.
    pub(super) fn open(
        value: &'a Value,
        path: Path<'a>,
        known: &[&str],
        context: Context,
    ) -> Result<Fields<'a>> {
        let Value::Object(map) = value else {
            return Err(path.fault(reason::JSON_TYPE, expected("an object", value)));
        };
        if context.strict
            && let Some(name) = map.keys().find(|name| !known.contains(&name.as_str()))
        {
            let at = Path::Field(&path, name);
            return Err(at.fault(reason::JSON_UNKNOWN_FIELD, "no field has this name"));
        }
        Ok(Fields { map, path, context })
    }

    pub(super) fn context(&self) -> Context {
        self.context
    }

    pub(super) fn fault(
        &self,
        name: &str,
        reason: &'static str,
        detail: impl Into<String>,
    ) -> Error {
        Path::Field(&self.path, name).fault(reason, detail)
    }

    /// The value of a field, unless it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn missing(&self, name: &str) -> Error {
        self.fault(name, reason::FIELD_MISSING, "must be there")
    }

    fn required<T>(&self, name: &str, found: Option<T>) -> Result<T> {
        found.ok_or_else(|| self.missing(name))
    }

    fn wrong_type(&self, name: &str, wanted: &str, value: &Value) -> Error {
        self.fault(name, reason::JSON_TYPE, expected(wanted, value))
    }

    pub(super) fn opt_str(&self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => item_text(value, Path::Field(&self.path, name)).map(Some),
        }
    }

    pub(super) fn opt_text(&self, name: &str) -> Result<Option<String>> {
        Ok(self.opt_str(name)?.map(str::to_owned))
    }

    pub(super) fn text(&self, name: &str) -> Result<String> {
        self.required(name, self.opt_text(name)?)
    }

    pub(super) fn opt_country(&self, name: &str) -> Result<Option<String>> {
        let Some(text) = self.opt_str(name)? else { return Ok(None) };
        let fault = || self.fault(name, reason::VALUE_RANGE, "a country is two letters");
        country(text).map(Some).ok_or_else(fault)
    }

    pub(super) fn opt_id<T: Id>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.opt_str(name)? else { return Ok(None) };
        let id = T::read(text);
        id.map(Some).map_err(|why| self.fault(name, reason::ID_INVALID, why.to_string()))
    }

    pub(super) fn id<T: Id>(&self, name: &str) -> Result<T> {
        self.required(name, self.opt_id(name)?)
    }

    pub(super) fn opt_flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(value) => Err(self.wrong_type(name, "true or false", value)),
        }
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.opt_flag(name)?.unwrap_or(default))
    }

    /// A whole number from `low` to `high`.
    pub(super) fn opt_int(&self, name: &str, low: i64, high: i64) -> Result<Option<i64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number::whole(number),
            _ => None,
        };
        let Some(number) = number else {
            return Err(self.wrong_type(name, "a whole number", value));
        };
        match i64::try_from(number) {
            Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => {
                let detail = format!("must be from {low} to {high}");
                Err(self.fault(name, reason::VALUE_RANGE, detail))
            }
        }
    }

    pub(super) fn int(&self, name: &str, low: i64, high: i64) -> Result<i64> {
        self.required(name, self.opt_int(name, low, high)?)
    }

    pub(super) fn opt_number(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => match number.as_f64() {
                // Adding zero makes −0 a 0, so that equal scores have equal images.
                Some(number) if number.is_finite() => Ok(Some(number + 0.0)),
                _ => Err(self.fault(name, reason::VALUE_RANGE, "must be finite")),
            },
            Some(value) => Err(self.wrong_type(name, "a number", value)),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<f64> {
        self.required(name, self.opt_number(name)?)
    }

    /// An amount: a number or a text, at most 16 digits before the point and 2 after it.
    pub(super) fn opt_cents(&self, name: &str) -> Result<Option<Cents>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match number::cents(value) {
            Ok(cents) => Ok(Some(cents)),
            Err(number::AmountFault::Type) => Err(self.wrong_type(name, "an amount", value)),
            Err(number::AmountFault::Range(why)) => {
                Err(self.fault(name, reason::AMOUNT_RANGE, why))
            }
        }
    }

    /// When something happened: from 1990 to a day after the record.
    pub(super) fn opt_past(&self, name: &str) -> Result<Option<Timestamp>> {
        self.opt_time(name, EARLIEST, self.context.latest_past())
    }

    pub(super) fn past(&self, name: &str) -> Result<Timestamp> {
        self.required(name, self.opt_past(name)?)
    }

    /// When something is planned: from 1990 to 2100.
    pub(super) fn opt_plan(&self, name: &str) -> Result<Option<Timestamp>> {
        self.opt_time(name, EARLIEST, Timestamp::MAX)
    }

    pub(super) fn plan(&self, name: &str) -> Result<Timestamp> {
        self.required(name, self.opt_plan(name)?)
    }

    pub(super) fn opt_hired(&self, name: &str) -> Result<Option<Timestamp>> {
        self.opt_time(name, EARLIEST_HIRED, Timestamp::MAX)
    }

    /// A time that we wrote ourselves.
    pub(super) fn own_time(&self, name: &str) -> Result<Timestamp> {
        let found = self.opt_time(name, Timestamp(i64::MIN), Timestamp(i64::MAX))?;
        self.required(name, found)
    }

    fn opt_time(&self, name: &str, low: Timestamp, high: Timestamp) -> Result<Option<Timestamp>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(millis) = number::millis(value) else {
            let wanted = "milliseconds or an RFC 3339 time";
            return Err(self.wrong_type(name, wanted, value));
        };
        match i64::try_from(millis) {
            Ok(millis) if (low.0..=high.0).contains(&millis) => Ok(Some(Timestamp(millis))),
            _ => {
                let detail = format!("must be from {low} to {high}");
                Err(self.fault(name, reason::TIMESTAMP_RANGE, detail))
            }
        }
    }

    pub(super) fn opt_choice<T: Named>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.opt_str(name)? else { return Ok(None) };
        if let Some(value) = T::named(text) {
            return Ok(Some(value));
        }
        Err(if text == "UNKNOWN" {
            self.fault(name, reason::ENUM_UNKNOWN, "must be known to be acted on")
        } else {
            let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
            self.fault(name, reason::JSON_ENUM, format!("must be one of {}", names.join(", ")))
        })
    }

    pub(super) fn choice<T: Named>(&self, name: &str) -> Result<T> {
        self.required(name, self.opt_choice(name)?)
    }

    /// Reads each item of a list; absent = none.
    pub(super) fn opt_list<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value, Path<'_>) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Value::Array(items) = value else {
            return Err(self.wrong_type(name, "a list", value));
        };
        let path = Path::Field(&self.path, name);
        let read = |(index, item)| read(item, Path::Item(&path, index));
        items.iter().enumerate().map(read).collect::<Result<Vec<T>>>().map(Some)
    }

    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value, Path<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        Ok(self.opt_list(name, read)?.unwrap_or_default())
    }

    pub(super) fn opt_texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        self.opt_list(name, |value, path| item_text(value, path).map(str::to_owned))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.opt_texts(name)?.unwrap_or_default())
    }

    pub(super) fn ids<T: Id>(&self, name: &str) -> Result<Vec<T>> {
        self.list(name, |value, path| {
            T::read(item_text(value, path)?)
                .map_err(|why| path.fault(reason::ID_INVALID, why.to_string()))
        })
    }

    /// Reads a nested object; absent = none.
    pub(super) fn opt_object<T>(
        &self,
        name: &str,
        known: &[&str],
        read: impl FnOnce(Fields<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let path = Path::Field(&self.path, name);
        read(Fields::open(value, path, known, self.context)?).map(Some)
    }

    /// Reads each object of a list; absent = none.
    pub(super) fn objects<T>(
        &self,
        name: &str,
        known: &[&str],
        read: impl Fn(Fields<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let context = self.context;
        self.list(name, |value, path| read(Fields::open(value, path, known, context)?))
    }

    /// Custom fields, text by name; a null value is as good as absent.
    pub(super) fn text_map(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let Some(value) = self.get(name) else { return Ok(BTreeMap::new()) };
        let Value::Object(map) = value else {
            return Err(self.wrong_type(name, "an object", value));
        };
        let path = Path::Field(&self.path, name);
        let mut texts = BTreeMap::new();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let text = item_text(value, Path::Field(&path, key))?;
            texts.insert(key.clone(), text.to_owned());
        }
        Ok(texts)
    }
}

pub(super) fn item_text<'a>(value: &'a Value, path: Path<'_>) -> Result<&'a str> {
    match value {
        Value::String(text) if text.len() > MAX_TEXT_BYTES => {
            let detail = format!("a text has at most {MAX_TEXT_BYTES} bytes");
            Err(path.fault(reason::VALUE_RANGE, detail))
        }
        Value::String(text) => Ok(text),
        _ => Err(path.fault(reason::JSON_TYPE, expected("a text", value))),
    }
}

fn expected(wanted: &str, found: &Value) -> String {
    let kind = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("expected {wanted}, found {kind}")
}
