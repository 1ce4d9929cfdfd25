//! Mail providers whose domain says nothing about a company: the list in `free_mail.txt`, which names its
//! source, and what the policy adds to it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

const LIST: &str = include_str!("free_mail.txt");

static DOMAINS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
});

/// Whether the domain, in lower case, is one of the list, or below one.
pub(super) fn is_free(domain: &str, more: &[String]) -> bool {
    super::domain::with_parents(domain)
        .any(|one| DOMAINS.contains(one) || more.iter().any(|own| own == one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_of_domains_each_once() {
        let lines = LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        for domain in lines.clone() {
            assert!(domain.contains('.') && domain.is_ascii(), "{domain}");
            assert_eq!(domain, domain.trim().to_ascii_lowercase());
        }
        assert_eq!(lines.count(), DOMAINS.len(), "a domain is listed twice");
    }

    #[test]
    fn free_mail_and_what_lies_below_it() {
        for domain in ["gmail.com", "web.de", "mail.yahoo.co.uk"] {
            assert!(is_free(domain, &[]), "{domain}");
        }
        assert!(!is_free("acme.com", &[]));
        assert!(!is_free("notgmail.com", &[]));
        assert!(is_free("acme.com", &["acme.com".to_owned()]));
    }
}
