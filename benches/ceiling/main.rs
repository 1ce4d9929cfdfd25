//! `cargo bench --no-default-features --bench ceiling`: what the largest company that we mean to serve costs
//! in memory and in time to load.
//!
//! Three steps, each in a process of its own, so that none counts in another's memory:
//! *write* generates the events into a directory of its own (files, one a topic), *start* is a first start
//! on them (every event is decoded, decided, imaged and committed by the worker), *restore* reads the state
//! that the start has written, and compares the digest. Start and restore then route leads that only find
//! their owner by way of their accounts.
//!
//! `-- ACCOUNTS [REPS TERRITORIES]` for other sizes; else 10,000,000 20,000 100,000. The files go to
//! `CEILING_DIR`, or the directory for temporary files: 5 GB at full size.

mod company;
mod log;
#[path = "../territory/model.rs"]
#[allow(dead_code, reason = "the territory bench uses all of it")]
mod model;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use company::Company;
use lead_router::codec::encode::{Encoder, Format};
use lead_router::domain::fact::Fact;
use lead_router::domain::input::Topic;
use lead_router::domain::published::{Outcome, Stage};
use lead_router::domain::time::{Span, Timestamp};
use lead_router::engine::ports::Clock;
use lead_router::engine::report::{BatchReport, Ending, Observer, ShardEvent};
use lead_router::engine::wire::Wire;
use lead_router::engine::worker::{Settings, StartLeads, Worker};
use log::Files;
use rustix::time::{ClockId, clock_gettime};

/// Leads that are routed at the end of each step.
const LEADS: u64 = 1_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |at: usize, default: u32| {
        args.get(at).map_or(default, |arg| arg.replace('_', "").parse().expect("a number"))
    };
    if let [step, directory, rest @ ..] = &args[..]
        && let Some(step) = Step::parse(step)
    {
        let size: Vec<u32> = rest.iter().map(|it| it.parse().expect("a number")).collect();
        let company = Company { accounts: size[0], reps: size[1], territories: size[2] };
        return step.run(Path::new(directory), &company);
    }
    let size = [number(0, 10_000_000), number(1, 20_000), number(2, 100_000)];
    println!("{} accounts, {} reps, {} territories", size[0], size[1], size[2]);
    let root = std::env::var_os("CEILING_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = root.join(format!("lead-router-ceiling-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory to write to");
    let me = std::env::current_exe().expect("this program");
    let mut good = true;
    for step in Step::ALL {
        let mut command = std::process::Command::new(&me);
        command.arg(step.name()).arg(&directory).args(size.map(|it| it.to_string()));
        good &= good && command.status().is_ok_and(|status| status.success());
    }
    std::fs::remove_dir_all(&directory).expect("our own directory");
    assert!(good, "a step failed");
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Write,
    Start,
    Restore,
}

impl Step {
    const ALL: [Step; 3] = [Step::Write, Step::Start, Step::Restore];

    fn name(self) -> &'static str {
        match self {
            Step::Write => "write",
            Step::Start => "start",
            Step::Restore => "restore",
        }
    }

    fn parse(name: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.name() == name)
    }

    fn run(self, directory: &Path, company: &Company) {
        match self {
            Step::Write => write(directory, company),
            Step::Start | Step::Restore => load(self, directory, company),
        }
    }
}

fn write(directory: &Path, company: &Company) {
    let began = Instant::now();
    let encoder = Encoder::new(Format::SingleObject);
    let mut files = log::Writer::create(directory);
    company.events(&mut |topic: Topic, input| {
        files.write(topic, &encoder.event(&input).expect("an event"));
    });
    company.leads(2 * LEADS as u32, &mut |input| {
        files.write(Topic::LeadCreated, &encoder.event(&input).expect("a lead"));
    });
    let bytes = files.finish();
    println!("written: {:.2} GB in {:.0} s", bytes as f64 / 1e9, began.elapsed().as_secs_f64());
}

