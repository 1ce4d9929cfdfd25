//! The end of a run, judged from the log alone, and against the memory of the workers that are alive.

use lead_router::codec::json;
use lead_router::domain::ids::DomainId;
use lead_router::domain::input::Topic;
use lead_router::embedded::{EmbeddedLog, Stored};
use lead_router::engine::partition::partition_of;
use lead_router::engine::restore::read_shard;
use lead_router::engine::wire;
use lead_router::verify::{Checker, Item, Options, Place, Record};

use super::world::World;

/// Every record of the log that names a word, by topic: for the story of a seed that failed.
pub(super) fn records_about(world: &World, word: &str) -> String {
    let outs = ["lead-assigned", "sla-breached", "lead-router.dead-letter"];
    let topics = Topic::ALL.map(Topic::name).into_iter().chain(outs);
    let mut text = String::new();
    for (topic, shard) in topics.flat_map(|t| (0..world.settings.partitions).map(move |s| (t, s))) {
        for stored in all(world, topic, shard) {
            let value =
                String::from_utf8_lossy(stored.value.as_deref().unwrap_or_default()).into_owned();
            if value.contains(&format!("\"{word}\"")) {
                let key = String::from_utf8_lossy(stored.key.as_deref().unwrap_or_default());
                let (offset, timestamp) = (stored.offset, stored.timestamp);
                text += &format!("{topic}/{shard}@{offset} {timestamp} {key} {value}\n");
            }
        }
    }
    text
}

/// Everything that is wrong.
pub(super) fn check(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    log(world, &mut wrong);
    memory(world, &mut wrong);
    wrong
}

fn place(topic: &str, partition: i32, stored: &Stored) -> Place {
    Place { topic: topic.to_owned(), partition, offset: stored.offset }
}

/// The invariants of the log: one chain of decisions a lead, steps once and never early, offsets as the state.
fn log(world: &World, wrong: &mut Vec<String>) {
    let mut checker = Checker::new(Options::default());
    let partitions = world.settings.partitions;
    for shard in 0..partitions {
        for topic in Topic::ALL {
            for stored in all(world, topic.name(), shard) {
                let item = input(topic, shard, partitions, &stored);
                checker.record(Record { place: place(topic.name(), shard, &stored), item });
            }
        }
        for stored in all(world, "lead-assigned", shard) {
            match parsed(&stored).map(|value| json::decode_assigned(&value)) {
                Some(Ok(fact)) => checker.record(Record {
                    place: place("lead-assigned", shard, &stored),
                    item: Item::Assigned(Box::new(fact)),
                }),
                _ => wrong.push(format!("lead-assigned {shard}@{} is unreadable", stored.offset)),
            }
        }
        for stored in all(world, "sla-breached", shard) {
            match parsed(&stored).map(|value| json::decode_breached(&value)) {
                Some(Ok(fact)) => checker.record(Record {
                    place: place("sla-breached", shard, &stored),
                    item: Item::Breached(Box::new(fact)),
                }),
                _ => wrong.push(format!("sla-breached {shard}@{} is unreadable", stored.offset)),
            }
        }
        for stored in all(world, "lead-router.dead-letter", shard) {
            match source(&stored) {
                Some(item) => checker.record(Record {
                    place: place("lead-router.dead-letter", shard, &stored),
                    item,
                }),
                None => wrong.push("a dead letter does not say where it came from".to_owned()),
            }
        }
        let offsets = world.cluster.group_offsets(shard);
        checker.committed(shard, offsets.clone().map(|offset| offset.map(|(offset, _)| offset)));
        progress(world, shard, &offsets, wrong);
    }
    state(world, &mut checker, wrong);
    let report = checker.finish();
    wrong.extend(report.violations.iter().map(ToString::to_string));
}

