//! The estimator as a whole: sane without data, right with data, the same after a restore.

use super::*;
use crate::domain::time::{Span, Timestamp};

const DAY: i64 = 86_400_000;

/// Draws that repeat: SplitMix64.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn some_segment(draws: &mut Draws) -> Segment {
    let industry = draws.below(8);
    let size = draws.below(3);
    Segment {
        levels: vec![
            format!("industry={industry}"),
            format!("employees={size}"),
            format!("source={}", draws.below(5)),
            format!("industry+employees={industry}+{size}"),
        ],
    }
}

/// Twelve reps; number `r` wins with chance 0.1 + 0.03 r.
fn team(deals: usize, seed: u64) -> (Block, Vec<Block>) {
    let mut draws = Draws(seed);
    let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 12]);
    for deal in 0..deals {
        let rep = draws.below(12) as usize;
        let segment = some_segment(&mut draws);
        let won = draws.unit() < 0.1 + 0.03 * rep as f64;
        let deal = Deal {
            segment: &segment,
            won,
            closed_at: Timestamp(1_700_000_000_000 + deal as i64 * DAY / 20),
            age: Some(Span(draws.below(60) as i64 * DAY)),
            tenure: Some(Span::from_days(1_000)),
        };
        learn(&mut shared, &mut reps[rep], &deal);
    }
    (shared, reps)
}

fn check(estimate: &Estimate) {
    let Estimate { mean, low, high, moved, deviation, .. } = *estimate;
    assert!(0.0 < low && low <= mean && mean <= high && high < 1.0, "{estimate:?}");
    assert!((0.0..=1.0).contains(&moved) && deviation >= 0.0, "{estimate:?}");
}

#[test]
fn without_deals_one_in_five() {
    let segment = some_segment(&mut Draws(1));
    let estimate = predict(None, None, &segment, None);
    check(&estimate);
    assert!((0.15..0.3).contains(&estimate.mean) && estimate.high - estimate.low > 0.3);
    assert_eq!((estimate.deals, estimate.moved), (0, 0.0));
    assert!(evidence(None, &[estimate]).thin);
}

