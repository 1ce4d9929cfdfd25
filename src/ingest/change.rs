//! What one bridged record says happened, the same for every bridge.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::codec::error::{Error, Result, reason};

/// What was done to the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeType {
    Create,
    Update,
    Delete,
    Undelete,
    GapCreate,
    GapUpdate,
    GapDelete,
    GapUndelete,
    GapOverflow,
    /// The record as it is, by no event: a row of an export or of a bridge's first load.
    Snapshot,
}

impl ChangeType {
    const NAMES: [(ChangeType, &str); 10] = [
        (ChangeType::Create, "CREATE"),
        (ChangeType::Update, "UPDATE"),
        (ChangeType::Delete, "DELETE"),
        (ChangeType::Undelete, "UNDELETE"),
        (ChangeType::GapCreate, "GAP_CREATE"),
        (ChangeType::GapUpdate, "GAP_UPDATE"),
        (ChangeType::GapDelete, "GAP_DELETE"),
        (ChangeType::GapUndelete, "GAP_UNDELETE"),
        (ChangeType::GapOverflow, "GAP_OVERFLOW"),
        (ChangeType::Snapshot, "SNAPSHOT"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| *name)
    }

    pub fn named(name: &str) -> Option<ChangeType> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// An operation as bridges name it.
    pub fn of_operation(name: &str) -> Option<ChangeType> {
        let lower = name.trim().to_ascii_lowercase();
        let kind = match lower.as_str() {
            "create" | "created" | "insert" | "inserted" | "c" => ChangeType::Create,
            "update" | "updated" | "u" => ChangeType::Update,
            "delete" | "deleted" | "d" => ChangeType::Delete,
            "undelete" | "undeleted" => ChangeType::Undelete,
            "read" | "r" | "snapshot" => ChangeType::Snapshot,
            gap if gap.starts_with("gap_") => return Self::named(&gap.to_ascii_uppercase()),
            _ => return None,
        };
        Some(kind)
    }

    pub fn is_gap(self) -> bool {
        (ChangeType::GapCreate..=ChangeType::GapOverflow).contains(&self)
    }

    /// It carries the record as a whole.
    pub fn is_whole(self) -> bool {
        matches!(self, ChangeType::Create | ChangeType::Undelete | ChangeType::Snapshot)
    }
}

/// When something was said, for putting things in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds; of the commit, else the best that the record has.
    pub at: i64,
    /// The commit number, else the record's offset.
    pub number: i64,
    pub sequence: i64,
    /// A hash of the transaction key; 0 = there is none.
    pub transaction: u64,
}

impl Stamp {
    /// Within one transaction the sequence counts, as its timestamps may differ by a second; else the time,
    /// then the number.
    pub fn order(&self, other: &Stamp) -> Ordering {
        if self.transaction != 0 && self.transaction == other.transaction {
            return self.sequence.cmp(&other.sequence);
        }
        (self.at, self.number, self.sequence).cmp(&(other.at, other.number, other.sequence))
    }

    pub fn is_after(&self, other: &Stamp) -> bool {
        self.order(other) == Ordering::Greater
    }
}

/// One change, of one or several records of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `Lead`, `Foo__c`.
    pub entity: String,
    /// Of 18 characters each; none for a whole object.
    pub record_ids: Vec<String>,
    pub change_type: ChangeType,
    /// Fields that this change carries as changed, by Salesforce's names, dotted inside compound ones.
    pub set: BTreeMap<String, Value>,
    /// Fields that this change set to null.
    pub cleared: BTreeSet<String>,
    /// Fields that came along without having changed, or of which that is not known: good for a picture,
    /// never the cause of an event. A null is null now.
    pub carried: BTreeMap<String, Value>,
    /// Long texts that came as a difference to what they were.
    pub diffs: BTreeMap<String, String>,
    /// The record as it is now: what differs from the picture has changed.
    pub is_image: bool,
    pub transaction_key: Option<String>,
    pub sequence_number: Option<i64>,
    pub commit_timestamp_ms: Option<i64>,
    pub commit_number: Option<i64>,
    pub commit_user: Option<String>,
    /// Where it came from, for the order and the identity of what has no commit.
    pub offset: i64,
    pub recorded_at_ms: i64,
}

impl Change {
    pub fn new(entity: String, change_type: ChangeType) -> Change {
        Change {
            entity,
            record_ids: Vec::new(),
            change_type,
            set: BTreeMap::new(),
            cleared: BTreeSet::new(),
            carried: BTreeMap::new(),
            diffs: BTreeMap::new(),
            is_image: false,
            transaction_key: None,
            sequence_number: None,
            commit_timestamp_ms: None,
            commit_number: None,
            commit_user: None,
            offset: 0,
            recorded_at_ms: 0,
        }
    }

    /// When it happened, in milliseconds.
    pub fn at(&self) -> i64 {
        self.commit_timestamp_ms.unwrap_or(self.recorded_at_ms)
    }

    pub fn stamp(&self) -> Stamp {
        let key = self.transaction_key.as_deref();
        Stamp {
            at: self.at(),
            number: self.commit_number.unwrap_or(self.offset),
            sequence: self.sequence_number.unwrap_or(0),
            transaction: key.map_or(0, hash),
        }
    }

