//! What is known of one rep: normal beliefs over the rep's own effects, one for each pace of
//! forgetting.
//!
//! The effects β of a rep are drawn around the shared effects g: β ~ N(g, V). Given g, their belief
//! is N(μ + C V⁻¹ (g − γ), C), where γ is what g was when the numbers were last written whole, and an
//! observation of x·β changes μ and C without looking at g at all. So a rep's block holds (μ, C, γ),
//! follows every later change of the shared effects by itself, and can be rebuilt from its base and
//! its updates alone. The shared block gets from an observation what is left of it when the rep's own
//! deviation is integrated out (`View`): together this is the exact joint belief over the shared
//! effects and all reps, in O(d²) a deal.

use std::sync::Arc;

use super::amount::Own;
use super::features::{ALL, GROUPS_MAX};
use super::gaussian::{Gaussian, Spread};
use super::image::{Part, rep_base};
use super::refit::differ;
use crate::domain::time::{Span, Timestamp};

/// The paces of forgetting: time constants in days.
pub(super) const PACES: [f64; PACE_COUNT] = [8000.0, 400.0];
pub(super) const PACE_COUNT: usize = 2;

/// Effects of its own that a rep can have: those that tell most; other levels are as for the average rep.
pub(super) const SLOTS_MAX: usize = 46;
/// Slots change hands after so many updates at the earliest.
const ROOM_UPDATES: usize = PENDING_MAX / 2;
/// The precision of a few deals: so much a level without a slot is credited with.
const A_FEW: f64 = 1.5;
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
    /// By slot: γ, the shared effects when the base was written; what forgetting shrinks to.
    pub(super) centre: Vec<f64>,
    /// Forgotten up to here.
    pub(super) at: Timestamp,
    /// (μ, C), one version a pace.
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
        for (feature, group) in self.without_slot(features) {
            if self.slots.len() < SLOTS_MAX {
                self.place((feature, group));
                self.belief.push(0.0, self.variances[usize::from(group)]);
            }
        }
        let elapsed = at.since(self.at);
        if elapsed >= STEP {
            self.forget(elapsed);
            self.at = at;
        }
    }

    /// Levels that have no slot, those in which reps differ most first.
    fn without_slot(&self, features: &[(u32, u8)]) -> Vec<(u32, u8)> {
        let without = features.iter().filter(|(feature, _)| self.slot(*feature).is_none());
        let mut without: Vec<(u32, u8)> = without.copied().collect();
        let variance = |(_, group): &(u32, u8)| self.variances[usize::from(*group)];
        without.sort_by(|a, b| variance(b).total_cmp(&variance(a)));
        without
    }

    /// How much of the differences between reps a slot tells: what of its variance is gone.
    fn told(&self, slot: usize) -> f64 {
        let gone = self.belief.variance(slot).map(|left| self.slot_variance(slot) - left);
        gone.into_iter().fold(0.0, f64::max)
    }

    /// The slots that tell less than others would after a few deals: those to give up where there are
    /// not enough for all of these levels.
    fn to_give_up(&self, features: &[(u32, u8)]) -> Vec<usize> {
        let without = self.without_slot(features);
        let free = SLOTS_MAX - self.slots.len();
        if without.len() <= free {
            return Vec::new();
        }
        let asked =
            |slot: &usize| features.iter().any(|(feature, _)| *feature == self.slots[*slot].0);
        let may_go = |slot: &usize| self.slots[*slot].0 != ALL && !asked(slot);
        let mut others: Vec<(f64, usize)> =
            (0..self.slots.len()).filter(may_go).map(|slot| (self.told(slot), slot)).collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let would_tell = |(_, group): &(u32, u8)| {
            let variance = self.variances[usize::from(*group)];
            variance * (1.0 - 1.0 / (1.0 + A_FEW * variance))
        };
        let wanted = without.iter().skip(free).map(would_tell);
        let pairs = wanted.zip(&others).take_while(|(wanted, (told, _))| wanted > told);
        pairs.map(|(_, (_, slot))| *slot).collect()
    }

    /// Gives up slots: what was known of these effects is forgotten.
    fn give_up(&mut self, gone: &[usize]) {
        let kept: Vec<usize> = (0..self.slots.len()).filter(|slot| !gone.contains(slot)).collect();
        let slots = kept.iter().map(|slot| self.slots[*slot]).collect();
        let centre = kept.iter().map(|slot| self.centre_of(*slot)).collect();
        *self = Rep::known(slots, self.variances, centre, self.at, self.belief.only(&kept));
    }

    /// Deviations shrink, and their covariances return to the prior (an Ornstein–Uhlenbeck step
    /// around the centre).
    fn forget(&mut self, elapsed: Span) {
        let prior: Vec<f64> = (0..self.slots.len()).map(|slot| self.slot_variance(slot)).collect();
        let keep = PACES.map(|pace| libm::exp(-elapsed.days() / pace));
        for slot in 0..self.slots.len() {
            let centre = self.centre_of(slot);
            for (mean, keep) in self.belief.mean[slot].iter_mut().zip(&keep) {
                *mean = centre + keep * (*mean - centre);
            }
        }
        self.belief.relax(&vec![keep; prior.len()], &prior);
    }

    /// γ of a slot; nothing until the numbers are written whole.
    fn centre_of(&self, slot: usize) -> f64 {
        self.centre.get(slot).copied().unwrap_or(0.0)
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

    /// What a lead's levels come to, for a look. (That the shared effects of other levels have moved
    /// since the base was written says something of these too; it is left out, it is little.)
    pub(super) fn look(&self, features: &[(u32, u8)], shared: &[[f64; 1]]) -> Look {
        let mut look = Look::default();
        // The slots of the levels, and the covariance of each with all of them.
        let mut on = [0; GROUPS_MAX];
        let mut sums = [[0.0; PACE_COUNT]; GROUPS_MAX];
        let all = features.iter().filter_map(|(feature, _)| self.slot(*feature));
        for (known, slot) in all.enumerate() {
            plus(&mut look.mean, &self.belief.mean[slot]);
            for other in 0..known {
                let between = self.belief.covariance(slot, on[other]);
                plus(&mut sums[known], &between);
                plus(&mut sums[other], &between);
            }
            plus(&mut sums[known], &self.belief.variance(slot));
            on[known] = slot;
        }
        let mut slots = on.iter().zip(&sums);
        for (factor, (feature, group)) in look.factors.iter_mut().zip(features) {
            let variance = self.variances[usize::from(*group)];
            let mut moved = shared[*feature as usize][0];
            let mut with = [variance; PACE_COUNT];
            if self.slot(*feature).is_some()
                && let Some((slot, sum)) = slots.next()
            {
                moved -= self.centre_of(*slot);
                with = *sum;
            }
            *factor = with.map(|with| with / variance);
            plus(&mut look.mean, &factor.map(|factor| factor * moved));
            plus(&mut look.variance, &with);
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
        for (slot, ((feature, scale), column)) in self.scales().zip(&column).enumerate() {
            let factor = column.map(|covariance| covariance * scale);
            plus(&mut view.offset, &factor.map(|factor| -factor * self.centre_of(slot)));
            view.design.push((feature, factor));
        }
        view
    }

    /// Takes in one observation; the same in life and at restore.
    pub(super) fn apply(&mut self, update: &RepUpdate) {
        self.prepare(&update.features, update.at);
        let lag = self.at.since(update.at).max(Span::ZERO).days();
        let Sums { offset, column, variance } = self.sums(&update.features);
        let of = |slot: Option<usize>| slot.map_or(0.0, |slot| self.slot_variance(slot));
        let prior: f64 = update.features.iter().map(|(feature, _)| of(self.slot(*feature))).sum();
        let without = update.features.iter().filter(|(feature, _)| self.slot(*feature).is_none());
        let noise: f64 = without.map(|(_, group)| self.variances[usize::from(*group)]).sum();
        let gain: Paces = std::array::from_fn(|pace| {
            let spread =
                Spread { variance: variance[pace], prior, drift: 2.0 * prior / PACES[pace] };
            // An older observation counts for as much as is left of its time; what is taken back, for as
            // much as is left of it beside the others.
            let is_new = update.precision > 0.0;
            let left = if is_new { libm::exp(-2.0 * lag / PACES[pace]) } else { spread.left(lag) };
            let fresh = update.precision * left;
            let precision = spread.bounded(fresh / (1.0 + fresh * noise));
            precision / (1.0 + precision * variance[pace])
        });
        let shift = std::array::from_fn(|pace| gain[pace] * (update.response - offset[pace]));
        self.belief.absorb(&column[..self.slots.len()], gain, shift);
    }

    /// Other variances by group: as if the beliefs had begun under them.
    pub(super) fn reprior(&mut self, variances: &[f64; GROUPS_MAX]) {
        for slot in 0..self.slots.len() {
            let group = usize::from(self.slots[slot].1);
            let (old, new) = (self.variances[group], variances[group]);
            self.belief.reprior(slot, self.centre_of(slot), old, new);
        }
        self.variances = *variances;
    }

    /// The mean effects given the shared ones, by slot.
    fn means(&self, shared: &[f64]) -> Vec<Paces> {
        let moved = self.scales().zip(shared).enumerate();
        let scaled = moved.map(|(slot, ((_, scale), effect))| {
            [(effect - self.centre_of(slot)) * scale; PACE_COUNT]
        });
        let mut sums = self.belief.column(&scaled.collect::<Vec<Paces>>());
        sums.iter_mut().zip(&self.belief.mean).for_each(|(sum, mean)| plus(sum, mean));
        sums
    }

    /// By slot: the shared effect.
    fn of_slots(&self, shared: &[[f64; 1]]) -> Vec<f64> {
        let effect = |feature: u32| shared.get(feature as usize).map_or(0.0, |effect| effect[0]);
        self.slots.iter().map(|(feature, _)| effect(*feature)).collect()
    }

    /// The mean deviations from the shared effects, by slot.
    pub(super) fn deviations(&self, shared: &[[f64; 1]]) -> Vec<Paces> {
        let shared = self.of_slots(shared);
        let mut deviations = self.means(&shared);
        let pairs = deviations.iter_mut().zip(shared);
        pairs.for_each(|(mean, effect)| plus(mean, &[-effect; PACE_COUNT]));
        deviations
    }

    /// Takes the shared effects as they are now for γ.
    fn recentre(&mut self, shared: &[[f64; 1]]) {
        let centre = self.of_slots(shared);
        self.belief.mean = self.means(&centre);
        self.centre = centre;
    }
}

pub(super) fn plus(sum: &mut Paces, more: &Paces) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// A rep's block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RepBlock {
    /// As last written whole.
    pub(super) base: Arc<Part>,
    /// Since then, in order.
    pub(super) pending: Vec<Arc<RepUpdate>>,
    /// The base with the updates.
    pub(super) now: Arc<Rep>,
    /// Closed deals that stand behind it.
    pub(super) deals: u64,
    /// The earliest opening of a deal.
    pub(super) first_at: Timestamp,
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
        RepBlock::restored(base, now, Vec::new(), (0, at), Fit::default())
    }

    /// The block as it was written: the updates re-applied in order.
    pub(super) fn restored(
        base: Arc<Part>,
        mut now: Rep,
        pending: Vec<Arc<RepUpdate>>,
        (deals, first_at): (u64, Timestamp),
        fit: Fit,
    ) -> RepBlock {
        pending.iter().for_each(|update| now.apply(update));
        let now = Arc::new(now);
        RepBlock { base, pending, now, deals, first_at, fit, amount: Own::default() }
    }

    /// Heap and own size.
    pub(super) fn bytes(&self) -> usize {
        let now = &*self.now;
        let belief = (now.belief.mean.capacity() + now.belief.cov.capacity()) * size_of::<Paces>();
        let lists = now.slots.capacity() * size_of::<(u32, u8)>() + now.places.capacity();
        let update = |update: &Arc<RepUpdate>| {
            size_of::<RepUpdate>() + update.features.capacity() * size_of::<(u32, u8)>()
        };
        let pending = self.pending.capacity() * size_of::<Arc<RepUpdate>>();
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
        self.pending.push(Arc::new(update));
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

    /// Gives up slots for levels that promise to tell more; this writes the numbers whole.
    /// Not after every deal: a level that has just got a slot has little to tell yet.
    pub(super) fn make_room(&mut self, features: &[(u32, u8)], shared: &[[f64; 1]]) {
        if self.pending.len() < ROOM_UPDATES {
            return;
        }
        let gone = self.now.to_give_up(features);
        if !gone.is_empty() {
            // Around the shared effects as they are now, the others do not depend on those that go.
            let now = Arc::make_mut(&mut self.now);
            now.recentre(shared);
            now.give_up(&gone);
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
        now.recentre(shared);
        now.belief.mean.shrink_to_fit();
        now.belief.cov.shrink_to_fit();
        self.base = Arc::new(rep_base(now));
        self.pending.clear();
    }
}