#[test]
fn a_look_says_what_the_whole_block_does() {
    let (shared, reps) = team(4_000, 3);
    let shared = shared.shared().expect("it has learned");
    let effects = &shared.now.belief.mean;
    let mut draws = Draws(5);
    for rep in reps.iter().map(|rep| rep.rep().expect("it has learned")) {
        for _ in 0..20 {
            let segment = some_segment(&mut draws);
            let found = segment.levels.iter().filter_map(|level| shared.features.find(level));
            let levels: Vec<(u32, u8)> = std::iter::once(0)
                .chain(found)
                .map(|number| (number, shared.features.group(number) as u8))
                .collect();
            let (look, view) = (rep.now.look(&levels, effects), rep.now.view(&levels));
            for pace in 0..look.mean.len() {
                let with = view.design.iter().map(|(at, by)| effects[*at as usize][0] * by[pace]);
                let exact = view.offset[pace] + with.sum::<f64>();
                // What a look leaves out is little beside what is not known.
                let doubt = view.variance[pace].sqrt();
                assert!((look.mean[pace] - exact).abs() < 0.1 * doubt, "{exact} {doubt}");
                assert!((look.variance[pace] - view.variance[pace]).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn learns_who_wins() {
    let (shared, reps) = team(4_000, 7);
    let segment = some_segment(&mut Draws(5));
    let query = Query::new(Some(&shared), &segment);
    let estimates: Vec<Estimate> =
        reps.iter().map(|rep| query.estimate(Some(rep), Some(Span::from_days(1_000)))).collect();
    estimates.iter().for_each(check);
    assert!(estimates[11].mean > estimates[0].mean + 0.15, "{estimates:?}");
    let carried = evidence(Some(&shared), &estimates);
    assert!(!carried.thin && carried.factor > 20.0, "{carried:?}");
    let unknown = query.estimate(None, None);
    check(&unknown);
    assert!((0.15..0.4).contains(&unknown.mean));
}

#[test]
fn the_rep_who_has_most_leads_is_one_of_many() {
    // Who wins half of them: what all win is the rate of all deals if reps are alike, else that of the others.
    let mut draws = Draws(29);
    let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 12]);
    let segment = Segment { levels: Vec::new() };
    let mut won = 0;
    for deal in 0..3_000_i64 {
        let rep = if draws.below(4) < 3 { 0 } else { 1 + draws.below(11) as usize };
        let deal = Deal {
            segment: &segment,
            won: draws.unit() < if rep == 0 { 0.5 } else { 0.15 },
            closed_at: Timestamp(1_700_000_000_000 + deal * DAY / 20),
            age: None,
            tenure: None,
        };
        won += u32::from(deal.won);
        learn(&mut shared, &mut reps[rep], &deal);
    }
    let effects = &shared.shared().unwrap().now;
    let rate = |mean: &[f64; 1]| logistic::sigmoid(mean[0]);
    let (alike, usual) = (rate(&effects.alike.mean[0]), rate(&effects.belief.mean[0]));
    assert!((alike - f64::from(won) / 3_000.0).abs() < 0.02, "{alike}");
    assert!((0.1..0.25).contains(&usual), "{usual}");
    assert!(evidence(Some(&shared), &[]).factor > 20.0);
}

#[test]
fn dimensions_that_matter_are_told_from_those_that_do_not() {
    let mut draws = Draws(17);
    let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 4]);
    for deal in 0..6_000_i64 {
        let segment = some_segment(&mut draws);
        let industry: f64 = segment.levels[0]["industry=".len()..].parse().unwrap();
        let deal = Deal {
            segment: &segment,
            won: draws.unit() < 0.05 + 0.06 * industry,
            closed_at: Timestamp(1_700_000_000_000 + deal * DAY / 20),
            age: None,
            tenure: None,
        };
        learn(&mut shared, &mut reps[draws.below(4) as usize], &deal);
    }
    let shared = shared.shared().unwrap();
    let variance = |level| {
        let number = shared.features.find(level).unwrap();
        shared.now.variances[shared.features.group(number)]
    };
    let (industry, source) = (variance("industry=3"), variance("source=1"));
    assert!(industry > 0.3 && industry > 5.0 * source, "{industry} {source}");
}

#[test]
fn restores_bit_for_bit_and_goes_on_the_same() {
    let (shared, reps) = team(700, 3);
    for block in reps.iter().chain([&shared, &Block::default()]) {
        let restored = Block::restore(&block.image()).unwrap();
        assert!(&restored == block && restored.image() == block.image());
    }
    let (mut one, mut other) = (shared.clone(), Block::restore(&shared.image()).unwrap());
    let (mut rep, mut twin) = (reps[0].clone(), Block::restore(&reps[0].image()).unwrap());
    let mut draws = Draws(11);
    for step in 0..200 {
        let segment = some_segment(&mut draws);
        let deal = Deal {
            segment: &segment,
            won: step % 3 == 0,
            closed_at: Timestamp(1_710_000_000_000 + step * DAY),
            age: None,
            tenure: None,
        };
        learn(&mut one, &mut rep, &deal);
        learn(&mut other, &mut twin, &deal);
        twin = Block::restore(&twin.image()).unwrap();
    }
    assert!(rep == twin && one == other);
}

#[test]
fn a_broken_image_is_refused() {
    let (shared, reps) = team(300, 3);
    for block in [&shared, &reps[0]] {
        let whole = block.image();
        for cut in 0..whole.head.numbers.len() {
            let mut image = whole.clone();
            image.head.numbers.truncate(cut);
            assert!(Block::restore(&image).is_none());
        }
        let mut image = whole.clone();
        image.head.numbers[1] = f64::NAN;
        assert!(Block::restore(&image).is_none());
    }
}

#[test]
fn a_deal_is_taken_back() {
    // So many that the record, which stays, no longer weighs.
    let (mut shared, mut reps) = team(2_000, 9);
    let segment = some_segment(&mut Draws(5));
    let ask = |shared: &Block, rep: &Block| predict(Some(shared), Some(rep), &segment, None);
    let closed_at = Timestamp(1_700_000_000_000 + 101 * DAY);
    let deal = Deal { segment: &segment, won: true, closed_at, age: None, tenure: None };
    // The first deal of a day also forgets; that is not taken back.
    learn(&mut shared, &mut reps[2], &deal);
    let before = ask(&shared, &reps[2]);
    let observation = learn(&mut shared, &mut reps[2], &deal);
    let after = ask(&shared, &reps[2]);
    assert!(after.mean > before.mean + 0.001);
    unlearn(&mut shared, &mut reps[2], &observation);
    let again = ask(&shared, &reps[2]);
    assert!((again.mean - before.mean).abs() < 2e-4, "{before:?} {again:?}");
    assert_eq!(again.deals, before.deals);
    for _ in 0..100 {
        unlearn(&mut shared, &mut reps[2], &observation);
        check(&ask(&shared, &reps[2]));
    }
}

#[test]
fn many_deals_are_taken_back() {
    // A year of three reps; of the last, of any, and of the first of them it turns out that they stand no more.
    let day = |deal: usize| Timestamp(1_700_000_000_000 + deal as i64 * DAY / 4);
    let segment = Segment { levels: vec!["source=web".to_owned()] };
    let deal = |number: usize, won| Deal {
        segment: &segment,
        won,
        closed_at: day(number),
        age: None,
        tenure: None,
    };
    let wins = |number: usize| Draws(number as u64).unit() < 0.3;
    type Gone = (&'static str, fn(usize) -> bool);
    let cases: [Gone; 5] = [
        ("last tenth", |number| number >= 1_350),
        ("last third", |number| number >= 1_000),
        ("every tenth", |number| number.is_multiple_of(10)),
        ("every other", |number| number.is_multiple_of(2)),
        ("first half", |number| number < 750),
    ];
    for (name, gone) in cases {
        let fresh = || (Block::default(), vec![Block::default(); 3]);
        let (mut shared, mut reps) = fresh();
        let (mut without, mut others) = fresh();
        let mut taken_back = Vec::new();
        for number in 0..1_500 {
            let rep = number % 3;
            let observation = learn(&mut shared, &mut reps[rep], &deal(number, wins(number)));
            if gone(number) {
                taken_back.push((rep, observation));
            } else {
                learn(&mut without, &mut others[rep], &deal(number, wins(number)));
            }
        }
        for (rep, observation) in &taken_back {
            unlearn(&mut shared, &mut reps[*rep], observation);
            assert!(shared.is_sound() && reps[*rep].is_sound(), "{name}");
            check(&predict(Some(&shared), Some(&reps[*rep]), &segment, None));
        }
        for (rep, other) in reps.iter().zip(&others) {
            let found = predict(Some(&shared), Some(rep), &segment, None);
            let never = predict(Some(&without), Some(other), &segment, None);
            let apart = (found.mean - never.mean).abs();
            assert!(apart < (never.high - never.low) / 2.0, "{name}: {found:?} {never:?}");
        }
        // And it goes on learning.
        for number in 1_500..1_900 {
            learn(&mut shared, &mut reps[number % 3], &deal(number, wins(number)));
        }
        assert!(shared.is_sound() && reps.iter().all(Block::is_sound));
        let found = predict(Some(&shared), Some(&reps[0]), &segment, None);
        assert!(found.low < 0.3 && 0.3 < found.high && found.high - found.low < 0.2, "{found:?}");
    }
}

#[test]
fn absurd_deals_leave_sane_estimates() {
    let mut draws = Draws(23);
    let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 3]);
    for step in 0..3_000_u64 {
        let levels = (0..draws.below(30)).map(|at| format!("d{at}={}", draws.below(1_000)));
        let segment = Segment { levels: levels.collect() };
        let extremes = [i64::MIN, -1, 0, DAY, i64::MAX];
        let deal = Deal {
            segment: &segment,
            won: step % 7 == 0,
            closed_at: Timestamp(extremes[draws.below(5) as usize] / 1_000),
            age: Some(Span(extremes[draws.below(5) as usize])),
            tenure: Some(Span(extremes[draws.below(5) as usize])),
        };
        let rep = &mut reps[draws.below(3) as usize];
        let observation = learn(&mut shared, rep, &deal);
        check(&predict(Some(&shared), Some(rep), &segment, None));
        for _ in 0..step % 5 / 3 {
            unlearn(&mut shared, rep, &observation);
        }
        assert!(shared.is_sound() && rep.is_sound(), "step {step}");
    }
    reps.iter().chain([&shared]).for_each(|block| {
        assert!(Block::restore(&block.image()).as_ref() == Some(block));
    });
}

