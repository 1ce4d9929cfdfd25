//! The registry's client and what the router makes of its answers, against a small registry over real HTTP.

pub(crate) mod server;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lead_router::codec::{Encoder, Format, Record, SchemaIds, SchemaRef};
use lead_router::config::{Login, Registry};
use lead_router::domain::input::Topic;
use lead_router::registry::{Client, Fetched, News, Refusal, Resolver, Subject};
use serde_json::{Value, json};

use super::malformed::{Bench, T0};
use server::{Fault, Server};

fn settings(url: &str) -> Registry {
    Registry {
        url: url.to_owned(),
        login: Login::None,
        ca_file: None,
        timeout: Duration::from_millis(300),
        unknown_after: Duration::from_millis(600),
    }
}

fn client(server: &Server) -> Client {
    Client::new(&settings(&server.url())).expect("a client")
}

/// A registry, a router that asks it, and somebody who may take leads.
struct Setup {
    server: Server,
    bench: Bench,
    _resolver: Resolver,
}

impl Setup {
    fn new() -> Setup {
        let server = Server::start();
        server.store(1, "AVRO", Record::Lead.embedded().text, Value::Null);
        Setup::with(server)
    }

    fn with(server: Server) -> Setup {
        let ids = SchemaIds::default();
        let asked = Arc::new(client(&server));
        let resolver = Resolver::start(asked, Arc::new(ids.clone()), |_| {}).expect("a thread");
        let bench = Bench::new(ids);
        bench.somebody();
        Setup { server, bench, _resolver: resolver }
    }

    fn send(&self, id: u32, lead: &str) {
        let format = Format::Confluent([(Record::Lead, id)].into());
        let value = json!({"event_id": lead, "lead_id": lead, "created_at": T0,
            "required_skills": [], "preferred_skills": [], "do_not_route": false, "attributes": {}});
        let bytes = Encoder::new(format).value(Record::Lead, &value).expect("bytes");
        self.bench.produce(Topic::LeadCreated, &bytes);
    }

