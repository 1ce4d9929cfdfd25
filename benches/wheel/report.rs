//! Ratios, their spread, and whether the goals hold.

use crate::rounds::{COLUMNS, Figures};

/// What our figures are to be better by than tokio-util's DelayQueue at ten million timers; zero = no
/// goal.
const GOALS: [f64; 7] = [5.0, 35.0, 11.0, 8.0, 6.0, 0.0, 600.0];

/// The other's figure over ours, round by round.
fn ratios(ours: &[Figures], other: &[Figures], column: usize) -> Vec<f64> {
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(other)
        .map(|(ours, other)| other[column] / ours[column].max(f64::MIN_POSITIVE))
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

fn short(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.2}"),
    }
}

pub(crate) fn print(timers: u64, names: &[&str], all: &[Vec<Figures>]) {
    let ours = &all[0];
    println!(
        "\n{timers} timers, {} rounds: the other's figure over ours, median (least - most)",
        ours.len()
    );
    print!("{:<30}", "");
    COLUMNS.iter().for_each(|column| print!("{column:>22}"));
    println!();
    for (name, other) in names.iter().zip(all).skip(1) {
        print!("{name:<30}");
        for column in 0..COLUMNS.len() {
            let ratios = ratios(ours, other, column);
            let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
            let median = short(ratios[ratios.len() / 2]);
            print!("{:>22}", format!("{median} ({} - {})", short(least), short(most)));
        }
        println!();
    }
    println!();
    for (column, name) in COLUMNS.iter().enumerate() {
        let median = |other: &Vec<Figures>| {
            let ratios = ratios(ours, other, column);
            ratios[ratios.len() / 2]
        };
        let best = names.iter().zip(all).skip(1).min_by(|a, b| median(a.1).total_cmp(&median(b.1)));
        if let Some((best, figures)) = best {
            println!("{name:<8} best of the others: {best}, {}x ours", short(median(figures)));
        }
        let queue = names.iter().position(|name| name.contains("DelayQueue"));
        if let Some(queue) = queue.filter(|_| GOALS[column] > 0.0) {
            let (ratio, goal) = (median(&all[queue]), GOALS[column]);
            let verdict = if ratio >= goal { "holds" } else { "MISSED" };
            println!("         goal against DelayQueue: {goal}x, is {}x: {verdict}", short(ratio));
        }
    }
}
