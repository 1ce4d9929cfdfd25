//! Dead letters on a real Kafka, through the program: listed, shown, put back once, left where they should be,
//! deleted.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lead_router::codec::letter;
use lead_router::domain::input::Topic;
use lead_router::domain::time::Timestamp;
use lead_router::engine::ports::{Log, OutTopic, Outgoing};
use lead_router::kafka::letters::Writer;
use lead_router::kafka::reader::{Reader, Row};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};

use super::support::{Bench, bootstrap, leads, producer, publish};

fn config(bench: &Bench, more: &str) -> tempfile::NamedTempFile {
    let topics = &bench.settings.topics;
    let inputs = Topic::ALL
        .map(|topic| format!("{} = \"{}\"\n", topic.name().replace('-', "_"), topics.input(topic)));
    let text = format!(
        "group = \"{}\"\n[kafka]\nbootstrap_servers = \"{}\"\n[topics]\nlead_assigned = \"{}\"\n\
         sla_breached = \"{}\"\ndead_letter = \"{}\"\nstate = \"{}\"\n{}{more}",
        bench.settings.group,
        bootstrap(),
        topics.lead_assigned,
        topics.sla_breached,
        topics.dead_letter,
        topics.state,
        inputs.concat()
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn command(config: &tempfile::NamedTempFile, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lead-router"));
    command.arg("dlq").args(words).arg("--config").arg(config.path());
    command
}

fn dlq(config: &tempfile::NamedTempFile, words: &[&str]) -> String {
    let done = command(config, words).output().expect("started");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

fn verify(config: &tempfile::NamedTempFile) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_lead-router"))
        .args(["verify", "--skew-secs", "0", "--config"])
        .arg(config.path())
        .output()
        .expect("started");
    String::from_utf8(done.stdout).expect("text")
}

fn write(topic: &str, value: &str, headers: &[(String, Option<Vec<u8>>)]) {
    let plain = producer(None);
    let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
        all.insert(Header { key, value: value.as_ref() })
    });
    let record = BaseRecord::to(topic).key("acme").payload(value).headers(headers);
    plain.send(record).map_err(|(error, _)| error).expect("sent");
    plain.flush(Duration::from_secs(10)).expect("delivered");
}

/// A letter as the router writes one.
fn dead(bench: &Bench, offset: i64, value: &str, published_at: i64) {
    dead_of(bench, bench.name(Topic::LeadCreated), 0, offset, value, published_at);
}

fn dead_of(
    bench: &Bench,
    topic: &str,
    partition: i32,
    offset: i64,
    value: &str,
    published_at: i64,
) {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    let headers = [
        ("traceparent".to_owned(), Some(b"00-1".to_vec())),
        header("dlq.owner", "its producer".to_owned()),
        header("dlq.reason", "field.missing".to_owned()),
        header("dlq.field", "lead_id".to_owned()),
        header("dlq.attempts", "1".to_owned()),
        header("dlq.timestamp", published_at.to_string()),
        header("dlq.topic", topic.to_owned()),
        header("dlq.partition", partition.to_string()),
        header("dlq.offset", offset.to_string()),
    ];
    write(&bench.settings.topics.dead_letter, value, &headers);
}

fn lead(id: &str) -> String {
    let now = lead_router::runtime::clock::now().0;
    json!({"event_id": id, "lead_id": id, "created_at": now}).to_string()
}

fn update(id: &str) -> String {
    let now = lead_router::runtime::clock::now().0;
    let event = json!({
        "event_id": format!("u-{id}"), "lead_id": id, "changed_at": now, "kind": "FIELDS",
        "changes": {"city": "Rome"},
    });
    event.to_string()
}

fn rows(bench: &Bench, topic: &str) -> Vec<Row> {
    let reader = Reader::connect(&bench.settings).expect("a reader");
    let mut rows = Vec::new();
    (0..4).for_each(|partition| reader.each(topic, partition, |row| rows.push(row)).expect("read"));
    rows
}

