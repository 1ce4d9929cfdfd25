//! `lead-router lift`: the experiment that runs, read from its record.

use std::path::PathBuf;

use super::backtest::command::{Output, no_decisions, open, print};
use super::backtest::drive::{JsonLines, Source};
use super::backtest::progress::{Progress, Watched};
use super::backtest::text;
use super::commands::read_policy;
use crate::evaluate::lift::Lift;
use crate::runtime::run::Exit;

const EXAMPLES: &str = "\
Examples:
  # What went in and what came out, in one file or several:
  lead-router lift events.jsonl decisions.jsonl

  # How many closed control leads would a difference of one point take?
  lead-router lift --detect 0.01 recording.jsonl

The control arm is [choice] control_share of the policy: leads held out to plain rotation; with
control_unit = \"account\" all leads of a company together.";

/// What does choosing by win rate win? Compares the arms of the experiment that runs.
///
/// Compares the leads that were chosen for by win rate with those held out to plain rotation: the difference
/// in win rate, and in won amount, with its 95 % interval, by the arm that each lead was assigned to, whoever
/// closed it; open deals are censored, leads that were drawn together count as going together, and leads of
/// another routing domain or control share are compared by themselves. And how many closed leads a difference
/// would take. Warnings say what the recording lacks.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// JSON lines as `pipe` reads and writes them, whole: events in the order in which they were read, and the
    /// lead-assigned records; `-` or nothing = standard input.
    #[arg(value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Read the topics of the router with this configuration (TOML) in place of a recording.
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "FILE", conflicts_with = "recordings")]
    config: Option<PathBuf>,
    /// The policy file that the recording was made with; not needed where the recording has its
    /// policy-changed events, or was made under the built-in policy.
    #[arg(long, value_name = "FILE")]
    recorded_policy: Option<PathBuf>,
    /// The difference in win rate that would matter, for the sample that it takes.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = share)]
    detect: f64,
    /// What goes to standard output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("must be between 0 and 1".to_owned()) }
}

pub(super) fn main(args: &Args) -> Exit {
    match lift(args) {
        Ok(()) => Exit::Clean,
        Err(exit) => exit,
    }
}

fn lift(args: &Args) -> Result<(), Exit> {
    #[cfg(feature = "kafka")]
    if let Some(config) = &args.config {
        let topics = super::backtest::command::topics(config)?;
        return compare(args, Watched::new(topics, "records"));
    }
    let (input, size) = open(&args.recordings)?;
    compare(args, Watched::new(JsonLines::new(input, size), "lines"))
}

fn compare(args: &Args, mut source: impl Source) -> Result<(), Exit> {
    let failed = |why: String| {
        eprintln!("lead-router: {why}");
        Exit::Temporary
    };
    let recorded = args.recorded_policy.as_deref().map(read_policy).transpose()?;
    let mut lift = Lift::new(recorded);
    loop {
        match source.next() {
            Ok(Some(heard)) => lift.take(&heard),
            Ok(None) => break,
            Err(fault) => return Err(failed(format!("failed to read the recording: {fault}"))),
        }
    }
    Progress::clear();
    let report = lift.finish(source.read(), args.detect);
    if report.read.decisions == 0 {
        let remedy = "give the events and the lead-assigned lines that pipe or the topic gave";
        return Err(no_decisions(&report.read, remedy));
    }
    print(&match args.output {
        Output::Text => text::lift(&report),
        Output::Json => {
            let text = serde_json::to_string_pretty(&report);
            text.map_err(|fault| failed(format!("failed to write the report: {fault}")))? + "\n"
        }
    })
}
