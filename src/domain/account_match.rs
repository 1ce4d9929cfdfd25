//! Which account a lead belongs to, when the CRM does not say: by the domain of its e-mail or website,
//! then by the exact normalised name.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::ids::AccountId;
use super::input::{AccountDef, AccountKind};
use super::lead_fields::LeadFields;
use super::text;

/// What the matching found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountMatch {
    Found(AccountId),
    None,
}

/// Accounts by normalised domain and name.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountIndex {
    by_domain: BTreeMap<String, BTreeSet<AccountId>>,
    by_name: BTreeMap<String, BTreeSet<AccountId>>,
}

impl AccountIndex {
    pub(super) fn insert(&mut self, id: &std::sync::Arc<str>, definition: &AccountDef) {
        for domain in definition.domains.iter().filter_map(|domain| host(domain)) {
            self.by_domain.entry(domain).or_default().insert(AccountId::from(id));
        }
        let name = normalise_company(&definition.name);
        if !name.is_empty() {
            self.by_name.entry(name).or_default().insert(AccountId::from(id));
        }
    }

    pub(super) fn remove(&mut self, id: &std::sync::Arc<str>, definition: &AccountDef) {
        let id = AccountId::from(id);
        let drop = |map: &mut BTreeMap<String, BTreeSet<AccountId>>, key: &str| {
            if let Some(ids) = map.get_mut(key) {
                ids.remove(&id);
                if ids.is_empty() {
                    map.remove(key);
                }
            }
        };
        for domain in definition.domains.iter().filter_map(|domain| host(domain)) {
            drop(&mut self.by_domain, &domain);
        }
        drop(&mut self.by_name, &normalise_company(&definition.name));
    }
}

/// Mail providers whose domain says nothing about a company.
const FREE_MAIL: [&str; 24] = [
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.co.uk",
    "ymail.com",
    "hotmail.com",
    "hotmail.co.uk",
    "outlook.com",
    "live.com",
    "msn.com",
    "aol.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "gmx.de",
    "gmx.net",
    "gmx.com",
    "web.de",
    "mail.com",
    "mail.ru",
    "yandex.ru",
    "proton.me",
    "protonmail.com",
    "qq.com",
];

/// The company's domain of a normalised e-mail; None for free mail and for what is no address.
pub(super) fn company_domain(email: &str) -> Option<&str> {
    let (_, domain) = email.rsplit_once('@')?;
    (!domain.is_empty() && !FREE_MAIL.contains(&domain)).then_some(domain)
}

/// The host of a domain or URL as people write it: lower case, without scheme, `www.`, port and path.
fn host(text: &str) -> Option<String> {
    let normal = text::normalise(text);
    let rest = normal.split_once("://").map_or(&*normal, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    (host.contains('.') && !FREE_MAIL.contains(&host)).then(|| host.to_owned())
}

/// Legal forms, which two spellings of a company's name may differ in.
const LEGAL_FORMS: [&str; 26] = [
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "co",
    "company",
    "llc",
    "ltd",
    "limited",
    "plc",
    "lp",
    "llp",
    "gmbh",
    "ag",
    "kg",
    "se",
    "sa",
    "sarl",
    "sas",
    "srl",
    "spa",
    "bv",
    "nv",
    "ab",
    "oy",
    "as",
];

/// A company's name without case, punctuation and legal form.
pub(super) fn normalise_company(name: &str) -> String {
    let normal = text::normalise(name).replace('&', " and ");
    let words = normal.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut words: Vec<&str> = words.collect();
    if words.first() == Some(&"the") && words.len() > 1 {
        words.remove(0);
    }
    while words.len() > 1 && words.last().is_some_and(|word| LEGAL_FORMS.contains(word)) {
        words.pop();
    }
    words.join(" ")
}

/// Finds the account that a lead's own words match.
pub(super) fn find(draft: &Draft<'_>, lead: &LeadFields) -> AccountMatch {
    let index = &draft.index().accounts;
    let email = lead.email.as_ref().map(|email| text::normalise(email.reveal()));
    let by_mail = email.as_deref().and_then(company_domain).and_then(host);
    let by_site = lead.website.as_deref().and_then(host);
    for domain in by_mail.into_iter().chain(by_site) {
        if let Some(ids) = index.by_domain.get(&domain) {
            return best(draft, ids);
        }
    }
    let name = lead.company.as_deref().map(normalise_company).unwrap_or_default();
    index.by_name.get(&name).map_or(AccountMatch::None, |ids| best(draft, ids))
}

/// Among accounts that match alike: customer before prospect, has open deal, nearer the root, latest
/// activity, id.
fn best(draft: &Draft<'_>, ids: &BTreeSet<AccountId>) -> AccountMatch {
    let rank = |id: &&AccountId| {
        let account = draft.account(id).and_then(|account| account.definition.as_ref());
        let kind = account.map_or(AccountKind::Former, |account| account.kind);
        let deal = account.is_some_and(|account| account.open_opportunity);
        let child = account.is_some_and(|account| account.parent_id.is_some());
        let latest = account.and_then(|account| account.last_activity_at);
        (kind, !deal, child, std::cmp::Reverse(latest), (*id).clone())
    };
    ids.iter().min_by_key(rank).cloned().map_or(AccountMatch::None, AccountMatch::Found)
}
