//! What the dead letters' commands write: records put back, all in one transaction, and records deleted.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::Settings;
use crate::engine::ports::{Failure, Outgoing};

use super::error::{self, Trouble};
use super::settings;
use super::sink::Sink;
use super::topics::block_on;
use super::watchdog::Watchdog;

/// The only one who puts records back: whoever was at it before can commit no more, so that what is read
/// after this stays true until it has written.
pub struct Writer(Sink);

impl Writer {
    pub fn fence(settings: &Settings) -> Result<Writer, Trouble> {
        let watchdog = Watchdog::start(0)
            .map_err(|error| Trouble::Temporary(format!("failed to start a thread: {error}")))?;
        let mut sink = Sink::with(vec![settings::letters_producer(settings)], settings, watchdog);
        match sink.recreate(&mut || Ok(())) {
            Ok(()) => Ok(Writer(sink)),
            Err(failure) => Err(trouble(failure)),
        }
    }

    /// Sends records, all or none.
    pub fn put_back(self, records: &[(String, Outgoing)]) -> Result<(), Trouble> {
        let Writer(mut sink) = self;
        let sent = sink
            .begin()
            .and_then(|()| records.iter().try_for_each(|(topic, record)| sink.send(topic, record)))
            .and_then(|()| sink.commit());
        let is_fenced = sink.is_fenced();
        sink.close();
        sent.map_err(|failure| if is_fenced { taken_over() } else { trouble(failure) })
    }
}

fn taken_over() -> Trouble {
    Trouble::Temporary(
        "another `dlq requeue` of this group has begun since and goes on in place of this one, which put \
         nothing back: see what the other says, or ask again"
            .to_owned(),
    )
}

fn trouble(failure: Failure) -> Trouble {
    match failure {
        Failure::Fatal(why) => Trouble::Config(why),
        Failure::Abort(why) => Trouble::Temporary(format!("nothing was put back: {why}")),
        Failure::Unknown(why) => Trouble::Temporary(format!(
            "nobody knows whether the records were put back ({why}): ask again, what was is not done twice"
        )),
    }
}

/// Deletes the records of a topic before an offset of each partition.
pub fn purge(settings: &Settings, topic: &str, before: &[(i32, i64)]) -> Result<(), Trouble> {
    let admin: AdminClient<DefaultClientContext> =
        settings::admin(settings).create().map_err(|error| error::creating(&error))?;
    let failed = |error: &KafkaError| {
        error::administering(&format!("delete records of {topic}"), "Delete", error)
    };
    let mut list = TopicPartitionList::new();
    for (partition, offset) in before {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
            .map_err(|error| failed(&error))?;
    }
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let answer = block_on(admin.delete_records(&list, &options)).map_err(|error| failed(&error))?;
    match answer.elements().iter().find_map(|one| one.error().err()) {
        Some(error) => Err(failed(&error)),
        None => Ok(()),
    }
}
