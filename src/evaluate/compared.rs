//! The leads that a backtest compares.

use std::panic::resume_unwind;
use std::thread;

use super::estimate::Trial;
use super::ledger::{Ledger, Row};

/// The leads that both policies gave to a rep, in the order of the ledger.
pub(super) struct Compared<'l> {
    rows: Vec<&'l Row>,
    pub(super) trials: Vec<Trial>,
}

impl<'l> Compared<'l> {
    pub(super) fn all(ledger: &'l Ledger, base: f64) -> Compared<'l> {
        let of = |rows: &'l [Row]| -> (Vec<&'l Row>, Vec<Trial>) {
            rows.iter().filter_map(|row| Some((row, ledger.trial(row, base)?))).unzip()
        };
        let (first, second) = ledger.rows.split_at(ledger.rows.len() / 2);
        let (mut rows, mut trials, more) = thread::scope(|scope| {
            let second = scope.spawn(|| of(second));
            let (rows, trials) = of(first);
            (rows, trials, second.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        rows.extend(more.0);
        trials.extend(more.1);
        Compared { rows, trials }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Row, &Trial)> {
        self.rows.iter().copied().zip(&self.trials)
    }
}
