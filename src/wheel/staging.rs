//! Getting the windows ready, in slices: staging the next one, dealing out the next far one.

use super::chunks;
use super::{FAR_BITS, FAR_WINDOW_BITS, WINDOW, WINDOW_BITS, Wheel, homes, lists};

/// Timers of a window list that are staged for the price of a chunk.
const DEALT_A_STEP: u32 = 64;

impl<K: Copy + Ord> Wheel<K> {
    /// Steps from a window that has fired to the next, or over a stretch that has no timers.
    /// Everything that will be staged or dealt from there on is in its place.
    pub(super) fn enter_next_window(&mut self, target: i64) {
        let next = self.window + 1;
        let next = next.max(target.min(self.last_quiet_window()));
        if next == self.window + 1 {
            self.stage(u64::MAX);
        }
        let (old, new) = (self.window >> FAR_WINDOW_BITS, next >> FAR_WINDOW_BITS);
        self.window = next;
        if old != new {
            self.start_dealing(new + 1);
        }
        // The window after this one is staged from now on, so it must have all its timers.
        if (next + 1) >> FAR_WINDOW_BITS != new {
            self.deal(u64::MAX);
        }
    }

    /// The last window that can be entered at once with nothing to stage, deal or fire before.
    fn last_quiet_window(&self) -> i64 {
        if self.dealing.is_some() || !self.lists.are_empty() {
            return self.window;
        }
        let near = self.homes.first_after(self.window).map_or(i64::MAX, |first| first - 1);
        // A far window begins to be dealt out when the one before it is entered.
        let far = self.far.first_key_value();
        near.min(far.map_or(i64::MAX, |(&number, _)| (number - 1) << FAR_WINDOW_BITS))
    }

    /// Does the part of the waiting work that falls to the time since `before`.
    pub(super) fn stage_slice(&mut self, before: i64) {
        let steps = self.staging_steps();
        if steps > 0 {
            let begin = self.window << WINDOW_BITS;
            self.stage(share(steps, begin.max(before), self.now, begin.wrapping_add(WINDOW)));
        }
        if let Some(home) = self.dealing {
            let steps = u64::from(self.homes.count(home));
            let begin = (self.window >> FAR_WINDOW_BITS) << FAR_BITS;
            let end = begin.wrapping_add((1 << FAR_BITS) - WINDOW);
            self.deal(share(steps, begin.max(before), self.now, end));
        }
    }

    /// How many steps `stage` has before it.
    fn staging_steps(&self) -> u64 {
        let next = self.window + 1;
        let dealt = self.lists.dealt(next).div_ceil(DEALT_A_STEP);
        u64::from(self.homes.count(homes::of_window(next))) + u64::from(dealt)
    }

    /// Stages the next window, a chunk a step, until it is done or `steps` are.
    fn stage(&mut self, steps: u64) {
        let next = self.window + 1;
        for _ in 0..steps {
            if let Some(chunk) = self.homes.first(homes::of_window(next)) {
                self.stage_chunk(chunk, next);
                continue;
            }
            for _ in 0..DEALT_A_STEP {
                let Some(link) = self.lists.undeal(next) else { return };
                let offset = self.homes.chunks.offset(self.lists.slot(link));
                self.lists.push(lists::of_millisecond(next, offset), link);
            }
        }
    }

    fn stage_chunk(&mut self, chunk: u32, window: i64) {
        let links = self.lists.open_links(chunk);
        self.homes.chunks.header_mut(chunk).links = links;
        for place in places(self.homes.chunks.header(chunk).live) {
            let offset = self.homes.chunks.offset(chunks::slot_at(chunk, place));
            let list = lists::of_millisecond(window, offset);
            self.lists.push(list, chunks::slot_at(links, place));
        }
        self.homes.rehome(chunk, homes::of_stage(window));
    }

    fn start_dealing(&mut self, number: i64) {
        debug_assert!(self.dealing.is_none());
        self.dealing = self.far.remove(&number);
    }

    /// Deals out the next far window, a chunk a step, until it is done or `steps` are.
    fn deal(&mut self, steps: u64) {
        let Some(home) = self.dealing else { return };
        let number = (self.window >> FAR_WINDOW_BITS) + 1;
        for _ in 0..steps {
            let Some(chunk) = self.homes.first(home) else { break };
            self.deal_chunk(chunk, number);
        }
        if self.homes.count(home) == 0 {
            self.homes.remove(home);
            self.dealing = None;
        }
    }

    fn deal_chunk(&mut self, chunk: u32, number: i64) {
        let links = self.lists.open_links(chunk);
        self.homes.chunks.header_mut(chunk).links = links;
        for place in places(self.homes.chunks.header(chunk).live) {
            let offset = self.homes.chunks.far_offset(chunks::slot_at(chunk, place));
            let window = (number << FAR_WINDOW_BITS) + i64::from(offset >> WINDOW_BITS);
            self.lists.deal(window, chunks::slot_at(links, place));
        }
        self.homes.rehome(chunk, homes::of_dealt(number));
    }
}

/// The part of `steps` that is done from `before` to `now` if all are to be done by `end`.
fn share(steps: u64, before: i64, now: i64, end: i64) -> u64 {
    let (elapsed, all) = (now.wrapping_sub(before), end.wrapping_sub(before));
    if elapsed >= all {
        return steps;
    }
    steps.saturating_mul(elapsed.unsigned_abs()).div_ceil(all.unsigned_abs())
}

/// The bits of a mask, lowest first.
pub(super) fn places(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (place < u64::BITS).then_some(place)
    })
}