/// What the state topic says, through a fresh restore: the images and the shard's own.
fn state(world: &World, checker: &mut Checker, wrong: &mut Vec<String>) {
    for shard in 0..world.settings.partitions {
        let mut log = EmbeddedLog::new(&world.cluster, "checker");
        let restored = match read_shard(&mut log, shard) {
            Ok(restored) => restored,
            Err(failure) => {
                wrong.push(format!("shard {shard} cannot be restored: {failure}"));
                continue;
            }
        };
        let at = Place { topic: "lead-router.state".to_owned(), partition: shard, offset: 0 };
        for (key, entity) in restored.state().entities() {
            let item = Item::Image { key, entity: Some(Box::new(entity)) };
            checker.record(Record { place: at.clone(), item });
        }
        let next = restored.mark().next;
        checker.record(Record { place: at, item: Item::Shard { shard, next } });
    }
}

/// Everything that was published has been taken.
fn progress(
    world: &World,
    shard: i32,
    offsets: &[Option<(i64, String)>; 9],
    wrong: &mut Vec<String>,
) {
    for (topic, offset) in Topic::ALL.into_iter().zip(offsets) {
        let end = world.cluster.end(topic.name(), shard);
        let taken = offset.as_ref().map_or(0, |(offset, _)| *offset);
        if taken < end {
            wrong.push(format!("no progress: {}/{shard} stands at {taken} of {end}", topic.name()));
        }
    }
}

/// What lives in memory is what a restore finds.
fn memory(world: &World, wrong: &mut Vec<String>) {
    let mut seen = vec![0; world.settings.partitions as usize];
    world.with_workers(|worker| {
        for live in worker.shards() {
            seen[live.id as usize] += 1;
            let mut log = EmbeddedLog::new(&world.cluster, "checker");
            let Ok(restored) = read_shard(&mut log, live.id) else { continue };
            let scratch = wire::digest_of(live.state());
            if live.mark() != restored.mark() {
                wrong.push(format!(
                    "shard {}: {:?} is not {:?}",
                    live.id,
                    live.mark(),
                    restored.mark()
                ));
            }
            if scratch != live.mark().digest {
                wrong.push(format!(
                    "shard {}: the running digest is not that of the entities",
                    live.id
                ));
            }
            if live.state().entities() != restored.state().entities() {
                wrong.push(format!("shard {}: memory is not what was written", live.id));
            }
            if live.timers().all() != restored.timers().all() {
                wrong.push(format!("shard {}: the timers are not those of a restore", live.id));
            }
        }
    });
    if seen.iter().any(|count| *count != 1) {
        wrong.push(format!("each shard belongs to one worker, but: {seen:?}"));
    }
}

fn all(world: &World, topic: &str, partition: i32) -> Vec<Stored> {
    world.cluster.read(topic, partition, 0, usize::MAX)
}

fn parsed(stored: &Stored) -> Option<serde_json::Value> {
    json::parse(stored.value.as_deref()?).ok()
}

fn input(topic: Topic, shard: i32, partitions: i32, stored: &Stored) -> Item {
    let read = || {
        let key = stored.key.as_deref()?;
        let domain = DomainId::parse(std::str::from_utf8(key).ok()?).ok()?;
        let home = partition_of(key, partitions) == shard;
        let now = stored.timestamp;
        let input = json::decode_event(topic, &parsed(stored)?, now, false).ok()?;
        home.then(|| Item::Input { topic, domain, timestamp: now, input: Box::new(input) })
    };
    read().unwrap_or(Item::Unreadable { topic, timestamp: stored.timestamp })
}

/// Where a dead letter came from.
fn source(stored: &Stored) -> Option<Item> {
    let header = |name: &str| {
        let found = stored.headers.iter().find(|(other, _)| other == name)?;
        String::from_utf8(found.1.clone()?).ok()
    };
    let topic = header("__connect.errors.topic")?;
    Some(Item::DeadLetter {
        topic: Topic::ALL.into_iter().find(|other| other.name() == topic)?,
        partition: header("__connect.errors.partition")?.parse().ok()?,
        offset: header("__connect.errors.offset")?.parse().ok()?,
    })
}
