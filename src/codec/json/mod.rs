//! The JSON form of events: the same names as in the schemas, plain values.
//!
//! Reading: times are milliseconds or RFC 3339, amounts are numbers or text, what is null or absent is
//! not known. Writing: times are milliseconds, what is not known is left out. Reading what was written
//! gives the same again.

mod assigned;
mod cursor;
mod deal;
mod glance;
mod lead;
mod names;
mod number;
mod out;
mod published;
mod reference;
mod standing;
mod territory;
mod text;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use assigned::{read_assigned, read_assigned_line};
pub(super) use cursor::{Context, MAX_TEXT_BYTES, Path, country};
pub use glance::{Glance, glance, is_assigned, print};
pub(super) use lead::MAX_EMPLOYEES;
pub use names::Named;
pub use number::millis;
pub(super) use number::{cents, whole};
pub use published::{decode_assigned, decode_breached, encode_assigned, encode_breached};
pub use reference::sha256_hex;
pub use standing::standing;
pub use text::parse;
pub(super) use text::{MAX_VALUES, OBJECT_VALUES};

use super::error::{Error, Result, reason};
use crate::domain::input::{Input, Topic};
use crate::domain::time::Timestamp;

/// The topic of a name.
pub fn topic(name: &str) -> Result<Topic> {
    let found = Topic::ALL.into_iter().find(|topic| topic.name() == name);
    found.ok_or_else(|| Error::new(reason::TOPIC_UNKNOWN, "topic", "no topic in has this name"))
}

/// Reads an event of a topic in. `now` is the record's timestamp; `strict` refuses fields that are not
/// known (a filter's input), else they are passed over (a newer writer's).
pub fn decode_event(topic: Topic, value: &Value, now: Timestamp, strict: bool) -> Result<Input> {
    if value.is_null() {
        let why = "an entity ends by `deleted`, not by a null";
        return Err(Error::new(reason::VALUE_NULL, "value", why));
    }
    let context = Context { now, strict };
    Ok(match topic {
        Topic::LeadCreated => Input::LeadCreated(lead::read_created(value, context, false)?.into()),
        Topic::LeadCreatedFast => {
            Input::LeadCreated(lead::read_created(value, context, true)?.into())
        }
        Topic::LeadUpdated => Input::LeadUpdated(lead::read_updated(value, context)?.into()),
        Topic::LeadActivity => Input::LeadActivity(lead::read_activity(value, context)?),
        Topic::OpportunityClosed => Input::OpportunityClosed(deal::read(value, context)?.into()),
        Topic::TerritoryChanged => Input::TerritoryChanged(territory::read(value, context)?.into()),
        Topic::RepChanged => Input::RepChanged(reference::read_rep(value, context)?.into()),
        Topic::AccountChanged => {
            Input::AccountChanged(reference::read_account(value, context)?.into())
        }
        Topic::PolicyChanged => {
            Input::PolicyChanged(reference::read_policy(value, context)?.into())
        }
    })
}

/// Writes an event in; `None` for a timer, which is no event.
pub fn encode_event(input: &Input) -> Option<(Topic, Value)> {
    Some(match input {
        Input::LeadCreated(lead) if lead.fast => {
            (Topic::LeadCreatedFast, lead::write_created(lead))
        }
        Input::LeadCreated(lead) => (Topic::LeadCreated, lead::write_created(lead)),
        Input::LeadUpdated(update) => (Topic::LeadUpdated, lead::write_updated(update)),
        Input::LeadActivity(activity) => (Topic::LeadActivity, lead::write_activity(activity)),
        Input::OpportunityClosed(deal) => (Topic::OpportunityClosed, deal::write(deal)),
        Input::TerritoryChanged(change) => (Topic::TerritoryChanged, territory::write(change)),
        Input::RepChanged(change) => (Topic::RepChanged, reference::write_rep(change)),
        Input::AccountChanged(change) => (Topic::AccountChanged, reference::write_account(change)),
        Input::PolicyChanged(change) => (Topic::PolicyChanged, reference::write_policy(change)),
        Input::Timer { .. } => return None,
    })
}
