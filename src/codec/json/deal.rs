//! `opportunity-closed`.

use serde_json::Value;

use super::cursor::{Context, Fields, Path};
use super::lead::MAX_EMPLOYEES;
use super::out::Out;
use crate::codec::error::Result;
use crate::domain::input::{OpportunityClosed, SegmentFields};

const DEAL: &[&str] = &[
    "event_id",
    "opportunity_id",
    "outcome",
    "rep_id",
    "lead_id",
    "account_id",
    "opened_at",
    "closed_at",
    "amount",
    "currency",
    "country",
    "state",
    "postal_code",
    "industry",
    "employees",
    "annual_revenue",
    "product",
    "source",
    "attributes",
];

pub(super) fn read(value: &Value, context: Context) -> Result<OpportunityClosed> {
    let fields = Fields::open(value, Path::Root, DEAL, context)?;
    Ok(OpportunityClosed {
        event_id: fields.id("event_id")?,
        opportunity_id: fields.id("opportunity_id")?,
        outcome: fields.choice("outcome")?,
        rep_id: fields.id("rep_id")?,
        lead_id: fields.opt_id("lead_id")?,
        account_id: fields.opt_id("account_id")?,
        opened_at: fields.opt_past("opened_at")?,
        closed_at: fields.past("closed_at")?,
        amount: fields.opt_cents("amount")?,
        currency: fields.opt_text("currency")?,
        segment: SegmentFields {
            country: fields.opt_country("country")?,
            state: fields.opt_text("state")?,
            postal_code: fields.opt_text("postal_code")?,
            industry: fields.opt_text("industry")?,
            employees: fields.opt_int("employees", 0, MAX_EMPLOYEES)?,
            annual_revenue: fields.opt_cents("annual_revenue")?,
            product: fields.opt_text("product")?,
            source: fields.opt_text("source")?,
            attributes: fields.text_map("attributes")?,
        },
    })
}

pub(super) fn write(deal: &OpportunityClosed) -> Value {
    let mut out = Out::new();
    out.id("event_id", &deal.event_id);
    out.id("opportunity_id", &deal.opportunity_id);
    out.choice("outcome", deal.outcome);
    out.id("rep_id", &deal.rep_id);
    out.opt_id("lead_id", &deal.lead_id);
    out.opt_id("account_id", &deal.account_id);
    out.opt_time("opened_at", deal.opened_at);
    out.time("closed_at", deal.closed_at);
    out.opt_cents("amount", deal.amount);
    out.text("currency", &deal.currency);
    let segment = &deal.segment;
    out.text("country", &segment.country);
    out.text("state", &segment.state);
    out.text("postal_code", &segment.postal_code);
    out.text("industry", &segment.industry);
    out.opt("employees", segment.employees);
    out.opt_cents("annual_revenue", segment.annual_revenue);
    out.text("product", &segment.product);
    out.text("source", &segment.source);
    out.text_map("attributes", &segment.attributes);
    out.done()
}
