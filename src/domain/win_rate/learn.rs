//! One closed deal: what it teaches about its rep and about all, and how it is taken back.

use std::sync::Arc;

use super::amount::unlearn_amount;
use super::effects::{SharedUpdate, Term, moments};
use super::features::{
    AGE_END_DAYS, ALL, FEATURES_MAX, GROUP_ALL, GROUPS_MAX, age_bucket, tenure_feature,
};
use super::logistic;
use super::rep::{Fit, PACE_COUNT, RepBlock, RepUpdate, View};
use super::segment::Segment;
use super::shared::{MODELS, SharedBlock};
use super::{Block, Kind, Observation};
use crate::domain::time::{Span, Timestamp};

/// An older opening is taken for one of this age: it says nothing of how long others were open.
const AGE_MAX: Span = Span::from_days(AGE_END_DAYS);

/// A closed deal as it is to be learned from.
#[derive(Clone, Copy, Debug)]
pub struct Deal<'a> {
    pub segment: &'a Segment,
    pub won: bool,
    pub closed_at: Timestamp,
    /// From opening to closing.
    pub age: Option<Span>,
    /// The rep's time in the job when the deal was opened.
    pub tenure: Option<Span>,
}

/// Learns from a deal. What comes back is all that `unlearn` needs.
///
/// A default block is one of which nothing is known; both blocks change, and both have to be kept.
pub fn learn(shared: &mut Block, rep: &mut Block, deal: &Deal) -> Observation {
    // The contract's times are within these bounds; an image holds no others.
    let closed_at = deal.closed_at.clamp(Timestamp(0), Timestamp::MAX);
    let deal = &Deal { closed_at, ..*deal };
    let mut own_shared = match std::mem::take(&mut shared.kind) {
        Kind::Shared(own) => own,
        _ => Box::new(SharedBlock::new(deal.closed_at)),
    };
    let mut own_rep = match std::mem::take(&mut rep.kind) {
        Kind::Rep(own) => own,
        _ => Box::new(RepBlock::new(own_shared.head.variances, deal.closed_at)),
    };
    let observation = take_in(&mut own_shared, &mut own_rep, deal);
    shared.kind = Kind::Shared(own_shared);
    rep.kind = Kind::Rep(own_rep);
    observation
}

fn take_in(shared: &mut SharedBlock, rep: &mut RepBlock, deal: &Deal) -> Observation {
    let at = deal.closed_at;
    let levels = register(shared, deal.segment);
    let age = age_bucket(deal.age);
    let opened_at = at - deal.age.unwrap_or(Span::ZERO).clamp(Span::ZERO, AGE_MAX);
    rep.first_at = rep.first_at.min(opened_at).max(Timestamp(0));
    let late = shared.late(age, at.since(rep.first_at).days());
    let common = [tenure_feature(deal.tenure)];
    let dimension = shared.features.len();
    Arc::make_mut(&mut shared.now).prepare(&shared.features, dimension, at);
    rep.follow(&shared.head.variances, &shared.now.belief.mean);
    rep.make_room(&levels, &shared.now.belief.mean);
    Arc::make_mut(&mut rep.now).prepare(&levels, at);
    rep.recentre(&shared.now.belief.mean);

    let apart = apart(shared, rep, &levels, &common);
    let weights = shared.weights();
    let view = rep.now.view(&levels);
    let moments = by_model(shared, &view, &levels, &common);
    let mean: f64 = (0..MODELS).map(|k| weights[k] * moments[k].0).sum();
    let variance: f64 =
        (0..MODELS).map(|k| weights[k] * (moments[k].1 + (moments[k].0 - mean).powi(2))).sum();
    let mut site = logistic::site(mean + late, variance, deal.won);
    site.response -= late;
    let chance = |(mean, variance)| logistic::log_chance(mean + late, variance, deal.won);
    shared.note(&moments.map(chance));

    let update = RepUpdate {
        features: levels.clone(),
        at,
        precision: site.precision,
        response: site.response - apart,
    };
    rep.apply(update, &shared.now.belief.mean);
    let belief = rest(&weights, &view, &common, (site.precision, site.response));
    let alike = alike(&levels, &common, (site.precision, site.response));
    shared.apply(SharedUpdate { at, dimension, belief, alike });

    rep.deals += 1;
    shared.head.deals += 1;
    shared.head.ages[usize::from(deal.won)][age] += 1.0;
    shared.head.last_at = shared.head.last_at.max(at);
    shared.head.first_at = shared.head.first_at.min(opened_at).max(Timestamp(0));
    fit(shared, rep, &weights);
    shared.refit();
    let features = levels.iter().map(|(feature, _)| *feature);
    Observation {
        features: features.chain(common).collect(),
        age: age as u32,
        closed_at: at,
        won: deal.won,
        precision: site.precision,
        response: site.response,
        apart,
        amount: None,
    }
}

