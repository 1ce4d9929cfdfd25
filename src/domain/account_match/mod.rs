//! Which account a lead belongs to, when the CRM does not say: by the domain of its e-mail or website, then
//! by the exact normalised name, then by a similar name that another field supports. What could be the
//! account, but is not certain, is a matter for a person: REVIEW, not a guess.
//!
//! `docs/accounts.md` states the algorithm with its precision and recall.

mod domain;
mod free_mail;
mod index;
mod name;
mod postings;
#[cfg(test)]
mod tests;

pub(super) use domain::{
    company_domain, of_account as account_domains, of_lead as company_domains,
};
pub(super) use index::Accounts;
pub(super) use name::normalise_company;

use self::index::{Key, phone_digits, postal_code};
use super::account::{Account, AccountView};
use super::draft::Draft;
use super::hash;
use super::ids::AccountId;
use super::input::AccountKind;
use super::lead_fields::LeadFields;
use super::policy::{AccountStep, TieBreak};
use super::text;

/// Accounts under one key of a similar name; a key with more says too little.
const BLOCK: usize = 64;

/// What the matching found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountMatch {
    Found(AccountId),
    /// Similar, and not certain: the best of them.
    Review(AccountId),
    None,
}

/// Finds the account that a lead's own words match.
pub(super) fn find(draft: &Draft<'_>, lead: &LeadFields) -> AccountMatch {
    if draft.accounts().is_empty() {
        return AccountMatch::None;
    }
    let words = words_of(lead);
    let found = match draft.matched.take() {
        Some((looked, found)) if looked == words => found,
        _ => look(draft, lead),
    };
    draft.matched.set(Some((words, found.clone())));
    found
}

/// All that the matching goes by.
fn words_of(lead: &LeadFields) -> u128 {
    let private = |text: &Option<super::ids::Private>| {
        text.as_ref().map_or("", super::ids::Private::reveal).to_owned()
    };
    let plain = |text: &Option<String>| text.clone().unwrap_or_default();
    let words = [
        plain(&lead.company),
        plain(&lead.website),
        plain(&lead.postal_code),
        plain(&lead.country),
        private(&lead.email),
        private(&lead.phone),
    ];
    hash::sip128(hash::FIXED, words.join("\0").as_bytes())
}

fn look(draft: &Draft<'_>, lead: &LeadFields) -> AccountMatch {
    let name = lead.company.as_deref().map(normalise_company).unwrap_or_default();
    for step in &draft.policy.accounts.steps {
        let found = match step {
            AccountStep::Domain => by_domain(draft, lead),
            AccountStep::Name => by_name(draft, &name),
            AccountStep::Fuzzy => by_similar_name(draft, lead, &name),
        };
        if found != AccountMatch::None {
            return found;
        }
    }
    AccountMatch::None
}

fn by_domain(draft: &Draft<'_>, lead: &LeadFields) -> AccountMatch {
    for host in domain::of_lead(lead, &draft.policy.accounts.free_mail) {
        // An account that lists `acme.com` has `eu.acme.com` too, unless another lists that.
        for domain in domain::with_parents(&host) {
            let own = |own: &str| domain::host(own).as_deref() == Some(domain);
            let lists = |account: &&Account| account.view().is_some_and(|it| it.domains().any(own));
            let found: Vec<&Account> =
                draft.accounts().under(Key::domain(domain)).filter(lists).collect();
            if !found.is_empty() {
                return best(draft, &found, true);
            }
        }
    }
    AccountMatch::None
}

fn by_name(draft: &Draft<'_>, name: &str) -> AccountMatch {
    if name.is_empty() {
        return AccountMatch::None;
    }
    let same = |account: &&Account| {
        account.view().is_some_and(|account| normalise_company(account.name) == name)
    };
    let found: Vec<&Account> = draft.accounts().under(Key::name(name)).filter(same).collect();
    best(draft, &found, true)
}

/// An account with a similar name.
struct Similar<'a> {
    account: &'a Account,
    similarity: f64,
    supported: bool,
}

fn by_similar_name(draft: &Draft<'_>, lead: &LeadFields, name: &str) -> AccountMatch {
    if name.is_empty() {
        return AccountMatch::None;
    }
    let policy = &draft.policy.accounts;
    let rarity = |word: &str| draft.accounts().rarity(word);
    let similar = |account| {
        let view = Account::view(account)?;
        let similarity = name::similarity(name, &normalise_company(view.name), &rarity);
        let supported = supports(&view, lead, &policy.free_mail);
        (similarity >= policy.review_at).then_some(Similar { account, similarity, supported })
    };
    let all: Vec<Similar<'_>> = near(draft, lead, name).into_iter().filter_map(similar).collect();
    let certain = |one: &&Similar<'_>| one.supported && one.similarity >= policy.match_at;
    let top = all.iter().filter(certain).map(|one| one.similarity).fold(0.0, f64::max);
    let leaders: Vec<&Account> = all
        .iter()
        .filter(certain)
        .filter(|one| one.similarity >= top)
        .map(|one| one.account)
        .collect();
    match best(draft, &leaders, false) {
        AccountMatch::None => {
            let closest = |a: &&Similar<'_>, b: &&Similar<'_>| {
                let ids = b.account.id().cmp(a.account.id());
                a.similarity.total_cmp(&b.similarity).then(ids)
            };
            let closest = all.iter().max_by(closest);
            closest.map_or(AccountMatch::None, |one| AccountMatch::Review(id_of(one.account)))
        }
        found => found,
    }
}

