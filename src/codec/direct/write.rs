//! A `LeadAssigned` straight to the bytes of the embedded schema.

use crate::codec::avro::{put_bytes, put_long};
use crate::domain::input::{Origin, Topic};
use crate::domain::published::{Candidate, LeadAssigned, WinProbability};
use crate::domain::time::Timestamp;

/// Appends the datum; `None` (and rubbish appended) if it does not fit the schema.
pub(in crate::codec) fn assigned(fact: &LeadAssigned, bytes: &mut Vec<u8>) -> Option<()> {
    let mut out = Out { bytes };
    out.text(fact.event_id.as_str());
    out.text(&fact.decision_id);
    out.text(fact.lead_id.as_str());
    out.text(fact.domain.as_str());
    out.long(i64::try_from(fact.domain_seq).ok()?);
    out.int(fact.assignment_no)?;
    out.long(fact.outcome as i64);
    out.opt_text(fact.rep_id.as_ref().map(|id| id.as_str()));
    out.opt_text(fact.queue_id.as_ref().map(|id| id.as_str()));
    out.opt_text(fact.former_owner_id.as_ref().map(|id| id.as_str()));
    out.long(fact.stage as i64);
    out.long(fact.method as i64);
    out.text(fact.reason.name());
    out.long(fact.cause as i64);
    out.opt_text(fact.territory_id.as_ref().map(|id| id.as_str()));
    out.list(&fact.ambiguous_with, |out, id| {
        out.text(id.as_str());
        Some(())
    })?;
    out.probability(fact.win_probability.as_ref())?;
    out.opt(fact.arm, |out, arm| out.long(arm as i64));
    out.opt_number(fact.propensity);
    out.list(&fact.candidates, Out::candidate)?;
    out.int(fact.candidates_total)?;
    out.list(&fact.excluded, |out, (reason, count)| {
        out.text(reason.name());
        out.int(*count)
    })?;
    out.text(&fact.priority_class);
    out.list(&fact.sla, |out, due| {
        out.int(due.step)?;
        out.long(due.action as i64);
        out.time(due.due_at);
        Some(())
    })?;
    out.time(fact.lead_created_at);
    out.time(fact.decided_at);
    out.text(&fact.policy_sha256);
    out.text(&fact.policy_version);
    out.origin(&fact.caused_by);
    out.list(&fact.positions, |out, next| {
        out.long(*next);
        Some(())
    })
}

/// Values one after another. Enums are their number: the schema has their symbols in that order.
struct Out<'o> {
    bytes: &'o mut Vec<u8>,
}

impl Out<'_> {
    fn long(&mut self, number: i64) {
        put_long(number, self.bytes);
    }

    fn int(&mut self, number: u32) -> Option<()> {
        self.long(i64::from(i32::try_from(number).ok()?));
        Some(())
    }

    fn time(&mut self, at: Timestamp) {
        self.long(at.0);
    }

    fn text(&mut self, text: &str) {
        put_bytes(text.as_bytes(), self.bytes);
    }

    fn number(&mut self, number: f64) -> Option<()> {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        number.is_finite().then_some(())
    }

    /// Null, branch 0, or the value as branch 1.
    fn opt<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.long(i64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn opt_text(&mut self, text: Option<&str>) {
        self.opt(text, Out::text);
    }

    /// What is not finite is not known.
    fn opt_number(&mut self, number: Option<f64>) {
        self.opt(number.filter(|number| number.is_finite()), |out, number| {
            out.bytes.extend_from_slice(&number.to_le_bytes());
        });
    }

    /// One block of all items, then the end.
    fn list<T>(
        &mut self,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Option<()>,
    ) -> Option<()> {
        if !items.is_empty() {
            self.long(items.len() as i64);
            for item in items {
                write(self, item)?;
            }
        }
        self.long(0);
        Some(())
    }

    fn probability(&mut self, win: Option<&WinProbability>) -> Option<()> {
        self.long(i64::from(win.is_some()));
        let Some(win) = win else { return Some(()) };
        self.number(win.mean)?;
        self.number(win.low)?;
        self.number(win.high)?;
        self.long(i64::try_from(win.deals).ok()?);
        Some(())
    }

    fn candidate(&mut self, candidate: &Candidate) -> Option<()> {
        self.text(candidate.rep_id.as_str());
        self.bytes.push(u8::from(candidate.eligible));
        self.list(&candidate.reasons, |out, reason| {
            out.text(reason.name());
            Some(())
        })?;
        self.probability(candidate.win_probability.as_ref())?;
        self.opt_number(candidate.score);
        self.opt_number(candidate.rotation);
        self.opt_number(candidate.propensity);
        Some(())
    }

    fn origin(&mut self, origin: &Origin) {
        self.text(origin.topic.map_or("timer", Topic::name));
        self.long(i64::from(origin.partition));
        self.long(origin.offset);
    }
}