    /// Rounds in real time.
    fn run(&mut self, time: Duration, done: impl Fn(&Bench) -> bool) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.bench.turn();
            if done(&self.bench) {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn while_the_registry_is_in_trouble_records_wait_and_none_is_lost() {
    let faults = [
        Fault::Html(200),
        Fault::Html(404),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Slow(Duration::from_millis(900)),
        Fault::Truncated,
        Fault::HangsUp,
    ];
    for fault in faults {
        let mut setup = Setup::new();
        setup.server.fail(fault);
        setup.send(1, "waits");
        // Nothing overtakes it in its shard, either.
        setup.bench.publish(Topic::LeadCreated, &super::malformed::good_lead("behind"));
        let early = setup.run(Duration::from_millis(900), |bench| {
            bench.has_assigned("behind") || bench.count("lead-router.dead-letter") > 0
        });
        assert!(!early, "{fault:?}: decided without an answer");
        assert!(!setup.server.requests().is_empty(), "{fault:?}: nobody asked");
        setup.server.fail(Fault::None);
        let done =
            setup.run(LONG, |bench| bench.has_assigned("waits") && bench.has_assigned("behind"));
        assert!(done, "{fault:?}: does not go on");
        assert_eq!(setup.bench.count("lead-router.dead-letter"), 0, "{fault:?}");
        assert_eq!(setup.bench.count("lead-assigned"), 2, "{fault:?}");
    }
}

#[test]
fn a_registry_that_is_down_at_the_start_and_one_that_goes_down_later() {
    let port = Server::start().port;
    let ids = SchemaIds::default();
    let asked = Client::new(&settings(&format!("http://127.0.0.1:{port}"))).expect("a client");
    let asked = Arc::new(asked);
    let _resolver = Resolver::start(asked, Arc::new(ids.clone()), |_| {}).expect("a thread");
    let bench = Bench::new(ids.clone());
    bench.somebody();
    let server = {
        assert!(ids.waits(SchemaRef::Id(1)));
        thread::sleep(Duration::from_millis(300));
        assert!(ids.waits(SchemaRef::Id(1)), "down is no answer");
        let server = Server::start_at(port);
        server.store(1, "AVRO", Record::Lead.embedded().text, Value::Null);
        server
    };
    let mut setup = Setup { server, bench, _resolver };
    setup.send(1, "first");
    assert!(setup.run(LONG, |bench| bench.has_assigned("first")));
    // What is known stays known without it; what is not waits.
    setup.server.fail(Fault::HangsUp);
    setup.send(1, "second");
    assert!(setup.run(LONG, |bench| bench.has_assigned("second")));
    setup.server.store(7, "AVRO", Record::Lead.embedded().text, Value::Null);
    setup.send(7, "third");
    assert!(!setup.run(Duration::from_millis(700), |bench| bench.has_assigned("third")));
    setup.server.fail(Fault::None);
    assert!(setup.run(LONG, |bench| bench.has_assigned("third")));
    assert_eq!(setup.bench.count("lead-router.dead-letter"), 0);
}

#[test]
fn an_unknown_id_is_asked_for_until_it_is_too_late() {
    let mut setup = Setup::new();
    setup.send(9, "early");
    let began = Instant::now();
    assert!(!setup.run(Duration::from_millis(200), |bench| bench.has_assigned("early")));
    // Its producer registers it in time.
    setup.server.store(9, "AVRO", Record::Lead.embedded().text, Value::Null);
    assert!(setup.run(LONG, |bench| bench.has_assigned("early")));
    setup.send(10, "never");
    setup.send(1, "next");
    assert!(setup.run(LONG, |bench| bench.has_assigned("next")));
    assert!(began.elapsed() > Duration::from_millis(600), "it was asked for long enough");
    assert_eq!(setup.bench.count("lead-router.dead-letter"), 1);
    assert_eq!(setup.bench.last_reason(), "schema.unknown");
    // For a while that is the answer.
    let asked = setup.server.requests().len();
    setup.send(10, "again");
    assert!(setup.run(LONG, |bench| bench.count("lead-router.dead-letter") == 2));
    assert_eq!(setup.server.requests().len(), asked);
    // Whoever sends many unknown ids does not hold the rest up by each of them.
    let began = Instant::now();
    (100..140).for_each(|id| setup.send(id, "many"));
    assert!(setup.run(LONG, |bench| bench.count("lead-router.dead-letter") == 42));
    assert!(began.elapsed() < Duration::from_millis(600 * 15), "{:?}", began.elapsed());
}

#[test]
fn each_schema_is_fetched_once_and_what_is_unfit_is_a_dead_letter() {
    let mut setup = Setup::new();
    for n in 0..50 {
        setup.send(1, &format!("lead-{n}"));
    }
    assert!(setup.run(LONG, |bench| bench.count("lead-assigned") == 50));
    assert_eq!(setup.server.requests(), ["GET /schemas/ids/1"]);
    setup.server.store(2, "PROTOBUF", "syntax = \"proto3\";", Value::Null);
    setup.server.store(3, "AVRO", "{\"type\":\"elephant\"}", Value::Null);
    setup.server.store(4, "AVRO", &format!("\"{}\"", "x".repeat(9 << 20)), Value::Null);
    for (id, dead) in [(2, 1), (3, 2), (4, 3)] {
        setup.send(id, "unfit");
        assert!(setup.run(LONG, |bench| bench.count("lead-router.dead-letter") == dead), "{id}");
        assert_eq!(setup.bench.last_reason(), "schema.invalid", "{id}");
    }
}

#[test]
fn how_many_schemas_wait_is_told_until_none_does() {
    let server = Server::start();
    server.store(1, "AVRO", Record::Lead.embedded().text, Value::Null);
    server.fail(Fault::Status(503));
    let ids = SchemaIds::default();
    let (told, counts) = std::sync::mpsc::channel();
    let tell = move |news: News<'_>| {
        if let News::Waiting(count) = news {
            let _ = told.send(count);
        }
    };
    let asked = Arc::new(client(&server));
    let _resolver = Resolver::start(asked, Arc::new(ids.clone()), tell).expect("a thread");
    assert!(ids.waits(SchemaRef::Id(1)));
    assert_eq!(counts.recv_timeout(LONG), Ok(1));
    server.fail(Fault::None);
    assert_eq!(counts.recv_timeout(LONG), Ok(0));
    assert!(!ids.waits(SchemaRef::Id(1)));
}

#[test]
fn guids_and_references_are_followed() {
    let server = Server::start();
    server.store(1, "AVRO", Record::Lead.embedded().text, Value::Null);
    server.name("30313233-3435-3637-3839-616263646566", 1);
    let guid = SchemaRef::Guid(*b"0123456789abcdef");
    let asked = client(&server);
    let text = Record::Lead.embedded().text.to_owned();
    assert_eq!(asked.schema(guid), Ok(Fetched::Avro(text)));
    assert_eq!(asked.schema(SchemaRef::Guid([7; 16])), Ok(Fetched::Absent));
    let kind =
        json!({"type": "enum", "name": "ActivityKind", "namespace": "x", "symbols": ["CALL"]});
    server.store(2, "AVRO", &kind.to_string(), Value::Null);
    server.version("kinds", 2);
    let activity = json!({"type": "record", "name": "LeadActivity", "namespace": "io.leadrouter.v1",
        "fields": [{"name": "event_id", "type": "string"}, {"name": "lead_id", "type": "string"},
            {"name": "kind", "type": "x.ActivityKind"},
            {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]});
    let references = json!([{"name": "x.ActivityKind", "subject": "kinds", "version": 1}]);
    server.store(3, "AVRO", &activity.to_string(), references);
    let Ok(Fetched::Avro(whole)) = asked.schema(SchemaRef::Id(3)) else { panic!("a schema") };
    let whole: Value = serde_json::from_str(&whole).expect("JSON");
    assert_eq!(whole["fields"][2]["type"]["symbols"], json!(["CALL"]));
    // What is referred to may be away for a moment; that is no reason to give the records up.
    let lost = json!([{"name": "y", "subject": "lost", "version": 1}]);
    server.store(4, "AVRO", &activity.to_string(), lost);
    assert!(asked.schema(SchemaRef::Id(4)).is_err());
}

#[test]
fn a_login_is_sent_and_never_told() {
    let server = Server::start();
    server.store(1, "AVRO", Record::Lead.embedded().text, Value::Null);
    let logins = [
        (Login::Basic { username: "ann".into(), password: "hush".into() }, "Basic YW5uOmh1c2g="),
        (Login::Bearer("hush".into()), "Bearer hush"),
    ];
    for (login, header) in logins {
        server.demand(header);
        let given = Registry { login, ..settings(&server.url()) };
        let asked = Client::new(&given).expect("a client");
        assert!(matches!(asked.schema(SchemaRef::Id(1)), Ok(Fetched::Avro(_))));
        assert!(!format!("{given:?} {asked:?}").contains("hush"));
        let refused = client(&server).schema(SchemaRef::Id(1)).expect_err("no login");
        assert!(refused.to_string().contains("refuses our login (401)"), "{refused}");
        assert!(refused.needs_person);
    }
}

#[test]
fn ids_to_write_with_are_those_of_our_own_schemas() {
    let server = Server::start();
    let asked = client(&server);
    let subject = Subject { name: "lead-assigned-value".into(), record: Record::LeadAssigned };
    let subjects = [subject.clone()];
    let told = |refusal: Result<_, Refusal>| match refusal {
        Err(Refusal::Differs(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(told(asked.ids(&subjects)).contains("`lead-router schema register`"));
    let ours = Record::LeadAssigned.embedded().text;
    // Another schema: written data would not be what readers expect.
    server.store(5, "AVRO", &ours.replace("\"domain_seq\"", "\"seq\""), Value::Null);
    server.version(&subject.name, 5);
    assert!(
        told(asked.ids(&subjects)).contains("version 1 of lead-assigned-value is not our schema")
    );
    // The same data in other words.
    server.store(
        6,
        "AVRO",
        &ours.replace("\"doc\": \"", "\"doc\": \"In other words: "),
        Value::Null,
    );
    server.version(&subject.name, 6);
    assert_eq!(asked.ids(&subjects), Ok([(Record::LeadAssigned, 6)].into()));
    // Ours itself, though a newer one has been registered since: two versions run side by side for a while.
    assert_eq!(asked.register(&subject), Ok(Ok(7)));
    server.version(&subject.name, 5);
    assert_eq!(asked.ids(&subjects), Ok([(Record::LeadAssigned, 7)].into()));
    for (status, needs_person) in [(500, false), (503, false), (401, true), (403, true)] {
        server.fail(Fault::Status(status));
        let Err(Refusal::Unavailable(why)) = asked.ids(&subjects) else { panic!("{status}") };
        assert_eq!(why.needs_person, needs_person, "{status}");
    }
}
