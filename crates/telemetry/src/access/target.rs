//! What the access log is written to.

use super::{AccessLogError, AccessTarget};
use crate::output;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often to see whether the path still leads to the file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Writes whole lines, to the file that is at the path now.
pub(super) struct Output {
    to: output::Output<Opened>,
    path: Option<PathBuf>,
    checked: Instant,
}

enum Opened {
    StandardOutput(io::Stdout),
    File(File),
}

// === impl Output ===

impl Output {
    pub(super) fn open(target: &AccessTarget) -> Result<Self, AccessLogError> {
        let (opened, path) = match target {
            AccessTarget::StandardOutput => (Opened::StandardOutput(io::stdout()), None),
            AccessTarget::File(path) => {
                let file =
                    append(path).map_err(|source| AccessLogError::Open { path: path.clone(), source })?;
                (Opened::File(file), Some(path.clone()))
            }
        };
        Ok(Self { to: output::Output::new(opened), path, checked: Instant::now() })
    }

    /// Writes whole lines. Returns how many of them are lost.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        if self.checked.elapsed() >= CHECK_INTERVAL {
            self.checked = Instant::now();
            self.follow_path();
        }
        self.to.write(lines)
    }

    /// Opens what is at the path now if it is another file. While that fails, the old one is kept.
    fn follow_path(&mut self) {
        if let (Some(path), Opened::File(file)) = (&self.path, self.to.get())
            && !is_at(file, path)
            && let Ok(file) = append(path)
        {
            self.to = output::Output::new(Opened::File(file));
        }
    }
}

/// Opens a file to append to it, so that what others write to it or cut off of it does no harm. Only
/// its owner and group may read who asked for what. A named pipe without a reader is an error instead
/// of a wait for one.
fn append(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let number = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(theirs)) => number(&ours) == number(&theirs),
        (Err(_), _) => true,
        (Ok(_), Err(error)) => error.kind() != io::ErrorKind::NotFound,
    }
}

// === impl Opened ===

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::StandardOutput(stdout) => stdout.as_fd(),
            Self::File(file) => file.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, Mode};
    use std::fs;

    #[test]
    fn a_file_that_was_moved_or_removed_is_made_anew_and_one_that_is_there_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        fs::write(&path, "before\n").unwrap();
        let mut output = Output::open(&AccessTarget::File(path.clone())).unwrap();
        assert_eq!(output.write(b"one\n"), 0);
        fs::rename(&path, &moved).unwrap();
        assert_eq!(output.write(b"two\n"), 0);
        assert_eq!(fs::read(&moved).unwrap(), b"before\none\ntwo\n", "not looked at more than once a second");
        output.follow_path();
        assert_eq!(output.write(b"three\n"), 0);
        fs::remove_file(&path).unwrap();
        output.follow_path();
        assert_eq!(output.write(b"four\nfive\n"), 0);
        assert_eq!(fs::read(&path).unwrap(), b"four\nfive\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640 & !mask(dir.path()));
    }

    /// What of permissions this process takes away from new files.
    fn mask(dir: &Path) -> u32 {
        let path = dir.join("all");
        drop(OpenOptions::new().append(true).create(true).mode(0o777).open(&path).unwrap());
        !fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let path = PathBuf::from("/proc/nothing/access.log");
        let error = Output::open(&AccessTarget::File(path)).err().unwrap();
        assert_eq!(error.to_string(), "cannot open /proc/nothing/access.log for the access log");
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_no_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(Output::open(&AccessTarget::File(path)).is_err());
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_counted() {
        let mut output = Output::open(&AccessTarget::File("/dev/full".into())).unwrap();
        assert_eq!(output.write(b"one\ntwo\n"), 2);
    }
}
