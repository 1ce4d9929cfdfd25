//! The sections of a policy, one function each; what is missing is the default's.

use std::collections::BTreeMap;

use super::reader::{Item, Table};
use super::{accounts, sla};
use crate::codec::condition::{self, OPS};
use crate::domain::calendar::{Calendar, CalendarText};
use crate::domain::ids::QueueId;
use crate::domain::policy::{
    AvailabilityPolicy, Choice, ChoiceMethod, ControlUnit, Dimension, Hold, Intake, Objective,
    OnLeadChange, OnReturn, Policy, PriorityClass, Reroute, Rotation, SegmentPolicy, SkillsPolicy,
    Sticky, StickyScope, Transition, WhenUnavailable,
};
use crate::domain::territory::{Condition, Field};

const SECTIONS: &[&str] = &[
    "catch_all",
    "choice",
    "segment",
    "rotation",
    "priority",
    "sla",
    "sticky",
    "reroute",
    "accounts",
    "transition",
    "availability",
    "skills",
    "hold",
    "calendars",
    "intake",
    "closed",
];

pub(super) fn read(root: &Table<'_>) -> Policy {
    root.only(SECTIONS);
    let default = Policy::default();
    let calendars = read_calendars(root);
    let known =
        |name: &str| root.item("calendars").is_some_and(|it| it.table().item(name).is_some());
    Policy {
        catch_all: read_catch_all(root, default.catch_all),
        choice: read_choice(root, default.choice),
        segment: read_segment(root, default.segment),
        rotation: read_rotation(root),
        priority: read_priority(root),
        sla: sla::read(root, &default.sla, known),
        sticky: read_sticky(root, &default.sticky),
        reroute: read_reroute(root, &default.reroute),
        accounts: accounts::read(root, default.accounts),
        transition: read_transition(root),
        availability: read_availability(root, default.availability),
        skills: read_skills(root, &default.skills),
        hold: read_hold(root),
        calendars,
        intake: read_intake(root, &default.intake),
        closed_statuses: root
            .section("closed", &["statuses"])
            .texts("statuses")
            .unwrap_or(default.closed_statuses),
    }
}

fn read_catch_all(root: &Table<'_>, default: QueueId) -> QueueId {
    let section = root.section("catch_all", &["queue"]);
    let Some(item) = section.item("queue") else { return default };
    let Some(text) = item.text() else { return default };
    QueueId::parse(text).unwrap_or_else(|_| {
        item.unexpected("the id of a queue (it may be renamed, not emptied)");
        default
    })
}

fn read_choice(root: &Table<'_>, default: Choice) -> Choice {
    let keys = [
        "method",
        "objective",
        "control_share",
        "control_unit",
        "floor",
        "max_share",
        "min_share",
        "salt",
    ];
    let section = root.section("choice", &keys);
    let objectives = [
        ("win_probability", Objective::WinProbability),
        ("expected_amount", Objective::ExpectedAmount),
    ];
    let units = [("lead", ControlUnit::Lead), ("account", ControlUnit::Account)];
    let methods = [("win_rate", ChoiceMethod::WinRate), ("round_robin", ChoiceMethod::RoundRobin)];
    let choice = Choice {
        method: section.choice("method", &methods, default.method),
        objective: section.choice("objective", &objectives, default.objective),
        control_share: section.number("control_share", 0.0..=1.0, default.control_share),
        control_unit: section.choice("control_unit", &units, default.control_unit),
        floor: section.number("floor", 0.0..=1.0, default.floor),
        max_share: section.number("max_share", 0.0..=1_000.0, default.max_share),
        min_share: section.number("min_share", 0.0..=1_000.0, default.min_share),
        salt: section.text("salt").map_or(default.salt, str::to_owned),
    };
    if choice.max_share > 0.0 && choice.min_share > choice.max_share {
        let found = format!("{} above {}", choice.min_share, choice.max_share);
        section.fault("min_share", "at most max_share", found);
    }
    choice
}

fn read_segment(root: &Table<'_>, default: SegmentPolicy) -> SegmentPolicy {
    let section = root.section("segment", &["dimensions", "employees", "annual_revenue"]);
    let dimensions = section.item("dimensions").map(|item| {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for item in item.list() {
            match dimension(&item) {
                Some(known) if dimensions.contains(&known) => item.unexpected("it only once"),
                Some(new) => dimensions.push(new),
                None => {}
            }
        }
        dimensions
    });
    SegmentPolicy {
        dimensions: dimensions.unwrap_or(default.dimensions),
        employees: section.ascending("employees").unwrap_or(default.employees),
        annual_revenue: section.ascending("annual_revenue").unwrap_or(default.annual_revenue),
    }
}

