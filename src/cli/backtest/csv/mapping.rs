//! Which column of an export is what, as TOML.

use std::collections::BTreeMap;

use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::number::DecimalMark;
use crate::domain::time::Timestamp;

/// Which column is what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::backtest) struct Mapping {
    /// Columns of a lead, by the field's name in `lead-created`.
    pub(super) lead: LeadColumns,
    pub(super) deal: DealColumns,
    #[serde(default)]
    pub(super) format: Format,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeadColumns {
    pub(super) lead_id: String,
    pub(super) created_at: String,
    /// Who had it.
    pub(super) owner_id: String,
    pub(super) territory: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) country: Option<String>,
    pub(super) state: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) industry: Option<String>,
    pub(super) employees: Option<String>,
    pub(super) annual_revenue: Option<String>,
    pub(super) product: Option<String>,
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DealColumns {
    pub(super) stage: String,
    pub(super) closed_at: String,
    /// Values of `stage` that mean won, and lost; any other is open.
    pub(super) won: Vec<String>,
    pub(super) lost: Vec<String>,
    pub(super) amount: Option<String>,
    pub(super) currency: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Format {
    /// One character; a comma unless it is said otherwise.
    pub(super) delimiter: char,
    /// As strftime writes it; nothing = RFC 3339, or a date alone.
    pub(super) time: Option<String>,
    /// Of times without an offset.
    pub(super) time_zone: String,
    /// Of amounts and other numbers: "." or ",". The other one parts thousands.
    pub(super) decimal: DecimalMark,
}

impl Default for Format {
    fn default() -> Format {
        Format {
            delimiter: ',',
            time: None,
            time_zone: "UTC".to_owned(),
            decimal: DecimalMark::default(),
        }
    }
}

impl Mapping {
    pub(in crate::cli::backtest) fn parse(text: &str) -> Result<Mapping, Vec<String>> {
        let mapping: Mapping =
            toml::from_str(text).map_err(|fault| vec![fault.to_string().trim().to_owned()])?;
        let mut faults = Vec::new();
        if !mapping.format.delimiter.is_ascii() {
            faults.push("format.delimiter: must be one ASCII character".to_owned());
        }
        if TimeZone::get(&mapping.format.time_zone).is_err() {
            faults.push("format.time_zone: must be the name of a time zone".to_owned());
        }
        if mapping.deal.won.is_empty() || mapping.deal.lost.is_empty() {
            faults.push("deal.won, deal.lost: each needs a value of the stage".to_owned());
        }
        if let Some(format) = &mapping.format.time {
            let again = strtime::format(format, jiff::Timestamp::UNIX_EPOCH);
            let again = again.and_then(|text| strtime::parse(format, text));
            if let Err(why) = again.and_then(|parts| parts.to_date()) {
                faults.push(format!("format.time: `{format}` reads no date: {why}"));
            }
        }
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// The columns that are named, with the names of their fields.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let lead = &self.lead;
        let optional = [
            ("account_id", &lead.account_id),
            ("country", &lead.country),
            ("state", &lead.state),
            ("postal_code", &lead.postal_code),
            ("industry", &lead.industry),
            ("employees", &lead.employees),
            ("annual_revenue", &lead.annual_revenue),
            ("product", &lead.product),
            ("source", &lead.source),
        ];
        let named =
            optional.into_iter().filter_map(|(name, column)| Some((name, &**column.as_ref()?)));
        named.chain([("lead_id", &*lead.lead_id), ("owner_id", &*lead.owner_id)]).collect()
    }

    /// Of times without an offset.
    pub(super) fn zone(&self) -> TimeZone {
        TimeZone::get(&self.format.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// A time, in this zone if it has no offset; None = it is none in the form that `[format]` says.
    pub(super) fn time(&self, text: &str, zone: &TimeZone) -> Option<Timestamp> {
        let local = |at: civil::DateTime| zone.to_timestamp(at).ok();
        let found = match &self.format.time {
            None => Timestamp::parse_rfc3339(text).map(|at| at.0).or_else(|| {
                let day: Option<civil::Date> = text.parse().ok();
                let at = text.parse().ok().or(day.map(civil::DateTime::from));
                Some(local(at?)?.as_millisecond())
            }),
            Some(format) => strtime::parse(format, text).ok().and_then(|parts| {
                let exact = parts.to_timestamp().ok();
                let day = || Some(civil::DateTime::from(parts.to_date().ok()?));
                let at = exact.or_else(|| local(parts.to_datetime().ok().or_else(day)?));
                Some(at?.as_millisecond())
            }),
        };
        found.map(Timestamp).filter(|at| (Timestamp::MIN..=Timestamp::MAX).contains(at))
    }
}
