//! `lead-router schema check | register | diff`: our schemas beside those of the registry.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::codec::Record;
use crate::codec::evolution::{differences, forbidden};
use crate::config::{self, Settings};
use crate::registry::{
    Client, Difference, Fetched, Subject, Unavailable, subjects_in, subjects_out,
};
use crate::runtime::run::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Says which changes of our schemas the contract forbids, against every version that the registry has (or
    /// the files of a folder): readers and writers of both must understand each other. Ends with 1 if there are
    /// any, or if the registry has nothing to compare with.
    Check {
        #[command(flatten)]
        common: Common,
        /// Schemas to check instead of those of this program: a folder of RECORD.avsc.
        #[arg(long, value_name = "DIR")]
        schemas: Option<PathBuf>,
        /// Older schemas to check against instead of the registry's: a folder of RECORD.avsc.
        #[arg(long, value_name = "DIR")]
        against: Option<PathBuf>,
    },
    /// Registers the schemas of the topics out, after a check. What is registered already stays as it is.
    Register {
        #[command(flatten)]
        common: Common,
        /// Those of the topics in too, for producers.
        #[arg(long)]
        inputs: bool,
    },
    /// Shows how the newest registered schemas differ from ours, field by field. Ends with 1 if they do.
    Diff(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration (TOML); without it the defaults and the environment hold.
    #[arg(long, value_name = "FILE", env = "LEAD_ROUTER_CONFIG")]
    config: Option<PathBuf>,
}

/// How a command fails: what to say, and how the process ends.
type Failed = (String, Exit);

pub(super) fn main(args: &Args) -> Exit {
    let done = match &args.verb {
        Verb::Check { schemas, against: Some(older), .. } => check_files(schemas.as_deref(), older),
        Verb::Check { common, schemas, against: None } => opened(common)
            .and_then(|(settings, client)| check(&settings, &client, schemas.as_deref())),
        Verb::Register { common, inputs } => {
            opened(common).and_then(|(settings, client)| register(&settings, &client, *inputs))
        }
        Verb::Diff(common) => {
            opened(common).and_then(|(settings, client)| diff(&settings, &client))
        }
    };
    done.unwrap_or_else(|(why, exit)| {
        eprintln!("lead-router: {why}");
        exit
    })
}

fn opened(common: &Common) -> Result<(Settings, Client), Failed> {
    let settings = config::load(common.config.as_deref(), std::env::vars())
        .map_err(|faults| (faults.to_string(), Exit::Config))?
        .settings;
    let Some(registry) = &settings.registry else {
        return Err(("no registry is configured: set registry.url".to_owned(), Exit::Config));
    };
    let client = Client::new(registry).map_err(|why| (why, Exit::Config))?;
    Ok((settings, client))
}

fn unavailable(why: Unavailable) -> Failed {
    let exit = if why.needs_person { Exit::Config } else { Exit::Temporary };
    (format!("the schema registry is not available: {why}"), exit)
}

fn all(settings: &Settings) -> Vec<Subject> {
    let mut subjects = subjects_out(&settings.topics);
    subjects.extend(subjects_in(&settings.topics));
    subjects
}

fn file(folder: &Path, record: Record) -> Result<Option<String>, Failed> {
    let path = folder.join(format!("{}.avsc", record.name()));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err((format!("failed to read {}: {error}", path.display()), Exit::Config)),
    }
}

/// The schema to check.
fn new_schema(folder: Option<&Path>, record: Record) -> Result<Option<String>, Failed> {
    match folder {
        Some(folder) => file(folder, record),
        None => Ok(Some(record.embedded().text.to_owned())),
    }
}

/// Prints what is forbidden; how much.
fn judge(name: &str, new: &str, old: &str) -> usize {
    let faults = match forbidden(new, old) {
        Ok(faults) => faults,
        Err(error) => vec![error.to_string()],
    };
    for fault in &faults {
        println!("{name}: {fault}");
    }
    faults.len()
}

fn verdict(checked: usize, faults: usize) -> Exit {
    println!("{checked} comparisons, {faults} forbidden changes");
    if faults == 0 { Exit::Clean } else { Exit::Hard }
}