/// After everything that was written.
struct Now(Instant);

impl Clock for Now {
    fn now(&mut self) -> Timestamp {
        company::START
            + Span::from_secs(60)
            + Span::from_millis(self.0.elapsed().as_millis() as i64)
    }

    fn monotonic(&mut self) -> Duration {
        self.0.elapsed()
    }
}

/// What the worker tells.
#[derive(Default)]
struct Heard {
    consumed: [u64; 9],
    refused: usize,
    by_account: usize,
    assigned: usize,
    restored: u64,
    reference_at: Option<(Duration, f64)>,
    began: Option<Instant>,
}

impl Observer for Heard {
    fn batch(&mut self, report: BatchReport) {
        assert_eq!(report.ending, Ending::Committed);
        if report.consumed[Topic::LeadCreated.index()] > 0 && self.reference_at.is_none() {
            self.reference_at =
                self.began.map(|began| (began.elapsed(), resident("VmRSS:").unwrap_or_default()));
        }
        self.consumed.iter_mut().zip(report.consumed).for_each(|(sum, more)| *sum += more);
        self.refused += report.poison.len();
        for fact in &report.facts {
            match fact {
                Fact::Assigned(fact) if fact.outcome == Outcome::Assigned => {
                    self.assigned += 1;
                    // A second lead of an account sticks to the rep of the first.
                    let known = matches!(fact.stage, Stage::AccountOwner | Stage::Sticky);
                    self.by_account += usize::from(known);
                }
                Fact::Rejected(_) => self.refused += 1,
                _ => {}
            }
        }
    }

    fn shard(&mut self, event: ShardEvent) {
        match &event {
            ShardEvent::Restored { images, .. } => {
                self.restored = *images;
                if *images > 0 {
                    let rss = resident("VmRSS:").unwrap_or_default();
                    self.reference_at = self.began.map(|began| (began.elapsed(), rss));
                }
            }
            ShardEvent::Stopped { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
}

fn load(step: Step, directory: &Path, company: &Company) {
    let (began, cpu_began) = (Instant::now(), cpu());
    let restores = step == Step::Restore;
    let settings = Settings { start_leads: Some(StartLeads::Earliest), ..Settings::default() };
    let files = Files::open(directory, restores);
    let heard = Heard { began: Some(began), ..Heard::default() };
    let mut worker = Worker::new(files, Now(began), heard, Wire::default(), settings);
    while worker.observer_mut().consumed[Topic::LeadCreated.index()] < LEADS {
        worker.turn().expect("a worker that works");
    }
    worker.log_mut().finish();
    let heard = worker.observer_mut();
    let (loaded, rss) = heard.reference_at.expect("leads were routed");
    let events = company.accounts + company.reps + company.territories;
    println!(
        "{}: {} in {:.1} s ({:.1} s of CPU with {LEADS} leads), {:.2} us each; resident {:.2} GB, \
         at most {:.2} GB; {:.0} bytes an account, all in",
        step.name(),
        if restores { "images loaded" } else { "events taken" },
        loaded.as_secs_f64(),
        (cpu() - cpu_began).as_secs_f64(),
        loaded.as_secs_f64() * 1e6 / f64::from(events),
        rss / 1e9,
        resident("VmHWM:").unwrap_or_default() / 1e9,
        rss / f64::from(company.accounts),
    );
    println!(
        "  {} leads routed, {} by the owner of their account; {} refused",
        heard.assigned, heard.by_account, heard.refused
    );
    assert_eq!(heard.refused, 0, "an event was refused");
    match restores {
        true => assert!(heard.restored >= u64::from(events), "an image is missing"),
        false => {
            assert_eq!(heard.consumed[Topic::AccountChanged.index()], u64::from(company.accounts))
        }
    }
    assert_eq!(heard.by_account, LEADS as usize, "a lead did not find the owner of its account");
}

/// A line of `/proc/self/status`, in bytes.
fn resident(what: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1_024.0)
}

/// CPU time of this process.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
