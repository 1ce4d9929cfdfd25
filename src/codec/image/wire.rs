//! The bytes of images: little, canonical, one way to write each value.
//!
//! Whole numbers are zigzag varints (as in Avro), floats their 8 bits-exact bytes, texts and lists have
//! their length before them, what may be missing a byte 0 or 1. There are no names and no padding, so
//! equal entities have equal bytes: the digest rests on that.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{
    AccountId, DomainId, EventId, LeadId, OpportunityId, Private, QueueId, RepId, TerritoryId,
};
use crate::domain::time::{Span, Timestamp};

/// These bytes are no image that this version wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

pub(super) type Result<T> = std::result::Result<T, Broken>;

/// What is left to read.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().ok_or(Broken)
    }

    fn varint(&mut self) -> Result<u128> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    /// A length, never more than what is left could hold.
    fn length(&mut self) -> Result<usize> {
        let length = usize::try_from(self.varint()?).map_err(|_| Broken)?;
        if length > self.rest.len() { Err(Broken) } else { Ok(length) }
    }
}

pub(super) fn put_varint(mut value: u128, out: &mut Vec<u8>) {
    while value > u128::from(u64::MAX) {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    // Hardly anything takes more than a word, and a word is shifted faster.
    let mut value = value as u64;
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A value that images are made of.
pub(super) trait Wire: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(from: &mut Reader<'_>) -> Result<Self>;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let value = *self as i128;
                put_varint(((value << 1) ^ (value >> 127)) as u128, out);
            }

            fn get(from: &mut Reader<'_>) -> Result<Self> {
                let raw = from.varint()?;
                let value = (raw >> 1) as i128 ^ -((raw & 1) as i128);
                <$type>::try_from(value).map_err(|_| Broken)
            }
        }
    )*};
}

whole!(u32, u64, i32, i64, i128);

impl Wire for u128 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Result<u128> {
        let bytes = from.take(16)?.try_into().map_err(|_| Broken)?;
        Ok(u128::from_le_bytes(bytes))
    }
}

impl Wire for f64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Result<f64> {
        let bytes = from.take(8)?.try_into().map_err(|_| Broken)?;
        Ok(f64::from_bits(u64::from_le_bytes(bytes)))
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn get(from: &mut Reader<'_>) -> Result<bool> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Broken),
        }
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn get(from: &mut Reader<'_>) -> Result<String> {
        get_text(from).map(str::to_owned)
    }
}

pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    put_varint(text.len() as u128, out);
    out.extend_from_slice(text.as_bytes());
}

fn get_text<'a>(from: &mut Reader<'a>) -> Result<&'a str> {
    let length = from.length()?;
    std::str::from_utf8(from.take(length)?).map_err(|_| Broken)
}

macro_rules! ids {
    ($($type:ident),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_text(self.as_str(), out);
            }

            fn get(from: &mut Reader<'_>) -> Result<Self> {
                get_text(from).map($type::new)
            }
        }
    )*};
}

ids!(AccountId, DomainId, EventId, LeadId, OpportunityId, QueueId, RepId, TerritoryId);

impl Wire for Private {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self.reveal(), out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Private> {
        String::get(from).map(Private::new)
    }
}

impl Wire for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Timestamp> {
        i64::get(from).map(Timestamp)
    }
}

impl Wire for Span {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Span> {
        i64::get(from).map(Span)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Option<T>> {
        if bool::get(from)? { T::get(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_varint(self.len() as u128, out);
        for value in self {
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Vec<T>> {
        // Every value takes a byte at least, so a false length cannot ask for memory.
        let length = from.length()?;
        (0..length).map(|_| T::get(from)).collect()
    }
}

impl Wire for BTreeMap<String, String> {
    fn put(&self, out: &mut Vec<u8>) {
        put_varint(self.len() as u128, out);
        for (name, value) in self {
            name.put(out);
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<BTreeMap<String, String>> {
        let length = from.length()?;
        (0..length).map(|_| Ok((String::get(from)?, String::get(from)?))).collect()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<(A, B)> {
        Ok((A::get(from)?, B::get(from)?))
    }
}

impl<T: Wire> Wire for Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Arc<T>> {
        T::get(from).map(Arc::new)
    }
}

/// Structs, field by field in this order. A field is only ever appended, with a new image version.
macro_rules! records {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let $type { $($field),* } = self;
                $( $field.put(out); )*
            }

            fn get(from: &mut Reader<'_>) -> std::result::Result<$type, Broken> {
                Ok($type { $( $field: Wire::get(from)? ),* })
            }
        }
    )*};
}

/// Enums without fields, by a number that never changes.
macro_rules! choices {
    ($($type:ident { $($variant:ident = $number:literal),* $(,)? })*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self { $( $type::$variant => $number ),* });
            }

            fn get(from: &mut Reader<'_>) -> std::result::Result<$type, Broken> {
                match u32::get_byte(from)? {
                    $( $number => Ok($type::$variant), )*
                    _ => Err(Broken),
                }
            }
        }
    )*};
}

/// Reads the number of a choice.
pub(super) trait GetByte {
    fn get_byte(from: &mut Reader<'_>) -> Result<u8>;
}

impl GetByte for u32 {
    fn get_byte(from: &mut Reader<'_>) -> Result<u8> {
        from.byte()
    }
}

pub(super) use {choices, records};
