//! Whether a structure does what it is compared for: none early, none late, none twice, none lost, none
//! after it was cancelled, and in the order (deadline, number).

use std::collections::BTreeSet;

use crate::load::Numbers;
use crate::peers::{Due, Peer};
use crate::rounds::START;

const COUNT: u32 = 100_000;

/// Timers that fired rightly, or the first fault.
pub(crate) fn check<P: Peer>(seed: u64) -> Result<u64, String> {
    let mut numbers = Numbers(seed);
    let mut peer = P::new(START);
    let mut model = BTreeSet::new();
    let mut deadlines = vec![None; COUNT as usize];
    let (mut now, mut fired) = (START, 0);
    let mut due = Due::new();
    for number in 0..COUNT {
        arm(&mut peer, &mut model, &mut deadlines, number, now + numbers.delay());
    }
    // A quarter is cancelled for good, as many are moved, while time goes on.
    for turn in 0..COUNT / 2 {
        let number = numbers.below(COUNT);
        if let Some(deadline) = deadlines[number as usize].take() {
            peer.cancel(number);
            model.remove(&(deadline, number));
        }
        if turn % 2 == 0 {
            let deadline = now + 1 + numbers.delay();
            arm(&mut peer, &mut model, &mut deadlines, number, deadline);
        }
        if turn % 10 == 0 {
            now += 100;
            fired += tick(&mut peer, &mut model, &mut deadlines, now, &mut due)?;
        }
    }
    while !model.is_empty() {
        now += 100;
        fired += tick(&mut peer, &mut model, &mut deadlines, now, &mut due)?;
    }
    Ok(fired)
}

fn arm<P: Peer>(
    peer: &mut P,
    model: &mut BTreeSet<(i64, u32)>,
    deadlines: &mut [Option<i64>],
    number: u32,
    deadline: i64,
) {
    peer.arm(number, deadline);
    model.insert((deadline, number));
    deadlines[number as usize] = Some(deadline);
}

fn tick<P: Peer>(
    peer: &mut P,
    model: &mut BTreeSet<(i64, u32)>,
    deadlines: &mut [Option<i64>],
    now: i64,
    due: &mut Due,
) -> Result<u64, String> {
    due.clear();
    peer.advance(now, due);
    for &got in due.iter() {
        let expected = model.pop_first();
        if expected != Some(got) {
            return Err(format!("at {now} it fired {got:?}, due was {expected:?}"));
        }
        deadlines[got.1 as usize] = None;
    }
    match model.first() {
        Some(first) if first.0 <= now => Err(format!("at {now} {first:?} did not fire")),
        _ => Ok(due.len() as u64),
    }
}
