//! Blocks as plain lists of texts and numbers, for the state topic.
//!
//! The numbers of a block are many and change with every deal. So an image has two parts. `base` is
//! the block as it was last written whole: it changes only with every 64th update, and when the
//! variances between reps were re-fitted; in between it is the same `Arc`, so that a writer can see
//! that there is nothing to write. `head` holds the few numbers that always change, and the updates
//! since. `Block::restore` re-applies them with the very code that applied them first, so what comes
//! out is the block, bit for bit. Counts and times are whole numbers far below 2^53, so they pass
//! through `f64` unharmed.

use std::sync::Arc;

use super::amount::{Amounts, Own};
use super::effects::{Effects, SharedUpdate, Term};
use super::features::{AGE_BUCKETS, FEATURES_MAX, Features, GROUPS_MAX};
use super::gaussian::Gaussian;
use super::rep::{Fit, PENDING_MAX, Rep, RepBlock, RepUpdate, SLOTS_MAX};
use super::shared::{Head, MODELS, SharedBlock};
use super::{Block, Kind};
use crate::domain::time::Timestamp;

/// What the first number of each part says: the kind of block, and the version of its layout.
const EMPTY: f64 = 0.0;
const SHARED: f64 = 107.0;
const REP: f64 = 207.0;

/// Texts and numbers, in an order that only this module knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub texts: Vec<String>,
    pub numbers: Vec<f64>,
}

impl Part {
    /// Heap.
    pub(super) fn bytes(&self) -> usize {
        self.numbers.capacity() * 8 + self.texts.iter().map(String::capacity).sum::<usize>()
    }
}

/// A block as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// As last written whole.
    pub base: Arc<Part>,
    /// Always written: the small numbers and the updates since.
    pub head: Part,
}

impl Block {
    /// The block as it is to be written.
    pub fn image(&self) -> Image {
        match &self.kind {
            Kind::Empty => {
                let head = Part { texts: Vec::new(), numbers: vec![EMPTY] };
                Image { base: Arc::default(), head }
            }
            Kind::Shared(shared) => Image { base: shared.base.clone(), head: shared_head(shared) },
            Kind::Rep(rep) => Image { base: rep.base.clone(), head: rep_head(rep) },
        }
    }

    /// The block that was written; None if these are not the parts of one.
    pub fn restore(image: &Image) -> Option<Block> {
        let finite = |part: &Part| part.numbers.iter().all(|number| number.is_finite());
        if !finite(&image.base) || !finite(&image.head) {
            return None;
        }
        let mut head = Reader { rest: &image.head.numbers };
        let kind = match head.number()? {
            EMPTY => Kind::Empty,
            SHARED => Kind::Shared(Box::new(restore_shared(image, head)?)),
            REP => Kind::Rep(Box::new(restore_rep(image, head)?)),
            _ => return None,
        };
        Some(Block { kind })
    }
}

/// The whole of a rep's numbers.
pub(super) fn rep_base(rep: &Rep) -> Part {
    let mut numbers = vec![REP, rep.at.0 as f64, rep.slots.len() as f64];
    numbers.extend(rep.variances);
    for (feature, group) in &rep.slots {
        numbers.extend([f64::from(*feature), f64::from(*group)]);
    }
    numbers.push(rep.centre.len() as f64);
    numbers.extend(&rep.centre);
    numbers.extend(rep.belief.mean.as_flattened());
    numbers.extend(rep.belief.cov.as_flattened());
    numbers.shrink_to_fit();
    Part { texts: Vec::new(), numbers }
}

/// The whole of a domain's shared effects, with the names of the features.
pub(super) fn shared_base(features: &Features, effects: &Effects) -> Part {
    let mut numbers = vec![SHARED, effects.at.0 as f64, effects.belief.len() as f64];
    numbers.extend(effects.variances);
    for belief in [&effects.belief, &effects.alike] {
        numbers.extend(belief.mean.as_flattened());
        numbers.extend(belief.cov.as_flattened());
    }
    Part { texts: features.names().to_vec(), numbers }
}

fn rep_head(rep: &RepBlock) -> Part {
    let mut numbers = vec![REP, rep.deals as f64, rep.first_at.0 as f64];
    numbers.extend(rep.fit.strength);
    numbers.extend(rep.fit.power);
    numbers.extend([rep.fit.shift, rep.fit.reps]);
    numbers.push(rep.pending.len() as f64);
    for update in &rep.pending {
        let RepUpdate { features, at, precision, response } = &**update;
        numbers.extend([at.0 as f64, *precision, *response, features.len() as f64]);
        for (feature, group) in features {
            numbers.extend([f64::from(*feature), f64::from(*group)]);
        }
    }
    rep.amount.put(&mut numbers);
    Part { texts: Vec::new(), numbers }
}

fn shared_head(shared: &SharedBlock) -> Part {
    let head = &shared.head;
    let mut numbers = vec![SHARED, head.deals as f64, head.fresh as f64];
    numbers.extend([head.first_at.0 as f64, head.last_at.0 as f64, head.factor]);
    numbers.extend(head.variances);
    numbers.extend(head.fit.strength);
    numbers.extend(head.fit.power);
    numbers.extend([head.fit.shift, head.fit.reps]);
    numbers.extend(head.record);
    numbers.extend(head.ages.as_flattened());
    numbers.push(shared.pending.len() as f64);
    for update in &shared.pending {
        let SharedUpdate { at, dimension, belief, alike } = &**update;
        numbers.extend([at.0 as f64, *dimension as f64]);
        for Term { design, precision, response } in [belief, alike] {
            numbers.extend([*precision, *response, design.len() as f64]);
            for (feature, factor) in design {
                numbers.extend([f64::from(*feature), *factor]);
            }
        }
    }
    shared.amounts.put(&mut numbers);
    let written = shared.base.texts.len();
    Part { texts: shared.features.names()[written..].to_vec(), numbers }
}

