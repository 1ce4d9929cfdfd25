//! A company with a calendar that opens at a chosen minute, and its leads.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lead_router::codec::json::sha256_hex;
use lead_router::domain::time::Timestamp;
use lead_router::embedded::{Cluster, Options};
use lead_router::runtime::clock;
use serde_json::{Value, json};

/// From the opening to the deadline, in milliseconds.
pub(crate) const TARGET: i64 = 1_000;
const REPS: u64 = 200;
const TERRITORIES: u64 = 20;

pub(crate) struct Company {
    pub(crate) cluster: Cluster,
    events: Cell<u64>,
    leads: AtomicU64,
    /// When each lead of a watch was put into the log, by number.
    pub(crate) sent: Arc<Mutex<Vec<Option<Instant>>>>,
}

impl Company {
    pub(crate) fn new() -> Company {
        let options = Options { partitions: 1, ..Options::default() };
        let company = Company {
            cluster: Cluster::new(options, clock::now),
            events: Cell::new(0),
            leads: AtomicU64::new(0),
            sent: Arc::default(),
        };
        for rep in 0..REPS {
            let value =
                json!({ "rep_id": format!("rep-{rep}"), "active": true, "manager_id": "boss" });
            company.reference("rep-changed", value);
        }
        for territory in 0..TERRITORIES {
            let members = (0..REPS / TERRITORIES).map(|n| territory * (REPS / TERRITORIES) + n);
            let members: Vec<Value> =
                members.map(|rep| json!({ "rep_id": format!("rep-{rep}") })).collect();
            let all =
                json!([{ "field": "state", "op": "IN", "values": [format!("S{territory}")] }]);
            let value = json!({ "territory_id": format!("t{territory}"), "name": "A territory",
                "rules": [{ "all": all }], "members": members });
            company.reference("territory-changed", value);
        }
        company
    }

    fn reference(&self, topic: &str, mut value: Value) {
        self.events.set(self.events.get() + 1);
        value["event_id"] = Value::from(format!("e{}", self.events.get()));
        self.cluster.produce(topic, b"acme", value.to_string().as_bytes(), clock::now());
    }

    /// The first whole minute after that time.
    pub(crate) fn opens_in(&self, time: Duration) -> i64 {
        let at = clock::now().0 + time.as_millis() as i64;
        (at / 60_000 + 1) * 60_000
    }

    pub(crate) fn until(&self, at: i64) -> Duration {
        Duration::from_millis((at - clock::now().0).max(0).unsigned_abs())
    }

    /// Filled leads have one step, `TARGET` after the opening; the leads of a watch have none.
    pub(crate) fn policy(&self, opens_at: i64, version: &str) {
        let day = Timestamp(opens_at).to_string();
        let (date, time) = day.split_once('T').expect("an instant");
        let minute = &time[..5];
        let text = format!(
            "[choice]\nmethod = \"round_robin\"\n[sticky]\nwindow_secs = 0\n\
             [[priority]]\nclass = \"watched\"\n\
             when = [{{ field = \"source\", op = \"IN\", values = [\"watch\"] }}]\n\
             [sla.watched]\nsteps = []\n\
             [sla.standard]\nclock = \"team\"\ncalendar = \"office\"\n\
             steps = [{{ after_secs = {}, action = \"REMIND\" }}]\n\
             [calendars.office]\ntime_zone = \"UTC\"\nweekly = {{}}\n\
             days = {{ \"{date}\" = [\"{minute}-24:00\"] }}\n",
            TARGET / 1_000
        );
        let sha256 = sha256_hex(text.as_bytes());
        let value = json!({ "version": version, "text": text, "sha256": sha256 });
        self.reference("policy-changed", value);
    }

    /// All that was published was understood.
    pub(crate) fn is_understood(&self) {
        let letters = self.cluster.read("lead-router.dead-letter", 0, 0, 1);
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let said: Vec<String> = letters
            .iter()
            .flat_map(|letter| &letter.headers)
            .filter_map(|(name, value)| Some(format!("{name}: {}", text(value.as_ref()?))))
            .collect();
        assert!(letters.is_empty(), "a dead letter: {}", said.join(", "));
    }

    pub(crate) fn fill(&self, leads: u64) {
        for _ in 0..leads {
            self.lead("web", false);
        }
    }

    /// One lead into the log.
    pub(crate) fn lead(&self, source: &str, watched: bool) {
        let number = self.leads.fetch_add(1, Ordering::Relaxed);
        let now = clock::now();
        let value = json!({ "event_id": format!("l{number}"), "lead_id": format!("{number}"),
            "created_at": now.0, "state": format!("S{}", number % TERRITORIES), "source": source,
            "company": "Example Ltd", "industry": "Software", "employees": 250 });
        let bytes = value.to_string();
        if watched {
            let mut sent = self.sent.lock().expect("no panic");
            let len = sent.len().max(number as usize + 1);
            sent.resize(len, None);
            sent[number as usize] = Some(Instant::now());
        }
        self.cluster.produce("lead-created", b"acme", bytes.as_bytes(), now);
    }
}
