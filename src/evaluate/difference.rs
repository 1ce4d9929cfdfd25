//! The difference between the two arms of an experiment, and how far it can be trusted.
//!
//! Leads are compared where they were drawn alike: within a *stratum*, a routing domain under one control
//! share. A stratum counts by what it can tell, n₁·n₂ / (n₁ + n₂) (Mantel and Haenszel 1959; Cochran 1954):
//! pooled, a share that was changed while win rates rose would show a lift where there is none (Simpson
//! 1951). Leads go together as they were drawn: each by itself, or all of a company (Abadie, Athey, Imbens
//! and Wooldridge 2023). The influences of those that go together are added before they are squared, and
//! a few large companies leave little freedom: as much as so many of equal size would (Kish 1965).

use std::collections::{BTreeMap, BTreeSet};

use super::stats::{Interval, Z_95, newcombe, student_95, wilson};

/// A lead whose deal has closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    pub stratum: u64,
    /// Leads of one number were drawn together.
    pub cluster: u64,
    pub treated: bool,
    /// 1 or 0 of a win, or an amount.
    pub value: f64,
}

/// One arm: its mean, each stratum counting by what it can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    pub mean: f64,
    /// Leads, and how many in one stratum would say as much.
    leads: f64,
    /// How many clusters of equal size say as much.
    clusters: f64,
}

/// Treatment less control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub treatment: Mean,
    pub control: Mean,
    pub estimate: f64,
    pub strata: usize,
    /// Leads of strata in which only one arm has any.
    pub left_out: usize,
    /// Degrees of freedom that the variance has: clusters, less one for each mean.
    freedom: f64,
    /// Some leads were drawn together.
    grouped: bool,
    variance: f64,
    /// The variance if no leads went together.
    alone: f64,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    leads: f64,
    sum: f64,
    squares: f64,
}

impl Cell {
    fn mean(&self) -> f64 {
        self.sum / self.leads
    }

    fn variance(&self) -> f64 {
        (self.squares / self.leads - self.mean() * self.mean()).max(0.0)
    }
}

/// Compares the arms; None = no stratum has leads of both.
pub fn difference(leads: &[Lead]) -> Option<Difference> {
    let mut strata: BTreeMap<u64, [Cell; 2]> = BTreeMap::new();
    for lead in leads {
        let cell = &mut strata.entry(lead.stratum).or_default()[usize::from(lead.treated)];
        cell.leads += 1.0;
        cell.sum += lead.value;
        cell.squares += lead.value * lead.value;
    }
    let all = leads.len();
    strata.retain(|_, arms| arms.iter().all(|arm| arm.leads > 0.0));
    let tells = |[a, b]: &[Cell; 2]| a.leads * b.leads / (a.leads + b.leads);
    let total: f64 = strata.values().map(tells).sum();
    if total <= 0.0 {
        return None;
    }
    let share = |arms: &[Cell; 2]| tells(arms) / total;
    // A mean that is made of few clusters has drawn itself to them; one of a single cluster is not seen to
    // vary at all, and is held against the arm's mean over all strata.
    let mut clusters: BTreeMap<(u64, bool), BTreeSet<u64>> = BTreeMap::new();
    for lead in leads.iter().filter(|lead| strata.contains_key(&lead.stratum)) {
        clusters.entry((lead.stratum, lead.treated)).or_default().insert(lead.cluster);
    }
    let overall =
        |arm: usize| strata.values().map(|arms| share(arms) * arms[arm].mean()).sum::<f64>();
    let overall = [overall(0), overall(1)];
    let mut influences: BTreeMap<u64, f64> = BTreeMap::new();
    let mut weights: [BTreeMap<u64, f64>; 2] = Default::default();
    let mut counted = 0;
    for lead in leads {
        let Some(arms) = strata.get(&lead.stratum) else { continue };
        let cell = &arms[usize::from(lead.treated)];
        let weight = share(arms) / cell.leads;
        let own = clusters.get(&(lead.stratum, lead.treated)).map_or(1, BTreeSet::len) as f64;
        let influence = match own {
            ..2.0 => weight * (lead.value - overall[usize::from(lead.treated)]),
            _ => weight * (lead.value - cell.mean()) * (own / (own - 1.0)).sqrt(),
        };
        *influences.entry(lead.cluster).or_default() +=
            if lead.treated { influence } else { -influence };
        *weights[usize::from(lead.treated)].entry(lead.cluster).or_default() += weight;
        counted += 1;
    }
    let mean = |arm: usize| {
        let cells = || strata.values().map(|arms| (share(arms), arms[arm]));
        let spread: f64 = cells().map(|(share, cell)| share * share / cell.leads).sum();
        let squares: f64 = weights[arm].values().map(|weight| weight * weight).sum();
        Mean {
            mean: cells().map(|(share, cell)| share * cell.mean()).sum(),
            leads: 1.0 / spread,
            clusters: 1.0 / squares,
        }
    };
    let (control, treatment) = (mean(0), mean(1));
    let squares: f64 = influences.values().map(|influence| influence * influence).sum();
    let fewest = control.clusters.min(treatment.clusters);
    let alone = |arms: &[Cell; 2]| {
        let own = |cell: &Cell| cell.variance() / cell.leads;
        share(arms) * share(arms) * arms.iter().map(own).sum::<f64>()
    };
    Some(Difference {
        treatment,
        control,
        estimate: treatment.mean - control.mean,
        strata: strata.len(),
        left_out: all - counted,
        freedom: clusters.values().map(|own| own.len() as f64 - 1.0).sum(),
        grouped: influences.len() < counted,
        variance: squares * fewest / (fewest - 1.0).max(1.0),
        alone: strata.values().map(alone).sum(),
    })
}

