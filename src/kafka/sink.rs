//! The producing side of a worker: one transaction after another.
//!
//! The producer is polled by a thread of its own: without that, abort waits for reports that nobody takes
//! and returns after its whole time-out. A producer whose call ended in `Unknown` is never used again.
//!
//! Two producers take turns. After a commit is answered the broker writes its markers for some milliseconds
//! more, and tells the same producer's next transaction to come again; librdkafka then waits 20 ms, which no
//! setting reaches. The other producer is not told so. One transaction at a time all the same: a producer
//! begins only after the other's commit was answered, and both are made anew together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, TopicPartitionList};

use crate::config::Settings;
use crate::engine::ports::{Failure, Outgoing, Result};

use super::context::forward;
use super::error;
use super::settings;
use super::watchdog::Watchdog;

/// What troubles a producer is told so often at most.
const TELLING: Duration = Duration::from_secs(10);
/// So long the brokers are waited for before the group is served.
const SLICE: Duration = Duration::from_millis(500);
/// What is left for a commit at least, however long its records took.
const LEAST: Duration = Duration::from_secs(1);

/// Notes why a record could not be delivered: the transaction's own error does not say.
#[derive(Clone, Debug, Default)]
struct Deliveries {
    failed: Arc<Mutex<Option<Failure>>>,
    told_at: Arc<Mutex<Option<Instant>>>,
}

impl Deliveries {
    fn note(&self, failure: Failure) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*failed, Some(Failure::Fatal(_))) {
            *failed = Some(failure);
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        forward(level, facility, text);
        if let Some(failure) = error::denied(facility, text) {
            self.note(failure);
        }
    }

    /// Errors come by the dozen a second while brokers are away.
    fn error(&self, error: KafkaError, reason: &str) {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_some_and(|told| told.elapsed() < TELLING) {
            return tracing::debug!(%error, reason, "the producer has trouble");
        }
        *told_at = Some(Instant::now());
        tracing::warn!(%error, reason, "the producer has trouble");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        let Err((error, message)) = result else { return };
        if let Some(failure) = error::delivery(message.topic(), error) {
            self.note(failure);
        }
    }
}

pub(super) struct Sink {
    /// One for each producer.
    configs: Vec<ClientConfig>,
    producers: Vec<ThreadedProducer<Deliveries>>,
    /// Whose transaction it is.
    turn: usize,
    deliveries: Deliveries,
    watchdog: Watchdog,
    /// What a call that ends a transaction may take: after it the broker has ended it anyway.
    timeout: Duration,
    open: bool,
}

impl Sink {
    /// Without a producer yet: `recreate` makes the first ones too.
    pub(super) fn new(settings: &Settings, worker: usize, watchdog: Watchdog) -> Sink {
        Sink::with(settings::producers(settings, worker).into(), settings, watchdog)
    }

    /// With transactional producers of these properties.
    pub(super) fn with(
        configs: Vec<ClientConfig>,
        settings: &Settings,
        watchdog: Watchdog,
    ) -> Sink {
        let timeout = settings.kafka.transaction_timeout_ms;
        Sink {
            configs,
            producers: Vec::new(),
            turn: 0,
            deliveries: Deliveries::default(),
            watchdog,
            timeout: Duration::from_millis(u64::try_from(timeout).unwrap_or(15_000)),
            open: false,
        }
    }

    /// Drops the producers and makes others with the same transactional ids. Initialising them aborts what
    /// the old ones left open and fences every request of them that is still on its way. `serve` is called
    /// every now and then: a member that is silent for as long as brokers may be away loses its place.
    pub(super) fn recreate(&mut self, serve: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        // It waits for a transaction that is being completed; whoever calls tries again, and lives meanwhile.
        let patience = self.timeout;
        let _guard = self.watchdog.guard("init_transactions", patience);
        (self.open, self.turn) = (false, 0);
        self.producers.clear();
        self.deliveries = Deliveries::default();
        let create = |config: &ClientConfig| config.create_with_context(self.deliveries.clone());
        let made: KafkaResult<Vec<ThreadedProducer<Deliveries>>> =
            self.configs.iter().map(create).collect();
        let made = made.map_err(|error| Failure::Fatal(error::creating(&error).to_string()))?;
        let deadline = Instant::now() + patience;
        for producer in &made {
            // A call that was given up is taken up again by the next one.
            while let Err(error) = producer.init_transactions(SLICE) {
                if !error::may_be_repeated(&error) || Instant::now() > deadline {
                    return Err(error::transactional("init_transactions", &error));
                }
                serve()?;
            }
        }
        self.producers = made;
        Ok(())
    }