fn id_of(account: &Account) -> AccountId {
    AccountId::new(account.id())
}

/// The accounts that are worth a closer look, each once, by id.
fn near<'d>(draft: &'d Draft<'_>, lead: &LeadFields, name: &str) -> Vec<&'d Account> {
    let [front, back] = Key::edges(name);
    let mut keys: Vec<Key> = vec![Key::name(name), front, back];
    if let Some(code) = lead.postal_code.as_deref().and_then(postal_code) {
        keys.extend(Key::edges_at(&code, name));
    }
    let phone = lead.phone.as_ref().and_then(|phone| phone_digits(phone.reveal()));
    keys.extend(phone.as_deref().map(Key::phone));
    let mut found: Vec<&Account> =
        keys.into_iter().flat_map(|key| draft.accounts().under_if_few(key, BLOCK)).collect();
    found.sort_unstable_by_key(|account| account.id());
    found.dedup_by_key(|account| account.id());
    found
}

/// Whether another field says that it is this account: a domain, the phone, or the postal code within
/// the same country.
fn supports(account: &AccountView<'_>, lead: &LeadFields, free_mail: &[String]) -> bool {
    let hosts = domain::of_lead(lead, free_mail);
    let by_domain = account
        .domains()
        .filter_map(domain::host)
        .any(|own| hosts.iter().any(|host| domain::with_parents(host).any(|domain| domain == own)));
    let same = |a: Option<String>, b: Option<String>| a.is_some() && a == b;
    let normal =
        |country: Option<&str>| country.map(|country| text::normalise(country).into_owned());
    let (here, there) = (normal(lead.country.as_deref()), normal(account.country));
    let abroad = here.is_some() && there.is_some() && here != there;
    let phone = lead.phone.as_ref().map(super::ids::Private::reveal);
    by_domain
        || same(phone.and_then(phone_digits), account.phone.and_then(phone_digits))
        || !abroad
            && same(
                lead.postal_code.as_deref().and_then(postal_code),
                account.postal_code.and_then(postal_code),
            )
}

/// The first by the policy's tie-breaks. Two that these do not part are a matter for a person; the id
/// parts any two, but is no evidence where the names only resemble each other.
fn best(draft: &Draft<'_>, accounts: &[&Account], by_id: bool) -> AccountMatch {
    let breaks = &draft.policy.accounts.tie_breaks;
    let ranks = |account: &Account| breaks.iter().map(|one| rank(draft, account, *one)).collect();
    let mut ranked: Vec<(Vec<i64>, &str)> =
        accounts.iter().map(|account| (ranks(account), account.id())).collect();
    ranked.sort_unstable();
    let parted = by_id && breaks.contains(&TieBreak::Id);
    match ranked.as_slice() {
        [] => AccountMatch::None,
        [(first, id), (second, _), ..] if first == second && !parted => {
            AccountMatch::Review(AccountId::new(id))
        }
        [(_, id), ..] => AccountMatch::Found(AccountId::new(id)),
    }
}

/// The lower, the better.
fn rank(draft: &Draft<'_>, account: &Account, tie_break: TieBreak) -> i64 {
    let Some(view) = account.view() else { return i64::MAX };
    match tie_break {
        TieBreak::Customer => match view.kind {
            AccountKind::Customer => 0,
            AccountKind::Prospect => 1,
            AccountKind::Partner => 2,
            AccountKind::Former => 3,
        },
        TieBreak::OpenDeal => i64::from(!view.open_opportunity),
        TieBreak::Hierarchy => above(draft, &id_of(account)).len() as i64,
        TieBreak::Activity => view.last_activity_at.map_or(i64::MAX, |at| -at.0),
        TieBreak::Id => 0,
    }
}

/// The account and what lies above it, nearest first; the policy's depth ends it, and so does a circle.
pub(super) fn above(draft: &Draft<'_>, id: &AccountId) -> Vec<AccountId> {
    let mut chain: Vec<AccountId> = Vec::new();
    let mut next = Some(id.clone());
    while let Some(id) = next {
        if chain.len() >= draft.policy.accounts.max_depth || chain.contains(&id) {
            break;
        }
        next = draft.account(&id).and_then(|it| it.view()?.parent_id.map(AccountId::new));
        chain.push(id);
    }
    chain
}
