//! The memory of a process and all that it started, as the kernel counts it (proc(5)).

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A process with its descendants. Who was once seen belongs to it also when its parent is gone.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: u32,
    known: BTreeSet<Member>,
}

/// A process by its number and when it started, which together name it for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    pid: u32,
    start: u64,
}

/// Looks at a tree now and then, on a thread of its own, and keeps the most that it saw.
#[derive(Debug)]
pub(super) struct Sampler {
    stop: SyncSender<()>,
    thread: JoinHandle<u64>,
}

// === impl Tree ===

impl Tree {
    pub(super) fn new(root: u32) -> Self {
        Self { root, known: BTreeSet::new() }
    }

    /// Proportional set size of all: pages that they share count once.
    pub(super) fn pss_bytes(&mut self) -> u64 {
        self.known = members(&all(), self.root, &self.known);
        self.known.iter().filter_map(|member| pss(member.pid)).sum()
    }
}

/// The members among all processes, which are given with their parents.
fn members(all: &[(Member, u32)], root: u32, known: &BTreeSet<Member>) -> BTreeSet<Member> {
    let mut found: BTreeSet<Member> = BTreeSet::new();
    loop {
        let before = found.len();
        let pids: BTreeSet<u32> = found.iter().map(|member| member.pid).collect();
        let belongs = |&&(member, parent): &&(Member, u32)| {
            member.pid == root || known.contains(&member) || pids.contains(&parent)
        };
        found.extend(all.iter().filter(belongs).map(|(member, _)| *member));
        if found.len() == before {
            return found;
        }
    }
}

fn all() -> Vec<(Member, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect()
}

/// The process and its parent, from a line of `/proc/PID/stat`.
fn parse(pid: u32, line: &str) -> Option<(Member, u32)> {
    // The name in parentheses may hold anything; what follows the last one is fixed: state, parent,
    // and the start as the twentieth.
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    Some((Member { pid, start: fields.get(19)?.parse().ok()? }, fields.get(1)?.parse().ok()?))
}

/// How many processes of this group there are that have not ended.
pub(super) fn group_size(leader: u32) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let is_member = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        in_group(&stat, leader)
    };
    entries.flatten().filter(is_member).count()
}

/// Whether this line of `/proc/PID/stat` is of a member that has not ended.
fn in_group(line: &str, leader: u32) -> bool {
    // State, parent, group.
    let mut fields = line.rsplit_once(") ").unwrap_or_default().1.split_ascii_whitespace();
    let has_ended = matches!(fields.next(), None | Some("Z" | "X"));
    !has_ended && fields.nth(1).and_then(|group| group.parse().ok()) == Some(leader)
}

fn pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

// === impl Sampler ===

impl Sampler {
    pub(super) fn start(mut tree: Tree, interval: Duration) -> Self {
        let (stop, stopped) = sync_channel::<()>(1);
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                most = tree.pss_bytes().max(most);
            }
            tree.pss_bytes().max(most)
        });
        Self { stop, thread }
    }

    /// The most that was seen.
    pub(super) fn stop(self) -> u64 {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_testkit::{Process, eventually};
    use std::process::Command;

    #[test]
    fn descendants_and_who_was_known_belong_to_the_tree() {
        let member = |pid| Member { pid, start: u64::from(pid) };
        let all = [(member(5), 4), (member(4), 2), (member(2), 1), (member(3), 1), (member(7), 1)];
        let orphan = [member(7), Member { pid: 3, start: 99 }].into();
        let found = members(&all, 2, &orphan);
        assert_eq!(found, [2, 4, 5, 7].map(member).into());
    }

    #[test]
    fn a_line_is_read_whatever_the_name() {
        let line = "42 (a) (b) S) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 0 0 20 0 5 0 999 1000 200";
        assert_eq!(parse(42, line), Some((Member { pid: 42, start: 999 }, 7)));
        assert_eq!(parse(42, "42 (a) S 7"), None);
    }

    #[test]
    fn who_has_ended_is_of_no_group() {
        assert!(in_group("42 (a) b) S 7 41 42 0", 41));
        assert!(!in_group("42 (a) b) S 41 7 42 0", 41) && !in_group("42 (a) b) Z 7 41 42 0", 41));
        assert!(!in_group("", 41));
        let mut command = Command::new("sh");
        command.args(["-c", "cat /dev/zero > /dev/null & wait"]);
        let process = Process::start("sh", command);
        eventually("there are two", || (group_size(process.pid()) == 2).then_some(()));
    }

    #[test]
    fn what_a_child_holds_counts() {
        let mut command = Command::new("sh");
        // The child holds one block of this size, and touches it.
        command.args(["-c", "dd if=/dev/zero of=/dev/null bs=32M & wait"]);
        let process = Process::start("sh", command);
        let mut tree = Tree::new(process.pid());
        let sampler = Sampler::start(tree.clone(), Duration::from_millis(1));
        eventually("the block is in memory", || (tree.pss_bytes() > 30 << 20).then_some(()));
        // The child goes on until it is ended, so the sampler's next look sees it too.
        assert!(sampler.stop() > 30 << 20);
    }
}
