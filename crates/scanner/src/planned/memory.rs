//! Whether there is the memory for one more revision, before the kernel finds that there is not.

use std::fs;
use std::path::{Path, PathBuf};

use super::StagedRevision;

/// What a loaded engine takes whatever it has loaded.
const BASE: u64 = 48 << 20;
/// What libclamav takes for each byte of a signed container (`.cvd`), which is compressed: main and daily together
/// take a little more than a gigabyte.
const PER_PACKED_BYTE: u64 = 11;
/// The same for logical signatures in plain text. Made of random bytes they took 24 times their size.
const PER_LOGICAL_BYTE: u64 = 25;
/// The same for all else. Lists of hashes took twice their size, patterns in plain text less.
const PER_PLAIN_BYTE: u64 = 5;
/// More is no limit: the kernel writes "none" as a very large number.
const NO_LIMIT: u64 = 1 << 60;

/// What a revision takes when it is loaded, in bytes, as far as one can tell by its files.
pub(super) fn estimate(revision: &StagedRevision) -> u64 {
    revision.files().fold(BASE, |sum, file| {
        let ending = file.path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is = |endings: [&str; 2]| endings.iter().any(|known| ending.eq_ignore_ascii_case(known));
        let factor = if is(["cvd", "cud"]) {
            PER_PACKED_BYTE
        } else if is(["ldb", "ldu"]) {
            PER_LOGICAL_BYTE
        } else {
            PER_PLAIN_BYTE
        };
        sum.saturating_add(file.size.saturating_mul(factor))
    })
}

/// What can be taken before something is killed, in bytes; nothing if nobody knows. Of all limits that hold here the
/// nearest one.
pub(super) fn headroom() -> Option<u64> {
    headroom_in(Path::new("/"))
}

fn headroom_in(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let of_groups = groups.lines().flat_map(|line| group(root, line));
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| available(&text));
    of_groups.chain(machine).min()
}

/// `MemAvailable`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What the groups of one line of `/proc/self/cgroup` leave, from this process up to the root.
fn group(root: &Path, line: &str) -> Vec<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next(), fields.next(), fields.next());
    let (Some(controllers), Some(path)) = (controllers, path) else { return Vec::new() };
    let (base, files) = if controllers.is_empty() {
        (root.join("sys/fs/cgroup"), ["memory.max", "memory.current", "inactive_file"])
    } else if controllers.split(',').any(|controller| controller == "memory") {
        let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
        (root.join("sys/fs/cgroup/memory"), names)
    } else {
        return Vec::new();
    };
    let mut left = Vec::new();
    // In a container the path may be that of the machine, and the root be what it has.
    let mut folder: PathBuf = base.join(path.trim_start_matches('/'));
    loop {
        left.extend(left_in(&folder, files));
        if folder == base || !folder.pop() || !folder.starts_with(&base) {
            return left;
        }
    }
}

fn left_in(folder: &Path, [limit, usage, idle]: [&str; 3]) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number(limit).filter(|limit| *limit < NO_LIMIT)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    // Pages of files that nobody reads are given back before anything is killed.
    let idle = stat.lines().find_map(|line| line.strip_prefix(idle)?.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(limit.saturating_sub(number(usage)?.saturating_sub(idle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_nearest_of_all_limits_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(headroom_in(root), None, "nobody knows");
        write(root, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    1000 kB\n");
        assert_eq!(headroom_in(root), Some(1_024_000));
        write(root, "proc/self/cgroup", "0::/kubepods/pod1/c1\n");
        write(root, "sys/fs/cgroup/kubepods/pod1/c1/memory.max", "max\n");
        write(root, "sys/fs/cgroup/kubepods/pod1/c1/memory.current", "7\n");
        assert_eq!(headroom_in(root), Some(1_024_000), "no limit");
        write(root, "sys/fs/cgroup/kubepods/memory.max", "5000\n");
        write(root, "sys/fs/cgroup/kubepods/memory.current", "4000\n");
        write(root, "sys/fs/cgroup/kubepods/memory.stat", "anon 1\ninactive_file 300\nfile 5\n");
        assert_eq!(headroom_in(root), Some(1300));
        write(root, "proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n0::/\n");
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n");
        write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "1900\n");
        assert_eq!(headroom_in(root), Some(100));
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(headroom_in(root), Some(1_024_000));
    }

    #[test]
    fn this_machine_tells_what_it_has() {
        assert!(headroom().is_some_and(|bytes| bytes > 1 << 20));
    }
}
