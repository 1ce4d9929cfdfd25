//! `lead-router ingest`: what bridges write about Salesforce, to canonical events.

pub mod pipe;

#[cfg(feature = "kafka")]
pub(super) mod service;
mod snapshot;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::pipe::IngestPipe;
use crate::domain::ids::DomainId;
use crate::ingest::schema::Schemas;
use crate::ingest::{Mapping, Parser, mapping};
use crate::runtime::run::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration (TOML) of the service; without it the defaults and the environment hold.
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG", conflicts_with = "pipe")]
    config: Option<PathBuf>,
    /// Raw records as JSON lines in, canonical events out, with no broker.
    #[arg(long)]
    pipe: bool,
    /// Which object is what, and which fields say what (TOML) [default: a standard org].
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The routing domain of the events.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = domain)]
    domain: String,
    /// Schemas that records were written with, each as <schema id>.avsc.
    #[arg(long, value_name = "DIR")]
    schemas: Option<PathBuf>,
    /// Loads a bulk export (CSV, JSON, JSON lines) through the same mapping: with --pipe its events are
    /// printed, else its rows are published for the service.
    #[arg(long, value_name = "FILE", requires = "object")]
    snapshot: Option<PathBuf>,
    /// The object that the export holds: Lead, Account, Foo__c.
    #[arg(long, value_name = "NAME", requires = "snapshot")]
    object: Option<String>,
    /// When the export was made (RFC 3339), for rows that do not say when they were changed
    /// [default: when the file was written].
    #[arg(long, value_name = "TIME", requires = "snapshot", value_parser = instant)]
    as_of: Option<i64>,
    /// Before its events, shows what was understood of each record.
    #[arg(long, requires = "pipe")]
    explain: bool,
}

fn domain(text: &str) -> Result<String, String> {
    DomainId::parse(text).map(|id| id.as_str().to_owned()).map_err(|why| why.to_string())
}

fn instant(text: &str) -> Result<i64, String> {
    let at = crate::domain::time::Timestamp::parse_rfc3339(text);
    at.map(|at| at.0).ok_or_else(|| "expected a time such as 2026-11-24T08:00:00Z".to_owned())
}

pub(super) fn main(args: &Args) -> Exit {
    if let (Some(file), Some(object)) = (&args.snapshot, &args.object) {
        return snapshot::main(args, file, object);
    }
    if !args.pipe {
        return serve(args);
    }
    let parser = match parser(args.mapping.as_deref(), args.schemas.as_deref()) {
        Ok(parser) => parser,
        Err(exit) => return exit,
    };
    let filter = IngestPipe::new(parser, args.domain.clone(), args.explain);
    let output = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match pipe::pipe(io::stdin().lock(), output, filter) {
        Ok(()) => Exit::Clean,
        // Whoever read our answers has gone: that is how a filter ends early.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Exit::Clean,
        Err(fault) => {
            eprintln!("lead-router: failed to read or write a line: {fault}");
            Exit::Temporary
        }
    }
}

#[cfg(feature = "kafka")]
fn serve(args: &Args) -> Exit {
    match crate::config::load(args.config.as_deref(), std::env::vars()) {
        Ok(loaded) => service::main(loaded.settings),
        Err(faults) => {
            eprintln!("{faults}");
            Exit::Config
        }
    }
}

#[cfg(not(feature = "kafka"))]
fn serve(_args: &Args) -> Exit {
    eprintln!("lead-router: this build speaks to no broker: ingest needs --pipe");
    Exit::Usage
}

pub(super) fn parser(mapping: Option<&Path>, schemas: Option<&Path>) -> Result<Parser, Exit> {
    let mapping = match mapping {
        Some(path) => read_mapping(path)?,
        None => Mapping::default(),
    };
    let schemas = match schemas {
        Some(folder) => read_schemas(folder)?,
        None => Schemas::default(),
    };
    Ok(Parser { schemas, mapping: Arc::new(mapping) })
}

fn unreadable(path: &Path, fault: &io::Error) -> Exit {
    eprintln!("lead-router: failed to read {}: {fault}", path.display());
    Exit::Config
}

fn read_mapping(path: &Path) -> Result<Mapping, Exit> {
    let text = std::fs::read_to_string(path).map_err(|fault| unreadable(path, &fault))?;
    mapping::parse(&text).map_err(|faults| {
        for fault in faults {
            eprintln!("{}: {fault}", path.display());
        }
        Exit::Config
    })
}

/// Every `*.avsc` of a folder, under its name. One that is no schema spoils only the records that name it.
fn read_schemas(folder: &Path) -> Result<Schemas, Exit> {
    let entries = std::fs::read_dir(folder).map_err(|fault| unreadable(folder, &fault))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut schemas = Schemas::default();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "avsc")) {
        let text = std::fs::read_to_string(path).map_err(|fault| unreadable(path, &fault))?;
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if let Err(fault) = schemas.insert(id, &text) {
            eprintln!("lead-router: {}: {fault}", path.display());
        }
    }
    Ok(schemas)
}