    fn producer(&self) -> Result<&ThreadedProducer<Deliveries>> {
        self.producers.get(self.turn).ok_or_else(|| Failure::Unknown("no producer".to_owned()))
    }

    /// The transaction has ended, and the broker said so.
    fn ended(&mut self) {
        self.open = false;
        self.turn = (self.turn + 1) % self.configs.len().max(1);
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        let _guard = self.watchdog.guard("begin_transaction", self.timeout);
        self.producer()?
            .begin_transaction()
            .map_err(|error| error::transactional("begin_transaction", &error))?;
        self.open = true;
        Ok(())
    }

    pub(super) fn send(&mut self, topic: &str, record: &Outgoing) -> Result<()> {
        let producer = self.producer()?;
        let deadline = Instant::now() + self.timeout;
        let mut message: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).timestamp(record.timestamp.0);
        message.partition = record.partition;
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            message.headers = Some(record.headers.iter().fold(headers, |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_ref() })
            }));
        }
        loop {
            let Err((error, back)) = producer.send(message) else { return Ok(()) };
            match error::producing(topic, &error) {
                Some(failure) => return Err(self.because(failure)),
                None if Instant::now() > deadline => {
                    return Err(Failure::Abort(format!("send to {topic}: {error}")));
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            message = back;
        }
    }

    pub(super) fn send_offsets(
        &mut self,
        offsets: &TopicPartitionList,
        membership: &ConsumerGroupMetadata,
    ) -> Result<()> {
        let _guard = self.watchdog.guard("send_offsets_to_transaction", self.timeout);
        self.producer()?
            .send_offsets_to_transaction(offsets, membership, self.timeout)
            .map_err(|error| error::transactional("send_offsets_to_transaction", &error))
            .map_err(|failure| self.because(failure))
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        let _guard = self.watchdog.guard("commit_transaction", self.timeout);
        let producer = self.producer()?;
        // Commit waits for deliveries too, but in steps of its own: draining first halves the tail.
        let deadline = Instant::now() + self.timeout;
        while producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(100));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = producer.commit_transaction(left.max(LEAST));
        match answer {
            Ok(()) => {
                self.ended();
                Ok(())
            }
            Err(error) => Err(self.because(error::transactional("commit_transaction", &error))),
        }
    }

    /// The reason why a delivery failed instead of "the transaction must be aborted".
    fn because(&self, failure: Failure) -> Failure {
        let noted = self.deliveries.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (noted, failure) {
            (
                Some(Failure::Fatal(why)),
                Failure::Abort(text) | Failure::Unknown(text) | Failure::Fatal(text),
            ) => Failure::Fatal(format!("{text}: {why}")),
            (Some(Failure::Abort(why)), Failure::Abort(text)) => {
                Failure::Abort(format!("{text}: {why}"))
            }
            (_, failure) => failure,
        }
    }

    pub(super) fn abort(&mut self) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        let _guard = self.watchdog.guard("abort_transaction", self.timeout);
        // Whatever stands in the way of an abort, nobody knows how the transaction ends.
        self.producer()?.abort_transaction(self.timeout).map_err(
            |error| match error::transactional("abort_transaction", &error) {
                Failure::Abort(text) => Failure::Unknown(text),
                other => other,
            },
        )?;
        self.ended();
        *self.deliveries.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Somebody else has begun with the same transactional id.
    pub(super) fn is_fenced(&self) -> bool {
        let fatal = |producer: &ThreadedProducer<Deliveries>| producer.client().fatal_error();
        self.producers.iter().filter_map(fatal).any(|(code, _)| error::is_fenced(code))
    }

    /// Drops the producer; what is open is aborted if that is still possible.
    pub(super) fn close(mut self) {
        if self.open && self.abort().is_err() {
            tracing::warn!("a transaction stays open until the next start or its time-out");
        }
    }
}
