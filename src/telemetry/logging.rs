//! Logs: one JSON object a line for machines, text for a person at a terminal, on stderr.
//!
//! Fields are flat, `timestamp` is RFC 3339 in UTC, levels come from `RUST_LOG` (default `info`).
//! librdkafka's own lines come the same way, as rdkafka hands them to `tracing`.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    Json,
    Text,
}

/// Starts logging for the process. A second call changes nothing.
pub fn init(format: Format, default_level: &str) {
    let json = match format {
        Format::Json => true,
        Format::Text => false,
        Format::Auto => !stderr().is_terminal(),
    };
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let started = if json {
        tracing::Dispatch::new(json_lines(filter, stderr)).try_init()
    } else {
        let color = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let layer = tracing_subscriber::fmt::layer().with_ansi(color).with_writer(stderr);
        tracing_subscriber::registry().with(filter).with(layer).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// The subscriber that writes JSON lines, to any writer so that a test can read them.
fn json_lines<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(filter).with(layer)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Ok(mut page) = self.0.lock() {
                page.extend_from_slice(bytes);
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_flat_object_and_the_filter_holds() {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = json_lines(EnvFilter::new("info"), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(shard = 3, images = 7_u64, "shard restored");
            tracing::debug!("not this");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "shard restored");
        assert_eq!(line["shard"], 3);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
