//! The company that a lead is from: what keeps the leads of one company in one arm of an experiment.

use super::account::Account;
use super::account_match::{self, AccountMatch};
use super::draft::Draft;
use super::lead_fields::LeadFields;
use super::owner;

/// The company of a lead by name: the first domain of its account that is no free mail, else the account's
/// id; without an account that is known, the domain of the lead's e-mail or website, else the account that
/// the CRM says. None = the lead is a company of its own.
///
/// The name is the domain wherever there is one, so that it is the same before an account is known and after.
pub(super) fn of(draft: &Draft<'_>, lead: &LeadFields) -> Option<String> {
    let free_mail = &draft.policy.accounts.free_mail;
    let by_domain = |host: String| format!("domain\0{host}");
    let own = || account_match::company_domains(lead, free_mail).into_iter().next();
    let AccountMatch::Found(id) = owner::find_account(draft, lead) else {
        return own().map(by_domain);
    };
    let by_id = format!("account\0{id}");
    let Some(account) = draft.account(&id).and_then(Account::view) else {
        return Some(own().map_or(by_id, by_domain));
    };
    let first = account_match::account_domains(&account, free_mail).next();
    Some(first.map_or(by_id, by_domain))
}
