//! The wheel of this crate.

use lead_router::domain::time::Timestamp;
use lead_router::wheel::Wheel;

use super::{Due, Peer};

pub(crate) struct Ours {
    wheel: Wheel,
    due: Vec<(Timestamp, u32)>,
}

impl Peer for Ours {
    fn new(now: i64) -> Ours {
        Ours { wheel: Wheel::new(Timestamp(now)), due: Vec::new() }
    }

    fn arm(&mut self, number: u32, deadline: i64) {
        self.wheel.arm(number, Timestamp(deadline));
    }

    fn cancel(&mut self, number: u32) {
        self.wheel.cancel(number);
    }

    fn advance(&mut self, now: i64, due: &mut Due) {
        self.wheel.advance(Timestamp(now), &mut self.due);
        due.extend(self.due.drain(..).map(|(deadline, number)| (deadline.0, number)));
    }
}
