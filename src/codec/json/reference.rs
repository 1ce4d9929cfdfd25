//! `rep-changed`, `account-changed` and `policy-changed`.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cursor::{Context, Fields, Path};
use super::out::Out;
use super::territory::read_weight;
use crate::codec::error::{Result, reason};
use crate::codec::policy;
use crate::domain::ids::Private;
use crate::domain::input::{
    AccountChange, AccountDef, AccountKind, Away, Cap, PolicyChange, RepChange, RepDef,
};
use crate::domain::time::is_zone;

const REP: &[&str] = &[
    "event_id",
    "rep_id",
    "name",
    "active",
    "paused",
    "weight",
    "manager_id",
    "hired_at",
    "skills",
    "languages",
    "calendar_id",
    "time_zone",
    "away",
    "caps",
    "deleted",
    "cover_id",
];

pub(super) fn read_rep(value: &Value, context: Context) -> Result<RepChange> {
    let fields = Fields::open(value, Path::Root, REP, context)?;
    Ok(RepChange {
        event_id: fields.id("event_id")?,
        rep_id: fields.id("rep_id")?,
        definition: match fields.flag("deleted", false)? {
            true => None,
            false => Some(read_rep_definition(&fields)?),
        },
    })
}

fn read_rep_definition(fields: &Fields<'_>) -> Result<RepDef> {
    let Some(active) = fields.opt_flag("active")? else {
        return Err(fields.fault("active", reason::FIELD_MISSING, "must be there"));
    };
    Ok(RepDef {
        name: fields.opt_text("name")?,
        active,
        paused: fields.flag("paused", false)?,
        weight: read_weight(fields)?,
        manager_id: fields.opt_id("manager_id")?,
        hired_at: fields.opt_hired("hired_at")?,
        skills: fields.texts("skills")?,
        languages: fields.texts("languages")?,
        calendar_id: fields.opt_text("calendar_id")?,
        time_zone: read_zone(fields)?,
        away: fields.objects("away", &["from_at", "to_at"], |away| read_away(&away))?,
        caps: fields.objects("caps", &["window", "limit", "pool"], |cap| {
            Ok(Cap {
                window: cap.choice("window")?,
                limit: cap.int("limit", 0, i64::from(u32::MAX))? as u32,
                pool: cap.opt_id("pool")?,
            })
        })?,
        cover_id: fields.opt_id("cover_id")?,
    })
}

fn read_zone(fields: &Fields<'_>) -> Result<String> {
    let zone = fields.opt_text("time_zone")?.unwrap_or_else(|| "UTC".to_owned());
    match is_zone(&zone) {
        true => Ok(zone),
        false => {
            let why = "the IANA data have no zone of this name";
            Err(fields.fault("time_zone", reason::TIME_ZONE_UNKNOWN, why))
        }
    }
}

fn read_away(fields: &Fields<'_>) -> Result<Away> {
    let away = Away { from_at: fields.plan("from_at")?, to_at: fields.plan("to_at")? };
    if away.from_at >= away.to_at {
        return Err(fields.fault("to_at", reason::VALUE_RANGE, "must be later than from_at"));
    }
    Ok(away)
}

pub(super) fn write_rep(change: &RepChange) -> Value {
    let mut out = Out::new();
    out.id("event_id", &change.event_id);
    out.id("rep_id", &change.rep_id);
    out.put("deleted", change.definition.is_none());
    let Some(rep) = &change.definition else {
        out.put("active", false);
        return out.done();
    };
    out.text("name", &rep.name);
    out.put("active", rep.active);
    out.put("paused", rep.paused);
    out.put("weight", rep.weight);
    out.opt_id("manager_id", &rep.manager_id);
    out.opt_time("hired_at", rep.hired_at);
    out.texts("skills", &rep.skills);
    out.texts("languages", &rep.languages);
    out.text("calendar_id", &rep.calendar_id);
    out.put("time_zone", rep.time_zone.as_str());
    out.list("away", &rep.away, |away| {
        let mut out = Out::new();
        out.time("from_at", away.from_at);
        out.time("to_at", away.to_at);
        out.done()
    });
    out.list("caps", &rep.caps, |cap| {
        let mut out = Out::new();
        out.choice("window", cap.window);
        out.put("limit", cap.limit);
        out.opt_id("pool", &cap.pool);
        out.done()
    });
    out.opt_id("cover_id", &rep.cover_id);
    out.done()
}

