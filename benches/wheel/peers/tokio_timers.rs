//! tokio's timers, on a clock that is moved by hand.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use super::{Due, Peer, put, take};
use crate::measure;

/// A runtime whose clock stands still, and the instant at which it does.
struct Clock {
    runtime: Runtime,
    start: Instant,
    start_ms: i64,
    now: i64,
}

impl Clock {
    fn new(now: i64) -> Clock {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        let start = runtime.block_on(async { Instant::now() });
        Clock { runtime, start, start_ms: now, now }
    }

    fn instant(&self, at: i64) -> Instant {
        self.start + Duration::from_millis((at - self.start_ms).unsigned_abs())
    }

    fn millis(&self, at: Instant) -> i64 {
        self.start_ms + (at - self.start).as_millis() as i64
    }

    fn ahead(&mut self, now: i64) -> Duration {
        Duration::from_millis((now - std::mem::replace(&mut self.now, now)).unsigned_abs())
    }

    /// What a tick of the clock costs with nothing armed.
    fn tick(now: i64) -> Duration {
        const TICKS: u32 = 20_000;
        let clock = Clock::new(now);
        let took = measure::took(|| {
            for _ in 0..TICKS {
                clock.runtime.block_on(tokio::time::advance(Duration::from_millis(100)));
            }
        });
        took / TICKS
    }
}

/// tokio-util's DelayQueue.
pub(crate) struct Delay {
    queue: DelayQueue<u32>,
    keys: Vec<Option<Key>>,
    clock: Clock,
}

impl Peer for Delay {
    fn new(now: i64) -> Delay {
        let clock = Clock::new(now);
        // It begins at the instant that the clock stands at, not at the real one.
        let inside = clock.runtime.enter();
        let queue = DelayQueue::new();
        drop(inside);
        Delay { queue, keys: Vec::new(), clock }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let _inside = self.clock.runtime.enter();
        let key = self.queue.insert_at(number, self.clock.instant(deadline));
        put(&mut self.keys, number, key);
    }

    fn cancel(&mut self, number: u32) {
        let _inside = self.clock.runtime.enter();
        self.queue.remove(&take(&mut self.keys, number));
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        let ahead = self.clock.ahead(now);
        let first = due.len();
        let (clock, queue, keys) = (&self.clock, &mut self.queue, &mut self.keys);
        clock.runtime.block_on(async {
            tokio::time::advance(ahead).await;
            // Else it says after 128 looks at the clock that nothing is due, to let other tasks run.
            let all = poll_fn(|context| {
                while let Poll::Ready(Some(expired)) = queue.poll_expired(context) {
                    let deadline = clock.millis(expired.deadline());
                    let number = expired.into_inner();
                    keys[number as usize] = None;
                    due.push((deadline, number));
                }
                Poll::Ready(())
            });
            tokio::task::unconstrained(all).await;
        });
        due[first..].sort_unstable();
    }

    fn clock_tick(&mut self) -> Duration {
        Clock::tick(self.clock.now)
    }
}

/// What a timer wakes: it writes down its number, as a task would put itself into the run queue.
struct Note {
    number: u32,
    fired: Arc<Mutex<Vec<u32>>>,
}

impl Wake for Note {
    fn wake(self: Arc<Note>) {
        self.fired.lock().expect("one thread").push(self.number);
    }
}

/// tokio's Sleep, each in its box, with no task around it.
pub(crate) struct Sleeps {
    sleeps: Vec<Option<Pin<Box<Sleep>>>>,
    fired: Arc<Mutex<Vec<u32>>>,
    clock: Clock,
}

impl Peer for Sleeps {
    fn new(now: i64) -> Sleeps {
        Sleeps { sleeps: Vec::new(), fired: Arc::default(), clock: Clock::new(now) }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        let _inside = self.clock.runtime.enter();
        let mut sleep = Box::pin(sleep_until(self.clock.instant(deadline)));
        let waker = Waker::from(Arc::new(Note { number, fired: Arc::clone(&self.fired) }));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        put(&mut self.sleeps, number, sleep);
    }

    fn cancel(&mut self, number: u32) {
        drop(take(&mut self.sleeps, number));
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        let ahead = self.clock.ahead(now);
        self.clock.runtime.block_on(tokio::time::advance(ahead));
        let first = due.len();
        for number in self.fired.lock().expect("one thread").drain(..) {
            let sleep = take(&mut self.sleeps, number);
            due.push((self.clock.millis(sleep.deadline()), number));
        }
        due[first..].sort_unstable();
    }

    fn clock_tick(&mut self) -> Duration {
        Clock::tick(self.clock.now)
    }
}
