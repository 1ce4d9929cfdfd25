//! How the service writes: in the format that is set, and with a registry under the ids of our schemas, which
//! are asked for once a process. Until they are there nothing is read either.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use crate::codec::SchemaIds;
use crate::codec::encode::Format;
use crate::config::{self, Settings};
use crate::registry::{Client, News, Outcome, Refusal, Resolver, Subject, subjects_out};
use crate::runtime::run::{Ended, Exit, Seat};
use crate::telemetry::metrics::Metric;
use crate::telemetry::registry::Metrics;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);

/// What is known of schemas, for all workers.
pub(super) struct Formats {
    pub(super) ids: SchemaIds,
    client: Option<Arc<Client>>,
    subjects: Vec<Subject>,
    plain: Format,
    known: Mutex<Option<Format>>,
    metrics: Arc<Metrics>,
    /// Ends with the process.
    _resolver: Option<Resolver>,
}

impl Formats {
    pub(super) fn new(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Formats, String> {
        let ids = SchemaIds::default();
        let mut formats = Formats {
            ids: ids.clone(),
            client: None,
            subjects: subjects_out(&settings.topics),
            plain: match settings.format {
                config::Format::Avro => Format::SingleObject,
                config::Format::Json => Format::Json,
            },
            known: Mutex::new(None),
            metrics: Arc::clone(metrics),
            _resolver: None,
        };
        if let Some(registry) = &settings.registry {
            let client = Arc::new(Client::new(registry)?);
            let metrics = Arc::clone(metrics);
            let tell = move |news: News<'_>| tell(&metrics, news);
            let resolver = Resolver::start(Arc::clone(&client), Arc::new(ids), tell);
            formats._resolver = Some(resolver.map_err(|error| error.to_string())?);
            formats.client = Some(client);
        }
        Ok(formats)
    }

    /// How to write. Waits for the registry; `None`: the process is to stop.
    pub(super) fn wait(&self, seat: &Seat) -> Result<Option<Format>, Ended> {
        let Some(client) = self.client.as_ref().filter(|_| self.plain != Format::Json) else {
            return Ok(Some(self.plain.clone()));
        };
        let mut pause = TICK;
        while !seat.stop.is_raised() {
            seat.pulse.tick();
            let mut known = match self.known.try_lock() {
                Ok(known) => known,
                Err(TryLockError::Poisoned(known)) => PoisonError::into_inner(known),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(TICK);
                    continue;
                }
            };
            if let Some(format) = &*known {
                return Ok(Some(format.clone()));
            }
            match client.ids(&self.subjects) {
                Ok(ids) => {
                    tell(&self.metrics, News::Waiting(0));
                    tracing::info!(
                        registry = client.host(),
                        "the schemas that we write are registered"
                    );
                    *known = Some(Format::Confluent(ids));
                }
                Err(Refusal::Differs(why)) => return Err(Ended { exit: Exit::Config, why }),
                Err(Refusal::Unavailable(why)) => {
                    drop(known);
                    tell(&self.metrics, News::Waiting(self.subjects.len()));
                    tell(&self.metrics, News::NoAnswer(&why));
                    tracing::warn!(%why, "waiting for the schema registry");
                    rest(seat, pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        Ok(None)
    }
}

fn rest(seat: &Seat, pause: Duration) {
    for _ in 0..pause.as_millis() / TICK.as_millis() {
        seat.pulse.tick();
        if seat.stop.is_raised() {
            return;
        }
        thread::sleep(TICK);
    }
}

fn tell(metrics: &Metrics, news: News<'_>) {
    let outcome = match news {
        News::Answer(Outcome::Found) => "found",
        News::Answer(Outcome::Absent) => "absent",
        News::Answer(Outcome::Unfit) => "unfit",
        News::NoAnswer(_) => "unavailable",
        News::Waiting(count) => {
            return metrics.set(Metric::RegistryWaiting, &[], count as f64);
        }
    };
    metrics.add(Metric::RegistryRequests, &[outcome], 1);
}
