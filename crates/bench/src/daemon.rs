//! A process that is asked to end before it is killed.

use icapstan_testkit::{Process, Signal};
use std::ops::Deref;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A running program. c-icap takes its queue in shared memory away only when it ends in order, so
/// this is also how processes end after Ctrl-C or a panic.
#[derive(Debug)]
pub(crate) struct Daemon(Process);

/// How long a process may take to end in order: c-icap looks once a second.
const STOP: Duration = Duration::from_secs(5);

// === impl Daemon ===

impl Daemon {
    /// Starts it, in a process group of its own.
    pub(crate) fn start(name: &str, command: Command) -> Self {
        Self(Process::start(name, command))
    }
}

impl Deref for Daemon {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.signal(Signal::TERM);
        let begun = Instant::now();
        while !self.0.has_ended() && begun.elapsed() < STOP {
            thread::sleep(Duration::from_millis(10));
        }
        // What is left of its group is killed with the field.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_may_end_in_order() {
        let dir = icapstan_testkit::tempdir();
        let file = dir.path().join("ended");
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap 'echo yes > \"$0\"; exit' TERM; echo ready; cat /dev/zero > /dev/null & wait"])
            .arg(&file);
        let daemon = Daemon::start("sh", command);
        assert!(daemon.try_wait_for(|line| (line == "ready").then_some(())).is_some());
        drop(daemon);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "yes\n");
    }
}
