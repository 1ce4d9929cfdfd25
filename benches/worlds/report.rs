//! What is printed: one line a regime and method, averages over the seeds.

use crate::run::Outcome;

pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) seed: u64,
    /// Expected wins of rotation and of the clairvoyant, whole run and second half.
    pub(crate) bounds: [[f64; 2]; 2],
    pub(crate) outcome: Outcome,
}

impl Row {
    fn share(&self, part: usize) -> f64 {
        let [rotation, best] = [self.bounds[0][part], self.bounds[1][part]];
        (self.outcome.wins[part] - rotation) / (best - rotation)
    }
}

/// The columns: share of the clairvoyant's gain (with its standard error) in the whole run and in the
/// second half, win rate, calibration error (mean, worst), intervals that hold the truth (all candidates,
/// the chosen), busiest rep in fair shares, reps under half of theirs (mean a world).
pub(crate) fn heading() -> String {
    format!(
        "{:<13}{:<15}{:>6}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>9}{:>9}",
        "regime",
        "method",
        "seeds",
        "share",
        "±",
        "2nd half",
        "rate",
        "ECE",
        "worst",
        "cover",
        "chosen",
        "busiest",
        "starved"
    )
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

pub(crate) fn line(regime: &str, rows: &[&Row], seed: Option<u64>) -> String {
    let count = rows.len() as f64;
    let share = |part: usize| mean(rows.iter().map(|row| row.share(part)));
    let spread = mean(rows.iter().map(|row| (row.share(0) - share(0)) * (row.share(0) - share(0))));
    let error = (spread / (count - 1.0)).sqrt();
    let wins: f64 = rows.iter().map(|row| row.outcome.wins[0]).sum();
    let leads: usize = rows.iter().map(|row| row.outcome.leads[0]).sum();
    let errors = || rows.iter().filter_map(|row| row.outcome.calibration_error());
    let held = |of: fn(&Outcome) -> [u64; 2]| {
        let [count, held] = rows
            .iter()
            .map(|row| of(&row.outcome))
            .fold([0, 0], |sum, own| [sum[0] + own[0], sum[1] + own[1]]);
        held as f64 / count as f64
    };
    let number = |value: f64, digits: usize| match value.is_finite() {
        true => format!("{value:.digits$}"),
        false => "-".to_owned(),
    };
    // Without differences there is nothing to gain.
    let differ = |value: f64| if regime == "none" { f64::NAN } else { value };
    format!(
        "{:<13}{:<15}{:>6}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>9}{:>9}",
        regime,
        rows[0].method,
        seed.map_or(rows.len().to_string(), |seed| format!("#{seed}")),
        number(differ(share(0)), 3),
        number(differ(error), 3),
        number(differ(share(1)), 3),
        number(wins / leads as f64, 4),
        number(mean(errors()), 4),
        number(errors().fold(f64::NAN, f64::max), 4),
        number(held(|outcome| outcome.intervals), 3),
        number(held(|outcome| outcome.chosen_intervals), 3),
        number(mean(rows.iter().map(|row| row.outcome.busiest)), 2),
        number(mean(rows.iter().map(|row| row.outcome.starved as f64)), 2),
    )
}