#[test]
fn a_restore_in_mid_flight_changes_nothing() {
    // Days pass between deals, so forgetting and re-fits fall on every place in the run.
    let mut draws = Draws(31);
    let (mut one, mut other) =
        ([Block::default(), Block::default()], [(); 2].map(|()| Block::default()));
    for step in 0..260_i64 {
        let segment = some_segment(&mut draws);
        let deal = Deal {
            segment: &segment,
            won: draws.below(4) == 0,
            closed_at: Timestamp(1_700_000_000_000 + step * DAY * 3 / 2),
            age: Some(Span(draws.below(60) as i64 * DAY)),
            tenure: None,
        };
        let [shared, rep] = &mut one;
        let observation = learn(shared, rep, &deal);
        let [shared, rep] = &mut other;
        assert_eq!(learn(shared, rep, &deal), observation);
        if step % 17 == 0 {
            let [shared, rep] = &mut one;
            unlearn(shared, rep, &observation);
            let [shared, rep] = &mut other;
            unlearn(shared, rep, &observation);
        }
        other = other.map(|block| Block::restore(&block.image()).unwrap());
        assert!(one == other, "step {step}");
    }
}

#[test]
fn numbers_out_of_bounds_are_seen() {
    let (shared, reps) = team(100, 5);
    assert!(shared.is_sound() && reps[0].is_sound() && Block::default().is_sound());
    let mut broken = shared.clone();
    if let Kind::Shared(shared) = &mut broken.kind {
        shared.head.factor = f64::NAN;
    }
    assert!(!broken.is_sound());
}

