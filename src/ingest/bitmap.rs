//! The lists of fields in a Pub/Sub header: bitmaps in hex over the positions of the writer's schema.
//!
//! `0x…` is over the fields of the record, least significant bit first, position 0 being the header;
//! `p-0x…` over the children of the compound field at position p. They are as wide as the object has fields.

use super::schema::FieldTable;
use crate::codec::error::{Error, Result, reason};

/// Whether an entry is a bitmap, and not a field's name.
pub fn is_bitmap(entry: &str) -> bool {
    let hex = entry.split_once('-').map_or(entry, |(position, hex)| {
        let plain = !position.is_empty() && position.bytes().all(|byte| byte.is_ascii_digit());
        if plain { hex } else { entry }
    });
    let digits = hex.strip_prefix("0x").or_else(|| hex.strip_prefix("0X"));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The names behind the entries of a list: `Company`, `Address.City`.
pub fn names(entries: &[String], table: &FieldTable, list: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries {
        if !is_bitmap(entry) {
            names.push(entry.clone());
            continue;
        }
        match entry.split_once('-') {
            None => {
                for bit in bits(entry, list)? {
                    let field = table.fields.get(bit).ok_or_else(|| beyond(list))?;
                    names.push(field.name.clone());
                }
            }
            Some((position, hex)) => {
                let position: usize = position.parse().map_err(|_| beyond(list))?;
                let parent = table.fields.get(position).ok_or_else(|| beyond(list))?;
                for bit in bits(hex, list)? {
                    let child = parent.children.get(bit).ok_or_else(|| beyond(list))?;
                    names.push(format!("{}.{child}", parent.name));
                }
            }
        }
    }
    names.retain(|name| name != "ChangeEventHeader");
    Ok(names)
}

fn beyond(list: &str) -> Error {
    let detail =
        "names a field that the writer's schema does not have: the schema is not the event's";
    Error::new(reason::BITMAP_INVALID, format!("ChangeEventHeader.{list}"), detail)
}

/// The places of the bits that are set, from the last digit on.
fn bits(hex: &str, list: &str) -> Result<Vec<usize>> {
    let digits = hex.get(2..).unwrap_or_default();
    if digits.is_empty() || digits.len() > 4_096 {
        let detail = "has a bitmap without digits, or with more than any object has fields";
        let field = format!("ChangeEventHeader.{list}");
        return Err(Error::new(reason::BITMAP_INVALID, field, detail));
    }
    let mut places = Vec::new();
    for (nibble, digit) in digits.bytes().rev().enumerate() {
        let value = char::from(digit).to_digit(16).unwrap_or(0);
        places.extend((0..4).filter(|bit| value >> bit & 1 == 1).map(|bit| nibble * 4 + bit));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::schema::Field;

    fn table(count: usize) -> FieldTable {
        let field = |n: usize| Field {
            name: if n == 0 { "ChangeEventHeader".to_owned() } else { format!("F{n}") },
            children: if n == 4 { vec!["A".into(), "B".into(), "C".into()] } else { Vec::new() },
        };
        FieldTable { fields: (0..count).map(field).collect() }
    }

    fn decode(entries: &[&str], count: usize) -> Result<Vec<String>> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        names(&entries, &table(count), "changedFields")
    }

    #[test]
    fn bits_are_positions_from_the_least_significant() {
        assert_eq!(decode(&["0x02"], 3).unwrap(), ["F1"]);
        assert_eq!(decode(&["0x800000"], 30).unwrap(), ["F23"]);
        assert_eq!(decode(&["0x06", "4-0x05"], 9).unwrap(), ["F1", "F2", "F4.A", "F4.C"]);
        assert_eq!(decode(&["4-0x02"], 9).unwrap(), ["F4.B"]);
        assert_eq!(decode(&["0x10000000000000800000"], 100).unwrap(), ["F23", "F76"]);
        assert_eq!(decode(&["Company", "Address.City"], 9).unwrap(), ["Company", "Address.City"]);
    }

    #[test]
    fn what_does_not_fit_the_schema_is_refused() {
        for entries in [&["0x100"][..], &["4-0x08"], &["12-0x01"], &["0x"], &["3-0x01"]] {
            assert_eq!(decode(entries, 8).unwrap_err().reason, "bitmap.invalid", "{entries:?}");
        }
    }

    #[test]
    fn a_name_is_no_bitmap() {
        assert!(!is_bitmap("Company") && !is_bitmap("x-0x01") && !is_bitmap("0xZZ"));
        assert!(is_bitmap("0x1F") && is_bitmap("12-0x1f"));
    }
}
