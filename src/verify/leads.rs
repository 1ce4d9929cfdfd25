//! I1, I2 and I3: each lead has its decisions, once, and the state says the same.

use std::collections::BTreeSet;

use super::checker::{Checker, LeadFile, LeadKey};
use super::{Findings, Invariant, Place};
use crate::domain::entity::Phase;
use crate::domain::published::{LeadAssigned, Outcome};
use crate::domain::time::Span;

pub(super) fn check(checker: &Checker, findings: &mut Findings) {
    for ((domain, lead), file) in &checker.leads {
        let key = (domain.clone(), lead.clone());
        every_arrival_is_decided(checker, &key, file, findings);
        numbers_run(checker, &key, file, findings);
        state_agrees(checker, &key, file, findings);
    }
    unreadable_is_dead(checker, findings);
    domain_runs(checker, findings);
}

fn every_arrival_is_decided(
    checker: &Checker,
    (_, lead): &LeadKey,
    file: &LeadFile,
    findings: &mut Findings,
) {
    for arrival in file.created.iter().filter(|arrival| checker.is_taken(arrival)) {
        findings.checked(Invariant::I1);
        let place = &arrival.place;
        let dead = checker.dead.contains(&(arrival.topic, place.partition, place.offset));
        // A whole output shows every decision; of a cut one, the state may be the only witness.
        let known = file.image.is_some() && !checker.options.whole;
        if file.assigned.is_empty() && !dead && !known {
            let text = format!("lead {lead} was taken in and has neither decision nor dead letter");
            checker.without_outcome(arrival, text, findings);
        }
    }
}

fn unreadable_is_dead(checker: &Checker, findings: &mut Findings) {
    for arrival in checker.unreadable.iter().filter(|arrival| checker.is_taken(arrival)) {
        findings.checked(Invariant::I1);
        let place = &arrival.place;
        if !checker.dead.contains(&(arrival.topic, place.partition, place.offset)) {
            let text = "the record cannot be read and has no dead letter".to_owned();
            checker.without_outcome(arrival, text, findings);
        }
    }
}

/// The decisions are sorted by number. A lead that was forgotten and came again starts over, with a
/// creation time of its own.
fn numbers_run(checker: &Checker, (_, lead): &LeadKey, file: &LeadFile, findings: &mut Findings) {
    let mut before: Option<(&Place, &LeadAssigned)> = None;
    for (place, assigned) in &file.assigned {
        findings.checked(Invariant::I2);
        let number = assigned.assignment_no;
        let same_life = before.filter(|(_, last)| last.lead_created_at == assigned.lead_created_at);
        let expected = same_life.map_or(1, |(_, last)| last.assignment_no + 1);
        let starts_anywhere = same_life.is_none() && !checker.options.whole;
        if let Some((first, last)) = same_life
            && last.assignment_no == number
        {
            let text = format!("lead {lead} has assignment {number} twice, first at {first}");
            findings.broken(Invariant::I2, place, text);
        } else if number != expected && !starts_anywhere {
            let text = format!("lead {lead} has assignment {number}, expected {expected}");
            findings.broken(Invariant::I2, place, text);
        }
        if let Some((first, _)) = same_life
            && first.partition == place.partition
            && first.offset > place.offset
        {
            let text = format!("lead {lead}: assignment {number} stands before the one at {first}");
            findings.broken(Invariant::I2, place, text);
        }
        before = Some((place, assigned));
    }
}

fn domain_runs(checker: &Checker, findings: &mut Findings) {
    for (domain, sequence) in &checker.sequence {
        let mut seen = BTreeSet::new();
        for (seq, place) in sequence {
            findings.checked(Invariant::I2);
            if !seen.insert(*seq) {
                let text = format!("decision {seq} of domain {domain} is there twice");
                findings.broken(Invariant::I2, place, text);
            }
        }
        let (first, last) = match (seen.first(), seen.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => continue,
        };
        let start = if checker.options.whole { 1 } else { first };
        let missing = (last + 1).saturating_sub(start).saturating_sub(seen.len() as u64);
        if missing > 0 {
            let gap = (start..=last).find(|seq| !seen.contains(seq)).unwrap_or(start);
            let next = sequence.iter().filter(|(seq, _)| *seq > gap).min_by_key(|(seq, _)| *seq);
            if let Some((_, place)) = next {
                let text = format!(
                    "{missing} decisions of domain {domain} are missing, the first is {gap}"
                );
                findings.broken(Invariant::I2, place, text);
            }
        }
    }
}

fn state_agrees(
    checker: &Checker,
    (domain, lead): &LeadKey,
    file: &LeadFile,
    findings: &mut Findings,
) {
    let last = file.assigned.last();
    let (place, image) = match (&file.image, last) {
        (Some((place, image)), _) => (place, image),
        (None, Some((place, assigned))) => {
            findings.checked(Invariant::I3);
            let horizon = checker.horizon.get(domain).copied().unwrap_or_default();
            let known_until = assigned.decided_at + Span::from_days(90);
            if horizon < known_until {
                let text = format!("lead {lead} was decided and is not in the state");
                findings.broken(Invariant::I3, place, text);
            }
            return;
        }
        (None, None) => return,
    };
    findings.checked(Invariant::I3);
    let Some((_, assigned)) = last else {
        if image.assignment_no > 0 && checker.options.whole {
            let number = image.assignment_no;
            let text = format!("lead {lead} is at assignment {number}, which was never published");
            findings.broken(Invariant::I3, place, text);
        }
        return;
    };
    if let Some(text) = differs(assigned, image) {
        findings.broken(Invariant::I3, place, format!("lead {lead}: {text}"));
    }
}

/// How an image and the last decision contradict each other.
fn differs(assigned: &LeadAssigned, image: &crate::domain::entity::LeadEntity) -> Option<String> {
    if image.assignment_no != assigned.assignment_no {
        let (state, published) = (image.assignment_no, assigned.assignment_no);
        return Some(format!("the state has assignment {state}, published is {published}"));
    }
    let phase_fits = match (image.phase, assigned.outcome) {
        (Phase::Ended(_), _) => return None,
        (Phase::Assigned, outcome) => outcome == Outcome::Assigned,
        (Phase::Queued, outcome) => outcome == Outcome::Queued,
        (Phase::Parked, outcome) => outcome == Outcome::Parked,
        (Phase::Released, outcome) => outcome == Outcome::Released,
        (Phase::New, _) => false,
    };
    if !phase_fits {
        let (state, published) = (image.phase, assigned.outcome.name());
        return Some(format!("the state has it {state:?}, published is {published}"));
    }
    let rep = image.placement.as_ref().and_then(|placement| placement.rep_id.as_ref());
    let owns = matches!(assigned.outcome, Outcome::Assigned);
    if owns && rep != assigned.rep_id.as_ref() {
        return Some("the state and the last decision name different reps".to_owned());
    }
    None
}
