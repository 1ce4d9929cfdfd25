//! The catalogue of metrics: the one place where a metric is named. Each entry says what it counts,
//! in which unit, what question it answers and which alert reads it; `deploy/RUNBOOK.md` shows the
//! same table, and a test holds the two together.
//!
//! Rules: prefix `leadrouter_`, base units, `_total` on counters, label values from closed lists,
//! never a lead, rep or territory id. All combinations of closed labels exist from the start, at 0.

use super::labels::{self, Values};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// With these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [(&'static str, Values)],
    pub unit: &'static str,
    pub meaning: &'static str,
    pub question: &'static str,
    /// Empty = none.
    pub alert: &'static str,
}

/// From a decision in memory (microseconds) to a slow transaction (a minute).
const FAST: &[f64] =
    &[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2];
const LATENCY: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// The same, and on to what a night, a weekend or an outage makes of it (30 days).
const WAIT: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 900.0, 3_600.0, 14_400.0, 28_800.0, 57_600.0, 86_400.0, 259_200.0, 604_800.0, 2.592e6,
];
/// From at once over a working day and a weekend to a month: how people answer.
const HUMAN: &[f64] = &[
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0,
    86_400.0, 259_200.0, 604_800.0, 2.592e6,
];
const CHANCE: &[f64] = &[0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2e3, 5e3, 1e4];

macro_rules! catalogue {
    ($($metric:ident = $name:literal $kind:expr, [$($label:literal: $values:expr),*], $unit:literal,
        $meaning:literal, $question:literal, $alert:literal;)*) => {
        /// A metric of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($metric),* }

        /// In the order of `Metric`.
        pub const CATALOGUE: &[Entry] = &[$(Entry {
            name: $name,
            kind: $kind,
            labels: &[$(($label, $values)),*],
            unit: $unit,
            meaning: $meaning,
            question: $question,
            alert: $alert,
        }),*];
    };
}

