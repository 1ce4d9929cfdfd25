//! The territory model that the matchers are measured on, and its leads.
//!
//! 60 countries by Zipf's law, a postal space of five digits split among the states of each, a million
//! accounts in trees up to four deep. Of the territories 30 % list accounts by name; 62 % are disjoint
//! cells (small companies by postal range, middle ones by state or postal range and eight verticals, large
//! ones by state, sixteen verticals and three product lines); 8 % lie over them with a higher priority
//! (carve-outs, custom fields, revenue, and catch-alls below all).

use std::sync::Arc;

use lead_router::domain::ids::{AccountId, Private, TerritoryId};
use lead_router::domain::lead_fields::LeadFields;
use lead_router::domain::territory::{
    Condition, Field, LeadField, Op, Operands, Rule, TerritoryDef,
};

pub(super) const COUNTRIES: usize = 60;
pub(super) const ACCOUNTS: u32 = 1_000_000;
const PRODUCTS: [&str; 3] = ["core", "analytics suite", "platform"];
const VERTICALS: [&str; 16] = [
    "manufacturing",
    "software",
    "retail",
    "health care",
    "banking",
    "insurance",
    "energy",
    "telecommunications",
    "logistics",
    "education",
    "public sector",
    "media",
    "hospitality",
    "construction",
    "agriculture",
    "professional services",
];

/// SplitMix64: small, and the same on every machine.
#[derive(Clone)]
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A country: its share of everything, and the states that its postal space is split among.
#[derive(Clone)]
pub(super) struct Country {
    pub(super) code: String,
    share: f64,
    pub(super) states: usize,
}

#[derive(Clone)]
pub(super) struct Model {
    pub(super) countries: Vec<Country>,
    pub(super) territories: Vec<(TerritoryId, Arc<TerritoryDef>)>,
    /// Parent of each account.
    pub(super) parents: Vec<Option<u32>>,
}

fn text(field: LeadField, values: &[String]) -> Condition {
    Condition { field: Field::Lead(field), op: Op::In(Operands::Text(values.to_vec())) }
}

fn one(field: LeadField, value: &str) -> Condition {
    text(field, &[value.to_owned()])
}

fn number(field: LeadField, low: Option<f64>, high: Option<f64>) -> Condition {
    Condition { field: Field::Lead(field), op: Op::BetweenNumber { low, high } }
}

fn postal((low, high): (usize, usize)) -> Condition {
    let op = Op::BetweenText { low: Some(format!("{low:05}")), high: Some(format!("{high:05}")) };
    Condition { field: Field::Lead(LeadField::PostalCode), op }
}

fn small() -> Condition {
    number(LeadField::Employees, None, Some(49.0))
}

fn middle() -> Condition {
    number(LeadField::Employees, Some(50.0), Some(999.0))
}

fn large() -> Condition {
    number(LeadField::Employees, Some(1_000.0), None)
}

/// The `at`th of `of` equal parts of the postal space, or of a state's.
fn part(at: usize, of: usize) -> (usize, usize) {
    (at * 100_000 / of, ((at + 1) * 100_000 / of).max(at * 100_000 / of + 1) - 1)
}

impl Country {
    fn state(&self, at: usize) -> String {
        format!("{}{at:02}", self.code)
    }

    fn state_of(&self, postal: usize) -> usize {
        postal * self.states / 100_000
    }
}

impl Model {
    pub(super) fn new(size: usize, seed: u64) -> Model {
        let mut random = Random(seed);
        let total: f64 = (1..=COUNTRIES).map(|rank| 1.0 / rank as f64).sum();
        let country = |at: usize| Country {
            code: format!("{}{}", (b'a' + (at / 8) as u8) as char, (b'a' + (at % 8) as u8) as char),
            share: 1.0 / (at + 1) as f64 / total,
            states: (50 / (at + 1)).max(4),
        };
        let countries: Vec<Country> = (0..COUNTRIES).map(country).collect();
        let mut depth = vec![1_u8; ACCOUNTS as usize];
        let mut parents = vec![None; ACCOUNTS as usize];
        for account in 1..ACCOUNTS {
            // Within the same country: numbers go round the countries' shares.
            let parent = random.below(account as usize) as u32;
            if random.chance(45) && depth[parent as usize] < 4 {
                depth[account as usize] = depth[parent as usize] + 1;
                parents[account as usize] = Some(parent);
            }
        }
        let mut model = Model { countries, territories: Vec::new(), parents };
        let mut definitions = model.cells(size * 62 / 100);
        let known = model.countries.iter().take(size / 20);
        definitions.extend(
            known.map(|country| territory(1_000, vec![one(LeadField::Country, &country.code)])),
        );
        while definitions.len() < size * 70 / 100 {
            let country = model.country(&mut random).clone();
            definitions.push(overlay(&country, definitions.len(), &mut random));
        }
        while definitions.len() < size {
            definitions.push(list(&mut random));
        }
        let id = |at: usize| TerritoryId::new(&format!("0MI5g000000{at:06}AAA"));
        // Ids in no order of kinds.
        let numbers = shuffled(size, &mut random);
        definitions.truncate(size);
        let all = definitions.into_iter().zip(numbers);
        model.territories = all.map(|(definition, at)| (id(at), Arc::new(definition))).collect();
        model
    }

