//! What amounts taught as lists of numbers, in an order that only this file knows.

use super::{Amounts, CURRENCIES_MAX, CURRENCY, FIRST, OWN_LEVELS_MAX, Own, Told, Usual};
use crate::domain::win_rate::features::FEATURES_MAX;
use crate::domain::win_rate::image::Reader;

impl Amounts {
    pub(in crate::domain::win_rate) fn put(&self, out: &mut Vec<f64>) {
        out.extend([self.at.0 as f64, self.noise[0], self.noise[1], self.seen, self.factor]);
        out.push(self.usual.len() as f64);
        for Usual { currency, first, centre, told } in &self.usual {
            out.extend([f64::from(*currency), *centre, told.sum, told.weight]);
            out.push(first.len() as f64);
            out.extend(first);
        }
        out.push(self.levels.len() as f64);
        out.extend(self.levels.iter().flat_map(|told| [told.sum, told.weight]));
    }

    pub(in crate::domain::win_rate) fn read(from: &mut Reader<'_>) -> Option<Amounts> {
        let at = from.time()?;
        let noise = from.array()?;
        let [seen, factor] = from.array()?;
        let mut usual = Vec::new();
        for _ in 0..from.count(CURRENCIES_MAX)? {
            let currency = from.count(u32::MAX as usize)? as u32;
            let (centre, told) = (from.number()?, Told::read(from)?);
            let firsts = from.count(FIRST)?;
            usual.push(Usual { currency, centre, told, first: from.list(firsts)? });
        }
        let levels =
            (0..from.count(FEATURES_MAX)?).map(|_| Told::read(from)).collect::<Option<_>>()?;
        let amounts = Amounts { at, noise, seen, factor, usual, levels };
        amounts.is_sound().then_some(amounts)
    }
}

impl Own {
    pub(in crate::domain::win_rate) fn put(&self, out: &mut Vec<f64>) {
        out.extend([self.at.0 as f64, self.weight, self.sum, self.levels.len() as f64]);
        out.extend(self.levels.iter().flat_map(|(key, weight)| [f64::from(*key), *weight]));
    }

    pub(in crate::domain::win_rate) fn read(from: &mut Reader<'_>) -> Option<Own> {
        let at = from.time()?;
        let [weight, sum] = from.array()?;
        let most = CURRENCY as usize + CURRENCIES_MAX - 1;
        let count = from.count(OWN_LEVELS_MAX)?;
        let levels = (0..count).map(|_| Some((from.count(most)? as u32, from.number()?)));
        let own = Own { at, weight, sum, levels: levels.collect::<Option<_>>()? };
        own.is_sound().then_some(own)
    }
}

impl Told {
    fn read(from: &mut Reader<'_>) -> Option<Told> {
        let [sum, weight] = from.array()?;
        Some(Told { sum, weight })
    }
}
