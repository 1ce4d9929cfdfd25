//! Which fields of which entity an image holds, and in which order.

use super::wire::{Broken, GetByte, Reader, Result, Wire, choices, put_text, put_varint, records};
use crate::codec::policy;
use crate::domain::account::Account;
use crate::domain::entity::*;
use crate::domain::input::*;
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::{Policy, Recipient, SlaAction, SlaClock};
use crate::domain::published::{Arm, Cause, Method, Reason, Stage};
use crate::domain::territory::{
    Condition, Field, LeadField, Member, Op, Operands, Rule, TerritoryDef,
};
use crate::domain::win_rate::{AmountTaught, Observation};

records! {
    DomainEntity {
        domain_seq, reroute_tokens, reroute_at, overdue_tokens, overdue_at, would_differ, moved,
    }
    PolicyEntity { current, pending, seen }
    PendingPolicy { valid_from_at, version }
    TerritoryEntity { current, effective_change, pending, seen }
    PendingTerritory { valid_from_at, definition, effective_change }
    RepEntity { definition, absences_done_at, left_at, paused_until_at, seen }
    AccountEntity { definition, seen }
    LeadEntity {
        fields, lead_created_at, arrived_at, fast, seen, phase, assignment_no, placement, ladder,
        touched_at, accepted_at, held_since, holds, former_owners, hops, left_its_rep, unconfirmed,
        crm_owner, locked, locked_until_at, hold_until_at, hold_done, fetch_needed, retry_at,
        last_reroute_at, last_event_at, opportunity_id, segment,
    }
    Placement {
        rep_id, queue_id, stage, method, reason, cause, territory_id, arm, propensity, class,
        decided_at, final_queue,
    }
    Ladder { class, clock, armed_at, steps, stopped, deferred_until_at }
    LadderStep { step, action, after, days, to, due_at, fired_at }
    PoolEntity { seq, tracks }
    Track { rep_id, base, count, weight, last_seq, present, fair, given, fair_at }
    LoadEntity { assigned, hour, day, week }
    WindowCount { start_at, total, by_pool }
    StickyEntity { rep_id, lead_id, territory_id, touched_at, expires_at }
    DealEntity { outcome, rep_id, closed_at, seen, observation, last_event_at }
    Observation { features, age, closed_at, won, precision, response, apart, amount }
    AmountTaught { currency, log, noise }
    SweepEntity { kind, cause, cursor, changes, again, next_at, reps }
    TerritoryMove { territory_id, effective_change, dated_at }
    LeadFields {
        created_at, company, email, phone, website, country, state, postal_code, city, industry,
        employees, annual_revenue, currency, source, product, language, required_skills,
        preferred_skills, score, rating, status, account_id, owner_id, do_not_route,
        locked_until_at, attributes,
    }
    SegmentFields {
        country, state, postal_code, industry, employees, annual_revenue, product, source,
        attributes,
    }
    RepDef {
        name, active, paused, weight, manager_id, hired_at, skills, languages, calendar_id,
        time_zone, away, caps, cover_id,
    }
    Away { from_at, to_at }
    Cap { window, limit, pool }
    AccountDef {
        name, domains, owner_id, parent_id, kind, country, state, postal_code, phone,
        open_opportunity, last_activity_at,
    }
    TerritoryDef {
        name, parent_id, priority, rules, named_accounts, members, valid_to_at,
    }
    Rule { all }
    Condition { field, op }
    Member { rep_id, weight, role }
}

/// As `AccountEntity` is written, straight from where it lies packed.
pub(super) fn put_account(account: &Account, out: &mut Vec<u8>) {
    let view = account.view();
    view.is_some().put(out);
    if let Some(view) = view {
        put_text(view.name, out);
        put_varint(view.domains().count() as u128, out);
        view.domains().for_each(|domain| put_text(domain, out));
        put_optional(view.owner_id, out);
        put_optional(view.parent_id, out);
        view.kind.put(out);
        let rest = [view.country, view.state, view.postal_code, view.phone];
        rest.into_iter().for_each(|text| put_optional(text, out));
        view.open_opportunity.put(out);
        view.last_activity_at.put(out);
    }
    account.seen().put(out);
}

fn put_optional(text: Option<&str>, out: &mut Vec<u8>) {
    text.is_some().put(out);
    if let Some(text) = text {
        put_text(text, out);
    }
}

choices! {
    EffectiveChange { NewOnly = 0, UntouchedOpen = 1, AllOpen = 2 }
    CapWindow { Hour = 0, Day = 1, Week = 2, Open = 3 }
    AccountKind { Customer = 0, Prospect = 1, Partner = 2, Former = 3 }
    DealOutcome { Won = 0, Lost = 1, Reopened = 2 }
    SlaAction { Remind = 0, Escalate = 1, Reassign = 2 }
    Arm { Treatment = 0, Control = 1 }
    SweepKind { Territories = 0, Departures = 1, Ladders = 2, Waiting = 3 }
    Ending { Converted = 0, Deleted = 1, Merged = 2, Closed = 3, Silent = 4 }
}

