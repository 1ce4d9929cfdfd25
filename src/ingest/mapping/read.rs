//! The mapping file: read over the default, every fault named at once.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Mapping, MappingFault, Object, Target};

const STANDARD: &str = include_str!("default.toml");

/// The default: a standard org.
pub(super) fn standard() -> Result<Mapping, Vec<MappingFault>> {
    overlay(Mapping { objects: BTreeMap::new(), currency: None }, STANDARD)
}

/// Reads a mapping file.
pub fn parse(text: &str) -> Result<Mapping, Vec<MappingFault>> {
    overlay(standard()?, text)
}

fn overlay(mut mapping: Mapping, text: &str) -> Result<Mapping, Vec<MappingFault>> {
    let fault = |key: &str, detail: String| MappingFault { key: key.to_owned(), detail };
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        vec![fault("file", format!("is no TOML: {}", error.message()))]
    })?;
    let mut reader = Reader { faults: Vec::new() };
    for (key, value) in &table {
        match key.as_str() {
            "objects" => {
                for (name, value) in reader.table("objects", value) {
                    reader.object(&mut mapping, name, value);
                }
            }
            "currency" => mapping.currency = reader.currency(value),
            _ => reader.fault(key, "no such key; there are: objects, currency"),
        }
    }
    match reader.faults.is_empty() {
        true => Ok(mapping),
        false => Err(reader.faults),
    }
}

const KEYS: [&str; 10] = [
    "to",
    "id_field",
    "fields",
    "attributes",
    "custom_fields",
    "values",
    "constants",
    "only",
    "stages",
    "not_by",
];

struct Reader {
    faults: Vec<MappingFault>,
}

impl Reader {
    fn fault(&mut self, key: &str, detail: impl Into<String>) {
        self.faults.push(MappingFault { key: key.to_owned(), detail: detail.into() });
    }

