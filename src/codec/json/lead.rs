//! `lead-created`, `lead-updated`, `lead-activity`.

use std::sync::Arc;

use serde_json::Value;

use super::cursor::{Context, Fields, Path};
use super::out::Out;
use crate::codec::error::{Result, reason};
use crate::domain::ids::Private;
use crate::domain::input::{LeadActivity, LeadCreated, LeadUpdated, UpdateKind};
use crate::domain::lead_fields::{LEAD_FIELD_NAMES, LeadChanges, LeadFields};

/// The largest count of employees that the schema's `int` holds.
pub(in crate::codec) const MAX_EMPLOYEES: i64 = i32::MAX as i64;

const LEAD: &[&str] = &[
    "event_id",
    "lead_id",
    "created_at",
    "company",
    "email",
    "phone",
    "website",
    "country",
    "state",
    "postal_code",
    "city",
    "industry",
    "employees",
    "annual_revenue",
    "currency",
    "source",
    "product",
    "language",
    "required_skills",
    "preferred_skills",
    "score",
    "rating",
    "status",
    "account_id",
    "owner_id",
    "do_not_route",
    "locked_until_at",
    "attributes",
];

pub(super) fn read_created(value: &Value, context: Context, fast: bool) -> Result<LeadCreated> {
    let fields = Fields::open(value, Path::Root, LEAD, context)?;
    Ok(LeadCreated {
        event_id: fields.id("event_id")?,
        lead_id: fields.id("lead_id")?,
        fields: Arc::new(read_fields(&fields)?),
        fast,
    })
}

fn read_fields(fields: &Fields<'_>) -> Result<LeadFields> {
    Ok(LeadFields {
        created_at: fields.past("created_at")?,
        company: fields.opt_text("company")?,
        email: fields.opt_text("email")?.map(Private::new),
        phone: fields.opt_text("phone")?.map(Private::new),
        website: fields.opt_text("website")?,
        country: fields.opt_country("country")?,
        state: fields.opt_text("state")?,
        postal_code: fields.opt_text("postal_code")?,
        city: fields.opt_text("city")?,
        industry: fields.opt_text("industry")?,
        employees: fields.opt_int("employees", 0, MAX_EMPLOYEES)?,
        annual_revenue: fields.opt_cents("annual_revenue")?,
        currency: fields.opt_text("currency")?,
        source: fields.opt_text("source")?,
        product: fields.opt_text("product")?,
        language: fields.opt_text("language")?,
        required_skills: fields.texts("required_skills")?,
        preferred_skills: fields.texts("preferred_skills")?,
        score: fields.opt_number("score")?,
        rating: fields.opt_text("rating")?,
        status: fields.opt_text("status")?,
        account_id: fields.opt_id("account_id")?,
        owner_id: fields.opt_id("owner_id")?,
        do_not_route: fields.flag("do_not_route", false)?,
        locked_until_at: fields.opt_plan("locked_until_at")?,
        attributes: fields.text_map("attributes")?,
    })
}

/// Writes the fields that are nullable in a lead and in a change to one: two types, the same names.
macro_rules! write_shared {
    ($out:expr, $fields:expr) => {
        $out.text("company", &$fields.company);
        $out.opt("email", $fields.email.as_ref().map(Private::reveal));
        $out.opt("phone", $fields.phone.as_ref().map(Private::reveal));
        $out.text("website", &$fields.website);
        $out.text("country", &$fields.country);
        $out.text("state", &$fields.state);
        $out.text("postal_code", &$fields.postal_code);
        $out.text("city", &$fields.city);
        $out.text("industry", &$fields.industry);
        $out.opt("employees", $fields.employees);
        $out.opt_cents("annual_revenue", $fields.annual_revenue);
        $out.text("currency", &$fields.currency);
        $out.text("source", &$fields.source);
        $out.text("product", &$fields.product);
        $out.text("language", &$fields.language);
        $out.opt("score", $fields.score);
        $out.text("rating", &$fields.rating);
        $out.text("status", &$fields.status);
        $out.opt_id("account_id", &$fields.account_id);
        $out.opt_id("owner_id", &$fields.owner_id);
        $out.opt_time("locked_until_at", $fields.locked_until_at);
    };
}

pub(super) fn write_created(lead: &LeadCreated) -> Value {
    let mut out = Out::new();
    out.id("event_id", &lead.event_id);
    out.id("lead_id", &lead.lead_id);
    let fields = &lead.fields;
    out.time("created_at", fields.created_at);
    write_shared!(out, fields);
    out.texts("required_skills", &fields.required_skills);
    out.texts("preferred_skills", &fields.preferred_skills);
    out.put("do_not_route", fields.do_not_route);
    out.text_map("attributes", &fields.attributes);
    out.done()
}

const UPDATE: &[&str] = &[
    "event_id",
    "lead_id",
    "changed_at",
    "changed_by",
    "kind",
    "changes",
    "cleared",
    "new_owner_id",
    "merged_into",
    "locked_until_at",
    "account_id",
    "opportunity_id",
    "fetch_needed",
];

/// The fields of a lead that can change: all but the two ids that begin the list.
const CHANGES: &[&str] = LEAD.split_at(2).1;

