//! The schema registry as commands see it: its client by the configuration, and for those that read topics a
//! table that is filled while they wait.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::codec::SchemaIds;
use crate::codec::frame::{self, Headers};
use crate::config::Settings;
use crate::kafka::Trouble;
use crate::registry::{Client, Resolver};

/// Schemas by id, asked for where they are needed.
pub(super) struct Lookup {
    ids: SchemaIds,
    /// Ends with the command.
    _resolver: Option<Resolver>,
}

impl Lookup {
    pub(super) fn new(settings: &Settings) -> Result<Lookup, Trouble> {
        let ids = SchemaIds::default();
        let Some(registry) = &settings.registry else { return Ok(Lookup { ids, _resolver: None }) };
        let client = Client::new(registry).map_err(Trouble::Config)?;
        let resolver = Resolver::start(Arc::new(client), Arc::new(ids.clone()), |_| {});
        let resolver = resolver.map_err(|error| Trouble::Temporary(error.to_string()))?;
        Ok(Lookup { ids, _resolver: Some(resolver) })
    }

    pub(super) fn ids(&self) -> SchemaIds {
        self.ids.clone()
    }

    /// Returns when the registry has said what is needed to read a value, however long that takes: nothing is
    /// judged by what it failed to say.
    pub(super) fn wait(&self, value: Option<&[u8]>, headers: Headers<'_>) {
        let Some(value) = value else { return };
        let mut waited = Duration::ZERO;
        while frame::waits(value, headers, &self.ids) {
            thread::sleep(Duration::from_millis(20));
            waited += Duration::from_millis(20);
            if waited.as_millis().is_multiple_of(10_000) {
                eprintln!("lead-router: still waiting for the schema registry");
            }
        }
    }
}
