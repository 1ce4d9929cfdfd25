//! After-images: what the state topic holds, ours alone and versioned.
//!
//! A record's key is `domain NUL kind NUL id`, for the parts of a long image after the first with
//! `NUL number` behind; the shard's own image has the key `NUL shard`. Its value is the version, the number
//! of parts, and the entity's bytes (`wire`), cut at 256 KiB. A learned block is cut between what
//! changes with every deal and what is rewritten once in 64, so that only the former is written again.

mod entities;
#[cfg(test)]
mod layout_tests;
mod shard;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::domain::account::Account;
use crate::domain::entity::{Entity, EntityKey, Kind};
use crate::domain::ids::{AccountId, DomainId};
use crate::domain::win_rate::{Block, Image, Part};
use wire::{Broken, Reader, Wire, records};

pub use shard::{SHARD_KEY, ShardImage};

/// The version of the images that are written; another one is refused. It is raised with every change of
/// what an image holds (`layout_tests`).
pub const VERSION: u8 = 7;

/// A part is at most this long.
const PART_BYTES: usize = 256 * 1024;

/// Most images are no longer.
const USUAL_BYTES: usize = 512;

/// Why a record of the state topic cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    #[error("a state record with a key that is none of ours")]
    Key,
    #[error("a state image of version {0}, which this version cannot read: it reads {VERSION}")]
    Version(u8),
    #[error("a state image of kind {0} that cannot be read")]
    Broken(&'static str),
    #[error("a state image of kind {0} of which parts are missing")]
    Incomplete(&'static str),
}

records! { Part { texts, numbers } }

/// The records that an entity is written as: key and value of each part.
pub fn records(key: &EntityKey, entity: &Entity) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut value = beginning(1);
    let start = value.len();
    match entity {
        Entity::Domain(one) => one.put(&mut value),
        Entity::Policy(one) => one.put(&mut value),
        Entity::Territory(one) => one.put(&mut value),
        Entity::Rep(one) => one.put(&mut value),
        Entity::Account(one) => entities::put_account(one, &mut value),
        Entity::Lead(one) => one.put(&mut value),
        Entity::Pool(one) => one.put(&mut value),
        Entity::Load(one) => one.put(&mut value),
        Entity::Sticky(one) => one.put(&mut value),
        Entity::Deal(one) => one.put(&mut value),
        Entity::Sweep(one) => one.put(&mut value),
        Entity::Learned(block) => {
            let image = block.image();
            let (mut head, mut base) = (Vec::new(), Vec::new());
            image.head.put(&mut head);
            image.base.put(&mut base);
            return parts(key, &[&head, &base]);
        }
    }
    if value.len() - start <= PART_BYTES {
        return vec![(name(key, 0), value)];
    }
    let bodies: Vec<&[u8]> = value[start..].chunks(PART_BYTES).collect();
    parts(key, &bodies)
}

fn parts(key: &EntityKey, bodies: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let part = |(number, body): (usize, &&[u8])| {
        let mut value = beginning(bodies.len() as u32);
        value.extend_from_slice(body);
        (name(key, number), value)
    };
    bodies.iter().enumerate().map(part).collect()
}

/// What stands before the body: the version, and how many parts there are.
fn beginning(parts: u32) -> Vec<u8> {
    let mut value = Vec::with_capacity(USUAL_BYTES);
    value.push(VERSION);
    parts.put(&mut value);
    value
}

fn name(key: &EntityKey, number: usize) -> Vec<u8> {
    let fields = [key.domain.as_str(), key.kind.name(), &key.id].map(str::as_bytes);
    let mut name = fields.join(&0);
    if number > 0 {
        name.extend_from_slice(format!("\0{number}").as_bytes());
    }
    name
}

/// Puts the newest records of a state partition together to entities.
#[derive(Debug, Default)]
pub struct Assembler {
    parts: BTreeMap<EntityKey, BTreeMap<u32, (u32, Vec<u8>)>>,
}