pub(super) fn read_updated(value: &Value, context: Context) -> Result<LeadUpdated> {
    let fields = Fields::open(value, Path::Root, UPDATE, context)?;
    let update = LeadUpdated {
        event_id: fields.id("event_id")?,
        lead_id: fields.id("lead_id")?,
        changed_at: fields.past("changed_at")?,
        changed_by: fields.opt_text("changed_by")?,
        kind: fields.choice("kind")?,
        changes: fields.opt_object("changes", CHANGES, |fields| read_changes(&fields))?,
        cleared: read_cleared(&fields)?,
        new_owner_id: fields.opt_id("new_owner_id")?,
        merged_into: fields.opt_id("merged_into")?,
        locked_until_at: fields.opt_plan("locked_until_at")?,
        account_id: fields.opt_id("account_id")?,
        opportunity_id: fields.opt_id("opportunity_id")?,
        fetch_needed: fields.flag("fetch_needed", false)?,
    };
    if update.kind == UpdateKind::Owner && update.new_owner_id.is_none() {
        return Err(fields.fault("new_owner_id", reason::FIELD_MISSING, "OWNER must name one"));
    }
    Ok(update)
}

fn read_changes(fields: &Fields<'_>) -> Result<Box<LeadChanges>> {
    Ok(Box::new(LeadChanges {
        created_at: fields.opt_past("created_at")?,
        company: fields.opt_text("company")?,
        email: fields.opt_text("email")?.map(Private::new),
        phone: fields.opt_text("phone")?.map(Private::new),
        website: fields.opt_text("website")?,
        country: fields.opt_country("country")?,
        state: fields.opt_text("state")?,
        postal_code: fields.opt_text("postal_code")?,
        city: fields.opt_text("city")?,
        industry: fields.opt_text("industry")?,
        employees: fields.opt_int("employees", 0, MAX_EMPLOYEES)?,
        annual_revenue: fields.opt_cents("annual_revenue")?,
        currency: fields.opt_text("currency")?,
        source: fields.opt_text("source")?,
        product: fields.opt_text("product")?,
        language: fields.opt_text("language")?,
        required_skills: fields.opt_texts("required_skills")?,
        preferred_skills: fields.opt_texts("preferred_skills")?,
        score: fields.opt_number("score")?,
        rating: fields.opt_text("rating")?,
        status: fields.opt_text("status")?,
        account_id: fields.opt_id("account_id")?,
        owner_id: fields.opt_id("owner_id")?,
        do_not_route: fields.opt_flag("do_not_route")?,
        locked_until_at: fields.opt_plan("locked_until_at")?,
        attributes: fields.text_map("attributes")?,
    }))
}

/// The names to clear. One that does not exist is a fault only where unknown fields are.
fn read_cleared(fields: &Fields<'_>) -> Result<Vec<String>> {
    let strict = fields.context().strict;
    fields.list("cleared", |value, path| {
        let name = super::cursor::item_text(value, path)?;
        let known = LEAD_FIELD_NAMES.contains(&name)
            || name == "attributes"
            || name.strip_prefix("attributes.").is_some_and(|key| !key.is_empty());
        if strict && !known {
            return Err(path.fault(reason::JSON_UNKNOWN_FIELD, "no field of a lead has this name"));
        }
        Ok(name.to_owned())
    })
}

pub(super) fn write_updated(update: &LeadUpdated) -> Value {
    let mut out = Out::new();
    out.id("event_id", &update.event_id);
    out.id("lead_id", &update.lead_id);
    out.time("changed_at", update.changed_at);
    out.text("changed_by", &update.changed_by);
    out.choice("kind", update.kind);
    out.opt("changes", update.changes.as_deref().map(write_changes));
    out.texts("cleared", &update.cleared);
    out.opt_id("new_owner_id", &update.new_owner_id);
    out.opt_id("merged_into", &update.merged_into);
    out.opt_time("locked_until_at", update.locked_until_at);
    out.opt_id("account_id", &update.account_id);
    out.opt_id("opportunity_id", &update.opportunity_id);
    out.put("fetch_needed", update.fetch_needed);
    out.done()
}

fn write_changes(changes: &LeadChanges) -> Value {
    let mut out = Out::new();
    out.opt_time("created_at", changes.created_at);
    write_shared!(out, changes);
    out.opt("required_skills", changes.required_skills.clone());
    out.opt("preferred_skills", changes.preferred_skills.clone());
    out.opt("do_not_route", changes.do_not_route);
    if !changes.attributes.is_empty() {
        out.text_map("attributes", &changes.attributes);
    }
    out.done()
}

const ACTIVITY: &[&str] = &["event_id", "lead_id", "rep_id", "kind", "occurred_at"];

pub(super) fn read_activity(value: &Value, context: Context) -> Result<LeadActivity> {
    let fields = Fields::open(value, Path::Root, ACTIVITY, context)?;
    Ok(LeadActivity {
        event_id: fields.id("event_id")?,
        lead_id: fields.id("lead_id")?,
        rep_id: fields.opt_id("rep_id")?,
        kind: fields.choice("kind")?,
        occurred_at: fields.past("occurred_at")?,
    })
}

pub(super) fn write_activity(activity: &LeadActivity) -> Value {
    let mut out = Out::new();
    out.id("event_id", &activity.event_id);
    out.id("lead_id", &activity.lead_id);
    out.opt_id("rep_id", &activity.rep_id);
    out.choice("kind", activity.kind);
    out.time("occurred_at", activity.occurred_at);
    out.done()
}
