//! Dead letters: the record as it came, and headers that say what was wrong with it.
//!
//! Two sets of headers: ours (`dlq.*`), and the names of Kafka Connect, which tools for dead letters
//! read. All are UTF-8 text. None holds a value of the payload, since the topic's readers may see
//! headers where they must not see people's data.

use super::error::{Error, reason};
use super::json::sha256_hex;
use crate::domain::time::Timestamp;

type Header = (String, Option<Vec<u8>>);

/// The record that cannot be used.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The topic's name in the log.
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

/// What to write to the dead-letter topic; its timestamp is the present one, as brokers refuse times far
/// ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

/// What a record costs besides its key, value and headers, at most.
const OVERHEAD_BYTES: usize = 512;

/// Makes the dead letter of a record. Its key, value and headers are verbatim unless they come to more
/// than `max_bytes` together: then the value is null, with its size and hash in headers.
pub fn build(source: &Source<'_>, error: &Error, max_bytes: usize) -> DeadLetter {
    let mut letter = DeadLetter {
        key: source.key.map(<[u8]>::to_vec),
        value: source.value.map(<[u8]>::to_vec),
        headers: source.headers.to_vec(),
    };
    let said = headers(source, error);
    if size(&letter, &said) > max_bytes {
        if let Some(value) = letter.value.take() {
            letter.headers.push(header("dlq.value_bytes", value.len()));
            letter.headers.push(header("dlq.value_sha256", sha256_hex(&value)));
        }
        if size(&letter, &said) > max_bytes {
            let dropped = source.headers.len();
            letter.headers.drain(..dropped);
            letter.headers.push(header("dlq.headers_dropped", dropped));
        }
    }
    letter.headers.extend(said);
    letter
}

fn headers(source: &Source<'_>, error: &Error) -> Vec<Header> {
    let stage = match error.field.as_str() {
        _ if error.reason == reason::PROCESSOR_PANIC => "TASK_PUT",
        "key" => "KEY_CONVERTER",
        _ => "VALUE_CONVERTER",
    };
    vec![
        header("dlq.reason", error.reason),
        header("dlq.field", &error.field),
        header("dlq.attempts", attempts(source) + 1),
        header("dlq.app.version", env!("CARGO_PKG_VERSION")),
        header("dlq.timestamp", source.timestamp.0),
        header("dlq.topic", source.topic),
        header("dlq.partition", source.partition),
        header("dlq.offset", source.offset),
        header("__connect.errors.topic", source.topic),
        header("__connect.errors.partition", source.partition),
        header("__connect.errors.offset", source.offset),
        header("__connect.errors.stage", stage),
        header("__connect.errors.exception.message", error),
    ]
}

/// How often the record was refused before: it may have been put back on its topic.
fn attempts(source: &Source<'_>) -> u32 {
    let last = source.headers.iter().rev().find(|(name, _)| name == "dlq.attempts");
    let text = last.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    text.and_then(|text| text.parse().ok()).map_or(0, |count: u32| count.min(1_000_000))
}

fn header(name: &str, value: impl ToString) -> Header {
    (name.to_owned(), Some(value.to_string().into_bytes()))
}

fn size(letter: &DeadLetter, said: &[Header]) -> usize {
    let of_header = |(name, value): &Header| 16 + name.len() + value.as_ref().map_or(0, Vec::len);
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize = letter.headers.iter().chain(said).map(of_header).sum();
    bytes(&letter.key) + bytes(&letter.value) + headers + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'l>(letter: &'l DeadLetter, name: &str) -> Option<&'l str> {
        let found = letter.headers.iter().rev().find(|(known, _)| known == name);
        found.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    }

    fn source<'a>(value: &'a [u8], headers: &'a [Header]) -> Source<'a> {
        Source {
            topic: "crm.lead-created",
            partition: 3,
            offset: 41,
            timestamp: Timestamp(7),
            key: Some(b"acme"),
            value: Some(value),
            headers,
        }
    }

    #[test]
    fn a_letter_is_the_record_with_what_was_wrong() {
        let headers = [("traceparent".to_owned(), Some(b"00-1".to_vec())), ("x".to_owned(), None)];
        let error = Error::new(reason::JSON_TYPE, "email", "expected a text, found a list");
        let letter = build(&source(b"{}", &headers), &error, 1_000_000);
        assert_eq!(letter.key.as_deref(), Some(&b"acme"[..]));
        assert_eq!(letter.value.as_deref(), Some(&b"{}"[..]));
        assert_eq!(letter.headers.get(..2), Some(&headers[..]));
        let expected = [
            ("dlq.reason", "json.type"),
            ("dlq.field", "email"),
            ("dlq.attempts", "1"),
            ("dlq.timestamp", "7"),
            ("dlq.topic", "crm.lead-created"),
            ("dlq.offset", "41"),
            ("__connect.errors.topic", "crm.lead-created"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.stage", "VALUE_CONVERTER"),
        ];
        for (name, value) in expected {
            assert_eq!(text(&letter, name), Some(value), "{name}");
        }
        let again = build(&source(b"{}", &letter.headers), &error, 1_000_000);
        assert_eq!(text(&again, "dlq.attempts"), Some("2"));
    }

    #[test]
    fn what_is_too_large_is_named_by_its_hash() {
        let value = vec![b'x'; 2_000];
        let error = Error::new(reason::FRAME_MAGIC, "value", "no");
        let letter = build(&source(&value, &[]), &error, 2_000);
        assert_eq!(letter.value, None);
        assert_eq!(text(&letter, "dlq.value_bytes"), Some("2000"));
        assert_eq!(text(&letter, "dlq.value_sha256"), Some(sha256_hex(&value).as_str()));
        let many: Vec<Header> =
            (0..1_000).map(|n| header(&format!("h{n}"), "x".repeat(50))).collect();
        let letter = build(&source(&value, &many), &error, 10_000);
        assert_eq!(text(&letter, "dlq.headers_dropped"), Some("1000"));
        assert_eq!(text(&letter, "dlq.value_bytes"), Some("2000"));
    }
}
