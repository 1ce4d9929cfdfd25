//! Schemas that refer to others, made whole: each other one is put in where it is first used.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Unavailable;
use super::answer::{self, Answer};
use super::client::{Client, Fetched};
use crate::codec::json;

/// References of all levels together.
const MOST: usize = 32;

pub(super) fn put_in(client: &Client, text: &str, list: &[Value]) -> Result<Fetched, Unavailable> {
    let mut named = BTreeMap::new();
    let mut open: Vec<Value> = list.to_vec();
    let mut asked = 0;
    while let Some(reference) = open.pop() {
        asked += 1;
        if asked > MOST {
            return Ok(Fetched::Unfit("refers to too many other schemas"));
        }
        let subject = answer::text(&reference, "subject")?;
        let version = answer::number(&reference, "version")?;
        let path = format!("/subjects/{}/versions/{version}", super::subjects::escaped(subject));
        let body = match client.get(&path)? {
            Answer::Found(body) => body,
            Answer::TooLarge => return Ok(Fetched::Unfit("refers to a schema that is too large")),
            // The registry keeps what is referred to: that it lacks it now decides nothing.
            _ => {
                return Err(Unavailable::new("the registry lacks a schema that another uses"));
            }
        };
        open.extend(
            body.get("references").and_then(Value::as_array).into_iter().flatten().cloned(),
        );
        let text = answer::text(&body, "schema")?;
        let Ok(schema) = json::parse(text.as_bytes()) else {
            return Ok(Fetched::Unfit("refers to a schema that is no JSON"));
        };
        if let Some(name) = full_name(&schema, "") {
            named.insert(name, schema);
        }
    }
    let Ok(mut schema) = json::parse(text.as_bytes()) else {
        return Ok(Fetched::Unfit("is no JSON"));
    };
    fill(&mut schema, "", &mut named);
    Ok(Fetched::Avro(schema.to_string()))
}

fn full_name(schema: &Value, namespace: &str) -> Option<String> {
    let name = schema.get("name")?.as_str()?;
    let namespace = schema.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    Some(qualified(name, namespace))
}

fn qualified(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}

/// Puts each named schema in at its first use; later ones refer to it by name.
fn fill(schema: &mut Value, namespace: &str, named: &mut BTreeMap<String, Value>) {
    match schema {
        Value::String(name) => {
            let found = [qualified(name, namespace), name.clone()];
            let Some((name, mut whole)) = found.iter().find_map(|name| named.remove_entry(name))
            else {
                return;
            };
            // Its names must not take on the namespace of where it now stands.
            if let (Some((space, _)), Value::Object(fields)) = (name.rsplit_once('.'), &mut whole) {
                fields.entry("namespace").or_insert_with(|| Value::from(space));
            }
            fill(&mut whole, "", named);
            *schema = whole;
        }
        Value::Array(branches) => {
            branches.iter_mut().for_each(|branch| fill(branch, namespace, named));
        }
        Value::Object(_) => {
            let full = full_name(schema, namespace);
            let inside = full.as_deref().and_then(|name| name.rsplit_once('.'));
            let inside = inside.map_or_else(|| namespace.to_owned(), |(space, _)| space.to_owned());
            for key in ["type", "items", "values"] {
                if let Some(inner) = schema.get_mut(key) {
                    fill(inner, &inside, named);
                }
            }
            for field in
                schema.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten()
            {
                if let Some(inner) = field.get_mut("type") {
                    fill(inner, &inside, named);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_reference_is_put_in_once_and_keeps_its_namespace() {
        let money = json!({"type": "record", "name": "a.Money", "fields": [
            {"name": "currency", "type": "Currency"}]});
        let currency =
            json!({"type": "enum", "name": "Currency", "namespace": "a", "symbols": ["E"]});
        let mut named =
            BTreeMap::from([("a.Money".to_owned(), money), ("a.Currency".to_owned(), currency)]);
        let mut schema = json!({"type": "record", "name": "Deal", "namespace": "b", "fields": [
            {"name": "won", "type": ["null", "a.Money"]},
            {"name": "lost", "type": {"type": "array", "items": "a.Money"}}]});
        fill(&mut schema, "", &mut named);
        assert!(named.is_empty());
        assert_eq!(schema["fields"][0]["type"][1]["name"], "a.Money");
        assert_eq!(schema["fields"][0]["type"][1]["fields"][0]["type"]["name"], "Currency");
        assert_eq!(schema["fields"][1]["type"]["items"], "a.Money");
        assert!(apache_avro_reads(&schema));
    }

    fn apache_avro_reads(schema: &Value) -> bool {
        crate::codec::schema::is_avro(&schema.to_string())
    }
}
