//! Internet domains as people write them, and the domain that says which company a lead is from.

use crate::domain::account::AccountView;
use crate::domain::lead_fields::LeadFields;
use crate::domain::text::normalise;

/// The host of a domain, an address or a URL: lower case, without scheme, user, `www.`, port and path.
pub(super) fn host(text: &str) -> Option<String> {
    let normal = normalise(text);
    let rest = normal.split_once("://").map_or(&*normal, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = rest.split(':').next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    (host.contains('.') && !host.starts_with('.')).then(|| host.to_owned())
}

/// A domain has at most 253 characters; what is longer is none.
const MAX_BYTES: usize = 253 * 4;

/// `eu.shop.acme.com` → itself, `shop.acme.com`, `acme.com`: everything with a dot in it.
pub(super) fn with_parents(host: &str) -> impl Iterator<Item = &str> {
    let mut next = Some(host).filter(|host| host.len() <= MAX_BYTES);
    std::iter::from_fn(move || {
        let this = next.filter(|host| host.contains('.'))?;
        next = this.split_once('.').map(|(_, parent)| parent);
        Some(this)
    })
}

/// The company's domain of a normalised e-mail; None for free mail and for what is no address.
pub(in crate::domain) fn company_domain<'e>(email: &'e str, more: &[String]) -> Option<&'e str> {
    let (_, domain) = email.rsplit_once('@')?;
    (!domain.is_empty() && !super::free_mail::is_free(domain, more)).then_some(domain)
}

/// The domains that a lead gives away, that of its e-mail first.
pub(in crate::domain) fn of_lead(lead: &LeadFields, more: &[String]) -> Vec<String> {
    let email = lead.email.as_ref().map(|email| normalise(email.reveal()).into_owned());
    let by_mail = email.as_deref().and_then(|email| company_domain(email, more)).and_then(host);
    let by_site = lead.website.as_deref().and_then(host);
    let by_site = by_site.filter(|host| !super::free_mail::is_free(host, more));
    by_mail.into_iter().chain(by_site).collect()
}

/// The company domains that an account lists, in its order.
pub(in crate::domain) fn of_account(
    account: &AccountView<'_>,
    more: &[String],
) -> impl Iterator<Item = String> {
    account.domains().filter_map(host).filter(|host| !super::free_mail::is_free(host, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_however_it_is_written() {
        for text in [
            "acme.com",
            "  WWW.Acme.com ",
            "https://www.acme.com/a/b?c",
            "http://user@acme.com:8080/",
            "acme.com.",
            "eva@acme.com",
        ] {
            assert_eq!(host(text).as_deref(), Some("acme.com"), "{text}");
        }
        for text in ["", "acme", "https://", "."] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn parents_end_before_the_top() {
        let all: Vec<&str> = with_parents("eu.shop.acme.com").collect();
        assert_eq!(all, ["eu.shop.acme.com", "shop.acme.com", "acme.com"]);
        assert_eq!(with_parents(&"a.".repeat(100_000)).count(), 0);
    }
}
