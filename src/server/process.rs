//! What the operating system says about this process, from `/proc`. All of it is zero where there is no `/proc`.

use std::fs;

/// CPU time since the start, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    /// In the program.
    pub(crate) user: f64,
    /// In the kernel.
    pub(crate) system: f64,
}

/// Memory, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Of this process now.
    pub(crate) resident: u64,
    /// Of the machine.
    pub(crate) system: u64,
}

/// `USER_HZ`: the unit of `/proc/self/stat`, the same on all Linux machines.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of this process, all nodes in it together.
#[must_use]
pub(crate) fn cpu() -> CpuTime {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, in parentheses, may contain anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    CpuTime { user: ticks(11) / TICKS_PER_SECOND, system: ticks(12) / TICKS_PER_SECOND }
}

/// Memory of this process, all nodes in it together.
#[must_use]
pub(crate) fn memory() -> Memory {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let system = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Memory { resident: kilobytes(&status, "VmRSS:"), system: kilobytes(&system, "MemTotal:") }
}

fn kilobytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}

/// System name, release and architecture.
#[must_use]
pub(crate) fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {} {}", release.trim(), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        let memory = memory();
        assert!(memory.resident > 1 << 20 && memory.system > memory.resident);
    }
}
