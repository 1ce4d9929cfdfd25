//! What the estimator costs: time a closed deal and a candidate, and memory a rep.
//! `cargo bench --no-default-features --bench win_rate`
//!
//! The domain is that of a company after two years: 50 reps, 12,000 deals, the default dimensions.

use std::hint::black_box;
use std::time::Instant;

use lead_router::domain::input::SegmentFields;
use lead_router::domain::policy::SegmentPolicy;
use lead_router::domain::time::{Span, Timestamp};
use lead_router::domain::win_rate::{
    Block, Deal, Estimate, Prospect, Query, Rival, Segment, evidence, learn, learn_amount, scores,
    segment,
};

const REPS: usize = 50;
const DEALS: u64 = 12_000;
const DAY: i64 = 86_400_000;

/// SplitMix64: the same company every time.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn lead(state: &mut u64) -> Segment {
    let mut of = |levels: u64| draw(state) % levels;
    let fields = SegmentFields {
        industry: Some(format!("industry {}", of(8))),
        employees: Some([20, 200, 5_000][of(3) as usize]),
        state: Some(format!("s{}", of(10))),
        annual_revenue: Some([100_000_000, 5_000_000_000, 90_000_000_000][of(3) as usize]),
        product: Some(format!("product {}", of(4))),
        source: Some(format!("source {}", of(5))),
        ..SegmentFields::default()
    };
    segment(&SegmentPolicy::default(), &fields)
}

fn teach(shared: &mut Block, reps: &mut [Block], state: &mut u64, number: u64) {
    let (segment, rep) = (lead(state), draw(state) as usize % reps.len());
    let deal = Deal {
        segment: &segment,
        won: draw(state) % 1_000 < 120 + 4 * rep as u64,
        closed_at: Timestamp(1_700_000_000_000 + number as i64 * DAY * 730 / DEALS as i64),
        age: Some(Span::from_days((draw(state) % 90) as i64)),
        tenure: Some(Span::from_days(500)),
    };
    let mut observation = learn(shared, &mut reps[rep], &deal);
    let amount = 100_000 + (draw(state) % 1_000_000) as i64;
    learn_amount(shared, &mut reps[rep], &mut observation, amount, Some("EUR"));
}

/// Median of the rounds, each so many times.
fn median(rounds: usize, times: usize, mut work: impl FnMut()) -> f64 {
    let mut nanos: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / times as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    nanos[rounds / 2]
}

fn main() {
    let (mut shared, mut reps, mut state) = (Block::default(), vec![Block::default(); REPS], 7);
    for number in 0..DEALS {
        teach(&mut shared, &mut reps, &mut state, number);
    }
    let tenure = Some(Span::from_days(700));
    let leads: Vec<Segment> = (0..64).map(|_| lead(&mut state)).collect();
    let mut at = 0;
    let scoring = median(201, 10, || {
        at = (at + 1) % leads.len();
        let query = Query::new(Some(&shared), &leads[at]);
        let estimates: Vec<Estimate> =
            reps.iter().map(|rep| query.estimate(Some(rep), tenure)).collect();
        let rival = |estimate: &Estimate| Rival {
            worth: 1.0,
            estimate: *estimate,
            fair: 10.0,
            given: 12.0,
            ahead: 0.0,
        };
        let rivals: Vec<Rival> = estimates.iter().map(rival).collect();
        black_box(scores(&rivals, &evidence(Some(&shared), &estimates)));
    });
    println!("scoring, {REPS} candidates: {:.1} us a lead", scoring / 1_000.0);
    println!("scoring: {:.3} us a candidate (goal 0.8)", scoring / 1_000.0 / REPS as f64);
    let worth = median(201, 10, || {
        at = (at + 1) % leads.len();
        let prospect = Prospect::new(Some(&shared), &leads[at]);
        reps.iter().for_each(|rep| _ = black_box(prospect.worth(Some(rep))));
    });
    println!("by expected amount: {:.3} us more a candidate", worth / 1_000.0 / REPS as f64);
    let mut number = DEALS;
    let update = median(201, 10, || {
        teach(&mut shared, &mut reps, &mut state, number);
        number += 1;
    });
    println!("update: {:.1} us a deal (goal 50)", update / 1_000.0);
    let bytes = reps.iter().map(Block::bytes);
    println!("memory: {} bytes a rep at most (goal 49152)", bytes.max().unwrap_or_default());
    println!("memory: {} bytes shared", shared.bytes());
}
