//! Lines into descriptors.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;

/// How long a descriptor that does not block may take nothing.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Writes whole lines. Only the descriptor is used: the writes of the standard streams are under a lock,
/// for which whoever panics meanwhile or prints an error would wait.
#[derive(Debug)]
pub(super) struct Lines<F> {
    to: F,
    /// The last line broke off in the middle.
    is_torn: bool,
    line: Vec<u8>,
    patience: Timespec,
}

// === impl Lines ===

impl<F: AsFd> Lines<F> {
    pub(super) const fn new(to: F) -> Self {
        Self { to, is_torn: false, line: Vec::new(), patience: PATIENCE }
    }

    /// What is written to.
    pub(super) const fn get(&self) -> &F {
        &self.to
    }

    /// Writes `record` and the end of its line. What is left of one that broke off is ended first, so
    /// that it spoils no other.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.line.clear();
        if self.is_torn {
            self.line.push(b'\n');
        }
        self.line.extend_from_slice(record);
        self.line.push(b'\n');
        let mut rest = self.line.as_slice();
        while !rest.is_empty() {
            match write_some(&self.to, rest, &self.patience) {
                Ok(count) => rest = &rest[count..],
                Err(error) => {
                    let done = self.line.len() - rest.len();
                    self.is_torn = done.checked_sub(1).map_or(self.is_torn, |last| self.line[last] != b'\n');
                    return Err(error);
                }
            }
        }
        self.is_torn = false;
        Ok(())
    }
}

/// Writes something, and something only.
fn write_some(to: impl AsFd, bytes: &[u8], patience: &Timespec) -> io::Result<usize> {
    let fd = to.as_fd();
    loop {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => return Ok(count),
            Err(Errno::INTR) => {}
            // Whether writing blocks is a property of the pipe, which others may share and set.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(patience)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    #[test]
    fn a_line_that_broke_off_is_ended_before_the_next_one() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        rustix::pipe::fcntl_setpipe_size(&write, 4096).unwrap();
        let mut lines = Lines::new(write);
        lines.patience = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // More than fits: it breaks off, as nobody reads.
        assert_eq!(lines.write(&[b'x'; 10_000]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(lines.is_torn);
        let mut content = vec![0; 4096];
        File::from(read.try_clone().unwrap()).read_exact(&mut content).unwrap();
        lines.write(b"next").unwrap();
        drop(lines);
        let mut rest = String::new();
        File::from(read).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "\nnext\n");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let file = File::options().append(true).open("/dev/full").unwrap();
        let mut lines = Lines::new(file);
        assert_eq!(lines.write(b"x").unwrap_err().raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        assert!(!lines.is_torn, "nothing of it was written");
    }
}