impl Assembler {
    /// Takes one record; the order does not matter.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), ImageError> {
        let (key, number) = entity_key(key).ok_or(ImageError::Key)?;
        let (version, rest) = value.split_first().ok_or(ImageError::Broken(key.kind.name()))?;
        if *version != VERSION {
            return Err(ImageError::Version(*version));
        }
        let mut reader = Reader { rest };
        let broken = |_: Broken| ImageError::Broken(key.kind.name());
        let count = u32::get(&mut reader).map_err(broken)?;
        let body = reader.rest.to_vec();
        self.parts.entry(key).or_default().insert(number, (count, body));
        Ok(())
    }

    /// The entities, by key.
    pub fn finish(self) -> Result<Vec<(EntityKey, Entity)>, ImageError> {
        self.parts.into_iter().map(|(key, parts)| Ok((key.clone(), entity(&key, parts)?))).collect()
    }
}

/// The account of which this is the key of the image, or of its first part.
pub fn account_key(key: &[u8]) -> Option<EntityKey> {
    let (key, number) = entity_key(key)?;
    (key.kind == Kind::Account && number == 0).then_some(key)
}

/// The account, if this image is all of it and can be read.
pub fn account(key: &EntityKey, value: &[u8]) -> Option<Entity> {
    let mut reader = Reader { rest: value.strip_prefix(&[VERSION])? };
    let is_whole = u32::get(&mut reader).ok()? == 1;
    let body = || whole(reader.rest).ok();
    is_whole.then(body)?.map(|one| Entity::Account(Account::new(&AccountId::from(&key.id), &one)))
}

fn entity_key(key: &[u8]) -> Option<(EntityKey, u32)> {
    let text = std::str::from_utf8(key).ok()?;
    let mut fields = text.split('\0');
    let domain = DomainId::parse(fields.next()?).ok()?;
    let kind = Kind::parse(fields.next()?)?;
    let id = fields.next()?;
    let number = fields.next().map_or(Some(0), |number| number.parse().ok())?;
    fields.next().is_none().then(|| (EntityKey::new(&domain, kind, id), number))
}

fn entity(key: &EntityKey, parts: BTreeMap<u32, (u32, Vec<u8>)>) -> Result<Entity, ImageError> {
    let kind = key.kind.name();
    let count = parts.get(&0).ok_or(ImageError::Incomplete(kind))?.0;
    let bodies: Vec<Vec<u8>> = (0..count)
        .map(|number| parts.get(&number).map(|(_, body)| body.clone()))
        .collect::<Option<_>>()
        .ok_or(ImageError::Incomplete(kind))?;
    read(key, &bodies).map_err(|_| ImageError::Broken(kind))
}

fn read(key: &EntityKey, bodies: &[Vec<u8>]) -> wire::Result<Entity> {
    if key.kind == Kind::Learned {
        let [head, base] = bodies else { return Err(Broken) };
        let image = Image { base: whole(base)?, head: whole(head)? };
        let block = Block::restore(&image).ok_or(Broken)?;
        return Ok(Entity::Learned(Arc::new(block)));
    }
    let body = &bodies.concat();
    Ok(match key.kind {
        Kind::Domain => Entity::Domain(Arc::new(whole(body)?)),
        Kind::Policy => Entity::Policy(Arc::new(whole(body)?)),
        Kind::Territory => Entity::Territory(Arc::new(whole(body)?)),
        Kind::Rep => Entity::Rep(Arc::new(whole(body)?)),
        Kind::Account => Entity::Account(Account::new(&AccountId::from(&key.id), &whole(body)?)),
        Kind::Lead => Entity::Lead(Arc::new(whole(body)?)),
        Kind::Pool => Entity::Pool(Arc::new(whole(body)?)),
        Kind::Load => Entity::Load(Arc::new(whole(body)?)),
        Kind::Sticky => Entity::Sticky(Arc::new(whole(body)?)),
        Kind::Deal => Entity::Deal(Arc::new(whole(body)?)),
        Kind::Sweep => Entity::Sweep(Arc::new(whole(body)?)),
        Kind::Learned => return Err(Broken),
    })
}

/// One value and nothing behind it.
fn whole<T: Wire>(body: &[u8]) -> wire::Result<T> {
    let mut reader = Reader { rest: body };
    let value = T::get(&mut reader)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(Broken) }
}
