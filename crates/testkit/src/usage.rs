//! What a process takes of the machine, as the kernel counts it. Its children do not count.

use crate::Process;
use std::time::Duration;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// In memory now.
    pub resident: u64,
    /// The most that was in memory at once since [`Process::forget_peak`].
    pub peak_resident: u64,
    /// The largest address space it ever had, touched or not: what was set aside in advance shows here.
    pub peak_mapped: u64,
}

impl Process {
    /// What it takes of memory; panics when it has ended.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        let status = self.proc("status");
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.trim_end_matches("kB").trim().parse::<u64>().ok());
            value.unwrap_or_else(|| panic!("no {name} of a running process in\n{status}"))
        };
        Usage {
            resident: kib("VmRSS:") * 1024,
            peak_resident: kib("VmHWM:") * 1024,
            peak_mapped: kib("VmPeak:") * 1024,
        }
    }

    /// From here on [`Usage::peak_resident`] counts anew.
    #[track_caller]
    pub fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.pid());
        std::fs::write(&path, "5").unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// The time that its threads have had a CPU.
    #[track_caller]
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc("stat");
        // The name in parentheses may hold anything; what follows the last one is fixed (proc(5)).
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11);
        let ticks: u64 = (0..2).filter_map(|_| fields.next()?.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// How many files and sockets it has open.
    #[track_caller]
    pub fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.pid());
        std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{path}: {error}")).count()
    }

    #[track_caller]
    fn proc(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.pid());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;
    use std::process::Command;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("sh", command)
    }

    #[test]
    fn memory_and_processor_time_of_a_process_are_seen() {
        // dd holds one block of this size, and touches it.
        let process = shell("exec dd if=/dev/zero of=/dev/null bs=32M");
        eventually("the block is in memory", || (process.usage().resident > 30 << 20).then_some(()));
        let usage = process.usage();
        assert!(usage.peak_resident >= usage.resident - (1 << 20) && usage.peak_mapped >= usage.resident);
        eventually("time goes by", || (process.cpu_time() > Duration::from_millis(50)).then_some(()));
        process.forget_peak();
        assert!((1..20).contains(&process.open_files()));
    }
}
