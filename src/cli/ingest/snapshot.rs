//! `ingest --snapshot`: a bulk export through the same mapping.

use std::io::Write as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::json;

use super::Args;
use crate::ingest::{Machine, Parser, snapshot};
use crate::runtime::clock;
use crate::runtime::run::Exit;

pub(super) fn main(args: &Args, file: &Path, object: &str) -> Exit {
    let parser = match super::parser(args.mapping.as_deref(), args.schemas.as_deref()) {
        Ok(parser) => parser,
        Err(exit) => return exit,
    };
    if args.pipe {
        return match rows(args, &parser, file, object) {
            Ok(rows) => print(args, &parser, rows),
            Err(exit) => exit,
        };
    }
    publish(args, parser, file, object)
}

type Rows = Vec<crate::ingest::RawRecord>;

fn rows(args: &Args, parser: &Parser, file: &Path, object: &str) -> Result<Rows, Exit> {
    let name = file.display();
    if parser.mapping.object(object).is_none() {
        let known: Vec<&str> = parser.mapping.objects().map(|(name, _)| name.as_str()).collect();
        eprintln!(
            "lead-router: the mapping has no object {object}; there are: {}",
            known.join(", ")
        );
        return Err(Exit::Config);
    }
    let text = std::fs::read(file).map_err(|fault| super::unreadable(file, &fault))?;
    let written = std::fs::metadata(file).and_then(|it| it.modified()).ok();
    let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let now = clock::now().0;
    let written = written.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(now);
    let as_of = args.as_of.unwrap_or(written);
    snapshot::records(&text, object, &parser.mapping, as_of, now).map_err(|fault| {
        eprintln!("lead-router: {name}: {fault}");
        Exit::Config
    })
}

/// The events of the rows, as `pipe` reads them. What cannot be used is told, and the rest goes on.
fn print(args: &Args, parser: &Parser, rows: Rows) -> Exit {
    let mut machine = Machine::new(parser.mapping.clone());
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut events, mut bad, count) = (0_u64, 0_u64, rows.len());
    for (place, row) in rows.iter().enumerate() {
        let done = parser.parse(row).and_then(|change| machine.apply(&args.domain, &change));
        machine.store.commit();
        match done {
            Ok(done) => {
                for event in done.events {
                    events += 1;
                    let line = json!({ "topic": event.topic.name(), "key": args.domain,
                        "timestamp": event.at.0, "value": event.value });
                    if writeln!(output, "{line}").is_err() {
                        return Exit::Clean;
                    }
                }
            }
            Err(fault) => {
                bad += 1;
                eprintln!("lead-router: row {}: {fault}", place + 1);
            }
        }
    }
    eprintln!("{count} rows, {events} events, {bad} not usable");
    match (output.flush(), bad) {
        (Ok(()), 0) => Exit::Clean,
        _ => Exit::Hard,
    }
}

/// Publishes the rows as changes; the service makes events of them. Again is no harm: what is known already
/// changes nothing.
#[cfg(feature = "kafka")]
fn publish(args: &Args, mut parser: Parser, file: &Path, object: &str) -> Exit {
    let settings = match crate::config::load(args.config.as_deref(), std::env::vars()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Config;
        }
    };
    if args.mapping.is_none() && settings.ingest.mapping.is_some() {
        parser = match super::parser(settings.ingest.mapping.as_deref(), None) {
            Ok(parser) => parser,
            Err(exit) => return exit,
        };
    }
    let rows = match rows(args, &parser, file, object) {
        Ok(rows) => rows,
        Err(exit) => return exit,
    };
    let domain = match args.domain.as_str() {
        "default" => settings.ingest.default_domain.clone(),
        named => named.to_owned(),
    };
    let (mut changes, mut bad) = (Vec::with_capacity(rows.len()), 0_u64);
    for (place, row) in rows.iter().enumerate() {
        match parser.parse(row) {
            Ok(change) => {
                let value = String::from_utf8_lossy(&change.encode()).into_owned();
                changes.push((settings.topics.raw.clone(), domain.clone(), value));
            }
            Err(fault) => {
                bad += 1;
                eprintln!("lead-router: row {}: {fault}", place + 1);
            }
        }
    }
    let count = changes.len();
    for some in changes.chunks(10_000) {
        if let Err(trouble) = crate::kafka::bench::write(&settings, some.iter().cloned()) {
            return crate::cli::topics::told(&trouble);
        }
    }
    eprintln!("{count} rows published for {domain}, {bad} not usable");
    if bad == 0 { Exit::Clean } else { Exit::Hard }
}

#[cfg(not(feature = "kafka"))]
fn publish(_args: &Args, _parser: Parser, _file: &Path, _object: &str) -> Exit {
    eprintln!("lead-router: this build speaks to no broker: --snapshot needs --pipe");
    Exit::Usage
}
