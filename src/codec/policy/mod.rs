//! The routing policy as text: TOML to [`Policy`], every fault at once, each with its line.
//!
//! A missing section or key takes its default; a key that nobody knows is a fault, with the nearest
//! known name. `docs/policy.md` lists all sections and keys with their defaults.

mod accounts;
mod reader;
mod sections;
mod sla;

#[cfg(test)]
mod tests;

use std::fmt;

use self::reader::Reader;
use crate::domain::policy::Policy;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// From 1.
    pub line: usize,
    /// The path of the key: `sla.hot.steps[1].at`.
    pub key: String,
    pub expected: String,
    pub found: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyFault { line, key, expected, found } = self;
        write!(f, "line {line}: {key}: expected {expected}, found {found}")
    }
}

/// Reads a policy. All faults are told at once, in the order of their lines.
pub fn parse(text: &str) -> Result<Policy, Vec<PolicyFault>> {
    let reader = Reader::new(text);
    let policy = reader.root().map(|root| sections::read(&root));
    let mut faults = reader.into_faults();
    faults.sort_by_key(|fault| fault.line);
    match policy {
        Some(policy) if faults.is_empty() => Ok(policy),
        _ => Err(faults),
    }
}
