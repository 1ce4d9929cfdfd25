//! Countries to ISO 3166-1 alpha-2 and states to their subdivision codes, by name and by code.
//!
//! Where an org has no picklists for them both are free text: `USA`, `Deutschland`, `Calif.`. What is not
//! recognised is no country; a state stays as it was written.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// Every officially assigned code.
const CODES: &str = include_str!("alpha2.txt");

/// Name (letters and digits only, no accents) and alpha-2 code; English, official, local and common names.
static COUNTRIES: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    include_str!("countries.txt").lines().filter_map(|it| it.split_once(' ')).collect()
});

/// Country and name, and the code within the country.
static STATES: LazyLock<BTreeMap<(&str, &str), &str>> = LazyLock::new(|| {
    let entry = |line: &'static str| {
        let (country, rest) = line.split_once(' ')?;
        let (name, code) = rest.split_once(' ')?;
        Some(((country, name), code))
    };
    include_str!("states.txt").lines().filter_map(entry).collect()
});

fn plain(text: &str) -> String {
    let letters = text.nfkd().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The alpha-2 code of a country's name or code.
pub fn country(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 2 && CODES.split_ascii_whitespace().any(|known| known == code) {
        return Some(code);
    }
    let name = plain(text);
    let found = COUNTRIES.get(name.as_str()).or_else(|| COUNTRIES.get(name.strip_prefix("the")?));
    found.map(|code| (*code).to_owned())
}

/// The code of a state by its name, where the country's states are known; else the text as it is.
pub fn state(text: &str, country: Option<&str>) -> String {
    let text = text.trim();
    let country = country.unwrap_or("US");
    let name = plain(text);
    let by_name = STATES.get(&(country, name.as_str()));
    // `US-CA` and `DE-BY`: the code with its country before it.
    let by_code = || {
        let (before, code) = text.split_once('-')?;
        (before.eq_ignore_ascii_case(country) && code.len() <= 3).then_some(code)
    };
    let code = by_name.copied().or_else(by_code).unwrap_or(text);
    match code.len() <= 3 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => code.to_ascii_uppercase(),
        false => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_by_name_and_code() {
        for (text, code) in [
            ("US", "US"),
            ("us", "US"),
            ("USA", "US"),
            ("United States", "US"),
            ("United States of America", "US"),
            ("Deutschland", "DE"),
            ("Germany", "DE"),
            ("DEU", "DE"),
            ("Côte d'Ivoire", "CI"),
            ("The Netherlands", "NL"),
            ("UK", "GB"),
            ("Korea, Republic of", "KR"),
            ("Türkiye", "TR"),
        ] {
            assert_eq!(country(text).as_deref(), Some(code), "{text}");
        }
        for text in ["Atlantis", "", "XX", "U"] {
            assert_eq!(country(text), None, "{text}");
        }
    }

    #[test]
    fn states_by_name_and_code() {
        for (text, of, code) in [
            ("California", Some("US"), "CA"),
            ("ca", Some("US"), "CA"),
            ("US-CA", Some("US"), "CA"),
            ("New South Wales", Some("AU"), "NSW"),
            ("Bavaria", Some("DE"), "BY"),
            ("Bayern", Some("DE"), "BY"),
            ("Ontario", Some("CA"), "ON"),
            ("Texas", None, "TX"),
            ("Provence", Some("FR"), "Provence"),
        ] {
            assert_eq!(state(text, of), code, "{text}");
        }
    }
}
