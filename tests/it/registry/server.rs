//! A small schema registry: the documented requests and answers over real HTTP, and the ways in which one fails.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// A page of a proxy, with this status.
    Html(u16),
    Status(u16),
    /// It answers after this.
    Slow(Duration),
    /// Half of the body.
    Truncated,
    /// It takes the connection and closes it.
    HangsUp,
}

#[derive(Clone, Debug)]
struct Stored {
    kind: &'static str,
    text: String,
    references: Value,
}

#[derive(Debug, Default)]
struct State {
    schemas: BTreeMap<u32, Stored>,
    guids: BTreeMap<String, u32>,
    /// Ids by version, from 1.
    subjects: BTreeMap<String, Vec<u32>>,
    fault: Fault,
    /// What `Authorization` must say.
    login: Option<String>,
    requests: Vec<String>,
}

/// A running registry; dropping it closes it.
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_at(0)
    }

    pub(crate) fn start_at(port: u16) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (state, stop) = (Arc::new(Mutex::new(State::default())), Arc::default());
        let server = Server { state: Arc::clone(&state), stop: Arc::clone(&stop), port };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&state);
                thread::spawn(move || stream.map(|stream| serve(stream, &state)));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.state().fault = fault;
    }

    pub(crate) fn demand(&self, login: &str) {
        self.state().login = Some(login.to_owned());
    }

    /// A schema under an id of its own.
    pub(crate) fn store(&self, id: u32, kind: &'static str, text: &str, references: Value) {
        let stored = Stored { kind, text: text.to_owned(), references };
        self.state().schemas.insert(id, stored);
    }

    pub(crate) fn name(&self, guid: &str, id: u32) {
        self.state().guids.insert(guid.to_owned(), id);
    }

    /// The next version of a subject.
    pub(crate) fn version(&self, subject: &str, id: u32) {
        self.state().subjects.entry(subject.to_owned()).or_default().push(id);
    }

    /// The paths asked for so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
    let mut line = String::new();
    let (mut length, mut login) = (0, None);
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => login = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let (method, path) = line.split_once(' ').unwrap_or_default();
    let path = path.split(' ').next().unwrap_or_default();
    let mut known = state.lock().unwrap_or_else(PoisonError::into_inner);
    known.requests.push(format!("{method} {path}"));
    let fault = known.fault;
    let (status, answer) = match &known.login {
        Some(wanted) if login.as_ref() != Some(wanted) => (401, error(401, "Unauthorized")),
        _ => known.answer(method, path, &serde_json::from_slice(&body).unwrap_or_default()),
    };
    drop(known);
    write(stream, fault, status, &answer.to_string());
}

fn write(mut stream: TcpStream, fault: Fault, status: u16, answer: &str) {
    let page = "<html><body>Bad Gateway</body></html>";
    let (status, body, sent) = match fault {
        Fault::HangsUp => return,
        Fault::Html(status) => (status, page, page.len()),
        Fault::Status(status) => (status, "", 0),
        Fault::Truncated => (status, answer, answer.len() / 2),
        Fault::Slow(time) => {
            thread::sleep(time);
            (status, answer, answer.len())
        }
        Fault::None => (status, answer, answer.len()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // Whoever asked may have gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body.as_bytes()[..sent]);
}

fn error(code: u32, message: &str) -> Value {
    json!({"error_code": code, "message": message})
}

impl State {
    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["schemas", "ids", id]) => self.schema(id.parse().ok()),
            ("GET", ["schemas", "guids", guid]) => self.schema(self.guids.get(*guid).copied()),
            ("GET", ["subjects", name, "versions"]) => match self.subjects.get(*name) {
                Some(ids) => (200, json!((1..=ids.len()).collect::<Vec<_>>())),
                None => (404, error(40_401, "Subject not found.")),
            },
            ("GET", ["subjects", name, "versions", version]) => self.get(name, version),
            ("POST", ["subjects", name]) => self.lookup(name, body),
            ("POST", ["subjects", name, "versions"]) => self.register(name, body),
            ("POST", ["compatibility", "subjects", name, "versions", "latest"]) => {
                match self.subjects.contains_key(*name) {
                    true => (200, json!({"is_compatible": true})),
                    false => (404, error(40_401, "Subject not found.")),
                }
            }
            _ => (404, error(404, "HTTP 404 Not Found")),
        }
    }

    fn schema(&self, id: Option<u32>) -> (u16, Value) {
        match id.and_then(|id| self.schemas.get(&id)) {
            Some(stored) => (200, stored.json()),
            None => (404, error(40_403, "Schema not found")),
        }
    }

    fn get(&self, name: &str, version: &str) -> (u16, Value) {
        let Some(ids) = self.subjects.get(name) else {
            return (404, error(40_401, "Subject not found."));
        };
        let version = match version {
            "latest" => ids.len(),
            number => number.parse().unwrap_or(0),
        };
        let id = version.checked_sub(1).and_then(|at| ids.get(at));
        let Some(id) = id else { return (404, error(40_402, "Version not found.")) };
        let mut answer = self.schemas[id].json();
        answer["subject"] = Value::from(name);
        answer["version"] = Value::from(version);
        answer["id"] = Value::from(*id);
        (200, answer)
    }

    fn lookup(&self, name: &str, body: &Value) -> (u16, Value) {
        let Some(ids) = self.subjects.get(name) else {
            return (404, error(40_401, "Subject not found."));
        };
        match ids
            .iter()
            .position(|id| self.schemas[id].text == body["schema"].as_str().unwrap_or(""))
        {
            Some(at) => self.get(name, &(at + 1).to_string()),
            None => (404, error(40_403, "Schema not found")),
        }
    }

    fn register(&mut self, name: &str, body: &Value) -> (u16, Value) {
        if let (200, found) = self.lookup(name, body) {
            return (200, json!({"id": found["id"]}));
        }
        let text = body["schema"].as_str().unwrap_or("").to_owned();
        if serde_json::from_str::<Value>(&text).is_err() {
            return (422, error(42_201, "Invalid schema"));
        }
        let id = self.schemas.keys().max().copied().unwrap_or(0) + 1;
        self.schemas.insert(id, Stored { kind: "AVRO", text, references: Value::Null });
        self.subjects.entry(name.to_owned()).or_default().push(id);
        (200, json!({ "id": id }))
    }
}

impl Stored {
    /// As registries do, what is usual is left out.
    fn json(&self) -> Value {
        let mut answer = json!({"schema": self.text});
        if self.kind != "AVRO" {
            answer["schemaType"] = Value::from(self.kind);
        }
        if !self.references.is_null() {
            answer["references"] = self.references.clone();
        }
        answer
    }
}
