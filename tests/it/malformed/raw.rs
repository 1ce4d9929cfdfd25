//! Raw records of a CRM, 35 to 42: what ingest makes of each, in order, and that the next good one goes through.

use lead_router::cli::ingest::pipe::IngestPipe;
use lead_router::ingest::schema::Schemas;
use lead_router::ingest::{Mapping, Parser};
use serde_json::{Value, json};

/// 2026-03-16T21:32:31Z.
const AT: i64 = 1_773_696_751_000;
const LEAD: &str = "00Q5f00000AbCd1EAF";
const OTHER: &str = "00Q5f00000AbCd2EAF";

/// A record: what it is, its head, its fields; then the outcome, the reason and how many events.
type Row = (&'static str, Value, Value, &'static str, Option<&'static str>, usize);

fn head(kind: &str, ids: &[&str], number: i64) -> Value {
    json!({
        "entityName": "Lead", "recordIds": ids, "changeType": kind,
        "changeOrigin": "com/salesforce/api/rest/60.0", "sequenceNumber": 1,
        "transactionKey": format!("00065380-d1a9-a64a-9341-{number:012}"),
        "commitTimestamp": AT + number, "commitNumber": 1_100_823_480_000 + number,
        "commitUser": "0055f000005mAnnAAE",
    })
}

fn with(mut head: Value, name: &str, value: Value) -> Value {
    head[name] = value;
    head
}

fn created() -> Value {
    json!({"Company": "Acme", "CreatedDate": "2026-03-16T21:32:31.000Z"})
}

fn groups() -> Vec<(u8, Vec<Row>)> {
    let company = |name: &str| json!({ "Company": name });
    let dead = "dead_letter";
    vec![
        (35, vec![("no head", Value::Null, created(), dead, Some("field.missing"), 0)]),
        (
            36,
            vec![
                (
                    "an unknown kind",
                    head("EXPLODE", &[LEAD], 1),
                    json!({}),
                    dead,
                    Some("enum.unknown"),
                    0,
                ),
                (
                    "no kind",
                    with(head("", &[LEAD], 2), "changeType", Value::Null),
                    json!({}),
                    dead,
                    Some("field.missing"),
                    0,
                ),
            ],
        ),
        (
            37,
            vec![
                (
                    "a lost creation",
                    head("GAP_CREATE", &[LEAD], 1),
                    json!({}),
                    "stale",
                    Some("gap"),
                    1,
                ),
                (
                    "of an unknown lead",
                    head("GAP_UPDATE", &[OTHER], 2),
                    json!({}),
                    "stale",
                    Some("gap"),
                    0,
                ),
                (
                    "everything",
                    with(head("GAP_OVERFLOW", &[], 3), "recordIds", json!(["000000000000000AAA"])),
                    json!({}),
                    "stale",
                    Some("gap"),
                    0,
                ),
            ],
        ),
        (
            38,
            vec![
                (
                    "several records",
                    head("CREATE", &[LEAD, OTHER], 1),
                    created(),
                    "mapped",
                    None,
                    2,
                ),
                ("no record", head("UPDATE", &[], 2), company("B"), dead, Some("field.missing"), 0),
                (
                    "a contact's id",
                    head("UPDATE", &["0035f00002JUZPDAA5"], 3),
                    company("B"),
                    dead,
                    Some("id.invalid"),
                    0,
                ),
                (
                    "in lower case",
                    head("UPDATE", &["00q5f00000abcd1eaf"], 4),
                    company("B"),
                    dead,
                    Some("id.invalid"),
                    0,
                ),
                (
                    "15 characters",
                    head("UPDATE", &["00Q5f00000AbCd1"], 5),
                    company("B"),
                    "mapped",
                    None,
                    1,
                ),
            ],
        ),
        (
            39,
            vec![
                (
                    "updated before it is known",
                    head("UPDATE", &[OTHER], 1),
                    company("A"),
                    "mapped",
                    None,
                    1,
                ),
                ("created", head("CREATE", &[LEAD], 2), created(), "mapped", None, 1),
                (
                    "created twice",
                    head("CREATE", &[LEAD], 2),
                    created(),
                    "ignored",
                    Some("duplicate"),
                    0,
                ),
                ("deleted", head("DELETE", &[LEAD], 5), json!({}), "mapped", None, 1),
                (
                    "a number that goes back",
                    head("UPDATE", &[LEAD], 4),
                    company("B"),
                    "ignored",
                    Some("superseded"),
                    0,
                ),
                ("undeleted", head("UNDELETE", &[LEAD], 6), created(), "mapped", None, 1),
            ],
        ),
        (
            40,
            vec![
                ("created", head("CREATE", &[LEAD], 1), created(), "mapped", None, 1),
                (
                    "absent is unchanged",
                    head("UPDATE", &[LEAD], 2),
                    json!({}),
                    "ignored",
                    Some("no_mapped_field"),
                    0,
                ),
                (
                    "null is cleared",
                    head("UPDATE", &[LEAD], 3),
                    json!({"Company": null}),
                    "mapped",
                    None,
                    1,
                ),
            ],
        ),
        (
            41,
            vec![
                ("created", head("CREATE", &[LEAD], 1), created(), "mapped", None, 1),
                (
                    "converted",
                    head("UPDATE", &[LEAD], 2),
                    json!({"IsConverted": true}),
                    "mapped",
                    None,
                    1,
                ),
                (
                    "from the beginning again",
                    head("CREATE", &[LEAD], 1),
                    created(),
                    "ignored",
                    Some("duplicate"),
                    0,
                ),
            ],
        ),
        (
            42,
            vec![
                ("created", head("CREATE", &[LEAD], 1), created(), "mapped", None, 1),
                (
                    "an owner",
                    head("UPDATE", &[LEAD], 2),
                    json!({"OwnerId": "0055f000005mBobAAE"}),
                    "mapped",
                    None,
                    1,
                ),
            ],
        ),
    ]
}

#[test]
fn every_group_of_raw_records_has_its_outcome() {
    let mut said = Vec::new();
    for (group, rows) in groups() {
        let parser = Parser { schemas: Schemas::default(), mapping: Mapping::default().into() };
        let mut filter = IngestPipe::new(parser, "acme".to_owned(), false);
        let good = (
            "the next good one",
            head("CREATE", &["00Q5f00000AbCd9EAF"], 90),
            created(),
            "mapped",
            None,
            1,
        );
        for (at, (what, head, fields, outcome, reason, events)) in
            rows.into_iter().chain([good]).enumerate()
        {
            let mut payload = fields;
            if !head.is_null() {
                payload["ChangeEventHeader"] = head;
            }
            let line = json!({"topic": "salesforce.events", "partition": 0, "offset": at, "timestamp": AT,
                "value_json": {"data": {"payload": payload, "event": {"replayId": at}},
                    "channel": "/data/LeadChangeEvent"}});
            let mut answers = Vec::new();
            filter.line(line.to_string().as_bytes(), &mut answers);
            let ack = answers.pop().unwrap_or_default();
            let came: Vec<&Value> =
                answers.iter().filter(|it| it["topic"] != "lead-router.dead-letter").collect();
            let found =
                (ack["outcome"].as_str().unwrap_or("?"), ack["reason"].as_str(), came.len());
            if found != (outcome, reason, events) {
                said.push(format!(
                    "group {group}, {what}: {found:?}, not {:?}",
                    (outcome, reason, events)
                ));
            }
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
}
