//! Lines that cannot be used.

use super::report::Read;

/// Faults that are told in full.
const TOLD: usize = 5;

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: u64,
    pub why: String,
}

/// How many there are, and why the first of them cannot be used.
#[derive(Debug, Default)]
pub struct Unusable {
    lines: u64,
    faults: Vec<String>,
}

impl Unusable {
    pub fn note(&mut self, fault: &Fault) {
        self.lines += 1;
        if self.faults.len() < TOLD {
            self.faults.push(format!("line {}: {}", fault.line, fault.why));
        }
    }

    pub fn tell(&self, read: &mut Read) {
        read.unusable += self.lines;
        read.faults.extend(self.faults.iter().cloned());
    }
}
