//! Why a record is poison: a reason of the closed list, the field, and a sentence for a person.

use std::fmt;

use thiserror::Error as ThisError;

macro_rules! reasons {
    ($($constant:ident $name:literal),* $(,)?) => {
        $(pub const $constant: &str = $name;)*

        /// Every reason, for metrics and documents.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

/// The closed list. The value of the header `dlq.reason` is always one of these.
pub mod reason {
    reasons!(
        JSON_SYNTAX "json.syntax",
        JSON_UNKNOWN_FIELD "json.unknown_field",
        JSON_TYPE "json.type",
        JSON_ENUM "json.enum",
        TOPIC_UNKNOWN "topic.unknown",
        KEY_MISSING "key.missing",
        KEY_PARTITION "key.partition",
        VALUE_NULL "value.null",
        VALUE_RANGE "value.range",
        FIELD_MISSING "field.missing",
        ID_INVALID "id.invalid",
        TIMESTAMP_RANGE "timestamp_range",
        AMOUNT_RANGE "amount_range",
        ENUM_UNKNOWN "enum.unknown",
        TIME_ZONE_UNKNOWN "time_zone.unknown",
        TERRITORY_FIELD "territory.field",
        TERRITORY_RANGE "territory.range",
        TERRITORY_CYCLE "territory.cycle",
        POLICY_INVALID "policy.invalid",
        POLICY_SHA256 "policy.sha256",
        /* bytes, before there are fields */
        FRAME_TOO_SHORT "frame.too_short",
        FRAME_MAGIC "frame.magic",
        FRAME_GUID_UNSUPPORTED "frame.guid_unsupported",
        SCHEMA_UNKNOWN "schema.unknown",
        SCHEMA_UNEXPECTED_NAME "schema.unexpected_name",
        SCHEMA_INVALID "schema.invalid",
        AVRO_TRUNCATED "avro.truncated",
        AVRO_TRAILING "avro.trailing",
        AVRO_INVALID "avro.invalid",
        /* Salesforce's change events, before they are ours */
        SHAPE_UNKNOWN "shape.unknown",
        BITMAP_INVALID "bitmap.invalid",
        /* our own fault, caught */
        PROCESSOR_PANIC "processor_panic",
    );
}

/// A record that no input can be made of.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub struct Error {
    /// From [`reason`].
    pub reason: &'static str,
    /// Where, as a path: `changes.country`, `rules[0].all[1].op`; `value`, `key` or `topic` for the whole.
    pub field: String,
    /// What is wrong and what is expected; never a value of the payload.
    pub detail: String,
}

impl Error {
    pub fn new(reason: &'static str, field: impl Into<String>, detail: impl Into<String>) -> Error {
        Error { reason, field: field.into(), detail: detail.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.reason, self.field, self.detail)
    }
}

pub type Result<T> = std::result::Result<T, Error>;
