//! How texts are compared: everything that a rule, a segment or a match looks at goes through here,
//! on both sides, so that "MÜNCHEN ", "München" and "mu\u{308}nchen" are one city.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Unicode NFKC, without white space around it, in lower case.
///
/// It does not depend on a locale. Texts are borrowed when nothing had to change, which for plain
/// ASCII in lower case is always so.
pub fn normalise(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let trimmed = text.trim();
        return if trimmed.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(trimmed.to_ascii_lowercase())
        } else {
            Cow::Borrowed(trimmed)
        };
    }
    // Lower case can undo the normal form (one letter becomes a letter and a mark), so it is made
    // normal once more: what comes out is a fixed point, so it does not matter which side of a
    // comparison was normalised twice.
    let composed: String = match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.to_lowercase(),
        _ => text.nfkc().collect::<String>().to_lowercase(),
    };
    let again: String = composed.nfkc().collect();
    Cow::Owned(again.trim().to_owned())
}

/// Appends the normalised text: for a buffer of many values, where ASCII costs no more than a copy.
pub fn normalise_into(buffer: &mut String, text: &str) {
    if text.is_ascii() {
        let start = buffer.len();
        buffer.push_str(text.trim());
        buffer[start..].make_ascii_lowercase();
    } else {
        buffer.push_str(&normalise(text));
    }
}

/// The Unicode data that `normalise` goes by, for the shard image: another version may fold new
/// characters otherwise.
pub fn unicode_version() -> String {
    let (major, minor, patch) = unicode_normalization::UNICODE_VERSION;
    let (std_major, std_minor, std_patch) = char::UNICODE_VERSION;
    format!("{major}.{minor}.{patch}/{std_major}.{std_minor}.{std_patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_what_people_take_for_equal() {
        for text in ["MÜNCHEN", "  münchen\t", "mu\u{308}nchen", "Mu\u{308}nchen\u{a0}"] {
            assert_eq!(normalise(text), "münchen");
        }
        assert_eq!(normalise("ＡＢＣ１２"), "abc12");
        assert_eq!(normalise("ﬁn"), "fin");
        assert_eq!(normalise(" \u{3000} "), "");
    }

    #[test]
    fn borrows_what_is_normal_already() {
        assert!(matches!(normalise(" berlin "), Cow::Borrowed("berlin")));
        assert_eq!(normalise("BERLIN"), "berlin");
    }

    #[test]
    fn appends_the_same() {
        let mut buffer = String::new();
        for text in [" New YORK\t", "", "MÜNCHEN "] {
            normalise_into(&mut buffer, text);
        }
        assert_eq!(buffer, "new yorkmünchen");
    }

    #[test]
    fn is_a_fixed_point() {
        let mut moving = Vec::new();
        for letter in (0..0x2_0000).filter_map(char::from_u32) {
            let text = format!("a{letter}a");
            let once = normalise(&text).into_owned();
            if normalise(&once) != once {
                moving.push(letter);
            }
        }
        assert_eq!(moving, Vec::<char>::new());
    }
}
