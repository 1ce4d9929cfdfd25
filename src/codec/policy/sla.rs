//! `[sla]`: the ladders, one table a priority class.

use std::collections::BTreeMap;

use super::reader::{Item, Table};
use crate::domain::ids::{QueueId, RepId};
use crate::domain::policy::{Recipient, Sla, SlaAction, SlaClass, SlaClock, SlaStep};
use crate::domain::time::Span;

/// Keys of the section itself: a class cannot have one of these names.
const KEYS: [&str; 4] =
    ["max_hops", "overdue_per_sec", "pause_non_responder_secs", "recompute_open"];
/// More steps than this are a mistake, and each is a timer.
const MAX_STEPS: usize = 32;

pub(super) fn read(root: &Table<'_>, default: &Sla, calendar: impl Fn(&str) -> bool) -> Sla {
    let item = root.item("sla");
    let Some(item) = item else { return default.clone() };
    let section = item.table();
    let mut classes = BTreeMap::new();
    for (name, item) in section.items() {
        if !KEYS.contains(&name) {
            classes.insert(name.to_owned(), read_class(&item.table(), &calendar));
        }
    }
    classes.entry("standard".to_owned()).or_insert_with(SlaClass::default);
    Sla {
        max_hops: section.count("max_hops", 0..=1_000, default.max_hops),
        overdue_per_sec: section.count("overdue_per_sec", 1..=1_000_000, default.overdue_per_sec),
        pause_non_responder: section.secs(
            "pause_non_responder_secs",
            0,
            default.pause_non_responder,
        ),
        recompute_open: section.flag("recompute_open", default.recompute_open),
        classes,
    }
}

#[derive(Clone, Copy)]
enum ClockName {
    Wall,
    Team,
    Owner,
}

fn read_class(table: &Table<'_>, calendar: &impl Fn(&str) -> bool) -> SlaClass {
    table.only(&["clock", "calendar", "target_secs", "steps"]);
    let names = [("wall", ClockName::Wall), ("team", ClockName::Team), ("owner", ClockName::Owner)];
    let clock = match table.choice("clock", &names, ClockName::Wall) {
        ClockName::Wall => SlaClock::Wall,
        ClockName::Owner => SlaClock::Owner,
        ClockName::Team => SlaClock::Team(read_calendar(table, calendar)),
    };
    if !matches!(clock, SlaClock::Team(_))
        && let Some(item) = table.item("calendar")
    {
        item.unexpected("no calendar unless clock = \"team\"");
    }
    let target = table.secs("target_secs", 1, SlaClass::default().target);
    let steps = match table.item("steps") {
        Some(item) => read_steps(&item, target, &clock),
        None => SlaClass::default_steps(target),
    };
    SlaClass { clock, target, steps }
}

fn read_calendar(table: &Table<'_>, known: &impl Fn(&str) -> bool) -> String {
    let Some(item) = table.item("calendar") else {
        table.fault("calendar", "the name of a calendar, for clock = \"team\"", "none");
        return String::new();
    };
    let name = item.text().unwrap_or_default();
    if !known(name) {
        item.unexpected("the name of a calendar of this policy");
    }
    name.to_owned()
}

fn read_steps(item: &Item<'_>, target: Span, clock: &SlaClock) -> Vec<SlaStep> {
    let items = item.list();
    if items.len() > MAX_STEPS {
        item.fault(format!("at most {MAX_STEPS} steps"), format!("{}", items.len()));
    }
    let mut steps: Vec<SlaStep> = Vec::new();
    for item in items {
        let Some(step) = read_step(&item, target, clock) else { continue };
        let is_earlier = |last: &SlaStep| match (last.days, step.days) {
            (0, 0) => last.after > step.after,
            (last, days) => days > 0 && last > days,
        };
        if steps.last().is_some_and(is_earlier) {
            item.fault("steps in the order of their times", "an earlier one");
        }
        steps.push(step);
    }
    steps
}

fn read_step(item: &Item<'_>, target: Span, clock: &SlaClock) -> Option<SlaStep> {
    let table = item.table();
    table.only(&["at", "after_secs", "after_days", "action", "to"]);
    let actions = [
        ("REMIND", SlaAction::Remind),
        ("ESCALATE", SlaAction::Escalate),
        ("REASSIGN", SlaAction::Reassign),
    ];
    let action = match table.item("action") {
        Some(item) => item.choice(&actions),
        None => {
            table.fault("action", "\"REMIND\", \"ESCALATE\" or \"REASSIGN\"", "none");
            None
        }
    };
    let (after, days) = read_after(&table, target, clock)?;
    let to = table.item("to").map(|item| item.one_or_list()).unwrap_or_default();
    let to: Vec<Recipient> = to.iter().filter_map(recipient).collect();
    Some(SlaStep { after, days, action: action?, to })
}

/// When a step is due: a span, or business days.
fn read_after(table: &Table<'_>, target: Span, clock: &SlaClock) -> Option<(Span, u32)> {
    let keys = ["at", "after_secs", "after_days"];
    let given: Vec<&str> = keys.into_iter().filter(|key| table.item(key).is_some()).collect();
    match given.as_slice() {
        ["at"] => {
            let share = table.opt_number("at", 0.001..=1_000.0)?;
            Some((SlaClass::share(target, share), 0))
        }
        ["after_secs"] => table.opt_secs("after_secs", 1).map(|after| (after, 0)),
        ["after_days"] if *clock == SlaClock::Wall => {
            let wanted = "no business days unless clock = \"team\" or \"owner\"";
            table.fault("after_days", wanted, "clock = \"wall\"");
            None
        }
        ["after_days"] => Some((Span::ZERO, table.count("after_days", 1..=1_000, 1))),
        [] => {
            table.fault("at", "one of `at`, `after_secs`, `after_days`", "none");
            None
        }
        _ => {
            table.fault("at", "one of `at`, `after_secs`, `after_days`", "more than one");
            None
        }
    }
}

fn recipient(item: &Item<'_>) -> Option<Recipient> {
    let text = item.text()?;
    let parsed = match text {
        "rep" => Ok(Recipient::Rep),
        "manager" => Ok(Recipient::Manager),
        _ => match text.strip_prefix("queue:") {
            Some(queue) => QueueId::parse(queue).map(Recipient::Queue),
            None => RepId::parse(text).map(Recipient::Named),
        },
    };
    if parsed.is_err() {
        item.unexpected("\"rep\", \"manager\", \"queue:ID\" or a rep id");
    }
    parsed.ok()
}