fn dimension(item: &Item<'_>) -> Option<Dimension> {
    let name = item.text()?;
    Some(match name {
        "industry" => Dimension::Industry,
        "employees" => Dimension::Employees,
        "state" => Dimension::State,
        "country" => Dimension::Country,
        "postal_code" => Dimension::PostalCode,
        "annual_revenue" => Dimension::AnnualRevenue,
        "product" => Dimension::Product,
        "source" => Dimension::Source,
        _ => match name.strip_prefix("attributes.") {
            Some(key) if !key.is_empty() => Dimension::Attribute(key.to_owned()),
            _ => {
                item.unexpected(
                    "industry, employees, state, country, postal_code, annual_revenue, product, \
                     source or attributes.NAME",
                );
                return None;
            }
        },
    })
}

/// Turns in a row that "catch_up" gives if nothing is said.
const CATCH_UP_TURNS: u32 = 2;

fn read_rotation(root: &Table<'_>) -> Rotation {
    let section = root.section("rotation", &["on_return", "catch_up_turns", "count_manual"]);
    let turns = section.count("catch_up_turns", 1..=1_000, CATCH_UP_TURNS);
    let names = [
        ("level", OnReturn::Level),
        ("catch_up", OnReturn::CatchUp(turns)),
        ("keep", OnReturn::Keep),
    ];
    Rotation {
        on_return: section.choice("on_return", &names, OnReturn::Level),
        count_manual: section.flag("count_manual", false),
    }
}

fn read_priority(root: &Table<'_>) -> Vec<PriorityClass> {
    let Some(list) = root.item("priority") else { return Vec::new() };
    let class = |item: &Item<'_>| -> PriorityClass {
        let table = item.table();
        table.only(&["class", "when"]);
        let class = table.text("class").unwrap_or_default();
        if class.trim().is_empty() {
            table.fault("class", "the name of the class", "none");
        }
        let when = table.item("when").map(|item| item.list()).unwrap_or_default();
        if when.is_empty() {
            table.fault("when", "at least one condition", "none");
        }
        let when = when.iter().filter_map(read_condition).collect();
        PriorityClass { class: class.to_owned(), when }
    };
    list.list().iter().map(class).collect()
}

fn read_condition(item: &Item<'_>) -> Option<Condition> {
    let table = item.table();
    table.only(&["field", "op", "values"]);
    let (Some(field), Some(op)) = (table.item("field"), table.item("op")) else {
        item.fault("`field` and `op`", "a condition without");
        return None;
    };
    let (name, op_name) = (field.text()?, op.text()?);
    if !OPS.contains(&op_name) {
        op.unexpected(format!("one of {}", OPS.join(", ")));
        return None;
    }
    let values = table.item("values");
    let raw: Option<Vec<_>> =
        values.iter().flat_map(|item| item.one_or_list()).map(|it| it.scalar()).collect();
    match condition::condition(name, op_name, &raw?) {
        Ok(condition) => Some(condition),
        Err(fault) => {
            let part = match fault.part {
                "field" => &field,
                "op" => &op,
                _ => values.as_ref().unwrap_or(item),
            };
            part.unexpected(format!("otherwise ({})", fault.detail));
            None
        }
    }
}

fn read_sticky(root: &Table<'_>, default: &Sticky) -> Sticky {
    let section = root.section("sticky", &["window_secs", "scope"]);
    let scopes = [("domain", StickyScope::Domain), ("pool", StickyScope::Pool)];
    Sticky {
        window: section.secs("window_secs", 0, default.window),
        scope: section.choice("scope", &scopes, default.scope),
    }
}

fn read_reroute(root: &Table<'_>, default: &Reroute) -> Reroute {
    let section = root.section("reroute", &["per_sec", "min_gap_secs", "on_lead_change"]);
    let names = [
        ("none", OnLeadChange::None),
        ("untouched", OnLeadChange::Untouched),
        ("all", OnLeadChange::All),
    ];
    Reroute {
        per_sec: section.count("per_sec", 1..=1_000_000, default.per_sec),
        min_gap: section.secs("min_gap_secs", 0, default.min_gap),
        on_lead_change: section.choice("on_lead_change", &names, default.on_lead_change),
    }
}

