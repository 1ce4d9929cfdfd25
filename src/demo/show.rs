//! The demonstration itself: it brings world, stage and story together, and tells what happens.

use std::collections::HashSet;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::company::{Message, TEAMS};
use super::log::KILLED;
use super::printer::{Printer, Tone};
use super::stage::{News, Stage, Waited};
use super::story::{Act, BURST, Following, Story, Told};
use super::summary::{self, Tally, count, ms};
use super::truth;
use super::world::World;
use crate::domain::fact::Fact;
use crate::domain::input::Topic;
use crate::domain::policy::SlaAction;
use crate::domain::published::{Cause, LeadAssigned, Outcome, SlaBreached};
use crate::domain::time::{Span, Timestamp};
use crate::engine::report::{BatchReport, ShardEvent};
use crate::runtime::shutdown::Stop;
use crate::telemetry::telling::{self, tell};

/// Closed deals behind the company.
pub const DEALS: usize = 4_800;
/// Leads that have come since the morning.
const MORNING: usize = 60;
/// How long the past may take to be read.
const WARM_UP: Duration = Duration::from_secs(20);
/// How long the loop waits for news before it looks at the clock again.
const BEAT: Duration = Duration::from_millis(5);
/// How long the end waits for what is still under way.
const DRAIN: Duration = Duration::from_secs(3);

/// How a demonstration is to run.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// None = until it is stopped.
    pub length: Option<Duration>,
    /// How the program was called, for the hints at the end.
    pub program: String,
}

/// One demonstration.
pub struct Show {
    stage: Stage,
    world: World,
    story: Story,
    printer: Printer,
    tally: Tally,
    options: Options,
    start: Timestamp,
    first_told: bool,
    /// When the past had been read.
    begun: Duration,
    /// The digest in memory when the worker was killed, until it is back.
    crashed: Option<(u128, Duration)>,
}

impl Show {
    pub fn new(stage: Stage, options: Options) -> Show {
        let start = stage.clock.time();
        // A readable stream at any speed, and never more than the reps of the company can take.
        let per_hour = (14_400.0 / stage.clock.speed).clamp(240.0, 1_200.0);
        Show {
            world: World::new(options.seed, start, per_hour),
            story: Story::new(options.length),
            printer: Printer::new(),
            tally: Tally::default(),
            options,
            stage,
            start,
            first_told: false,
            begun: Duration::ZERO,
            crashed: None,
        }
    }

