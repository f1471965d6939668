//! What this machine, or the container, lets the process use; and the defaults that follow.

use crate::{ByteSize, Config, Problem};
use std::fs;
use std::path::{Path, PathBuf};

/// Where no limit is to be found out.
const FALLBACK_MEMORY: ByteSize = ByteSize::gib(2);

/// What the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The memory limit of its control group, else the machine's memory. `None` when neither can
    /// be read.
    pub memory: Option<ByteSize>,
    /// The CPUs that its control group and its affinity leave it, at least 1.
    pub cpus: u32,
}

/// The settings whose defaults depend on others or on the machine, all of them decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// `limits.queueLength`
    pub queue_length: u32,
    /// `limits.memory`
    pub memory: ByteSize,
    /// `scanner.workers`
    pub workers: u32,
    /// `scanner.inFlight`
    pub in_flight: u32,
    /// Where spool files lie: `scanner.tempDir`, else the system's folder for temporary files.
    pub spool_dir: PathBuf,
}

// === impl Machine ===

impl Machine {
    /// Looks at this machine.
    pub fn detect() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory: detect_memory(Path::new("/")), cpus: u32::try_from(cpus).unwrap_or(u32::MAX) }
    }
}

/// The smaller of the machine's memory and the limits of all control groups the process is in.
/// `root` is where `/proc` and `/sys` are found.
fn detect_memory(root: &Path) -> Option<ByteSize> {
    let read = |path: PathBuf| fs::read_to_string(root.join(path)).ok();
    let total = read("proc/meminfo".into()).and_then(|text| mem_total(&text));
    let groups = read("proc/self/cgroup".into()).unwrap_or_default();
    let limits = groups.lines().flat_map(limit_files).filter_map(|file| {
        // `max` and version 1's nearly 2^63 both mean that there is no limit; the first is no
        // number and the second loses against the machine's memory.
        read(file)?.trim().parse::<u64>().ok().map(ByteSize::new)
    });
    total.into_iter().chain(limits).filter(|size| size.bytes() > 0).min()
}

fn mem_total(meminfo: &str) -> Option<ByteSize> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).map(ByteSize::new)
}

/// The limit files for one line of `/proc/self/cgroup`, from the group up to the root: a limit of
/// any of them holds (Linux, Documentation/admin-guide/cgroup-v2.rst, "memory.max"). In a container
/// the path may be the host's while only the container's own group is mounted; the root is then it.
fn limit_files(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        list if list.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    Path::new(path.trim_start_matches('/'))
        .ancestors()
        .filter(|group| group.components().all(|part| matches!(part, std::path::Component::Normal(_))))
        .map(|group| Path::new(mount).join(group).join(file))
        .collect()
}

// === impl Config ===

impl Config {
    /// Decides what was left to its default, and checks what depends on that.
    pub fn sizing(&self, machine: &Machine) -> Result<Sizing, Vec<Problem>> {
        let workers = self.scanner.workers.unwrap_or_else(|| machine.cpus.clamp(1, Self::MAX_WORKERS));
        let usable = machine.memory.unwrap_or(FALLBACK_MEMORY);
        let sizing = Sizing {
            queue_length: self.limits.queue_length.unwrap_or_else(|| self.limits.sessions.saturating_mul(2)),
            memory: self.limits.memory.unwrap_or_else(|| ByteSize::new(usable.bytes() / 2)),
            workers,
            in_flight: self.scanner.in_flight.unwrap_or_else(|| workers.saturating_mul(2)),
            spool_dir: self.scanner.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        let problems = self.check_sizing(&sizing);
        if problems.is_empty() { Ok(sizing) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Option<ByteSize> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        detect_memory(root.path())
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        4194304 kB\nMemFree: 1 kB\n");

    #[test]
    fn without_a_limit_it_is_the_machines_memory() {
        assert_eq!(machine(&[MEMINFO]), Some(ByteSize::gib(4)));
        let unlimited =
            [MEMINFO, ("proc/self/cgroup", "0::/a.slice\n"), ("sys/fs/cgroup/a.slice/memory.max", "max\n")];
        assert_eq!(machine(&unlimited), Some(ByteSize::gib(4)));
        assert_eq!(machine(&[]), None);
    }

    #[test]
    fn the_smallest_limit_on_the_way_to_the_root_counts() {
        let nested = [
            MEMINFO,
            ("proc/self/cgroup", "0::/pod/box\n"),
            ("sys/fs/cgroup/pod/box/memory.max", "3221225472\n"),
            ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
        ];
        assert_eq!(machine(&nested), Some(ByteSize::gib(1)));
    }

    #[test]
    fn in_a_container_the_mounted_root_is_its_own_group() {
        let container =
            [MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "536870912\n")];
        assert_eq!(machine(&container), Some(ByteSize::mib(512)));
        let foreign =
            [MEMINFO, ("proc/self/cgroup", "0::/../x\n"), ("sys/fs/cgroup/memory.max", "536870912\n")];
        assert_eq!(machine(&foreign), Some(ByteSize::mib(512)));
    }

    #[test]
    fn control_groups_of_version_1_count_too() {
        let old = [
            MEMINFO,
            ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n"),
            ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "268435456\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(machine(&old), Some(ByteSize::mib(256)));
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = Machine::detect();
        assert!(machine.cpus >= 1);
        assert!(machine.memory.is_some_and(|memory| memory > ByteSize::mib(16)));
    }

    #[test]
    fn what_is_left_out_follows_from_the_rest_and_from_the_machine() {
        let machine = Machine { memory: Some(ByteSize::gib(4)), cpus: 3 };
        let sizing = Config::default().sizing(&machine).unwrap();
        assert_eq!((sizing.workers, sizing.in_flight, sizing.queue_length), (3, 6, 20_000));
        assert_eq!(sizing.memory, ByteSize::gib(2));
        let huge = Machine { memory: None, cpus: 4096 };
        assert_eq!(Config::default().sizing(&huge).unwrap().workers, Config::MAX_WORKERS);
    }

    #[test]
    fn a_machine_too_small_for_the_largest_object_is_refused_with_the_way_out() {
        let machine = Machine { memory: Some(ByteSize::mib(16)), cpus: 1 };
        let problems = Config::default().sizing(&machine).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "policies[0].scan.maxObjectSize");
        assert!(problems[0].message.contains("limits.memory (8Mi)"), "{}", problems[0]);
    }
}