fn check_files(schemas: Option<&Path>, older: &Path) -> Result<Exit, Failed> {
    let (mut checked, mut faults) = (0, 0);
    for record in Record::ALL {
        let (Some(new), Some(old)) = (new_schema(schemas, record)?, file(older, record)?) else {
            continue;
        };
        checked += 1;
        faults += judge(record.name(), &new, &old);
    }
    if checked == 0 {
        let text = format!("{} holds no schema of ours (RECORD.avsc)", older.display());
        return Err((text, Exit::Config));
    }
    Ok(verdict(checked, faults))
}

fn check(settings: &Settings, client: &Client, schemas: Option<&Path>) -> Result<Exit, Failed> {
    let (mut checked, mut faults) = (0, 0);
    for subject in all(settings) {
        let Some(new) = new_schema(schemas, subject.record)? else { continue };
        let (compared, found) = check_subject(client, &subject, &new)?;
        checked += compared;
        faults += found;
    }
    if checked == 0 {
        let text = format!(
            "nothing is registered under the subjects of our topics at {}: `lead-router schema register` does \
             that; if somebody has, check registry.url and [topics]",
            client.host()
        );
        return Err((text, Exit::Hard));
    }
    Ok(verdict(checked, faults))
}

/// Against every version of a subject: how many, and how much is forbidden.
fn check_subject(client: &Client, subject: &Subject, new: &str) -> Result<(usize, usize), Failed> {
    let (mut checked, mut faults) = (0, 0);
    for version in client.versions(&subject.name).map_err(unavailable)? {
        let known = client.version(&subject.name, &version.to_string()).map_err(unavailable)?;
        let Some(known) = known else { continue };
        let name = format!("{} version {version}", subject.name);
        checked += 1;
        faults += match known.schema {
            Fetched::Avro(old) => judge(&name, new, &old),
            _ => {
                println!("{name}: is no Avro schema");
                1
            }
        };
    }
    Ok((checked, faults))
}

fn register(settings: &Settings, client: &Client, inputs: bool) -> Result<Exit, Failed> {
    let subjects = if inputs { all(settings) } else { subjects_out(&settings.topics) };
    let mut refused = 0;
    for subject in subjects {
        let (name, ours) = (&subject.name, subject.record.embedded().text);
        if let Difference::Same(id) = client.difference(&subject).map_err(unavailable)? {
            println!("{name}: is registered, id {id}");
            continue;
        }
        if check_subject(client, &subject, ours)?.1 > 0 {
            println!("{name}: not registered, as it would break readers or writers");
            refused += 1;
        } else if client.would_take(&subject).map_err(unavailable)? == Some(false) {
            println!("{name}: the registry's own rule forbids it");
            refused += 1;
        } else {
            match client.register(&subject).map_err(unavailable)? {
                Ok(id) => println!("{name}: registered, id {id}"),
                Err(why) => {
                    println!("{name}: the registry refuses it: {why}");
                    refused += 1;
                }
            }
        }
    }
    Ok(if refused == 0 { Exit::Clean } else { Exit::Hard })
}

fn diff(settings: &Settings, client: &Client) -> Result<Exit, Failed> {
    let mut exit = Exit::Clean;
    for subject in all(settings) {
        let name = &subject.name;
        match client.difference(&subject).map_err(unavailable)? {
            Difference::Same(id) => println!("{name}: the same, id {id}"),
            Difference::Nothing => println!("{name}: nothing is registered"),
            Difference::Other(other) => {
                exit = Exit::Hard;
                println!("{name}: version {} (-) is not ours (+)", other.version);
                let Fetched::Avro(theirs) = other.schema else {
                    println!("  is no Avro schema");
                    continue;
                };
                match differences(subject.record.embedded().text, &theirs) {
                    Ok(lines) => lines.iter().for_each(|line| println!("  {line}")),
                    Err(error) => println!("  {error}"),
                }
            }
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_check_against_nothing_does_not_pass() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        // It knows no subject at all.
        std::thread::spawn(move || {
            let body = r#"{"error_code":40401,"message":"Subject not found."}"#;
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let head = "HTTP/1.1 404 X\r\nConnection: close\r\nContent-Length:";
                let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
            }
        });
        let text = format!("[registry]\nurl = \"{url}\"\n");
        let settings =
            config::load_text("test", &text, std::iter::empty()).expect("settings").settings;
        let client =
            Client::new(settings.registry.as_ref().expect("a registry")).expect("a client");
        let (why, exit) = check(&settings, &client, None).expect_err("nothing to compare with");
        assert_eq!(exit, Exit::Hard);
        assert!(why.contains("schema register"), "{why}");
    }
}
