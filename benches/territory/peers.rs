//! What others would write: each finds the same winner, and is given every advantage. The lead comes to them
//! flat, its texts as numbers already, and so do the rules; ours begins at the fields as the event has them.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use lead_router::domain::ids::AccountId;
use lead_router::domain::lead_fields::LeadFields;
use lead_router::domain::territory::{Condition, Field, LeadField, Op, Operands, TerritoryDef};
use roaring::RoaringBitmap;

/// A multiply-and-rotate hash (as rustc's): faster than the standard one, so that it is not the peers' loss.
#[derive(Default)]
pub(super) struct Fast(u64);

impl std::hash::Hasher for Fast {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fast>>;

/// A lead as numbers; 0 = missing, or in no rule.
pub(super) struct Flat {
    country: u32,
    state: u32,
    postal: u32,
    industry: u32,
    product: u32,
    segment: u32,
    employees: f64,
    revenue: f64,
    accounts: Vec<u32>,
}

impl Flat {
    /// One number of all: it reads them.
    pub(super) fn fold(&self) -> f64 {
        let numbers = [self.country, self.state, self.postal, self.industry, self.product];
        let all = numbers.iter().chain([&self.segment]).chain(&self.accounts);
        f64::from(all.fold(0, |sum, number| sum ^ number)) + self.employees + self.revenue
    }
}

/// A territory as numbers; an empty list asks nothing.
#[derive(Clone, Default)]
pub(super) struct Row {
    /// Named accounts first, then priority, then id.
    pub(super) rank: u64,
    country: u32,
    states: Vec<u32>,
    industries: Vec<u32>,
    product: u32,
    segment: u32,
    postal: (u32, u32),
    employees: (f64, f64),
    revenue: f64,
    accounts: Vec<u32>,
}

impl Row {
    fn takes(&self, lead: &Flat) -> bool {
        if !self.accounts.is_empty() {
            return lead.accounts.iter().any(|account| self.accounts.contains(account));
        }
        (self.country == 0 || self.country == lead.country)
            && self.postal.0 <= lead.postal
            && lead.postal <= self.postal.1
            && self.employees.0 <= lead.employees
            && lead.employees <= self.employees.1
            && (self.product == 0 || self.product == lead.product)
            && (self.segment == 0 || self.segment == lead.segment)
            && self.revenue <= lead.revenue
            && (self.industries.is_empty() || self.industries.contains(&lead.industry))
            && (self.states.is_empty() || self.states.contains(&lead.state))
    }
}

/// Texts to numbers.
#[derive(Default)]
pub(super) struct Names(HashMap<String, u32>);

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        let next = self.0.len() as u32 + 1;
        *self.0.entry(text.to_lowercase()).or_insert(next)
    }

    pub(super) fn lead(&mut self, lead: &LeadFields, accounts: &[AccountId]) -> Flat {
        let mut of = |text: &Option<String>| text.as_ref().map_or(0, |text| self.number(text));
        Flat {
            country: of(&lead.country),
            state: of(&lead.state),
            industry: of(&lead.industry),
            product: of(&lead.product),
            segment: of(&lead.attributes.get("segment").cloned()),
            postal: lead.postal_code.as_ref().and_then(|it| it.parse().ok()).unwrap_or(0),
            employees: lead.employees.unwrap_or(0) as f64,
            revenue: lead.annual_revenue.unwrap_or(0) as f64 / 100.0,
            accounts: accounts.iter().map(|id| self.number(id.as_str())).collect(),
        }
    }

    pub(super) fn row(&mut self, id: &str, definition: &TerritoryDef) -> Row {
        let id: u64 = id[11..17].parse().expect("a number");
        let named = !definition.named_accounts.is_empty();
        let rank = u64::from(!named) << 63 | (definition.priority as u64) << 32 | id;
        let mut row = Row {
            rank,
            postal: (0, u32::MAX),
            employees: (f64::NEG_INFINITY, f64::INFINITY),
            revenue: f64::NEG_INFINITY,
            accounts: definition.named_accounts.iter().map(|id| self.number(id.as_str())).collect(),
            ..Row::default()
        };
        for condition in definition.rules.iter().flat_map(|rule| &rule.all) {
            self.condition(condition, &mut row);
        }
        row
    }

    fn condition(&mut self, condition: &Condition, row: &mut Row) {
        match (&condition.field, &condition.op) {
            (field, Op::In(Operands::Text(values))) => {
                let numbers: Vec<u32> = values.iter().map(|value| self.number(value)).collect();
                match field {
                    Field::Lead(LeadField::Country) => row.country = numbers[0],
                    Field::Lead(LeadField::State) => row.states = numbers,
                    Field::Lead(LeadField::Industry) => row.industries = numbers,
                    Field::Lead(LeadField::Product) => row.product = numbers[0],
                    Field::Attribute(_) => row.segment = numbers[0],
                    other => panic!("not in the model: {other:?}"),
                }
            }
            (Field::Lead(field), Op::BetweenNumber { low, high }) => {
                let low = low.unwrap_or(f64::NEG_INFINITY);
                match field {
                    LeadField::Employees => row.employees = (low, high.unwrap_or(f64::INFINITY)),
                    _ => row.revenue = low,
                }
            }
            (_, Op::BetweenText { low: Some(low), high: Some(high) }) => {
                row.postal = (low.parse().expect("digits"), high.parse().expect("digits"));
            }
            other => panic!("not in the model: {other:?}"),
        }
    }
}

