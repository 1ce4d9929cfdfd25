//! The image of the shard itself: where it stands in its inputs, and what all other images add up to.

use super::wire::{Reader, Wire};
use super::{ImageError, VERSION};
use crate::domain::calendar;
use crate::domain::text;
use crate::domain::time::Timestamp;

/// The key of the shard's image: no domain is empty.
pub const SHARD_KEY: &[u8] = b"\0shard";

/// Written with every transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardImage {
    /// The number of the batch that wrote it.
    pub batch: u64,
    /// Next offset of each topic in; −1 = nothing read yet.
    pub next: [i64; 9],
    /// The latest time of a decision.
    pub time: Timestamp,
    /// Partitions of the topics in: fixed for life.
    pub partitions: i32,
    /// The sum of the hashes of all images, modulo 2^128.
    pub digest: u128,
    /// Data that decisions depend on: another version may decide otherwise.
    pub zone_data: String,
    pub unicode_data: String,
}

impl ShardImage {
    /// The versions of the data that this binary carries.
    pub fn data_versions() -> (String, String) {
        (calendar::zone_data_version().to_owned(), text::unicode_version())
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.batch.put(&mut out);
        for next in self.next {
            next.put(&mut out);
        }
        self.time.put(&mut out);
        self.partitions.put(&mut out);
        self.digest.put(&mut out);
        self.zone_data.put(&mut out);
        self.unicode_data.put(&mut out);
        out
    }

    pub fn decode(value: &[u8]) -> Result<ShardImage, ImageError> {
        let broken = |_| ImageError::Broken("shard");
        let (version, rest) = value.split_first().ok_or(ImageError::Broken("shard"))?;
        if *version != VERSION {
            return Err(ImageError::Version(*version));
        }
        let mut from = Reader { rest };
        let batch = Wire::get(&mut from).map_err(broken)?;
        let mut next = [-1; 9];
        for offset in &mut next {
            *offset = Wire::get(&mut from).map_err(broken)?;
        }
        let image = ShardImage {
            batch,
            next,
            time: Wire::get(&mut from).map_err(broken)?,
            partitions: Wire::get(&mut from).map_err(broken)?,
            digest: Wire::get(&mut from).map_err(broken)?,
            zone_data: Wire::get(&mut from).map_err(broken)?,
            unicode_data: Wire::get(&mut from).map_err(broken)?,
        };
        if from.rest.is_empty() { Ok(image) } else { Err(ImageError::Broken("shard")) }
    }
}
