//! The company of the demonstration: territories over real countries, states and postal codes, reps
//! with calendars, skills and limits, accounts, and a policy. All of it as the events that would
//! bring it.

use serde_json::{Value, json};

use super::random::Random;
use crate::codec;
use crate::domain::input::Topic;
use crate::domain::time::{Span, Timestamp};

/// The routing domain of the demonstration.
pub const DOMAIN: &str = "fernhill";
/// What `territory_id` the story's new territory has.
pub const MOVED: &str = "texas";

/// An event for the log; the key is always `DOMAIN`.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: Topic,
    pub value: Value,
}

impl Message {
    /// The lead that comes with it, if one does.
    pub fn lead_id(&self) -> Option<&str> {
        if self.topic == Topic::LeadCreated { self.value["lead_id"].as_str() } else { None }
    }
}

/// What the router is told of a rep, and what the demonstration knows besides.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub weight: u32,
    /// Index into `TEAMS`.
    pub team: usize,
    pub languages: Vec<&'static str>,
    pub skills: Vec<&'static str>,
    pub away: bool,
    pub paused: bool,
}

/// A territory and its team: id, name, parent, rule, calendar, reps, share of leads.
pub struct Team {
    pub id: &'static str,
    pub name: &'static str,
    pub parent: &'static str,
    field: &'static str,
    op: &'static str,
    values: &'static [&'static str],
    pub calendar: &'static str,
    zone: &'static str,
    language: &'static str,
    pub reps: usize,
    pub share: f64,
    /// Where its leads come from: country, state, first digits of the postal code, city.
    pub places: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

macro_rules! teams {
    ($($id:literal $name:literal under $parent:literal, $field:literal $op:literal $values:expr,
        $calendar:literal $zone:literal $language:literal, $reps:literal reps, $share:literal,
        [$($country:literal $state:literal $postal:literal $city:literal),*];)*) => {
        pub const TEAMS: &[Team] = &[$(Team {
            id: $id, name: $name, parent: $parent, field: $field, op: $op, values: &$values,
            calendar: $calendar, zone: $zone, language: $language, reps: $reps, share: $share,
            places: &[$(($country, $state, $postal, $city)),*],
        }),*];
    };
}

teams! {
    "us-northeast" "US Northeast" under "north-america", "state" "IN"
        ["NY", "NJ", "MA", "CT", "PA", "NH", "VT", "ME", "RI"],
        "us-east" "America/New_York" "en", 4 reps, 0.11,
        ["US" "MA" "021" "Boston", "US" "PA" "191" "Philadelphia", "US" "CT" "061" "Hartford"];
    "new-york-city" "New York City" under "us-northeast", "postal_code" "PREFIX"
        ["100", "101", "102", "103", "104", "112"],
        "us-east" "America/New_York" "en", 3 reps, 0.09,
        ["US" "NY" "100" "New York", "US" "NY" "112" "Brooklyn"];
    "us-southeast" "US Southeast" under "north-america", "state" "IN"
        ["FL", "GA", "NC", "SC", "VA", "MD", "DC", "TN", "AL", "LA"],
        "us-east" "America/New_York" "en", 4 reps, 0.10,
        ["US" "GA" "303" "Atlanta", "US" "FL" "331" "Miami", "US" "NC" "282" "Charlotte"];
    "us-central" "US Central" under "north-america", "state" "IN"
        ["IL", "OH", "MI", "IN", "WI", "MN", "MO", "IA", "KS", "TX", "OK", "CO"],
        "us-central" "America/Chicago" "en", 5 reps, 0.20,
        ["US" "TX" "770" "Houston", "US" "TX" "752" "Dallas", "US" "IL" "606" "Chicago",
         "US" "OH" "432" "Columbus", "US" "CO" "802" "Denver"];
    "us-west" "US West" under "north-america", "state" "IN"
        ["CA", "WA", "OR", "NV", "AZ", "UT"],
        "us-west" "America/Los_Angeles" "en", 4 reps, 0.11,
        ["US" "WA" "981" "Seattle", "US" "CA" "900" "Los Angeles", "US" "AZ" "850" "Phoenix"];
    "bay-area" "Bay Area" under "us-west", "postal_code" "PREFIX"
        ["940", "941", "943", "944", "945", "946", "947", "948", "949", "950", "951"],
        "us-west" "America/Los_Angeles" "en", 3 reps, 0.09,
        ["US" "CA" "941" "San Francisco", "US" "CA" "951" "San Jose"];
    "canada" "Canada" under "north-america", "country" "IN" ["CA"],
        "us-east" "America/Toronto" "en", 2 reps, 0.05,
        ["CA" "ON" "M5V" "Toronto", "CA" "BC" "V6B" "Vancouver"];
    "dach" "DACH" under "europe", "country" "IN" ["DE", "AT", "CH"],
        "europe" "Europe/Berlin" "de", 4 reps, 0.10,
        ["DE" "BY" "803" "Munich", "DE" "SN" "010" "Dresden", "AT" "W" "101" "Vienna"];
    "uk-ireland" "UK & Ireland" under "europe", "country" "IN" ["GB", "IE"],
        "uk" "Europe/London" "en", 3 reps, 0.07,
        ["GB" "LND" "EC1" "London", "IE" "D" "D02" "Dublin"];
    "france" "France" under "europe", "country" "IN" ["FR"],
        "europe" "Europe/Paris" "fr", 2 reps, 0.04,
        ["FR" "IDF" "750" "Paris", "FR" "ARA" "690" "Lyon"];
    "nordics" "Nordics" under "europe", "country" "IN" ["SE", "NO", "DK", "FI"],
        "europe" "Europe/Stockholm" "en", 2 reps, 0.04,
        ["SE" "AB" "111" "Stockholm", "DK" "84" "105" "Copenhagen"];
}

