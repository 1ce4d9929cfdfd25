//! Stages that know whose lead it is: a duplicate sticks to its rep, an account's lead to its owner.
//! Both ask the one availability gate, and the policy says what happens when it is closed.

use super::availability::{self, gate};
use super::draft::{Draft, StickyKey};
use super::entity::{LeadEntity, Phase, Placement, StickyEntity};
use super::fact::Counter;
use super::hash;
use super::ids::{AccountId, LeadId, RepId, TerritoryId};
use super::lead_fields::LeadFields;
use super::policy::{AccountOwner, StickyScope, WhenUnavailable};
use super::published::{Ineligible, Reason, Stage};
use super::text;
use super::time::{Span, Timestamp};

use super::account_match::{self, AccountMatch};
use super::asked::Asked;
use super::assign::Verdict;

/// The account of the lead and its ancestors, nearest first.
pub(super) fn account_chain(draft: &Draft<'_>, lead: &LeadEntity) -> Vec<AccountId> {
    match find_account(draft, &lead.fields) {
        AccountMatch::Found(id) => account_match::above(draft, &id),
        AccountMatch::Review(_) | AccountMatch::None => Vec::new(),
    }
}

/// The account that the CRM says, else the one that the lead's own words match.
pub(super) fn find_account(draft: &Draft<'_>, lead: &LeadFields) -> AccountMatch {
    if let Some(id) = &lead.account_id {
        return AccountMatch::Found(id.clone());
    }
    account_match::find(draft, lead)
}

/// ACCOUNT_OWNER: the account's owner takes its leads. Where it is not certain which account it is, and
/// it would matter, a person says.
pub(super) fn account(
    draft: &mut Draft<'_>,
    lead: &LeadEntity,
    back_at: &mut Option<Timestamp>,
) -> Option<Verdict> {
    let id = match find_account(draft, &lead.fields) {
        AccountMatch::Found(id) => id,
        AccountMatch::Review(id) => {
            let unrouted = matches!(lead.phase, Phase::New | Phase::Parked);
            let matters = owner_of(draft, lead, &id).is_some()
                || super::assign::is_named(draft, lead, &account_match::above(draft, &id));
            return (unrouted && matters)
                .then(|| Verdict::park(Stage::AccountOwner, Reason::Review));
        }
        AccountMatch::None => return None,
    };
    let owner = owner_of(draft, lead, &id)?;
    to_owner(draft, lead, &owner, Stage::AccountOwner, Reason::AccountOwner, back_at)
}

/// Whose the leads of an account are, by the policy.
fn owner_of(draft: &Draft<'_>, lead: &LeadEntity, id: &AccountId) -> Option<RepId> {
    let policy = &draft.policy.accounts;
    let account = |id: &AccountId| draft.account(id)?.view();
    let chain = || account_match::above(draft, id);
    let owner = match policy.owner {
        AccountOwner::Matched => account(id)?.owner_id.map(RepId::new),
        AccountOwner::UltimateParent => account(chain().last()?)?.owner_id.map(RepId::new),
        AccountOwner::NearestInRegion => {
            let normal = |country: &str| text::normalise(country).into_owned();
            let here = lead.fields.country.as_deref().map(normal);
            let in_region = |country: Option<&str>| here.is_none() || country.map(normal) == here;
            let nearest = |id: &AccountId| {
                account(id).filter(|it| in_region(it.country))?.owner_id.map(RepId::new)
            };
            chain().iter().find_map(nearest)
        }
    }?;
    Some(policy.owner_map.get(&owner).cloned().unwrap_or(owner))
}

/// STICKY: the same person, or the same company at the same domain, stays with its rep.
pub(super) fn sticky(
    draft: &mut Draft<'_>,
    lead_id: &LeadId,
    lead: &LeadEntity,
    back_at: &mut Option<Timestamp>,
) -> Option<Verdict> {
    if draft.policy.sticky.window == Span::ZERO {
        return None;
    }
    for key in sticky_keys(draft, lead, None) {
        let Some(stuck) = draft.sticky(&key).cloned() else { continue };
        if stuck.lead_id == *lead_id || stuck.expires_at <= draft.now() {
            continue;
        }
        let holds = draft.rep(&stuck.rep_id).is_some_and(|rep| {
            rep.definition.as_ref().is_some_and(|rep| rep.active)
                && rep.left_at.is_none_or(|left_at| stuck.touched_at > left_at)
        });
        if !holds {
            // The stick is dropped with its rep, and does not come back with them.
            draft.write(super::entity::Kind::Sticky, key.text(), None);
            draft.count(Counter::StickDropped);
            continue;
        }
        let verdict = to_owner(draft, lead, &stuck.rep_id, Stage::Sticky, Reason::Sticky, back_at);
        if verdict.is_some() {
            return verdict;
        }
    }
    None
}

