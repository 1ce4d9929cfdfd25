//! Weighted rotation by strides, exact: pass = `base` + `count` / `weight`; the lowest
//! (pass, last turn, rep id) is next. Passes are compared by cross-multiplied integers.
//!
//! For a fixed set of eligible reps that start level, |nᵢ/wᵢ − nⱼ/wⱼ| ≤ max(1/wᵢ, 1/wⱼ) at every prefix
//! (stride scheduling: Waldspurger & Weihl 1995). Being skipped costs nothing and advances nothing.
//! Presence is looked at when the rotation is: an absence during which nobody was chosen is none.

use std::cmp::Ordering;

use super::entity::{PoolEntity, Track};
use super::ids::RepId;
use super::policy::OnReturn;
use super::time::Timestamp;

/// One unit of pass is 2^32.
const UNIT: i128 = 1 << 32;

/// A member of the pool as the rotation sees it.
#[derive(Clone, Debug)]
pub(super) struct Entrant {
    pub(super) rep_id: RepId,
    /// Rep's weight × member's weight; 0 = not in the rotation.
    pub(super) weight: u64,
    /// Available for leads at all (skills and former ownership of this lead do not count).
    pub(super) present: bool,
}

impl Track {
    fn new(rep_id: RepId, weight: u64) -> Track {
        Track {
            rep_id,
            base: 0,
            count: 0,
            weight: weight.max(1),
            last_seq: 0,
            present: false,
            fair: 0.0,
            given: 0.0,
            fair_at: Timestamp(0),
        }
    }

    /// The pass as a fraction: (numerator, denominator) in units of 2^-32.
    fn fraction(&self) -> (i128, i128) {
        let weight = i128::from(self.weight.max(1));
        (self.base * weight + i128::from(self.count) * UNIT, weight)
    }

    /// The pass, rounded once to 2^-32.
    fn rounded(&self) -> i128 {
        let (numerator, denominator) = self.fraction();
        (numerator + denominator / 2).div_euclid(denominator)
    }

    /// For people: turns per unit of weight.
    pub(super) fn pass(&self) -> f64 {
        self.base as f64 / UNIT as f64 + self.count as f64 / self.weight.max(1) as f64
    }

    fn compare(&self, other: &Track) -> Ordering {
        let ((a, x), (b, y)) = (self.fraction(), other.fraction());
        let passes = (a * y).cmp(&(b * x));
        passes.then(self.last_seq.cmp(&other.last_seq)).then(self.rep_id.cmp(&other.rep_id))
    }
}

impl PoolEntity {
    pub(super) fn track(&self, rep: &RepId) -> Option<&Track> {
        let at = self.tracks.binary_search_by(|track| track.rep_id.cmp(rep)).ok()?;
        self.tracks.get(at)
    }

    pub(super) fn track_mut(&mut self, rep: &RepId) -> Option<&mut Track> {
        let at = self.tracks.binary_search_by(|track| track.rep_id.cmp(rep)).ok()?;
        self.tracks.get_mut(at)
    }

    /// A track for every entrant, with the weight that holds now.
    pub(super) fn enter(&mut self, entrants: &[Entrant]) {
        for entrant in entrants.iter().filter(|entrant| entrant.weight > 0) {
            match self.tracks.binary_search_by(|track| track.rep_id.cmp(&entrant.rep_id)) {
                Ok(at) => {
                    if let Some(track) = self.tracks.get_mut(at)
                        && track.weight != entrant.weight
                    {
                        track.base = track.rounded();
                        track.count = 0;
                        track.weight = entrant.weight;
                    }
                }
                Err(at) => {
                    self.tracks.insert(at, Track::new(entrant.rep_id.clone(), entrant.weight));
                }
            }
        }
    }

    /// Notes who is there, and lets those who return or join in at the place that the policy gives them:
    /// measured by the lowest of those who stayed, or, if all went, of those who were there last.
    /// Entrants come in the order of their ids.
    pub(super) fn level(&mut self, entrants: &[Entrant], policy: OnReturn) {
        let here = |rep: &RepId| {
            let at = entrants.binary_search_by(|entrant| entrant.rep_id.cmp(rep)).ok();
            at.and_then(|at| entrants.get(at)).is_some_and(|e| e.present && e.weight > 0)
        };
        if !self.tracks.iter().any(|track| here(&track.rep_id)) {
            return;
        }
        let were = || self.tracks.iter().filter(|track| track.present);
        let stayed = were().filter(|track| here(&track.rep_id)).min_by(|a, b| a.compare(b));
        let last = || were().min_by(|a, b| a.compare(b));
        let lowest = stayed.or_else(last).map(Track::rounded);
        for track in &mut self.tracks {
            let returns = here(&track.rep_id) && !track.present;
            track.present = here(&track.rep_id);
            let Some(lowest) = lowest.filter(|_| returns) else { continue };
            let floor = match policy {
                OnReturn::Keep => continue,
                OnReturn::Level => lowest,
                OnReturn::CatchUp(turns) => {
                    lowest - i128::from(turns) * UNIT / i128::from(track.weight.max(1))
                }
            };
            if track.rounded() < floor {
                track.base = floor;
                track.count = 0;
            }
        }
    }

    /// The next of these reps, without giving the turn.
    pub(super) fn next<'a>(&self, eligible: &[&'a RepId]) -> Option<&'a RepId> {
        let tracks = eligible.iter().filter_map(|rep| Some((*rep, self.track(rep)?)));
        tracks.min_by(|(_, a), (_, b)| a.compare(b)).map(|(rep, _)| rep)
    }

    /// Gives the turn.
    pub(super) fn advance(&mut self, rep: &RepId) {
        self.seq += 1;
        let seq = self.seq;
        if let Some(track) = self.track_mut(rep) {
            track.count += 1;
            track.last_seq = seq;
        }
    }
}
