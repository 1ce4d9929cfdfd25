//! `lead-router dlq list | show | requeue | purge`: the dead letters.

mod overtaken;
mod requeue;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{ArgGroup, Subcommand, ValueEnum};

use crate::codec::letter::{self, Kind, Letter, Place};
use crate::config::{self, Settings};
use crate::domain::time::Timestamp;
use crate::kafka::reader::{Reader, Row};
use crate::kafka::{Trouble, letters, topics};
use crate::runtime::run::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists the letters: where each record lay, when, why it could not be used, and whether it was put back.
    List {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Shows one letter with its headers. What the record says is about a person: it is shown on request only.
    Show {
        /// Where its record lay: TOPIC/PARTITION/OFFSET.
        place: Place,
        #[command(flatten)]
        common: Common,
        /// Shows the record's value too.
        #[arg(long)]
        payload: bool,
    },
    /// Puts records back on the topics that they came from, those of ingest too, each once: as they were, with
    /// the header dlq.requeued. Left out is what the router would refuse again, and what a newer record that
    /// says the same has overtaken. One at a time: a later one takes over from an earlier one, which then ends
    /// with 75. Without --yes it only says what it would do.
    Requeue {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: Filter,
        /// These only: TOPIC/PARTITION/OFFSET, several with spaces.
        #[arg(value_name = "PLACE")]
        places: Vec<Place>,
        /// Does it.
        #[arg(long)]
        yes: bool,
    },
    /// Deletes letters for good, from the oldest on. Without --yes it only says how many.
    #[command(group = ArgGroup::new("which").required(true).args(["before", "all"]))]
    Purge {
        #[command(flatten)]
        common: Common,
        /// Those written before this time (RFC 3339).
        #[arg(long, value_name = "TIME")]
        before: Option<jiff::Timestamp>,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// Does it.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration (TOML); without it the defaults and the environment hold.
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only with this reason, or this kind of reason: json.syntax, avro.
    #[arg(long)]
    reason: Option<String>,
    /// Only from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only written since this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    /// A JSON object a line.
    Json,
}

impl Filter {
    fn fits(&self, found: &Found) -> bool {
        let letter = &found.letter;
        let reason = self.reason.as_deref().is_none_or(|wanted| {
            let rest = letter.reason.strip_prefix(wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let topic = self.topic.as_deref().is_none_or(|wanted| letter.place.topic == wanted);
        let since = self.since.is_none_or(|since| found.row.timestamp.0 >= since.as_millisecond());
        reason && topic && since
    }
}

/// A letter with its record.
#[derive(Debug)]
struct Found {
    letter: Letter,
    row: Row,
}

/// What is in the dead-letter topic.
#[derive(Debug, Default)]
struct Mail {
    letters: Vec<Found>,
    put_back: BTreeSet<Place>,
    foreign: usize,
    /// The offset behind the last record before a time, by partition.
    ends: BTreeMap<i32, i64>,
}

pub(super) fn main(args: &Args) -> Exit {
    let common = match &args.verb {
        Verb::List { common, .. } | Verb::Show { common, .. } => common,
        Verb::Requeue { common, .. } | Verb::Purge { common, .. } => common,
    };
    let settings = match config::load(common.config.as_deref(), std::env::vars()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::Config;
        }
    };
    let done = match &args.verb {
        Verb::List { filter, output, .. } => list(&settings, filter, *output),
        Verb::Show { place, payload, .. } => show(&settings, place, *payload),
        Verb::Requeue { filter, places, yes, .. } => {
            requeue::requeue(&settings, filter, places, *yes)
        }
        Verb::Purge { before, yes, .. } => purge(&settings, *before, *yes),
    };
    done.unwrap_or_else(|trouble| super::topics::told(&trouble))
}

/// Reads the whole topic; `before`: where to stop counting ends.
fn read(settings: &Settings, before: Option<Timestamp>) -> Result<Mail, Trouble> {
    let topic = &settings.topics.dead_letter;
    let reader = Reader::connect(settings)?;
    let mut found = Mail::default();
    for partition in 0..topics::partitions(settings, topic)? {
        let mut is_before = true;
        reader.each(topic, partition, |row| {
            is_before &= before.is_none_or(|before| row.timestamp < before);
            if is_before {
                found.ends.insert(partition, row.offset + 1);
            }
            match letter::read(&row.headers) {
                Kind::Letter(letter) => found.letters.push(Found { letter, row }),
                Kind::Marker(place) => _ = found.put_back.insert(place),
                Kind::Foreign => found.foreign += 1,
            }
        })?;
    }
    found.letters.sort_by_key(|found| found.row.timestamp);
    Ok(found)
}

fn list(settings: &Settings, filter: &Filter, output: Output) -> Result<Exit, Trouble> {
    let all = read(settings, None)?;
    let fitting: Vec<&Found> = all.letters.iter().filter(|found| filter.fits(found)).collect();
    match output {
        Output::Table => tell::table(&fitting, &all.put_back),
        Output::Json => tell::lines(&fitting, &all.put_back),
    }
    if all.foreign > 0 {
        eprintln!("{} records of the topic are no letters of ours", all.foreign);
    }
    Ok(Exit::Clean)
}

fn show(settings: &Settings, place: &Place, payload: bool) -> Result<Exit, Trouble> {
    let all = read(settings, None)?;
    let Some(found) = all.letters.iter().rev().find(|found| found.letter.place == *place) else {
        eprintln!("lead-router: there is no letter of {place}");
        return Ok(Exit::Hard);
    };
    tell::whole(found, all.put_back.contains(place), payload);
    Ok(Exit::Clean)
}

fn purge(settings: &Settings, before: Option<jiff::Timestamp>, yes: bool) -> Result<Exit, Trouble> {
    let before = before.map(|before| Timestamp(before.as_millisecond()));
    let all = read(settings, before)?;
    let goes = |found: &&Found| before.is_none_or(|before| found.row.timestamp < before);
    let gone: Vec<&Found> = all.letters.iter().filter(goes).collect();
    let open = gone.iter().filter(|found| !all.put_back.contains(&found.letter.place)).count();
    println!("{} letters, {open} of them never put back", gone.len());
    if !yes {
        println!("nothing was deleted: --yes does it");
        return Ok(Exit::Clean);
    }
    let ends: Vec<(i32, i64)> = all.ends.into_iter().collect();
    if !ends.is_empty() {
        letters::purge(settings, &settings.topics.dead_letter, &ends)?;
    }
    println!("deleted");
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn purge_says_that_it_wants_a_time_or_all() {
        let told = Line::try_parse_from(["dlq", "purge"]).expect_err("refused").to_string();
        assert!(told.contains("--before <TIME>|--all"), "{told}");
        assert!(Line::try_parse_from(["dlq", "purge", "--all"]).is_ok());
        assert!(Line::try_parse_from(["dlq", "purge", "--before", "2026-01-01T00:00:00Z"]).is_ok());
        let both = ["dlq", "purge", "--all", "--before", "2026-01-01T00:00:00Z"];
        assert!(Line::try_parse_from(both).is_err());
    }
}