/// Remembers who has a lead, for those that come after it. Written at each assignment and touch.
pub(super) fn stick(draft: &mut Draft<'_>, lead_id: &LeadId, lead: &LeadEntity, rep_id: &RepId) {
    let window = draft.policy.sticky.window;
    if window == Span::ZERO {
        return;
    }
    let territory_id = lead.placement.as_ref().and_then(|p: &Placement| p.territory_id.clone());
    for key in sticky_keys(draft, lead, territory_id.as_ref()) {
        let entity = StickyEntity {
            rep_id: rep_id.clone(),
            lead_id: lead_id.clone(),
            territory_id: territory_id.clone(),
            touched_at: draft.now(),
            expires_at: draft.now() + window,
        };
        draft.set_sticky(&key, entity);
    }
}

/// The keys of a lead: its e-mail, else the domain of its e-mail with the company's name.
fn sticky_keys(draft: &Draft<'_>, lead: &LeadEntity, pool: Option<&TerritoryId>) -> Vec<StickyKey> {
    let scope = match draft.policy.sticky.scope {
        StickyScope::Domain => String::new(),
        StickyScope::Pool => {
            let winner = || super::assign::winner(draft, lead).map(|won| won.territory_id);
            pool.cloned().or_else(winner).map_or_else(String::new, |id| id.to_string())
        }
    };
    let domain = &draft.envelope.domain;
    let key = |what: &str, text: &str| {
        let bytes = format!("sticky\0{what}\0{domain}\0{scope}\0{text}");
        StickyKey(format!("{:032x}", hash::sip128(hash::FIXED, bytes.as_bytes())).into())
    };
    let mut keys = Vec::new();
    let email = lead.fields.email.as_ref().map(|email| text::normalise(email.reveal()));
    if let Some(email) = &email {
        keys.push(key("email", email));
    }
    let host = email
        .as_deref()
        .and_then(|email| account_match::company_domain(email, &draft.policy.accounts.free_mail));
    let company = lead.fields.company.as_deref().map(account_match::normalise_company);
    if let (Some(host), Some(company)) = (host, company)
        && !company.is_empty()
    {
        keys.push(key("company", &format!("{host}\0{company}")));
    }
    keys
}

/// Gives a lead to its owner, or does what the policy says when the owner is unavailable.
/// None = the next stage; `next_at` is then brought forward to when the owner could take it.
fn to_owner(
    draft: &Draft<'_>,
    lead: &LeadEntity,
    rep_id: &RepId,
    stage: Stage,
    reason: Reason,
    next_at: &mut Option<Timestamp>,
) -> Option<Verdict> {
    let rep = draft.rep(rep_id);
    let asked = Asked::of(lead);
    let state = gate(draft, rep_id, rep, &asked, None);
    if state.is_open() {
        return Some(Verdict::owner(rep_id.clone(), stage, reason));
    }
    let reasons = state.reasons();
    let gone = [Ineligible::Inactive, Ineligible::Unknown, Ineligible::FormerOwner];
    if reasons.iter().any(|one| gone.contains(one)) {
        return None;
    }
    let absent_only =
        reasons.iter().all(|one| matches!(one, Ineligible::Away | Ineligible::OutsideCalendar));
    let back_at = availability::next_chance(draft, rep_id, None);
    *next_at = next_at.iter().copied().chain(back_at).min();
    let choices = match stage {
        Stage::Sticky => &draft.policy.availability.sticky,
        _ => &draft.policy.availability.account_owner,
    };
    for choice in choices {
        match choice {
            WhenUnavailable::NextStage => return None,
            WhenUnavailable::Cover => {
                let rep = rep.and_then(|rep| rep.definition.as_ref());
                let cover = rep.and_then(|rep| rep.cover_id.clone());
                if let Some(cover) = cover
                    && gate(draft, &cover, draft.rep(&cover), &asked, None).is_open()
                {
                    return Some(Verdict::owner(cover, stage, reason));
                }
            }
            WhenUnavailable::AssignAnyway => {
                let within = draft.policy.availability.assign_anyway_within;
                let soon = back_at.is_some_and(|at| at.since(draft.now()) < within);
                if absent_only && soon {
                    return Some(Verdict::owner(rep_id.clone(), stage, reason));
                }
            }
            WhenUnavailable::Hold => {
                if back_at.is_some() {
                    let park = Verdict::park(stage, Reason::Held);
                    return Some(Verdict { retry_at: back_at, ..park });
                }
            }
        }
    }
    None
}
