//! Child processes that end with the test.

use crate::wait::{PATIENCE, eventually};
use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, kill_process_group, pidfd_open, pidfd_send_signal};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;

/// Lines kept of one process; a test that logs more has a fault of its own.
const MAX_LINES: usize = 400_000;

/// Lines shown of each process when a test fails.
const SHOWN_LINES: usize = 30;

/// A running program, its output kept line by line.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pidfd: OwnedFd,
    logs: Arc<Logs>,
    /// The threads that read its output.
    readers: [JoinHandle<()>; 2],
    status: Option<ExitStatus>,
}

/// The lines of standard output and standard error, in the order in which they were read.
#[derive(Debug, Default)]
pub struct Logs {
    lines: Mutex<Vec<String>>,
    more: Condvar,
    output: Mutex<String>,
    open_pipes: AtomicUsize,
}

struct Job {
    command: Command,
    started: SyncSender<std::io::Result<Child>>,
}

// === impl Process ===

impl Process {
    /// Starts `command` in a process group of its own.
    #[track_caller]
    pub fn start(name: &str, command: Command) -> Self {
        Self::start_with(name, command, &Arc::default())
    }

    /// The same, its lines among those of others.
    #[track_caller]
    pub(crate) fn start_with(name: &str, mut command: Command, logs: &Arc<Logs>) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let shown = format!("{command:?}");
        let mut child =
            spawn(command).unwrap_or_else(|error| panic!("{name} does not start ({shown}): {error}"));
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .expect("a child just started has a pidfd");
        let logs = Arc::clone(logs);
        logs.open_pipes.fetch_add(2, Ordering::Relaxed);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let for_stdout = Arc::clone(&logs);
        let stdout = thread::spawn(move || for_stdout.take_from(stdout.expect("asked for as a pipe"), true));
        let for_stderr = Arc::clone(&logs);
        let stderr = thread::spawn(move || for_stderr.take_from(stderr.expect("asked for as a pipe"), false));
        Self { name: name.to_owned(), child, pidfd, logs, readers: [stdout, stderr], status: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// The first thing that `pick` takes from a line of the output, which may be there already.
    /// Panics with the whole output when it is not said within [`PATIENCE`] or the process ends.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, pick: impl FnMut(&str) -> Option<T>) -> T {
        match self.try_wait_for(pick) {
            Some(found) => found,
            None => panic!("{}: never said {what:?}; it said:\n{}", self.name, self.logs.text()),
        }
    }

    /// As [`Process::wait_for`]; nothing when the process ends or stays silent.
    pub fn try_wait_for<T>(&self, mut pick: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        let mut next = 0;
        loop {
            let ended = self.has_ended();
            let mut lines = self.logs.lines.lock();
            if next == lines.len() {
                // Woken by each line; the time limit only bounds how late the end of the process is seen.
                self.logs.more.wait_for(&mut lines, Duration::from_millis(200));
            }
            let found = lines[next..].iter().find_map(|line| pick(line));
            let silent = next == lines.len();
            next = lines.len();
            drop(lines);
            if found.is_some() {
                return found;
            }
            if (ended && silent) || begun.elapsed() > PATIENCE {
                return None;
            }
        }
    }

    /// Sends a signal to this very process, never to one that got its number later.
    pub fn signal(&self, signal: Signal) {
        // Fails only when it has ended, which whoever asked will see.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits for its end, and until all that it said can be read; panics with its output when it lasts longer than
    /// [`PATIENCE`].
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        assert!(self.ends_within(PATIENCE), "{} does not end; it said:\n{}", self.name, self.logs.text());
        let status = self.reap();
        eventually("its output is read", || self.readers.iter().all(JoinHandle::is_finished).then_some(()));
        status
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let limit = limit.try_into().expect("a minute fits");
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&limit)), Ok(1..))
    }

    /// The group is ended before its leader is reaped: until then its number is not given to others.
    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        // Fails only when nobody of the group is left.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let status = self.child.wait().expect("a child can be waited for");
        self.status = Some(status);
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let ended = if self.has_ended() { "ended by itself" } else { "was running" };
            let lines = self.logs.lines();
            let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("{} {ended}; the last it said:\n{}", self.name, last.join("\n"));
        }
        self.reap();
    }
}

// === impl Logs ===

impl Logs {
    /// All lines until now.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// All lines until now, as one text.
    pub fn text(&self) -> String {
        self.lines.lock().join("\n")
    }

    /// How many lines there are: what comes later has this index or a higher one.
    pub fn count(&self) -> usize {
        self.lines.lock().len()
    }

    /// What was written to standard output, all of it, once the process has ended.
    #[track_caller]
    pub fn output(&self) -> String {
        eventually("the output is read", || (self.open_pipes.load(Ordering::Acquire) == 0).then_some(()));
        self.output.lock().clone()
    }

    fn take_from(&self, pipe: impl Read, is_output: bool) {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        // Ends with the pipe; output that is no UTF-8 is shown as it can be.
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if is_output {
                self.output.lock().push_str(&text);
            }
            let mut lines = self.lines.lock();
            if lines.len() < MAX_LINES {
                lines.push(text.trim_end().to_owned());
            }
            drop(lines);
            line.clear();
            self.more.notify_all();
        }
        self.open_pipes.fetch_sub(1, Ordering::Release);
    }
}

/// Starts a child that the kernel kills when this process ends in whatever way.
///
/// That signal comes when the thread ends that started the child, so one thread that never ends
/// starts them all.
fn spawn(mut command: Command) -> std::io::Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    // SAFETY: between fork and exec this makes one system call and touches no memory of ours.
    #[expect(unsafe_code, reason = "nothing else is run in the child before the program")]
    unsafe {
        command.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    let starter = STARTER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        thread::spawn(move || {
            for mut job in jobs {
                // Nobody waits any more when the test panicked meanwhile.
                let _ = job.started.send(job.command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (started, answer) = sync_channel(1);
    starter.lock().send(Job { command, started }).expect("the starter lives as long as the process");
    answer.recv().expect("each job is answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("sh", command)
    }

    #[test]
    fn lines_are_found_whether_they_come_before_or_after_the_wait() {
        let process = shell("echo one; echo two >&2; exec cat /dev/zero >/dev/null");
        let number = |wanted: &'static str| move |line: &str| (line == wanted).then_some(());
        process.wait_for("two", number("two"));
        process.wait_for("one", number("one"));
    }

    #[test]
    fn a_process_that_ends_without_the_line_is_not_waited_for() {
        let begun = Instant::now();
        assert!(shell("echo only this").try_wait_for(|line| (line == "that").then_some(())).is_none());
        assert!(begun.elapsed() < PATIENCE / 2);
    }

    #[test]
    fn children_of_a_child_end_with_it() {
        let process = shell("cat /dev/zero >/dev/null & echo $!; wait");
        let grandchild = process.wait_for("a number", |line| line.parse::<u32>().ok());
        drop(process);
        eventually("the grandchild is gone", || {
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            (state.is_empty() || state.contains(") Z ")).then_some(())
        });
    }

    #[test]
    fn signals_reach_the_process_and_its_end_is_seen() {
        let mut process = shell("trap 'exit 7' TERM; echo ready; cat /dev/zero >/dev/null & wait");
        process.wait_for("ready", |line| (line == "ready").then_some(()));
        process.signal(Signal::TERM);
        let status = process.wait_exit();
        assert_eq!(status.code(), Some(7));
    }
}
