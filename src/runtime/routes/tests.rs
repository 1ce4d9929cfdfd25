//! The addresses as a client sees them, over a view that is fed as a worker feeds it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio::sync::OwnedSemaphorePermit;

use super::*;
use crate::codec;
use crate::domain::entity::EntityKey;
use crate::domain::ids::DomainId;
use crate::domain::input::{Envelope, Origin, Topic};
use crate::domain::state::State as Memory;
use crate::domain::time::Timestamp;
use crate::engine::report::{BatchReport, Observer, ShardEvent};
use crate::runtime::refusal::explained;
use crate::runtime::view::Feed;
use crate::telemetry::http::{self, Endpoint};
use crate::telemetry::registry::Metrics;

const T0: i64 = 1_767_603_600_000;

struct Ignored;

impl Observer for Ignored {
    fn batch(&mut self, _: BatchReport) {}
    fn shard(&mut self, _: ShardEvent) {}
    fn loaded(&mut self, _: i32, _: &EntityKey, _: &crate::domain::entity::Entity) {}
}

/// Two reps with a territory and deals, and leads that nobody may take.
fn company(waiting: usize) -> Feed<Ignored> {
    let mut feed = Feed { view: Arc::default(), next: Ignored };
    let mut memory = Memory::default();
    let mut take = |topic: Topic, mut value: Value| {
        value["event_id"] = Value::from(value.to_string());
        let now = Timestamp(T0);
        let envelope = Envelope {
            domain: DomainId::new("acme"),
            now,
            origin: Origin { topic: None, partition: 0, offset: -1 },
            positions: [-1; 9],
            input: codec::json::decode_event(topic, &value, now, true).expect("an event"),
        };
        let facts = memory.step(&envelope);
        let changes = vec![(0, memory.commit())];
        feed.batch(BatchReport { facts, changes, ..BatchReport::default() });
    };
    let california = json!([{ "all": [{ "field": "state", "op": "IN", "values": ["CA"] }] }]);
    let members = json!([{ "rep_id": "ann" }, { "rep_id": "bob" }]);
    let territory = json!({ "territory_id": "west", "name": "West", "rules": california,
        "members": members });
    take(Topic::TerritoryChanged, territory);
    for (rep, name) in [("ann", "Ann <Lee>"), ("bob", "Bob")] {
        take(Topic::RepChanged, json!({ "rep_id": rep, "name": name, "active": true }));
    }
    for number in 0..40 {
        let (rep, won) = if number % 2 == 0 { ("ann", "WON") } else { ("bob", "LOST") };
        let deal = json!({ "opportunity_id": format!("o{number}"), "outcome": won, "rep_id": rep,
            "industry": "retail", "closed_at": T0 - number });
        take(Topic::OpportunityClosed, deal);
    }
    for number in 0..waiting {
        let lead = json!({ "lead_id": format!("L{number}"), "created_at": T0 });
        take(Topic::LeadCreated, lead);
    }
    feed
}

/// Served as `run` does it, by one thread.
struct Server {
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    side: ReadSide,
}

impl Server {
    fn new(view: Arc<View>) -> Server {
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let endpoint = Endpoint { metrics, health: Arc::default() };
        let listener = http::bind("127.0.0.1:0".parse().expect("address")).expect("bound");
        let address = listener.local_addr().expect("address");
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let side = ReadSide { view, ..ReadSide::default() };
        let router = explained(endpoint.router(routes(side.clone())));
        runtime.spawn(http::serve(listener, router, std::future::pending()));
        Server { address, runtime, side }
    }