const FIRST: [&str; 40] = [
    "Maya", "Tom", "Lena", "Omar", "Priya", "Jack", "Ines", "Noah", "Ruth", "Diego", "Hana",
    "Paul", "Nia", "Erik", "Zoe", "Liam", "Aisha", "Karl", "Mina", "Owen", "Tara", "Hugo", "Vera",
    "Sam", "Elif", "Marc", "Joan", "Ravi", "Cleo", "Finn", "Dana", "Igor", "Lucy", "Amir", "Nora",
    "Theo", "Gwen", "Jonas", "Iris", "Max",
];
const LAST: [&str; 40] = [
    "Okafor",
    "Brandt",
    "Castillo",
    "Haddad",
    "Raman",
    "Doyle",
    "Moreau",
    "Kim",
    "Albright",
    "Santos",
    "Sato",
    "Weber",
    "Mensah",
    "Lindqvist",
    "Carter",
    "Byrne",
    "Rahman",
    "Vogel",
    "Park",
    "Hughes",
    "Singh",
    "Laurent",
    "Novak",
    "Ellis",
    "Demir",
    "Dubois",
    "Price",
    "Iyer",
    "Marsh",
    "Larsen",
    "Cohen",
    "Petrov",
    "Ward",
    "Nasser",
    "Berg",
    "Klein",
    "Rhys",
    "Maier",
    "Stone",
    "Fischer",
];

/// Everything that is told once, before the first lead.
#[derive(Clone, Debug)]
pub struct Company {
    pub people: Vec<Person>,
    pub accounts: Vec<Customer>,
}

/// A company that we know: leads from its domain belong to its owner.
#[derive(Clone, Debug)]
pub struct Customer {
    pub id: String,
    pub name: String,
    pub email_domain: String,
    pub owner: String,
    pub team: usize,
    pub strategic: bool,
}

impl Company {
    pub fn new(seed: u64) -> Company {
        let mut random = Random::new(seed).split("company");
        let mut people: Vec<Person> = Vec::new();
        for (team, desk) in TEAMS.iter().enumerate() {
            for place in 0..desk.reps {
                let n = people.len();
                let name = format!("{} {}", FIRST[n % FIRST.len()], LAST[n % LAST.len()]);
                let languages = match desk.language {
                    "en" => vec!["en"],
                    other => vec!["en", other],
                };
                people.push(Person {
                    id: name.to_lowercase().replace(' ', "."),
                    name,
                    weight: if place == 0 && desk.reps > 3 { 2 } else { 1 },
                    team,
                    languages,
                    skills: if place < 2 { vec!["platform"] } else { Vec::new() },
                    away: place == 2 && desk.id == "us-west",
                    paused: place == 3 && desk.id == "dach",
                });
            }
        }
        let accounts = (0..44).map(|n| customer(n, &people, &mut random)).collect();
        Company { people, accounts }
    }

    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    /// A rep's name, or the id of somebody who is not ours.
    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.person(id).map_or(id, |person| person.name.as_str())
    }

    pub fn team(&self, team: usize) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(move |person| person.team == team)
    }

    /// The reference data, in the order in which they make sense.
    pub fn reference(&self, now: Timestamp) -> Vec<Message> {
        let mut messages = vec![policy()];
        messages.extend(self.people.iter().map(|person| rep(person, true, now, "1")));
        messages.push(message(Topic::RepChanged, manager()));
        messages.push(root("north-america", "North America", &["US", "CA"]));
        let europe = ["DE", "AT", "CH", "GB", "IE", "FR", "SE", "NO", "DK", "FI"];
        messages.push(root("europe", "Europe", &europe));
        messages.extend((0..TEAMS.len()).map(|team| self.territory(team)));
        messages.push(self.strategic());
        messages.extend(self.accounts.iter().map(account));
        messages
    }

    fn members(&self, team: usize) -> Vec<Value> {
        self.team(team).map(|person| json!({"rep_id": person.id, "weight": 1})).collect()
    }

    fn territory(&self, team: usize) -> Message {
        let desk = &TEAMS[team];
        let rule = json!({"all": [{"field": desk.field, "op": desk.op, "values": desk.values}]});
        message(
            Topic::TerritoryChanged,
            json!({
                "event_id": format!("territory-{}-1", desk.id), "territory_id": desk.id,
                "name": desk.name, "parent_id": desk.parent, "rules": [rule],
                "named_accounts": [], "members": self.members(team),
            }),
        )
    }

    /// Accounts that one pair of reps serves, wherever the lead comes from.
    fn strategic(&self) -> Message {
        let named: Vec<&str> = self
            .accounts
            .iter()
            .filter(|account| account.strategic)
            .map(|account| account.id.as_str())
            .collect();
        let members: Vec<Value> = [0, 3]
            .into_iter()
            .filter_map(|team| self.team(team).next())
            .map(|person| json!({"rep_id": person.id, "weight": 1}))
            .collect();
        message(
            Topic::TerritoryChanged,
            json!({
                "event_id": "territory-strategic-1", "territory_id": "strategic",
                "name": "Strategic accounts", "rules": [], "named_accounts": named,
                "members": members,
            }),
        )
    }

    /// The story: Texas leaves the Central team for the Southeast, and its open leads follow.
    pub fn texas_moves(&self) -> Message {
        let team = TEAMS.iter().position(|desk| desk.id == "us-southeast").unwrap_or(0);
        let rule = json!({"all": [{"field": "state", "op": "IN", "values": ["TX"]}]});
        message(
            Topic::TerritoryChanged,
            json!({
                "event_id": "territory-texas-1", "territory_id": MOVED, "name": "Texas",
                "parent_id": "us-central", "rules": [rule], "named_accounts": [],
                "members": self.members(team), "effective_change": "ALL_OPEN",
                "reason": "Texas goes to the Southeast team",
            }),
        )
    }

    /// The story: a rep leaves the company.
    pub fn leaves(&self, person: &Person, now: Timestamp) -> Message {
        rep(person, false, now, "leaves")
    }
}