    /// Runs until its time is over or `stop` is raised; whether everything was in order.
    pub fn run(mut self, address: Option<&str>, stop: &Stop) -> std::io::Result<bool> {
        self.introduce(address);
        self.tell_the_past();
        self.stage.start()?;
        self.open(stop);
        while !stop.is_raised() && !self.is_over() {
            let now = self.stage.clock.time();
            for message in self.world.due(now) {
                self.stage.produce(&message, now);
            }
            self.play();
            match self.stage.news.recv_timeout(BEAT) {
                Ok(news) => self.hear(news),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            while let Ok(news) = self.stage.news.try_recv() {
                self.hear(news);
            }
        }
        Ok(self.finish())
    }

    fn is_over(&self) -> bool {
        let elapsed = self.elapsed();
        let late = self.options.length.is_some_and(|length| elapsed >= length);
        late || self.tally.failure.is_some() || self.printer.is_closed()
    }

    fn introduce(&mut self, address: Option<&str>) {
        let people = self.world.company.people.len();
        let speed = self.stage.clock.speed;
        let text = format!(
            " · a company of {people} reps and {} territories, {} closed deals of the last twelve \
             months, seed {}. A second is {} of its time.",
            TEAMS.len() + 3,
            count(DEALS as u64),
            self.options.seed,
            length_of(speed),
        );
        self.printer.say(&[(Tone::Title, "lead-router demo"), (Tone::Plain, &text)]);
        if let Some(address) = address {
            let page = format!("http://{address}/");
            let more = " the live page · /metrics, /livez and /readyz beside it · Ctrl-C ends it";
            self.printer.say(&[(Tone::Strong, &page), (Tone::Quiet, more)]);
        }
        let text =
            "The log is in memory, for a first look; production is Kafka, with the same engine.";
        self.printer.say(&[(Tone::Quiet, text)]);
        self.printer.blank();
    }

    /// Reference data, a year of deals, and the leads of the morning.
    fn tell_the_past(&mut self) {
        let before = self.start - Span::from_secs(60);
        for message in self.world.company.reference(self.start) {
            self.stage.produce(&message, before);
        }
        let company = self.world.company.clone();
        let deals = truth::history(self.options.seed, &company, &self.world.truth, DEALS);
        for (number, deal) in deals.iter().enumerate() {
            let closed_at = self.start - Span::from_millis(deal.age_ms);
            let id = format!("past-{number}");
            let value = deal.prospect.deal(&id, &deal.rep, deal.won, closed_at);
            self.stage.produce(&Message { topic: Topic::OpportunityClosed, value }, before);
        }
    }

    /// The day begins when the past has been read: with the leads of the morning.
    fn open(&mut self, stop: &Stop) {
        while !stop.is_raised()
            && self.tally.failure.is_none()
            && self.stage.clock.elapsed() < WARM_UP
            && !self.stage.is_caught_up()
        {
            if let Ok(news) = self.stage.news.recv_timeout(Duration::from_millis(1)) {
                self.hear(news);
            }
        }
        self.begun = self.stage.clock.elapsed();
        let now = self.stage.clock.time();
        self.world.open(now);
        let morning = self.world.burst(MORNING, now);
        self.stage.produce_list(&morning, now);
    }

    /// Since the day began, in real time.
    fn elapsed(&self) -> Duration {
        self.stage.clock.elapsed().saturating_sub(self.begun)
    }

    /// What the story asks for now.
    fn play(&mut self) {
        let elapsed = self.elapsed();
        let now = self.stage.clock.time();
        // Nothing new while the worker is down.
        if self.crashed.is_none()
            && let Some(act) = self.story.cue(elapsed)
        {
            match act {
                Act::Ladder => self.a_lead_is_ignored(now),
                Act::Territory => self.a_territory_moves(now, elapsed),
                Act::Departure => self.a_rep_leaves(now, elapsed),
                Act::Burst => self.five_hundred_come(now),
                Act::Crash => self.the_process_dies(now),
            }
        }
        for told in self.story.over(elapsed) {
            self.tell_over(&told);
        }
    }

    fn a_lead_is_ignored(&mut self, now: Timestamp) {
        let (lead, message) = self.world.unanswered(now);
        let text = format!("Nobody will call back lead {lead}");
        self.scene(&text);
        self.story.climber = Some(lead);
        self.stage.produce(&message, now);
    }

    fn a_territory_moves(&mut self, now: Timestamp, elapsed: Duration) {
        let open = self.world.open_in("TX");
        let text = format!("Texas goes to the Southeast team; it has {open} open leads");
        self.scene(&text);
        self.story.follow(Cause::TerritoryChanged, elapsed);
        let message = self.world.company.texas_moves();
        self.stage.produce(&message, now);
    }

    fn a_rep_leaves(&mut self, now: Timestamp, elapsed: Duration) {
        let Some((rep, open)) = self.world.busiest() else { return };
        let Some(person) = self.world.company.person(&rep).cloned() else { return };
        let text = format!("{} leaves the company; {open} leads wait for the call", person.name);
        self.scene(&text);
        self.story.follow(Cause::RepChanged, elapsed);
        let message = self.world.company.leaves(&person, now);
        self.stage.produce(&message, now);
    }

    fn five_hundred_come(&mut self, now: Timestamp) {
        self.scene(&format!("A bought list: {BURST} leads in the same instant"));
        let messages = self.world.burst(BURST, now);
        let leads = messages.iter().filter_map(Message::lead_id).map(str::to_owned);
        self.story.burst(leads.collect::<HashSet<String>>());
        self.stage.produce_list(&messages, now);
    }

    fn the_process_dies(&mut self, now: Timestamp) {
        self.scene("The process is killed inside a transaction");
        self.stage.crash.arm();
        let message = self.world.one_of("TX", now);
        self.stage.produce(&message, now);
    }

    /// A heading on the terminal and a note on the page.
    fn scene(&mut self, text: &str) {
        self.printer.heading(text);
        self.stage.board.note(text);
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Batch(report, waits) => self.batch(&report, &waits),
            News::Shard(ShardEvent::Restored { images, took, digest, .. }) => {
                self.stage.health.set_waiting_for(None);
                self.restored(images, took, digest);
            }
            News::Shard(_) => {}
            News::Ended { why, digest, member } => self.ended(why, digest, &member),
        }
    }

