//! What the router does not know: how likely each rep really is to win each lead. The demonstration
//! draws outcomes from it and, at the end, counts what the choices were worth.

use super::company::Company;
use super::prospect::{INDUSTRIES, PRODUCTS, Prospect, Prospects, SIZES, SOURCES, Traits};
use super::random::Random;

/// One rep's strengths, on the logit scale.
#[derive(Clone, Debug)]
struct Strength {
    all: f64,
    industry: [f64; INDUSTRIES.len()],
    size: [f64; SIZES.len()],
    product: [f64; PRODUCTS.len()],
}

/// P(win) of every rep for every lead.
#[derive(Clone, Debug)]
pub struct Truth {
    reps: Vec<(String, Strength)>,
    industry: [f64; INDUSTRIES.len()],
    source: [f64; SOURCES.len()],
    size: [f64; SIZES.len()],
}

/// The team as a whole wins about one deal in five.
const BASE: f64 = -1.55;

impl Truth {
    pub fn new(seed: u64, company: &Company) -> Truth {
        let mut random = Random::new(seed).split("truth");
        let mut draw = |deviation: f64| deviation * random.normal();
        let reps = company
            .people
            .iter()
            .map(|person| {
                let strength = Strength {
                    all: draw(0.35),
                    industry: std::array::from_fn(|_| draw(0.6)),
                    size: std::array::from_fn(|_| draw(0.4)),
                    product: std::array::from_fn(|_| draw(0.4)),
                };
                (person.id.clone(), strength)
            })
            .collect();
        Truth {
            reps,
            industry: std::array::from_fn(|_| draw(0.3)),
            source: [0.0, 0.6, -0.1, 0.3, -0.6],
            size: [0.1, 0.0, -0.3],
        }
    }

    /// 0 for somebody who is no rep of the company.
    pub fn wins(&self, traits: Traits, rep: &str) -> f64 {
        let Some((_, own)) = self.reps.iter().find(|(id, _)| id == rep) else { return 0.0 };
        let shared = BASE
            + self.industry[traits.industry]
            + self.source[traits.source]
            + self.size[traits.size];
        let logit = shared
            + own.all
            + own.industry[traits.industry]
            + own.size[traits.size]
            + own.product[traits.product];
        1.0 / (1.0 + libm::exp(-logit))
    }
}

/// A closed deal of the past.
#[derive(Clone, Debug)]
pub struct PastDeal {
    pub prospect: Prospect,
    pub rep: String,
    pub won: bool,
    /// Before the start, in milliseconds.
    pub age_ms: i64,
}

/// Twelve months of closed deals, oldest first, dealt out by plain rotation: nobody chose.
pub fn history(seed: u64, company: &Company, truth: &Truth, deals: usize) -> Vec<PastDeal> {
    const YEAR_MS: f64 = 365.0 * 86_400_000.0;
    let mut random = Random::new(seed).split("history");
    let mut prospects = Prospects::new(seed, "history of prospects");
    (0..deals)
        .map(|n| {
            let teams = super::company::TEAMS;
            let shares: Vec<(usize, f64)> =
                teams.iter().enumerate().map(|(team, desk)| (team, desk.share)).collect();
            let team = *random.weighted(&shares);
            let prospect = prospects.of_team(team);
            let members: Vec<&str> = company.team(team).map(|person| person.id.as_str()).collect();
            let rep = (*random.pick(&members)).to_owned();
            let won = random.chance(truth.wins(prospect.traits, &rep));
            let age_ms = (YEAR_MS * (deals - n) as f64 / (deals + 1) as f64) as i64;
            PastDeal { prospect, rep, won, age_ms }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_wins_about_one_in_five_and_the_best_rep_of_a_team_wins_more() {
        let company = Company::new(1);
        let truth = Truth::new(1, &company);
        let history = history(1, &company, &truth, 4_000);
        let won = history.iter().filter(|deal| deal.won).count() as f64 / 4_000.0;
        assert!((0.15..0.30).contains(&won), "{won}");
        let (mut best, mut mean) = (0.0, 0.0);
        for deal in &history {
            let team = company.person(&deal.rep).unwrap().team;
            let chances: Vec<f64> = company
                .team(team)
                .map(|person| truth.wins(deal.prospect.traits, &person.id))
                .collect();
            best += chances.iter().copied().fold(0.0, f64::max);
            mean += chances.iter().sum::<f64>() / chances.len() as f64;
        }
        assert!(best > 1.3 * mean, "there must be something to learn: {best} against {mean}");
    }
}
