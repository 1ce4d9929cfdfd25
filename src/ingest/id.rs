//! Salesforce ids: 15 characters that differ by case, or 18 with a suffix that says the case.

use thiserror::Error;

/// Why a text is no record id. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdFault {
    #[error("a record id has 15 or 18 characters")]
    Length,
    #[error("a record id has only letters and digits")]
    Character,
    #[error("the three characters at the end do not belong to the id: was its case changed?")]
    Suffix,
    #[error("is no record's id")]
    Nobody,
}

const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18-character form. What has 18 characters must end in its own suffix.
pub fn extend(text: &str) -> Result<String, IdFault> {
    let text = text.trim();
    if !matches!(text.len(), 15 | 18) {
        return Err(IdFault::Length);
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(IdFault::Character);
    }
    let (id, said) = text.split_at(15);
    if id.bytes().all(|byte| byte == b'0') {
        return Err(IdFault::Nobody);
    }
    let suffix = suffix(id);
    // Some tools upper-case the suffix only; it has no other case.
    match said.is_empty() || said == suffix {
        true => Ok(format!("{id}{suffix}")),
        false => Err(IdFault::Suffix),
    }
}

fn suffix(id: &str) -> String {
    let letter = |group: &[u8]| {
        let upper = |(place, byte): (usize, &u8)| usize::from(byte.is_ascii_uppercase()) << place;
        let index: usize = group.iter().enumerate().map(upper).sum();
        char::from(SUFFIX.get(index).copied().unwrap_or(b'A'))
    };
    id.as_bytes().chunks(5).map(letter).collect()
}

/// The object that a key prefix belongs to, as far as every org agrees.
pub fn entity_of(id: &str) -> Option<&'static str> {
    let prefix = id.get(..3)?;
    PREFIXES.iter().find(|(known, _)| *known == prefix).map(|(_, entity)| *entity)
}

/// The key prefix of an object, where every org has the same.
pub fn prefix_of(entity: &str) -> Option<&'static str> {
    PREFIXES.iter().find(|(_, known)| *known == entity).map(|(prefix, _)| *prefix)
}

const PREFIXES: [(&str, &str); 9] = [
    ("001", "Account"),
    ("003", "Contact"),
    ("005", "User"),
    ("006", "Opportunity"),
    ("00Q", "Lead"),
    ("00G", "Group"),
    ("00T", "Task"),
    ("00U", "Event"),
    ("0MI", "Territory2"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_become_eighteen() {
        for id in ["001Dp00000JJkkHIAT", "005Dp000000PpjsIAC", "0012F00000ic4TZQAY"] {
            assert_eq!(extend(&id[..15]).as_deref(), Ok(id));
            assert_eq!(extend(id).as_deref(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        assert_eq!(extend("00Q1"), Err(IdFault::Length));
        assert_eq!(extend("00Q5f00000A-cde"), Err(IdFault::Character));
        assert_eq!(extend("001dp00000jjkkhIAT"), Err(IdFault::Suffix));
        assert_eq!(extend("001dp00000jjkkhiat"), Err(IdFault::Suffix));
        assert_eq!(extend("000000000000000AAA"), Err(IdFault::Nobody));
        assert_eq!(extend("001*"), Err(IdFault::Length));
    }
}
