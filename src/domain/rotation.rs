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
pub(super) struct Entrant<'e> {
    pub(super) rep_id: &'e RepId,
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
        let passes = (a * y).cmp(&(b * x)).then(self.last_seq.cmp(&other.last_seq));
        passes.then_with(|| self.rep_id.cmp(&other.rep_id))
    }
}

impl PoolEntity {
    /// A track for every entrant that has a weight, with the weight that holds now. Entrants come in the
    /// order of their ids, each once; back comes the place of each one's track among the pool's.
    pub(super) fn enter(&mut self, entrants: &[Entrant<'_>]) -> Vec<Option<usize>> {
        let mut at = 0;
        let mut enter = |entrant: &Entrant<'_>| {
            let track = loop {
                match self.tracks.get_mut(at) {
                    Some(track) if track.rep_id == *entrant.rep_id => break Some(track),
                    Some(track) if track.rep_id < *entrant.rep_id => at += 1,
                    _ => break None,
                }
            };
            match track {
                Some(track) if entrant.weight > 0 && track.weight != entrant.weight => {
                    track.base = track.rounded();
                    track.count = 0;
                    track.weight = entrant.weight;
                }
                Some(_) => {}
                None if entrant.weight == 0 => return None,
                None => {
                    self.tracks.insert(at, Track::new(entrant.rep_id.clone(), entrant.weight));
                }
            }
            Some(at)
        };
        entrants.iter().map(&mut enter).collect()
    }

    /// Notes who is there, and lets those who return or join in at the place that the policy gives them:
    /// measured by the lowest of those who stayed, or, if all went, of those who were there last.
    pub(super) fn level(
        &mut self,
        entrants: &[Entrant<'_>],
        places: &[Option<usize>],
        policy: OnReturn,
    ) {
        let mut here = vec![false; self.tracks.len()];
        for (entrant, place) in entrants.iter().zip(places) {
            if let Some(here) = place.and_then(|at| here.get_mut(at)) {
                *here = entrant.present && entrant.weight > 0;
            }
        }
        if !here.contains(&true) {
            return;
        }
        let were = || self.tracks.iter().zip(&here).filter(|(track, _)| track.present);
        let lowest = |(a, _): &(&Track, _), (b, _): &(&Track, _)| a.compare(b);
        let stayed = were().filter(|(_, here)| **here).min_by(lowest);
        let last = || were().min_by(lowest);
        let lowest = stayed.or_else(last).map(|(track, _)| track.rounded());
        for (track, here) in self.tracks.iter_mut().zip(here) {
            let returns = here && !track.present;
            track.present = here;
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

    /// The next of the tracks at these places, without giving the turn.
    pub(super) fn next(&self, places: impl Iterator<Item = usize>) -> Option<&RepId> {
        let tracks = places.filter_map(|at| self.tracks.get(at));
        tracks.min_by(|a, b| a.compare(b)).map(|track| &track.rep_id)
    }

    /// Gives the turn.
    pub(super) fn advance(&mut self, rep: &RepId) {
        self.seq += 1;
        let seq = self.seq;
        if let Some(track) = self.tracks.iter_mut().find(|track| track.rep_id == *rep) {
            track.count += 1;
            track.last_seq = seq;
        }
    }
}
