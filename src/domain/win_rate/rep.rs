//! What is known of one rep: normal beliefs over the rep's own effects, one for each pace of
//! forgetting.
//!
//! The effects β of a rep are drawn around the shared effects g: β ~ N(g, V). Given g, their belief
//! is N(α + C V⁻¹ g, C), and an observation of x·β changes α and C without looking at g at all. So a
//! rep's block holds (α, C), follows every later change of the shared effects by itself, and can be
//! rebuilt from its base and its updates alone. The shared block gets from an observation what is
//! left of it when the rep's own deviation is integrated out (`View`): together this is the exact
//! joint belief over the shared effects and all reps, in O(d²) a deal.

use std::sync::Arc;

use super::amount::Own;
use super::features::GROUPS_MAX;
use super::gaussian::Gaussian;
use super::image::{Part, rep_base};
use super::refit::differ;
use crate::domain::time::{Span, Timestamp};

/// The paces of forgetting: time constants in days.
pub(super) const PACES: [f64; PACE_COUNT] = [3000.0, 400.0];
pub(super) const PACE_COUNT: usize = 2;

/// Effects of its own that a rep can have; further levels are as for the average rep.
pub(super) const SLOTS_MAX: usize = 46;
/// The numbers are written whole after so many updates.
pub(super) const PENDING_MAX: usize = 64;
/// Forgetting is applied in steps of at least this.
const STEP: Span = Span::from_days(1);

/// One observation as it changed the block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RepUpdate {
    /// With their groups: the numbers of the levels that a rep can have effects for.
    pub(super) features: Vec<(u32, u8)>,
    pub(super) at: Timestamp,
    /// Negative: an observation is taken back.
    pub(super) precision: f64,
    pub(super) response: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rep {
    /// By slot: the feature, and its group.
    pub(super) slots: Vec<(u32, u8)>,
    /// By feature: its slot; derived.
    places: Vec<u8>,
    /// Variances by group that the beliefs were computed under.
    pub(super) variances: [f64; GROUPS_MAX],
    /// By slot: the shared effects when the base was written; what forgetting shrinks to.
    pub(super) centre: Vec<f64>,
    /// Forgotten up to here.
    pub(super) at: Timestamp,
    /// One version a pace.
    pub(super) belief: Gaussian<PACE_COUNT>,
}

/// One number a pace.
pub(super) type Paces = [f64; PACE_COUNT];

/// An observation of a lead's levels as the paces see it.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Expected logit = `offset` + Σ `design` · shared effects.
    pub(super) offset: Paces,
    /// By feature; the lead's levels without a slot are not in it, they count in full.
    pub(super) design: Vec<(u32, Paces)>,
    /// Variance of the logit given the shared effects.
    pub(super) variance: Paces,
    /// What that variance is for a rep of whom nothing is known.
    pub(super) prior: f64,
}

/// The rep's slots among a lead's levels: what they sum up to.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) offset: Paces,
    /// By slot: covariance of the rep's effect with the sum over the levels.
    pub(super) column: [Paces; SLOTS_MAX],
    pub(super) variance: Paces,
}

/// A lead's levels as a rep sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// The expected sum, shared effects included.
    pub(super) mean: Paces,
    /// Its variance given the shared effects.
    pub(super) variance: Paces,
    /// By level: how much a shared effect still counts.
    pub(super) factors: [Paces; GROUPS_MAX],
}

/// A feature that has no slot.
const NOWHERE: u8 = u8::MAX;

impl Rep {
    pub(super) fn new(variances: [f64; GROUPS_MAX], at: Timestamp) -> Rep {
        Rep::known(Vec::new(), variances, Vec::new(), at, Gaussian::default())
    }

    pub(super) fn known(
        slots: Vec<(u32, u8)>,
        variances: [f64; GROUPS_MAX],
        centre: Vec<f64>,
        at: Timestamp,
        belief: Gaussian<PACE_COUNT>,
    ) -> Rep {
        let mut rep = Rep { slots: Vec::new(), places: Vec::new(), variances, centre, at, belief };
        slots.into_iter().for_each(|slot| rep.place(slot));
        rep
    }