const ACCOUNT: &[&str] = &[
    "event_id",
    "account_id",
    "name",
    "domains",
    "owner_id",
    "parent_id",
    "kind",
    "country",
    "state",
    "postal_code",
    "phone",
    "open_opportunity",
    "last_activity_at",
    "deleted",
];

pub(super) fn read_account(value: &Value, context: Context) -> Result<AccountChange> {
    let fields = Fields::open(value, Path::Root, ACCOUNT, context)?;
    Ok(AccountChange {
        event_id: fields.id("event_id")?,
        account_id: fields.id("account_id")?,
        definition: match fields.flag("deleted", false)? {
            true => None,
            false => Some(AccountDef {
                name: fields.text("name")?,
                domains: fields.texts("domains")?,
                owner_id: fields.opt_id("owner_id")?,
                parent_id: fields.opt_id("parent_id")?,
                kind: fields.choice::<AccountKind>("kind")?,
                country: fields.opt_country("country")?,
                state: fields.opt_text("state")?,
                postal_code: fields.opt_text("postal_code")?,
                phone: fields.opt_text("phone")?.map(Private::new),
                open_opportunity: fields.flag("open_opportunity", false)?,
                last_activity_at: fields.opt_past("last_activity_at")?,
            }),
        },
    })
}

pub(super) fn write_account(change: &AccountChange) -> Value {
    let mut out = Out::new();
    out.id("event_id", &change.event_id);
    out.id("account_id", &change.account_id);
    out.put("deleted", change.definition.is_none());
    let Some(account) = &change.definition else {
        out.put("name", "");
        // Nobody knows any more, and nobody asks.
        out.put("kind", "UNKNOWN");
        return out.done();
    };
    out.put("name", account.name.as_str());
    out.texts("domains", &account.domains);
    out.opt_id("owner_id", &account.owner_id);
    out.opt_id("parent_id", &account.parent_id);
    out.choice("kind", account.kind);
    out.text("country", &account.country);
    out.text("state", &account.state);
    out.text("postal_code", &account.postal_code);
    out.opt("phone", account.phone.as_ref().map(Private::reveal));
    out.put("open_opportunity", account.open_opportunity);
    out.opt_time("last_activity_at", account.last_activity_at);
    out.done()
}

const POLICY: &[&str] = &["event_id", "version", "text", "sha256", "valid_from_at", "author"];

pub(super) fn read_policy(value: &Value, context: Context) -> Result<PolicyChange> {
    let fields = Fields::open(value, Path::Root, POLICY, context)?;
    let text = fields.text("text")?;
    let said = fields.text("sha256")?;
    let sha256 = sha256_hex(text.as_bytes());
    if !said.eq_ignore_ascii_case(&sha256) {
        let why = "is not the SHA-256 of the text, in hex";
        return Err(fields.fault("sha256", reason::POLICY_SHA256, why));
    }
    let policy = policy::parse(&text).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        let more = match faults.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        fields.fault("text", reason::POLICY_INVALID, first + &more)
    })?;
    Ok(PolicyChange {
        event_id: fields.id("event_id")?,
        version: fields.text("version")?,
        text,
        sha256,
        policy,
        valid_from_at: fields.opt_plan("valid_from_at")?,
        author: fields.opt_text("author")?,
    })
}

pub(super) fn write_policy(change: &PolicyChange) -> Value {
    let mut out = Out::new();
    out.id("event_id", &change.event_id);
    out.put("version", change.version.as_str());
    out.put("text", change.text.as_str());
    out.put("sha256", change.sha256.as_str());
    out.opt_time("valid_from_at", change.valid_from_at);
    out.text("author", &change.author);
    out.done()
}

/// The SHA-256 of bytes as hex in lower case.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
