//! Looks every few seconds how far the workers are behind, on a thread of its own: a broker that does not
//! answer holds nobody up but this.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::clock;
use crate::config::Settings;
use crate::kafka::lag::LagReader;
use crate::kafka::topics::Layout;
use crate::telemetry::lag::Lag;

const EVERY: Duration = Duration::from_secs(5);

/// Starts looking; ends with the process.
pub fn watch(settings: Arc<Settings>, layout: Layout, lag: Arc<Lag>) -> std::io::Result<()> {
    thread::Builder::new().name("lag".to_owned()).spawn(move || {
        let reader = match LagReader::connect(&settings, layout) {
            Ok(reader) => reader,
            Err(why) => return tracing::warn!(%why, "lag is not shown"),
        };
        loop {
            thread::sleep(EVERY);
            let now = clock::now();
            match reader.look(&lag.shards()) {
                Ok(parts) => parts.iter().for_each(|part| {
                    lag.seen(part.topic, part.shard, part.end, part.committed, now);
                }),
                Err(why) => tracing::debug!(%why, "lag could not be looked up"),
            }
        }
    })?;
    Ok(())
}