#[test]
fn letters_are_put_back_once_and_only_where_that_helps() {
    let bench = Bench::new("letters");
    let config = config(&bench, "");
    let now = lead_router::runtime::clock::now().0;
    let good = lead("good-now");
    dead(&bench, 10, &good, now);
    dead(&bench, 11, "{\"email\": \"jo@example.com\"", now);
    dead(&bench, 12, &lead("overtaken"), now - 60_000);
    // Its producer has sent it again, mended.
    write(bench.name(Topic::LeadCreated), &lead("overtaken"), &[]);

    let listed = dlq(&config, &["list", "-o", "json"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let first: Value = serde_json::from_str(listed.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["reason"], &first["put_back"]), (&json!("field.missing"), &json!(false)));
    let place = first["place"].as_str().expect("a place").to_owned();
    assert!(dlq(&config, &["list", "--reason", "json"]).contains("0  letters"));
    let shown = dlq(&config, &["show", &place]);
    assert!(shown.contains("traceparent") && !shown.contains("good-now"), "{shown}");
    assert!(dlq(&config, &["show", &place, "--payload"]).contains("good-now"));

    let before = rows(&bench, bench.name(Topic::LeadCreated)).len();
    let planned = dlq(&config, &["requeue"]);
    assert!(planned.contains("1 of 3 letters to put back"), "{planned}");
    assert!(planned.contains("would be refused again, json.syntax"), "{planned}");
    assert!(planned.contains("is newer"), "{planned}");
    assert!(!planned.contains("example.com"), "no payload in reasons: {planned}");
    assert_eq!(rows(&bench, bench.name(Topic::LeadCreated)).len(), before, "dry by default");

    assert!(dlq(&config, &["requeue", "--yes"]).contains("done"));
    let back = rows(&bench, bench.name(Topic::LeadCreated));
    assert_eq!(back.len(), before + 1);
    let row =
        back.iter().find(|row| letter::put_back_from(&row.headers).is_some()).expect("put back");
    assert_eq!(row.key.as_deref(), Some(&b"acme"[..]));
    assert_eq!(row.value.as_deref(), Some(good.as_bytes()));
    assert_eq!(row.headers.first().map(|(name, _)| name.as_str()), Some("traceparent"));
    assert_eq!(row.headers.get(1).map(|(name, _)| name.as_str()), Some("dlq.owner"));
    assert_eq!(row.headers.len(), 4, "nothing of the letter's: {:?}", row.headers);
    assert_eq!(letter::put_back_from(&row.headers).map(|it| it.to_string()), Some(place.clone()));
    // Again, by whomever: once is enough.
    let again = dlq(&config, &["requeue", "--yes"]);
    assert!(again.contains("was put back before") && again.contains("0 of 3"), "{again}");
    assert_eq!(rows(&bench, bench.name(Topic::LeadCreated)).len(), before + 1);

    assert!(dlq(&config, &["purge", "--all"]).contains("3 letters, 2 of them never put back"));
    assert_eq!(dlq(&config, &["list", "-o", "json"]).lines().count(), 3, "dry by default");
    dlq(&config, &["purge", "--all", "--yes"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !dlq(&config, &["list", "-o", "json"]).is_empty() {
        assert!(Instant::now() < deadline, "they are still there");
    }
}

#[test]
fn whoever_asks_at_the_same_time_every_letter_is_put_back_once() {
    let bench = Bench::new("twice");
    let config = config(&bench, "");
    let now = lead_router::runtime::clock::now().0;
    (0..5).for_each(|at| dead(&bench, at, &lead(&format!("lead-{at}")), now));
    let start = |_| {
        let mut requeue = command(&config, &["requeue", "--yes"]);
        requeue.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    };
    let started: Vec<_> = (0..3).map(start).collect();
    for child in started {
        let done = child.wait_with_output().expect("ended");
        let told = String::from_utf8_lossy(&done.stderr);
        let is_fenced = done.status.code() == Some(75) && told.contains("another `dlq requeue`");
        assert!(done.status.success() || is_fenced, "{:?}: {told}", done.status);
    }
    // Whichever was last, all is done now.
    dlq(&config, &["requeue", "--yes"]);
    assert_eq!(rows(&bench, bench.name(Topic::LeadCreated)).len(), 5);
}

#[test]
fn a_later_writer_fences_an_earlier_one() {
    let bench = Bench::new("fenced");
    let record = Outgoing {
        topic: OutTopic::DeadLetter,
        partition: None,
        key: Some(b"acme".to_vec()),
        value: Some(lead("one").into_bytes()),
        headers: Vec::new(),
        timestamp: Timestamp(lead_router::runtime::clock::now().0),
    };
    let records = [(bench.name(Topic::LeadCreated).to_owned(), record)];
    let earlier = Writer::fence(&bench.settings).expect("a writer");
    let later = Writer::fence(&bench.settings).expect("a writer");
    let refused = earlier.put_back(&records).expect_err("fenced").to_string();
    assert!(refused.contains("another `dlq requeue`"), "{refused}");
    later.put_back(&records).expect("put back");
    assert_eq!(rows(&bench, bench.name(Topic::LeadCreated)).len(), 1);
}

#[test]
fn updates_that_nobody_could_use_do_not_keep_a_lead_from_coming_back() {
    let bench = Bench::new("updated");
    let config = config(&bench, "");
    let ago = lead_router::runtime::clock::now().0 - 60_000;
    write(bench.name(Topic::LeadCreated), &lead("known"), &[]);
    let known_at = rows(&bench, bench.name(Topic::LeadCreated)).first().expect("it").timestamp.0;
    while lead_router::runtime::clock::now().0 <= known_at + 10 {
        std::thread::sleep(Duration::from_millis(5));
    }
    dead(&bench, 10, &lead("lost"), ago);
    dead(&bench, 11, &lead("known"), known_at + 5);
    write(bench.name(Topic::LeadUpdated), &update("lost"), &[]);
    write(bench.name(Topic::LeadUpdated), &update("known"), &[]);

    let told = dlq(&config, &["requeue", "--yes"]);
    assert!(told.contains("/10  put back"), "{told}");
    assert!(told.contains("/11  left") && told.contains("is newer"), "{told}");
    // Put back late, it says no more than when it was first published.
    dead(&bench, 12, &lead("lost"), ago + 1);
    let told = dlq(&config, &["requeue"]);
    assert!(told.contains("/12  left") && told.contains("lead-updated/"), "{told}");
}

#[test]
fn what_ingest_could_not_use_goes_back_to_where_it_lay() {
    let bench = Bench::new("bridged");
    // Any topic of the bench will do for a bridge's.
    let bridged = bench.settings.topics.sla_breached.clone();
    let raw = bench.settings.topics.lead_assigned.clone();
    let more = format!("raw = \"{raw}\"\n[ingest]\ntopics = \"{bridged} = acme\"\n");
    let of_ingest = config(&bench, &more);
    let text = std::fs::read_to_string(of_ingest.path()).expect("read");
    // The topics out have other names then.
    let text = text
        .replace(&format!("lead_assigned = \"{raw}\""), "lead_assigned = \"nobodys-assigned\"")
        .replace(&format!("sla_breached = \"{bridged}\""), "sla_breached = \"nobodys-breached\"");
    std::fs::write(of_ingest.path(), text).expect("written");
    dead_of(&bench, &bridged, 3, 7, "{", 5);
    dead_of(&bench, &raw, 2, 8, "{", 5);
    dead_of(&bench, &raw, 9, 8, "{", 5);
    dead_of(&bench, "elsewhere", 0, 1, "{", 5);

    let told = dlq(&of_ingest, &["requeue", "--yes"]);
    assert!(told.contains("3 of 4 letters to put back") && told.contains("done"), "{told}");
    assert!(dlq(&of_ingest, &["requeue", "--yes"]).contains("0 of 4"));
    let back = bench.reader(&bridged, "read_committed");
    assert_eq!(back, [(3, "{".to_owned(), Some("acme".to_owned()))]);
    let back = bench.reader(&raw, "read_committed");
    assert_eq!(back.len(), 2, "{back:?}");
    assert!(back.iter().any(|(partition, ..)| *partition == 2), "{back:?}");
    let row = rows(&bench, &bridged).remove(0);
    assert_eq!(row.headers.len(), 4, "{:?}", row.headers);
}

/// Takes the leads of shard 0 in, up to an offset.
fn take(bench: &Bench, next: i64) {
    let mut member = bench.joined("a");
    member.log.begin().expect("begun");
    member.log.send_offsets(&[(leads(0), next, String::new())]).expect("offsets");
    member.log.commit().expect("committed");
    member.log.leave().expect("left");
}

#[test]
fn a_letter_that_was_purged_is_not_missed_and_a_newer_one_is() {
    let bench = Bench::new("purged");
    let config = config(&bench, "");
    publish(bench.name(Topic::LeadCreated), 0, &["{"]);
    take(&bench, 1);
    assert!(verify(&config).contains("I1 BROKEN 1 times"));
    dead(&bench, 0, "{", 0);
    let told = verify(&config);
    assert!(told.contains("I1 holds") && told.contains("(1 checked)"), "{told}");
    assert!(told.contains(&format!("I8 {}/0@0", bench.settings.topics.state)), "{told}");

    dlq(&config, &["purge", "--all", "--yes"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !dlq(&config, &["list", "-o", "json"]).is_empty() {
        assert!(Instant::now() < deadline, "they are still there");
    }
    let told = verify(&config);
    assert!(told.contains("I1 holds") && told.contains("(0 checked, 1 not checked"), "{told}");

    dead(&bench, 7, "{", 0);
    publish(bench.name(Topic::LeadCreated), 0, &["{"]);
    take(&bench, 2);
    let told = verify(&config);
    assert!(told.contains("I1 BROKEN 1 times"), "{told}");
    assert!(told.contains("(1 checked, 1 not checked"), "{told}");
}
