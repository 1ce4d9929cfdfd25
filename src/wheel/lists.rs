//! Lists of timers that are staged (one a millisecond) or dealt out (one a window).
//!
//! An entry is a *link*, two numbers beside the chunk of the timer: link chunk *i* belongs to the
//! timer chunk `owners[i]`, place by place. The lists are doubly linked, so that a cancelled timer
//! leaves its list at once, and nothing dead is ever found in one.

use super::chunks::{self, NONE};
use super::{RING, WINDOW_BITS};

/// Links in a chunk: one for each place of a timer chunk.
const PLACES: usize = 64;
/// Link chunks in a segment.
const SEGMENT: usize = 256;
/// Lists of the milliseconds of one window.
const MILLISECONDS: u32 = 1 << WINDOW_BITS;
/// The lists of windows come after those of two staged windows.
const WINDOWS: u32 = 2 * MILLISECONDS;
const LISTS: usize = (WINDOWS + RING as u32) as usize;
/// In `prev`: this is the first of the list whose number follows.
const FIRST: u32 = 1 << 31;

#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
}

const ALONE: Link = Link { prev: NONE, next: NONE };

pub(super) struct Lists {
    /// First link of each list plus one; zero is an empty list, so that the system gives the memory
    /// of unused lists only when it is touched.
    heads: Vec<u32>,
    /// Which lists of milliseconds are not empty, and which words of that are not zero.
    occupied: Vec<u64>,
    summary: [u64; (WINDOWS as usize / 64) / 64],
    links: Vec<Vec<[Link; PLACES]>>,
    owners: Vec<u32>,
    free: Vec<u32>,
    /// Timers dealt to each window; those cancelled since still count.
    dealt: Vec<u32>,
    dealt_in_all: u64,
}

/// The list of a millisecond of a staged window.
pub(super) fn of_millisecond(window: i64, offset: u32) -> u32 {
    (window & 1) as u32 * MILLISECONDS + offset
}

fn of_window(window: i64) -> u32 {
    WINDOWS + (window & (RING - 1)) as u32
}

impl Lists {
    pub(super) fn new() -> Lists {
        Lists {
            heads: vec![0; LISTS],
            occupied: vec![0; WINDOWS as usize / 64],
            summary: [0; (WINDOWS as usize / 64) / 64],
            links: Vec::new(),
            owners: Vec::new(),
            free: Vec::new(),
            dealt: vec![0; RING as usize],
            dealt_in_all: 0,
        }
    }

    /// Links for the timers of a chunk.
    pub(super) fn open_links(&mut self, chunk: u32) -> u32 {
        if let Some(links) = self.free.pop() {
            self.owners[links as usize] = chunk;
            return links;
        }
        let links = self.owners.len() as u32;
        if (links as usize).is_multiple_of(SEGMENT) {
            self.links.push(Vec::with_capacity(SEGMENT));
        }
        if let Some(segment) = self.links.last_mut() {
            segment.push([ALONE; PLACES]);
        }
        self.owners.push(chunk);
        links
    }

    /// Takes back the links of a chunk without timers.
    pub(super) fn close_links(&mut self, links: u32) {
        self.free.push(links);
    }

    /// The timer that a link belongs to.
    pub(super) fn slot(&self, link: u32) -> u32 {
        chunks::slot_at(self.owners[chunks::chunk_of(link) as usize], chunks::place_of(link))
    }

    /// Puts a link into a list of a millisecond.
    pub(super) fn push(&mut self, list: u32, link: u32) {
        let word = list as usize / 64;
        self.occupied[word] |= 1 << (list % 64);
        self.summary[word / 64] |= 1 << (word % 64);
        self.push_first(list, link);
    }

    /// Puts a link into the list of a window.
    pub(super) fn deal(&mut self, window: i64, link: u32) {
        let list = of_window(window);
        self.dealt[(list - WINDOWS) as usize] += 1;
        self.dealt_in_all += 1;
        self.push_first(list, link);
    }

    /// Takes one link out of the list of a window.
    pub(super) fn undeal(&mut self, window: i64) -> Option<u32> {
        let list = of_window(window);
        let first = self.heads[list as usize].checked_sub(1);
        let dealt = &mut self.dealt[(list - WINDOWS) as usize];
        let Some(link) = first else {
            self.dealt_in_all -= u64::from(std::mem::take(dealt));
            return None;
        };
        *dealt -= 1;
        self.dealt_in_all -= 1;
        self.unlink(link);
        Some(link)
    }

