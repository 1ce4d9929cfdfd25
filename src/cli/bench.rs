//! `lead-router bench`: how long a lead takes, beside a raw pass-through in the same run.
//!
//! It makes topics of its own on the broker, starts this very binary's `run` on them, and removes them after.

use std::ffi::OsString;
use std::path::{self, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::{self, Settings};
use crate::domain::input::Topic;
use crate::kafka::Trouble;
use crate::kafka::bench::{Load, Path, Times, pass_through, probe, run, write};
use crate::kafka::topics;
use crate::runtime::run::Exit;

/// Measures the time from lead to readable assignment, beside a raw pass-through in the same run.
///
/// Makes topics of its own on the broker, runs this program on them beside a raw pass-through, and removes
/// them after. It connects without TLS and without a login, and takes nothing from a configuration or from
/// LEAD_ROUTER__… variables: where the broker demands either, measure on a test broker that does not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The brokers: HOST:PORT, several with commas.
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:9092",
        env = "KAFKA_BOOTSTRAP"
    )]
    bootstrap_servers: String,
    /// Leads a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long to measure, for each of the two paths.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// How long to warm up before (the broker compiles itself, too).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=600))]
    warmup: u32,
}

/// A router on topics of this run, stopped when dropped.
struct Router {
    child: Child,
    config: PathBuf,
}