/// Enums that events name too: written by that name, which never changes.
macro_rules! named {
    ($($type:ident),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.name().to_owned().put(out);
            }

            fn get(from: &mut Reader<'_>) -> Result<$type> {
                $type::parse(&String::get(from)?).ok_or(Broken)
            }
        }
    )*};
}

named!(Stage, Method, Reason, Cause, LeadField);

impl Wire for Seen {
    fn put(&self, out: &mut Vec<u8>) {
        let hashes: Vec<i64> = self.0.iter().map(|hash| *hash as i64).collect();
        hashes.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Seen> {
        let hashes: Vec<i64> = Wire::get(from)?;
        Ok(Seen(hashes.into_iter().map(|hash| hash as u64).collect()))
    }
}

impl Wire for PolicyVersion {
    fn put(&self, out: &mut Vec<u8>) {
        self.version.put(out);
        self.sha256.put(out);
        self.text.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<PolicyVersion> {
        let (version, sha256, text) = (String::get(from)?, String::get(from)?, String::get(from)?);
        let policy: Policy = policy::parse(&text).map_err(|_| Broken)?;
        Ok(PolicyVersion { version, sha256, text, policy: policy.into() })
    }
}

impl Wire for Phase {
    fn put(&self, out: &mut Vec<u8>) {
        let number: u32 = match self {
            Phase::New => 0,
            Phase::Assigned => 1,
            Phase::Queued => 2,
            Phase::Parked => 3,
            Phase::Released => 4,
            Phase::Ended(_) => 5,
        };
        number.put(out);
        if let Phase::Ended(ending) = self {
            ending.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Phase> {
        match u32::get(from)? {
            0 => Ok(Phase::New),
            1 => Ok(Phase::Assigned),
            2 => Ok(Phase::Queued),
            3 => Ok(Phase::Parked),
            4 => Ok(Phase::Released),
            5 => Ending::get(from).map(Phase::Ended),
            _ => Err(Broken),
        }
    }
}

impl Wire for SlaClock {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            SlaClock::Wall => out.push(0),
            SlaClock::Team(name) => {
                out.push(1);
                name.put(out);
            }
            SlaClock::Owner => out.push(2),
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<SlaClock> {
        match u32::get_byte(from)? {
            0 => Ok(SlaClock::Wall),
            1 => String::get(from).map(SlaClock::Team),
            2 => Ok(SlaClock::Owner),
            _ => Err(Broken),
        }
    }
}

impl Wire for Recipient {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Recipient::Rep => out.push(0),
            Recipient::Manager => out.push(1),
            Recipient::Queue(queue) => {
                out.push(2);
                queue.put(out);
            }
            Recipient::Named(rep) => {
                out.push(3);
                rep.put(out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Recipient> {
        match u32::get_byte(from)? {
            0 => Ok(Recipient::Rep),
            1 => Ok(Recipient::Manager),
            2 => Wire::get(from).map(Recipient::Queue),
            3 => Wire::get(from).map(Recipient::Named),
            _ => Err(Broken),
        }
    }
}

impl Wire for Field {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Field::Lead(field) => {
                out.push(0);
                field.put(out);
            }
            Field::Attribute(name) => {
                out.push(1);
                name.put(out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Field> {
        match u32::get_byte(from)? {
            0 => Wire::get(from).map(Field::Lead),
            1 => Wire::get(from).map(Field::Attribute),
            _ => Err(Broken),
        }
    }
}

impl Wire for Operands {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Operands::Text(values) => {
                out.push(0);
                values.put(out);
            }
            Operands::Number(values) => {
                out.push(1);
                values.put(out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Operands> {
        match u32::get_byte(from)? {
            0 => Wire::get(from).map(Operands::Text),
            1 => Wire::get(from).map(Operands::Number),
            _ => Err(Broken),
        }
    }
}

impl Wire for Op {
    fn put(&self, out: &mut Vec<u8>) {
        let mut put = |number: u8, rest: &dyn Fn(&mut Vec<u8>)| {
            out.push(number);
            rest(out);
        };
        match self {
            Op::In(values) => put(0, &|out| values.put(out)),
            Op::NotIn(values) => put(1, &|out| values.put(out)),
            Op::Prefix(values) => put(2, &|out| values.put(out)),
            Op::BetweenNumber { low, high } => put(3, &|out| {
                low.put(out);
                high.put(out);
            }),
            Op::BetweenText { low, high } => put(4, &|out| {
                low.put(out);
                high.put(out);
            }),
            Op::Exists => put(5, &|_| {}),
            Op::Missing => put(6, &|_| {}),
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Op> {
        match u32::get_byte(from)? {
            0 => Wire::get(from).map(Op::In),
            1 => Wire::get(from).map(Op::NotIn),
            2 => Wire::get(from).map(Op::Prefix),
            3 => Ok(Op::BetweenNumber { low: Wire::get(from)?, high: Wire::get(from)? }),
            4 => Ok(Op::BetweenText { low: Wire::get(from)?, high: Wire::get(from)? }),
            5 => Ok(Op::Exists),
            6 => Ok(Op::Missing),
            _ => Err(Broken),
        }
    }
}
