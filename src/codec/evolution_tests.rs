//! The matrix: every record of the contract, each kind of change, old and new writers before old and new
//! readers; what is allowed is read as what was meant, what is forbidden is refused.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::{Value, json};

use super::avro::{self, Plan};
use super::evolution::{differences, forbidden};
use super::json as codec;
use super::round_trip_tests::{examples, meaning};
use super::schema::{Record, Writer};

fn schema(record: Record) -> Value {
    codec::parse(record.embedded().text.as_bytes()).expect("JSON")
}

fn fields(schema: &mut Value) -> &mut Vec<Value> {
    schema["fields"].as_array_mut().expect("fields")
}

/// The places of the fields that have a default, and of those that have none.
fn places(schema: &Value) -> (Vec<usize>, Vec<usize>) {
    let fields = schema["fields"].as_array().expect("fields");
    (0..fields.len()).partition(|at| fields[*at].get("default").is_some())
}

/// Each enum of a schema, wherever it is.
fn enums<'s>(schema: &'s mut Value, out: &mut Vec<&'s mut Value>) {
    if schema.get("type").and_then(Value::as_str) == Some("enum") {
        return out.push(schema);
    }
    match schema {
        Value::Object(map) => map.values_mut().for_each(|inner| enums(inner, out)),
        Value::Array(list) => list.iter_mut().for_each(|inner| enums(inner, out)),
        _ => {}
    }
}

/// What may be changed: a name, and the schema changed so.
fn allowed(record: Record) -> Vec<(String, Value)> {
    let ours = schema(record);
    let mut out = vec![("nothing".to_owned(), ours.clone())];
    let mut add = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = ours.clone();
        change(&mut changed);
        out.push((what.to_owned(), changed));
    };
    for at in places(&ours).0 {
        let name = ours["fields"][at]["name"].as_str().expect("a name").to_owned();
        add(&format!("without {name}"), &|schema| _ = fields(schema).remove(at));
    }
    let extra = [
        json!({"name": "added_text", "type": ["null", "string"], "default": null}),
        json!({"name": "added_number", "type": "long", "default": 7}),
        json!({"name": "added_list", "type": {"type": "array", "items": "string"}, "default": []}),
        json!({"name": "added_record", "default": null, "type": ["null", {"type": "record",
            "name": "Added", "fields": [{"name": "lead_id", "type": "int"}]}]}),
    ];
    for field in extra {
        add(&format!("with {}", field["name"]), &|schema| {
            fields(schema).insert(1, field.clone());
        });
    }
    add("the fields in another order", &|schema| fields(schema).reverse());
    add("other words", &|schema| {
        schema["doc"] = json!("In other words.");
        fields(schema).iter_mut().for_each(|field| field["doc"] = json!("In other words."));
    });
    add("an alias", &|schema| fields(schema)[0]["aliases"] = json!(["id"]));
    let mut copy = ours.clone();
    let mut found = Vec::new();
    enums(&mut copy, &mut found);
    for at in 0..found.len() {
        add("a symbol more", &|schema| {
            let mut found = Vec::new();
            enums(schema, &mut found);
            found[at]["symbols"].as_array_mut().expect("symbols").insert(0, json!("ADDED"));
        });
        add("the symbols in another order", &|schema| {
            let mut found = Vec::new();
            enums(schema, &mut found);
            found[at]["symbols"].as_array_mut().expect("symbols").reverse();
        });
    }
    out
}