fn restore_rep(image: &Image, mut head: Reader) -> Option<RepBlock> {
    let mut base = Reader { rest: &image.base.numbers };
    if base.number()? != REP {
        return None;
    }
    let at = base.time()?;
    let slots = base.count(SLOTS_MAX)?;
    let variances: [f64; GROUPS_MAX] = base.array()?;
    let slots: Vec<(u32, u8)> = (0..slots).map(|_| base.slot()).collect::<Option<_>>()?;
    let centres = base.count(SLOTS_MAX)?;
    let centre = base.list(centres)?;
    let belief = base.gaussian(slots.len())?;
    let rep = Rep::known(slots, variances, centre, at, belief);
    let deals = (head.number()? as u64, head.time()?);
    let fit = head.fit()?;
    let mut pending = Vec::new();
    for _ in 0..head.count(PENDING_MAX)? {
        let at = head.time()?;
        let [precision, response] = head.array()?;
        let features = head.count(FEATURES_MAX)?;
        let features = (0..features).map(|_| head.slot()).collect::<Option<_>>()?;
        pending.push(Arc::new(RepUpdate { features, at, precision, response }));
    }
    let amount = Own::read(&mut head)?;
    let done = base.rest.is_empty() && head.rest.is_empty();
    let block = || RepBlock::restored(image.base.clone(), rep, pending, deals, fit);
    done.then(|| RepBlock { amount, ..block() })
}

fn restore_shared(image: &Image, mut head: Reader) -> Option<SharedBlock> {
    let mut base = Reader { rest: &image.base.numbers };
    if base.number()? != SHARED {
        return None;
    }
    let names: Vec<String> = image.base.texts.iter().chain(&image.head.texts).cloned().collect();
    let features = Features::from_names(&names)?;
    let at = base.time()?;
    let known = base.count(features.len())?;
    let variances = base.array()?;
    let (belief, alike) = (base.gaussian(known)?, base.gaussian(known)?);
    let effects = Effects { at, variances, belief, alike };
    let small = Head {
        deals: head.number()? as u64,
        fresh: head.number()? as u64,
        first_at: head.time()?,
        last_at: head.time()?,
        factor: head.number()?,
        variances: head.array()?,
        fit: head.fit()?,
        record: head.array::<MODELS>()?,
        ages: [head.array::<AGE_BUCKETS>()?, head.array()?],
    };
    let mut pending = Vec::new();
    for _ in 0..head.count(PENDING_MAX)? {
        let at = head.time()?;
        let dimension = head.count(features.len())?;
        let (belief, alike) = (head.term(dimension)?, head.term(dimension)?);
        pending.push(Arc::new(SharedUpdate { at, dimension, belief, alike }));
    }
    let amounts = Arc::new(Amounts::read(&mut head)?);
    let done = base.rest.is_empty() && head.rest.is_empty();
    let block = || SharedBlock::restored(image.base.clone(), features, effects, pending, small);
    done.then(|| SharedBlock { amounts, ..block() })
}

/// Takes numbers off a list; None when they run out or are not what they should be.
pub(super) struct Reader<'a> {
    rest: &'a [f64],
}

impl Reader<'_> {
    pub(super) fn number(&mut self) -> Option<f64> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn count(&mut self, most: usize) -> Option<usize> {
        let number = self.number()?;
        (number >= 0.0 && number <= most as f64 && number % 1.0 == 0.0).then_some(number as usize)
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        self.number().map(|number| Timestamp(number as i64))
    }

    fn slot(&mut self) -> Option<(u32, u8)> {
        Some((self.count(FEATURES_MAX - 1)? as u32, self.count(GROUPS_MAX - 1)? as u8))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[f64; N]> {
        let (first, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*first)
    }

    fn term(&mut self, dimension: usize) -> Option<Term> {
        let [precision, response] = self.array()?;
        let terms = self.count(FEATURES_MAX)?;
        let mut design = Vec::with_capacity(terms);
        for _ in 0..terms {
            let feature = self.count(dimension.checked_sub(1)?)? as u32;
            design.push((feature, self.number()?));
        }
        Some(Term { design, precision, response })
    }

    fn fit(&mut self) -> Option<Fit> {
        let (strength, power) = (self.array()?, self.array()?);
        let (shift, reps) = (self.number()?, self.number()?);
        Some(Fit { strength, power, shift, reps })
    }

    pub(super) fn list(&mut self, length: usize) -> Option<Vec<f64>> {
        let (first, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(first.to_vec())
    }

    fn versions<const N: usize>(&mut self, length: usize) -> Option<Vec<[f64; N]>> {
        (0..length).map(|_| self.array()).collect()
    }

    fn gaussian<const N: usize>(&mut self, length: usize) -> Option<Gaussian<N>> {
        let mean = self.versions(length)?;
        Some(Gaussian { mean, cov: self.versions(length * (length + 1) / 2)? })
    }
}
