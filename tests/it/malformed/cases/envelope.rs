//! Keys, nulls, timestamps, headers, places: 43 to 47.

use lead_router::domain::input::Topic;

use super::Fate::{Dead, Taken};
use super::{Header, Table, t0};

fn lead(id: &str) -> String {
    format!("{{\"event_id\":\"{id}\",\"lead_id\":\"{id}\",\"created_at\":{}}}", t0())
}

pub(super) fn add(table: &mut Table) {
    keys(table);
    for (topic, what) in
        [(Topic::LeadCreated, "a null lead"), (Topic::TerritoryChanged, "a null territory")]
    {
        table.add(44, what, topic, b"".to_vec(), Dead("value.null")).value = None;
    }
    table.lead(44, "the word null", b"null".to_vec(), Dead("value.null"));
    let year_3000 = 32_503_680_000_000;
    for (what, at) in [("published in 1970", 0), ("before 1970", -1), ("in 3000", year_3000)] {
        let case = table.lead(45, what, lead("published"), Dead("timestamp_range"));
        case.timestamp = Some(at);
    }
    headers(table);
    let case =
        table.lead(47, "a domain in another partition", lead("astray"), Dead("key.partition"));
    case.astray = true;
}

fn keys(table: &mut Table) {
    for (what, key) in [
        ("no key", None),
        ("an empty key", Some(&b""[..])),
        ("a blank key", Some(b"  ")),
        ("a key that is no UTF-8", Some(b"\xff\xfe")),
    ] {
        let case = table.lead(43, what, lead("keyed"), Dead("key.missing"));
        case.key = key.map(<[u8]>::to_vec);
    }
    for (what, key) in [
        ("a key in an Avro frame", &b"\0\0\0\0\x01\x08acme"[..]),
        ("a key of 256 bytes", &[b'x'; 256]),
    ] {
        table.lead(43, what, lead("keyed"), Dead("id.invalid")).key = Some(key.to_vec());
    }
    let case = table.lead(43, "the lead's id for a key", lead("own-key"), Taken);
    case.key = Some(b"own-key".to_vec());
}

fn headers(table: &mut Table) {
    let named = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let many: Vec<Header> = (0..1_000).map(|n| named(&format!("h{n}"), Some(b"v"))).collect();
    let traced = vec![
        named("traceparent", Some(b"00-000...")),
        named("traceparent", Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        named("nothing", None),
        named("", Some(b"\xff\xfe")),
    ];
    table.lead(46, "1,000 headers", lead("headed-1000"), Taken).headers = many.clone();
    table.lead(46, "headers that say nothing", lead("traced"), Taken).headers = traced.clone();
    let case = table.lead(46, "1,000 headers, and no JSON", b"{".to_vec(), Dead("json.syntax"));
    case.headers = many;
    let case = table.lead(46, "odd headers, and no JSON", b"{".to_vec(), Dead("json.syntax"));
    case.headers = traced;
    let large = lead("large").replace('}', &format!(",\"x\":\"{}\"}}", "x".repeat(2 << 20)));
    table.lead(46, "a field of 2 MB that nobody knows", large.clone(), Taken);
    let cut = large.as_bytes()[..large.len() - 2].to_vec();
    table.lead(46, "2 MB that break off", cut, Dead("json.syntax"));
}
