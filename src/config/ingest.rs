//! The section of ingest: which topics bridges write, and how they are read.

use std::path::PathBuf;

use super::check::Take;

/// What `lead-router ingest` reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingest {
    /// Topics that bridges write, each with the routing domain of its records; none = no ingest.
    pub topics: Vec<(String, String)>,
    /// The domain of topics that name none.
    pub default_domain: String,
    pub mapping: Option<PathBuf>,
    pub schemas: Option<PathBuf>,
    /// Where the ids of records to read again are appended.
    pub reread: Option<PathBuf>,
}

impl Take<'_> {
    pub(super) fn ingest(&mut self) -> Ingest {
        let domain = self.text("ingest.domain");
        let path = |text: String| (!text.is_empty()).then(|| PathBuf::from(text));
        let list = self.text("ingest.topics");
        let mut topics: Vec<(String, String)> = Vec::new();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (topic, own) = entry.split_once('=').unwrap_or((entry, &domain));
            let (topic, own) = (topic.trim(), own.trim());
            if own.is_empty() || !super::check::is_name(topic) {
                self.fault(
                    "ingest.topics",
                    "expected TOPIC or TOPIC = DOMAIN, several with commas",
                );
            } else if topics.iter().any(|(known, _)| known == topic) {
                self.fault("ingest.topics", "names a topic twice");
            } else {
                topics.push((topic.to_owned(), own.to_owned()));
            }
        }
        Ingest {
            topics,
            default_domain: domain,
            mapping: path(self.text("ingest.mapping")),
            schemas: path(self.text("ingest.schemas")),
            reread: path(self.text("ingest.reread")),
        }
    }
}
