//! The processes that a process started.

use crate::Process;
use rustix::process::{Pid, Signal, kill_process};

impl Process {
    /// Those that it started and that are still there, and those that they started.
    pub fn descendants(&self) -> Vec<u32> {
        let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
            .expect("there is /proc")
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
                // The name in parentheses may hold anything; what follows the last one is fixed.
                let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
                Some((pid, parent))
            })
            .collect();
        let mut found = vec![self.pid()];
        let mut next = 0;
        while next < found.len() {
            let of = found[next];
            found.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
            next += 1;
        }
        found.split_off(1)
    }

    /// Kills what it started, but not itself.
    pub fn kill_descendants(&self) {
        for pid in self.descendants() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has a number");
            // One that has ended meanwhile was killed by the end of its parent.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;
    use std::process::Command;

    #[test]
    fn children_of_children_are_found_and_killed_and_nobody_else() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "(cat /dev/zero >/dev/null & wait) & wait; echo alone; exec cat /dev/zero >/dev/null",
        ]);
        let process = Process::start("sh", command);
        eventually("two are there", || (process.descendants().len() == 2).then_some(()));
        process.kill_descendants();
        process.wait_for("that it is alone", |line| (line == "alone").then_some(()));
        assert!(!process.has_ended());
    }
}
