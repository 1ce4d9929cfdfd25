//! What could not be read, by kind: an export has the same trouble in a thousand rows.

use std::collections::BTreeMap;

/// Kinds that are told.
const TOLD: usize = 10;

/// How often each kind came, and the line of the first.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<String, (u64, u64)>);

impl Tally {
    pub(super) fn note(&mut self, kind: String, line: u64) {
        self.0.entry(kind).or_insert((0, line)).0 += 1;
    }

    /// The kinds that came most often first.
    pub(super) fn told(&self) -> Vec<String> {
        let mut kinds: Vec<(&String, &(u64, u64))> = self.0.iter().collect();
        kinds.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.1.1.cmp(&b.1.1)));
        let more = kinds.len().saturating_sub(TOLD);
        let tell = |(kind, (rows, line)): &(&String, &(u64, u64))| match rows {
            1 => format!("line {line}: {kind}"),
            rows => format!("{rows} rows, the first in line {line}: {kind}"),
        };
        let told = kinds.iter().take(TOLD).map(tell);
        told.chain((more > 0).then(|| format!("… and {more} more kinds"))).collect()
    }
}
