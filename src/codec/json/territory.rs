//! `territory-changed`.

use serde_json::Value;

use super::cursor::{Context, Fields, Path};
use super::out::Out;
use crate::codec::condition::{self, OPS, Raw};
use crate::codec::error::{Error, Result, reason};
use crate::domain::input::TerritoryChange;
use crate::domain::territory::{Condition, Member, Rule, TerritoryDef};

const TERRITORY: &[&str] = &[
    "event_id",
    "territory_id",
    "name",
    "parent_id",
    "priority",
    "rules",
    "named_accounts",
    "members",
    "valid_from_at",
    "valid_to_at",
    "effective_change",
    "deleted",
    "reason",
];

const DEFAULT_PRIORITY: i32 = 100;
pub(super) const MAX_WEIGHT: i64 = 10_000;

pub(super) fn read(value: &Value, context: Context) -> Result<TerritoryChange> {
    let fields = Fields::open(value, Path::Root, TERRITORY, context)?;
    let change = TerritoryChange {
        event_id: fields.id("event_id")?,
        territory_id: fields.id("territory_id")?,
        definition: match fields.flag("deleted", false)? {
            true => None,
            false => Some(read_definition(&fields)?.into()),
        },
        valid_from_at: fields.opt_plan("valid_from_at")?,
        effective_change: fields.opt_choice("effective_change")?.unwrap_or_default(),
        reason: fields.opt_text("reason")?,
    };
    check(&fields, &change)?;
    Ok(change)
}

fn check(fields: &Fields<'_>, change: &TerritoryChange) -> Result<()> {
    let Some(definition) = &change.definition else { return Ok(()) };
    if definition.parent_id.as_ref() == Some(&change.territory_id) {
        let why = "a territory is not its own parent";
        return Err(fields.fault("parent_id", reason::TERRITORY_CYCLE, why));
    }
    if let (Some(from), Some(to)) = (change.valid_from_at, definition.valid_to_at)
        && from >= to
    {
        let why = "must be later than valid_from_at";
        return Err(fields.fault("valid_to_at", reason::TERRITORY_RANGE, why));
    }
    Ok(())
}

fn read_definition(fields: &Fields<'_>) -> Result<TerritoryDef> {
    let (low, high) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let priority = fields.opt_int("priority", low, high)?;
    Ok(TerritoryDef {
        name: fields.text("name")?,
        parent_id: fields.opt_id("parent_id")?,
        priority: priority.and_then(|it| i32::try_from(it).ok()).unwrap_or(DEFAULT_PRIORITY),
        rules: fields.objects("rules", &["all"], |rule| {
            let all = rule.objects("all", &["field", "op", "values"], |it| read_condition(&it))?;
            Ok(Rule { all })
        })?,
        named_accounts: fields.ids("named_accounts")?,
        members: fields.objects("members", &["rep_id", "weight", "role"], |member| {
            Ok(Member {
                rep_id: member.id("rep_id")?,
                weight: read_weight(&member)?,
                role: member.opt_text("role")?,
            })
        })?,
        valid_to_at: fields.opt_plan("valid_to_at")?,
    })
}

/// A weight from 0 to 10,000; 1 if it is not given.
pub(super) fn read_weight(fields: &Fields<'_>) -> Result<u32> {
    let weight = fields.opt_int("weight", 0, MAX_WEIGHT)?;
    Ok(weight.and_then(|it| u32::try_from(it).ok()).unwrap_or(1))
}

fn read_condition(fields: &Fields<'_>) -> Result<Condition> {
    let name = fields.text("field")?;
    let op = fields.text("op")?;
    if op == "UNKNOWN" {
        return Err(fields.fault("op", reason::ENUM_UNKNOWN, "must be known to be acted on"));
    }
    if !OPS.contains(&op.as_str()) {
        let detail = format!("must be one of {}", OPS.join(", "));
        return Err(fields.fault("op", reason::JSON_ENUM, detail));
    }
    let values = fields.list("values", |value, path| match value {
        Value::String(text) => Ok(Raw::Text(text.clone())),
        Value::Number(number) => Ok(Raw::Number(number.as_f64().unwrap_or(f64::NAN))),
        Value::Bool(flag) => Ok(Raw::Flag(*flag)),
        // An open bound.
        Value::Null => Ok(Raw::Text(String::new())),
        _ => Err(path.fault(reason::JSON_TYPE, "expected a text or a number")),
    })?;
    let fault =
        |fault: condition::Fault| -> Error { fields.fault(fault.part, fault.reason, fault.detail) };
    condition::condition(&name, &op, &values).map_err(fault)
}

pub(super) fn write(change: &TerritoryChange) -> Value {
    let mut out = Out::new();
    out.id("event_id", &change.event_id);
    out.id("territory_id", &change.territory_id);
    match &change.definition {
        Some(definition) => write_definition(&mut out, definition),
        None => out.put("name", ""),
    }
    out.opt_time("valid_from_at", change.valid_from_at);
    out.choice("effective_change", change.effective_change);
    out.put("deleted", change.definition.is_none());
    out.text("reason", &change.reason);
    out.done()
}

fn write_definition(out: &mut Out, definition: &TerritoryDef) {
    out.put("name", definition.name.as_str());
    out.opt_id("parent_id", &definition.parent_id);
    out.put("priority", definition.priority);
    out.list("rules", &definition.rules, |rule| {
        let mut out = Out::new();
        out.list("all", &rule.all, write_condition);
        out.done()
    });
    out.ids("named_accounts", &definition.named_accounts);
    out.list("members", &definition.members, |member| {
        let mut out = Out::new();
        out.id("rep_id", &member.rep_id);
        out.put("weight", member.weight);
        out.text("role", &member.role);
        out.done()
    });
    out.opt_time("valid_to_at", definition.valid_to_at);
}

fn write_condition(condition: &Condition) -> Value {
    let (op, values) = condition::written(&condition.op);
    let mut out = Out::new();
    out.put("field", condition::field_name(&condition.field));
    out.put("op", op);
    out.texts("values", &values);
    out.done()
}