/// Takes back what was learned from a deal, its amount included.
///
/// Directly after `learn` both blocks' effects are as before up to rounding. Later, what is left of
/// the deal after forgetting is taken back, as far as the beliefs still tell it apart from others.
/// The record of the models' predictions stays: they were made.
pub fn unlearn(shared: &mut Block, rep: &mut Block, observation: &Observation) {
    unlearn_amount(shared, rep, observation);
    let (Kind::Shared(shared), Kind::Rep(rep)) = (&mut shared.kind, &mut rep.kind) else {
        return;
    };
    let known = shared.features.len();
    if observation.features.iter().any(|feature| *feature as usize >= known) {
        return;
    }
    let group = |feature: &u32| (*feature, shared.features.group(*feature) as u8);
    let split = observation.features.len().saturating_sub(1);
    let (levels, common) = observation.features.split_at(split);
    let levels: Vec<(u32, u8)> = levels.iter().map(group).collect();
    let update = RepUpdate {
        features: levels.clone(),
        at: observation.closed_at,
        precision: -observation.precision,
        response: observation.response - observation.apart,
    };
    rep.apply(update, &shared.now.belief.mean);
    let weights = shared.weights();
    let view = rep.now.view(&levels);
    let site = (observation.precision, observation.response);
    let mut belief = rest(&weights, &view, common, site);
    let mut alike = alike(&levels, common, site);
    [&mut belief, &mut alike].into_iter().for_each(|term| term.precision = -term.precision);
    let at = observation.closed_at;
    shared.apply(SharedUpdate { at, dimension: known, belief, alike });
    rep.deals = rep.deals.saturating_sub(1);
    shared.head.deals = shared.head.deals.saturating_sub(1);
    let ages = &mut shared.head.ages[usize::from(observation.won)];
    if let Some(count) = ages.get_mut(observation.age as usize) {
        *count = (*count - 1.0).max(0.0);
    }
    fit(shared, rep, &weights);
}

/// The numbers of a deal's levels with their groups, `all` first; new ones are entered.
fn register(shared: &mut SharedBlock, segment: &Segment) -> Vec<(u32, u8)> {
    let mut numbers = vec![ALL];
    for level in &segment.levels {
        if let Some(name) = shared.features.missing(level) {
            Arc::make_mut(&mut shared.features).add(&name);
        }
        numbers.extend(shared.features.find(level).filter(|number| !numbers.contains(number)));
    }
    let group = |number: u32| (number, shared.features.group(number) as u8);
    numbers.into_iter().map(group).collect()
}

/// What the shared effects alone say of a deal: its tenure, and its levels of which the rep has no effects.
/// It is no doing of the rep's.
fn apart(shared: &SharedBlock, rep: &RepBlock, levels: &[(u32, u8)], common: &[u32]) -> f64 {
    let without = levels.iter().map(|(feature, _)| *feature);
    let without = without.filter(|feature| rep.now.slot(*feature).is_none());
    without.chain(common.iter().copied()).map(|feature| shared.now.effect(feature)).sum()
}

