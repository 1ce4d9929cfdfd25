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

use super::features::GROUPS_MAX;
use super::gaussian::Gaussian;
use super::image::{Part, rep_base};
use crate::domain::time::{Span, Timestamp};

/// The paces of forgetting: time constants in days.
pub(super) const PACES: [f64; PACE_COUNT] = [1500.0, 250.0];
pub(super) const PACE_COUNT: usize = 2;

/// Effects of its own that a rep can have; further levels are as for the average rep.
pub(super) const SLOTS_MAX: usize = 48;
/// The numbers are written whole after so many updates.
pub(super) const PENDING_MAX: usize = 64;
/// Variances are taken over when one differs by more than this factor.
const VARIANCE_SLACK: f64 = 1.2;
/// Forgetting is applied in steps of at least this.
const STEP: Span = Span::from_days(1);

const DAY_MS: f64 = 86_400_000.0;

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
    /// Variances by group that the beliefs were computed under.
    pub(super) variances: [f64; GROUPS_MAX],
    /// By slot: the shared effects when the base was written; what forgetting shrinks to.
    pub(super) centre: Vec<f64>,
    /// Forgotten up to here.
    pub(super) at: Timestamp,
    pub(super) beliefs: [Gaussian; PACE_COUNT],
}

/// An observation of a lead's levels as one pace sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Expected logit = `offset` + Σ `design` · shared effects.
    pub(super) offset: f64,
    /// By feature; the lead's levels without a slot are not in it, they count in full.
    pub(super) design: Vec<(u32, f64)>,
    /// Variance of the logit given the shared effects.
    pub(super) variance: f64,
    /// What that variance is for a rep of whom nothing is known.
    pub(super) prior: f64,
}

impl Rep {
    pub(super) fn new(variances: [f64; GROUPS_MAX], at: Timestamp) -> Rep {
        Rep {
            slots: Vec::new(),
            variances,
            centre: Vec::new(),
            at,
            beliefs: std::array::from_fn(|_| Gaussian::default()),
        }
    }

    pub(super) fn slot(&self, feature: u32) -> Option<usize> {
        self.slots.iter().position(|(own, _)| *own == feature)
    }

    fn slot_variance(&self, slot: usize) -> f64 {
        self.variances[usize::from(self.slots[slot].1)]
    }

