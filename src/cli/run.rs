//! `lead-router run`: the service.

use std::path::PathBuf;

use crate::config;
use crate::runtime::run::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration (TOML); without it the defaults and the environment hold.
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG")]
    config: Option<PathBuf>,
    /// Prints what holds and where each value came from, secrets left out, and ends.
    #[arg(long)]
    print_config: bool,
}

pub(super) fn main(args: &Args) -> Exit {
    let loaded = match config::load(args.config.as_deref(), std::env::vars()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Config;
        }
    };
    if args.print_config {
        print!("{}", loaded.printed);
        return Exit::Clean;
    }
    Exit::Bug
}