    fn batch(&mut self, report: &BatchReport, waits: &[Waited]) {
        let alone = waits.iter().filter(|waited| waited.alone).map(|waited| waited.took);
        self.tally.waits.extend(alone);
        self.tally.dead_letters += report.poison.len() as u64;
        for fact in &report.facts {
            match fact {
                Fact::Assigned(assigned) => {
                    let lead = assigned.lead_id.as_str();
                    let waited = waits.iter().find(|waited| waited.lead == lead);
                    self.decided(assigned, waited.map(|waited| waited.took));
                }
                Fact::Breached(breach) => self.breached(breach),
                Fact::Rejected(_) => self.tally.dead_letters += 1,
                Fact::Counted(_) | Fact::Set(..) => {}
            }
        }
    }

    fn decided(&mut self, assigned: &LeadAssigned, took: Option<Duration>) {
        let elapsed = self.elapsed();
        self.tally.decided(assigned);
        self.world.assigned(assigned);
        self.story.decided(assigned, took, elapsed);
        let climbs = self.story.climber.as_deref() == Some(assigned.lead_id.as_str());
        let first = assigned.assignment_no == 1;
        if climbs || first && self.printer.may_tell(elapsed) {
            self.tell_decision(assigned);
        }
        if !self.first_told {
            self.first_told = true;
            let since = self.stage.clock.elapsed().as_secs_f64();
            let text = format!("first decision {since:.2} s after the start");
            self.printer.tell(None, &[(Tone::Quiet, &text)]);
        }
    }

    /// Who, why, who was next, the odds.
    fn tell_decision(&mut self, assigned: &LeadAssigned) {
        let told = self.stage.board.with_names(|names| tell(names, assigned));
        let what = self.world.lead(assigned.lead_id.as_str());
        let what = what.map_or_else(|| "a lead".to_owned(), |lead| lead.prospect.words());
        let untold = self.printer.take_untold();
        let at = Some(assigned.decided_at);
        let because = match told.because.as_str() {
            "" => ".".to_owned(),
            because => format!(", because {because}."),
        };
        if assigned.outcome == Outcome::Assigned {
            let gets = format!(" gets {what}{because}");
            self.printer.tell(at, &[(Tone::Good, &told.who), (Tone::Plain, &gets)]);
        } else {
            let waits = match assigned.outcome {
                Outcome::Queued => format!(" waits in {}{because}", told.who),
                _ => format!(" is {}{because}", told.who),
            };
            self.printer.tell(at, &[(Tone::Warn, &what), (Tone::Plain, &waits)]);
        }
        self.printer.tell(None, &[(Tone::Quiet, &reasons(&told, untold))]);
    }

    fn breached(&mut self, breach: &SlaBreached) {
        self.tally.breached(breach.action);
        if self.story.climber.as_deref() != Some(breach.lead_id.as_str()) {
            return;
        }
        let rep = self.world.company.name(breach.rep_id.as_str()).to_owned();
        let (tone, text) = match breach.action {
            SlaAction::Remind => (Tone::Warn, format!("{rep} is reminded of {}.", breach.lead_id)),
            SlaAction::Escalate => {
                (Tone::Bad, format!("{rep} has still not answered: the manager is told."))
            }
            SlaAction::Reassign => (Tone::Bad, format!("{rep} loses {}.", breach.lead_id)),
        };
        self.printer.tell(Some(breach.fired_at), &[(tone, &text)]);
    }

    fn tell_over(&mut self, told: &Told) {
        let (text, note) = match told {
            Told::Territory(following) => (self.followed(following), "with Texas"),
            Told::Departure(following) => (self.followed(following), "after the departure"),
            Told::Burst(burst) => {
                let queued = burst.decided - burst.assigned;
                let text = format!(
                    "{} leads decided, the slowest {} after it came: {} have a rep, {queued} wait.",
                    burst.decided,
                    ms(burst.slowest),
                    burst.assigned,
                );
                (text, "of the list")
            }
        };
        let now = self.stage.clock.time();
        self.printer.tell(Some(now), &[(Tone::Strong, &text)]);
        self.stage.board.note(&format!("{note}: {text}"));
    }

    fn followed(&self, following: &Following) -> String {
        let mut names: Vec<&str> =
            following.to.iter().map(|rep| self.world.company.name(rep)).collect();
        names.sort_unstable();
        names.dedup();
        let took = ms(following.last.saturating_sub(following.started));
        let to = match names.as_slice() {
            [] => String::new(),
            [one] => format!(", to {one}"),
            [first, second] => format!(", to {first} and {second}"),
            [first, second, rest @ ..] => {
                let others = if rest.len() == 1 { "other" } else { "others" };
                format!(", to {first}, {second} and {} {others}", rest.len())
            }
        };
        let queued = match following.queued {
            0 => String::new(),
            n => format!(" ({n} of them wait in the queue)"),
        };
        let leads = if following.moved == 1 { "lead follows" } else { "leads follow" };
        format!("{} open {leads} within {took}{to}{queued}.", following.moved)
    }