impl Router {
    /// Fails when it has ended, with what it ended with; what it had to say it has said on standard error.
    fn runs(&mut self) -> Result<(), Trouble> {
        let failed = |error| Trouble::Temporary(format!("failed to look at the router: {error}"));
        let Some(status) = self.child.try_wait().map_err(failed)? else { return Ok(()) };
        let why = format!("the router that is measured has ended ({status})");
        Err(match status.code() {
            Some(code) if code == i32::from(Exit::Config.code()) => Trouble::Config(why),
            _ => Trouble::Temporary(why),
        })
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // It ends by itself when killed; there is nothing to mend if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

pub(super) fn main(args: &Args) -> Exit {
    match measure(args) {
        Ok((raw, routed)) => {
            report(args, &raw, &routed);
            Exit::Clean
        }
        Err(trouble) => super::topics::told(&trouble),
    }
}

fn measure(args: &Args) -> Result<(Times, Times), Trouble> {
    let prefix = format!("bench-{}", std::process::id());
    let text = configuration(&prefix, &args.bootstrap_servers);
    let loaded = config::load_text("bench", &text, std::iter::empty());
    let settings = loaded.map_err(|faults| Trouble::Config(faults.to_string()))?.settings;
    let raw = Path {
        input: format!("{prefix}-raw-in"),
        output: format!("{prefix}-raw-out"),
        record: |number| (format!("raw-{number}"), lead(number)),
        committed: false,
    };
    let routed = Path {
        input: settings.topics.input(Topic::LeadCreated).to_owned(),
        output: settings.topics.lead_assigned.clone(),
        record: |number| (format!("org-{}", number % 16), lead(number)),
        committed: true,
    };
    eprintln!("making topics {prefix}-…");
    topics::apply(&settings, &topics::inspect(&settings)?)?;
    topics::create(&settings, &[&raw.input, &raw.output], 4)?;
    let measured = on_topics(args, &settings, &text, &prefix, [raw.clone(), routed]);
    let own = topics::wanted(&settings).into_iter().map(|topic| topic.name);
    let all: Vec<String> = own.chain([raw.input, raw.output]).collect();
    topics::delete(&settings, &all)?;
    measured
}

fn on_topics(
    args: &Args,
    settings: &Settings,
    text: &str,
    prefix: &str,
    paths: [Path; 2],
) -> Result<(Times, Times), Trouble> {
    for number in 0..16 {
        reference(settings, &format!("org-{number}"))?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let passing = pass_through(settings, &paths[0], stop.clone())?;
    let mut router = start(text, prefix)?;
    eprintln!("waiting for the router …");
    probe(settings, &paths[1], Duration::from_secs(60), || router.runs())?;
    let seconds = 2 * (args.seconds + args.warmup);
    eprintln!("measuring for {seconds} s, the two paths in turns …");
    let load = Load { rate: args.rate, turns: args.seconds, warmup: args.warmup };
    let times = run(settings, &paths, &load, || router.runs());
    stop.store(true, Ordering::Relaxed);
    let joined = passing.join();
    drop(router);
    joined.map_err(|_| Trouble::Temporary("the pass-through ended early".to_owned()))?;
    let mut times = times?.into_iter();
    Ok((times.next().unwrap_or_default(), times.next().unwrap_or_default()))
}

fn configuration(prefix: &str, bootstrap: &str) -> String {
    let topics = Topic::ALL.map(|topic| {
        let key = topic.name().replace('-', "_");
        format!("{key} = \"{prefix}-{}\"\n", topic.name())
    });
    format!(
        "group = \"{prefix}\"\ninstance = \"0\"\nworkers = 1\n\
         [kafka]\nbootstrap_servers = \"{bootstrap}\"\n\
         [start]\nleads = \"earliest\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n\
         [topics]\npartitions = 4\nlead_assigned = \"{prefix}-lead-assigned\"\n\
         sla_breached = \"{prefix}-sla-breached\"\ndead_letter = \"{prefix}-dead-letter\"\n\
         state = \"{prefix}-state\"\n{}",
        topics.concat()
    )
}

fn start(text: &str, prefix: &str) -> Result<Router, Trouble> {
    let failed = |error: std::io::Error| Trouble::Temporary(format!("failed to start: {error}"));
    let config = std::env::temp_dir().join(format!("{prefix}.toml"));
    std::fs::write(&config, text).map_err(failed)?;
    let binary = std::env::current_exe().map_err(failed)?;
    let vars = std::env::vars_os().map(|(name, _)| name);
    let child = command(&binary, &config, vars).spawn().map_err(failed)?;
    Ok(Router { child, config })
}

/// The router's own command. Of these variables none of ours goes with it: what they say is about another
/// router, and would win over the file.
fn command(
    binary: &path::Path,
    config: &path::Path,
    vars: impl Iterator<Item = OsString>,
) -> Command {
    let mut command = Command::new(binary);
    command.args(["run", "--config"]).arg(config).stdout(Stdio::null());
    for name in vars.filter(|name| name.as_encoded_bytes().starts_with(b"LEAD_ROUTER_")) {
        command.env_remove(name);
    }
    command
}

/// Twenty reps in a territory tree, so that a decision has something to decide.
fn reference(settings: &Settings, domain: &str) -> Result<(), Trouble> {
    let members: Vec<String> = (0..20).map(|n| format!(r#"{{"rep_id":"rep-{n}"}}"#)).collect();
    let mut records = Vec::new();
    for n in 0..20 {
        let rep = format!(r#"{{"event_id":"r{n}","rep_id":"rep-{n}","active":true}}"#);
        records.push((Topic::RepChanged, rep));
    }
    let members = members.join(",");
    for (id, state) in ["CA", "NY", "TX", "WA"].into_iter().enumerate() {
        let rule = format!(r#"[{{"all":[{{"field":"state","op":"IN","values":["{state}"]}}]}}]"#);
        let territory = format!(
            r#"{{"event_id":"t{id}","territory_id":"t-{id}","name":"{state}","rules":{rule},"members":[{members}]}}"#
        );
        records.push((Topic::TerritoryChanged, territory));
    }
    let records = records.iter().map(|(topic, value)| {
        (settings.topics.input(*topic).to_owned(), domain.to_owned(), value.clone())
    });
    write(settings, records)
}

fn lead(number: u64) -> String {
    let state = ["CA", "NY", "TX", "WA"].get(number as usize % 4).copied().unwrap_or("CA");
    let now = crate::runtime::clock::now().0;
    format!(
        r#"{{"event_id":"e-{number}","lead_id":"lead-{number}","created_at":{now},
"company":"Company {number}","country":"US","state":"{state}","industry":"software","employees":250}}"#
    )
}

fn report(args: &Args, raw: &Times, routed: &Times) {
    let ms = |times: &Times, share: f64| times.quantile(share).as_secs_f64() * 1_000.0;
    println!("{} leads/s, {} s a path, by turns of a second", args.rate, args.seconds);
    println!("{:<32} {:>9} {:>9} {:>9} {:>9}", "", "p50 ms", "p90 ms", "p99 ms", "records");
    for (name, times) in [("raw consume → produce", raw), ("lead → readable assignment", routed)]
    {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| ms(times, share));
        println!("{name:<32} {p50:>9.2} {p90:>9.2} {p99:>9.2} {:>9}", times.len());
    }
    let ratio = |share| ms(routed, share) / ms(raw, share).max(0.001);
    println!("{:<32} {:>9.1} {:>9.1} {:>9.1}", "ratio", ratio(0.5), ratio(0.9), ratio(0.99));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_is_told_nothing_that_is_about_another_one() {
        let ours =
            ["LEAD_ROUTER__GROUP", "LEAD_ROUTER__KAFKA__PROPERTIES__X", "LEAD_ROUTER_CONFIG"];
        let vars = ours.into_iter().chain(["PATH", "KAFKA_BOOTSTRAP"]).map(OsString::from);
        let command = command(path::Path::new("binary"), path::Path::new("file"), vars);
        let mut removed: Vec<_> = command.get_envs().collect();
        let mut expected = ours.map(|name| (std::ffi::OsStr::new(name), None));
        removed.sort();
        expected.sort();
        assert_eq!(removed, expected);
    }

    #[test]
    fn a_router_that_has_ended_is_told_with_its_status() {
        let ended = |script: &str| {
            let child = Command::new("sh").args(["-c", script]).spawn().expect("a shell");
            let mut router = Router { child, config: PathBuf::new() };
            while router.runs().is_ok() {
                std::thread::yield_now();
            }
            router.runs()
        };
        let why =
            |status: i32| format!("the router that is measured has ended (exit status: {status})");
        assert_eq!(ended("exit 78"), Err(Trouble::Config(why(78))));
        assert_eq!(ended("exit 75"), Err(Trouble::Temporary(why(75))));
    }
}
