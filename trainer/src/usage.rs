//! CPU time and memory of this process and memory of the machine, if the system reports them.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// CPU time of all threads together since the start of the process; `None` if the system does not report it.
#[cfg(unix)]
pub fn cpu_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ProcessCPUTime).try_into().ok()
}

/// CPU time of all threads together since the start of the process; `None` if the system does not report it.
#[cfg(not(unix))]
pub fn cpu_time() -> Option<Duration> {
    None
}

/// Peak memory of this process in bytes. `None` on systems other than Linux.
pub fn peak_memory() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:")
}

/// Memory that this process may use, in bytes: that of the machine, or less if a container (cgroup version 2) has a
/// limit. `None` on systems other than Linux.
pub fn machine_memory() -> Option<u64> {
    let machine = kilobytes("/proc/meminfo", "MemTotal:")?;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let groups = Path::new(group).ancestors().map(|group| Path::new("/sys/fs/cgroup").join(group).join("memory.max"));
    // Without a limit the file has the word max.
    let limits = groups.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    Some(limits.fold(machine, u64::min))
}

/// A number of KiB in a file of the system, in bytes.
fn kilobytes(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_follows_what_is_held() {
        let before = peak_memory().unwrap();
        let held = vec![1u8; 256 << 20];
        assert!(std::hint::black_box(&held).iter().map(|&b| u64::from(b)).sum::<u64>() > 0);
        assert!(peak_memory().unwrap() >= before.max(256 << 20));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_less_memory_than_its_machine() {
        assert!(machine_memory().unwrap() >= peak_memory().unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn the_time_of_threads_is_added_up() {
        let spin = |started: std::time::Instant| while started.elapsed() < Duration::from_millis(50) {};
        let before = cpu_time().unwrap();
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| spin(std::time::Instant::now()));
            }
        });
        let used = cpu_time().unwrap() - before;
        // Other processes may have taken some of the time.
        assert!(used > Duration::from_millis(10), "{used:?}");
    }
}