    fn place(&mut self, slot: (u32, u8)) {
        let feature = slot.0 as usize;
        self.places.resize(self.places.len().max(feature + 1), NOWHERE);
        self.places[feature] = self.slots.len() as u8;
        self.slots.push(slot);
    }

    pub(super) fn slot(&self, feature: u32) -> Option<usize> {
        let place = self.places.get(feature as usize).copied();
        place.filter(|place| *place != NOWHERE).map(usize::from)
    }

    pub(super) fn slot_variance(&self, slot: usize) -> f64 {
        self.variances[usize::from(self.slots[slot].1)]
    }

    /// Brings the block to the time of an observation and gives its levels slots.
    pub(super) fn prepare(&mut self, features: &[(u32, u8)], at: Timestamp) {
        for (feature, group) in features {
            if self.slots.len() < SLOTS_MAX && self.slot(*feature).is_none() {
                self.place((*feature, *group));
                self.belief.push(0.0, self.variances[usize::from(*group)]);
            }
        }
        let elapsed = at.since(self.at);
        if elapsed >= STEP {
            self.forget(elapsed);
            self.at = at;
        }
    }

    /// Deviations shrink, and their covariances return to the prior (an Ornstein–Uhlenbeck step
    /// around the centre).
    fn forget(&mut self, elapsed: Span) {
        let prior: Vec<f64> = (0..self.slots.len()).map(|slot| self.slot_variance(slot)).collect();
        let keep = PACES.map(|pace| libm::exp(-elapsed.days() / pace));
        // The deviation at the centre: α + (C V⁻¹ − 1) γ.
        let mut scaled = vec![[0.0; PACE_COUNT]; self.slots.len()];
        for (scaled, (centre, prior)) in scaled.iter_mut().zip(self.centre.iter().zip(&prior)) {
            *scaled = [centre / prior; PACE_COUNT];
        }
        let mut pull = self.belief.column(&scaled);
        for (pull, centre) in pull.iter_mut().zip(&self.centre) {
            pull.iter_mut().for_each(|pull| *pull -= centre);
        }
        for (mean, pull) in self.belief.mean.iter_mut().zip(&pull) {
            for pace in 0..PACE_COUNT {
                let (keep, pull) = (keep[pace], pull[pace]);
                mean[pace] = keep * (mean[pace] + pull) - keep * keep * pull;
            }
        }
        self.belief.relax(&vec![keep; prior.len()], &prior);
    }

    /// The sums over the slots of a lead's levels.
    pub(super) fn sums(&self, features: &[(u32, u8)]) -> Sums {
        let zero = [0.0; PACE_COUNT];
        let mut sums = Sums { offset: zero, column: [zero; SLOTS_MAX], variance: zero };
        for slot in features.iter().filter_map(|(feature, _)| self.slot(*feature)) {
            plus(&mut sums.offset, &self.belief.mean[slot]);
            self.belief.add_column(slot, 1.0, &mut sums.column);
        }
        for slot in features.iter().filter_map(|(feature, _)| self.slot(*feature)) {
            plus(&mut sums.variance, &sums.column[slot]);
        }
        sums
    }

    /// What a lead's levels come to, without what the rep's other effects say of it: for a look,
    /// which needs no more.
    pub(super) fn look(&self, features: &[(u32, u8)], shared: &[[f64; 1]]) -> Look {
        let mut look = Look::default();
        let mut on = [0; GROUPS_MAX];
        let mut known = 0;
        for (feature, _) in features {
            if let Some(slot) = self.slot(*feature) {
                on[known] = slot;
                known += 1;
            }
        }
        let on = &mut on[..known];
        on.sort_unstable();
        let inverse = self.variances.map(|variance| 1.0 / variance);
        let mut weights = [0.0; SLOTS_MAX];
        for (weight, (feature, group)) in weights.iter_mut().zip(&self.slots) {
            *weight = shared[*feature as usize][0] * inverse[usize::from(*group)];
        }
        look.mean = self.belief.weighted(&weights[..self.slots.len()], on);
        for slot in on.iter() {
            plus(&mut look.mean, &self.belief.mean[*slot]);
        }
        for (factor, (feature, group)) in look.factors.iter_mut().zip(features) {
            match self.slot(*feature) {
                Some(slot) => {
                    let mut with = [0.0; PACE_COUNT];
                    on.iter()
                        .for_each(|other| plus(&mut with, &self.belief.covariance(slot, *other)));
                    plus(&mut look.variance, &with);
                    *factor = with.map(|with| with * inverse[usize::from(*group)]);
                }
                None => {
                    *factor = [1.0; PACE_COUNT];
                    plus(&mut look.mean, &[shared[*feature as usize][0]; PACE_COUNT]);
                    plus(&mut look.variance, &[self.variances[usize::from(*group)]; PACE_COUNT]);
                }
            }
        }
        look
    }