    fn country(&self, random: &mut Random) -> &Country {
        let mut left = random.below(1 << 30) as f64 / f64::from(1 << 30);
        let found = self.countries.iter().find(|country| {
            left -= country.share;
            left < 0.0
        });
        found.unwrap_or(&self.countries[0])
    }

    fn cells(&self, size: usize) -> Vec<TerritoryDef> {
        let mut cells = Vec::new();
        for country in &self.countries {
            let own = (size as f64 * country.share) as usize;
            small_cells(country, own / 3, &mut cells);
            middle_cells(country, own / 3, &mut cells);
            large_cells(country, own - own / 3 * 2, &mut cells);
        }
        cells.truncate(size);
        cells
    }

    pub(super) fn lead(&self, random: &mut Random) -> LeadFields {
        let country = self.country(random);
        let code = random.below(100_000);
        let employees = match random.below(100) {
            0..60 => 1 + random.below(49),
            60..88 => 50 + random.below(950),
            _ => 1_000 + random.below(50_000),
        };
        let mut lead = LeadFields {
            company: Some(format!("Company {}", random.below(900_000))),
            email: Some(Private::new(format!("p{}@c{}.example", random.below(999), code))),
            phone: Some(Private::new(format!("+1 555 {code}"))),
            country: Some(country.code.to_uppercase()),
            state: Some(country.state(country.state_of(code)).to_uppercase()),
            postal_code: Some(format!("{code:05}")),
            city: Some(format!("City {}", code / 50)),
            industry: Some(VERTICALS[random.below(16)].to_owned()),
            product: Some(PRODUCTS[random.below(3)].to_owned()),
            source: Some("Web".to_owned()),
            employees: Some(employees as i64),
            annual_revenue: Some((employees * (5 + random.below(20))) as i64 * 1_000_000),
            ..LeadFields::default()
        };
        if random.chance(10) {
            let value = format!("Segment {}", random.below(2_000));
            lead.attributes.insert("segment".to_owned(), value);
        }
        if random.chance(40) {
            lead.account_id = Some(account(random.below(ACCOUNTS as usize) as u32));
        }
        lead
    }

    /// The lead's account and its ancestors.
    pub(super) fn chain(&self, lead: &LeadFields) -> Vec<AccountId> {
        let number = lead.account_id.as_ref().and_then(|id| id.as_str()[8..15].parse::<u32>().ok());
        let up = |at: &u32| self.parents[*at as usize];
        std::iter::successors(number, up).map(account).collect()
    }

    /// Another definition for a territory: its own, changed in one thing.
    pub(super) fn change(
        &self,
        at: usize,
        random: &mut Random,
    ) -> (TerritoryId, Arc<TerritoryDef>) {
        let (id, definition) = &self.territories[at];
        let mut new = TerritoryDef::clone(definition);
        if let Some(condition) = new.rules.first_mut().and_then(|rule| rule.all.last_mut()) {
            condition.op = match &condition.op {
                Op::BetweenNumber { low, high } => {
                    Op::BetweenNumber { low: low.map(|it| it + 1.0), high: high.map(|it| it + 1.0) }
                }
                Op::BetweenText { .. } => postal(part(random.below(1_000), 1_000)).op,
                Op::In(_) if condition.field == Field::Lead(LeadField::Industry) => {
                    one(LeadField::Industry, VERTICALS[random.below(16)]).op
                }
                other => other.clone(),
            };
        }
        if let Some(account_id) = new.named_accounts.first_mut() {
            *account_id = account(random.below(ACCOUNTS as usize) as u32);
        }
        (id.clone(), Arc::new(new))
    }
}

