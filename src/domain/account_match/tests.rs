//! What matches what, by example; and how good the matching is on a generated company register with noise.

use super::name::similarity;
use super::*;
use crate::domain::account::Account;
use crate::domain::entity::{AccountEntity, Entity, EntityKey, Kind, Seen};
use crate::domain::ids::{DomainId, Private};
use crate::domain::input::{AccountDef, Envelope, Input, Origin};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::timer::{TimerKey, TimerKind};

#[test]
fn spellings_of_one_name_are_one_name() {
    for (a, b) in [
        ("Acme, Inc.", "ACME"),
        ("The Acme Company", "acme co"),
        ("Müller & Söhne GmbH & Co. KG", "Muller and Sohne"),
        ("I.B.M. Corp.", "IBM"),
        ("Ferrari S.p.A.", "ferrari"),
        ("A.P. Møller – Mærsk A/S", "AP Moller Maersk"),
        ("O'Reilly Media", "OReilly Media Inc"),
        ("Ｇｌｏｂｅｘ　株式会社", "globex 株式会社"),
    ] {
        assert_eq!(normalise_company(a), normalise_company(b), "{a} / {b}");
    }
    for (name, normal) in [("Co", "co"), ("The", "the"), ("", ""), ("...", ""), ("Inc Ltd", "inc")]
    {
        assert_eq!(normalise_company(name), normal);
    }
}

#[test]
fn similarity_tells_slips_from_other_names() {
    let rarity = |word: &str| match word {
        "industrial" | "supply" | "systems" | "software" | "traders" | "logistics" => 2.0,
        _ => 8.0,
    };
    let of = |a: &str, b: &str| similarity(&normalise_company(a), &normalise_company(b), &rarity);
    for (a, b) in [
        ("Acme Industrial Supply", "Acme Industrail Supply"),
        ("Globex Corporation", "Globax Corp"),
        ("Northwind Traders", "Traders Northwind"),
        ("DataDog", "Data Dog"),
        ("Initech Systems", "Initech Sytems"),
    ] {
        assert!(of(a, b) >= 0.92, "{a} / {b}: {}", of(a, b));
    }
    for (a, b) in [
        ("Acme Software", "Globex Software"),
        ("Region 12 Logistics", "Region 21 Logistics"),
        ("Northwind", "Southridge"),
        ("Acme", ""),
    ] {
        assert!(of(a, b) < 0.85, "{a} / {b}: {}", of(a, b));
    }
}

/// SplitMix64: the same register everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }
}

const ONSETS: &[&str] = &[
    "b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "qu", "r",
    "s", "st", "t", "tr", "v", "w", "z",
];
const VOWELS: &[&str] = &["a", "e", "i", "o", "u"];
const CODAS: &[&str] = &["", "", "", "l", "n", "r", "x", "th"];
const TRADES: &[&str] = &[
    "Software",
    "Systems",
    "Logistics",
    "Industries",
    "Consulting",
    "Partners",
    "Capital",
    "Foods",
    "Energy",
    "Health",
    "Media",
    "Labs",
    "Technologies",
    "Solutions",
    "Services",
    "Group",
    "Motors",
    "Insurance",
    "Bank",
    "Pharma",
    "Steel",
    "Textiles",
    "Design",
    "Robotics",
    "Analytics",
];
const PLACES: &[&str] =
    &["North", "Pacific", "Global", "United", "First", "American", "Royal", "New"];
const FORMS: &[&str] = &["Inc.", "LLC", "Ltd", "GmbH", "S.A.", "Corporation", "Co.", ""];

fn core_name(random: &mut Random) -> String {
    let mut word = String::new();
    for _ in 0..2 + random.below(2) {
        for part in [ONSETS, VOWELS, CODAS] {
            word.push_str(random.pick(part));
        }
    }
    if let Some(first) = word.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    let mut name = word;
    if random.chance(25) {
        name = format!("{} {name}", random.pick(PLACES));
    }
    if random.chance(75) {
        name = format!("{name} {}", random.pick(TRADES));
    }
    name
}

fn account(random: &mut Random, n: usize) -> AccountDef {
    let core = core_name(random);
    let host = core.to_lowercase().replace(' ', "");
    AccountDef {
        name: format!("{core} {}", random.pick(FORMS)),
        domains: if random.chance(70) { vec![format!("{host}{n}.com")] } else { Vec::new() },
        owner_id: None,
        parent_id: None,
        kind: AccountKind::Prospect,
        country: Some("US".to_owned()),
        state: None,
        postal_code: Some(format!("{:05}", 10_000 + random.below(2_000))),
        phone: Some(Private::new(format!("+1 415 {:07}", random.below(10_000_000)))),
        open_opportunity: false,
        last_activity_at: None,
    }
}

/// One or two slips of the pen.
fn typo(random: &mut Random, name: &str) -> String {
    let mut chars: Vec<char> = name.chars().collect();
    for _ in 0..1 + random.below(2) {
        let at = random.below(chars.len());
        match random.below(4) {
            0 if chars.len() > 4 => {
                chars.remove(at);
            }
            1 => chars.insert(at, 'e'),
            2 if at + 1 < chars.len() => chars.swap(at, at + 1),
            _ => chars[at] = 'o',
        }
    }
    chars.into_iter().collect()
}

