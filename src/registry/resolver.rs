//! Answers what readers want to know, on a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Unavailable;
use super::client::{Client, Fetched};
use crate::codec::error::{Error, reason};
use crate::codec::{SchemaRef, Wants};

/// Between two requests that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long what the registry does not know counts as unknown before it is asked for again.
const FORGET: Duration = Duration::from_secs(30);
/// How soon something new is looked at while an answer is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// So many names that turned out to be unknown within a minute: whoever sends them will send more, and
/// the next ones are asked for only once.
const PATIENCE: usize = 8;

/// What a registry that answers said of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Found,
    Absent,
    Unfit,
}

/// What a resolver tells of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// A request was answered.
    Answer(Outcome),
    /// One was made in vain.
    NoAnswer(&'a Unavailable),
    /// So many names wait now; told when that changes.
    Waiting(usize),
}

/// A registry that serves a table of schemas. Dropping it ends the thread.
#[derive(Debug)]
pub struct Resolver {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// From now on `table` is served, and `tell` is told.
    pub fn start(
        client: Arc<Client>,
        table: Arc<dyn Wants>,
        tell: impl Fn(News<'_>) + Send + 'static,
    ) -> std::io::Result<Resolver> {
        table.serve();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::Builder::new().name("registry".to_owned()).spawn(move || {
            let mut work = Work::new(client, table);
            while !seen.load(Ordering::Relaxed) {
                work.round(&tell);
            }
        })?;
        Ok(Resolver { stop, thread: Some(thread) })
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It panics for nobody; if it did, that was told where it happened.
            let _ = thread.join();
        }
    }
}

/// What is known of a name that has no answer yet.
#[derive(Debug)]
struct Open {
    since: Instant,
    /// Not asked for again before this.
    next: Instant,
    pause: Duration,
}

struct Work {
    client: Arc<Client>,
    table: Arc<dyn Wants>,
    open: BTreeMap<SchemaRef, Open>,
    /// Counted as unknown, and until when.
    absent: BTreeMap<SchemaRef, Instant>,
    /// When names turned out to be unknown, lately.
    lately: Vec<Instant>,
    /// How many names waited when that was told last.
    waiting: usize,
    /// The registry is not available: nothing is asked before this.
    rests_until: Option<Instant>,
    pause: Duration,
}

impl Work {
    fn new(client: Arc<Client>, table: Arc<dyn Wants>) -> Work {
        Work {
            client,
            table,
            open: BTreeMap::new(),
            absent: BTreeMap::new(),
            lately: Vec::new(),
            waiting: 0,
            rests_until: None,
            pause: FIRST_PAUSE,
        }
    }

    fn round(&mut self, tell: &impl Fn(News<'_>)) {
        let wanted = self.table.wanted(LOOK);
        if wanted.len() != self.waiting {
            self.waiting = wanted.len();
            tell(News::Waiting(self.waiting));
        }
        let now = Instant::now();
        self.forget(now);
        if self.rests_until.is_some_and(|until| now < until) {
            return thread::sleep(LOOK);
        }
        let mut asked = false;
        for schema in &wanted {
            let fresh = || Open { since: now, next: now, pause: FIRST_PAUSE };
            if self.open.entry(*schema).or_insert_with(fresh).next > now {
                continue;
            }
            asked = true;
            match self.ask(*schema) {
                Ok(outcome) => tell(News::Answer(outcome)),
                Err(why) => {
                    tell(News::NoAnswer(&why));
                    break;
                }
            }
        }
        if !asked && !wanted.is_empty() {
            thread::sleep(LOOK);
        }
    }

    /// Unknown names become questions again after a while.
    fn forget(&mut self, now: Instant) {
        let table = &self.table;
        self.absent.retain(|schema, until| {
            let keeps = *until > now;
            if !keeps {
                table.forget(*schema);
            }
            keeps
        });
        self.lately.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
    }

    fn ask(&mut self, schema: SchemaRef) -> Result<Outcome, Unavailable> {
        let answer = self.client.schema(schema);
        let now = Instant::now();
        let answer = answer.inspect_err(|why| {
            tracing::warn!(%schema, %why, pause_ms = self.pause.as_millis(), "registry: asked in vain");
            self.rests_until = Some(now + self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            // While the registry is away no time passes for what it might know.
            self.open.values_mut().for_each(|open| open.since = now);
        })?;
        if self.rests_until.take().is_some() {
            tracing::info!("registry: answers again");
        }
        self.pause = FIRST_PAUSE;
        Ok(match answer {
            Fetched::Avro(text) => {
                self.open.remove(&schema);
                match self.table.settle(schema, &text) {
                    Ok(()) => tracing::info!(%schema, "registry: schema fetched"),
                    Err(why) => tracing::warn!(%schema, %why, "registry: schema is unfit"),
                }
                Outcome::Found
            }
            Fetched::Unfit(why) => {
                self.open.remove(&schema);
                tracing::warn!(%schema, why, "registry: schema is unfit");
                self.table.refuse(schema, Error::new(reason::SCHEMA_INVALID, "schema", why));
                Outcome::Unfit
            }
            Fetched::Absent => self.not_there(schema, now),
        })
    }

    fn not_there(&mut self, schema: SchemaRef, now: Instant) -> Outcome {
        let most = self.client.settings().unknown_after;
        let Some(open) = self.open.get_mut(&schema) else { return Outcome::Absent };
        if now.duration_since(open.since) < most && self.lately.len() < PATIENCE {
            open.next = now + open.pause;
            open.pause = (open.pause * 2).min(Duration::from_secs(1));
            return Outcome::Absent;
        }
        tracing::warn!(%schema, "registry: knows no such schema");
        self.open.remove(&schema);
        self.lately.push(now);
        self.absent.insert(schema, now + FORGET);
        self.table.absent(schema);
        Outcome::Absent
    }
}
