//! What is built from the standard library, and priority-queue.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::hash::{BuildHasherDefault, Hasher};

use priority_queue::PriorityQueue;

use super::{Due, Peer};

/// A heap whose cancelled timers stay until they surface.
pub(crate) struct LazyHeap {
    heap: BinaryHeap<Reverse<(i64, u32, u32)>>,
    /// How often each number was armed or cancelled: what differs is stale.
    rounds: Vec<u32>,
}

impl Peer for LazyHeap {
    fn new(_: i64) -> LazyHeap {
        LazyHeap { heap: BinaryHeap::new(), rounds: Vec::new() }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let index = number as usize;
        if index >= self.rounds.len() {
            self.rounds.resize(index + 1, 0);
        }
        self.heap.push(Reverse((deadline, number, self.rounds[index])));
    }

    fn cancel(&mut self, number: u32) {
        self.rounds[number as usize] += 1;
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        while let Some(&Reverse((deadline, number, round))) = self.heap.peek()
            && deadline <= now
        {
            self.heap.pop();
            let rounds = &mut self.rounds[number as usize];
            if *rounds == round {
                *rounds += 1;
                due.push((deadline, number));
            }
        }
    }
}

/// An ordered set, and the deadline of each number.
pub(crate) struct OrderedSet {
    set: BTreeSet<(i64, u32)>,
    deadlines: Vec<i64>,
}

impl Peer for OrderedSet {
    fn new(_: i64) -> OrderedSet {
        OrderedSet { set: BTreeSet::new(), deadlines: Vec::new() }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let index = number as usize;
        if index >= self.deadlines.len() {
            self.deadlines.resize(index + 1, 0);
        }
        self.deadlines[index] = deadline;
        self.set.insert((deadline, number));
    }

    fn cancel(&mut self, number: u32) {
        self.set.remove(&(self.deadlines[number as usize], number));
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        while self.set.first().is_some_and(|first| first.0 <= now) {
            due.extend(self.set.pop_first());
        }
    }
}

/// The hash of rustc, for one number.
#[derive(Default)]
pub(crate) struct Fx(u64);

impl Hasher for Fx {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.0 = mixed.rotate_left(26);
    }
}

/// The crate priority-queue: a heap whose elements can be found.
pub(crate) struct Queue {
    queue: PriorityQueue<u32, Reverse<(i64, u32)>, BuildHasherDefault<Fx>>,
}

impl Peer for Queue {
    fn new(_: i64) -> Queue {
        Queue { queue: PriorityQueue::with_default_hasher() }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        self.queue.push(number, Reverse((deadline, number)));
    }

    fn cancel(&mut self, number: u32) {
        self.queue.remove(&number);
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        while self.queue.peek().is_some_and(|(_, Reverse(first))| first.0 <= now) {
            due.extend(self.queue.pop().map(|(_, Reverse(first))| first));
        }
    }
}
