//! Leads of the demonstration: who they are, and what the log is told of them.

use serde_json::{Value, json};

use super::company::{Company, DOMAIN, TEAMS};
use super::random::Random;
use crate::domain::time::Timestamp;

pub const INDUSTRIES: [(&str, f64); 8] = [
    ("Manufacturing", 0.20),
    ("Software", 0.18),
    ("Healthcare", 0.14),
    ("Retail", 0.12),
    ("Finance", 0.12),
    ("Logistics", 0.10),
    ("Energy", 0.08),
    ("Education", 0.06),
];
pub const PRODUCTS: [(&str, f64); 3] = [("Sensors", 0.45), ("Analytics", 0.35), ("Platform", 0.2)];
pub const SOURCES: [(&str, f64); 5] =
    [("Web", 0.4), ("Referral", 0.15), ("Event", 0.2), ("Partner", 0.15), ("Outbound", 0.1)];
pub const SIZES: [&str; 3] = ["small", "mid", "large"];

/// What the truth looks at: indexes into the lists above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    pub industry: usize,
    pub product: usize,
    pub source: usize,
    pub size: usize,
}

/// A lead, or the segment of a deal.
#[derive(Clone, Debug)]
pub struct Prospect {
    pub traits: Traits,
    pub country: &'static str,
    pub state: &'static str,
    pub postal_code: String,
    pub city: &'static str,
    pub employees: i64,
    pub annual_revenue: i64,
    pub company: String,
    pub email_domain: String,
    pub hot: bool,
    pub asks_for_platform_expert: bool,
}

/// Draws prospects, one after the other.
pub struct Prospects {
    random: Random,
    drawn: usize,
}

impl Prospects {
    pub fn new(seed: u64, name: &str) -> Prospects {
        Prospects { random: Random::new(seed).split(name), drawn: 0 }
    }

    /// A prospect anywhere; now and then one from a country that no territory covers, or from a
    /// company that we know.
    pub fn anywhere(&mut self, company: &Company) -> Prospect {
        let shares: Vec<(usize, f64)> =
            TEAMS.iter().enumerate().map(|(team, desk)| (team, desk.share)).collect();
        let team = *self.random.weighted(&shares);
        let mut prospect = self.of_team(team);
        if self.random.chance(0.015) {
            (prospect.country, prospect.state) = ("AU", "NSW");
            (prospect.postal_code, prospect.city) = ("2000".to_owned(), "Sydney");
        } else if self.random.chance(0.05) {
            let known = self.random.pick(&company.accounts);
            prospect = self.of_team(known.team);
            prospect.company = known.name.clone();
            prospect.email_domain = known.email_domain.clone();
        }
        prospect
    }

    /// One from the places of a team.
    pub fn of_team(&mut self, team: usize) -> Prospect {
        let place = *self.random.pick(TEAMS[team].places);
        self.at(place)
    }

    /// One from a place of a state.
    pub fn of_state(&mut self, state: &str) -> Prospect {
        let places: Vec<_> =
            TEAMS.iter().flat_map(|desk| desk.places).filter(|place| place.1 == state).collect();
        let place = **self.random.pick(&places);
        self.at(place)
    }

    fn at(
        &mut self,
        (country, state, postal, city): (&'static str, &'static str, &str, &'static str),
    ) -> Prospect {
        let random = &mut self.random;
        self.drawn += 1;
        let traits = Traits {
            industry: index(random, &INDUSTRIES),
            product: index(random, &PRODUCTS),
            source: index(random, &SOURCES),
            size: [0, 0, 0, 0, 1, 1, 1, 2][random.below(8)],
        };
        let (low, high) = [(8.0, 49.0), (51.0, 950.0), (1_050.0, 9_000.0)][traits.size];
        let employees = (low * libm::pow(high / low, random.unit())).round() as i64;
        let postal_code = match country {
            "CA" => format!("{postal} {}A{}", random.below(9) + 1, random.below(9) + 1),
            "GB" => format!("{postal}A {}BB", random.below(9) + 1),
            "IE" => format!("{postal} X2{}8", random.below(9)),
            "AT" => postal.to_owned() + "0",
            "DK" => postal.to_owned() + "0",
            _ => format!("{postal}{:02}", random.below(100)),
        };
        let company = format!("{} {}", random.pick(&WORDS), random.pick(&FORMS));
        let slug = company.to_lowercase().replace(' ', "-");
        Prospect {
            traits,
            country,
            state,
            postal_code,
            city,
            employees,
            annual_revenue: employees * (120 + random.below(180) as i64) * 1_000,
            email_domain: format!("{slug}-{}.example", self.drawn),
            company,
            hot: random.chance(0.12),
            asks_for_platform_expert: traits.product == 2 && random.chance(0.3),
        }
    }
}

fn index(random: &mut Random, list: &[(&str, f64)]) -> usize {
    let places: Vec<(usize, f64)> =
        list.iter().enumerate().map(|(place, (_, share))| (place, *share)).collect();
    *random.weighted(&places)
}

const WORDS: [&str; 24] = [
    "Amber", "Beacon", "Canyon", "Delta", "Ember", "Foxglove", "Glacier", "Harbor", "Indigo",
    "Jasper", "Keystone", "Lumen", "Meadow", "Nimbus", "Orchard", "Pinnacle", "Quarry", "Ridge",
    "Summit", "Timber", "Umbra", "Vista", "Willow", "Zephyr",
];
const FORMS: [&str; 8] =
    ["Works", "Group", "Labs", "Supply", "Partners", "Industries", "Co", "Line"];

impl Prospect {
    /// The value of `lead-created`.
    pub fn lead(&self, lead_id: &str, created_at: Timestamp) -> Value {
        let skills: Vec<&str> =
            if self.asks_for_platform_expert { vec!["platform"] } else { Vec::new() };
        let currency = if matches!(self.country, "US" | "AU") { "USD" } else { "EUR" };
        json!({
            "event_id": format!("{lead_id}-created"), "lead_id": lead_id,
            "created_at": created_at.0, "company": self.company,
            "email": format!("{lead_id}@{}", self.email_domain).to_lowercase(),
            "country": self.country, "state": self.state, "postal_code": self.postal_code,
            "city": self.city, "industry": INDUSTRIES[self.traits.industry].0,
            "employees": self.employees, "annual_revenue": self.annual_revenue,
            "currency": currency, "source": SOURCES[self.traits.source].0,
            "product": PRODUCTS[self.traits.product].0,
            "rating": if self.hot { "Hot" } else { "Warm" },
            "required_skills": skills, "owner_id": "integration.user",
            "attributes": {"campaign": DOMAIN},
        })
    }

    /// The value of `opportunity-closed` for a deal with such a company.
    pub fn deal(&self, id: &str, rep: &str, won: bool, closed_at: Timestamp) -> Value {
        json!({
            "event_id": format!("{id}-closed"), "opportunity_id": id,
            "outcome": if won { "WON" } else { "LOST" }, "rep_id": rep,
            "closed_at": closed_at.0, "country": self.country, "state": self.state,
            "postal_code": self.postal_code, "industry": INDUSTRIES[self.traits.industry].0,
            "employees": self.employees, "annual_revenue": self.annual_revenue,
            "product": PRODUCTS[self.traits.product].0, "source": SOURCES[self.traits.source].0,
        })
    }

    /// In a few words, without anything that names a person.
    pub fn words(&self) -> String {
        format!(
            "{}, {} people, {}, {}",
            INDUSTRIES[self.traits.industry].0,
            self.employees,
            self.city,
            PRODUCTS[self.traits.product].0,
        )
    }
}