#[test]
fn outcomes_teach_where_the_age_tells_them() {
    // No loss is older than a month, no win younger than two: the better rep is found all the same.
    let mut draws = Draws(37);
    let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 2]);
    let segment = Segment { levels: Vec::new() };
    let mut closing = Vec::new();
    for number in 0..3_000_i64 {
        let rep = (number % 2) as usize;
        let won = draws.unit() < [0.15, 0.45][rep];
        let age = if won { 60 + draws.below(90) } else { 5 + draws.below(25) } as i64;
        closing.push((number * DAY / 4 + age * DAY, rep, won, age));
    }
    closing.sort_unstable();
    for (at, rep, won, age) in closing.into_iter().filter(|(at, ..)| *at < 750 * DAY) {
        let deal = Deal {
            segment: &segment,
            won,
            closed_at: Timestamp(1_700_000_000_000 + at),
            age: Some(Span(age * DAY)),
            tenure: None,
        };
        learn(&mut shared, &mut reps[rep], &deal);
    }
    for (rep, truth) in reps.iter().zip([0.15, 0.45]) {
        let found = predict(Some(&shared), Some(rep), &segment, None);
        assert!(found.low < truth && truth < found.high, "{truth}: {found:?}");
        assert!(found.high - found.low < 0.2, "{found:?}");
    }
}

#[test]
fn a_new_level_that_matters_gets_a_place_among_many_that_do_not() {
    let mut draws = Draws(41);
    let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 2]);
    let mut close = |number: i64, level: String, rep: usize, chance: f64| {
        let segment = Segment { levels: vec![level] };
        let deal = Deal {
            segment: &segment,
            won: draws.unit() < chance,
            closed_at: Timestamp(1_700_000_000_000 + number * DAY / 20),
            age: None,
            tenure: None,
        };
        learn(&mut shared, &mut reps[rep], &deal);
    };
    for number in 0..600 {
        close(number, format!("state={}", number / 2 % 48), number as usize % 2, 0.3);
    }
    for number in 600..1_800 {
        let rep = number as usize % 2;
        close(number, "source=late".to_owned(), rep, [0.85, 0.15][rep]);
    }
    let segment = Segment { levels: vec!["source=late".to_owned()] };
    for (rep, truth) in reps.iter().zip([0.85, 0.15]) {
        let found = predict(Some(&shared), Some(rep), &segment, None);
        assert!(found.low - 0.03 < truth && truth < found.high + 0.03, "{truth}: {found:?}");
        assert!(found.high - found.low < 0.2, "{found:?}");
        assert!(Block::restore(&rep.image()).as_ref() == Some(rep));
    }
}

#[test]
fn it_hardly_matters_when_old_deals_are_heard_of() {
    let segment = Segment { levels: vec!["industry=retail".to_owned()] };
    let of = |days: i64, number: i64, won: bool| (days * DAY + number * DAY / 24, won);
    let recent = || (0..120).map(|number| of(0, number, number % 5 == 0));
    for days in [-1_095, -13_000] {
        let old = || (0..40).map(|number| of(days, number, true));
        let found = |deals: Vec<(i64, bool)>| {
            let (mut shared, mut reps) = (Block::default(), vec![Block::default(); 2]);
            for (at, won) in deals {
                let closed_at = Timestamp(1_700_000_000_000 + at);
                let deal = Deal { segment: &segment, won, closed_at, age: None, tenure: None };
                learn(&mut shared, &mut reps[usize::from(at < -DAY)], &deal);
            }
            predict(Some(&shared), Some(&reps[0]), &segment, None).mean
        };
        let first = found(old().chain(recent()).collect());
        let last = found(recent().chain(old()).collect());
        assert!((first - last).abs() < 0.02, "{days} days: {first} {last}");
    }
}
