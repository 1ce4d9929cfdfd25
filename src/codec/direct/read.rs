//! A `Lead` or an `Account` written with the embedded schema, straight from its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::json::{Context, MAX_EMPLOYEES, MAX_TEXT_BYTES, country};
use crate::domain::ids::{AccountId, EventId, IdError, LeadId, Private, RepId};
use crate::domain::input::{AccountChange, AccountDef, AccountKind, LeadCreated};
use crate::domain::lead_fields::{Cents, LeadFields};
use crate::domain::time::Timestamp;

/// The lead, or `None` if anything about it is not as it should be.
pub(in crate::codec) fn lead(bytes: &[u8], now: Timestamp, fast: bool) -> Option<LeadCreated> {
    let context = Context { now, strict: true };
    let mut input = Input { rest: bytes };
    // Struct fields are evaluated in the order in which they are written here: that of the schema.
    let lead = LeadCreated {
        event_id: input.id(EventId::parse)?,
        lead_id: input.id(LeadId::parse)?,
        fields: Arc::new(LeadFields {
            created_at: Some(input.time()?).filter(|at| context.is_past(*at))?,
            company: input.opt_text()?,
            email: input.opt_text()?.map(Private::new),
            phone: input.opt_text()?.map(Private::new),
            website: input.opt_text()?,
            country: match input.opt_str()? {
                Some(text) => Some(country(text)?),
                None => None,
            },
            state: input.opt_text()?,
            postal_code: input.opt_text()?,
            city: input.opt_text()?,
            industry: input.opt_text()?,
            employees: input.opt(|it| it.employees())?,
            annual_revenue: input.opt(Input::cents)?,
            currency: input.opt_text()?,
            source: input.opt_text()?,
            product: input.opt_text()?,
            language: input.opt_text()?,
            required_skills: input.texts()?,
            preferred_skills: input.texts()?,
            score: input.opt(Input::number)?,
            rating: input.opt_text()?,
            status: input.opt_text()?,
            account_id: input.opt(|it| it.id(AccountId::parse))?,
            owner_id: input.opt(|it| it.id(RepId::parse))?,
            do_not_route: input.flag()?,
            locked_until_at: input.opt(|it| it.time().filter(|at| Context::is_plan(*at)))?,
            attributes: input.text_map()?,
        }),
        fast,
    };
    input.rest.is_empty().then_some(lead)
}

/// The account, or `None` if anything about it is not as it should be, or it is deleted.
pub(in crate::codec) fn account(bytes: &[u8], now: Timestamp) -> Option<AccountChange> {
    let context = Context { now, strict: true };
    let mut input = Input { rest: bytes };
    let change = AccountChange {
        event_id: input.id(EventId::parse)?,
        account_id: input.id(AccountId::parse)?,
        definition: Some(AccountDef {
            name: input.str()?.to_owned(),
            domains: input.texts()?,
            owner_id: input.opt(|it| it.id(RepId::parse))?,
            parent_id: input.opt(|it| it.id(AccountId::parse))?,
            kind: input.choice(&AccountKind::ALL)?,
            country: match input.opt_str()? {
                Some(text) => Some(country(text)?),
                None => None,
            },
            state: input.opt_text()?,
            postal_code: input.opt_text()?,
            phone: input.opt_text()?.map(Private::new),
            open_opportunity: input.flag()?,
            last_activity_at: input.opt(|it| it.time().filter(|at| context.is_past(*at)))?,
        }),
    };
    let is_deleted = input.flag()?;
    (!is_deleted && input.rest.is_empty()).then_some(change)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// A number in zigzag of at most nine bytes; longer ones take the long way.
    fn long(&mut self) -> Option<i64> {
        let mut number: u64 = 0;
        for place in 0..9_u32 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        None
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.long().map(Timestamp)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.long()?).ok()?;
        self.take(length)
    }

    fn str(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok().filter(|text| text.len() <= MAX_TEXT_BYTES)
    }

    fn id<T>(&mut self, parse: impl Fn(&str) -> Result<T, IdError>) -> Option<T> {
        parse(self.str()?).ok()
    }

    /// A value that may be null: the branch first, null being branch 0.
    fn opt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            2 => read(self).map(Some),
            _ => None,
        }
    }

    fn opt_str(&mut self) -> Option<Option<&'a str>> {
        self.opt(Input::str)
    }

    fn opt_text(&mut self) -> Option<Option<String>> {
        Some(self.opt_str()?.map(str::to_owned))
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn choice<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        values.get(usize::try_from(self.long()?).ok()?).copied()
    }

    fn employees(&mut self) -> Option<i64> {
        self.long().filter(|count| (0..=MAX_EMPLOYEES).contains(count))
    }

    /// An amount that is not negative and fits 56 bits; others take the long way.
    fn cents(&mut self) -> Option<Cents> {
        let bytes = self.bytes()?;
        let ordinary = matches!(bytes, [first, ..] if first & 0x80 == 0) && bytes.len() <= 7;
        ordinary.then(|| bytes.iter().fold(0, |cents, byte| cents << 8 | Cents::from(*byte)))
    }

    fn number(&mut self) -> Option<f64> {
        let bytes = <[u8; 8]>::try_from(self.take(8)?).ok()?;
        // Adding zero makes −0 a 0, as the long way does.
        Some(f64::from_le_bytes(bytes) + 0.0).filter(|number| number.is_finite())
    }

    /// The items of a list or map in blocks without a size, as nearly all writers write them.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            match usize::try_from(self.long()?).ok()? {
                0 => return Some(()),
                count => {
                    for _ in 0..count {
                        item(self)?;
                    }
                }
            }
        }
    }

    fn texts(&mut self) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        self.blocks(|input| {
            texts.push(input.str()?.to_owned());
            Some(())
        })?;
        Some(texts)
    }

    fn text_map(&mut self) -> Option<BTreeMap<String, String>> {
        let mut map = BTreeMap::new();
        self.blocks(|input| {
            let key = input.str()?.to_owned();
            let value = input.str()?.to_owned();
            map.insert(key, value).is_none().then_some(())
        })?;
        Some(map)
    }
}
