//! A file that is appended to, the one that is at its path now.

use super::lines::Lines;
use super::{Sink, WriteError};
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    lines: Lines<File>,
}

// === impl FileSink ===

impl FileSink {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), lines: Lines::new(append(path)?) })
    }

    /// Opens what is at the path now if it is another file. While that fails, the old one is kept.
    fn follow_path(&mut self) {
        if !is_at(self.lines.get(), &self.path)
            && let Ok(file) = append(&self.path)
        {
            self.lines = Lines::new(file);
        }
    }
}

impl Sink for FileSink {
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        self.follow_path();
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> Result<(), WriteError> {
        // Events are rare enough to look each time.
        self.follow_path();
        Ok(self.lines.write(record)?)
    }

    fn close(&mut self) {}
}

/// Opens a file to append to it, so that what others write to it or cut off of it does no harm. Only
/// its owner and group may read who asked for what. A named pipe without a reader is an error instead
/// of a wait for one.
fn append(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let number = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(theirs)) => number(&ours) == number(&theirs),
        (Err(_), _) => true,
        (Ok(_), Err(error)) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_moved_or_removed_is_made_anew_and_one_that_is_there_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("events"), dir.path().join("events.1"));
        fs::write(&path, "before\n").unwrap();
        let mut sink = FileSink::open(&path).unwrap();
        sink.write(b"one").unwrap();
        fs::rename(&path, &moved).unwrap();
        sink.write(b"two").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\n");
        fs::remove_file(&path).unwrap();
        sink.write(b"three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::write(&path, "").unwrap();
        sink.write(b"four").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n", "one that was cut off is written on");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o137, 0, "others may not read it");
    }

    #[test]
    fn the_old_file_is_kept_while_there_can_be_no_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, moved) = (dir.path().join("a"), dir.path().join("b"));
        fs::create_dir(&inner).unwrap();
        let mut sink = FileSink::open(&inner.join("events")).unwrap();
        fs::rename(&inner, &moved).unwrap();
        sink.write(b"one").unwrap();
        assert_eq!(fs::read_to_string(moved.join("events")).unwrap(), "one\n");
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_and_no_wait() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(FileSink::open(&path).is_err());
    }
}
