//! Where a shard comes from when it is given to us, and what becomes of a batch whose outcome is unknown.
//!
//! A restore loads the after-images, derives indexes and timers, and compares: the digest with that of the
//! shard's image, and the group's offsets with those in it. What differs is refused, never mended.

use super::ports::{AssignedShard, Clock, Committed, Failure, Log, Part, Result};
use super::report::{Ending, LostRecords, Observer, ShardEvent};
use super::shard::{Mark, Shard};
use super::transaction::{Phase, Step};
use super::wire::{ImageReader, Stored};
use super::worker::{Planted, StartLeads, Worker};
use crate::codec::image::ImageError;
use crate::domain::input::Topic;
use crate::domain::state::State;
use crate::domain::time::{Span, Timestamp};

/// Leads older than this make a first start ask what is meant.
const OLD: Span = Span::from_secs(86_400);

/// The topics that say something about a lead; the rest is history that is wanted.
const OF_LEADS: [Topic; 4] =
    [Topic::LeadCreated, Topic::LeadCreatedFast, Topic::LeadUpdated, Topic::LeadActivity];

/// What the state topic said of a shard.
struct Loaded {
    state: State,
    mark: Option<Mark>,
    images: u64,
    partitions: i32,
}

impl<L: Log, C: Clock, O: Observer> Worker<L, C, O> {
    /// Restores the shards that could not be restored when they were given to us.
    pub(super) fn restore_waiting(&mut self, now: Timestamp) -> Result<()> {
        let waiting: Vec<i32> = self.waiting.iter().copied().collect();
        waiting.into_iter().try_for_each(|shard| self.restore(shard, None, now))
    }

    /// Restores a waiting shard, if the log is stable; else it goes on waiting. `assigned` = it was given to
    /// us just now, and nothing of its inputs has been passed over.
    pub(super) fn restore(
        &mut self,
        shard: i32,
        assigned: Option<&AssignedShard>,
        now: Timestamp,
    ) -> Result<()> {
        match self.try_restore(shard, assigned, now) {
            Err(Failure::Abort(_)) => Ok(()),
            done => done,
        }
    }

    fn try_restore(
        &mut self,
        shard: i32,
        assigned: Option<&AssignedShard>,
        now: Timestamp,
    ) -> Result<()> {
        let began = self.clock.monotonic();
        let committed = self.log.committed(shard)?;
        let mut loaded = load(&mut self.log, shard)?;
        let mark = match checked(shard, &loaded, &committed, self.settings.partitions) {
            // Read one after the other: somebody who has the shard by now may have committed in between.
            Err(_) if self.log.committed(shard)? != committed => {
                return Err(Failure::Abort("the offsets moved meanwhile".to_owned()));
            }
            checked => checked?,
        };
        let first = Topic::ALL.map(|topic| Part { topic, shard });
        let start = match assigned {
            Some(assigned) => assigned.start,
            None => {
                let first = self.log.offsets_at(&first, Timestamp(0))?;
                std::array::from_fn(|topic| first.get(topic).copied().unwrap_or(0))
            }
        };
        let next: [i64; 9] = std::array::from_fn(|topic| match mark.next[topic] {
            next if next >= 0 => next,
            _ => committed.offsets[topic].unwrap_or(start[topic]),
        });
        let lost = self.lost(shard, &next, &start)?;
        let from: [i64; 9] = std::array::from_fn(|topic| next[topic].max(start[topic]));
        let end = match assigned {
            Some(assigned) => assigned.end,
            None => self.ends(shard)?,
        };
        if assigned.is_none_or(|assigned| assigned.start != from) {
            let to: Vec<_> = first.into_iter().zip(from).collect();
            self.drop_events(&to);
            self.log.seek(&to)?;
        }
        if self.settings.planted == Some(Planted::NoTimers) {
            loaded.state.take_timer_moves();
        }
        let restored = Shard::restored(shard, loaded.state, mark);
        for (key, entity) in restored.state().each() {
            self.observer.loaded(shard, &key, entity);
        }
        self.observer.shard(ShardEvent::Restored {
            shard,
            images: loaded.images,
            took: self.clock.monotonic().saturating_sub(began),
            digest: mark.digest,
        });
        self.seat(restored, committed.metadata, from, end, now);
        if lost.is_empty() {
            return Ok(());
        }
        let to: Vec<i64> = lost.iter().map(|part| from[part.topic.index()]).collect();
        self.skip(shard, &lost, &to)
    }

