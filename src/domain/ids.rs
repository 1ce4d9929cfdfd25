//! Identifiers as types of their own, and text that must never be printed.
//!
//! An id is opaque, 1 to 255 bytes, case-sensitive, and cheap to clone. Parsing happens once, at the edge.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use thiserror::Error;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    #[error("the id is empty or only white space")]
    Empty,
    #[error("the id is longer than 255 bytes")]
    TooLong,
    #[error("the id contains a control character")]
    Control,
}

fn checked(text: &str) -> Result<Arc<str>, IdError> {
    if text.trim().is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > 255 {
        return Err(IdError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control);
    }
    Ok(Arc::from(text))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Eq, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                // Most are clones of one another: the text, somewhere else in memory, need not be read.
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl $name {
            /// Checks the form: 1–255 bytes, not blank, no control characters.
            pub fn parse(text: &str) -> Result<$name, IdError> {
                checked(text).map($name)
            }

            /// For texts that are known to be ids (read back from our own images, made by us).
            pub fn new(text: &str) -> $name {
                $name(Arc::from(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text, for keys.
            pub fn text(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl From<&Arc<str>> for $name {
            fn from(text: &Arc<str>) -> $name {
                $name(text.clone())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}

ids! {
    /// A routing domain: a Salesforce org, or a business unit whose reps are shared with no other.
    DomainId;
    /// A lead in the CRM.
    LeadId;
    /// A rep: a user who may own leads.
    RepId;
    /// A territory.
    TerritoryId;
    /// An account.
    AccountId;
    /// An opportunity.
    OpportunityId;
    /// A queue that people work from; `manager:<id>` is the queue of a manager.
    QueueId;
    /// The identity of an event, for repeats.
    EventId;
}

/// Text about a person: e-mail, phone. It has no `Display`, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Private(String);

impl Private {
    pub fn new(text: String) -> Private {
        Private(text)
    }

    /// The text itself: for matching, hashing and images, never for logs, metrics or errors.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}
