//! One process in `/proc`.

use std::path::PathBuf;

/// A line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// When it started; with the number it names the process for ever.
    pub(super) start: u64,
    /// Time of its own and of children that it has waited for, in clock ticks.
    pub(super) ticks: u64,
    pub(super) threads: u64,
}

// === impl Stat ===

impl Stat {
    /// None if there is no such process.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path(pid, "stat")).ok()?)
    }

    /// All processes there are.
    pub(super) fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return vec![] };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(Self::of).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        // The name stands in parentheses and may hold anything, parentheses too.
        let (pid, _) = line.split_once(' ')?;
        let (_, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let numbers: Vec<u64> = fields.skip(9).take(9).filter_map(|field| field.parse().ok()).collect();
        // utime stime cutime cstime priority nice threads itrealvalue starttime; of these only priority
        // and nice can be negative, and then are not there.
        let [utime, stime, cutime, cstime, .., threads, _, start] = numbers[..] else { return None };
        let ticks = utime + stime + cutime + cstime;
        Some(Self { pid: pid.parse().ok()?, parent, start, ticks, threads })
    }
}

/// The proportional set size; `None` if it cannot be read.
pub(super) fn pss(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(path(pid, "smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn path(pid: i32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name_and_the_priority() {
        let line = |priority: &str| {
            format!(
                "42 (a) (b) S) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 300 4000 {priority} 0 5 0 999 1000 200 18446744073709551615 1\n"
            )
        };
        let stat = Stat { pid: 42, parent: 7, start: 999, ticks: 4330, threads: 5 };
        assert_eq!(Stat::parse(&line("20")), Some(stat));
        assert_eq!(Stat::parse(&line("-51")), Some(stat));
        assert_eq!(Stat::parse("42 (a"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let stat = Stat::of(pid).unwrap();
        assert!(stat.threads >= 1 && stat.start > 0);
        assert!(Stat::all().iter().any(|other| (other.pid, other.start) == (stat.pid, stat.start)));
        assert!(pss(pid).unwrap() > 100_000);
    }
}