/// Mean and variance of the logit by model.
fn by_model(
    shared: &SharedBlock,
    view: &View,
    levels: &[(u32, u8)],
    common: &[u32],
) -> [(f64, f64); MODELS] {
    std::array::from_fn(|model| match model.checked_sub(1) {
        None => moments(&shared.now.alike, &whole(levels, common)),
        Some(pace) => {
            let mut design: Vec<(u32, f64)> = common.iter().map(|number| (*number, 1.0)).collect();
            design.extend(view.design.iter().map(|(number, factor)| (*number, factor[pace])));
            let (mean, variance) = moments(&shared.now.belief, &design);
            (mean + view.offset[pace], variance + view.variance[pace])
        }
    })
}

/// The deal's levels and its tenure, all counting in full.
fn whole(levels: &[(u32, u8)], common: &[u32]) -> Vec<(u32, f64)> {
    let levels = levels.iter().map(|(number, _)| *number);
    levels.chain(common.iter().copied()).map(|number| (number, 1.0)).collect()
}

/// What an observation, a precision and a response, says about the shared effects if reps are alike.
fn alike(levels: &[(u32, u8)], common: &[u32], (precision, response): (f64, f64)) -> Term {
    Term { design: whole(levels, common), precision, response }
}

/// What it says about them when the rep's own are integrated out.
fn rest(
    weights: &[f64; MODELS],
    view: &View,
    common: &[u32],
    (precision, response): (f64, f64),
) -> Term {
    let mut factors = [0.0; FEATURES_MAX];
    common.iter().for_each(|number| factors[*number as usize] += 1.0);
    let (mut offset, mut variance) = (0.0, 0.0);
    for (pace, share) in shares(weights).into_iter().enumerate() {
        for (number, factor) in &view.design {
            factors[*number as usize] += share * factor[pace];
        }
        offset += share * view.offset[pace];
        variance += share * view.variance[pace];
    }
    let numbered = (0..).zip(factors);
    let design = numbered.filter(|(_, factor)| *factor != 0.0).collect();
    Term { design, precision: 1.0 / (1.0 / precision + variance), response: response - offset }
}

/// The paces' shares among the models by which reps differ.
fn shares(weights: &[f64; MODELS]) -> [f64; PACE_COUNT] {
    let differ: f64 = weights[1..].iter().sum();
    std::array::from_fn(|pace| {
        if differ > 0.0 { weights[pace + 1] / differ } else { 1.0 / PACE_COUNT as f64 }
    })
}

/// Replaces what the rep adds to the re-fit of the variances.
fn fit(shared: &mut SharedBlock, rep: &mut RepBlock, weights: &[f64; MODELS]) {
    let mut fit = Fit { reps: 1.0, ..Fit::default() };
    let deviations = rep.now.deviations(&shared.now.belief.mean);
    for (pace, share) in shares(weights).into_iter().enumerate() {
        for (slot, (_, group)) in rep.now.slots.iter().enumerate() {
            let group = usize::from(*group);
            let variance = rep.now.slot_variance(slot);
            let known = 1.0 - rep.now.belief.variance(slot)[pace] / variance;
            let known = known.clamp(0.0, 1.0);
            let deviation = deviations[slot][pace];
            fit.strength[group] += share * known;
            fit.power[group] += share * deviation * deviation;
            fit.shift += if group == GROUP_ALL { share * deviation } else { 0.0 };
        }
    }
    let total = &mut shared.head.fit;
    total.shift += fit.shift - rep.fit.shift;
    total.reps += fit.reps - rep.fit.reps;
    for group in 0..GROUPS_MAX {
        total.strength[group] += fit.strength[group] - rep.fit.strength[group];
        total.power[group] += fit.power[group] - rep.fit.power[group];
    }
    rep.fit = fit;
}
