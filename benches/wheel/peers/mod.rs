//! One interface over the timer structures that are compared.
//!
//! A timer is named by a small number; whatever a structure needs to find it again is kept here and
//! counts as its memory. What falls due is handed out in the order (deadline, number): a structure that
//! gives less order than that has each tick's timers sorted.

pub(crate) mod kafka;
pub(crate) mod ours;
pub(crate) mod std_collections;
pub(crate) mod tokio_timers;
pub(crate) mod wheels;

pub(crate) type Due = Vec<(i64, u32)>;

pub(crate) trait Peer {
    /// Empty, with its present at `now`.
    fn new(now: i64) -> Self;
    /// Arms a number that is not armed, for an instant that is ahead.
    fn arm(&mut self, number: u32, deadline: i64);
    /// Stops a number that is armed.
    fn cancel(&mut self, number: u32);
    /// Moves the present to `now` and appends what is due.
    fn advance(&mut self, now: i64, due: &mut Due);
    /// What a tick costs that is not the structure's own: moving the clock that it reads.
    fn clock_tick(&mut self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// A value of a number, in a table that grows as the numbers do.
pub(crate) fn put<T>(table: &mut Vec<Option<T>>, number: u32, value: T) {
    let index = number as usize;
    if index >= table.len() {
        table.resize_with(index + 1, || None);
    }
    table[index] = Some(value);
}

pub(crate) fn take<T>(table: &mut [Option<T>], number: u32) -> T {
    table[number as usize].take().expect("armed")
}