fn message(topic: Topic, value: Value) -> Message {
    Message { topic, value }
}

fn root(id: &str, name: &str, countries: &[&str]) -> Message {
    let rule = json!({"all": [{"field": "country", "op": "IN", "values": countries}]});
    message(
        Topic::TerritoryChanged,
        json!({
            "event_id": format!("territory-{id}-1"), "territory_id": id, "name": name,
            "rules": [rule], "named_accounts": [], "members": [],
        }),
    )
}

fn rep(person: &Person, active: bool, now: Timestamp, version: &str) -> Message {
    let desk = &TEAMS[person.team];
    let away = match person.away {
        true => {
            let (from, to) = (now - Span::from_days(2), now + Span::from_days(5));
            vec![json!({"from_at": from.0, "to_at": to.0})]
        }
        false => Vec::new(),
    };
    message(
        Topic::RepChanged,
        json!({
            "event_id": format!("rep-{}-{version}", person.id), "rep_id": person.id,
            "name": person.name, "active": active, "paused": person.paused,
            "weight": person.weight, "manager_id": "grace.lindholm",
            "skills": person.skills, "languages": person.languages,
            "calendar_id": desk.calendar, "time_zone": desk.zone, "away": away,
            "caps": [{"window": "DAY", "limit": 120}, {"window": "OPEN", "limit": 45}],
        }),
    )
}

/// Everybody's manager takes no leads.
fn manager() -> Value {
    json!({
        "event_id": "rep-grace.lindholm-1", "rep_id": "grace.lindholm", "name": "Grace Lindholm",
        "active": true, "weight": 0, "skills": [], "languages": [], "away": [], "caps": [],
    })
}

fn account(customer: &Customer) -> Message {
    message(
        Topic::AccountChanged,
        json!({
            "event_id": format!("account-{}-1", customer.id), "account_id": customer.id,
            "name": customer.name, "domains": [customer.email_domain],
            "owner_id": if customer.strategic { Value::Null } else { json!(customer.owner) },
            "kind": "CUSTOMER",
        }),
    )
}

fn customer(n: usize, people: &[Person], random: &mut Random) -> Customer {
    const NAMES: [&str; 11] = [
        "Alder",
        "Birchwood",
        "Cobalt",
        "Dunmore",
        "Eastgate",
        "Fairview",
        "Granite",
        "Highmoor",
        "Ironbridge",
        "Juniper",
        "Kestrel",
    ];
    const TRADES: [&str; 4] = ["Foods", "Motors", "Health", "Systems"];
    let name = format!("{} {}", NAMES[n % NAMES.len()], TRADES[n / NAMES.len() % TRADES.len()]);
    let owner = random.pick(people);
    Customer {
        id: format!("acc-{n:03}"),
        email_domain: format!("{}.example", name.to_lowercase().replace(' ', "-")),
        name,
        owner: owner.id.clone(),
        team: owner.team,
        strategic: n.is_multiple_of(11),
    }
}

fn policy() -> Message {
    let text = include_str!("policy.toml");
    message(
        Topic::PolicyChanged,
        json!({
            "event_id": "policy-1", "version": "demo-1", "text": text,
            "sha256": codec::json::sha256_hex(text.as_bytes()), "author": "revops",
        }),
    )
}