    /// Status, head and body.
    fn send(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.send("GET", path);
        (status, body)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn hold(&self, gate: &Gate) -> OwnedSemaphorePermit {
        self.runtime.block_on(gate.hold())
    }
}

const OF_A_DOMAIN: [&str; 8] =
    ["reps", "waiting", "unstaffed", "moves", "sla", "sla/page", "rates", "rates/page"];

#[test]
fn a_domain_that_is_not_known_is_said_to_be_so_everywhere() {
    let server = Server::new(company(0).view);
    for address in OF_A_DOMAIN {
        let (status, body) = server.get(&format!("/domains/nobody/{address}"));
        assert_eq!(status, 404, "{address}");
        assert!(body.contains("domain nobody is not known"), "{address}: {body}");
        assert_eq!(server.get(&format!("/domains/acme/{address}")).0, 200, "{address}");
    }
    let (status, body) = server.get("/domains/nobody/leads/L1");
    assert!(status == 404 && body.contains("domain nobody"), "{body}");
    let (status, body) = server.get("/domains/acme/leads/L1");
    assert!(status == 404 && body.contains("lead L1 is not known"), "{body}");
}

#[test]
fn a_domain_whose_shard_is_away_is_not_known() {
    let mut feed = company(0);
    feed.shard(ShardEvent::Revoked(0));
    let server = Server::new(Arc::clone(&feed.view));
    for address in OF_A_DOMAIN {
        assert_eq!(server.get(&format!("/domains/acme/{address}")).0, 404, "{address}");
    }
    feed.shard(ShardEvent::Reused(0));
    assert_eq!(server.get("/domains/acme/reps").0, 200);
}

#[test]
fn a_parameter_that_does_not_exist_is_told_with_those_that_do() {
    let server = Server::new(company(1).view);
    for address in OF_A_DOMAIN.iter().chain(&["leads/L0"]) {
        let (status, body) = server.get(&format!("/domains/acme/{address}?colour=red"));
        assert_eq!(status, 400, "{address}");
        assert!(body.contains("\"colour\"") && body.contains("there are"), "{address}: {body}");
    }
    for path in ["sla?limit=0", "sla?limit=1001", "sla/page?limit=x", "waiting?limit=0"] {
        let (status, body) = server.get(&format!("/domains/acme/{path}"));
        assert!(status == 400 && body.contains("from 1 to"), "{path}: {body}");
    }
    assert_eq!(server.get("/domains/acme/sla?rep=&class=standard&limit=1000").0, 200);
}

#[test]
fn what_waits_is_counted_where_it_is_not_listed() {
    let server = Server::new(company(3).view);
    let (status, head, body) = server.send("GET", "/domains/acme/waiting?limit=2");
    assert_eq!((status, head.contains("x-total-count: 3")), (200, true), "{head}");
    let listed: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_wrong_address_or_method_is_told_what_there_is() {
    let server = Server::new(company(0).view);
    for path in ["/", "/domains/acme", "/domains/acme/colours"] {
        let (status, body) = server.get(path);
        assert!(status == 404 && body.contains("/domains/DOMAIN/"), "{path}: {body}");
    }
    for path in ["/domains/acme/rates", "/livez"] {
        let (status, head, body) = server.send("POST", path);
        assert!(status == 405 && body.contains("use GET"), "{path}: {body}");
        assert!(head.contains("allow: get,head"), "{head}");
    }
}

#[test]
fn pages_may_load_nothing_from_outside() {
    let server = Server::new(company(0).view);
    for page in ["sla/page", "rates/page"] {
        let (_, head, body) = server.send("GET", &format!("/domains/acme/{page}"));
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(head.contains("content-type: text/html"), "{head}");
        assert!(body.starts_with("<!doctype html>"));
    }
}

#[test]
fn a_part_of_the_rates_can_be_asked_for() {
    let server = Server::new(company(0).view);
    let rows = |query: &str| -> Vec<(String, String)> {
        let rows = server.json(&format!("/domains/acme/rates{query}"));
        let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| (text(row, "segment"), text(row, "rep_id"))).collect()
    };
    let all = rows("");
    let of = |wanted: &dyn Fn(&(String, String)) -> bool| -> Vec<(String, String)> {
        all.iter().filter(|row| wanted(row)).cloned().collect()
    };
    assert_eq!(rows("?rep=ann"), of(&|row| row.1 == "ann"));
    assert_eq!(rows("?segment=industry%3Dretail"), of(&|row| row.0 == "industry=retail"));
    assert_eq!(rows("?segment=all&rep=bob"), [("all".to_owned(), "bob".to_owned())]);
    assert!(rows("?rep=nobody").is_empty());
    let bob = &server.json("/domains/acme/rates?segment=all&rep=bob")[0];
    assert_eq!((&bob["place"], &bob["of"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&bob["deals"], &bob["won"], &bob["rep_name"]),
        (&json!(20), &json!(0), &json!("Bob"))
    );
}

#[test]
fn the_probes_answer_while_a_question_is_worked_out() {
    let server = Server::new(company(0).view);
    let address = |path: &str| format!("/domains/acme/{path}");
    let (rates, lists) = (server.hold(&server.side.rates), server.hold(&server.side.lists));
    std::thread::scope(|scope| {
        let asked: Vec<_> = ["reps", "waiting", "unstaffed", "moves", "sla", "rates", "rates/page"]
            .map(|path| scope.spawn(|| server.get(&address(path)).0))
            .into();
        assert_eq!(server.get("/livez"), (200, "ok\n".to_owned()));
        assert!(asked.iter().all(|one| !one.is_finished()), "each waits for its turn");
        // The table of win rates holds up nobody else.
        drop(lists);
        for path in ["reps", "rates?rep=ann", "rates/page?segment=all"] {
            assert_eq!(server.get(&address(path)).0, 200, "{path}");
        }
        assert!(!asked[5].is_finished() && !asked[6].is_finished());
        drop(rates);
        let answered = asked.into_iter().map(|one| one.join().expect("an answer"));
        assert!(answered.into_iter().all(|status| status == 200));
    });
}