    /// How many timers are dealt to a window, or more.
    pub(super) fn dealt(&self, window: i64) -> u32 {
        self.dealt[(of_window(window) - WINDOWS) as usize]
    }

    /// Takes a link out of its list, if it is in one.
    pub(super) fn unlink(&mut self, link: u32) {
        let Link { prev, next } = *self.link(link);
        if prev == NONE {
            return;
        }
        *self.link(link) = ALONE;
        if next != NONE {
            self.link(next).prev = prev;
        }
        if prev & FIRST == 0 {
            self.link(prev).next = next;
            return;
        }
        let list = prev & !FIRST;
        self.heads[list as usize] = next.wrapping_add(1);
        if next == NONE && list < WINDOWS {
            self.mark_empty(list);
        }
    }

    /// Says that a link is in no list, whatever was known of it.
    pub(super) fn leave_alone(&mut self, link: u32) {
        *self.link(link) = ALONE;
    }

    /// Empties a list of a millisecond: gives its first link, to be followed with `after`.
    pub(super) fn take(&mut self, list: u32) -> Option<u32> {
        self.mark_empty(list);
        std::mem::take(&mut self.heads[list as usize]).checked_sub(1)
    }

    pub(super) fn first(&self, list: u32) -> Option<u32> {
        self.heads[list as usize].checked_sub(1)
    }

    pub(super) fn after(&self, link: u32) -> Option<u32> {
        let (segment, index) = split(link);
        let next = self.links[segment][index][chunks::place_of(link) as usize].next;
        (next != NONE).then_some(next)
    }

    /// The first millisecond from `offset` on, in a staged window, that has a timer.
    pub(super) fn first_from(&self, window: i64, offset: u32) -> Option<u32> {
        let list = of_millisecond(window, offset);
        let word = list as usize / 64;
        let here = self.occupied[word] & (u64::MAX << (list % 64));
        if here != 0 {
            return Some(offset - list % 64 + here.trailing_zeros());
        }
        let end = (of_millisecond(window, MILLISECONDS - 1) as usize / 64) / 64;
        let mut mask = (u64::MAX << (word % 64)) << 1;
        if word % 64 == 63 {
            mask = 0;
        }
        for group in word / 64..=end {
            let words = self.summary[group] & mask;
            if words != 0 {
                let word = group * 64 + words.trailing_zeros() as usize;
                let found = word as u32 * 64 + self.occupied[word].trailing_zeros();
                return Some(found & (MILLISECONDS - 1));
            }
            mask = u64::MAX;
        }
        None
    }

    /// Whether no list has a timer. A window whose dealt timers were all cancelled counts as not
    /// empty until it is staged.
    pub(super) fn are_empty(&self) -> bool {
        self.dealt_in_all == 0 && self.summary.iter().all(|&words| words == 0)
    }

    pub(super) fn bytes(&self) -> usize {
        let links: usize = self.links.iter().map(Vec::capacity).sum();
        links * size_of::<[Link; PLACES]>()
            + self.occupied.capacity() * size_of::<u64>()
            + (self.heads.capacity() + self.dealt.capacity()) * size_of::<u32>()
            + (self.owners.capacity() + self.free.capacity()) * size_of::<u32>()
    }

    fn push_first(&mut self, list: u32, link: u32) {
        let head = &mut self.heads[list as usize];
        let next = std::mem::replace(head, link + 1).wrapping_sub(1);
        *self.link(link) = Link { prev: FIRST | list, next };
        if next != NONE {
            self.link(next).prev = link;
        }
    }

    fn mark_empty(&mut self, list: u32) {
        let word = list as usize / 64;
        self.occupied[word] &= !(1 << (list % 64));
        if self.occupied[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
    }

    fn link(&mut self, link: u32) -> &mut Link {
        let (segment, index) = split(link);
        &mut self.links[segment][index][chunks::place_of(link) as usize]
    }
}

fn split(link: u32) -> (usize, usize) {
    let chunk = chunks::chunk_of(link) as usize;
    (chunk / SEGMENT, chunk % SEGMENT)
}
