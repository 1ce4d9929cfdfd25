//! Building JSON objects: what is not known is left out.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::{Map, Value};

use super::names::Named;
use super::number;
use crate::domain::lead_fields::Cents;
use crate::domain::time::Timestamp;

#[derive(Default)]
pub(super) struct Out(Map<String, Value>);

impl Out {
    pub(super) fn new() -> Out {
        Out::default()
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn opt<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    pub(super) fn text(&mut self, name: &str, value: &Option<String>) {
        self.opt(name, value.as_deref());
    }

    /// An id, which displays as its text.
    pub(super) fn id(&mut self, name: &str, id: &impl Display) {
        self.put(name, id.to_string());
    }

    pub(super) fn opt_id<T: Display>(&mut self, name: &str, id: &Option<T>) {
        self.opt(name, id.as_ref().map(T::to_string));
    }

    pub(super) fn ids<T: Display>(&mut self, name: &str, ids: &[T]) {
        self.put(name, ids.iter().map(T::to_string).collect::<Vec<String>>());
    }

    pub(super) fn time(&mut self, name: &str, at: Timestamp) {
        self.put(name, at.0);
    }

    pub(super) fn opt_time(&mut self, name: &str, at: Option<Timestamp>) {
        self.opt(name, at.map(|at| at.0));
    }

    pub(super) fn opt_cents(&mut self, name: &str, cents: Option<Cents>) {
        self.opt(name, cents.map(number::from_cents));
    }

    pub(super) fn choice<T: Named>(&mut self, name: &str, value: T) {
        self.put(name, value.name());
    }

    pub(super) fn opt_choice<T: Named>(&mut self, name: &str, value: Option<T>) {
        self.opt(name, value.map(T::name));
    }

    pub(super) fn texts(&mut self, name: &str, texts: &[String]) {
        self.put(name, texts.to_vec());
    }

    pub(super) fn text_map(&mut self, name: &str, texts: &BTreeMap<String, String>) {
        let map: Map<String, Value> =
            texts.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect();
        self.put(name, map);
    }

    pub(super) fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T) -> Value) {
        self.put(name, items.iter().map(write).collect::<Vec<Value>>());
    }
}
