//! What is armed: one word for each number. It alone says whether a timer exists and when it is due;
//! everything else in the wheel is an entry that is checked against it.

/// Set in the word of a timer that lies within the ring.
pub(super) const ARMED: u32 = 1 << 31;
/// Of an armed timer: what a sweep of its window has to say of its entry. Alone: the timer is *apart*.
pub(super) const MARK: u32 = 1 << 30;
/// The word of a timer that is kept apart, with its whole deadline.
pub(super) const APART: u32 = MARK;
/// The lower bits of a deadline, as many as a word holds.
const TIME: u32 = MARK - 1;

/// Words in a segment, as a power of two.
const SEGMENT_BITS: u32 = u16::BITS;
type Segment = Box<[u32; 1 << SEGMENT_BITS]>;

/// The lower bits of a deadline.
pub(super) fn time_of(deadline: i64) -> u32 {
    (deadline as u32) & TIME
}

/// Whether a word says: armed for a deadline with these lower bits.
pub(super) fn is_armed_for(word: u32, time: u32) -> bool {
    word & !MARK == ARMED | time
}

/// The ring's home that an armed timer belongs to, by the bits of its deadline above the window's.
pub(super) fn home_of(word: u32) -> u32 {
    (word & TIME) >> super::WINDOW_BITS
}

/// Grows by segments and never copies what it holds.
#[derive(Default)]
pub(super) struct Table {
    segments: Vec<Segment>,
}

impl Table {
    /// Zero for a number that is not armed.
    #[inline]
    pub(super) fn get(&self, number: u32) -> u32 {
        let segment = self.segments.get((number >> SEGMENT_BITS) as usize);
        segment.map_or(0, |segment| segment[usize::from(number as u16)])
    }

    /// The word of a number, if there is one already.
    #[inline]
    pub(super) fn known(&mut self, number: u32) -> Option<&mut u32> {
        let segment = self.segments.get_mut((number >> SEGMENT_BITS) as usize)?;
        Some(&mut segment[usize::from(number as u16)])
    }

    /// The word of any number.
    #[inline]
    pub(super) fn word(&mut self, number: u32) -> &mut u32 {
        let index = (number >> SEGMENT_BITS) as usize;
        if index >= self.segments.len() {
            self.lengthen(index + 1);
        }
        &mut self.segments[index][usize::from(number as u16)]
    }

    #[cold]
    fn lengthen(&mut self, len: usize) {
        self.segments.resize_with(len, || super::homes::boxed(0));
    }

    pub(super) fn bytes(&self) -> usize {
        self.segments.len() * size_of::<[u32; 1 << SEGMENT_BITS]>()
            + self.segments.capacity() * size_of::<Segment>()
    }
}