pub(super) trait Peer {
    fn name(&self) -> &'static str;
    fn build(&mut self, rows: &[Row]) {
        rows.iter().for_each(|row| self.add(row));
    }
    fn add(&mut self, row: &Row);
    fn remove(&mut self, row: &Row);
    /// The rank of the winner.
    fn winner(&self, lead: &Flat) -> Option<u64>;
}

/// Rows by rank; the first that takes the lead wins.
#[derive(Default)]
pub(super) struct Scan(Vec<Row>);

impl Scan {
    fn add(&mut self, row: &Row) {
        let at = self.0.partition_point(|other| other.rank < row.rank);
        self.0.insert(at, row.clone());
    }

    fn remove(&mut self, row: &Row) {
        let at = self.0.partition_point(|other| other.rank < row.rank);
        self.0.remove(at);
    }

    /// Better than `best`.
    fn winner(&self, lead: &Flat, best: Option<u64>) -> Option<u64> {
        let better = self.0.iter().take_while(|row| best.is_none_or(|best| row.rank < best));
        better.into_iter().find(|row| row.takes(lead)).map(|row| row.rank).or(best)
    }
}

impl Peer for Scan {
    fn name(&self) -> &'static str {
        "linear scan, best rank first"
    }

    fn add(&mut self, row: &Row) {
        self.add(row);
    }

    fn remove(&mut self, row: &Row) {
        self.remove(row);
    }

    fn winner(&self, lead: &Flat) -> Option<u64> {
        self.winner(lead, None)
    }
}

/// By country and state, then a scan; named accounts apart, or by a hash of their own.
#[derive(Default)]
pub(super) struct Buckets {
    by_account: Option<Map<u32, Scan>>,
    buckets: Map<(u32, u32), Scan>,
}

impl Buckets {
    pub(super) fn with_accounts() -> Buckets {
        Buckets { by_account: Some(Map::default()), ..Buckets::default() }
    }

    fn each(&mut self, row: &Row, mut change: impl FnMut(&mut Scan)) {
        if let (Some(by_account), false) = (&mut self.by_account, row.accounts.is_empty()) {
            for account in &row.accounts {
                change(by_account.entry(*account).or_default());
            }
            return;
        }
        match row.states.is_empty() {
            true => change(self.buckets.entry((row.country, 0)).or_default()),
            false => row.states.iter().for_each(|state| {
                change(self.buckets.entry((row.country, *state)).or_default());
            }),
        }
    }
}

impl Peer for Buckets {
    fn name(&self) -> &'static str {
        match self.by_account {
            None => "hash(country, state) + scan",
            Some(_) => "hash(account), else (country, state) + scan",
        }
    }

    fn add(&mut self, row: &Row) {
        let mut seen = false;
        let duplicate =
            row.accounts.iter().enumerate().any(|(at, it)| row.accounts[..at].contains(it));
        self.each(row, |scan| {
            if !(duplicate && seen && scan.0.iter().any(|other| other.rank == row.rank)) {
                scan.add(row);
            }
            seen = true;
        });
    }

    fn remove(&mut self, row: &Row) {
        self.each(row, |scan| {
            if scan.0.iter().any(|other| other.rank == row.rank) {
                scan.remove(row);
            }
        });
    }

    fn winner(&self, lead: &Flat) -> Option<u64> {
        let mut best = None;
        if let Some(by_account) = &self.by_account {
            for scan in lead.accounts.iter().filter_map(|account| by_account.get(account)) {
                best = scan.0.first().map(|row| row.rank).into_iter().chain(best).min();
            }
            if best.is_some() {
                return best;
            }
        }
        for key in [(0, 0), (lead.country, 0), (lead.country, lead.state)] {
            if let Some(scan) = self.buckets.get(&key) {
                best = scan.winner(lead, best);
            }
        }
        best
    }
}

/// Bytes of the postal code that have a bitmap.
const POSTAL: u32 = 1_000;
/// Up to which number of employees; one bitmap each.
const BANDS: [f64; 3] = [49.0, 999.0, f64::INFINITY];

/// A bitmap of rows for each value of each attribute, those that do not ask among them; all that a lead has
/// are intersected, the smallest first, and the first row left that really takes the lead wins. A row's
/// place follows its rank, with room between for changes.
#[derive(Default)]
pub(super) struct Bitmaps {
    rows: Map<u32, Row>,
    by_account: Map<u32, Vec<u64>>,
    /// Place by rank.
    places: std::collections::BTreeMap<u64, u32>,
    attributes: [Attribute; 7],
}

#[derive(Default)]
struct Attribute {
    /// Rows that do not ask.
    any: RoaringBitmap,
    values: Map<u32, RoaringBitmap>,
}