    fn ended(&mut self, why: Option<String>, digest: Option<u128>, member: &str) {
        let Some(why) = why else { return };
        let killed = why.contains(KILLED);
        let Some(digest) = digest.filter(|_| killed) else {
            self.tally.failure = Some(why);
            return;
        };
        self.stage.health.set_waiting_for(Some("restoring"));
        self.crashed = Some((digest, self.stage.clock.elapsed()));
        let text = format!(
            "{} records of the open transaction were written; nobody will ever see them.",
            self.stage.crash.sent()
        );
        self.printer.tell(Some(self.stage.clock.time()), &[(Tone::Bad, &text)]);
        self.stage.stop();
        // The group would notice by itself after the session's time.
        self.stage.cluster.kick(member);
        if let Err(error) = self.stage.start() {
            self.tally.failure = Some(format!("failed to start again: {error}"));
        }
    }

    fn restored(&mut self, images: u64, took: Duration, digest: u128) {
        let Some((before, since)) = self.crashed.take() else { return };
        let equal = before == digest;
        self.tally.restored_equal = Some(equal);
        let down = self.stage.clock.elapsed().saturating_sub(since);
        let (tone, word) = if equal { (Tone::Good, "equal") } else { (Tone::Bad, "NOT equal") };
        let text = format!(
            " {} images read in {}, back after {}: digest ",
            count(images),
            ms(took),
            ms(down)
        );
        let hex = format!(" ({:08x}…)", digest >> 96);
        let now = self.stage.clock.time();
        let pieces =
            [(Tone::Strong, "Restored:"), (Tone::Plain, &text), (tone, word), (Tone::Quiet, &hex)];
        self.printer.tell(Some(now), &pieces);
        self.stage.board.note(&format!("Restored:{text}{word}"));
    }

    /// Stops, waits for what is under way, checks, and tells what it came to.
    fn finish(mut self) -> bool {
        let real = self.elapsed();
        self.stage.crash.disarm();
        let until = self.stage.clock.elapsed() + DRAIN;
        while self.tally.failure.is_none()
            && self.stage.clock.elapsed() < until
            && (self.crashed.is_some() || !self.stage.is_caught_up())
        {
            if let Ok(news) = self.stage.news.recv_timeout(BEAT) {
                self.hear(news);
            }
        }
        self.stage.stop();
        while let Ok(news) = self.stage.news.try_recv() {
            self.hear(news);
        }
        let speed = self.stage.clock.speed;
        // Writing and reading are moments apart, and moments are long at this speed.
        let skew = self.stage.clock.span(Duration::from_millis(500));
        let report = super::proof::check(&self.stage.cluster, skew.max(Span::from_secs(2)));
        summary::tell(&mut self.printer, &self.tally, self.world.wins, real, speed);
        summary::tell_proof(&mut self.printer, &report, &self.tally);
        summary::tell_next(&mut self.printer, &self.options.program, self.options.seed);
        report.passed() && self.tally.is_sound()
    }
}

/// The second line of a decision.
fn reasons(told: &telling::Told, untold: u64) -> String {
    let mut why = told.why.clone();
    if let Some(first) = why.get(..1) {
        why = first.to_uppercase() + &why[1..];
    }
    let mut text = why;
    if !told.territory.is_empty() {
        text.push_str(&format!(" in {}", told.territory));
    }
    if let Some(odds) = &told.odds {
        let (mean, low, high) = (odds.mean, odds.low, odds.high);
        let deals = count(odds.deals);
        text.push_str(&format!(": {mean:.0}\u{a0}% ({low:.0}–{high:.0}\u{a0}%, {deals} deals)"));
    }
    text.push('.');
    if !told.next.is_empty() {
        text.push_str(&format!(" Next: {}.", told.next));
    }
    if !told.left_out.is_empty() {
        text.push_str(&format!(" Not: {}.", told.left_out));
    }
    if untold > 0 {
        text.push_str(&format!(" (+{} decisions not shown)", count(untold)));
    }
    text
}

fn length_of(speed: f64) -> String {
    match speed {
        s if (s - 60.0).abs() < 1e-9 => "a minute".to_owned(),
        s if s >= 60.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{s} seconds"),
    }
}
