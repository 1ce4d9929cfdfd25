//! Every image comes back as it was, equal entities have equal bytes, and foreign bytes are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::entity::*;
use crate::domain::ids::*;
use crate::domain::input::*;
use crate::domain::lead_fields::LeadFields;
use crate::domain::policy::{Policy, Recipient, SlaAction, SlaClock};
use crate::domain::published::{Arm, Cause, Method, Reason, Stage};
use crate::domain::territory::*;
use crate::domain::time::{Span, Timestamp};
use crate::domain::win_rate::{self, Block};

pub(super) fn key(kind: Kind, id: &str) -> EntityKey {
    EntityKey::new(&DomainId::new("acme"), kind, id)
}

fn back(key: &EntityKey, entity: &Entity) -> Entity {
    let mut assembler = Assembler::default();
    // The order in which a partition is read says nothing.
    for (key, value) in records(key, entity).into_iter().rev() {
        assembler.add(&key, &value).expect("our own record");
    }
    let mut all = assembler.finish().expect("our own image");
    assert_eq!(all.len(), 1);
    let (read, entity) = all.remove(0);
    assert_eq!(read, *key);
    entity
}

pub(super) fn lead(number: i64, text: &str, ended: bool) -> LeadEntity {
    let at = Timestamp(1_767_607_200_000 + number);
    let rep = RepId::new("rep-1");
    LeadEntity {
        fields: Arc::new(LeadFields {
            created_at: at,
            company: Some(text.to_owned()),
            email: Some(Private::new(format!("{text}@example.com"))),
            annual_revenue: Some(-number),
            score: Some(number as f64 / 7.0),
            required_skills: vec![text.to_owned(), String::new()],
            attributes: BTreeMap::from([(text.to_owned(), "x".to_owned())]),
            ..LeadFields::default()
        }),
        arrived_at: Timestamp(number + 1),
        lead_created_at: at,
        fast: ended,
        seen: Seen(vec![u64::MAX, 0, number as u64]),
        phase: if ended { Phase::Ended(Ending::Merged) } else { Phase::Assigned },
        assignment_no: 3,
        placement: Some(Placement {
            rep_id: Some(rep.clone()),
            queue_id: None,
            stage: Stage::NamedAccount,
            method: Method::WinRate,
            reason: Reason::Explored,
            cause: Cause::Retry,
            territory_id: Some(TerritoryId::new("t")),
            arm: Some(Arm::Control),
            propensity: Some(0.25),
            class: "hot".to_owned(),
            decided_at: at,
            final_queue: ended,
        }),
        ladder: Some(Ladder {
            class: "hot".to_owned(),
            clock: SlaClock::Team("berlin".to_owned()),
            armed_at: at,
            steps: vec![LadderStep {
                days: 2,
                step: 1,
                action: SlaAction::Escalate,
                after: Span(number),
                to: vec![Recipient::Manager, Recipient::Queue(QueueId::new("q"))],
                due_at: at,
                fired_at: None,
            }],
            stopped: ended,
            deferred_until_at: Some(at),
        }),
        touched_at: None,
        accepted_at: Some(at),
        held_since: None,
        holds: vec![(at, at + Span(number))],
        former_owners: vec![rep.clone()],
        hops: 2,
        unconfirmed: vec![rep],
        crm_owner: None,
        locked: ended,
        locked_until_at: Some(at),
        hold_until_at: None,
        hold_done: true,
        left_its_rep: !ended,
        fetch_needed: false,
        retry_at: None,
        last_reroute_at: Some(at),
        last_event_at: at,
        opportunity_id: Some(OpportunityId::new("006")),
        segment: Arc::new(SegmentFields {
            country: Some("DE".to_owned()),
            ..SegmentFields::default()
        }),
    }
}

pub(super) fn territory(text: &str) -> TerritoryEntity {
    let condition = |op| Condition { field: Field::Attribute(text.to_owned()), op };
    let all = vec![
        condition(Op::In(Operands::Text(vec![text.to_owned()]))),
        condition(Op::NotIn(Operands::Number(vec![0.1, -0.0]))),
        condition(Op::Prefix(vec!["94".to_owned()])),
        condition(Op::BetweenNumber { low: None, high: Some(5.0) }),
        condition(Op::BetweenText { low: Some("1".to_owned()), high: None }),
        condition(Op::Exists),
        Condition { field: Field::Lead(LeadField::EmailDomain), op: Op::Missing },
    ];
    let definition = Arc::new(TerritoryDef {
        name: text.to_owned(),
        parent_id: Some(TerritoryId::new("root")),
        priority: -7,
        rules: vec![Rule { all }, Rule::default()],
        named_accounts: vec![AccountId::new("001")],
        members: vec![Member { rep_id: RepId::new("r"), weight: 10_000, role: None }],
        valid_to_at: Some(Timestamp(5)),
    });
    TerritoryEntity {
        current: Some(definition.clone()),
        effective_change: EffectiveChange::AllOpen,
        pending: vec![PendingTerritory {
            valid_from_at: Timestamp(9),
            definition: Some(definition),
            effective_change: EffectiveChange::UntouchedOpen,
        }],
        seen: Seen::default(),
    }
}

