//! The schema registry as commands see it: its client by the configuration, and for those that read topics a
//! table that is filled while they wait. A service waits for ever; a command ends, as somebody sits before it.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::codec::SchemaIds;
use crate::codec::frame::{self, Headers};
use crate::config::Settings;
use crate::intake::Fetch;
use crate::kafka::Trouble;
use crate::registry::{Client, News, Resolver, Unavailable};

use super::ingest::service;

/// A registry that gives no answer for so long is waited for no more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is told that we wait, and why.
const TELL: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Schemas by id, asked for where they are needed.
pub(super) struct Lookup {
    ids: SchemaIds,
    client: Option<Arc<Client>>,
    silence: Silence,
    patience: Duration,
    given_up: OnceCell<Trouble>,
    /// Ends with the command.
    _resolver: Option<Resolver>,
}

/// Since when the registry has given no answer, and what came in place of the last one.
#[derive(Clone, Default)]
struct Silence(Arc<Mutex<Option<(Instant, Unavailable)>>>);

impl Silence {
    fn state(&self) -> MutexGuard<'_, Option<(Instant, Unavailable)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: Result<(), &Unavailable>) {
        let mut state = self.state();
        *state = answer.err().map(|why| {
            let since = state.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            (since, why.clone())
        });
    }
}

impl Lookup {
    pub(super) fn new(settings: &Settings) -> Result<Lookup, Trouble> {
        Lookup::with(settings, PATIENCE)
    }

    fn with(settings: &Settings, patience: Duration) -> Result<Lookup, Trouble> {
        let (ids, silence) = (SchemaIds::default(), Silence::default());
        let client = settings.registry.as_ref().map(Client::new).transpose();
        let client = client.map_err(Trouble::Config)?.map(Arc::new);
        let resolver = client.clone().map(|client| {
            let silence = silence.clone();
            Resolver::start(client, Arc::new(ids.clone()), move |news| match news {
                News::Answer(_) => silence.note(Ok(())),
                News::NoAnswer(why) => silence.note(Err(why)),
                News::Waiting(_) => {}
            })
        });
        let resolver = resolver.transpose();
        let _resolver = resolver.map_err(|error| Trouble::Temporary(error.to_string()))?;
        Ok(Lookup { ids, client, silence, patience, given_up: OnceCell::new(), _resolver })
    }

    pub(super) fn ids(&self) -> SchemaIds {
        self.ids.clone()
    }

    /// Asks for schemas of bridged records, which are in no table.
    pub(super) fn fetch(&self) -> Option<Fetch> {
        let silence = self.silence.clone();
        self.client.clone().map(|client| service::fetch(client, move |answer| silence.note(answer)))
    }

    /// Returns when the registry has said what is needed to read a value: nothing is judged by what it failed to
    /// say. It may have been given up, which `answered` says.
    pub(super) fn wait(&self, value: Option<&[u8]>, headers: Headers<'_>) {
        let Some(value) = value else { return };
        self.until(|| !frame::waits(value, headers, &self.ids));
    }

    /// The same for whatever needs the registry.
    pub(super) fn until(&self, mut is_there: impl FnMut() -> bool) {
        let (began, mut told) = (Instant::now(), Instant::now());
        let mut pause = Duration::from_millis(20);
        while self.given_up.get().is_none() && !is_there() {
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            let Some((since, why)) = self.silence.state().clone() else { continue };
            if since.max(began).elapsed() >= self.patience {
                self.give_up(&why);
            } else if told.elapsed() >= TELL {
                eprintln!("lead-router: still waiting for the schema registry: {why}");
                told = Instant::now();
            }
        }
    }

    fn give_up(&self, why: &Unavailable) {
        let seconds = self.patience.as_secs();
        let text = format!("the schema registry has given no answer for {seconds} s: {why}");
        self.given_up.get_or_init(|| match why.needs_person {
            true => Trouble::Config(text),
            false => Trouble::Temporary(text),
        });
    }

    /// Fails if the registry was given up: what was read then was read without its schema.
    pub(super) fn answered(&self) -> Result<(), Trouble> {
        self.given_up.get().cloned().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// A registry that is not there.
    fn lookup(patience: Duration) -> Lookup {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let text = format!("[registry]\nurl = \"http://{address}/path\"\n");
        let loaded = config::load_text("test", &text, std::iter::empty()).expect("settings");
        Lookup::with(&loaded.settings, patience).expect("a client")
    }

    #[test]
    fn a_command_gives_a_silent_registry_up_and_says_why() {
        let lookup = lookup(Duration::from_millis(300));
        assert_eq!(lookup.answered(), Ok(()));
        lookup.wait(Some(&[0, 0, 0, 0, 7, 1]), &[]);
        let Err(Trouble::Temporary(why)) = lookup.answered() else { panic!("it answered") };
        assert!(why.contains("127.0.0.1") && why.contains("cannot be reached"), "{why}");
        assert!(!why.contains("path"), "{why}");
        // Nothing more is waited for.
        lookup.until(|| false);
    }

    #[test]
    fn what_a_bridged_record_needs_is_given_up_as_well() {
        let lookup = lookup(Duration::from_millis(300));
        let mut fetch = lookup.fetch().expect("a registry");
        lookup.until(|| fetch(7) != crate::intake::Fetched::NotNow);
        assert!(matches!(lookup.answered(), Err(Trouble::Temporary(_))));
    }

    #[test]
    fn an_answer_ends_the_silence() {
        let silence = Silence::default();
        silence.note(Err(&Unavailable { why: "away".to_owned(), needs_person: false }));
        let first = silence.state().clone().expect("silence").0;
        silence.note(Err(&Unavailable { why: "refused".to_owned(), needs_person: true }));
        let (since, why) = silence.state().clone().expect("silence");
        assert_eq!((since, why.why.as_str()), (first, "refused"));
        silence.note(Ok(()));
        assert!(silence.state().is_none());
    }
}
