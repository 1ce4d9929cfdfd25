//! The command: what it takes, how it tells, where it writes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::csv::{Export, Mapping};
use super::drive::{Done, JsonLines, Plan, run};
use super::progress::{Progress, Watched};
use super::{page, text};
use crate::cli::commands::read_policy;
use crate::evaluate::report::{self, Report};
use crate::runtime::clock;
use crate::runtime::run::Exit;

const EXAMPLES: &str = "\
Examples:
  # A recording is what went into the router and what came out of it, as JSON lines, in one file or two:
  lead-router pipe --policy live.toml < events.jsonl > decisions.jsonl
  lead-router backtest --policy new.toml --recorded-policy live.toml events.jsonl decisions.jsonl

  # A page for people, numbers for machines:
  lead-router backtest --policy new.toml --html report.html --json report.json recording.jsonl

  # The topics of a running router, in the order in which it read them (builds with Kafka):
  lead-router backtest --policy new.toml --config router.toml

  # Does the engine decide again what it decided live? Try the policy that was live:
  lead-router backtest --policy live.toml --recorded-policy live.toml recording.jsonl

  # Years of leads from a CRM export, no decisions recorded (read docs/backtest.md first):
  lead-router backtest --policy new.toml --csv leads.csv --mapping mapping.toml

docs/backtest.md says what is estimated, how, and what it cannot tell.";

/// What would another policy have won? Replays a recording under it.
///
/// Replays a recording through the routing engine under another policy: what it would have won, with 95 %
/// intervals; which leads would have gone elsewhere, to whom, why; load by rep; SLA steps.
///
/// The recording is replayed as it was, too, and every decision compared with the recorded one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// The policy to try (TOML).
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The policy file that the recording was made with; not needed where the recording has its
    /// policy-changed events, or was made under the built-in policy.
    #[arg(long, value_name = "FILE")]
    recorded_policy: Option<PathBuf>,
    /// JSON lines as `pipe` reads and writes them; `-` or nothing = standard input.
    #[arg(value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// No decisions are recorded: tell who had a lead by its owner and its deals, and estimate the chances.
    #[arg(long)]
    history: bool,
    /// A CRM export, one lead a row, in place of a recording.
    #[arg(long, value_name = "FILE", requires = "mapping", conflicts_with = "recordings")]
    csv: Option<PathBuf>,
    /// Which column of the export is what (TOML).
    #[arg(long, value_name = "FILE", requires = "csv")]
    mapping: Option<PathBuf>,
    /// Read the topics of the router with this configuration (TOML) in place of a recording.
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recordings", "csv"])]
    config: Option<PathBuf>,
    /// What goes to standard output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Write the numbers as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with charts: one file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Output {
    Text,
    Json,
}

pub(in crate::cli) fn main(args: &Args) -> Exit {
    match backtest(args) {
        Ok(()) => Exit::Clean,
        Err(exit) => exit,
    }
}

fn backtest(args: &Args) -> Result<(), Exit> {
    let policy = read_policy(&args.policy)?;
    let recorded = args.recorded_policy.as_deref().map(read_policy).transpose()?;
    // A report of an hour's work must not be lost for a folder that is not there.
    args.json.iter().chain(&args.html).try_for_each(|path| writable(path))?;
    let is_history = args.history || args.csv.is_some();
    let plan = Plan { policy, recorded, is_history, keeps_odds: false };
    let report = replay(args, plan)?;
    Progress::clear();
    if !is_history && report.agreement.is_none() {
        return Err(no_decisions(
            &report.read,
            "add the lead-assigned lines that pipe or the topic gave, or say --history to have the \
             chances estimated",
        ));
    }
    write(args, &report)
}

/// A recording without decisions is none, or is no recording at all.
pub(in crate::cli) fn no_decisions(read: &report::Read, remedy: &str) -> Exit {
    let (lines, unusable) = (read.lines, read.unusable);
    eprintln!("lead-router: no decisions are recorded in {lines} lines: {remedy}");
    if unusable > 0 {
        eprintln!("{unusable} of the lines could not be used:");
        read.faults.iter().for_each(|fault| eprintln!("  {fault}"));
    }
    Exit::Config
}

