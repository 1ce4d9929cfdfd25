//! What amounts teach: ratios between reps and between segments, whatever the currency and whatever comes.

use super::*;
use crate::domain::hash;
use crate::domain::win_rate::{Deal, Prospect, Segment, learn, unlearn};

const DAY: i64 = 86_400_000;
const START: i64 = 1_700_000_000_000;

/// Draws that repeat.
struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 += 1 << 8;
        hash::unit(hash::sip64(hash::FIXED, &self.0.to_le_bytes()))
    }

    /// Near enough to a standard normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[derive(Default)]
struct Team {
    shared: Block,
    reps: [Block; 3],
    deals: i64,
}

fn segment(size: &str) -> Segment {
    Segment { levels: vec![format!("size={size}"), "source=web".to_owned()] }
}

impl Team {
    fn won(&mut self, rep: usize, size: &str, amount: Cents, currency: &str) -> Observation {
        self.deals += 1;
        let segment = segment(size);
        let closed_at = Timestamp(START + self.deals * DAY / 4);
        let deal = Deal { segment: &segment, won: true, closed_at, age: None, tenure: None };
        let mut observation = learn(&mut self.shared, &mut self.reps[rep], &deal);
        let (shared, own) = (&mut self.shared, &mut self.reps[rep]);
        learn_amount(shared, own, &mut observation, amount, Some(currency));
        assert!(self.shared.is_sound() && self.reps[rep].is_sound());
        observation
    }

    fn worth(&self, rep: usize, size: &str) -> f64 {
        let segment = segment(size);
        let worth = Prospect::new(Some(&self.shared), &segment).worth(Some(&self.reps[rep]));
        assert!((0.0..=1.0).contains(&worth.moved), "{worth:?}");
        worth.expected
    }

    fn amounts(&self) -> &Amounts {
        &self.shared.shared().expect("it has learned").amounts
    }
}

fn euros(amount: f64) -> Cents {
    (amount * 100.0) as Cents
}

#[test]
fn a_rep_with_three_times_the_amount_counts_as_much_more() {
    let (mut team, mut draws) = (Team::default(), Draws(1));
    for deal in 0..400 {
        let rep = deal % 2;
        let amount = 9_000.0 * [1.0, 3.0][rep] * libm::exp(0.6 * draws.normal());
        team.won(rep, "small", euros(amount), "EUR");
    }
    let ratio = team.worth(1, "small") / team.worth(0, "small");
    assert!((2.4..3.4).contains(&ratio), "{ratio}");
    assert!(team.amounts().factor > 10.0, "{:?}", team.amounts());
    // Of a rep of whom nothing is known: the usual.
    assert!((0.6..1.7).contains(&team.worth(2, "small")), "{}", team.worth(2, "small"));
}

#[test]
fn large_deals_are_the_segments_and_not_the_reps_who_have_them() {
    for (deals, slack, bias) in [(100, 1.5, 0.15), (1_200, 1.15, 0.05)] {
        let mut mean = 0.0;
        for seed in 0..8 {
            let (mut team, mut draws) = (Team::default(), Draws(seed));
            for _ in 0..deals {
                let rep = usize::from(draws.unit() < 0.5);
                let is_large = draws.unit() < [0.8, 0.2][rep];
                let (size, usual) = if is_large { ("large", 60_000.0) } else { ("small", 6_000.0) };
                team.won(rep, size, euros(usual * libm::exp(0.7 * draws.normal())), "EUR");
            }
            let reps = team.worth(0, "large") / team.worth(1, "large");
            assert!((1.0 / slack..slack).contains(&reps), "{deals} deals: {reps}");
            mean += libm::log(reps) / 8.0;
            let sizes = team.worth(0, "large") / team.worth(0, "small");
            assert!((5.0..14.0).contains(&sizes), "{deals} deals: {sizes}");
        }
        assert!(mean.abs() < bias, "{deals} deals: {mean}");
    }
}

