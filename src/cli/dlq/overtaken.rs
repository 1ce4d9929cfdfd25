//! Whether something newer has overtaken a letter: a later record that says what the letter says.
//!
//! A letter itself says nothing, as the router could not use it. A record that was put back says what it said
//! when it was first published.

use crate::codec::letter::Place;
use crate::domain::ids::DomainId;
use crate::domain::input::{Input, LeadUpdated, Topic, UpdateKind};
use crate::domain::lead_fields::LeadFields;
use crate::domain::time::Timestamp;

/// What a record says something about.
pub(super) type Subject = (DomainId, &'static str, String);

/// How much of it.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Whole,
    /// What changed of a lead: nothing to a router that does not know the lead.
    Part(Box<LeadUpdated>),
}

/// A record that the router could use.
#[derive(Debug)]
pub(super) struct Spoken {
    pub at: Timestamp,
    pub place: Place,
    pub said: Said,
}

/// `None`: it cannot be overtaken, nor overtake.
pub(super) fn statement(domain: DomainId, input: Input) -> Option<(Subject, Said)> {
    let (kind, id, said) = match input {
        Input::LeadCreated(it) => ("lead", it.lead_id.as_str().to_owned(), Said::Whole),
        Input::LeadUpdated(it) => ("lead", it.lead_id.as_str().to_owned(), Said::Part(it)),
        Input::TerritoryChanged(it) => {
            ("territory", it.territory_id.as_str().to_owned(), Said::Whole)
        }
        Input::RepChanged(it) => ("rep", it.rep_id.as_str().to_owned(), Said::Whole),
        Input::AccountChanged(it) => ("account", it.account_id.as_str().to_owned(), Said::Whole),
        Input::OpportunityClosed(it) => {
            ("opportunity", it.opportunity_id.as_str().to_owned(), Said::Whole)
        }
        Input::PolicyChanged(_) => ("policy", String::new(), Said::Whole),
        // What somebody did is not overtaken by what he did later.
        Input::LeadActivity(_) | Input::Timer { .. } => return None,
    };
    Some(((domain, kind, id), said))
}

/// The topics that may overtake a letter of this one, and from when on their records matter: who created a
/// lead, at any time, is asked whenever its creation is a letter.
pub(super) fn rivals(topic: Topic, published_at: Timestamp) -> Vec<(Topic, Timestamp)> {
    let creations = [Topic::LeadCreated, Topic::LeadCreatedFast];
    if topic != Topic::LeadUpdated && !creations.contains(&topic) {
        return vec![(topic, published_at)];
    }
    let created_since = if creations.contains(&topic) { Timestamp(0) } else { published_at };
    let mut rivals = creations.map(|creation| (creation, created_since)).to_vec();
    rivals.push((Topic::LeadUpdated, published_at));
    rivals
}

/// The newest record that overtakes a letter, of those about the same thing.
pub(super) fn by<'s>(
    said: &Said,
    published_at: Timestamp,
    spoken: &'s [Spoken],
) -> Option<&'s Place> {
    let is_known = spoken.iter().any(|other| matches!(other.said, Said::Whole));
    let overtakes = |other: &&Spoken| {
        other.at > published_at
            && match (said, &other.said) {
                (_, Said::Whole) => true,
                (Said::Whole, Said::Part(_)) => is_known,
                (Said::Part(first), Said::Part(later)) => conflict(first, later),
            }
    };
    spoken.iter().filter(overtakes).max_by_key(|other| other.at).map(|other| &other.place)
}

/// Whether it matters which of two updates comes last.
fn conflict(first: &LeadUpdated, later: &LeadUpdated) -> bool {
    let is_act =
        |update: &LeadUpdated| !matches!(update.kind, UpdateKind::Fields | UpdateKind::Status);
    let merged = |updates: [&LeadUpdated; 2]| {
        let mut fields = LeadFields::default();
        for update in updates {
            fields.merge(&update.changes.clone().unwrap_or_default(), &update.cleared);
            fields.account_id = update.account_id.clone().or(fields.account_id);
        }
        fields
    };
    (is_act(first) && is_act(later)) || merged([first, later]) != merged([later, first])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EventId, LeadId};
    use crate::domain::lead_fields::LeadChanges;

    fn spoken(at: i64, said: Said) -> Spoken {
        let place = Place { topic: "leads".to_owned(), partition: 0, offset: at };
        Spoken { at: Timestamp(at), place, said }
    }

    fn update(kind: UpdateKind, changes: LeadChanges, cleared: &[&str]) -> Said {
        Said::Part(Box::new(LeadUpdated {
            event_id: EventId::parse("e").expect("an id"),
            lead_id: LeadId::parse("l").expect("an id"),
            changed_at: Timestamp(0),
            changed_by: None,
            kind,
            changes: Some(Box::new(changes)),
            cleared: cleared.iter().map(|name| (*name).to_owned()).collect(),
            new_owner_id: None,
            merged_into: None,
            locked_until_at: None,
            account_id: None,
            opportunity_id: None,
            fetch_needed: false,
        }))
    }

    fn city(name: &str) -> Said {
        let changes = LeadChanges { city: Some(name.to_owned()), ..LeadChanges::default() };
        update(UpdateKind::Fields, changes, &[])
    }

    fn is_overtaken(said: &Said, spoken: &[Spoken]) -> bool {
        by(said, Timestamp(10), spoken).is_some()
    }

    #[test]
    fn an_update_overtakes_a_creation_only_of_a_lead_that_is_known_otherwise() {
        let updated = || spoken(20, city("Rome"));
        assert!(!is_overtaken(&Said::Whole, &[updated()]));
        assert!(is_overtaken(&Said::Whole, &[spoken(5, Said::Whole), updated()]));
        assert!(!is_overtaken(&Said::Whole, &[spoken(5, Said::Whole), spoken(6, city("Rome"))]));
        assert!(is_overtaken(&Said::Whole, &[spoken(15, Said::Whole)]));
    }

    #[test]
    fn an_update_is_overtaken_by_one_that_contradicts_it() {
        let first = city("Rome");
        assert!(is_overtaken(&first, &[spoken(20, city("Oslo"))]));
        assert!(is_overtaken(&first, &[spoken(20, Said::Whole)]));
        assert!(!is_overtaken(&first, &[spoken(20, city("Rome"))]));
        let rating = LeadChanges { rating: Some("hot".to_owned()), ..LeadChanges::default() };
        assert!(!is_overtaken(&first, &[spoken(20, update(UpdateKind::Fields, rating, &[]))]));
        let cleared = || update(UpdateKind::Fields, LeadChanges::default(), &["city"]);
        assert!(is_overtaken(&first, &[spoken(20, cleared())]));
        let act = |kind| update(kind, LeadChanges::default(), &[]);
        assert!(is_overtaken(&act(UpdateKind::Deleted), &[spoken(20, act(UpdateKind::Undeleted))]));
        assert!(!is_overtaken(&act(UpdateKind::Deleted), &[spoken(20, city("Oslo"))]));
    }
}