fn noisy(random: &mut Random, name: &str) -> String {
    let words: Vec<&str> = name.split(' ').collect();
    match random.below(8) {
        0 => name.to_uppercase(),
        1 => format!("{} {}", words[..words.len() - 1].join(" "), random.pick(FORMS)),
        2..=4 => typo(random, name),
        5 if words.len() > 2 => format!("{} {} {}", words[1], words[0], words[2..].join(" ")),
        6 => words[..words.len() - 1].concat(),
        7 if words.len() > 2 => words[..words.len() - 2].join(" "),
        _ => name.replace('.', ""),
    }
}

fn lead_of(random: &mut Random, account: &AccountDef) -> LeadFields {
    let mut lead = LeadFields {
        company: Some(noisy(random, &account.name)),
        country: Some("US".to_owned()),
        ..LeadFields::default()
    };
    let mail = match (random.below(3), account.domains.first()) {
        (0, Some(domain)) => Some(format!("eva@{domain}")),
        (1, _) => Some(format!("eva{}@gmail.com", random.below(1_000_000))),
        _ => None,
    };
    lead.email = mail.map(Private::new);
    if random.chance(40) {
        lead.phone = account.phone.clone();
    }
    lead.postal_code = match random.chance(60) {
        true => account.postal_code.clone(),
        false => Some(format!("{:05}", 10_000 + random.below(2_000))),
    };
    lead
}

/// A company that is none of the register, in the same words.
fn stranger(random: &mut Random) -> LeadFields {
    LeadFields {
        company: Some(format!("{} {}", core_name(random), random.pick(FORMS))),
        country: Some("US".to_owned()),
        email: Some(Private::new(format!("bob{}@gmail.com", random.below(1_000_000)))),
        phone: Some(Private::new(format!("415-{:07}", random.below(10_000_000)))),
        postal_code: Some(format!("{:05}", 10_000 + random.below(2_000))),
        ..LeadFields::default()
    }
}

#[derive(Default)]
struct Tally {
    leads: usize,
    right: usize,
    wrong: usize,
    review: usize,
    review_right: usize,
}

impl Tally {
    fn add(&mut self, found: &AccountMatch, truth: Option<&AccountId>) {
        self.leads += 1;
        match found {
            AccountMatch::Found(id) if Some(id) == truth => self.right += 1,
            AccountMatch::Found(_) => self.wrong += 1,
            AccountMatch::Review(id) => {
                self.review += 1;
                self.review_right += usize::from(Some(id) == truth);
            }
            AccountMatch::None => {}
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[test]
fn precision_and_recall_on_a_noisy_register() {
    const ACCOUNTS: usize = 5_000;
    const LEADS: usize = 2_000;
    let mut random = Random(7);
    let id = DomainId::new("acme");
    let mut state = State::default();
    let mut register = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    while register.len() < ACCOUNTS {
        let definition = account(&mut random, register.len());
        // Two accounts of one name are a matter of tie-breaks, not of matching.
        if !names.insert(normalise_company(&definition.name)) {
            continue;
        }
        let account = AccountId::new(&format!("A{:05}", register.len()));
        let entity = AccountEntity { definition: Some(definition.clone()), seen: Seen::default() };
        let key = EntityKey::new(&id, Kind::Account, account.as_str());
        state.load(key, Entity::Account(Account::new(&account, &entity)));
        register.push((account, definition));
    }
    let envelope = Envelope {
        domain: id.clone(),
        now: Timestamp(0),
        origin: Origin { topic: None, partition: 0, offset: -1 },
        positions: [-1; 9],
        input: Input::Timer { key: TimerKey::of(TimerKind::Retry, &id, ""), due_at: Timestamp(0) },
    };
    let draft = Draft::new(state.domain(&id).expect("the domain"), &envelope);
    let (mut of_register, mut strangers) = (Tally::default(), Tally::default());
    for _ in 0..LEADS {
        let (account, definition) = &register[random.below(ACCOUNTS)];
        let lead = lead_of(&mut random, definition);
        let found = find(&draft, &lead);
        of_register.add(&found, Some(account));
    }
    for _ in 0..LEADS {
        let lead = stranger(&mut random);
        if !names.contains(&normalise_company(lead.company.as_deref().unwrap_or_default())) {
            strangers.add(&find(&draft, &lead), None);
        }
    }
    let matched = of_register.right + of_register.wrong + strangers.wrong;
    let precision = share(of_register.right, matched);
    let recall = share(of_register.right, of_register.leads);
    println!(
        "account matching on {ACCOUNTS} accounts: precision {precision:.2} %, recall {recall:.1} %; of {} leads \
         of known companies {:.1} % to review ({:.1} % of these name the right account), of {} leads of strangers \
         {:.2} % matched and {:.1} % to review",
        of_register.leads,
        share(of_register.review, of_register.leads),
        share(of_register.review_right, of_register.review),
        strangers.leads,
        share(strangers.wrong, strangers.leads),
        share(strangers.review, strangers.leads),
    );
    assert!(precision >= 99.5, "precision {precision}");
    assert!(recall >= 72.0, "recall {recall}");
    assert!(share(strangers.review, strangers.leads) <= 2.0, "strangers to review");
}