    /// By slot: what a shared effect counts per unit of covariance with the rep's own, 1 / variance.
    pub(super) fn scales(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        let inverse = self.variances.map(|variance| 1.0 / variance);
        self.slots.iter().map(move |(feature, group)| (*feature, inverse[usize::from(*group)]))
    }

    /// The lead's levels as the paces see them.
    pub(super) fn view(&self, features: &[(u32, u8)]) -> View {
        let Sums { offset, column, variance } = self.sums(features);
        let mut view = View { offset, design: Vec::new(), variance, prior: 0.0 };
        for (feature, group) in features {
            let prior = self.variances[usize::from(*group)];
            view.prior += prior;
            if self.slot(*feature).is_none() {
                plus(&mut view.variance, &[prior; PACE_COUNT]);
                view.design.push((*feature, [1.0; PACE_COUNT]));
            }
        }
        for ((feature, scale), column) in self.scales().zip(&column) {
            view.design.push((feature, column.map(|covariance| covariance * scale)));
        }
        view
    }

    /// Takes in one observation; the same in life and at restore.
    pub(super) fn apply(&mut self, update: &RepUpdate) {
        self.prepare(&update.features, update.at);
        let lag = self.at.since(update.at).max(Span::ZERO).days();
        let Sums { offset, column, variance } = self.sums(&update.features);
        let without = update.features.iter().filter(|(feature, _)| self.slot(*feature).is_none());
        let noise: f64 = without.map(|(_, group)| self.variances[usize::from(*group)]).sum();
        let gain: Paces = std::array::from_fn(|pace| {
            // An older observation counts for as much as is left of its time.
            let fresh = update.precision * libm::exp(-2.0 * lag / PACES[pace]);
            let precision = bounded(fresh / (1.0 + fresh * noise), variance[pace]);
            precision / (1.0 + precision * variance[pace])
        });
        let shift = std::array::from_fn(|pace| gain[pace] * (update.response - offset[pace]));
        self.belief.absorb(&column[..self.slots.len()], gain, shift);
    }

    /// Other variances by group: as if the beliefs had begun under them.
    pub(super) fn reprior(&mut self, variances: &[f64; GROUPS_MAX]) {
        for slot in 0..self.slots.len() {
            let group = usize::from(self.slots[slot].1);
            let precision = 1.0 / variances[group] - 1.0 / self.variances[group];
            self.belief.reprior(slot, precision);
        }
        self.variances = *variances;
    }

    /// The mean deviations from the shared effects, by slot.
    pub(super) fn deviations(&self, shared: &[[f64; 1]]) -> Vec<Paces> {
        let effect = |feature: u32| shared.get(feature as usize).map_or(0.0, |effect| effect[0]);
        let scaled: Vec<Paces> =
            self.scales().map(|(feature, scale)| [effect(feature) * scale; PACE_COUNT]).collect();
        let mut sums = self.belief.column(&scaled);
        for (slot, sum) in sums.iter_mut().enumerate() {
            let effect = effect(self.slots[slot].0);
            plus(sum, &self.belief.mean[slot].map(|mean| mean - effect));
        }
        sums
    }
}

fn plus(sum: &mut Paces, more: &Paces) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// A precision that may be negative, but never takes back more than there is.
pub(super) fn bounded(precision: f64, variance: f64) -> f64 {
    if variance > 0.0 { precision.max(-0.9 / variance) } else { precision }
}