    /// The topics of which records are gone that come next. Unless that is allowed, it is refused.
    fn lost(&mut self, shard: i32, next: &[i64; 9], start: &[i64; 9]) -> Result<Vec<Part>> {
        let gone = |topic: &Topic| next[topic.index()] < start[topic.index()];
        let topics: Vec<Topic> = Topic::ALL.into_iter().filter(gone).collect();
        for topic in topics.iter().map(|topic| topic.index()) {
            let (from, to) = (next[topic], start[topic]);
            let lost = LostRecords { topic: self.wire.names[topic].clone(), shard, from, to };
            if !self.settings.skip_lost {
                return Err(Failure::Fatal(lost.refused()));
            }
            self.observer.shard(ShardEvent::Lost(lost));
        }
        Ok(topics.into_iter().map(|topic| Part { topic, shard }).collect())
    }

    /// A seat whose memory is not to be trusted: the shard is restored before it works again.
    pub(super) fn vacate(&mut self, shard: i32) {
        let Some(seat) = self.seats.remove(&shard) else { return };
        self.resumes.extend(seat.merge.paused().map(|topic| Part { topic, shard }));
        self.waiting.insert(shard);
    }

    /// After an unknown outcome: a new producer, and the committed offsets say what became of the batch.
    pub(super) fn resolve_if_lost(&mut self) -> Result<()> {
        if self.transaction.phase() == Phase::Lost {
            match self.log.recreate() {
                Ok(()) => {}
                Err(Failure::Fatal(why)) => return Err(Failure::Fatal(why)),
                // The brokers are away. That is one doubt, however often they are asked.
                Err(Failure::Abort(_) | Failure::Unknown(_)) => return Ok(()),
            }
            self.transaction.step(Step::Recreate);
            self.transaction.recreated = true;
        }
        if self.transaction.phase() != Phase::Asking {
            return Ok(());
        }
        let touched = self.touched();
        let mut answers = Vec::new();
        for shard in &touched {
            match self.log.committed(*shard) {
                Ok(committed) => answers.push((*shard, committed.metadata)),
                // Not stable yet: asked again next round, and nothing is taken until then.
                Err(Failure::Abort(_)) => return Ok(()),
                Err(failure) => return Err(failure),
            }
        }
        self.transaction.step(Step::Settle);
        let mut ending = Ending::UnknownCommitted;
        for (shard, metadata) in answers {
            let Some(seat) = self.seats.get(&shard) else { continue };
            let sealed = seat.shard.mark().batch > seat.shard.committed().batch;
            if sealed && metadata == seat.shard.mark().metadata() {
                self.keep(&[shard]);
                continue;
            }
            ending = Ending::UnknownAborted;
            let same = metadata == seat.metadata;
            self.undo_shard(shard, !same);
            if !same {
                self.vacate(shard);
            }
        }
        self.tell(ending);
        Ok(())
    }

    /// The first lead of a shard that has read none: are its topics meant to be read from the beginning?
    pub(super) fn check_start(&mut self, shard: i32, now: Timestamp) -> Result<()> {
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        let created = [Topic::LeadCreated, Topic::LeadCreatedFast];
        let heads: Vec<_> =
            created.into_iter().filter_map(|topic| seat.merge.head(topic)).collect();
        let oldest = heads.iter().map(|head| head.timestamp).min().unwrap_or(now);
        let age = now.since(oldest);
        let parts = OF_LEADS.map(|topic| Part { topic, shard });
        let to = match self.settings.start_leads {
            Some(StartLeads::Earliest) => None,
            None if age <= OLD => None,
            Some(StartLeads::Latest) => Some(self.log.ends(&parts)?),
            Some(StartLeads::At(time)) => Some(self.log.offsets_at(&parts, time)?),
            None => {
                let first: Vec<(Part, i64)> = heads.iter().map(|h| (h.part, h.offset)).collect();
                let ends =
                    self.log.ends(&first.iter().map(|(part, _)| *part).collect::<Vec<_>>())?;
                let count: i64 = ends.iter().zip(&first).map(|(end, (_, from))| end - from).sum();
                let hours = age.0 / 3_600_000;
                return Err(Failure::Fatal(format!(
                    "a first start on shard {shard} finds {count} leads, the oldest {hours} h old: set \
                     start.leads to \"earliest\", \"latest\" or a time"
                )));
            }
        };
        seat.guard = false;
        match to {
            Some(to) => self.skip(shard, &parts, &to),
            None => Ok(()),
        }
    }

