//! How many leads a second are backtested.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use lead_router::cli::backtest::drive::{JsonLines, Plan, run};
use lead_router::engine::filter::PolicyFile;

use crate::world::{Regime, World};

const RECORDED: &str = "[choice]\nmethod = \"round_robin\"\n";

/// Backtests a recording of so many leads, which is made first where the file does not exist yet.
pub(crate) fn main(leads: usize, file: Option<&str>) {
    let own = || std::env::temp_dir().join(format!("lead-router-backtest-{leads}.jsonl"));
    let path = file.map_or_else(own, PathBuf::from);
    if !path.exists() {
        make(leads, &path);
    }
    let bytes = std::fs::metadata(&path).expect("the recording").len();
    let parse = |text| PolicyFile::parse(text).expect("a policy");
    let plan = Plan {
        policy: parse(""),
        recorded: Some(parse(RECORDED)),
        is_history: false,
        keeps_odds: false,
    };
    let started = Instant::now();
    let input = BufReader::with_capacity(1 << 20, File::open(&path).expect("the recording"));
    let done = run(plan, JsonLines::new(input, None)).expect("a readable recording");
    let seconds = started.elapsed().as_secs_f64();
    let report = done.report;
    let agreement = report.agreement.expect("recorded decisions");
    println!(
        "{} leads, {} deals, {} decisions ({} the same), {:.1} GB in {seconds:.1} s: {:.0} leads/s",
        report.read.leads,
        report.read.deals,
        agreement.recorded,
        agreement.same_in_full,
        bytes as f64 / 1e9,
        report.read.leads as f64 / seconds
    );
}

fn make(leads: usize, path: &std::path::Path) {
    let started = Instant::now();
    let regime = Regime {
        name: "speed",
        reps: 10,
        leads,
        days: 365,
        signal: 0.4,
        deals: 0.2,
        lost_days: 20.0,
        won_days: 45.0,
    };
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a writable folder"));
    World::new(regime, 1).record(RECORDED, |line| {
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).expect("disk space");
    });
    out.flush().expect("disk space");
    eprintln!("made the recording {} in {:.0} s", path.display(), started.elapsed().as_secs_f64());
}
