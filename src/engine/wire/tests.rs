//! Reading a state partition from its beginning to its end: the newest of each image counts.

use std::sync::Arc;

use super::*;
use crate::domain::account::Account;
use crate::domain::entity::{AccountEntity, DomainEntity, EntityKey, Kind, Seen};
use crate::domain::ids::AccountId;
use crate::domain::input::{AccountDef, AccountKind};

fn key(id: &str) -> EntityKey {
    EntityKey::new(&DomainId::new("acme"), Kind::Account, id)
}

fn account(id: &str, name: &str) -> Entity {
    let definition = AccountDef {
        name: name.to_owned(),
        domains: vec!["acme.com".to_owned()],
        owner_id: None,
        parent_id: None,
        kind: AccountKind::Customer,
        country: None,
        state: None,
        postal_code: None,
        phone: None,
        open_opportunity: false,
        last_activity_at: None,
    };
    let entity = AccountEntity { definition: Some(definition), seen: Seen(vec![7]) };
    Entity::Account(Account::new(&AccountId::new(id), &entity))
}

#[test]
fn the_newest_image_of_each_account_counts() {
    let mut reader = ImageReader::default();
    let take = |reader: &mut ImageReader, id: &str, name: &str| {
        let records = image::records(&key(id), &account(id, name));
        records.iter().for_each(|(key, value)| reader.take(key, Some(value)));
        records
    };
    let long = "long ".repeat(100_000);
    take(&mut reader, "twice", "before");
    take(&mut reader, "twice", "after");
    for (key, _) in take(&mut reader, "gone", "before") {
        reader.take(&key, None);
    }
    let parts = take(&mut reader, "shorter", &long);
    assert_eq!(parts.len(), 2);
    reader.take(&parts[1].0, None);
    take(&mut reader, "shorter", "after");
    take(&mut reader, "longer", "before");
    take(&mut reader, "longer", &long);
    let (bytes, _) = &image::records(&key("mended"), &account("mended", ""))[0];
    reader.take(bytes, Some(&[image::VERSION, 2, 1, 1, 1, 1]));
    take(&mut reader, "mended", "after");
    let other = EntityKey::new(&DomainId::new("acme"), Kind::Domain, "");
    let entity = Entity::Domain(Arc::new(DomainEntity { domain_seq: 3, ..Default::default() }));
    let records = image::records(&other, &entity);
    records.iter().for_each(|(key, value)| reader.take(key, Some(value)));

    let stored = reader.finish().expect("readable");
    let expected = vec![
        (other, entity),
        (key("longer"), account("longer", &long)),
        (key("mended"), account("mended", "after")),
        (key("shorter"), account("shorter", "after")),
        (key("twice"), account("twice", "after")),
    ];
    assert_eq!(stored.state.entities(), expected);
    assert_eq!(stored.digest, digest_of(&stored.state));
    assert_eq!(stored.images, 6);
}

#[test]
fn an_account_that_stays_unreadable_is_refused() {
    let (bytes, _) = &image::records(&key("bad"), &account("bad", "name"))[0];
    for value in [&[9, 2, 1][..], &[image::VERSION, 2, 1], &[image::VERSION, 4, 1], &[]] {
        let mut reader = ImageReader::default();
        reader.take(bytes, Some(value));
        reader.finish().expect_err("unreadable");
    }
}
