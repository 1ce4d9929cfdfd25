//! An account as it lies in memory: one short run of bytes. There are millions of them, and most are only
//! ever looked at by the matching, which reads a few fields and copies none.
//!
//! A text is its length and its bytes; what may be missing has its length plus one, 0 = missing. Equal
//! accounts have equal bytes.

use super::entity::{AccountEntity, Seen};
use super::ids::{AccountId, Private, RepId};
use super::input::{AccountDef, AccountKind};
use super::time::Timestamp;

const KIND: u8 = 0b0011;
const OPEN_OPPORTUNITY: u8 = 0b0100;
const ACTIVITY: u8 = 0b1000;
/// Deleted: nothing follows but the events seen.
const GONE: u8 = 0b1_0000;

/// An account with its id, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(Box<[u8]>);

/// What an account says.
#[derive(Clone, Copy, Debug)]
pub struct AccountView<'a> {
    pub kind: AccountKind,
    pub open_opportunity: bool,
    pub last_activity_at: Option<Timestamp>,
    pub name: &'a str,
    pub country: Option<&'a str>,
    pub state: Option<&'a str>,
    pub postal_code: Option<&'a str>,
    pub phone: Option<&'a str>,
    pub owner_id: Option<&'a str>,
    pub parent_id: Option<&'a str>,
    domains: Unpacker<'a>,
}

impl<'a> AccountView<'a> {
    pub fn domains(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut from = self.domains;
        let count = from.number();
        (0..count).map(move |_| from.text())
    }
}

impl Account {
    pub fn new(id: &AccountId, entity: &AccountEntity) -> Account {
        Account::pack(id, entity.definition.as_ref(), &entity.seen)
    }

    pub(super) fn pack(id: &AccountId, definition: Option<&AccountDef>, seen: &Seen) -> Account {
        let mut out = Vec::with_capacity(256);
        put_text(id.as_str(), &mut out);
        match definition {
            None => out.push(GONE),
            Some(definition) => put_definition(definition, &mut out),
        }
        for hash in &seen.0 {
            out.extend_from_slice(&hash.to_le_bytes());
        }
        // Copied, so that it takes no more than it needs.
        Account(Box::from(&out[..]))
    }

    pub fn id(&self) -> &str {
        Unpacker { rest: &self.0 }.text()
    }

    /// `None` = deleted.
    pub fn view(&self) -> Option<AccountView<'_>> {
        let mut from = Unpacker { rest: &self.0 };
        from.text();
        from.definition()
    }

    pub fn seen(&self) -> Seen {
        let mut from = Unpacker { rest: &self.0 };
        from.text();
        if let Some(view) = from.definition() {
            from = view.domains;
            (0..from.number()).for_each(|_| _ = from.text());
        }
        let (words, _) = from.rest.as_chunks::<8>();
        Seen(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// All of it, as plain fields.
    pub fn entity(&self) -> AccountEntity {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let definition = self.view().map(|view| AccountDef {
            name: view.name.to_owned(),
            domains: view.domains().map(str::to_owned).collect(),
            owner_id: view.owner_id.map(RepId::new),
            parent_id: view.parent_id.map(AccountId::new),
            kind: view.kind,
            country: owned(view.country),
            state: owned(view.state),
            postal_code: owned(view.postal_code),
            phone: owned(view.phone).map(Private::new),
            open_opportunity: view.open_opportunity,
            last_activity_at: view.last_activity_at,
        });
        AccountEntity { definition, seen: self.seen() }
    }
}

fn put_definition(definition: &AccountDef, out: &mut Vec<u8>) {
    let kind = definition.kind as u8;
    let open = if definition.open_opportunity { OPEN_OPPORTUNITY } else { 0 };
    let activity = if definition.last_activity_at.is_some() { ACTIVITY } else { 0 };
    out.push(kind | open | activity);
    if let Some(at) = definition.last_activity_at {
        out.extend_from_slice(&at.0.to_le_bytes());
    }
    put_text(&definition.name, out);
    let AccountDef { country, state, postal_code, phone, owner_id, parent_id, .. } = definition;
    for text in [
        country.as_deref(),
        state.as_deref(),
        postal_code.as_deref(),
        phone.as_ref().map(Private::reveal),
        owner_id.as_ref().map(RepId::as_str),
        parent_id.as_ref().map(AccountId::as_str),
    ] {
        put_number(text.map_or(0, |text| text.len() + 1), out);
        out.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
    put_number(definition.domains.len(), out);
    definition.domains.iter().for_each(|domain| put_text(domain, out));
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn put_number(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is left to read of bytes that `Account::new` made.
#[derive(Clone, Copy, Debug)]
struct Unpacker<'a> {
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    fn definition(&mut self) -> Option<AccountView<'a>> {
        let flags = self.take(1).first().copied().unwrap_or(GONE);
        if flags & GONE != 0 {
            return None;
        }
        let activity = (flags & ACTIVITY != 0).then(|| self.take(8));
        let at = |bytes: &[u8]| Timestamp(i64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        Some(AccountView {
            kind: AccountKind::ALL[usize::from(flags & KIND)],
            open_opportunity: flags & OPEN_OPPORTUNITY != 0,
            last_activity_at: activity.map(at),
            name: self.text(),
            country: self.optional(),
            state: self.optional(),
            postal_code: self.optional(),
            phone: self.optional(),
            owner_id: self.optional(),
            parent_id: self.optional(),
            domains: *self,
        })
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        while let [byte] = self.take(1) {
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 56 {
                break;
            }
        }
        number
    }

    fn text(&mut self) -> &'a str {
        let length = self.number();
        std::str::from_utf8(self.take(length)).unwrap_or_default()
    }

    fn optional(&mut self) -> Option<&'a str> {
        let length = self.number().checked_sub(1)?;
        Some(std::str::from_utf8(self.take(length)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,40}", "[a-z]{120,300}"]
    }

    fn definition() -> impl Strategy<Value = AccountDef> {
        let optional = || prop::option::of(text());
        let texts = (optional(), optional(), optional(), optional(), optional(), optional());
        let rest = (0..4_usize, any::<bool>(), any::<Option<i64>>());
        (text(), prop::collection::vec(text(), 0..4), texts, rest).prop_map(
            |(name, domains, (country, state, postal, phone, owner, parent), (kind, open, at))| {
                AccountDef {
                    name,
                    domains,
                    owner_id: owner.as_deref().map(RepId::new),
                    parent_id: parent.as_deref().map(AccountId::new),
                    kind: AccountKind::ALL[kind],
                    country,
                    state,
                    postal_code: postal,
                    phone: phone.map(Private::new),
                    open_opportunity: open,
                    last_activity_at: at.map(Timestamp),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn unpacks_what_was_packed(
            id in "\\PC{1,60}",
            definition in prop::option::of(definition()),
            seen in prop::collection::vec(any::<u64>(), 0..17),
        ) {
            let entity = AccountEntity { definition, seen: Seen(seen) };
            let packed = Account::new(&AccountId::new(&id), &entity);
            prop_assert_eq!(packed.id(), id);
            prop_assert_eq!(packed.entity(), entity);
        }
    }
}
