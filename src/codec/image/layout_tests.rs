//! The layout of images belongs to their version: bytes written by another layout must never be read as if
//! they were ours, so whoever changes a field of an entity raises `VERSION`, and the fingerprint here with it.

use std::sync::Arc;

use super::tests::{key, lead, territory};
use super::*;
use crate::domain::entity::*;
use crate::domain::hash;
use crate::domain::ids::*;
use crate::domain::input::*;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::domain::win_rate::{AmountTaught, Observation};

/// The version, and the hash of the samples below as it writes them.
const LAYOUT: (u8, u64) = (7, 9_683_802_504_853_517_586);

fn at(number: i64) -> Timestamp {
    Timestamp(1_767_607_200_000 + number)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn rep() -> RepEntity {
    let pool = Some(TerritoryId::new("west"));
    RepEntity {
        definition: Some(RepDef {
            name: text("Ann"),
            active: true,
            paused: false,
            weight: 100,
            manager_id: Some(RepId::new("boss")),
            hired_at: Some(at(1)),
            skills: vec!["rust".to_owned()],
            languages: vec!["de".to_owned()],
            calendar_id: text("berlin"),
            time_zone: "Europe/Berlin".to_owned(),
            away: vec![Away { from_at: at(2), to_at: at(3) }],
            caps: vec![Cap { window: CapWindow::Week, limit: 7, pool }],
            cover_id: Some(RepId::new("bob")),
        }),
        absences_done_at: at(4),
        left_at: Some(at(5)),
        paused_until_at: Some(at(6)),
        seen: Seen(vec![1, u64::MAX]),
    }
}

fn account() -> AccountEntity {
    let definition = AccountDef {
        name: "Acme".to_owned(),
        domains: vec!["acme.com".to_owned()],
        owner_id: Some(RepId::new("ann")),
        parent_id: Some(AccountId::new("parent")),
        kind: AccountKind::Partner,
        country: text("DE"),
        state: text("SN"),
        postal_code: text("01067"),
        phone: Some(Private::new("+49 351 1234567".to_owned())),
        open_opportunity: true,
        last_activity_at: Some(at(7)),
    };
    AccountEntity { definition: Some(definition), seen: Seen(vec![2]) }
}

fn sweep() -> SweepEntity {
    let moved = TerritoryMove {
        territory_id: Some(TerritoryId::new("west")),
        effective_change: EffectiveChange::AllOpen,
        dated_at: Some(at(8)),
    };
    SweepEntity {
        kind: SweepKind::Departures,
        cause: crate::domain::published::Cause::TerritoryChanged,
        cursor: Some((at(9), LeadId::new("lead"))),
        changes: Arc::new(vec![moved]),
        again: true,
        next_at: at(10),
        reps: Arc::new(vec![RepId::new("ann")]),
    }
}

fn policy() -> PolicyEntity {
    let version = |version: &str| PolicyVersion {
        version: version.to_owned(),
        sha256: "00".to_owned(),
        text: String::new(),
        policy: Arc::new(Policy::default()),
    };
    let pending = vec![PendingPolicy { valid_from_at: at(11), version: version("2") }];
    PolicyEntity { current: version("1"), pending, seen: Seen::default() }
}

fn pool() -> PoolEntity {
    let track = Track {
        rep_id: RepId::new("ann"),
        base: -1,
        count: 2,
        weight: 3,
        last_seq: 4,
        present: true,
        fair: 0.5,
        given: 1.5,
        fair_at: at(12),
    };
    PoolEntity { seq: 5, tracks: vec![track] }
}

fn load() -> LoadEntity {
    let west = TerritoryId::new("west");
    let window = |total| WindowCount { start_at: at(13), total, by_pool: vec![(west.clone(), 1)] };
    let hour = vec![(at(14), Some(west.clone()))];
    LoadEntity { assigned: 9, hour, day: window(2), week: window(3) }
}

fn sticky() -> StickyEntity {
    StickyEntity {
        rep_id: RepId::new("ann"),
        lead_id: LeadId::new("lead"),
        territory_id: Some(TerritoryId::new("west")),
        touched_at: at(15),
        expires_at: at(16),
    }
}

fn deal() -> DealEntity {
    DealEntity {
        outcome: DealOutcome::Lost,
        rep_id: RepId::new("ann"),
        closed_at: at(17),
        seen: Seen(vec![3]),
        observation: Some(Observation {
            features: vec![0, 1, 2],
            age: 3,
            closed_at: at(17),
            won: true,
            precision: 0.5,
            response: -1.0,
            apart: 0.25,
            amount: Some(AmountTaught { currency: 7, log: 8.5, noise: 0.25 }),
        }),
        last_event_at: at(18),
    }
}

fn domain() -> DomainEntity {
    DomainEntity {
        domain_seq: 1,
        reroute_tokens: 2,
        reroute_at: at(19),
        overdue_tokens: 3,
        overdue_at: at(20),
        would_differ: 4,
        moved: 5,
    }
}

#[test]
fn an_account_is_written_from_where_it_lies_as_from_its_fields() {
    let gone = AccountEntity { definition: None, seen: Seen(vec![4, 5]) };
    let mut bare = account();
    if let Some(definition) = &mut bare.definition {
        definition.domains.push("acme.de".to_owned());
        (definition.owner_id, definition.country) = (None, text(""));
        definition.last_activity_at = None;
    }
    for entity in [account(), gone, bare] {
        let (mut packed, mut plain) = (Vec::new(), Vec::new());
        let one = Account::new(&AccountId::new("acme"), &entity);
        entities::put_account(&one, &mut packed);
        entity.put(&mut plain);
        assert_eq!(packed, plain);
        assert_eq!(whole::<AccountEntity>(&packed), Ok(entity));
    }
}

#[test]
fn another_layout_is_another_version() {
    let id = AccountId::new("acme");
    let samples = [
        Entity::Domain(Arc::new(domain())),
        Entity::Policy(Arc::new(policy())),
        Entity::Territory(Arc::new(territory("T"))),
        Entity::Rep(Arc::new(rep())),
        Entity::Account(Account::new(&id, &account())),
        Entity::Lead(Arc::new(lead(3, "Eva", true))),
        Entity::Pool(Arc::new(pool())),
        Entity::Load(Arc::new(load())),
        Entity::Sticky(Arc::new(sticky())),
        Entity::Deal(Arc::new(deal())),
        Entity::Learned(Arc::new(Block::default())),
        Entity::Sweep(Arc::new(sweep())),
    ];
    let kinds: Vec<Kind> = samples.iter().map(Entity::kind).collect();
    assert_eq!(kinds, Kind::ALL);
    let images = samples.iter().flat_map(|entity| records(&key(entity.kind(), "acme"), entity));
    let bytes: Vec<Vec<u8>> = images.flat_map(|(key, value)| [key, value[1..].to_vec()]).collect();
    let parts: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
    let found = (VERSION, hash::sip64_parts(hash::FIXED, &parts));
    assert_eq!(found, LAYOUT, "the layout changed: raise VERSION, then put the new pair here");
}