impl Difference {
    /// How many clusters of equal size the smaller arm's say as much as.
    pub fn clusters(&self) -> f64 {
        self.control.clusters.min(self.treatment.clusters).min(self.freedom + 1.0)
    }

    fn student(&self) -> f64 {
        student_95(self.clusters() - 1.0)
    }

    /// How much larger the variance is for leads that go together, with what few clusters leave to chance;
    /// 1 = no larger.
    pub fn design_effect(&self) -> f64 {
        if !self.grouped {
            return 1.0;
        }
        let each = |arm: &Mean| arm.leads / arm.clusters;
        let one_each = each(&self.control).max(each(&self.treatment));
        // Of one company, or where all came out alike, nothing is seen of how companies differ.
        if self.clusters() < 2.0 || self.variance <= 0.0 || self.alone <= 0.0 {
            return one_each.max(1.0);
        }
        (self.variance / self.alone * (self.student() / Z_95).powi(2)).max(1.0)
    }

    /// Leads of the arm that would say as much if none went together.
    pub fn independent(&self, arm: &Mean) -> f64 {
        arm.leads / self.design_effect()
    }

    /// The share of an arm (Wilson 1927).
    pub fn share(&self, arm: &Mean) -> Interval {
        wilson(arm.mean, self.independent(arm))
    }

    /// The difference of two shares (Newcombe 1998, method 10).
    pub fn of_shares(&self) -> Interval {
        newcombe(&self.share(&self.treatment), &self.share(&self.control))
    }