impl Attribute {
    fn change(&mut self, value: u32, place: u32, add: bool) {
        let set = |bitmap: &mut RoaringBitmap| match add {
            true => _ = bitmap.insert(place),
            false => _ = bitmap.remove(place),
        };
        if value == 0 {
            self.values.values_mut().chain([&mut self.any]).for_each(set);
        } else {
            set(self.values.entry(value).or_insert_with(|| self.any.clone()));
        }
    }

    fn of(&self, value: u32) -> &RoaringBitmap {
        self.values.get(&value).filter(|_| value != 0).unwrap_or(&self.any)
    }
}

/// Places between two rows when built.
const STEP: u32 = 4;

impl Bitmaps {
    fn values(row: &Row) -> [Vec<u32>; 7] {
        let one = |value: u32| vec![value];
        let many = |values: &[u32]| if values.is_empty() { vec![0] } else { values.to_vec() };
        let postal = match row.postal {
            (0, u32::MAX) => vec![0],
            (low, high) => (1 + low / (100_000 / POSTAL)..=1 + high / (100_000 / POSTAL)).collect(),
        };
        let bands = (0..3_u32).filter(|band| {
            let low = if *band == 0 { f64::NEG_INFINITY } else { BANDS[*band as usize - 1] + 1.0 };
            row.employees.0 <= BANDS[*band as usize] && low <= row.employees.1
        });
        let bands: Vec<u32> = bands.map(|band| band + 1).collect();
        [
            one(row.country),
            many(&row.states),
            many(&row.industries),
            one(row.product),
            one(row.segment),
            postal,
            if bands.len() == 3 { vec![0] } else { bands },
        ]
    }

    /// A place between its neighbours in rank, if there is room.
    fn place(&self, rank: u64) -> Option<u32> {
        let before = self.places.range(..rank).next_back().map_or(0, |(_, place)| *place);
        let after = self.places.range(rank..).next().map(|(_, place)| *place);
        let after = after.unwrap_or(before + 2 * STEP);
        (after > before + 1).then_some(before + (after - before) / 2)
    }

    fn put(&mut self, row: &Row, place: u32) {
        self.places.insert(row.rank, place);
        self.rows.insert(place, row.clone());
        for (attribute, values) in self.attributes.iter_mut().zip(Bitmaps::values(row)) {
            values.into_iter().for_each(|value| attribute.change(value, place, true));
        }
    }
}

impl Peer for Bitmaps {
    fn name(&self) -> &'static str {
        "roaring, a bitmap per attribute value"
    }

    fn build(&mut self, rows: &[Row]) {
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by_key(|row| row.rank);
        for row in rows {
            match row.accounts.is_empty() {
                true => self.put(row, STEP * (self.rows.len() as u32 + 1)),
                false => self.add(row),
            }
        }
    }

    fn add(&mut self, row: &Row) {
        for account in &row.accounts {
            self.by_account.entry(*account).or_default().push(row.rank);
        }
        if !row.accounts.is_empty() {
            return;
        }
        match self.place(row.rank) {
            Some(place) => self.put(row, place),
            None => {
                let mut rows: Vec<Row> = std::mem::take(&mut self.rows).into_values().collect();
                rows.push(row.clone());
                let by_account = std::mem::take(&mut self.by_account);
                *self = Bitmaps { by_account, ..Bitmaps::default() };
                self.build(&rows);
            }
        }
    }

    fn remove(&mut self, row: &Row) {
        for account in &row.accounts {
            if let Some(ranks) = self.by_account.get_mut(account) {
                ranks.retain(|rank| *rank != row.rank);
            }
        }
        let Some(place) = self.places.remove(&row.rank) else { return };
        self.rows.remove(&place);
        for (attribute, values) in self.attributes.iter_mut().zip(Bitmaps::values(row)) {
            values.into_iter().for_each(|value| attribute.change(value, place, false));
        }
    }

    fn winner(&self, lead: &Flat) -> Option<u64> {
        let listed = lead.accounts.iter().filter_map(|account| self.by_account.get(account));
        if let Some(rank) = listed.flatten().min() {
            return Some(*rank);
        }
        let band = BANDS.iter().position(|most| lead.employees <= *most).unwrap_or(2) as u32;
        let values = [
            lead.country,
            lead.state,
            lead.industry,
            lead.product,
            lead.segment,
            1 + lead.postal / (100_000 / POSTAL),
            band + 1,
        ];
        let attributes = self.attributes.iter().zip(values);
        let mut bitmaps: Vec<_> =
            attributes.map(|(attribute, value)| attribute.of(value)).collect();
        bitmaps.sort_by_key(|bitmap| bitmap.len());
        let mut left = bitmaps[0] & bitmaps[1];
        bitmaps[2..].iter().for_each(|bitmap| left &= *bitmap);
        let takes = |place: &u32| self.rows.get(place).filter(|row| row.takes(lead));
        left.iter().find_map(|place| takes(&place)).map(|row| row.rank)
    }
}