#[test]
fn reps_who_do_not_differ_are_not_told_apart() {
    let (mut team, mut draws) = (Team::default(), Draws(3));
    for deal in 0..900 {
        team.won(deal % 3, "small", euros(5_000.0 * libm::exp(draws.normal())), "EUR");
    }
    let all = [0, 1, 2].map(|rep| team.worth(rep, "small"));
    let spread = all.iter().copied().fold(0.0, f64::max) / all.iter().copied().fold(9.0, f64::min);
    assert!(spread < 1.12, "{all:?}");
    assert!(team.amounts().factor < 2.0 && team.amounts().between() < 0.1, "{:?}", team.amounts());
}

#[test]
fn currencies_are_never_compared() {
    let (mut team, mut draws) = (Team::default(), Draws(4));
    for deal in 0..600 {
        // The same deals, of one rep in yen.
        let amount = 8_000.0 * libm::exp(0.5 * draws.normal());
        let (amount, currency) =
            if deal % 2 == 0 { (amount, "EUR") } else { (amount * 160.0, " jpy") };
        team.won(deal % 2, "small", euros(amount), currency);
    }
    let ratio = team.worth(1, "small") / team.worth(0, "small");
    assert!((0.85..1.18).contains(&ratio), "{ratio}");
    let known: Vec<u32> = team.amounts().usual.iter().map(|usual| usual.currency).collect();
    assert_eq!(known, [code(Some("EUR")), code(Some("JPY"))]);
    assert_eq!([code(None), code(Some("€")), code(Some("euros"))], [0, 0, 0]);
    // Bounded: currency after currency, each with its first amounts.
    for number in 0..200_u32 {
        let letter = |by: u32| char::from(b'A' + (number / by % 26) as u8);
        let observation = team.won(0, "small", 100, &format!("Z{}{}", letter(26), letter(1)));
        assert_eq!(observation.amount.is_some(), number < 14, "{number}");
    }
    assert_eq!(team.amounts().usual.len(), CURRENCIES_MAX);
}

#[test]
fn an_amount_is_taken_back() {
    let (mut team, mut draws) = (Team::default(), Draws(5));
    for deal in 0..300 {
        team.won(deal % 3, "small", euros(4_000.0 * libm::exp(draws.normal())), "EUR");
    }
    let worths = |team: &Team| [0, 1, 2].map(|rep| team.worth(rep, "small"));
    let (before, told) = (worths(&team), team.amounts().clone());
    // Not of a new day: forgetting is not taken back.
    team.deals -= 1;
    let observation = team.won(1, "small", euros(90_000.0), "EUR");
    assert!(worths(&team)[1] > before[1] * 1.01);
    unlearn(&mut team.shared, &mut team.reps[1], &observation);
    let (now, was) = (team.amounts(), &told);
    let pairs = now.levels.iter().zip(&was.levels);
    for (now, was) in pairs.chain([(&now.usual[0].told, &was.usual[0].told)]) {
        assert!((now.sum - was.sum).abs() < 1e-9 && (now.weight - was.weight).abs() < 1e-9);
    }
    // The noise remembers that it was surprised, and with it how much reps may differ.
    let after = worths(&team);
    assert!(after.iter().zip(&before).all(|(a, b)| (a / b - 1.0).abs() < 0.03), "{after:?}");
    // Again and again, far beyond what there was.
    for _ in 0..2_000 {
        unlearn_amount(&mut team.shared, &mut team.reps[1], &observation);
        assert!(team.shared.is_sound() && team.reps[1].is_sound());
    }
    assert!(worths(&team).iter().all(|worth| (0.01..=100.0).contains(worth)));
}

