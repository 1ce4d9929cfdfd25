//! How a service writes: in the format that is set, and with a registry under the ids of our schemas, which
//! are asked for once a process. Until they are there nothing is read either.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use crate::codec::SchemaIds;
use crate::codec::encode::Format;
use crate::config::{self, Settings};
use crate::registry::{Client, News, Outcome, Refusal, Resolver, Subject};
use crate::runtime::run::{Ended, Exit, Seat};
use crate::telemetry::metrics::Metric;
use crate::telemetry::registry::Metrics;

const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);

/// How all workers of a service write.
pub(super) struct Formats {
    client: Option<Arc<Client>>,
    subjects: Vec<Subject>,
    plain: Format,
    known: Mutex<Option<Format>>,
    metrics: Arc<Metrics>,
}

impl Formats {
    /// `subjects`: what the service writes. Fails only for what is wrong with the configuration.
    pub(super) fn new(
        settings: &Settings,
        subjects: Vec<Subject>,
        metrics: &Arc<Metrics>,
    ) -> Result<Formats, String> {
        Ok(Formats {
            client: settings.registry.as_ref().map(Client::new).transpose()?.map(Arc::new),
            subjects,
            plain: match settings.format {
                config::Format::Avro => Format::SingleObject,
                config::Format::Json => Format::Json,
            },
            known: Mutex::new(None),
            metrics: Arc::clone(metrics),
        })
    }

    /// The registry, if there is one.
    pub(super) fn registry(&self) -> Option<Arc<Client>> {
        self.client.clone()
    }

    /// From now on the registry is asked for what readers miss in this table, until the answer is dropped.
    pub(super) fn resolve(&self, ids: &SchemaIds) -> io::Result<Option<Resolver>> {
        let start = |client| {
            let metrics = Arc::clone(&self.metrics);
            Resolver::start(client, Arc::new(ids.clone()), move |news| tell(&metrics, news))
        };
        self.registry().map(start).transpose()
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::codec::Record;
    use crate::registry::subjects_in;

    fn formats(address: &str, metrics: &Arc<Metrics>) -> Formats {
        let text = format!("[registry]\nurl = \"http://{address}\"\n");
        let loaded = config::load_text("test", &text, std::iter::empty()).expect("settings");
        let subjects = subjects_in(&loaded.settings.topics);
        Formats::new(&loaded.settings, subjects, metrics).expect("a client")
    }

    fn seat() -> Seat {
        let pulse = crate::telemetry::http::Health::default().pulse();
        Seat { worker: 0, stop: crate::runtime::shutdown::Stop::default(), pulse }
    }

    /// Says of every schema that it is registered, with the id 7.
    fn answer(listener: &TcpListener) {
        for mut stream in listener.incoming().flatten() {
            let mut text = Vec::new();
            while !text.ends_with(b"}") {
                let mut some = [0; 4096];
                match stream.read(&mut some) {
                    Ok(count @ 1..) => text.extend_from_slice(&some[..count]),
                    _ => break,
                }
            }
            let head = "HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 8";
            let _ = write!(stream, "{head}\r\n\r\n{{\"id\":7}}");
        }
    }

    #[test]
    fn a_registry_that_is_down_at_the_start_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let waiting = || metrics.value(Metric::RegistryWaiting, &[]).expect("a gauge");
        let formats = formats(&address, &metrics);
        let seat = seat();
        thread::scope(|scope| {
            let waits = scope.spawn(|| formats.wait(&seat));
            while waiting() == 0.0 {
                assert!(!waits.is_finished(), "it did not wait");
                thread::sleep(TICK);
            }
            let listener = TcpListener::bind(&address).expect("the port again");
            thread::spawn(move || answer(&listener));
            let Ok(Ok(Some(Format::Confluent(ids)))) = waits.join() else { panic!("no ids") };
            assert_eq!(ids.get(&Record::Lead), Some(&7));
        });
        assert_eq!(waiting(), 0.0);
    }

    #[test]
    fn who_waits_for_the_registry_can_be_stopped() {
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let formats = formats("127.0.0.1:1", &metrics);
        let seat = seat();
        seat.stop.raise();
        assert!(matches!(formats.wait(&seat), Ok(None)));
    }
}