    /// Begins the topics of leads further on.
    fn skip(&mut self, shard: i32, parts: &[Part], to: &[i64]) -> Result<()> {
        self.begin()?;
        let Some(seat) = self.seats.get_mut(&shard) else { return Ok(()) };
        let mut sought = Vec::new();
        for (part, offset) in parts.iter().zip(to) {
            seat.shard.skip_to(part.topic.index(), *offset);
            self.resumes.extend(seat.merge.rewind(part.topic, *offset).map(|_| *part));
            sought.push((*part, *offset));
        }
        self.drop_events(&sought);
        self.log.seek(&sought)
    }
}

/// A shard as the state topic has it: for tools and checkers.
pub fn read_shard(log: &mut impl Log, shard: i32) -> Result<Shard> {
    let loaded = load(log, shard)?;
    Ok(Shard::restored(shard, loaded.state, loaded.mark.unwrap_or_default()))
}

fn load(log: &mut impl Log, shard: i32) -> Result<Loaded> {
    let mut reader = ImageReader::default();
    log.restore(shard, &mut |key, value| reader.take(key, value))?;
    let Stored { state, mark, images, digest } = reader.finish().map_err(unreadable)?;
    let Some((mark, partitions)) = mark else {
        if images > 0 {
            return refuse(shard, "the state has entities and no image of the shard itself");
        }
        return Ok(Loaded { state, mark: None, images, partitions: 0 });
    };
    if mark.digest != digest {
        return refuse(shard, "the state's digest is not that of its images: something is missing");
    }
    Ok(Loaded { state, mark: Some(mark), images, partitions })
}

/// Whether what was loaded is what the group committed; where the shard stands then.
fn checked(shard: i32, loaded: &Loaded, committed: &Committed, partitions: i32) -> Result<Mark> {
    let known = committed.offsets.iter().any(Option::is_some);
    let Some(mark) = loaded.mark else {
        if known {
            return refuse(
                shard,
                "the group has committed offsets, but the state is empty: its topic was lost or emptied. Bring it \
                 back, or begin anew: see \"When the state is lost\" in the runbook",
            );
        }
        return Ok(Mark::default());
    };
    if loaded.partitions != partitions {
        let was = loaded.partitions;
        return refuse(
            shard,
            &format!(
                "the topics have {partitions} partitions, and the state was made with {was}: keys have moved. \
                 Put the partition count back, or copy the topics to new ones under a new group"
            ),
        );
    }
    let differs = mark.next.iter().zip(committed.offsets).any(|(next, offset)| match offset {
        Some(offset) => *next >= 0 && *next != offset,
        None => false,
    });
    let named = committed.offsets[Topic::LeadCreated.index()].is_some();
    let other_batch = named && committed.metadata != mark.metadata();
    if differs || other_batch {
        return refuse(
            shard,
            "the group's offsets are not those of the state: somebody set one of them by hand. Set the offsets \
             back, or begin anew: see \"When the state is lost\" in the runbook",
        );
    }
    Ok(mark)
}

fn refuse<T>(shard: i32, why: &str) -> Result<T> {
    Err(Failure::Fatal(format!("shard {shard}: {why}")))
}

fn unreadable(error: ImageError) -> Failure {
    let mend = match error {
        ImageError::Version(_) => {
            ". Run the version that wrote it, or begin anew: see \"When the state is lost\" in the runbook"
        }
        _ => "",
    };
    Failure::Fatal(format!("the state cannot be read: {error}{mend}"))
}
