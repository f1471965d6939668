//! The server's processes and all that they started.

use super::stat::{Stat, pss};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A set of root processes with their descendants.
///
/// A process once seen belongs to it as long as it lives, also when its parent is gone. The time of
/// children that were waited for is in their parents, so the sum over the living loses nothing; what
/// nobody waited for (`SIGCHLD` ignored) is lost, as it is for the kernel.
#[derive(Clone, Debug)]
pub(crate) struct ProcessTree {
    roots: Arc<[i32]>,
    /// Number and start time.
    known: Arc<Mutex<BTreeSet<(i32, u64)>>>,
}

/// The processes at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pids: Vec<i32>,
    ticks: u64,
    pub(crate) threads: u64,
}

// === impl ProcessTree ===

impl ProcessTree {
    /// The number of a root that is not there, if there is one.
    pub(crate) fn new(roots: &[i32]) -> Result<Self, i32> {
        match roots.iter().find(|&&pid| pss(pid).is_none()) {
            Some(&gone) => Err(gone),
            None => Ok(Self { roots: roots.into(), known: Arc::default() }),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let all = Stat::all();
        let mut known = self.known.lock();
        let members = members(&all, &self.roots, &known);
        known.extend(members.iter().map(|stat| (stat.pid, stat.start)));
        Snapshot {
            pids: members.iter().map(|stat| stat.pid).collect(),
            ticks: members.iter().map(|stat| stat.ticks).sum(),
            threads: members.iter().map(|stat| stat.threads).sum(),
        }
    }
}

/// The roots, what is known, and the descendants of both.
fn members(all: &[Stat], roots: &[i32], known: &BTreeSet<(i32, u64)>) -> Vec<Stat> {
    let belongs = |stat: &Stat| roots.contains(&stat.pid) || known.contains(&(stat.pid, stat.start));
    let (mut members, mut others): (Vec<Stat>, Vec<Stat>) = all.iter().partition(|stat| belongs(stat));
    let mut next = 0;
    while let Some(parent) = members.get(next).map(|stat| stat.pid) {
        let (children, rest) = others.into_iter().partition(|stat| stat.parent == parent);
        members.extend::<Vec<_>>(children);
        others = rest;
        next += 1;
    }
    members
}

// === impl Snapshot ===

impl Snapshot {
    /// The processor time since `earlier`.
    #[expect(clippy::cast_precision_loss, reason = "ticks of a run")]
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Duration {
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Processes that end meanwhile have none.
    pub(crate) fn pss_bytes(&self) -> u64 {
        self.pids.iter().filter_map(|&pid| pss(pid)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn stat(pid: i32, parent: i32) -> Stat {
        Stat { pid, parent, start: 1, ticks: 1, threads: 1 }
    }

    #[test]
    fn descendants_of_any_depth_belong_and_orphans_stay() {
        // 9 is the parent of 5: numbers are no order.
        let all = [stat(1, 0), stat(4, 1), stat(5, 9), stat(9, 4), stat(6, 1), stat(7, 6)];
        let pids = |known: &[(i32, u64)]| {
            let known = known.iter().copied().collect();
            let mut pids: Vec<_> = members(&all, &[4], &known).iter().map(|stat| stat.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(&[]), [4, 5, 9]);
        assert_eq!(pids(&[(6, 1)]), [4, 5, 6, 7, 9], "6 was a descendant before its parent ended");
        assert_eq!(pids(&[(6, 2)]), [4, 5, 9], "that was another process of the same number");
    }

    #[test]
    fn the_time_of_an_ended_child_is_not_lost() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let tree = ProcessTree::new(&[pid]).unwrap();
        let before = tree.snapshot();
        // Counts until it has used three hundredths of a second by the kernel's own account.
        let script = "while read -r line < /proc/self/stat; do set -- ${line##*) }; \
            [ $((${12} + ${13})) -ge 3 ] && exit 7; done";
        let status = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(7));
        let used = tree.snapshot().cpu_since(&before);
        assert!(used >= Duration::from_millis(20), "{used:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(ProcessTree::new(&[pid]).unwrap_err(), pid);
    }
}
