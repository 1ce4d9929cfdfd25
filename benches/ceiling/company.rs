//! The largest company that we mean to serve, and leads of its accounts.

use std::sync::Arc;

use lead_router::domain::ids::{AccountId, EventId, LeadId, Private, RepId};
use lead_router::domain::input::{
    AccountChange, AccountDef, AccountKind, EffectiveChange, Input, LeadCreated, RepChange, RepDef,
    TerritoryChange, Topic,
};
use lead_router::domain::lead_fields::LeadFields;
use lead_router::domain::territory::{Member, TerritoryDef};
use lead_router::domain::time::{Span, Timestamp};

use crate::model::{Model, Random};

pub(super) const DOMAIN: &str = "acme";
/// When everything was written.
pub(super) const START: Timestamp = Timestamp(1_767_607_200_000);

const TRADES: [&str; 12] = [
    "Software",
    "Logistics",
    "Foods",
    "Medical",
    "Energy",
    "Systems",
    "Partners",
    "Bank",
    "Media",
    "Consulting",
    "Motors",
    "Textiles",
];
const FORMS: [&str; 6] = ["Inc.", "Ltd", "GmbH", "LLC", "Corp", "S.A."];
const HEADS: [&str; 8] = ["b", "d", "k", "l", "m", "r", "s", "v"];
const TAILS: [&str; 8] = ["a", "e", "i", "o", "an", "er", "in", "ol"];

pub(super) struct Company {
    pub(super) accounts: u32,
    pub(super) reps: u32,
    pub(super) territories: u32,
}

impl Company {
    /// All reference data, one event after another.
    pub(super) fn events(&self, each: &mut dyn FnMut(Topic, Input)) {
        for number in 0..self.reps {
            each(Topic::RepChanged, Input::RepChanged(Box::new(self.rep(number))));
        }
        let mut random = Random(5);
        for (territory_id, definition) in Model::new(self.territories as usize, 7).territories {
            let members = (0..1 + random.below(4)).map(|_| Member {
                rep_id: rep_id(random.below(self.reps as usize) as u32),
                weight: 100,
                role: None,
            });
            let mut members: Vec<Member> = members.collect();
            members.sort_by(|a, b| a.rep_id.cmp(&b.rep_id));
            members.dedup_by(|a, b| a.rep_id == b.rep_id);
            let name = format!("Territory {territory_id}");
            let definition = TerritoryDef { name, members, ..TerritoryDef::clone(&definition) };
            let change = TerritoryChange {
                event_id: EventId::new(territory_id.as_str()),
                territory_id,
                definition: Some(Arc::new(definition)),
                valid_from_at: None,
                effective_change: EffectiveChange::NewOnly,
                reason: None,
            };
            each(Topic::TerritoryChanged, Input::TerritoryChanged(Box::new(change)));
        }
        for number in 0..self.accounts {
            each(Topic::AccountChanged, Input::AccountChanged(Box::new(self.account(number))));
        }
    }

    /// Leads that say no account: one half is found by its domain, the other by its name.
    pub(super) fn leads(&self, count: u32, each: &mut dyn FnMut(Input)) {
        let mut random = Random(17);
        for number in 0..count {
            let account = random.below(self.accounts as usize) as u32;
            let email = match number % 2 {
                0 => format!("p{number}@{}", host(account)),
                _ => format!("p{number}@gmail.com"),
            };
            let fields = LeadFields {
                created_at: START,
                company: Some(name(account).to_uppercase()),
                email: Some(Private::new(email)),
                country: Some("US".to_owned()),
                ..LeadFields::default()
            };
            each(Input::LeadCreated(Box::new(LeadCreated {
                event_id: EventId::new(&format!("lead-{number}")),
                lead_id: LeadId::new(&format!("00Q5g000{number:07}AAA")),
                fields: fields.into(),
                fast: false,
            })));
        }
    }

    fn rep(&self, number: u32) -> RepChange {
        let rep_id = rep_id(number);
        RepChange {
            event_id: EventId::new(rep_id.as_str()),
            definition: Some(RepDef {
                name: Some(format!("Rep {number}")),
                active: true,
                paused: false,
                weight: 100,
                manager_id: Some(self::rep_id(number / 10)),
                hired_at: None,
                skills: vec!["enterprise".to_owned()],
                languages: vec!["en".to_owned()],
                calendar_id: None,
                time_zone: "America/Chicago".to_owned(),
                away: Vec::new(),
                caps: Vec::new(),
                cover_id: None,
            }),
            rep_id,
        }
    }

    /// Nearly half of the accounts have a parent; all have an owner.
    fn account(&self, number: u32) -> AccountChange {
        let mut random = Random(u64::from(number));
        let parent = (number > 0 && random.below(100) < 45)
            .then(|| account_id(random.below(number as usize) as u32));
        let activity = START + Span::from_secs(-(random.below(40_000_000) as i64));
        let kinds = [AccountKind::Customer, AccountKind::Prospect, AccountKind::Prospect];
        AccountChange {
            event_id: EventId::new(&format!("9f3c{number:028x}")),
            account_id: account_id(number),
            definition: Some(AccountDef {
                name: name(number),
                domains: vec![host(number)],
                owner_id: Some(rep_id(random.below(self.reps as usize) as u32)),
                parent_id: parent,
                kind: kinds[random.below(3)],
                country: Some("US".to_owned()),
                state: Some(format!("S{}", random.below(50))),
                postal_code: Some(format!("{:05}", random.below(100_000))),
                phone: Some(Private::new(format!("+1 415 {:07}", random.below(10_000_000)))),
                open_opportunity: random.below(10) == 0,
                last_activity_at: (random.below(10) < 7).then_some(activity),
            }),
        }
    }
}

fn rep_id(number: u32) -> RepId {
    RepId::new(&format!("0055g000{number:07}AAA"))
}

fn account_id(number: u32) -> AccountId {
    AccountId::new(&format!("0015g000{number:07}AAA"))
}

/// A word of its own for every account, in no order of numbers.
fn word(number: u32) -> String {
    let mut mixed = number.wrapping_mul(0x9e37_79b1) & 0xff_ffff;
    let mut word = String::new();
    for _ in 0..4 {
        word.push_str(HEADS[mixed as usize % 8]);
        word.push_str(TAILS[mixed as usize / 8 % 8]);
        mixed /= 64;
    }
    word
}

fn name(number: u32) -> String {
    let (trade, form) = (TRADES[number as usize % 12], FORMS[number as usize / 12 % 6]);
    let mut word = word(number);
    word[..1].make_ascii_uppercase();
    format!("{word} {trade} {form}")
}

fn host(number: u32) -> String {
    format!("{}{}.com", word(number), number % 10)
}