/// A value with only the fields that a schema has, as data of it.
fn written(schema: &Value, value: &Value) -> Vec<u8> {
    let known: Vec<&str> = schema["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    let mut value = value.clone();
    value.as_object_mut().expect("an object").retain(|name, _| known.contains(&name.as_str()));
    let plan = Plan::of(&Schema::parse(schema).expect("a schema")).expect("a plan");
    let mut out = Vec::new();
    avro::write(&plan, &value, &mut out).expect("data");
    out
}

#[test]
fn what_is_allowed_is_read_as_what_was_meant_in_both_directions() {
    let (mut changes, mut read) = (0, 0);
    for record in Record::ALL {
        let ours = schema(record);
        let our_schema = Schema::parse(&ours).expect("a schema");
        for (what, other) in allowed(record) {
            // A type that later fields refer to cannot go with its field.
            if Schema::parse(&other).is_err() {
                continue;
            }
            changes += 1;
            let at = format!("{} {what}", record.name());
            assert_eq!(forbidden(&other.to_string(), record.embedded().text), Ok(vec![]), "{at}");
            let other_schema = Schema::parse(&other).expect("a schema");
            for (writer, reader) in [(&other_schema, &our_schema), (&our_schema, &other_schema)] {
                let judged = SchemaCompatibility::can_read(writer, reader);
                assert!(matches!(judged, Ok(Compatibility::Full)), "{at}: {judged:?}");
            }
            let writer = Writer::parse(&other.to_string()).expect("fit");
            let as_other = Plan::resolve(&our_schema, &other_schema).expect("fit");
            for (name, example) in examples(record) {
                let (_, value) = meaning(record, &example);
                // The other one writes, we read: what it has of ours is what it said.
                let back = avro::read(&writer.plan, &written(&other, &value)).expect("ours");
                let own = avro::read(record.embedded().plan(), &written(&ours, &value));
                let own = own.expect("ours");
                for field in other["fields"].as_array().expect("fields") {
                    let key = field["name"].as_str().expect("a name");
                    assert_eq!(back.get(key), own.get(key), "{at}: {name} {key}");
                }
                // We write, the other one reads.
                let theirs = avro::read(&as_other, &written(&ours, &value)).expect("theirs");
                let theirs = theirs.as_object().expect("an object");
                let kept = theirs.iter().all(|(key, value)| own.get(key) == Some(value));
                assert!(kept, "{at}: {name}");
                read += 2;
            }
        }
    }
    println!("{changes} changes of {} records, {read} data read", Record::ALL.len());
    assert!(changes > 200);
}

/// What must not be changed.
fn forbidden_changes(record: Record) -> Vec<(String, Value)> {
    let ours = schema(record);
    let mut out = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = ours.clone();
        change(&mut changed);
        assert_ne!(changed, ours, "{what}");
        out.push((what.to_owned(), changed));
    };
    let (optional, required) = places(&ours);
    for at in required.clone() {
        let name = ours["fields"][at]["name"].as_str().expect("a name").to_owned();
        add(&format!("without {name}"), &|schema| _ = fields(schema).remove(at));
        add(&format!("{name} renamed, with an alias"), &|schema| {
            fields(schema)[at]["aliases"] = json!([name]);
            fields(schema)[at]["name"] = json!(format!("new_{name}"));
        });
        add(&format!("{name} may be null"), &|schema| {
            let kind = fields(schema)[at]["type"].take();
            fields(schema)[at]["type"] = json!([kind, "null"]);
        });
    }
    for at in optional.into_iter().chain(required) {
        let name = ours["fields"][at]["name"].as_str().expect("a name").to_owned();
        add(&format!("{name} of another type"), &|schema| {
            fields(schema)[at]["type"] = json!({"type": "map", "values": "float"});
            fields(schema)[at].as_object_mut().expect("a field").remove("default");
        });
        if ours["fields"][at]["type"].is_array() {
            add(&format!("{name} must not be null any more"), &|schema| {
                let inner = fields(schema)[at]["type"][1].clone();
                fields(schema)[at]["type"] = inner;
                fields(schema)[at].as_object_mut().expect("a field").remove("default");
            });
        }
    }
    add("a field more without a default", &|schema| {
        fields(schema).push(json!({"name": "added", "type": "string"}));
    });
    add("another name", &|schema| schema["name"] = json!("Other"));
    add("another namespace", &|schema| schema["namespace"] = json!("io.leadrouter.v2"));
    let as_text = ours.to_string();
    let replaced = [
        ("milliseconds made microseconds", "timestamp-millis", "timestamp-micros"),
        ("int made long", "[\"null\",\"int\"]", "[\"null\",\"long\"]"),
        ("another scale", "\"scale\":2", "\"scale\":4"),
        ("lists of numbers", "\"items\":\"string\"", "\"items\":\"long\""),
        ("an enum renamed", "\"type\":\"enum\"", "\"aliases\":[\"x\"],\"type\":\"enum\""),
    ];
    for (what, from, to) in replaced {
        if what != "an enum renamed" && as_text.contains(from) {
            let changed = codec::parse(as_text.replacen(from, to, 1).as_bytes()).expect("JSON");
            out.push((what.to_owned(), changed));
        }
    }
    let mut copy = ours.clone();
    let mut found = Vec::new();
    enums(&mut copy, &mut found);
    for at in 0..found.len() {
        let mut changed = ours.clone();
        let mut found = Vec::new();
        enums(&mut changed, &mut found);
        found[at]["name"] = json!("Renamed");
        out.push(("an enum renamed".to_owned(), changed));
        let mut changed = ours.clone();
        let mut found = Vec::new();
        enums(&mut changed, &mut found);
        found[at]["symbols"].as_array_mut().expect("symbols").remove(0);
        found[at].as_object_mut().expect("an enum").remove("default");
        out.push(("a symbol less, and no default".to_owned(), changed));
    }
    out
}

#[test]
fn what_is_forbidden_is_refused() {
    let (mut changes, mut stricter) = (0, 0);
    for record in Record::ALL {
        let ours = Schema::parse(&schema(record)).expect("a schema");
        for (what, other) in forbidden_changes(record) {
            // Some names are used twice in a schema: a change of one makes it no schema any more.
            let Ok(theirs) = Schema::parse(&other) else { continue };
            changes += 1;
            let faults = forbidden(&other.to_string(), record.embedded().text).expect("schemas");
            assert!(!faults.is_empty(), "{} {what} was allowed", record.name());
            let lines = differences(&other.to_string(), record.embedded().text).expect("schemas");
            assert!(!lines.is_empty(), "{} {what}", record.name());
            let judged = [(&ours, &theirs), (&theirs, &ours)].map(|(writer, reader)| {
                matches!(SchemaCompatibility::can_read(writer, reader), Ok(Compatibility::Full))
            });
            stricter += usize::from(judged == [true, true]);
        }
    }
    println!("{changes} forbidden changes refused; apache-avro would allow {stricter} of them");
    assert!(changes > 200);
}

#[test]
fn faults_name_the_field_and_who_could_not_read() {
    let ours = Record::Rep.embedded().text;
    let other = ours.replacen("\"name\": \"active\"", "\"name\": \"is_active\"", 1);
    assert_ne!(other, ours);
    assert_eq!(
        forbidden(&other, ours),
        Ok(vec![
            "readers with the old schema: active: is not written and has no default".to_owned(),
            "readers with the new schema: is_active: is not written and has no default".to_owned(),
        ])
    );
    let lines = differences(&other, ours).expect("schemas");
    assert_eq!(lines, ["- active: boolean, default none", "+ is_active: boolean, default none"]);
    assert_eq!(differences(ours, ours), Ok(vec![]));
    assert!(forbidden("{", ours).is_err());
}
