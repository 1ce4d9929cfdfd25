//! `lead-router verify`: reads the topics and proves the invariants.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::config::{self, Settings};
use crate::domain::input::Topic;
use crate::domain::time::Span;
use crate::engine::ports::OutTopic;
use crate::kafka::Trouble;
use crate::kafka::reader::{self, Row};
use crate::kafka::topics;
use crate::runtime::run::Exit;
use crate::verify::read::{Images, Raw, Reader};
use crate::verify::{Checker, Lost, Options, Report, Verdict};

use super::lookup::Lookup;
use super::stages::Ingest;

/// Reads the topics and proves that nothing was lost or doubled.
///
/// Reads the topics in and out, the state and the dead letters, committed records only, and proves that no
/// lead was lost, none was decided twice, the state is what was published, every deadline was kept, and the
/// offsets fit. Where topics are bridged, the same for ingest: every record became one change, every change
/// its events, each once (by the mapping that is configured now), or a dead letter. Ends with 1 if a promise
/// is broken, naming the record that shows it; with 78 if another version wrote the state: verify with that
/// one. Run it when the router has caught up; topics that no longer reach back to their first record need
/// --partial. A record without an outcome whose dead letter may be among those that retention or a purge has
/// taken is told as not checked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration (TOML); without it the defaults and the environment hold.
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG")]
    config: Option<PathBuf>,
    /// How far clocks may be apart, and how long a record may be under way.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    skew_secs: u32,
    /// Topics have lost old records to retention: numbers may begin above 1, and of ingest only what is left
    /// is checked to be there once.
    #[arg(long)]
    partial: bool,
}

pub(super) fn main(args: &Args) -> Exit {
    let settings = match config::load(args.config.as_deref(), std::env::vars()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Config;
        }
    };
    match check(args, &settings) {
        Ok(report) => told(&report),
        Err(trouble) => super::topics::told(&trouble),
    }
}

fn check(args: &Args, settings: &Settings) -> Result<Report, Trouble> {
    let found = topics::inspect(settings)?;
    let faults: Vec<String> = found.faults().map(ToString::to_string).collect();
    if !faults.is_empty() {
        return Err(Trouble::Config(faults.join("\n")));
    }
    let partitions = found.layout.partitions();
    let skew = Span::from_secs(i64::from(args.skew_secs));
    let state = settings.topics.state.clone();
    let mut checker = Checker::new(Options { skew, whole: !args.partial, state });
    let client = reader::Reader::connect(settings)?;
    let names = Topic::ALL.map(|topic| settings.topics.input(topic).to_owned());
    let schemas = Lookup::new(settings)?;
    let mut ingest = Ingest::begin(settings, partitions, !args.partial)?;
    let decode = Reader::new(schemas.ids(), partitions, names);
    // Offsets and images first: what the topics out hold by then includes what these rest on.
    for shard in 0..partitions {
        progress(&format!("state {shard} of {partitions}"));
        checker.committed(shard, client.committed(settings, shard)?);
        let topic = &settings.topics.state;
        let mut images = Images::default();
        client.each(topic, shard, |row| images.add(&raw(topic, shard, &row)))?;
        images.finish(shard, &mut checker).map_err(|error| {
            Trouble::Config(format!(
                "{topic}/{shard} cannot be checked: {error}. Verify with the lead-router that wrote it"
            ))
        })?;
    }
    let outputs = [
        (OutTopic::LeadAssigned, &settings.topics.lead_assigned),
        (OutTopic::SlaBreached, &settings.topics.sla_breached),
        (OutTopic::DeadLetter, &settings.topics.dead_letter),
    ];
    let mut lost = Lost::default();
    for (topic, name) in outputs {
        for partition in 0..topics::partitions(settings, name)? {
            progress(&format!("{name} {partition}"));
            let mut oldest = None;
            client.each(name, partition, |row| {
                oldest.get_or_insert(row.timestamp + skew);
                schemas.wait(row.value.as_deref(), &row.headers);
                checker.record(decode.output(topic, &raw(name, partition, &row)));
                ingest.iter_mut().for_each(|it| it.output(topic, &row));
            })?;
            schemas.answered()?;
            if topic == OutTopic::DeadLetter && client.first(name, partition)? > 0 {
                lost.before(oldest);
            }
        }
    }
    checker.lost(lost);
    ingest.iter_mut().for_each(|it| it.lost(lost));
    for topic in Topic::ALL {
        let name = settings.topics.input(topic);
        if found.layout.name(topic).is_none() {
            continue;
        }
        for shard in 0..partitions {
            progress(&format!("{name} {shard} of {partitions}"));
            client.each(name, shard, |row| {
                schemas.wait(row.value.as_deref(), &row.headers);
                checker.record(decode.input(topic, &raw(name, shard, &row)));
                ingest.iter_mut().for_each(|it| it.input(topic, &row, &schemas));
            })?;
            schemas.answered()?;
        }
    }
    let mut report = checker.finish();
    if let Some(ingest) = ingest {
        report.join(ingest.finish(&client, &schemas)?);
    }
    Ok(report)
}

fn raw<'a>(topic: &'a str, partition: i32, row: &'a Row) -> Raw<'a> {
    Raw {
        topic,
        partition,
        offset: row.offset,
        timestamp: row.timestamp,
        key: row.key.as_deref(),
        value: row.value.as_deref(),
        headers: &row.headers,
    }
}

/// Long reads show where they are, on a terminal only.
pub(super) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[Kreading {text}");
    }
}

fn told(report: &Report) -> Exit {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    for violation in &report.violations {
        println!("{violation}");
    }
    report.verdicts.iter().for_each(|verdict| println!("{}", line(verdict)));
    if report.passed() { Exit::Clean } else { Exit::Hard }
}

fn line(verdict: &Verdict) -> String {
    let fate = match verdict.violations {
        0 => "holds".to_owned(),
        broken => format!("BROKEN {broken} times"),
    };
    let unchecked = match verdict.unchecked {
        0 => String::new(),
        some => {
            format!(", {some} not checked: their dead letters may be among those that are gone")
        }
    };
    let (id, promise) = (verdict.invariant.id(), verdict.invariant.promise());
    format!("{id} {fate}: {promise} ({} checked{unchecked})", verdict.checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Invariant;

    #[test]
    fn what_was_not_checked_is_told() {
        let mut verdict =
            Verdict { invariant: Invariant::I1, checked: 7, unchecked: 0, violations: 0 };
        let promise = Invariant::I1.promise();
        assert_eq!(line(&verdict), format!("I1 holds: {promise} (7 checked)"));
        (verdict.unchecked, verdict.violations) = (2, 1);
        let told = format!(
            "I1 BROKEN 1 times: {promise} (7 checked, 2 not checked: their dead letters may be among \
             those that are gone)"
        );
        assert_eq!(line(&verdict), told);
    }
}
