//! A picture read by the mapping: our fields from theirs, each in the form that the contract wants.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::codec::error::{Error, Result, reason};
use crate::ingest::id;
use crate::ingest::mapping::Object;
use crate::ingest::picture::Picture;
use crate::ingest::values;

/// A picture with the mapping of its object.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) object: &'a Object,
    pub(super) picture: &'a Picture,
}

impl<'a> Row<'a> {
    /// The value of ours: of their fields that have one, the one said last; of those said together, the
    /// first in the mapping's list.
    fn source(&self, ours: &str) -> Option<(&'a str, &'a Value)> {
        let picture = self.picture;
        let mut best: Option<(&'a str, &'a Value, &'a crate::ingest::change::Stamp)> = None;
        for name in self.object.sources(ours) {
            let Some((value, stamp)) = picture.get(name) else { continue };
            if best.is_none_or(|(_, _, known)| stamp.is_after(known)) {
                best = Some((name, value, stamp));
            }
        }
        best.map(|(name, value, _)| (name, value))
    }

    pub(super) fn value(&self, ours: &str) -> Option<Value> {
        match self.source(ours) {
            Some((_, value)) => Some(value.clone()),
            None => self.object.constants.get(ours).map(|text| Value::from(text.as_str())),
        }
    }

    /// As text, by the mapping's table of values.
    pub(super) fn text(&self, ours: &str) -> Option<String> {
        let text = values::text(&self.value(ours)?)?;
        let mapped = self.object.values.get(ours).and_then(|table| table.get(&text));
        Some(mapped.cloned().unwrap_or(text)).filter(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, ours: &str) -> Option<bool> {
        let text = self.text(ours)?;
        values::flag(&Value::from(text))
    }

    pub(super) fn instant(&self, ours: &str) -> Option<i64> {
        self.value(ours).as_ref().and_then(values::instant)
    }

    pub(super) fn whole(&self, ours: &str) -> Option<i64> {
        values::whole(&Value::from(self.text(ours)?))
    }

    pub(super) fn amount(&self, ours: &str) -> Option<String> {
        values::amount(&Value::from(self.text(ours)?))
    }

    pub(super) fn texts(&self, ours: &str) -> Option<Vec<String>> {
        let text = self.text(ours)?;
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        Some(parts.map(str::to_owned).collect())
    }

    /// A record's id, of 18 characters. An id that is none is a fault of the data.
    pub(super) fn id(&self, ours: &str) -> Result<Option<String>> {
        let Some(text) = self.text(ours) else { return Ok(None) };
        let field = self.source(ours).map_or(ours, |(name, _)| name);
        let fault = |fault: id::IdFault| Error::new(reason::ID_INVALID, field, fault.to_string());
        id::extend(&text).map(Some).map_err(fault)
    }

    pub(super) fn country(&self) -> Option<String> {
        values::country(&self.text("country")?)
    }

    pub(super) fn state(&self) -> Option<String> {
        let country = self.country();
        self.text("state").map(|state| values::state(&state, country.as_deref()))
    }

    pub(super) fn is_fresh(&self, ours: &str, fresh: &BTreeSet<String>) -> bool {
        self.object.sources(ours).iter().any(|name| fresh.contains(name))
    }

    /// The attributes with a value, by their name.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        let named = self.object.attributes.iter().map(|(name, source)| (name.clone(), source));
        let own = self.picture.fields().map(|(name, _)| name);
        let own =
            own.filter(|name| self.object.is_attribute(name)).map(|name| (name.clone(), name));
        named
            .chain(own)
            .filter_map(|(name, source)| Some((name.clone(), self.attribute(&name, source)?)))
            .collect()
    }

    fn attribute(&self, name: &str, source: &str) -> Option<String> {
        let text = values::text(self.picture.get(source)?.0)?;
        let text = match source.ends_with("RecordTypeId") {
            true => id::extend(&text).unwrap_or(text),
            false => text,
        };
        let mapped = self.object.values.get(name).and_then(|table| table.get(&text));
        Some(mapped.cloned().unwrap_or(text))
    }

    /// The names of the attributes whose field is fresh, with their value now.
    pub(super) fn fresh_attributes(
        &self,
        fresh: &BTreeSet<String>,
    ) -> Vec<(String, Option<String>)> {
        let named = self.object.attributes.iter().map(|(name, source)| (name.as_str(), source));
        let own = fresh.iter().filter(|name| self.object.is_attribute(name));
        let own = own.map(|name| (name.as_str(), name));
        let changed = named.filter(|(_, source)| fresh.contains(*source)).chain(own);
        changed.map(|(name, source)| (name.to_owned(), self.attribute(name, source))).collect()
    }
}
