//! Names of companies: what two spellings of one name have in common, and how alike two names are.
//!
//! *Normalised*: NFKC, lower case, accents dropped, `&` = "and", punctuation out, single letters that
//! stand apart joined ("I.B.M." = "ibm", "S.p.A." = "spa"), "the" in front and legal forms at the end dropped.
//!
//! *Similarity*, 0 to 1: each word is set beside the most similar word of the other name (Jaro–Winkler; below
//! 0.88 they are two words, and count 0), weighted by its rarity among the accounts, ln(1 + N / (n + 1)) for a
//! word that n of N have: "software" says little, "globex" much. The mean of both directions is taken.
//! Names that differ in blanks only are alike ("data dog", "datadog"). A word with a digit in it is a name
//! of its own: unless both names have the same ones, they are not alike at all. Nor is a name of more than
//! 256 letters like any but itself: each word of one name is compared with each of the other, letter by letter.
//! (Winkler 1990 for the measure of words; Cohen, Ravikumar & Fienberg 2003 for soft matching weighted by rarity.)

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::domain::text::normalise;

/// Legal forms, in which two spellings of a company's name may differ.
const LEGAL_FORMS: [&str; 72] = [
    "ab",
    "ag",
    "aps",
    "as",
    "asa",
    "bhd",
    "bv",
    "bvba",
    "co",
    "company",
    "corp",
    "corporation",
    "cv",
    "doo",
    "dba",
    "eg",
    "eirl",
    "ek",
    "eurl",
    "ev",
    "fze",
    "gbr",
    "gmbh",
    "inc",
    "incorporated",
    "jsc",
    "kft",
    "kg",
    "kgaa",
    "kk",
    "lda",
    "limited",
    "limitada",
    "llc",
    "llp",
    "lp",
    "ltd",
    "ltda",
    "mbh",
    "nv",
    "nyrt",
    "ohg",
    "ou",
    "ooo",
    "oy",
    "oyj",
    "plc",
    "private",
    "pte",
    "pty",
    "pvt",
    "sa",
    "sab",
    "sae",
    "saoc",
    "sarl",
    "sas",
    "sasu",
    "sca",
    "scs",
    "sdn",
    "se",
    "sl",
    "slu",
    "snc",
    "spa",
    "sprl",
    "spzoo",
    "sro",
    "srl",
    "ug",
    "zrt",
];

/// A company's name without case, accents, punctuation and legal form.
pub(in crate::domain) fn normalise_company(name: &str) -> String {
    let plain: String = plain(name);
    let mut words = joined(plain.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()));
    if words.len() > 1 && words.first().is_some_and(|word| word == "the") {
        words.remove(0);
    }
    let drops = |word: &String| LEGAL_FORMS.contains(&word.as_str()) || word == "and";
    while words.len() > 1 && words.last().is_some_and(drops) {
        words.pop();
    }
    words.join(" ")
}

/// Lower case, accents dropped, apostrophes out, `&` in words.
fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in normalise(name).nfd().filter(|c| !is_combining_mark(*c)) {
        match c {
            'ß' => text.push_str("ss"),
            'æ' => text.push_str("ae"),
            'œ' => text.push_str("oe"),
            'ø' => text.push('o'),
            'ł' => text.push('l'),
            'đ' | 'ð' => text.push('d'),
            '\'' | '’' | '`' | '´' => {}
            '&' | '+' => text.push_str(" and "),
            c => text.push(c),
        }
    }
    text
}

/// Runs of single letters become a word.
fn joined<'w>(words: impl Iterator<Item = &'w str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut run = false;
    for word in words {
        let single = word.chars().count() == 1;
        match found.last_mut() {
            Some(last) if single && run => last.push_str(word),
            _ => found.push(word.to_owned()),
        }
        run = single;
    }
    found
}

/// The words without blanks: names that are written together or apart are the same.
pub(super) fn squashed(normalised: &str) -> String {
    normalised.split(' ').collect()
}

/// The words in alphabetical order without blanks: names whose words are in another order are the same.
pub(super) fn sorted(normalised: &str) -> String {
    let mut words: Vec<&str> = normalised.split(' ').collect();
    words.sort_unstable();
    words.concat()
}

/// Two words less alike than this are two words.
const SAME_WORD: f64 = 0.88;

/// A CRM's longest name; one that is longer is only compared as a whole.
const LONGEST: usize = 256;

/// How alike two normalised names are, with the rarity of words.
pub(super) fn similarity(a: &str, b: &str, rarity: &impl Fn(&str) -> f64) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    if squashed(a) == squashed(b) {
        return 1.0;
    }
    let is_long = |name: &str| name.chars().nth(LONGEST).is_some();
    if is_long(a) || is_long(b) || numbers(a) != numbers(b) {
        return 0.0;
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
    (directed(&left, &right, rarity) + directed(&right, &left, rarity)) / 2.0
}

/// The words with a digit, in order.
fn numbers(name: &str) -> Vec<&str> {
    let mut words: Vec<&str> = name.split(' ').collect();
    words.retain(|word| word.chars().any(char::is_numeric));
    words.sort_unstable();
    words
}

fn directed(from: &[&str], to: &[&str], rarity: &impl Fn(&str) -> f64) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for word in from {
        let weight = rarity(word);
        let mut best = 0.0_f64;
        for other in to {
            best = best.max(strsim::jaro_winkler(word, other));
        }
        sum += if best >= SAME_WORD { weight * best } else { 0.0 };
        weights += weight;
    }
    if weights > 0.0 { sum / weights } else { 0.0 }
}