proptest! {
    #[test]
    fn leads_and_territories_come_back(number in any::<i32>(), text in "\\PC{1,20}", ended: bool) {
        let entity = Entity::Lead(Arc::new(lead(i64::from(number), &text, ended)));
        prop_assert_eq!(back(&key(Kind::Lead, "00Q1"), &entity), entity);
        let entity = Entity::Territory(Arc::new(territory(&text)));
        prop_assert_eq!(back(&key(Kind::Territory, "t"), &entity), entity);
    }

    #[test]
    fn numbers_come_back(small: i32, big: i64, wide: i128, float: u64) {
        let track = Track {
            rep_id: RepId::new("r"), base: wide, count: big.unsigned_abs(), weight: 1, last_seq: 0,
            present: true, fair: f64::from(small), given: 0.0, fair_at: Timestamp(big),
        };
        let entity = Entity::Pool(Arc::new(PoolEntity { seq: float, tracks: vec![track] }));
        prop_assert_eq!(back(&key(Kind::Pool, "t"), &entity), entity);
    }

    #[test]
    fn no_bytes_make_it_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..12_usize) {
        let kind = Kind::ALL[at];
        let name = format!("acme\0{}\0id", kind.name());
        let mut assembler = Assembler::default();
        let mut value = vec![VERSION, 2];
        value.extend(&bytes);
        if assembler.add(name.as_bytes(), &value).is_ok() {
            let _unread = assembler.finish().is_ok();
        }
        let _refused = ShardImage::decode(&value).is_ok();
    }
}

#[test]
fn a_long_image_is_written_in_parts_and_a_missing_one_is_noticed() {
    let text = "# a long comment\n".repeat(40_000);
    let version = PolicyVersion {
        version: "1".to_owned(),
        sha256: "00".to_owned(),
        text,
        policy: Arc::new(Policy::default()),
    };
    let policy = PolicyEntity { current: version, pending: Vec::new(), seen: Seen::default() };
    let (key, entity) = (key(Kind::Policy, ""), Entity::Policy(Arc::new(policy)));
    let written = records(&key, &entity);
    assert_eq!(written.len(), 3);
    assert_eq!(back(&key, &entity), entity);
    let mut assembler = Assembler::default();
    for (key, value) in written.iter().take(2) {
        assembler.add(key, value).expect("our own record");
    }
    assert_eq!(assembler.finish().err(), Some(ImageError::Incomplete("policy")));
}

#[test]
fn a_learned_block_comes_back_bit_for_bit_and_its_base_is_seldom_written() {
    let (mut shared, mut rep) = (Block::default(), Block::default());
    let segment = win_rate::segment(
        &Policy::default().segment,
        &SegmentFields { industry: Some("retail".to_owned()), ..SegmentFields::default() },
    );
    let key = key(Kind::Learned, "rep-1");
    let mut bases = std::collections::BTreeSet::new();
    for day in 0..200_i64 {
        let deal = win_rate::Deal {
            segment: &segment,
            won: day % 3 == 0,
            closed_at: Timestamp(1_700_000_000_000 + day * 86_400_000),
            tenure: None,
            age: Some(Span::from_days(20)),
        };
        win_rate::learn(&mut shared, &mut rep, &deal);
        let entity = Entity::Learned(Arc::new(rep.clone()));
        let written = records(&key, &entity);
        bases.insert(written[1].1.clone());
        assert_eq!(records(&key, &back(&key, &entity)), written);
    }
    assert!(bases.len() <= 8, "{} bases for 200 deals", bases.len());
}

#[test]
fn the_shard_s_own_image_comes_back() {
    let (zone_data, unicode_data) = ShardImage::data_versions();
    let image = ShardImage {
        batch: 7,
        next: [1, -1, 3, 4, 5, 6, 7, 8, 9],
        time: Timestamp(-1),
        partitions: 12,
        digest: u128::MAX - 5,
        zone_data,
        unicode_data,
    };
    assert_eq!(ShardImage::decode(&image.encode()), Ok(image));
    assert_eq!(ShardImage::decode(&[9]), Err(ImageError::Version(9)));
}