    fn table<'v>(&mut self, key: &str, value: &'v Value) -> Vec<(&'v String, &'v Value)> {
        match value {
            Value::Table(table) => table.iter().collect(),
            _ => {
                self.fault(key, "must be a table");
                Vec::new()
            }
        }
    }

    fn text(&mut self, key: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Boolean(flag) => Some(flag.to_string()),
            _ => {
                self.fault(key, "must be a text");
                None
            }
        }
    }

    /// One text or a list of them.
    fn texts(&mut self, key: &str, value: &Value) -> Vec<String> {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let texts: Vec<String> = items.iter().filter_map(|item| self.text(key, item)).collect();
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }

    fn currency(&mut self, value: &Value) -> Option<String> {
        let code = self.text("currency", value)?;
        let fits = code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase());
        if !fits {
            self.fault("currency", "must be a code of ISO 4217, as EUR");
        }
        fits.then_some(code)
    }

    fn object(&mut self, mapping: &mut Mapping, name: &str, value: &Value) {
        let at = format!("objects.{name}");
        let Value::Table(table) = value else { return self.fault(&at, "must be a table") };
        let to = table.get("to").and_then(|to| self.text(&format!("{at}.to"), to));
        if to.as_deref() == Some("none") {
            mapping.objects.remove(name);
            return;
        }
        let target = match to.as_deref().map(|to| (to, Target::named(to))) {
            Some((_, Some(target))) => Some(target),
            Some((_, None)) => {
                let names: Vec<&str> = Target::NAMES.iter().map(|(_, name, _)| *name).collect();
                let detail = format!("must be one of {}, or none", names.join(", "));
                return self.fault(&format!("{at}.to"), detail);
            }
            None => mapping.objects.get(name).map(|object| object.to),
        };
        let Some(target) = target else {
            return self.fault(&at, "is not in the default: say with `to` what it becomes");
        };
        let old = mapping.objects.remove(name).filter(|object| object.to == target);
        let mut object = old.unwrap_or_else(|| Object::new(target));
        for (key, value) in table {
            let key_at = format!("{at}.{key}");
            match key.as_str() {
                "to" => {}
                "id_field" => object.id_field = self.text(&key_at, value),
                "custom_fields" => match value.as_bool() {
                    Some(flag) => object.custom_fields = flag,
                    None => self.fault(&key_at, "must be true or false"),
                },
                "fields" => self.fields(&key_at, value, &mut object),
                "attributes" => {
                    for (name, value) in self.table(&key_at, value) {
                        let source = self.text(&format!("{key_at}.{name}"), value);
                        match source.filter(|source| !source.is_empty()) {
                            Some(source) => object.attributes.insert(name.clone(), source),
                            None => object.attributes.remove(name),
                        };
                    }
                }
                "values" => self.values(&key_at, value, &mut object),
                "constants" => {
                    for (name, value) in self.table(&key_at, value) {
                        let at = format!("{key_at}.{name}");
                        self.known(&at, name, target);
                        if let Some(text) = self.text(&at, value) {
                            object.constants.insert(name.clone(), text);
                        }
                    }
                }
                "only" => {
                    for (name, value) in self.table(&key_at, value) {
                        let values = self.texts(&format!("{key_at}.{name}"), value);
                        object.only.insert(name.clone(), values);
                    }
                }
                "stages" => self.stages(&key_at, value, &mut object),
                "not_by" => object.not_by = self.ids(&key_at, value),
                _ => self.fault(&key_at, format!("no such key; there are: {}", KEYS.join(", "))),
            }
        }
        mapping.objects.insert(name.to_owned(), object);
    }

    fn known(&mut self, at: &str, name: &str, target: Target) {
        if !target.fields().contains(&name) {
            let detail = format!("no such field; there are: {}", target.fields().join(", "));
            self.fault(at, detail);
        }
    }

    fn fields(&mut self, at: &str, value: &Value, object: &mut Object) {
        for (name, value) in self.table(at, value) {
            let at = format!("{at}.{name}");
            self.known(&at, name, object.to);
            let sources = self.texts(&at, value);
            for source in &sources {
                let letters =
                    source.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.".contains(&it));
                if !letters {
                    self.fault(&at, "a field of Salesforce's is an API name, as Address.City");
                }
            }
            match sources.is_empty() {
                true => object.fields.remove(name),
                false => object.fields.insert(name.clone(), sources),
            };
        }
    }

    fn values(&mut self, at: &str, value: &Value, object: &mut Object) {
        for (name, value) in self.table(at, value) {
            let at = format!("{at}.{name}");
            if !object.attributes.contains_key(name) && !name.ends_with("__c") {
                self.known(&at, name, object.to);
            }
            let entry = object.values.entry(name.clone()).or_default();
            let mut pairs = Vec::new();
            for (theirs, ours) in self.table(&at, value) {
                if let Some(ours) = self.text(&format!("{at}.{theirs}"), ours) {
                    pairs.push((theirs.clone(), ours));
                }
            }
            entry.extend(pairs);
        }
    }

    fn stages(&mut self, at: &str, value: &Value, object: &mut Object) {
        for (name, value) in self.table(at, value) {
            let at = format!("{at}.{name}");
            let stages = self.texts(&at, value);
            match name.as_str() {
                "won" => object.won = stages,
                "lost" => object.lost = stages,
                _ => self.fault(&at, "no such key; there are: won, lost"),
            }
        }
        let both = object.won.iter().find(|stage| object.lost.contains(stage));
        if let Some(both) = both.cloned() {
            self.fault(at, format!("the stage {both:?} is both won and lost"));
        }
    }

    fn ids(&mut self, at: &str, value: &Value) -> Vec<String> {
        let texts = self.texts(at, value);
        let mut ids = Vec::with_capacity(texts.len());
        for text in texts {
            match crate::ingest::id::extend(&text) {
                Ok(id) => ids.push(id),
                Err(fault) => self.fault(at, fault.to_string()),
            }
        }
        ids
    }
}