fn account(number: u32) -> AccountId {
    AccountId::new(&format!("0015g000{number:07}AAA"))
}

fn shuffled(size: usize, random: &mut Random) -> Vec<usize> {
    let mut all: Vec<usize> = (0..size).collect();
    for at in (1..size).rev() {
        all.swap(at, random.below(at + 1));
    }
    all
}

fn territory(priority: i32, all: Vec<Condition>) -> TerritoryDef {
    TerritoryDef {
        name: String::new(),
        parent_id: None,
        priority,
        rules: vec![Rule { all }],
        named_accounts: Vec::new(),
        members: Vec::new(),
        valid_to_at: None,
    }
}

fn small_cells(country: &Country, size: usize, cells: &mut Vec<TerritoryDef>) {
    for at in 0..size {
        let all = vec![one(LeadField::Country, &country.code), small(), postal(part(at, size))];
        cells.push(territory(100, all));
    }
}

/// By state while there are states enough, else by postal range within the state.
fn middle_cells(country: &Country, size: usize, cells: &mut Vec<TerritoryDef>) {
    let regions = size / 8;
    for at in 0..regions {
        for vertical in 0..8 {
            let verticals: Vec<String> =
                VERTICALS[2 * vertical..2 * vertical + 2].iter().map(|it| it.to_string()).collect();
            let mut all = vec![one(LeadField::Country, &country.code), middle()];
            match regions <= country.states {
                true => all.push(text(LeadField::State, &states(country, at, regions))),
                false => all.push(postal(part(at, regions))),
            }
            all.push(text(LeadField::Industry, &verticals));
            cells.push(territory(100, all));
        }
    }
}

/// The states of the `at`th of `of` groups.
fn states(country: &Country, at: usize, of: usize) -> Vec<String> {
    let (from, to) = (at * country.states / of, (at + 1) * country.states / of);
    (from..to.max(from + 1)).map(|state| country.state(state)).collect()
}

fn large_cells(country: &Country, size: usize, cells: &mut Vec<TerritoryDef>) {
    let regions = size / 48;
    for at in 0..regions {
        for (vertical, product) in
            VERTICALS.iter().flat_map(|vertical| PRODUCTS.map(|product| (vertical, product)))
        {
            let mut all = vec![one(LeadField::Country, &country.code), large()];
            match regions <= country.states {
                true => all.push(text(LeadField::State, &states(country, at, regions))),
                false => all.push(postal(part(at, regions))),
            }
            all.push(one(LeadField::Product, product));
            all.push(one(LeadField::Industry, vertical));
            cells.push(territory(100, all));
        }
    }
    // What is too few for a grid of its own: one cell for all large companies.
    if regions == 0 && size > 0 {
        cells.push(territory(100, vec![one(LeadField::Country, &country.code), large()]));
    }
}

fn overlay(country: &Country, number_of: usize, random: &mut Random) -> TerritoryDef {
    let mut all = vec![one(LeadField::Country, &country.code)];
    match number_of % 9 {
        0..4 => {
            let low = random.below(99_900);
            all.push(one(LeadField::Industry, VERTICALS[random.below(16)]));
            all.push(postal((low, low + random.below(100))));
        }
        4..7 => {
            let field = Field::Attribute("segment".to_owned());
            let values = vec![format!("segment {}", random.below(2_000))];
            all.push(Condition { field, op: Op::In(Operands::Text(values)) });
        }
        _ => {
            all.push(one(LeadField::State, &country.state(random.below(country.states))));
            all.push(one(LeadField::Industry, VERTICALS[random.below(16)]));
            let from = 1_000_000.0 * (1 + random.below(20_000)) as f64;
            all.push(number(LeadField::AnnualRevenue, Some(from), None));
        }
    }
    territory(50, all)
}

fn list(random: &mut Random) -> TerritoryDef {
    let count = 1 + random.below(8);
    let accounts = (0..count).map(|_| account(random.below(ACCOUNTS as usize) as u32));
    let named_accounts = accounts.collect();
    TerritoryDef { rules: Vec::new(), named_accounts, ..territory(10, Vec::new()) }
}
