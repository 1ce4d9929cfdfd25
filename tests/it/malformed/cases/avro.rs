//! Frames, data and writers' schemas: 1 to 33.

use lead_router::codec::schema::Record;
use lead_router::domain::input::Topic;
use serde_json::{Value, json};

use super::Fate::{Dead, Taken};
use super::{Answer, Table, framed, long, t0, text};

pub(super) fn add(table: &mut Table) {
    frames(table);
    ids(table);
    data(table);
    texts(table);
    bombs(table);
    values(table);
    writers(table);
    texts_of_schemas(table);
}

/// A writer's schema of a lead: the required fields and these.
fn lead_schema(extra: Value) -> String {
    let mut fields = vec![
        json!({"name": "event_id", "type": "string"}),
        json!({"name": "lead_id", "type": "string"}),
        json!({"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}),
    ];
    fields.extend(extra.as_array().cloned().unwrap_or_default());
    record("Lead", Value::Array(fields))
}

fn record(name: &str, fields: Value) -> String {
    json!({"type": "record", "name": name, "namespace": "io.leadrouter.v1", "fields": fields})
        .to_string()
}

/// The required fields of a lead as a datum; each case has a lead of its own.
fn lead_datum(lead: &str) -> Vec<u8> {
    [text(lead.as_bytes()), text(lead.as_bytes()), long(t0())].concat()
}

/// Our own schema's lead that says no more than it must.
fn own_datum(lead: &str) -> Vec<u8> {
    // Nulls, two empty lists, three nulls and so on: each is one zero byte.
    let rest = Record::Lead.embedded().text.matches("\"doc\"").count() - 1 - 3;
    [lead_datum(lead), vec![0; rest]].concat()
}

fn frames(table: &mut Table) {
    let own = table.schema(Record::Lead.embedded().text);
    assert_eq!(own, 1, "the first schema is ours");
    table.lead(1, "nothing", b"".to_vec(), Dead("frame.too_short"));
    table.lead(2, "a magic byte", b"\0".to_vec(), Dead("frame.too_short"));
    table.lead(3, "half an id", b"\0\0\0\0".to_vec(), Dead("frame.too_short"));
    table.lead(3, "half a GUID", b"\x01\0\0\0\0".to_vec(), Dead("frame.too_short"));
    table.lead(3, "half a fingerprint", b"\xc3\x01\0\0".to_vec(), Dead("frame.too_short"));
    table.lead(4, "an id and no datum", framed(own, &[]), Dead("avro.truncated"));
    let guid = [&b"\x01"[..], b"0123456789abcdef", &own_datum("guid")].concat();
    table.lead(5, "a GUID that nobody knows", guid, Dead("schema.unknown"));
    let glue = [&b"\x03\0"[..], b"0123456789abcdef", &own_datum("glue")].concat();
    table.lead(6, "the frame of another registry", glue, Dead("frame.magic"));
    table.lead(6, "single object, version 2", b"\xc3\x02\0".to_vec(), Dead("frame.magic"));
    let json = format!("{{\"event_id\":\"j\",\"lead_id\":\"j\",\"created_at\":{}}}", t0());
    table.lead(7, "JSON among Avro", json.clone(), Taken);
    table.lead(7, "JSON after white space", format!("\n\t {json}"), Taken);
    let single =
        [&[0xc3, 1][..], &Record::Lead.embedded().fingerprint.to_le_bytes(), &own_datum("single")]
            .concat();
    table.lead(7, "a single object", single, Taken);
    table.lead(7, "framed", framed(own, &own_datum("framed")), Taken);
    let unknown = b"\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08\0".to_vec();
    table.lead(8, "a fingerprint that nobody released", unknown, Dead("schema.unknown"));
}

fn ids(table: &mut Table) {
    let datum = own_datum("ids");
    table.lead(8, "an unknown id", framed(0x7fff_ffff, &datum), Dead("schema.unknown"));
    table.lead(9, "a negative id", framed(u32::MAX, &datum), Dead("schema.unknown"));
    table.lead(9, "id 0", framed(0, &datum), Dead("schema.unknown"));
    let protobuf = table.answer(Answer::Other("PROTOBUF", "syntax = \"proto3\";"));
    table.lead(10, "a Protobuf schema", framed(protobuf, &datum), Dead("schema.invalid"));
    let json = table.answer(Answer::Other("JSON", "{\"type\":\"object\"}"));
    table.lead(10, "a JSON schema", framed(json, &datum), Dead("schema.invalid"));
    let rep = table.schema(Record::Rep.embedded().text);
    table.lead(11, "a rep's schema", framed(rep, &datum), Dead("schema.unexpected_name"));
    let key = table.schema("\"string\"");
    table.lead(11, "the key's schema", framed(key, &datum), Dead("schema.unexpected_name"));
    let name = "__value_schema_id".to_owned();
    let id = [&[0][..], &1_u32.to_be_bytes()].concat();
    let case = table.lead(12, "an id in a header", own_datum("headed"), Taken);
    case.headers = vec![(name.clone(), Some(id.clone()))];
    // The header counts, so the frame is read as data.
    let twice = framed(rep, &own_datum("twice"));
    let case = table.lead(12, "header and frame disagree", twice, Dead("avro.invalid"));
    case.headers = vec![(name.clone(), Some(id))];
    for broken in [None, Some(vec![]), Some(b"17".to_vec()), Some(vec![0, 0, 0, 0, 1, 9])] {
        let datum = own_datum("broken header");
        let case = table.lead(12, "a header that is no id", datum, Dead("frame.magic"));
        case.headers = vec![(name.clone(), broken)];
    }
}

fn data(table: &mut Table) {
    let whole = own_datum("cut");
    for end in 0..whole.len() {
        let what = format!("cut after {end} bytes");
        table.lead(14, &what, framed(1, &whole[..end]), Dead("avro.truncated"));
    }
    let longer = [&whole[..], &[0]].concat();
    table.lead(15, "a byte too many", framed(1, &longer), Dead("avro.trailing"));
    let twice = [&whole[..], &whole].concat();
    table.lead(15, "two data", framed(1, &twice), Dead("avro.trailing"));
    let lengths = [
        (16, "a length of -1", long(-1), "avro.invalid"),
        (16, "the smallest length", long(i64::MIN), "avro.invalid"),
        (17, "the largest length", long(i64::MAX), "avro.truncated"),
        (18, "a length of 511 MiB", long(511 << 20), "avro.truncated"),
        (19, "a number of eleven bytes", vec![0xff; 11], "avro.invalid"),
        (19, "a number of 70 bits", [vec![0xff; 9], vec![0x7f]].concat(), "avro.invalid"),
    ];
    for (group, what, bytes, reason) in lengths {
        let datum = [bytes, b"xyz".to_vec()].concat();
        table.lead(group, what, framed(1, &datum), Dead(reason));
    }
    let mut needless = own_datum("needless");
    needless.splice(0..1, [0x80 | needless[0], 0x80, 0]);
    table.lead(20, "needless continuations", framed(1, &needless), Taken);
    let option = table.schema(lead_schema(json!([
        {"name": "company", "type": ["null", "string"], "default": null}])));
    for index in [7, -1, 2, i64::MAX] {
        let datum = [lead_datum("union"), long(index)].concat();
        table.lead(21, "a branch that is not there", framed(option, &datum), Dead("avro.invalid"));
    }
    let activity = table.schema(Record::LeadActivity.embedded().text);
    for index in [99, -5] {
        let datum = [text(b"e"), text(b"l"), long(0), long(index), long(t0())].concat();
        let value = framed(activity, &datum);
        let what = "a symbol that is not there";
        table.add(22, what, Topic::LeadActivity, value, Dead("avro.invalid"));
    }
}

fn texts(table: &mut Table) {
    let named = |id: &[u8]| [text(b"e"), text(id), own_datum("").split_off(2)].concat();
    for (what, bytes) in [
        ("half a character", &b"\xc3\x28"[..]),
        ("an overlong character", b"\xc0\x80"),
        ("a lone surrogate", b"\xed\xa0\x80"),
    ] {
        table.lead(23, what, framed(1, &named(bytes)), Dead("avro.invalid"));
    }
    table.lead(23, "NUL in an id", framed(1, &named(b"00Q\0x")), Dead("id.invalid"));
    table.lead(23, "an id of 256 bytes", framed(1, &named(&[b'x'; 256])), Dead("id.invalid"));
    let email = table.schema(lead_schema(json!([{"name": "email", "type": "string"}])));
    let huge = [lead_datum("huge"), text(&vec![b'x'; 1 << 20])].concat();
    table.lead(23, "an address of 1 MB", framed(email, &huge), Dead("value.range"));
    let fits = [lead_datum("fits"), text(&vec![b'x'; 512 << 10])].concat();
    table.lead(23, "the longest text", framed(email, &fits), Taken);
}

fn bombs(table: &mut Table) {
    let nulls = json!({"type": "array", "items": "null"});
    let flat = table.schema(lead_schema(json!([{"name": "x", "type": nulls}])));
    let datum = [lead_datum("bomb"), vec![0x80, 0xa4, 0xe8, 0x07, 0]].concat();
    table.lead(24, "8 million nulls in 5 bytes", framed(flat, &datum), Dead("avro.invalid"));
    let nested = json!({"type": "array", "items": nulls});
    let nested = table.schema(lead_schema(json!([{"name": "x", "type": nested}])));
    let blocks = [long(6), [long(7_000_000), vec![0]].concat().repeat(6), vec![0]].concat();
    assert!(blocks.len() <= 32);
    let datum = [lead_datum("bomb"), blocks].concat();
    table.lead(25, "42 million nulls in 32 bytes", framed(nested, &datum), Dead("avro.invalid"));
    let many = [long(400_000), [long(400_000), vec![0]].concat().repeat(9)].concat();
    let datum = [lead_datum("bomb"), many].concat();
    table.lead(25, "many blocks below the limit", framed(nested, &datum), Dead("avro.invalid"));
    let symbols: Vec<String> = (0..40).map(|n| format!("S{n}_{}", "x".repeat(60))).collect();
    let enums = json!({"type": "array", "items":
        {"type": "enum", "name": "E", "symbols": symbols, "default": symbols[0]}});
    let enums = table.schema(lead_schema(json!([{"name": "x", "type": enums}])));
    let datum = [lead_datum("bomb"), long(900_000), vec![0; 900_001]].concat();
    table.lead(25, "900,000 symbols", framed(enums, &datum), Dead("avro.invalid"));
    let ints = table.schema(lead_schema(json!([{"name": "x",
        "type": {"type": "array", "items": "int"}}])));
    let tail = |bytes: Vec<u8>| [lead_datum("block"), bytes].concat();
    let smallest = tail([long(i64::MIN), long(0), vec![0]].concat());
    table.lead(26, "the smallest count", framed(ints, &smallest), Dead("avro.invalid"));
    let wrong = tail([long(-2), long(9), vec![2, 4, 0]].concat());
    table.lead(26, "a block of another size", framed(ints, &wrong), Dead("avro.invalid"));
    let negative = tail([long(-2), long(-2), vec![2, 4, 0]].concat());
    table.lead(26, "a block of a negative size", framed(ints, &negative), Dead("avro.invalid"));
    let right = tail([long(-2), long(2), vec![2, 4, 0]].concat());
    table.lead(26, "a block that says its size", framed(ints, &right), Taken);
    let list = json!({"type": "record", "name": "Node", "fields": [
        {"name": "next", "type": ["null", "Node"], "default": null}]});
    let recursive = table.schema(lead_schema(json!([{"name": "x", "type": list}])));
    let datum = [lead_datum("deep"), vec![2; 2_000], vec![0]].concat();
    table.lead(27, "a list of 2,000 records", framed(recursive, &datum), Dead("schema.invalid"));
}

fn values(table: &mut Table) {
    let times = [
        ("the smallest time", i64::MIN),
        ("the largest time", i64::MAX),
        ("time 0", 0),
        ("time -1", -1),
        ("seconds for milliseconds", t0() / 1_000),
        ("microseconds for milliseconds", t0() * 1_000),
    ];
    for (what, at) in times {
        let datum = [text(b"t"), text(b"t"), long(at), own_datum("").split_off(8)].concat();
        table.lead(28, what, framed(1, &datum), Dead("timestamp_range"));
    }
    let revenue = table.schema(lead_schema(json!([{"name": "annual_revenue", "type":
        {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}}])));
    for (what, bytes) in [
        ("an amount without digits", &[][..]),
        ("an amount of 64 bytes", &[1; 64]),
        ("an amount of 16 bytes", &[1; 16]),
        ("a negative amount", &[0xff]),
    ] {
        let datum = [lead_datum("amount"), text(bytes)].concat();
        table.lead(29, what, framed(revenue, &datum), Dead("amount_range"));
    }
    let score = table.schema(lead_schema(json!([{"name": "score", "type": "double"}])));
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let datum = [lead_datum("score"), number.to_le_bytes().to_vec()].concat();
        table.lead(30, "a score without a value", framed(score, &datum), Dead("value.range"));
    }
    let datum = [lead_datum("negative zero"), (-0.0_f64).to_le_bytes().to_vec()].concat();
    table.lead(30, "a score of -0", framed(score, &datum), Taken);
    let attributes = table.schema(lead_schema(json!([{"name": "attributes",
        "type": {"type": "map", "values": "string"}}])));
    let twice = [long(2), text(b"k"), text(b"1"), text(b"k"), text(b"2"), vec![0]].concat();
    let datum = [lead_datum("map"), twice].concat();
    table.lead(31, "a key twice", framed(attributes, &datum), Dead("avro.invalid"));
    for id in ["", "   ", "\u{2003}"] {
        let datum = [text(b"e"), text(id.as_bytes()), own_datum("").split_off(2)].concat();
        table.lead(31, "a blank id", framed(1, &datum), Dead("id.invalid"));
    }
}

fn writers(table: &mut Table) {
    let datum = lead_datum("older");
    let older = table.schema(lead_schema(json!([])));
    table.lead(32, "an older writer", framed(older, &datum), Taken);
    let unfit = |table: &mut Table, what: &str, schema: String, reason| {
        let id = table.schema(schema);
        table.lead(32, what, framed(id, &lead_datum("unfit")), Dead(reason));
    };
    let short = record("Lead", json!([{"name": "event_id", "type": "string"}]));
    unfit(table, "a required field removed", short, "schema.invalid");
    let wide = lead_schema(json!([{"name": "employees", "type": "long"}]));
    unfit(table, "int made long", wide, "schema.invalid");
    // Of a union, each branch counts for itself: null fits, and so does a number that does.
    let wide = table.schema(lead_schema(json!([{"name": "employees", "type": ["null", "long"]}])));
    for (number, fate) in [(5, Taken), (i64::MAX, Dead("value.range"))] {
        let datum = [lead_datum("wide"), long(1), long(number)].concat();
        table.lead(32, "int made long in a union", framed(wide, &datum), fate);
    }
    let other = lead_schema(json!([{"name": "employees", "type": "string"}]));
    unfit(table, "int made text", other, "schema.invalid");
    let renamed = lead_schema(json!([])).replace("\"Lead\"", "\"NewLead\"");
    unfit(table, "the record renamed", renamed, "schema.unexpected_name");
    let moved = lead_schema(json!([])).replace("io.leadrouter.v1", "io.leadrouter.v2");
    unfit(table, "the namespace changed", moved, "schema.unexpected_name");
    let alias = lead_schema(json!([]))
        .replace("\"name\":\"lead_id\"", "\"name\":\"leadId\",\"aliases\":[\"lead_id\"]");
    assert!(alias.contains("leadId"));
    unfit(table, "a field renamed with an alias", alias, "schema.invalid");
    let turned =
        table.schema(lead_schema(json!([{"name": "company", "type": ["string", "null"]}])));
    let datum = [lead_datum("turned"), long(0), text(b"Acme")].concat();
    table.lead(32, "a union in another order", framed(turned, &datum), Taken);
    let symbols = record(
        "LeadActivity",
        json!([
            {"name": "event_id", "type": "string"}, {"name": "lead_id", "type": "string"},
            {"name": "kind", "type": {"type": "enum", "name": "ActivityKind",
                "symbols": ["FAX", "CALL"]}},
            {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
        ]),
    );
    let symbols = table.schema(symbols);
    let fax = [text(b"fax"), text(b"fax"), long(0), long(t0())].concat();
    let value = framed(symbols, &fax);
    table.add(32, "a symbol added", Topic::LeadActivity, value, Dead("enum.unknown"));
    let call = [text(b"call"), text(b"call"), long(1), long(t0())].concat();
    let value = framed(symbols, &call);
    table.add(32, "a known symbol at another place", Topic::LeadActivity, value, Taken);
}

fn texts_of_schemas(table: &mut Table) {
    let doubled = lead_schema(json!([{"name": "lead_id", "type": "string"}]));
    let bad_name = record("Lead", json!([{"name": "1bad", "type": "string"}]));
    let deep =
        format!("{}\"int\"{}", "{\"type\":\"array\",\"items\":".repeat(2_000), "}".repeat(2_000));
    let deep =
        record("Lead", json!([])).replace("[]", &format!("[{{\"name\":\"x\",\"type\":{deep}}}]"));
    let huge = lead_schema(json!([{"name": "x", "type": "string", "doc": "x".repeat(5 << 20)}]));
    for (what, schema) in [
        ("a schema that is no JSON", "{\"type\":".to_owned()),
        ("a schema that is no Avro", "{\"type\":\"elephant\"}".to_owned()),
        ("a schema with a field twice", doubled),
        ("a schema with a name that is none", bad_name),
        ("a schema of 2,000 lists in each other", deep),
        ("a schema of 5 MB", huge),
    ] {
        let id = table.schema(schema);
        table.lead(33, what, framed(id, &lead_datum("schema")), Dead("schema.invalid"));
    }
}
