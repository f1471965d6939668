//! The process that logs, seen from outside.

use crate::child::{END, FORMAT};
use std::io::{BufRead, BufReader, PipeReader, Read, Write, pipe};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// A process that does nothing for this long hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
    /// The other end of its standard error, which nobody reads unless told to.
    log: Option<PipeReader>,
}

impl Process {
    /// Starts one.
    pub(crate) fn start(format: &str) -> Self {
        Self::start_with_pipe(format, false)
    }

    /// Starts one whose standard error is a pipe that refuses to block.
    pub(crate) fn start_with_pipe(format: &str, nonblocking: bool) -> Self {
        let (log, stderr) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&stderr, nonblocking).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(FORMAT, format)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        Self { commands: child.stdin.take(), child, answers, log: Some(log) }
    }

    /// Gives a command and waits for the answer.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.answers.recv_timeout(PATIENCE).expect("it hangs or is dead")
    }

    /// How many lines it has counted as dropped.
    pub(crate) fn dropped(&mut self) -> u64 {
        self.ask("dropped").parse().unwrap()
    }

    /// Closes the reading end of its standard error.
    pub(crate) fn close_log(&mut self) {
        self.log = None;
    }

    /// Reads its standard error from now on, to the end.
    pub(crate) fn read_log(&mut self) -> Receiver<String> {
        let mut log = self.log.take().unwrap();
        let (sender, text) = channel();
        thread::spawn(move || {
            let mut read = String::new();
            log.read_to_string(&mut read).unwrap();
            let _ = sender.send(read);
        });
        text
    }

    /// Lets it end normally, which it must, and soon.
    pub(crate) fn end(&mut self) {
        self.begin_end();
        // Its standard output ends with it.
        assert_eq!(self.answers.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "it hangs");
        assert!(self.child.wait().unwrap().success());
    }

    /// Lets it end normally and reads its standard error from then on. Returns all that is in there.
    pub(crate) fn log(mut self) -> String {
        self.begin_end();
        let log = self.read_log();
        self.end();
        log.recv_timeout(PATIENCE).unwrap()
    }

    fn begin_end(&mut self) {
        if self.commands.take().is_some() {
            assert_eq!(self.answers.recv_timeout(PATIENCE).as_deref(), Ok(END));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
