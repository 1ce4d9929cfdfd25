//! What a lead asks of a rep, made ready once for however many reps are looked at: each then costs as much as its
//! own skills, and not that times the lead's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::entity::LeadEntity;
use super::input::RepDef;
use super::published::Ineligible;
use super::text::normalise;

/// A lead with the skills and the language that it asks for.
pub(super) struct Asked<'l> {
    pub(super) lead: &'l LeadEntity,
    required: Skills<'l>,
    preferred: Skills<'l>,
    language: Option<Cow<'l, str>>,
}

impl<'l> Asked<'l> {
    pub(super) fn of(lead: &'l LeadEntity) -> Asked<'l> {
        Asked {
            lead,
            required: Skills::of(&lead.fields.required_skills),
            preferred: Skills::of(&lead.fields.preferred_skills),
            language: lead.fields.language.as_deref().map(primary_subtag),
        }
    }

    /// What of it the rep lacks.
    pub(super) fn lacking(&self, rep: &RepDef) -> Vec<Ineligible> {
        let mut reasons = Vec::new();
        if self.required.held(rep) < self.lead.fields.required_skills.len() {
            reasons.push(Ineligible::Skill);
        }
        let speaks = |wanted: &Cow<'_, str>| {
            rep.languages.is_empty()
                || rep.languages.iter().any(|own| primary_subtag(own) == *wanted)
        };
        if !self.language.as_ref().is_none_or(speaks) {
            reasons.push(Ineligible::Language);
        }
        reasons
    }

    /// How many of the preferred skills the rep has.
    pub(super) fn preferred(&self, rep: &RepDef) -> usize {
        self.preferred.held(rep)
    }
}

fn primary_subtag(language: &str) -> Cow<'_, str> {
    normalise(language.split(['-', '_']).next().unwrap_or_default())
}

/// Skills as they are compared, with how often the list has each.
struct Skills<'l>(BTreeMap<Cow<'l, str>, usize>);

impl<'l> Skills<'l> {
    fn of(list: &'l [String]) -> Skills<'l> {
        let mut skills = BTreeMap::new();
        for skill in list {
            *skills.entry(normalise(skill)).or_default() += 1;
        }
        Skills(skills)
    }

    /// How many entries of the list the rep has.
    fn held(&self, rep: &RepDef) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        let own = rep.skills.iter().map(|own| normalise(own));
        let held: BTreeMap<_, _> = own.filter_map(|own| self.0.get_key_value(&own)).collect();
        held.into_values().sum()
    }
}
