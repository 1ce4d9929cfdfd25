//! What is measured: the processor time of this thread, and the memory of this process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time that this thread has used.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What the work took of this thread's processor time.
pub(crate) fn took(work: impl FnOnce()) -> Duration {
    let before = thread_time();
    work();
    thread_time() - before
}

/// Bytes of memory that the process has in use (resident).
pub(crate) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("pages");
    pages * rustix::param::page_size() as u64
}
