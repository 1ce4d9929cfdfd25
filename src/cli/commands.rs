//! The command line: parse, dispatch, exit code. Data on standard output, faults on standard error.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::pipe::{PolicyFile, pipe};
#[cfg(feature = "registry")]
use super::schema;
use super::{backtest, demo, ingest, lift};
#[cfg(feature = "kafka")]
use super::{bench, dlq, run, topics, verify};
use crate::runtime::run::Exit;

/// Gives every Salesforce lead to the right rep at once, and holds the rep to answering in time.
#[derive(Debug, Parser)]
#[command(name = "lead-router", version, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the router at work on a generated company: nothing to install, nothing to configure.
    Demo(demo::Args),
    /// The router as a filter: JSON lines in, JSON lines out, on virtual time.
    Pipe {
        /// A policy (TOML) for every domain from the start.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// What bridges write about Salesforce, to canonical events.
    Ingest(ingest::Args),
    Backtest(backtest::command::Args),
    Lift(lift::Args),
    /// Runs the service.
    #[cfg(feature = "kafka")]
    Run(run::Args),
    #[cfg(feature = "kafka")]
    Verify(verify::Args),
    #[cfg(feature = "kafka")]
    Bench(bench::Args),
    /// Says which topics are missing or wrong, and makes the missing ones.
    #[cfg(feature = "kafka")]
    Topics(topics::Args),
    /// Compares our schemas with the registry's, checks changes, and registers ours.
    #[cfg(feature = "registry")]
    Schema(schema::Args),
    /// The dead letters: lists them, shows one, puts them back, deletes them.
    #[cfg(feature = "kafka")]
    Dlq(dlq::Args),
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let exit = match Line::try_parse() {
        Ok(line) => dispatch(line.command),
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Clean };
            // Where the text cannot be written, the exit code still tells.
            let _ = error.print();
            exit
        }
    };
    ExitCode::from(exit.code())
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::Demo(args) => demo::main(&args),
        Command::Pipe { policy } => match policy.as_deref().map(read_policy).transpose() {
            Ok(policy) => run_pipe(policy),
            Err(exit) => exit,
        },
        Command::Ingest(args) => ingest::main(&args),
        Command::Backtest(args) => backtest::command::main(&args),
        Command::Lift(args) => lift::main(&args),
        #[cfg(feature = "kafka")]
        Command::Run(args) => run::main(&args),
        #[cfg(feature = "kafka")]
        Command::Verify(args) => verify::main(&args),
        #[cfg(feature = "kafka")]
        Command::Bench(args) => bench::main(&args),
        #[cfg(feature = "kafka")]
        Command::Topics(args) => topics::main(&args),
        #[cfg(feature = "registry")]
        Command::Schema(args) => schema::main(&args),
        #[cfg(feature = "kafka")]
        Command::Dlq(args) => dlq::main(&args),
    }
}

fn run_pipe(policy: Option<PolicyFile>) -> Exit {
    let output = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match pipe(io::stdin().lock(), output, policy) {
        Ok(()) => Exit::Clean,
        // Whoever read our answers has gone: that is how a filter ends early.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Exit::Clean,
        Err(fault) => {
            eprintln!("lead-router: failed to read or write a line: {fault}");
            Exit::Temporary
        }
    }
}

pub(in crate::cli) fn read_policy(path: &Path) -> Result<PolicyFile, Exit> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|fault| {
        eprintln!("lead-router: failed to read {name}: {fault}");
        Exit::Config
    })?;
    PolicyFile::parse(&text).map_err(|faults| {
        let mut errors = io::stderr().lock();
        for fault in faults {
            // Where standard error is gone, the exit code still tells.
            let _ = writeln!(errors, "{name}: {fault}");
        }
        Exit::Config
    })
}
