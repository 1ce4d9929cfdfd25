//! Dead letters read back: where each came from and why, and whether it has been put back.
//!
//! A record that is put back keeps its key, value and own headers, and says in `dlq.requeued` where its letter
//! came from. Beside it, in the same transaction, a *marker* goes to the dead-letter topic: no value, no reason,
//! the same place. So a letter is put back once, whatever became of the topic that it went to.

use std::fmt;

type Header = (String, Option<Vec<u8>>);

/// Where the record of a letter lay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let read = || {
            let (rest, offset) = text.rsplit_once('/')?;
            let (topic, partition) = rest.rsplit_once('/')?;
            let topic = Some(topic.to_owned()).filter(|topic| !topic.is_empty())?;
            Some(Place { topic, partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        };
        read().ok_or_else(|| "expected TOPIC/PARTITION/OFFSET, as `dlq list` prints it".to_owned())
    }
}

/// What a record of the dead-letter topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Letter(Letter),
    /// The letter of this place was put back.
    Marker(Place),
    /// Somebody else's.
    Foreign,
}

/// What the headers of a letter say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub place: Place,
    pub reason: String,
    pub field: String,
    pub detail: String,
    pub attempts: u32,
    /// When the record was published.
    pub published_at: i64,
    /// The value was too large for a letter: its size.
    pub left_out_bytes: Option<u64>,
}

/// Where a record that was put back had been.
pub const REQUEUED: &str = "dlq.requeued";
/// How often a record was refused.
const ATTEMPTS: &str = "dlq.attempts";

/// The last value of a header: a record may have been a letter before.
fn last<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().rev().find(|(known, _)| known == name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

/// What a record of the dead-letter topic is.
pub fn read(headers: &[Header]) -> Kind {
    let place = || {
        Some(Place {
            topic: last(headers, "dlq.topic")?.to_owned(),
            partition: last(headers, "dlq.partition")?.parse().ok()?,
            offset: last(headers, "dlq.offset")?.parse().ok()?,
        })
    };
    let Some(place) = place() else { return Kind::Foreign };
    let Some(reason) = last(headers, "dlq.reason") else { return Kind::Marker(place) };
    let text = |name| last(headers, name).unwrap_or_default().to_owned();
    Kind::Letter(Letter {
        place,
        reason: reason.to_owned(),
        field: text("dlq.field"),
        detail: text("__connect.errors.exception.message"),
        attempts: last(headers, ATTEMPTS).and_then(|it| it.parse().ok()).unwrap_or(1),
        published_at: last(headers, "dlq.timestamp").and_then(|it| it.parse().ok()).unwrap_or(0),
        left_out_bytes: last(headers, "dlq.value_bytes").and_then(|it| it.parse().ok()),
    })
}

/// Where a record of a topic in was put back from.
pub fn put_back_from(headers: &[Header]) -> Option<Place> {
    last(headers, REQUEUED)?.parse().ok()
}

/// The headers of the record that is put back: its own, how often it was refused, and where it was. What its
/// letter added stands behind its own, from the last `dlq.reason` on; before that the two of an earlier return.
pub fn headers_back(headers: &[Header], letter: &Letter) -> Vec<Header> {
    let added = headers.iter().rposition(|(name, _)| name == "dlq.reason");
    let mut own = headers.get(..added.unwrap_or(headers.len())).unwrap_or_default();
    if let [before @ .., (attempts, _), (from, _)] = own
        && attempts == ATTEMPTS
        && from == REQUEUED
    {
        own = before;
    }
    let attempts = (ATTEMPTS.to_owned(), Some(letter.attempts.to_string().into_bytes()));
    let from = (REQUEUED.to_owned(), Some(letter.place.to_string().into_bytes()));
    [own, &[attempts, from]].concat()
}

/// The headers of the marker.
pub fn marker(place: &Place) -> Vec<Header> {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    vec![
        header(REQUEUED, place.to_string()),
        header("dlq.topic", place.topic.clone()),
        header("dlq.partition", place.partition.to_string()),
        header("dlq.offset", place.offset.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::dead_letter::{Source, build};
    use crate::codec::error::{Error, reason};
    use crate::domain::time::Timestamp;

    fn letter(headers: &[Header]) -> Letter {
        match read(&written(headers)) {
            Kind::Letter(letter) => letter,
            other => panic!("{other:?}"),
        }
    }

    fn written(headers: &[Header]) -> Vec<Header> {
        let source = Source {
            topic: "lead/created",
            partition: 3,
            offset: 41,
            timestamp: Timestamp(7),
            key: Some(b"acme"),
            value: Some(b"{"),
            headers,
        };
        let error = Error::new(reason::JSON_SYNTAX, "value", "is no JSON");
        build(&source, &error, 10_000).headers
    }

    #[test]
    fn a_letter_says_where_it_came_from_and_why() {
        let first = letter(&[]);
        assert_eq!(first.place.to_string(), "lead/created/3/41");
        assert_eq!(first.place.to_string().parse(), Ok(first.place.clone()));
        assert_eq!((first.reason.as_str(), first.field.as_str()), ("json.syntax", "value"));
        assert_eq!((first.attempts, first.published_at), (1, 7));
        assert!("lead-created/x/1".parse::<Place>().is_err());
    }

    #[test]
    fn a_record_that_is_put_back_is_as_it_was_and_says_where_it_had_been() {
        let header = |name: &str| (name.to_owned(), Some(b"00-1".to_vec()));
        let own =
            ["traceparent", "dlq.owner", "dlq.attempts", "__connect.errors.task.id"].map(header);
        let first = letter(&own);
        let back = headers_back(&written(&own), &first);
        assert_eq!(back.get(..4), Some(&own[..]));
        assert_eq!(put_back_from(&back), Some(first.place.clone()));
        // Refused again, it is a letter of its new place, and counts on.
        let again = letter(&back);
        assert_eq!(again.attempts, 2);
        let twice = headers_back(&written(&back), &again);
        assert_eq!(twice.len(), own.len() + 2, "nothing piles up: {twice:?}");
        assert_eq!(read(&marker(&first.place)), Kind::Marker(first.place));
        assert_eq!(read(&own), Kind::Foreign);
    }
}
