//! Our schemas, embedded: the contract that other teams build on.

use std::sync::LazyLock;

use apache_avro::Schema;
use serde_json::Value;

use super::avro::{Plan, canonical};
use super::error::{Error, Result, reason};
use super::json;
use crate::domain::input::Topic;

/// The records of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    Lead,
    LeadUpdated,
    LeadActivity,
    OpportunityClosed,
    Territory,
    Rep,
    Account,
    Policy,
    LeadAssigned,
    SlaBreached,
}

/// A schema with what is made of it once.
#[derive(Debug)]
pub struct Embedded {
    pub record: Record,
    /// The file as it is released.
    pub text: &'static str,
    /// CRC-64-AVRO of the specification's canonical form.
    pub fingerprint: u64,
    schema: Schema,
    plan: Plan,
}

/// What is in the namespace of every record.
const NAMESPACE: &str = "io.leadrouter.v1";

macro_rules! embedded {
    ($($record:ident),* $(,)?) => {
        impl Record {
            pub const ALL: [Record; 10] = [$(Record::$record),*];

            /// The name of the record, without its namespace.
            pub fn name(self) -> &'static str {
                match self { $(Record::$record => stringify!($record)),* }
            }
        }

        static EMBEDDED: LazyLock<Vec<Embedded>> = LazyLock::new(|| {
            vec![$(embed(
                Record::$record,
                include_str!(concat!("../../schemas/", stringify!($record), ".avsc")),
            )),*]
        });
    };
}

embedded!(
    Lead,
    LeadUpdated,
    LeadActivity,
    OpportunityClosed,
    Territory,
    Rep,
    Account,
    Policy,
    LeadAssigned,
    SlaBreached,
);

#[expect(
    clippy::expect_used,
    reason = "the schemas are part of the program; a test reads them all"
)]
fn embed(record: Record, text: &'static str) -> Embedded {
    let value = json::parse(text.as_bytes()).expect("an embedded schema is JSON");
    let schema = Schema::parse(&value).expect("an embedded schema is Avro");
    let plan = Plan::of(&schema).expect("an embedded schema can be read");
    Embedded { record, text, fingerprint: canonical::fingerprint(&value), schema, plan }
}

impl Record {
    /// The record that a topic in carries.
    pub fn of(topic: Topic) -> Record {
        match topic {
            Topic::LeadCreated | Topic::LeadCreatedFast => Record::Lead,
            Topic::LeadUpdated => Record::LeadUpdated,
            Topic::LeadActivity => Record::LeadActivity,
            Topic::OpportunityClosed => Record::OpportunityClosed,
            Topic::TerritoryChanged => Record::Territory,
            Topic::RepChanged => Record::Rep,
            Topic::AccountChanged => Record::Account,
            Topic::PolicyChanged => Record::Policy,
        }
    }

    pub fn embedded(self) -> &'static Embedded {
        #[expect(
            clippy::indexing_slicing,
            reason = "one for each record, in the order of the enum"
        )]
        &EMBEDDED[self as usize]
    }

    /// The record of an embedded schema by its fingerprint.
    pub fn by_fingerprint(fingerprint: u64) -> Option<&'static Embedded> {
        EMBEDDED.iter().find(|embedded| embedded.fingerprint == fingerprint)
    }

    pub fn full_name(self) -> String {
        format!("{NAMESPACE}.{}", self.name())
    }
}

impl Embedded {
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Whether a text is an Avro schema that data could be read with.
pub fn is_avro(text: &str) -> bool {
    let schema = json::parse(text.as_bytes()).ok().and_then(|value| Schema::parse(&value).ok());
    schema.is_some_and(|schema| Plan::of(&schema).is_ok())
}

/// A schema that data were written with, read as ours.
#[derive(Clone, Debug)]
pub struct Writer {
    pub record: Record,
    pub plan: Plan,
    /// Its data are those of the embedded schema, scales and units included.
    pub is_ours: bool,
}

/// A schema text longer than this is not looked at.
const MAX_SCHEMA_BYTES: usize = 1 << 20;

impl Writer {
    /// Compiles a writer's schema against ours of the same name. A fault is final for this schema: it is
    /// no Avro, of another record, recursive, or cannot be read as ours.
    pub fn parse(text: &str) -> Result<Writer> {
        let refuse = |detail: &str| Error::new(reason::SCHEMA_INVALID, "schema", detail);
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(refuse("is larger than 1 MiB"));
        }
        let value: Value = json::parse(text.as_bytes()).map_err(|_| refuse("is no JSON"))?;
        let writer = Schema::parse(&value).map_err(|_| refuse("is no Avro schema"))?;
        let name = writer.name().map(|name| name.fullname(None)).unwrap_or_default();
        let Some(record) = Record::ALL.into_iter().find(|record| record.full_name() == name) else {
            let detail = "is of another record";
            return Err(Error::new(reason::SCHEMA_UNEXPECTED_NAME, "schema", detail));
        };
        let reader = &record.embedded().schema;
        // Compiled first: it refuses what is recursive, which judging compatibility would not survive.
        let plan = Plan::resolve(&writer, reader)?;
        if apache_avro::schema_compatibility::SchemaCompatibility::can_read(&writer, reader)
            .is_err()
        {
            return Err(refuse("cannot be read as ours"));
        }
        let is_ours = plan == *record.embedded().plan();
        Ok(Writer { record, plan, is_ours })
    }
}