#[test]
fn absurd_amounts_stay_within_bounds_and_a_few_change_little() {
    let (mut team, mut draws) = (Team::default(), Draws(6));
    // The first of all are absurd.
    for amount in [i64::MAX, 1, i64::MAX] {
        team.won(0, "small", amount, "EUR");
    }
    for deal in 0..300 {
        let amount = euros(7_000.0 * libm::exp(0.5 * draws.normal()));
        team.won(deal % 3, "small", if deal % 40 == 39 { i64::MAX } else { amount }, "EUR");
    }
    let usual = &team.amounts().usual[0];
    let usual = libm::exp(usual.centre + usual.told.belief(LEVEL).0);
    assert!((3_500.0..14_000.0).contains(&usual), "{usual}");
    for amount in [0, -1, i64::MIN] {
        let (was, rep) = (team.amounts().clone(), team.reps[0].rep().unwrap().amount.clone());
        let observation = team.won(0, "small", amount, "EUR");
        assert_eq!(observation.amount, None);
        assert!(*team.amounts() == was && team.reps[0].rep().unwrap().amount == rep);
    }
    for deal in 0..3_000 {
        let amount = [1, i64::MAX, 100, 99_999_999_999][(draws.unit() * 4.0) as usize];
        let observation = team.won(deal % 3, &format!("s{}", deal % 70), amount, "EUR");
        if deal % 5 == 0 {
            unlearn(&mut team.shared, &mut team.reps[deal % 3], &observation);
        }
        let worth = team.worth(deal % 3, "small");
        assert!((0.01..=100.0).contains(&worth), "{worth}");
    }
}

#[test]
fn a_restore_in_mid_flight_changes_nothing() {
    let (mut one, mut draws) = (Team::default(), Draws(7));
    let mut other = Team::default();
    for deal in 0..220 {
        let amount = euros(3_000.0 * libm::exp(2.0 * draws.normal()));
        let (rep, size) = (deal % 3, if draws.unit() < 0.3 { "large" } else { "small" });
        let currency = ["EUR", "USD", "x"][(draws.unit() * 3.0) as usize];
        let observation = one.won(rep, size, amount, currency);
        assert_eq!(other.won(rep, size, amount, currency), observation);
        if deal % 7 == 0 {
            unlearn(&mut one.shared, &mut one.reps[rep], &observation);
            unlearn(&mut other.shared, &mut other.reps[rep], &observation);
        }
        (one.deals, other.deals) = (one.deals + deal as i64 % 9, other.deals + deal as i64 % 9);
        other.shared = Block::restore(&other.shared.image()).expect("our own image");
        other.reps = other.reps.map(|rep| Block::restore(&rep.image()).expect("our own image"));
        assert!(one.shared == other.shared && one.reps == other.reps, "deal {deal}");
    }
    let whole = one.shared.image();
    for cut in 0..whole.head.numbers.len() {
        let mut image = whole.clone();
        image.head.numbers.truncate(cut);
        assert!(Block::restore(&image).is_none(), "{cut}");
    }
}

#[test]
fn whatever_the_dates_numbers_stay_finite() {
    let mut draws = Draws(8);
    let (mut shared, mut rep) = (Block::default(), Block::default());
    for step in 0..600 {
        let segment = segment(["small", "large"][step % 2]);
        let dates = [i64::MIN, 0, START, START + step as i64 * DAY, Timestamp::MAX.0, i64::MAX];
        let closed_at = Timestamp(dates[(draws.unit() * 6.0) as usize]);
        let deal = Deal { segment: &segment, won: true, closed_at, age: None, tenure: None };
        let mut observation = learn(&mut shared, &mut rep, &deal);
        let amount = euros(libm::exp(12.0 * draws.unit()));
        learn_amount(&mut shared, &mut rep, &mut observation, amount, None);
        if step % 3 == 0 {
            unlearn(&mut shared, &mut rep, &observation);
        }
        assert!(shared.is_sound() && rep.is_sound(), "step {step}");
        let worth = Prospect::new(Some(&shared), &segment).worth(Some(&rep));
        assert!((0.01..=100.0).contains(&worth.expected), "{worth:?}");
        assert!(Block::restore(&shared.image()).as_ref() == Some(&shared));
        assert!(Block::restore(&rep.image()).as_ref() == Some(&rep));
    }
}
