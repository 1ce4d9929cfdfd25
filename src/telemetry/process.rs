//! What the system says about this process, read from `/proc`; elsewhere nothing is known.
//!
//! Written here rather than taken from a crate: six numbers do not justify one more dependency.

use std::fs;

/// None = the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<f64>,
    pub virtual_bytes: Option<f64>,
    pub threads: Option<f64>,
    pub open_fds: Option<f64>,
    pub started_at: Option<f64>,
}

/// Ticks a second in `/proc/*/stat`: fixed at 100 by the kernel's interface to user space.
const TICKS: f64 = 100.0;

pub fn read() -> Process {
    let mut process = Process::default();
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        process.resident_bytes = kibibytes(&status, "VmRSS:");
        process.virtual_bytes = kibibytes(&status, "VmSize:");
        process.threads = number(&status, "Threads:");
    }
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        let fields = after_name(&stat);
        process.cpu_seconds = match (field(&fields, 11), field(&fields, 12)) {
            (Some(user), Some(system)) => Some((user + system) / TICKS),
            _ => None,
        };
        process.started_at = match (booted_at(), field(&fields, 19)) {
            (Some(boot), Some(start)) => Some(boot + start / TICKS),
            _ => None,
        };
    }
    process.open_fds = fs::read_dir("/proc/self/fd").ok().map(|dir| dir.count() as f64);
    process
}

/// The fields after the command's name, which stands in parentheses and may hold spaces.
fn after_name(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

fn field(fields: &[&str], index: usize) -> Option<f64> {
    fields.get(index).and_then(|text| text.parse().ok())
}

fn number(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    number(status, name).map(|kib| kib * 1_024.0)
}

fn booted_at() -> Option<f64> {
    number(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let fields = after_name("42 (a (b) c) S 1 42 42 0 -1 4 100 0 0 0 250 50 0 0 20 0 3 0 777");
        assert_eq!(field(&fields, 0), None);
        assert_eq!(field(&fields, 11), Some(250.0));
        assert_eq!(field(&fields, 12), Some(50.0));
        assert_eq!(field(&fields, 19), Some(777.0));
    }

    #[test]
    fn sizes_are_in_bytes() {
        assert_eq!(kibibytes("VmSize:\t  8 kB\nVmRSS:\t 12 kB\n", "VmRSS:"), Some(12_288.0));
        assert_eq!(kibibytes("VmSize:\t  8 kB\n", "VmRSS:"), None);
    }
}