    /// What makes it the same change again, however often a bridge sends it.
    pub fn identity(&self, record_id: &str) -> String {
        let kind = self.change_type.name();
        match (&self.transaction_key, self.sequence_number) {
            (Some(key), Some(sequence)) => format!("{key}:{sequence}:{kind}:{record_id}"),
            _ => {
                let body = json!([
                    self.entity,
                    kind,
                    self.set,
                    self.cleared,
                    self.carried,
                    self.transaction_key,
                    self.commit_timestamp_ms,
                    self.commit_number,
                    // What says nothing of when it happened is told apart by when it was written.
                    self.commit_timestamp_ms.is_none().then_some(self.recorded_at_ms),
                ]);
                format!("{:016x}:{kind}:{record_id}", hash(&body.to_string()))
            }
        }
    }

    /// What was understood, for people.
    pub fn explain(&self) -> Value {
        json!({
            "entity": self.entity,
            "record_ids": self.record_ids,
            "change_type": self.change_type.name(),
            "set": self.set,
            "cleared": self.cleared,
            "transaction_key": self.transaction_key,
            "sequence_number": self.sequence_number,
            "commit_timestamp_ms": self.commit_timestamp_ms,
            "commit_number": self.commit_number,
        })
    }

    /// As it is written between the two stages.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = self.explain();
        if let Value::Object(map) = &mut value {
            map.insert("carried".to_owned(), json!(self.carried));
            map.insert("diffs".to_owned(), json!(self.diffs));
            map.insert("is_image".to_owned(), json!(self.is_image));
            map.insert("commit_user".to_owned(), json!(self.commit_user));
            map.insert("offset".to_owned(), json!(self.offset));
            map.insert("recorded_at_ms".to_owned(), json!(self.recorded_at_ms));
        }
        value.to_string().into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Change> {
        let value = crate::codec::json::parse(bytes)?;
        let fault = |name: &str| Error::new(reason::JSON_TYPE, name, "is no change of ours");
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| value.get(name).and_then(Value::as_i64);
        let texts = |name: &str| -> Vec<String> {
            let items = value.get(name).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let map = |name: &str| -> BTreeMap<String, Value> {
            let map: Option<&Map<String, Value>> = value.get(name).and_then(Value::as_object);
            map.into_iter().flatten().map(|(name, it)| (name.clone(), it.clone())).collect()
        };
        let kind = text("change_type").and_then(|name| ChangeType::named(&name));
        Ok(Change {
            entity: text("entity").ok_or_else(|| fault("entity"))?,
            record_ids: texts("record_ids"),
            change_type: kind.ok_or_else(|| fault("change_type"))?,
            set: map("set"),
            cleared: texts("cleared").into_iter().collect(),
            carried: map("carried"),
            diffs: map("diffs")
                .into_iter()
                .filter_map(|(name, diff)| Some((name, diff.as_str()?.to_owned())))
                .collect(),
            is_image: value.get("is_image").and_then(Value::as_bool).unwrap_or(false),
            transaction_key: text("transaction_key"),
            sequence_number: number("sequence_number"),
            commit_timestamp_ms: number("commit_timestamp_ms"),
            commit_number: number("commit_number"),
            commit_user: text("commit_user"),
            offset: number("offset").unwrap_or(0),
            recorded_at_ms: number("recorded_at_ms").unwrap_or(0),
        })
    }
}

pub(super) fn hash(text: &str) -> u64 {
    use crate::domain::hash;
    hash::sip64(hash::FIXED, text.as_bytes()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_between_the_stages_is_read_back() {
        let mut change = Change::new("Lead".to_owned(), ChangeType::Update);
        change.record_ids = vec!["00Q000000000001AAA".to_owned()];
        change.set.insert("Address.City".to_owned(), json!("Ulm"));
        change.cleared.insert("Phone".to_owned());
        change.carried.insert("OwnerId".to_owned(), Value::Null);
        change.diffs.insert("Description".to_owned(), "--- \n+++ 0a".to_owned());
        change.is_image = true;
        change.transaction_key = Some("t".to_owned());
        change.sequence_number = Some(2);
        change.commit_timestamp_ms = Some(7);
        change.commit_number = Some(i64::MAX);
        change.offset = 3;
        change.recorded_at_ms = 9;
        assert_eq!(Change::decode(&change.encode()), Ok(change));
    }

    #[test]
    fn in_one_transaction_the_sequence_counts_else_time_then_number() {
        let stamp = |at, number, sequence, transaction| Stamp { at, number, sequence, transaction };
        assert!(stamp(1_000, 1, 2, 7).is_after(&stamp(2_000, 1, 1, 7)));
        assert!(stamp(2_000, 1, 1, 7).is_after(&stamp(1_000, 9, 9, 8)));
        assert!(stamp(1_000, 2, 1, 7).is_after(&stamp(1_000, 1, 5, 8)));
        assert!(!stamp(1_000, 2, 1, 7).is_after(&stamp(1_000, 2, 1, 7)));
    }
}