    /// The difference of two means (Student's t). None = one company alone tells nothing of the spread.
    pub fn of_means(&self) -> Option<Interval> {
        let half = self.student() * self.variance.max(self.alone).sqrt();
        let estimate = self.estimate;
        let known = self.clusters() >= 2.0;
        known.then_some(Interval { estimate, low: estimate - half, high: estimate + half })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash;

    /// Draws that repeat.
    fn draw(key: &[u64]) -> f64 {
        let bytes: Vec<u8> = key.iter().flat_map(|number| number.to_le_bytes()).collect();
        hash::unit(hash::sip64(hash::FIXED, &bytes))
    }

    /// An experiment without an effect. A company wins nearly all of its leads or hardly any; its leads are
    /// `size` of it at most, and it is in one arm, or each lead is in one by itself.
    fn experiment(number: u64, companies: u64, size: f64, by_account: bool) -> Vec<Lead> {
        let all = (0..companies).flat_map(|company| {
            // Pareto: a few companies have many of the leads.
            let own = (2.0 / draw(&[number, company, 3]).max(1e-3)).min(size) as u64;
            (0..own).map(move |at| (company, at))
        });
        let lead = |(company, at): (u64, u64)| {
            let chance = if draw(&[number, company, 1]) < 0.3 { 0.7 } else { 0.1 };
            let unit = if by_account { company } else { company * 10_000 + at };
            Lead {
                stratum: 0,
                cluster: unit,
                treated: draw(&[number, unit, 2]) < 0.6,
                value: f64::from(u8::from(draw(&[number, company, 4, at]) < chance)),
            }
        };
        all.map(lead).collect()
    }

    fn held(companies: u64, size: f64, by_account: bool) -> (usize, f64) {
        let found = (0..600).filter_map(|number| {
            difference(&experiment(number, companies, size, by_account)).map(|it| it.of_shares())
        });
        let found: Vec<Interval> = found.collect();
        let held = found.iter().filter(|it| it.contains(0.0)).count();
        let width = found.iter().map(Interval::width).sum::<f64>() / found.len() as f64;
        println!(
            "{companies} of at most {size}, {by_account}: {held} of {}, {width:.3}",
            found.len()
        );
        (held * 600 / found.len(), width)
    }

    #[test]
    fn intervals_hold_where_companies_go_together_and_a_few_have_many_leads() {
        for (companies, size) in [(160, 8.0), (250, 200.0), (40, 60.0)] {
            let (held, _) = held(companies, size, true);
            assert!((555..=590).contains(&held), "{held} of 600: {companies} of at most {size}");
        }
        // Of a dozen nobody can tell how companies differ: rather too wide.
        let (held, _) = held(12, 40.0, true);
        assert!(held >= 570, "{held} of 600");
    }

    #[test]
    fn intervals_hold_where_strata_are_thin() {
        // Twenty domains of a dozen companies each.
        let thin = |number: u64| -> Vec<Lead> {
            let leads = experiment(number, 240, 6.0, true);
            leads.iter().map(|lead| Lead { stratum: lead.cluster % 20, ..*lead }).collect()
        };
        let found: Vec<Difference> =
            (0..400).filter_map(|number| difference(&thin(number))).collect();
        let shares = found.iter().filter(|it| it.of_shares().contains(0.0)).count();
        let means = found.iter().filter_map(Difference::of_means).filter(|it| it.contains(0.0));
        let means = means.count();
        println!("{shares} and {means} of {}", found.len());
        assert!((370..=396).contains(&shares) && (368..=396).contains(&means), "{shares}, {means}");
    }

    #[test]
    fn leads_drawn_by_themselves_count_by_themselves() {
        let (held, width) = held(40, 60.0, false);
        assert!((555..=585).contains(&held), "{held} of 600");
        // The usual width of a difference of two such shares: companies cancel.
        assert!(width < 0.24, "{width}");
    }

    #[test]
    fn a_share_that_was_changed_makes_no_lift() {
        // First half of the leads held out and 10 % won, then a twentieth and 40 %.
        let lead = |at: u64| {
            let late = at >= 2_000;
            let (held_out, chance) = if late { (0.05, 0.4) } else { (0.5, 0.1) };
            Lead {
                stratum: u64::from(late),
                cluster: at,
                treated: draw(&[at, 1]) >= held_out,
                value: f64::from(u8::from(draw(&[at, 2]) < chance)),
            }
        };
        let leads: Vec<Lead> = (0..4_000).map(lead).collect();
        let found = difference(&leads).expect("both arms");
        assert_eq!((found.strata, found.left_out), (2, 0));
        assert!(found.of_shares().contains(0.0) && found.estimate.abs() < 0.03, "{found:?}");
        let pooled: Vec<Lead> = leads.iter().map(|lead| Lead { stratum: 0, ..*lead }).collect();
        let pooled = difference(&pooled).expect("both arms").of_shares();
        assert!(pooled.low > 0.05, "what pooling would show: {pooled:?}");
    }

    #[test]
    fn one_company_is_one_observation() {
        let lead = |at: u64| {
            let treated = at >= 200;
            let cluster = if treated { at } else { 0 };
            Lead { stratum: 0, cluster, treated, value: f64::from(u8::from(at.is_multiple_of(5))) }
        };
        let leads: Vec<Lead> = (0..1_000).map(lead).collect();
        let found = difference(&leads).expect("both arms");
        assert!(found.of_shares().width() > 0.5, "{found:?}");
        assert_eq!((found.of_means(), found.control.clusters.round()), (None, 1.0));
        let lost: Vec<Lead> = leads.iter().map(|lead| Lead { value: 0.0, ..*lead }).collect();
        assert!(difference(&lost).expect("both arms").of_shares().contains(0.2));
        assert_eq!(difference(&leads[..200]), None);
    }
}
