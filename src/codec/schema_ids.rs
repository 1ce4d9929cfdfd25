//! The schemas that a registry knows, by its id or GUID, as far as they were fetched.
//!
//! What a name means never changes, so what was fetched stays. What a registry does not know is kept for a
//! while and then asked for again: its producer may have registered it meanwhile. Whoever reads asks
//! `waits` first: while an answer is under way the record stays where it is, and nothing is decided by
//! what a registry failed to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{Error, Result, reason};
use super::schema::Writer;

/// How data name their schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaRef {
    Id(u32),
    Guid([u8; 16]),
}

/// Registries number their schemas with a signed integer.
const MAX_ID: u32 = i32::MAX as u32;
/// Names that no registry knows are kept so far; then the oldest numbers go.
const MOST_ABSENT: usize = 1_000;

impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaRef::Id(id) => write!(f, "{id}"),
            SchemaRef::Guid(bytes) => {
                for (at, byte) in bytes.iter().enumerate() {
                    let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// What is made of a schema's text, once.
pub trait FromSchema: Sized {
    fn from_schema(text: &str) -> Result<Self>;
}

impl FromSchema for Writer {
    fn from_schema(text: &str) -> Result<Writer> {
        Writer::parse(text)
    }
}

#[derive(Debug)]
struct Table<W> {
    known: BTreeMap<SchemaRef, Result<Arc<W>>>,
    /// Asked for, and no registry knows them.
    absent: BTreeSet<SchemaRef>,
    /// Somebody waits for these.
    wanted: BTreeSet<SchemaRef>,
    /// A registry answers what is wanted.
    served: bool,
}

/// The table. Cheap to clone: all clones share it.
#[derive(Debug)]
pub struct Schemas<W> {
    table: Arc<(Mutex<Table<W>>, Condvar)>,
}

/// Those of the events that the router reads.
pub type SchemaIds = Schemas<Writer>;

impl<W> Clone for Schemas<W> {
    fn clone(&self) -> Schemas<W> {
        Schemas { table: Arc::clone(&self.table) }
    }
}

impl<W> Default for Schemas<W> {
    fn default() -> Schemas<W> {
        let (known, absent, wanted) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let table = Table { known, absent, wanted, served: false };
        Schemas { table: Arc::new((Mutex::new(table), Condvar::new())) }
    }
}

/// A table as whoever asks the registry sees it.
pub trait Wants: Send + Sync {
    /// From now on somebody answers what is `wanted`, so readers wait for it.
    fn serve(&self);
    /// What is wanted, once there is something or `most` has passed.
    fn wanted(&self, most: Duration) -> Vec<SchemaRef>;
    /// What the registry said a name means; it may turn out to be unfit, and why.
    fn settle(&self, schema: SchemaRef, text: &str) -> Result<()>;
    /// What a name means is unfit for good: no Avro, or too large to look at.
    fn refuse(&self, schema: SchemaRef, why: Error);
    /// No registry knows this name; readers take that for an answer until `forget`.
    fn absent(&self, schema: SchemaRef);
    /// Whoever needs the name again asks again.
    fn forget(&self, schema: SchemaRef);
}

impl<W: FromSchema + Send + Sync> Wants for Schemas<W> {
    fn serve(&self) {
        self.table().served = true;
    }

    fn wanted(&self, most: Duration) -> Vec<SchemaRef> {
        let table = self.table();
        let waited = self.table.1.wait_timeout_while(table, most, |table| table.wanted.is_empty());
        let (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        table.wanted.iter().copied().collect()
    }

    fn settle(&self, schema: SchemaRef, text: &str) -> Result<()> {
        let writer = W::from_schema(text).map(Arc::new);
        let told = writer.as_ref().map(|_| ()).map_err(Clone::clone);
        self.keep(schema, writer);
        told
    }

    fn refuse(&self, schema: SchemaRef, why: Error) {
        self.keep(schema, Err(why));
    }

    fn absent(&self, schema: SchemaRef) {
        let mut table = self.table();
        table.wanted.remove(&schema);
        if table.absent.len() >= MOST_ABSENT {
            table.absent.pop_first();
        }
        table.absent.insert(schema);
    }

    fn forget(&self, schema: SchemaRef) {
        self.table().absent.remove(&schema);
    }
}

impl<W> Schemas<W> {
    fn table(&self) -> MutexGuard<'_, Table<W>> {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, schema: SchemaRef, writer: Result<Arc<W>>) {
        let mut table = self.table();
        table.wanted.remove(&schema);
        table.absent.remove(&schema);
        table.known.insert(schema, writer);
    }

    /// Whether the answer for this name is under way: not now, come again. Asks for it.
    pub fn waits(&self, schema: SchemaRef) -> bool {
        let mut table = self.table();
        let known = table.known.contains_key(&schema) || table.absent.contains(&schema);
        if !table.served || known || !is_number(schema) {
            return false;
        }
        if table.wanted.insert(schema) {
            self.table.1.notify_all();
        }
        true
    }

    /// What a name means, as far as it is known.
    pub fn get(&self, schema: SchemaRef) -> Result<Arc<W>> {
        let table = self.table();
        table.known.get(&schema).cloned().unwrap_or_else(|| {
            let remedy = format!("schema {schema} needs a registry: set registry.url");
            let (reason, detail) = match (table.served, schema) {
                (true, _) => {
                    (reason::SCHEMA_UNKNOWN, format!("no registry knows the schema {schema}"))
                }
                (false, SchemaRef::Id(_)) => (reason::SCHEMA_UNKNOWN, remedy),
                (false, SchemaRef::Guid(_)) => (reason::FRAME_GUID_UNSUPPORTED, remedy),
            };
            Err(Error::new(reason, "value", detail))
        })
    }
}

fn is_number(schema: SchemaRef) -> bool {
    !matches!(schema, SchemaRef::Id(id) if id > MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::schema::Record;

    const SEVEN: SchemaRef = SchemaRef::Id(7);

    #[test]
    fn without_a_registry_nobody_waits() {
        let ids = SchemaIds::default();
        assert!(!ids.waits(SEVEN));
        assert_eq!(ids.get(SEVEN).expect_err("unknown").reason, "schema.unknown");
    }

    #[test]
    fn readers_wait_until_there_is_an_answer() {
        let ids = SchemaIds::default();
        ids.serve();
        assert!(ids.waits(SEVEN));
        assert_eq!(ids.wanted(Duration::ZERO), [SEVEN]);
        assert_eq!(ids.settle(SEVEN, Record::Rep.embedded().text), Ok(()));
        assert!(!ids.waits(SEVEN));
        assert_eq!(ids.wanted(Duration::ZERO), []);
        assert_eq!(ids.get(SEVEN).expect("known").record, Record::Rep);
    }

    #[test]
    fn what_is_absent_is_asked_for_again_after_it_was_forgotten() {
        let ids = SchemaIds::default();
        ids.serve();
        assert!(ids.waits(SEVEN));
        ids.absent(SEVEN);
        assert!(!ids.waits(SEVEN));
        assert_eq!(ids.get(SEVEN).expect_err("absent").reason, "schema.unknown");
        ids.forget(SEVEN);
        assert!(ids.waits(SEVEN));
        // A number below zero is nobody's id: there is nothing to ask.
        assert!(!ids.waits(SchemaRef::Id(u32::MAX)));
    }

    #[test]
    fn guids_are_written_as_people_know_them() {
        let guid = SchemaRef::Guid(*b"\x01\x23\x45\x67\x89\xab\xcd\xef0123abcd");
        assert_eq!(guid.to_string(), "01234567-89ab-cdef-3031-323361626364");
    }
}
