//! The timing wheel of Kafka's purgatory, in its shape: levels of 20 buckets, the first of 1 ms, doubly
//! linked lists, and a queue of the buckets that have timers by the time at which they begin. A bucket
//! that begins is emptied at once, into the level below.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Due, Peer};

const BUCKETS: i64 = 20;
const NONE: u32 = u32::MAX;

#[derive(Clone)]
struct Entry {
    deadline: i64,
    number: u32,
    prev: u32,
    next: u32,
    bucket: u32,
}

#[derive(Clone)]
struct Bucket {
    head: u32,
    /// When it begins; it is in the queue once for each.
    begins: i64,
}

struct Level {
    tick: i64,
    /// The present, in whole ticks.
    now: i64,
}

pub(crate) struct Kafka {
    levels: Vec<Level>,
    buckets: Vec<Bucket>,
    queue: BinaryHeap<Reverse<(i64, u32)>>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// The entry of each number.
    handles: Vec<u32>,
}

impl Kafka {
    /// Puts an entry into the bucket of its deadline; false if it is due.
    fn place(&mut self, entry: u32) -> bool {
        let deadline = self.entries[entry as usize].deadline;
        let mut level = 0;
        if deadline < self.levels[0].now + self.levels[0].tick {
            return false;
        }
        while deadline >= self.levels[level].now + self.levels[level].tick * BUCKETS {
            level += 1;
            if level == self.levels.len() {
                self.add_level();
            }
        }
        let tick = self.levels[level].tick;
        let turn = deadline.div_euclid(tick);
        let index = level as u32 * BUCKETS as u32 + (turn % BUCKETS) as u32;
        let bucket = &mut self.buckets[index as usize];
        let next = std::mem::replace(&mut bucket.head, entry);
        if bucket.begins != turn * tick {
            bucket.begins = turn * tick;
            self.queue.push(Reverse((bucket.begins, index)));
        }
        if next != NONE {
            self.entries[next as usize].prev = entry;
        }
        let at = &mut self.entries[entry as usize];
        (at.prev, at.next, at.bucket) = (NONE, next, index);
        true
    }

    fn add_level(&mut self) {
        let below = self.levels.last().map_or((1, 0), |level| (level.tick * BUCKETS, level.now));
        self.levels.push(Level { tick: below.0, now: below.1 - below.1.rem_euclid(below.0) });
        let empty = Bucket { head: NONE, begins: i64::MIN };
        self.buckets.extend(std::iter::repeat_n(empty, BUCKETS as usize));
    }

    fn move_to(&mut self, now: i64) {
        for level in &mut self.levels {
            if now >= level.now + level.tick {
                level.now = now - now.rem_euclid(level.tick);
            }
        }
    }
}

impl Peer for Kafka {
    fn new(now: i64) -> Kafka {
        let mut kafka = Kafka {
            levels: Vec::new(),
            buckets: Vec::new(),
            queue: BinaryHeap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            handles: Vec::new(),
        };
        kafka.add_level();
        kafka.move_to(now);
        kafka
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let new = Entry { deadline, number, prev: NONE, next: NONE, bucket: NONE };
        let entry = self.free.pop().unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(entry as usize) {
            Some(old) => *old = new,
            None => self.entries.push(new),
        }
        let index = number as usize;
        if index >= self.handles.len() {
            self.handles.resize(index + 1, NONE);
        }
        self.handles[index] = entry;
        assert!(self.place(entry), "ahead");
    }

    fn cancel(&mut self, number: u32) {
        let entry = self.handles[number as usize];
        let Entry { prev, next, bucket, .. } = self.entries[entry as usize];
        match prev {
            NONE => self.buckets[bucket as usize].head = next,
            prev => self.entries[prev as usize].next = next,
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        self.free.push(entry);
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        let first = due.len();
        while let Some(&Reverse((begins, index))) = self.queue.peek()
            && begins <= now
        {
            self.queue.pop();
            self.move_to(begins);
            let bucket = &mut self.buckets[index as usize];
            bucket.begins = i64::MIN;
            let mut entry = std::mem::replace(&mut bucket.head, NONE);
            while entry != NONE {
                let Entry { deadline, number, next, .. } = self.entries[entry as usize];
                if !self.place(entry) {
                    self.free.push(entry);
                    due.push((deadline, number));
                }
                entry = next;
            }
        }
        self.move_to(now);
        due[first..].sort_unstable();
    }
}
