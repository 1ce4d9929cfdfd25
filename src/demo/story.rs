//! What happens among the live leads within the first minute: one lead climbs its ladder, a
//! territory moves, a rep leaves, five hundred leads come at once, and the process dies inside a
//! transaction.

use std::collections::HashSet;
use std::time::Duration;

use crate::domain::published::{Cause, LeadAssigned, Outcome};

/// How long the whole story takes when there is time for it.
const LENGTH: Duration = Duration::from_secs(60);
/// Leads in the burst.
pub const BURST: usize = 500;
/// A change is over when no lead has followed it for so long.
const QUIET: Duration = Duration::from_millis(900);

/// One part of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Ladder,
    Territory,
    Departure,
    Burst,
    Crash,
}

/// When each begins, as a share of the length.
const CUES: [(f64, Act); 5] = [
    (0.05, Act::Ladder),
    (0.23, Act::Territory),
    (0.40, Act::Departure),
    (0.57, Act::Burst),
    (0.77, Act::Crash),
];

/// Open leads that follow a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Following {
    cause: Cause,
    pub started: Duration,
    pub last: Duration,
    pub moved: usize,
    /// Of these, to whom they went.
    pub to: Vec<String>,
    pub queued: usize,
}

/// The five hundred.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Burst {
    leads: HashSet<String>,
    pub decided: usize,
    pub assigned: usize,
    pub slowest: Duration,
}

/// What has come to an end, and wants to be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Territory(Following),
    Departure(Following),
    Burst(Burst),
}

/// Where the story stands.
#[derive(Debug)]
pub struct Story {
    cues: Vec<(Duration, Act)>,
    following: Vec<Following>,
    burst: Option<Burst>,
    /// The lead that nobody calls back.
    pub climber: Option<String>,
}

impl Story {
    /// The whole of it within a minute, or within `length` if that is shorter.
    pub fn new(length: Option<Duration>) -> Story {
        let length = length.map_or(LENGTH, |length| length.min(LENGTH));
        let mut cues = CUES.map(|(share, act)| (length.mul_f64(share), act)).to_vec();
        cues.reverse();
        Story { cues, following: Vec::new(), burst: None, climber: None }
    }

    /// The part that begins now, if one does.
    pub fn cue(&mut self, elapsed: Duration) -> Option<Act> {
        let (at, act) = *self.cues.last()?;
        (elapsed >= at).then(|| {
            self.cues.pop();
            act
        })
    }

    /// Leads will follow a change of this kind.
    pub fn follow(&mut self, cause: Cause, now: Duration) {
        let following =
            Following { cause, started: now, last: now, moved: 0, to: Vec::new(), queued: 0 };
        self.following.push(following);
    }

    /// These came at once.
    pub fn burst(&mut self, leads: HashSet<String>) {
        self.burst = Some(Burst { leads, ..Burst::default() });
    }

    /// A decision that may belong to the story; `took` is how long a new lead had waited.
    pub fn decided(&mut self, assigned: &LeadAssigned, took: Option<Duration>, now: Duration) {
        if let Some(following) =
            self.following.iter_mut().find(|following| following.cause == assigned.cause)
        {
            following.moved += 1;
            following.last = now;
            match &assigned.rep_id {
                Some(rep) => following.to.push(rep.as_str().to_owned()),
                None => following.queued += 1,
            }
        }
        if let (Some(burst), Some(took)) = (&mut self.burst, took)
            && burst.leads.remove(assigned.lead_id.as_str())
        {
            burst.decided += 1;
            burst.assigned += usize::from(assigned.outcome == Outcome::Assigned);
            burst.slowest = burst.slowest.max(took);
        }
    }

    /// What is over by now.
    pub fn over(&mut self, now: Duration) -> Vec<Told> {
        let mut told = Vec::new();
        self.following.retain(|following| {
            let quiet = now.saturating_sub(following.last) > QUIET;
            if quiet {
                told.push(match following.cause {
                    Cause::TerritoryChanged => Told::Territory(following.clone()),
                    _ => Told::Departure(following.clone()),
                });
            }
            !quiet
        });
        if self.burst.as_ref().is_some_and(|burst| burst.leads.is_empty()) {
            told.extend(self.burst.take().map(Told::Burst));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_fits_into_the_time_there_is() {
        let mut story = Story::new(Some(Duration::from_secs(10)));
        assert_eq!(story.cue(Duration::from_millis(400)), None);
        assert_eq!(story.cue(Duration::from_millis(600)), Some(Act::Ladder));
        let rest: Vec<Act> = std::iter::from_fn(|| story.cue(Duration::from_secs(8))).collect();
        assert_eq!(rest, [Act::Territory, Act::Departure, Act::Burst, Act::Crash]);
        assert_eq!(Story::new(None).cues.first().map(|(at, _)| at.as_secs()), Some(46));
    }

    #[test]
    fn a_change_is_over_when_nothing_follows_any_more() {
        let mut story = Story::new(None);
        story.follow(Cause::TerritoryChanged, Duration::from_secs(10));
        assert!(story.over(Duration::from_secs(10)).is_empty());
        let told = story.over(Duration::from_secs(12));
        assert!(matches!(told.as_slice(), [Told::Territory(following)] if following.moved == 0));
        assert!(story.over(Duration::from_secs(20)).is_empty(), "it is told once");
    }
}
