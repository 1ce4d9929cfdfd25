//! `lead-router topics plan | apply`.

use std::io::{BufRead, Write, stderr, stdin, stdout};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use crate::config::{self, Settings};
use crate::kafka::Trouble;
use crate::kafka::topics::{self, Report};
use crate::runtime::run::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints what is missing or wrong, each with the command that mends it; looks for the bridge's topics too. Ends
    /// with 78 if there is a fault.
    Plan(Config),
    /// Makes the missing topics; asks first. What exists is never changed.
    Apply {
        #[command(flatten)]
        config: Config,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Config {
    /// The configuration (TOML); without it the defaults and the environment hold.
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG")]
    config: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Exit {
    let (config, apply) = match &args.verb {
        Verb::Plan(config) => (config, None),
        Verb::Apply { config, yes } => (config, Some(*yes)),
    };
    let settings = match config::load(config.config.as_deref(), std::env::vars()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Config;
        }
    };
    match inspect(&settings).and_then(|report| match apply {
        None => Ok(plan(&report)),
        Some(yes) => make(&settings, &report, yes),
    }) {
        Ok(exit) => exit,
        Err(trouble) => told(&trouble),
    }
}

fn inspect(settings: &Settings) -> Result<Report, Trouble> {
    topics::inspect(settings)
}

/// Says what the trouble is; how the process ends.
pub(super) fn told(trouble: &Trouble) -> Exit {
    eprintln!("lead-router: {trouble}");
    match trouble {
        Trouble::Config(_) => Exit::Config,
        Trouble::Temporary(_) => Exit::Temporary,
    }
}

fn plan(report: &Report) -> Exit {
    for finding in &report.findings {
        println!("{finding}");
    }
    if report.findings.is_empty() {
        println!(
            "all topics are as they should be, with {} partitions",
            report.layout.partitions()
        );
    }
    if report.faults().next().is_some() { Exit::Config } else { Exit::Clean }
}

fn make(settings: &Settings, report: &Report, yes: bool) -> Result<Exit, Trouble> {
    if report.missing.is_empty() {
        return Ok(plan(report));
    }
    for topic in &report.missing {
        println!("{} with {} partitions", topic.name, report.layout.partitions());
    }
    if !yes && !agreed(report.missing.len()) {
        eprintln!("nothing was made");
        return Ok(Exit::Hard);
    }
    let made = topics::apply(settings, report)?;
    println!("made {} topics", made.len());
    // Brokers learn of new topics a moment after they are made.
    let mut after = inspect(settings)?;
    for _ in 0..20 {
        if after.missing.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
        after = inspect(settings)?;
    }
    let exit = if after.faults().next().is_some() { plan(&after) } else { Exit::Clean };
    Ok(exit)
}

fn agreed(count: usize) -> bool {
    let _ = stdout().flush();
    eprint!("make these {count} topics? [y/N] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