/// A rep's block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RepBlock {
    /// As last written whole.
    pub(super) base: Arc<Part>,
    /// Since then, in order.
    pub(super) pending: Vec<RepUpdate>,
    /// The base with the updates.
    pub(super) now: Arc<Rep>,
    /// Closed deals that stand behind it.
    pub(super) deals: u64,
    /// By group, what the rep adds to the re-fit of the variances.
    pub(super) fit: Fit,
    /// How the amounts that the rep wins compare.
    pub(super) amount: Own,
}

/// By group: how many deviations the data determine, and the sum of their squares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fit {
    pub(super) strength: [f64; GROUPS_MAX],
    pub(super) power: [f64; GROUPS_MAX],
    /// Sum of the deviations of `all`, and of how many reps: what all reps have in common is no
    /// difference between them.
    pub(super) shift: f64,
    pub(super) reps: f64,
}

impl Fit {
    pub(super) fn is_sound(&self) -> bool {
        let single = [self.shift, self.reps];
        self.strength.iter().chain(&self.power).chain(&single).all(|number| number.is_finite())
    }
}

impl RepBlock {
    pub(super) fn new(variances: [f64; GROUPS_MAX], at: Timestamp) -> RepBlock {
        let now = Rep::new(variances, at);
        let base = Arc::new(rep_base(&now));
        RepBlock::restored(base, now, Vec::new(), 0, Fit::default())
    }

    /// The block as it was written: the updates re-applied in order.
    pub(super) fn restored(
        base: Arc<Part>,
        mut now: Rep,
        pending: Vec<RepUpdate>,
        deals: u64,
        fit: Fit,
    ) -> RepBlock {
        pending.iter().for_each(|update| now.apply(update));
        RepBlock { base, pending, now: Arc::new(now), deals, fit, amount: Own::default() }
    }

    /// Heap and own size.
    pub(super) fn bytes(&self) -> usize {
        let now = &*self.now;
        let belief = (now.belief.mean.capacity() + now.belief.cov.capacity()) * size_of::<Paces>();
        let lists = now.slots.capacity() * size_of::<(u32, u8)>() + now.places.capacity();
        let update = |update: &RepUpdate| update.features.capacity() * size_of::<(u32, u8)>();
        let pending = self.pending.capacity() * size_of::<RepUpdate>();
        size_of::<RepBlock>()
            + size_of::<Rep>()
            + belief
            + lists
            + now.centre.capacity() * size_of::<f64>()
            + pending
            + self.pending.iter().map(update).sum::<usize>()
            + self.base.bytes()
            + self.amount.bytes()
    }

    pub(super) fn apply(&mut self, update: RepUpdate, shared: &[[f64; 1]]) {
        Arc::make_mut(&mut self.now).apply(&update);
        self.pending.push(update);
        if self.pending.len() >= PENDING_MAX {
            self.rebase(shared);
        }
    }

    /// Takes over other variances if they differ enough to matter; this writes the numbers whole.
    pub(super) fn follow(&mut self, variances: &[f64; GROUPS_MAX], shared: &[[f64; 1]]) {
        if differ(&self.now.variances, variances) {
            Arc::make_mut(&mut self.now).reprior(variances);
            self.rebase(shared);
        }
    }

    /// Gives new slots a centre, before time passes over them; this writes the numbers whole.
    pub(super) fn recentre(&mut self, shared: &[[f64; 1]]) {
        if self.now.centre.len() < self.now.slots.len() {
            self.rebase(shared);
        }
    }

    fn rebase(&mut self, shared: &[[f64; 1]]) {
        let now = Arc::make_mut(&mut self.now);
        let effect =
            |(feature, _): &(u32, u8)| shared.get(*feature as usize).map(|effect| effect[0]);
        now.centre = now.slots.iter().map(|slot| effect(slot).unwrap_or(0.0)).collect();
        now.belief.mean.shrink_to_fit();
        now.belief.cov.shrink_to_fit();
        self.base = Arc::new(rep_base(now));
        self.pending.clear();
    }
}