fn replay(args: &Args, plan: Plan) -> Result<Report, Exit> {
    let done = |run: io::Result<Done>| {
        let failed = |fault| told(&format!("failed to read the recording: {fault}"));
        let Done { report, tried, ledger } = run.map_err(failed)?;
        // Nobody waits until a million leads have been forgotten one by one.
        std::thread::spawn(move || drop((tried, ledger)));
        Ok(report)
    };
    #[cfg(feature = "kafka")]
    if let Some(config) = &args.config {
        return done(run(plan, Watched::new(topics(config)?, "records")));
    }
    if let (Some(csv), Some(mapping)) = (&args.csv, &args.mapping) {
        return done(run(plan, Watched::new(export(csv, mapping)?, "events")));
    }
    let (input, size) = open(&args.recordings)?;
    done(run(plan, Watched::new(JsonLines::new(input, size), "lines")))
}

/// What the topics of a router hold.
#[cfg(feature = "kafka")]
pub(in crate::cli) fn topics(config: &Path) -> Result<super::topics::Topics, Exit> {
    let loaded = crate::config::load(Some(config), std::env::vars()).map_err(|faults| {
        eprintln!("{faults}");
        Exit::Config
    })?;
    eprintln!("reading the topics …");
    let read = super::topics::Topics::read(&loaded.settings);
    read.map_err(|trouble| crate::cli::topics::told(&trouble))
}

fn write(args: &Args, report: &Report) -> Result<(), Exit> {
    let json = || serde_json::to_string_pretty(report).map(|text| text + "\n");
    let json = json().map_err(|fault| told(&format!("failed to write the report: {fault}")))?;
    if let Some(path) = &args.json {
        save(path, &json)?;
    }
    if let Some(path) = &args.html {
        let name = args.policy.file_name().map(|name| name.to_string_lossy().into_owned());
        let title = format!("Backtest of {}", name.unwrap_or_default());
        save(path, &page::page(report, &title))?;
    }
    print(&match args.output {
        Output::Text => text::backtest(report),
        Output::Json => json,
    })
}

/// Writes to standard output; whoever has stopped reading has read enough.
pub(in crate::cli) fn print(text: &str) -> Result<(), Exit> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => {
            Err(told(&format!("failed to write the report: {fault}")))
        }
        _ => Ok(()),
    }
}

/// Whether a file can be written there; what is in it stays.
fn writable(path: &Path) -> Result<(), Exit> {
    let is_new = !path.exists();
    File::options().create(true).append(true).open(path).map_err(|fault| {
        eprintln!("lead-router: failed to write {}: {fault}", path.display());
        Exit::Config
    })?;
    if is_new {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn save(path: &Path, text: &str) -> Result<(), Exit> {
    let failed = |fault| told(&format!("failed to write {}: {fault}", path.display()));
    fs::write(path, text).map_err(failed)
}

fn told(why: &str) -> Exit {
    eprintln!("lead-router: {why}");
    Exit::Temporary
}

fn export(csv: &Path, mapping: &Path) -> Result<Export, Exit> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|fault| {
            eprintln!("lead-router: failed to read {}: {fault}", path.display());
            Exit::Config
        })
    };
    let faults = |name: &Path, faults: Vec<String>| {
        faults.iter().for_each(|fault| eprintln!("{}: {fault}", name.display()));
        Exit::Config
    };
    let columns = Mapping::parse(&read(mapping)?).map_err(|found| faults(mapping, found))?;
    Export::read(read(csv)?.as_bytes(), &columns, clock::now()).map_err(|found| faults(csv, found))
}

type Input = Box<dyn BufRead + Send>;

/// The recordings one after the other, and how many bytes they have where that is known.
pub(in crate::cli) fn open(paths: &[PathBuf]) -> Result<(Input, Option<u64>), Exit> {
    let mut input: Box<dyn Read + Send> = Box::new(io::empty());
    let mut size = Some(0);
    let stdin = [PathBuf::from("-")];
    for path in if paths.is_empty() { &stdin } else { paths } {
        if path.as_os_str() == "-" {
            input = Box::new(input.chain(io::stdin()));
            size = None;
            continue;
        }
        let file = File::open(path).map_err(|fault| {
            eprintln!("lead-router: failed to read {}: {fault}", path.display());
            Exit::Config
        })?;
        let length = file.metadata().ok().map(|it| it.len());
        size = size.zip(length).map(|(sum, length)| sum + length);
        // A file without a last line break must not run into the next one.
        input = Box::new(input.chain(file).chain(&b"\n"[..]));
    }
    Ok((Box::new(BufReader::with_capacity(1 << 20, input)), size.filter(|size| *size > 0)))
}