fn read_transition(root: &Table<'_>) -> Transition {
    let keys = ["exempt", "hold_when", "hold_secs", "until_statuses"];
    let section = root.section("transition", &keys);
    let conditions = |key: &str| -> Vec<Condition> {
        let items = section.item(key).map(|item| item.list()).unwrap_or_default();
        items.iter().filter_map(read_condition).collect()
    };
    let transition = Transition {
        exempt: conditions("exempt"),
        hold_when: conditions("hold_when"),
        hold: section.secs("hold_secs", 0, Policy::default().transition.hold),
        until_statuses: section.texts("until_statuses").unwrap_or_default(),
    };
    let idle = !transition.hold_when.is_empty() || !transition.until_statuses.is_empty();
    if idle && transition.hold.0 == 0 {
        section.fault("hold_secs", "how long such a lead stays", "none");
    }
    transition
}

fn read_availability(root: &Table<'_>, default: AvailabilityPolicy) -> AvailabilityPolicy {
    let keys = ["owner", "sticky", "account_owner", "pool", "assign_anyway_within_secs"];
    let section = root.section("availability", &keys);
    let names = [
        ("hold", WhenUnavailable::Hold),
        ("cover", WhenUnavailable::Cover),
        ("next_stage", WhenUnavailable::NextStage),
        ("assign_anyway", WhenUnavailable::AssignAnyway),
    ];
    let owner = section.choices("owner", &names);
    let of = |key: &str, default: Vec<WhenUnavailable>| {
        section.choices(key, &names).or_else(|| owner.clone()).unwrap_or(default)
    };
    AvailabilityPolicy {
        sticky: of("sticky", default.sticky),
        account_owner: of("account_owner", default.account_owner),
        pool: section.choices("pool", &names).unwrap_or(default.pool),
        assign_anyway_within: section.secs(
            "assign_anyway_within_secs",
            0,
            default.assign_anyway_within,
        ),
    }
}

fn read_skills(root: &Table<'_>, default: &SkillsPolicy) -> SkillsPolicy {
    let section = root.section("skills", &["relax_after_secs"]);
    SkillsPolicy { relax_after: section.secs("relax_after_secs", 0, default.relax_after) }
}

fn read_hold(root: &Table<'_>) -> Hold {
    let section = root.section("hold", &["fields", "at_most_secs"]);
    let field = |item: &Item<'_>| -> Option<Field> {
        let field = condition::field(item.text()?);
        if field.is_none() {
            item.unexpected("a field of a lead, email_domain or attributes.NAME");
        }
        field
    };
    let items = section.item("fields").map(|item| item.list()).unwrap_or_default();
    let hold = Hold {
        fields: items.iter().filter_map(field).collect(),
        at_most: section.secs("at_most_secs", 0, Policy::default().hold.at_most),
    };
    if !hold.fields.is_empty() && hold.at_most.0 == 0 {
        section.fault("at_most_secs", "how long a lead waits for these fields", "none");
    }
    hold
}

fn read_intake(root: &Table<'_>, default: &Intake) -> Intake {
    let section = root.section("intake", &["max_age_secs"]);
    Intake { max_age: section.secs("max_age_secs", 1, default.max_age) }
}

fn read_calendars(root: &Table<'_>) -> BTreeMap<String, Calendar> {
    let Some(item) = root.item("calendars") else { return BTreeMap::new() };
    let mut calendars = BTreeMap::new();
    for (name, item) in item.table().items() {
        let table = item.table();
        table.only(&["time_zone", "weekly", "holidays", "days"]);
        let Some(time_zone) = table.text("time_zone") else {
            if table.item("time_zone").is_none() {
                table.fault("time_zone", "the IANA name of its time zone", "none");
            }
            continue;
        };
        let text = CalendarText {
            time_zone: time_zone.to_owned(),
            weekly: spans(&table, "weekly"),
            holidays: table.texts("holidays").unwrap_or_default(),
            days: spans(&table, "days"),
        };
        match text.parse() {
            Ok(calendar) => {
                calendars.insert(name.to_owned(), calendar);
            }
            Err(fault) => table.fault(&fault.field, "a calendar", fault.fault.to_string()),
        }
    }
    calendars
}

/// Lists of spans by day.
fn spans(table: &Table<'_>, key: &str) -> BTreeMap<String, Vec<String>> {
    let Some(item) = table.item(key) else { return BTreeMap::new() };
    let days = item.table().items();
    let texts = |item: Item<'_>| {
        item.one_or_list().iter().filter_map(Item::text).map(str::to_owned).collect::<Vec<_>>()
    };
    days.into_iter().map(|(day, item)| (day.to_owned(), texts(item))).collect()
}
