//! The thread that writes the log. It alone waits for standard error.

use super::LogFormat;
use super::queue::Queue;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Up to this much goes into a pipe undivided (`PIPE_BUF` in pipe(7)), so that lines of other writers
/// to the same pipe are not torn apart, and neither are ours if the process ends meanwhile.
const UNDIVIDED: usize = 4096;

/// Where the lines go.
///
/// Only the descriptor of `Stderr` is used: its own writes are under a lock, for which whoever panics
/// meanwhile or prints an error would wait.
struct Output {
    stderr: io::Stderr,
    /// The last line broke off in the middle.
    is_torn: bool,
}

/// Starts the thread. It runs as long as the process does.
pub(super) fn start(queue: Arc<Queue>, format: LogFormat) -> io::Result<()> {
    let output = Output { stderr: io::stderr(), is_torn: false };
    std::thread::Builder::new().name("icapstan-log".to_owned()).spawn(move || run(&queue, format, output))?;
    Ok(())
}

fn run(queue: &Queue, format: LogFormat, mut output: Output) {
    let mut batch = Vec::new();
    let mut untold: u64 = 0;
    loop {
        untold += queue.take(&mut batch);
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let (lines, others) = rest.split_at(piece(rest));
            rest = others;
            let lost = output.write(lines);
            if lost > 0 {
                queue.count_dropped(lost);
                untold += lost;
            }
        }
        if untold > 0 && output.write(note(format, untold).as_bytes()) == 0 {
            untold = 0;
        }
    }
}

/// How much of `lines` is written at once: as many lines as stay undivided, or else one.
fn piece(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let undivided = &lines[..lines.len().min(UNDIVIDED)];
    let end = undivided.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.map_or(lines.len(), |end| end + 1)
}

/// The line that tells of dropped ones. Made by hand: an event could be filtered out or be dropped
/// itself, and would not stand where the others are missing.
fn note(format: LogFormat, dropped: u64) -> String {
    const MESSAGE: &str = "Log lines were dropped: standard error did not take them in time.";
    const TARGET: &str = "icapstan_telemetry::log";
    let mut time = String::new();
    // A clock that cannot be told leaves the time out, not the line.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    match format {
        LogFormat::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"message\":\"{MESSAGE}\",\"dropped\":{dropped},\"target\":\"{TARGET}\"}}\n"
        ),
        LogFormat::Text => format!("{time}  WARN {TARGET}: {MESSAGE} dropped={dropped}\n"),
    }
}

// === impl Output ===

impl Output {
    /// Writes whole lines, for as long as that takes. Returns how many of them are lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_torn && self.put(b"\n") == 1 {
            self.is_torn = false;
        }
        let written = if self.is_torn { 0 } else { self.put(lines) };
        let (before, rest) = lines.split_at(written);
        if let Some(last) = before.last() {
            self.is_torn = *last != b'\n';
        }
        rest.iter().map(|byte| u64::from(*byte == b'\n')).sum()
    }

    /// Writes as much as can be written. Returns how much that is.
    fn put(&self, bytes: &[u8]) -> usize {
        let fd = self.stderr.as_fd();
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::write(fd, &bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                // Whether writing blocks is a property of the pipe, which others may share and set.
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => break,
                },
                Err(_) => break,
            }
        }
        written
    }
}