catalogue! {
    RecordsConsumed = "leadrouter_records_consumed_total" Kind::Counter, ["topic": labels::TOPIC],
        "records", "Records of topics in, counted when their transaction has committed.",
        "Is anything coming in?", "LeadRouterNothingConsumed";
    Leads = "leadrouter_leads_total" Kind::Counter, ["outcome": labels::LEAD_OUTCOME],
        "records", "Records of `lead-created` and `lead-created-fast` by what became of them; \
         the sum is what was consumed of both topics. `unchanged`: repeats, and leads that \
         stayed where they were.",
        "Did every lead get exactly one outcome?", "LeadRouterCatchAllHigh";
    Decisions = "leadrouter_decisions_total" Kind::Counter,
        ["outcome": labels::OUTCOME, "cause": labels::CAUSE],
        "decisions", "`lead-assigned` events by outcome and cause.",
        "What makes leads move?", "";
    Assignments = "leadrouter_assignments_total" Kind::Counter,
        ["method": labels::METHOD, "reason": labels::ASSIGNED_REASON],
        "decisions", "Decisions that ended at a rep, by how the rep was chosen and why.",
        "How often do the data choose, and how often the rotation?", "";
    Unrouted = "leadrouter_unrouted_total" Kind::Counter, ["reason": labels::UNROUTED_REASON],
        "decisions", "Decisions that ended in a queue, parked or released, by reason.",
        "Why do leads not reach a rep?", "LeadRouterCatchAllHigh";
    LeadToAssignment = "leadrouter_lead_to_assignment_seconds" Kind::Histogram(WAIT),
        ["given": labels::GIVEN, "class": labels::CLASS],
        "seconds", "From the creation of a lead in the CRM to the decision that first gave it to \
         a rep (the system's clock). `at_once`: by the first decision about it; `waited`: out of a \
         queue, a hold or a lock.",
        "How fast are we?", "LeadRouterSlowAssignment";
    FirstTouch = "leadrouter_assignment_to_first_touch_seconds" Kind::Histogram(HUMAN),
        ["class": labels::CLASS],
        "seconds", "From an assignment to the first touch by its rep (the human clock).",
        "How fast are the reps?", "";
    SpeedToLead = "leadrouter_lead_to_first_touch_seconds" Kind::Histogram(HUMAN),
        ["class": labels::CLASS],
        "seconds", "From the creation of a lead in the CRM to its first touch by a rep who has it \
         (both clocks). Touches after it was handed on are none, unless the process started in between.",
        "How long does somebody who asks wait for a person?", "";
    DecisionTime = "leadrouter_decision_seconds" Kind::Histogram(FAST), [],
        "seconds", "Time to decide and apply one input: the mean of its batch.",
        "What does a decision cost?", "";
    Transactions = "leadrouter_transactions_total" Kind::Counter, ["result": labels::TRANSACTION],
        "transactions", "Transactions by how they ended; `unknown_*` were settled by the \
         committed offsets.",
        "Do transactions go through?", "LeadRouterTransactionsFailing";
    TransactionTime = "leadrouter_transaction_seconds" Kind::Histogram(LATENCY), [],
        "seconds", "From the beginning of a transaction to the answer to its commit.",
        "Is the broker slow?", "LeadRouterTransactionsSlow";
    BatchRecords = "leadrouter_batch_records" Kind::Histogram(SIZES), [],
        "records", "Records in one committed transaction.",
        "Are we idle, steady or catching up?", "";
    TimersArmed = "leadrouter_timers_armed_total" Kind::Counter, [],
        "timers", "Timers armed. Armed = fired + cancelled + open.",
        "Is the wheel keeping its books?", "";
    TimersFired = "leadrouter_timers_fired_total" Kind::Counter, ["kind": labels::TIMER],
        "timers", "Timers that fired, by kind.",
        "What is time doing?", "";
    TimersCancelled = "leadrouter_timers_cancelled_total" Kind::Counter, [],
        "timers", "Timers cancelled or replaced before they fired.",
        "How many deadlines were met?", "";
    TimerLateness = "leadrouter_timer_lateness_seconds" Kind::Histogram(WAIT), [],
        "seconds", "How late a timer fired; after an outage this is the outage.",
        "Are deadlines held to the second?", "LeadRouterTimersLate";
    SlaBreaches = "leadrouter_sla_breaches_total" Kind::Counter,
        ["action": labels::SLA_ACTION, "class": labels::CLASS],
        "breaches", "`sla-breached` events by action and priority class.",
        "Do reps answer in time?", "LeadRouterSlaBreaches";
    SlaDeadlines = "leadrouter_sla_deadlines_total" Kind::Counter,
        ["result": labels::SLA_RESULT, "class": labels::CLASS],
        "ladders", "Ladders by whether the rep touched or accepted the lead before a step beyond \
         reminders fired, each once. One that ends before either is neither.",
        "Which share of the SLA is met?", "LeadRouterSlaBreaches";
    SlaLadders = "leadrouter_sla_ladders" Kind::Gauge,
        ["state": labels::SLA_STATE, "class": labels::CLASS],
        "leads", "Leads that a rep owes an answer, by how far their ladder has climbed and \
         priority class.",
        "Who waits, and who knows of it?", "";
    DeadLetters = "leadrouter_dead_letters_total" Kind::Counter, ["reason": labels::DEAD_LETTER],
        "records", "Records sent to the dead-letter topic, by reason; a reason that is not \
         listed counts as `other`.",
        "Who sends what we cannot read?", "LeadRouterDeadLetters";
    IngestRecords = "leadrouter_ingest_records_total" Kind::Counter,
        ["stage": labels::STAGE, "outcome": labels::INGEST_OUTCOME],
        "records", "Records of bridged topics (`parse`) and changes (`picture`) by what became of \
         them. `ignored`: understood, and nothing to say; `stale`: an event was lost.",
        "Is what Salesforce sends understood?", "";
    IngestEvents = "leadrouter_ingest_events_total" Kind::Counter, [],
        "events", "Canonical events that ingest wrote.", "Does anything reach the router?", "";
    IngestReread = "leadrouter_ingest_reread_total" Kind::Counter, [],
        "records", "Records that must be read again from Salesforce: lost events, and records that \
         were never seen whole.",
        "How much of the pictures is in doubt?", "";
    IngestPictures = "leadrouter_ingest_pictures" Kind::Gauge, ["worker": labels::WORKER],
        "records", "Records of the CRM in memory.", "How big are the pictures?", "";
    IngestLag = "leadrouter_ingest_lag_seconds" Kind::Gauge, ["stage": labels::STAGE],
        "seconds", "From the commit in Salesforce to the end of a stage, of the latest record.",
        "How old is what we hear?", "";
    Effects = "leadrouter_effects_total" Kind::Counter, ["effect": labels::EFFECT],
        "inputs", "What happened without an event of its own: repeats, unknown leads, own \
         echoes, first touches, moves. `over_max_share`, `under_min_share`: a choice by win rate \
         that passed over the best score, which had more than `max_share`, or for somebody who had \
         less than `min_share`; `unknown_rep`: a closed deal of a rep that no event has told of.",
        "Where did the input go that caused nothing?", "";
    Deals = "leadrouter_deals_total" Kind::Counter,
        ["outcome": labels::DEAL, "arm": labels::DEAL_ARM],
        "deals", "Closed opportunities taken in, by outcome and by the arm that their lead was last in; \
         again when the outcome changes. `none`: the lead was never in an arm; `no_lead`: the deal \
         names none that is known.",
        "Is the win-rate model being fed, and does choosing by it win?", "";
    StatedChance = "leadrouter_stated_win_probability_ratio" Kind::Histogram(CHANCE),
        ["outcome": labels::DEAL_ENDING],
        "ratio", "P(win) of a closed deal as the model put it just before it learned the outcome: \
         deals of the rep who was chosen for the lead by win rate, at their first close. The sum \
         over both outcomes is how many wins were to be expected; the count of `won` is how many came.",
        "Is the model honest?", "";
    StateEntries = "leadrouter_state_entries" Kind::Gauge, ["kind": labels::STATE_KIND],
        "entities", "Entities in memory, by kind.",
        "How big is the state, and what grows?", "LeadRouterStateGrowing";
    OpenLeads = "leadrouter_open_leads" Kind::Gauge, ["phase": labels::PHASE],
        "leads", "Leads that have not ended, by where they are.",
        "How many leads wait for somebody?", "LeadRouterLeadsWaiting";
    OldestWaiting = "leadrouter_oldest_waiting_timestamp_seconds" Kind::Gauge, [],
        "seconds", "When the lead that waits longest, queued or parked by nobody's wish, was put \
         there, as Unix time; 0 = none waits.",
        "Does a lead wait that nobody looks at?", "LeadRouterLeadWaitsLong";
    Shards = "leadrouter_shards_assigned" Kind::Gauge, [],
        "shards", "Shards that this process serves.",
        "Who does the work?", "LeadRouterNotReady";
    ShardsStopped = "leadrouter_shards_stopped" Kind::Gauge, [],
        "shards", "Shards that take nothing any more, because too many of their records are dead letters.",
        "Is a producer broken?", "LeadRouterPartitionStopped";
    RegistryRequests = "leadrouter_registry_requests_total" Kind::Counter,
        ["outcome": labels::REGISTRY],
        "requests", "Requests to the schema registry, by what came of them.",
        "Does the registry answer?", "LeadRouterRegistryUnavailable";
    RegistryWaiting = "leadrouter_registry_waiting_schemas" Kind::Gauge, [],
        "schemas", "Schemas that are waited for: those of records, at a start our own.",
        "Does the registry hold up leads?", "LeadRouterRegistryUnavailable";
    Rebalances = "leadrouter_rebalances_total" Kind::Counter, ["kind": labels::REBALANCE],
        "shards", "Shards that came, went, or came back with their memory still good (`reused`).",
        "Is the group stable?", "LeadRouterRebalancing";
    RestoreTime = "leadrouter_restore_seconds" Kind::Histogram(LATENCY), [],
        "seconds", "Time to rebuild a shard from its images.",
        "How long does a takeover take?", "LeadRouterNotReady";
    LagRecords = "leadrouter_consumer_lag_records" Kind::Gauge,
        ["topic": labels::TOPIC_OPEN, "partition": labels::PARTITION],
        "records", "Records up to the last stable offset that are not yet committed.",
        "Are we behind?", "LeadRouterLagging";
    LagSeconds = "leadrouter_consumer_lag_seconds" Kind::Gauge,
        ["topic": labels::TOPIC_OPEN, "partition": labels::PARTITION],
        "seconds", "Age of the oldest record that is not yet committed; 0 when there is none.",
        "For how long does a lead wait for us?", "LeadRouterLagging";
    ProducerRecreated = "leadrouter_producer_recreated_total" Kind::Counter, [],
        "producers", "Producers dropped and made anew after an outcome nobody knew or a fence.",
        "Does something fence us?", "LeadRouterTransactionsFailing";
    InvariantViolations = "leadrouter_invariant_violations_total" Kind::Counter,
        ["id": labels::INVARIANT],
        "violations", "Broken invariants found while running; always 0.",
        "Is the router wrong?", "LeadRouterInvariantBroken";
    LoopQuiet = "leadrouter_loop_quiet_seconds" Kind::Gauge, [],
        "seconds", "How long ago the slowest decision loop last ticked; `/livez` fails at 30.",
        "Does the loop run?", "LeadRouterNotReady";
    Ready = "leadrouter_ready" Kind::Gauge, [],
        "0 or 1", "What `/readyz` answers: 1 = state restored, shards served, not draining.",
        "May it take part?", "LeadRouterNotReady";
    BuildInfo = "leadrouter_build_info" Kind::Gauge, ["version": labels::VERSION],
        "1", "Always 1; the version is the label.",
        "Which version runs where?", "LeadRouterGone";
    ProcessCpu = "process_cpu_seconds_total" Kind::Counter, [],
        "seconds", "CPU time of the process, user and system.",
        "What does it cost to run?", "";
    ProcessResident = "process_resident_memory_bytes" Kind::Gauge, [],
        "bytes", "Resident memory of the process.",
        "Does it fit?", "LeadRouterStateGrowing";
    ProcessVirtual = "process_virtual_memory_bytes" Kind::Gauge, [],
        "bytes", "Virtual memory of the process.",
        "Does it fit?", "";
    ProcessThreads = "process_threads" Kind::Gauge, [],
        "threads", "Threads of the process.",
        "Does something leak threads?", "";
    ProcessFds = "process_open_fds" Kind::Gauge, [],
        "descriptors", "Open file descriptors of the process.",
        "Does something leak connections?", "";
    ProcessStart = "process_start_time_seconds" Kind::Gauge, [],
        "seconds", "When the process started, as Unix time.",
        "Did it restart?", "";
}

impl Metric {
    pub fn entry(self) -> &'static Entry {
        &CATALOGUE[self as usize]
    }
}

/// The table of the runbook.
pub fn markdown() -> String {
    let mut out = String::from(
        "| metric | kind | labels | unit | meaning | question | alert \
         |\n|---|---|---|---|---|---|---|\n",
    );
    for entry in CATALOGUE {
        let labels: Vec<String> = entry
            .labels
            .iter()
            .map(|(name, values)| format!("`{name}`: {}", values.describe()))
            .collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join("; ") };
        let alert = if entry.alert.is_empty() {
            "–".to_owned()
        } else {
            format!("[{}](#{})", entry.alert, entry.alert.to_lowercase())
        };
        out.push_str(&format!(
            "| `{}` | {} | {labels} | {} | {} | {} | {alert} |\n",
            entry.name,
            entry.kind.name(),
            entry.unit,
            entry.meaning,
            entry.question,
        ));
    }
    out
}