    /// Brings the block to the time of an observation and gives its levels slots.
    pub(super) fn prepare(&mut self, features: &[(u32, u8)], at: Timestamp) {
        for (feature, group) in features {
            if self.slots.len() < SLOTS_MAX && self.slot(*feature).is_none() {
                self.slots.push((*feature, *group));
                let variance = self.variances[usize::from(*group)];
                self.beliefs.iter_mut().for_each(|belief| belief.push(0.0, variance));
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
        for (belief, pace) in self.beliefs.iter_mut().zip(PACES) {
            let keep = libm::exp(-(elapsed.0 as f64) / DAY_MS / pace);
            // The deviation at the centre: α + (C V⁻¹ − 1) γ.
            let mut pull = vec![0.0; belief.len()];
            for (slot, centre) in self.centre.iter().enumerate() {
                belief.add_column(slot, centre / prior[slot], &mut pull);
                pull[slot] -= centre;
            }
            for (mean, pull) in belief.mean.iter_mut().zip(&pull) {
                *mean = keep * (*mean + pull) - keep * keep * pull;
            }
            belief.relax(&vec![keep; prior.len()], &prior);
        }
    }

    /// The lead's levels as pace number `pace` sees them.
    pub(super) fn view(&self, pace: usize, features: &[(u32, u8)]) -> View {
        let belief = &self.beliefs[pace];
        let mut column = [0.0; SLOTS_MAX];
        let mut view = View::default();
        for (feature, group) in features {
            let prior = self.variances[usize::from(*group)];
            view.prior += prior;
            match self.slot(*feature) {
                Some(slot) => {
                    view.offset += belief.mean[slot];
                    belief.add_column(slot, 1.0, &mut column);
                }
                None => {
                    view.variance += prior;
                    view.design.push((*feature, 1.0));
                }
            }
        }
        for (feature, _) in features {
            view.variance += self.slot(*feature).map_or(0.0, |slot| column[slot]);
        }
        for (slot, (feature, _)) in self.slots.iter().enumerate() {
            view.design.push((*feature, column[slot] / self.slot_variance(slot)));
        }
        view
    }

    /// Takes in one observation; the same in life and at restore.
    pub(super) fn apply(&mut self, update: &RepUpdate) {
        self.prepare(&update.features, update.at);
        let lag = (self.at.since(update.at).0.max(0)) as f64 / DAY_MS;
        for (pace, days) in PACES.into_iter().enumerate() {
            let mut column = vec![0.0; self.slots.len()];
            let (mut offset, mut variance, mut noise) = (0.0, 0.0, 0.0);
            for (feature, group) in &update.features {
                match self.slot(*feature) {
                    Some(slot) => {
                        offset += self.beliefs[pace].mean[slot];
                        self.beliefs[pace].add_column(slot, 1.0, &mut column);
                    }
                    None => noise += self.variances[usize::from(*group)],
                }
            }
            for (feature, _) in &update.features {
                variance += self.slot(*feature).map_or(0.0, |slot| column[slot]);
            }
            // An older observation counts for as much as is left of its time.
            let fresh = update.precision * libm::exp(-2.0 * lag / days);
            let precision = bounded(fresh / (1.0 + fresh * noise), variance);
            let gain = precision / (1.0 + precision * variance);
            self.beliefs[pace].absorb(&column, gain, gain * (update.response - offset));
        }
    }

    /// Other variances by group: as if the beliefs had begun under them.
    pub(super) fn reprior(&mut self, variances: &[f64; GROUPS_MAX]) {
        for slot in 0..self.slots.len() {
            let group = usize::from(self.slots[slot].1);
            let precision = 1.0 / variances[group] - 1.0 / self.variances[group];
            for belief in &mut self.beliefs {
                let mut column = vec![0.0; belief.len()];
                belief.add_column(slot, 1.0, &mut column);
                let gain = precision / (1.0 + precision * column[slot]).max(1e-3);
                let shift = -gain * belief.mean[slot];
                belief.absorb(&column, gain, shift);
            }
        }
        self.variances = *variances;
    }

    /// The mean deviations from the shared effects, by slot.
    pub(super) fn deviations(&self, pace: usize, shared: &[f64]) -> Vec<f64> {
        let belief = &self.beliefs[pace];
        let mut sum = belief.mean.clone();
        for (slot, (feature, _)) in self.slots.iter().enumerate() {
            let effect = shared.get(*feature as usize).copied().unwrap_or(0.0);
            belief.add_column(slot, effect / self.slot_variance(slot), &mut sum);
            sum[slot] -= effect;
        }
        sum
    }
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
}

/// By group: how many deviations the data determine, and the sum of their squares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fit {
    pub(super) strength: [f64; GROUPS_MAX],
    pub(super) power: [f64; GROUPS_MAX],
}

impl RepBlock {
    pub(super) fn new(variances: [f64; GROUPS_MAX], at: Timestamp) -> RepBlock {
        let now = Rep::new(variances, at);
        let base = Arc::new(rep_base(&now));
        RepBlock { base, pending: Vec::new(), now: Arc::new(now), deals: 0, fit: Fit::default() }
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
        RepBlock { base, pending, now: Arc::new(now), deals, fit }
    }

    pub(super) fn apply(&mut self, update: RepUpdate, shared: &[f64]) {
        Arc::make_mut(&mut self.now).apply(&update);
        self.pending.push(update);
        if self.pending.len() >= PENDING_MAX {
            self.rebase(shared);
        }
    }

    /// Takes over other variances if they differ enough to matter; this writes the numbers whole.
    pub(super) fn follow(&mut self, variances: &[f64; GROUPS_MAX], shared: &[f64]) {
        let far = |(own, other): (&f64, &f64)| (own / other).max(other / own) > VARIANCE_SLACK;
        if self.now.variances.iter().zip(variances).any(far) {
            Arc::make_mut(&mut self.now).reprior(variances);
            self.rebase(shared);
        }
    }

    fn rebase(&mut self, shared: &[f64]) {
        let now = Arc::make_mut(&mut self.now);
        let effect = |(feature, _): &(u32, u8)| shared.get(*feature as usize).copied();
        now.centre = now.slots.iter().map(|slot| effect(slot).unwrap_or(0.0)).collect();
        self.base = Arc::new(rep_base(now));
        self.pending.clear();
    }
}
